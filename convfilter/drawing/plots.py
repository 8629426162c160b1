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
_AXIS, _LABEL = 46, 20
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
    in cycles a sample: 0.5 is a stripe two samples wide.
    """
    tables = list(itertools.islice(slices(kernel), _MOST))
    largest = max(float(np.abs(table).max()) for _, table in tables)
    heading = canvas.text(f"{kernel.name}  {kernel.width}x{kernel.height}", 20)
    rows = [canvas.boxed(heading, _TITLE + 8, 0)]
    for name, table in tables:
        weights = canvas.below([_title(f"weights{f', {name}' if name else ''}"), _weights(table, largest)])
        rows.append(canvas.beside([canvas.boxed(weights, 0, _SIDE + _GAP - _LABEL), _response(table)]))
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
    """Draw the response at frequencies from -0.5 to 0.5, down and across, with its axes."""
    magnitudes = response(table, _FREQUENCIES)
    peak = float(magnitudes.max()) or 1.0
    places = magnitudes / peak * (len(_SCALE) - 1)
    low = np.minimum(places.astype(int), len(_SCALE) - 2)
    share = (places - low)[..., np.newaxis]
    colours = (_SCALE[low] * (1 - share) + _SCALE[low + 1] * share).astype(np.uint8)
    title = _title(f"frequency response, 0 .. {figure(peak, 3)}")
    drawn = canvas.below(
        [title, canvas.boxed(canvas.resized(colours, _SIDE, _SIDE, "bilinear"), _SIDE + _AXIS, _SIDE + _AXIS)]
    )
    drawn = np.pad(drawn, ((0, 0), (_LABEL, 0), (0, 0)), constant_values=255)
    right, bottom = _LABEL + _SIDE, _TITLE + _SIDE
    labels = [(_LABEL + _SIDE / 2, bottom + 28.0, "cycles a sample")]
    for frequency in (-0.5, 0.0, 0.5):
        place = (frequency + 0.5) * _SIDE
        labels.append((_LABEL + place, bottom + 10.0, f"{frequency:g}"))
        labels.append((right + 18.0, _TITLE + place, f"{frequency:g}"))
    return canvas.labelled(drawn, labels, 13, PALE)
