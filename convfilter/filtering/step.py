"""One filter of a chain: its kernel's bank through the engine, block by block, into samples."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from convfilter.convolution.borders import ArraySource
from convfilter.convolution.plan import Plan, exact_type, make_plan
from convfilter.convolution.running import Read, run
from convfilter.convolution.scratch import Scratch
from convfilter.filtering.alpha import (
    PremultipliedSource,
    kept_alpha,
    planar,
    premultiplied_weights,
    unpremultiplied,
)
from convfilter.filtering.bank import Bank
from convfilter.filtering.depth import Depth
from convfilter.filtering.finish import Clipping, Extremes, Finish
from convfilter.geometry import Axis
from convfilter.kernels.kernel import ZERO_SUM

__all__ = ["Layer", "filter_layer", "plan_layer"]

# What a sum may be off by, in levels of 8 or 16 bits: results may only differ near a tie.
_TOLERANCE = 0.0005

# Takes the sums of one block, a list for each output channel, with the channel axis last.
_Visit: TypeAlias = Callable[[list[list[np.ndarray]], tuple[slice, ...], Scratch], None]


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
    offset : float
        Added to the value, in units of the picture.
    range : str
        One of the range modes but ``auto``.
    depth : Depth
        Scale of the picture.
    target : numpy.dtype
        Type of the result.
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
    offset: float
    range: str
    depth: Depth
    target: np.dtype[Any]
    linear: bool
    threads: int | None


def filter_layer(
    layer: Layer,
    colours: np.ndarray,
    alpha: np.ndarray | None,
    *,
    premultiply: bool = False,
    clipping: Clipping | None = None,
) -> np.ndarray:
    """Filter values of one picture.

    Parameters
    ----------
    layer : Layer
        The filter.
    colours : ndarray of shape (T, H, W, C)
        Values on the scale of the layer's depth.
    alpha : ndarray of shape (T, H, W), optional
        On the same scale.
    premultiply : bool
        Weigh the colours with alpha; else alpha is kept.
    clipping : Clipping, optional
        Counts what saturates.

    Returns
    -------
    ndarray of shape (T', H', W', O) or (T', H', W', O + 1)
        Of the layer's target type; the last channel is alpha if one was given.
    """
    count = len(layer.bank.weights) if layer.bank.summed else colours.shape[-1]
    sizes = [axis.output for axis in layer.axes]
    result = np.empty((*sizes, count + (alpha is not None)), layer.target)
    if alpha is not None and premultiply:
        _premultiplied(layer, colours, alpha, result, clipping)
        return result
    if alpha is not None:
        kept = kept_alpha(alpha, layer.axes, layer.border, layer.depth.full)
        # Alpha that an earlier filter has changed is not rounded yet.
        rounds = layer.target.kind in "iu" and kept.dtype.kind == "f"
        result[..., -1] = np.floor(kept + 0.5) if rounds else kept
    largest = _largest(layer, colours.dtype)
    plan = plan_layer(layer, colours.dtype, colours.shape[-1])
    read = ArraySource(planar(colours) if layer.bank.summed else colours, layer.border, layer.fill)
    finish = _finish(layer, float(layer.bank.divisor), _bound(layer, largest))
    if layer.range == "stretch":
        noise = _noise(layer, colours, plan)
        finish = _stretched(layer, finish, plan, read, lambda _, parts: parts, noise)
    else:
        finish = finish._replace(inside=_stays_inside(layer, colours.dtype))

    def store(outputs: list[list[np.ndarray]], where: tuple[slice, ...], scratch: Scratch) -> None:
        for number, parts in enumerate(outputs):
            channels = slice(number, number + parts[0].shape[-1])
            finish(parts, result[(*where, channels)], scratch, clipping)

    _run(layer, plan, read, store)
    return result


def _premultiplied(
    layer: Layer, colours: np.ndarray, alpha: np.ndarray, result: np.ndarray, clipping: Clipping | None
) -> None:
    """Filter colours weighed with alpha, and alpha with the same weights, into `result`."""
    bank, depth, count = layer.bank, layer.depth, colours.shape[-1]
    weights = premultiplied_weights(bank.weights) if bank.summed else bank.weights
    largest = _largest(layer, colours.dtype)
    # Colours times alpha, on the scale of full scale squared.
    squared = None if largest is None else largest * depth.full
    work = np.dtype(np.float64) if squared is None else colours.dtype
    largest_product = squared if squared is not None else depth.full * max(depth.full, abs(layer.fill))
    bound = largest_product * bank.largest_sum if depth.integer else np.inf
    # Sums are divided by an alpha that may be small, and their errors with them.
    plan = _plan(layer, weights, work, 2 * count + 1, squared, bound=bound, tolerance=_TOLERANCE / 1000)
    laid_out = planar(colours) if bank.summed else colours
    read = PremultipliedSource(laid_out, alpha, layer.border, layer.fill, depth.full, summed=bank.summed)
    totals = bank.weights.sum(axis=(2, 3, 4, 5), dtype=np.float64)
    # A sum of zero may be off by the roundings of its weights.
    totals[np.abs(totals) <= ZERO_SUM * np.abs(bank.weights).sum(axis=(2, 3, 4, 5))] = 0

    def separate(parts: list[np.ndarray], total: np.ndarray) -> list[tuple[np.ndarray, np.ndarray | None]]:
        if bank.summed:
            triples = [parts[first : first + 3] for first in range(0, len(parts), 3)]
        else:
            triples = [np.split(part, (count, count + 1), axis=-1) for part in parts]
        return [
            unpremultiplied(triple[0], triple[1], triple[2], float(each), bank.divisor, depth)
            for triple, each in zip(triples, total, strict=True)
        ]

    # What comes out of that division is divided already, and no sum of integers any more.
    finish, finish_alpha = _finish(layer, 1.0, np.inf), Finish(depth, layer.target, np.inf)
    if layer.range == "stretch":

        def colours_of(number: int, parts: list[np.ndarray]) -> list[np.ndarray]:
            return [colour for colour, _ in separate(parts, totals[number])]

        finish = _stretched(
            layer, finish, plan, read, colours_of, _noise(layer, colours, plan) / bank.divisor
        )

    def store(outputs: list[list[np.ndarray]], where: tuple[slice, ...], scratch: Scratch) -> None:
        alphas = []
        for number, (parts, total) in enumerate(zip(outputs, totals, strict=True)):
            pairs = separate(parts, total)
            alphas += [mean for _, mean in pairs if mean is not None]
            channels = slice(number, number + pairs[0][0].shape[-1])
            finish([colour for colour, _ in pairs], result[(*where, channels)], scratch, clipping)
        finish_alpha([np.mean(alphas, axis=0)], result[(*where, slice(-1, None))], scratch)

    _run(layer, plan, read, store)


def _run(layer: Layer, plan: Plan, read: Read, visit: _Visit) -> None:
    """Run a plan and hand on the sums of each block by output channel."""
    group = plan.kernels // len(layer.bank.weights)

    def finish(sums: list[np.ndarray], where: tuple[slice, ...], scratch: Scratch) -> None:
        if layer.bank.summed:
            sums, where = [part[0] for part in sums], where[1:]
        visit([sums[first : first + group] for first in range(0, len(sums), group)], where, scratch)

    run(plan, read, finish, layer.threads)


def plan_layer(layer: Layer, dtype: np.dtype[Any], channels: int) -> Plan:
    """Return the plan by which a filter runs over colours of a type; `filter_layer` runs it."""
    largest = _largest(layer, dtype)
    bound = _bound(layer, largest)
    return _plan(layer, layer.bank.weights, dtype, channels, largest, bound=bound, tolerance=_TOLERANCE)


def _plan(
    layer: Layer,
    weights: np.ndarray,
    dtype: np.dtype[Any],
    carried: int,
    largest: float | None,
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
    work = _work_type(layer, dtype, kernels[0].size, largest)
    return make_plan(axes, list(kernels), carried, work, bound=bound, tolerance=tolerance)


def _largest(layer: Layer, dtype: np.dtype[Any]) -> float | None:
    """The largest magnitude of samples and fill, if they are all integers."""
    if dtype.kind not in "iu" or not float(layer.fill).is_integer():
        return None
    limits = np.iinfo(dtype)
    return max(float(limits.max), -float(limits.min), abs(layer.fill))


def _bound(layer: Layer, largest: float | None) -> float:
    """The largest magnitude that a combined value can have before the division."""
    if largest is None:
        largest = max(layer.depth.full, abs(layer.fill)) if layer.depth.integer else np.inf
    return float(
        largest * layer.bank.largest_sum * (layer.bank.weights.shape[1] if layer.combine == "sum" else 1)
    )


def _noise(layer: Layer, colours: np.ndarray, plan: Plan) -> float:
    """How far apart equal sums can come out: some roundings of the largest one; zero for integers."""
    if plan.dtype.kind in "iu":
        return 0.0
    finite = colours[np.isfinite(colours)] if not layer.depth.integer else np.array([layer.depth.full])
    largest = float(np.abs(finite).max(initial=0.0))
    kind = plan.dtype if plan.fourier is None else plan.fourier.dtype
    return 16 * float(np.finfo(kind).eps) * largest * float(layer.bank.largest_sum)


def _stays_inside(layer: Layer, dtype: np.dtype[Any]) -> bool:
    """Tell whether no value can leave 0..full scale: a mean of samples with weights of one sign."""
    weights = layer.bank.weights
    return (
        dtype.kind == "u"
        and dtype.itemsize <= 2
        and layer.combine is None
        and layer.range in ("clip", "absolute")
        and layer.offset == 0
        and 0 <= layer.fill <= layer.depth.full
        and bool((weights >= 0).all())
        and layer.bank.largest_sum <= layer.bank.divisor * (1 + 1e-6)
    )


def _work_type(layer: Layer, dtype: np.dtype[Any], taps: int, largest: float | None) -> np.dtype[Any]:
    """The narrowest type in which the sums are exact, or near enough to their exact values."""
    bound = _bound(layer, largest)
    if largest is not None and layer.bank.integer:
        negative = dtype.kind == "i" or layer.fill < 0 or bool((layer.bank.weights < 0).any())
        kind = exact_type(int(max(bound, largest, layer.bank.largest_sum)), negative=negative)
        if kind is not None:
            return kind
    if dtype.kind == "f":
        return dtype
    # In float32 the roundings of a sum grow like a random walk.
    error = 2.0**-24 * bound * (1 + 0.5 * taps**0.5)
    return np.dtype(np.float32 if dtype.itemsize == 1 and error < _TOLERANCE else np.float64)


def _finish(layer: Layer, divisor: float, bound: float) -> Finish:
    """The arithmetic after the sums, for every range but ``stretch``."""
    add, divide = layer.offset * divisor, divisor
    if layer.range == "signed":
        add, divide = add + layer.depth.full * divisor, 2 * divisor
    return Finish(
        depth=layer.depth,
        target=layer.target,
        bound=bound,
        combine=layer.combine,
        add=add,
        divide=divide,
        absolute=layer.range == "absolute",
        saturate=layer.range != "raw",
        linear=layer.linear,
    )


def _stretched(
    layer: Layer,
    finish: Finish,
    plan: Plan,
    read: Read,
    separate: Callable[[int, list[np.ndarray]], list[np.ndarray]],
    noise: float,
) -> Finish:
    """Look at every value once, for the scale that maps the smallest to 0 and the largest to full scale.

    Sums are computed twice instead of being kept: that costs time, but no memory.
    """
    extremes = Extremes()

    def look(outputs: list[list[np.ndarray]], _: tuple[slice, ...], scratch: Scratch) -> None:
        for number, parts in enumerate(outputs):
            extremes.add(finish.value(separate(number, parts), scratch))

    _run(layer, plan, read, look)
    spread = extremes.high - extremes.low
    if spread <= noise:  # a flat result must not become a picture of its roundings
        return finish._replace(add=0.0, multiply=0.0, divide=1.0)
    return finish._replace(add=finish.add - extremes.low, multiply=layer.depth.full, divide=spread)
