"""Sums, quotients and roundings of a single value, one after the other, as a reader would do them.

Only the curve of sRGB is the engine's. What is made of whole numbers stays exact, as a fraction; irrational
roots have 256 binary places.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from convfilter.convolution.borders import source_index
from convfilter.errors import ShapeError, figure
from convfilter.filtering.layer import Layer, filter_axes
from convfilter.filtering.quantize import encode
from convfilter.geometry import Axis
from convfilter.kernels import Kernel
from convfilter.options import Border, FilterOptions

__all__ = ["Explanation", "Number", "Part", "Share", "Slice", "Step", "added", "added_up", "check_place"]
__all__ += ["combine_parts", "divided", "finish", "plain", "plane_axes", "product", "quotient"]
__all__ += ["shortened", "slice_of", "sum_slices", "total", "whole", "window_at"]

Number: TypeAlias = int | float | Fraction

_TERMS = 25  # of a sum that is written out whole
_PLACES = 256
# The error of such roots is far below this.
_SNAP = Fraction(1, 1 << 192)


class Step(NamedTuple):
    """One line of a calculation: its name, the formula with its numbers, and the result."""

    name: str
    formula: str
    value: Number


class Slice(NamedTuple):
    """A two-dimensional piece of a window, of one channel and frame; `name` is empty if it is the only one.

    `border` is true where the border made the sample. Where colours are weighted with alpha, `alpha` is the
    fraction of opaque that the products are multiplied by.
    """

    name: str
    window: NDArray[Any]
    weights: NDArray[Any]
    products: NDArray[Any]
    border: NDArray[np.bool_]
    alpha: NDArray[Any] | None = None
    missing: NDArray[np.bool_] | None = None  # which samples are


class Part(NamedTuple):
    """One part of a kernel at one place: what is added up, and the steps from the sum to the part's value."""

    slices: tuple[Slice, ...]
    steps: tuple[Step, ...]

    @property
    def value(self) -> Number:
        """The value of the part."""
        return self.steps[-1].value


class Explanation(NamedTuple):
    """How one sample is computed; its parts are those of the kernel, its steps lead from them to the sample.

    `place` is the frame, row and column of the output; the `anchor` is the place of the input under the
    kernel's anchor, which may lie outside. `values` are all channels at the place, `names` what they are
    called, and `channel` is the number of the one that is explained. The window follows from the `axes`.
    """

    place: tuple[int, ...]
    anchor: tuple[int, ...]
    frames: int
    channel: int
    names: tuple[str, ...]
    parts: tuple[Part, ...]
    steps: tuple[Step, ...]
    values: tuple[int | float, ...]
    notes: tuple[str, ...] = ()
    axes: tuple[Axis, ...] = ()

    @property
    def value(self) -> int | float:
        """The sample itself."""
        return self.values[self.channel]


def plain(value: Number) -> int | float:
    """Return a number as an int or float."""
    return float(value) if isinstance(value, Fraction) else value


def check_place(place: Sequence[int], axes: Sequence[Axis]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return a place of the output with its frame, and the input's place under the kernel's anchor there."""
    sizes = [axis.output for axis in axes]
    at = (*(0 for _ in range(len(sizes) - len(place))), *place)
    if any(not 0 <= index < size for index, size in zip(at, sizes, strict=True)):
        frames = f"{sizes[0]} frames of " if sizes[0] > 1 else ""
        raise ShapeError(
            f"there is no place {','.join(map(str, place))}: the output has {frames}{sizes[1]} rows and "
            f"{sizes[2]} columns, counted from 0"
        )
    pairs = zip(at, axes, strict=True)
    return at, tuple(index * axis.stride - axis.before + axis.anchor for index, axis in pairs)


def plane_axes(shape: Sequence[int], kernel: Kernel, options: FilterOptions) -> tuple[Axis, ...]:
    """Return the axes of rows and columns of a kernel over one plane of numbers."""
    return filter_axes((1, *shape), kernel, options)[1:]


def window_at(
    values: NDArray[Any], axes: Sequence[Axis], place: Sequence[int], border: Border, fill: float
) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Return the samples under a kernel, and which of them the border made, as arrays of the kernel's shape.

    One channel (T, H, W) goes in; axes and place are frames, rows, columns; `fill` is a constant border's.
    """
    outside, sources = [], []
    for index, axis in zip(place, axes, strict=True):
        positions = index * axis.stride - axis.before + axis.dilation * np.arange(axis.kernel)
        outside.append((positions < 0) | (positions >= axis.size))
        sources.append(source_index(positions, axis.size, border))
    samples = values[np.ix_(*sources)]
    filled = functools.reduce(np.logical_or.outer, [each < 0 for each in sources])
    if filled.any():
        whole = float(fill).is_integer() and samples.dtype.kind != "f"
        samples = np.where(filled, np.int64(fill) if whole else np.float64(fill), samples)
    return samples, functools.reduce(np.logical_or.outer, outside)


def product(*factors: NDArray[Any]) -> NDArray[Any]:
    """Multiply weights, samples and maybe alpha, integers exactly; a zero hides even an infinite sample."""
    kind = np.float64 if any(each.dtype.kind == "f" for each in factors) else object
    with np.errstate(all="ignore"):
        products = math.prod(each.astype(kind) for each in factors)
    zero = np.any([each == 0 for each in (factors[0], *factors[2:])], axis=0)
    return np.where(zero, 0, products)


def total(*arrays: NDArray[Any]) -> Number:
    """Return the sum of arrays: exact for integers, rounded once for floats."""
    numbers = np.concatenate([each.ravel() for each in arrays])
    values = numbers.tolist()
    if numbers.dtype.kind != "f":
        return int(sum(values))
    return math.fsum(values) if np.isfinite(numbers).all() else float(sum(values))


def quotient(value: Number, divisor: Number) -> Number:
    """Divide, exactly unless one of the numbers is a float."""
    if isinstance(value, float) or isinstance(divisor, float):
        return value / divisor
    return whole(Fraction(value) / divisor)


def slice_of(
    name: str,
    samples: NDArray[Any],
    border: NDArray[np.bool_],
    weights: NDArray[Any],
    *alpha: NDArray[Any],
) -> Slice:
    """Multiply a piece of a window by its weights, and by alpha as a fraction of opaque."""
    return Slice(name, samples, weights, product(weights, samples, *alpha), border, *alpha)


def sum_slices(slices: Sequence[Slice], divisor: Number) -> Part:
    """Add up the products of slices, and divide."""
    sums = [total(each.products) for each in slices]
    exact = all(isinstance(each, int) for each in sums) or not all(map(math.isfinite, sums))
    whole = sum(sums) if exact else math.fsum(sums)
    if len(slices) == 1:
        steps = [Step("sum", added_up(slices), whole)]
    else:
        pairs = zip(slices, sums, strict=True)
        steps = [Step(f"sum of {each.name}", added_up([each]), value) for each, value in pairs]
        steps.append(Step("sum", added(sums), whole))
    return Part(tuple(slices), (*steps, *divided(whole, divisor)))


def divided(value: Number, divisor: Number) -> list[Step]:
    """Return the step that divides; nothing for a divisor of 1."""
    if divisor == 1:
        return []
    return [Step("divide", f"{figure(value)} / {figure(divisor)}", quotient(value, divisor))]


def added(values: Sequence[Number]) -> str:
    """Return an addition in words, without the terms in the middle if there are many."""
    return " + ".join(shortened([figure(value) for value in values])).replace("+ -", "- ")


def added_up(slices: Sequence[Slice]) -> str:
    """Return the addition of all products of slices in words."""
    return added([value for each in slices for value in each.products.ravel().tolist()])


def shortened(terms: Sequence[str]) -> list[str]:
    """Return terms, with dots for those in the middle if there are too many."""
    return [*terms] if len(terms) <= _TERMS else [*terms[:4], "...", *terms[-4:]]


def combine_parts(values: Sequence[Number], combine: str | None) -> list[Step]:
    """Return how several parts become one value; nothing for one part."""
    if combine is None:
        return []
    numbers = [figure(value) for value in values]
    if combine == "magnitude":
        squares = " + ".join(f"{f'({each})' if each.startswith('-') else each}^2" for each in numbers)
        return [Step("magnitude", f"sqrt({squares})", _root(sum(value * value for value in values)))]
    if combine == "maximum":
        largest = next((value for value in values if value != value), None)
        return [Step("maximum", f"max({', '.join(numbers)})", max(values) if largest is None else largest)]
    return [Step("sum of parts", added(values), sum(values))]


def _root(square: Number) -> Number:
    if isinstance(square, float):
        return math.sqrt(square)
    top, bottom = Fraction(square).as_integer_ratio()
    exact = math.isqrt(top * bottom)
    if exact * exact == top * bottom:
        return quotient(exact, bottom)
    return Fraction(math.isqrt(top * bottom << 2 * _PLACES), bottom << _PLACES)


class Share(NamedTuple):
    """How much of a value is taken, and the sample of the image that it is blended with."""

    amount: Number  # 0 to 1
    sample: Number
    threshold: Number = 0
    alphas: tuple[Number, Number] | None = None  # as fractions of opaque, the filter's and the image's
    seen: Number = 0  # the alpha from which on colours are visible
    full: Number = 1  # full scale of the samples

    def of(self, value: Number) -> list[Step]:
        """Return how a value is blended."""
        if not self.amount:
            return [Step("blend", "nothing of the filter: the image's own sample", self.sample)]
        if self.alphas is None:
            return [self._mixed("blend", value, self.sample)]
        made, kept = self.alphas
        alpha = self._mixed("alpha", made, kept, self.full)
        if not alpha.value >= self.seen or not alpha.value > 0:
            return [alpha, self._mixed("blend, invisible", value, self.sample)]
        weighted = self._mixed("blend", value * made, self.sample * kept)
        formula = f"{figure(weighted.value)} / {figure(alpha.value)}"
        return [alpha, weighted, Step("colour", formula, quotient(weighted.value, alpha.value))]

    def _mixed(self, name: str, made: Number, kept: Number, scale: Number = 1) -> Step:
        """Return the step from a sample to its mixture; `scale` is what the threshold is divided by."""
        change, formula, sign = made - kept, f"({figure(made)} - {figure(kept)})".replace("- -", "+ "), "+"
        if self.threshold:
            least = quotient(self.threshold, scale)
            sign = "-" if change < 0 else "+"
            formula = f"max(|{formula[1:-1]}| - {figure(least)}, 0)"
            change = max(change - least, 0) if change > 0 else min(change + least, 0)
        amount = "" if self.amount == 1 else f"{figure(self.amount)} * "
        return Step(name, f"{figure(kept)} {sign} {amount}{formula}", kept + self.amount * change)


def finish(
    value: Number,
    layer: Layer,
    range: str,
    *,
    offset: Number = 0,
    extremes: tuple[Number, Number] = (0, 0),
    share: Share | None = None,
) -> list[Step]:
    """Return how a value becomes a sample of a filter's result, by a range mode that is not ``auto``.

    The `extremes` are the smallest and largest value of the whole image, for ``stretch``.
    """
    steps: list[Step] = []
    full, result = whole(layer.depth.full), whole(layer.result.full)

    def add(name: str, formula: str, made: Number) -> Number:
        steps.append(Step(name, formula, made))
        return made

    if offset:
        value = add("offset", f"{figure(value)} + {figure(offset)}", value + offset)
    if range == "absolute":
        value = add("absolute", f"|{figure(value)}|", value if value >= 0 else -value)
    elif range == "signed":
        value = add("signed", f"{figure(value)} / 2 + {figure(full)} / 2", quotient(value + full, 2))
    elif range == "stretch":
        low, high = extremes
        if high > low:
            formula = f"({figure(value)} - {figure(low)}) * {figure(full)} / ({figure(high)} - {figure(low)})"
            value = add("stretch", formula.replace("- -", "+ "), quotient((value - low) * full, high - low))
        else:
            value = add("stretch", "the image is flat", 0 * value)
    if share is not None:
        steps += share.of(value)
        value = steps[-1].value
    if layer.linear and (share is None or share.amount):
        light = np.array([float(value)])
        encode(light, layer.depth)
        value = add("sRGB", f"from linear light {figure(value)}", float(light[0]))
    if result != full:
        formula = f"{figure(value)} * {figure(result)} / {figure(full)}"
        value = add("depth", formula, quotient(value * result, full))
    if range == "raw":
        with np.errstate(over="ignore"):
            add("raw", "no rounding, no clipping", float(np.float32(float(value))))
    elif layer.result.integer and layer.range != "raw":
        if layer.rounds and value != value:
            add("not a number", "integer(nan)", 0)
            return steps
        if layer.rounds and abs(value) != math.inf:
            half = 0.5 if isinstance(value, float) else Fraction(1, 2) + _SNAP
            rounded = math.floor(value + half)
            # As in the other steps, unless these few digits round otherwise.
            digits = 6 if math.floor(float(figure(value)) + 0.5) == rounded else 9
            value = add("round", f"floor({figure(value, digits)} + 0.5)", rounded)
        lowest, highest = int(layer.result.low), int(layer.result.high)
        if value < lowest or value > highest:
            add("clip", f"to {lowest}..{highest}", lowest if value < lowest else highest)
    return steps


def whole(value: float | Fraction) -> Number:
    """Return a number as an int if it is one."""
    return int(value) if value == int(value) else value
