"""What each way of correlating costs, and which one is cheapest.

All figures are nanoseconds a sample and thread, measured on blocks of a 12-megapixel picture; only their
ratios matter. `benchmarks` forces each strategy in turn and shows whether the choice is right.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from convfilter.convolution.banded import BAND_ROWS
from convfilter.convolution.crossed import FIRST_ROWS, SECOND_COLUMNS
from convfilter.convolution.programs import compiled
from convfilter.convolution.separable import factors_of, pass_kind
from convfilter.geometry import Axis

__all__ = ["direct_costs", "fourier_cost"]

# One weight of a window in `numpy.einsum`, and one elementwise pass over a block, by type.
_TAP = {"i2": 0.047, "u2": 0.047, "i4": 0.11, "i8": 0.25, "f4": 0.10, "f8": 0.20}
_PASS = {"i2": 0.04, "u2": 0.04, "i4": 0.08, "i8": 0.16, "f4": 0.08, "f8": 0.16}
# Work memories, each as large as a block, that the cache has room for.
_FEW = 3
# One weight in a matrix product, zeros of its band counted.
_PRODUCT = {"f4": 0.026, "f8": 0.052}
# What a product costs besides: BLAS clears what it adds to, and packs what it multiplies.
_CLEARED = 0.22
# Rows and columns changing places and back.
_CROSSING = {"f4": 0.6, "f8": 1.0}
# A transform of a tile, there or back; samples into channels one after the other and together again.
_TRANSFORM = {"f4": 2.8, "f8": 4.0}
_PLANAR = {"f4": 1.2, "f8": 1.7}
# What a call costs, shared out over the samples of a block.
_CALL = 0.01


def direct_costs(
    weights: np.ndarray, axes: Sequence[Axis], dtype: np.dtype[Any], *, finite: bool
) -> dict[str, float]:
    """Return the cost of an output sample for each strategy that can correlate with a kernel directly.

    Parameters
    ----------
    weights : ndarray
        One kernel.
    axes : sequence of Axis
        Its axes.
    dtype : numpy.dtype
        Work type.
    finite : bool
        Whether the samples are known to be finite; the zeros of a band would spread others.

    Returns
    -------
    dict of str to float
        ``window`` always; the others where type and kernel allow.
    """
    kind = dtype.str[1:]
    tap, once = _TAP.get(kind, _TAP["f8"]), _PASS.get(kind, _PASS["f8"])
    # What a stride leaves out the window leaves out but along the last axis, and bands along the first.
    dense = math.prod(axis.stride for axis in axes)
    costs = {"window": (weights.size * tap + _CALL) * axes[-1].stride}
    program = compiled(weights.astype(dtype))
    if program is not None:
        # Many sums at a time fall out of the cache.
        crowded = 2 if program.buffers > _FEW else 1
        costs["shifted"] = len(program) * (once * crowded + _CALL) * dense
    if finite and kind in _PRODUCT and len(axes) > 1:
        columns = weights.size // len(weights)
        product = _band_cost(axes[0], kind) + once
        costs["banded"] = columns * product * dense / axes[0].stride
    factors = factors_of(weights)
    several = sum(axis.kernel > 1 for axis in axes) > 1
    if factors is not None and several:
        costs["separable"] = dense * sum(
            _pass_cost(factor, axis, dtype, bands=finite and number == 0)
            for number, (factor, axis) in enumerate(zip(factors, axes, strict=True))
            if len(factor) > 1
        )
    if factors is not None and several and finite and kind in _PRODUCT and len(axes) == 2:
        costs["crossed"] = dense * _crossed_cost(axes, kind)
    return costs


def fourier_cost(axes: Sequence[Axis], sides: Sequence[int], kernels: int, dtype: np.dtype[Any]) -> float:
    """Return the cost of an output sample of tiles in frequencies, for that many kernels at once."""
    kind = dtype.str[1:]
    transforms = 1 + kernels
    waste = math.prod(side / (side - axis.reach + 1) for side, axis in zip(sides, axes, strict=True))
    strides = math.prod(axis.stride for axis in axes)
    return (transforms * _TRANSFORM[kind] + kernels * _PLANAR[kind]) * waste * strides


def _band_cost(axis: Axis, kind: str) -> float:
    """The cost of one product with a band."""
    return _PRODUCT[kind] * ((BAND_ROWS - 1) * axis.stride + axis.reach) + _CLEARED


def _crossed_cost(axes: Sequence[Axis], kind: str) -> float:
    """The cost of two passes in matrix products between which rows and columns change places, and back."""
    depths = [rows + axis.reach - 1 for rows, axis in zip((FIRST_ROWS, SECOND_COLUMNS), axes, strict=True)]
    return _PRODUCT[kind] * sum(depths) + _CROSSING[kind]


def _pass_cost(factor: np.ndarray, axis: Axis, dtype: np.dtype[Any], *, bands: bool) -> float:
    """The cost of one pass of a separable kernel."""
    kind = dtype.str[1:]
    tap, once = _TAP.get(kind, _TAP["f8"]), _PASS.get(kind, _PASS["f8"])
    way = pass_kind(factor, dtype, bands=bands)
    if way == "shifted":
        program = compiled(factor)
        return (len(program) if program else 0) * (once + _CALL)
    return _band_cost(axis, kind) if way == "banded" else len(factor) * tap + _CALL
