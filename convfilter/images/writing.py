"""From an array of pixels to an encoded file.

What a format can hold is checked first; nothing is narrowed without an error or a warning. Then the format's
`Writer` writes the image, or the frames of several one by one.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from typing import Any, BinaryIO, cast

import numpy as np
from numpy.typing import DTypeLike, NDArray
from PIL import Image, ImageColor

from convfilter.errors import ImageError, OptionError, brief, escaped
from convfilter.images.exif import DESCRIPTIVE, directory_of
from convfilter.images.formats import FORMATS, fitting_mode, kind_of, loaded, route
from convfilter.images.library import collected, frame_named, load_plugin, reasons
from convfilter.images.picture import Metadata, Picture, icc_fits
from convfilter.images.tiff_tags import Origin, fitting_tags, names_beside, read_tags
from convfilter.options import EncodeOptions, check_choices

QUALITY = 90
"""What is written where neither the caller nor the input has a quality."""

_STRIP_SAMPLES = 1 << 19


def check_encoding(options: EncodeOptions) -> None:
    """Refuse a quality, compression or colour that does not exist."""
    quality = options.quality
    whole = isinstance(quality, int) and not isinstance(quality, bool)
    if quality is not None and not (whole and 1 <= quality <= 100):
        raise OptionError(f"quality must be an integer from 1 to 100, not {brief(quality)}")
    check_choices(options)
    background_colour(options.background)


def check_writable(
    mode: str, dtype: DTypeLike, size: tuple[int, int], frames: int, format: str, *, first: bool = True
) -> list[str]:
    """Return what would be lost, one line each, as far as that is known without the pixels.

    Raises `ImageError` if the format cannot hold images of that mode, type, (width, height) and number;
    `first` tells whether the first of several alone would be worth having.
    """
    kind, warnings = route(mode, np.dtype(dtype).name, format)
    row = FORMATS[format]
    width, height = size
    if min(size) < 1:
        raise ImageError(f"{width} x {height} pixels are not an image")
    if max(size) > row.side:
        raise ImageError(
            f"{width} x {height} pixels are too large for {format}, "
            f"which takes {row.side} a side; try png or tiff"
        )
    if frames > 1 and not row.several:
        mend = "--frames first, or tiff" if first else "tiff"
        raise ImageError(f"{format} cannot hold {frames} frames; try {mend}")
    if frames > 1 and kind.endswith(";uint16") and row.several == "animation":
        raise ImageError(f"{format} cannot hold {frames} frames of 16 bits per colour; try tiff")
    if _loses_alpha(mode, kind):
        warnings.append(f"{format} cannot hold alpha: blended onto the background")
    return warnings


def write_picture(
    stream: BinaryIO, picture: Picture, format: str | None = None, encoding: EncodeOptions | None = None
) -> list[str]:
    """Encode an image, which is kept, into a buffered stream, by default in its own format.

    Returns what was lost.
    """
    kept = picture.with_pixels(picture.pixels, picture.mode)
    return write_frames(stream, [kept], 0, format or picture.format, encoding)


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
    """Encode `count` images, 0 for a single one, as a file into a buffered stream; return what was lost.

    Each is emptied as soon as the encoder has a copy, and forgotten before the next is asked for, as far as
    the format allows. A `volume` of grey frames in an ``.npy`` is (T, H, W); other frames are (T, H, W, 1),
    which cannot be taken for an image.
    """
    row = FORMATS[format]
    writer: Writer = loaded(row.writer)(stream, format, encoding or EncodeOptions(), count, threads)
    sizes: set[tuple[int, int]] = set()
    for number, picture in enumerate(pictures):
        with frame_named(number, count or 1), collected(writer.warnings, prints=row.prints):
            height, width = picture.pixels.shape[:2]
            check_writable(_mode_of(picture), picture.pixels.dtype, (width, height), count, format)
            sizes.add((width, height))
            if len(sizes) > 1 and row.several != "pages":
                fault = f"{width} x {height} pixels, and {format} holds frames of one size"
                raise ImageError(f"{fault}; try tiff")
            if count and row.several == "arrays" and picture.pixels.ndim == 2 and not volume:
                picture.pixels = picture.pixels[..., np.newaxis]
            writer.add(_prepared(picture, writer))
    with collected(writer.warnings, prints=row.prints):
        writer.finish()
    return writer.all_warnings()


class Writer:
    """Writes the images of one format into a stream: `count` of them; 0 means a single image, not one frame.

    The class of a format defines `_begin`, `add` and `finish`. `warnings` gets a line for whatever is lost,
    `lost` the names of what the format cannot hold.
    """

    def __init__(
        self, stream: BinaryIO, format: str, encoding: EncodeOptions, count: int, threads: int
    ) -> None:
        self.stream, self.format, self.encoding = stream, format, encoding
        self.count, self.threads = count, threads
        self.small = encoding.compress == "small"
        self.warnings: list[str] = []
        self.lost: list[str] = []
        self._begin()

    def _begin(self) -> None:
        """Write the header: in most formats nothing."""

    def add(self, picture: Picture) -> None:
        """Take the only image, or the next one of several."""
        raise NotImplementedError

    def finish(self) -> None:
        """Write the trailer: in most formats nothing."""

    def save(self, image: Image.Image, stream: BinaryIO | None = None, **options: object) -> None:
        """Have Pillow encode an image with the options that are not None, also into another stream."""
        load_plugin(self.format)
        options = {name: value for name, value in options.items() if value is not None}
        target = cast("BinaryIO", _Stream(self.stream if stream is None else stream))
        with reasons(f"cannot be written as {self.format}"):
            image.save(target, self.format.upper(), **options)

    def all_warnings(self) -> list[str]:
        """Return the warnings, and one that names what the format cannot hold."""
        *names, last = dict.fromkeys(self.lost) or [""]
        words = " and ".join(filter(None, [", ".join(names), last]))
        lost = [f"{self.format} cannot hold {words}: dropped"] if words else []
        return list(dict.fromkeys(self.warnings + lost))


class _Stream:
    """A stream without a descriptor: Pillow does not check how much a descriptor has taken."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._place = 0

    def write(self, data: bytes) -> None:
        self._stream.write(data)
        self._place += len(data)

    def tell(self) -> int:
        return self._place


class PlainWriter(Writer):
    """Writes an image with its resolution, run-length coded if its input was, where the format has these."""

    def add(self, picture: Picture) -> None:
        """Write the image."""
        metadata, small = picture.metadata, self.small
        self.save(taken(picture), dpi=metadata.dpi, rle=small or metadata.compression == "tga_rle")


def _prepared(picture: Picture, writer: Writer) -> Picture:
    """Return an image, or a frame of several, as a format holds it, and empty the one it is made of."""
    form, warnings = writer.format, writer.warnings
    pixels = picture.pixels
    if pixels.shape[2:] == (1,) and FORMATS[form].several != "arrays":
        pixels = pixels[:, :, 0]
    mode, dtype = _mode_of(picture), pixels.dtype.name
    kind, lost = route(mode, dtype, form)
    warnings += lost
    if _loses_alpha(mode, kind):
        background = writer.encoding.background
        if pixels[..., -1].min() < 255:
            warnings.append(f"{form} cannot hold alpha: blended onto {background}")
        pixels = flattened(pixels, background_colour(background))
        mode = "L" if pixels.ndim == 2 else "RGB"
        kind, _ = route(mode, dtype, form)
    if picture.format == form and FORMATS[form].losses == "always" and picture.metadata.lossless:
        warnings.append(f"the input is lossless and the output is lossy {form}: use png to keep it lossless")
    metadata = _fitting(picture, kind, writer)
    if writer.encoding.quality is not None and FORMATS[form].losses == "never":
        warnings.append(f"{form} has no quality setting: --quality is ignored")
    held = kind_of(mode, dtype)
    if held in ("L", "I;16", "I", "F"):  # grey of each type has a mode of its own
        mode = held
    if held != kind:
        pixels, mode = np.asarray(to_image(pixels, mode).convert(kind)), kind
    picture.pixels = np.empty((0, 0), np.uint8)
    return Picture(pixels, mode, form, metadata)


def _mode_of(picture: Picture) -> str:
    """Return an image's mode, or another if its number of channels has changed."""
    return fitting_mode(picture.mode, picture.pixels.shape[2] if picture.pixels.ndim == 3 else 1)


def _loses_alpha(mode: str, kind: str) -> bool:
    """Return whether a kind does not hold a mode's alpha."""
    return mode in ("LA", "RGBA") and kind in ("L", "RGB")


def _fitting(picture: Picture, kind: str, writer: Writer) -> Metadata:
    """Return the metadata to write; what a format cannot hold is named in one warning."""
    metadata, form, warnings = picture.metadata, writer.format, writer.warnings
    blocks = FORMATS[form].blocks
    if writer.encoding.strip:
        return metadata.bare()
    if "tags" in blocks:
        if metadata.exif is not None and metadata.origin is None:  # not from a file with tags
            with contextlib.suppress(ImageError):  # which the writer reports
                metadata = metadata._replace(tags=read_tags(directory_of(metadata.exif)))
        written = Origin.of(picture.pixels, writer.count or 1)
        tags, lines = fitting_tags(metadata.tags, metadata.origin, written, picture.grid)
        metadata = metadata._replace(tags=tags)
        warnings += lines
    else:
        writer.lost.extend(names_beside(metadata.tags, DESCRIPTIVE))
    writer.lost.extend(metadata.lost_in(form, writer.count, still=picture.frames == 1))
    if metadata.unknown:
        warnings.append(f"dropped because it may not fit the filtered image: {', '.join(metadata.unknown)}")
    if "icc" not in blocks:
        metadata = metadata._replace(icc=None)
    if metadata.icc is not None and not icc_fits(metadata.icc, kind):
        warnings.append(f"the colour profile does not fit {kind} pixels: dropped")
        metadata = metadata._replace(icc=None)
    return metadata


def background_colour(text: str) -> tuple[int, int, int]:
    """Return the colour that a name or code of CSS stands for: ``white``, ``#f80``, ``rgb(255, 128, 0)``."""
    try:
        red, green, blue = ImageColor.getrgb(text)[:3]
    except ValueError:
        raise OptionError(
            f"unknown colour '{escaped(text)}'; try a name, white, or a code, #ffffff"
        ) from None
    return red, green, blue


def flattened(pixels: NDArray[np.uint8], background: tuple[int, int, int]) -> NDArray[np.uint8]:
    """Lay an image (H, W, 2 or 4), not premultiplied, on a colour; grey stays grey (H, W) on grey."""
    mode = "LA" if pixels.shape[2] == 2 else "RGBA"
    grey = mode == "LA" and len(set(background)) == 1
    height, width = pixels.shape[:2]
    result = np.empty((height, width) if grey else (height, width, 3), np.uint8)
    step = max(1, _STRIP_SAMPLES // (3 * width))
    for top in range(0, height, step):
        strip = to_image(pixels[top : top + step], mode)
        ground = (
            Image.new("L", strip.size, background[0]) if grey else Image.new("RGB", strip.size, background)
        )
        ground.paste(strip, mask=strip)
        result[top : top + step] = np.asarray(ground)
    return result


def to_image(pixels: NDArray[Any], mode: str) -> Image.Image:
    """Return an array as an image of Pillow's, which shares its memory for ``L RGBA CMYK I;16``."""
    dtype = pixels.dtype.newbyteorder("<" if mode == "I;16" else "=")
    pixels = np.ascontiguousarray(pixels, dtype)
    size = pixels.shape[1], pixels.shape[0]
    return Image.frombuffer(mode, size, pixels.reshape(-1).view(np.uint8), "raw", mode, 0, 1)


def _in_four_bytes(pixels: NDArray[Any]) -> NDArray[np.uint8] | None:
    """Return the memory (H, W, 4) of colours that lie four bytes apart; None if they do not."""
    memory = pixels.base
    if isinstance(memory, np.ndarray) and memory.shape == (*pixels.shape[:2], 4) and memory.dtype == np.uint8:
        same = memory.ctypes.data == pixels.ctypes.data and memory.strides == pixels.strides
        return memory if same and pixels.shape[2:] == (3,) else None
    return None


def taken(picture: Picture, *, padded: bool = False) -> Image.Image:
    """Return an image of Pillow's in place of an array, which is given up.

    With `padded`, colours that lie four bytes apart become an image of mode ``RGBX`` in their memory.
    """
    memory = _in_four_bytes(picture.pixels) if padded else None
    image = to_image(picture.pixels, picture.mode) if memory is None else to_image(memory, "RGBX")
    picture.pixels = np.empty((0, 0), np.uint8)
    return image


def few_colours(image: Image.Image) -> tuple[NDArray[np.uint8], NDArray[np.uint8]] | None:
    """Return the number of each pixel's colour, and the colours as RGBA (N, 4); None for more than 256."""
    counted: Any = image.getcolors(256)
    if counted is None:
        return None
    colours = np.array(sorted((*colour, 255)[:4] for _, colour in counted), np.uint8)
    keys = colours.view(">u4").ravel().astype(np.uint32)
    numbers = np.empty((image.height, image.width), np.uint8)
    step = max(1, _STRIP_SAMPLES // image.width)
    for top in range(0, image.height, step):
        part = numbers[top : top + step]
        strip = image.crop((0, top, image.width, top + part.shape[0])).convert("RGBA")
        packed = np.frombuffer(strip.tobytes(), ">u4").astype(np.uint32)
        part[...] = np.searchsorted(keys, packed).reshape(part.shape)
    return numbers, colours


# Animations

UNTIMED = 100.0
"""Milliseconds for which a frame is shown whose file does not say."""


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
        self._due += (UNTIMED if duration is None else duration) / self._tick
        ticks = round(self._due)
        self._due -= ticks
        if ticks > self._most:
            self._warnings.append(f"frames are shown for {self._most * self._tick / 1000:g} seconds at most")
        return min(ticks, self._most)


def changed_box(changed: NDArray[np.bool_]) -> tuple[int, int, int, int]:
    """Return left, top, right and bottom of what has changed; one pixel if nothing has."""
    return to_image(changed.view(np.uint8), "L").getbbox() or (0, 0, 1, 1)


def changed_part(picture: Picture, before: Picture | None, grid: int = 1) -> tuple[Picture, int, int]:
    """Return the part of a frame that differs from the one before, and where its corner is, on a grid."""
    if before is None:
        return picture.with_pixels(picture.pixels, picture.mode), 0, 0
    if before.mode != picture.mode:
        raise ImageError(f"it is {picture.mode} after {before.mode}; try tiff or gif")
    differs = picture.pixels != before.pixels
    left, top, right, bottom = changed_box(differs if differs.ndim == 2 else differs.any(axis=2))
    left, top = left - left % grid, top - top % grid
    metadata = picture.metadata.bare()  # the file's are those of the first frame
    return picture.with_pixels(picture.pixels[top:bottom, left:right], picture.mode, metadata), left, top
