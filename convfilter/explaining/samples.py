"""What is told of one output sample: its window, its sums, and the sample that is really written."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convfilter.errors import ShapeError
from convfilter.explaining.arithmetic import Number, Step, combined, figure, finished, plain, quotient, total
from convfilter.explaining.pieces import checked_place, part_of, slice_of
from convfilter.explaining.records import Explanation, Part, Slice
from convfilter.explaining.window import anchor_of, window_at
from convfilter.filtering import Stage, filter_pixels, last_stage
from convfilter.filtering.alpha import kept_alpha
from convfilter.filtering.layer import FilterBank, filter_bank, filter_layer, noise_of
from convfilter.filtering.quantize import encode
from convfilter.kernels import Kernel
from convfilter.kernels.kernel import is_zero_sum
from convfilter.options import FilterOptions

__all__ = ["explain_sample"]

_TIE = 0.001  # results of floats may differ from exact ones this near to a half
_ROUNDINGS = 2.0**-16  # and those that stay floats by this much of what was added up


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
    bank = filter_bank(kernels[-1], options.channels, stage.colours.shape[-1], options.flip)
    if made.alpha and channel == len(written) - 1:
        return _compared(_alpha_explained(told._replace(notes=tuple(notes)), stage, bank), stage)
    parts, steps = _worked_out(stage, bank, at, channel, names)
    steps += _finished(stage, bank, kernels[-1], steps[-1].value if steps else parts[0].value)
    told = told._replace(parts=tuple(parts), steps=tuple(steps), notes=tuple(notes))
    return _compared(told, stage)


def _at(pixels: NDArray[Any], at: tuple[int, ...], stage: Stage) -> list[int | float]:
    """Return all channels of the result at a place."""
    found = pixels[at] if stage.stack else pixels[at[1:]]
    values: list[int | float] = np.atleast_1d(found).tolist()
    return values


def _in_words(kernels: Sequence[Kernel]) -> str:
    return ", then ".join(kernel.name for kernel in kernels)


def _worked_out(
    stage: Stage, bank: FilterBank, at: tuple[int, ...], channel: int, names: Sequence[str] = ()
) -> tuple[list[Part], list[Step]]:
    """Work out every part of the kernel for one channel of the output, and how they are combined."""
    layer = stage.layer
    sources = range(stage.colours.shape[-1]) if bank.summed else [channel]
    windows = [
        window_at(stage.colours[..., source], layer.axes, at, layer.border, layer.fill) for source in sources
    ]
    alpha = None
    if stage.alpha is not None and stage.layer.premultiply:
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
            part_of(slices, bank.divisor)
            if alpha is None
            else _weighed_part(slices, weights, alpha, stage, bank)
        )
    return parts, combined([part.value for part in parts], layer.combine)


def _weighed_part(
    slices: list[Slice], weights: NDArray[Any], alpha: NDArray[Any], stage: Stage, bank: FilterBank
) -> Part:
    """Work out a part whose colours are weighed with alpha."""
    layer = stage.layer
    full = _number(layer.depth.full)
    opacities = [alpha[number % len(alpha)] for number in range(len(slices))]
    weighed = _sum(
        _product(each.weights, each.samples, opacity) for each, opacity in zip(slices, opacities, strict=True)
    )
    steps = [Step("sum", "all products weight * sample * alpha", quotient(weighed, full))]
    whole = total(weights)
    own = weights.sum(axis=0) if bank.summed else weights[0]
    mean: Number = 0
    if not is_zero_sum(weights.ravel().tolist()):
        mean = quotient(_sum([_product(own, alpha)]), whole * full)
    steps.append(Step("alpha", "weights * alpha, as a share of all weights", mean))
    if not _visible(mean * _number(layer.result.full), stage):
        value = _sum(_product(each.weights, each.samples) for each in slices)
        steps.append(Step("invisible", "the sum without alpha", value))
    else:
        value = quotient(weighed, mean * full)
        steps.append(Step("colour", f"{figure(steps[0].value)} / {figure(mean)}", value))
    if bank.divisor != 1:
        formula = f"{figure(value)} / {figure(bank.divisor)}"
        steps.append(Step("divide", formula, quotient(value, bank.divisor)))
    return Part(tuple(slices), tuple(steps))


def _visible(opacity: Number, stage: Stage) -> bool:
    """Tell whether alpha, in units of the result, does not round to 0."""
    return opacity >= Fraction(1, 2) if stage.layer.result.integer else opacity > 0


def _product(*factors: NDArray[Any]) -> NDArray[Any]:
    """Multiply, exactly unless one of the arrays holds floats; zero is zero whatever it is multiplied by."""
    kind = np.float64 if any(each.dtype.kind == "f" for each in factors) else object
    with np.errstate(all="ignore"):
        product = math.prod(each.astype(kind) for each in factors)
    zero = np.any([each == 0 for each in (factors[0], *factors[2:])], axis=0)
    return np.where(zero, 0, product)


def _sum(products: Iterable[NDArray[Any]]) -> Number:
    return total(np.concatenate([each.ravel() for each in products]))


def _number(value: float | Fraction) -> Number:
    return int(value) if value == int(value) else value


def _finished(stage: Stage, bank: FilterBank, kernel: Kernel, value: Number) -> list[Step]:
    layer = stage.layer
    depth, result = layer.depth, layer.result
    offset = Fraction(str(kernel.offset)) * Fraction(depth.full)

    def back(linear: float) -> float:
        light = np.array([linear], np.float64)
        encode(light, depth)
        return float(light[0])

    return finished(
        value,
        offset=_number(offset),
        range=layer.range,
        full=_number(depth.full),
        result=_number(result.full),
        limits=(result.low, result.high) if result.integer else None,
        extremes=_extremes(stage, bank, _number(offset)) if layer.range == "stretch" else None,
        encode=back if layer.linear else None,
    )


def _extremes(stage: Stage, bank: FilterBank, offset: Number) -> tuple[Number, Number]:
    """The smallest and largest value of the whole picture, before they are stretched."""
    layer = stage.layer._replace(range="raw", target=np.dtype(np.float64), linear=False, offset=Fraction(0))
    values = filter_layer(layer, stage.colours, stage.alpha)
    colours = values[..., :-1] if stage.alpha is not None else values
    finite = np.where(np.isfinite(colours), colours, np.nan)
    if not np.isfinite(finite).any():
        return 0, 0
    found: list[Number] = []
    for place in (np.nanargmin(finite), np.nanargmax(finite)):
        *at, channel = (int(index) for index in np.unravel_index(int(place), finite.shape))
        parts, steps = _worked_out(stage, bank, tuple(at), channel)
        found.append((steps[-1].value if steps else parts[0].value) + offset)
    low, high = found
    # What the engine takes for its own roundings is flat.
    noise = noise_of(layer, stage.colours)
    noise *= layer.depth.full / layer.result.full / layer.bank.divisor
    return (low, high) if high - low > noise else (low, low)


def _compared(told: Explanation, stage: Stage) -> Explanation:
    """Return the explanation if it gives the sample that is written, with a note if floats round otherwise.

    Raises
    ------
    RuntimeError
        If it does not: one of the two calculations is wrong.
    """
    steps = (*told.parts[-1].steps, *told.steps) if told.parts else told.steps
    worked = steps[-1].value
    if worked == told.value or (worked != worked and told.value != told.value):
        return told
    number = next((number for number, step in enumerate(steps) if step.name == "round"), None)
    if number is None:
        # Floats that stay floats: how far they may differ follows from what was added up.
        added = sum(math.fsum(np.abs(each.products).ravel()) for part in told.parts for each in part.slices)
        values = [abs(float(step.value)) for step in steps if math.isfinite(step.value)]
        enlarged = float(stage.layer.result.full) if stage.layer.range != "stretch" else math.inf
        with np.errstate(over="ignore"):
            kept = float(stage.layer.target.type(float(worked)))
        if kept == told.value or abs(kept - told.value) <= _ROUNDINGS * max(added, enlarged, *values):
            return told
    else:
        value, rounded = steps[number - 1].value, steps[number].value
        exact = not isinstance(value, float) and stage.layer.result.dtype.itemsize <= 2
        near = abs(value - math.floor(value) - 0.5) <= _TIE
        if near and not exact and abs(rounded - told.value) == 1:
            note = (
                f"the value lies within {_TIE} of a tie: in the engine's floats it rounds to "
                f"{figure(told.value)}"
            )
            return told._replace(notes=(*told.notes, note))
    raise RuntimeError(f"explain works out {plain(worked)!r} where apply writes {told.value!r}")


def _alpha_explained(told: Explanation, stage: Stage, bank: FilterBank) -> Explanation:
    """Work out what becomes of alpha."""
    layer, full = stage.layer, stage.layer.depth.full
    if stage.alpha is None:
        return told._replace(steps=(Step("alpha", "opaque everywhere", told.value),))
    if not stage.layer.premultiply:
        kept = kept_alpha(stage.alpha, layer.axes, layer.border, full)[told.place].item()
        first = Step("alpha", "kept from under the kernel's anchor", kept)
        return told._replace(steps=(first, *_as_sample(kept, stage)))
    window = window_at(stage.alpha, layer.axes, told.place, layer.border, full)
    parts = []
    for output in bank.weights:
        for weights in output:
            own = weights.sum(axis=0) if bank.summed else weights[0]
            if is_zero_sum(weights.ravel().tolist()):
                continue
            slices = [slice_of("", window, own, frame) for frame in range(len(own))]
            parts.append(part_of(slices, total(weights)))
    mean = quotient(sum(part.value for part in parts), len(parts))
    steps = [Step("mean of parts", f"of {len(parts)}", mean)] if len(parts) > 1 else []
    return told._replace(parts=tuple(parts[:1]), steps=(*steps, *_as_sample(mean, stage)))


def _as_sample(alpha: Number, stage: Stage) -> list[Step]:
    """Work out how alpha is rounded."""
    layer = stage.layer
    rounds = layer.result.integer and layer.range != "raw"
    return finished(
        alpha,
        offset=0,
        range="clip",
        full=_number(layer.depth.full),
        result=_number(layer.result.full),
        limits=(layer.result.low, layer.result.high) if rounds else None,
        extremes=None,
        encode=None,
    )
