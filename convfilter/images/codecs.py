"""The codecs that Pillow lacks, if they are installed: all bits of deep colours, and a quicker PNG.

They come with ``pip install 'convfilter[codecs]'``; nothing else imports imagecodecs.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
from typing import TYPE_CHECKING, Any

from convfilter.errors import ImageError
from convfilter.images.library import reasons

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["MEND", "available", "decode_png", "decode_tiff", "encode_png", "encode_tiff"]

MEND = "install convfilter[codecs]"
"""What to do where they are missing, in words for a message."""

_COMPRESSIONS = {
    "raw": 1,
    "tiff_lzw": 5,
    "tiff_adobe_deflate": 8,
    "packbits": 32773,
    "lzma": 34925,
    "zstd": 50000,
}


@functools.cache
def available() -> bool:
    """Tell whether the codecs are installed, without loading them."""
    return importlib.util.find_spec("imagecodecs") is not None


@functools.cache
def _codecs() -> Any:
    return importlib.import_module("imagecodecs")


def decode_png(data: bytes) -> NDArray[Any]:
    """Return the samples of a PNG.

    Parameters
    ----------
    data : bytes
        The whole file, with check sums that are right: the codec loses an image's memory over others.

    Returns
    -------
    ndarray of uint8 or uint16 and shape (H, W) or (H, W, C)
        What is marked as transparent comes as alpha, palettes as colours.

    Raises
    ------
    ImageError
        If the codec trips over it.
    """
    try:
        with reasons("broken png data"):
            pixels: NDArray[Any] = _codecs().png_decode(data)
    except ImageError:
        _give_back_none()
        raise
    return pixels


def _give_back_none() -> None:
    """Add a reference to None for the one that png_decode lost, when libpng jumped out over its cleaning up.

    Without it Python before 3.12 aborts after some thousand broken pictures.
    """
    import ctypes

    ctypes.pythonapi.Py_IncRef(ctypes.py_object(None))


def decode_tiff(data: bytes, page: int) -> NDArray[Any]:
    """Return the samples of a page of a TIFF, as they are laid out there.

    Parameters
    ----------
    data : bytes
        The whole file.
    page : int
        Which page, counted from 0.

    Returns
    -------
    ndarray of shape (H, W), (H, W, C) or, of separate planes, (C, H, W)
        In native byte order.
    """
    with reasons("broken tiff data"):
        pixels: NDArray[Any] = _codecs().tiff_decode(data, page)
    return pixels.astype(pixels.dtype.newbyteorder("="), copy=False)


def encode_png(pixels: NDArray[Any], *, level: int, strategy: int, filter: int | None) -> bytes:
    """Return an array as a PNG without metadata.

    Parameters
    ----------
    pixels : ndarray of uint8 or uint16 and shape (H, W) or (H, W, C)
        One to four channels.
    level, strategy : int
        As zlib has them.
    filter : int or None
        The filter of all rows, as libpng numbers them; None tries all on each row.

    Returns
    -------
    bytes
        The file.
    """
    filters = {} if filter is None else {"filter": filter}
    # The codec's own room is too small for many rows of few samples. zlib may make data an eighth larger.
    room = (pixels.nbytes + len(pixels)) * 9 // 8 + 4096
    with reasons("cannot be written as png"):
        return bytes(_codecs().png_encode(pixels, level=level, strategy=strategy, out=room, **filters))


def encode_tiff(pixels: NDArray[Any], photometric: str, compression: str) -> bytes:
    """Return an array as a TIFF of one page, with no tags but those on its layout.

    Parameters
    ----------
    pixels : ndarray of shape (H, W, C)
        Its samples, in C order.
    photometric : {"minisblack", "rgb"}
        What the channels mean; one more than that takes is alpha.
    compression : str
        By Pillow's name.

    Returns
    -------
    bytes
        The file.
    """
    colours = {"minisblack": 1, "rgb": 3}[photometric]
    options: dict[str, Any] = {} if pixels.shape[2] == colours else {"extrasample": "unassalpha"}
    if compression not in ("raw", "packbits"):
        options["predictor"] = True
    with reasons("cannot be written as tiff"):
        return bytes(
            _codecs().tiff_encode(
                pixels,
                photometric=photometric,
                planarconfig="contig",
                compression=_COMPRESSIONS[compression],
                **options,
            )
        )
