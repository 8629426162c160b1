"""The frames of a file: animations, multi-page files and volumes, read one after another."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import Any, BinaryIO, Protocol

from PIL import ImageFile

from convfilter.images.arrays import array_header, array_mode, held_dtype, in_c_order, read_array
from convfilter.images.decoding import decoded, size_of
from convfilter.images.formats import FORMATS
from convfilter.images.headers import gif_layout, png_chunks
from convfilter.images.library import collected, disk_errors, frame_named, reasons
from convfilter.images.limits import check_channels, check_pixels
from convfilter.images.opening import format_of, image_of, opened
from convfilter.images.picture import Picture, Size
from convfilter.images.png import beside_pixels, check_png, pixels_alone
from convfilter.images.pnm import PnmFrames

__all__ = ["Frames", "opened_frames"]


class Frames(Protocol):
    """The frames of a file that is open.

    Attributes
    ----------
    format : str
        The file's format, out of `convfilter.images.formats.FORMATS`.
    count : int
        How many frames it holds.
    """

    format: str
    count: int

    def size(self) -> Size:
        """Tell the first frame's size and kind from its header."""

    def sizes(self) -> list[Size]:
        """Tell every frame's size and kind, or the first one's alone if they are all alike."""

    def read(self, number: int) -> Picture:
        """Decode a frame, counted from 0; quickest in their order."""


@contextlib.contextmanager
def opened_frames(
    source: str | os.PathLike[str] | BinaryIO,
    *,
    max_pixels: int | None,
    orient: bool = True,
    volume: bool = False,
) -> Iterator[Frames]:
    """Open a file to read its frames.

    Parameters
    ----------
    source : str, path-like or binary file object
        A regular file, or a stream, which is read from its beginning if it can be rewound.
    max_pixels : int or None
        The largest frame to decode, told from its header; None for any.
    orient : bool
        Whether to turn frames as their EXIF orientation says.
    volume : bool
        Whether an array of three axes is (T, H, W); otherwise it is one picture (H, W, C).

    Yields
    ------
    Frames
        Of a single picture, one frame. Whatever it raises is an `ImageError`, which says which of several
        frames is meant, counted from 1.

    Raises
    ------
    ImageError
        If there is no readable header.
    """
    warnings: list[str] = []
    with opened(source) as (stream, name):
        form = format_of(stream, name, warnings)
        if form == "npy":
            yield _Arrays(stream, max_pixels, volume, warnings)
        elif form == "ppm":
            yield PnmFrames(stream, max_pixels, warnings)
        elif form == "tiff":
            yield _Pages(stream, max_pixels, orient, warnings)
        else:
            yield _Images(stream, form, max_pixels, orient, warnings)


class _Images:
    """The frames of a picture file, as Pillow composes them."""

    def __init__(
        self, stream: BinaryIO, form: str, max_pixels: int | None, orient: bool, warnings: list[str]
    ) -> None:
        self.format = form
        self._stream, self._max_pixels, self._orient, self._warnings = stream, max_pixels, orient, warnings
        self._source = stream
        self._beside: dict[str, Any] = {}
        self._prints = FORMATS[form].prints
        with disk_errors(), collected(warnings, prints=self._prints):
            if form == "png":
                self._chunks = png_chunks(stream)
                self._beside = beside_pixels(stream, self._chunks, warnings)
                self._stream = pixels_alone(stream, self._chunks)
            self._image = image_of(self._stream, form, max_pixels)
            self._image.info.update(self._beside)
            self.count, self._still = _counted(self._image, stream, warnings)
        self._decoded = False

    def size(self) -> Size:
        with disk_errors(), collected([], prints=self._prints):
            return size_of(self._image, self.format, self._orient, self.count)

    def sizes(self) -> list[Size]:
        return [self.size()]

    def _seek(self, number: int) -> None:
        with reasons(f"broken {self.format} data"):
            self._image.seek(number)
        self._image.info.update(self._beside)

    def read(self, number: int) -> Picture:
        warnings = [*self._warnings]
        with (
            frame_named(number, self.count),
            disk_errors(),
            collected(warnings, prints=self._prints),
        ):
            if self.format == "png" and not self._decoded:
                check_png(self._source, self._chunks, whole=self.count == 1)
            if number + self._still != self._image.tell():
                self._seek(number + self._still)
                check_pixels(self._image.size, self._max_pixels)
            picture = decoded(
                *(self._image, self._stream, self.format, self._orient, warnings),
                frames=self.count,
                later=self._decoded,
            )
        self._decoded = True
        picture.frames = self.count
        return picture


class _Pages:
    """The pages of a TIFF, each with a size and a mode of its own."""

    format = "tiff"

    def __init__(self, stream: BinaryIO, max_pixels: int | None, orient: bool, warnings: list[str]) -> None:
        from convfilter.images.tiff import TiffFile  # loaded only when it is needed

        self._max_pixels, self._orient, self._warnings = max_pixels, orient, warnings
        with disk_errors(), collected(warnings, prints=True):
            self._file = TiffFile(stream)
        self.count = self._file.count
        with self._reading(0, warnings):
            check_pixels(self._file.page(0).size, max_pixels)

    def size(self) -> Size:
        with self._reading(0, []):
            return self._file.page(0).described(self._orient)

    def sizes(self) -> list[Size]:
        every = []
        for number in range(self.count):
            with self._reading(number, self._warnings):
                every.append(self._file.page(number).described(self._orient))
        return every if len(set(every)) > 1 else every[:1]

    def read(self, number: int) -> Picture:
        warnings = [*self._warnings]
        with self._reading(number, warnings):
            page = self._file.page(number)
            check_pixels(page.size, self._max_pixels)
            return page.read(self._orient, warnings)

    @contextlib.contextmanager
    def _reading(self, number: int, warnings: list[str]) -> Iterator[None]:
        with frame_named(number, self.count), disk_errors(), collected(warnings, prints=True):
            yield


class _Arrays:
    """The pictures of an array, along its first axis if it has one for them."""

    format = "npy"

    def __init__(self, stream: BinaryIO, max_pixels: int | None, volume: bool, warnings: list[str]) -> None:
        self._stream, self._warnings = stream, warnings
        shape, _, stored = array_header(stream)
        self._several = len(shape) == 4 or (volume and len(shape) == 3)
        self.count = shape[0] if self._several else 1
        self._shape = shape[1:] if self._several else shape
        self._dtype = held_dtype(stored)
        check_pixels((self._shape[1], self._shape[0]), max_pixels)
        check_channels(self._shape[2] if len(self._shape) == 3 else 1, max_pixels)

    def size(self) -> Size:
        height, width, channels = (*self._shape, 1)[:3]
        mode = array_mode(self._shape, self._dtype)
        return Size(width, height, channels, mode, self._dtype, "npy", self.count)

    def sizes(self) -> list[Size]:
        return [self.size()]

    def read(self, number: int) -> Picture:
        with frame_named(number, self.count), disk_errors():
            if self._several and not number:
                self._stream = in_c_order(self._stream)
            pixels = read_array(self._stream, number if self._several else None)
            mode = array_mode(pixels.shape, pixels.dtype.name)
        return Picture(pixels, mode, "npy", warnings=[*self._warnings], frames=self.count)


def _counted(image: ImageFile.ImageFile, stream: BinaryIO, warnings: list[str]) -> tuple[int, int]:
    """Return how many frames a file holds for us, and how many stills stand before them."""
    with reasons(f"broken {(image.format or '').lower()} data"):
        frames: int = getattr(image, "n_frames", 1)
    if image.format == "MPO":  # a phone's JPEG with further views or a gain map behind it
        warnings.append(f"holds {frames} pictures: only the first is read")
        return 1, 0
    if image.format == "GIF" and not gif_layout(stream).whole:
        warnings.append("ends without its end mark: frames may be missing")
    if frames > 1 and getattr(image, "default_image", False):
        warnings.append("the still picture for programs without animation is left out")
        return frames - 1, 1
    return frames, 0
