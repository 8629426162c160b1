"""A kernel on pixels: parts, channels, alpha, linear light, range and rounding."""

from __future__ import annotations

import numpy as np

from convfilter.filtering.chain import Filtered, filter_axes, filter_pixels, plan_kernel
from convfilter.filtering.options import check_options
from convfilter.geometry import Padding, PerAxis
from convfilter.kernels import Kernel, get_kernel
from convfilter.options import Alpha, Border, Channels, Depth, FilterOptions, Range

__all__ = [
    "FilterOptions",
    "Filtered",
    "apply_kernel",
    "check_options",
    "filter_axes",
    "filter_pixels",
    "plan_kernel",
]


def apply_kernel(
    pixels: np.ndarray,
    kernel: Kernel | str,
    *,
    padding: Padding = "same",
    border: Border = "edge",
    fill: float = 0.0,
    stride: PerAxis = 1,
    dilation: PerAxis = 1,
    flip: bool = False,
    channels: Channels = "each",
    range: Range = "auto",
    alpha: Alpha = "auto",
    linear: bool = False,
    depth: Depth | None = None,
    threads: int | None = None,
) -> np.ndarray:
    """Filter a picture as ``convfilter apply`` does.

    Parameters
    ----------
    pixels : ndarray of shape (H, W), (H, W, C), or (T, H, W[, C]) for a kernel with a frame axis
        Integers of 8 to 32 bits, whose full scale is their type's largest value, or floats, whose full scale
        is 1. With 2 or 4 channels the last one is alpha, unless ``alpha="plain"``.
    kernel : Kernel or str
        A kernel, or the name of a shipped one such as ``"gaussian:sigma=3"``.
    padding, border, stride, dilation
        As in `correlate`; two values are for rows and columns.
    fill : float
        Value of a ``constant`` border, as a fraction of full scale.
    flip : bool
        True convolution: turn rows, columns and frames of the kernel first.
    channels : {"each", "sum", "mean"}
        Every colour channel on its own, all summed into one, or that sum divided by their number.
    range : {"auto", "clip", "absolute", "signed", "stretch", "raw"}
        What becomes of values outside 0..full scale. ``auto`` is the kernel's own choice: ``absolute`` for
        one part that sums to zero without offset, else ``clip``.
    alpha : {"auto", "keep", "premultiply", "plain", "drop"}
        What becomes of alpha; ``auto`` weighs the colours with it (``premultiply``) unless the kernel sums to
        zero or covers one sample only, and else keeps it.
    linear : bool
        Filter in linear light: decode sRGB first and encode it last.
    depth : {8, 16, "float"}, optional
        Bits of the result, uint8, uint16 or float32; full scale stays full scale, and results are rounded
        once, from the unrounded values. None keeps the type of `pixels`. Floats are not clipped, whatever
        `pixels` was; nan becomes 0 among integers. Not for the range ``raw``.
    threads : int, optional
        None is every core the process may use, or the environment's ``CONVFILTER_THREADS``.

    Returns
    -------
    ndarray of shape (H', W'), (H', W', C') or (T', H', W'[, C'])
        Of the type of `pixels`, or of `depth`; float32 for ``range="raw"``.

    Raises
    ------
    KernelError
        If there is no such kernel or it cannot be used with these options.
    OptionError
        If an option has no such value.
    ImageError
        If the pixels are of a type that no picture has.
    ShapeError
        If shapes and options do not fit together, or nothing would come out.

    Examples
    --------
    >>> import numpy as np
    >>> step = np.array([[0, 0, 100, 100]] * 3, np.uint8)
    >>> apply_kernel(step, "sobel-x")[1]
    array([  0, 255, 255,   0], dtype=uint8)
    """
    options = FilterOptions(
        padding, border, fill, stride, dilation, flip, channels, range, alpha, linear, depth
    )
    return filter_pixels(pixels, [get_kernel(kernel)], options, threads=threads).pixels
