"""A chain of filters over one picture: what each is given, and the rounding at the end."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np

from convfilter.convolution.borders import fill_of
from convfilter.convolution.plan import Plan
from convfilter.errors import ImageError, OptionError, ShapeError
from convfilter.filtering.bank import make_bank
from convfilter.filtering.depth import Depth, depth_of
from convfilter.filtering.finish import Clipping
from convfilter.filtering.layer import Layer, plan_layer
from convfilter.filtering.light import decode
from convfilter.filtering.options import check_options, resolved_range
from convfilter.filtering.step import filter_layer
from convfilter.geometry import Axis, axes_of
from convfilter.kernels import Kernel
from convfilter.options import FilterOptions

__all__ = ["Filtered", "Stage", "filter_axes", "filter_pixels", "last_stage", "plan_kernel", "weighs_alpha"]


class Filtered(NamedTuple):
    """A filtered picture.

    Attributes
    ----------
    pixels : ndarray
        As `convfilter.apply_kernel` returns them.
    alpha : bool or None
        Whether the last channel is alpha; None with ``alpha="plain"``, where only the caller can know.
    clipped_below, clipped_above : float or None
        Shares of colour samples that were cut off at the limits, if they were counted.
    """

    pixels: np.ndarray
    alpha: bool | None = None
    clipped_below: float | None = None
    clipped_above: float | None = None


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
        As in `convfilter.apply_kernel`.
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
        As `convfilter.apply_kernel`.
    """
    stage = last_stage(pixels, kernels, options, threads=threads)
    clipping = Clipping() if count_clipped else None
    result = filter_layer(
        stage.layer, stage.colours, stage.alpha, premultiply=stage.premultiply, clipping=clipping
    )
    summed = result.shape[-1] - (stage.alpha is not None) == 1 and (stage.grey or stage.layer.bank.summed)
    if stage.opaque:
        result = _with_opaque_alpha(result, stage.layer.result)
    has_alpha = stage.alpha is not None or stage.opaque
    kept = None if options.alpha == "plain" else has_alpha
    return _filtered(result, kept, stage.stack, stage.grey or summed, clipping)


class Stage(NamedTuple):
    """The last filter of a chain, and what it is given.

    Attributes
    ----------
    layer : Layer
        The filter.
    colours : ndarray of shape (T, H, W, C)
        What the filters before it made, unrounded, or the picture itself; in linear light if that was asked.
    alpha : ndarray of shape (T, H, W), or None
        None also for a picture that is opaque everywhere, where weighing changes nothing.
    premultiply : bool
        Whether the colours are weighed with alpha.
    opaque : bool
        Whether an alpha of full scale is put beside the result.
    stack, grey : bool
        Whether the picture came as frames, and without an axis for channels, or has lost it on the way.
    """

    layer: Layer
    colours: np.ndarray
    alpha: np.ndarray | None
    premultiply: bool
    opaque: bool
    stack: bool
    grey: bool


def last_stage(
    pixels: np.ndarray,
    kernels: Sequence[Kernel],
    options: FilterOptions,
    *,
    threads: int | None = None,
) -> Stage:
    """Run all filters of a chain but the last one.

    Parameters
    ----------
    pixels, kernels, options, threads
        As in `filter_pixels`.

    Returns
    -------
    Stage
        What the last one has to do.

    Raises
    ------
    ConvfilterError
        As `convfilter.apply_kernel`.
    """
    if not kernels:
        raise OptionError("no kernel was given: name at least one")
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
        colours = decode(colours, depth, depth.unrounded(depth.result(options.depth)))
    for number, kernel in enumerate(kernels):
        last = number == len(kernels) - 1
        layer = _layer(kernel, colours.shape, options, depth, threads, last=last)
        premultiply = alpha is not None and weighs_alpha(kernel, options)
        if last:
            break
        colours = filter_layer(layer, colours, alpha, premultiply=premultiply)
        grey = grey or (layer.bank.summed and len(layer.bank.weights) == 1)
        if alpha is not None:
            colours, alpha = colours[..., :-1], colours[..., -1]
    return Stage(layer, colours, alpha, premultiply, opaque and has_alpha, stack, grey)


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
        As `convfilter.apply_kernel`.
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
    asked = depth.result(options.depth)
    result, target = (asked, asked.dtype) if last else (depth, depth.unrounded(asked))
    if resolved_range(options, kernel) == "raw" and last:
        target = np.dtype(np.float32)
    if result.full != depth.full:
        bank = bank.scaled(Fraction(result.full) / Fraction(depth.full))
    return Layer(
        bank=bank,
        axes=filter_axes(shape[:3], bank.weights.shape[3:], options),
        border=options.border,
        fill=_fill(options, depth),
        combine=kernel.combine,
        offset=Fraction(str(kernel.offset)) * Fraction(result.full),  # the decimals that were written
        range=resolved_range(options, kernel),
        depth=depth,
        result=result,
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
    fill = fill_of(options.border, float(options.fill)) * depth.full
    return float(decode(np.array([fill]), depth, np.dtype(np.float64))[0]) if options.linear else fill


def weighs_alpha(kernel: Kernel, options: FilterOptions) -> bool:
    """Tell whether a filter weighs colours with alpha, where there is one."""
    if options.alpha == "auto":
        one_sample = kernel.height == kernel.width == 1 and "frame" not in kernel.axes
        return not kernel.is_zero_sum and not one_sample
    return options.alpha == "premultiply"


def _with_opaque_alpha(colours: np.ndarray, depth: Depth) -> np.ndarray:
    whole = np.empty((*colours.shape[:-1], colours.shape[-1] + 1), colours.dtype)
    whole[..., :-1], whole[..., -1] = colours, depth.full
    return whole
