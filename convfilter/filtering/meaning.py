"""Filters on pictures whose channels have a meaning: what of them is alpha, and what they are afterwards."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from convfilter.filtering.chain import Filtered, filter_pixels
from convfilter.images.formats import fitting_mode, loose_channels
from convfilter.kernels import Kernel
from convfilter.options import FilterOptions

__all__ = ["filter_meant", "options_for"]


def options_for(mode: str, options: FilterOptions) -> FilterOptions:
    """Return the options as they apply to a mode: the last channel of CMYK and of loose ones is not alpha."""
    return options._replace(alpha="plain") if mode == "CMYK" or loose_channels(mode) else options


def filter_meant(
    pixels: np.ndarray,
    mode: str,
    kernels: Sequence[Kernel],
    options: FilterOptions,
    *,
    threads: int | None = None,
    count_clipped: bool = False,
) -> tuple[Filtered, str]:
    """Filter pixels of a mode.

    Parameters
    ----------
    pixels, kernels, options, threads, count_clipped
        As in `filter_pixels`.
    mode : str
        What the channels mean, as `convfilter.images.picture.Picture` has it.

    Returns
    -------
    Filtered
        The filtered picture.
    str
        What its channels mean.

    Raises
    ------
    ConvfilterError
        As `convfilter.apply_kernel`.
    """
    filtered = filter_pixels(
        pixels, kernels, options_for(mode, options), threads=threads, count_clipped=count_clipped
    )
    made = filtered.pixels
    frames = pixels.ndim == 4 or (pixels.ndim == 3 and made.ndim == 4)
    channels = made.shape[-1] if made.ndim - frames == 3 else 1
    return filtered, fitting_mode(mode, channels, filtered.alpha)
