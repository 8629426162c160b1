"""What the bytes of a file tell that Pillow does not, or not in time."""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

__all__ = [
    "GifLayout",
    "PngChunk",
    "avif_is_deep",
    "gif_layout",
    "jpeg_segments",
    "png_chunks",
    "webp_is_lossless",
    "webp_size",
]


def webp_size(stream: BinaryIO) -> tuple[int, int]:
    """Return a WebP's size.

    Parameters
    ----------
    stream : file object
        The file; left at its beginning.

    Returns
    -------
    tuple of int
        Width and height; anything if the header is broken, which its decoder finds out.
    """
    stream.seek(0)
    head = stream.read(30).ljust(30, b"\0")
    stream.seek(0)
    if head[12:16] == b"VP8X":
        return int.from_bytes(head[24:27], "little") + 1, int.from_bytes(head[27:30], "little") + 1
    if head[12:16] == b"VP8L":
        bits = int.from_bytes(head[21:25], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    return int.from_bytes(head[26:28], "little") & 0x3FFF, int.from_bytes(head[28:30], "little") & 0x3FFF


def webp_is_lossless(stream: BinaryIO) -> bool:
    """Tell whether a WebP holds exactly the samples that were written.

    Parameters
    ----------
    stream : file object
        The file.

    Returns
    -------
    bool
        Whether its (first) picture is in the lossless coding.
    """
    stream.seek(12)
    while len(head := stream.read(8)) == 8:
        kind, length = struct.unpack("<4sI", head)
        if kind in (b"VP8L", b"VP8 "):
            return bool(kind == b"VP8L")
        # The chunks of an animation's picture lie within its own, behind 16 bytes.
        stream.seek(16 if kind == b"ANMF" else length + length % 2, os.SEEK_CUR)
    return False


def avif_is_deep(stream: BinaryIO) -> bool:
    """Tell whether an AVIF holds more than 8 bits a channel.

    Parameters
    ----------
    stream : file object
        The file.

    Returns
    -------
    bool
        What the configurations of its images and tracks say.
    """
    stream.seek(0)
    return any(content[2:3] and content[2] & 0x40 for content in _av1_configurations(stream.read()))


# The boxes of an AVIF that lead to configurations, and how many bytes of their own stand before others.
_BOXES = {b"meta": 4, b"iprp": 0, b"ipco": 0, b"stsd": 8, b"av01": 78}
_BOXES |= dict.fromkeys((b"moov", b"trak", b"mdia", b"minf", b"stbl"), 0)


def _av1_configurations(data: bytes) -> Iterator[bytes]:
    """Yield the content of each av1C box."""
    place = 0
    while place + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, place)
        start = place + 8
        if length == 1 and start + 8 <= len(data):  # a length of 64 bits follows
            (length,) = struct.unpack_from(">Q", data, start)
            start += 8
        end = len(data) if length == 0 else place + length
        if end < start:
            return
        if kind == b"av1C":
            yield data[start:end]
        elif kind in _BOXES:
            yield from _av1_configurations(data[start + _BOXES[kind] : end])
        place = end


class GifLayout(NamedTuple):
    """What the blocks of a GIF tell.

    Attributes
    ----------
    size : tuple of int
        Width and height of what all its frames cover.
    turns_coloured : bool
        Whether a frame that follows a grey one has colours.
    whole : bool
        Whether its end mark is there.
    """

    size: tuple[int, int]
    turns_coloured: bool
    whole: bool


def gif_layout(stream: BinaryIO) -> GifLayout:
    """Return what the blocks of a GIF tell, as far as the file goes.

    Parameters
    ----------
    stream : file object
        The file.

    Returns
    -------
    GifLayout
        Its size, colours and whether it is whole.
    """
    stream.seek(0)
    data = stream.read()
    screen = data[6:13].ljust(7, b"\0")
    width, height = struct.unpack_from("<HH", screen)
    place = 13

    def palette_is_grey(flags: int) -> bool | None:
        nonlocal place
        length = 6 << (flags & 7) if flags & 128 else 0
        place += length
        return data[place - length : place] == _GREYS[:length] if length else None

    shared = palette_is_grey(screen[4])
    greys = []
    while (kind := data[place : place + 1]) not in (b";", b""):
        place += 1
        if kind == b",":
            left, top, across, down, flags = struct.unpack("<4HB", data[place : place + 9].ljust(9, b"\0"))
            width, height = max(width, left + across), max(height, top + down)
            place += 9
            own = palette_is_grey(flags)
            greys.append(shared if own is None else own)
        if kind in (b",", b"!"):
            place += 1
            while place < len(data) and data[place]:
                place += 1 + data[place]
            place += 1
    turns = bool(greys) and greys[0] is not False and False in greys
    return GifLayout((width, height), turns, kind == b";")


_GREYS = bytes(level for level in range(256) for _ in range(3))


def jpeg_segments(data: bytes, start: int = 0) -> Iterator[tuple[int, int, int]]:
    """Yield the segments of a JPEG, found by their lengths.

    Parameters
    ----------
    data : bytes
        What holds the JPEG.
    start : int
        Where it begins, with its start mark.

    Yields
    ------
    tuple of int
        The marker, and where its content begins and ends: for a scan, behind its coded data; for the end
        mark, at once. Nothing more follows what is broken.
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


class PngChunk(NamedTuple):
    """Where a chunk of a PNG is: its kind, the place of its content and its length."""

    kind: bytes
    place: int
    length: int


def png_chunks(stream: BinaryIO) -> list[PngChunk]:
    """Return the chunks of a PNG up to its end, found by their lengths, as far as they are whole.

    Parameters
    ----------
    stream : file object
        The file.

    Returns
    -------
    list of PngChunk
        In their order; the last is ``IEND`` if the file is not truncated.
    """
    size = stream.seek(0, os.SEEK_END)
    place = 8
    chunks: list[PngChunk] = []
    while not chunks or chunks[-1].kind != b"IEND":
        stream.seek(place)
        head = stream.read(8)
        if len(head) < 8 or not head[4:].isalpha():
            break
        length, kind = struct.unpack(">I4s", head)
        place += 12 + length
        if place > size:
            break
        chunks.append(PngChunk(kind, place - length - 4, length))
    return chunks
