"""The tags of TIFF files and blocks of EXIF: their directories, and which of them are copied to another TIFF.

Tags on the layout of a file are made anew; EXIF, GPS, XMP and colour profiles are carried in other ways.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import TiffTags

from convfilter.errors import ImageError

if TYPE_CHECKING:
    import mmap

Data: TypeAlias = "bytes | mmap.mmap"

_CODES = {
    **{1: "u1", 2: "u1", 6: "i1", 7: "u1", 3: "u2", 8: "i2", 4: "u4", 9: "i4", 13: "u4"},
    **{5: "u4", 10: "i4", 11: "f4", 12: "f8", 16: "u8", 17: "i8", 18: "u8"},
}
_WHOLE, _FRACTIONS, _ADDRESSES = (3, 4, 6, 8, 9, 13, 16), (5, 10), (4, 13, 16, 18)
_NARROWED = {16: 4, 17: 9, 18: 13}
# Bytes of a value of each type.
_SIZES = {type: int(code[1]) * (2 if type in _FRACTIONS else 1) for type, code in _CODES.items()}


class Entry(NamedTuple):
    """An entry of a directory at `start`: a tag, the type and number of its values, and where they are."""

    start: int
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
            length = values * _SIZES.get(type, 1)
            place = place if length > inline else at + entry.size - inline
            self.entries.append(Entry(at, number, type, values, place, place + length))
        # By number, those of a known type whose values do not lie behind the end.
        sound = (each for each in self.entries if each.type in _SIZES and each.end <= len(data))
        self.sound = {each.number: each for each in sound}

    def following(self) -> int:
        """Return the address of the next directory, 0 if there is none."""
        return address_at(self.data, self.end, self.order, self.big)

    def content(self, number: int) -> bytes:
        """Return the bytes of a tag's values; none if it is missing."""
        entry = self.sound.get(number)
        return bytes(self.data[entry.place : entry.end]) if entry else b""

    def wholes(self, number: int, default: tuple[int, ...] = ()) -> tuple[int, ...]:
        """Return the whole numbers that a tag holds."""
        entry = self.sound.get(number)
        if entry is None:
            return default
        if entry.type not in _WHOLE:
            raise ImageError(f"broken tiff data (tag {number} does not hold whole numbers)")
        return tuple(self._numbers(entry).tolist())

    def whole(self, number: int, default: int) -> int:
        """Return the first whole number that a tag holds."""
        return (*self.wholes(number), default)[0]

    def resolution(self) -> tuple[float, float] | None:
        """Return the resolution in dots per inch that the tags state."""
        unit = {2: 1, 3: 2.54}.get(self.whole(_UNIT, 2), 0)
        across, down = (self._ratio(number) * unit for number in (_ACROSS, _DOWN))
        return (across, down) if across and down else None

    def _ratio(self, number: int) -> float:
        entry = self.sound.get(number)
        if entry is None or entry.type not in _FRACTIONS:
            return 0.0
        above, below = (*self._numbers(entry).tolist(), 0, 0)[:2]
        return float(above / below) if below else 0.0

    def _numbers(self, entry: Entry) -> NDArray[Any]:
        return np.frombuffer(self.content(entry.number), self.order + _CODES[entry.type])


def address_at(data: Data, place: int, order: str, big: bool = False) -> int:
    """Return the address that is stored at a place."""
    try:
        return int(struct.unpack_from(order + ("Q" if big else "I"), data, place)[0])
    except (struct.error, OverflowError):
        raise ImageError("an address behind the end") from None


_DESCRIPTION, _PAGE_NUMBER, IPTC, _NO_DATA, _PRIVATE = 270, 297, 33723, 42113, 32768
_MAKER_NOTE = 37500
_ACROSS, _DOWN, _UNIT = 282, 283, 296
_MOST_BYTES = 1 << 22

_LAYOUT = {
    *(256, 257, 258, 259, 262, 263, 264, 265, 266, 273, 277, 278, 279, 284, 288, 289, 292, 293),
    *(317, 320, 322, 323, 324, 325, 326, 327, 328, 332, 334, 338, 339, 347, *range(512, 522)),
    *(529, 530, 531, 532, 559, 32995, 32996, 32997, 32998),
}
# Kept as EXIF, XMP and profile, which are cleaned of thumbnails and set upright.
_ELSEWHERE = {274, 700, 34377, 34665, 34675, 34853, 40965}
_IMAGEJ = {50838, 50839}
_PIXEL_SCALE, _TIE_POINTS, _GEO_KEYS, _GDAL, _RASTER_TYPE = 33550, 33922, 34735, 42112, 1025
_GEO_VALUES = {_PIXEL_SCALE: 3, _TIE_POINTS: 6, 34264: 4}  # in a row
_DOUBLE, _RATIO = 12, 5
_KINDS = {
    **dict.fromkeys((*_GEO_VALUES, 33920, 34735, 34736, 34737, 42112), "GeoTIFF tags"),
    50844: "RPC coefficients",
    **dict.fromkeys((286, 287), "page position"),
    _NO_DATA: "no-data value",
    **dict.fromkeys((_ACROSS, _DOWN, _UNIT), "pixel size"),
    **dict.fromkeys(_IMAGEJ, "ImageJ metadata"),
    _PAGE_NUMBER: "page numbers",
}
_OF_GRID = ("GeoTIFF tags", "RPC coefficients", "page position", "pixel size")
# Addresses, further images, what the samples were before, or how other programs laid the file out.
_REFUSED = {
    *(280, 281, 290, 291, 301, 330, 340, 341, 400, 37724, 34361, 34362, 34412),
    *range(33628, 33632),
    *range(50706, 50838),
}
_LONGS = {IPTC, *_IMAGEJ}  # private tags of this type that are no addresses
_PROGRAMS = {
    "ImageJ": rb"\s*ImageJ=",
    "OME": rb"[^\0]*<(\w+:)?OME\b",
    "tifffile": rb'\s*\{"shape": \[',
}
# What tifffile writes of every image, which says no more than the layout.
_PLAIN_SHAPE = rb'\{"shape": \[\d+, \d+(, [34])?\](, "axes": "YXS?")?\}\0*'
# How many images ImageJ counts, along which axes, and all that it says of a stack.
_IMAGEJ_COUNT = rb"(?m)^(images|channels|slices|frames)=(\d{1,9})$"
_IMAGEJ_STACK = rb"(?m)^(?:images|channels|slices|frames|hyperstack|mode|loop|fps|finterval)=.*\n?"

Grid: TypeAlias = Sequence[tuple[int, int]]
"""Where samples lie among others, along rows and columns: the place of the first, and the step."""

SAME_GRID: Grid = [(0, 1), (0, 1)]


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
    data: bytes
    place: int = 0  # where a maker's note was, which may hold addresses

    @property
    def values(self) -> int:
        """How many values it has."""
        return len(self.data) // _SIZES[self.type]

    @property
    def kind(self) -> str:
        """What it belongs to, else its name."""
        if self.number == _DESCRIPTION:  # of a program that counts frames and pixels in it
            for program, form in _PROGRAMS.items():
                if re.match(form, self.data):
                    return f"{program} description"
        name = TiffTags.lookup(self.number).name
        return _KINDS.get(self.number) or (f"tag {self.number}" + f" ({name})" * (name != "unknown"))


def no_data(tags: Iterable[TiffTag]) -> str | None:
    """Return the no-data value that is declared."""
    found = next((tag.data for tag in tags if tag.number == _NO_DATA), None)
    return None if found is None else found.rstrip(b"\0 ").decode("ascii", "replace")


def without_no_data(tags: Iterable[TiffTag]) -> tuple[TiffTag, ...]:
    """Return the tags but those that declare a no-data value."""
    return tuple(tag for tag in tags if tag.number != _NO_DATA)


def read_tags(directory: Directory) -> tuple[TiffTag, ...]:
    """Return the tags of a page that are to be carried or reported."""
    entries = [each for each in directory.entries if each.number not in _LAYOUT | _ELSEWHERE]
    tags = [_carried(each, directory) for each in entries]
    scale = {tag.number: tag.data for tag in tags if tag.kind == "pixel size"}
    # In inches or centimetres it is kept for every format; without a unit, 1 x 1 says nothing.
    one = struct.pack("<II", 1, 1)
    scaled = scale.get(_UNIT, b"")[:2] == b"\1\0" and (scale.get(_ACROSS), scale.get(_DOWN)) != (one, one)
    return tuple(
        tag
        for tag in tags
        if (tag.kind != "pixel size" or scaled)
        and not (tag.number == _DESCRIPTION and re.fullmatch(_PLAIN_SHAPE, tag.data))
    )


def _carried(entry: Entry, directory: Directory) -> TiffTag:
    """Return a tag, or mark it as one that cannot be carried."""
    tag = little_endian(entry, directory)
    number = entry.number
    addresses = number >= _PRIVATE and number not in _LONGS and entry.type in _ADDRESSES
    swapped = number in _IMAGEJ and directory.order == ">"  # their content has the byte order of the file
    image = b"\xff\xd8\xff" in tag.data or b"\x89PNG\r\n" in tag.data  # not filtered
    refused = number in _REFUSED or addresses or swapped or image
    return TiffTag(number, 0, b"") if refused else tag


def little_endian(entry: Entry, directory: Directory) -> TiffTag:
    """Return a tag in little-endian order, of type 0 if it is broken, huge or too large for a TIFF."""
    number, type = entry.number, entry.type
    length = entry.end - entry.place
    stored = bytes(directory.data[entry.place : entry.end]) if length <= _MOST_BYTES else b""
    broken = TiffTag(number, 0, b"")
    if type not in _SIZES or not stored or len(stored) != length:
        return broken
    if number != IPTC:  # which are bytes, also if called numbers
        values = np.frombuffer(stored, directory.order + _CODES[type])
        type = _NARROWED.get(type, type)
        narrowed = values.astype(f"<{_CODES[type]}")
        if type != entry.type and np.any(narrowed != values):
            return broken
        stored = narrowed.tobytes()
    return TiffTag(number, type, stored, entry.place if number == _MAKER_NOTE else 0)


def of_first_page(tags: Iterable[TiffTag]) -> Iterator[TiffTag]:
    """Yield those tags of a first page that speak of the whole file."""
    return (tag for tag in tags if _counts(tag) and tag.number != _PAGE_NUMBER)


def names_beside(tags: Iterable[TiffTag], elsewhere: set[int]) -> list[str]:
    """Return the names of what only a TIFF holds; `elsewhere` are the tags that others hold as EXIF."""
    alone = (_PAGE_NUMBER, b"\0\0\1\0"), (_PAGE_NUMBER, bytes(4))  # page 0 of 1 or of some: says nothing
    beside = (tag for tag in tags if tag.number not in elsewhere or _counts(tag))
    return [tag.kind for tag in beside if (tag.number, tag.data) not in alone]


def fitting_tags(
    tags: tuple[TiffTag, ...], read: Origin | None, written: Origin, grid: Grid
) -> tuple[tuple[TiffTag, ...], list[str]]:
    """Return the tags for what is written, and a line for each reason why others are dropped.

    `read` is the image that they came with, and `grid` says where in it the written samples lie.
    """
    keys = next((np.frombuffer(tag.data, "<u2") for tag in tags if tag.number == _GEO_KEYS), np.empty(0))
    point = any(key[0] == _RASTER_TYPE and key[3] == 2 for key in keys[: len(keys) // 4 * 4].reshape(-1, 4))
    fitted = {tag: _fitted(tag, read, written, grid, point) for tag in tags if tag.type}
    stale = {tag.kind for tag, adapted in fitted.items() if adapted is None}
    lines = [f"the {kind} no longer fit{'s' * (kind[-1] != 's')}: dropped" for kind in sorted(stale)]
    lost = dict.fromkeys(tag.kind for tag in tags if not tag.type and tag.kind not in stale)
    if lost:
        lines.append(f"cannot be carried to another file: {', '.join(lost)}: dropped")
    return tuple(tag for tag in fitted.values() if tag and tag.kind not in stale), lines


def _fitted(tag: TiffTag, read: Origin | None, written: Origin, grid: Grid, point: bool) -> TiffTag | None:
    """Return a tag as it holds for what is written, None if it does not."""
    kind, fits = tag.kind, True
    if kind in _OF_GRID:
        turned = read is not None and not read.shape
        return None if turned else _on_grid(tag, grid, point) if grid != SAME_GRID else tag
    if tag.number == _NO_DATA:
        fits = read is not None and read.dtype == written.dtype
    elif tag.number == _PAGE_NUMBER:
        fits = read is not None and read.frames == written.frames
    elif kind == "ImageJ description":
        return _imagej_description(tag, read, written)
    elif _counts(tag):
        fits = read == written
    return tag if fits else None


def _on_grid(tag: TiffTag, grid: Grid, point: bool) -> TiffTag | None:
    """Return a tag about the size and place of pixels for another grid of them, None if that is not known.

    Positions count from the corner of the first pixel, or from its centre if pixels are points.
    """
    (down, row_step), (across, column_step) = grid
    steps = np.array([column_step, row_step], float)
    shifts = np.array([across, down]) + (0 if point else (1 - steps) / 2)
    if tag.type == _DOUBLE and tag.number in _GEO_VALUES and tag.values % _GEO_VALUES[tag.number] == 0:
        rows = np.frombuffer(tag.data, "<f8").reshape(-1, _GEO_VALUES[tag.number]).copy()
        if tag.number == _PIXEL_SCALE:
            rows[:, :2] *= steps
        elif tag.number == _TIE_POINTS:
            rows[:, :2] = (rows[:, :2] - shifts) / steps
        else:  # the matrix from pixels to the model
            rows[:, 3] += rows[:, :2] @ shifts
            rows[:, :2] *= steps
        return tag._replace(data=rows.tobytes())
    if tag.number in (_ACROSS, _DOWN) and tag.type == _RATIO:
        above, below = struct.unpack("<II", tag.data[:8])
        below *= column_step if tag.number == _ACROSS else row_step
        return tag._replace(data=struct.pack("<II", above, below)) if below < 2**32 else None
    return tag if tag.number in (_UNIT, _GEO_KEYS, _GEO_KEYS + 1, _GEO_KEYS + 2, _GDAL) else None


def _counts(tag: TiffTag) -> bool:
    """Return whether a tag counts frames."""
    return tag.kind.endswith(" description") or tag.number in (*_IMAGEJ, _PAGE_NUMBER)


def _imagej_description(tag: TiffTag, read: Origin | None, written: Origin) -> TiffTag | None:
    """Return a description of ImageJ with the number of frames and, if the type changes, no limits."""
    text = tag.data.rstrip(b"\0")
    counts = {name: int(count) for name, count in re.findall(_IMAGEJ_COUNT, text)}
    if read is None or counts.pop(b"images", 1) != read.frames:
        return None
    if read.dtype != written.dtype:
        text = re.sub(rb"(?m)^(?:min|max)=.*\n?", b"", text)
    if read.frames != written.frames:
        axes = [name for name, count in counts.items() if count > 1]
        text = re.sub(_IMAGEJ_STACK, b"", text).rstrip(b"\n") + b"\n"
        if written.frames > 1:
            axis = axes[0] if len(axes) == 1 else b"slices"
            text += b"images=%d\n%s=%d\n" % (written.frames, axis, written.frames)
    return tag._replace(data=text + b"\0")
