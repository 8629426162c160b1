"""Text, grids of numbers, images as a screen shows them, and drawings as files."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from convfilter.errors import OptionError
from convfilter.files import STREAM, check_output, refuse_terminal, write_output
from convfilter.images.animation import write_frames
from convfilter.images.formats import FORMATS, format_of_name
from convfilter.images.metadata import Metadata
from convfilter.images.picture import Picture
from convfilter.images.writing import write_picture
from convfilter.messages import shown

__all__ = ["FRAME", "INK", "PALE", "Grid", "as_seen", "check_drawing", "diverging", "fitted", "font"]
__all__ += ["full_scale", "greys", "middle", "save_animation", "save_drawing", "shrunk", "text_size"]
__all__ += ["write_centred"]

INK, PALE = (33, 37, 41), (120, 126, 132)  # text, and text of less weight
FRAME = (214, 40, 57)  # marks the window or the result
_LINES = (200, 204, 208)
_RED, _BLUE = np.array([202, 62, 71]), np.array([52, 104, 179])
_MOST = 9  # cells a side
_CHECKS = 8  # side of the squares behind transparent pixels


@functools.cache
def font(size: int) -> Any:
    """Return Pillow's own typeface in a size in pixels."""
    return ImageFont.load_default(size)


def text_size(text: str, size: int) -> tuple[int, int]:
    """Return width and height of a line of text in pixels."""
    left, _, right, _ = font(size).getbbox(text)
    ascent, descent = font(size).getmetrics()
    return int(right - left + 0.999), int(ascent + descent)


def fitted(text: str, size: int, width: int) -> str:
    """Return a text, cut with an ellipsis if it is wider than `width` pixels."""
    if text_size(text, size)[0] <= width:
        return text
    while text and text_size(f"{text}…", size)[0] > width:
        text = text[:-1]
    return f"{text}…"


def write_centred(
    draw: ImageDraw.ImageDraw, centre: tuple[float, float], text: str, size: int, colour: Any = INK
) -> None:
    """Write a line of text around a point."""
    draw.text(centre, text, font=font(size), fill=colour, anchor="mm")


def greys(numbers: NDArray[Any], full: float) -> NDArray[np.uint8]:
    """Return the grey of each number, black at 0 and white at `full`, of shape (H, W, 3)."""
    levels = np.clip(np.nan_to_num(np.asarray(numbers, np.float64) / full), 0, 1) * 255
    return np.repeat(np.floor(levels + 0.5).astype(np.uint8)[..., np.newaxis], 3, axis=2)


def diverging(numbers: NDArray[Any], largest: float | None = None) -> NDArray[np.uint8]:
    """Return red for positive numbers, blue for negative ones, white for zero, of shape (H, W, 3)."""
    values = np.asarray(numbers, np.float64)
    share = np.clip(np.abs(values) / (largest or float(np.abs(values).max()) or 1.0), 0, 1)[..., np.newaxis]
    colour = np.where(values[..., np.newaxis] > 0, _RED, _BLUE)
    return np.floor(255 + (colour - 255) * share**0.8 + 0.5).astype(np.uint8)


def middle(numbers: NDArray[Any]) -> NDArray[Any]:
    """Return the middle of a table that is too large to draw."""
    starts = [max(0, (side - _MOST) // 2) for side in numbers.shape[:2]]
    rows, columns = (slice(start, start + _MOST) for start in starts)
    return numbers[rows, columns]


class Grid:
    """A table of labels on coloured cells of `cell` pixels a side; `colours` has shape (H, W, 3)."""

    def __init__(
        self, labels: list[list[str]], colours: NDArray[np.uint8], *, cell: int = 44, title: str = ""
    ) -> None:
        self.labels, self.colours, self.cell, self.title = labels, colours, cell, title
        self.title_height = 26 if title else 0

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        rows, columns = self.colours.shape[:2]
        return columns * self.cell + 1, rows * self.cell + 1 + self.title_height

    def draw(
        self, draw: ImageDraw.ImageDraw, left: int, top: int, marked: NDArray[np.bool_] | None = None
    ) -> None:
        """Draw it; `marked` cells get a dot in their corner."""
        if self.title:
            draw.text((left, top), self.title, font=font(16), fill=PALE)
        top += self.title_height
        for (row, column), label in np.ndenumerate(np.array(self.labels, object)):
            x, y = left + column * self.cell, top + row * self.cell
            ground = tuple(int(level) for level in self.colours[row, column])
            draw.rectangle((x, y, x + self.cell, y + self.cell), fill=ground, outline=_LINES)
            self._write(draw, x, y, label, ground)
            if marked is not None and marked[row, column]:
                draw.ellipse((x + 4, y + 4, x + 9, y + 9), fill=FRAME)

    def _write(self, draw: ImageDraw.ImageDraw, x: int, y: int, label: str, ground: tuple[int, ...]) -> None:
        size = max(9, self.cell // 3)
        while size > 8 and text_size(label, size)[0] > self.cell - 4:
            size -= 1
        dark = 0.299 * ground[0] + 0.587 * ground[1] + 0.114 * ground[2] < 128
        ink = (255, 255, 255) if dark else INK
        write_centred(draw, (x + self.cell / 2, y + self.cell / 2), label, size, ink)

    def frame(self, draw: ImageDraw.ImageDraw, left: int, top: int, cells: tuple[int, int, int, int]) -> None:
        """Draw a frame around cells: first row, first column, rows, columns."""
        row, column, rows, columns = cells
        x, y = left + column * self.cell, top + self.title_height + row * self.cell
        draw.rectangle((x, y, x + columns * self.cell, y + rows * self.cell), outline=FRAME, width=3)


def full_scale(values: NDArray[Any]) -> float:
    """Return the value shown as white: the largest of 8- and 16-bit types, else of the values, at least 1."""
    if values.dtype.kind in "ui" and values.dtype.itemsize <= 2:
        return float(np.iinfo(values.dtype).max)
    finite = np.abs(values[np.isfinite(values)]) if values.dtype.kind == "f" else np.abs(values)
    return max(float(finite.max(initial=0)), 1.0)


def as_seen(pixels: NDArray[Any], mode: str) -> NDArray[np.uint8]:
    """Return an image of any type and mode as 8-bit RGB (H, W, 3); transparent pixels show grey squares."""
    if pixels.dtype != np.uint8:
        values = np.nan_to_num(pixels / full_scale(pixels))
        pixels = np.floor(np.clip(values, 0, 1) * 255 + 0.5).astype(np.uint8)
    if pixels.ndim == 2:
        return np.repeat(pixels[..., np.newaxis], 3, axis=2)
    channels = pixels.shape[2]
    if mode in ("CMYK", "LAB"):
        return np.asarray(Image.fromarray(np.ascontiguousarray(pixels), mode).convert("RGB"))
    if channels in (2, 4) and mode in ("LA", "RGBA"):
        colours = pixels[..., :-1] if channels == 4 else np.repeat(pixels[..., :1], 3, axis=2)
        alpha = pixels[..., -1:].astype(np.uint16)
        rows, columns = np.indices(pixels.shape[:2]) // _CHECKS
        ground = np.where((rows + columns) % 2, 200, 235).astype(np.uint16)[..., np.newaxis]
        return ((colours * alpha + ground * (255 - alpha) + 127) // 255).astype(np.uint8)
    return pixels[..., :3] if channels >= 3 else np.repeat(pixels[..., :1], 3, axis=2)


def shrunk(pixels: NDArray[Any], width: int, mode: str = "RGB") -> NDArray[Any]:
    """Return an image at most `width` pixels wide, of its own type; colours are weighted with alpha."""
    height = max(1, round(pixels.shape[0] * width / pixels.shape[1]))
    if pixels.shape[1] <= width:
        return pixels

    def resized(samples: NDArray[Any]) -> NDArray[Any]:
        image = Image.fromarray(np.ascontiguousarray(samples))
        return np.asarray(image.resize((width, height), Image.Resampling.LANCZOS, reducing_gap=3.0))

    if pixels.dtype == np.uint8 and (pixels.ndim == 2 or pixels.shape[2] == 3 or mode in ("LA", "RGBA")):
        return resized(pixels)  # Pillow weights colours with alpha itself
    planes = np.moveaxis(np.atleast_3d(pixels), -1, 0).astype(np.float32)
    small = np.stack([resized(plane) for plane in planes], axis=-1)
    if pixels.dtype.kind in "ui":
        limits = np.iinfo(pixels.dtype)
        small = np.clip(np.floor(small.astype(np.float64) + 0.5), limits.min, limits.max)
    small = small.astype(pixels.dtype)
    return small[..., 0] if pixels.ndim == 2 else small


def check_drawing(path: str, *, overwrite: bool, animated: bool = False) -> str:
    """Return the format of a drawing, PNG for ``-``; refuse a path that it cannot be written to."""
    form = "png" if path == STREAM else format_of_name(path)
    if form is None or (animated and not FORMATS[form].several) or form == "npy":
        use = ".gif or .png" if animated else ".png or .jpg"
        raise OptionError(f"'{shown(path)}' is not a name for a drawing: let it end in {use}")
    if path == STREAM:
        refuse_terminal()
    check_output(path, overwrite=overwrite)
    return form


def save_drawing(path: str, pixels: NDArray[np.uint8], *, overwrite: bool = False) -> None:
    """Write a drawing of shape (H, W, 3); refuses what `check_drawing` does."""
    form = check_drawing(path, overwrite=overwrite)
    picture = Picture(pixels, "RGB", "png")
    write_output(path, lambda stream: write_picture(stream, picture, form), overwrite=overwrite)


def save_animation(
    path: str, frames: Iterable[NDArray[np.uint8]], count: int, milliseconds: int, *, overwrite: bool = False
) -> None:
    """Write `count` frames of shape (H, W, 3) as an endless loop; the last one stays three times as long."""
    form = check_drawing(path, overwrite=overwrite, animated=True)
    pictures = (
        Picture(frame, "RGB", "png", Metadata(duration=milliseconds * (3 if number == count - 1 else 1)))
        for number, frame in enumerate(frames)
    )
    write_output(path, lambda stream: write_frames(stream, pictures, count, form), overwrite=overwrite)
