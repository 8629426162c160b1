"""One filter of a chain: its kernel's bank through the engine, block by block, into samples."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from convfilter.convolution.borders import ArraySource
from convfilter.convolution.plan import Plan
from convfilter.convolution.running import Read, run
from convfilter.convolution.scratch import Scratch
from convfilter.filtering.alpha import (
    PremultipliedSource,
    kept_alpha,
    planar,
    premultiplied_weights,
    unpremultiplied,
)
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
)
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
        rounds = layer.target.kind in "iu" and kept.dtype.kind == "f"
        result[..., -1] = np.floor(kept + 0.5) if rounds else kept
    largest = largest_sample(layer, colours.dtype)
    plan = plan_layer(layer, colours.dtype, colours.shape[-1])
    read = ArraySource(planar(colours) if layer.bank.summed else colours, layer.border, layer.fill)
    finish = _finish(layer, float(layer.bank.divisor), largest_value(layer, largest))
    if layer.range == "stretch":
        noise = noise_of(layer, colours, plan)
        finish = _stretched(layer, finish, plan, read, lambda _, parts: parts, noise)
    else:
        finish = finish._replace(inside=stays_inside(layer, colours.dtype))

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
    largest = largest_sample(layer, colours.dtype)
    # Colours times alpha, on the scale of full scale squared.
    squared = None if largest is None else largest * depth.full
    work = np.dtype(np.float64) if squared is None else colours.dtype
    largest_product = squared if squared is not None else depth.full * max(depth.full, abs(layer.fill))
    bound = largest_product * bank.largest_sum if depth.integer else np.inf
    # Sums are divided by an alpha that may be small, and their errors with them.
    plan = plan_bank(layer, weights, work, 2 * count + 1, squared, bound=bound, tolerance=TOLERANCE / 1000)
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
            layer, finish, plan, read, colours_of, noise_of(layer, colours, plan) / bank.divisor
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
