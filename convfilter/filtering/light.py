"""Linear light: the sRGB transfer curve, both ways.

Source: IEC 61966-2-1:1999. Values outside 0..1 follow the curve mirrored at the origin.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from convfilter.filtering.depth import Depth

__all__ = ["decode", "encode"]


def decode(pixels: np.ndarray, depth: Depth, dtype: np.dtype[Any]) -> np.ndarray:
    """Return samples in linear light, still on the scale of `depth`, as a float type."""
    if depth.integer and depth.low == 0 and pixels.dtype == depth.dtype and pixels.itemsize <= 2:
        # Every value there can be is computed once, in double precision.
        table = _to_linear(np.arange(int(depth.full) + 1) / depth.full) * depth.full
        # By an index: `take` would make whole numbers of 8 bytes of all pixels.
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
