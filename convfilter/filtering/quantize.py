"""From sums to samples: combine, offset, scale, range, linear light, depth, rounding, saturation.

With ``f`` the combination of the parts, a sample is ``floor((f(sums) + add) * multiply / divide + 1/2)``,
saturated. Every range mode is a choice of these numbers, so that sums are rounded only once. Where a value is
too near a tie for floats, Python's integers decide, with 256 binary places: roots and quotients of integers
are either ties or at least 2^-192 away from one.
"""

from __future__ import annotations

import functools
import itertools
import math
import threading
from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from convfilter.convolution.borders import copy_samples
from convfilter.errors import ImageError
from convfilter.filtering.blend import Division, Mixture, Original, divided
from convfilter.options import Depth

# Bytes of values that are blended at a time, so that intermediate results stay in the cache.
_STRIP = 1 << 18
_TYPES = {8: np.uint8, 16: np.uint16, "float": np.float32}
# Roots below this come from squares that float32 cannot hold.
_TINY = 1e-15
_PLACES = 256
_ONE = 1 << _PLACES
_SNAP = 1 << (_PLACES - 192)

_Places: TypeAlias = tuple[np.ndarray, ...]  # an index for each axis of a block

Quotients: TypeAlias = Callable[[_Places], Iterable[tuple[tuple[int, int], ...]]]
"""Returns, for each of some places of a block, the exact value of each part: an integer over an integer."""


Count: TypeAlias = Callable[[np.ndarray, float, float, Any], None]
"""Counts the values below one limit, and those at or above another, in some places."""


class Levels(NamedTuple):
    """The scale of an image's samples, also while they are held as floats."""

    dtype: np.dtype[Any]
    full: float  # full scale: white, opaque
    low: float  # limits at which results saturate; infinite for floats
    high: float

    @property
    def integer(self) -> bool:
        """Whether results are rounded and saturated."""
        return self.dtype.kind in "iu"

    def result(self, depth: Depth | None) -> Levels:
        """Return the levels of a result of some depth; None keeps these."""
        return self if depth is None else levels_of(np.dtype(_TYPES[depth]))

    def unrounded(self, result: Levels) -> np.dtype[Any]:
        """Return the float type for values between the filters of a chain."""
        if not self.integer and not result.integer:
            return self.dtype
        eight = self.integer and result.integer and self.dtype.itemsize == result.dtype.itemsize == 1
        return np.dtype(np.float32 if eight else np.float64)


def levels_of(dtype: np.dtype[Any]) -> Levels:
    """Return the levels of images of a type, or refuse the type."""
    if dtype.kind in "iu" and dtype.itemsize <= 4:
        limits = np.iinfo(dtype)
        return Levels(dtype, float(limits.max), float(limits.min), float(limits.max))
    if dtype.kind == "f" and dtype.itemsize in (4, 8):
        return Levels(dtype, 1.0, -np.inf, np.inf)
    usual = "uint8" if dtype.kind in "iu" else "float32"
    mend = "use integers of 8 to 32 bits, or floats of 32 or 64"
    if dtype.kind in "iuf":
        mend += f", such as np.asarray(pixels, np.{usual})"
    raise ImageError(f"pixels of type {dtype} cannot be filtered: {mend}")


def rescaled(values: np.ndarray, source: Levels, result: Levels) -> np.ndarray:
    """Return samples on another scale, so that full scale stays full scale; integers are rounded once."""
    if values.dtype == result.dtype and source.full == result.full:
        return values
    # Products of integers are exact in float64, and its quotients are ties where the true ones are.
    scaled = values if source.full == result.full else values.astype(np.float64) * result.full / source.full
    if not result.integer:
        return scaled.astype(result.dtype)
    scaled = np.clip(np.floor(scaled + 0.5), result.low, result.high)
    return np.where(np.isnan(scaled), 0, scaled).astype(result.dtype)


def decode(pixels: np.ndarray, levels: Levels, dtype: np.dtype[Any]) -> np.ndarray:
    """Decode sRGB (IEC 61966-2-1:1999) to linear light on the same scale; the curve is odd."""
    if levels.integer and levels.low == 0 and pixels.dtype == levels.dtype and pixels.itemsize <= 2:
        # One table of all values, in double precision; `take` would make 8-byte integers of all pixels.
        table = _to_linear(np.arange(int(levels.full) + 1) / levels.full) * levels.full
        return np.asarray(table.astype(dtype)[pixels])
    if pixels.dtype.kind == "f":
        pixels = pixels.astype(dtype, copy=False)
    return np.asarray(_to_linear(pixels / levels.full) * levels.full, dtype)


def encode(values: np.ndarray, levels: Levels) -> None:
    """Encode values in linear light as sRGB, in place."""
    values /= levels.full
    size = np.abs(values)
    curve = 1.055 * size ** (1 / 2.4) - 0.055
    np.copyto(values, np.copysign(np.where(size <= 0.0031308, 12.92 * size, curve), values))
    values *= levels.full


def _to_linear(values: Any) -> Any:
    size = np.abs(values)
    curve = ((size + 0.055) / 1.055) ** 2.4
    return np.copysign(np.where(size <= 0.04045, size / 12.92, curve), values)


class Clipping:
    """Counts the samples that were clipped below and above, in all threads."""

    def __init__(self) -> None:
        self.below = self.above = self.samples = 0
        self._lock = threading.Lock()

    def add(self, values: np.ndarray, low: float, past: float, where: Any = True) -> None:
        """Count values below `low`, and those of `past` and above."""
        below, above = (int(np.count_nonzero(cut & where)) for cut in (values < low, values >= past))
        with self._lock:
            self.below += below
            self.above += above
            self.samples += values.size


class Extremes:
    """Finds the smallest and largest value of an image, in all threads."""

    def __init__(self) -> None:
        self.low, self.high = np.inf, -np.inf
        self.exact = [Fraction(0), Fraction(0)]  # the same, if quotients were passed
        self._lock = threading.Lock()

    def add(self, values: np.ndarray, quotients: Quotients | None, combine: str | None) -> None:
        """Include the values of one block."""
        low, high = float(values.min()), float(values.max())
        if not np.isfinite(low + high):  # nan and infinity do not count
            finite = values[np.isfinite(values)]
            low, high = float(finite.min(initial=np.inf)), float(finite.max(initial=-np.inf))
        with self._lock:
            found = [(0, values.argmin())] * (low < self.low) + [(1, values.argmax())] * (high > self.high)
            self.low, self.high = min(self.low, low), max(self.high, high)
            if quotients is not None:
                for end, place in found:
                    (row,) = quotients(np.unravel_index([int(place)], values.shape))
                    self.exact[end] = Fraction(_combined_exactly(row, combine), _ONE)


class _Finish(NamedTuple):
    """The fields of `Finish`; add, multiply and divide are for undivided sums."""

    levels: Levels  # of the result
    target: np.dtype[Any]  # the result's type, or a float type for unrounded values
    bound: float  # the largest magnitude of a sum; decides which arithmetic is exact
    combine: str | None = None
    add: Fraction = Fraction(0)
    multiply: float = 1.0
    divide: Fraction = Fraction(1)
    absolute: bool = False  # take the magnitude before scaling
    saturate: bool = True
    linear: bool = False  # encode from linear light before rounding
    inside: bool = False  # no value can lie outside the limits
    loose: bool = False  # values may be nan, which becomes 0 among integers
    exact: bool = False  # settle ties exactly: floats round sums of integers more than once
    whole: bool = False  # sums are integers, or quotients of them
    samples: tuple[float, float] = (0, 0)  # the image's own limits
    blend: Mixture | None = None  # puts values together with the samples of the original


class Finish(_Finish):
    """The arithmetic that turns the sums of one output channel into samples."""

    def __call__(
        self,
        parts: Sequence[np.ndarray],
        target: np.ndarray,
        quotients: Quotients,
        clipping: Count | None = None,
        original: Original | None = None,
    ) -> None:
        """Store the samples that sums become, blended with an `original` if there is one; overwrites them."""
        division = self._plainly if original is None else self._mixing[original.mask is not None]
        kind = None if division is None else self._kind(parts, division)
        if original is None:
            self._finish(parts, target, quotients, clipping, None, division, kind)
            return
        # Sums do not always lie in the order of their axes: strips take whole rows of memory.
        axis = 2 if parts[0].strides[2] > parts[0].strides[1] else 1
        length = target.shape[axis]
        width = 8 if kind is None else kind.itemsize
        step = max(1, _STRIP * length // (target.size * width))
        for first in range(0, length, step):
            place = (*(slice(None),) * axis, slice(first, first + step))

            def moved(places: _Places, first: int = first) -> Iterable[tuple[tuple[int, int], ...]]:
                return quotients((*places[:axis], places[axis] + first, *places[axis + 1 :]))

            strips = [part[place] for part in parts]
            self._finish(strips, target[place], moved, clipping, original.cut(place), division, kind)

    def _finish(
        self,
        parts: Sequence[np.ndarray],
        target: np.ndarray,
        quotients: Quotients,
        clipping: Count | None,
        original: Original | None,
        division: Division | None,
        kind: np.dtype[Any] | None,
    ) -> None:
        where = True if original is None else original.taken
        if division is not None and kind is not None:
            value = self._whole(parts, division).astype(kind, copy=False)
            if self.combine == "magnitude":
                division = division._replace(times=1)
            self._saturate(division(value, original, positive=self.inside), target, clipping, where)
            return
        value, nudge, exact = self.scaled(parts, blended=original is not None), 0.0, self.exact
        if self.blend is not None and original is not None:
            nudge = self.blend.nudge(value.dtype) if self._grid else 0.0
            exact = exact or (self._grid and not nudge)
            value = self.blend.mixed(value, original)
        settle = functools.partial(self._settle, quotients=quotients, original=original)
        self.store(value, target, clipping, where, settle if exact else None, nudge)

    def store(
        self,
        value: np.ndarray,
        target: np.ndarray,
        clipping: Count | None = None,
        where: Any = True,
        settle: Callable[[np.ndarray], None] | None = None,
        nudge: float = 0.0,
    ) -> None:
        """Round values and store them; overwrites them. `settle` decides where floats cannot."""
        if self.target.kind == "f":
            if self.saturate and self.levels.integer:
                if clipping is not None:
                    clipping(value, self.levels.low - 0.5, self.levels.high + 0.5, where)
                np.clip(value, self.levels.low, self.levels.high, out=value)
            if self.linear:
                encode(value, self.levels)
            copy_samples(value, target)
            return
        if self.linear:
            encode(value, self.levels)
        value += 0.5 + nudge
        if settle is not None:
            settle(value)
        # The conversion to integers truncates, which is floor where nothing is negative.
        self._saturate(np.floor(value, out=value) if self.levels.low < 0 else value, target, clipping, where)

    def _saturate(self, value: np.ndarray, target: np.ndarray, clipping: Count | None, where: Any) -> None:
        """Clip rounded values to the limits and store them."""
        low, high = self.levels.low, self.levels.high
        if clipping is not None:
            clipping(value, low, high + 1, where)
        if not self.inside:
            value.clip(*_limits(low, high, value.dtype), out=value)
        if self.loose:
            np.copyto(value, 0, where=np.isnan(value))
        copy_samples(value, target)

    def _kind(self, parts: Sequence[np.ndarray], division: Division) -> np.dtype[Any] | None:
        """Return the integer type in which to divide; None if floats must be used."""
        sums, bound = parts[0].dtype, self.bound
        if sums.kind == "f":
            return None
        if self.combine == "magnitude":
            bound *= math.sqrt(len(parts))
            if (bound * division.times) ** 2 >= 2**53:
                return None
        return _division_type(division, sums, bound, self.samples)

    def _whole(self, parts: Sequence[np.ndarray], division: Division) -> np.ndarray:
        """Combine all parts into numbers that are truncated to integers and then divided."""
        if self.combine != "magnitude":
            value = self._combined(parts)
            value = np.abs(value, out=value) if self.absolute else value
            return divided(value, division.first, positive=self.inside)
        # The root is multiplied, truncated to an integer, then divided. In float32, roots up to 4095 are
        # truncated correctly; larger ones must saturate.
        square = len(parts) * (self.bound * division.times) ** 2
        narrow = square < 2**24 or 4095 // division.divisor > self.levels.high - self.samples[0]
        return _magnitude(parts, np.dtype(np.float32 if narrow else np.float64), division.times)

    def scaled(self, parts: Sequence[np.ndarray], *, blended: bool = False) -> np.ndarray:
        """Return the value as floats, before rounding."""
        value = self.value(parts, blended=blended)
        if not self.multiply:  # stretched, and flat
            value.fill(0)
            return value
        if self.multiply != 1:
            value *= self.multiply
        if self.divide != 1:
            value /= float(self.divide)
        return value

    def value(self, parts: Sequence[np.ndarray], *, blended: bool = False) -> np.ndarray:
        """Return ``f(sums) + add``, or its magnitude, as floats."""
        kind = self._float_type(parts, blended=blended)
        if self.combine == "magnitude":
            value = _magnitude(parts, kind)
            if kind == np.float32 and not self.levels.integer and not _TINY < value.max() < np.inf:
                value = _magnitude(parts, np.dtype(np.float64))
        else:
            value = self._combined(parts).astype(kind, copy=False)
        if self.add:
            value += float(self.add)
        return np.abs(value, out=value) if self.absolute else value

    def _float_type(self, parts: Sequence[np.ndarray], *, blended: bool) -> np.dtype[Any]:
        """Return the float type in which the value comes out right."""
        if parts[0].dtype.kind == "f":
            return parts[0].dtype
        # Sums and squares below 2**24 are exact in float32, and so is the rounding of a root up to 8 bits:
        # between two integers no root comes nearer to the half than 1 / (8 * 255).
        root = self.combine == "magnitude"
        narrow, small = np.dtype(np.float32), self.bound ** (1 + root) * len(parts) ** root < 2**24
        if blended:
            small = small and self.blend is not None and self.blend.nudge(narrow) > 0 and self._grid
        else:
            plain = self.levels.full == 255 and self.add == 0 and self.multiply == self.divide == 1
            small = small and plain and root
        return narrow if small else np.dtype(np.float64)

    def _combined(self, parts: Sequence[np.ndarray]) -> np.ndarray:
        """Combine all parts, in the memory of the first unless that is needed again."""
        combine = np.maximum if self.combine == "maximum" else np.add
        again = self.exact or (self.blend is not None and self._grid)
        # Parts that sum to zero are integers, while others may be means weighted with alpha.
        first = parts[0].astype(np.result_type(*parts), copy=again and len(parts) > 1)
        for part in parts[1:]:
            combine(first, part, out=first)
        return first

    @functools.cached_property
    def _grid(self) -> bool:
        """Whether a blend is rounded as exact arithmetic would round it."""
        small = self.target.kind != "f" and self.levels.dtype.itemsize <= 2
        return small and self.whole and not self.linear

    @functools.cached_property
    def _divides(self) -> bool:
        """Whether an addition and a division of integers are all that is needed."""
        plain = self.target.kind != "f" and self.multiply == 1 and not self.linear
        plain = plain and not (self.add and self.absolute)
        return plain and self.divide > 0 and self.divide.denominator == 1

    @functools.cached_property
    def _plainly(self) -> Division | None:
        """The integer arithmetic without a blend, if there is any."""
        half = math.floor(self.add + self.divide / 2)
        return Division(int(self.divide), half) if self._divides and self.combine != "magnitude" else None

    @functools.cached_property
    def _mixing(self) -> tuple[Division | None, Division | None]:
        """The integer arithmetic of a blend without and with a mask, if there is any."""
        if self.blend is None or not self._divides:
            return None, None
        root = self.combine == "magnitude"
        return self.blend.division(root=root, masked=False), self.blend.division(root=root, masked=True)

    def _settle(self, value: np.ndarray, quotients: Quotients, original: Original | None) -> None:
        """Replace values by their exact floors where rounding errors may have moved them past an integer."""
        largest = max(self.levels.high, abs(float(self.add)) * self.multiply / float(self.divide))
        error = max(2.0**-20, 2.0**-46 * largest)
        places = np.nonzero(np.abs(value - np.rint(value)) <= error)
        known: dict[Any, int] = {}
        beside: Iterable[tuple[int, float]]
        add, divide = (math.floor(each * _ONE) for each in (self.add, self.divide))
        blend, beside = (
            (None, itertools.repeat((0, 0))) if original is None else (self.blend, original.at(places))
        )
        floors = []
        for row, each in zip(quotients(places), beside, strict=False):
            if (row, each) not in known:
                exact = _combined_exactly(row, self.combine) + add
                exact = (abs(exact) if self.absolute else exact) * (int(self.multiply) << _PLACES) // divide
                exact = exact if blend is None else blend.exactly(exact, each[0], each[1], _ONE)
                known[row, each] = (exact + _ONE // 2 + _SNAP) >> _PLACES
            floors.append(known[row, each])
        value[places] = floors


# Every block needs these two.
@functools.lru_cache(64)
def _limits(low: float, high: float, kind: np.dtype[Any]) -> tuple[Any, Any]:
    """Return limits in numpy's own types, with which it clips faster."""
    if kind.kind in "iu":
        own = np.iinfo(kind)
        low, high = max(int(low), own.min), min(int(high), own.max)
    return kind.type(low), kind.type(high)


@functools.lru_cache(64)
def _division_type(
    division: Division, sums: np.dtype[Any], bound: float, samples: tuple[float, float]
) -> np.dtype[Any] | None:
    return division.kind(sums, bound, samples)


def _magnitude(parts: Sequence[np.ndarray], kind: np.dtype[Any], times: int = 1) -> np.ndarray:
    """Return the root of the sum of squares, times a factor."""
    value: np.ndarray = np.square(parts[0], dtype=kind)
    square = np.empty_like(value)
    for part in parts[1:]:
        value += np.square(part, dtype=kind, out=square)
    if times != 1:
        value *= times**2
    np.sqrt(value, out=value)
    return value


def _combined_exactly(row: Sequence[tuple[int, int]], combine: str | None) -> int:
    """Return the combined parts of one sample, integers over integers, in units of 2^-256."""
    values = [(top << _PLACES) // bottom for top, bottom in row]
    if combine == "magnitude":
        return math.isqrt(sum(value * value for value in values))
    return max(values) if combine == "maximum" else sum(values)
