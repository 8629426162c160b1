"""TIFF files, read and written page by page.

Pillow decodes the pages that it gives back sample for sample, and encodes the kinds that it knows; tifffile,
of the extra ``codecs``, does all others. Each page is encoded as a file of its own, whose directory is then
moved to its place and joined with that of the metadata.
"""

from __future__ import annotations

import io
import mmap
import os
import re
import struct
from fractions import Fraction
from importlib import import_module
from typing import Any, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile, ImagePalette
from PIL.TiffImagePlugin import COMPRESSION_INFO, COMPRESSION_INFO_REV, TiffImageFile

from convfilter.errors import ImageError, counted, one_line
from convfilter.images import formats
from convfilter.images.exif import Group, block_of, directory_of, group_of, laid_out, note_in_place
from convfilter.images.formats import FORMATS, grey_mode, kind_of, loose_channels
from convfilter.images.library import add_warning, frame_named, load_plugin, reasons
from convfilter.images.opening import check_pixels
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
from convfilter.images.tiff_tags import (
    Directory,
    Origin,
    TiffTag,
    address_at,
    little_endian,
    read_tags,
)
from convfilter.images.writing import Writer, taken

_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC, _STRIPS, _SAMPLES = 256, 257, 258, 259, 262, 273, 277
_PLANES, _PALETTE, _TILES, _EXTRA = 284, 320, 324, 338
_FORMAT, _SUBSAMPLING, _XMP, _DEPTH, _PROFILE = 339, 530, 700, 32997, 34675
_ORIENTATION, _PREDICTOR = 274, 317
_RESOLUTION = _UNIT, _ACROSS, _DOWN = 296, 282, 283
_LONG = 4
_LARGEST = 2**32 - 1
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

    def _begin(self, warnings: list[str]) -> None:
        self.data = _bytes_of(self.stream)
        self.order = "<" if self.data[:2] == b"II" else ">"
        self.big = 43 in self.data[2:4]
        self.directories = self._directories()
        self.count = len(self.directories)
        self._tifffile: Any = None
        with frame_named(0, self.count):
            check_pixels(self._page(0).size, self.max_pixels)

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
        return _Page(self, number)

    def by_tifffile(self, number: int) -> Any:
        """Return a page as tifffile opens it."""
        tifffile = import_module("tifffile")
        self.stream.seek(0)
        with reasons("broken tiff data"):
            if self._tifffile is None:
                # Without a name it would take a descriptor's number for the file's.
                self._tifffile = tifffile.TiffFile(self.stream, name="file.tif")
            return self._tifffile.pages[number]

    def _header(self, number: int) -> Size:
        return self._page(number).described()

    def _decode(self, number: int, warnings: list[str]) -> Picture:
        page = self._page(number)
        check_pixels(page.size, self.max_pixels)
        return page.read(warnings)


class _Page:
    """A page, not decoded yet; one whose samples are not stored alike is refused."""

    def __init__(self, file: TiffReader, number: int) -> None:
        self._file, self._number = file, number
        self._stream = cast("BinaryIO", file.data)
        self._beyond_pillow = file.big and file.order == ">"
        tags = self._tags = file.directories[number]
        if not {_WIDTH, _HEIGHT} <= tags.sound.keys() or not {_STRIPS, _TILES} & tags.sound.keys():
            raise ImageError("broken tiff data (its size or the place of its pixels is missing)")
        for places in (_STRIPS, _TILES):
            tags.wholes(places)
        self.size = tags.whole(_WIDTH, 0), tags.whole(_HEIGHT, 0)
        self.planes = tags.whole(_PLANES, 1) == 2
        self.compression = tags.whole(_COMPRESSION, 1)
        old_jpeg = self.compression == 6
        self.photometric = 6 if old_jpeg else tags.whole(_PHOTOMETRIC, 0)
        self._samples = tags.whole(_SAMPLES, 3 if old_jpeg else 1)
        bits, types = ({*tags.wholes(each, (1,))[: self._samples]} for each in (_BITS, _FORMAT))
        if tags.whole(_DEPTH, 1) != 1:
            raise self._unsupported("a TIFF of volumes", "convert them to pages")
        if len(bits) != 1 or len(types) != 1:
            raise self._unsupported("a TIFF whose channels are of several types", "convert them to one")
        (self.bits,), (self.type,) = bits, (_TYPES.get(each, "other") for each in types)
        self.colours, self.base, channels = _COLOURS.get(
            self.photometric, (f"photometric {self.photometric}", "", 1)
        )
        others = max(0, self._samples - channels)
        self.extra = (tags.wholes(_EXTRA) + (0,) * others)[:others]
        self.mode, self.dtype = self._mode(), self._dtype()
        self._pillow = self._opened()
        if self._pillow is None and self.photometric in _CONVERTED:
            raise self._unsupported(self, "convert it to RGB")
        if self._pillow is None and not formats.codecs_available():
            raise self._unsupported(self, formats.CODECS_MEND)

    def __str__(self) -> str:
        types = {"uint": "", "int": "signed ", "float": "float ", "other": "complex or untyped "}
        file = "big-endian BigTIFF" if self._beyond_pillow else "TIFF"
        words = f"{self.bits}-bit {types[self.type]}{self.colours} {file}"
        if self.extra:
            words += f" with {counted(len(self.extra), 'more channel')}"
        if self.planes and self._samples > 1:
            words += " in planes"
        return words if self.by_libtiff else f"{words} of compression {self.compression}"

    def _unsupported(self, what: object, mend: str) -> ImageError:
        others = ", or read the first page alone with --frames first" if self._number else ""
        return ImageError(f"not supported: {what}; {mend}{others}")

    @property
    def by_libtiff(self) -> bool:
        """Whether Pillow's libtiff decompresses it: with WebP it is seldom built."""
        return COMPRESSION_INFO.get(self.compression, "webp") != "webp"

    def _dtype(self) -> str:
        """Return the type in which the samples are held."""
        found = f"{self.type}{self.bits}"
        found = _WIDENED.get(found, found)
        if self.type == "uint" and self.bits < 16:
            found = "uint8" if self.bits <= 8 else "uint16"
        if found not in _HELD:
            raise self._unsupported(self, "convert it to 8, 16 or 32 bits per sample")
        return found

    def _mode(self) -> str:
        """Return what the channels mean; of each that means nothing an X."""
        mode = self.base
        too_few = self._samples < len(self.extra) + len(mode)
        if not mode or too_few or (self.photometric in _CONVERTED and self.bits > 8):
            raise self._unsupported(self, "convert it to grey or RGB")
        if self.photometric == _WHITE_IS_ZERO and self.type == "int":
            raise self._unsupported(f"{self} where white is zero", "convert it to black is zero")
        alpha = [each in (_ASSOCIATED, _UNASSOCIATED) for each in self.extra]
        if mode == "P":
            if alpha not in ([], [True]):
                raise self._unsupported(self, "convert it to RGB")
            return "RGBA" if alpha else "RGB"
        if alpha == [True] and mode in ("L", "RGB"):
            return f"{mode}A"
        if any(alpha) or (alpha and mode == "LAB"):
            raise self._unsupported(f"{self}, alpha among them", "leave out the alpha")
        if mode == "L" and not alpha:
            return grey_mode(self._dtype())
        return mode + "X" * len(alpha)

    def described(self) -> Size:
        """Return what `read` would give."""
        width, height = self.size
        if (self._turn() or 1) >= 5:
            width, height = height, width
        channels = loose_channels(self.mode) or Image.getmodebands(self.mode)
        return Size(width, height, channels, self.mode, self.dtype, "tiff", self._file.count)

    def read(self, warnings: list[str]) -> Picture:
        """Decode it, and what stands beside the pixels."""
        turn = self._turn()
        if self._pillow is None:
            pixels = np.ascontiguousarray(turned(self._full_scale(self._decoded_by_tifffile()), turn or 1))
        else:
            pixels = self._decoded_by_pillow(self._pillow, turn or 1, warnings)
        if self._is_measured:
            bits = self.bits
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
        origin = Origin.of(pixels, self._file.count)
        compression = COMPRESSION_INFO.get(self.compression)
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
        return Picture(pixels, self.mode, "tiff", read_metadata(found, self.size, turn, warnings))

    def _turn(self) -> int | None:
        """Return the orientation that the tags or XMP state, None if the page is left as it is."""
        if not self._file.orient:
            return None
        if _ORIENTATION not in self._tags.sound:
            return orientation_of(Metadata(xmp=self._tags.content(_XMP)), [])
        found = self._tags.whole(_ORIENTATION, 1)
        return found if 1 <= found <= 8 else 1

    @property
    def _is_measured(self) -> bool:
        """Whether it is grey of 9 to 15 bits without alpha."""
        return self.mode == "I;16" and self.bits < 16

    def _opened(self) -> ImageFile.ImageFile | None:
        """Have Pillow open the page; None if it does not give back what is stored there."""
        if not self.by_libtiff or self._beyond_pillow:
            return None
        self._stream.seek(0)
        with reasons("broken tiff data"):
            try:
                image = TiffImageFile(self._stream)
            except (SyntaxError, ValueError):
                return None
        subsampled = self.photometric == 6 and self._tags.wholes(_SUBSAMPLING, (2, 2)) != (1, 1)
        if (
            len(image.getbands()) != self._samples
            or (self.planes and (self.bits > 8 or self._samples == 2 or self.extra == (_ASSOCIATED,)))
            or (self.compression == 1 and subsampled)
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
        return pixels.astype(self.dtype, copy=False) if self.bits <= 8 else self._full_scale(pixels)

    def _decoded_by_tifffile(self) -> NDArray[Any]:
        """Return the samples as stored."""
        page = self._file.by_tifffile(self._number)
        refused: Exception | None = None
        with reasons("broken tiff data"):
            try:
                page.decode(None, 0)  # of nothing, which is refused where the page would be
            except (ValueError, NotImplementedError) as error:
                refused = error
        if refused is not None:
            raise self._unsupported(f"{self} ({one_line(refused)})", "convert it to another one")
        with reasons("broken tiff data"):
            samples: NDArray[Any] = page.asarray(maxworkers=1)
        if self.planes and self._samples > 1:
            samples = np.moveaxis(samples, 0, -1)
        shape = self.size[::-1] + ((self._samples,) if self._samples > 1 else ())
        if samples.shape != shape:
            mend = "convert it to pages of two dimensions"
            raise self._unsupported(f"{self} of shape {samples.shape}", mend)
        return samples

    def _full_scale(self, samples: NDArray[Any]) -> NDArray[Any]:
        """Return samples where black is zero and colours are not multiplied with alpha.

        They have full scale, but for grey of 9 to 15 bits: measurements, which keep their numbers.
        """
        full = 1.0 if self.dtype.startswith("float") else float(np.iinfo(self.dtype).max)
        if self._is_measured:
            full = 2.0**self.bits - 1
        elif self.type == "uint" and self.bits not in (8, 16, 32):
            samples = np.minimum(np.floor(samples / (2**self.bits - 1) * full + 0.5), full)
        samples = samples.astype(self.dtype, copy=False)
        if self.photometric == _WHITE_IS_ZERO:
            samples = samples.dtype.type(full) - samples
        return _unpremultiplied(samples, full) if self.extra == (_ASSOCIATED,) else samples


def _unpremultiplied(pixels: NDArray[Any], full: float) -> NDArray[Any]:
    """Return colours that have been multiplied by alpha as they were before."""
    alpha = pixels[..., -1:].astype(np.float64)
    colours = np.divide(
        pixels[..., :-1] * full, alpha, out=np.zeros(pixels[..., :-1].shape), where=alpha != 0
    )
    result = pixels.copy()
    result[..., :-1] = np.floor(np.clip(colours, 0, full) + 0.5) if full > 1 else colours
    return result


# Writing

# What a page may stay compressed with, by Pillow's names.
_LOSSLESS = {each: each for each in ("raw", "tiff_lzw", "tiff_adobe_deflate", "packbits", "lzma", "zstd")}
_LOSSLESS |= {"tiff_deflate": "tiff_adobe_deflate"}
_HEAD = b"II*\0"


class TiffWriter(Writer):
    """Writes the pages of a TIFF, each with a size, a mode and metadata of its own, and without loss.

    Each is compressed as the input was if that loses nothing. A page ends where the address of the next one
    belongs, which is written once that is known: the stream need not be seekable.
    """

    def _begin(self) -> None:
        load_plugin("tiff")
        self._place = len(_HEAD)

    def add(self, picture: Picture) -> None:
        """Write the next page."""
        group, first = _group(picture.metadata, self.warnings), self._place == len(_HEAD)
        note = note_in_place(group) if first else b""
        data = _encoded(picture, self.small)
        start = self._place + 4 + len(note)  # behind the address of this page
        behind = start + len(data)
        table, values = laid_out({**_moved(data, start), **group}, behind, first=first)
        table = table[:-4]
        end = behind + len(values) + len(table)
        if end + 4 > _LARGEST:
            raise ImageError("tiff holds 4 GiB at most; try npy")
        self.stream.write(_HEAD * first + struct.pack("<I", behind + len(values)) + note)
        self.stream.write(data)
        self.stream.write(values + table)
        self._place = end

    def finish(self) -> None:
        """End the file."""
        self.stream.write(bytes(4))


def _moved(data: bytes, start: int) -> dict[int, TiffTag]:
    """Return the tags of a little-endian file of one page whose pixels are moved to `start`."""
    directory = Directory(data, address_at(data, 4, "<"), "<")
    tags = {each.number: little_endian(each, directory) for each in directory.entries}
    for number in (_STRIPS, _TILES):
        if places := directory.wholes(number):
            stored = (np.array(places, np.uint64) + start).astype("<u4").tobytes()
            tags[number] = TiffTag(number, _LONG, stored)
    return {
        number: tag for number, tag in tags.items() if number not in _RESOLUTION
    }  # which tifffile invents


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
        tifffile = import_module("tifffile")
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
            group |= group_of(directory_of(metadata.exif), warnings)
            dpi = directory_of(metadata.exif).resolution() or dpi  # that of JFIF is often made up
        except ImageError:
            add_warning(warnings, "malformed EXIF dropped")
    for number, type, block in ((_XMP, 1, metadata.xmp), (_PROFILE, 7, metadata.icc)):
        if block is not None:
            group[number] = TiffTag(number, type, block)
    if dpi is not None:
        group[_UNIT] = TiffTag(_UNIT, 3, struct.pack("<H", 2))
        for number, value in zip((_ACROSS, _DOWN), dpi, strict=True):
            fraction = Fraction(value).limit_denominator(10_000)
            group[number] = TiffTag(number, 5, struct.pack("<II", *fraction.as_integer_ratio()))
    return group | {tag.number: tag for tag in metadata.tags}
