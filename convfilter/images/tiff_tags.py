"""The tags of TIFF files and blocks of EXIF: directories of them, and which are carried to another TIFF.

Tags on the layout of a file are made anew; EXIF, GPS, XMP and colour profiles are carried in other ways.
"""

from __future__ import annotations

import mmap
import re
import struct
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import TiffTags

from convfilter.errors import ImageError

__all__ = [
    "IPTC",
    "SIZES",
    "Data",
    "Directory",
    "Entry",
    "Origin",
    "TiffTag",
    "address_at",
    "fitting_tags",
    "no_data",
    "of_first_page",
    "read_tags",
    "text_of",
]

Data: TypeAlias = bytes | mmap.mmap

_CODES = {
    **{1: "u1", 2: "u1", 6: "i1", 7: "u1", 3: "u2", 8: "i2", 4: "u4", 9: "i4", 13: "u4"},
    **{5: "u4", 10: "i4", 11: "f4", 12: "f8", 16: "u8", 17: "i8", 18: "u8"},
}
_WHOLE, _FRACTIONS, _ADDRESSES = (3, 4, 6, 8, 9, 13, 16), (5, 10), (4, 13, 16, 18)
_NARROWED = {16: (4, "u4"), 17: (9, "i4"), 18: (13, "u4")}
SIZES = {type: int(code[1]) * (2 if type in _FRACTIONS else 1) for type, code in _CODES.items()}
"""Bytes of a value of each type."""


class Entry(NamedTuple):
    """An entry of a directory: a tag, the type and number of its values, and where they are."""

    number: int
    type: int
    values: int
    place: int
    end: int


class Directory:
    """A directory of tags, in a file or block of a byte order; in a BigTIFF addresses have 8 bytes."""

    def __init__(self, data: Data, start: int, order: str, big: bool = False) -> None:
        self.data, self.start, self.order, self.big = data, start, order, big
        head = struct.Struct(order + ("Q" if big else "H"))
        entry = struct.Struct(order + ("HHQQ" if big else "HHII"))
        inline = 8 if big else 4  # bytes of values that stand in the entry itself
        try:
            (count,) = head.unpack_from(data, start)
        except (struct.error, OverflowError):
            raise ImageError("tags behind the end") from None
        first = start + head.size
        self.end = first + count * entry.size
        if start < 8 or self.end > len(data):
            raise ImageError("tags behind the end")
        self.entries = []
        for at in range(first, self.end, entry.size):
            number, type, values, place = entry.unpack_from(data, at)
            length = values * SIZES.get(type, 1)
            place = place if length > inline else at + entry.size - inline
            self.entries.append(Entry(number, type, values, place, place + length))
        self._by_number = {
            each.number: each for each in self.entries if each.type in SIZES and each.end <= len(data)
        }

    def __contains__(self, number: int) -> bool:
        return number in self._by_number

    def following(self) -> int:
        """Return the address of the next directory, 0 if there is none."""
        return address_at(self.data, self.end, self.order, self.big)

    def type_of(self, number: int) -> int:
        """Return the type of a tag's values, 0 if it is missing."""
        return self._by_number[number].type if number in self else 0

    def content(self, number: int) -> bytes:
        """Return the bytes of a tag's values; none if it is missing."""
        entry = self._by_number.get(number)
        return bytes(self.data[entry.place : entry.end]) if entry else b""

    def wholes(self, number: int, default: tuple[int, ...] = ()) -> tuple[int, ...]:
        """Return the whole numbers that a tag holds."""
        if number not in self:
            return default
        if self.type_of(number) not in _WHOLE:
            raise ImageError(f"broken tiff data (tag {number} does not hold whole numbers)")
        return tuple(self._numbers(number).tolist())

    def whole(self, number: int, default: int) -> int:
        """Return the first whole number that a tag holds."""
        return (*self.wholes(number), default)[0]

    def ratio(self, number: int) -> float:
        """Return the first fraction that a tag holds, 0 if there is none."""
        if self.type_of(number) not in _FRACTIONS:
            return 0.0
        above, below = (*self._numbers(number).tolist(), 0, 0)[:2]
        return float(above / below) if below else 0.0

    def _numbers(self, number: int) -> NDArray[Any]:
        return np.frombuffer(self.content(number), self.order + _CODES[self.type_of(number)])


def address_at(data: Data, place: int, order: str, big: bool = False) -> int:
    """Return the address that is stored at a place."""
    try:
        return int(struct.unpack_from(order + ("Q" if big else "I"), data, place)[0])
    except (struct.error, OverflowError):
        raise ImageError("an address behind the end") from None


_DESCRIPTION, _PAGE_NUMBER, IPTC, _NO_DATA, _PRIVATE = 270, 297, 33723, 42113, 32768
_ACROSS, _DOWN, _UNIT = 282, 283, 296
_MOST_BYTES = 1 << 22

_LAYOUT = {
    *(256, 257, 258, 259, 262, 263, 264, 265, 266, 273, 277, 278, 279, 284, 287, 288, 289, 292, 293),
    *(317, 320, 322, 323, 324, 325, 326, 327, 328, 332, 334, 338, 339, 347, *range(512, 522)),
    *(529, 530, 531, 532, 559, 32995, 32996, 32997, 32998),
}
# Kept as EXIF, XMP and profile, which are cleaned of thumbnails and set upright.
_ELSEWHERE = {274, 700, 34377, 34665, 34675, 34853, 40965}
_IMAGEJ = {50838, 50839}
_KINDS = {
    **dict.fromkeys((33550, 33920, 33922, 34264, 34735, 34736, 34737, 42112), "GeoTIFF tags"),
    _NO_DATA: "no-data value",
    **dict.fromkeys((_ACROSS, _DOWN, _UNIT), "pixel size"),
    **dict.fromkeys(_IMAGEJ, "ImageJ metadata"),
    _PAGE_NUMBER: "page numbers",
}
_OF_SIZE = ("GeoTIFF tags", "no-data value", "pixel size")
# Addresses, further images, what the samples were before, or how other programs laid the file out.
_REFUSED = {
    *(280, 281, 290, 291, 301, 330, 340, 341, 400, 37724, 34361, 34362, 34412),
    *range(33628, 33632),
    *range(50706, 50838),
}
_LONGS = {IPTC, *_IMAGEJ}  # private tags of this type that are no addresses
_PROGRAMS = {
    "ImageJ": re.compile(rb"\s*ImageJ="),
    "OME": re.compile(rb"[^\0]*<(\w+:)?OME\b"),
    "tifffile": re.compile(rb'\s*\{"shape": \['),
}


# What tifffile writes of every image, which says no more than the layout.
_PLAIN_SHAPE = re.compile(rb'\{"shape": \[\d+, \d+(, [34])?\](, "axes": "YXS?")?\}\0*')


class Origin(NamedTuple):
    """What tags depend on, of the image read (without a shape if it has been turned) or written."""

    shape: tuple[int, ...]
    dtype: str
    frames: int

    @classmethod
    def of(cls, pixels: NDArray[Any], frames: int) -> Origin:
        """Return that of an image."""
        return cls((*pixels.shape, 1)[:3], pixels.dtype.name, frames)


class TiffTag(NamedTuple):
    """A tag as in a little-endian file; of type 0 if it cannot be carried."""

    number: int
    type: int
    values: int
    data: bytes

    @property
    def kind(self) -> str:
        """What it belongs to, else its name."""
        if self.number == _DESCRIPTION and (program := _program_of(self.data)):
            return f"{program} description"
        name = TiffTags.lookup(self.number).name
        return _KINDS.get(self.number) or (f"tag {self.number}" + f" ({name})" * (name != "unknown"))


def _program_of(description: bytes) -> str | None:
    """Return the program that a description counts frames and pixels for, None if it is a text."""
    return next((name for name, form in _PROGRAMS.items() if form.match(description)), None)


def text_of(tags: Iterable[TiffTag]) -> bytes | None:
    """Return the description that is a text."""
    texts = (tag.data for tag in tags if tag.number == _DESCRIPTION and not _program_of(tag.data))
    return next((text.rstrip(b"\0") for text in texts), None)


def no_data(tags: Iterable[TiffTag]) -> str | None:
    """Return the no-data value that is declared."""
    found = next((tag.data for tag in tags if tag.number == _NO_DATA), None)
    return None if found is None else found.rstrip(b"\0 ").decode("ascii", "replace")


def read_tags(directory: Directory) -> tuple[TiffTag, ...]:
    """Return the tags of a page that are to be carried or reported."""
    entries = [each for each in directory.entries if each.number not in _LAYOUT | _ELSEWHERE]
    tags = [_tag(each, directory.data, directory.order) for each in entries]
    scale = {tag.number: tag.data for tag in tags if tag.kind == "pixel size"}
    # In inches or centimetres it is kept for every format; without a unit, 1 x 1 says nothing.
    one = struct.pack("<II", 1, 1)
    scaled = scale.get(_UNIT, b"")[:2] == b"\1\0" and (scale.get(_ACROSS), scale.get(_DOWN)) != (one, one)
    return tuple(
        tag
        for tag in tags
        if (tag.kind != "pixel size" or scaled)
        and not (tag.number == _DESCRIPTION and _PLAIN_SHAPE.fullmatch(tag.data))
    )


def _tag(entry: Entry, data: Data, order: str) -> TiffTag:
    """Return a tag in little-endian order, or marked as one that cannot be carried."""
    number, type = entry.number, entry.type
    length = entry.end - entry.place
    stored = bytes(data[entry.place : entry.end]) if length <= _MOST_BYTES else b""
    refused = TiffTag(number, 0, 0, b"")
    private = number >= _PRIVATE and number not in _LONGS
    if type not in SIZES or not stored or len(stored) != length or number in _REFUSED:
        return refused
    if private and type in _ADDRESSES:
        return refused
    if number in _IMAGEJ and order == ">":  # their content has the byte order of the file
        return refused
    if b"\xff\xd8\xff" in stored or b"\x89PNG\r\n" in stored:  # an image, not filtered
        return refused
    if number != IPTC:  # which are bytes, also if called numbers
        values = np.frombuffer(stored, order + _CODES[type])
        type, code = _NARROWED.get(type, (type, _CODES[type]))
        stored = values.astype(f"<{code}").tobytes()
        if type != entry.type and np.any(np.frombuffer(stored, f"<{code}") != values):
            return refused
    return TiffTag(number, type, entry.values, stored)


def of_first_page(tags: Iterable[TiffTag]) -> Iterator[TiffTag]:
    """Yield those tags of a first page that speak of the whole file."""
    return (tag for tag in tags if _counts(tag) and tag.number != _PAGE_NUMBER)


def fitting_tags(
    tags: tuple[TiffTag, ...], read: Origin | None, written: Origin, form: str, elsewhere: set[int]
) -> tuple[tuple[TiffTag, ...], list[str]]:
    """Return the tags that hold for what is written, and a line for each reason why others are dropped.

    `read` is the image that they came with, and `elsewhere` lists what other formats hold as EXIF.
    """
    if form != "tiff":
        names = dict.fromkeys(tag.kind for tag in tags if tag.number not in elsewhere or _counts(tag))
        return (), [f"{form} cannot hold {', '.join(names)}: dropped"] if names else []
    shape, dtype = (read.shape, read.dtype) if read else ((), "")
    stale = {
        tag.kind
        for tag in tags
        if (tag.kind in _OF_SIZE and shape[:2] != written.shape[:2])
        or (tag.number == _NO_DATA and dtype != written.dtype)
        or (_counts(tag) and not (read == written and _images(tag) in (None, written.frames)))
    }
    kept = tuple(tag for tag in tags if tag.type and tag.kind not in stale)
    lines = [f"the {kind} no longer fit{'s' * (kind[-1] != 's')}: dropped" for kind in sorted(stale)]
    lost = dict.fromkeys(tag.kind for tag in tags if not tag.type and tag.kind not in stale)
    if lost:
        lines.append(f"cannot be carried to another file: {', '.join(lost)}: dropped")
    return kept, lines


def _counts(tag: TiffTag) -> bool:
    """Tell whether a tag counts frames."""
    return tag.kind.endswith(" description") or tag.number in (*_IMAGEJ, _PAGE_NUMBER)


def _images(tag: TiffTag) -> int | None:
    """Return the number of images that a description of ImageJ states, None if there is none."""
    if tag.number != _DESCRIPTION or _program_of(tag.data) != "ImageJ":
        return None
    found = re.search(rb"^images=(\d{1,9})", tag.data, re.MULTILINE)
    return int(found[1]) if found else 1
