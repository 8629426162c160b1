"""NumPy's ``.npy`` files as images: (H, W), (H, W, C), and several along a first axis."""

from __future__ import annotations

import math
import os
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from convfilter.errors import ImageError
from convfilter.images.formats import fitting_mode, grey_mode
from convfilter.images.library import reasons
from convfilter.images.opening import check_channels, check_pixels
from convfilter.images.picture import Picture, Size
from convfilter.images.reading import Frames
from convfilter.images.writing import Writer

_TYPES = ("uint8", "uint16", "uint32", "int8", "int16", "int32", "float32", "float64")
# What is widened or mapped onto the types above without loss.
_WIDENED = {"bool": "uint8", "float16": "float32"}
_MOST_CHANNELS = 4  # of an array that is an image without doubt


class NpyReader(Frames):
    """Reads the images of an array."""

    def _begin(self, warnings: list[str]) -> None:
        shape, self._fortran, self._stored = _header(self.stream)
        self._start = self.stream.tell()
        wide = len(shape) == 3 and shape[2] > _MOST_CHANNELS
        if wide and self.axes == "unclear":
            raise ImageError(
                f"an array of shape {shape} may be {shape[0]} frames or an image of {shape[2]} channels: "
                f"apply it with --frames each or stack, or save it as {(*shape, 1)} for frames, "
                f"as {(1, *shape)} for channels"
            )
        self.volume = len(shape) == 3 and (self.axes == "frames" or (wide and self.axes == "frames if wide"))
        self._several = len(shape) == 4 or self.volume
        self._whole, self._frame = shape, shape[1:] if self._several else shape
        self.count = shape[0] if self._several else 1
        self._transposed: NDArray[Any] | None = None
        size = self._header(0)
        check_pixels(size[:2], self.max_pixels)
        check_channels(size.channels, self.max_pixels)

    def _header(self, number: int) -> Size:
        height, width, channels = (*self._frame, 1)[:3]
        dtype = _WIDENED.get(self._stored.name, self._stored.name)
        mode = fitting_mode("", channels)
        return Size(
            width, height, channels, grey_mode(dtype) if mode == "L" else mode, dtype, "npy", self.count
        )

    def _decode(self, number: int, warnings: list[str]) -> Picture:
        """Read one; a single channel comes as (H, W), truth values as 0 and 255."""
        pixels = np.ascontiguousarray(self._samples(number))
        size = self._header(number)
        if self._stored.name == "bool":
            pixels = np.where(pixels.view(np.uint8) != 0, np.uint8(255), np.uint8(0))
        pixels = pixels.astype(size.dtype, copy=False)
        return Picture(pixels[:, :, 0] if pixels.shape[2:] == (1,) else pixels, size.mode, "npy")

    def _samples(self, number: int) -> NDArray[Any]:
        length = self.stream.seek(0, os.SEEK_END) - self._start
        if length < math.prod(self._whole) * self._stored.itemsize:
            raise ImageError("truncated npy data")
        if not self._fortran:
            return self._filled(number * math.prod(self._frame), self._frame)
        if self._transposed is None:  # in which the images are interleaved
            self._transposed = self._filled(0, self._whole[::-1]).T
        return self._transposed[number] if self._several else self._transposed

    def _filled(self, first: int, shape: tuple[int, ...]) -> NDArray[Any]:
        """Return an array of the file's samples from the first one on."""
        array = np.empty(shape, self._stored)
        view = array.reshape(-1).view(np.uint8).data
        self.stream.seek(self._start + first * self._stored.itemsize)
        stream: Any = self.stream  # files and buffers can read into memory; `BinaryIO` does not say so
        if stream.readinto(view) < len(view):
            raise ImageError("truncated npy data")
        return array


def _header(stream: BinaryIO) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Return an array's shape, whether it is in Fortran order, and its type, if it can be an image."""
    stream.seek(0)
    with reasons("broken npy data"):
        version = np.lib.format.read_magic(stream)
    if version not in ((1, 0), (2, 0)):
        raise ImageError(f"a .npy file of version {version[0]}.{version[1]} does not hold plain numbers")
    readers = {1: np.lib.format.read_array_header_1_0, 2: np.lib.format.read_array_header_2_0}
    with reasons("broken npy data"):
        shape, fortran, dtype = readers[version[0]](stream)
    if dtype.name not in (*_TYPES, *_WIDENED):
        raise ImageError(f"an array of {dtype.name} is not an image; convert it to {', '.join(_TYPES)}")
    if len(shape) not in (2, 3, 4) or 0 in shape:
        expected = "(H, W), (H, W, C) or (T, H, W, C)"
        raise ImageError(f"an array of shape {shape} is not an image; it must be {expected}")
    return shape, fortran, dtype


class NpyWriter(Writer):
    """Writes an array, or several of one shape and type as one along a further axis.

    `numpy.save` would hold 16 MB of them twice.
    """

    _kind: tuple[tuple[int, ...], np.dtype[Any]] | None = None

    def add(self, picture: Picture) -> None:
        """Write the only array, or the next one."""
        pixels = np.ascontiguousarray(picture.pixels)
        kind = pixels.shape, pixels.dtype
        if self._kind is None:
            self._kind = kind
            shape = (self.count, *pixels.shape) if self.count else pixels.shape
            described = np.lib.format.dtype_to_descr(pixels.dtype)
            header = {"descr": described, "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(self.stream, header)
        elif kind != self._kind:
            raise ImageError(f"{pixels.dtype} of shape {pixels.shape} after others; try tiff")
        self.stream.write(pixels.reshape(-1).view(np.uint8).data)
