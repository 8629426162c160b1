"""Hints on how to see more of a result that is largely clipped at the ends of the scale, or nearly black."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from convfilter.errors import ConvfilterError, figure
from convfilter.filtering import filter_image, resolved_range
from convfilter.kernels import Kernel
from convfilter.kernels.matrix import MATRIX
from convfilter.options import FilterOptions

_TILE, _TILES = 64, 4  # side of the parts of an image that are looked at, and how many a side
_MOST_CUT, _MOST_DARK, _DARK = 0.1, 0.95, 0.05  # shares of samples, and of full scale


def range_hint(pixels: np.ndarray, mode: str, kernels: Sequence[Kernel], options: FilterOptions) -> str:
    """Return how to see more of a result, judged by parts of the image; nothing if all is well."""
    kernel, chosen = kernels[-1], resolved_range(options, kernels[-1])
    if chosen in ("raw", "stretch") or any("frame" in each.axes for each in kernels):
        return ""
    if any(np.ndim(each) for each in (options.mask, options.missing)) or options.region is not None:
        return ""  # these are places in the whole image
    parts = _parts(pixels[0] if pixels.ndim == 4 else pixels)
    try:
        filtered, mode = filter_image(parts, mode, kernels, options, count_clipped=True)
    except ConvfilterError:  # such as parts smaller than the kernel
        return ""
    below, above = filtered.clipped_below or 0, filtered.clipped_above or 0
    if below + above > _MOST_CUT:
        share = f"about {100 * (below + above):.0f}% of the samples are clipped"
        if kernel.is_zero_sum and below > above:
            return f"{share}, most of them below zero: --range signed keeps these"
        total = (kernel.arrays()[0] / kernel.divisors[0]).sum()
        if len(kernel.parts) == 1 and "channel" not in kernel.axes and total > 1.001:
            mend = "add ' / sum'" if kernel.name == MATRIX else "divide by their sum"
            return f"{share}: the weights add up to {figure(total)}; {mend} to keep the brightness"
        if kernel.is_zero_sum:
            return f"{share}: --range stretch keeps them{_divided(kernel)}"
    was_dark = is_dark(parts, mode) and not kernel.is_zero_sum
    if mode not in ("CMYK", "LAB") and is_dark(filtered.pixels, mode) and not was_dark:
        share = f"{100 * _MOST_DARK:.0f}% of the samples are below {100 * _DARK:.0f}% of full scale"
        return f"{share}: --range stretch shows more"
    return ""


def _parts(pixels: np.ndarray) -> np.ndarray:
    """Return parts of an image (H, W[, C]), evenly spread, as (T, h, w, C)."""
    planes = pixels if pixels.ndim == 3 else pixels[..., np.newaxis]
    places = []
    for side in planes.shape[:2]:
        small = side <= 2 * _TILE
        starts = [0] if small else np.linspace(0, side - _TILE, _TILES).astype(int).tolist()
        places.append([slice(start, start + (side if small else _TILE)) for start in starts])
    return np.stack([planes[rows, columns] for rows in places[0] for columns in places[1]])


def is_dark(pixels: np.ndarray, mode: str, limit: float = _DARK) -> bool:
    """Return whether nearly all colour samples (..., C) are below a fraction of full scale."""
    colours = pixels[..., :-1] if mode in ("LA", "RGBA") else pixels
    full = np.iinfo(pixels.dtype).max if pixels.dtype.kind in "iu" else 1
    return bool(np.count_nonzero(colours < limit * full) > _MOST_DARK * colours.size)


def _divided(kernel: Kernel) -> str:
    """Return the number by which a kernel's weights can be divided so that no part of it leaves the scale."""
    # Zero-sum parts reach as far below zero as above.
    most = max(
        np.abs(part / divisor).sum() for part, divisor in zip(kernel.arrays(), kernel.divisors, strict=True)
    )
    return f", and so does {kernel.name} divided by {math.ceil(most / 2)}" if most > 2 else ""
