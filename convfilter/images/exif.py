"""EXIF blocks: cleaning, conversion from and to TIFF tags, embedded thumbnails and Photoshop data.

A block is itself a small TIFF: addresses in it count from its beginning, behind ``Exif`` and two zeros.
"""

from __future__ import annotations

import contextlib
import itertools
import re
import struct
from collections.abc import Iterable, Iterator, Mapping
from typing import TypeAlias, Union

from convfilter.errors import ImageError
from convfilter.images.library import add_warning
from convfilter.images.tiff_tags import (
    IPTC,
    Data,
    Directory,
    TiffTag,
    address_at,
    little_endian,
)

EXIF = b"Exif\0\0"
# Of a TIFF's tags these describe the image and are kept in EXIF by other formats.
DESCRIPTIVE = {11, 269, 270, 271, 272, 285, 305, 306, 315, 316, 318, 319, 33432, 33723}
DESCRIPTIVE |= {18246, 18249, 34377, *range(40091, 40096)}
# Photoshop's resources that show the image as it was.
THUMBNAILS = (0x0409, 0x040C)

_ORIENTATION, _SOFTWARE, _MAKER_NOTE = 274, 305, 37500
_SIZE = 40962, 40963  # width and height
_EXIF_GROUP, _GPS, _INTEROP = 34665, 34853, 40965
# Directories that a tag points to, by the directory in which they may stand.
_GROUPS = {0: (_EXIF_GROUP, _GPS), _EXIF_GROUP: (_INTEROP,)}
_SHORT, _LONG, _UNDEFINED = 3, 4, 7
# Where image data begin and how long they are: JPEG, strips, tiles.
_IMAGE_DATA = ((513, 514), (273, 279), (324, 325))
_DIRECTORIES, _WINDOWS_THUMBNAIL, _PHOTOSHOP = 330, 0x501B, 34377
_MOST_DIRECTORIES, _MOST_NUMBERS, _MOST_SEGMENTS = 16, 4096, 1000
_RESOLUTION = (282, 283)
_FURTHEST_NOTE = 4096
_JPEG = b"\xff\xd8\xff"


def cleaned(exif: bytes, upright: bool) -> bytes:
    """Return a block with its orientation set upright, if so, and zeros where thumbnails were.

    Where the image is turned by that from portrait to landscape or back, its two resolutions change places.
    """
    directory = directory_of(exif)
    block, order, start, end = directory.data, directory.order, directory.start, directory.end
    result = bytearray(block)
    length = len(block)
    for first, last in sorted(_thumbnails(directory), key=lambda place: -place[1]):
        last = min(last, len(block))
        if first >= last:
            continue
        if first < end and last > start:
            raise ImageError("a thumbnail within the tags")
        result[first:last] = bytes(last - first)
        if last == length:
            length = first
    for entry in directory.entries:
        if entry.number == _ORIENTATION and upright and start < entry.place < end:
            struct.pack_into(order + ("I" if entry.type == _LONG else "H"), result, entry.place, 1)
    x, y = map(directory.sound.get, _RESOLUTION)
    turned = upright and 5 <= directory.whole(_ORIENTATION, 1) <= 8
    if turned and x and y and x.end - x.place == y.end - y.place:
        result[x.place : x.end], result[y.place : y.end] = block[y.place : y.end], block[x.place : x.end]
    result[end : end + 4] = bytes(len(result[end : end + 4]))
    groups = _others(directory, [each for group in _GROUPS[0] for each in _addresses(directory, group)[:1]])
    ends = [
        place for each in (directory, *groups) for place in (each.end + 4, *(e.end for e in each.entries))
    ]
    return EXIF + bytes(result[: max(length, *ends)])


def resized(exif: bytes, before: tuple[int, ...], after: tuple[int, ...]) -> bytes:
    """Return a block with another width and height if those that it states were true."""
    directory = directory_of(exif)
    block = bytearray(directory.data)
    for group in _others(directory, _addresses(directory, _EXIF_GROUP)[:1]):
        if before == tuple((*_addresses(group, number), 0)[0] for number in _SIZE):
            for number, value in zip(_SIZE, after, strict=True):
                entry = group.sound[number]
                code = {_SHORT: "H", _LONG: "I"}.get(entry.type)
                if code and value < 1 << (8 * struct.calcsize(code)):
                    struct.pack_into(directory.order + code, block, entry.place, value)
    return EXIF + bytes(block)


def directory_of(exif: bytes) -> Directory:
    """Return the first directory of a block."""
    block = exif.removeprefix(EXIF)
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(block[:4])
    if order is None:
        raise ImageError("not EXIF")
    return Directory(block, address_at(block, 4, order), order)


def _others(directory: Directory, addresses: Iterable[int]) -> Iterator[Directory]:
    """Yield the sound ones of the directories at addresses in the same block."""
    for address in filter(None, addresses):
        with contextlib.suppress(ImageError):
            yield Directory(directory.data, address, directory.order)


def _addresses(directory: Directory, number: int) -> tuple[int, ...]:
    """Return the numbers of 16 or 32 bits that a tag holds, whatever type it claims."""
    entry = directory.sound.get(number)
    content, size = directory.content(number), 2 if entry and entry.type == _SHORT else 4
    count = min(len(content) // size, _MOST_NUMBERS)
    return struct.unpack_from(f"{directory.order}{count}{'H' if size == 2 else 'I'}", content)


def _thumbnails(directory: Directory) -> Iterator[tuple[int, int]]:
    """Yield where images are in a block of EXIF, as far as they are in a known format or place."""
    block = directory.data
    yield from jpeg_places(block)
    for entry in directory.entries:
        if entry.number == _WINDOWS_THUMBNAIL:
            yield entry.place, entry.end
        elif entry.number == _PHOTOSHOP:
            for kind, _, start, stop in photoshop_resources(block, entry.place, entry.end):
                if kind in THUMBNAILS:
                    yield start, min(stop, entry.end)
    yield from _image_data(directory)
    others = [directory.following()] if len(block) >= directory.end + 4 else []
    others += _addresses(directory, _DIRECTORIES)
    for other in _others(directory, others[:_MOST_DIRECTORIES]):
        yield other.start, other.end
        yield from _image_data(other)


def _image_data(directory: Directory) -> Iterator[tuple[int, int]]:
    """Yield where the image is that a directory describes."""
    for starts, lengths in _IMAGE_DATA:
        for start, length in zip(_addresses(directory, starts), _addresses(directory, lengths), strict=False):
            yield start, start + length


def photoshop_resources(block: Data, place: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    """Yield Photoshop's resources: their kind, where they begin, and where their content begins and ends."""
    while place + 12 <= end and block[place : place + 4] == b"8BIM":
        begin = place
        kind = int.from_bytes(block[place + 4 : place + 6], "big")
        place += 6 + (block[place + 6] + 2) // 2 * 2  # behind the name, of even length with its own
        start, length = place + 4, int.from_bytes(block[place : place + 4], "big")
        yield kind, begin, start, start + length
        place = start + length + length % 2


def jpeg_segments(data: Data, start: int = 0) -> Iterator[tuple[int, int, int]]:
    """Yield the segments of a JPEG in `data` that begins at `start`: marker, begin and end of the content.

    A scan ends behind its coded data. Nothing more follows what is broken.
    """
    place = start + 2
    while place + 4 <= len(data) or data[place : place + 2] == b"\xff\xd9":
        marker = data[place + 1]
        if data[place] != 0xFF or marker in (0x00, 0x01) or 0xD0 <= marker <= 0xD8:
            return
        if marker == 0xFF:  # filling
            place += 1
            continue
        if marker == 0xD9:
            yield marker, place + 2, place + 2
            return
        end = place + 2 + int.from_bytes(data[place + 2 : place + 4], "big")
        if marker == 0xDA:
            following = _MARKER.search(data, end)
            end = following.start() if following else len(data)
        yield marker, place + 4, end
        place = end


# What ends coded data: not an escaped byte, not a restart, not filling.
_MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")


def jpeg_places(data: Data) -> list[tuple[int, int]]:
    """Return where JPEGs are within other data: what begins as one and has a scan, up to its end."""
    places = []
    start = data.find(_JPEG)
    while start >= 0:
        end = start
        for marker, _, last in itertools.islice(jpeg_segments(data, start), _MOST_SEGMENTS):
            if marker in (0xD9, 0xDA) or end > start:
                end = min(last, len(data))
        if end > start:
            places.append((start, end))
        start = data.find(_JPEG, max(end, start + 3))
    return places


# To and from the tags of a TIFF

Group: TypeAlias = Mapping[int, Union[TiffTag, "Group"]]
"""The tags of a directory, and the groups in it, by their numbers."""


def group_of(directory: Directory, warnings: list[str], level: int = 0) -> dict[int, TiffTag | Group]:
    """Return the tags of a directory and the groups in it, with a warning for each broken tag.

    Of a first directory, at level 0, these are the tags that `read_tags` leaves out to be cleaned in a block.
    """
    found: dict[int, TiffTag | Group] = {}
    for entry in directory.entries:
        if entry.number in _GROUPS.get(level, ()):
            if address := directory.whole(entry.number, 0):
                inner = Directory(directory.data, address, directory.order, directory.big)
                found[entry.number] = group_of(inner, warnings, entry.number)
        elif level or entry.number in (_ORIENTATION, _PHOTOSHOP):
            found[entry.number] = tag = little_endian(entry, directory)
            if not tag.type:
                add_warning(warnings, f"malformed EXIF tag {entry.number} dropped")
    return {number: tag for number, tag in found.items() if (tag.type if isinstance(tag, TiffTag) else tag)}


def names_program_only(exif: bytes) -> bool:
    """Return whether a block of an upright image names only the program that wrote it."""
    directory = directory_of(exif)
    upright = directory.whole(_ORIENTATION, 1) == 1
    return upright and {entry.number for entry in directory.entries} <= {_ORIENTATION, _SOFTWARE}


def block_of(directory: Directory, tags: Iterable[TiffTag], warnings: list[str]) -> bytes | None:
    """Return a block with what a page of a TIFF, and `tags` of it, say of the image."""
    group = group_of(directory, warnings)
    for tag in tags:
        if tag.number == IPTC and tag.type:  # bytes, also if called numbers
            group[IPTC] = tag._replace(type=_UNDEFINED)
        elif tag.number in DESCRIPTIVE and tag.type and not tag.kind.endswith(" description"):
            group[tag.number] = tag
    if not group:
        return None
    note = note_in_place(group)
    table, values = laid_out(group, 8 + len(note))
    return EXIF + struct.pack("<4sI", b"II*\0", 8 + len(note) + len(values)) + note + values + table


def without_upright(exif: bytes) -> bytes:
    """Return a block without its orientation if that is upright; all else stays at its address."""
    directory = directory_of(exif)
    block = bytearray(directory.data)
    if directory.whole(_ORIENTATION, 0) == 1:
        at = directory.sound[_ORIENTATION].start
        block[at : directory.end + 4] = block[at + 12 : directory.end + 4] + bytes(12)
        struct.pack_into(directory.order + "H", block, directory.start, len(directory.entries) - 1)
    return EXIF + bytes(block)


def note_in_place(group: Group) -> bytes:
    """Return the bytes to insert after the 8-byte header so that a maker's note keeps its address.

    Many hold addresses of their own, which count from the beginning of the file.
    """
    inner = group.get(_EXIF_GROUP)
    note = inner.get(_MAKER_NOTE) if isinstance(inner, Mapping) else None
    if not isinstance(note, TiffTag) or not _may_stay(note):
        return b""
    return bytes(note.place - 8) + note.data + bytes((note.place + len(note.data)) % 2)


def _may_stay(tag: TiffTag) -> bool:
    return tag.number == _MAKER_NOTE and len(tag.data) > 4 and 8 <= tag.place <= _FURTHEST_NOTE


def laid_out(group: Group, place: int, *, first: bool = True) -> tuple[bytes, bytes]:
    """Return a directory that is followed by no other, and what it points to, which is put at `place`.

    In the `first` directory of a file maker's notes are where `note_in_place` has put them.
    """
    rows, values = b"", bytes(place % 2)  # addresses are even
    for number, tag in sorted(group.items()):
        if not isinstance(tag, TiffTag):
            table, behind = laid_out(tag, place + len(values), first=first)
            values += behind
            kind, count, content = _LONG, 1, struct.pack("<I", place + len(values))
            values += table
        else:
            kind, count, content = tag.type, tag.values, tag.data
            if first and _may_stay(tag):
                content = struct.pack("<I", tag.place)
            elif len(content) > 4:
                content = struct.pack("<I", place + len(values))
                values += tag.data + bytes(len(tag.data) % 2)
        rows += struct.pack("<HHI4s", number, kind, count, content)
    return struct.pack("<H", len(group)) + rows + bytes(4), values
