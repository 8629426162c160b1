"""Normal equations: added up from what stands under the window, and solved."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from convfilter.convolution.matmul import QUIET, QUIET_SQUARE, quiet_parts
from convfilter.convolution.recipes import Workspace
from convfilter.convolution.window import windows
from convfilter.learning.pairs import Block, Pair
from convfilter.learning.sampling import Job, in_lots

__all__ = ["Equations", "Solver", "add_up", "make_solver"]

# Rows beyond which too few samples would be left to such a product: it is made of tiles of so many rows then.
_MOST_ROWS, _TILE = 128, 32
# How much of the ones the weights must leave for an offset to be known; rounding leaves less.
_SLACK = 1e-10
# Numbers of all sums that are under way at a time.
_ROOM = 2**25


@dataclass(frozen=True)
class Equations:
    """Means of products over all samples that count, in fractions of full scale.

    Attributes
    ----------
    squares : ndarray of shape (T, T)
        Of what stands under each two of T weights.
    products : ndarray of shape (T, O)
        Of what stands under a weight and each of O outputs.
    means : ndarray of shape (T,)
        Of what stands under each weight.
    targets : ndarray of shape (O,)
        Of the outputs.
    count : int
        How many samples.
    """

    squares: np.ndarray
    products: np.ndarray
    means: np.ndarray
    targets: np.ndarray
    count: int

    @property
    def power(self) -> float:
        """Mean square of the samples under a weight."""
        return float(np.trace(self.squares)) / len(self.squares)


@dataclass(frozen=True)
class Solver:
    """What turns a gradient into the step to the least square.

    Attributes
    ----------
    inverse : ndarray of shape (T, T)
        Of the equations of the weights, of as much of them as is determined.
    means : ndarray of shape (T,), or None
        What ties the weights to the offset, if one is looked for.
    slack : float
        How much of the ones is no sum of weights; 0 where the offset is not determined.
    condition : float
        The largest singular value of the windows, and ones for an offset, over the smallest; infinite if
        that is zero.
    rank : int
        How many combinations of weights are determined.
    """

    inverse: np.ndarray
    means: np.ndarray | None
    slack: float
    condition: float
    rank: int

    def step(self, gradient: np.ndarray, drift: float) -> tuple[np.ndarray, float]:
        """Return how far the weights, and the offset that all outputs share, are from the solution.

        Parameters
        ----------
        gradient : ndarray of shape (T, O)
            Half the derivative of the mean square by the weights.
        drift : float
            Half its derivative by the offset.
        """
        if self.means is None or not self.slack:
            return -self.inverse @ gradient, 0.0
        pull = self.inverse @ self.means
        shift = (float(pull @ gradient.sum(axis=1)) - drift) / (gradient.shape[1] * self.slack)
        return -self.inverse @ gradient - shift * pull[:, np.newaxis], shift

    def variances(self, outputs: int) -> np.ndarray:
        """Return the variance of each weight, in units of that of the residual over the samples."""
        own = self.inverse.diagonal()
        if self.means is None or not self.slack:
            return own
        return np.asarray(own + (self.inverse @ self.means) ** 2 / (outputs * self.slack))


def add_up(jobs: Sequence[Job]) -> Equations | None:
    """Add up the equations of all blocks that are not held out.

    Parameters
    ----------
    jobs : sequence of Job
        Blocks of one or several pairs.

    Returns
    -------
    Equations or None
        None if no sample counts.

    Notes
    -----
    A matrix has a row for each weight, each output and one for ones, and a column for each sample; its
    product with itself holds all sums at once. Integers of 8 and 16 bits are summed without rounding.
    """
    outputs, *taps = jobs[0].pair.kernel_shape
    weights = math.prod(taps)
    rows = weights + outputs + 1
    total = np.zeros((rows, rows))
    for pair in dict.fromkeys(map(id, (job.pair for job in jobs))):
        own = [job for job in jobs if id(job.pair) == pair and not job.held_out]
        if not own:
            continue
        lots = min(len(own), max(2, min(16, _ROOM // rows**2)))
        sums = sum(in_lots([own[number::lots] for number in range(lots)], _lot))
        scale = np.ones(rows)
        scale[:weights] /= own[0].pair.depth_before.full
        scale[weights:-1] /= own[0].pair.depth_after.full
        total += sums * np.multiply.outer(scale, scale)
    count = total[-1, -1]
    if not count:
        return None
    total /= count
    return Equations(
        squares=total[:weights, :weights],
        products=total[:weights, weights:-1],
        means=total[:weights, -1],
        targets=total[weights:-1, -1],
        count=int(count),
    )


def make_solver(equations: Equations, *, offset: bool, ridge: float) -> Solver:
    """Take equations apart so that they can be solved more than once.

    Parameters
    ----------
    equations : Equations
        From `add_up`.
    offset : bool
        Whether an offset is looked for.
    ridge : float
        What is added to the diagonal, in units of its mean.
    """
    means = equations.means
    matrix = equations.squares + np.eye(len(means)) * ridge * equations.power
    scale = _lengths(matrix)
    values, vectors = np.linalg.eigh(matrix / scale)
    known = values > _zero(values)
    part = vectors[:, known]
    inverse = (part / values[known]) @ part.T / scale
    if not offset:
        return Solver(inverse, None, 0.0, _condition(values), int(known.sum()))
    slack = 1 - float(means @ inverse @ means)
    # Ones are a column like others.
    matrix = np.block([[matrix, means[:, np.newaxis]], [means, np.ones(1)]])
    values = np.linalg.eigvalsh(matrix / _lengths(matrix))
    return Solver(inverse, means, slack if slack > _SLACK else 0.0, _condition(values), int(known.sum()))


def _lengths(matrix: np.ndarray) -> np.ndarray:
    """What brings all columns to one length."""
    lengths: np.ndarray = np.sqrt(matrix.diagonal().clip(0))
    lengths[lengths == 0] = 1
    return np.asarray(np.multiply.outer(lengths, lengths))


def _zero(values: np.ndarray) -> float:
    """Below this, eigenvalues are what rounding has left of zero."""
    return 16 * len(values) * float(np.finfo(np.float64).eps) * max(float(values[-1]), 0.0)


def _condition(values: np.ndarray) -> float:
    return math.sqrt(values[-1] / values[0]) if values[0] > _zero(values) else math.inf


def _lot(jobs: Sequence[Job], workspace: Workspace) -> np.ndarray:
    """The sums of some blocks, in the units of the pictures."""
    outputs, *taps = jobs[0].pair.kernel_shape
    rows = math.prod(taps) + outputs + 1
    total = np.zeros((rows, rows))
    for job in jobs:
        workspace.level = 0
        _add(job.pair, job.pair.read(job.region, workspace), total, workspace)
    # Above the diagonal not all tiles were made.
    return np.asarray(np.tril(total) + np.tril(total, -1).T)


def _add(pair: Pair, block: Block, total: np.ndarray, workspace: Workspace) -> None:
    """Add the sums of a block, those below the diagonal at least."""
    outputs, *taps = pair.kernel_shape
    height, width = block.mask.shape[:2]
    view = windows(block.samples, pair.axes, (1, height, width))
    # Outputs and ones lie as the samples do, which go on past the row ends.
    beside = workspace.take((outputs + 1, height, *block.samples.shape[2:]), np.float64)
    beside[:, :, width:] = 0
    beside[:-1, :, :width], beside[-1, :, :width] = block.outputs, block.mask
    run = view.shape[-1]
    lines = beside.reshape(outputs + 1, -1)[:, :run]
    weights = math.prod(taps)
    whole = len(total) <= _MOST_ROWS
    tile = len(total) if whole else _TILE
    tiles = [slice(top, top + tile) for top in range(0, len(total), tile)]
    product = workspace.take(total.shape, np.float64)
    product[...] = 0
    level = workspace.level
    for part in quiet_parts(run, tile**2, QUIET_SQUARE if whole else QUIET):
        workspace.level = level
        matrix = workspace.take((len(total), part.stop - part.start), np.float64)
        np.multiply(view[..., part], lines[-1, part], out=matrix[:weights].reshape(*taps, -1))
        matrix[weights:] = lines[:, part]
        for number, rows in enumerate(tiles):
            for columns in tiles[: number + 1]:
                np.matmul(matrix[rows], matrix[columns].T, out=product[rows, columns])
        total += product
