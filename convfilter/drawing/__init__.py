"""Drawings as 8-bit RGB arrays: layout, text, tables of numbers, images, and writing to files."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterable, Sequence
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from convfilter.errors import OptionError, escaped, figure
from convfilter.files import STREAM, check_output, refuse_input, refuse_terminal, write_output
from convfilter.images.formats import FORMATS, format_of_name
from convfilter.images.picture import Metadata, Picture
from convfilter.images.writing import write_frames, write_picture

Drawing: TypeAlias = NDArray[np.uint8]  # of shape (H, W, 3)
Colour: TypeAlias = tuple[int, int, int]

INK, PALE, WHITE = (33, 37, 41), (120, 126, 132), (255, 255, 255)
FRAME = (214, 40, 57)  # marks the window or the result
LINES = (200, 204, 208)  # thin ones, around cells and images
_RED, _BLUE = np.array([202, 62, 71]), np.array([52, 104, 179])
_MOST = 9  # cells a side
_MILLISECONDS = 700  # of a frame of an animation
_CHECKS = 8  # side of the squares behind transparent pixels


# Layout


def boxed(drawing: Drawing, height: int, width: int, *, centred: bool = False) -> Drawing:
    """Put a drawing into the top left corner or the middle of a white box that is at least as large."""
    rows, columns = drawing.shape[:2]
    box = np.full((max(height, rows), max(width, columns), 3), WHITE, np.uint8)
    top, left = ((box.shape[0] - rows) // 2, (box.shape[1] - columns) // 2) if centred else (0, 0)
    box[top : top + rows, left : left + columns] = drawing
    return box


def beside(drawings: Sequence[Drawing], gap: int = 0) -> Drawing:
    """Put drawings side by side, aligned at the top."""
    height = max(each.shape[0] for each in drawings)
    *others, last = (boxed(each, height, 0) for each in drawings)
    return np.hstack([*(boxed(each, 0, each.shape[1] + gap) for each in others), last])


def below(drawings: Sequence[Drawing], gap: int = 0) -> Drawing:
    """Put drawings below each other, aligned at the left."""
    width = max(each.shape[1] for each in drawings)
    *others, last = (boxed(each, 0, width) for each in drawings)
    return np.vstack([*(boxed(each, each.shape[0] + gap, 0) for each in others), last])


def framed(drawing: Drawing, margin: int) -> Drawing:
    """Put a white margin around a drawing."""
    return np.pad(drawing, ((margin, margin), (margin, margin), (0, 0)), constant_values=255)


# Text and marks


@functools.cache
def _font(size: int) -> Any:
    return ImageFont.load_default(size)


def text_width(line: str, size: int) -> int:
    """Return the width of a line of text in pixels."""
    return int(_font(size).getbbox(line)[2] + 0.999)


def fitted(line: str, size: int, width: int) -> str:
    """Return a text, cut with an ellipsis if it is wider than `width` pixels."""
    if text_width(line, size) <= width:
        return line
    while line and text_width(f"{line}…", size) > width:
        line = line[:-1]
    return f"{line}…"


def text(line: str, size: int, colour: Colour = INK) -> Drawing:
    """Return a line of text as a drawing of its own."""
    image = Image.new("RGB", (max(1, text_width(line, size)), sum(_font(size).getmetrics())), WHITE)
    ImageDraw.Draw(image).text((0, 0), line, font=_font(size), fill=colour)
    return np.asarray(image)


def labelled(
    drawing: Drawing, labels: Iterable[tuple[float, float, str]], size: int, colour: Colour
) -> Drawing:
    """Write texts around their places (x, y)."""
    image = Image.fromarray(drawing)
    draw = ImageDraw.Draw(image)
    for x, y, label in labels:
        draw.text((x, y), label, font=_font(size), fill=colour, anchor="mm")
    return np.asarray(image)


def outlined(drawing: Drawing, corners: Sequence[float], colour: Colour = FRAME, width: int = 3) -> Drawing:
    """Draw a rectangle between two corners (x, y, x, y)."""
    image = Image.fromarray(drawing)
    ImageDraw.Draw(image).rectangle(tuple(corners), outline=colour, width=width)
    return np.asarray(image)


# Numbers


def _levels(numbers: NDArray[Any], full: float) -> NDArray[np.uint8]:
    """Return numbers from 0 to `full` as 8-bit levels."""
    return np.floor(np.clip(np.nan_to_num(numbers / full), 0, 1) * 255 + 0.5).astype(np.uint8)


def greys(numbers: NDArray[Any], full: float) -> Drawing:
    """Return the grey of each number, black at 0 and white at `full`."""
    return np.repeat(_levels(numbers, full)[..., np.newaxis], 3, axis=2)


def diverging(numbers: NDArray[Any], largest: float | None = None) -> Drawing:
    """Return red for positive numbers, blue for negative ones, white for zero and nan."""
    values = np.asarray(numbers, np.float64)
    sizes = np.abs(values)
    largest = largest or float(sizes.max(initial=0, where=np.isfinite(sizes))) or 1.0
    share = np.clip(np.nan_to_num(sizes / largest), 0, 1)[..., np.newaxis]
    colour = np.where(values[..., np.newaxis] > 0, _RED, _BLUE)
    return np.floor(255 + (colour - 255) * share**0.8 + 0.5).astype(np.uint8)


def middle(numbers: NDArray[Any]) -> NDArray[Any]:
    """Return the middle of a table that is too large to draw."""
    starts = [max(0, (side - _MOST) // 2) for side in numbers.shape[:2]]
    rows, columns = (slice(start, start + _MOST) for start in starts)
    return numbers[rows, columns]


def grid(
    numbers: NDArray[Any], colours: Drawing, cell: int, marked: NDArray[np.bool_] | None = None
) -> Drawing:
    """Draw numbers or texts on coloured cells, `cell` pixels a side; `marked` ones get a dot in a corner."""
    rows, columns = colours.shape[:2]
    image = Image.new("RGB", (columns * cell + 1, rows * cell + 1))
    draw = ImageDraw.Draw(image)
    for row, column in np.ndindex(rows, columns):
        x, y, number = column * cell, row * cell, numbers[row, column]
        label = number if isinstance(number, str) else figure(number, 3)
        ground = tuple(colours[row, column].tolist())
        draw.rectangle((x, y, x + cell, y + cell), fill=ground, outline=LINES)
        size = max(9, cell // 3)
        while size > 8 and text_width(label, size) > cell - 4:
            size -= 1
        ink = WHITE if np.dot(ground, (0.299, 0.587, 0.114)) < 128 else INK
        draw.text((x + cell / 2, y + cell / 2), label, font=_font(size), fill=ink, anchor="mm")
        if marked is not None and marked[row, column]:
            draw.ellipse((x + 4, y + 4, x + 9, y + 9), fill=FRAME)
    return np.asarray(image)


# Images


def full_scale(values: NDArray[Any]) -> float:
    """Return the value shown as white: the largest of 8- and 16-bit types, else of the values, at least 1."""
    if values.dtype.kind in "ui" and values.dtype.itemsize <= 2:
        return float(np.iinfo(values.dtype).max)
    finite = np.abs(values[np.isfinite(values)])
    return max(float(finite.max(initial=0)), 1.0)


def displayed(pixels: NDArray[Any], mode: str) -> Drawing:
    """Return an image of any type and mode as 8-bit RGB; transparent pixels show grey squares."""
    if pixels.dtype != np.uint8:
        pixels = _levels(pixels, full_scale(pixels))
    if mode in ("CMYK", "LAB"):
        return np.asarray(Image.fromarray(np.ascontiguousarray(pixels), mode).convert("RGB"))
    planes = np.atleast_3d(pixels)
    colours = planes[..., :3] if planes.shape[2] >= 3 else np.repeat(planes[..., :1], 3, axis=2)
    if mode not in ("LA", "RGBA") or planes.shape[2] not in (2, 4):
        return colours
    alpha = planes[..., -1:].astype(np.uint16)
    rows, columns = np.indices(pixels.shape[:2]) // _CHECKS
    ground = np.where((rows + columns) % 2, 200, 235).astype(np.uint16)[..., np.newaxis]
    return ((colours * alpha + ground * (255 - alpha) + 127) // 255).astype(np.uint8)


def resized(
    samples: NDArray[Any],
    height: int,
    width: int,
    method: Literal["nearest", "box", "bilinear", "lanczos"] = "lanczos",
) -> NDArray[Any]:
    """Return samples of a type that Pillow knows in another size."""
    image = Image.fromarray(np.ascontiguousarray(samples))
    return np.asarray(image.resize((width, height), Image.Resampling[method.upper()], reducing_gap=3.0))


def shrunk(pixels: NDArray[Any], width: int, mode: str = "RGB") -> NDArray[Any]:
    """Return an image at most `width` pixels wide, of its own type; colours are weighted with alpha."""
    height = max(1, round(pixels.shape[0] * width / pixels.shape[1]))
    if pixels.shape[1] <= width:
        return pixels
    if pixels.dtype == np.uint8 and (pixels.ndim == 2 or pixels.shape[2] == 3 or mode in ("LA", "RGBA")):
        return resized(pixels, height, width)  # Pillow weights colours with alpha itself
    planes = np.moveaxis(np.atleast_3d(pixels), -1, 0).astype(np.float32)
    small = np.stack([resized(plane, height, width) for plane in planes], axis=-1)
    if pixels.dtype.kind in "ui":
        limits = np.iinfo(pixels.dtype)
        small = np.clip(np.floor(small.astype(np.float64) + 0.5), limits.min, limits.max)
    return small.astype(pixels.dtype).reshape(height, width, *pixels.shape[2:])


# Files


def check_drawing(
    path: str, inputs: Iterable[str] = (), *, overwrite: bool, animated: bool = False, page: bool = False
) -> str:
    """Return the format of a drawing, PNG for ``-``, or ``html`` for a page that may be written instead.

    Refuses a path that is one of the inputs, or that cannot be written to.
    """
    refuse_input(path, inputs)
    form = "png" if path == STREAM else format_of_name(path)
    if page and path.lower().endswith((".html", ".htm")):
        form = "html"
    elif form is None or (animated and not FORMATS[form].several) or form == "npy":
        use = ".gif or .png" if animated else ".png, .jpg or .html" if page else ".png or .jpg"
        raise OptionError(f"'{escaped(path)}' is not a name for a drawing: let it end in {use}")
    if path == STREAM:
        refuse_terminal()
    check_output(path, overwrite=overwrite)
    return form


def save_drawing(path: str, drawing: Drawing, *, overwrite: bool = False) -> None:
    """Write a drawing; refuses what `check_drawing` does."""
    form = check_drawing(path, overwrite=overwrite)
    picture = Picture(drawing, "RGB", "png")
    write_output(path, lambda stream: write_picture(stream, picture, form), overwrite=overwrite)


def save_animation(path: str, frames: Iterable[Drawing], count: int, *, overwrite: bool = False) -> None:
    """Write `count` frames as an endless loop; the last one stays three times as long."""
    form = check_drawing(path, overwrite=overwrite, animated=True)
    times = itertools.chain(itertools.repeat(_MILLISECONDS, count - 1), [3 * _MILLISECONDS])
    pictures = (
        Picture(frame, "RGB", "png", Metadata(duration=time))
        for frame, time in zip(frames, times, strict=True)
    )
    write_output(path, lambda stream: write_frames(stream, pictures, count, form), overwrite=overwrite)
