"""How one value of a filtered image is computed, in plain numbers, and checked against the engine.

What is made of whole numbers stays exact, as a fraction; irrational roots have 256 binary places.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from copy import copy
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convfilter.convolution.borders import source_index
from convfilter.errors import OptionError, ShapeError, brief, counted, figure
from convfilter.explain.steps import (
    Explanation,
    Number,
    Part,
    Slice,
    Step,
    added,
    bracketed,
    output_names,
    plain,
    quotient,
    total,
    whole,
)
from convfilter.filtering import Filtered, Stage, filter_pixels, last_stage
from convfilter.filtering.blend import LUMA
from convfilter.filtering.blocks import filter_layer, noise_of
from convfilter.filtering.layer import filter_axes, filter_bank
from convfilter.filtering.quantize import decode, encode
from convfilter.geometry import Axis
from convfilter.kernels import Kernel
from convfilter.kernels.kernel import is_zero_sum
from convfilter.options import Border, FilterOptions

_TIE = 0.001  # results of floats may differ from exact ones this near to a half
_ROUNDINGS = 2.0**-16  # and those that stay floats by this much of what was added up
_UNBLENDED: dict[str, Any] = {"mix": 1.0, "mask": None, "region": None, "threshold": 0.0}
_PLACES = 256  # binary ones of irrational roots
_SNAP = Fraction(1, 1 << 192)  # far above the errors of these roots


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
    at = _checked_place(place, axes)
    fill = options.fill if options.border == "constant" else 0.0
    (samples,), (border,) = _window(values[np.newaxis], axes, at, options.border, fill)
    parts = []
    for array, divisor in zip(kernel.arrays(), kernel.divisors, strict=True):
        weights = array.reshape(kernel.height, kernel.width)
        piece = _slice("", samples, border, weights[::-1, ::-1] if options.flip else weights)
        parts.append(_part([piece], _sum_slices([piece]), divisor))
    number, steps = _combined(parts, kernel.combine)
    value = plain(number)
    if kernel.offset:
        steps.append(Step("offset", f"{figure(value)} + {kernel.offset:g}", value + kernel.offset))
        value += kernel.offset
    return Explanation(at, axes, 0, ("value",), parts, steps, (value,))


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
        if len(kernels) > 1:  # where nothing is blended, earlier filters have computed nothing
            stage = last_stage(pixels, kernels, options._replace(**_UNBLENDED))._replace(blend=stage.blend)
    axes = stage.layer.axes
    at = _checked_place(place, axes)
    written = np.atleast_1d(made.pixels[at if stage.stack or following else at[1:]]).tolist()
    made_names = output_names(len(written), names)
    number = _channel_number(channel, made_names)
    sample = _Sample(stage, kernels[-1], options, names, at, written[number])
    if made.alpha and number == len(written) - 1:
        sample.alpha()
    else:
        sample.colour(number)
    notes = []
    if count > 1:
        after = f", passed to {following[0].name} unrounded" if following else ""
        notes.append(f"step {len(kernels)} of {count}: {kernels[-1].name}{after}")
    if len(kernels) > 1:
        chain = ", then ".join(kernel.name for kernel in kernels[:-1])
        notes.append(f"the samples are the unrounded output of {chain}")
    if options.linear:
        notes.append("samples are in linear light")
    notes += sample.differences()
    return Explanation(at, axes, number, made_names, sample.parts, sample.steps, written, notes)


def _earlier_stage(
    pixels: NDArray[Any], kernels: Sequence[Kernel], following: Kernel, options: FilterOptions
) -> tuple[Stage, Filtered]:
    """Return the last of some filters of a chain, and its unrounded values (T, H, W, C) for the next one."""
    # Depth and blending are those of the last result.
    options = options._replace(depth=None, **_UNBLENDED)
    stage, after = (last_stage(pixels, chain, options) for chain in (kernels, [*kernels, following]))
    planes = [after.colours] if after.alpha is None else [after.colours, after.alpha[..., np.newaxis]]
    values = np.concatenate(planes, axis=-1)
    layer = stage.layer._replace(result=stage.layer.depth, target=values.dtype, linear=False)
    return stage._replace(layer=layer), Filtered(values, after.alpha is not None)


def _channel_number(asked: str | None, names: Sequence[str]) -> int:
    """Return the number of a channel from its name or number; 0 by default."""
    if asked is None:
        return 0
    numbers = {name: number for number, each in enumerate(names) for name in (str(number), each)}
    if asked not in numbers:
        raise OptionError(f"there is no channel {brief(asked)}: the output has {', '.join(names)}")
    return numbers[asked]


def _checked_place(place: Sequence[int], axes: Sequence[Axis]) -> tuple[int, ...]:
    """Return a place of the output with its frame, or refuse one that lies outside."""
    at = (*(0,) * (len(axes) - len(place)), *place)
    frames, rows, columns = (axis.output for axis in axes)
    if any(not 0 <= index < axis.output for index, axis in zip(at, axes, strict=True)):
        stack = f"{frames} frames of " if frames > 1 else ""
        size = f"{stack}{counted(rows, 'row')} and {counted(columns, 'column')}"
        raise ShapeError(
            f"there is no position {','.join(map(str, place))}: the output has {size}, counted from 0"
        )
    return at


class _Sample:
    """The calculation of one sample, at (frame, row, column) of what the last filter of a chain gives.

    Everything except the sRGB curve is recomputed, without the engine.
    """

    def __init__(
        self,
        stage: Stage,
        kernel: Kernel,
        options: FilterOptions,
        names: Sequence[str],
        at: tuple[int, ...],
        written: float,
    ) -> None:
        self.stage, self.layer, self.names, self.at, self.written = stage, stage.layer, names, at, written
        # That of the layer is scaled to the depth of the result.
        self.bank = filter_bank(kernel, options.channels, stage.colours.shape[-1], options.flip)
        self.full = int(self.layer.depth.full)
        self.offset = whole(kernel.exact_offset * self.full)
        self.parts: list[Part] = []
        self.steps: list[Step] = []
        self.value: Number = 0  # so far
        self.lost = False  # whether too many samples are missing for a value

    def add(self, name: str, formula: str, value: Number) -> None:
        """Take a step."""
        self.steps.append(Step(name, formula, value))
        self.value = value

    def colour(self, channel: int) -> None:
        """Compute a sample of a colour channel."""
        self.sums(channel)
        if self.lost:
            self.steps = [Step("missing", "the sample is missing, and so is the result", self.written)]
            return
        if self.offset:
            formula = f"{figure(self.value)} + {figure(self.offset)}"
            self.add("offset", formula, self.value + self.offset)
        value, full = self.value, self.full
        if self.layer.range == "absolute":
            self.add("absolute", f"|{figure(value)}|", value if value >= 0 else -value)
        elif self.layer.range == "signed":
            self.add("signed", f"{figure(value)} / 2 + {figure(full)} / 2", quotient(value + full, 2))
        elif self.layer.range == "stretch":
            low, high = self.extremes()
            if high > low:
                span = f"({figure(high)} - {figure(low)})"
                formula = f"({figure(value)} - {figure(low)}) * {figure(full)} / {span}".replace("- -", "+ ")
                self.add("stretch", formula, quotient((value - low) * full, high - low))
            else:
                self.add("stretch", "the image is flat", 0 * value)
        self.finish(channel)

    def alpha(self) -> None:
        """Compute alpha: as it was where nothing is weighted with it, else the mean over the parts."""
        if self.stage.alpha is None:
            self.add("alpha", "opaque everywhere", self.written)
            return
        if self.layer.premultiply:
            parts, self.value = self.opacity()
            self.parts = parts[:1]
            if len(parts) > 1:
                self.add("mean of parts", f"of {len(parts)}", self.value)
        else:
            (kept,) = self.under(self.stage.alpha, self.full)
            self.add("alpha", "unchanged: the alpha under the kernel's anchor", kept)
        self.finish(-1)

    def window(self, values: NDArray[Any], fill: float) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """Return the samples under the kernel, and which of them the border made."""
        return _window(values, self.layer.axes, self.at, self.layer.border, fill)

    def under(self, values: NDArray[Any], fill: float) -> list[Any]:
        """Return the samples under the kernel's anchor, one of each channel."""
        axes = [axis._replace(kernel=1, before=axis.before - axis.anchor) for axis in self.layer.axes]
        found: list[Any] = _window(values, axes, self.at, self.layer.border, fill)[0].ravel().tolist()
        return found

    def sums(self, channel: int) -> None:
        """Compute every part of the kernel for one colour channel, and combine them."""
        stage, layer, bank, missing = self.stage, self.layer, self.bank, self.stage.missing
        sources = slice(None) if bank.summed else slice(channel, channel + 1)
        colours = np.moveaxis(stage.colours, -1, 0)[sources]
        samples, border = self.window(colours, layer.fill)
        alpha: NDArray[Any] | None = None
        absent: NDArray[np.bool_] | None = None  # which samples are missing
        if stage.alpha is not None and layer.premultiply:
            alpha, _ = self.window(stage.alpha, self.full)
        elif missing is not None:
            hidden = np.moveaxis(missing.hidden, -1, 0)[sources]
            absent = self.window(hidden, 0)[0].astype(bool)
            samples = np.where(absent, 0, samples)
            anchors = [*zip(self.under(colours, layer.fill), self.under(hidden, 0), strict=True)]
            self.lost = bank.luma and bool(missing.hidden[self.at].any())
        for weights in bank.weights[channel if bank.summed and not bank.luma else 0]:
            slices = []
            for place in np.ndindex(weights.shape[:2]):
                number, frame = place
                name = self.names[number] if bank.summed and number < len(self.names) else ""
                name += f" frame {self.at[0] - layer.axes[0].before + frame}" if weights.shape[1] > 1 else ""
                share = None if alpha is None else alpha[frame] / self.full
                mask = absent[place] if absent is not None and absent.any() else None
                slices.append(
                    _slice(name.strip(), samples[place], border[frame], weights[place], share, mask)
                )
            if alpha is not None:
                steps = self.premultiplied(slices, samples, weights, alpha)
            elif absent is not None:
                steps = self.present(slices, weights, absent, anchors)
            else:
                steps = _sum_slices(slices)
            self.parts.append(_part(slices, steps, bank.divisor))
        self.value, self.steps = _combined(self.parts, layer.combine)
        if bank.luma:  # add the channel's distance from lightness
            here = stage.colours[self.at].tolist()
            lightness = quotient(sum(weight * each for weight, each in zip(LUMA, here, strict=True)), 1000)
            formula = f"{figure(self.value)} + {figure(here[channel])} - {figure(lightness)}"
            value = self.value + here[channel] - lightness
            self.add("colour kept", formula.replace("+ -", "- "), value)

    def present(
        self,
        slices: Sequence[Slice],
        weights: NDArray[Any],
        absent: NDArray[np.bool_],
        anchors: Sequence[tuple[float, bool]],
    ) -> list[Step]:
        """Add up products without those that are absent; `anchors` are samples, and whether they are too."""
        if mean := (weights >= 0).all() and weights.any():
            lost = not weights[~absent].any()
        else:
            lost = any(gone and own.any() for (_, gone), own in zip(anchors, weights, strict=True))
        self.lost = self.lost or lost
        if not absent.any():
            return _sum_slices(slices)
        value = total([each.products for each in slices])
        steps = [Step("sum", "the products of all present samples", value)]
        if mean and not lost:
            there = total(np.where(absent, 0, weights))
            formula = f"{figure(value)} * {figure(total(weights))} / {figure(there)}"
            steps.append(Step("mean", formula, quotient(value * total(weights), there)))
        elif not mean:
            for (here, gone), own, mask in zip(anchors, weights, absent, strict=True):
                weight = total(np.where(mask, own, 0))
                if weight and not gone:
                    formula = f"{figure(value)} + {figure(here)} * {figure(weight)}"
                    value += here * weight
                    steps.append(Step("missing samples = anchor", formula, value))
        return steps

    def premultiplied(
        self, slices: list[Slice], samples: NDArray[Any], weights: NDArray[Any], alpha: NDArray[Any]
    ) -> list[Step]:
        """Add up colours that are weighted with alpha."""
        result, products = self.layer.result, _product(weights, samples, alpha)
        weighted = quotient(total(products), self.full)
        mean: Number = 0
        if not is_zero_sum(weights.ravel().tolist()):
            mean = quotient(total(_product(weights.sum(axis=0), alpha)), total(weights) * self.full)
        steps = [
            Step("sum", added([each.products for each in slices]), weighted),
            Step("alpha", "weights * alpha, as a share of all weights", mean),
        ]
        opacity = mean * int(result.full)
        if opacity >= Fraction(1, 2) if result.integer else opacity > 0:
            steps.append(_divided("colour", weighted, mean))
        else:
            steps.append(Step("transparent", "the sum without alpha", total(_product(weights, samples))))
        return steps

    def opacity(self) -> tuple[list[Part], Number]:
        """Compute the alpha of a filter whose colours are weighted with alpha."""
        assert self.stage.alpha is not None
        samples, border = self.window(self.stage.alpha, self.full)
        parts = []
        for weights in (part for output in self.bank.weights for part in output):
            if not is_zero_sum(weights.ravel().tolist()):
                frames = zip(samples, border, weights.sum(axis=0), strict=True)
                slices = [_slice("", *each) for each in frames]
                parts.append(_part(slices, _sum_slices(slices), total(weights)))
        return parts, quotient(sum(part.value for part in parts), len(parts))

    def finish(self, channel: int) -> None:
        """Blend, encode, scale and round the value of a channel; alpha is -1."""
        layer, full, result = self.layer, self.full, int(self.layer.result.full)
        untouched = self.blend(channel)
        if layer.linear and channel >= 0 and not untouched:
            light = np.array([float(self.value)])
            encode(light, layer.depth)
            self.add("sRGB", f"from linear light {figure(self.value)}", float(light[0]))
        if result != full:
            formula = f"{figure(self.value)} * {figure(result)} / {figure(full)}"
            self.add("depth", formula, quotient(self.value * result, full))
        if layer.range == "raw" and channel >= 0:
            with np.errstate(over="ignore"):
                self.add("raw", "no rounding, no clipping", float(np.float32(float(self.value))))
        elif layer.range != "raw" and layer.result.integer:
            self.round()

    def round(self) -> None:
        """Round to an integer, unless another filter follows, and saturate."""
        value, levels = self.value, self.layer.result
        if self.layer.rounds and value != value:
            self.add("not a number", "integer(nan)", 0)
            return
        if self.layer.rounds and abs(value) != math.inf:
            half = 0.5 if isinstance(value, float) else Fraction(1, 2) + _SNAP
            rounded = math.floor(value + half)
            # As in the other steps, unless these few digits round otherwise.
            digits = 6 if math.floor(float(figure(value)) + 0.5) == rounded else 9
            self.add("round", f"floor({figure(value, digits)} + 0.5)", rounded)
        lowest, highest = int(levels.low), int(levels.high)
        if self.value < lowest or self.value > highest:
            self.add("clip", f"to {lowest}..{highest}", lowest if self.value < lowest else highest)

    def extremes(self) -> tuple[Number, Number]:
        """Return the smallest and largest value of the whole image, before they are stretched."""
        stage, missing = self.stage, copy(self.stage.missing)
        target = np.dtype(np.float64)
        layer = self.layer._replace(range="raw", target=target, linear=False, offset=Fraction(0))
        values = filter_layer(layer, stage.colours, stage.alpha, missing=missing)
        values = values if stage.alpha is None else values[..., :-1]
        values[~np.isfinite(values)] = np.nan
        if missing is not None:
            values[missing.hidden] = np.nan
        if np.isnan(values).all():
            return 0, 0
        found = []
        for place in (np.nanargmin(values), np.nanargmax(values)):
            *at, channel = map(int, np.unravel_index(int(place), values.shape))
            other = copy(self)
            other.at, other.parts = tuple(at), []
            other.sums(channel)
            found.append(other.value + self.offset)
        low, high = found
        # What the engine takes for its own roundings is flat.
        noise = noise_of(layer, stage.colours) * self.full / layer.result.full / layer.bank.divisor
        return (low, high) if high - low > noise else (low, low)

    def blend(self, channel: int) -> bool:
        """Blend the value with the image's own sample, and return whether nothing but that is left."""
        layer, blend, full = self.layer, self.stage.blend, self.full
        if blend is None:
            return False
        own = blend.samples[self.at]
        if not blend.inside(tuple(slice(each, each + 1) for each in self.at)):
            reason = "outside the region or mask" if blend.mix else "the mix is 0"
            self.add("blend", f"{reason}: the image's own sample", own[channel].item())
            return True
        mask = 1 if blend.mask is None else Fraction(blend.mask[self.at[1:]].item()) / blend.opaque
        amount, threshold = whole(blend.mix * mask), whole(blend.threshold * full)
        missing = blend.missing is not None and channel >= 0 and blend.missing[self.at][channel]
        if missing or (amount == 1 and not threshold):
            return False
        kept = quotient(own[-1].item(), full)
        if layer.linear and channel >= 0:
            own = decode(own, layer.depth, self.stage.colours.dtype)
        value, sample = self.value, own[channel].item()
        if self.stage.alpha is not None and layer.premultiply and channel >= 0:
            opacity = quotient(self.opacity()[1], full)
            self.mix("alpha", opacity, kept, amount, quotient(threshold, full))
            alpha = self.value
            least = Fraction(1, 2) / int(layer.result.full) if layer.result.integer else 0
            if alpha >= least and alpha > 0:
                self.mix("blend", value * opacity, sample * kept, amount, threshold)
                self.add(*_divided("colour", self.value, alpha))
            else:
                self.mix("blend (transparent)", value, sample, amount, threshold)
        else:
            self.mix("blend", value, sample, amount, threshold)
        return False

    def mix(self, name: str, made: Number, kept: Number, amount: Number, least: Number) -> None:
        """Blend a sample with its filtered value, after reducing the difference by the threshold."""
        change, formula, sign = made - kept, f"({figure(made)} - {figure(kept)})".replace("- -", "+ "), "+"
        if least:
            sign = "-" if change < 0 else "+"
            formula = f"max(|{formula[1:-1]}| - {figure(least)}, 0)"
            change = max(change - least, 0) if change > 0 else min(change + least, 0)
        share = "" if amount == 1 else f"{figure(amount)} * "
        self.add(name, f"{figure(kept)} {sign} {share}{formula}", kept + amount * change)

    def differences(self) -> list[str]:
        """Return a note if the engine's floats round otherwise; raise RuntimeError if it differs more."""
        steps = [*(self.parts[-1].steps if self.parts else ()), *self.steps]
        found, written, result = steps[-1].value, self.written, self.layer.result
        if found == written or (found != found and written != written):
            return []
        number = next((number for number, step in enumerate(steps) if step.name == "round"), None)
        if number is None:
            # Floats that stay floats: how far they may differ follows from what was added up.
            products = [each.products for part in self.parts for each in part.slices]
            added = sum(math.fsum(np.abs(each).ravel()) for each in products)
            values = [abs(float(step.value)) for step in steps if math.isfinite(step.value)]
            enlarged = float(result.full) if self.layer.range != "stretch" else math.inf
            with np.errstate(over="ignore"):
                kept = float(self.layer.target.type(float(found)))
            if kept == written or abs(kept - written) <= _ROUNDINGS * max(added, enlarged, *values):
                return []
        else:
            value, rounded = steps[number - 1].value, steps[number].value
            exact = not isinstance(value, float) and result.dtype.itemsize <= 2
            exact = exact and not (self.layer.premultiply and self.stage.blend is not None)
            near = abs(value - math.floor(value) - 0.5) <= _TIE
            if near and not exact and abs(rounded - written) == 1:
                rounds = f"in the engine's floats it rounds to {figure(written)}"
                return [f"the value lies within {_TIE} of a tie: {rounds}"]
        raise RuntimeError(f"explain computes {plain(found)!r} where apply writes {written!r}")


def _window(
    values: NDArray[Any], axes: Sequence[Axis], place: Sequence[int], border: Border, fill: float
) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Return the samples (..., T, H, W) under a kernel, and which of them the border made.

    Axes and place are frames, rows, columns; `fill` is a constant border's.
    """
    outside, sources = [], []
    for index, axis in zip(place, axes, strict=True):
        positions = index * axis.stride - axis.before + axis.dilation * np.arange(axis.kernel)
        outside.append((positions < 0) | (positions >= axis.size))
        sources.append(source_index(positions, axis.size, border))
    under: tuple[Any, ...] = (..., *np.ix_(*sources))
    samples = values[under]
    filled = functools.reduce(np.logical_or.outer, [each < 0 for each in sources])
    if filled.any():
        samples = np.where(filled, np.asarray(whole(fill)), samples)  # as int64 or float64
    return samples, functools.reduce(np.logical_or.outer, outside)


def _product(*factors: NDArray[Any]) -> NDArray[Any]:
    """Multiply weights, samples and maybe alpha, integers exactly; a zero hides even an infinite sample."""
    kind = np.float64 if any(each.dtype.kind == "f" for each in factors) else object
    with np.errstate(all="ignore"):
        products = math.prod(each.astype(kind) for each in factors)
    weights, _, *alpha = factors
    counts = math.prod((each != 0 for each in alpha), start=weights != 0)
    return np.where(counts, products, 0)


def _slice(
    name: str,
    samples: NDArray[Any],
    border: NDArray[np.bool_],
    weights: NDArray[Any],
    alpha: NDArray[Any] | None = None,
    missing: NDArray[np.bool_] | None = None,
) -> Slice:
    """Multiply a piece of a window by its weights, and by alpha as a fraction of opaque."""
    products = _product(weights, samples, *([] if alpha is None else [alpha]))
    return Slice(name, samples, weights, products, border, alpha, missing)


def _summed(name: str, values: Any) -> Step:
    return Step(name, added(values), total(values))


def _sum_slices(slices: Sequence[Slice]) -> list[Step]:
    """Add up the products of slices."""
    if len(slices) == 1:
        return [_summed("sum", slices[0].products)]
    steps = [_summed(f"sum of {each.name}", each.products) for each in slices]
    return [*steps, _summed("sum", [step.value for step in steps])]


def _divided(name: str, value: Number, divisor: Number) -> Step:
    return Step(name, f"{figure(value)} / {figure(divisor)}", quotient(value, divisor))


def _part(slices: Sequence[Slice], steps: Sequence[Step], divisor: Number) -> Part:
    """Return a part, divided by its divisor."""
    return Part(slices, steps if divisor == 1 else [*steps, _divided("divide", steps[-1].value, divisor)])


def _combined(parts: Sequence[Part], combine: str | None) -> tuple[Number, list[Step]]:
    """Return the value of all parts together, and the step that combines them if there are several."""
    values = [part.value for part in parts]
    numbers = [figure(value) for value in values]
    if combine is None:
        return values[0], []
    if combine == "magnitude":
        squares = " + ".join(f"{bracketed(each)}^2" for each in numbers)
        step = Step("magnitude", f"sqrt({squares})", _root(sum(value * value for value in values)))
    elif combine == "maximum":
        largest = max(values, key=lambda each: (each != each, each))  # nan is larger than any number
        step = Step("maximum", f"max({', '.join(numbers)})", largest)
    else:
        step = _summed("sum of parts", values)
    return step.value, [step]


def _root(square: Number) -> Number:
    if isinstance(square, float):
        return math.sqrt(square)
    top, bottom = square.as_integer_ratio()
    exact = math.isqrt(top * bottom)
    if exact * exact == top * bottom:
        return quotient(exact, bottom)
    return Fraction(math.isqrt(top * bottom << 2 * _PLACES), bottom << _PLACES)
