"""Several images into one file: animations, multi-page files and arrays.

PNG and WebP are put together from images that Pillow encodes one by one, each with only the box that has
changed. Pillow's own writers hold all frames in memory; the one for PNG compares 16-bit frames in 8 bits, and
the one for WebP loses the colours of transparent pixels.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterable
from fractions import Fraction
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from convfilter.errors import ImageError
from convfilter.images.formats import FORMATS, loaded
from convfilter.images.headers import webp_chunks
from convfilter.images.library import collected, frame_named
from convfilter.images.picture import Metadata, Picture
from convfilter.images.png import chunks_beside, png_chunk, png_header
from convfilter.images.png_encoding import compressed_pixels
from convfilter.images.writing import Output, prepared, save_avif, save_webp, taken
from convfilter.options import EncodeOptions

__all__ = ["AvifFrames", "Clock", "PngFrames", "WebpFrames", "changed_box", "write_frames"]

_UNTIMED = 100.0  # milliseconds for which a frame is shown whose file does not say


def write_frames(
    stream: BinaryIO,
    pictures: Iterable[Picture],
    count: int,
    format: str,
    encoding: EncodeOptions | None = None,
    *,
    volume: bool = False,
    threads: int = 1,
) -> list[str]:
    """Encode `count` images as one file into a buffered stream, and return what was lost.

    Each is forgotten before the next is asked for, as far as the format allows. A `volume` of grey frames in
    an ``.npy`` is (T, H, W); other frames are (T, H, W, 1), which cannot be taken for an image.
    """
    row = FORMATS[format]
    output = Output(stream, format, encoding or EncodeOptions(), [], [], count, threads)
    writer = loaded(row.frames_encoder)(output)
    size: tuple[int, ...] | None = None
    for number, picture in enumerate(pictures):
        with frame_named(number, count), collected(output.warnings, prints=row.prints):
            size = _checked_size(picture, size, format)
            if row.several == "arrays" and picture.pixels.ndim == 2 and not volume:
                picture.pixels = picture.pixels[..., np.newaxis]
            writer.add(prepared(picture, output, release=True))
    with collected(output.warnings, prints=row.prints):
        writer.finish()
    return output.all_warnings()


def _checked_size(picture: Picture, size: tuple[int, ...] | None, form: str) -> tuple[int, ...]:
    """Return an image's size; refuse another than that before it where a file holds one size only."""
    height, width = shape = picture.pixels.shape[:2]
    if size not in (None, shape) and FORMATS[form].several != "pages":
        raise ImageError(f"{width} x {height} pixels, and {form} holds frames of one size; try tiff")
    return shape


class Clock:
    """Turns durations into whole ticks of milliseconds; what is rounded off one frame is added to the next.

    >>> clock = Clock(10, 65535, [])
    >>> [clock.ticks(33), clock.ticks(33), clock.ticks(34), clock.ticks(None)]
    [3, 4, 3, 10]
    """

    def __init__(self, tick: float, most: int, warnings: list[str]) -> None:
        self._tick, self._most, self._warnings = tick, most, warnings
        self._due = 0.0

    def ticks(self, duration: float | None) -> int:
        """Return for how many ticks the next frame is shown, from its milliseconds."""
        self._due += (_UNTIMED if duration is None else duration) / self._tick
        ticks = round(self._due)
        self._due -= ticks
        if ticks > self._most:
            self._warnings.append(f"frames are shown for {self._most * self._tick / 1000:g} seconds at most")
        return min(ticks, self._most)


def changed_box(changed: NDArray[np.bool_]) -> tuple[int, int, int, int]:
    """Return left, top, right and bottom of what has changed; one pixel if nothing has."""
    places = [np.flatnonzero(changed.any(axis=axis)) for axis in (0, 1)]
    if not len(places[0]):
        return 0, 0, 1, 1
    (left, right), (top, bottom) = ((int(each[0]), int(each[-1]) + 1) for each in places)
    return left, top, right, bottom


class _Changes:
    """Finds the part of a frame that differs from the frame before."""

    def __init__(self, grid: int) -> None:
        self._grid = grid
        self._before: Picture | None = None

    def of(self, picture: Picture) -> tuple[Picture, int, int]:
        """Return that part and where its left upper corner is, on the grid."""
        before, self._before = self._before, picture
        if before is None:
            return picture.with_pixels(picture.pixels, picture.mode), 0, 0
        if before.mode != picture.mode:
            raise ImageError(f"it is {picture.mode} after {before.mode}; try tiff or gif")
        differs = picture.pixels != before.pixels
        left, top, right, bottom = changed_box(differs if differs.ndim == 2 else differs.any(axis=2))
        left, top = left - left % self._grid, top - top % self._grid
        metadata = picture.metadata.bare()  # the file's are those of the first frame
        part = picture.pixels[top:bottom, left:right]
        return picture.with_pixels(part, picture.mode, metadata), left, top


class PngFrames:
    """Puts the frames of an animated PNG together."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._changes = _Changes(1)
        self._number = 0

    def add(self, picture: Picture) -> None:
        """Take the next frame."""
        part, left, top = self._changes.of(picture)
        first = self._number == 0
        height, width = part.pixels.shape[:2]
        beside = [*chunks_beside(part, self._output.warnings)] if first else []
        if first:
            self._output.stream.write(png_header(part))
            for chunk in [
                *beside,
                (b"acTL", struct.pack(">II", self._output.frames, picture.metadata.plays)),
            ]:
                self._put(*chunk)
        data = b"".join(
            compressed_pixels(part.pixels, small=self._output.small, threads=self._output.threads)
        )
        delay = _delay(picture.metadata.duration, self._output.warnings)
        # Dispose: leave it; blend: take it as it is.
        self._put(b"fcTL", self._numbered(struct.pack(">4I2H2B", width, height, left, top, *delay, 0, 0)))
        self._put(*((b"IDAT", data) if first else (b"fdAT", self._numbered(data))))

    def finish(self) -> None:
        """Write the end."""
        self._put(b"IEND", b"")

    def _numbered(self, content: bytes) -> bytes:
        self._number += 1
        return struct.pack(">I", self._number - 1) + content

    def _put(self, kind: bytes, content: bytes) -> None:
        self._output.stream.write(png_chunk(kind, content))


def _delay(duration: float | None, warnings: list[str]) -> tuple[int, int]:
    """Return a fraction of seconds in two numbers of 16 bits."""
    delay = Fraction((_UNTIMED if duration is None else duration) / 1000).limit_denominator(65_535)
    if delay.numerator > 65_535:
        delay = Fraction(min(round(delay), 65_535))
        if delay == 65_535:
            warnings.append("frames are shown for 65535 seconds at most")
    return delay.numerator, delay.denominator


class WebpFrames:
    """Puts the frames of an animated WebP together."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._changes = _Changes(2)
        self._clock = Clock(1, (1 << 24) - 1, output.warnings)
        self._size = (1, 1)
        self._metadata: Metadata | None = None
        self._alpha = False
        self._frames = io.BytesIO()

    def add(self, picture: Picture) -> None:
        """Take the next frame."""
        part, left, top = self._changes.of(picture)
        height, width = part.pixels.shape[:2]
        if self._metadata is None:
            self._metadata, self._size = picture.metadata, (width, height)
        self._alpha |= picture.mode == "RGBA"
        encoded = io.BytesIO()
        part.metadata = part.metadata.bare()
        save_webp(part, self._output._replace(stream=encoded))
        content = b"".join(
            _riff(kind, encoded.getvalue()[at : at + length])
            for kind, at, length in webp_chunks(encoded)
            if kind in (b"ALPH", b"VP8 ", b"VP8L")
        )
        ticks = self._clock.ticks(picture.metadata.duration)
        numbers = (left // 2, top // 2, width - 1, height - 1, ticks)
        head = b"".join(number.to_bytes(3, "little") for number in numbers)
        self._frames.write(_riff(b"ANMF", head + b"\2" + content))  # 2: taken as it is, not blended

    def finish(self) -> None:
        """Write the file, whose length stands at its beginning."""
        metadata = self._metadata or Metadata()
        profile = _riff(b"ICCP", metadata.icc)
        behind = _riff(b"EXIF", (metadata.exif or b"")[6:]) + _riff(b"XMP ", metadata.xmp)
        flags = 0x02 | 0x10 * self._alpha | 0x20 * bool(profile)
        flags |= 0x08 * bool(metadata.exif) | 0x04 * bool(metadata.xmp)
        size = b"".join((side - 1).to_bytes(3, "little") for side in self._size)
        before = _riff(b"VP8X", struct.pack("<I", flags) + size) + profile
        before += _riff(b"ANIM", struct.pack("<IH", 0, min(metadata.plays, 65_535)))
        length = 4 + len(before) + self._frames.tell() + len(behind)
        if length >= 1 << 32:
            raise ImageError("webp holds 4 GiB at most; try png")
        self._output.stream.write(b"RIFF" + struct.pack("<I", length) + b"WEBP" + before)
        self._output.stream.write(self._frames.getbuffer())
        self._output.stream.write(behind)


def _riff(kind: bytes, content: bytes | None) -> bytes:
    """Return a chunk of even length; nothing without a content."""
    return kind + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2) if content else b""


class AvifFrames:
    """Holds the frames of an AVIF, which are encoded one after another but only by Pillow itself."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._clock = Clock(1, 2**31 - 1, output.warnings)
        self._frames: list[Picture] = []
        self._ticks: list[int] = []

    def add(self, picture: Picture) -> None:
        """Take the next frame."""
        self._frames.append(picture)
        self._ticks.append(self._clock.ticks(picture.metadata.duration))

    def finish(self) -> None:
        """Write them all."""
        first, *others = self._frames
        further = [taken(each) for each in others]
        save_avif(first, self._output, save_all=True, append_images=further, duration=self._ticks)
