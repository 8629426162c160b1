"""What the samples of a picture mean: their full scale and limits."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from convfilter.errors import ImageError

__all__ = ["Depth", "depth_of", "rescaled"]

_TYPES = {8: np.uint8, 16: np.uint16, "float": np.float32}


class Depth(NamedTuple):
    """The scale of a picture's samples; it stays while values pass through float arrays.

    Attributes
    ----------
    dtype : numpy.dtype
        Type of the picture.
    full : float
        Full scale: white, opaque.
    low, high : float
        Limits at which results saturate; infinite for floats.
    """

    dtype: np.dtype[Any]
    full: float
    low: float
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
    """Return the depth of a picture of that type.

    Raises
    ------
    ImageError
        For types that no picture has: complex numbers, 64-bit integers, objects.
    """
    if dtype.kind in "iu" and dtype.itemsize <= 4:
        limits = np.iinfo(dtype)
        return Depth(dtype, float(limits.max), float(limits.min), float(limits.max))
    if dtype.kind == "f" and dtype.itemsize in (4, 8):
        return Depth(dtype, 1.0, -np.inf, np.inf)
    raise ImageError(
        f"pixels of type {dtype} cannot be filtered: give integers of 8 to 32 bits, or floats of 32 or 64"
    )
