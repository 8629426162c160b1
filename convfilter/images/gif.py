"""Animated GIFs, written frame by frame.

Pillow's own writer merges frames that look alike and reduces each to a palette before it looks for what
has changed. Here every frame stays one, only what changes is written, and a frame that shows more than 256
colours is still exact as long as those that change are few enough.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import GifImagePlugin, Image

from convfilter.images.animation import Clock, changed_box
from convfilter.images.encoders import Output, background_colour, flattened, palette_of, to_image
from convfilter.images.metadata import Metadata

__all__ = ["GifFrames"]

Packed = NDArray[np.uint32]
Mask = NDArray[np.bool_]

_KEEP, _CLEAR = 1, 2  # what becomes of a frame before the next one is drawn
_ALPHA = np.uint32(0xFF000000)


class _Held(NamedTuple):
    """A frame that waits for the one after it, which decides how it is written."""

    packed: Packed
    ticks: int


class _Reduced(NamedTuple):
    """A frame of few colours: a number for each pixel, and which one draws nothing (256 if none does)."""

    indices: NDArray[np.uint16]
    palette: bytes
    clear: int


class GifFrames:
    """Puts the frames of a GIF together."""

    def __init__(self, output: Output) -> None:
        self._output, self._warnings = output.stream, output.warnings
        self._background = output.encoding.background
        self._clock = Clock(10, 65_535, output.warnings)
        self._held: _Held | None = None
        self._shown: Packed | None = None  # before the held frame is drawn; None for nothing yet
        self._true: Packed | None = None  # what should be shown there, had there been colours enough
        self._hidden: np.uint32 | None = None  # the colour under what is transparent
        self._clears = False

    def add(self, image: Image.Image, metadata: Metadata) -> None:
        """Take the next frame."""
        packed = self._packed(image)
        if self._held is None:
            self._clears = image.mode == "RGBA"
            self._begin(image.size, metadata)
        else:
            self._write(self._held, packed)
        self._held = _Held(packed, self._clock.ticks(metadata.duration))

    def finish(self) -> None:
        """Write what is left."""
        if self._held is not None:
            self._write(self._held, None)
        self._output.write(b";")

    def _begin(self, size: tuple[int, int], metadata: Metadata) -> None:
        """Write what stands before the frames, none of which shares a palette."""
        self._output.write(b"GIF89a" + struct.pack("<HHBBB", *size, 0, 0, 0))
        if metadata.plays != 1:
            loop = struct.pack("<BBHB", 3, 1, min(max(metadata.plays - 1, 0), 65_535), 0)
            self._output.write(b"!\xff\x0bNETSCAPE2.0" + loop)
        for comment in metadata.comments:
            parts = [comment[at : at + 255] for at in range(0, len(comment), 255)]
            self._output.write(b"!\xfe" + b"".join(bytes([len(part)]) + part for part in parts) + b"\0")

    def _packed(self, image: Image.Image) -> Packed:
        """Return a frame as one number a pixel, each opaque or wholly transparent."""
        pixels = np.array(image.convert("RGBA"))
        alpha = pixels[..., 3]
        partly = (alpha != 0) & (alpha != 255)
        if partly.any():
            self._warnings.append(f"gif cannot hold partial transparency: laid on {self._background}")
            pixels[partly, :3] = flattened(pixels, background_colour(self._background))[partly]
            alpha[partly] = 255
        packed = pixels.view("<u4")[..., 0].astype(np.uint32)
        if self._hidden is None and not alpha.all():
            self._hidden = packed[alpha == 0][0]
        return packed

    def _write(self, held: _Held, following: Packed | None) -> None:
        """Write a frame, now that it is known what it must leave behind."""
        frame = held.packed
        opaque = frame >= _ALPHA
        # What is drawn stays, so that pixels can become transparent only by clearing the whole frame.
        vanishes = following is not None and bool((opaque & (following < _ALPHA)).any())
        first = self._shown is None
        same = np.zeros(frame.shape, bool) if self._shown is None else frame == self._shown
        reduced = self._reduced(frame, same, opaque, vanishes=vanishes, first=first)
        indices, palette, clear = reduced
        left, top, right, bottom = (
            (0, 0, frame.shape[1], frame.shape[0]) if vanishes or first else changed_box(indices != clear)
        )
        image = to_image(indices[top:bottom, left:right].astype(np.uint8), "P")
        image.putpalette(palette)
        options = {"transparency": clear} if clear < 256 else {}
        for part in GifImagePlugin.getdata(
            image,
            (left, top),
            duration=10 * held.ticks,
            disposal=_CLEAR if vanishes else _KEEP,
            include_color_table=True,
            **options,
        ):
            self._output.write(part)
        self._shown = self._left_behind(reduced, vanishes=vanishes)
        self._true = None if vanishes else frame

    def _reduced(self, frame: Packed, same: Mask, opaque: Mask, *, vanishes: bool, first: bool) -> _Reduced:
        """Bring a frame, or what of it is not shown already, down to few enough colours."""
        drawn = opaque & ~same
        everything = bool(drawn.all())
        spare = vanishes or not everything or (first and self._clears)
        if (found := _few(frame[drawn], 255 if spare else 256)) is not None:
            return self._numbered(drawn, *found, spare=spare)
        if opaque.all() and not vanishes and (found := _few(frame.ravel(), 256)) is not None:
            return self._numbered(opaque, *found, spare=False)
        self._warnings.append("gif holds 256 colours: reduced to so many")
        if self._true is not None:
            # What stands still keeps the colours that it was given, and leaves more of them to the rest.
            drawn &= frame != self._true
            spare = spare or not drawn.all()
        found = _few(frame[drawn], 255 if spare else 256) or _fewer(frame[drawn], 255 if spare else 256)
        return self._numbered(drawn, *found, spare=spare)

    def _numbered(self, drawn: Mask, numbers: NDArray[np.uint8], palette: bytes, *, spare: bool) -> _Reduced:
        """Spread the numbers of the drawn pixels over the frame; the others draw nothing."""
        clear = len(palette) // 3 if spare else 256
        indices = np.full(drawn.shape, clear, np.uint16)
        indices[drawn] = numbers
        if spare:
            hidden = 0 if self._hidden is None else int(self._hidden)
            palette += hidden.to_bytes(4, "little")[:3]
        return _Reduced(indices, palette, clear)

    def _left_behind(self, drawn: _Reduced, *, vanishes: bool) -> Packed:
        """Return what is shown when the next frame is drawn."""
        indices, palette, clear = drawn
        hidden = np.uint32(0) if self._hidden is None else self._hidden
        nothing = np.full(indices.shape, hidden)
        if vanishes:
            return nothing
        shown = nothing if self._shown is None else self._shown.copy()
        table = np.frombuffer(palette, np.uint8).reshape(-1, 3).astype(np.uint32)
        colours = table[:, 0] | table[:, 1] << 8 | table[:, 2] << 16 | _ALPHA
        seen = indices != clear
        shown[seen] = colours[indices[seen]]
        return shown


def _colours(packed: Packed) -> NDArray[np.uint8]:
    """Return pixels as a picture of one row."""
    return packed.astype("<u4").view(np.uint8).reshape(1, -1, 4)[..., :3]


def _few(packed: Packed, most: int) -> tuple[NDArray[np.uint8], bytes] | None:
    """Return the number of each pixel's colour and the palette, or None for more colours than that.

    The palette begins with the brightest: one that counts up from black would be read as plain grey.
    """
    if not packed.size:
        return np.empty(0, np.uint8), b""
    found = palette_of(to_image(_colours(packed), "RGB"))
    if found is None or len(found[1]) > most:
        return None
    image, colours = found
    last = np.uint8(len(colours) - 1)
    return last - np.asarray(image).ravel(), b"".join(bytes(colour[:3]) for colour in reversed(colours))


def _fewer(packed: Packed, most: int) -> tuple[NDArray[np.uint8], bytes]:
    """Return what `_few` does after reducing the colours to so many."""
    image = to_image(_colours(packed), "RGB").quantize(most)
    numbers = np.asarray(image).ravel()
    return numbers, bytes(image.getpalette() or [])[: 3 * (int(numbers.max()) + 1)]
