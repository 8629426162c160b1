"""Sums, quotients and roundings of a single value, one after the other, as a reader would do them.

What is made of whole numbers stays exact, as a fraction; irrational
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
from convfilter.geometry import Axis
from convfilter.options import Border

__all__ = ["SNAP", "Explanation", "Number", "Part", "Slice", "Step", "added", "added_up", "bracketed"]
__all__ += [
    "check_place",
    "combine_parts",
    "divided",
    "mixed",
    "plain",
    "product",
    "quotient",
    "shortened",
    "slice_of",
]
__all__ += ["sum_slices", "total", "whole", "window_at"]

Number: TypeAlias = int | float | Fraction

_TERMS = 25  # of a sum that is written out whole
_PLACES = 256
SNAP = Fraction(1, 1 << 192)
"""The errors of irrational roots are far below this."""


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

    @property
    def tables(self) -> dict[str, NDArray[Any]]:
        """The factors and their products, by name."""
        factors = {"samples": self.window, "weights": self.weights}
        if self.alpha is not None:
            factors["alpha"] = self.alpha
        return {**factors, "products": self.products}


class Part(NamedTuple):
    """One part of a kernel at one place: what is added up, and the steps from the sum to the part's value.

    It is `lost` if too many samples are missing for a value.
    """

    slices: tuple[Slice, ...]
    steps: tuple[Step, ...]
    lost: bool = False

    @property
    def value(self) -> Number:
        """The value of the part."""
        return self.steps[-1].value


class Explanation(NamedTuple):
    """How one sample is computed; its parts are those of the kernel, its steps lead from them to the sample.

    `place` is the frame, row and column of the output, and the window follows from it and the `axes`.
    `values` are all channels at the place, `names` what they are called, and `channel` is the number of the
    one that is explained.
    """

    place: tuple[int, ...]
    axes: tuple[Axis, ...]
    channel: int
    names: tuple[str, ...]
    parts: tuple[Part, ...]
    steps: tuple[Step, ...]
    values: tuple[int | float, ...]
    notes: tuple[str, ...] = ()

    @property
    def anchor(self) -> tuple[int, ...]:
        """The place of the input under the kernel's anchor, which may lie outside."""
        pairs = zip(self.place, self.axes, strict=True)
        return tuple(index * axis.stride - axis.before + axis.anchor for index, axis in pairs)

    @property
    def value(self) -> int | float:
        """The sample itself."""
        return self.values[self.channel]


def plain(value: Number) -> int | float:
    """Return a number as an int or float."""
    return float(value) if isinstance(value, Fraction) else value


def check_place(place: Sequence[int], axes: Sequence[Axis]) -> tuple[int, ...]:
    """Return a place of the output with its frame."""
    sizes = [axis.output for axis in axes]
    at = (*(0 for _ in range(len(sizes) - len(place))), *place)
    if any(not 0 <= index < size for index, size in zip(at, sizes, strict=True)):
        frames = f"{sizes[0]} frames of " if sizes[0] > 1 else ""
        raise ShapeError(
            f"there is no position {','.join(map(str, place))}: the output has {frames}{sizes[1]} rows and "
            f"{sizes[2]} columns, counted from 0"
        )
    return at


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
    alpha: NDArray[Any] | None = None,
    missing: NDArray[np.bool_] | None = None,
) -> Slice:
    """Multiply a piece of a window by its weights, and by alpha as a fraction of opaque."""
    factors = [weights, samples] if alpha is None else [weights, samples, alpha]
    return Slice(name, samples, weights, product(*factors), border, alpha, missing)


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


def bracketed(text: str) -> str:
    """Return a number in brackets if it is negative."""
    return f"({text})" if text.startswith("-") else text


def shortened(terms: Sequence[str]) -> list[str]:
    """Return terms, with dots for those in the middle if there are too many."""
    return [*terms] if len(terms) <= _TERMS else [*terms[:4], "...", *terms[-4:]]


def combine_parts(parts: Sequence[Part], combine: str | None) -> list[Step]:
    """Return how several parts become one value; nothing for one part."""
    values = [part.value for part in parts]
    if combine is None:
        return []
    numbers = [figure(value) for value in values]
    if combine == "magnitude":
        squares = " + ".join(f"{bracketed(each)}^2" for each in numbers)
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


def mixed(
    name: str, made: Number, kept: Number, amount: Number, threshold: Number, scale: Number = 1
) -> Step:
    """Return the step from a sample to its mixture; `scale` is what the threshold is divided by."""
    change, formula, sign = made - kept, f"({figure(made)} - {figure(kept)})".replace("- -", "+ "), "+"
    if threshold:
        least = quotient(threshold, scale)
        sign = "-" if change < 0 else "+"
        formula = f"max(|{formula[1:-1]}| - {figure(least)}, 0)"
        change = max(change - least, 0) if change > 0 else min(change + least, 0)
    share = "" if amount == 1 else f"{figure(amount)} * "
    return Step(name, f"{figure(kept)} {sign} {share}{formula}", kept + amount * change)


def whole(value: float | Fraction) -> Number:
    """Return a number as an int if it is one."""
    return int(value) if value == int(value) else value
