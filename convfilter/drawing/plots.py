"""Drawings of kernels, and of chains of layers to scale."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from convfilter import drawing
from convfilter.drawing import FRAME, PALE, WHITE, Drawing
from convfilter.errors import figure
from convfilter.geometry import LayerSizes
from convfilter.kernels import Kernel
from convfilter.kernels.kernel import tables_of
from convfilter.kernels.notebook import response

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
    tables = list(itertools.islice(tables_of(kernel), _MOST))
    largest = max(float(np.abs(table).max()) for _, table in tables)
    heading = drawing.text(f"{kernel.name}  {kernel.width}x{kernel.height}", 20)
    rows = [drawing.boxed(heading, _TITLE + 8, 0)]
    for name, table in tables:
        weights = drawing.below([_title(f"weights{f', {name}' if name else ''}"), _weights(table, largest)])
        rows.append(drawing.beside([drawing.boxed(weights, 0, _SIDE + _GAP), _response(table)]))
    plot = drawing.below(rows)
    return np.pad(plot, ((_MARGIN - 8, _MARGIN), (_MARGIN, _MARGIN), (0, 0)), constant_values=255)


def _title(line: str) -> Drawing:
    return drawing.boxed(drawing.text(line, 15, PALE), _TITLE, 0)


def _weights(table: NDArray[np.float64], largest: float) -> Drawing:
    cell = min(64, _SIDE // max(table.shape))
    colours = drawing.diverging(table, largest)
    if cell >= 26:
        return drawing.grid(table, colours, cell)
    rows, columns = (max(1, cell) * side for side in table.shape)
    enlarged = np.pad(drawing.resized(colours, rows, columns, "nearest"), ((1, 1), (1, 1), (0, 0)))
    return drawing.outlined(enlarged, (0, 0, columns + 1, rows + 1), PALE, 1)


def _response(table: NDArray[np.float64]) -> Drawing:
    """Draw the response at frequencies from -0.5 to 0.5, down and across, with its axes and a colour bar."""
    magnitudes = response(table, _FREQUENCIES)
    peak = float(magnitudes.max()) or 1.0
    drawn = drawing.resized(_coloured(magnitudes / peak), _SIDE, _SIDE, "bilinear")
    bar = _coloured(np.linspace(1, 0, _SIDE)[:, np.newaxis]).repeat(_BAR, axis=1)
    drawn = drawing.beside([drawn, np.pad(bar, ((0, 0), (0, _AXIS), (0, 0)), constant_values=255)], _AXIS)
    drawn = np.pad(drawn, ((0, _AXIS), (0, 0), (0, 0)), constant_values=255)
    labels = [(_SIDE / 2, _SIDE + 28.0, "cycles per sample")]
    labels += [(_SIDE + _AXIS + _BAR + 20.0, y, figure(value, 3)) for y, value in ((8, peak), (_SIDE - 8, 0))]
    for frequency in (-0.5, 0.0, 0.5):
        place = _SIDE / 2 + frequency * (_SIDE - 24)  # labels end where the axes do
        labels.append((place, _SIDE + 10.0, f"{frequency:g}"))
        labels.append((_SIDE + 18.0, place, f"{frequency:g}"))
    return drawing.below([_title("frequency response"), drawing.labelled(drawn, labels, 13, PALE)])


def _coloured(shares: NDArray[np.float64]) -> Drawing:
    """Return the colours of shares from 0 to 1."""
    places = shares * (len(_SCALE) - 1)
    low = np.minimum(places.astype(int), len(_SCALE) - 2)
    share = (places - low)[..., np.newaxis]
    colours: Drawing = (_SCALE[low] * (1 - share) + _SCALE[low + 1] * share).astype(np.uint8)
    return colours


# Chains of layers

_LARGEST, _THIN = 100, 12  # side of the largest box, and of boxes of one axis
_COLUMN, _SPACE, _AROUND, _ACROSS = 150, 14, 24, 8  # columns: width, between them, around all, side by side
_TEXT, _LINE = 13, 19
_BLUE, _GREY = (190, 208, 232), (232, 234, 237)


def chain_plot(steps: Sequence[LayerSizes]) -> Drawing:
    """Draw the input and each layer: its output, and below it the receptive field on the input.

    Outputs are drawn on one scale, receptive fields and the input below them on another.
    """
    size = steps[0].size
    outputs = [size, *(each.output or () for each in steps)]
    fields = [size, *(each.receptive_field for each in steps)]
    channels = [steps[0].channels, *(each.outputs for each in steps)]
    names = ["input", *(f"{number}. {each.layer.name}" for number, each in enumerate(steps, start=1))]
    scale, field_scale = (
        _LARGEST / max(side for shape in shapes for side in shape[-2:]) for shapes in (outputs, fields)
    )
    boxes = [_box(output, scale, _BLUE) if output else _text("") for output in outputs]
    windows = [_over(_box(field, field_scale), _box(size, field_scale, _GREY)) for field in fields[1:]]
    columns: list[Drawing] = []
    for number, name in enumerate(names):
        parts = [_text(line) for line in (*name.split(", ", 1), "")[:2]]
        made = " x ".join(map(str, (*reversed(outputs[number]), channels[number])))
        parts += [_boxed(boxes[number], boxes), _text(made if outputs[number] else "nothing")]
        if number:
            seen = " x ".join(map(str, reversed(fields[number])))
            parts += [_boxed(windows[number - 1], windows), _text(f"sees {seen}")]
        columns.append(drawing.below(parts))
    rows = [drawing.beside(columns[at : at + _ACROSS], _SPACE) for at in range(0, len(columns), _ACROSS)]
    return drawing.framed(drawing.below(rows, _AROUND), _AROUND)


def _text(line: str) -> Drawing:
    return drawing.boxed(
        drawing.text(drawing.fitted(line, _TEXT, _COLUMN), _TEXT), _LINE, _COLUMN, centred=True
    )


def _boxed(drawn: Drawing, others: Sequence[Drawing]) -> Drawing:
    """Centre a drawing in its column, in a box that is high enough for each of the others."""
    return drawing.boxed(drawn, max(map(len, others)) + _SPACE, _COLUMN, centred=True)


def _box(size: tuple[int, ...], scale: float, colour: tuple[int, int, int] | None = None) -> Drawing:
    """Return a box of a size, in a colour, or white with a red outline."""
    height, width = (max(3, round(side * scale)) for side in (size * 2)[-2:])
    height = _THIN if len(size) == 1 else height
    drawn = np.full((height, width, 3), colour or WHITE, np.uint8)
    outline, line = (PALE, 1) if colour else (FRAME, 2)
    return drawing.outlined(drawn, (0, 0, width - 1, height - 1), outline, line)


def _over(window: Drawing, whole: Drawing) -> Drawing:
    """Return the window on the middle of the whole; white is transparent."""
    height, width = (max(sides) for sides in zip(window.shape[:2], whole.shape[:2], strict=True))
    window, whole = (drawing.boxed(each, height, width, centred=True) for each in (window, whole))
    return np.where((window == WHITE).all(axis=2, keepdims=True), whole, window)
