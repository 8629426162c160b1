"""Least squares: normal equations, the weights that solve them, and how far those can be trusted."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

import numpy as np

from convfilter.convolution.execute import share_out
from convfilter.convolution.gradients import kernel_gradient
from convfilter.convolution.matmul import QUIET, QUIET_SQUARE, quiet_parts
from convfilter.convolution.recipes import Workspace
from convfilter.convolution.window import WindowSum, windows
from convfilter.errors import ImageError, OptionError
from convfilter.kernels import Kernel
from convfilter.learning.data import Block, Pair, choose_blocks
from convfilter.messages import brief

__all__ = ["Fit", "fit_pairs"]

_Result = TypeVar("_Result")

# Digits of a weight, counted from the largest one's first: kernels of whole numbers come out as such.
_DIGITS = 10
# A step that changes the weights by less, in units of the largest, is none; and how many are taken.
_STILL, _STEPS = 1e-9, 3
# Weights that may be off by more, in units of the largest, are not known.
_UNCERTAIN = 0.05
# How much of the ones the weights must leave for an offset to be known; rounding leaves less.
_SLACK = 1e-10
# Rows beyond which too few samples would be left to a product that OpenBLAS keeps on its thread: it is made
# of tiles of rows then.
_MOST_ROWS, _TILE = 128, 32
# Numbers of all sums that are under way at a time, and of a stack of blocks that are compared together.
_ROOM, _STACK = 2**25, 2**19

_AXES = {
    "each": ("row", "column"),
    "sum": ("channel", "row", "column"),
    "mix": ("output", "channel", "row", "column"),
}


@dataclass(frozen=True)
class Fit:
    """A kernel that was learned, and how well.

    The residual is that of the samples held out, if there are any; the gradient that of the mean squared
    residual (and ridge) by weights and offset, in fractions of full scale.
    """

    kernel: Kernel
    rms: float  # root mean square of the residual, in `unit`
    unit: str  # "levels" of an integer image, or "of full scale"
    psnr: float  # the same in decibels below full scale; infinite if nothing is left over
    gradient_norm: float
    condition: float
    uncertainty: float  # largest standard error of a weight, in units of the largest weight
    samples: int
    held_out: int
    warnings: list[str]


def fit_pairs(
    pairs: Sequence[Pair],
    *,
    offset: bool = False,
    ridge: float = 0.0,
    bare: bool = False,
    name: str = "learned",
    summary: str = "",
) -> Fit:
    """Find the kernel that turns the first image of every pair into the second.

    Offset and ridge are as in `fit_kernel`; a `bare` kernel has no axis for rows.
    """
    _check_arguments(pairs, ridge)
    first = pairs[0]
    outputs, *taps = first.kernel_shape
    unknowns = math.prod(taps) + bool(offset)
    warnings = []
    regions = [pair.inside for pair in pairs]
    if sum(math.prod(pair.inside.shape) * pair.carried for pair in pairs) < unknowns:
        regions = [pair.whole for pair in pairs]
        warnings.append(
            f"fewer than {unknowns} samples lie inside: those at the border are used too, with border "
            f"'{first.border}'"
        )
    blocks = choose_blocks(pairs, regions, unknowns)
    means, count = _mean_products(blocks)
    if not count:
        raise ImageError(
            "no sample can be used: all are at their limits, where filters clip, or their windows see "
            "something transparent or not finite; take other images"
        )
    equations = _Equations(means, math.prod(taps), offset=offset, ridge=ridge)
    weights, shift, check = _solve(equations, blocks)
    uncertainty = _uncertainty(weights, check, equations, count - unknowns)
    warnings += _doubts(equations, uncertainty, math.prod(taps))
    held = check.counts[1]
    rms = math.sqrt(check.squares[held > 0] / outputs / (held or count))
    axes = _AXES[first.channels]
    shape = [number for number, axis in zip((outputs, *taps), _AXES["mix"], strict=True) if axis in axes]
    if bare and axes == _AXES["each"]:
        axes, shape = ("column",), shape[-1:]
    parts = (weights.reshape(shape).tolist(),)
    return Fit(
        kernel=Kernel(name, parts=parts, axes=axes, offset=shift, range="clip", summary=summary),
        rms=rms * (first.depth_after.full if first.depth_after.integer else 1.0),
        unit="levels" if first.depth_after.integer else "of full scale",
        psnr=-20 * math.log10(rms) if rms else math.inf,
        gradient_norm=2 * math.hypot(float(np.linalg.norm(check.gradient)), check.drift),
        condition=equations.condition,
        uncertainty=uncertainty,
        samples=count,
        held_out=held,
        warnings=warnings,
    )


def _check_arguments(pairs: Sequence[Pair], ridge: float) -> None:
    first = pairs[0]
    for pair in pairs[1:]:
        if pair.kernel_shape != first.kernel_shape:
            raise ImageError(
                "the pairs have different numbers of channels: give pairs of one kind, or learn from each"
            )
        if (pair.depth_before, pair.depth_after) != (first.depth_before, first.depth_after):
            raise ImageError(
                f"the pairs have samples of different types, {first.depth_after.dtype} and "
                f"{pair.depth_after.dtype} after: give pairs of one kind, or learn from each"
            )
    if not (isinstance(ridge, int | float | np.number) and math.isfinite(ridge) and ridge >= 0):
        raise OptionError(f"ridge={brief(ridge)}: give a finite number, at least 0")


class _Equations:
    """Normal equations of T weights, and of an offset that all O outputs share, ready to be solved often.

    They are made of the means, over all samples, of the products of each two of: the sample under each
    weight, each output, and 1; an array of shape (T + O + 1, T + O + 1), in fractions of full scale.
    """

    def __init__(self, means: np.ndarray, weights: int, *, offset: bool, ridge: float) -> None:
        self.products, self.targets = means[:weights, weights:-1], means[weights:-1, -1]
        self.offset = offset
        # What the ridge adds to the diagonal.
        self.ridge = ridge * (float(np.trace(means[:weights, :weights])) / weights)
        self._ones = means[:weights, -1]
        matrix = means[:weights, :weights] + np.eye(weights) * self.ridge
        scale = _lengths(matrix)
        values, vectors = np.linalg.eigh(matrix / scale)
        known = values > _zero(values)
        part = vectors[:, known]
        self._inverse = (part / values[known]) @ part.T / scale
        # How many combinations of weights are determined, and what part of the ones no weights add up to.
        self.rank, self._slack = int(known.sum()), 0.0
        if offset:
            slack = 1 - float(self._ones @ self._inverse @ self._ones)
            self._slack = slack if slack > _SLACK else 0.0
            # Ones are a column like others.
            matrix = np.block([[matrix, self._ones[:, np.newaxis]], [self._ones, np.ones(1)]])
            values = np.linalg.eigvalsh(matrix / _lengths(matrix))
        # The largest singular value of the windows over the smallest.
        self.condition = math.sqrt(values[-1] / values[0]) if values[0] > _zero(values) else math.inf

    def step(self, gradient: np.ndarray, drift: float) -> tuple[np.ndarray, float]:
        """Return how far weights (T, O) and offset are from the solution.

        The gradient (T, O) and the drift are half the derivatives of the mean square by weights and offset.
        """
        if not self._slack:
            return -self._inverse @ gradient, 0.0
        pull = self._inverse @ self._ones
        shift = (float(pull @ gradient.sum(axis=1)) - drift) / (gradient.shape[1] * self._slack)
        return -self._inverse @ gradient - shift * pull[:, np.newaxis], shift

    def variances(self, outputs: int) -> np.ndarray:
        """Return the variance of each weight, in units of that of the residual over the samples."""
        own = self._inverse.diagonal()
        tied = (self._inverse @ self._ones) ** 2 / (outputs * self._slack) if self._slack else 0.0
        return np.asarray(own + tied)


def _lengths(matrix: np.ndarray) -> np.ndarray:
    """Return what brings all columns to one length."""
    lengths: np.ndarray = np.sqrt(matrix.diagonal().clip(0))
    lengths[lengths == 0] = 1
    return np.asarray(np.multiply.outer(lengths, lengths))


def _zero(values: np.ndarray) -> float:
    """Below this, eigenvalues are what rounding has left of zero."""
    return 16 * len(values) * float(np.finfo(np.float64).eps) * max(float(values[-1]), 0.0)


def _solve(equations: _Equations, blocks: Sequence[Block]) -> tuple[np.ndarray, float, _Check]:
    """Return the weights (O, channels, rows, columns), the offset, and their check.

    The equations square the condition of the windows, and lose twice as many digits to rounding. The gradient
    is taken from the images themselves and has lost none: a step along it mends the weights.
    """
    shape = blocks[0].pair.kernel_shape
    step, shift = equations.step(-equations.products, -float(equations.targets.sum()))
    weights, offset = _rounded(step.T.reshape(shape)), _rounded(np.array(shift))
    for number in range(_STEPS + 1):
        check = _check_weights(blocks, weights, float(offset))
        check = check._replace(
            gradient=check.gradient + equations.ridge * weights,
            drift=check.drift if equations.offset else 0.0,
        )
        step, shift = equations.step(check.gradient.reshape(shape[0], -1).T, check.drift)
        if number == _STEPS or np.abs(step).max() <= _STILL * np.abs(weights).max():
            break
        weights = _rounded(weights + step.T.reshape(shape))
        offset = _rounded(offset + shift)
    return weights, float(offset), check


def _rounded(values: np.ndarray) -> np.ndarray:
    """Round to ten digits, counted from the first one of the largest."""
    largest = float(np.abs(values).max())
    digits = _DIGITS - 1 - math.floor(math.log10(largest)) if largest else 0
    return np.asarray(np.round(values, digits))


def _uncertainty(weights: np.ndarray, check: _Check, equations: _Equations, degrees: int) -> float:
    """Return the largest standard error of a weight, in units of the largest weight."""
    largest = float(np.abs(weights).max())
    if degrees <= 0 or not largest:
        return math.inf
    noise = check.squares[0] / len(weights) / degrees
    return math.sqrt(noise * float(equations.variances(len(weights)).max()) / check.counts[0]) / largest


def _doubts(equations: _Equations, uncertainty: float, weights: int) -> list[str]:
    """Return why not to trust the weights, if there is reason."""
    mend = "learn from images with more detail, take a smaller size, or give a ridge such as 1e-6"
    if equations.rank < weights or not math.isfinite(equations.condition):
        return [f"the images do not determine the kernel, only {equations.rank} of {weights} weights: {mend}"]
    if math.isfinite(uncertainty) and uncertainty > _UNCERTAIN:
        return [
            f"the images hardly determine the kernel (condition {equations.condition:.3g}): weights are "
            f"off by about {uncertainty:.0%} of the largest; {mend}"
        ]
    return []


def _each_lot(
    lots: Sequence[Sequence[Block]], work: Callable[[Sequence[Block], Workspace], _Result]
) -> list[_Result]:
    """Work on lots of blocks with several threads; lots must not depend on their number, so sums do not."""
    results: dict[int, _Result] = {}

    def one(number: int, workspace: Workspace) -> None:
        results[number] = work(lots[number], workspace)

    share_out(range(len(lots)), one)
    return [results[number] for number in range(len(lots))]


def _mean_products(blocks: Sequence[Block]) -> tuple[np.ndarray, int]:
    """Return what `_Equations` are made of, from the blocks that are not held out, and the sample count.

    A matrix has a row for each weight, each output and one for ones, and a column for each sample; its
    product with itself holds all sums at once. Integers of 8 and 16 bits are summed without rounding.
    """
    outputs, *taps = blocks[0].pair.kernel_shape
    weights = math.prod(taps)
    rows = weights + outputs + 1
    total = np.zeros((rows, rows))
    for pair in dict.fromkeys(id(block.pair) for block in blocks):
        own = [block for block in blocks if id(block.pair) == pair and not block.held_out]
        if not own:
            continue
        lots = min(len(own), max(2, min(16, _ROOM // rows**2)))
        sums = sum(_each_lot([own[number::lots] for number in range(lots)], _sum_products))
        scale = np.ones(rows)
        scale[:weights] /= own[0].pair.depth_before.full
        scale[weights:-1] /= own[0].pair.depth_after.full
        total += sums * np.multiply.outer(scale, scale)
    count = int(total[-1, -1])
    return total / max(count, 1), count


def _sum_products(blocks: Sequence[Block], workspace: Workspace) -> np.ndarray:
    """Add up the products of some blocks of a pair, in the units of the images."""
    outputs, *taps = blocks[0].pair.kernel_shape
    rows = math.prod(taps) + outputs + 1
    total = np.zeros((rows, rows))
    for block in blocks:
        workspace.level = 0
        _add_products(block, total, workspace)
    # Above the diagonal not all tiles were made.
    return np.asarray(np.tril(total) + np.tril(total, -1).T)


def _add_products(block: Block, total: np.ndarray, workspace: Workspace) -> None:
    """Add the products of a block, those below the diagonal at least."""
    samples, targets, mask = block.read(workspace)
    outputs, *taps = block.pair.kernel_shape
    height, width = block.region.shape
    view = windows(samples, block.pair.axes, (1, height, width))
    # Outputs and ones lie as the samples do, which go on past the row ends.
    beside = workspace.take((outputs + 1, height, *samples.shape[2:]), np.float64)
    beside[:, :, width:] = 0
    beside[:-1, :, :width], beside[-1, :, :width] = targets, mask
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


class _Check(NamedTuple):
    """What a kernel leaves over, in fractions of full scale.

    Sums of squares over all outputs and counts of samples are two numbers each: learned from, and held out.
    The gradient (O, channels, rows, columns) and the drift are half the derivatives of the mean square (and
    ridge) by weights and offset.
    """

    squares: list[float]
    counts: list[int]
    gradient: np.ndarray
    drift: float


def _check_weights(blocks: Sequence[Block], weights: np.ndarray, offset: float) -> _Check:
    """Apply a kernel to all blocks and compare."""
    full = blocks[0].pair.depth_after.full
    lots = list(_stacks(blocks))
    checks = _each_lot(lots, lambda lot, workspace: _compare(lot, weights, offset * full, workspace))
    squares, counts, gradients, drifts = zip(*checks, strict=True)
    held_in, held_out = map(sum, zip(*counts, strict=True))
    return _Check(
        [sum(each) for each in zip(*squares, strict=True)],
        [held_in, held_out],
        np.sum(gradients, axis=0) / held_in,
        sum(drifts) / held_in,
    )


def _stacks(blocks: Sequence[Block]) -> Iterator[list[Block]]:
    """Put blocks of one pair together, as many as are handled well at a time."""
    stack: list[Block] = []
    for block in blocks:
        sizes = zip((1, *block.region.shape), block.pair.axes, strict=True)
        shape = [count + axis.kernel - 1 for count, axis in sizes]
        numbers = math.prod(shape) * block.pair.carried
        if stack and (block.pair is not stack[0].pair or (len(stack) + 1) * numbers > _STACK):
            yield stack
            stack = []
        stack.append(block)
    yield stack


def _compare(blocks: Sequence[Block], weights: np.ndarray, offset: float, workspace: Workspace) -> _Check:
    """Compare some blocks of a pair with what the kernel makes of them; the offset is in their units."""
    pair = blocks[0].pair
    full, scale = pair.depth_after.full, pair.depth_after.full / pair.depth_before.full
    # Blocks differ by a row or column; what one lacks is left zero.
    height, width = np.max([block.region.shape for block in blocks], axis=0).tolist()
    shape = [count + axis.kernel - 1 for count, axis in zip((1, height, width), pair.axes, strict=True)]
    samples = np.zeros((len(blocks), *shape, pair.carried))
    residuals = np.zeros((len(weights), len(blocks), 1, height, width, pair.carried))
    sums = [WindowSum(kernel * scale, pair.axes) for kernel in weights]
    squares, counts = [0.0, 0.0], [0, 0]
    for number, block in enumerate(blocks):
        rows, columns = block.region.shape
        workspace.level = 0
        seen, targets, mask = block.read(workspace)
        level = workspace.level
        samples[number, :, : seen.shape[1], : seen.shape[2]] = seen
        counts[block.held_out] += int(mask.sum())
        for output, window in enumerate(sums):
            workspace.level = level
            residual = window.recipe(seen, (1, rows, columns), workspace)()[0]
            residual += offset
            residual *= mask
            residual -= targets[output]
            residual /= full
            squares[block.held_out] += float(np.einsum("abc,abc->", residual, residual))
            if not block.held_out:
                residuals[output, number, 0, :rows, :columns] = residual
    # The blocks are the first axis, along which the kernel is one long.
    shape = [1, *weights.shape[1:]]
    slopes = [kernel_gradient(samples, residual, shape, padding="valid")[0] for residual in residuals]
    return _Check(squares, counts, np.stack(slopes) / pair.depth_before.full, float(residuals.sum()))
