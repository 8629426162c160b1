"""Arrays in ``.npy`` files, as pictures."""

from __future__ import annotations

import io
import math
import os
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from convfilter.errors import ImageError
from convfilter.images.encoders import Output, Samples
from convfilter.images.formats import fitting_mode, grey_mode
from convfilter.images.library import reasons
from convfilter.images.metadata import Metadata

__all__ = [
    "ArrayFrames",
    "array_header",
    "array_mode",
    "held_dtype",
    "in_c_order",
    "read_array",
    "save_array",
]

_TYPES = ("uint8", "uint16", "uint32", "int8", "int16", "int32", "float32", "float64")
# What is widened or mapped onto the types above without loss.
_WIDENED = {"bool": "uint8", "float16": "float32"}


def array_header(stream: BinaryIO) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Read the header of an ``.npy`` file and check that it can be a picture.

    Parameters
    ----------
    stream : file object
        The file; left where the data begin.

    Returns
    -------
    tuple
        Its shape (H, W), (H, W, C) or (T, H, W, C), whether it lies in Fortran order, and its dtype.

    Raises
    ------
    ImageError
        If it is not an array of numbers in two to four dimensions.
    """
    stream.seek(0)
    with reasons("broken npy data"):
        version = np.lib.format.read_magic(stream)
    if version not in ((1, 0), (2, 0)):
        raise ImageError(f"a .npy file of version {version[0]}.{version[1]} holds no plain numbers")
    readers = {1: np.lib.format.read_array_header_1_0, 2: np.lib.format.read_array_header_2_0}
    with reasons("broken npy data"):
        shape, fortran, dtype = readers[version[0]](stream)
    if dtype.name not in (*_TYPES, *_WIDENED):
        raise ImageError(f"an array of {dtype.name} is no picture; convert it to {', '.join(_TYPES)}")
    if len(shape) not in (2, 3, 4) or 0 in shape:
        taken = "(H, W), (H, W, C) or (T, H, W, C)"
        raise ImageError(f"an array of shape {shape} is no picture; it takes {taken}")
    return shape, fortran, dtype


def array_mode(shape: tuple[int, ...], dtype: str) -> str:
    """Return the mode of an array taken as a picture.

    Parameters
    ----------
    shape : tuple of int
        (H, W) or (H, W, C).
    dtype : str
        The type it is held in, by name.

    Returns
    -------
    str
        By the number of channels, as `Picture.mode`.
    """
    mode = fitting_mode("", shape[2] if len(shape) == 3 else 1)
    return grey_mode(dtype) if mode == "L" else mode


def held_dtype(dtype: np.dtype[Any]) -> str:
    """Return the type in which an array is held.

    Parameters
    ----------
    dtype : numpy.dtype
        The type in the file.

    Returns
    -------
    str
        Its name.
    """
    return _WIDENED.get(dtype.name, dtype.name)


def read_array(stream: BinaryIO, number: int | None = None) -> NDArray[Any]:
    """Read the array of an ``.npy`` file whose size has been found acceptable.

    Parameters
    ----------
    stream : file object
        The file.
    number : int, optional
        Which picture along the first axis; the whole array otherwise.

    Returns
    -------
    ndarray
        In native byte order and C order; a single channel as (H, W), truth values as 0 and 255.

    Raises
    ------
    ImageError
        If the file is too short.
    """
    shape, fortran, dtype = array_header(stream)
    start = stream.tell()
    if stream.seek(0, os.SEEK_END) - start < math.prod(shape) * dtype.itemsize:
        raise ImageError("truncated npy data")
    stream.seek(start)
    if fortran:
        stored = _filled(stream, np.empty(shape[::-1], dtype)).T
        stored = stored if number is None else stored[number]
    elif number is None:
        stored = _filled(stream, np.empty(shape, dtype))
    else:
        stream.seek(number * math.prod(shape[1:]) * dtype.itemsize, os.SEEK_CUR)
        stored = _filled(stream, np.empty(shape[1:], dtype))
    pixels = np.ascontiguousarray(stored)
    if dtype.name == "bool":
        pixels = np.where(pixels.view(np.uint8) != 0, np.uint8(255), np.uint8(0))
    else:
        pixels = pixels.astype(held_dtype(dtype), copy=False)
    return pixels[:, :, 0] if pixels.ndim == 3 and pixels.shape[2] == 1 else pixels


def in_c_order(stream: BinaryIO) -> BinaryIO:
    """Return a file of the same array in C order, in which one picture after another can be read.

    Parameters
    ----------
    stream : file object
        The file.

    Returns
    -------
    file object
        That file, if it is in C order, else one in memory.
    """
    shape, fortran, dtype = array_header(stream)
    if not fortran:
        return stream
    copy = io.BytesIO()
    np.save(copy, np.ascontiguousarray(_filled(stream, np.empty(shape[::-1], dtype)).T))
    return copy


def save_array(samples: Samples, metadata: Metadata, output: Output) -> None:
    """Write an array."""
    _write_header(output.stream, samples.pixels.shape, samples.pixels.dtype)
    output.stream.write(samples.pixels.reshape(-1).view(np.uint8).data)


class ArrayFrames:
    """Writes arrays of one shape and type as one along a further axis."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._kind: tuple[tuple[int, ...], np.dtype[Any]] | None = None

    def add(self, samples: Samples, metadata: Metadata) -> None:
        """Write the next one."""
        pixels = samples.pixels
        kind = pixels.shape, pixels.dtype
        if self._kind is None:
            self._kind = kind
            _write_header(self._output.stream, (self._output.frames, *pixels.shape), pixels.dtype)
        elif kind != self._kind:
            raise ImageError(f"{pixels.dtype} of shape {pixels.shape} after others; try tiff")
        self._output.stream.write(pixels.reshape(-1).view(np.uint8).data)

    def finish(self) -> None:
        """Do nothing: the last array ends the file."""


def _write_header(stream: BinaryIO, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    """Write what stands before an array's samples in C order; `np.save` would hold 16 MB of them twice."""
    described = np.lib.format.dtype_to_descr(dtype)
    header = {"descr": described, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(stream, header)


def _filled(stream: BinaryIO, array: NDArray[Any]) -> NDArray[Any]:
    """Read as many bytes as an array holds into it."""
    view = array.reshape(-1).view(np.uint8).data
    source: Any = stream  # files and buffers can read into memory; `BinaryIO` does not say so
    done = 0
    while done < len(view):
        got = source.readinto(view[done:])
        if not got:
            raise ImageError("truncated npy data")
        done += got
    return array
