"""Sums, quotients and roundings of a single value, one after the other, as a reader would do them.

What is made of whole numbers stays exact, as a fraction; roots that are none have 256 binary places.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["Number", "Step", "combined", "figure", "finished", "plain", "quotient", "total"]

Number: TypeAlias = int | float | Fraction

_PLACES = 256
# What roots leave open is far less than this.
_SNAP = Fraction(1, 1 << 192)


class Step(NamedTuple):
    """One line of a calculation.

    Attributes
    ----------
    name : str
        What is done, in a word or two.
    formula : str
        With its numbers.
    value : int, float or Fraction
        What comes out.
    """

    name: str
    formula: str
    value: Number


def figure(value: Any, digits: int = 6) -> str:
    """Return a number as it is shown: whole ones in full, others with so many digits.

    Examples
    --------
    >>> figure(65535), figure(2 / 3), figure(np.uint8(7))
    ('65535', '0.666667', '7')
    """
    number = plain(value)
    if isinstance(number, float) and number.is_integer() and abs(number) < 1e15:
        number = int(number)
    return str(number) if isinstance(number, int) else f"{number:.{digits}g}"


def plain(value: Any) -> int | float:
    """Return a number as an int or float of Python's."""
    number: int | float | Fraction = value.item() if hasattr(value, "item") else value
    return float(number) if isinstance(number, Fraction) else number


def total(numbers: NDArray[Any]) -> Number:
    """Return the sum of an array: exact for integers, rounded once for floats."""
    values = numbers.ravel().tolist()
    if numbers.dtype.kind != "f":
        return int(sum(values))
    return math.fsum(values) if np.isfinite(numbers).all() else float(sum(values))


def quotient(value: Number, divisor: Number) -> Number:
    """Divide, exactly unless one of the numbers is a float."""
    if isinstance(value, float) or isinstance(divisor, float):
        return value / divisor
    divided = Fraction(value) / divisor
    return int(divided) if divided.denominator == 1 else divided


def _root(square: Number) -> Number:
    if isinstance(square, float):
        return math.sqrt(square)
    top, bottom = Fraction(square).as_integer_ratio()
    exact = math.isqrt(top * bottom)
    if exact * exact == top * bottom:
        return quotient(exact, bottom)
    return Fraction(math.isqrt(top * bottom << 2 * _PLACES), bottom << _PLACES)


def _largest(values: Sequence[Number]) -> Number:
    undefined = [value for value in values if value != value]
    return undefined[0] if undefined else max(values)


def combined(values: Sequence[Number], combine: str | None) -> list[Step]:
    """Work out how several parts become one value; nothing for one part."""
    if combine is None:
        return []
    told = [figure(value) for value in values]
    if combine == "magnitude":
        squares = " + ".join(f"{f'({each})' if each.startswith('-') else each}^2" for each in told)
        return [Step("magnitude", f"sqrt({squares})", _root(sum(value * value for value in values)))]
    if combine == "maximum":
        return [Step("maximum", f"max({', '.join(told)})", _largest(values))]
    return [Step("sum of parts", " + ".join(told).replace("+ -", "- "), sum(values))]


def finished(
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
    """Work out how a value becomes a sample.

    Parameters
    ----------
    value : int or float
        After the combination of parts.
    offset : int, float or Fraction
        What is added, in units of the picture.
    range : str
        One of the range modes but ``auto``.
    full, result : int or float
        Full scale of the picture, and of what comes out.
    limits : tuple of float, or None
        Lowest and highest integer that can come out; None for floats, which are not rounded.
    extremes : tuple of int, float or Fraction, or None
        The smallest and largest value of the whole picture, for ``stretch``.
    encode : callable, optional
        Back from linear light.

    Returns
    -------
    list of Step
        The last one gives the sample.
    """
    steps: list[Step] = []

    def add(name: str, formula: str, given: Number) -> Number:
        steps.append(Step(name, formula, given))
        return given

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
            value = add("stretch", "the picture is flat", 0 * value)
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
