"""TIFF files with the EXIF of cameras in them.

Pillow hands compressed TIFFs to libtiff, which cannot write a directory of EXIF or GPS tags within the
main one. They are appended to the finished file, and the main directory is pointed at them.
"""

from __future__ import annotations

import io
import struct
from typing import Any, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.TiffImagePlugin import AppendingTiffWriter, ImageFileDirectory_v2

from convfilter.images import codecs
from convfilter.images.encoding import Raster
from convfilter.images.library import reasons
from convfilter.images.metadata import Metadata, descriptive_exif

__all__ = ["TiffPages", "save_tiff"]

_Groups = dict[int, dict[int, Any]]

_LOSSLESS = ("raw", "tiff_lzw", "tiff_adobe_deflate", "packbits", "lzma", "zstd")
_GROUPS = (34665, 34853)
_INTEROPERABILITY = 40965
_XMP, _PREDICTOR, _PROFILE = 700, 317, 34675
_STRIPS, _STRIP_BYTES = 273, 279
_RESOLUTION = (296, 282, 283)
_INCHES = 2
_LONG, _UNDEFINED = 4, 7


def save_tiff(raster: Raster, stream: BinaryIO, metadata: Metadata, small: bool) -> None:
    """Write a TIFF without loss, compressed as the input was if it was one.

    Parameters
    ----------
    raster : PIL.Image.Image or ndarray of shape (H, W, C)
        The picture; an array is one of deep samples, encoded by the codecs.
    stream : file object
        Where to write.
    metadata : Metadata
        What to write beside the pixels.
    small : bool
        Whether the size counts more than the time.
    """
    encoded = io.BytesIO()
    groups = _put_page(raster, encoded, metadata, small)
    # A view that an error leaves open would be complained of once more when the file in memory goes.
    with encoded.getbuffer() as data:
        tail = _linked(data, [groups]) if groups else b""
        stream.write(data)
    stream.write(tail)


class _Appending(AppendingTiffWriter):
    """Pillow's writer of several pages, which would return to a file in memory that may be gone."""

    def close(self) -> None:
        """Leave the file alone: `newFrame` has ended every page."""


class TiffPages:
    """Puts the pages of a TIFF together, each with a size, a mode and metadata of its own.

    Parameters
    ----------
    output : file object
        Where to write.
    small : bool
        Whether the size counts more than the time.
    """

    def __init__(self, output: BinaryIO, small: bool) -> None:
        self._output, self._small = output, small
        self._encoded = io.BytesIO()
        self._pages = _Appending(self._encoded)
        self._groups: list[_Groups] = []

    def add(self, raster: Raster, metadata: Metadata) -> None:
        """Take the next page."""
        self._groups.append(_put_page(raster, cast("BinaryIO", self._pages), metadata, self._small))
        self._pages.newFrame()

    def finish(self) -> None:
        """Write the file, in which every page points at the next."""
        with self._encoded.getbuffer() as data:
            tail = _linked(data, self._groups) if any(self._groups) else b""
            self._output.write(data)
        self._output.write(tail)


def _put_page(raster: Raster, stream: BinaryIO, metadata: Metadata, small: bool) -> _Groups:
    """Write a file of one page; return the groups of tags that are to be linked to it."""
    tags, groups = _tags(metadata)
    for group in groups:
        tags[group] = 0  # a place for what it will point to
        tags.tagtype[group] = _LONG
    if isinstance(raster, np.ndarray):
        stream.write(_deep_page(raster, tags, metadata, small))
    else:
        options = _options(raster, tags, metadata, small)
        with reasons("cannot be written as tiff", system=False):
            raster.save(stream, "TIFF", **options)
    return groups


def _deep_page(pixels: NDArray[Any], tags: ImageFileDirectory_v2, metadata: Metadata, small: bool) -> bytes:
    """Return a file of deep samples: those that the codecs encode, behind another directory of tags."""
    compression = _compression("F", metadata.compression, small)
    meaning = "rgb" if pixels.shape[2] > 2 else "minisblack"
    encoded = codecs.encode_tiff(np.ascontiguousarray(pixels), meaning, compression)
    order = "<" if encoded[:2] == b"II" else ">"
    layout, directory = ImageFileDirectory_v2(encoded[:8]), ImageFileDirectory_v2(encoded[:8])
    source = io.BytesIO(encoded)
    source.seek(struct.unpack_from(f"{order}I", encoded, 4)[0])
    layout.load(source)
    for found in (layout, tags):
        for tag in set(found) - (set(_RESOLUTION) if found is layout else set()):
            directory.tagtype[tag] = found.tagtype[tag]
            directory[tag] = found[tag]
    if metadata.icc is not None:
        directory.tagtype[_PROFILE] = _UNDEFINED
        directory[_PROFILE] = metadata.icc
    if metadata.dpi is not None:
        unit, across, down = _RESOLUTION
        directory[unit], directory[across], directory[down] = _INCHES, *metadata.dpi
    begins, counts = layout[_STRIPS], layout[_STRIP_BYTES]
    start, end = min(begins), max(map(sum, zip(begins, counts, strict=True)))
    # Pillow takes them as seen from the end of the directory, which it puts first.
    directory.tagtype[_STRIPS] = _LONG
    directory[_STRIPS] = tuple(begin - start for begin in begins)
    return encoded[:4] + struct.pack(f"{order}I", 8) + directory.tobytes(8) + encoded[start:end]


def _options(
    image: Image.Image, tags: ImageFileDirectory_v2, metadata: Metadata, small: bool
) -> dict[str, Any]:
    """Return Pillow's options for a page."""
    compression = _compression(image.mode, metadata.compression, small)
    if compression not in ("raw", "packbits"):
        tags[_PREDICTOR] = 3 if image.mode == "F" else 2
    options: dict[str, Any] = {"compression": compression, "tiffinfo": tags}
    if metadata.icc is not None:
        options["icc_profile"] = metadata.icc
    if metadata.dpi is not None:
        options["dpi"] = metadata.dpi
    return options


def _compression(mode: str, before: str | None, small: bool) -> str:
    """Choose a compression without loss."""
    before = "tiff_adobe_deflate" if before == "tiff_deflate" else before
    if before in _LOSSLESS and not small:
        return str(before)
    # On 8 bits LZW is four times as fast and a tenth larger; on deeper samples it may not help at all.
    return "tiff_adobe_deflate" if small or mode in ("I;16", "I", "F") else "tiff_lzw"


def _tags(metadata: Metadata) -> tuple[ImageFileDirectory_v2, _Groups]:
    """Return the tags of the main directory, and those of the groups below it."""
    tags = ImageFileDirectory_v2()
    groups: _Groups = {}
    if metadata.exif is not None:
        parsed = Image.Exif()
        parsed.load(metadata.exif)
        kept = descriptive_exif(parsed)
        for tag, value in kept.items():
            if tag not in _GROUPS:
                tags[tag] = value
        for group in _GROUPS:
            if found := kept.get_ifd(group):
                groups[group] = {tag: value for tag, value in found.items() if tag != _INTEROPERABILITY}
    if metadata.xmp is not None:
        tags[_XMP] = metadata.xmp
    return tags, groups


def _linked(data: memoryview, pages: list[_Groups]) -> bytes:
    """Point the directories of a file's pages at what is to be appended to it; return that."""
    tail = b"\0" * (len(data) % 2)
    order = "<" if bytes(data[:2]) == b"II" else ">"
    (start,) = struct.unpack_from(f"{order}I", data, 4)
    for groups in pages:
        (count,) = struct.unpack_from(f"{order}H", data, start)
        behind = start + 2 + 12 * count
        for entry in range(start + 2, behind, 12):
            (group,) = struct.unpack_from(f"{order}H", data, entry)
            if group in groups:
                place = len(data) + len(tail)
                struct.pack_into(f"{order}HHII", data, entry, group, _LONG, 1, place)
                tail += _directory(bytes(data[:8]), group, groups[group], place)
                tail += b"\0" * ((len(data) + len(tail)) % 2)  # directories begin at even places
        (start,) = struct.unpack_from(f"{order}I", data, behind)
    return tail


def _directory(header: bytes, group: int, tags: dict[int, Any], place: int) -> bytes:
    """Return a directory of tags as it is written at a place."""
    directory = ImageFileDirectory_v2(header, group=group)
    for tag, value in tags.items():
        directory[tag] = value
    return bytes(directory.tobytes(place))
