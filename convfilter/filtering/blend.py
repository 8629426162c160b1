"""Blending a result with the image x that it was computed from: ``x + P * m * soft(f - x)``.

Here f is the filter's value, P the strength and m a mask; ``soft`` moves a difference towards zero by a
threshold. Values are blended before they are rounded: in integers, or in floats precise enough to tell a tie
from every other value that can occur.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from convfilter.convolution import array_of
from convfilter.convolution.borders import copy_samples
from convfilter.errors import ImageError, OptionError, ShapeError, brief, counted
from convfilter.images.picture import check_mask_size, check_mask_values
from convfilter.options import FilterOptions

_LEAST_MIX = 1e-100
# A block is cut into at most this many pieces, of at least this width, to find where a mask is 0 or full.
_TILES, _NARROW = 16, 64

LUMA = (299, 587, 114)
"""Thousandths of red, green and blue in lightness (ITU-R BT.601)."""


def blends(options: FilterOptions) -> bool:
    """Return whether the options blend the result with the image."""
    return not (options.mix == 1 and options.mask is None and options.region is None) or options.threshold > 0


def check_blending(options: FilterOptions) -> None:
    """Refuse invalid strengths, thresholds and regions."""
    for name, most in (("mix", 1.0), ("threshold", math.inf)):
        value = getattr(options, name)
        number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
        if not (number and 0 <= value <= most and value < math.inf):
            asked = "a number from 0 to 1" if name == "mix" else "a fraction of full scale, at least 0"
            raise OptionError(f"{name}={brief(value)}: use {asked}")
    if 0 < options.mix < _LEAST_MIX:  # its exact fraction is longer than a float
        raise OptionError(f"mix={brief(options.mix)} is too small: use 0, or at least {_LEAST_MIX}")
    region = options.region
    if region is not None:
        whole = isinstance(region, tuple | list | np.ndarray) and all(
            isinstance(each, int | np.integer) and not isinstance(each, bool) for each in region
        )
        if not (whole and len(region) == 4 and min(region[:2]) >= 0 and min(region[2:]) >= 1):
            raise OptionError(f"region={brief(region)}: use (row, column, height, width), whole numbers")


def grey_mask(mask: Any, shape: Sequence[int], name: str = "mask") -> tuple[np.ndarray, int]:
    """Return the mask (H, W) of an image and its full scale; of colours it is lightness, without alpha."""
    values = array_of(mask, f"a {name}", ImageError)
    if values.dtype == bool:
        values, full = values.astype(np.uint8), 1
    elif values.dtype.kind in "iu":
        full = int(np.iinfo(values.dtype).max)
    elif values.dtype.kind == "f":
        full = 1
    else:
        raise ImageError(
            f"{name}: samples of type {values.dtype} cannot be a mask: use integers, floats or bool"
        )
    if values.ndim == 3:
        colours = values[..., : -1 if values.shape[-1] in (2, 4) else None]
        values = colours[..., 0]
        if colours.shape[-1] == len(LUMA) and (colours != values[..., np.newaxis]).any():
            weights = np.array(LUMA) if colours.dtype.kind in "iu" else np.array(LUMA) / sum(LUMA)
            values, full = colours @ weights, full * (sum(LUMA) if weights.dtype.kind == "i" else 1)
    if values.ndim != 2 or values.size == 0:
        raise ImageError(f"{name}: shape {np.shape(mask)} is not a mask: use (H, W), grey, or (H, W, 3)")
    check_mask_size(values.shape, tuple(shape), name)
    return values, full


Block: TypeAlias = tuple[slice, ...]
"""A block of an image: frames, rows, columns."""


def check_region(region: Sequence[int] | None, shape: Sequence[int]) -> tuple[slice, slice]:
    """Return the rows and columns of an image that lie in a region; refuse a region outside the image."""
    row, column, height, width = (0, 0, *shape) if region is None else map(int, region)
    slices = slice(row, min(row + height, shape[0])), slice(column, min(column + width, shape[1]))
    if any(part.start >= part.stop for part in slices):
        size = f"{counted(shape[0], 'row')} and {counted(shape[1], 'column')}"
        raise ShapeError(
            f"the region begins at row {row}, column {column}, but the image has {size}: "
            "move it into the image"
        )
    return slices


class Original(NamedTuple):
    """A block of the original image, and the mask there, which broadcasts; None is full scale everywhere."""

    samples: np.ndarray
    mask: np.ndarray | None

    def channel(self, place: slice) -> Original:
        """Return some channels."""
        return self._replace(samples=self.samples[..., place])

    def cut(self, place: tuple[slice, ...]) -> Original:
        """Return some rows or columns."""
        return Original(self.samples[place], None if self.mask is None else self.mask[place])

    @property
    def taken(self) -> Any:
        """Where the mask is not 0."""
        return True if self.mask is None else self.mask != 0

    def at(self, places: tuple[np.ndarray, ...]) -> Iterator[tuple[int, float]]:
        """Yield sample and mask at some places."""
        mask = np.broadcast_to(1 if self.mask is None else self.mask, self.samples.shape)
        return zip(self.samples[places].tolist(), mask[places].tolist(), strict=True)


class Blend(NamedTuple):
    """The original image, and where and how strongly the filter changes it."""

    samples: np.ndarray  # (T, H, W, C), as they were read, alpha last
    mix: Fraction
    threshold: Fraction  # of full scale
    mask: np.ndarray | None  # (H, W)
    opaque: int  # full scale of the mask, 1 without one
    region: tuple[slice, slice]
    missing: np.ndarray | None  # (T, H, W, C), samples that are missing from the image

    @classmethod
    def of(cls, samples: np.ndarray, options: FilterOptions, missing: np.ndarray | None) -> Blend:
        """Return the blend that options describe."""
        shape = samples.shape[1:3]
        mask, opaque = (None, 1) if options.mask is None else grey_mask(options.mask, shape)
        if mask is not None:
            check_mask_values(mask, opaque)
        region = check_region(options.region, shape)
        mix, threshold = (Fraction(str(float(each))) for each in (options.mix, options.threshold))
        return cls(samples, mix, threshold, mask, opaque, region, missing)

    @property
    def whole(self) -> bool:
        """Whether the result is the filter's alone where the mask is at full scale."""
        return self.mix == 1 and self.threshold == 0

    def inside(self, where: Block) -> Block | None:
        """Return the part of a block inside the region; None if the filter changes nothing there."""
        pairs = zip(where[1:], self.region, strict=True)
        rows, columns = (slice(max(part.start, own.start), min(part.stop, own.stop)) for part, own in pairs)
        if not self.mix or rows.start >= rows.stop or columns.start >= columns.stop:
            return None
        taken = self.mask is None or self.mask[rows, columns].any()
        return (where[0], rows, columns) if taken else None

    def tiles(self, where: Block) -> Iterator[tuple[Block, bool | np.ndarray]]:
        """Yield pieces of a block inside the region, each with its mask: False if it is 0, True if full."""
        if self.mask is None:
            yield where, True
            return
        mask = self.mask[where[1:]]
        width = max(-(-mask.shape[1] // _TILES), _NARROW)
        starts = np.arange(0, mask.shape[1], width)
        least, most = (
            each.reduceat(each.reduce(mask, axis=0), starts).tolist() for each in (np.minimum, np.maximum)
        )
        taken = [int(high > 0) + int(low == self.opaque) for low, high in zip(least, most, strict=True)]
        first = 0
        for amount, group in itertools.groupby(taken):
            columns = slice(first, min(first + width * len(list(group)), mask.shape[1]))
            first, start = columns.stop, where[2].start
            place = (*where[:2], slice(start + columns.start, start + columns.stop))
            yield place, mask[np.newaxis, :, columns, np.newaxis] if amount == 1 else amount == 2


class Division(NamedTuple):
    """Integer arithmetic from sums u, first divided by `first`, and samples x to rounded values.

    With one strength that is ``(A*u + B*x + half) // divisor``; with a threshold or a mask m it is
    ``(A * soft(u - K*x) * m + half) // divisor + B*x``. Without a blend there is no x.
    """

    divisor: int
    half: int
    first: int = 1
    times: int = 1  # A
    removed: int = 0  # K
    limits: tuple[int, int] | None = None  # of ``A * (u - K*x)``, between which ``soft`` gives 0
    opaque: int = 1  # the largest m
    kept: int = 0  # B

    def kind(self, sums: np.dtype[Any], bound: float, samples: tuple[float, float]) -> np.dtype[Any] | None:
        """Return a type that holds all results for u up to a bound; None if no fast one does."""
        largest = max(samples[1], -samples[0])
        most = self.times * (max(bound // self.first, 1) + self.removed * largest) * self.opaque
        most += self.kept * largest + abs(self.half) + sum(map(abs, self.limits or ()))
        signed = self.half < 0 or self.removed > 0 or (self.kept > 0 and samples[0] < 0)
        narrow = np.dtype(f"i{sums.itemsize}") if self.first > 1 else sums
        for kind in (narrow, np.dtype(np.int32)):
            limits = np.iinfo(kind)
            fits = most <= limits.max and not (signed and limits.min == 0)
            if fits and (self.divisor == 1 or (kind.itemsize <= 4 and self.divisor <= limits.max)):
                return kind
        return None

    def __call__(self, value: np.ndarray, original: Original | None, *, positive: bool) -> np.ndarray:
        """Return the results for u, which is overwritten; `positive` says that no sum can be negative."""
        number = value.dtype.type
        kept = value if original is None else like(value, original.samples)
        if self.removed:
            value -= kept if self.removed == 1 else kept * number(self.removed)
        _scale(value, self.times)
        if self.limits is not None:
            value -= value.clip(*map(number, self.limits))
        if original is not None and original.mask is not None:
            value *= like(value, original.mask)
        if original is not None and not self.removed:
            value += _scale(kept, self.kept)
        if self.half:
            value += number(self.half)
        value = divided(value, self.divisor, positive=positive and not self.removed)
        if self.removed:
            value += _scale(kept, self.kept)
        return value


def divided(value: np.ndarray, divisor: int, *, positive: bool) -> np.ndarray:
    """Divide integers in place, rounding down."""
    if divisor.bit_count() == 1:
        return value if divisor == 1 else value.__irshift__(divisor.bit_length() - 1)
    if positive:  # unsigned division is faster
        value = value.view(f"u{value.itemsize}")
    return value.__ifloordiv__(divisor)


def like(value: np.ndarray, samples: np.ndarray) -> np.ndarray:
    """Return samples, or a mask repeated for each channel, in the type and memory order of values."""
    made = np.empty_like(value)
    if samples.shape[-1] == value.shape[-1]:
        np.copyto(made, samples, casting="unsafe")
    else:  # numpy is slow along short axes
        for channel in range(value.shape[-1]):
            np.copyto(made[..., channel], samples[..., 0], casting="unsafe")
    return made


def copy_where(where: np.ndarray, values: np.ndarray, target: np.ndarray) -> None:
    """Copy values, of one channel or all, where a mask says so; numpy is slow along short axes."""
    if where.shape == target.shape and target.strides[-2] == target.shape[-1] * target.itemsize:
        np.copyto(target, values, "unsafe", where)
        return
    for channel in range(target.shape[-1]):
        own, here = (each[..., channel % each.shape[-1]] for each in (values, where))
        np.copyto(target[..., channel], own, "unsafe", here)


def _scale(values: np.ndarray, factor: float) -> np.ndarray:
    """Multiply values, in place."""
    if factor != 1:
        values *= values.dtype.type(factor)
    return values


class Mixture:
    """The arithmetic of a blend for values ``(u + add) / divide`` in levels of the result.

    `fulls` are the full scales of image and result. Integers u of at most `bound` give values on a grid, so
    that a value is either a tie or at least `gap` away from one; so do roots of sums of squares (`root`).
    """

    def __init__(
        self,
        blend: Blend,
        fulls: tuple[float, float],
        add: Fraction,
        divide: Fraction,
        bound: float,
        *,
        root: bool,
    ) -> None:
        image, result = fulls
        self.blend, self._full, self._unbounded = blend, result, image == 1
        self.ratio = ratio = Fraction(result) / Fraction(image)
        self.threshold = blend.threshold * Fraction(result)
        self._add, self._divide = add, divide
        self._units = 7 + 5 * (self.threshold > 0) + 2 * (ratio != 1) + 3 * root
        self.gap = 0.0
        if bound < math.inf and (blend.mask is None or blend.mask.dtype.kind in "iu"):
            above, below = blend.mix.as_integer_ratio()
            numbers, own = [ratio, self.threshold, add / divide], below * blend.opaque
            if root:
                grid = math.lcm(*(each.denominator for each in numbers)) ** 2
                far = 4 * math.ceil(bound) * abs(divide)
                self.gap = float(1 / (far * above * own * blend.opaque * grid)) / 2 if above else 0.0
            else:
                grid = math.lcm(*(each.denominator for each in (*numbers, 1 / divide)))
                self.gap = 1 / (2 * own * grid)

    def nudge(self, kind: np.dtype[Any]) -> float:
        """Return a number that lifts ties above rounding errors and changes nothing else; 0 if none does."""
        error = self._units * (self._full + 1) * float(np.finfo(kind).eps) / 2
        return self.gap / 2 if 0 < error < self.gap / 2 else 0.0

    def division(self, *, root: bool, masked: bool) -> Division | None:
        """Return the same arithmetic in integers, if possible; a `root` is scaled and truncated first."""
        above, below = self.blend.mix.as_integer_ratio()
        opaque = self.blend.opaque if masked else 1
        soft, fraction = self.threshold > 0, (above * self._add).denominator > 1
        mask = self.blend.mask
        if self.ratio.denominator > 1 or (root and (soft or masked or fraction)):
            return None
        if masked and (soft or self._add or mask is None or mask.dtype.kind == "f"):
            return None
        whole, divide = int(self.ratio), int(self._divide)
        more = 1 + (root and below * divide % 2)
        times, divisor = above * more, below * divide * opaque * more
        half, add = Fraction(divisor, 2), times * self._add
        if not (soft or masked):
            first = 1 if root or above > 1 or below % 2 or add else divide
            kept = whole * (below - above) * more * divide // first
            return Division(divisor // first, math.floor(add + half) // first, first, times, kept=kept)
        limits = None
        if soft:
            # Between these limits the change is removed, and what is left rounds to zero.
            least = times * divide * self.threshold
            low, high = (math.floor(half) - math.floor(add + half + each) for each in (least, -least))
            limits, add = (low, high), Fraction(0)
        return Division(divisor, math.floor(add + half), 1, times, whole * divide, limits, opaque, whole)

    def mixed(self, value: np.ndarray, original: Original) -> np.ndarray:
        """Return blended values; `value`, floats in levels, is overwritten."""
        if value.strides[-2] > value.strides[-3]:  # its columns are contiguous; the image's rows are
            by_column, value = value, np.empty(value.shape, value.dtype)
            copy_samples(by_column, value)
        replaced = None
        if original.mask is not None and self.blend.whole and not self.nudge(value.dtype):
            replaced = value.copy()  # under a full mask the result is the filter's, bit for bit
        kept = _scale(like(value, original.samples), float(self.ratio))
        value = self._put(value, kept, float(self.threshold), original.mask)
        if replaced is not None:
            np.copyto(value, replaced, where=original.mask == self.blend.opaque)
        return value

    def premultiplied(
        self, value: np.ndarray, alpha: np.ndarray, original: Original, opacity: Original
    ) -> np.ndarray:
        """Return blended colours that are weighted with alpha, in levels of the result.

        `value` and `alpha` (..., 1) are the filter's; `opacity` is the original's alpha.
        """
        kept, least = original.samples * float(self.ratio), float(self.threshold)
        weight = kept * (opacity.samples * float(self.ratio))
        weighted = self._put(value * alpha, weight, least * self._full, original.mask)
        blended = self.mixed(alpha.copy(), opacity)
        seen = np.floor(blended + 0.5) > 0 if self._full > 1 else blended > 0  # rounded, of integers
        plain = self._put(value, kept, least, original.mask)
        np.divide(weighted, blended, out=plain, where=np.broadcast_to(seen, plain.shape))
        return plain

    def _put(self, value: np.ndarray, kept: np.ndarray, least: float, mask: np.ndarray | None) -> np.ndarray:
        """Return ``kept + P * m * soft(value - kept)``, computed in place."""
        same = value == kept if self._unbounded else None
        value -= kept
        if same is not None:
            value[same] = 0  # also of infinities
        if least:
            value -= value.clip(-least, least)
        share = float(self.blend.mix)
        if mask is None:
            _scale(value, share)
        else:
            part = _scale(np.divide(mask, self.blend.opaque, dtype=value.dtype), share)
            value *= like(value, part)
        value += kept
        return value

    def exactly(self, value: int, sample: int, mask: float, one: int) -> int:
        """Return the blended value of one sample exactly, as an integer in units of 1 / `one` level."""
        kept = sample * self.ratio.numerator * one // self.ratio.denominator
        least = math.floor(self.threshold * one)
        difference = value - kept
        difference -= min(max(difference, -least), least)
        (top, bottom), (share, whole) = (each.as_integer_ratio() for each in (self.blend.mix, mask))
        return kept + difference * top * share // (bottom * whole * self.blend.opaque)
