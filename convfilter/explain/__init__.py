"""How one value of a filtered image is computed, in plain numbers, and checked against the engine."""

from __future__ import annotations

import math
from collections.abc import Sequence
from copy import copy
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convfilter.errors import OptionError, brief, figure
from convfilter.explain.steps import (
    Explanation,
    Number,
    Part,
    Share,
    Slice,
    Step,
    added_up,
    check_place,
    combine_parts,
    divided,
    finish,
    plain,
    plane_axes,
    product,
    quotient,
    slice_of,
    sum_slices,
    total,
    whole,
    window_at,
)
from convfilter.explain.text import output_names
from convfilter.filtering import Filtered, Stage, filter_pixels, last_stage
from convfilter.filtering.blend import LUMA
from convfilter.filtering.blocks import filter_layer, noise_of
from convfilter.filtering.layer import filter_bank
from convfilter.filtering.quantize import decode
from convfilter.geometry import Axis
from convfilter.kernels import Kernel
from convfilter.kernels.kernel import is_zero_sum
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
        spanned = " and ".join(kernel.axes[:-2])
        raise OptionError(f"kernel '{kernel.name}' spans {spanned}s: numbers have none")
    axes = (Axis(1, 1), *plane_axes(values.shape, kernel, options))
    at, anchor = check_place(place, axes)
    fill = options.fill if options.border == "constant" else 0.0
    (samples,), (border,) = window_at(values[np.newaxis], axes, at, options.border, fill)
    parts = []
    for array, divisor in zip(kernel.arrays(), kernel.divisors, strict=True):
        weights = array.reshape(kernel.height, kernel.width)
        weights = weights[::-1, ::-1] if options.flip else weights
        parts.append(sum_slices([slice_of("", samples, border, weights)], divisor))
    steps = combine_parts([part.value for part in parts], kernel.combine)
    value = plain((steps or parts)[-1].value)
    if kernel.offset:
        steps += [Step("offset", f"{figure(value)} + {kernel.offset:g}", value + kernel.offset)]
        value += kernel.offset
    return Explanation(at, anchor, 1, 0, ("value",), tuple(parts), tuple(steps), (value,), axes=axes)


def explain_sample(
    pixels: NDArray[Any],
    kernels: Sequence[Kernel],
    options: FilterOptions,
    place: Sequence[int],
    *,
    channel: str | None = None,
    names: tuple[str, ...] = (),
    step: int | None = None,
) -> Explanation:
    """Explain one sample of the result of `filter_pixels`, at (row, column); in a stack (frame, row, column).

    `channel` is the name or number of one of the output's, by default the first; `names` are those of the
    image's channels. `step` is the filter of the chain, counted from 1, by default the last one.
    """
    count = len(kernels)
    kernels, following = kernels[:step], kernels[step or count :]
    if following:
        stage, made = _earlier_stage(pixels, kernels, following[0], options)
    else:
        stage, made = last_stage(pixels, kernels, options), filter_pixels(pixels, kernels, options)
    at, anchor = check_place(place, stage.layer.axes)
    written = np.atleast_1d(made.pixels[at if stage.stack or following else at[1:]]).tolist()
    made_names = output_names(len(written), names)
    number = _channel_number(channel, made_names)
    last = _LastFilter(stage, kernels[-1], options, names)
    if made.alpha and number == len(written) - 1:
        parts, steps = last.alpha(at, written[number])
    else:
        parts, steps = last.colour(at, number, written[number])
    notes = []
    if count > 1:
        after = f"; {following[0].name} goes on with its unrounded values" if following else ""
        notes.append(f"step {len(kernels)} of {count}: {kernels[-1].name}{after}")
    if len(kernels) > 1:
        chain = ", then ".join(kernel.name for kernel in kernels[:-1])
        notes.append(f"the window is what {chain} made, unrounded")
    if options.linear:
        notes.append("samples are in linear light")
    notes += _differences(parts, steps, written[number], stage)
    return Explanation(
        at,
        anchor,
        stage.layer.axes[0].output,
        number,
        made_names,
        tuple(parts),
        tuple(steps),
        tuple(written),
        tuple(notes),
        stage.layer.axes,
    )


def _earlier_stage(
    pixels: NDArray[Any], kernels: Sequence[Kernel], following: Kernel, options: FilterOptions
) -> tuple[Stage, Filtered]:
    """Return the last of some filters of a chain, and its unrounded values (T, H, W, C) for the next one."""
    # Depth and blending are those of the last result.
    options = options._replace(depth=None, mix=1.0, mask=None, region=None, threshold=0.0)
    stage, after = (last_stage(pixels, chain, options) for chain in (kernels, [*kernels, following]))
    planes = [after.colours] if after.alpha is None else [after.colours, after.alpha[..., np.newaxis]]
    values = np.concatenate(planes, axis=-1)
    layer = stage.layer._replace(result=stage.layer.depth, target=values.dtype, linear=False)
    return stage._replace(layer=layer), Filtered(values, after.alpha is not None)


def _channel_number(asked: str | None, names: tuple[str, ...]) -> int:
    """Return the number of a channel from its name or number; 0 by default."""
    if asked is None:
        return 0
    if asked in names:
        return names.index(asked)
    if asked.isascii() and asked.isdecimal() and int(asked) < len(names):
        return int(asked)
    raise OptionError(f"there is no channel {brief(asked)}: the output has {', '.join(names)}")


class _LastFilter:
    """The last filter of a chain, whose arithmetic is done anew."""

    def __init__(self, stage: Stage, kernel: Kernel, options: FilterOptions, names: Sequence[str]) -> None:
        self.stage, self.layer, self.names = stage, stage.layer, names
        # That of the layer is scaled to the depth of the result.
        self.bank = filter_bank(kernel, options.channels, stage.colours.shape[-1], options.flip)
        self.full = self.layer.depth.full
        self.offset = whole(kernel.exact_offset * Fraction(self.full))

    def colour(self, at: tuple[int, ...], channel: int, written: float) -> tuple[list[Part], list[Step]]:
        """Compute a sample of a colour channel of the output."""
        parts, steps, value = self.parts(at, channel)
        if self.lost(at, channel):
            return parts, [Step("missing", "nothing to filter: the sample's mark stays", written)]
        mode = self.layer.range
        extremes = self.extremes() if mode == "stretch" else (0, 0)
        share = self.share(at, channel)
        return parts, steps + finish(
            value, self.layer, mode, offset=self.offset, extremes=extremes, share=share
        )

    def share(self, at: tuple[int, ...], channel: int) -> Share | None:
        """Return how much of a sample is taken where the result is blended; None for all of it."""
        blend, layer = self.stage.blend, self.layer
        if blend is None:
            return None
        place = tuple(slice(each, each + 1) for each in at)
        mask = blend.mask_at(place)
        amount = blend.mix * (1 if mask is None else Fraction(mask.item()) / blend.opaque)
        amount = amount if blend.inside(place) else Fraction(0)
        if amount == 1 and not blend.threshold:
            return None
        if amount and blend.missing is not None and channel >= 0 and blend.missing[at][channel]:
            return None  # there is nothing to blend with
        own = blend.samples[at]
        if layer.linear and amount and channel >= 0:
            own = decode(own, layer.depth, self.stage.colours.dtype)
        full = whole(self.full)
        share = Share(whole(amount), own[channel].item(), whole(blend.threshold * Fraction(full)), full=full)
        if self.stage.alpha is None or not layer.premultiply or channel < 0:
            return share
        half = Fraction(1, 2) / int(layer.result.full) if layer.result.integer else 0
        alphas = quotient(self.opacity(at)[1], full), quotient(blend.samples[at][-1].item(), full)
        return share._replace(alphas=alphas, seen=half)

    def parts(self, at: tuple[int, ...], channel: int) -> tuple[list[Part], list[Step], Number]:
        """Compute every part of the kernel for one colour channel, and how they become one value."""
        layer, bank, colours = self.layer, self.bank, self.stage.colours
        sources = range(colours.shape[-1]) if bank.summed else [channel]
        windows = [
            window_at(colours[..., each], layer.axes, at, layer.border, layer.fill) for each in sources
        ]
        alpha = None
        if self.stage.alpha is not None and layer.premultiply:
            alpha, _ = window_at(self.stage.alpha, layer.axes, at, layer.border, self.full)
        axis = layer.axes[0]
        first = at[0] * axis.stride - axis.before
        parts = []
        for weights in bank.weights[channel if bank.summed and not bank.luma else 0]:
            slices = []
            for number, frame in np.ndindex(weights.shape[:2]):
                name = self.names[number] if bank.summed and number < len(self.names) else ""
                name += f" frame {first + axis.dilation * frame}" if weights.shape[1] > 1 else ""
                samples, border = (each[frame] for each in windows[number])
                share = [] if alpha is None else [alpha[frame] / self.full]
                slices.append(slice_of(name.strip(), samples, border, weights[number, frame], *share))
            if alpha is None and self.stage.missing is not None:
                parts.append(self.present_part(slices, weights, at, sources))
            elif alpha is None:
                parts.append(sum_slices(slices, bank.divisor))
            else:
                parts.append(self.premultiplied_part(slices, weights, alpha))
        steps = combine_parts([part.value for part in parts], layer.combine)
        value = (steps or parts)[-1].value
        if bank.luma:  # add the channel's distance from lightness
            here = colours[at].tolist()
            lightness = quotient(sum(weight * each for weight, each in zip(LUMA, here, strict=True)), 1000)
            formula = f"{figure(value)} + {figure(here[channel])} - {figure(lightness)}".replace("+ -", "- ")
            value = value + here[channel] - lightness
            steps.append(Step("colour kept", formula, value))
        return parts, steps, value

    def hidden(self, at: tuple[int, ...], sources: Sequence[int]) -> list[NDArray[np.bool_]]:
        """Return which samples under the kernel are missing, for each channel: (frames, rows, columns)."""
        assert self.stage.missing is not None
        hidden, layer = self.stage.missing.hidden, self.layer
        return [
            window_at(hidden[..., each], layer.axes, at, layer.border, 0)[0].astype(bool) for each in sources
        ]

    def under(self, values: NDArray[Any], at: tuple[int, ...], fill: float) -> Any:
        """Return the sample of one channel under the kernel's anchor."""
        layer = self.layer
        axes = [axis._replace(kernel=1, before=axis.before - axis.anchor) for axis in layer.axes]
        return window_at(values, axes, at, layer.border, fill)[0].item()

    def lost(self, at: tuple[int, ...], channel: int) -> bool:
        """Whether a colour of the output stays missing."""
        missing, bank = self.stage.missing, self.bank
        if missing is None:
            return False
        sources = range(missing.hidden.shape[-1]) if bank.summed else [channel]
        hidden = self.hidden(at, sources)
        if bank.luma and missing.hidden[at].any():
            return True
        for weights in bank.weights[channel if bank.summed and not bank.luma else 0]:
            if (weights >= 0).all() and weights.any():
                if not any(
                    (each & (own != 0)).any()
                    for own, each in zip(weights, map(np.logical_not, hidden), strict=True)
                ):
                    return True
            elif any(
                own.any() and self.under(missing.hidden[..., each], at, 0)
                for own, each in zip(weights, sources, strict=True)
            ):
                return True
        return False

    def present_part(
        self, slices: list[Slice], weights: NDArray[Any], at: tuple[int, ...], sources: Sequence[int]
    ) -> Part:
        """Compute a part from the samples that are there."""
        assert self.stage.missing is not None
        hidden = [frame for channel in self.hidden(at, sources) for frame in channel]
        shown = [
            slice_of(each.name, np.where(lost, 0, each.window), each.border, each.weights)._replace(
                missing=lost
            )
            for each, lost in zip(slices, hidden, strict=True)
        ]
        if not any(lost.any() for lost in hidden):
            return sum_slices(slices, self.bank.divisor)
        value = total(*(each.products for each in shown))
        steps = [Step("sum", "all products of samples that are there", value)]
        if (weights >= 0).all() and weights.any():
            there = total(
                *(np.where(lost, 0, each.weights) for each, lost in zip(slices, hidden, strict=True))
            )
            if there:
                formula = f"{figure(value)} * {figure(total(weights))} / {figure(there)}"
                steps.append(Step("mean", formula, quotient(value * total(weights), there)))
        else:
            frames = weights.shape[1]
            for number, source in enumerate(sources):
                lost = np.array(hidden[number * frames : (number + 1) * frames])
                own = total(np.where(lost, weights[number], 0))
                if own and not self.under(self.stage.missing.hidden[..., source], at, 0):
                    here = self.under(self.stage.colours[..., source], at, self.layer.fill)
                    formula = f"{figure(value)} + {figure(here)} * {figure(own)}"
                    value = value + here * own
                    steps.append(Step("missing as anchor", formula, value))
        return Part(tuple(shown), (*steps, *divided(steps[-1].value, self.bank.divisor)))

    def premultiplied_part(self, slices: list[Slice], weights: NDArray[Any], alpha: NDArray[Any]) -> Part:
        """Compute a part whose colours are weighted with alpha."""
        full, result = whole(self.full), self.layer.result
        alphas = [*alpha] * (len(slices) // len(alpha))
        pairs = zip(slices, alphas, strict=True)
        weighted = quotient(total(*(product(each.weights, each.window, own) for each, own in pairs)), full)
        mean: Number = 0
        if not is_zero_sum(weights.ravel().tolist()):
            mean = quotient(total(product(self.own(weights), alpha)), total(weights) * full)
        steps = [
            Step("sum", added_up(slices), weighted),
            Step("alpha", "weights * alpha, as a share of all weights", mean),
        ]
        opacity = mean * whole(result.full)
        if opacity >= Fraction(1, 2) if result.integer else opacity > 0:
            steps.append(Step("colour", f"{figure(weighted)} / {figure(mean)}", quotient(weighted, mean)))
        else:
            value = total(*(product(each.weights, each.window) for each in slices))
            steps.append(Step("invisible", "the sum without alpha", value))
        return Part(tuple(slices), (*steps, *divided(steps[-1].value, self.bank.divisor)))

    def own(self, weights: NDArray[Any]) -> NDArray[Any]:
        """Return the weights of alpha, which is one channel: (frames, rows, columns)."""
        return np.asarray(weights.sum(axis=0) if self.bank.summed else weights[0])

    def extremes(self) -> tuple[Number, Number]:
        """Return the smallest and largest value of the whole image, before they are stretched."""
        stage, target = self.stage, np.dtype(np.float64)
        layer = self.layer._replace(range="raw", target=target, linear=False, offset=Fraction(0))
        missing = copy(stage.missing)
        values = filter_layer(layer, stage.colours, stage.alpha, missing=missing)
        if missing is not None:
            values[..., : missing.hidden.shape[-1]][missing.hidden] = np.nan
        finite = np.where(np.isfinite(values), values, np.nan)[..., : -1 if stage.alpha is not None else None]
        if np.isnan(finite).all():
            return 0, 0
        found = []
        for place in (np.nanargmin(finite), np.nanargmax(finite)):
            *at, channel = (int(index) for index in np.unravel_index(int(place), finite.shape))
            *_, value = self.parts(tuple(at), channel)
            found.append(value + self.offset)
        low, high = found
        # What the engine takes for its own roundings is flat.
        noise = noise_of(layer, stage.colours) * self.full / layer.result.full / layer.bank.divisor
        return (low, high) if high - low > noise else (low, low)

    def alpha(self, at: tuple[int, ...], value: float) -> tuple[list[Part], list[Step]]:
        """Compute alpha: as it was where nothing is weighted with it, else the mean over the parts."""
        alpha, layer = self.stage.alpha, self.layer._replace(linear=False)
        if alpha is None:
            return [], [Step("alpha", "opaque everywhere", value)]
        if not layer.premultiply:
            under = [axis._replace(kernel=1, before=axis.before - axis.anchor) for axis in layer.axes]
            kept = window_at(alpha, under, at, layer.border, self.full)[0].item()
            step = Step("alpha", "kept from under the kernel's anchor", kept)
            return [], [step, *finish(kept, layer, "clip", share=self.share(at, -1))]
        parts, mean = self.opacity(at)
        steps = [Step("mean of parts", f"of {len(parts)}", mean)] if len(parts) > 1 else []
        return parts[:1], [*steps, *finish(mean, layer, "clip", share=self.share(at, -1))]

    def opacity(self, at: tuple[int, ...]) -> tuple[list[Part], Number]:
        """Compute the alpha of a filter whose colours are weighted with alpha."""
        alpha, layer, bank = self.stage.alpha, self.layer, self.bank
        assert alpha is not None
        samples, border = window_at(alpha, layer.axes, at, layer.border, self.full)
        parts = []
        for weights in (part for output in bank.weights for part in output):
            if not is_zero_sum(weights.ravel().tolist()):
                frames = zip(samples, border, self.own(weights), strict=True)
                parts.append(sum_slices([slice_of("", *each) for each in frames], total(weights)))
        return parts, quotient(sum(part.value for part in parts), len(parts))


def _differences(parts: Sequence[Part], last: Sequence[Step], written: float, stage: Stage) -> list[str]:
    """Return a note if the engine's floats round otherwise; raise RuntimeError for any other difference."""
    steps = (*parts[-1].steps, *last) if parts else last
    found, result = steps[-1].value, stage.layer.result
    if found == written or (found != found and written != written):
        return []
    number = next((number for number, step in enumerate(steps) if step.name == "round"), None)
    if number is None:
        # Floats that stay floats: how far they may differ follows from what was added up.
        added = sum(math.fsum(np.abs(each.products).ravel()) for part in parts for each in part.slices)
        values = [abs(float(step.value)) for step in steps if math.isfinite(step.value)]
        enlarged = float(result.full) if stage.layer.range != "stretch" else math.inf
        with np.errstate(over="ignore"):
            kept = float(stage.layer.target.type(float(found)))
        if kept == written or abs(kept - written) <= _ROUNDINGS * max(added, enlarged, *values):
            return []
    else:
        value, rounded = steps[number - 1].value, steps[number].value
        exact = not isinstance(value, float) and result.dtype.itemsize <= 2
        exact = exact and not (stage.layer.premultiply and stage.blend is not None)
        near = abs(value - math.floor(value) - 0.5) <= _TIE
        if near and not exact and abs(rounded - written) == 1:
            rounds = f"in the engine's floats it rounds to {figure(written)}"
            return [f"the value lies within {_TIE} of a tie: {rounds}"]
    raise RuntimeError(f"explain computes {plain(found)!r} where apply writes {written!r}")
