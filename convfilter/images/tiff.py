"""TIFF files with the EXIF of cameras in them.

Pillow hands compressed TIFFs to libtiff, which cannot write a directory of EXIF or GPS tags within the
main one. They are appended to the finished file, and the main directory is pointed at them.
"""

from __future__ import annotations

import io
import struct
from typing import Any, BinaryIO

from PIL import Image
from PIL.TiffImagePlugin import AppendingTiffWriter, ImageFileDirectory_v2

from convfilter.images.metadata import Metadata, descriptive_exif

__all__ = ["TiffPages", "save_tiff"]

_Groups = dict[int, dict[int, Any]]

_LOSSLESS = ("raw", "tiff_lzw", "tiff_adobe_deflate", "packbits", "lzma", "zstd")
_GROUPS = (34665, 34853)
_INTEROPERABILITY = 40965
_XMP, _PREDICTOR = 700, 317
_LONG = 4


def save_tiff(image: Image.Image, stream: BinaryIO, metadata: Metadata, small: bool) -> None:
    """Write a TIFF without loss, compressed as the input was if it was one.

    Parameters
    ----------
    image : PIL.Image.Image
        The picture.
    stream : file object
        Where to write.
    metadata : Metadata
        What to write beside the pixels.
    small : bool
        Whether the size counts more than the time.
    """
    options, groups = _options(image, metadata, small)
    if not groups:
        image.save(stream, "TIFF", **options)
        return
    encoded = io.BytesIO()
    image.save(encoded, "TIFF", **options)
    tail = _linked(encoded, [groups])
    stream.write(encoded.getbuffer())
    stream.write(tail)


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
        self._pages = AppendingTiffWriter(self._encoded)
        self._groups: list[_Groups] = []

    def add(self, image: Image.Image, metadata: Metadata) -> None:
        """Take the next page."""
        options, groups = _options(image, metadata, self._small)
        image.save(self._pages, "TIFF", **options)
        self._pages.newFrame()
        self._groups.append(groups)

    def finish(self) -> None:
        """Write the file, in which every page points at the next."""
        tail = _linked(self._encoded, self._groups) if any(self._groups) else b""
        self._output.write(self._encoded.getbuffer())
        self._output.write(tail)


def _options(image: Image.Image, metadata: Metadata, small: bool) -> tuple[dict[str, Any], _Groups]:
    """Return Pillow's options for a page, and the groups of tags that are to be linked to it."""
    compression = _compression(image.mode, metadata.compression, small)
    tags, groups = _tags(metadata)
    if compression not in ("raw", "packbits"):
        tags[_PREDICTOR] = 3 if image.mode == "F" else 2
    for group in groups:
        tags[group] = 0  # a place for what it will point to
        tags.tagtype[group] = _LONG
    options: dict[str, Any] = {"compression": compression, "tiffinfo": tags}
    if metadata.icc is not None:
        options["icc_profile"] = metadata.icc
    if metadata.dpi is not None:
        options["dpi"] = metadata.dpi
    return options, groups


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


def _linked(encoded: io.BytesIO, pages: list[_Groups]) -> bytes:
    """Point the directories of a file's pages at what is to be appended to it; return that."""
    data = encoded.getbuffer()
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
