"""How one value of a filtered image is computed, in plain numbers, and compared with what the engine makes.

`steps` does the arithmetic, independently of the engine; `text` and `drawing` show it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convfilter.convolution import correlate
from convfilter.convolution.borders import fill_of
from convfilter.errors import OptionError, ShapeError
from convfilter.explain.steps import (
    Explanation,
    Number,
    Part,
    Slice,
    Step,
    anchor_of,
    check_place,
    combine_parts,
    finish,
    plain,
    product,
    quotient,
    slice_of,
    sum_of,
    sum_slices,
    total,
    window_at,
)
from convfilter.filtering import Stage, filter_pixels, last_stage
from convfilter.filtering.alpha import kept_alpha
from convfilter.filtering.layer import FilterBank, filter_bank, filter_layer, noise_of
from convfilter.filtering.quantize import encode
from convfilter.geometry import Axis, axes_of
from convfilter.kernels import Kernel
from convfilter.kernels.kernel import is_zero_sum
from convfilter.messages import figure
from convfilter.options import FilterOptions

__all__ = ["Explanation", "explain_numbers", "explain_sample"]

_TIE = 0.001  # results of floats may differ from exact ones this near to a half
_ROUNDINGS = 2.0**-16  # and those that stay floats by this much of what was added up


def explain_numbers(
    values: NDArray[Any], kernel: Kernel, options: FilterOptions, place: Sequence[int]
) -> Explanation:
    """Explain the output at (row, column) of `correlate`, on numbers (H, W) without full scale or clipping.

    Of the options, padding, border, fill, stride, dilation and flip count; the kernel's offset is in units of
    the numbers, and its range does not count.
    """
    if kernel.axes not in (("column",), ("row", "column")):
        raise OptionError(
            f"kernel '{kernel.name}' spans {' and '.join(kernel.axes[:-2])}s: numbers have none"
        )
    shape = (kernel.height, kernel.width)
    axes = axes_of(
        values.shape, shape, padding=options.padding, stride=options.stride, dilation=options.dilation
    )
    at = (0, *check_place(place, tuple(axis.output for axis in axes)))
    whole = (Axis(1, 1), *axes)
    samples, made = window_at(
        values[np.newaxis], whole, at, options.border, fill_of(options.border, options.fill)
    )
    parts, results = [], []
    for array, divisor in zip(kernel.arrays(), kernel.divisors, strict=True):
        weights = array.reshape(shape)[::-1, ::-1] if options.flip else array.reshape(shape)
        parts.append(sum_slices([slice_of("", samples[0], made[0], weights)], divisor))
        sums = correlate(
            values, weights, padding=options.padding, border=options.border, fill=options.fill,
            stride=options.stride, dilation=options.dilation,
        )  # fmt: skip
        results.append(sums[at[1:]].item() / divisor if divisor != 1 else sums[at[1:]].item())
    steps = combine_parts([part.value for part in parts], kernel.combine)
    value = plain(combine_parts(results, kernel.combine)[-1].value) if kernel.combine else results[0]
    if kernel.offset:
        steps += [Step("offset", f"{figure(value)} + {kernel.offset:g}", value + kernel.offset)]
        value += kernel.offset
    size = tuple(axis.output for axis in whole)
    return Explanation(at, anchor_of(whole, at), size, 0, tuple(parts), tuple(steps), value, (value,))


def explain_sample(
    pixels: NDArray[Any],
    kernels: Sequence[Kernel],
    options: FilterOptions,
    place: Sequence[int],
    *,
    channel: int = 0,
    names: Sequence[str] = (),
) -> Explanation:
    """Explain one sample of the result of `filter_pixels`, at (row, column); in a stack (frame, row, column).

    `channel` counts those of the output; `names` are those of the image's channels.
    """
    made = filter_pixels(pixels, kernels, options)
    stage = last_stage(pixels, kernels, options)
    sizes = tuple(axis.output for axis in stage.layer.axes)
    at = check_place(place, sizes)
    written = np.atleast_1d(made.pixels[at if stage.stack else at[1:]]).tolist()
    if not 0 <= channel < len(written):
        raise ShapeError(f"channel {channel}: the output has {len(written)}, counted from 0")
    value = written[channel]
    notes = []
    if len(kernels) > 1:
        chain = ", then ".join(kernel.name for kernel in kernels[:-1])
        notes.append(f"the window is what {chain} made, unrounded")
    if stage.layer.linear:
        notes.append("samples are in linear light")
    bank = filter_bank(kernels[-1], options.channels, stage.colours.shape[-1], options.flip)
    if made.alpha and channel == len(written) - 1:
        parts, steps = _explain_alpha(stage, bank, at, value)
    else:
        parts, steps = _explain_parts(stage, bank, at, channel, names)
        steps += _finish_colour(stage, bank, kernels[-1], steps[-1].value if steps else parts[0].value)
    notes += _differences(parts, steps, value, stage)
    return Explanation(
        place=at,
        anchor=anchor_of(stage.layer.axes, at),
        size=sizes,
        channel=channel,
        parts=tuple(parts),
        steps=tuple(steps),
        value=value,
        values=tuple(written),
        notes=tuple(notes),
    )


def _explain_parts(
    stage: Stage, bank: FilterBank, at: tuple[int, ...], channel: int, names: Sequence[str] = ()
) -> tuple[list[Part], list[Step]]:
    """Compute every part of the kernel for one colour channel of the output, and how they are combined."""
    layer = stage.layer
    sources = range(stage.colours.shape[-1]) if bank.summed else [channel]
    windows = [
        window_at(stage.colours[..., source], layer.axes, at, layer.border, layer.fill) for source in sources
    ]
    alpha = None
    if stage.alpha is not None and stage.layer.premultiply:
        alpha, _ = window_at(stage.alpha, layer.axes, at, layer.border, layer.depth.full)
    parts = []
    for weights in bank.weights[channel if bank.summed else 0]:
        slices = []
        for number, (samples, made) in enumerate(windows):
            for frame in range(weights.shape[1]):
                name = names[number] if bank.summed and number < len(names) else ""
                name += f"{' ' if name else ''}frame {frame}" if weights.shape[1] > 1 else ""
                share = None if alpha is None else alpha[frame] / layer.depth.full
                slices.append(slice_of(name, samples[frame], made[frame], weights[number][frame], share))
        if alpha is None:
            parts.append(sum_slices(slices, bank.divisor))
        else:
            parts.append(_premultiplied_part(slices, weights, alpha, stage, bank))
    return parts, combine_parts([part.value for part in parts], layer.combine)


def _premultiplied_part(
    slices: list[Slice], weights: NDArray[Any], alpha: NDArray[Any], stage: Stage, bank: FilterBank
) -> Part:
    """Compute a part whose colours are weighed with alpha."""
    full, result = _number(stage.layer.depth.full), stage.layer.result
    weighed = sum_of(
        product(each.weights, each.samples, alpha[number % len(alpha)]) for number, each in enumerate(slices)
    )
    steps = [Step("sum", "all products weight * sample * alpha", quotient(weighed, full))]
    own = weights.sum(axis=0) if bank.summed else weights[0]
    mean: Number = 0
    if not is_zero_sum(weights.ravel().tolist()):
        mean = quotient(total(product(own, alpha)), total(weights) * full)
    steps.append(Step("alpha", "weights * alpha, as a share of all weights", mean))
    opacity = mean * _number(result.full)
    if opacity >= Fraction(1, 2) if result.integer else opacity > 0:
        value = quotient(weighed, mean * full)
        steps.append(Step("colour", f"{figure(steps[0].value)} / {figure(mean)}", value))
    else:
        value = sum_of(product(each.weights, each.samples) for each in slices)
        steps.append(Step("invisible", "the sum without alpha", value))
    if bank.divisor != 1:
        formula = f"{figure(value)} / {figure(bank.divisor)}"
        steps.append(Step("divide", formula, quotient(value, bank.divisor)))
    return Part(tuple(slices), tuple(steps))


def _number(value: float | Fraction) -> Number:
    return int(value) if value == int(value) else value


def _finish_colour(stage: Stage, bank: FilterBank, kernel: Kernel, value: Number) -> list[Step]:
    layer = stage.layer
    depth, result = layer.depth, layer.result
    offset = _number(Fraction(str(kernel.offset)) * Fraction(depth.full))

    def back(linear: float) -> float:
        light = np.array([linear], np.float64)
        encode(light, depth)
        return float(light[0])

    return finish(
        value,
        offset=offset,
        range=layer.range,
        full=_number(depth.full),
        result=_number(result.full),
        limits=(result.low, result.high) if result.integer else None,
        extremes=_extremes(stage, bank, offset) if layer.range == "stretch" else None,
        encode=back if layer.linear else None,
    )


def _extremes(stage: Stage, bank: FilterBank, offset: Number) -> tuple[Number, Number]:
    """Return the smallest and largest value of the whole image, before they are stretched."""
    layer = stage.layer._replace(range="raw", target=np.dtype(np.float64), linear=False, offset=Fraction(0))
    values = filter_layer(layer, stage.colours, stage.alpha)
    colours = values[..., :-1] if stage.alpha is not None else values
    finite = np.where(np.isfinite(colours), colours, np.nan)
    if not np.isfinite(finite).any():
        return 0, 0
    found: list[Number] = []
    for place in (np.nanargmin(finite), np.nanargmax(finite)):
        *at, channel = (int(index) for index in np.unravel_index(int(place), finite.shape))
        parts, steps = _explain_parts(stage, bank, tuple(at), channel)
        found.append((steps[-1].value if steps else parts[0].value) + offset)
    low, high = found
    # What the engine takes for its own roundings is flat.
    noise = noise_of(layer, stage.colours)
    noise *= layer.depth.full / layer.result.full / layer.bank.divisor
    return (low, high) if high - low > noise else (low, low)


def _explain_alpha(
    stage: Stage, bank: FilterBank, at: tuple[int, ...], value: int | float
) -> tuple[list[Part], list[Step]]:
    """Compute alpha: as it was where nothing weighs with it, else the mean over the parts of the kernel."""
    layer, full = stage.layer, stage.layer.depth.full
    if stage.alpha is None:
        return [], [Step("alpha", "opaque everywhere", value)]
    if not stage.layer.premultiply:
        kept = kept_alpha(stage.alpha, layer.axes, layer.border, full)[at].item()
        return [], [Step("alpha", "kept from under the kernel's anchor", kept), *_finish_alpha(kept, stage)]
    samples, made = window_at(stage.alpha, layer.axes, at, layer.border, full)
    parts = []
    for weights in (part for output in bank.weights for part in output):
        if not is_zero_sum(weights.ravel().tolist()):
            own = weights.sum(axis=0) if bank.summed else weights[0]
            slices = [slice_of("", *each) for each in zip(samples, made, own, strict=True)]
            parts.append(sum_slices(slices, total(weights)))
    mean = quotient(sum(part.value for part in parts), len(parts))
    steps = [Step("mean of parts", f"of {len(parts)}", mean)] if len(parts) > 1 else []
    return parts[:1], [*steps, *_finish_alpha(mean, stage)]


def _finish_alpha(alpha: Number, stage: Stage) -> list[Step]:
    layer = stage.layer
    rounds = layer.result.integer and layer.range != "raw"
    return finish(
        alpha,
        offset=0,
        range="clip",
        full=_number(layer.depth.full),
        result=_number(layer.result.full),
        limits=(layer.result.low, layer.result.high) if rounds else None,
        extremes=None,
        encode=None,
    )


def _differences(parts: Sequence[Part], last: Sequence[Step], written: float, stage: Stage) -> list[str]:
    """Return a note if the engine's floats round otherwise; raise RuntimeError for any other difference."""
    steps = (*parts[-1].steps, *last) if parts else last
    found = steps[-1].value
    if found == written or (found != found and written != written):
        return []
    number = next((number for number, step in enumerate(steps) if step.name == "round"), None)
    if number is None:
        # Floats that stay floats: how far they may differ follows from what was added up.
        added = sum(math.fsum(np.abs(each.products).ravel()) for part in parts for each in part.slices)
        values = [abs(float(step.value)) for step in steps if math.isfinite(step.value)]
        enlarged = float(stage.layer.result.full) if stage.layer.range != "stretch" else math.inf
        with np.errstate(over="ignore"):
            kept = float(stage.layer.target.type(float(found)))
        if kept == written or abs(kept - written) <= _ROUNDINGS * max(added, enlarged, *values):
            return []
    else:
        value, rounded = steps[number - 1].value, steps[number].value
        exact = not isinstance(value, float) and stage.layer.result.dtype.itemsize <= 2
        near = abs(value - math.floor(value) - 0.5) <= _TIE
        if near and not exact and abs(rounded - written) == 1:
            rounds = f"in the engine's floats it rounds to {figure(written)}"
            return [f"the value lies within {_TIE} of a tie: {rounds}"]
    raise RuntimeError(f"explain works out {plain(found)!r} where apply writes {written!r}")
