"""TIFF files, written page after page.

Pillow encodes the pages of the kinds that it knows, tifffile, of the extra ``codecs``, all others: each as
a file of its own, whose directory is then moved to its place and joined with that of the metadata.
"""

from __future__ import annotations

import io
import struct

import numpy as np
from PIL import ExifTags, Image
from PIL.TiffImagePlugin import COMPRESSION_INFO_REV, ImageFileDirectory_v2

from convfilter.errors import ImageError
from convfilter.images import codecs
from convfilter.images.encoders import Output, Raster, Samples
from convfilter.images.library import load_plugin, reasons
from convfilter.images.metadata import Metadata, as_stored, descriptive_exif
from convfilter.images.tiff_tags import SIZES

__all__ = ["TiffPages", "save_tiff"]

_STRIPS, _TILES, _PREDICTOR, _XMP, _PROFILE = 273, 324, 317, 700, 34675
_RESOLUTION = _UNIT, _ACROSS, _DOWN = 296, 282, 283
_GROUPS = (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo)
_LOSSLESS = ("raw", "tiff_lzw", "tiff_adobe_deflate", "packbits", "lzma", "zstd")
_LONG = 4
_LARGEST = 2**32 - 1


def save_tiff(raster: Raster, metadata: Metadata, output: Output) -> None:
    """Write a TIFF of one page."""
    pages = TiffPages(output)
    pages.add(raster, metadata)
    pages.finish()


class TiffPages:
    """Writes the pages of a TIFF, each with a size, a mode and metadata of its own, and without loss.

    Each is compressed as the input was if it was one. What is written is not met again: a page ends where
    the address of the next one belongs, which is written once that is known.
    """

    def __init__(self, output: Output) -> None:
        load_plugin("tiff")
        self._output, self._small = output.stream, output.small
        self._place = self._output.write(b"II*\0")

    def add(self, raster: Raster, metadata: Metadata) -> None:
        """Write the next page."""
        encoded = _encoded(raster, metadata.compression, self._small)
        start = self._place + 4  # behind the address of this page
        with encoded.getbuffer() as data:
            entries, lists = _moved(data, start, start + len(data))
            tags = _tags(metadata)
            with reasons("cannot be written as tiff"):
                beside = tags.tobytes(start + len(data) + len(lists))
            entries |= _entries(memoryview(beside))
            raw = []
            for tag in metadata.tags:
                behind = start + len(data) + len(lists) + len(beside)
                if len(tag.data) > 4:
                    beside += tag.data + bytes(len(tag.data) % 2)
                stored = struct.pack("<I", behind) if len(tag.data) > 4 else tag.data.ljust(4, b"\0")
                entries.pop(tag.number, None)
                raw.append((tag.number, (tag.type, tag.values, stored)))
            place = start + len(data) + len(lists) + len(beside)
            rows = sorted([*entries.items(), *raw], key=lambda row: row[0])
            table = b"".join(struct.pack("<HHI4s", number, *entry) for number, entry in rows)
            end = place + 2 + len(table)
            if end + 4 > _LARGEST:
                raise ImageError("tiff holds 4 GiB at most; try npy")
            self._output.write(struct.pack("<I", place))
            self._output.write(data)
            self._output.write(lists + beside + struct.pack("<H", len(rows)) + table)
        self._place = end

    def finish(self) -> None:
        """End the file."""
        self._output.write(bytes(4))


_Entry = tuple[int, int, bytes]


def _entries(directory: memoryview) -> dict[int, _Entry]:
    """Return type, count and value or address of each tag in a directory."""
    (count,) = struct.unpack_from("<H", directory)
    return {tag: rest for tag, *rest in struct.iter_unpack("<HHI4s", directory[2 : 2 + 12 * count])}  # type: ignore[misc]


def _moved(data: memoryview, start: int, behind: int) -> tuple[dict[int, _Entry], bytes]:
    """Return the tags of a file of one page as they are when the file is moved.

    Parameters
    ----------
    data : memoryview
        The file, little-endian.
    start : int
        Where it begins now.
    behind : int
        Where lists of new addresses can be put.

    Returns
    -------
    dict and bytes
        Its entries, and what is to be put behind it.
    """
    (place,) = struct.unpack_from("<I", data, 4)
    lists = b"\0" * (behind % 2)
    entries = _entries(data[place:])
    for tag in _RESOLUTION:  # tifffile makes up a resolution
        entries.pop(tag, None)
    for tag, (kind, count, value) in entries.items():
        (address,) = struct.unpack("<I", value)
        if tag in (_STRIPS, _TILES):
            source = data[address:] if SIZES[kind] * count > 4 else memoryview(value)
            stored = np.frombuffer(source, {2: "<u2", 4: "<u4"}[SIZES[kind]], count)
            moved = (stored.astype(np.uint64) + start).astype("<u4").tobytes()
            if count > 1:
                lists, moved = lists + moved, struct.pack("<I", behind + len(lists))
            entries[tag] = _LONG, count, moved
        elif SIZES[kind] * count > 4:
            entries[tag] = kind, count, struct.pack("<I", address + start)
    return entries, lists


def _encoded(raster: Raster, before: str | None, small: bool) -> io.BytesIO:
    """Return a page as a file of its own, without metadata."""
    encoded = io.BytesIO()
    mode = "F" if isinstance(raster, Samples) else raster.mode
    compression = _compression(mode, before, small)
    if isinstance(raster, Samples):
        pixels, mode = raster
        base = next((base for base in ("RGB", "CMYK") if mode.startswith(base)), "L")
        channels = pixels.shape[2] if pixels.ndim == 3 else 1
        extra = "unassalpha" if mode in ("LA", "RGBA") else "unspecified"
        photometric = {"L": "minisblack", "RGB": "rgb", "CMYK": "separated"}[base]
        others = [extra] * (channels - len(base))
        codecs.encode_tiff(encoded, pixels, photometric, others, COMPRESSION_INFO_REV[compression])
    else:
        predictor = {} if compression in ("raw", "packbits") else {_PREDICTOR: 3 if mode == "F" else 2}
        with reasons("cannot be written as tiff"):
            raster.save(encoded, "TIFF", compression=compression, tiffinfo=predictor)
    return encoded


def _compression(mode: str, before: str | None, small: bool) -> str:
    """Choose a compression without loss."""
    before = "tiff_adobe_deflate" if before == "tiff_deflate" else before
    if before in _LOSSLESS and not small:
        return str(before)
    # On 8 bits LZW is four times as fast and a tenth larger; on deeper samples it may not help at all.
    return "tiff_adobe_deflate" if small or mode in ("I;16", "I", "F") else "tiff_lzw"


def _tags(metadata: Metadata) -> ImageFileDirectory_v2:
    """Return the tags that are written beside the pixels."""
    tags = ImageFileDirectory_v2()
    if metadata.exif is not None:
        parsed = Image.Exif()
        parsed.load(metadata.exif)
        kept = descriptive_exif(parsed)
        for tag, value in kept.items():
            if tag not in _GROUPS:
                tags[tag] = as_stored(value)
        for group in _GROUPS:
            if found := kept.get_ifd(group):
                tags.tagtype[group] = _LONG
                tags[group] = {
                    tag: as_stored(value) for tag, value in found.items() if tag != ExifTags.IFD.Interop
                }
    for tag, block in ((_XMP, metadata.xmp), (_PROFILE, metadata.icc)):
        if block is not None:
            tags[tag] = block
    if metadata.dpi is not None:
        tags[_UNIT], tags[_ACROSS], tags[_DOWN] = 2, *metadata.dpi
    return tags
