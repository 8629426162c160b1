"""TIFF files, read page by page.

Pillow decodes the pages that it gives back sample for sample; tifffile, of the extra ``codecs``, all others
that can be read.
"""

from __future__ import annotations

import contextlib
import io
import mmap
import re
import struct
from collections.abc import Callable
from dataclasses import replace
from typing import Any, BinaryIO, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageFile, ImagePalette, UnidentifiedImageError
from PIL.TiffImagePlugin import COMPRESSION_INFO, ImageFileDirectory_v2

from convfilter.errors import ImageError
from convfilter.images import codecs, formats
from convfilter.images.decoding import mode_of, taken_over, turned
from convfilter.images.deep import is_deep_colour, raw_mode, read_halves, to_full_scale, with_raw_mode
from convfilter.images.formats import grey_mode, loose_channels
from convfilter.images.library import reasons
from convfilter.images.metadata import orientation_of, read_metadata
from convfilter.images.picture import Picture, Size
from convfilter.images.tiff_tags import IPTC, Origin, no_data, read_tags, text_of
from convfilter.messages import one_line

__all__ = ["Page", "TiffFile"]

_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC, _STRIPS, _SAMPLES = 256, 257, 258, 259, 262, 273, 277
_ACROSS, _DOWN, _PLANES, _UNIT, _PALETTE, _TILES, _EXTRA = 282, 283, 284, 296, 320, 324, 338
_FORMAT, _SUBSAMPLING, _XMP, _DEPTH, _PROFILE = 339, 530, 700, 32997, 34675
_GROUPS = (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo, ExifTags.IFD.Interop)

# What the colours of a page are, and the mode that holds them.
_COLOURS = {
    0: ("grey", "L"),
    1: ("grey", "L"),
    2: ("RGB", "RGB"),
    3: ("palette", "P"),
    4: ("mask", "L"),
    5: ("CMYK", "CMYK"),
    6: ("YCbCr", "RGB"),
    8: ("CIELAB", "LAB"),
}
_FORMATS = {1: "uint", 2: "int", 3: "float"}
_WIDENED = {"float16": "float32", "float24": "float32"}
_HELD = ("uint8", "uint16", "uint32", "int8", "int16", "int32", "float32", "float64")
_WHITE_IS_ZERO, _CONVERTED = 0, (3, 6, 8)
_ASSOCIATED, _UNASSOCIATED = 1, 2
_INVERSE = {6: 8, 8: 6}


class _Head(NamedTuple):
    """How the numbers of a TIFF are written: in which byte order, and whether addresses have 8 bytes."""

    order: str
    big: bool

    @property
    def entries(self) -> struct.Struct:
        """How many tags a directory has."""
        return struct.Struct(self.order + ("Q" if self.big else "H"))

    @property
    def address(self) -> struct.Struct:
        """Where something is."""
        return struct.Struct(self.order + ("Q" if self.big else "I"))

    def directory(self) -> ImageFileDirectory_v2:
        """Return an empty directory."""
        # Pillow knows a BigTIFF by its header in little-endian alone.
        header = b"II+\0" + bytes(12) if self.big else b"II*\0" + bytes(4)
        return ImageFileDirectory_v2(header, b"II" if self.order == "<" else b"MM")

    def header(self, place: int) -> bytes:
        """Return the first bytes of a file whose first page is at a place."""
        mark = b"II" if self.order == "<" else b"MM"
        version = struct.pack(f"{self.order}HHH", 43, 8, 0) if self.big else struct.pack(f"{self.order}H", 42)
        return mark + version + self.address.pack(place)


_BEYOND_PILLOW = _Head(">", True)


class _Bytes:
    """The bytes of a file, as a file; they may be changed, which does not change the file itself."""

    def __init__(self, stream: BinaryIO) -> None:
        self.data: mmap.mmap | bytearray
        try:
            self.data = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_COPY)
        except (OSError, ValueError, AttributeError):  # no file of the system's
            stream.seek(0)
            self.data = bytearray(stream.read())
        self._place = 0

    def getvalue(self) -> mmap.mmap | bytearray:
        """Return all of them; Pillow asks for this before it reads them."""
        return self.data

    def read(self, size: int = -1) -> bytes:
        """Read on."""
        start = self._place
        self._place = len(self.data) if size < 0 else min(start + size, max(start, len(self.data)))
        return bytes(self.data[start : self._place])

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go somewhere."""
        self._place = offset + (0, self._place, len(self.data))[whence]
        return self._place

    def tell(self) -> int:
        """Tell where to read on."""
        return self._place


class TiffFile:
    """The pages of a TIFF.

    Parameters
    ----------
    stream : file object
        The file.

    Attributes
    ----------
    count : int
        How many there are; a page that has been met before ends the file.

    Raises
    ------
    ImageError
        If the file ends before its pages do.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream, self._bytes = stream, _Bytes(stream)
        start = self._bytes.read(8)
        self._head = head = _Head("<" if start[:2] == b"II" else ">", 43 in start[2:4])
        self._places: list[tuple[int, int]] = []
        met = set()
        place = 8 if head.big else 4
        try:
            while (found := head.address.unpack_from(self._bytes.data, place)[0]) and found not in met:
                met.add(found)
                (entries,) = head.entries.unpack_from(self._bytes.data, found)
                place = found + head.entries.size + (20 if head.big else 12) * entries
                self._places.append((found, place))
        except (struct.error, OverflowError):
            raise ImageError(f"broken tiff data (it ends before its page {len(met) or 1} does)") from None
        if not met:
            raise ImageError("broken tiff data (it has no pages)")
        self.count = len(self._places)
        self._tifffile: Any = None

    def page(self, number: int) -> Page:
        """Return a page, counted from 0."""
        place, end = self._places[number]
        # As if it were the only one: or libtiff would go through all of them for each.
        header = self._head.header(place)
        self._bytes.data[: len(header)] = header
        self._bytes.data[end : end + self._head.address.size] = bytes(self._head.address.size)
        try:
            return Page(self._bytes, self._head, place, self.count, lambda: self._opened(number))
        except _UnsupportedError as error:
            if number == 0:
                raise
            raise _UnsupportedError(f"{error}, or take the first page alone with --frames first") from None

    def _opened(self, number: int) -> Any:
        """Return a page as tifffile opens it."""
        if self._tifffile is None:
            self._tifffile = codecs.open_tiff(self._stream)
        with reasons("broken tiff data"):
            return self._tifffile.pages[number]


def _wholes(tags: dict[int, Any], number: int, default: tuple[int, ...]) -> tuple[int, ...]:
    """Return the whole numbers that a tag holds."""
    found = tags.get(number, default)
    values = found if isinstance(found, tuple) else (found,)
    if not all(isinstance(each, int) for each in values):
        raise ImageError(f"broken tiff data (tag {number} holds other than whole numbers)")
    return values


def _whole(tags: dict[int, Any], number: int, default: int) -> int:
    """Return the whole number that a tag holds."""
    (*others, value) = _wholes(tags, number, (default,)) or (default,)
    if others:
        raise ImageError(f"broken tiff data (tag {number} holds more than one number)")
    return value


class _Layout(NamedTuple):
    """How the samples of a page are stored, by the numbers in its tags."""

    width: int
    height: int
    photometric: int
    bits: int
    format: str
    samples: int
    extra: tuple[int, ...]
    planes: bool
    compression: int
    file: str

    @classmethod
    def of(cls, tags: dict[int, Any], file: str) -> _Layout:
        """Read it; refuse samples that differ from one another."""
        if _WIDTH not in tags or _HEIGHT not in tags or not (_STRIPS in tags or _TILES in tags):
            raise ImageError("broken tiff data (its size or the place of its pixels is missing)")
        for places in (_STRIPS, _TILES):
            _wholes(tags, places, ())
        compression = _whole(tags, _COMPRESSION, 1)
        photometric = 6 if compression == 6 else _whole(tags, _PHOTOMETRIC, 0)
        samples = _whole(tags, _SAMPLES, 3 if compression == 6 else 1)
        bits, formats = (set(_wholes(tags, each, (1,))[:samples]) for each in (_BITS, _FORMAT))
        if _whole(tags, _DEPTH, 1) != 1:
            raise _unsupported("a TIFF of volumes", "convert them to pages")
        if len(bits) != 1 or len(formats) != 1:
            raise _unsupported("a TIFF whose channels are of several types", "convert them to one")
        name, _ = _COLOURS.get(photometric, ("", ""))
        colours = {"RGB": 3, "CMYK": 4, "YCbCr": 3, "CIELAB": 3}.get(name, 1)
        others = max(0, samples - colours)
        extra = (_wholes(tags, _EXTRA, ()) + (0,) * others)[:others]
        return cls(
            width=_whole(tags, _WIDTH, 0),
            height=_whole(tags, _HEIGHT, 0),
            photometric=photometric,
            bits=bits.pop(),
            format=_FORMATS.get(formats.pop(), "other"),
            samples=samples,
            extra=extra,
            planes=_whole(tags, _PLANES, 1) == 2,
            compression=compression,
            file=file,
        )

    def __str__(self) -> str:
        name, _ = _COLOURS.get(self.photometric, (f"photometric {self.photometric}", ""))
        kinds = {"uint": "", "int": "signed ", "float": "float ", "other": "complex or untyped "}
        words = f"{self.bits}-bit {kinds[self.format]}{name} {self.file}"
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
        found = f"{self.format}{self.bits}"
        found = _WIDENED.get(found, found)
        if self.format == "uint" and self.bits < 16:
            found = "uint8" if self.bits <= 8 else "uint16"
        if found not in _HELD:
            raise _unsupported(self, "convert it to 8, 16 or 32 bits a sample")
        return found

    @property
    def mode(self) -> str:
        """What the channels mean; of each that means nothing an X."""
        _, mode = _COLOURS.get(self.photometric, ("", ""))
        if (
            not mode
            or self.samples < len(self.extra) + len(mode)
            or (self.photometric in _CONVERTED and self.bits > 8)
        ):
            raise _unsupported(self, "convert it to grey or RGB")
        if self.photometric == _WHITE_IS_ZERO and self.format == "int":
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


class Page:
    """A page of a TIFF, not decoded yet.

    Parameters
    ----------
    stream : _Bytes
        The file, which begins with this page.
    head, place : _Head, int
        How its numbers are written, and where the page's directory is.
    count : int
        How many pages the file has.
    codec : callable
        Has tifffile open it.

    Attributes
    ----------
    size : tuple of int
        Width and height, as stored.

    Raises
    ------
    ImageError
        If it cannot be read.
    """

    def __init__(self, stream: _Bytes, head: _Head, place: int, count: int, codec: Callable[[], Any]) -> None:
        self._stream, self._head, self._place = stream, head, place
        self._count, self._codec = count, codec
        stream.seek(place)
        with reasons("broken tiff data"):
            directory = head.directory()
            directory.load(cast("BinaryIO", stream))
            self._tags: dict[int, Any] = {tag: directory.get(tag) for tag in directory if tag != IPTC}
        layout = self._layout = _Layout.of(
            self._tags, "big-endian BigTIFF" if head == _BEYOND_PILLOW else "TIFF"
        )
        self.size = layout.width, layout.height
        self._mode, self._dtype = layout.mode, layout.dtype
        self._pillow = self._opened()
        if self._pillow is None and layout.photometric in _CONVERTED:
            raise _unsupported(layout, "convert it to RGB")
        if self._pillow is None and not formats.codecs_available():
            raise _unsupported(layout, formats.CODECS_MEND)

    def described(self, orient: bool) -> Size:
        """Tell what `read` would give."""
        width, height = self.size
        if orient and orientation_of(self._beside([]), []) >= 5:
            width, height = height, width
        channels = loose_channels(self._mode) or Image.getmodebands(self._mode)
        return Size(width, height, channels, self._mode, self._dtype, "tiff", self._count)

    def read(self, orient: bool, warnings: list[str]) -> Picture:
        """Decode it.

        Parameters
        ----------
        orient : bool
            Whether to turn it as its orientation says.
        warnings : list of str
            Gets a line for whatever is lost or malformed; it becomes the picture's own.
        """
        beside = self._beside(warnings)
        if self._pillow is None:
            stored = self._meant(self._decoded_by_tifffile())
            turn = orientation_of(beside, warnings) if orient else 1
            pixels = np.ascontiguousarray(turned(stored, turn))
        else:
            pixels = self._decoded_by_pillow(self._pillow, orient, warnings)
        tags = read_tags(self._stream.data, self._head.order, self._head.big, self._place)
        with reasons("broken tiff data"):
            exif = beside.getexif()
        exif.pop(ExifTags.Base.ImageDescription, None)  # there may be several, for programs too
        if text := text_of(tags):
            exif[ExifTags.Base.ImageDescription] = text
        for tag in tags:
            if tag.number == IPTC:  # of which Pillow takes the first number only
                exif[IPTC] = tag.data
        metadata = read_metadata(beside, orient, warnings)
        lossless = metadata.compression not in ("jpeg", "tiff_jpeg", "webp")
        if (value := no_data(tags)) is not None:
            warnings.append(f"declares the no-data value {value}, which is filtered like any other sample")
        upright = not orient or self._tags.get(ExifTags.Base.Orientation, 1) == 1
        origin = Origin.of(pixels, self._count)
        origin = origin if upright else origin._replace(shape=())
        metadata = replace(metadata, lossless=lossless, tags=tags, origin=origin)
        return Picture(pixels, self._mode, "tiff", metadata, warnings, self._count)

    def _opened(self) -> ImageFile.ImageFile | None:
        """Have Pillow open the page; None if it does not give back what is stored there."""
        layout = self._layout
        if not layout.by_libtiff or self._head == _BEYOND_PILLOW:
            return None
        with reasons("broken tiff data"):
            try:
                image = Image.open(cast("BinaryIO", self._stream), formats=["TIFF"])
            except (UnidentifiedImageError, ValueError):
                return None
        subsampled = layout.photometric == 6 and self._tags.get(_SUBSAMPLING, (2, 2)) != (1, 1)
        if (
            len(image.getbands()) != layout.samples
            or (layout.planes and (layout.bits > 8 or layout.samples == 2 or layout.extra == (_ASSOCIATED,)))
            or (layout.compression == 1 and subsampled)
        ):
            return None
        if image.tile and image.tile[0].codec_name == "libtiff":  # which gives native byte order
            return with_raw_mode(image, re.sub(r";(16|32)B(S|F)$", r";\1N\2", raw_mode(image)))
        return image

    def _decoded_by_pillow(
        self, image: ImageFile.ImageFile, orient: bool, warnings: list[str]
    ) -> NDArray[Any]:
        """Return what Pillow decodes, turned."""
        table = _wholes(self._tags, _PALETTE, ())
        if image.mode in ("P", "PA") and table:
            if max(table) < 256:  # a table of 8 bits in 16
                image.palette = ImagePalette.raw("RGB;L", bytes(table))
            elif any(level % 257 and level % 256 for level in table):
                warnings.append("the 16 bits of its colour table are read as 8")

        def take(opened: ImageFile.ImageFile) -> NDArray[Any]:
            turn = _loaded(opened, orient, warnings)
            return taken_over(opened, mode_of(opened), turn)

        if is_deep_colour(image):
            pixels: NDArray[Any] = read_halves(
                image, lambda: cast("ImageFile.ImageFile", self._opened()), take
            )
        else:
            pixels = take(image)
        return self._meant(pixels, by_pillow=self._layout.bits <= 8)

    def _decoded_by_tifffile(self) -> NDArray[Any]:
        """Return the samples as stored."""
        layout, page = self._layout, self._codec()
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

    def _meant(self, samples: NDArray[Any], *, by_pillow: bool = False) -> NDArray[Any]:
        """Return samples at full scale, where black is zero and alpha has not been multiplied with.

        Pillow sees to that up to 8 bits.
        """
        layout = self._layout
        if by_pillow:
            return samples.astype(self._dtype, copy=False)
        if layout.format == "uint" and layout.bits not in (8, 16, 32):
            samples = to_full_scale(samples, 2**layout.bits - 1, self._dtype)
        samples = samples.astype(self._dtype, copy=False)
        if layout.photometric == _WHITE_IS_ZERO:
            samples = samples.dtype.type(_full(samples.dtype)) - samples
        if layout.extra == (_ASSOCIATED,):
            samples = _unpremultiplied(samples)
        return samples

    def _beside(self, warnings: list[str]) -> Image.Image:
        """Return a picture of Pillow's that knows what the tags say beside the pixels."""
        if self._pillow is not None:
            return self._pillow
        image = Image.new("1", (1, 1))
        image.format = "TIFF"
        exif = image.getexif()
        if self._head == _BEYOND_PILLOW:
            for tag in set(self._tags) - set(_GROUPS):
                exif[tag] = self._tags[tag]
            if any(tag in self._tags for tag in _GROUPS):
                warnings.append("EXIF in a big-endian BigTIFF is not read")
        else:
            exif.endian, exif.bigtiff = self._head.order, self._head.big
            with reasons("broken tiff data"):
                exif.load_from_fp(cast("BinaryIO", self._stream), self._place)
        image.info["compression"] = COMPRESSION_INFO.get(self._layout.compression)
        for name, tag in (("xmp", _XMP), ("icc_profile", _PROFILE)):
            if tag in self._tags:
                image.info[name] = self._tags[tag]
        unit = {2: 1, 3: 2.54}.get(self._tags.get(_UNIT, 2))
        if unit and _ACROSS in self._tags and _DOWN in self._tags:
            with contextlib.suppress(TypeError, ValueError, ZeroDivisionError):
                image.info["dpi"] = tuple(float(self._tags[tag]) * unit for tag in (_ACROSS, _DOWN))
        return image


def _loaded(image: ImageFile.ImageFile, orient: bool, warnings: list[str]) -> int:
    """Decode a page; return the orientation that is still to be applied."""
    stored = orientation_of(image, warnings)
    with reasons("broken tiff data"):
        tags = image.getexif()
    for group in _GROUPS:
        try:
            with reasons("malformed EXIF"):
                tags.get_ifd(group)
        except ImageError:
            tags.pop(group, None)
            warnings.append("malformed EXIF dropped")
    with reasons("broken tiff data"):
        image.load()  # which turns it, asked or not
    if orient or stored == 1:
        return 1
    tags[ExifTags.Base.Orientation] = stored
    return _INVERSE.get(stored, stored)


def _full(dtype: np.dtype[Any]) -> float:
    return 1.0 if dtype.kind == "f" else np.iinfo(dtype).max


def _unpremultiplied(pixels: NDArray[Any]) -> NDArray[Any]:
    """Return colours that have been multiplied by alpha as they were before."""
    full = float(_full(pixels.dtype))
    alpha = pixels[..., -1:].astype(np.float64)
    colours = np.divide(
        pixels[..., :-1] * full, alpha, out=np.zeros(pixels[..., :-1].shape), where=alpha != 0
    )
    result = pixels.copy()
    result[..., :-1] = np.floor(np.clip(colours, 0, full) + 0.5) if full > 1 else colours
    return result
