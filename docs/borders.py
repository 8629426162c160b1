"""What each border is made of, drawn: a small image and what stands around it."""

from __future__ import annotations

from typing import get_args

import numpy as np

import convfilter as cf
from convfilter.drawing.canvas import Drawing, below, beside, boxed, outlined, resized, text
from convfilter.options import Border

__all__ = ["border_plot"]

_SIDE, _AROUND = 4, 3
_CELL, _GAP = 22, 34


def border_plot(columns: int = 3) -> Drawing:
    """Draw every border mode around the same image, which is framed; a constant border is half white."""
    cells = [_bordered(mode) for mode in get_args(Border)]
    rows = [beside(cells[start : start + columns], _GAP) for start in range(0, len(cells), columns)]
    plot = below(rows, _GAP)
    return boxed(plot, plot.shape[0] + 2 * _GAP, plot.shape[1] + 2 * _GAP, centred=True)


def _bordered(mode: str) -> Drawing:
    """Draw a small colourful image with its border, as the engine reads it."""
    rows, columns = np.indices((_SIDE, _SIDE)) / (_SIDE - 1)
    ramp = np.stack([40 + 200 * columns, 60 + 150 * rows, 220 - 160 * columns * rows], axis=-1)
    whole = cf.correlate(ramp, [[1.0]], padding=_AROUND, border=mode, fill=127.5)
    side = len(whole) * _CELL
    inner = np.array([_AROUND, _AROUND, _AROUND + _SIDE, _AROUND + _SIDE]) * _CELL
    drawn = outlined(resized(whole.astype(np.uint8), side, side, "nearest"), inner.tolist())
    title = text("constant=0.5" if mode == "constant" else mode, 17)
    return below([boxed(title, 34, 0), drawn])
