"""Samples so near a tie that floats cannot tell on which side they lie: Python's integers do.

Values are worked out to 256 binary places. Roots and quotients of whole numbers that come nearer to a tie
than 2^-192 without being one do not occur.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import NamedTuple, TypeAlias

import numpy as np

__all__ = ["Places", "Quotients", "Scale", "exact_value", "settle"]

_PLACES = 256
_ONE = 1 << _PLACES
_SNAP = 1 << (_PLACES - 192)

Places: TypeAlias = tuple[np.ndarray, ...]
"""An index for each axis of a block."""

Quotients: TypeAlias = Callable[[Places], Sequence[tuple[Sequence[int], Sequence[int]]]]
"""Returns the exact values of all parts at some places, as whole numbers over others."""


class Scale(NamedTuple):
    """What is done to the combined value: add, multiply, divide; in units of 2^-256."""

    add: int
    multiply: int
    divide: int

    @classmethod
    def of(cls, add: float, divide: float) -> Scale:
        """Return the scale of an offset and a divisor."""
        return cls(math.floor(Fraction(add) * _ONE), _ONE, math.floor(Fraction(divide) * _ONE))

    @classmethod
    def between(cls, low: int, high: int, full: float) -> Scale:
        """Return the scale that takes two values to 0 and full scale."""
        return cls(-low, int(full) << _PLACES, high - low)


def exact_value(tops: Sequence[int], bottoms: Sequence[int], combine: str | None) -> int:
    """Return the parts of one sample combined, in units of 2^-256."""
    values = [(top << _PLACES) // bottom for top, bottom in zip(tops, bottoms, strict=True)]
    if combine == "magnitude":
        return math.isqrt(sum(value * value for value in values))
    return max(values) if combine == "maximum" else sum(values)


def settle(
    value: np.ndarray,
    quotients: Quotients,
    combine: str | None,
    scale: Scale,
    *,
    absolute: bool,
    error: float,
) -> None:
    """Replace values to be floored by their true floors where they may lie on the wrong side of an integer.

    Parameters
    ----------
    value : ndarray of float64
        Values, one half added.
    quotients : callable
        What they were made of.
    combine, scale, absolute
        As for `convfilter.filtering.finish.Finish`.
    error : float
        What values may be off by.
    """
    places = np.nonzero(np.abs(value - np.rint(value)) <= error)
    if not len(places[0]):
        return
    known: dict[tuple[tuple[int, ...], ...], int] = {}
    parts = quotients(places)
    rows = zip(
        zip(*(top for top, _ in parts), strict=True),
        zip(*(bottom for _, bottom in parts), strict=True),
        strict=True,
    )
    floors = []
    for row in rows:
        if row not in known:
            exact = exact_value(*row, combine) + scale.add
            exact = (abs(exact) if absolute else exact) * scale.multiply // scale.divide
            known[row] = (exact + _ONE // 2 + _SNAP) >> _PLACES
        floors.append(known[row])
    value[places] = floors
