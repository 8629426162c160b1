"""A kernel on pixels: parts, channels, alpha, linear light, range and rounding."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from convfilter.convolution.borders import check_border, check_fill
from convfilter.convolution.plan import Plan
from convfilter.errors import ConvfilterError, ImageError, KernelError, ShapeError
from convfilter.filtering.bank import make_bank
from convfilter.filtering.depth import Depth, depth_of
from convfilter.filtering.finish import Clipping
from convfilter.filtering.light import decode
from convfilter.filtering.options import ALPHAS, CHANNELS, RANGES, FilterOptions
from convfilter.filtering.step import Layer, filter_layer, plan_layer
from convfilter.geometry import Axis, Padding, PerAxis, axes_of, propose
from convfilter.kernels import Kernel, get_kernel

__all__ = ["FilterOptions", "Filtered", "apply_kernel", "check_options", "filter_pixels", "plan_kernel"]


class Filtered(NamedTuple):
    """A filtered picture.

    Attributes
    ----------
    pixels : ndarray
        As `apply_kernel` returns them.
    alpha : bool or None
        Whether the last channel is alpha; None with ``alpha="plain"``, where only the caller can know.
    clipped_below, clipped_above : float or None
        Shares of colour samples that were cut off at the limits, if they were counted.
    """

    pixels: np.ndarray
    alpha: bool | None = None
    clipped_below: float | None = None
    clipped_above: float | None = None


def apply_kernel(
    pixels: np.ndarray,
    kernel: Kernel | str,
    *,
    padding: Padding = "same",
    border: str = "edge",
    fill: float = 0.0,
    stride: PerAxis = 1,
    dilation: PerAxis = 1,
    flip: bool = False,
    channels: str = "each",
    range: str = "auto",
    alpha: str = "auto",
    linear: bool = False,
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
    threads : int, optional
        None is every core the process may use, or the environment's ``CONVFILTER_THREADS``.

    Returns
    -------
    ndarray of shape (H', W'), (H', W', C') or (T', H', W'[, C'])
        Of the type of `pixels`; float32 for ``range="raw"``.

    Raises
    ------
    KernelError
        If there is no such kernel or it cannot be used with these options.
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
    options = FilterOptions(padding, border, fill, stride, dilation, flip, channels, range, alpha, linear)
    return filter_pixels(pixels, [get_kernel(kernel)], options, threads=threads).pixels


def filter_pixels(
    pixels: np.ndarray,
    kernels: Sequence[Kernel],
    options: FilterOptions,
    *,
    threads: int | None = None,
    count_clipped: bool = False,
) -> Filtered:
    """Run a chain of filters over one picture, on unrounded values until the last one.

    Parameters
    ----------
    pixels, threads
        As in `apply_kernel`.
    kernels : sequence of Kernel
        At least one, in the order in which they are applied.
    options : FilterOptions
        They hold for every filter of the chain.
    count_clipped : bool
        Tell the shares of samples that were cut off, which costs a little time.

    Returns
    -------
    Filtered

    Raises
    ------
    ConvfilterError
        As `apply_kernel`.
    """
    if not kernels:
        raise ConvfilterError("no kernel was given: name at least one")
    check_options(options, kernels)
    values = _checked_pixels(pixels, kernels)
    depth = depth_of(values.dtype)
    stack = values.ndim == 4
    grey = values.ndim == 2 or (stack and np.ndim(pixels) == 3)
    values = _as_stack(values)
    has_alpha = options.alpha != "plain" and values.shape[-1] in (2, 4)
    colours, alpha = (values[..., :-1], values[..., -1]) if has_alpha else (values, None)
    opaque = alpha is not None and bool((alpha == depth.full).all())
    if options.alpha == "drop":
        has_alpha, alpha = False, None
    if opaque:  # then weighing changes nothing, and is not even begun
        alpha = None
    if options.linear:
        colours = decode(colours, depth)
    clipping = Clipping() if count_clipped else None
    for number, kernel in enumerate(kernels):
        last = number == len(kernels) - 1
        layer = _layer(kernel, colours.shape, options, depth, threads, last=last)
        colours = filter_layer(
            layer,
            colours,
            alpha,
            premultiply=alpha is not None and _weighs_alpha(kernel, options),
            clipping=clipping if last else None,
        )
        if alpha is not None and not last:
            colours, alpha = colours[..., :-1], colours[..., -1]
    result = _with_opaque_alpha(colours, depth) if opaque and has_alpha else colours
    summed = colours.shape[-1] == 1 and (grey or layer.bank.summed)
    kept = None if options.alpha == "plain" else alpha is not None or (opaque and has_alpha)
    return _filtered(result, kept, stack, grey or summed, clipping)


def plan_kernel(kernel: Kernel, shape: Sequence[int], dtype: Any, options: FilterOptions) -> Plan:
    """Return the plan by which a kernel runs over a picture without alpha, with nothing computed.

    Parameters
    ----------
    kernel : Kernel
        A kernel.
    shape : sequence of int
        (H, W, C) of the picture.
    dtype : data-type
        Type of its samples.
    options : FilterOptions
        How to filter.

    Returns
    -------
    Plan

    Raises
    ------
    ConvfilterError
        As `apply_kernel`.
    """
    depth = depth_of(np.dtype(dtype))
    layer = _layer(kernel, (1, *shape), options, depth, None, last=True)
    return plan_layer(layer, depth.dtype, shape[-1])


def _filtered(
    result: np.ndarray, alpha: bool | None, stack: bool, grey: bool, clipping: Clipping | None
) -> Filtered:
    """Take off the axes that the caller's picture does not have."""
    result = result if stack else result[0]
    result = result[..., 0] if grey and result.shape[-1] == 1 else result
    if clipping is None or not clipping.samples:
        return Filtered(result, alpha)
    return Filtered(result, alpha, clipping.below / clipping.samples, clipping.above / clipping.samples)


def check_options(options: FilterOptions, kernels: Sequence[Kernel]) -> None:
    """Refuse options that do not exist, or that some kernel cannot be used with, whatever the picture.

    Raises
    ------
    ConvfilterError
        With the nearest value that exists, or what the kernel takes.
    """
    for name, value, known in (
        ("channels", options.channels, CHANNELS),
        ("range", options.range, RANGES),
        ("alpha", options.alpha, ALPHAS),
    ):
        if value not in known:
            raise ConvfilterError(f"unknown {name} {value!r}{propose(value, known)}")
    check_border(options.border)
    check_fill(options.fill)
    for kernel in kernels:
        if "channel" in kernel.axes and options.channels != "each":
            raise KernelError(
                f"kernel '{kernel.name}' sums the channels itself: it cannot be used with channels "
                f"'{options.channels}'"
            )
        if options.alpha == "premultiply" and kernel.is_zero_sum:
            raise KernelError(
                f"kernel '{kernel.name}' sums to zero: alpha cannot be weighed with it, so keep or drop it"
            )


def _checked_pixels(pixels: np.ndarray, kernels: Sequence[Kernel]) -> np.ndarray:
    """Pixels as an array that says by its axes whether it is a stack: (H, W), (H, W, C) or (T, H, W, C)."""
    values = np.asarray(pixels)
    if values.dtype == bool:
        values = values.astype(np.uint8) * np.uint8(255)
    if not values.dtype.isnative:
        values = values.astype(values.dtype.newbyteorder("="))
    frames = any("frame" in kernel.axes for kernel in kernels)
    if frames and values.ndim == 3:
        values = values[..., np.newaxis]
    if values.ndim not in ((4,) if frames else (2, 3, 4)):
        wanted = "(T, H, W) or (T, H, W, C), for a kernel of frames" if frames else "(H, W) or (H, W, C)"
        raise ShapeError(f"pixels of shape {values.shape} are no picture: give {wanted}")
    if 0 in values.shape:
        raise ImageError(f"pixels of shape {values.shape} hold no samples")
    return values


def _as_stack(values: np.ndarray) -> np.ndarray:
    """The same samples with all four axes: frames, rows, columns, channels."""
    if values.ndim == 2:
        return values[np.newaxis, :, :, np.newaxis]
    return values[np.newaxis] if values.ndim == 3 else values


def _layer(
    kernel: Kernel,
    shape: tuple[int, ...],
    options: FilterOptions,
    depth: Depth,
    threads: int | None,
    *,
    last: bool,
) -> Layer:
    """Decide everything about one filter of a chain."""
    bank = make_bank(kernel, options.channels, shape[-1], options.flip)
    target: np.dtype[Any] = depth.dtype if last else depth.unrounded
    if options.resolved_range(kernel) == "raw" and last:
        target = np.dtype(np.float32)
    return Layer(
        bank=bank,
        axes=filter_axes(shape[:3], bank.weights.shape[3:], options),
        border=options.border,
        fill=_fill(options, depth),
        combine=kernel.combine,
        offset=kernel.offset * depth.full,
        range=options.resolved_range(kernel),
        depth=depth,
        target=target,
        linear=options.linear and last,
        threads=threads,
    )


def filter_axes(shape: Sequence[int], window: Sequence[int], options: FilterOptions) -> tuple[Axis, ...]:
    """Return the axes of frames, rows and columns; numbers are meant for rows and columns only."""
    padding = options.padding if isinstance(options.padding, str) else "same"
    frames = axes_of(shape[0], window[0], padding=padding)
    picture = axes_of(
        shape[1:], window[1:], padding=options.padding, stride=options.stride, dilation=options.dilation
    )
    return frames + picture


def _fill(options: FilterOptions, depth: Depth) -> float:
    """The value of a constant border in units of the picture, in the light that is filtered in."""
    if options.border != "constant":
        return 0.0
    fill = float(options.fill) * depth.full
    return float(decode(np.array([fill]), depth)[0]) if options.linear else fill


def _weighs_alpha(kernel: Kernel, options: FilterOptions) -> bool:
    if options.alpha == "auto":
        one_sample = kernel.height == kernel.width == 1 and "frame" not in kernel.axes
        return not kernel.is_zero_sum and not one_sample
    return options.alpha == "premultiply"


def _with_opaque_alpha(colours: np.ndarray, depth: Depth) -> np.ndarray:
    whole = np.empty((*colours.shape[:-1], colours.shape[-1] + 1), colours.dtype)
    whole[..., :-1], whole[..., -1] = colours, depth.full
    return whole
