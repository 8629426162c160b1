"""Numbers as coloured squares."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import ImageDraw

from convfilter.pictures.lettering import INK, PALE, font, text_size, write_centred

__all__ = ["FRAME", "Grid", "diverging", "greys", "middle"]

FRAME = (214, 40, 57)
"""The colour that marks what is looked at."""

_LINES = (200, 204, 208)
_RED, _BLUE = np.array([202, 62, 71]), np.array([52, 104, 179])
_MOST = 9  # cells a side


def greys(numbers: NDArray[Any], full: float) -> NDArray[np.uint8]:
    """Return the grey of each number, black at 0 and white at full scale, of shape (H, W, 3)."""
    levels = np.clip(np.nan_to_num(np.asarray(numbers, np.float64) / full), 0, 1) * 255
    return np.repeat(np.floor(levels + 0.5).astype(np.uint8)[..., np.newaxis], 3, axis=2)


def diverging(numbers: NDArray[Any], largest: float | None = None) -> NDArray[np.uint8]:
    """Return red for positive numbers, blue for negative ones, white for zero, of shape (H, W, 3)."""
    values = np.asarray(numbers, np.float64)
    share = np.clip(np.abs(values) / (largest or float(np.abs(values).max()) or 1.0), 0, 1)[..., np.newaxis]
    colour = np.where(values[..., np.newaxis] > 0, _RED, _BLUE)
    return np.floor(255 + (colour - 255) * share**0.8 + 0.5).astype(np.uint8)


def middle(numbers: NDArray[Any]) -> NDArray[Any]:
    """Return the middle of a large table, what a drawing has room for."""
    starts = [max(0, (side - _MOST) // 2) for side in numbers.shape[:2]]
    rows, columns = (slice(start, start + _MOST) for start in starts)
    return numbers[rows, columns]


class Grid:
    """A table of numbers in a drawing.

    Parameters
    ----------
    labels : list of list of str
        What stands in each cell.
    colours : ndarray of uint8 and shape (H, W, 3)
        The ground of each cell.
    cell : int
        Side of a cell in pixels.
    title : str
        What stands above it.
    """

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
        self, draw: ImageDraw.ImageDraw, left: int, top: int, faint: NDArray[np.bool_] | None = None
    ) -> None:
        """Draw it; cells that are `faint` are told apart by a dot in their corner."""
        if self.title:
            draw.text((left, top), self.title, font=font(16), fill=PALE)
        top += self.title_height
        for (row, column), label in np.ndenumerate(np.array(self.labels, object)):
            x, y = left + column * self.cell, top + row * self.cell
            ground = tuple(int(level) for level in self.colours[row, column])
            draw.rectangle((x, y, x + self.cell, y + self.cell), fill=ground, outline=_LINES)
            self._write(draw, x, y, label, ground)
            if faint is not None and faint[row, column]:
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
