"""Drawings of borders, and of the places where a kernel can stand."""

from __future__ import annotations

from typing import get_args

import numpy as np

import convfilter as cf
from convfilter.drawing import Drawing, below, beside, boxed, outlined, resized, text
from convfilter.options import Border

__all__ = ["border_plot", "padding_plot"]

_SIDE, _AROUND = 4, 3
_CELL, _GAP = 22, 34

_SAMPLES, _WEIGHTS = 7, 3
_SAMPLE, _ADDED, _WEIGHT, _BETWEEN = (150, 178, 216), (226, 229, 233), (214, 40, 57), (246, 208, 212)


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


def padding_plot() -> Drawing:
    """Draw a row of samples and below it every place of a kernel: paddings, a stride and a dilation."""
    plots = [_places("valid"), _places("same"), _places("full")]
    plots += [_places("valid", stride=2), _places("valid", dilation=2)]
    meanings = {_SAMPLE: "sample", _ADDED: "added by the padding", _WEIGHT: "weight"}
    meanings[_BETWEEN] = "skipped by the dilation"
    legend = [beside([_row([colour], _CELL), text(name, 15)], 6) for colour, name in meanings.items()]
    plot = below([beside(plots, _GAP), beside(legend, _GAP)], _GAP)
    return boxed(plot, plot.shape[0] + _GAP, plot.shape[1] + _GAP, centred=True)


def _places(padding: str, stride: int = 1, dilation: int = 1) -> Drawing:
    """Draw where the weights stand: a line for each output."""
    reach = dilation * (_WEIGHTS - 1)
    before = {"valid": 0, "same": reach // 2, "full": reach}[padding]
    options = {"padding": padding, "stride": stride, "dilation": dilation}
    (count,) = cf.output_shape((_SAMPLES,), (_WEIGHTS,), **options)
    lines = [[_ADDED] * before + [_SAMPLE] * _SAMPLES + [_ADDED] * before]
    for place in range(count):
        line = [(255, 255, 255)] * len(lines[0])
        start = place * stride
        line[start : start + reach + 1] = [_BETWEEN] * (reach + 1)
        line[start : start + reach + 1 : dilation] = [_WEIGHT] * _WEIGHTS
        lines.append(line)
    side = _CELL - 6
    samples, *places = (_row(line, side) for line in lines)
    more = [f"{name} {value}" for name, value in (("stride", stride), ("dilation", dilation)) if value > 1]
    titles = [text(", ".join([padding, *more]), 15), text(f"{_SAMPLES} samples, {count} outputs", 13)]
    return below([boxed(below(titles, 4), 0, 150), below([samples, below(places, 3)], 6)], 10)


def _row(colours: list[tuple[int, int, int]], side: int) -> Drawing:
    """Draw cells side by side, with a white line between them."""
    row = np.full((side, side * len(colours), 3), 255, np.uint8)
    for place, colour in enumerate(colours):
        row[1:-1, place * side + 1 : (place + 1) * side - 1] = colour
    return row
