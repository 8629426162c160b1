"""One filter of a chain: its kernel's bank through the engine, block by block, into samples."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np

from convfilter.convolution.borders import ArraySource
from convfilter.convolution.plan import Plan
from convfilter.convolution.running import Read, run
from convfilter.convolution.scratch import Scratch
from convfilter.filtering.alpha import (
    PremultipliedSource,
    Unweighed,
    kept_alpha,
    planar,
    premultiplied_weights,
)
from convfilter.filtering.depth import rescaled
from convfilter.filtering.finish import Clipping, Extremes, Finish
from convfilter.filtering.layer import (
    TOLERANCE,
    Layer,
    largest_sample,
    largest_value,
    noise_of,
    plan_bank,
    plan_layer,
    stays_inside,
    sums_type,
)
from convfilter.filtering.ties import Places, Quotients, Scale, exact_value
from convfilter.kernels.kernel import ZERO_SUM

__all__ = ["filter_layer"]

# Takes the sums of one block, a list for each output channel, with the channel axis last.
_Visit: TypeAlias = Callable[[list[list[np.ndarray]], tuple[slice, ...], Scratch], None]


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
        final = layer.target == layer.result.dtype
        result[..., -1] = rescaled(kept, layer.depth, layer.result) if final else kept
    largest = largest_sample(layer, colours.dtype)
    plan = plan_layer(layer, colours.dtype, colours.shape[-1])
    read = ArraySource(planar(colours) if layer.bank.summed else colours, layer.border, layer.fill)
    finish = _finish(layer, layer.bank.divisor, largest_value(layer, largest))
    if plan.dtype.kind in "iu" and _rounds_twice(layer, finish.bound):
        finish = finish._replace(exact=Scale.of(finish.add, finish.divide))
    if layer.range == "stretch":
        noise = noise_of(layer, colours, plan.dtype)
        finish = _stretched(layer, finish, plan, read, lambda _, parts: (parts, _whole(parts)), noise)
    else:
        finish = finish._replace(inside=stays_inside(layer, colours.dtype))

    def store(outputs: list[list[np.ndarray]], where: tuple[slice, ...], scratch: Scratch) -> None:
        for number, parts in enumerate(outputs):
            channels = slice(number, number + parts[0].shape[-1])
            finish(parts, result[(*where, channels)], scratch, clipping, _whole(parts))

    _run(layer, plan, read, store)
    return result


def _premultiplied(
    layer: Layer, colours: np.ndarray, alpha: np.ndarray, result: np.ndarray, clipping: Clipping | None
) -> None:
    """Filter colours weighed with alpha, and alpha with the same weights, into `result`."""
    bank, depth, count = layer.bank, layer.depth, colours.shape[-1]
    weights = premultiplied_weights(bank.weights) if bank.summed else bank.weights
    largest = largest_sample(layer, colours.dtype)
    # Colours times alpha, on the scale of full scale squared.
    squared = None if largest is None else largest * depth.full
    work = sums_type(layer, colours.dtype, premultiply=True)
    largest_product = squared if squared is not None else depth.full * max(depth.full, abs(layer.fill))
    bound = largest_product * bank.largest_sum if depth.integer else np.inf
    # Sums are divided by an alpha that may be small, and their errors with them.
    plan = plan_bank(layer, weights, work, 2 * count + 1, bound=bound, tolerance=TOLERANCE / 1000)
    laid_out = planar(colours) if bank.summed else colours
    read = PremultipliedSource(laid_out, alpha, layer.border, layer.fill, depth.full, summed=bank.summed)
    totals = bank.weights.sum(axis=(2, 3, 4, 5))
    # A sum of zero may be off by the roundings of its weights.
    totals[np.abs(totals) <= ZERO_SUM * np.abs(bank.weights).sum(axis=(2, 3, 4, 5))] = 0

    def separate(number: int, parts: list[np.ndarray]) -> list[Unweighed]:
        if bank.summed:
            triples = [parts[first : first + 3] for first in range(0, len(parts), 3)]
        else:
            triples = [np.split(part, (count, count + 1), axis=-1) for part in parts]
        return [
            Unweighed.of(triple, each, bank.divisor, depth, layer.result)
            for triple, each in zip(triples, totals[number].tolist(), strict=True)
        ]

    # What comes out of that division is divided already, and no sum of integers any more.
    finish = _finish(layer, 1, np.inf)
    opaque = np.count_nonzero(totals)
    finish_alpha = finish._replace(combine="sum", add=0.0, divide=float(opaque), absolute=False, linear=False)
    if work.kind in "iu" and layer.rounds and layer.result.dtype.itemsize <= 2:
        if _weighing_rounds_twice(layer, totals.ravel().tolist(), bound):
            finish = finish._replace(exact=Scale.of(finish.add, finish.divide))
        if opaque > 1:
            finish_alpha = finish_alpha._replace(exact=Scale.of(0.0, finish_alpha.divide))
    if layer.range == "stretch":

        def colours_of(number: int, parts: list[np.ndarray]) -> tuple[list[np.ndarray], Quotients]:
            separated = separate(number, parts)
            return [each.colours() for each in separated], _quotients(separated)

        finish = _stretched(
            layer, finish, plan, read, colours_of, noise_of(layer, colours, plan.dtype) / bank.divisor
        )

    def store(outputs: list[list[np.ndarray]], where: tuple[slice, ...], scratch: Scratch) -> None:
        alphas: list[Unweighed] = []
        for number, parts in enumerate(outputs):
            separated = separate(number, parts)
            alphas += [each for each in separated if each.total]
            made = [each.colours() for each in separated]
            channels = slice(number, number + made[0].shape[-1])
            finish(made, result[(*where, channels)], scratch, clipping, _quotients(separated))
        means = [mean for each in alphas if (mean := each.mean()) is not None]
        where = (*where, slice(-1, None))
        finish_alpha(
            means, result[where], scratch, None, lambda places: [each.opacity(places) for each in alphas]
        )

    _run(layer, plan, read, store)


def _whole(parts: Sequence[np.ndarray]) -> Quotients:
    """Sums of integers as they are."""
    return lambda places: [(each := part[places].tolist(), [1] * len(each)) for part in parts]


def _quotients(separated: Sequence[Unweighed]) -> Quotients:
    return lambda places: [each.quotients(places) for each in separated]


def _rounds_twice(layer: Layer, bound: float) -> bool:
    """Tell whether floats may put a value of 8 or 16 bits on the wrong side of a tie.

    They do not where whole numbers are divided once, or a root of one is, as long as they are exact: what is
    no tie is farther from it than a rounding then.
    """
    if not layer.rounds or layer.linear or layer.result.dtype.itemsize > 2:
        return False
    top, stretched = layer.result.full + 1, layer.range == "stretch"
    if layer.combine != "magnitude":
        return stretched and bound * top >= 2**51
    spread = layer.bank.divisor * top
    return stretched or layer.offset != 0 or spread**2 >= 2**46 or bound**2 >= 2**51


def _weighing_rounds_twice(layer: Layer, totals: Sequence[int], bound: float) -> bool:
    """Tell the same of sums up to `bound` over colours weighed with alpha."""
    divisor, top = layer.bank.divisor, layer.result.full + 1
    factor = max(max(abs(total), divisor) // math.gcd(total, divisor) for total in totals)
    return (
        layer.combine in ("magnitude", "sum")
        or layer.range == "stretch"
        or layer.offset != 0
        or bound * factor >= 2**53
        or bound * factor * top >= 2**51 * layer.depth.full
    )


def _run(layer: Layer, plan: Plan, read: Read, visit: _Visit) -> None:
    """Run a plan and hand on the sums of each block by output channel."""
    group = plan.kernels // len(layer.bank.weights)

    def finish(sums: list[np.ndarray], where: tuple[slice, ...], scratch: Scratch) -> None:
        if layer.bank.summed:
            sums, where = [part[0] for part in sums], where[1:]
        visit([sums[first : first + group] for first in range(0, len(sums), group)], where, scratch)

    run(plan, read, finish, layer.threads)


def _finish(layer: Layer, divisor: int, bound: float) -> Finish:
    """The arithmetic after the sums, for every range but ``stretch``."""
    add, divide = layer.offset * divisor, float(divisor)
    if layer.range == "signed":
        add, divide = add + int(layer.result.full) * divisor, 2.0 * divisor
    return Finish(
        depth=layer.result,
        target=layer.target,
        bound=bound,
        combine=layer.combine,
        add=float(add),
        divide=divide,
        absolute=layer.range == "absolute",
        saturate=layer.range != "raw",
        linear=layer.linear,
        loose=layer.rounds and not layer.depth.integer,
    )


def _stretched(
    layer: Layer,
    finish: Finish,
    plan: Plan,
    read: Read,
    separate: Callable[[int, list[np.ndarray]], tuple[list[np.ndarray], Quotients]],
    noise: float,
) -> Finish:
    """Look at every value once, for the scale that maps the smallest to 0 and the largest to full scale.

    Sums are computed twice instead of being kept: that costs time, but no memory.
    """
    # The scale takes no notice of an offset, and roots are not rounded to what eight bits need.
    finish = finish._replace(add=0.0, bound=np.inf)
    extremes = Extremes()

    def look(outputs: list[list[np.ndarray]], _: tuple[slice, ...], scratch: Scratch) -> None:
        for number, parts in enumerate(outputs):
            colours, quotients = separate(number, parts)

            def exactly(places: Places, quotients: Quotients = quotients) -> int:
                tops, bottoms = zip(*quotients(places), strict=True)
                return exact_value([top[0] for top in tops], [bottom[0] for bottom in bottoms], layer.combine)

            extremes.add(finish.value(colours, scratch), exactly if finish.exact is not None else None)

    _run(layer, plan, read, look)
    spread = extremes.high - extremes.low
    if not spread > noise:  # a flat result must not become a picture of its roundings
        return finish._replace(add=0.0, multiply=0.0, divide=1.0, exact=None)
    exact = (
        None
        if finish.exact is None
        else Scale.between(extremes.exact[0], extremes.exact[1], layer.result.full)
    )
    return finish._replace(add=-extremes.low, multiply=layer.result.full, divide=spread, exact=exact)
