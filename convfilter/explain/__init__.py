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
    SNAP,
    Explanation,
    Number,
    Part,
    Slice,
    Step,
    added_up,
    check_place,
    combine_parts,
    divided,
    mixed,
    plain,
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
from convfilter.filtering.layer import filter_axes, filter_bank
from convfilter.filtering.quantize import decode, encode
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
    axes = filter_axes((1, *values.shape), kernel, options)
    at = check_place(place, axes)
    fill = options.fill if options.border == "constant" else 0.0
    (samples,), (border,) = window_at(values[np.newaxis], axes, at, options.border, fill)
    parts = []
    for array, divisor in zip(kernel.arrays(), kernel.divisors, strict=True):
        weights = array.reshape(kernel.height, kernel.width)
        weights = weights[::-1, ::-1] if options.flip else weights
        parts.append(sum_slices([slice_of("", samples, border, weights)], divisor))
    steps = combine_parts(parts, kernel.combine)
    value = plain((steps or parts)[-1].value)
    if kernel.offset:
        steps += [Step("offset", f"{figure(value)} + {kernel.offset:g}", value + kernel.offset)]
        value += kernel.offset
    return Explanation(at, axes, 0, ("value",), tuple(parts), tuple(steps), (value,))


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
    at = check_place(place, stage.layer.axes)
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
        after = f", passed to {following[0].name} unrounded" if following else ""
        notes.append(f"step {len(kernels)} of {count}: {kernels[-1].name}{after}")
    if len(kernels) > 1:
        chain = ", then ".join(kernel.name for kernel in kernels[:-1])
        notes.append(f"the window is what {chain} made, unrounded")
    if options.linear:
        notes.append("samples are in linear light")
    notes += _differences(parts, steps, written[number], stage)
    return Explanation(
        at,
        stage.layer.axes,
        number,
        made_names,
        tuple(parts),
        tuple(steps),
        tuple(written),
        tuple(notes),
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
    """The last filter of a chain, whose arithmetic is done anew, but for the curve of sRGB."""

    def __init__(self, stage: Stage, kernel: Kernel, options: FilterOptions, names: Sequence[str]) -> None:
        self.stage, self.layer, self.names = stage, stage.layer, names
        # That of the layer is scaled to the depth of the result.
        self.bank = filter_bank(kernel, options.channels, stage.colours.shape[-1], options.flip)
        self.full = int(self.layer.depth.full)
        self.offset = whole(kernel.exact_offset * Fraction(self.full))

    def colour(self, at: tuple[int, ...], channel: int, written: float) -> tuple[list[Part], list[Step]]:
        """Compute a sample of a colour channel of the output."""
        parts, steps = self.sums(at, channel)
        missing = self.stage.missing
        beside = self.bank.luma and missing is not None and missing.hidden[at].any()
        if beside or any(part.lost for part in parts):
            return parts, [Step("missing", "nothing to filter: the sample's mark stays", written)]
        return parts, steps + self.finish((steps or parts)[-1].value, at, channel)

    def alpha(self, at: tuple[int, ...], value: float) -> tuple[list[Part], list[Step]]:
        """Compute alpha: as it was where nothing is weighted with it, else the mean over the parts."""
        alpha = self.stage.alpha
        if alpha is None:
            return [], [Step("alpha", "opaque everywhere", value)]
        if not self.layer.premultiply:
            kept = self.under(alpha, at, self.full)
            step = Step("alpha", "kept from under the kernel's anchor", kept)
            return [], [step, *self.finish(kept, at, -1)]
        parts, mean = self.opacity(at)
        steps = [Step("mean of parts", f"of {len(parts)}", mean)] if len(parts) > 1 else []
        return parts[:1], [*steps, *self.finish(mean, at, -1)]

    def sums(self, at: tuple[int, ...], channel: int) -> tuple[list[Part], list[Step]]:
        """Compute every part of the kernel for one colour channel, and how they become one value."""
        layer, bank, colours, missing = self.layer, self.bank, self.stage.colours, self.stage.missing
        sources = range(colours.shape[-1]) if bank.summed else [channel]
        windows = [self.window(colours[..., each], at, layer.fill) for each in sources]
        samples, border = map(np.array, zip(*windows, strict=True))
        alpha: NDArray[Any] | None = None
        anchors: list[float | None] = []
        hidden = np.zeros(samples.shape, bool)
        if self.stage.alpha is not None and layer.premultiply:
            alpha, _ = self.window(self.stage.alpha, at, self.full)
        elif missing is not None:
            hidden = np.array([self.window(missing.hidden[..., each], at, 0)[0] for each in sources], bool)
            samples = np.where(hidden, 0, samples)
            for each in sources:
                gone = self.under(missing.hidden[..., each], at, 0)
                anchors.append(None if gone else self.under(colours[..., each], at, layer.fill))
        axis = layer.axes[0]
        first = at[0] * axis.stride - axis.before
        parts = []
        for weights in bank.weights[channel if bank.summed and not bank.luma else 0]:
            slices = []
            for place in np.ndindex(weights.shape[:2]):
                number, frame = place
                name = self.names[number] if bank.summed and number < len(self.names) else ""
                name += f" frame {first + axis.dilation * frame}" if weights.shape[1] > 1 else ""
                share = None if alpha is None else alpha[frame] / self.full
                lost = hidden[place] if hidden.any() else None
                slices.append(
                    slice_of(name.strip(), samples[place], border[place], weights[place], share, lost)
                )
            if alpha is not None:
                parts.append(self.premultiplied_part(slices, samples, weights, alpha))
            elif missing is not None:
                parts.append(self.present_part(slices, weights, hidden, anchors))
            else:
                parts.append(sum_slices(slices, bank.divisor))
        steps = combine_parts(parts, layer.combine)
        if bank.luma:  # add the channel's distance from lightness
            value, here = (steps or parts)[-1].value, colours[at].tolist()
            lightness = quotient(sum(weight * each for weight, each in zip(LUMA, here, strict=True)), 1000)
            formula = f"{figure(value)} + {figure(here[channel])} - {figure(lightness)}".replace("+ -", "- ")
            steps.append(Step("colour kept", formula, value + here[channel] - lightness))
        return parts, steps

    def window(
        self, values: NDArray[Any], at: tuple[int, ...], fill: float
    ) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """Return the samples (T, H, W) of one channel under the kernel, and which the border made."""
        return window_at(values, self.layer.axes, at, self.layer.border, fill)

    def under(self, values: NDArray[Any], at: tuple[int, ...], fill: float) -> Any:
        """Return the sample of one channel under the kernel's anchor."""
        axes = [axis._replace(kernel=1, before=axis.before - axis.anchor) for axis in self.layer.axes]
        return window_at(values, axes, at, self.layer.border, fill)[0].item()

    def present_part(
        self,
        slices: list[Slice],
        weights: NDArray[Any],
        hidden: NDArray[np.bool_],
        anchors: Sequence[float | None],
    ) -> Part:
        """Compute a part from the samples that are not hidden; `anchors` are those under the anchor."""
        if mean := (weights >= 0).all() and weights.any():
            lost = not weights[~hidden].any()
        else:
            lost = any(here is None and own.any() for here, own in zip(anchors, weights, strict=True))
        if not hidden.any():
            return sum_slices(slices, self.bank.divisor)._replace(lost=lost)
        value = total(*(each.products for each in slices))
        steps = [Step("sum", "all products of samples that are there", value)]
        if mean and not lost:
            there = total(np.where(hidden, 0, weights))
            formula = f"{figure(value)} * {figure(total(weights))} / {figure(there)}"
            steps.append(Step("mean", formula, quotient(value * total(weights), there)))
        elif not mean:
            for here, own, mask in zip(anchors, weights, hidden, strict=True):
                weight = total(np.where(mask, own, 0))
                if weight and here is not None:
                    formula = f"{figure(value)} + {figure(here)} * {figure(weight)}"
                    value = value + here * weight
                    steps.append(Step("missing as anchor", formula, value))
        return Part(tuple(slices), (*steps, *divided(steps[-1].value, self.bank.divisor)), lost)

    def premultiplied_part(
        self, slices: list[Slice], samples: NDArray[Any], weights: NDArray[Any], alpha: NDArray[Any]
    ) -> Part:
        """Compute a part whose colours are weighted with alpha."""
        result = self.layer.result
        products = product(weights, samples, np.broadcast_to(alpha, weights.shape))
        weighted = quotient(total(products), self.full)
        mean: Number = 0
        if not is_zero_sum(weights.ravel().tolist()):
            mean = quotient(total(product(weights.sum(axis=0), alpha)), total(weights) * self.full)
        steps = [
            Step("sum", added_up(slices), weighted),
            Step("alpha", "weights * alpha, as a share of all weights", mean),
        ]
        opacity = mean * whole(result.full)
        if opacity >= Fraction(1, 2) if result.integer else opacity > 0:
            steps.append(Step("colour", f"{figure(weighted)} / {figure(mean)}", quotient(weighted, mean)))
        else:
            steps.append(Step("invisible", "the sum without alpha", total(product(weights, samples))))
        return Part(tuple(slices), (*steps, *divided(steps[-1].value, self.bank.divisor)))

    def opacity(self, at: tuple[int, ...]) -> tuple[list[Part], Number]:
        """Compute the alpha of a filter whose colours are weighted with alpha."""
        assert self.stage.alpha is not None
        samples, border = self.window(self.stage.alpha, at, self.full)
        parts = []
        for weights in (part for output in self.bank.weights for part in output):
            if not is_zero_sum(weights.ravel().tolist()):
                frames = zip(samples, border, weights.sum(axis=0), strict=True)
                parts.append(sum_slices([slice_of("", *each) for each in frames], total(weights)))
        return parts, quotient(sum(part.value for part in parts), len(parts))

    def finish(self, value: Number, at: tuple[int, ...], channel: int) -> list[Step]:
        """Return how a value becomes a sample of a channel; alpha is -1, and has no offset or range."""
        layer, full, result = self.layer, self.full, whole(self.layer.result.full)
        chosen = layer.range if channel >= 0 else "clip"
        steps: list[Step] = []

        def add(name: str, formula: str, made: Number) -> Number:
            steps.append(Step(name, formula, made))
            return made

        if self.offset and channel >= 0:
            value = add("offset", f"{figure(value)} + {figure(self.offset)}", value + self.offset)
        if chosen == "absolute":
            value = add("absolute", f"|{figure(value)}|", value if value >= 0 else -value)
        elif chosen == "signed":
            value = add("signed", f"{figure(value)} / 2 + {figure(full)} / 2", quotient(value + full, 2))
        elif chosen == "stretch":
            low, high = self.extremes()
            formula = f"({figure(value)} - {figure(low)}) * {figure(full)} / ({figure(high)} - {figure(low)})"
            if high > low:
                value = add(
                    "stretch", formula.replace("- -", "+ "), quotient((value - low) * full, high - low)
                )
            else:
                value = add("stretch", "the image is flat", 0 * value)
        amount = self.amount(at, channel)
        if amount is not None:
            steps += self.blended(value, amount, at, channel)
            value = steps[-1].value
        if layer.linear and channel >= 0 and (amount is None or amount):
            light = np.array([float(value)])
            encode(light, layer.depth)
            value = add("sRGB", f"from linear light {figure(value)}", float(light[0]))
        if result != full:
            formula = f"{figure(value)} * {figure(result)} / {figure(full)}"
            value = add("depth", formula, quotient(value * result, full))
        if chosen == "raw":
            with np.errstate(over="ignore"):
                add("raw", "no rounding, no clipping", float(np.float32(float(value))))
        elif layer.result.integer and layer.range != "raw":
            if layer.rounds and value != value:
                add("not a number", "integer(nan)", 0)
                return steps
            if layer.rounds and abs(value) != math.inf:
                half = 0.5 if isinstance(value, float) else Fraction(1, 2) + SNAP
                rounded = math.floor(value + half)
                # As in the other steps, unless these few digits round otherwise.
                digits = 6 if math.floor(float(figure(value)) + 0.5) == rounded else 9
                value = add("round", f"floor({figure(value, digits)} + 0.5)", rounded)
            lowest, highest = int(layer.result.low), int(layer.result.high)
            if value < lowest or value > highest:
                add("clip", f"to {lowest}..{highest}", lowest if value < lowest else highest)
        return steps

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
            parts, steps = self.sums(tuple(at), channel)
            found.append((steps or parts)[-1].value + self.offset)
        low, high = found
        # What the engine takes for its own roundings is flat.
        noise = noise_of(layer, stage.colours) * self.full / layer.result.full / layer.bank.divisor
        return (low, high) if high - low > noise else (low, low)

    def amount(self, at: tuple[int, ...], channel: int) -> Number | None:
        """Return how much of a value is taken where the result is blended; None for all of it."""
        blend = self.stage.blend
        if blend is None:
            return None
        place = tuple(slice(each, each + 1) for each in at)
        amount = blend.mix
        if blend.mask is not None:
            amount *= Fraction(blend.mask[at[1:]].item()) / blend.opaque
        amount = amount if blend.inside(place) else Fraction(0)
        if amount == 1 and not blend.threshold:
            return None
        if amount and blend.missing is not None and channel >= 0 and blend.missing[at][channel]:
            return None  # there is nothing to blend with
        return whole(amount)

    def blended(self, value: Number, amount: Number, at: tuple[int, ...], channel: int) -> list[Step]:
        """Return how an amount of a value is taken, and for the rest the image's own sample."""
        layer, blend, full = self.layer, self.stage.blend, self.full
        assert blend is not None
        own, threshold = blend.samples[at], whole(blend.threshold * Fraction(full))
        if not amount:
            return [Step("blend", "nothing of the filter: the image's own sample", own[channel].item())]
        kept = quotient(own[-1].item(), full)
        if layer.linear and channel >= 0:
            own = decode(own, layer.depth, self.stage.colours.dtype)
        sample = own[channel].item()
        if self.stage.alpha is None or not layer.premultiply or channel < 0:
            return [mixed("blend", value, sample, amount, threshold)]
        opacity = quotient(self.opacity(at)[1], full)
        alpha = mixed("alpha", opacity, kept, amount, threshold, full)
        least = Fraction(1, 2) / int(layer.result.full) if layer.result.integer else 0
        if not alpha.value >= least or not alpha.value > 0:
            return [alpha, mixed("blend, invisible", value, sample, amount, threshold)]
        weighted = mixed("blend", value * opacity, sample * kept, amount, threshold)
        formula = f"{figure(weighted.value)} / {figure(alpha.value)}"
        return [alpha, weighted, Step("colour", formula, quotient(weighted.value, alpha.value))]


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
