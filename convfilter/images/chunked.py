"""Animated PNGs and WebPs, put together from pictures that Pillow encodes one by one.

Pillow's own writers merge frames that look alike, and hold all of them. Here every frame stays one and is
forgotten once it is encoded; of each but the first only the box that has changed is written.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from fractions import Fraction
from typing import BinaryIO

import numpy as np
from PIL import Image

from convfilter.errors import ImageError
from convfilter.images.encoders import encode
from convfilter.images.metadata import Metadata
from convfilter.images.motion import UNTOLD, Clock, changed_box
from convfilter.images.png import png_chunk
from convfilter.options import EncodeOptions

__all__ = ["PngFrames", "WebpFrames"]

Chunks = Iterator[tuple[bytes, bytes]]

_SIGNATURE = b"\x89PNG\r\n\x1a\n"


class _Changes:
    """Finds the box of a frame that differs from the frame before."""

    def __init__(self, grid: int) -> None:
        self._grid = grid
        self._before: Image.Image | None = None

    def of(self, image: Image.Image) -> tuple[Image.Image, int, int]:
        """Return that part and where its left upper corner is, on a grid of so many pixels."""
        before, self._before = self._before, image
        if before is None:
            return image, 0, 0
        if before.mode != image.mode:
            raise ImageError(f"it is {image.mode} after {before.mode}; try tiff or gif")
        differs = np.asarray(image) != np.asarray(before)
        left, top, right, bottom = changed_box(differs if differs.ndim == 2 else differs.any(axis=2))
        left, top = left - left % self._grid, top - top % self._grid
        return image.crop((left, top, right, bottom)), left, top


class PngFrames:
    """Puts the frames of an animated PNG together.

    Parameters
    ----------
    output : file object
        Where to write.
    count : int
        How many frames there will be.
    encoding : EncodeOptions
        How each is encoded.
    warnings : list of str
        Gets a line for whatever is lost.
    """

    def __init__(self, output: BinaryIO, count: int, encoding: EncodeOptions, warnings: list[str]) -> None:
        self._output, self._count, self._encoding, self._warnings = output, count, encoding, warnings
        self._changes = _Changes(1)
        self._number = 0

    def add(self, image: Image.Image, metadata: Metadata) -> None:
        """Take the next frame."""
        part, left, top = self._changes.of(image)
        first = self._number == 0
        encoded = io.BytesIO()
        encode(
            part,
            encoded,
            "png",
            metadata if first else metadata.bare(),
            self._encoding,
            self._warnings,
            few_colours=False,  # all frames share one palette, which the first cannot know
        )
        chunks = [*_png_chunks(encoded.getvalue())]
        data = b"".join(content for kind, content in chunks if kind == b"IDAT")
        if first:
            self._output.write(_SIGNATURE)
            for kind, content in chunks:
                if kind == b"IDAT":
                    break
                self._put(kind, content)
            self._put(b"acTL", struct.pack(">II", self._count, metadata.plays))
        delay = _delay(metadata.duration, self._warnings)
        # Dispose: leave it; blend: take it as it is.
        self._put(b"fcTL", self._numbered(struct.pack(">4I2H2B", *part.size, left, top, *delay, 0, 0)))
        self._put(*((b"IDAT", data) if first else (b"fdAT", self._numbered(data))))

    def finish(self) -> None:
        """Write what is left."""
        self._put(b"IEND", b"")

    def _numbered(self, content: bytes) -> bytes:
        self._number += 1
        return struct.pack(">I", self._number - 1) + content

    def _put(self, kind: bytes, content: bytes) -> None:
        self._output.write(png_chunk(kind, content))


def _png_chunks(data: bytes) -> Chunks:
    """Yield the kind and the content of each chunk."""
    place = len(_SIGNATURE)
    while place < len(data):
        length, kind = struct.unpack_from(">I4s", data, place)
        yield kind, data[place + 8 : place + 8 + length]
        place += 12 + length


def _delay(duration: float | None, warnings: list[str]) -> tuple[int, int]:
    """Return a fraction of seconds in two numbers of 16 bits."""
    delay = Fraction((UNTOLD if duration is None else duration) / 1000).limit_denominator(65_535)
    if delay.numerator > 65_535:
        delay = Fraction(min(round(delay), 65_535))
        if delay == 65_535:
            warnings.append("frames are shown for 65535 seconds at most")
    return delay.numerator, delay.denominator


class WebpFrames:
    """Puts the frames of an animated WebP together.

    Parameters are those of `PngFrames`.
    """

    def __init__(self, output: BinaryIO, count: int, encoding: EncodeOptions, warnings: list[str]) -> None:
        self._output, self._encoding, self._warnings = output, encoding, warnings
        self._changes = _Changes(2)
        self._clock = Clock(1, (1 << 24) - 1, warnings)
        self._first: tuple[tuple[int, int], Metadata] | None = None
        self._alpha = False
        self._frames = io.BytesIO()

    def add(self, image: Image.Image, metadata: Metadata) -> None:
        """Take the next frame."""
        part, left, top = self._changes.of(image)
        if self._first is None:
            self._first = image.size, metadata
        self._alpha |= image.mode == "RGBA"
        encoded = io.BytesIO()
        encode(part, encoded, "webp", metadata.bare(), self._encoding, self._warnings)
        chunks = _riff_chunks(encoded.getvalue())
        content = b"".join(_riff(*chunk) for chunk in chunks if chunk[0] in (b"ALPH", b"VP8 ", b"VP8L"))
        numbers = (left // 2, top // 2, part.width - 1, part.height - 1, self._clock.ticks(metadata.duration))
        head = b"".join(number.to_bytes(3, "little") for number in numbers)
        self._frames.write(_riff(b"ANMF", head + b"\2" + content))  # 2: taken as it is, not blended

    def finish(self) -> None:
        """Write the file, whose length stands at its beginning."""
        if self._first is None:
            return
        (width, height), metadata = self._first
        parts = {b"ICCP": metadata.icc, b"EXIF": (metadata.exif or b"")[6:], b"XMP ": metadata.xmp}
        written = {kind: _riff(kind, content) if content else b"" for kind, content in parts.items()}
        flags = 0x02 | 0x10 * self._alpha
        for flag, kind in ((0x20, b"ICCP"), (0x08, b"EXIF"), (0x04, b"XMP ")):
            flags |= flag if written[kind] else 0
        size = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
        before = _riff(b"VP8X", struct.pack("<I", flags) + size) + written[b"ICCP"]
        before += _riff(b"ANIM", struct.pack("<IH", 0, min(metadata.plays, 65_535)))
        behind = written[b"EXIF"] + written[b"XMP "]
        length = 4 + len(before) + self._frames.tell() + len(behind)
        if length >= 1 << 32:
            raise ImageError("webp holds 4 GiB at most; try png")
        self._output.write(b"RIFF" + struct.pack("<I", length) + b"WEBP" + before)
        with self._frames.getbuffer() as frames:
            self._output.write(frames)
        self._output.write(behind)


def _riff(kind: bytes, content: bytes) -> bytes:
    """Return a chunk of even length."""
    return kind + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)


def _riff_chunks(data: bytes) -> Chunks:
    """Yield the kind and the content of each chunk."""
    place = 12
    while place < len(data):
        kind, length = struct.unpack_from("<4sI", data, place)
        yield kind, data[place + 8 : place + 8 + length]
        place += 8 + length + length % 2
