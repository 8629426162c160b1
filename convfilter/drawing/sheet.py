"""Contact sheets: images side by side, each with its label."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from convfilter.drawing.canvas import LINES, PALE, Drawing, below, beside, boxed, fitted, shrunk, text

__all__ = ["Tile", "contact_sheet", "default_columns"]

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
