"""Sums, quotients and roundings of a single value, one after the other, as a reader would do them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Step", "combined", "figure", "finished", "total"]

Number = int | float


class Step(NamedTuple):
    """One line of a calculation.

    Attributes
    ----------
    name : str
        What is done, in a word or two.
    formula : str
        With its numbers.
    value : int or float
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
    number = value.item() if hasattr(value, "item") else value
    if isinstance(number, float) and number.is_integer() and abs(number) < 1e15:
        number = int(number)
    return str(number) if isinstance(number, int) else f"{number:.{digits}g}"


def total(numbers: NDArray[Any]) -> Number:
    """Return the sum of an array: exact for integers, rounded once for floats."""
    values = numbers.ravel().tolist()
    return math.fsum(values) if numbers.dtype.kind == "f" else sum(values)


def combined(values: Sequence[Number], combine: str | None) -> list[Step]:
    """Work out how several parts become one value; nothing for one part."""
    if combine is None:
        return []
    told = [figure(value) for value in values]
    if combine == "magnitude":
        squares = " + ".join(f"{f'({each})' if each.startswith('-') else each}^2" for each in told)
        return [Step("magnitude", f"sqrt({squares})", math.sqrt(sum(value * value for value in values)))]
    if combine == "maximum":
        return [Step("maximum", f"max({', '.join(told)})", max(values))]
    return [Step("sum of parts", " + ".join(told).replace("+ -", "- "), sum(values))]


def finished(
    value: Number,
    *,
    offset: float,
    range: str,
    full: float,
    limits: tuple[float, float] | None,
    extremes: tuple[float, float] | None,
    encode: Callable[[float], float] | None,
) -> list[Step]:
    """Work out how a value becomes a sample.

    Parameters
    ----------
    value : int or float
        After the combination of parts.
    offset : float
        What is added, in units of the picture.
    range : str
        One of the range modes but ``auto``.
    full : float
        Full scale.
    limits : tuple of float, or None
        Lowest and highest sample of an integer picture; None for floats, which are not rounded.
    extremes : tuple of float, or None
        The smallest and largest value of the whole picture, for ``stretch``.
    encode : callable, optional
        Back from linear light.

    Returns
    -------
    list of Step
        The last one gives the sample.
    """
    steps: list[Step] = []

    def add(name: str, formula: str, result: Number) -> Number:
        steps.append(Step(name, formula, result))
        return result

    if offset:
        value = add("offset", f"{figure(value)} + {figure(offset)}", value + offset)
    if range == "absolute":
        value = add("absolute", f"|{figure(value)}|", abs(value))
    elif range == "signed":
        value = add("signed", f"{figure(value)} / 2 + {figure(full)} / 2", value / 2 + full / 2)
    elif range == "stretch" and extremes is not None:
        low, high = extremes
        if high > low:
            formula = f"({figure(value)} - {figure(low)}) * {figure(full)} / ({figure(high)} - {figure(low)})"
            value = add("stretch", formula.replace("- -", "+ "), (value - low) * full / (high - low))
        else:
            value = add("stretch", "the picture is flat", 0)
    if encode is not None:
        value = add("sRGB", f"from linear light {figure(value)}", encode(value))
    if range == "raw":
        add("raw", "no rounding, no clipping", float(np.float32(value)))
    elif limits is not None:
        rounded = add("round", f"floor({figure(value)} + 0.5)", math.floor(value + 0.5))
        low, high = (int(limit) for limit in limits)
        if not low <= rounded <= high:
            add("clip", f"to {low}..{high}", min(max(rounded, low), high))
    return steps
