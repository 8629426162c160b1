"""Contact sheets: pictures side by side, each with its label."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from convfilter.pictures.lettering import INK, PALE, fitted, font, text_size

__all__ = ["WIDEST", "Tile", "contact_sheet", "default_columns"]

WIDEST = 320
"""The widest tile, in pixels."""

_NARROWEST_SHEET = 1000
_GAP = 18
_GROUND = (255, 255, 255)
_COLUMNS = ((3, 3), (4, 4), (6, 3), (8, 4), (9, 3), (12, 4), (20, 5))  # the most tiles, and how they stand
_NAME, _NOTE = 16, 13


class Tile(NamedTuple):
    """A picture on a sheet.

    Attributes
    ----------
    pixels : ndarray of uint8 and shape (H, W, 3)
        The picture.
    name, note : str
        What stands below it, and below that in smaller letters.
    """

    pixels: NDArray[np.uint8]
    name: str
    note: str = ""


def default_columns(count: int) -> int:
    """Return how many tiles stand side by side on a sheet of so many.

    Examples
    --------
    >>> [default_columns(count) for count in (2, 4, 6, 12, 40)]
    [3, 4, 3, 4, 6]
    """
    return next((columns for most, columns in _COLUMNS if count <= most), 6)


def contact_sheet(
    tiles: Sequence[Tile], *, columns: int | None = None, width: int | None = None
) -> NDArray[np.uint8]:
    """Lay tiles on a sheet.

    Parameters
    ----------
    tiles : sequence of Tile
        At least one, in the order in which they are read.
    columns : int, optional
        How many stand side by side.
    width : int, optional
        Room for each, in pixels. Wider pictures are shrunk, narrower ones stand in its middle.

    Returns
    -------
    ndarray of uint8 and shape (H, W, 3)
        At least 1000 pixels wide.
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
