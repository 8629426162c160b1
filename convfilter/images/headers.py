"""What the bytes of a file tell that Pillow does not, or not in time."""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator
from typing import BinaryIO

from convfilter.errors import ImageError

__all__ = [
    "avif_is_deep",
    "check_png_sums",
    "gif_is_whole",
    "gif_turns_coloured",
    "has_late_tags",
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
        What the configuration of its (first) picture says.
    """
    stream.seek(0)
    head = stream.read(1 << 16)
    at = head.find(b"av1C")
    return 0 < at < len(head) - 6 and bool(head[at + 6] & 0x40)


def gif_is_whole(stream: BinaryIO) -> bool:
    """Tell whether a GIF ends as it should.

    Parameters
    ----------
    stream : file object
        The file; left where it was.

    Returns
    -------
    bool
        Whether its last byte, zeros and line ends aside, is the end mark.
    """
    place = stream.tell()
    end = stream.seek(0, os.SEEK_END)
    stream.seek(max(0, end - 64))
    tail = stream.read().rstrip(b"\0\r\n")
    stream.seek(place)
    return tail.endswith(b";")


def gif_turns_coloured(stream: BinaryIO) -> bool:
    """Tell whether a frame of a GIF that follows a grey one has colours.

    Parameters
    ----------
    stream : file object
        The file; left where it was.

    Returns
    -------
    bool
        What the palettes say.
    """
    place = stream.tell()
    palettes = [*_gif_palettes(stream)]
    stream.seek(place)
    grey = [all(entry == bytes([number]) * 3 for number, entry in enumerate(each)) for each in palettes]
    return bool(grey) and grey[0] and not all(grey)


def _gif_palettes(stream: BinaryIO) -> Iterator[list[bytes]]:
    """Yield the palette that each frame of a GIF is drawn with, as far as the file goes."""

    def palette(flags: int) -> list[bytes]:
        return [stream.read(3) for _ in range(2 << (flags & 7))] if flags & 128 else []

    stream.seek(10)
    shared = palette(int.from_bytes(stream.read(3)[:1], "big"))
    while (kind := stream.read(1)) in (b"!", b","):
        if kind == b"!":
            stream.read(1)
        else:
            yield palette(int.from_bytes(stream.read(9)[8:], "big")) or shared
            stream.read(1)
        while length := int.from_bytes(stream.read(1), "big"):
            stream.seek(length, os.SEEK_CUR)


def has_late_tags(stream: BinaryIO) -> bool:
    """Tell whether a PNG has tags, which may turn it, behind its pixels.

    Parameters
    ----------
    stream : file object
        The file.

    Returns
    -------
    bool
        Whether there are chunks of EXIF or text behind the last of its pixels.
    """
    return bool(_LATE & set(_chunks_behind(stream)))


def check_png_sums(stream: BinaryIO) -> None:
    """Refuse a PNG whose (first) picture is damaged, which Pillow does not look for.

    Raises
    ------
    ImageError
        If a check sum of its pixels is wrong.
    """
    stream.seek(8)
    while len(head := stream.read(8)) == 8:
        length, kind = struct.unpack(">I4s", head)
        if kind != b"IDAT":
            stream.seek(length + 4, os.SEEK_CUR)
        elif zlib.crc32(stream.read(length), zlib.crc32(kind)).to_bytes(4, "big") != stream.read(4):
            raise ImageError("broken png data (a check sum of its pixels is wrong)")


_LATE = {b"eXIf", b"iTXt", b"tEXt", b"zTXt"}


def _chunks_behind(stream: BinaryIO) -> list[bytes]:
    """Return the kinds of a PNG's chunks behind its first pixels."""
    stream.seek(8)
    kinds: list[bytes] = []
    behind = False
    while len(head := stream.read(8)) == 8:
        length, kind = struct.unpack(">I4s", head)
        behind = behind or kind == b"IDAT"
        if behind:
            kinds.append(kind)
        if kind == b"IEND":
            break
        stream.seek(length + 4, os.SEEK_CUR)
    return kinds
