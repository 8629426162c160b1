"""WebP and AVIF files, and their animations.

WebP is put together from images that Pillow encodes one by one, each with only the box that has changed:
Pillow's own writer holds all frames in memory and loses the colours of transparent pixels.
"""

from __future__ import annotations

import io
import os
import re
import struct
from collections.abc import Iterator
from typing import Any, BinaryIO

from PIL import ImageFile

from convfilter.errors import ImageError
from convfilter.images.exif import without_upright
from convfilter.images.opening import check_density, check_pixels
from convfilter.images.picture import Metadata, Picture
from convfilter.images.reading import PillowReader
from convfilter.images.writing import QUALITY, Clock, Writer, changed_part, taken

_CHUNKS = (b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ANIM", b"ANMF", b"EXIF", b"XMP ", b"ICCP")
# The name of the box, marker and version, profile and level, and a byte of flags.
_AV1_CONFIGURATION = rb"(?s)av1C\x81.(.)"


class WebpReader(PillowReader):
    """Reads WebPs."""

    def _opened(self) -> ImageFile.ImageFile:
        size = _size_of(self.stream)  # Pillow's decoder allocates the image at once
        check_pixels(size, self.max_pixels)
        check_density(self.stream, size, self.max_pixels)
        return super()._opened()

    def _beside(self, warnings: list[str]) -> dict[str, Any]:
        kinds = [kind for kind, _, _ in _chunks_of(self.stream)]
        unknown = [
            f"chunk {kind.decode('ascii', 'replace').strip()}" for kind in kinds if kind not in _CHUNKS
        ]
        first = next((kind for kind in kinds if kind in (b"VP8L", b"VP8 ")), None)
        return {"lossless": first == b"VP8L", "unknown": tuple(dict.fromkeys(unknown))}


def _chunks_of(stream: BinaryIO) -> Iterator[tuple[bytes, int, int]]:
    """Yield kind, place and length of the chunks; those within a frame of an animation follow it."""
    end = stream.seek(0, os.SEEK_END)
    place = 12
    while place + 8 <= end:
        stream.seek(place)
        kind, length = struct.unpack("<4sI", stream.read(8))
        yield kind, place + 8, length
        place += 8 + (16 if kind == b"ANMF" else length + length % 2)


def _size_of(stream: BinaryIO) -> tuple[int, int]:
    """Return a WebP's width and height; undefined if the header is broken, which the decoder then refuses."""
    stream.seek(0)
    head = stream.read(30).ljust(30, b"\0")
    if head[12:16] == b"VP8X":
        return int.from_bytes(head[24:27], "little") + 1, int.from_bytes(head[27:30], "little") + 1
    if head[12:16] == b"VP8L":
        bits = int.from_bytes(head[21:25], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    return int.from_bytes(head[26:28], "little") & 0x3FFF, int.from_bytes(head[28:30], "little") & 0x3FFF


class WebpWriter(Writer):
    """Writes a WebP, without loss after an input without loss."""

    def _begin(self) -> None:
        self._clock = Clock(1, (1 << 24) - 1, self.warnings)
        self._before: Picture | None = None
        self._size = (1, 1)
        self._metadata = Metadata()  # of the first frame
        self._alpha = False
        self._frames = io.BytesIO()

    def add(self, picture: Picture) -> None:
        """Write the only image, or put the next frame behind the others."""
        metadata = picture.metadata
        if not self.count:
            beside = {"exif": metadata.exif, "icc_profile": metadata.icc, "xmp": metadata.xmp}
            self._encode(picture, self.stream, **beside)
            return
        part, left, top = changed_part(picture, self._before, 2)
        height, width = part.pixels.shape[:2]
        if self._before is None:
            self._metadata, self._size = metadata, (width, height)
        self._before = picture
        self._alpha |= picture.mode == "RGBA"
        encoded = io.BytesIO()
        self._encode(part, encoded)
        content = b"".join(
            _riff(kind, encoded.getvalue()[at : at + length])
            for kind, at, length in _chunks_of(encoded)
            if kind in (b"ALPH", b"VP8 ", b"VP8L")
        )
        numbers = (left // 2, top // 2, width - 1, height - 1, self._clock.ticks(metadata.duration))
        head = b"".join(number.to_bytes(3, "little") for number in numbers)
        self._frames.write(_riff(b"ANMF", head + b"\2" + content))  # 2: taken as it is, not blended

    def _encode(self, picture: Picture, stream: BinaryIO, **beside: bytes | None) -> None:
        quality = self.encoding.quality
        lossless = quality is None and picture.metadata.lossless
        how = {"lossless": True, "exact": True} if lossless else {"quality": quality or QUALITY}
        method = 6 if self.small else None
        self.save(taken(picture), stream, **how, **beside, method=method)

    def finish(self) -> None:
        """Write an animation, whose length stands at its beginning."""
        if not self.count:
            return
        metadata = self._metadata
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
        self.stream.write(b"RIFF" + struct.pack("<I", length) + b"WEBP" + before)
        self.stream.write(self._frames.getbuffer())
        self.stream.write(behind)


def _riff(kind: bytes, content: bytes | None) -> bytes:
    """Return a chunk of even length; nothing without a content."""
    return kind + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2) if content else b""


class AvifReader(PillowReader):
    """Reads AVIFs, in 8 bits."""

    def _opened(self) -> ImageFile.ImageFile:
        image = super()._opened()
        check_density(self.stream, image.size, self.max_pixels)
        return image

    def _beside(self, warnings: list[str]) -> dict[str, Any]:
        if avif_is_deep(self.stream):
            warnings.append("more than 8 bits per channel are read as 8")
        return {"lossless": False}

    def _timing(self) -> dict[str, Any]:
        return super()._timing() if self.count > 1 else {}  # for a single image Pillow makes them up


def avif_is_deep(stream: BinaryIO) -> bool:
    """Return whether an AVIF has an image or track of more than 8 bits a channel, by their configurations."""
    stream.seek(0)
    return any(found[1][0] & 0x40 for found in re.finditer(_AV1_CONFIGURATION, stream.read()))


class AvifWriter(Writer):
    """Writes an AVIF; Pillow encodes the frames one by one, but needs all of them first."""

    def _begin(self) -> None:
        self._clock = Clock(1, 2**31 - 1, self.warnings)
        self._frames: list[Picture] = []
        self._ticks: list[int] = []

    def add(self, picture: Picture) -> None:
        """Take the only image, or the next frame."""
        self._frames.append(picture)
        self._ticks.append(self._clock.ticks(picture.metadata.duration))

    def finish(self) -> None:
        """Write them all."""
        metadata = self._frames[0].metadata
        first, *further = map(taken, self._frames)
        quality = self.encoding.quality or QUALITY
        several: dict[str, Any] = {"save_all": True, "append_images": further, "duration": self._ticks}
        self.save(
            first,
            quality=quality,
            subsampling="4:4:4" if first.mode != "L" and quality >= QUALITY else None,
            speed=3 if self.small else 6,
            max_threads=1,  # the images of a batch are what runs side by side
            exif=metadata.exif and without_upright(metadata.exif),  # otherwise Pillow rebuilds the block
            icc_profile=metadata.icc,
            xmp=metadata.xmp,
            **several if self.count else {},
        )
