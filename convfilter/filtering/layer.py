"""One filter of a chain, with all that was decided about it, and the plan by which it is summed."""

from __future__ import annotations

from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np

from convfilter.convolution.plan import Plan, exact_type, make_plan
from convfilter.filtering.bank import Bank
from convfilter.filtering.depth import Depth
from convfilter.geometry import Axis

__all__ = [
    "TOLERANCE",
    "Layer",
    "largest_sample",
    "largest_value",
    "noise_of",
    "plan_bank",
    "plan_layer",
    "stays_inside",
    "sums_type",
]

# What a sum may be off by, in levels of 8 or 16 bits: results may only differ near a tie.
TOLERANCE = 0.0005


class Layer(NamedTuple):
    """A filter and all that was decided about it.

    Attributes
    ----------
    bank : Bank
        Its weights.
    axes : tuple of Axis
        Frames, rows, columns.
    border : str
        What stands past the edge.
    fill : float
        Value of a constant border, in units of the picture.
    combine : str or None
        How several parts become one value.
    offset : Fraction
        Added to the value, in units of the result.
    range : str
        One of the range modes but ``auto``.
    depth, result : Depth
        Scales of the picture and of what comes out, to which the weights bring it.
    target : numpy.dtype
        Type of what comes out; a float type for unrounded values.
    linear : bool
        Whether the result is encoded from linear light.
    threads : int or None
        As in `available_threads`.
    """

    bank: Bank
    axes: tuple[Axis, ...]
    border: str
    fill: float
    combine: str | None
    offset: Fraction
    range: str
    depth: Depth
    result: Depth
    target: np.dtype[Any]
    linear: bool
    threads: int | None

    @property
    def rounds(self) -> bool:
        """Whether results are whole numbers."""
        return self.target.kind in "iu"


def plan_layer(layer: Layer, dtype: np.dtype[Any], channels: int) -> Plan:
    """Return the plan by which a filter runs over colours of a type; `filter_layer` runs it."""
    largest = largest_sample(layer, dtype)
    bound = largest_value(layer, largest)
    work = sums_type(layer, dtype)
    return plan_bank(layer, layer.bank.weights, work, channels, bound=bound, tolerance=TOLERANCE)


def plan_bank(
    layer: Layer,
    weights: np.ndarray,
    work: np.dtype[Any],
    carried: int,
    *,
    bound: float,
    tolerance: float,
) -> Plan:
    """Plan all outputs and parts of a bank of shape (O, P, C, Kt, Kh, Kw), which share the blocks read."""
    kernels = weights.reshape(-1, *weights.shape[2:])
    axes = layer.axes
    if layer.bank.summed:
        axes = (Axis(weights.shape[2], weights.shape[2]), *axes)
        carried = 1
    else:
        kernels = kernels[:, 0]
    if work == np.float64:  # what is computed in double precision passes through no other
        tolerance = min(tolerance, 2.0**-40 * bound)
    return make_plan(axes, list(kernels), carried, work, bound=bound, tolerance=tolerance)


def largest_sample(layer: Layer, dtype: np.dtype[Any]) -> float | None:
    """The largest magnitude of samples and fill, if they are all integers."""
    if dtype.kind not in "iu" or not float(layer.fill).is_integer():
        return None
    limits = np.iinfo(dtype)
    return max(float(limits.max), -float(limits.min), abs(layer.fill))


def largest_value(layer: Layer, largest: float | None) -> float:
    """The largest magnitude that a combined value can have before the division."""
    if largest is None:
        largest = max(layer.depth.full, abs(layer.fill)) if layer.depth.integer else np.inf
    return float(
        largest * layer.bank.largest_sum * (layer.bank.weights.shape[1] if layer.combine == "sum" else 1)
    )


def noise_of(layer: Layer, colours: np.ndarray, dtype: np.dtype[Any]) -> float:
    """How far apart equal sums of a type can come out: some roundings of the largest; zero for integers."""
    if dtype.kind in "iu":
        return 0.0
    finite = colours[np.isfinite(colours)] if not layer.depth.integer else np.array([layer.depth.full])
    largest = float(np.abs(finite).max(initial=0.0))
    return 16 * float(np.finfo(dtype).eps) * largest * float(layer.bank.largest_sum)


def stays_inside(layer: Layer, dtype: np.dtype[Any]) -> bool:
    """Tell whether no value can leave 0..full scale: a mean of samples with weights of one sign."""
    weights = layer.bank.weights
    full, result = layer.depth.full, layer.result.full
    return (
        dtype.kind == "u"
        and dtype.itemsize <= 2
        and layer.combine is None
        and layer.range in ("clip", "absolute")
        and layer.offset == 0
        and 0 <= layer.fill <= full
        and bool((weights >= 0).all())
        and full * layer.bank.largest_sum <= result * layer.bank.divisor * (1 + 1e-6)
    )


def _integer_type(layer: Layer, dtype: np.dtype[Any], largest: float | None) -> np.dtype[Any] | None:
    """Return the narrowest type in which sums of integers are exact, if they are sums of integers."""
    if largest is None or not layer.bank.integer:
        return None
    negative = dtype.kind == "i" or layer.fill < 0 or bool((layer.bank.weights < 0).any())
    bound = max(largest_value(layer, largest), largest, layer.bank.largest_sum)
    return exact_type(int(bound), negative=negative)


def sums_type(layer: Layer, dtype: np.dtype[Any], *, premultiply: bool = False) -> np.dtype[Any]:
    """Return the type of the sums: the narrowest in which they are exact, or near enough to that."""
    largest = largest_sample(layer, dtype)
    if premultiply:
        kind = _integer_type(layer, dtype, None if largest is None else largest * layer.depth.full)
        return np.dtype(np.float64) if kind is None else kind
    kind = _integer_type(layer, dtype, largest)
    if kind is not None:
        return kind
    if not layer.depth.integer:
        return np.dtype(np.float64) if layer.result.integer else dtype
    # In float32 the roundings of a sum grow like a random walk; the curve of sRGB enlarges those near black.
    weights = layer.bank.weights
    steep = 12.92 if layer.linear and bool((weights < 0).any()) else 1.0
    error = steep * 2.0**-24 * largest_value(layer, largest) * (1 + 0.5 * weights[0, 0].size ** 0.5)
    narrow = layer.depth.dtype.itemsize == 1 and layer.target.itemsize in (1, 4)
    enlarged = layer.range in ("stretch", "raw") or not layer.result.integer
    return np.dtype(np.float32 if narrow and not enlarged and error < TOLERANCE else np.float64)
