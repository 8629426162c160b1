"""What Pillow lacks, if it is installed: a quicker PNG encoder, and TIFFs of any type and number of channels.

They come with ``pip install 'convfilter[codecs]'``; nothing else imports imagecodecs and tifffile.
"""

from __future__ import annotations

import functools
import importlib
from typing import TYPE_CHECKING, Any, BinaryIO

from convfilter.images.library import reasons

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["encode_png", "encode_tiff", "open_tiff"]


@functools.cache
def _package(name: str) -> Any:
    return importlib.import_module(name)


def encode_png(pixels: NDArray[Any], *, level: int, strategy: int, filter: int | None) -> bytes:
    """Return an array of one to four channels of 8 or 16 bits as a PNG without metadata.

    Level and strategy are zlib's, the filter is libpng's; None tries all on each row.
    """
    filters = {} if filter is None else {"filter": filter}
    encode = _package("imagecodecs").png_encode
    # The codec's own room is too small for many rows of few samples. zlib may make data an eighth larger.
    room = (pixels.nbytes + len(pixels)) * 9 // 8 + 4096
    with reasons("cannot be written as png"):
        return bytes(encode(pixels, level=level, strategy=strategy, out=room, **filters))


def open_tiff(stream: BinaryIO) -> Any:
    """Return a `tifffile.TiffFile`; the stream is not closed with it."""
    stream.seek(0)
    package = _package("tifffile")
    with reasons("broken tiff data"):
        # It would take a descriptor's number for the name of the file.
        return package.TiffFile(stream, name="file.tif")


def encode_tiff(
    stream: BinaryIO, pixels: NDArray[Any], photometric: str, extra: list[str], compression: int
) -> None:
    """Write an array as a little-endian TIFF of one page, with no tags but those on its layout.

    `extra` says what each channel behind the colours means, ``unassalpha`` or ``unspecified``.
    """
    write = _package("tifffile").imwrite
    with reasons("cannot be written as tiff"):
        write(
            stream,
            pixels,
            bigtiff=False,
            byteorder="<",
            photometric=photometric,
            planarconfig="contig" if pixels.ndim == 3 else None,
            extrasamples=extra,
            compression=compression,
            predictor=compression not in (1, 32773),
            maxworkers=1,
            metadata=None,
            software=False,
        )
