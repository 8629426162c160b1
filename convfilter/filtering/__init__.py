"""Applies kernels to pixels: chains of filters, channels, alpha, range, depth and rounding.

`layer` is one filter of a chain; what the channels of an image mean is decided here.
"""

from __future__ import annotations

import operator
import os
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple, Protocol, TypeAlias, cast

import numpy as np
from numpy.typing import ArrayLike

from convfilter.convolution import array_of
from convfilter.convolution.borders import border_fill
from convfilter.convolution.plan import Plan
from convfilter.errors import ImageError, KernelError, OptionError, ShapeError, brief, counted
from convfilter.filtering.blend import Blend, Block, blends, check_blending
from convfilter.filtering.blocks import blocks_of, filter_layer, inputs_of
from convfilter.filtering.layer import Layer, make_layer
from convfilter.filtering.quantize import Clipping, decode, levels_of, rescaled
from convfilter.filtering.weighted import Missing, check_missing
from convfilter.geometry import Axis, Padding, PerAxis
from convfilter.images.formats import fitting_mode, loose_channels
from convfilter.kernels import Kernel, KernelLike, get_chain
from convfilter.options import Alpha, Border, Channels, Depth, FilterOptions, Range, check_choices

ChannelAxis: TypeAlias = Literal["auto"] | int | None

# Modes of Pillow whose samples are levels as they are; others become RGB or RGBA.
_MODES = ("1", "L", "LA", "RGB", "RGBA", "RGBX", "CMYK", "I", "F")
_MOST_CHANNELS = 4


class PillowImage(Protocol):
    """An image of Pillow, which is not imported here."""

    @property
    def mode(self) -> str:
        """What its samples mean."""

    def getbands(self) -> tuple[str, ...]:
        """Return the names of its channels."""


class Filtered(NamedTuple):
    """A filtered image; the shares of colour samples that were cut off are known if they were counted."""

    pixels: np.ndarray  # as `apply_kernel` returns them
    alpha: bool | None = None  # whether the last channel is alpha; None with ``alpha="plain"``
    axes: Sequence[tuple[Axis, ...]] = ()  # frames, rows and columns of each filter
    clipped_below: float | None = None
    clipped_above: float | None = None
    marked: int = 0  # samples that equal the mark of missing ones without being missing


def apply_kernel(
    pixels: ArrayLike | PillowImage,
    kernel: KernelLike,
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
    mix: float = 1.0,
    mask: ArrayLike | None = None,
    region: Sequence[int] | None = None,
    threshold: float = 0.0,
    missing: float | ArrayLike | None = None,
    depth: Depth | None = None,
    channel_axis: ChannelAxis = "auto",
    threads: int | None = None,
) -> np.ndarray:
    """Filter an image as ``convfilter apply`` does.

    Parameters
    ----------
    pixels : ndarray of shape (H, W), (H, W, C), or (T, H, W[, C]) for a kernel with a frame axis
        Integers of 8 to 32 bits, whose full scale is their type's largest value, or floats, whose full scale
        is 1. With 2 or 4 channels the last one is alpha, unless ``alpha="plain"``. Or a Pillow image; a
        palette is converted to colours.
    kernel : str, path-like, array_like, Kernel, or a list of them
        The name of a shipped kernel such as ``"gaussian:sigma=3"``, a matrix, or whatever `get_kernel` takes;
        a list of them is a chain, applied in order.
    padding, border, stride, dilation
        As in `correlate`; two values are for rows and columns.
    fill : float
        Value of a ``constant`` border, as a fraction of full scale.
    flip : bool
        Mathematical convolution: rotate the kernel by 180 degrees first (rows, columns, frames).
    channels : {"each", "sum", "mean", "luma", "gray"}
        Filter every colour channel on its own, sum the results into one channel, or average them. ``luma``
        filters ``Y = 0.299 R + 0.587 G + 0.114 B`` and adds the change to every channel; ``gray`` filters Y
        alone and returns one channel. Both treat a grey image as ``each`` does.
    range : {"auto", "clip", "absolute", "signed", "stretch", "raw"}
        How to handle values outside 0..full scale. ``auto`` is the kernel's own choice, or, if that is
        ``auto`` too, ``absolute`` for a single part that sums to zero without offset and ``clip`` otherwise.
    alpha : {"auto", "keep", "premultiply", "plain", "drop"}
        How to handle alpha; ``auto`` uses it as a weight of the colours (``premultiply``) unless the kernel
        sums to zero or covers one sample only, and otherwise keeps it.
    linear : bool
        Filter in linear light: decode sRGB first and encode it last.
    mix : float
        Strength of the filter, 0 to 1; the rest is the image itself. Values are blended before they are
        rounded: ``x + mix * mask * soft(f - x)``, for a sample x and its filtered value f. The filter must
        preserve size and channels.
    mask : array_like of shape (H, W), optional
        Strength at each pixel, as an image: integers divided by their type's largest value, floats from 0 to
        1, or bool.
    region : sequence of int, optional
        Row, column, height and width of a rectangle outside which the image stays as it is.
    threshold : float
        Fraction of full scale by which changes are reduced towards zero; smaller ones vanish. Below 1 for
        integers.
    missing : float or array_like of shape (H, W), optional
        Samples to ignore: nan, a number in units of the pixels, or a mask that is 0 for them. Kernels without
        negative weights return the weighted mean of the samples that are present, so that holes are filled.
        Others replace missing samples with the one under their anchor; if that is missing, so is the result.
    depth : {8, 16, "float"}, optional
        Bits of the result, uint8, uint16 or float32; full scale stays full scale, and results are rounded
        only once. None keeps the type of `pixels`. Float results are never clipped; nan becomes 0 when
        converted to integers. Cannot be combined with the range ``raw``.
    channel_axis : {"auto"}, int or None
        The axis of the channels in `pixels` and in the result; None if there are no channels. ``auto`` takes
        the last axis, after rows and columns, if it has at most 4 channels or as many as a kernel sums.
    threads : int, optional
        Number of threads. None uses every core that the process may use, or the environment variable
        ``CONVFILTER_THREADS``.

    Returns
    -------
    ndarray of shape (H', W'), (H', W', C') or (T', H', W'[, C'])
        In the type of `pixels`, or as `depth` says; float32 for ``range="raw"``.

    Raises
    ------
    KernelError
        If there is no such kernel or it cannot be used with these options.
    OptionError
        If an option has an invalid value.
    ImageError
        If the pixels have a type that images cannot have.
    ShapeError
        If shapes and options do not fit together, or the output would be empty.

    Examples
    --------
    >>> import numpy as np
    >>> step = np.array([[0, 0, 100, 100]] * 3, np.uint8)
    >>> apply_kernel(step, "sobel-x")[1]
    array([  0, 255, 255,   0], dtype=uint8)
    """
    options = FilterOptions(
        padding=padding,
        border=border,
        fill=fill,
        stride=stride,
        dilation=dilation,
        flip=flip,
        channels=channels,
        range=range,
        alpha=alpha,
        linear=linear,
        mix=mix,
        mask=mask,
        region=region,
        threshold=threshold,
        missing=missing,
        depth=depth,
    )
    for name, value in (("mask", mask), ("missing", missing)):
        if isinstance(value, str | os.PathLike):
            raise OptionError(f"{name}={brief(value)}: use an array; filter_file takes files")
    kernels = get_chain(kernel)
    values, axis, no_alpha = _pixels_of(pixels, kernels, channel_axis)
    options = options._replace(alpha="plain") if no_alpha else options
    result = filter_pixels(values, kernels, options, threads=threads).pixels
    return result if axis is None or result.ndim < values.ndim else np.moveaxis(result, -1, axis)


def _pixels_of(
    pixels: Any, kernels: Sequence[Kernel], channel_axis: ChannelAxis
) -> tuple[np.ndarray, int | None, bool]:
    """Return an image as an array with its channels, if it has any, on the last axis.

    Also return the axis where they were, None for the last, and whether the last of 2 or 4 is a colour.
    """
    if isinstance(pixels, Kernel | str | os.PathLike):
        mend = (
            "pixels come first, then the kernel"
            if isinstance(pixels, Kernel)
            else "filter_file filters files"
        )
        raise ImageError(f"expected pixels (an array or a Pillow image), got {brief(pixels)}: {mend}")
    if np.ma.is_masked(pixels):
        mend = "use pixels.data and missing=~pixels.mask, or pixels.filled(value)"
        raise ImageError(f"pixels are a masked array, whose mask would be ignored: {mend}")
    mode = getattr(pixels, "mode", "") if hasattr(pixels, "getbands") else ""
    if mode and mode not in _MODES and not mode.startswith("I;16"):
        mode = "LA" if mode == "La" else "RGBA" if pixels.has_transparency_data else "RGB"
        pixels = pixels.convert(mode)
    values = array_of(pixels, "an image", ImageError)
    listed = isinstance(pixels, list | tuple) and values.ndim > 1  # as a kernel may be
    if listed and kernels and min(kernels[0].height, kernels[0].width) > max(values.shape[:2]):
        raise ShapeError(f"{kernels[0]!r} is larger than pixels of shape {values.shape}: pixels come first")
    frames = any("frame" in kernel.axes for kernel in kernels)
    axes = 3 if frames else 2
    if channel_axis == "auto":
        summed = any(
            "channel" in kernel.axes for kernel in kernels
        )  # whose number is checked with the kernel
        if values.ndim == axes + 1 and values.shape[-1] > _MOST_CHANNELS and not summed:
            count = values.shape[-1]
            mend = f"set channel_axis=-1 if it has {count} channels, 0 if the first axis is channels"
            fault = f"pixels of shape {values.shape} may be an image or a volume"
            raise ShapeError(f"{fault}: {mend}; correlate filters volumes")
        where = None
    elif channel_axis is None:
        if values.ndim != axes:
            mend = "set channel_axis, or use correlate, which filters arrays of any number of axes"
            raise ShapeError(f"pixels of shape {values.shape} have more than {axes} axes: {mend}")
        where = None
    else:
        try:
            where = operator.index(channel_axis)
            values = np.moveaxis(values, where, -1)
        except (TypeError, np.exceptions.AxisError):
            fault = f"channel_axis={brief(channel_axis)} is not an axis of pixels of shape {values.shape}"
            raise OptionError(f"{fault}: use 'auto', None, or one of them") from None
        if values.ndim != axes + 1:
            raise ShapeError(f"pixels of shape {np.shape(pixels)} have no axis beside {axes} for channels")
    return values, where, mode in ("CMYK", "RGBX")


def check_options(options: FilterOptions, kernels: Sequence[Kernel]) -> None:
    """Refuse options that do not exist, or that some kernel cannot be used with, whatever the image."""
    check_choices(options)
    border_fill(options.border, options.fill)
    check_blending(options)
    check_missing(options.missing)
    if options.missing is not None and options.alpha == "premultiply":
        raise OptionError("missing samples and alpha cannot both be weights: use alpha 'keep' or 'drop'")
    if options.depth is not None and kernels and resolved_range(options, kernels[-1]) == "raw":
        raise OptionError(
            "depth cannot be chosen with range 'raw', which gives floats in the image's own units: "
            "use another range, such as 'clip'"
        )
    for kernel in kernels:
        if "channel" in kernel.axes and options.channels != "each":
            raise KernelError(
                f"kernel '{kernel.name}' sums the channels itself: it cannot be used with channels "
                f"'{options.channels}'"
            )
        if options.channels == "luma":
            fault = "sums to zero" if kernel.is_zero_sum else ""
            fault = fault or ("is the magnitude of its parts" if kernel.combine == "magnitude" else "")
            if fault:
                raise KernelError(
                    f"kernel '{kernel.name}' {fault}: it leaves no lightness to add colours to, so use "
                    "channels 'gray' or 'each'"
                )
        if options.alpha == "premultiply" and kernel.is_zero_sum:
            raise KernelError(
                f"kernel '{kernel.name}' sums to zero, so it cannot weight colours with alpha: use alpha "
                "'keep' or 'drop'"
            )


def resolved_range(options: FilterOptions, kernel: Kernel) -> Range:
    """Return what the range ``auto`` means for a kernel."""
    chosen = kernel.range if options.range == "auto" else options.range
    return cast(Range, kernel.usual_range if chosen == "auto" else chosen)


def options_for(mode: str, options: FilterOptions) -> FilterOptions:
    """Return the options as they apply to a mode: the last channel of CMYK and of loose ones is not alpha."""
    if mode == "LAB" and options.channels in ("luma", "gray"):
        raise ImageError(
            f"channels '{options.channels}' are for red, green and blue, and these are L, a and b"
        )
    return options._replace(alpha="plain") if mode == "CMYK" or loose_channels(mode) else options


def filter_image(
    pixels: np.ndarray,
    mode: str,
    kernels: Sequence[Kernel],
    options: FilterOptions,
    *,
    threads: int | None = None,
    count_clipped: bool = False,
    replace_input: bool = False,
) -> tuple[Filtered, str]:
    """Run `filter_pixels` on pixels of a mode (see `Picture.mode`), and return the mode of the result too."""
    filtered = filter_pixels(
        pixels,
        kernels,
        options_for(mode, options),
        threads=threads,
        count_clipped=count_clipped,
        replace_input=replace_input,
    )
    made = filtered.pixels
    frames = pixels.ndim == 4 or (pixels.ndim == 3 and made.ndim == 4)
    channels = made.shape[-1] if made.ndim - frames == 3 else 1
    return filtered, fitting_mode(mode, channels, filtered.alpha)


def filter_pixels(
    pixels: np.ndarray,
    kernels: Sequence[Kernel],
    options: FilterOptions,
    *,
    threads: int | None = None,
    count_clipped: bool = False,
    replace_input: bool = False,
) -> Filtered:
    """Run a chain of filters over one image, on unrounded values until the last one.

    `count_clipped` counts the samples that were cut off, which costs a little time. With `replace_input` the
    result may take the place of the pixels in their memory.
    """
    stage = last_stage(pixels, kernels, options, threads=threads)
    clipping = Clipping()
    result = filter_layer(
        stage.layer,
        stage.colours,
        stage.alpha,
        clipping=clipping if count_clipped else None,
        blend=stage.blend,
        missing=stage.missing,
        replace_input=replace_input and stage.alpha is None and pixels.flags.writeable,
    )
    marked = _marked(result, stage, options.missing)
    summed = result.shape[-1] - (stage.alpha is not None) == 1 and (stage.grey or stage.layer.bank.summed)
    if stage.opaque:
        result = np.pad(result, [(0, 0)] * 3 + [(0, 1)], constant_values=stage.layer.result.full)
    alpha = None if options.alpha == "plain" else stage.alpha is not None or stage.opaque
    # Take off the axes that the pixels did not have.
    result = result if stage.stack else result[0]
    result = result[..., 0] if (stage.grey or summed) and result.shape[-1] == 1 else result
    filtered = Filtered(result, alpha, stage.axes, marked=marked)
    if not clipping.samples:
        return filtered
    below, above = clipping.below / clipping.samples, clipping.above / clipping.samples
    return filtered._replace(clipped_below=below, clipped_above=above)


def _marked(result: np.ndarray, stage: Stage, missing: Any) -> int:
    """Count the colour samples that equal the mark of missing ones without being missing."""
    depth, levels = stage.layer.depth, stage.layer.result
    number = isinstance(missing, int | float | np.number)
    if not number or not (np.isfinite(missing) and depth.low <= missing <= depth.high):
        return 0
    with np.errstate(over="ignore"):
        mark = np.array([missing], depth.dtype)
    if depth.integer and mark[0] != missing:  # no integer equals a fraction
        return 0
    colours = result[..., : -1 if stage.alpha is not None else None]
    alike = colours == rescaled(mark, depth, levels)
    if stage.missing is None:
        return int(np.count_nonzero(alike))
    if stage.blend is None:
        return int(np.count_nonzero(alike)) - int(np.count_nonzero(stage.missing.hidden))
    return int(np.count_nonzero(alike & (stage.blend.samples[..., : colours.shape[-1]] != mark)))


class Stage(NamedTuple):
    """The last filter of a chain and its input."""

    layer: Layer
    colours: np.ndarray  # (T, H, W, C): the image, or unrounded values, in linear light if that was asked for
    alpha: np.ndarray | None  # (T, H, W); None also for an image that is opaque everywhere
    opaque: bool  # add an alpha of full scale to the result
    stack: bool  # the input has an axis of frames
    grey: bool  # the input has no axis of channels, or an earlier filter has summed them
    blend: Blend | None  # the image itself, if the result is blended with it
    missing: Missing | None  # which colours are missing, if any are
    axes: list[tuple[Axis, ...]]  # of all filters


def last_stage(
    pixels: np.ndarray,
    kernels: Sequence[Kernel],
    options: FilterOptions,
    *,
    threads: int | None = None,
) -> Stage:
    """Run all filters of a chain but the last one, and return what that one has to do."""
    check_options(options, kernels)
    values, stack, grey = _stack_of(pixels, kernels)
    depth = levels_of(values.dtype)
    has_alpha = options.alpha != "plain" and values.shape[-1] in (2, 4)
    colours, alpha = (values[..., :-1], values[..., -1]) if has_alpha else (values, None)
    opaque = alpha is not None and bool((alpha == depth.full).all())
    if options.alpha == "drop":
        has_alpha, alpha = False, None
    if opaque:  # then weights of alpha change nothing
        alpha = None
    missing = None if options.missing is None else Missing(options.missing, colours)
    if missing is not None and not missing.planes.any():
        missing = None
    layers = plan_chain(
        colours.shape,
        colours.dtype,
        kernels,
        options,
        threads,
        alpha=alpha is not None,
        missing=missing is not None,
    )
    grey = grey or any(layer.bank.summed and layer.shape[-1] == 1 for layer in layers)
    if options.linear:
        colours = decode(colours, depth, depth.unrounded(depth.result(options.depth)))
    blend = None
    if blends(options):
        own = values if alpha is not None else values[..., : layers[-1].shape[-1]]
        blend = Blend.of(own, options, None if missing is None else missing.hidden)
    for layer, blocks in zip(layers[:-1], _needed(layers, blend), strict=True):
        colours = filter_layer(layer, colours, alpha, missing=missing, blocks=blocks)
        if alpha is not None:
            colours, alpha = colours[..., :-1], colours[..., -1]
    axes = [layer.axes for layer in layers]
    return Stage(layers[-1], colours, alpha, opaque and has_alpha, stack, grey, blend, missing, axes)


def plan_chain(
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    kernels: Sequence[Kernel],
    options: FilterOptions,
    threads: int | None = None,
    *,
    alpha: bool = False,
    missing: bool = False,
) -> list[Layer]:
    """Decide everything about the filters of a chain for colours of a shape (T, H, W, C) and a type.

    `alpha` says whether there is alpha beside them that is not opaque everywhere, and `missing` whether
    samples are missing.
    """
    _check_fractions(options, dtype)
    depth = levels_of(dtype)
    if options.linear:
        dtype = depth.unrounded(depth.result(options.depth))
    layers: list[Layer] = []
    size = shape
    for number, kernel in enumerate(kernels, start=1):
        layer = make_layer(
            kernel,
            (size, dtype),
            options,
            depth,
            resolved_range(options, kernel),
            threads,
            last=number == len(kernels),
            premultiply=alpha and _premultiplies(kernel, options),
            missing=missing,
        )
        layers.append(layer)
        size, dtype = layer.shape, layer.target
    if blends(options):
        _check_same_size(shape, size)
    return layers


def _needed(layers: Sequence[Layer], blend: Blend | None) -> list[list[Block] | None]:
    """Return the blocks of each layer but the last that the result depends on; None is all of them."""
    if blend is None:
        return [None] * (len(layers) - 1)
    wanted: list[Block] | None = [where for where in blocks_of(layers[-1]) if blend.inside(where)]
    found = []
    for after, layer in zip(layers[:0:-1], layers[-2::-1], strict=True):
        if not wanted or after.range == "stretch":
            wanted = None if wanted is None or after.range == "stretch" else []
        else:
            box = inputs_of(after, wanted)
            wanted = [
                where
                for where in blocks_of(layer)
                if all(
                    part.start < own.stop and own.start < part.stop
                    for part, own in zip(where, box, strict=True)
                )
            ]
        found.append(wanted)
    return found[::-1]


def _check_same_size(before: Sequence[int], after: Sequence[int]) -> None:
    """Refuse to blend a result (T, H, W, C) with an image of another size."""
    if tuple(before) != tuple(after):
        raise ShapeError(
            f"{_size(before)} become {_size(after)}, which cannot be blended with the image: "
            "keep size and channels, or leave out mix, mask, region and threshold"
        )


def _size(shape: Sequence[int]) -> str:
    """Return a shape (T, H, W, C) in words."""
    frames = f"{shape[0]} frames of " if shape[0] > 1 else ""
    return f"{frames}{shape[2]}x{shape[1]} pixels with {counted(shape[3], 'channel')}"


def _check_fractions(options: FilterOptions, dtype: Any) -> None:
    """Refuse, for integers, levels where fractions of full scale are meant."""
    full, fill, threshold = levels_of(dtype).full, options.fill, options.threshold
    if not levels_of(dtype).integer:
        return
    if options.border == "constant" and not 0 <= fill <= 1:
        mend = f"; level {fill:g} of {full:g} is {fill / full:.4g}" if 0 < fill <= full else ""
        fault = f"border constant={fill:g}: it is a fraction of full scale, from 0 to 1 for integers"
        raise OptionError(fault + mend)
    if threshold >= 1:
        levels = f"{counted(threshold, 'level')} of {full:g}"
        mend = f"; {levels} would be {threshold / full:.4g}" if threshold <= full else ""
        fault = f"threshold={threshold:g}: it is a fraction of full scale, below 1 for integers"
        raise OptionError(fault + mend)


def plan_kernel(kernel: Kernel, shape: Sequence[int], dtype: Any, options: FilterOptions) -> Plan:
    """Return the plan for a kernel and an image of shape (H, W, C) without alpha; computes nothing."""
    depth = levels_of(np.dtype(dtype))
    return make_layer(
        kernel, ((1, *shape), depth.dtype), options, depth, resolved_range(options, kernel)
    ).plan


def _stack_of(pixels: np.ndarray, kernels: Sequence[Kernel]) -> tuple[np.ndarray, bool, bool]:
    """Return pixels as (T, H, W, C), and whether they have an axis of frames, and none of channels."""
    values = np.asarray(pixels)
    if values.dtype == bool:
        values = values.astype(np.uint8) * np.uint8(255)
    if not values.dtype.isnative:
        values = values.astype(values.dtype.newbyteorder("="))
    frames = any("frame" in kernel.axes for kernel in kernels)
    grey = values.ndim == (3 if frames else 2)
    if grey:
        values = values[..., np.newaxis]
    if values.ndim not in ((4,) if frames else (3, 4)):
        wanted = "(T, H, W) or (T, H, W, C), for a kernel of frames" if frames else "(H, W) or (H, W, C)"
        raise ShapeError(f"pixels of shape {np.shape(pixels)} are not an image: use {wanted}")
    if 0 in values.shape:
        raise ImageError(f"pixels of shape {np.shape(pixels)} hold no samples")
    stack = values.ndim == 4
    return values if stack else values[np.newaxis], stack, grey


def _premultiplies(kernel: Kernel, options: FilterOptions) -> bool:
    """Return whether a filter uses alpha, where there is one, as a weight of the colours."""
    if options.missing is not None:
        return False
    if options.alpha == "auto":
        one_sample = kernel.height == kernel.width == 1 and "frame" not in kernel.axes
        return not kernel.is_zero_sum and not one_sample
    return options.alpha == "premultiply"
