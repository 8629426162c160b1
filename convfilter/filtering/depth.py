"""What the samples of a picture mean: their full scale and limits."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from convfilter.errors import ImageError

__all__ = ["Depth", "depth_of"]


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

    @property
    def unrounded(self) -> np.dtype[Any]:
        """The float type that carries values from filter to filter."""
        if not self.integer:
            return self.dtype
        return np.dtype(np.float32 if self.dtype.itemsize == 1 else np.float64)


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
