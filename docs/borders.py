"""What each border is made of, drawn: a small picture and what stands around it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from convfilter.convolution.borders import ArraySource
from convfilter.drawing.canvas import FRAME, INK, font
from convfilter.geometry import BORDERS

__all__ = ["border_plot"]

_SIDE, _AROUND = 4, 3
_CELL = 22
_GAP, _TITLE = 34, 28
_FILL = 0.5


def border_plot(columns: int = 3) -> NDArray[np.uint8]:
    """Draw every border mode around the same picture.

    Parameters
    ----------
    columns : int
        How many stand side by side.

    Returns
    -------
    ndarray of uint8 and shape (H, W, 3)
        The picture itself is framed; a constant border is of half full scale.
    """
    side = (_SIDE + 2 * _AROUND) * _CELL
    rows = -(-len(BORDERS) // columns)
    size = (columns * (side + _GAP) + _GAP, rows * (side + _TITLE + _GAP) + _GAP)
    image = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(image)
    for number, mode in enumerate(BORDERS):
        row, column = divmod(number, columns)
        left, top = _GAP + column * (side + _GAP), _GAP + row * (side + _TITLE + _GAP)
        title = "constant=0.5" if mode == "constant" else mode
        draw.text((left, top - 6), title, font=font(17), fill=INK)
        top += _TITLE
        cells = Image.fromarray(_bordered(mode)).resize((side, side), Image.Resampling.NEAREST)
        image.paste(cells, (left, top))
        inner = (left + _AROUND * _CELL, top + _AROUND * _CELL)
        outer = (inner[0] + _SIDE * _CELL, inner[1] + _SIDE * _CELL)
        draw.rectangle((*inner, *outer), outline=FRAME, width=3)
    return np.asarray(image)


def _bordered(mode: str) -> NDArray[np.uint8]:
    """Return a small colourful picture with its border, as the engine reads it."""
    rows, columns = np.indices((_SIDE, _SIDE)) / (_SIDE - 1)
    ramp = np.stack([40 + 200 * columns, 60 + 150 * rows, 220 - 160 * columns * rows], axis=-1)
    whole = np.empty((_SIDE + 2 * _AROUND, _SIDE + 2 * _AROUND, 3))
    fill = 255 * _FILL if mode == "constant" else 0.0
    ArraySource(ramp, mode, fill)((-_AROUND, -_AROUND), whole)
    return whole.astype(np.uint8)
