"""Facts in the bytes of a file that Pillow does not report, or reports too late, and refusals based on them.

`--max-pixels` moves every limit.
"""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

from convfilter.errors import ImageError
from convfilter.images.library import add_warning
from convfilter.options import MAX_PIXELS

if TYPE_CHECKING:
    import mmap

__all__ = [
    "BESIDE",
    "GIF_XMP",
    "GIF_XMP_END",
    "ChunkPlace",
    "GifLayout",
    "avif_is_deep",
    "check_channels",
    "check_density",
    "check_header",
    "check_pixels",
    "gif_layout",
    "jpeg_segments",
    "png_chunks",
    "webp_chunks",
    "webp_is_lossless",
]

# Encoders make about ten scans. Beyond this number, each scan counts as a whole image.
_SCANS = 100
# A segment of EXIF holds 64 KiB. Cameras write one, editors up to three.
_SEGMENTS = 16
_PIXELS_A_SEGMENT = 1 << 22
_PIXELS_A_CHANNEL = 1 << 12
# A single colour takes a few bytes of WebP or AVIF whatever its size; so large an image is hardly of use.
_ANY_DENSITY = 1 << 26
_DENSITY = 10_000
_JPEG_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
_PROGRESSIVE = {0xC2, 0xC6, 0xCA, 0xCE}
_JPEG_HEADER = 1 << 20


def check_pixels(size: tuple[int, int], max_pixels: int | None, count: int = 1, what: str = "frames") -> None:
    """Refuse an image, or several of a size, of more pixels than allowed; None allows any number."""
    width, height = size
    several = f"{count} {what} of " if count > 1 else ""
    _check(f"{several}{width} x {height} pixels are", count * width * height, max_pixels)


def check_channels(channels: int, max_pixels: int | None) -> None:
    """Refuse an array of too many channels, each of which costs time whatever its size."""
    pixels = channels * _PIXELS_A_CHANNEL
    _check(f"{channels} channels count as {pixels} pixels,", pixels, max_pixels)


def check_header(stream: BinaryIO, form: str, max_pixels: int | None) -> None:
    """Refuse a file of which opening or decoding would take far more than its size suggests."""
    if form == "webp":  # its decoder allocates the image as soon as it is opened
        size = _webp_size(stream)
        check_pixels(size, max_pixels)
        check_density(stream, size, max_pixels)
    if form == "gif":  # so does this one, even if only the header is wanted
        check_pixels(gif_layout(stream).size, MAX_PIXELS if max_pixels is None else max_pixels)
    if form == "jpeg" and max_pixels is not None:
        _check_jpeg(stream, max_pixels)


def check_density(stream: BinaryIO, size: tuple[int, int], max_pixels: int | None) -> None:
    """Refuse a huge image out of next to nothing, unless more than the usual limit is allowed."""
    pixels = size[0] * size[1]
    length = stream.seek(0, os.SEEK_END)
    if max_pixels is not None and max_pixels <= MAX_PIXELS and pixels > max(_ANY_DENSITY, length * _DENSITY):
        raise ImageError(
            f"{size[0]} x {size[1]} pixels out of {length} bytes may be a decompression bomb; "
            f"if you trust the file, allow them with --max-pixels {max(pixels, MAX_PIXELS + 1)}"
        )


def _check_jpeg(stream: BinaryIO, max_pixels: int) -> None:
    """Refuse a JPEG of too many scans, each of which is a pass over the image, or too much EXIF."""
    stream.seek(0)
    data = stream.read(_JPEG_HEADER)
    if all(marker != 0xDA for marker, _, _ in jpeg_segments(data)):
        data += stream.read()
    segments, size, components, progressive = 0, (0, 0), b"", False
    for marker, start, _ in jpeg_segments(data):
        content = data[start : start + 6]
        segments += marker == 0xE1 and content == b"Exif\0\0"
        if marker in _JPEG_FRAMES and len(content) == 6:
            size = int.from_bytes(content[3:5], "big"), int.from_bytes(content[1:3], "big")
            components, progressive = content[5:], marker in _PROGRESSIVE
        if marker == 0xDA:
            progressive |= content[:1] != components
            break
    if segments > _SEGMENTS:
        pixels = segments * _PIXELS_A_SEGMENT
        _check(f"{segments} segments of EXIF count as {pixels} pixels,", pixels, max_pixels)
    if progressive:
        scans = sum(marker == 0xDA for marker, _, _ in jpeg_segments(data + stream.read()))
        if scans > _SCANS:
            check_pixels(size, max_pixels, scans, "scans")


def _check(what: str, pixels: int, max_pixels: int | None) -> None:
    """Refuse what counts as more pixels than are allowed, naming the option that allows it."""
    if max_pixels is not None and pixels > max_pixels:
        raise ImageError(
            f"{what} more than {max_pixels}; if you trust the file, allow them with --max-pixels {pixels}"
        )


def _webp_size(stream: BinaryIO) -> tuple[int, int]:
    """Return a WebP's width and height; anything if the header is broken, which its decoder finds out."""
    stream.seek(0)
    head = stream.read(30).ljust(30, b"\0")
    if head[12:16] == b"VP8X":
        return int.from_bytes(head[24:27], "little") + 1, int.from_bytes(head[27:30], "little") + 1
    if head[12:16] == b"VP8L":
        bits = int.from_bytes(head[21:25], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    return int.from_bytes(head[26:28], "little") & 0x3FFF, int.from_bytes(head[28:30], "little") & 0x3FFF


def webp_is_lossless(stream: BinaryIO) -> bool:
    """Tell whether the first image of a WebP is in the lossless coding."""
    return next((kind == b"VP8L" for kind, _, _ in webp_chunks(stream) if kind in (b"VP8L", b"VP8 ")), False)


def avif_is_deep(stream: BinaryIO) -> bool:
    """Tell whether an AVIF has an image or track of more than 8 bits a channel, by their configurations."""
    stream.seek(0)
    return any(found[1][0] & 0x40 for found in re.finditer(_AV1_CONFIGURATION, stream.read()))


# The name of the box, marker and version, profile and level, and a byte of flags.
_AV1_CONFIGURATION = rb"(?s)av1C\x81.(.)"


class GifLayout(NamedTuple):
    """What the blocks of a GIF say: the size that covers all its frames, and whether it ends with its mark.

    `turns_coloured` is true if a frame that follows a grey one has colours. An extension is a label and the
    blocks that follow, each with its length before it.
    """

    size: tuple[int, int]
    turns_coloured: bool
    whole: bool
    aspect: int
    extensions: list[tuple[int, bytes]]


def gif_layout(stream: BinaryIO) -> GifLayout:
    """Walk through the blocks of a GIF, as far as the file goes."""
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
    greys, extensions = [], []
    while (kind := data[place : place + 1]) not in (b";", b""):
        place += 1
        if kind == b",":
            left, top, across, down, flags = struct.unpack("<4HB", data[place : place + 9].ljust(9, b"\0"))
            width, height = max(width, left + across), max(height, top + down)
            place += 9
            own = palette_is_grey(flags)
            greys.append(shared if own is None else own)
        if kind in (b",", b"!"):
            start = place = place + 1
            while place < len(data) and data[place]:
                place += 1 + data[place]
            place += 1
            if kind == b"!" and start <= len(data):
                extensions.append((data[start - 1], data[start:place]))
    turns = bool(greys) and greys[0] is not False and False in greys
    return GifLayout((width, height), turns, kind == b";", screen[6], extensions)


_GREYS = bytes(level for level in range(256) for _ in range(3))


def jpeg_segments(data: bytes | mmap.mmap, start: int = 0) -> Iterator[tuple[int, int, int]]:
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


class ChunkPlace(NamedTuple):
    """Where a chunk of a PNG or WebP is: its kind, the place of its content and its length."""

    kind: bytes
    place: int
    length: int


def png_chunks(stream: BinaryIO) -> list[ChunkPlace]:
    """Return the whole chunks of a PNG up to its end; the last is ``IEND`` if it is not truncated."""
    size = stream.seek(0, os.SEEK_END)
    place = 8
    chunks: list[ChunkPlace] = []
    while not chunks or chunks[-1].kind != b"IEND":
        stream.seek(place)
        head = stream.read(8)
        if len(head) < 8 or not head[4:].isalpha():
            break
        length, kind = struct.unpack(">I4s", head)
        place += 12 + length
        if place > size:
            break
        chunks.append(ChunkPlace(kind, place - length - 4, length))
    return chunks


def webp_chunks(stream: BinaryIO) -> Iterator[ChunkPlace]:
    """Yield the chunks of a WebP; those within a frame of an animation follow it."""
    end = stream.seek(0, os.SEEK_END)
    place = 12
    while place + 8 <= end:
        stream.seek(place)
        kind, length = struct.unpack("<4sI", stream.read(8))
        yield ChunkPlace(kind, place + 8, length)
        place += 8 + (16 if kind == b"ANMF" else length + length % 2)


# Beside the pixels

GIF_XMP = b"XMP DataXMP"
# XMP is not cut into blocks. Wherever a reader takes a byte of it for a length, it ends up in here.
GIF_XMP_END = bytes([1, *range(255, -1, -1), 0])
_GIF_ICC = b"ICCRGBG1012"
_GIF_LOOPS = (b"NETSCAPE2.0", b"ANIMEXTS1.0")
_TEXT, _COMMENT, _APPLICATION = 0x01, 0xFE, 0xFF
_BMP_V4, _BMP_V5 = 108, 124
_WEBP_CHUNKS = (b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ANIM", b"ANMF", b"EXIF", b"XMP ", b"ICCP")


def _of_gif(stream: BinaryIO, warnings: list[str]) -> dict[str, Any]:
    """Return comments, XMP, colour profile and pixel aspect."""
    layout = gif_layout(stream)
    found: dict[str, Any] = {}
    comments, unknown = [], []
    for label, data in layout.extensions:
        program, rest = data[1:12], data[12:]
        if label == _COMMENT:
            comments.append(_joined(data))
        elif label == _TEXT:
            unknown.append("a text on the image")
        elif label == _APPLICATION and program == _GIF_ICC:
            found["icc_profile"] = _joined(rest)
        elif label == _APPLICATION and program == GIF_XMP and rest.endswith(GIF_XMP_END):
            found["xmp"] = rest.removesuffix(GIF_XMP_END)
        elif label == _APPLICATION and program == GIF_XMP:
            add_warning(warnings, "malformed XMP dropped")
        elif label == _APPLICATION and program not in _GIF_LOOPS:
            unknown.append(f"extension {program.decode('ascii', 'replace')}")
    if layout.aspect:
        found["chunks"] = ((b"pHYs", struct.pack(">IIB", 64, layout.aspect + 15, 0)),)
    return found | {"comments": tuple(filter(None, comments)), "unknown": tuple(dict.fromkeys(unknown))}


def _joined(blocks: bytes) -> bytes:
    """Return the content of blocks, each of which has its length before it."""
    content, place = b"", 0
    while place < len(blocks) and blocks[place]:
        content += blocks[place + 1 : place + 1 + blocks[place]]
        place += 1 + blocks[place]
    return content


def _of_bmp(stream: BinaryIO, warnings: list[str]) -> dict[str, Any]:
    """Return the colour profile."""
    stream.seek(0)
    start = 14 if stream.read(2) == b"BM" else 0
    stream.seek(start)
    header = stream.read(_BMP_V5).ljust(_BMP_V5, b"\0")
    (length,) = struct.unpack_from("<I", header)
    space, *calibrated = struct.unpack_from("<I12I", header, 56)
    if length >= _BMP_V5 and space == 0x4D424544:  # embedded
        place, size = struct.unpack_from("<II", header, 112)
        stream.seek(start + place)
        return {"icc_profile": stream.read(size)}
    if length >= _BMP_V5 and space == 0x4C494E4B:
        return {"unknown": ("a linked colour profile",)}
    if length >= _BMP_V4 and space == 0 and any(calibrated):
        return {"unknown": ("calibrated colours",)}
    return {}


def _of_webp(stream: BinaryIO, warnings: list[str]) -> dict[str, Any]:
    """Return the names of unknown chunks."""
    kinds = [kind for kind, _, _ in webp_chunks(stream) if kind not in _WEBP_CHUNKS]
    unknown = [f"chunk {kind.decode('ascii', 'replace').strip()}" for kind in kinds]
    return {"unknown": tuple(dict.fromkeys(unknown))}


BESIDE: dict[str, Callable[[BinaryIO, list[str]], dict[str, Any]]] = {
    "gif": _of_gif,
    "bmp": _of_bmp,
    "webp": _of_webp,
}
"""What reads it, by format; named as by Pillow, as in `png.beside_pixels`."""
