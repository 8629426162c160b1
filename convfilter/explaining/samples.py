"""What is told of one output sample: its window, its sums, and the sample that is really written."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convfilter.errors import ShapeError
from convfilter.explaining.arithmetic import Step, combined, figure, finished, total
from convfilter.explaining.pieces import checked_place, part_of, slice_of
from convfilter.explaining.records import Explanation, Part, Slice
from convfilter.explaining.window import anchor_of, window_at
from convfilter.filtering import FilterOptions, filter_pixels
from convfilter.filtering.alpha import kept_alpha
from convfilter.filtering.chain import Stage, last_stage
from convfilter.filtering.light import encode
from convfilter.filtering.step import filter_layer
from convfilter.kernels import Kernel

__all__ = ["explain_sample"]

_TIE = 0.001  # results of floats may differ from exact ones this near to a half


def explain_sample(
    pixels: NDArray[Any],
    kernels: Sequence[Kernel],
    options: FilterOptions,
    place: Sequence[int],
    *,
    channel: int = 0,
    names: Sequence[str] = (),
) -> Explanation:
    """Work out one sample of a filtered picture.

    Parameters
    ----------
    pixels, kernels, options
        As for `filter_pixels`.
    place : sequence of int
        Row and column of the output, counted from 0; of a stack, frame, row and column.
    channel : int
        Which channel of the output.
    names : sequence of str
        What the picture's channels are called.

    Returns
    -------
    Explanation

    Raises
    ------
    ShapeError
        If there is no such place or channel.
    ConvfilterError
        As `filter_pixels`.
    """
    made = filter_pixels(pixels, kernels, options)
    stage = last_stage(pixels, kernels, options)
    sizes = tuple(axis.output for axis in stage.layer.axes)
    at = checked_place(place, sizes)
    written = _at(made.pixels, at, stage)
    if not 0 <= channel < len(written):
        raise ShapeError(f"channel {channel}: the output has {len(written)}, counted from 0")
    told = Explanation(
        at, anchor_of(stage.layer.axes, at), sizes, channel, (), (), written[channel], tuple(written)
    )
    notes = [] if len(kernels) == 1 else [f"the window is what {_in_words(kernels[:-1])} made, unrounded"]
    if stage.layer.linear:
        notes.append("samples are in linear light")
    if made.alpha and channel == len(written) - 1:
        return _alpha_explained(told._replace(notes=tuple(notes)), stage)
    parts = _parts(stage, at, channel, names)
    values = [part.value for part in parts]
    steps = combined(values, stage.layer.combine)
    value = steps[-1].value if steps else values[0]
    steps += _finished(stage, value)
    told = told._replace(parts=tuple(parts), steps=tuple(steps), notes=tuple(notes))
    return _with_tie_noted(told, stage)


def _at(pixels: NDArray[Any], at: tuple[int, ...], stage: Stage) -> list[int | float]:
    """Return all channels of the result at a place."""
    found = pixels[at] if stage.stack else pixels[at[1:]]
    values: list[int | float] = np.atleast_1d(found).tolist()
    return values


def _in_words(kernels: Sequence[Kernel]) -> str:
    return ", then ".join(kernel.name for kernel in kernels)


def _parts(stage: Stage, at: tuple[int, ...], channel: int, names: Sequence[str]) -> list[Part]:
    """Work out every part of the kernel for one channel of the output."""
    layer = stage.layer
    bank = layer.bank
    sources = range(stage.colours.shape[-1]) if bank.summed else [channel]
    windows = [
        window_at(stage.colours[..., source], layer.axes, at, layer.border, layer.fill) for source in sources
    ]
    alpha = None
    if stage.alpha is not None and stage.premultiply:
        alpha = window_at(stage.alpha, layer.axes, at, layer.border, layer.depth.full).samples
    parts = []
    for weights in bank.weights[channel if bank.summed else 0]:
        slices = []
        for number, window in enumerate(windows):
            for frame in range(weights.shape[1]):
                name = names[number] if bank.summed and number < len(names) else ""
                name += f"{' ' if name else ''}frame {frame}" if weights.shape[1] > 1 else ""
                slices.append(slice_of(name, window, weights[number], frame, alpha, layer.depth.full))
        parts.append(
            part_of(slices, bank.divisor) if alpha is None else _weighed_part(slices, weights, alpha, stage)
        )
    return parts


def _weighed_part(slices: list[Slice], weights: NDArray[Any], alpha: NDArray[Any], stage: Stage) -> Part:
    """Work out a part whose colours are weighed with alpha."""
    layer = stage.layer
    bank, full = layer.bank, layer.depth.full
    weighed = math.fsum(total(each.products.astype(np.float64)) for each in slices)
    whole = math.fsum(weights.ravel().tolist())
    steps = [Step("sum", "all products weight * sample * alpha", weighed)]
    own = weights.sum(axis=0) if bank.summed else weights[0]
    opacity = math.fsum((own * (alpha / full)).ravel().tolist())
    total_weight = float(bank.weights[0].sum()) if not bank.summed else whole
    mean = opacity / total_weight if total_weight else 0.0
    steps.append(Step("alpha", "weights * alpha, as a share of all weights", mean))
    visible = math.floor(mean * full + 0.5) > 0 if layer.depth.integer else mean > 0
    if not visible:
        plain = math.fsum(total((each.weights * each.samples).astype(np.float64)) for each in slices)
        steps.append(Step("invisible", "the sum without alpha", plain))
        return _divided(slices, steps, plain, bank.divisor)
    formula = f"{figure(weighed)} / {figure(mean)}"
    steps.append(Step("colour", formula, weighed / mean))
    return _divided(slices, steps, weighed / mean, bank.divisor)


def _divided(slices: list[Slice], steps: list[Step], value: float, divisor: float) -> Part:
    if divisor != 1:
        steps.append(Step("divide", f"{figure(value)} / {figure(divisor)}", value / divisor))
    return Part(tuple(slices), tuple(steps))


def _finished(stage: Stage, value: int | float) -> list[Step]:
    layer = stage.layer
    depth = layer.depth

    def back(linear: float) -> float:
        light = np.array([linear], np.float64)
        encode(light, depth)
        return float(light[0])

    return finished(
        value,
        offset=layer.offset,
        range=layer.range,
        full=depth.full,
        limits=(depth.low, depth.high) if depth.integer else None,
        extremes=_extremes(stage) if layer.range == "stretch" else None,
        encode=back if layer.linear else None,
    )


def _extremes(stage: Stage) -> tuple[float, float]:
    """The smallest and largest value of the whole picture, before they are stretched."""
    layer = stage.layer._replace(range="raw", target=np.dtype(np.float64), linear=False)
    values = filter_layer(layer, stage.colours, stage.alpha, premultiply=stage.premultiply)
    colours = values[..., :-1] if stage.alpha is not None else values
    finite = colours[np.isfinite(colours)]
    return (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)


def _with_tie_noted(told: Explanation, stage: Stage) -> Explanation:
    """Say why the sample may not be the one worked out."""
    worked = told.steps[-1].value if told.steps else told.parts[0].value
    if not stage.layer.depth.integer or stage.layer.range == "raw" or worked == told.value:
        return told
    note = f"the value lies within {_TIE} of a tie: in the engine's floats it rounds to {figure(told.value)}"
    return told._replace(notes=(*told.notes, note))


def _alpha_explained(told: Explanation, stage: Stage) -> Explanation:
    """Work out what becomes of alpha."""
    layer, full = stage.layer, stage.layer.depth.full
    if stage.alpha is None:
        return told._replace(steps=(Step("alpha", "opaque everywhere", told.value),))
    if not stage.premultiply:
        kept = kept_alpha(stage.alpha, layer.axes, layer.border, full)[told.place].item()
        first = Step("alpha", "kept from under the kernel's anchor", kept)
        return told._replace(steps=(first, *_as_sample(kept, stage)))
    window = window_at(stage.alpha, layer.axes, told.place, layer.border, full)
    means = []
    parts = []
    for output in layer.bank.weights:
        for weights in output:
            own = weights.sum(axis=0) if layer.bank.summed else weights[0]
            if not own.sum():
                continue
            part = part_of([slice_of("", window, own, frame) for frame in range(len(own))], float(own.sum()))
            parts.append(part)
            means.append(part.value)
    mean = math.fsum(means) / len(means)
    steps = [Step("mean of parts", f"of {len(means)}", mean)] if len(means) > 1 else []
    return told._replace(parts=tuple(parts[:1]), steps=(*steps, *_as_sample(mean, stage)))


def _as_sample(alpha: float, stage: Stage) -> list[Step]:
    """Work out how alpha is rounded."""
    limits = (0.0, stage.layer.depth.full) if stage.layer.depth.integer else None
    full = stage.layer.depth.full
    return finished(alpha, offset=0, range="clip", full=full, limits=limits, extremes=None, encode=None)
