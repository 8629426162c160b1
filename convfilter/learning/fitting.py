"""Weights from equations, mended by the gradient, and how far they can be trusted."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from convfilter.errors import ImageError, OptionError
from convfilter.kernels import Kernel
from convfilter.learning.checking import Check, check_weights
from convfilter.learning.equations import Equations, Solver, add_up, make_solver
from convfilter.learning.pairs import Pair
from convfilter.learning.sampling import Job, choose_blocks
from convfilter.messages import brief

__all__ = ["Fit", "fit_pairs"]

# Digits of a weight, counted from the largest one's first: kernels of whole numbers come out as such.
_DIGITS = 10
# A step that changes the weights by less, in units of the largest, is none; and how many are taken.
_STILL, _STEPS = 1e-9, 3
# Weights that may be off by more, in units of the largest, are not known.
_UNCERTAIN = 0.05

_AXES = {
    "each": ("row", "column"),
    "sum": ("channel", "row", "column"),
    "mix": ("output", "channel", "row", "column"),
}


@dataclass(frozen=True)
class Fit:
    """A kernel that was learned, and how well.

    Attributes
    ----------
    kernel : Kernel
        The kernel.
    rms : float
        Root mean square of what is left over, in `unit`; of the samples held out, if there are any.
    unit : {"levels", "of full scale"}
        Levels of an integer picture, or fractions of full scale.
    psnr : float
        The same in decibels below full scale; infinite if nothing is left over.
    gradient_norm : float
        Length of the gradient of the mean squared residual (and ridge) at the solution, by all weights and
        offsets, in fractions of full scale.
    condition : float
        Of the equations: the largest singular value of the windows over the smallest.
    uncertainty : float
        The largest standard error of a weight, in units of the largest weight; infinite where there are no
        more samples than weights.
    samples, held_out : int
        How many samples were learned from, and how many measured the residual.
    warnings : list of str
        What the user should know, one line each.
    """

    kernel: Kernel
    rms: float
    unit: str
    psnr: float
    gradient_norm: float
    condition: float
    uncertainty: float
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
    """Find the kernel that turns the first picture of every pair into the second.

    Parameters
    ----------
    pairs : sequence of Pair
        At least one; all of one kind.
    offset, ridge
        As in `fit_kernel`.
    bare : bool
        Whether the kernel has no axis for rows.
    name, summary : str
        What the kernel is called and what is said of it.

    Raises
    ------
    ImageError
        If the pairs are of different kinds, or not one sample tells anything.
    ConvfilterError
        If the ridge is not a finite number from 0 on.
    """
    _check_arguments(pairs, ridge)
    first = pairs[0]
    outputs, *taps = first.kernel_shape
    unknowns = math.prod(taps) + bool(offset)
    warnings = []
    regions = [pair.inside for pair in pairs]
    if sum(region.places * pair.carried for pair, region in zip(pairs, regions, strict=True)) < unknowns:
        regions = [pair.whole for pair in pairs]
        warnings.append(
            f"fewer than {unknowns} samples lie inside: those at the border are used too, with border "
            f"'{first.border}'"
        )
    jobs = choose_blocks(pairs, regions, unknowns)
    equations = add_up(jobs)
    if equations is None:
        raise ImageError(
            "no sample tells anything of the kernel: all are at their limits, where filters clip, or see "
            "something transparent or not finite; take other pictures"
        )
    solver = make_solver(equations, offset=offset, ridge=ridge)
    weights, shift, check = _solved(equations, solver, jobs, ridge)
    uncertainty = _uncertainty(weights, check, solver, equations.count - unknowns)
    warnings += _doubts(solver, uncertainty, math.prod(taps))
    held = check.counts[1]
    rms = math.sqrt(check.squares[held > 0] / outputs / (held or equations.count))
    axes = _AXES[first.channels]
    shape = [number for number, axis in zip((outputs, *taps), _AXES["mix"], strict=True) if axis in axes]
    if bare and axes == _AXES["each"]:
        axes, shape = ("column",), shape[-1:]
    kernel = Kernel(
        name,
        parts=(weights.reshape(shape).tolist(),),
        axes=axes,
        offset=shift,
        range="clip",
        summary=summary,
    )
    return Fit(
        kernel=kernel,
        rms=rms * (first.depth_after.full if first.depth_after.integer else 1.0),
        unit="levels" if first.depth_after.integer else "of full scale",
        psnr=-20 * math.log10(rms) if rms else math.inf,
        gradient_norm=2 * math.hypot(float(np.linalg.norm(check.gradient)), check.drift),
        condition=solver.condition,
        uncertainty=uncertainty,
        samples=equations.count,
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


def _solved(
    equations: Equations, solver: Solver, jobs: Sequence[Job], ridge: float
) -> tuple[np.ndarray, float, Check]:
    """The solution, of shape (O, channels, rows, columns) and an offset, and its check.

    The gradient is taken from the pictures themselves. What the equations have lost to rounding it still
    knows, so that a step along it mends them; mostly there is nothing to mend.
    """
    shape = jobs[0].pair.kernel_shape
    step, shift = solver.step(-equations.products, -float(equations.targets.sum()))
    weights, offset = _rounded(step.T.reshape(shape)), _rounded(np.array(shift))
    for number in range(_STEPS + 1):
        check = check_weights(jobs, weights, float(offset))
        check.gradient += ridge * equations.power * weights
        if solver.means is None:
            check.drift = 0.0
        step, shift = solver.step(check.gradient.reshape(shape[0], -1).T, check.drift)
        if number == _STEPS or np.abs(step).max() <= _STILL * np.abs(weights).max():
            break
        weights = _rounded(weights + step.T.reshape(shape))
        offset = _rounded(offset + shift)
    return weights, float(offset), check


def _rounded(values: np.ndarray) -> np.ndarray:
    """Numbers of so many digits, counted from the first one of the largest."""
    largest = float(np.abs(values).max())
    if not largest:
        return values
    rounded: np.ndarray[Any, np.dtype[np.float64]] = np.round(
        values, _DIGITS - 1 - math.floor(math.log10(largest))
    )
    return rounded


def _uncertainty(weights: np.ndarray, check: Check, solver: Solver, degrees: int) -> float:
    """The largest standard error of a weight, in units of the largest one."""
    largest = float(np.abs(weights).max())
    if degrees <= 0 or not largest:
        return math.inf
    noise = check.squares[0] / len(weights) / degrees
    return math.sqrt(noise * float(solver.variances(len(weights)).max()) / check.counts[0]) / largest


def _doubts(solver: Solver, uncertainty: float, weights: int) -> list[str]:
    """Why not to trust the weights, if there is reason."""
    mend = "learn from pictures with more detail, take a smaller size, or give a ridge such as 1e-6"
    if solver.rank < weights or not math.isfinite(solver.condition):
        return [f"the pictures do not determine the kernel, only {solver.rank} of {weights} weights: {mend}"]
    if math.isfinite(uncertainty) and uncertainty > _UNCERTAIN:
        return [
            f"the pictures hardly determine the kernel (condition {solver.condition:.3g}): weights are off "
            f"by about {uncertainty:.0%} of the largest; {mend}"
        ]
    return []
