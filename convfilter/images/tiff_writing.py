"""TIFF files, written page after page.

Pillow encodes the pages of the kinds that it knows, tifffile, of the extra ``codecs``, all others: each as
a file of its own, whose directory is then moved to its place and joined with that of the metadata.
"""

from __future__ import annotations

import importlib
import io
import struct
from fractions import Fraction

import numpy as np
from PIL.TiffImagePlugin import COMPRESSION_INFO_REV

from convfilter.errors import ImageError
from convfilter.images.exif import (
    Group,
    exif_in_tiff,
    laid_out,
    note_in_place,
    resolution_of,
)
from convfilter.images.formats import FORMATS, kind_of
from convfilter.images.library import add_warning, load_plugin, reasons
from convfilter.images.picture import Metadata, Picture
from convfilter.images.tiff_tags import Directory, TiffTag, address_at, little_endian
from convfilter.images.writing import Output, Writer, taken

__all__ = ["TiffWriter"]

_STRIPS, _TILES, _PREDICTOR, _XMP, _PROFILE = 273, 324, 317, 700, 34675
_RESOLUTION = _UNIT, _ACROSS, _DOWN = 296, 282, 283
# What a page may stay compressed with, by Pillow's names.
_LOSSLESS = {each: each for each in ("raw", "tiff_lzw", "tiff_adobe_deflate", "packbits", "lzma", "zstd")}
_LOSSLESS |= {"tiff_deflate": "tiff_adobe_deflate"}
_LONG = 4
_LARGEST = 2**32 - 1


class TiffWriter(Writer):
    """Writes the pages of a TIFF, each with a size, a mode and metadata of its own, and without loss.

    Each is compressed as the input was if that loses nothing. A page ends where the address of the next one
    belongs, which is written once that is known: the stream need not be seekable.
    """

    def __init__(self, output: Output) -> None:
        super().__init__(output)
        load_plugin("tiff")
        self._place = output.stream.write(b"II*\0")

    def add(self, picture: Picture) -> None:
        """Write the next page."""
        group, first = _group(picture.metadata, self.output.warnings), self._place == 4
        note = note_in_place(group) if first else b""
        data = _encoded(picture, self.output.small)
        start = self._place + 4 + len(note)  # behind the address of this page
        behind = start + len(data)
        table, values = laid_out({**_moved(data, start), **group}, behind, first=first)
        table = table[:-4]
        end = behind + len(values) + len(table)
        if end + 4 > _LARGEST:
            raise ImageError("tiff holds 4 GiB at most; try npy")
        self.output.stream.write(struct.pack("<I", behind + len(values)) + note)
        self.output.stream.write(data)
        self.output.stream.write(values + table)
        self._place = end

    def finish(self) -> None:
        """End the file."""
        self.output.stream.write(bytes(4))


def _moved(data: bytes, start: int) -> dict[int, TiffTag]:
    """Return the tags of a little-endian file of one page whose pixels are moved to `start`."""
    directory = Directory(data, address_at(data, 4, "<"), "<")
    tags = {each.number: little_endian(each, directory) for each in directory.entries}
    for number in (_STRIPS, _TILES):
        if places := directory.wholes(number):
            stored = (np.array(places, np.uint64) + start).astype("<u4").tobytes()
            tags[number] = TiffTag(number, _LONG, len(places), stored)
    return {number: tag for number, tag in tags.items() if number not in _RESOLUTION}  # tifffile makes one up


def _encoded(picture: Picture, small: bool) -> bytes:
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
    return encoded.getvalue()


def _group(metadata: Metadata, warnings: list[str]) -> Group:
    """Return the tags that are written beside the pixels."""
    group: dict[int, TiffTag | Group] = {}
    dpi = metadata.dpi
    if metadata.exif is not None:
        try:
            group |= exif_in_tiff(metadata.exif, warnings)
            dpi = resolution_of(metadata.exif) or dpi  # that of JFIF is often made up
        except ImageError:
            add_warning(warnings, "malformed EXIF dropped")
    for number, type, block in ((_XMP, 1, metadata.xmp), (_PROFILE, 7, metadata.icc)):
        if block is not None:
            group[number] = TiffTag(number, type, len(block), block)
    if dpi is not None:
        group[_UNIT] = TiffTag(_UNIT, 3, 1, struct.pack("<H", 2))
        for number, value in zip((_ACROSS, _DOWN), dpi, strict=True):
            fraction = Fraction(value).limit_denominator(10_000)
            group[number] = TiffTag(number, 5, 1, struct.pack("<II", *fraction.as_integer_ratio()))
    return group | {tag.number: tag for tag in metadata.tags}
