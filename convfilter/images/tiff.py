"""TIFF files, read page by page.

Pillow decodes the pages that it gives back sample for sample; tifffile, of the extra ``codecs``, all others
that can be read.
"""

from __future__ import annotations

import mmap
import os
import re
import struct
from importlib import import_module
from typing import Any, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile, ImagePalette
from PIL.TiffImagePlugin import COMPRESSION_INFO, TiffImageFile

from convfilter.errors import ImageError, one_line
from convfilter.images import formats
from convfilter.images.exif import block_of
from convfilter.images.formats import grey_mode, loose_channels
from convfilter.images.library import frame_named, reasons
from convfilter.images.opening import Source, check_pixels
from convfilter.images.picture import Metadata, Picture, Size, orientation_of, read_metadata
from convfilter.images.reading import (
    Frames,
    is_deep_colour,
    mode_of,
    pixels_of,
    raw_mode,
    read_halves,
    turned,
    with_raw_mode,
)
from convfilter.images.tiff_tags import Directory, Origin, address_at, no_data, read_tags

__all__ = ["TiffReader"]

_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC, _STRIPS, _SAMPLES = 256, 257, 258, 259, 262, 273, 277
_PLANES, _PALETTE, _TILES, _EXTRA = 284, 320, 324, 338
_FORMAT, _SUBSAMPLING, _XMP, _DEPTH, _PROFILE = 339, 530, 700, 32997, 34675
_ORIENTATION = 274
# Orientation, XMP, EXIF, GPS: the next numbers are of no tag.
_HIDDEN = (_ORIENTATION, _XMP, 34665, 34853, 40965)

# What the colours of a page are, the mode that holds them, and how many channels they take.
_COLOURS = {
    **dict.fromkeys((0, 1), ("grey", "L", 1)),
    2: ("RGB", "RGB", 3),
    3: ("palette", "P", 1),
    4: ("mask", "L", 1),
    5: ("CMYK", "CMYK", 4),
    6: ("YCbCr", "RGB", 3),
    8: ("CIELAB", "LAB", 3),
}
_TYPES = {1: "uint", 2: "int", 3: "float"}
_WIDENED = {"float16": "float32", "float24": "float32"}
_HELD = ("uint8", "uint16", "uint32", "int8", "int16", "int32", "float32", "float64")
_WHITE_IS_ZERO, _CONVERTED = 0, (3, 6, 8)
_ASSOCIATED, _UNASSOCIATED = 1, 2


class _Bytes(mmap.mmap):
    """The bytes of a file, as a file; they may be changed, which does not change the file itself."""

    def getvalue(self) -> mmap.mmap:
        """Return all of them, which Pillow asks for before it would read a copy."""
        return self

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> None:
        """Go somewhere; past the end, where there is nothing to read, to the end."""
        place = offset + (0, self.tell(), len(self))[whence]
        super().seek(min(place, len(self)))


def _bytes_of(stream: BinaryIO) -> _Bytes:
    try:
        return _Bytes(stream.fileno(), 0, access=mmap.ACCESS_COPY)
    except (OSError, ValueError, AttributeError):  # not a file of the system's
        stream.seek(0)
        data = stream.read()
        copy = _Bytes(-1, len(data))
        copy[:] = data
        return copy


class TiffReader(Frames):
    """Reads the pages of a TIFF, each with a size and a mode of its own."""

    varies = True

    def __init__(self, source: Source, warnings: list[str]) -> None:
        super().__init__(source, warnings)
        self.data = _bytes_of(source.stream)
        self.order = "<" if self.data[:2] == b"II" else ">"
        self.big = 43 in self.data[2:4]
        self.directories = self._directories()
        self.count = len(self.directories)
        self._tifffile: Any = None
        with frame_named(0, self.count):
            check_pixels(self._page(0).size, source.max_pixels)

    def _directories(self) -> list[Directory]:
        """Return the directory of each page; one that has been met before ends the file."""
        found: dict[int, Directory] = {}
        try:
            place = address_at(self.data, 8 if self.big else 4, self.order, self.big)
            while place and place not in found:
                directory = Directory(self.data, place, self.order, self.big)
                following = directory.following()
                found[place], place = directory, following
        except ImageError:
            raise ImageError(f"broken tiff data (it ends before its page {len(found) + 1} does)") from None
        if not found:
            raise ImageError("broken tiff data (it has no pages)")
        return [*found.values()]

    def _page(self, number: int) -> _Page:
        """Return a page, with the file changed as if it were the only one.

        Otherwise libtiff would go through all of them for each.
        """
        directory = self.directories[number]
        mark = b"II" if self.order == "<" else b"MM"
        form, version = ("HHHQ", (43, 8, 0)) if self.big else ("HI", (42,))
        header = mark + struct.pack(self.order + form, *version, directory.start)
        self.data[: len(header)] = header
        last = bytes(8 if self.big else 4)
        self.data[directory.end : directory.end + len(last)] = last
        # What is read here: Pillow would turn the image, and fail where EXIF is broken.
        for entry in directory.entries:
            if entry.number in _HIDDEN:
                struct.pack_into(self.order + "H", self.data, entry.start, entry.number + 1)
        try:
            return _Page(self, number)
        except _UnsupportedError as error:
            if number == 0:
                raise
            raise _UnsupportedError(f"{error}, or read the first page alone with --frames first") from None

    def by_tifffile(self, number: int) -> Any:
        """Return a page as tifffile opens it."""
        tifffile = import_module("tifffile")
        self.source.stream.seek(0)
        with reasons("broken tiff data"):
            if self._tifffile is None:
                # Without a name it would take a descriptor's number for the file's.
                self._tifffile = tifffile.TiffFile(self.source.stream, name="file.tif")
            return self._tifffile.pages[number]

    def header(self, number: int) -> Size:
        """Return a page's size and kind."""
        return self._page(number).described(self.source.orient)

    def decode(self, number: int, warnings: list[str]) -> Picture:
        """Decode a page."""
        page = self._page(number)
        check_pixels(page.size, self.source.max_pixels)
        return page.read(self.source.orient, warnings)


class _Layout:
    """How the samples of a page are stored, by its tags; samples that differ from one another are refused."""

    def __init__(self, tags: Directory, file: str) -> None:
        if _WIDTH not in tags or _HEIGHT not in tags or not (_STRIPS in tags or _TILES in tags):
            raise ImageError("broken tiff data (its size or the place of its pixels is missing)")
        for places in (_STRIPS, _TILES):
            tags.wholes(places)
        self.file = file
        self.width, self.height = tags.whole(_WIDTH, 0), tags.whole(_HEIGHT, 0)
        self.planes = tags.whole(_PLANES, 1) == 2
        self.compression = tags.whole(_COMPRESSION, 1)
        old_jpeg = self.compression == 6
        self.photometric = 6 if old_jpeg else tags.whole(_PHOTOMETRIC, 0)
        self.samples = tags.whole(_SAMPLES, 3 if old_jpeg else 1)
        bits, types = ({*tags.wholes(each, (1,))[: self.samples]} for each in (_BITS, _FORMAT))
        if tags.whole(_DEPTH, 1) != 1:
            raise _unsupported("a TIFF of volumes", "convert them to pages")
        if len(bits) != 1 or len(types) != 1:
            raise _unsupported("a TIFF whose channels are of several types", "convert them to one")
        (self.bits,), (self.type,) = bits, (_TYPES.get(each, "other") for each in types)
        self.colours, self.base, channels = _COLOURS.get(
            self.photometric, (f"photometric {self.photometric}", "", 1)
        )
        others = max(0, self.samples - channels)
        self.extra = (tags.wholes(_EXTRA) + (0,) * others)[:others]

    def __str__(self) -> str:
        types = {"uint": "", "int": "signed ", "float": "float ", "other": "complex or untyped "}
        words = f"{self.bits}-bit {types[self.type]}{self.colours} {self.file}"
        if self.extra:
            words += f" with {len(self.extra)} more channel{'s' * (len(self.extra) > 1)}"
        if self.planes and self.samples > 1:
            words += " in planes"
        return words if self.by_libtiff else f"{words} of compression {self.compression}"

    @property
    def by_libtiff(self) -> bool:
        """Whether Pillow's libtiff decompresses it: with WebP it is seldom built."""
        return COMPRESSION_INFO.get(self.compression, "webp") != "webp"

    @property
    def dtype(self) -> str:
        """The type in which the samples are held."""
        found = f"{self.type}{self.bits}"
        found = _WIDENED.get(found, found)
        if self.type == "uint" and self.bits < 16:
            found = "uint8" if self.bits <= 8 else "uint16"
        if found not in _HELD:
            raise _unsupported(self, "convert it to 8, 16 or 32 bits per sample")
        return found

    @property
    def mode(self) -> str:
        """What the channels mean; of each that means nothing an X."""
        mode = self.base
        too_few = self.samples < len(self.extra) + len(mode)
        if not mode or too_few or (self.photometric in _CONVERTED and self.bits > 8):
            raise _unsupported(self, "convert it to grey or RGB")
        if self.photometric == _WHITE_IS_ZERO and self.type == "int":
            raise _unsupported(f"{self} where white is zero", "convert it to black is zero")
        alpha = [each in (_ASSOCIATED, _UNASSOCIATED) for each in self.extra]
        if mode == "P":
            if alpha not in ([], [True]):
                raise _unsupported(self, "convert it to RGB")
            return "RGBA" if alpha else "RGB"
        if alpha == [True] and mode in ("L", "RGB"):
            return f"{mode}A"
        if any(alpha) or (alpha and mode == "LAB"):
            raise _unsupported(f"{self}, alpha among them", "leave out the alpha")
        if mode == "L" and not alpha:
            return grey_mode(self.dtype)
        return mode + "X" * len(alpha)


class _UnsupportedError(ImageError):
    """A sound page that cannot be read."""


def _unsupported(what: object, mend: str) -> _UnsupportedError:
    return _UnsupportedError(f"not supported: {what}; {mend}")


class _Page:
    """A page, not decoded yet."""

    def __init__(self, file: TiffReader, number: int) -> None:
        self._file, self._number, self._tags = file, number, file.directories[number]
        self._stream = cast("BinaryIO", file.data)
        self._beyond_pillow = file.big and file.order == ">"
        layout = self._layout = _Layout(self._tags, "big-endian BigTIFF" if self._beyond_pillow else "TIFF")
        self.size = layout.width, layout.height
        self._mode, self._dtype = layout.mode, layout.dtype
        self._pillow = self._opened()
        if self._pillow is None and layout.photometric in _CONVERTED:
            raise _unsupported(layout, "convert it to RGB")
        if self._pillow is None and not formats.codecs_available():
            raise _unsupported(layout, formats.CODECS_MEND)

    def described(self, orient: bool) -> Size:
        """Return what `read` would give."""
        width, height = self.size
        if orient and self._orientation() >= 5:
            width, height = height, width
        channels = loose_channels(self._mode) or Image.getmodebands(self._mode)
        return Size(width, height, channels, self._mode, self._dtype, "tiff", self._file.count)

    def read(self, orient: bool, warnings: list[str]) -> Picture:
        """Decode it, and what stands beside the pixels."""
        turn = self._orientation() if orient else None
        if self._pillow is None:
            pixels = np.ascontiguousarray(turned(self._full_scale(self._decoded_by_tifffile()), turn or 1))
        else:
            pixels = self._decoded_by_pillow(self._pillow, turn or 1, warnings)
        if self._is_measured:
            bits = self._layout.bits
            warnings.append(
                f"the {bits}-bit samples keep their numbers, 0 to {2**bits - 1}, in 16 bits: "
                "to see them use --range stretch"
            )
        tags = read_tags(self._tags)
        exif = None
        try:
            exif = block_of(self._tags, tags, warnings)
        except ImageError:
            warnings.append("malformed EXIF dropped")
        if (value := no_data(tags)) is not None:
            warnings.append(f"declares the no-data value {value}, which is filtered like any other sample")
        origin = Origin.of(pixels, self._file.count)
        compression = COMPRESSION_INFO.get(self._layout.compression)
        found = Metadata(
            exif=exif,
            icc=self._tags.content(_PROFILE),
            xmp=self._tags.content(_XMP) or None,
            dpi=self._tags.resolution(),
            tags=tags,
            origin=origin if turn in (None, 1) else origin._replace(shape=()),
            compression=compression,
            lossless=compression not in ("jpeg", "tiff_jpeg", "webp"),
        )
        return Picture(pixels, self._mode, "tiff", read_metadata(found, self.size, turn, warnings))

    def _orientation(self) -> int:
        """Return the orientation that the tags or XMP state."""
        if _ORIENTATION not in self._tags:
            return orientation_of(Metadata(xmp=self._tags.content(_XMP)), [])
        found = self._tags.whole(_ORIENTATION, 1)
        return found if 1 <= found <= 8 else 1

    @property
    def _is_measured(self) -> bool:
        """Whether it is grey of 9 to 15 bits without alpha."""
        return self._mode == "I;16" and self._layout.bits < 16

    def _opened(self) -> ImageFile.ImageFile | None:
        """Have Pillow open the page; None if it does not give back what is stored there."""
        layout = self._layout
        if not layout.by_libtiff or self._beyond_pillow:
            return None
        self._stream.seek(0)
        with reasons("broken tiff data"):
            try:
                image = TiffImageFile(self._stream)
            except (SyntaxError, ValueError):
                return None
        subsampled = layout.photometric == 6 and self._tags.wholes(_SUBSAMPLING, (2, 2)) != (1, 1)
        if (
            len(image.getbands()) != layout.samples
            or (layout.planes and (layout.bits > 8 or layout.samples == 2 or layout.extra == (_ASSOCIATED,)))
            or (layout.compression == 1 and subsampled)
        ):
            return None
        if image.tile and image.tile[0].codec_name == "libtiff":  # which gives native byte order
            return with_raw_mode(image, re.sub(r";(16|32)B(S|F)$", r";\1N\2", raw_mode(image)))
        return image

    def _decoded_by_pillow(self, image: ImageFile.ImageFile, turn: int, warnings: list[str]) -> NDArray[Any]:
        """Return what Pillow decodes, turned."""
        table = self._tags.wholes(_PALETTE)
        if image.mode in ("P", "PA") and table:
            if max(table) < 256:  # a table of 8 bits in 16
                image.palette = ImagePalette.raw("RGB;L", bytes(table))
            elif any(level % 257 and level % 256 for level in table):
                warnings.append("the 16 bits of its colour table are read as 8")

        def decode(opened: ImageFile.ImageFile) -> NDArray[Any]:
            with reasons("broken tiff data"):
                opened.load()
            return pixels_of(opened, mode_of(opened), turn)

        if is_deep_colour(image):
            pixels = read_halves(image, lambda: cast("ImageFile.ImageFile", self._opened()), decode)
        else:
            pixels = decode(image)
        # Up to 8 bits, Pillow does the rest.
        return pixels.astype(self._dtype, copy=False) if self._layout.bits <= 8 else self._full_scale(pixels)

    def _decoded_by_tifffile(self) -> NDArray[Any]:
        """Return the samples as stored."""
        layout, page = self._layout, self._file.by_tifffile(self._number)
        refused: Exception | None = None
        with reasons("broken tiff data"):
            try:
                page.decode(None, 0)  # of nothing, which is refused where the page would be
            except (ValueError, NotImplementedError) as error:
                refused = error
        if refused is not None:
            raise _unsupported(f"{layout} ({one_line(refused)})", "convert it to another one")
        with reasons("broken tiff data"):
            samples: NDArray[Any] = page.asarray(maxworkers=1)
        if layout.planes and layout.samples > 1:
            samples = np.moveaxis(samples, 0, -1)
        shape = (layout.height, layout.width) + ((layout.samples,) if layout.samples > 1 else ())
        if samples.shape != shape:
            raise _unsupported(f"{layout} of shape {samples.shape}", "convert it to pages of two dimensions")
        return samples

    def _full_scale(self, samples: NDArray[Any]) -> NDArray[Any]:
        """Return samples where black is zero and colours are not multiplied with alpha.

        They have full scale, but for grey of 9 to 15 bits: measurements, which keep their numbers.
        """
        layout = self._layout
        full = 1.0 if self._dtype.startswith("float") else float(np.iinfo(self._dtype).max)
        if self._is_measured:
            full = 2.0**layout.bits - 1
        elif layout.type == "uint" and layout.bits not in (8, 16, 32):
            samples = np.minimum(np.floor(samples / (2**layout.bits - 1) * full + 0.5), full)
        samples = samples.astype(self._dtype, copy=False)
        if layout.photometric == _WHITE_IS_ZERO:
            samples = samples.dtype.type(full) - samples
        return _unpremultiplied(samples, full) if layout.extra == (_ASSOCIATED,) else samples


def _unpremultiplied(pixels: NDArray[Any], full: float) -> NDArray[Any]:
    """Return colours that have been multiplied by alpha as they were before."""
    alpha = pixels[..., -1:].astype(np.float64)
    colours = np.divide(
        pixels[..., :-1] * full, alpha, out=np.zeros(pixels[..., :-1].shape), where=alpha != 0
    )
    result = pixels.copy()
    result[..., :-1] = np.floor(np.clip(colours, 0, full) + 0.5) if full > 1 else colours
    return result
