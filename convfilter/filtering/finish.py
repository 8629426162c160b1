"""From the sums of a block to its samples: combine, offset, scale, range, round, saturate.

With ``f`` the combination of the parts, a sample is ``floor((f(sums) + add) * multiply / divide + 1/2)``,
saturated. Every range mode is a choice of these numbers, so that the sums are rounded once.
"""

from __future__ import annotations

import functools
import math
import threading
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from convfilter.convolution.scratch import Scratch
from convfilter.filtering.depth import Depth
from convfilter.filtering.light import encode
from convfilter.filtering.ties import Places, Quotients, Scale, settle

__all__ = ["Clipping", "Extremes", "Finish"]

# Samples of a row that are gathered out of columns at a time: as many lines of the nearest cache.
_STRIP = 384
# Roots below this come of squares that float32 does not hold.
_TINY = 1e-15


class Clipping:
    """How many samples were cut off below and above, added up by all threads."""

    def __init__(self) -> None:
        self.below = self.above = self.samples = 0
        self._lock = threading.Lock()

    def add(self, values: np.ndarray, low: float, past: float) -> None:
        """Count values below `low`, and those of `past` and above."""
        below, above = int(np.count_nonzero(values < low)), int(np.count_nonzero(values >= past))
        with self._lock:
            self.below, self.above, self.samples = (
                self.below + below,
                self.above + above,
                self.samples + values.size,
            )


class Extremes:
    """The smallest and largest value of a picture, found by all threads.

    Attributes
    ----------
    low, high : float
        The values.
    exact : list of two integers
        The same as `exact_value` gives them, where that was asked for.
    """

    def __init__(self) -> None:
        self.low, self.high = np.inf, -np.inf
        self.exact = [0, 0]
        self._lock = threading.Lock()

    def add(self, values: np.ndarray, exactly: Callable[[Places], int] | None = None) -> None:
        """Take the values of one block into account."""
        low, high = float(values.min()), float(values.max())
        if not np.isfinite(low + high):  # what is not finite has no place on a scale
            finite = values[np.isfinite(values)]
            low, high = float(finite.min(initial=np.inf)), float(finite.max(initial=-np.inf))
        with self._lock:
            lower, higher = low < self.low, high > self.high
            self.low, self.high = min(self.low, low), max(self.high, high)
            if exactly is not None and lower:
                self.exact[0] = exactly(np.unravel_index([int(values.argmin())], values.shape))
            if exactly is not None and higher:
                self.exact[1] = exactly(np.unravel_index([int(values.argmax())], values.shape))


class Finish(NamedTuple):
    """What is done to the sums of one output channel.

    Attributes
    ----------
    depth : Depth
        Scale of the result.
    target : numpy.dtype
        Type of the result: the picture's own, or a float type for unrounded values.
    bound : float
        The largest magnitude that a sum can have; decides which arithmetic is exact.
    combine : str or None
        How several parts become one value.
    add, multiply, divide : float
        See the module's first lines; in units of the undivided sums.
    absolute : bool
        Take the magnitude before scaling.
    saturate : bool
        Cut the result off at the limits of the depth.
    linear : bool
        Encode the values from linear light before they are rounded.
    inside : bool
        Whether it is known that no value lies outside the limits.
    loose : bool
        Whether values may be nan, which becomes 0 among integers.
    exact : Scale or None
        Add and divide exactly what comes near a tie: for sums of integers that floats round more than once.
    """

    depth: Depth
    target: np.dtype[Any]
    bound: float
    combine: str | None = None
    add: float = 0.0
    multiply: float = 1.0
    divide: float = 1.0
    absolute: bool = False
    saturate: bool = True
    linear: bool = False
    inside: bool = False
    loose: bool = False
    exact: Scale | None = None

    def __call__(
        self,
        parts: Sequence[np.ndarray],
        target: np.ndarray,
        scratch: Scratch,
        clipping: Clipping | None = None,
        quotients: Quotients | None = None,
    ) -> None:
        """Turn the sums of all parts into samples; the sums may be overwritten.

        `quotients` are needed if `exact` is set, and then describe the same sums.
        """
        if not self._rounds:
            self._store_unrounded(self.value(parts, scratch), target, scratch, clipping)
            return
        value = self._ready_to_floor(parts, scratch, quotients)
        if value.dtype.kind == "f":
            self._store_rounded(value, target, scratch, clipping)
        else:
            self._store_integers(value, target, scratch, clipping)

    def value(self, parts: Sequence[np.ndarray], scratch: Scratch) -> np.ndarray:
        """Return ``f(sums) + add``, or its magnitude, as floats in scratch memory."""
        kind = self._float_type(parts)
        if self.combine == "magnitude":
            value = _squares(parts, kind, scratch)
            if kind == np.float32 and not self.depth.integer and not _TINY < value.max() < np.inf:
                value = _squares(parts, np.dtype(np.float64), scratch)
        elif kind == parts[0].dtype:
            value = self._combined(parts)
        else:
            value = scratch.like("value", parts[0], kind)
            np.copyto(value, self._combined(parts))
        if self.add:
            value += self.add
        if self.absolute:
            np.abs(value, out=value)
        return value

    @property
    def _rounds(self) -> bool:
        return self.target.kind in "iu"

    def _float_type(self, parts: Sequence[np.ndarray]) -> np.dtype[Any]:
        """The float type in which the value comes out right."""
        if parts[0].dtype.kind == "f":
            return parts[0].dtype
        # Squares below 2**24 are exact in float32, and so is the rounding of a root up to 8 bits: between two
        # integers no root comes nearer to the half than 1 / (8 * 255).
        squares = self.combine == "magnitude" and len(parts) * self.bound**2 < 2**24
        plain = self.depth.full == 255 and self.add == 0 and self.multiply == self.divide == 1
        return np.dtype(np.float32 if squares and plain else np.float64)

    def _stays_integer(self, first: np.ndarray) -> bool:
        return (
            first.dtype.kind in "iu"
            and self.combine != "magnitude"
            and self.multiply == self.divide == 1
            and self.add == 0
            and not self.linear
        )

    def _combined(self, parts: Sequence[np.ndarray]) -> np.ndarray:
        """All parts in one, in the memory of the first unless they are looked at again."""
        combine = np.maximum if self.combine == "maximum" else np.add
        if self.exact is not None and len(parts) > 1:
            parts = [parts[0].copy(), *parts[1:]]
        for part in parts[1:]:
            combine(parts[0], part, out=parts[0])
        return parts[0]

    def _store_integers(
        self, value: np.ndarray, target: np.ndarray, scratch: Scratch, clipping: Clipping | None
    ) -> None:
        low, high, past = _integer_limits(self.depth, value.dtype)
        if clipping is not None:
            clipping.add(value, low, past)
        if not self.inside:
            value.clip(low, high, out=value)
        _store(value, target, scratch)

    def _ready_to_floor(
        self, parts: Sequence[np.ndarray], scratch: Scratch, quotients: Quotients | None
    ) -> np.ndarray:
        """Values whose floor is the rounded value."""
        if self._stays_integer(parts[0]):
            value = self._combined(parts)
            return np.abs(value, out=value) if self.absolute else value
        exact = self.combine != "magnitude" and parts[0].dtype.kind in "iu" and not self.linear
        halves = self.add == 0 or (not self.absolute and (2 * self.add).is_integer())
        if exact and self.multiply == 1 and halves:
            return self._divided_exactly(parts, scratch)
        value = self._scaled(self.value(parts, scratch))
        if self.linear:
            encode(value, self.depth)
        value += 0.5
        if self.exact is not None and quotients is not None:
            # Roundings of the value, enlarged as it is.
            largest = max(self.depth.high, abs(self.add) * self.multiply / self.divide)
            error = max(2.0**-20, 2.0**-46 * largest)
            settle(value, quotients, self.combine, self.exact, absolute=self.absolute, error=error)
        return value

    def _divided_exactly(self, parts: Sequence[np.ndarray], scratch: Scratch) -> np.ndarray:
        """``(sum + add) / divide + 1/2``, or its floor: never on the wrong side of an integer.

        Sums are integers and `add` counts halves, so that before the division values lie 1/2 apart. Where
        whole numbers cannot be divided as such, a quarter on top keeps exact ties and everything above them
        above, whatever the multiplication rounds.
        """
        value = self._combined(parts)
        if self.absolute:
            np.abs(value, out=value)
        half = math.floor(self.add + self.divide / 2)
        room = np.iinfo(value.dtype)
        fits = self.bound + abs(half) <= room.max and (half >= 0 or room.min < 0)
        # numpy divides whole numbers by a constant with multiplications, but not fast where they are long.
        if self.divide.is_integer() and 1 < self.divide <= room.max and fits and value.itemsize <= 4:
            value += value.dtype.type(half)
            if self.inside:  # nothing is negative then, and division without a sign takes half the time
                value = value.view(f"u{value.itemsize}")
            # Both round down, for negative sums too.
            if _is_power_of_two(self.divide):
                value >>= value.dtype.type(int(self.divide).bit_length() - 1)
            else:
                np.floor_divide(value, value.dtype.type(self.divide), out=value)
            return value
        shift = self.add + self.divide / 2 + 0.25
        if self.bound + abs(shift) >= 2**49 and value.dtype == np.int64:
            # Past what floats can tell apart: whole numbers, slowly.
            doubled = 2 * value.astype(object) + int(2 * self.add + self.divide)
            whole = np.clip(doubled // int(2 * self.divide), self.depth.low, self.depth.high)
            return np.asarray(whole, np.int64)
        small = self.bound + abs(shift) < 2**20
        scaled = scratch.like("value", value, np.float32 if small else np.float64)
        np.add(value, scaled.dtype.type(shift), out=scaled, dtype=scaled.dtype)
        scaled *= scaled.dtype.type(1 / self.divide)
        return scaled

    def _scaled(self, value: np.ndarray) -> np.ndarray:
        if self.multiply != 1:
            value *= self.multiply
        if self.divide != 1:
            value /= self.divide
        return value

    def _store_rounded(
        self, value: np.ndarray, target: np.ndarray, scratch: Scratch, clipping: Clipping | None
    ) -> None:
        if clipping is not None:
            clipping.add(value, self.depth.low, self.depth.high + 1)
        # A conversion to integers truncates, which is floor where nothing is negative.
        if self.depth.low < 0:
            np.floor(value, out=value)
        if not self.inside:
            np.clip(value, self.depth.low, self.depth.high, out=value)
        if self.loose:
            np.copyto(value, 0, where=np.isnan(value))
        _store(value, target, scratch)

    def _store_unrounded(
        self, value: np.ndarray, target: np.ndarray, scratch: Scratch, clipping: Clipping | None
    ) -> None:
        self._scaled(value)
        if self.saturate and self.depth.integer:
            if clipping is not None:
                clipping.add(value, self.depth.low - 0.5, self.depth.high + 0.5)
            np.clip(value, self.depth.low, self.depth.high, out=value)
        if self.linear:
            encode(value, self.depth)
        _store(value, target, scratch)


@functools.lru_cache(64)
def _integer_limits(depth: Depth, kind: np.dtype[Any]) -> tuple[Any, Any, float]:
    """The limits of a depth in an integer type, and the first value past them.

    numpy's own integers: for those of Python it looks up the type's limits at every block.
    """
    limits = np.iinfo(kind)
    low, high = max(int(depth.low), limits.min), min(int(depth.high), limits.max)
    return kind.type(low), kind.type(high), high + 1 if high < limits.max else np.inf


def _is_power_of_two(divisor: float) -> bool:
    return divisor >= 2 and divisor.is_integer() and int(divisor).bit_count() == 1


def _squares(parts: Sequence[np.ndarray], kind: np.dtype[Any], scratch: Scratch) -> np.ndarray:
    """The root of the sum of squares, in scratch memory."""
    value, square = scratch.like("value", parts[0], kind), scratch.like("square", parts[0], kind)
    for number, part in enumerate(parts):
        into = square if number else value
        np.copyto(into, part)
        np.multiply(into, into, out=into)
        if number:
            value += square
    np.sqrt(value, out=value)
    return value


def _store(values: np.ndarray, target: np.ndarray, scratch: Scratch) -> None:
    """Convert values, which may lie channel after channel or column by column, into a picture's samples."""
    channel, column = values.strides[-1], values.strides[-2]
    if channel <= min(column, *values.strides[:-1]):
        np.copyto(target, values, casting="unsafe")
        return
    # Narrow first, in the order in which they lie; then fewer bytes change places.
    narrow = scratch.like("narrow", values, target.dtype)
    np.copyto(narrow, values, casting="unsafe")
    if channel > column:
        # Channel by channel numpy takes long runs of one of the two, which is more than twice as fast.
        for number in range(values.shape[-1]):
            np.copyto(target[..., number], narrow[..., number])
        return
    step = max(1, _STRIP // values.shape[-1])
    for left in range(0, values.shape[-2], step):
        np.copyto(target[..., left : left + step, :], narrow[..., left : left + step, :])
