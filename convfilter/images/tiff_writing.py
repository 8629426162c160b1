"""TIFF files, written page after page.

Pillow encodes the pages of the kinds that it knows, tifffile, of the extra ``codecs``, all others: each as
a file of its own, whose directory is then moved to its place and joined with that of the metadata.
"""

from __future__ import annotations

import importlib
import io
import struct

import numpy as np
from PIL import ExifTags, Image
from PIL.TiffImagePlugin import COMPRESSION_INFO_REV, ImageFileDirectory_v2

from convfilter.errors import ImageError
from convfilter.images.formats import FORMATS, kind_of
from convfilter.images.library import load_plugin, reasons
from convfilter.images.metadata import Metadata, as_stored, descriptive_exif
from convfilter.images.picture import Picture
from convfilter.images.tiff_tags import SIZES
from convfilter.images.writing import Output, taken

__all__ = ["TiffPages", "save_tiff"]

_STRIPS, _TILES, _PREDICTOR, _XMP, _PROFILE = 273, 324, 317, 700, 34675
_RESOLUTION = _UNIT, _ACROSS, _DOWN = 296, 282, 283
_GROUPS = (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo)
# What a page may stay compressed with, by Pillow's names.
_LOSSLESS = {each: each for each in ("raw", "tiff_lzw", "tiff_adobe_deflate", "packbits", "lzma", "zstd")}
_LOSSLESS |= {"tiff_deflate": "tiff_adobe_deflate"}
_LONG = 4
_LARGEST = 2**32 - 1


def save_tiff(picture: Picture, output: Output) -> None:
    """Write a TIFF of one page."""
    pages = TiffPages(output)
    pages.add(picture)
    pages.finish()


class TiffPages:
    """Writes the pages of a TIFF, each with a size, a mode and metadata of its own, and without loss.

    Each is compressed as the input was if that loses nothing. A page ends where the address of the next one
    belongs, which is written once that is known: the stream need not be seekable.
    """

    def __init__(self, output: Output) -> None:
        load_plugin("tiff")
        self._stream, self._small = output.stream, output.small
        self._place = self._stream.write(b"II*\0")

    def add(self, picture: Picture) -> None:
        """Write the next page."""
        with _encoded(picture, self._small).getbuffer() as data:
            start = self._place + 4  # behind the address of this page
            behind = start + len(data)
            entries, values = _moved(data, start, behind)
            tags = _tags(picture.metadata)
            with reasons("cannot be written as tiff"):
                described = tags.tobytes(behind + len(values))
            entries |= _entries(memoryview(described))
            values += described
            for number, kind, count, value in picture.metadata.tags:
                stored = value.ljust(4, b"\0")
                if len(value) > 4:
                    stored = struct.pack("<I", behind + len(values))
                    values += value + bytes(len(value) % 2)
                entries[number] = kind, count, stored
            table = b"".join(struct.pack("<HHI4s", tag, *entries[tag]) for tag in sorted(entries))
            end = behind + len(values) + 2 + len(table)
            if end + 4 > _LARGEST:
                raise ImageError("tiff holds 4 GiB at most; try npy")
            self._stream.write(struct.pack("<I", behind + len(values)))
            self._stream.write(data)
            self._stream.write(values + struct.pack("<H", len(entries)) + table)
        self._place = end

    def finish(self) -> None:
        """End the file."""
        self._stream.write(bytes(4))


_Entry = tuple[int, int, bytes]


def _entries(directory: memoryview) -> dict[int, _Entry]:
    """Return type, count and value or address of each tag in a directory."""
    (count,) = struct.unpack_from("<H", directory)
    rows = struct.iter_unpack("<HHI4s", directory[2 : 2 + 12 * count])
    return {tag: (kind, values, stored) for tag, kind, values, stored in rows}


def _moved(data: memoryview, start: int, behind: int) -> tuple[dict[int, _Entry], bytes]:
    """Return the tags of a little-endian file of one page that is moved to `start`.

    Lists of new addresses come with them, to be put at `behind`; words have even addresses.
    """
    lists = bytes(behind % 2)
    entries = _entries(data[int.from_bytes(data[4:8], "little") :])
    for tag in _RESOLUTION:  # tifffile makes up a resolution
        entries.pop(tag, None)
    for tag, (kind, count, value) in entries.items():
        address, size = int.from_bytes(value, "little"), SIZES[kind]
        if tag in (_STRIPS, _TILES):
            stored = np.frombuffer(data[address:] if size * count > 4 else value, f"<u{size}", count)
            moved = (stored.astype(np.uint64) + start).astype("<u4").tobytes()
            if count > 1:
                lists, moved = lists + moved, struct.pack("<I", behind + len(lists))
            entries[tag] = _LONG, count, moved
        elif size * count > 4:
            entries[tag] = kind, count, struct.pack("<I", address + start)
    return entries, lists


def _encoded(picture: Picture, small: bool) -> io.BytesIO:
    """Return a page as a file of its own, without metadata."""
    encoded = io.BytesIO()
    pixels, mode = picture.pixels, picture.mode
    by_pillow = kind_of(mode, pixels.dtype.name) in FORMATS["tiff"].kinds
    # On 8 bits LZW is four times as fast and a tenth larger; on deeper samples it may not help at all.
    usual = "tiff_lzw" if by_pillow and pixels.itemsize == 1 else "tiff_adobe_deflate"
    compression = "tiff_adobe_deflate" if small else _LOSSLESS.get(picture.metadata.compression or "", usual)
    if not by_pillow:
        base = next((base for base in ("RGB", "CMYK") if mode.startswith(base)), "L")
        channels = pixels.shape[2] if pixels.ndim == 3 else 1
        extra = "unassalpha" if mode in ("LA", "RGBA") else "unspecified"
        photometric = {"L": "minisblack", "RGB": "rgb", "CMYK": "separated"}[base]
        others = [extra] * (channels - len(base))
        tifffile = importlib.import_module("tifffile")
        with reasons("cannot be written as tiff"):
            tifffile.imwrite(
                encoded,
                pixels,
                bigtiff=False,
                byteorder="<",
                photometric=photometric,
                planarconfig="contig" if pixels.ndim == 3 else None,
                extrasamples=others,
                compression=COMPRESSION_INFO_REV[compression],
                predictor=compression not in ("raw", "packbits"),
                maxworkers=1,
                metadata=None,
                software=False,
            )
    else:
        del pixels  # or they would be held while the image is encoded
        image = taken(picture)
        predictor = {} if compression in ("raw", "packbits") else {_PREDICTOR: 3 if mode == "F" else 2}
        with reasons("cannot be written as tiff"):
            image.save(encoded, "TIFF", compression=compression, tiffinfo=predictor)
    return encoded


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
