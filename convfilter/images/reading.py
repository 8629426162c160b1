"""From a file to arrays of pixels, frame by frame: animations, multi-page files and volumes.

A reader, named in the table of formats, reads one format; `Frames` adds what is common to all. Pillow holds
RGB in four bytes a pixel and needs twice an array to hand it over at once: images are copied in strips, and
turned upright on the way. Of colours of 16 bits it gives 8, so that those are decoded twice.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile

from convfilter.errors import ImageError
from convfilter.images.formats import FORMATS, loaded
from convfilter.images.headers import (
    BESIDE,
    avif_is_deep,
    check_pixels,
    gif_layout,
    png_chunks,
    webp_is_lossless,
)
from convfilter.images.library import collected, disk_errors, frame_named, reasons
from convfilter.images.opening import Axes, Source, format_of, image_of, opened
from convfilter.images.picture import Picture, Size, orientation_of, read_metadata
from convfilter.images.png import beside_pixels, check_png, pixels_alone
from convfilter.options import MAX_PIXELS

__all__ = [
    "Frames",
    "PillowReader",
    "PngReader",
    "is_deep_colour",
    "mode_of",
    "opened_frames",
    "pixels_of",
    "raw_mode",
    "read_halves",
    "read_picture",
    "read_size",
    "turned",
    "with_raw_mode",
]


_STRIP_BYTES = 1 << 19
_SHARED = ("JPEG", "PNG")  # what Pillow decodes into memory of ours
_DTYPES = {"I;16": "uint16", "I": "int32", "F": "float32"}
# As Pillow holds them; its I;16 is little-endian everywhere.
_STORED = {"I;16": "<u2", "I;16L": "<u2", "I;16B": ">u2", "I;16N": "=u2", "I": "=i4", "F": "=f4"}
# The modes that Pillow's other modes are converted to.
_MODES = {
    **dict.fromkeys(("I;16L", "I;16B", "I;16N"), "I;16"),
    **dict.fromkeys(("P", "RGBX", "HSV", "YCbCr"), "RGB"),
    **{"1": "L", "La": "LA", "PA": "RGBA", "RGBa": "RGBA"},
}


class Reader(Protocol):
    """Reads the frames of a file of one format.

    It is made of a `Source` and the list of warnings about the file as a whole.
    """

    count: int
    varies: bool
    """Whether the frames may differ in size and mode."""

    def size(self, number: int) -> Size:
        """Return a frame's size and kind, from its header."""

    def read(self, number: int, warnings: list[str]) -> Picture:
        """Decode a frame; `warnings` gets a line for whatever is lost or malformed."""


class Frames:
    """The frames of an open file, of a single image one; errors name the frame if there are several."""

    def __init__(self, source: Source, warnings: list[str]) -> None:
        self.format = source.format
        self._warnings = warnings
        with self._library_calls(warnings):
            self._reader: Reader = loaded(FORMATS[source.format].reader)(source, warnings)
        self.count = self._reader.count
        self.volume: bool = getattr(self._reader, "volume", False)  # an array (T, H, W)

    def size(self) -> Size:
        """Return the first frame's size and kind, from its header."""
        return self._size(0)

    def sizes(self) -> list[Size]:
        """Return every frame's size and kind, or the first one's alone if they are all alike."""
        every = [self._size(number) for number in range(self.count if self._reader.varies else 1)]
        return every if len(set(every)) > 1 else every[:1]

    def _size(self, number: int) -> Size:
        with frame_named(number, self.count), self._library_calls([]):
            return self._reader.size(number)

    def read(self, number: int) -> Picture:
        """Decode a frame, counted from 0; quickest in their order."""
        warnings = [*self._warnings]
        with frame_named(number, self.count), self._library_calls(warnings):
            picture = self._reader.read(number, warnings)
        picture.warnings, picture.frames = warnings, self.count
        return picture

    @contextlib.contextmanager
    def _library_calls(self, warnings: list[str]) -> Iterator[None]:
        with disk_errors(), collected(warnings, prints=FORMATS[self.format].prints):
            yield


@contextlib.contextmanager
def opened_frames(
    source: str | os.PathLike[str] | BinaryIO,
    *,
    max_pixels: int | None,
    orient: bool = True,
    axes: Axes = "channels",
) -> Iterator[Frames]:
    """Open a file or stream to read its frames; with `orient` they are turned as EXIF says.

    Whatever is wrong raises an `ImageError`, also a frame of more than `max_pixels`.
    """
    warnings: list[str] = []
    with opened(source) as (stream, name):
        form = format_of(stream, name, warnings)
        yield Frames(Source(stream, form, max_pixels, orient, axes), warnings)


def read_picture(
    source: str | os.PathLike[str] | BinaryIO,
    *,
    max_pixels: int = MAX_PIXELS,
    orient: bool = True,
    frame: int = 0,
    axes: Axes = "channels",
) -> Picture:
    """Read one frame of a file or stream.

    Palettes come as RGB or RGBA, black and white as grey of 0 and 255, YCbCr and HSV as RGB; a colour
    marked as transparent becomes alpha.
    """
    with opened_frames(source, max_pixels=max_pixels, orient=orient, axes=axes) as frames:
        if frame >= frames.count:
            raise ImageError(f"there is no frame {frame}: it holds {frames.count}, counted from 0")
        return frames.read(frame)


def read_size(
    source: str | os.PathLike[str] | BinaryIO, *, orient: bool = True, axes: Axes = "channels"
) -> Size:
    """Read the size and kind of a file's first frame from its header."""
    with opened_frames(source, max_pixels=None, orient=orient, axes=axes) as frames:
        return frames.size()


class PillowReader:
    """Reads frames as Pillow composes them."""

    varies = False

    def __init__(self, source: Source, warnings: list[str]) -> None:
        self._source = source
        self._image = self._opened()
        self._coded: dict[str, Any] = {"lossless": FORMATS[source.format].lossless}
        with reasons(f"broken {source.format} data"):
            self.count: int = getattr(self._image, "n_frames", 1)
        self._first = 0
        if self._image.format == "MPO":  # a phone's JPEG with further views or a gain map behind it
            warnings.append(f"holds {self.count} images: only the first is read")
            self.count = 1
        if self.count > 1 and getattr(self._image, "default_image", False):
            warnings.append("the still image for programs without animation is left out")
            self.count -= 1
            self._first = 1
        if source.format == "gif" and not gif_layout(source.stream).whole:
            warnings.append("ends without its end mark: frames may be missing")
        if source.format == "avif" and avif_is_deep(source.stream):
            warnings.append("more than 8 bits per channel are read as 8")
        beside = BESIDE.get(source.format)
        self._beside = beside(source.stream, warnings) if beside else {}
        self._image.info.update(self._beside)
        if source.format == "webp":
            self._coded["lossless"] = webp_is_lossless(source.stream)
        if source.format == "jpeg":
            from convfilter.images.jpeg import coding_of, is_lossless

            self._coded = {"lossless": is_lossless(source.stream), "coding": coding_of(self._image)}

    def _opened(self) -> ImageFile.ImageFile:
        return image_of(self._source.stream, self._source.format, self._source.max_pixels)

    def size(self, number: int) -> Size:
        """Return the size and kind that all frames have."""
        mode, dtype = self._kind()
        width, height = self._image.size
        if self._source.orient and orientation_of(self._image, []) >= 5:
            width, height = height, width
        return Size(width, height, Image.getmodebands(mode), mode, dtype, self._source.format, self.count)

    def _kind(self) -> tuple[str, str]:
        mode = mode_of(self._image)
        return mode, _DTYPES.get(mode, "uint8")

    def read(self, number: int, warnings: list[str]) -> Picture:
        """Decode a frame."""
        if number + self._first != self._image.tell():
            self._seek(number + self._first)
            check_pixels(self._image.size, self._source.max_pixels)
        mode, pixels = self._decoded(warnings)
        metadata = read_metadata(self._image, self._source.orient, warnings)
        return Picture(pixels, mode, self._source.format, metadata._replace(**self._coded))

    def _seek(self, number: int) -> None:
        with reasons(f"broken {self._source.format} data"):
            self._image.seek(number)
        self._image.info.update(self._beside)

    def _decoded(self, warnings: list[str]) -> tuple[str, NDArray[Any]]:
        """Return mode and pixels of the present frame, turned."""
        mode, _ = self._kind()
        turn = self._turn(warnings)
        shared = _shared_memory(self._image) if turn == 1 and mode == "RGB" else None
        with reasons(f"broken {self._source.format} data"):
            self._image.load()
        if shared is not None and self._image.im is shared[0]:
            return mode, shared[1]
        return mode, pixels_of(self._image, mode, turn)

    def _turn(self, warnings: list[str]) -> int:
        return orientation_of(self._image, warnings) if self._source.orient else 1


class PngReader(PillowReader):
    """Reads PNGs: 16-bit colour too, and all that stands beside the pixels."""

    def __init__(self, source: Source, warnings: list[str]) -> None:
        self._file = source.stream
        self._chunks = png_chunks(source.stream)
        self._checked = False
        beside = beside_pixels(source.stream, self._chunks, warnings)
        super().__init__(source._replace(stream=pixels_alone(source.stream, self._chunks)), warnings)
        level = self._image.info.get("transparency")
        if isinstance(level, int) and (factor := {"L;2": 85, "L;4": 17}.get(raw_mode(self._image))):
            beside["transparency"] = level * factor  # spread over 0..255, as Pillow does with the samples
        self._beside = beside
        self._image.info.update(beside)

    def _kind(self) -> tuple[str, str]:
        mode, dtype = super()._kind()
        if not is_deep_colour(self._image):
            return mode, dtype
        if self.count > 1:  # which Pillow composes in 8 bits
            raise ImageError(
                "not supported: frames of 16 bits per colour; convert them to the pages of a TIFF"
            )
        return ("LA" if raw_mode(self._image) in ("I;16B", "LA;16B") else mode), "uint16"

    def read(self, number: int, warnings: list[str]) -> Picture:
        """Decode a frame, once the check sums of all are right."""
        if not self._checked:
            check_png(self._file, self._chunks, whole=self.count == 1)
            self._checked = True
        return super().read(number, warnings)

    def _decoded(self, warnings: list[str]) -> tuple[str, NDArray[Any]]:
        mode, _ = self._kind()
        if not is_deep_colour(self._image):
            return super()._decoded(warnings)
        return mode, turned(self._deep_samples(), self._turn(warnings))

    def _deep_samples(self) -> NDArray[np.uint16]:
        """Decode samples of 16 bits; what is marked as transparent gets an alpha of 0."""
        if raw_mode(self._image) == "LA;16B":  # in four bytes, as RGBA of 8 bits
            return _loaded(with_raw_mode(self._image, "RGBA")).view(">u2").astype(np.uint16)
        if raw_mode(self._image) == "I;16B":
            pixels = _loaded(self._image)[..., np.newaxis]
        else:
            pixels = read_halves(self._image, self._opened, _loaded)
        clear = self._image.info.get("transparency")
        if clear is None:
            return pixels
        alpha = np.where((pixels == np.array(clear)).all(axis=-1, keepdims=True), 0, 65535)
        return np.concatenate([pixels, alpha.astype(np.uint16)], axis=-1, dtype=np.uint16)


def _loaded(image: ImageFile.ImageFile) -> NDArray[Any]:
    with reasons("broken png data"):
        image.load()
    return np.asarray(image)


# From what Pillow has opened to arrays


def mode_of(image: ImageFile.ImageFile) -> str:
    """Return the mode of what `pixels_of` makes of an image; what is marked as transparent becomes alpha."""
    mode = _MODES.get(image.mode, image.mode)
    return {"L": "LA", "RGB": "RGBA"}.get(mode, mode) if image.has_transparency_data else mode


def _shared_memory(image: ImageFile.ImageFile) -> tuple[Any, NDArray[np.uint8]] | None:
    """Have Pillow decode colours into an array of ours, and return its memory and pixels.

    Pillow decodes into the memory that `ImageFile.im` names, if it does. That is not documented: should it
    change, the pixels are copied, and a test fails.
    """
    if image.format not in _SHARED or image.mode != "RGB" or getattr(image, "n_frames", 1) > 1:
        return None
    pixels = np.empty((image.height, image.width, 4), np.uint8)
    image.im = Image.frombuffer("RGBX", image.size, pixels.reshape(-1), "raw", "RGBX", 0, 1).im
    return image.im, pixels[..., :3]


def pixels_of(image: ImageFile.ImageFile, mode: str, turn: int) -> NDArray[Any]:
    """Return a decoded image's pixels in a mode, turned from an EXIF orientation."""
    width, height = image.size
    channels = Image.getmodebands(mode)
    shape = (width, height) if turn >= 5 else (height, width)
    pixels = np.empty(shape if channels == 1 else (*shape, channels), _DTYPES.get(mode, "uint8"))
    rows = _as_stored(pixels, turn)
    stored = _STORED.get(image.mode, "u1")
    convert = image.mode != mode and image.mode not in _STORED
    step = max(1, _STRIP_BYTES // (4 * width))
    for top in range(0, height, step):
        part = rows[top : top + step]
        with reasons("cannot be converted"):
            strip = image.crop((0, top, width, top + part.shape[0]))
            samples = (strip.convert(mode) if convert else strip).tobytes()
        part[...] = np.frombuffer(samples, stored).reshape(part.shape)
    return pixels


def turned(stored: NDArray[Any], turn: int) -> NDArray[Any]:
    """Return pixels turned from an EXIF orientation."""
    if turn == 1:
        return stored
    height, width = stored.shape[:2]
    shape = (width, height) if turn >= 5 else (height, width)
    pixels = np.empty(shape + stored.shape[2:], stored.dtype)
    _as_stored(pixels, turn)[...] = stored
    return pixels


def _as_stored(pixels: NDArray[Any], turn: int) -> NDArray[Any]:
    """Return a view of an upright image with the rows and columns of the file."""
    rows, columns = ((1, 1), (1, -1), (-1, -1), (-1, 1))[(turn - 1) % 4]
    flipped = pixels[::rows, ::columns]
    return flipped.swapaxes(0, 1) if turn >= 5 else flipped


def raw_mode(image: ImageFile.ImageFile) -> str:
    """Return how the samples lie in the file, by Pillow's word for it."""
    args = image.tile[0].args if image.tile else ""
    return args if isinstance(args, str) else str(args[0]) if isinstance(args, tuple) and args else ""


def with_raw_mode(image: ImageFile.ImageFile, mode: str) -> ImageFile.ImageFile:
    """Have Pillow decode the samples of an image in another way than the file says."""
    image.tile = [
        tile._replace(args=(mode, *tile.args[1:]) if isinstance(tile.args, tuple) else mode)
        for tile in image.tile
    ]
    return image


def is_deep_colour(image: ImageFile.ImageFile) -> bool:
    """Tell whether Pillow would give 8 bits of an image's 16: of colours, of grey with alpha in a PNG."""
    raw = raw_mode(image)
    if image.format == "PNG" and raw == "I;16B":  # a level that is marked as transparent
        return image.info.get("transparency") is not None
    return raw.endswith((";16B", ";16L", ";16N")) and not raw.startswith("I")


def read_halves(
    image: ImageFile.ImageFile,
    again: Callable[[], ImageFile.ImageFile],
    decode: Callable[[ImageFile.ImageFile], NDArray[np.uint8]],
) -> NDArray[np.uint16]:
    """Read colours of 16 bits by decoding them twice, for the upper and the lower bytes.

    Pillow has raw modes that take the first byte of each sample, ``RGB;16B``, and the second, ``RGB;16L``.
    """
    order = raw_mode(image)[-1]
    big = order == "B" or (order == "N" and sys.byteorder == "big")
    upper, lower = "BL" if big else "LB"
    pixels = decode(with_raw_mode(image, f"{image.mode};16{upper}")).astype(np.uint16)
    pixels <<= 8
    pixels |= decode(with_raw_mode(again(), f"{image.mode};16{lower}"))
    return pixels
