"""How much a file may cost before it is decoded, told from its header; `--max-pixels` moves every limit."""

from __future__ import annotations

import os
from typing import BinaryIO

from convfilter.errors import ImageError
from convfilter.images.formats import FORMATS
from convfilter.images.headers import gif_layout, jpeg_segments, webp_size
from convfilter.options import MAX_PIXELS

__all__ = ["ANIMATIONS", "check_channels", "check_density", "check_header", "check_pixels"]

ANIMATIONS = tuple(form for form, row in FORMATS.items() if row.several == "animation")
"""Formats of which a few bytes may make many frames, so that the pixels of all count."""

# Encoders make some ten scans; more than these count as so many images.
_SCANS = 100
# A segment of EXIF holds 64 KiB. Cameras write one, editors up to three.
_SEGMENTS = 16
_PIXELS_A_SEGMENT = 1 << 22
_PIXELS_A_CHANNEL = 1 << 12
# A single colour takes a few bytes of WebP or AVIF whatever its size; so large an image is hardly of use.
_ANY_DENSITY = 1 << 26
_DENSITY = 10_000
_PROGRESSIVE = {0xC2, 0xC6, 0xCA, 0xCE}
_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}


def check_pixels(size: tuple[int, int], max_pixels: int | None, count: int = 1, what: str = "frames") -> None:
    """Refuse an image that is too large.

    Parameters
    ----------
    size : tuple of int
        Width and height.
    max_pixels : int or None
        The most pixels allowed, None for any number.
    count : int
        How many of that size are to be decoded.
    what : str
        What they are.

    Raises
    ------
    ImageError
        If it has more.
    """
    width, height = size
    several = f"{count} {what} of " if count > 1 else ""
    _check(f"{several}{width} x {height} pixels are", count * width * height, max_pixels)


def check_channels(channels: int, max_pixels: int | None) -> None:
    """Refuse an array of too many channels, each of which costs time whatever its size."""
    pixels = channels * _PIXELS_A_CHANNEL
    _check(f"{channels} channels count as {pixels} pixels,", pixels, max_pixels)


def check_header(stream: BinaryIO, form: str, max_pixels: int | None) -> None:
    """Refuse a file of which opening or decoding would take far more than its size tells.

    Parameters
    ----------
    stream : file object
        The file.
    form : str
        Its format.
    max_pixels : int or None
        The largest image to go on with, None if only the header is wanted.

    Raises
    ------
    ImageError
        If it is one.
    """
    if form == "webp":  # its decoder makes room for the image as soon as it is opened
        size = webp_size(stream)
        check_pixels(size, max_pixels)
        check_density(stream, size, max_pixels)
    if form == "gif":  # so does this one, whatever is wanted
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
    segments, components, size, scan = 0, b"", (0, 0), b""
    progressive = False
    place = 2
    while not scan:
        stream.seek(place)
        head = stream.read(4)
        if len(head) < 4 or head[0] != 0xFF:
            break
        if head[1] == 0xFF:  # filling
            place += 1
            continue
        content = stream.read(6)
        segments += head[1] == 0xE1 and content == b"Exif\0\0"
        if head[1] in _FRAMES and len(content) == 6:
            size = int.from_bytes(content[3:5], "big"), int.from_bytes(content[1:3], "big")
            components, progressive = content[5:], head[1] in _PROGRESSIVE
        scan = content if head[1] == 0xDA else b""
        place += 0 if scan else 2 + int.from_bytes(head[2:], "big")
    if segments > _SEGMENTS:
        pixels = segments * _PIXELS_A_SEGMENT
        _check(f"{segments} segments of EXIF count as {pixels} pixels,", pixels, max_pixels)
    if progressive or scan[:1] != components:
        stream.seek(place)
        data = b"\xff\xd8" + stream.read()
        scans = sum(marker == 0xDA for marker, _, _ in jpeg_segments(data))
        if scans > _SCANS:
            check_pixels(size, max_pixels, scans, "scans")


def _check(what: str, pixels: int, max_pixels: int | None) -> None:
    """Refuse what counts as more pixels than are allowed, naming the option that allows it."""
    if max_pixels is not None and pixels > max_pixels:
        raise ImageError(
            f"{what} more than {max_pixels}; if you trust the file, allow them with --max-pixels {pixels}"
        )
