"""How a result is put together with the image x that it was made of.

Blending gives ``x + P * m * soft(f - x)``,
where f is the filter's value, P the strength, m a mask, and ``soft`` brings differences nearer to zero by a
threshold. A value is blended as it leaves the sums, ``u / divide`` for an undivided u, in integers or in
floats that are exact integers as far as they can be, so that it is still rounded once.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from convfilter.convolution import array_of
from convfilter.errors import ImageError, OptionError, ShapeError, brief
from convfilter.images.picture import check_mask_size, check_mask_values
from convfilter.options import FilterOptions

__all__ = ["LUMA", "Blend", "Block", "Original", "Strength", "blends", "check_blending", "check_region"]
__all__ += ["grey_mask", "spread"]

_LEAST_MIX = 1e-100

LUMA = (299, 587, 114)
"""Thousandths of red, green and blue in lightness (ITU-R BT.601)."""


def blends(options: FilterOptions) -> bool:
    """Whether the options blend the result with the image."""
    return not (options.mix == 1 and options.mask is None and options.region is None) or options.threshold > 0


def check_blending(options: FilterOptions) -> None:
    """Refuse strengths, thresholds and regions that there are not."""
    for name, most in (("mix", 1.0), ("threshold", math.inf)):
        value = getattr(options, name)
        number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
        if not (number and 0 <= value <= most and value < math.inf):
            asked = "a number from 0 to 1" if name == "mix" else "a fraction of full scale, at least 0"
            raise OptionError(f"{name}={brief(value)}: give {asked}")
    if 0 < options.mix < _LEAST_MIX:  # its exact fraction is longer than a float
        raise OptionError(f"mix={brief(options.mix)} is too small: give 0, or at least {_LEAST_MIX}")
    region = options.region
    if region is not None:
        whole = isinstance(region, tuple | list | np.ndarray) and all(
            isinstance(each, int | np.integer) and not isinstance(each, bool) for each in region
        )
        if not (whole and len(region) == 4 and min(region[:2]) >= 0 and min(region[2:]) >= 1):
            raise OptionError(f"region={brief(region)}: give (row, column, height, width), whole numbers")


def grey_mask(mask: np.ndarray, name: str = "mask") -> tuple[np.ndarray, int]:
    """Return a mask (H, W) and its full scale; of colours it is lightness, and alpha does not count."""
    values = array_of(mask, f"a {name}", ImageError)
    if values.dtype == bool:
        values, full = values.astype(np.uint8), 1
    elif values.dtype.kind in "iu":
        full = int(np.iinfo(values.dtype).max)
    elif values.dtype.kind == "f":
        full = 1
    else:
        raise ImageError(
            f"{name}: samples of type {values.dtype} cannot be a mask: give integers, floats or bool"
        )
    if values.ndim == 3:
        colours = values[..., : -1 if values.shape[-1] in (2, 4) else None]
        values = colours[..., 0]
        if colours.shape[-1] == len(LUMA) and (colours != values[..., np.newaxis]).any():
            weights = np.array(LUMA) if colours.dtype.kind in "iu" else np.array(LUMA) / sum(LUMA)
            values, full = colours @ weights, full * (sum(LUMA) if weights.dtype.kind == "i" else 1)
    if values.ndim != 2 or values.size == 0:
        raise ImageError(f"{name}: shape {np.shape(mask)} is not a mask: give (H, W), grey, or (H, W, 3)")
    check_mask_values(values, full)
    return values, full


Block: TypeAlias = tuple[slice, ...]
"""A block of an image: frames, rows, columns."""


def check_region(region: Sequence[int] | None, shape: Sequence[int]) -> tuple[slice, slice]:
    """Return the rows and columns of an image of some shape that a region holds; there must be some."""
    row, column, height, width = (0, 0, *shape) if region is None else map(int, region)
    slices = slice(row, min(row + height, shape[0])), slice(column, min(column + width, shape[1]))
    if any(part.start >= part.stop for part in slices):
        raise ShapeError(
            f"the region begins at row {row}, column {column}, and the image has {shape[0]} rows and "
            f"{shape[1]} columns: move it into the image"
        )
    return slices


class Original(NamedTuple):
    """A block of the image that is blended with, and the mask there, which broadcasts; None is all of it."""

    samples: np.ndarray
    mask: np.ndarray | None

    def at(self, places: tuple[np.ndarray, ...]) -> Iterator[tuple[int, float]]:
        """Yield sample and mask at some places."""
        mask = np.broadcast_to(1 if self.mask is None else self.mask, self.samples.shape)
        return zip(self.samples[places].tolist(), mask[places].tolist(), strict=True)


class Blend(NamedTuple):
    """The image that a result is blended with, and where and how much of the filter is taken."""

    samples: np.ndarray  # (T, H, W, C), as they were read, alpha last
    mix: Fraction
    threshold: Fraction  # of full scale
    mask: np.ndarray | None  # (H, W)
    opaque: int  # full scale of the mask, 1 without one
    region: tuple[slice, slice]
    missing: np.ndarray | None  # (T, H, W, C), samples that there is nothing of to blend with

    @classmethod
    def of(cls, samples: np.ndarray, options: FilterOptions, missing: np.ndarray | None) -> Blend:
        """Return what the options ask for."""
        shape = samples.shape[1:3]
        mask, opaque = (None, 1) if options.mask is None else grey_mask(options.mask)
        if mask is not None:
            check_mask_size(mask.shape, shape)
        region = check_region(options.region, shape)
        mix, threshold = (Fraction(str(float(each))) for each in (options.mix, options.threshold))
        return cls(samples, mix, threshold, mask, opaque, region, missing)

    @property
    def whole(self) -> bool:
        """Whether the filter replaces the image where the mask is at full scale."""
        return self.mix == 1 and self.threshold == 0

    def inside(self, where: Block) -> Block | None:
        """Return what of a block lies in the region; None where nothing is taken."""
        pairs = zip(where[1:], self.region, strict=True)
        rows, columns = (slice(max(part.start, own.start), min(part.stop, own.stop)) for part, own in pairs)
        if not self.mix or rows.start >= rows.stop or columns.start >= columns.stop:
            return None
        taken = self.mask is None or self.mask[rows, columns].any()
        return (where[0], rows, columns) if taken else None

    def mask_at(self, where: Block) -> np.ndarray | None:
        """Return the mask in a block of the region, which broadcasts; None for all of it."""
        return None if self.mask is None else self.mask[where[1:]][np.newaxis, :, :, np.newaxis]


def soft(difference: np.ndarray, threshold: float) -> np.ndarray:
    """Bring differences nearer to zero by a threshold, in place."""
    if threshold:
        difference -= difference.clip(-threshold, threshold)
    return difference


def spread(mask: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Fill an array with a mask, channel by channel: numpy is slow along axes as short as that."""
    for channel in range(target.shape[-1]):
        target[..., channel] = mask[..., 0]
    return target


def _like(value: np.ndarray, samples: np.ndarray) -> np.ndarray:
    """Return samples in the type and the order in memory of values that they are put together with."""
    made = np.empty_like(value)
    np.copyto(made, samples, casting="unsafe")
    return made


def _scaled(values: np.ndarray, factor: Any, divisor: Any = 1) -> np.ndarray:
    """Multiply or divide values, in place."""
    if np.ndim(factor) or factor != 1:
        values *= factor
    if divisor != 1:
        values /= divisor
    return values


class Strength:
    """The numbers of a blend for values ``u / divide`` in levels of the result.

    `fulls` are the full scales of image and result, `sums` is the largest u. Where `whole`, all are integers.
    """

    def __init__(
        self, blend: Blend, fulls: tuple[float, float], divide: Fraction, sums: float, *, whole: bool
    ) -> None:
        image, result = fulls
        self.blend, self._full = blend, result
        self.ratio = ratio = Fraction(result) / Fraction(image)
        self._threshold = blend.threshold * Fraction(result)
        numbers = (ratio * divide, self._threshold * divide, divide)
        scale = math.lcm(*(each.denominator for each in numbers))
        self.whole = whole and scale < 2**24 and (blend.mask is None or blend.mask.dtype.kind in "iu")
        self.scale = scale if self.whole else 1
        kept, least, divide = (each * self.scale for each in numbers)
        above, below = blend.mix.as_integer_ratio() if self.whole else (blend.mix, 1)
        opaque, number = blend.opaque, int if self.whole else float
        self._kept, self.least = number(kept), number(least)
        self._mix, self._back, self._divide = number(above), below * opaque, number(divide * below * opaque)
        # The largest numerators: of floats, with what they are made of, and of integers, which may wrap on
        # their way to one.
        largest = float(self._kept) * image
        self.bound = float(self._back) * largest + float(self._mix * opaque) * (self.scale * sums + largest)
        self.largest = float(self._back) * max(self.scale * sums, largest)
        if self.least:
            self.largest = max(self.largest, self.scale * sums + largest)

    def divisor(self, original: Original) -> int:
        """What the blended value of integers is divided by; it has no mask or all of it."""
        return int(self._divide) // (1 if original.mask is not None else self.blend.opaque)

    def premultiplied(
        self, value: np.ndarray, alpha: np.ndarray, original: Original, opacity: Original
    ) -> np.ndarray:
        """Return blended colours where alpha is a weight, in levels of the result.

        `value` and `alpha`, (..., 1), are the filter's, `opacity` is that of the original.
        """
        kept, least = original.samples * float(self.ratio), float(self._threshold)
        plain = np.asarray(kept + self._share(original) * soft(value - kept, least))
        weighted = kept * (opacity.samples * float(self.ratio))
        weighted += self._share(original) * soft(value * alpha - weighted, least * self._full)
        alpha = self.opacity(alpha, opacity)
        seen = np.floor(alpha + 0.5) > 0 if self._full > 1 else alpha > 0  # rounded, of integers
        np.divide(weighted, alpha, out=plain, where=np.broadcast_to(seen, plain.shape))
        return plain

    def opacity(self, alpha: np.ndarray, original: Original) -> np.ndarray:
        """Return blended alpha, in levels of the result."""
        kept = original.samples * float(self.ratio)
        return np.asarray(kept + self._share(original) * soft(alpha - kept, float(self._threshold)))

    def _share(self, original: Original) -> Any:
        return float(self.blend.mix) * (1 if original.mask is None else original.mask / self.blend.opaque)

    def numerator(self, value: np.ndarray, original: Original) -> np.ndarray:
        """Return the blended value of u times a divisor, both integers; u is overwritten."""
        number, mask = value.dtype.type, original.mask
        back = self._back if mask is not None else self._back // self.blend.opaque
        kept = _like(value, original.samples)
        if mask is None and not self.least:
            value = _scaled(value, number(self._mix * self.scale))
            value += _scaled(kept, number(self._kept * (back - self._mix)))
            return value
        kept, value = _scaled(kept, number(self._kept)), _scaled(value, number(self.scale))
        value -= kept
        soft(value, number(self.least))
        if mask is not None:
            value *= spread(mask, np.empty_like(value))
        value = _scaled(value, number(self._mix))
        value += _scaled(kept, number(back))
        return value

    def mixed(self, value: np.ndarray, original: Original) -> np.ndarray:
        """Return the blended value, of u where `whole`, else of levels; floats that are overwritten."""
        if self.whole:
            return _scaled(self.numerator(value, original), 1, self.divisor(original))
        # Where all is taken it is the filter's value to the last bit, if there is no threshold.
        kept = _scaled(_like(value, original.samples), float(self.ratio))
        if self._threshold:
            value -= kept
            soft(value, float(self._threshold))
            value += kept
        share: Any = float(self.blend.mix)
        if original.mask is not None:
            part = _scaled(np.divide(original.mask, self.blend.opaque, dtype=value.dtype), share)
            share = spread(part, np.empty_like(value))
        value *= share
        kept *= 1 - share
        value += kept
        return value

    def exactly(self, value: int, sample: int, mask: float, one: int) -> int:
        """Return the blended value of one sample, in integers as large as `one` for a level."""
        kept = sample * self.ratio.numerator * one // self.ratio.denominator
        least = math.floor(self._threshold * one)
        difference = value - kept
        difference -= min(max(difference, -least), least)
        (top, bottom), (share, whole) = (each.as_integer_ratio() for each in (self.blend.mix, mask))
        return kept + difference * top * share // (bottom * whole * self.blend.opaque)
