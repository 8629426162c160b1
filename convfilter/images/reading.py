"""From a file to arrays of pixels, frame by frame: animations, multi-page files and volumes.

Each format has a class that reads it, which adds what is special about it to `Frames`, or to `PillowReader`.
Pillow holds RGB in four bytes a pixel and needs twice an array to hand it over at once: images are copied in
strips, and turned upright on the way. Of colours of 16 bits it gives 8, so that those are decoded twice.
"""

from __future__ import annotations

import contextlib
import math
import os
import struct
import sys
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile

from convfilter.errors import ImageError
from convfilter.images.formats import FORMATS, loaded
from convfilter.images.library import collected, disk_errors, frame_named, load_plugin, reasons
from convfilter.images.opening import Axes, check_pixels, format_of, opened
from convfilter.images.picture import Metadata, Picture, Size, orientation_of, read_metadata
from convfilter.options import MAX_PIXELS

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


class Frames:
    """The frames of an open file, of a single image one; errors name the frame if there are several.

    The class of a format sets what follows, and defines `_begin`, `_header` and `_decode`.
    """

    count = 1
    varies = False
    """Whether the frames may differ in size and mode."""
    volume = False
    """Whether they are those of an array (T, H, W)."""

    def __init__(
        self,
        stream: BinaryIO,
        format: str,
        max_pixels: int | None,
        orient: bool,
        axes: Axes,
        warnings: list[str],
    ) -> None:
        self.stream, self.format, self.max_pixels = stream, format, max_pixels
        self.orient, self.axes, self._warnings = orient, axes, warnings
        self._begin(warnings)

    def _begin(self, warnings: list[str]) -> None:
        """Read what concerns the file as a whole."""

    def _header(self, number: int) -> Size:
        """Return a frame's size and kind without decoding it."""
        raise NotImplementedError

    def _decode(self, number: int, warnings: list[str]) -> Picture:
        """Decode a frame; `warnings` gets a line for whatever is lost or malformed."""
        raise NotImplementedError

    def size(self, number: int = 0) -> Size:
        """Return a frame's size and kind, from its header."""
        with frame_named(number, self.count), _library_calls(self.format, []):
            return self._header(number)

    def sizes(self) -> list[Size]:
        """Return every frame's size and kind, or the first one's alone if they are all alike."""
        every = [self.size(number) for number in range(self.count if self.varies else 1)]
        return every if len(set(every)) > 1 else every[:1]

    def read(self, number: int) -> Picture:
        """Decode a frame, counted from 0; quickest in their order."""
        warnings = [*self._warnings]
        with frame_named(number, self.count), _library_calls(self.format, warnings):
            picture = self._decode(number, warnings)
        picture.warnings, picture.frames = warnings, self.count
        return picture


@contextlib.contextmanager
def _library_calls(form: str, warnings: list[str]) -> Iterator[None]:
    with disk_errors(), collected(warnings, prints=FORMATS[form].prints):
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
        with _library_calls(form, warnings):
            frames: Frames = loaded(FORMATS[form].reader)(stream, form, max_pixels, orient, axes, warnings)
        yield frames


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


class PillowReader(Frames):
    """Reads frames as Pillow composes them."""

    def _begin(self, warnings: list[str]) -> None:
        self._image = self._opened()
        check_pixels(self._image.size, self.max_pixels)
        with reasons(f"broken {self.format} data"):
            self.count: int = getattr(self._image, "n_frames", 1)
        self._first = 0  # of the frames that Pillow counts
        info = self._image.info
        self._found = Metadata(
            **{name: info[name] for name in ("exif", "xmp") if isinstance(info.get(name), bytes)},
            icc=info.get("icc_profile"),
            dpi=info.get("dpi"),
            compression=info["compression"] if isinstance(info.get("compression"), str) else None,
        )
        self._found = self._found._replace(**self._beside(warnings))

    def _opened(self) -> ImageFile.ImageFile:
        """Have Pillow parse the header, once nothing in it could take far more than the size suggests."""
        return self._by_plugin(self.format.upper())

    def _by_plugin(self, name: str) -> ImageFile.ImageFile:
        """Have a plugin of Pillow's parse the header; `Image.open` would import those of five formats."""
        load_plugin(self.format)
        self.stream.seek(0)
        factory, _ = Image.OPEN[name]
        with reasons(f"broken {self.format} data"):
            return factory(self.stream, "")

    def _beside(self, warnings: list[str]) -> dict[str, Any]:
        """Return the fields of `Metadata` that Pillow does not tell."""
        return {}

    def _timing(self) -> dict[str, Any]:
        """Return how long the present frame is shown and how often all are, as fields of `Metadata`."""
        duration, plays = self._image.info.get("duration"), self._image.info.get("loop")
        if not (isinstance(duration, int | float) and 0 <= duration < math.inf):
            duration = None
        return {
            "duration": None if duration is None else float(duration),
            "plays": plays if isinstance(plays, int) else 0,
        }

    def _header(self, number: int) -> Size:
        mode, dtype = self._kind()
        width, height = self._image.size
        if (self._turn([]) or 1) >= 5:
            width, height = height, width
        return Size(width, height, Image.getmodebands(mode), mode, dtype, self.format, self.count)

    def _kind(self) -> tuple[str, str]:
        """Return mode and type of the pixels."""
        mode = mode_of(self._image)
        return mode, _DTYPES.get(mode, "uint8")

    def _decode(self, number: int, warnings: list[str]) -> Picture:
        if number + self._first != self._image.tell():
            with reasons(f"broken {self.format} data"):
                self._image.seek(number + self._first)
            check_pixels(self._image.size, self.max_pixels)
        mode, _ = self._kind()
        turn = self._turn(warnings)
        pixels = self._samples(mode, turn or 1)
        metadata = read_metadata(self._found, self._image.size, turn, warnings)
        return Picture(pixels, mode, self.format, metadata._replace(**self._timing()))

    def _samples(self, mode: str, turn: int) -> NDArray[Any]:
        """Return the pixels of the present frame, turned."""
        shared = _shared_memory(self._image) if turn == 1 and mode == "RGB" else None
        with reasons(f"broken {self.format} data"):
            self._image.load()
        if shared is not None and self._image.im is shared[0]:
            return shared[1]
        return pixels_of(self._image, mode, turn)

    def _turn(self, warnings: list[str]) -> int | None:
        """Return the orientation from which frames are turned, None if they are left as they are."""
        return orientation_of(self._found, warnings) if self.orient else None


_BMP_V4, _BMP_V5 = 108, 124


class BmpReader(PillowReader):
    """Reads BMPs, and DIBs, which are BMPs without the first 14 bytes."""

    def _opened(self) -> ImageFile.ImageFile:
        self.stream.seek(0)
        self._start = 14 if self.stream.read(2) == b"BM" else 0
        return self._by_plugin("BMP" if self._start else "DIB")

    def _beside(self, warnings: list[str]) -> dict[str, Any]:
        """Return the colour profile."""
        stream = self.stream
        stream.seek(self._start)
        header = stream.read(_BMP_V5).ljust(_BMP_V5, b"\0")
        (length,) = struct.unpack_from("<I", header)
        space, *calibrated = struct.unpack_from("<I12I", header, 56)
        if length >= _BMP_V5 and space == 0x4D424544:  # embedded
            place, size = struct.unpack_from("<II", header, 112)
            stream.seek(self._start + place)
            return {"icc": stream.read(size)}
        if length >= _BMP_V5 and space == 0x4C494E4B:
            return {"unknown": ("a linked colour profile",)}
        if length >= _BMP_V4 and space == 0 and any(calibrated):
            return {"unknown": ("calibrated colours",)}
        return {}


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
    """Return whether Pillow would give 8 bits of an image's 16: of colours, of grey with alpha in a PNG."""
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
