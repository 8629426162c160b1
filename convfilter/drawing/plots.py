"""Drawings of kernels: weights and frequency response."""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

from convfilter.drawing import canvas
from convfilter.drawing.canvas import PALE, Drawing
from convfilter.errors import figure
from convfilter.kernels import Kernel
from convfilter.kernels.analysis import slices
from convfilter.kernels.notebook import response

__all__ = ["kernel_plot"]

_SIDE = 300
_MARGIN, _GAP, _TITLE = 30, 70, 30
_AXIS, _BAR = 46, 14
_MOST = 9  # tables
_FREQUENCIES = 151
# Dark blue to green to yellow, with even steps of lightness.
_SCALE = np.array(
    [[68, 1, 84], [71, 44, 122], [59, 81, 139], [44, 113, 142], [33, 144, 141], [39, 173, 129],
     [92, 200, 99], [170, 220, 50], [253, 231, 37]], float,
)  # fmt: skip


def kernel_plot(kernel: Kernel) -> Drawing:
    """Draw weights and frequency response of up to nine tables of a kernel.

    The response is the magnitude of the discrete Fourier transform, with frequency 0 in the middle and axes
    in cycles per sample: 0.5 is a stripe two samples wide.
    """
    tables = list(itertools.islice(slices(kernel), _MOST))
    largest = max(float(np.abs(table).max()) for _, table in tables)
    heading = canvas.text(f"{kernel.name}  {kernel.width}x{kernel.height}", 20)
    rows = [canvas.boxed(heading, _TITLE + 8, 0)]
    for name, table in tables:
        weights = canvas.below([_title(f"weights{f', {name}' if name else ''}"), _weights(table, largest)])
        rows.append(canvas.beside([canvas.boxed(weights, 0, _SIDE + _GAP), _response(table)]))
    plot = canvas.below(rows)
    return np.pad(plot, ((_MARGIN - 8, _MARGIN), (_MARGIN, _MARGIN), (0, 0)), constant_values=255)


def _title(line: str) -> Drawing:
    return canvas.boxed(canvas.text(line, 15, PALE), _TITLE, 0)


def _weights(table: NDArray[np.float64], largest: float) -> Drawing:
    cell = min(64, _SIDE // max(table.shape))
    colours = canvas.diverging(table, largest)
    if cell >= 26:
        return canvas.grid(table, colours, cell)
    rows, columns = (max(1, cell) * side for side in table.shape)
    enlarged = np.pad(canvas.resized(colours, rows, columns, "nearest"), ((1, 1), (1, 1), (0, 0)))
    return canvas.outlined(enlarged, (0, 0, columns + 1, rows + 1), PALE, 1)


def _response(table: NDArray[np.float64]) -> Drawing:
    """Draw the response at frequencies from -0.5 to 0.5, down and across, with its axes and a colour bar."""
    magnitudes = response(table, _FREQUENCIES)
    peak = float(magnitudes.max()) or 1.0
    drawn = canvas.resized(_coloured(magnitudes / peak), _SIDE, _SIDE, "bilinear")
    bar = _coloured(np.linspace(1, 0, _SIDE)[:, np.newaxis]).repeat(_BAR, axis=1)
    drawn = canvas.beside([drawn, np.pad(bar, ((0, 0), (0, _AXIS), (0, 0)), constant_values=255)], _AXIS)
    drawn = np.pad(drawn, ((0, _AXIS), (0, 0), (0, 0)), constant_values=255)
    labels = [(_SIDE / 2, _SIDE + 28.0, "cycles per sample")]
    labels += [(_SIDE + _AXIS + _BAR + 20.0, y, figure(value, 3)) for y, value in ((8, peak), (_SIDE - 8, 0))]
    for frequency in (-0.5, 0.0, 0.5):
        place = _SIDE / 2 + frequency * (_SIDE - 24)  # labels end where the axes do
        labels.append((place, _SIDE + 10.0, f"{frequency:g}"))
        labels.append((_SIDE + 18.0, place, f"{frequency:g}"))
    return canvas.below([_title("frequency response"), canvas.labelled(drawn, labels, 13, PALE)])


def _coloured(shares: NDArray[np.float64]) -> Drawing:
    """Return the colours of shares from 0 to 1."""
    places = shares * (len(_SCALE) - 1)
    low = np.minimum(places.astype(int), len(_SCALE) - 2)
    share = (places - low)[..., np.newaxis]
    colours: Drawing = (_SCALE[low] * (1 - share) + _SCALE[low + 1] * share).astype(np.uint8)
    return colours
