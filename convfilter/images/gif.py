"""GIF files: images of at most 256 colours, and animations in which each frame draws only what has changed.

Pillow's own writer of animations reduces each frame to a palette before it looks for what has changed, and
holds all frames in memory. Here a frame of more than 256 colours is exact if those that change are few.
"""

from __future__ import annotations

import io
import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import ImageFile, ImagePalette
from PIL.GifImagePlugin import GifImageFile

from convfilter.images.library import add_warning, reasons
from convfilter.images.opening import check_pixels
from convfilter.images.picture import Metadata, Picture
from convfilter.images.reading import PillowReader
from convfilter.images.writing import (
    Clock,
    Writer,
    background_colour,
    changed_box,
    few_colours,
    flattened,
    taken,
    to_image,
)
from convfilter.options import MAX_PIXELS

_XMP = b"XMP DataXMP"
# XMP is not cut into blocks. A reader that takes any byte of it for a block length ends up in this trailer.
_XMP_END = bytes([1, *range(255, -1, -1), 0])
_ICC = b"ICCRGBG1012"
_LOOPS = (b"NETSCAPE2.0", b"ANIMEXTS1.0")
_TEXT, _COMMENT, _APPLICATION = 0x01, 0xFE, 0xFF

_Packed = NDArray[np.uint32]
"""Red, green, blue and alpha of each pixel in one number; alpha is its highest byte."""

_OPAQUE = 0xFF000000
_REDUCED = "gif holds at most 256 colours: their number was reduced"
_PLACES = np.array([1, 1 << 8, 1 << 16], np.uint32)
_GREYS = np.arange(256, dtype=np.uint8).repeat(3).reshape(256, 3)
_KEEP, _CLEAR = 1, 2  # what becomes of a frame before the next one is drawn


def _aspect(metadata: Metadata) -> int:
    """Return how wide a pixel is for its height, in 64ths less 15; 0 for square ones."""
    across, down, unit = struct.unpack(">IIB", dict(metadata.chunks).get(b"pHYs", bytes(9)))
    if unit or 0 in (across, down) or across == down:
        return 0
    return int(min(max(round(64 * down / across) - 15, 1), 255))


def _extensions(metadata: Metadata) -> bytes:
    """Return comments and XMP as blocks."""
    found = b""
    for comment in metadata.comments:
        parts = [comment[at : at + 255] for at in range(0, len(comment), 255)]
        found += b"!\xfe" + b"".join(bytes([len(part)]) + part for part in parts) + b"\0"
    if metadata.xmp is not None:
        found += b"!\xff\x0b" + _XMP + metadata.xmp + _XMP_END
    return found


class GifReader(PillowReader):
    """Reads GIFs, those too that turn from grey to colours."""

    def _opened(self) -> ImageFile.ImageFile:
        most = self.max_pixels
        self.stream.seek(0)
        self._layout = _Layout(self.stream.read())
        # Pillow allocates the image even if only its header is wanted.
        check_pixels(self._layout.size, MAX_PIXELS if most is None else most)
        image = super()._opened()
        if image.mode != "L" or not self._layout.turns_coloured:
            return image
        self.stream.seek(0)
        with reasons("broken gif data"):
            return _ColouredGif(self.stream)

    def _beside(self, warnings: list[str]) -> dict[str, Any]:
        if not self._layout.whole:
            warnings.append("ends without its end mark: frames may be missing")
        found: dict[str, Any] = {}
        comments, unknown = [], []
        for label, data in self._layout.extensions:
            program, rest = data[1:12], data[12:]
            if label == _COMMENT:
                comments.append(_joined(data))
            elif label == _TEXT:
                unknown.append("a text overlay")
            elif label == _APPLICATION and program == _ICC:
                found["icc"] = _joined(rest)
            elif label == _APPLICATION and program == _XMP and rest.endswith(_XMP_END):
                found["xmp"] = rest.removesuffix(_XMP_END)
            elif label == _APPLICATION and program == _XMP:
                add_warning(warnings, "malformed XMP dropped")
            elif label == _APPLICATION and program not in _LOOPS:
                unknown.append(f"extension {program.decode('ascii', 'replace')}")
        if self._layout.aspect:
            found["chunks"] = ((b"pHYs", struct.pack(">IIB", 64, self._layout.aspect + 15, 0)),)
        return found | {"comments": tuple(filter(None, comments)), "unknown": tuple(dict.fromkeys(unknown))}

    def _timing(self) -> dict[str, Any]:
        found, loop = super()._timing(), self._image.info.get("loop")
        # The file counts repetitions; without a count the animation plays once.
        plays = 1 if loop is None else loop + 1 if loop else 0
        return {"duration": found["duration"] or 0.0, "plays": plays}


class _ColouredGif(GifImageFile):
    """A GIF whose grey palettes are treated as palettes like others.

    Once Pillow has decoded a first frame as plain grey, it loses the colours of those that follow. The method
    is private; if Pillow drops it, such files are read in grey, and a test fails.
    """

    global_palette = ImagePalette.raw("RGB", _GREYS.tobytes())

    def _is_palette_needed(self, p: bytes) -> bool:
        return True


def _joined(blocks: bytes) -> bytes:
    """Return the content of blocks, each of which has its length before it."""
    content, place = b"", 0
    while place < len(blocks) and blocks[place]:
        content += blocks[place + 1 : place + 1 + blocks[place]]
        place += 1 + blocks[place]
    return content


class _Layout:
    """What the blocks of a GIF say, as far as the file goes.

    The size covers all frames. `turns_coloured` tells whether a frame that follows a grey one has colours,
    `whole` whether the file ends with its mark. An extension is a label and the blocks that follow, each with
    its length before it.
    """

    def __init__(self, data: bytes) -> None:
        width, height, flags, _, self.aspect = struct.unpack("<HHBBB", data[6:13].ljust(7, b"\0"))
        self.extensions: list[tuple[int, bytes]] = []
        shared, place = _palette_is_grey(data, 13, flags)
        greys = []
        while (kind := data[place : place + 1]) not in (b";", b""):
            place += 1
            if kind == b",":
                place, head = place + 9, data[place : place + 9].ljust(9, b"\0")
                left, top, across, down, flags = struct.unpack("<4HB", head)
                width, height = max(width, left + across), max(height, top + down)
                own, place = _palette_is_grey(data, place, flags)
                greys.append(shared if own is None else own)
            if kind in (b",", b"!"):
                start = place = place + 1
                while place < len(data) and data[place]:
                    place += 1 + data[place]
                place += 1
                if kind == b"!" and start <= len(data):
                    self.extensions.append((data[start - 1], data[start:place]))
        self.size, self.whole = (width, height), kind == b";"
        self.turns_coloured = bool(greys) and greys[0] is not False and False in greys


def _palette_is_grey(data: bytes, place: int, flags: int) -> tuple[bool | None, int]:
    """Return whether a palette that begins at a place is plain grey, None without one, and where it ends."""
    length = 6 << (flags & 7) if flags & 128 else 0
    end = place + length
    return data[place:end] == _GREYS.tobytes()[:length] if length else None, end


class GifWriter(Writer):
    """Puts the frames of a GIF together; each is written when the next one is known."""

    def _begin(self) -> None:
        self._clock = Clock(10, 65_535, self.warnings)
        self._held: tuple[_Packed, int] | None = None  # a frame that is not written yet, and its ticks
        self._shown: _Packed | None = None  # before the held frame is drawn
        self._meant: _Packed | None = None  # the same frame before its colours were reduced
        self._grey = self._translucent = False

    def add(self, picture: Picture) -> None:
        """Take the next frame."""
        several, duration = self.count > 0, picture.metadata.duration
        packed = self._packed(picture)
        if self._held is None:
            self._grey = picture.mode == "L" and not several
            self._translucent = picture.mode == "RGBA" and several
            self._write_screen(packed.shape, picture.metadata)
        else:
            self._write(*self._held, packed)
        self._held = packed, self._clock.ticks(duration if several else duration or 0)

    def finish(self) -> None:
        """Write the last frame and the end."""
        if self._held is not None:
            self._write(*self._held, None)
        self.stream.write(b";")

    def _write_screen(self, shape: tuple[int, ...], metadata: Metadata) -> None:
        """Write what stands before the frames, none of which shares a palette."""
        screen = struct.pack("<HHBBB", shape[1], shape[0], 0, 0, _aspect(metadata))
        self.stream.write(b"GIF89a" + screen)
        if self.count and metadata.plays != 1:
            loop = struct.pack("<BBHB", 3, 1, min(max(metadata.plays - 1, 0), 65_535), 0)
            self.stream.write(b"!\xff\x0bNETSCAPE2.0" + loop)
        self.stream.write(_extensions(metadata))

    def _packed(self, picture: Picture) -> _Packed:
        """Return a frame whose pixels are opaque or wholly transparent."""
        pixels = np.array(taken(picture).convert("RGBA"))
        alpha = pixels[..., 3]
        partly = (alpha != 0) & (alpha != 255)
        if partly.any():
            background = self.encoding.background
            self.warnings.append(f"gif cannot hold partial transparency: blended onto {background}")
            pixels[partly, :3] = flattened(pixels, background_colour(background))[partly]
            alpha[partly] = 255
        pixels[alpha == 0] = 0
        return pixels.view("<u4")[..., 0].astype(np.uint32)

    def _write(self, frame: _Packed, ticks: int, following: _Packed | None) -> None:
        """Write a frame, now that it is known what it must leave behind."""
        opaque = frame >= _OPAQUE
        # What is drawn stays, so that pixels can become transparent only by clearing the whole frame.
        vanishes = following is not None and bool((opaque & (following < _OPAQUE)).any())
        first = self._shown is None
        if self._shown is None:
            self._shown = self._meant = np.zeros_like(frame)
        changed = opaque & (frame != self._shown)
        moving = changed & (frame != self._meant)
        # What stands still keeps the colours that it was reduced to, and leaves more of them to the rest.
        for drawn, reduce in ((changed, False), (opaque, False), (moving, True)):
            spare = vanishes or not drawn.all() or (first and self._translucent)
            if found := _numbered(frame[drawn], 255 if spare else 256, reduce=reduce):
                break
        assert found is not None
        numbers, colours = found
        if self._grey:  # with the greys in order it is read as grey again
            numbers, colours = frame.astype(np.uint8).ravel(), _GREYS
        if reduce:
            self.warnings.append(_REDUCED)
        clear = len(colours)  # the number of what is not drawn, if one is to spare
        indices = np.full(frame.shape, clear % 256, np.uint8)
        indices[drawn] = numbers
        whole = (0, 0, frame.shape[1], frame.shape[0])
        left, top, right, bottom = whole if vanishes or first else changed_box(drawn)
        image = to_image(indices[top:bottom, left:right], "P")
        image.putpalette(colours.tobytes() + bytes(3 * spare))
        # As a file of its own: 13 bytes with the size of the palette, palette, 10 bytes, data, 1 byte.
        encoded = io.BytesIO()
        self.save(image, encoded, optimize=False, interlace=False)
        data = encoded.getvalue()
        table = 6 << (data[10] & 7)
        control = (_CLEAR if vanishes else _KEEP) << 2 | spare
        self.stream.write(b"!\xf9\4" + struct.pack("<BHBB", control, ticks, clear * spare, 0))
        self.stream.write(b"," + struct.pack("<HHHHB", left, top, *image.size, data[10] & 0x87))
        self.stream.write(data[13 : 13 + table] + data[23 + table : -1])
        if vanishes:
            self._shown = self._meant = np.zeros_like(frame)
        else:
            self._shown[drawn] = (colours @ _PLACES | _OPAQUE)[numbers]
            self._meant = frame


def _numbered(
    packed: _Packed, most: int, *, reduce: bool
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]] | None:
    """Return the number of each pixel's colour, and the colours (N, 3); None if there are too many.

    The brightest comes first: a palette that counts up from black would be read as plain grey.
    """
    if not packed.size:
        return np.empty(0, np.uint8), np.empty((0, 3), np.uint8)
    image = to_image(packed.astype("<u4").view(np.uint8).reshape(1, -1, 4)[..., :3], "RGB")
    found = few_colours(image)
    if found is not None and len(found[1]) <= most:
        numbers, colours = found
        return np.uint8(len(colours) - 1) - numbers[0], colours[::-1, :3]
    if not reduce:
        return None
    reduced = image.quantize(most)
    numbers = np.asarray(reduced)[0]
    palette = np.frombuffer(bytes(reduced.getpalette() or []), np.uint8).reshape(-1, 3)
    return numbers, palette[: int(numbers.max()) + 1]
