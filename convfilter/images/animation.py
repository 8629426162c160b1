"""Several pictures into one file: animations, multi-page files and volumes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, BinaryIO, Protocol

import numpy as np
from PIL import Image

from convfilter.errors import ImageError
from convfilter.images.arrays import write_header
from convfilter.images.encoders import avif_options
from convfilter.images.library import PRINTING, collected, frame_named
from convfilter.images.metadata import Metadata
from convfilter.images.motion import Clock
from convfilter.images.picture import Picture
from convfilter.images.plugins import load_plugin
from convfilter.images.pnm import PnmWriter
from convfilter.images.sink import save
from convfilter.images.tiff_tags import Origin
from convfilter.images.writing import fitting, prepared
from convfilter.options import EncodeOptions

__all__ = ["holds_all", "takes_any_size", "write_frames"]


def takes_any_size(format: str) -> bool:
    """Tell whether the pictures of one file may differ in size and mode."""
    return format in ("tiff", "ppm")


def holds_all(format: str) -> bool:
    """Tell whether a format's writer needs all frames in memory at once."""
    return format == "avif"


def write_frames(
    stream: BinaryIO,
    pictures: Iterable[Picture],
    count: int,
    format: str,
    encoding: EncodeOptions | None = None,
    *,
    volume: bool = False,
) -> list[str]:
    """Encode several pictures as one file.

    Parameters
    ----------
    stream : binary file object
        Where to write; buffered. It need not be seekable.
    pictures : iterable of Picture
        In their order; each is forgotten before the next one is asked for, as far as the format allows.
        Their metadata say how long each is shown and, in the first one, how often all are.
    count : int
        How many there are.
    format : str
        A format that holds several.
    encoding : EncodeOptions, optional
        How to write them.
    volume : bool
        Whether an ``.npy`` of grey frames is (T, H, W); otherwise it is (T, H, W, 1), which cannot be taken
        for a picture.

    Returns
    -------
    list of str
        What was lost, one line each.

    Raises
    ------
    ImageError
        If the format cannot hold them, naming the frame, or its encoder fails.
    OSError
        Whatever the stream raises.
    """
    encoding = encoding or EncodeOptions()
    warnings: list[str] = []
    frames = None if format == "npy" else _writer(format, stream, count, encoding, warnings)
    array = _ArrayFrames(stream, count, volume)
    size: tuple[int, ...] | None = None
    for number, picture in enumerate(pictures):
        with frame_named(number, count), collected(warnings, prints=format in PRINTING):
            size = _checked_size(picture, size, format)
            if frames is None:
                written = Origin.of(picture.pixels, count)
                fitting(picture.metadata, written, picture.mode, format, encoding, warnings)
                array.add(picture)
            else:
                frames.add(
                    *prepared(picture, format, encoding, warnings, release=True, animated=True, frames=count)
                )
    if frames is not None:
        with collected(warnings, prints=format in PRINTING):
            frames.finish()
    return list(dict.fromkeys(warnings))


def _checked_size(picture: Picture, size: tuple[int, ...] | None, form: str) -> tuple[int, ...]:
    """Return a picture's size; refuse another than that before it where a file holds one size only."""
    height, width = shape = picture.pixels.shape[:2]
    if size not in (None, shape) and not takes_any_size(form):
        raise ImageError(f"{width} x {height} pixels, and {form} holds frames of one size; try tiff")
    return shape


class _Writer(Protocol):
    """Takes frames one after another and puts them into a file."""

    def add(self, image: Any, metadata: Metadata) -> None:
        """Take the next frame: a picture of Pillow's, to a TIFF also an array."""

    def finish(self) -> None:
        """Write what is left."""


def _writer(form: str, output: BinaryIO, count: int, encoding: EncodeOptions, warnings: list[str]) -> _Writer:
    """Return what writes the frames of a format; each is loaded only when it is needed."""
    if form == "ppm":
        return PnmWriter(output)
    load_plugin(form)
    if form == "gif":
        from convfilter.images.gif import GifFrames

        return GifFrames(output, encoding.background, warnings)
    if form == "tiff":
        from convfilter.images.tiff_writing import TiffPages

        return TiffPages(output, encoding.compress == "small")
    if form == "avif":
        return _AvifFrames(output, encoding, warnings)
    from convfilter.images.chunked import PngFrames, WebpFrames

    return (PngFrames if form == "png" else WebpFrames)(output, count, encoding, warnings)


class _AvifFrames:
    """Holds the frames of an AVIF, which are encoded one after another but only by Pillow itself."""

    def __init__(self, output: BinaryIO, encoding: EncodeOptions, warnings: list[str]) -> None:
        self._output, self._encoding, self._warnings = output, encoding, warnings
        self._clock = Clock(1, 2**31 - 1, warnings)
        self._images: list[Image.Image] = []
        self._ticks: list[int] = []
        self._metadata = Metadata()

    def add(self, image: Image.Image, metadata: Metadata) -> None:
        """Take the next frame."""
        if not self._images:
            self._metadata = metadata
        self._images.append(image)
        self._ticks.append(self._clock.ticks(metadata.duration))

    def finish(self) -> None:
        """Write them all."""
        first, *others = self._images
        options: dict[str, Any] = avif_options(first, self._metadata, self._encoding, self._warnings)
        options |= {"save_all": True, "append_images": others, "duration": self._ticks}
        save(first, self._output, "avif", **options)


class _ArrayFrames:
    """Puts the frames of an ``.npy`` together."""

    def __init__(self, output: BinaryIO, count: int, volume: bool) -> None:
        self._output, self._count, self._volume = output, count, volume
        self._kind: tuple[tuple[int, ...], np.dtype[Any]] | None = None

    def add(self, picture: Picture) -> None:
        """Take the next frame."""
        pixels = picture.pixels
        if pixels.ndim == 2 and not self._volume:
            pixels = pixels[..., np.newaxis]
        kind = pixels.shape, pixels.dtype
        if self._kind is None:
            self._kind = kind
            write_header(self._output, (self._count, *pixels.shape), pixels.dtype)
        elif kind != self._kind:
            raise ImageError(f"{pixels.dtype} of shape {pixels.shape} after others; try tiff")
        self._output.write(np.ascontiguousarray(pixels).data)
        picture.pixels = np.empty((0, 0), np.uint8)  # or it would be held while the next one is made
