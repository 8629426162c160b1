"""How much a file may cost before it is decoded, told from its header; `--max-pixels` moves every limit."""

from __future__ import annotations

from typing import BinaryIO

from convfilter.errors import ImageError
from convfilter.images.headers import gif_layout, jpeg_segments, webp_size
from convfilter.vocabulary import MAX_PIXELS

__all__ = ["ANIMATIONS", "check_channels", "check_header", "check_pixels"]

ANIMATIONS = ("gif", "png", "webp", "avif")
"""Formats of which a few bytes may make many frames, so that the pixels of all count."""

# Encoders make some ten scans; more than these count as so many images.
_SCANS = 100
# A segment of EXIF holds 64 KiB. Cameras write one, editors up to three.
_SEGMENTS = 16
_PIXELS_A_SEGMENT = 1 << 22
_PIXELS_A_CHANNEL = 1 << 12
_HEAD = 1 << 20
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
        check_pixels(webp_size(stream), max_pixels)
    if form == "gif":  # so does this one, whatever is wanted
        check_pixels(gif_layout(stream).size, MAX_PIXELS if max_pixels is None else max_pixels)
    if form == "jpeg" and max_pixels is not None:
        _check_jpeg(stream, max_pixels)


def _check_jpeg(stream: BinaryIO, max_pixels: int) -> None:
    """Refuse a JPEG of too many scans, each of which is a pass over the image, or too much EXIF."""
    stream.seek(0)
    data = stream.read(_HEAD)
    found = [*jpeg_segments(data)]
    if not _has_one_scan(data, found):
        data += stream.read()
        found = [*jpeg_segments(data)]
        scans = sum(marker == 0xDA for marker, _, _ in found)
        frame = next((data[start : start + 5] for marker, start, _ in found if marker in _FRAMES), b"")
        if scans > _SCANS and len(frame) == 5:
            size = int.from_bytes(frame[3:], "big"), int.from_bytes(frame[1:3], "big")
            check_pixels(size, max_pixels, scans, "scans")
    segments = sum(marker == 0xE1 and data[start : start + 6] == b"Exif\0\0" for marker, start, _ in found)
    if segments > _SEGMENTS:
        pixels = segments * _PIXELS_A_SEGMENT
        _check(f"{segments} segments of EXIF count as {pixels} pixels,", pixels, max_pixels)


def _has_one_scan(data: bytes, found: list[tuple[int, int, int]]) -> bool:
    """Tell whether a JPEG's first scan holds all its components in full."""
    starts = {marker: start for marker, start, _ in reversed(found)}
    frame = next((start for marker, start in starts.items() if marker in _FRAMES - _PROGRESSIVE), None)
    scan = starts.get(0xDA)
    return scan is not None and frame is not None and data[scan : scan + 1] == data[frame + 5 : frame + 6]


def _check(what: str, pixels: int, max_pixels: int | None) -> None:
    """Refuse what counts as more pixels than are allowed, naming the option that allows it."""
    if max_pixels is not None and pixels > max_pixels:
        raise ImageError(
            f"{what} more than {max_pixels}; if you trust the file, allow them with --max-pixels {pixels}"
        )
