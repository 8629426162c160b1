"""Arguments for pixels and kernels in Python: arrays, Pillow images, names, matrices and lists of them."""

from __future__ import annotations

import operator
import os
from collections.abc import Sequence
from typing import Any, Literal, Protocol, TypeAlias

import numpy as np

from convfilter.convolution import array_of
from convfilter.errors import ImageError, OptionError, ShapeError, brief
from convfilter.kernels import Kernel

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


def pixels_of(
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
