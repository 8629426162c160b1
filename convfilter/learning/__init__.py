"""Finds the kernel that turns one image into another, by least squares.

A correlation is linear in its kernel, so the weights that bring one image as close as possible to another
solve a system of linear equations, the *normal equations*. There are as many equations as weights, whatever
the size of the images, and they are summed block by block. `data` prepares images and chooses blocks.
"""

from __future__ import annotations

import itertools
import math
import warnings
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from convfilter.convolution.execute import share_out
from convfilter.convolution.window import quiet_parts
from convfilter.errors import ImageError, OptionError, brief
from convfilter.kernels import Kernel
from convfilter.learning.data import Block, Pair, check_window, choose_blocks, make_pair, planes_of
from convfilter.options import Border, LearnedChannels

# Digits of a weight, counted from the largest one's first: kernels of whole numbers come out as such.
_DIGITS = 10
# Refinement stops after a step smaller than this fraction of the largest weight, and after three at most.
_STILL, _STEPS = 1e-9, 3
# Weights that may be off by more, in units of the largest, are not known.
_UNCERTAIN = 0.05
# Below this many decibels, a kernel explains little of what was done to the image.
_POOR = 20
# Share of the constant column that no weights may explain, for an offset to be known; rounding leaves less.
_SLACK = 1e-10
# Rows of a tile of products: a product of more that OpenBLAS computes on the calling thread alone would hold
# too few samples.
_TILE = 32
# Numbers of all sums that are under way at a time.
_NUMBERS = 2**25

_AXES = {
    "each": ("row", "column"),
    "sum": ("channel", "row", "column"),
    "mix": ("output", "channel", "row", "column"),
}


def fit_kernel(
    before: ArrayLike,
    after: ArrayLike,
    size: int | Sequence[int],
    *,
    border: Border = "edge",
    channels: LearnedChannels = "each",
    offset: bool = False,
    ridge: float = 0.0,
    linear: bool = False,
) -> Kernel:
    """Find the kernel that best turns one image into another.

    Parameters
    ----------
    before, after : array_like of shape (H, W), (H, W, C) or (N,)
        Integers, whose full scale is their type's largest value, or floats, whose full scale is 1; both
        integers or both floats; 64-bit integers count as floats. With 2 or 4 channels the last one is alpha.
        The padding follows from the sizes: `after` may be smaller by up to ``K - 1`` samples (valid) or
        larger by as many (full) along each axis.
    size : (rows, columns) or int
        Size of the kernel. An int K means K x K, or, for arrays of shape (N,), a kernel with columns only.
    border : {"edge", "symmetric", "reflect", "wrap", "zero", "constant"}
        How `before` was extended past its edges; a constant border is zero. This matters only for images so
        small that, without the samples whose window touches the border, fewer samples than weights remain.
    channels : {"each", "sum", "mix"}
        One kernel applied to each colour channel separately; one that sums all channels into one; or one for
        each channel of `after`, each summing all channels of `before`.
    offset : bool
        Whether to estimate an offset as well.
    ridge : float
        Pull weights that the images hardly determine towards zero: ``ridge`` times the mean of the diagonal
        of the normal equations is added to that diagonal. 1e-6 is a small value.
    linear : bool
        Find the kernel that works in linear light: the one with which ``apply_kernel(..., linear=True)``
        turns `before` into `after`.

    Returns
    -------
    Kernel
        A kernel with axes ``row,column`` or ``column``, preceded by ``channel`` for ``sum`` and by
        ``output,channel`` for ``mix``. Its name is ``learned`` and its range ``clip``. Weights have ten
        digits.

    Raises
    ------
    ShapeError
        If the sizes or channels cannot come from such a kernel.
    ImageError
        If the arrays are not images, or no sample can be used.
    KernelError
        If a side exceeds 1023 or there are more than 4096 weights to find.
    ConvfilterError
        If another argument has an unknown value.

    Warns
    -----
    RuntimeWarning
        If the images do not determine the kernel, or it explains little of the change.

    Notes
    -----
    The kernel minimises the sum of ``(sum_a w[a] * before[i + a] + offset - after[i])**2`` over the samples.
    A sample is left out if an integer `after` is at its limits there, where filters clip, or if its window
    touches the border or anything transparent or not finite. Large images are reduced to about 2.4 million
    samples in evenly spread blocks, one in eight of which is held out to measure the residual.

    Examples
    --------
    Five samples and three outputs determine the three weights.

    >>> fit_kernel([2, 3, 5, 7, 11], [11, 14, 24], 3).parts
    ((1, -2, 3),)
    """
    if not isinstance(size, Iterable) and np.ndim(before) > 1:
        size = (size, size)
    window = check_window(size)
    planes = [planes_of(each, linear=linear) for each in (before, after)]
    pair = make_pair(planes[0], planes[1], window, channels=channels, border=border)
    fit = fit_pairs([pair], offset=offset, ridge=ridge, bare=len(window) == 1)
    for text in fit.warnings:
        warnings.warn(text, RuntimeWarning, stacklevel=2)
    return fit.kernel


class Fit(NamedTuple):
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
    unknowns = first.weights + bool(offset)
    warnings = []
    inside = sum(pair.counts[pair.region(inside=True)].size for pair in pairs) >= unknowns
    if not inside:
        warnings.append(
            f"fewer than {unknowns} samples lie inside: those at the border are used too, with border "
            f"'{first.border}'"
        )
    blocks = choose_blocks(pairs, unknowns, inside=inside)
    means, count = _mean_products(blocks)
    if not count:
        raise ImageError(
            "no sample can be used: all are at their limits, where filters clip, or their windows "
            "contain transparent or non-finite samples; use other images"
        )
    equations = _Equations(means, first.weights, offset=offset, ridge=ridge)
    weights, shift, check = _solve(equations, blocks)
    uncertainty = _uncertainty(weights, check, equations, count - unknowns)
    warnings += _doubts(equations, uncertainty, first.weights)
    held = int(check.counts[1])
    rms = math.sqrt(check.squares[int(held > 0)] / outputs / (held or count))
    psnr = -20 * math.log10(rms) if rms else math.inf
    if psnr < _POOR:
        warnings.append(
            f"the kernel explains little of the change (PSNR {psnr:.1f} dB): the filter is not linear, works "
            "across channels (use channels 'mix') or is larger than the kernel"
        )
    axes = _AXES[first.channels]
    shape = [number for number, axis in zip((outputs, *taps), _AXES["mix"], strict=True) if axis in axes]
    if bare and axes == _AXES["each"]:
        axes, shape = ("column",), shape[-1:]
    parts = (weights.reshape(shape).tolist(),)
    return Fit(
        kernel=Kernel(name, parts=parts, axes=axes, offset=shift, range="clip", summary=summary),
        rms=rms * (first.depth_after.full if first.depth_after.integer else 1.0),
        unit="levels" if first.depth_after.integer else "of full scale",
        psnr=psnr,
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
                "the pairs have different numbers of channels: use pairs of one kind, or learn from each"
            )
        if (pair.depth_before, pair.depth_after) != (first.depth_before, first.depth_after):
            raise ImageError(
                f"the pairs have samples of different types, {first.depth_after.dtype} and "
                f"{pair.depth_after.dtype} after: use pairs of one kind, or learn from each"
            )
    if not (isinstance(ridge, int | float | np.number) and math.isfinite(ridge) and ridge >= 0):
        raise OptionError(f"ridge={brief(ridge)}: use a finite number, at least 0")


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
        # How many combinations of weights are determined, and what no weights explain of the constant column.
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
        """Return how far weights (O, T) and offset are from the solution.

        The gradient (O, T) and the drift are half the derivatives of the mean square by weights and offset.
        """
        if not self._slack:
            return -gradient @ self._inverse, 0.0
        pull = self._inverse @ self._ones
        shift = (float(gradient.sum(axis=0) @ pull) - drift) / (len(gradient) * self._slack)
        return -gradient @ self._inverse - shift * pull, shift

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
    """Return the weights (O, T), the offset, and their check.

    The equations square the condition of the windows, and lose twice as many digits to rounding. The gradient
    is taken from the images themselves and has lost none: a step along it mends the weights.
    """
    step, shift = equations.step(-equations.products.T, -float(equations.targets.sum()))
    weights, offset = _rounded(step), _rounded(np.array(shift))
    for number in range(_STEPS + 1):
        check = _check_weights(blocks, weights, float(offset), equations)
        step, shift = equations.step(check.gradient, check.drift)
        if number == _STEPS or np.abs(step).max() <= _STILL * np.abs(weights).max():
            break
        weights, offset = _rounded(weights + step), _rounded(offset + shift)
    return weights, float(offset), check


def _rounded(values: np.ndarray) -> np.ndarray:
    """Round to ten digits, counted from the first one of the largest."""
    largest = float(np.abs(values).max())
    digits = _DIGITS - 1 - math.floor(math.log10(largest)) if largest else 0
    return np.asarray(np.round(values, digits))


def _uncertainty(weights: np.ndarray, check: _Check, equations: _Equations, degrees: int) -> float:
    largest = float(np.abs(weights).max())
    if degrees <= 0 or not largest:
        return math.inf
    noise = check.squares[0] / len(weights) / degrees
    return math.sqrt(noise * float(equations.variances(len(weights)).max()) / check.counts[0]) / largest


def _doubts(equations: _Equations, uncertainty: float, weights: int) -> list[str]:
    """Return why not to trust the weights, if there is reason."""
    mend = "learn from images with more detail, use a smaller size, or set a ridge such as 1e-6"
    if equations.rank < weights or not math.isfinite(equations.condition):
        return [f"the images do not determine the kernel, only {equations.rank} of {weights} weights: {mend}"]
    if math.isfinite(uncertainty) and uncertainty > _UNCERTAIN:
        return [
            f"the images hardly determine the kernel (condition {equations.condition:.3g}): weights are "
            f"off by about {uncertainty:.0%} of the largest; {mend}"
        ]
    return []


def _mean_products(blocks: Sequence[Block]) -> tuple[np.ndarray, int]:
    """Return what `_Equations` are made of, from the blocks that are not held out, and the sample count.

    The product of a block's equations with themselves holds all sums at once. Integers of 8 and 16 bits are
    summed without rounding.
    """
    pair = blocks[0].pair
    (total,) = _sums([block for block in blocks if not block.held_out], _products)
    total = np.tril(total) + np.tril(total, -1).T  # not all tiles above the diagonal were computed
    count = int(total[-1, -1])
    scale = np.ones(pair.rows)
    scale[:-1] /= pair.depth_after.full
    scale[: pair.weights] = 1 / pair.depth_before.full
    return total * np.multiply.outer(scale, scale) / max(count, 1), count


def _products(blocks: Sequence[Block]) -> tuple[np.ndarray]:
    """Add up the products of the equations of some blocks, those below the diagonal at least."""
    rows = blocks[0].pair.rows
    total, product = np.zeros((rows, rows)), np.zeros((rows, rows))
    tiles = [slice(top, top + _TILE) for top in range(0, rows, _TILE)]
    for matrix in itertools.chain.from_iterable(block.equations() for block in blocks):
        for part in quiet_parts(matrix.shape[1], min(rows, _TILE) ** 2):
            for number, below in enumerate(tiles):
                for across in tiles[: number + 1]:
                    np.matmul(matrix[below, part], matrix[across, part].T, out=product[below, across])
            total += product
    return (total,)


class _Check(NamedTuple):
    """What a kernel leaves over, in fractions of full scale.

    Sums of squares over all outputs and counts of samples are two numbers each: learned from, and held out.
    The gradient (O, T) and the drift are half the derivatives of the mean square (and ridge) by weights and
    offset.
    """

    squares: np.ndarray
    counts: np.ndarray
    gradient: np.ndarray
    drift: float


def _check_weights(
    blocks: Sequence[Block], weights: np.ndarray, offset: float, equations: _Equations
) -> _Check:
    """Apply weights (O, T) and an offset to all blocks and compare."""
    pair = blocks[0].pair
    full_before, full = pair.depth_before.full, pair.depth_after.full
    # The residual, in the units of the image after, of a column of the equations.
    offsets = np.full((len(weights), 1), offset * full)
    factors = np.hstack([weights * (full / full_before), -np.eye(len(weights)), offsets])
    squares, counts, slopes = _sums(blocks, lambda lot: _residuals(lot, factors))
    slopes /= full * counts[0]
    gradient = slopes[:, : pair.weights] / full_before + equations.ridge * weights
    drift = float(slopes[:, -1].sum()) if equations.offset else 0.0
    return _Check(squares / full**2, counts, gradient, drift)


def _residuals(blocks: Sequence[Block], factors: np.ndarray) -> tuple[np.ndarray, ...]:
    """Add up squares of residuals, counts, and products of the residuals learned from with the equations."""
    squares, counts, slopes = np.zeros(2), np.zeros(2), np.zeros(factors.shape)
    for block in blocks:
        for matrix in block.equations():
            residual = np.einsum("or,rn->on", factors, matrix)
            squares[int(block.held_out)] += np.einsum("on,on->", residual, residual)
            counts[int(block.held_out)] += matrix[-1].sum()
            if not block.held_out:
                slopes += np.einsum("on,rn->or", residual, matrix)
    return squares, counts, slopes


def _sums(
    blocks: Sequence[Block], work: Callable[[Sequence[Block]], tuple[np.ndarray, ...]]
) -> list[np.ndarray]:
    """Add up the results of groups of blocks, which do not depend on the number of threads."""
    count = min(len(blocks), max(2, min(16, _NUMBERS // blocks[0].pair.rows ** 2)))
    results = share_out([blocks[number::count] for number in range(count)], lambda: work)
    return [sum(each[1:], start=each[0]) for each in zip(*results, strict=True)]
