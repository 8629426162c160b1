"""From sums to samples: combine, offset, scale, range, linear light, depth, rounding, saturation.

With ``f`` the combination of the parts, a sample is ``floor((f(sums) + add) * multiply / divide + 1/2)``,
saturated. Every range mode is a choice of these numbers, so that the sums are rounded once. Values so near
a tie that floats cannot tell on which side they lie are settled in Python's integers, to 256 binary places:
roots and quotients of integers come no nearer to a tie than 2^-192 without being one.
"""

from __future__ import annotations

import functools
import math
import threading
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from convfilter.convolution.recipes import Workspace
from convfilter.errors import ImageError

__all__ = [
    "Clipping",
    "Depth",
    "Extremes",
    "Finish",
    "Places",
    "Quotients",
    "Scale",
    "decode",
    "depth_of",
    "encode",
    "exact_value",
    "rescaled",
]

_TYPES = {8: np.uint8, 16: np.uint16, "float": np.float32}
# Samples of a row that are gathered out of columns at a time: as many lines of the nearest cache.
_STRIP = 384
# Roots below this come of squares that float32 does not hold.
_TINY = 1e-15
_PLACES = 256
_ONE = 1 << _PLACES
_SNAP = 1 << (_PLACES - 192)

Places: TypeAlias = tuple[np.ndarray, ...]
"""An index for each axis of a block."""

Quotients: TypeAlias = Callable[[Places], Sequence[tuple[Sequence[int], Sequence[int]]]]
"""Returns the exact values of all parts at some places, as integers over integers."""


class Depth(NamedTuple):
    """The scale of an image's samples; it stays while values pass through float arrays."""

    dtype: np.dtype[Any]
    full: float  # full scale: white, opaque
    low: float  # limits at which results saturate; infinite for floats
    high: float

    @property
    def integer(self) -> bool:
        """Whether results are rounded and saturated."""
        return self.dtype.kind in "iu"

    def result(self, asked: int | str | None) -> Depth:
        """Return the depth of what comes out: 8 or 16 bits or ``"float"`` as asked, else the same."""
        return self if asked is None else depth_of(np.dtype(_TYPES[asked]))

    def unrounded(self, result: Depth) -> np.dtype[Any]:
        """Return the float type that carries values from filter to filter on their way to a result."""
        if not self.integer and not result.integer:
            return self.dtype
        eight = self.integer and result.integer and self.dtype.itemsize == result.dtype.itemsize == 1
        return np.dtype(np.float32 if eight else np.float64)


def rescaled(values: np.ndarray, source: Depth, result: Depth) -> np.ndarray:
    """Return samples of one depth in another: full scale is full scale, rounded once to integers."""
    if values.dtype == result.dtype and source.full == result.full:
        return values
    # Products of integers are exact in float64, and its quotients are ties where the true ones are.
    scaled = values if source.full == result.full else values.astype(np.float64) * result.full / source.full
    if not result.integer:
        return scaled.astype(result.dtype)
    scaled = np.clip(np.floor(scaled + 0.5), result.low, result.high)
    return np.where(np.isnan(scaled), 0, scaled).astype(result.dtype)


def depth_of(dtype: np.dtype[Any]) -> Depth:
    """Return the depth of an image of that type, or refuse the type."""
    if dtype.kind in "iu" and dtype.itemsize <= 4:
        limits = np.iinfo(dtype)
        return Depth(dtype, float(limits.max), float(limits.min), float(limits.max))
    if dtype.kind == "f" and dtype.itemsize in (4, 8):
        return Depth(dtype, 1.0, -np.inf, np.inf)
    raise ImageError(
        f"pixels of type {dtype} cannot be filtered: give integers of 8 to 32 bits, or floats of 32 or 64"
    )


def decode(pixels: np.ndarray, depth: Depth, dtype: np.dtype[Any]) -> np.ndarray:
    """Decode sRGB (IEC 61966-2-1:1999): linear light on the same scale, the curve mirrored at the origin."""
    if depth.integer and depth.low == 0 and pixels.dtype == depth.dtype and pixels.itemsize <= 2:
        # One table of all values, in double precision; `take` would make 8-byte integers of all pixels.
        table = _to_linear(np.arange(int(depth.full) + 1) / depth.full) * depth.full
        return np.asarray(table.astype(dtype)[pixels])
    return np.asarray(_to_linear(pixels / depth.full) * depth.full, dtype)


def encode(values: np.ndarray, depth: Depth) -> None:
    """Bring values on the scale of `depth` back from linear light, in place."""
    values /= depth.full
    size = np.abs(values)
    curve = 1.055 * size ** (1 / 2.4) - 0.055
    np.copyto(values, np.copysign(np.where(size <= 0.0031308, 12.92 * size, curve), values))
    values *= depth.full


def _to_linear(values: Any) -> Any:
    size = np.abs(values)
    curve = ((size + 0.055) / 1.055) ** 2.4
    return np.copysign(np.where(size <= 0.04045, size / 12.92, curve), values)


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
    """Return the combined parts of one sample in units of 2^-256."""
    values = [(top << _PLACES) // bottom for top, bottom in zip(tops, bottoms, strict=True)]
    if combine == "magnitude":
        return math.isqrt(sum(value * value for value in values))
    return max(values) if combine == "maximum" else sum(values)


def _settle(
    value: np.ndarray,
    quotients: Quotients,
    combine: str | None,
    scale: Scale,
    *,
    absolute: bool,
    error: float,
) -> None:
    """Replace values to be floored by their true floors where an `error` may put them past an integer."""
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
    """The smallest and largest value of an image, found by all threads; `exact`: both from `exact_value`."""

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
    """What is done to the sums of one output channel; add, multiply and divide are for undivided sums."""

    depth: Depth  # of the result
    target: np.dtype[Any]  # the result's type, or a float type for unrounded values
    bound: float  # the largest magnitude of a sum; decides which arithmetic is exact
    combine: str | None = None
    add: float = 0.0
    multiply: float = 1.0
    divide: float = 1.0
    absolute: bool = False  # take the magnitude before scaling
    saturate: bool = True
    linear: bool = False  # encode from linear light before rounding
    inside: bool = False  # no value can lie outside the limits
    loose: bool = False  # values may be nan, which becomes 0 among integers
    exact: Scale | None = None  # for sums of integers that floats round more than once: settle ties exactly

    def __call__(
        self,
        parts: Sequence[np.ndarray],
        target: np.ndarray,
        workspace: Workspace,
        clipping: Clipping | None = None,
        quotients: Quotients | None = None,
    ) -> None:
        """Turn the sums of all parts into samples; overwrites the sums. `exact` needs their `quotients`."""
        level = workspace.level
        if not self._rounds:
            self._store_unrounded(self.value(parts, workspace), target, workspace, clipping)
        else:
            value = self._ready_to_floor(parts, workspace, quotients)
            store = self._store_rounded if value.dtype.kind == "f" else self._store_integers
            store(value, target, workspace, clipping)
        workspace.level = level

    def value(self, parts: Sequence[np.ndarray], workspace: Workspace) -> np.ndarray:
        """Return ``f(sums) + add``, or its magnitude, as floats in memory of the workspace."""
        kind = self._float_type(parts)
        if self.combine == "magnitude":
            value = _squares(parts, kind, workspace)
            if kind == np.float32 and not self.depth.integer and not _TINY < value.max() < np.inf:
                value = _squares(parts, np.dtype(np.float64), workspace)
        elif kind == parts[0].dtype:
            value = self._combined(parts)
        else:
            value = workspace.like(parts[0], kind)
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
        self, value: np.ndarray, target: np.ndarray, workspace: Workspace, clipping: Clipping | None
    ) -> None:
        low, high, past = _integer_limits(self.depth, value.dtype)
        if clipping is not None:
            clipping.add(value, low, past)
        if not self.inside:
            value.clip(low, high, out=value)
        _store(value, target, workspace)

    def _ready_to_floor(
        self, parts: Sequence[np.ndarray], workspace: Workspace, quotients: Quotients | None
    ) -> np.ndarray:
        """Return values whose floor is the rounded value."""
        if self._stays_integer(parts[0]):
            value = self._combined(parts)
            return np.abs(value, out=value) if self.absolute else value
        exact = self.combine != "magnitude" and parts[0].dtype.kind in "iu" and not self.linear
        halves = self.add == 0 or (not self.absolute and (2 * self.add).is_integer())
        if exact and self.multiply == 1 and halves:
            return self._divided_exactly(parts, workspace)
        value = self._scaled(self.value(parts, workspace))
        if self.linear:
            encode(value, self.depth)
        value += 0.5
        if self.exact is not None and quotients is not None:
            # Roundings of the value, enlarged as it is.
            largest = max(self.depth.high, abs(self.add) * self.multiply / self.divide)
            error = max(2.0**-20, 2.0**-46 * largest)
            _settle(value, quotients, self.combine, self.exact, absolute=self.absolute, error=error)
        return value

    def _divided_exactly(self, parts: Sequence[np.ndarray], workspace: Workspace) -> np.ndarray:
        """``(sum + add) / divide + 1/2``, or its floor: never on the wrong side of an integer.

        Sums are integers and `add` counts halves, so that before the division values lie 1/2 apart. Where
        integers cannot be divided as such, a quarter on top keeps exact ties and everything above them
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
        scaled = workspace.like(value, np.float32 if small else np.float64)
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
        self, value: np.ndarray, target: np.ndarray, workspace: Workspace, clipping: Clipping | None
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
        _store(value, target, workspace)

    def _store_unrounded(
        self, value: np.ndarray, target: np.ndarray, workspace: Workspace, clipping: Clipping | None
    ) -> None:
        self._scaled(value)
        if self.saturate and self.depth.integer:
            if clipping is not None:
                clipping.add(value, self.depth.low - 0.5, self.depth.high + 0.5)
            np.clip(value, self.depth.low, self.depth.high, out=value)
        if self.linear:
            encode(value, self.depth)
        _store(value, target, workspace)


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


def _squares(parts: Sequence[np.ndarray], kind: np.dtype[Any], workspace: Workspace) -> np.ndarray:
    """The root of the sum of squares, in memory of the workspace."""
    value, square = workspace.like(parts[0], kind), workspace.like(parts[0], kind)
    for number, part in enumerate(parts):
        into = square if number else value
        np.copyto(into, part)
        np.multiply(into, into, out=into)
        if number:
            value += square
    np.sqrt(value, out=value)
    return value


def _store(values: np.ndarray, target: np.ndarray, workspace: Workspace) -> None:
    """Convert values, which may lie channel after channel or column by column, into samples of an image."""
    channel, column = values.strides[-1], values.strides[-2]
    if channel <= min(column, *values.strides[:-1]):
        np.copyto(target, values, casting="unsafe")
        return
    # Narrow first, in the order in which they lie; then fewer bytes change places.
    narrow = workspace.like(values, target.dtype)
    np.copyto(narrow, values, casting="unsafe")
    if channel > column:
        # Channel by channel numpy takes long runs of one of the two, which is more than twice as fast.
        for number in range(values.shape[-1]):
            np.copyto(target[..., number], narrow[..., number])
        return
    step = max(1, _STRIP // values.shape[-1])
    for left in range(0, values.shape[-2], step):
        np.copyto(target[..., left : left + step, :], narrow[..., left : left + step, :])
