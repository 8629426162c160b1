"""Images side by side: on a contact sheet with labels, or before and after in a terminal."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from convfilter.drawing import LINES, PALE, Drawing, below, beside, boxed, fitted, resized, shrunk, text

_NARROWEST_SHEET = 1000
_GAP = 18
_COLUMNS = ((3, 3), (4, 4), (6, 3), (8, 4), (9, 3), (12, 4), (20, 5))  # most tiles, columns
_NAME, _NOTE = 16, 13  # sizes of text


class Tile(NamedTuple):
    """An image on a sheet, with its name and a note in smaller type below."""

    pixels: Drawing
    name: str
    note: str = ""


def default_columns(count: int) -> int:
    """Return how many of `count` tiles are placed side by side."""
    return next((columns for most, columns in _COLUMNS if count <= most), 6)


def contact_sheet(tiles: Sequence[Tile], *, columns: int, width: int) -> Drawing:
    """Return a sheet at least 1000 pixels wide, with the tiles, `width` pixels wide, in reading order."""
    images = [_filling(tile.pixels, width) for tile in tiles]
    height = max(len(image) for image in images)
    cells = []
    for tile, image in zip(tiles, images, strict=True):
        parts = [np.pad(image, ((height - len(image), 4), (0, 0), (0, 0)), constant_values=255)]
        parts.append(text(fitted(tile.name, _NAME, width), _NAME))
        if any(tile.note for tile in tiles):
            parts.append(text(fitted(tile.note, _NOTE, width), _NOTE, PALE))
        cells.append(boxed(below(parts), 0, width + _GAP))
    rows = [beside(cells[start : start + columns]) for start in range(0, len(cells), columns)]
    sheet = below(rows, gap=2 * _GAP - 6)
    left = (max(sheet.shape[1] + _GAP, _NARROWEST_SHEET) - sheet.shape[1] - _GAP) // 2 + _GAP
    right = max(_NARROWEST_SHEET - sheet.shape[1] - left, 0)
    return np.pad(sheet, ((_GAP, 2 * _GAP - 6), (left, right), (0, 0)), constant_values=255)


def _filling(pixels: Drawing, width: int) -> Drawing:
    """Return an image shrunk to a width, or as many whole times larger as it fits, with a thin frame."""
    times = max(1, width // pixels.shape[1])
    image = shrunk(pixels, width).repeat(times, axis=0).repeat(times, axis=1)
    edges = np.pad(np.zeros(image.shape[:2], bool), 1, constant_values=True)
    return np.where(
        edges[..., np.newaxis], np.array(LINES, np.uint8), np.pad(image, ((1, 1), (1, 1), (0, 0)))
    )


# In a terminal: two pixels per character, as an upper half block in two colours

_RESET = "\x1b[0m"
_BLOCK = "\u2580"
_LEVELS = np.array([0, 95, 135, 175, 215, 255])
_TALLEST = 60  # pixels, half as many lines


def preview(before: Drawing, after: Drawing, *, width: int) -> list[str]:
    """Return two images side by side as lines of text, none wider than `width` columns.

    A terminal that does not claim 24-bit colours gets the nearest of the 216 that all others share.
    """
    true_colour = os.environ.get("COLORTERM", "").lower() in ("truecolor", "24bit")
    left, right = (_fitted(each, max(1, (width - 2) // 2)) for each in (before, after))
    lines = (_lines(each, true_colour) for each in (left, right))
    pairs = itertools.zip_longest(*lines, fillvalue=" " * left.shape[1])
    return ["  ".join(pair).rstrip() for pair in pairs]


def _fitted(pixels: Drawing, width: int) -> Drawing:
    """Shrink an image to `width` columns; a half block is about as wide as it is high."""
    rows, columns = pixels.shape[:2]
    scale = min(1.0, width / columns, _TALLEST / rows)
    return resized(pixels, max(1, round(rows * scale)), max(1, round(columns * scale)), "box")


def _lines(pixels: Drawing, true_colour: bool) -> Iterator[str]:
    """Yield a line for every two rows; an odd last row has nothing below it."""
    if true_colour:
        colours = [["2;{};{};{}".format(*pixel) for pixel in row] for row in pixels.tolist()]
    else:
        nearest = np.abs(_LEVELS - pixels[..., np.newaxis].astype(int)).argmin(axis=-1)
        colours = [[f"5;{16 + number}" for number in row] for row in (nearest @ (36, 6, 1)).tolist()]
    for above, under in itertools.zip_longest(colours[::2], colours[1::2]):
        cells = [f"\x1b[38;{colour}m" for colour in above]
        if under:
            cells = [f"{cell}\x1b[48;{colour}m" for cell, colour in zip(cells, under, strict=True)]
        yield "".join(f"{cell}{_BLOCK}" for cell in cells) + _RESET
