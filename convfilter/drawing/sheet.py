"""Contact sheets: images side by side, each with its label."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from convfilter.drawing.canvas import INK, PALE, fitted, font, text_size

__all__ = ["WIDEST", "Tile", "contact_sheet", "default_columns"]

WIDEST = 320  # pixels, of a tile
_NARROWEST_SHEET = 1000
_GAP = 18
_GROUND = (255, 255, 255)
_COLUMNS = ((3, 3), (4, 4), (6, 3), (8, 4), (9, 3), (12, 4), (20, 5))  # most tiles, columns
_NAME, _NOTE = 16, 13


class Tile(NamedTuple):
    """An image of shape (H, W, 3) on a sheet, with its name and a note in smaller type below."""

    pixels: NDArray[np.uint8]
    name: str
    note: str = ""


def default_columns(count: int) -> int:
    """Return how many of `count` tiles are placed side by side."""
    return next((columns for most, columns in _COLUMNS if count <= most), 6)


def contact_sheet(
    tiles: Sequence[Tile], *, columns: int | None = None, width: int | None = None
) -> NDArray[np.uint8]:
    """Return a sheet of shape (H, W, 3), at least 1000 pixels wide, with the tiles in reading order.

    `width` is that of a tile: wider images are shrunk to it, narrower ones centred.
    """
    columns = columns or default_columns(len(tiles))
    width = width or max(tile.pixels.shape[1] for tile in tiles)
    pictures = [_narrowed(tile.pixels, width) for tile in tiles]
    height = max(picture.height for picture in pictures)
    label = text_size("Ag", _NAME)[1] + (text_size("Ag", _NOTE)[1] if any(t.note for t in tiles) else 0)
    rows = -(-len(tiles) // columns)
    used = min(columns, len(tiles)) * (width + _GAP) + _GAP
    sheet_width = max(used, _NARROWEST_SHEET)
    left = (sheet_width - used) // 2 + _GAP
    sheet = Image.new("RGB", (sheet_width, rows * (height + label + 2 * _GAP) + _GAP), _GROUND)
    draw = ImageDraw.Draw(sheet)
    for number, (tile, picture) in enumerate(zip(tiles, pictures, strict=True)):
        row, column = divmod(number, columns)
        x, y = left + column * (width + _GAP), _GAP + row * (height + label + 2 * _GAP)
        sheet.paste(picture, (x + (width - picture.width) // 2, y + (height - picture.height) // 2))
        _write(draw, (x, y + height + 6), tile, width)
    return np.asarray(sheet)


def _narrowed(pixels: NDArray[np.uint8], width: int) -> Image.Image:
    image = Image.fromarray(pixels)
    if image.width <= width:
        return image
    height = max(1, round(image.height * width / image.width))
    return image.resize((width, height), Image.Resampling.LANCZOS)


def _write(draw: ImageDraw.ImageDraw, place: tuple[int, int], tile: Tile, width: int) -> None:
    x, y = place
    draw.text((x, y), fitted(tile.name, _NAME, width), font=font(_NAME), fill=INK)
    if tile.note:
        below = y + text_size("Ag", _NAME)[1]
        draw.text((x, below), fitted(tile.note, _NOTE, width), font=font(_NOTE), fill=PALE)
