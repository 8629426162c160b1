"""Sums, quotients and roundings of a single value, one after the other, as a reader would do them.

None of it uses the engine. What is made of whole numbers stays exact, as a fraction; irrational roots have
256 binary places.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from convfilter.convolution.borders import source_index
from convfilter.errors import ShapeError
from convfilter.geometry import Axis
from convfilter.messages import figure

__all__ = [
    "Explanation",
    "Number",
    "Part",
    "Slice",
    "Step",
    "anchor_of",
    "check_place",
    "combine_parts",
    "finish",
    "plain",
    "product",
    "quotient",
    "slice_of",
    "sum_of",
    "sum_slices",
    "total",
    "window_at",
]

Number: TypeAlias = int | float | Fraction

_PLACES = 256
# The error of such roots is far below this.
_SNAP = Fraction(1, 1 << 192)


class Step(NamedTuple):
    """One line of a calculation: its name, the formula with its numbers, and the result."""

    name: str
    formula: str
    value: Number


class Slice(NamedTuple):
    """A two-dimensional piece of a window: one channel and frame, which `name` tells where there are several.

    `border` is true where the border made the sample. Where colours are weighed with alpha, `alpha` is the
    fraction of opaque that the products are multiplied by.
    """

    name: str
    samples: NDArray[Any]
    weights: NDArray[Any]
    products: NDArray[Any]
    border: NDArray[np.bool_]
    alpha: NDArray[Any] | None = None


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

    `place` and `size` are frame, row and column of the output; the `anchor` is the place of the input under
    the kernel's anchor, which may lie outside. `values` are all channels at the place.
    """

    place: tuple[int, ...]
    anchor: tuple[int, ...]
    size: tuple[int, ...]
    channel: int
    parts: tuple[Part, ...]
    steps: tuple[Step, ...]
    value: int | float
    values: tuple[int | float, ...]
    notes: tuple[str, ...] = ()


def plain(value: Any) -> int | float:
    """Return a number as an int or float of Python's."""
    number: int | float | Fraction = value.item() if hasattr(value, "item") else value
    return float(number) if isinstance(number, Fraction) else number


def check_place(place: Sequence[int], sizes: tuple[int, ...]) -> tuple[int, ...]:
    """Return a place with a frame; refuse one that does not exist."""
    at = (*(0 for _ in range(len(sizes) - len(place))), *place)
    if any(not 0 <= index < size for index, size in zip(at, sizes, strict=True)):
        rows, columns = sizes[-2:]
        frames = f"{sizes[0]} frames of " if len(sizes) == 3 and sizes[0] > 1 else ""
        raise ShapeError(
            f"there is no place {','.join(map(str, place))}: the output has {frames}{rows} rows and "
            f"{columns} columns, counted from 0"
        )
    return at


def anchor_of(axes: Sequence[Axis], place: Sequence[int]) -> tuple[int, ...]:
    """Return the place of the input that lies under the kernel's anchor; it may lie outside."""
    return tuple(
        index * axis.stride - axis.before + axis.anchor for index, axis in zip(place, axes, strict=True)
    )


def window_at(
    values: NDArray[Any], axes: Sequence[Axis], place: Sequence[int], border: str, fill: float
) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Return the samples under a kernel, and which of them the border made, as arrays of the kernel's shape.

    One channel (T, H, W) goes in; axes and place are frames, rows, columns; `fill` is a constant border's.
    """
    positions = [
        index * axis.stride - axis.before + axis.dilation * np.arange(axis.kernel)
        for index, axis in zip(place, axes, strict=True)
    ]
    outside = [(each < 0) | (each >= axis.size) for each, axis in zip(positions, axes, strict=True)]
    sources = [source_index(each, axis.size, border) for each, axis in zip(positions, axes, strict=True)]
    samples = values[np.ix_(*(np.maximum(each, 0) for each in sources))]
    filled = _any_of([each < 0 for each in sources])
    if filled.any():
        kind = np.result_type(samples.dtype, np.float64) if not float(fill).is_integer() else samples.dtype
        samples = np.where(filled, fill, samples).astype(kind)
    return samples, _any_of(outside)


def _any_of(flags: Sequence[NDArray[np.bool_]]) -> NDArray[np.bool_]:
    """Return an array that is true where any of the flags along its three axes is."""
    frames, rows, columns = flags
    return np.asarray(frames[:, None, None] | rows[None, :, None] | columns[None, None, :])


def product(*factors: NDArray[Any]) -> NDArray[Any]:
    """Multiply weights, samples and alpha, exactly unless one of them holds floats.

    Zero is the product of a zero weight or alpha with any sample, infinite ones included.
    """
    kind = np.float64 if any(each.dtype.kind == "f" for each in factors) else object
    with np.errstate(all="ignore"):
        products = math.prod(each.astype(kind) for each in factors)
    zero = np.any([each == 0 for each in (factors[0], *factors[2:])], axis=0)
    return np.where(zero, 0, products)


def total(numbers: NDArray[Any]) -> Number:
    """Return the sum of an array: exact for integers, rounded once for floats."""
    values = numbers.ravel().tolist()
    if numbers.dtype.kind != "f":
        return int(sum(values))
    return math.fsum(values) if np.isfinite(numbers).all() else float(sum(values))


def sum_of(products: Iterable[NDArray[Any]]) -> Number:
    """Return the sum of several arrays, like `total`."""
    return total(np.concatenate([each.ravel() for each in products]))


def quotient(value: Number, divisor: Number) -> Number:
    """Divide, exactly unless one of the numbers is a float."""
    if isinstance(value, float) or isinstance(divisor, float):
        return value / divisor
    divided = Fraction(value) / divisor
    return int(divided) if divided.denominator == 1 else divided


def slice_of(
    name: str,
    samples: NDArray[Any],
    border: NDArray[np.bool_],
    weights: NDArray[Any],
    share: NDArray[Any] | None = None,
) -> Slice:
    """Multiply a piece of a window by its weights, and by alpha as a share of opaque."""
    products = product(weights, samples)
    if share is not None:
        with np.errstate(all="ignore"):
            products = np.where(share == 0, 0, products * share)
    return Slice(name, samples, weights, products, border, share)


def sum_slices(slices: Sequence[Slice], divisor: Number) -> Part:
    """Add up the products of slices, and divide."""
    sums = [total(each.products) for each in slices]
    named = zip(slices, sums, strict=True)
    steps = [Step(f"sum of {each.name}", "all products", value) for each, value in named if len(slices) > 1]
    exact = all(isinstance(each, int) for each in sums) or not all(map(math.isfinite, sums))
    whole = sum(sums) if exact else math.fsum(sums)
    formula = " + ".join(map(figure, sums)).replace("+ -", "- ") if len(sums) > 1 else "all products"
    steps.append(Step("sum", formula, whole))
    if divisor != 1:
        steps.append(Step("divide", f"{figure(whole)} / {figure(divisor)}", quotient(whole, divisor)))
    return Part(tuple(slices), tuple(steps))


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
    return [Step("sum of parts", " + ".join(numbers).replace("+ -", "- "), sum(values))]


def _root(square: Number) -> Number:
    if isinstance(square, float):
        return math.sqrt(square)
    top, bottom = Fraction(square).as_integer_ratio()
    exact = math.isqrt(top * bottom)
    if exact * exact == top * bottom:
        return quotient(exact, bottom)
    return Fraction(math.isqrt(top * bottom << 2 * _PLACES), bottom << _PLACES)


def finish(
    value: Number,
    *,
    offset: Number,
    range: str,
    full: Number,
    result: Number,
    limits: tuple[float, float] | None,
    extremes: tuple[Number, Number] | None,
    encode: Callable[[float], float] | None,
) -> list[Step]:
    """Return how a value becomes a sample, by a range mode that is not ``auto``.

    `full` and `result` are full scale of the image and of the output. The `limits` are the lowest and highest
    integer that can come out; None stands for floats, which are not rounded. The `extremes` are the smallest
    and largest value of the whole image, for ``stretch``; `encode` converts back from linear light.
    """
    steps: list[Step] = []

    def add(name: str, formula: str, made: Number) -> Number:
        steps.append(Step(name, formula, made))
        return made

    if offset:
        value = add("offset", f"{figure(value)} + {figure(offset)}", value + offset)
    if range == "absolute":
        value = add("absolute", f"|{figure(value)}|", value if value >= 0 else -value)
    elif range == "signed":
        value = add("signed", f"{figure(value)} / 2 + {figure(full)} / 2", quotient(value + full, 2))
    elif range == "stretch" and extremes is not None:
        low, high = extremes
        if high > low:
            formula = f"({figure(value)} - {figure(low)}) * {figure(full)} / ({figure(high)} - {figure(low)})"
            value = add("stretch", formula.replace("- -", "+ "), quotient((value - low) * full, high - low))
        else:
            value = add("stretch", "the image is flat", 0 * value)
    if encode is not None:
        value = add("sRGB", f"from linear light {figure(value)}", encode(float(value)))
    if result != full:
        formula = f"{figure(value)} * {figure(result)} / {figure(full)}"
        value = add("depth", formula, quotient(value * result, full))
    if range == "raw":
        with np.errstate(over="ignore"):
            add("raw", "no rounding, no clipping", float(np.float32(float(value))))
    elif limits is not None:
        lowest, highest = (int(limit) for limit in limits)
        if value != value:
            add("not a number", "among integers it becomes", 0)
            return steps
        rounded: Number = value
        if abs(value) != math.inf:
            half = 0.5 if isinstance(value, float) else Fraction(1, 2) + _SNAP
            rounded = add("round", f"floor({figure(value, 9)} + 0.5)", math.floor(value + half))
        if not lowest <= rounded <= highest:
            add("clip", f"to {lowest}..{highest}", lowest if rounded < lowest else highest)
    return steps
