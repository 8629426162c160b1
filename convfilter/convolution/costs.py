"""What each way of correlating costs, and which one is cheapest.

All figures are nanoseconds a sample and thread, measured on blocks of a 12-megapixel picture; only their
ratios matter. `benchmarks` forces each strategy in turn and shows whether the choice is right.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from convfilter.convolution.fourier import tile_sides
from convfilter.convolution.separable import doubling_passes, factors_of
from convfilter.convolution.taps import ShiftedSums
from convfilter.geometry import Axis

__all__ = ["direct_costs", "fourier_cost"]

# One weight of a window in `numpy.einsum`, and one elementwise pass over a block, by type.
_TAP = {"i2": 0.047, "u2": 0.047, "i4": 0.11, "i8": 0.25, "f4": 0.10, "f8": 0.20}
_PASS = {"i2": 0.034, "u2": 0.034, "i4": 0.08, "i8": 0.16, "f4": 0.08, "f8": 0.16}
# A transform of a tile, there or back; samples into channels one after the other and together again.
_TRANSFORM = {"f4": 1.9, "f8": 2.7}
_PLANAR = {"f4": 0.9, "f8": 1.3}
# What a call costs, shared out over the samples of a block.
_CALL = 0.02


def direct_costs(weights: np.ndarray, axes: Sequence[Axis], dtype: np.dtype[Any]) -> dict[str, float]:
    """Return the cost of an output sample for each strategy that can correlate with a kernel directly.

    Parameters
    ----------
    weights : ndarray
        One kernel.
    axes : sequence of Axis
        Its axes.
    dtype : numpy.dtype
        Work type.

    Returns
    -------
    dict of str to float
        ``window`` always; ``shifted`` and ``separable`` where the kernel allows.
    """
    kind = dtype.str[1:]
    tap, once = _TAP.get(kind, _TAP["f8"]), _PASS.get(kind, _PASS["f8"])
    # Only the window skips what a stride leaves out, and not along the last axis.
    dense = math.prod(axis.stride for axis in axes)
    costs = {"window": (weights.size * tap + _CALL) * axes[-1].stride}
    passes = ShiftedSums.passes(weights)
    costs["shifted"] = passes * (once + _CALL) * dense
    factors = factors_of(weights)
    if factors is not None and sum(axis.kernel > 1 for axis in axes) > 1:
        costs["separable"] = (
            sum(_pass_cost(factor, tap, once) for factor in factors if len(factor) > 1) * dense
        )
    elif factors is not None and weights.size > 3 and (weights == weights.flat[0]).all():
        costs["separable"] = _pass_cost(weights.ravel(), tap, once) * dense
    return costs


def fourier_cost(axes: Sequence[Axis], kernels: int, dtype: np.dtype[Any]) -> float:
    """Return the cost of an output sample of tiles in frequencies, for that many kernels at once."""
    kind = dtype.str[1:]
    transforms = 1 + kernels
    waste = math.prod(
        side / (side - axis.reach + 1) for side, axis in zip(tile_sides(axes), axes, strict=True)
    )
    return (
        (transforms * _TRANSFORM[kind] + kernels * _PLANAR[kind])
        * waste
        * math.prod(axis.stride for axis in axes)
    )


def _pass_cost(factor: np.ndarray, tap: float, once: float) -> float:
    """The cost of one pass of a separable kernel."""
    if len(factor) > 3 and (factor == factor[0]).all():
        scaling = 0 if factor[0] == 1 else 1
        return (doubling_passes(len(factor)) + scaling) * (once + _CALL)
    return len(factor) * tap + _CALL
