"""Drawings of chains of layers: output sizes and receptive fields, to scale."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from convfilter.drawing import canvas
from convfilter.drawing.canvas import FRAME, PALE, Drawing
from convfilter.layers import LayerSizes

__all__ = ["chain_plot"]

_SIDE, _THIN = 100, 12  # of the largest box, and of boxes of one axis
_COLUMN, _GAP, _MARGIN, _MOST = 150, 14, 24, 8  # columns: width, between them, around all, side by side
_TEXT, _LINE = 13, 19
_BLUE, _GREY = (190, 208, 232), (232, 234, 237)

_Size = tuple[int, ...]


def chain_plot(steps: Sequence[LayerSizes]) -> Drawing:
    """Draw the input and each layer: its output, and below it the receptive field on the input.

    Outputs are drawn on one scale, receptive fields and the input below them on another.
    """
    size = steps[0].size
    places = [(size, steps[0].channels), *((sizes.output or (), sizes.outputs) for sizes in steps)]
    fields: list[_Size] = [(), *(sizes.receptive_field for sizes in steps)]
    names = ["input", *(f"{number}. {sizes.layer.name}" for number, sizes in enumerate(steps, start=1))]
    scale, field_scale = (
        _SIDE / max(side for shape in shapes for side in shape[-2:])
        for shapes in ([output for output, _ in places], [size, *fields])
    )
    outputs = [_box(output, scale, _BLUE) if output else _text("") for output, _ in places]
    windows = [_over(_box(field, field_scale), _box(size, field_scale, _GREY)) for field in fields[1:]]
    columns: list[Drawing] = []
    for name, (output, channels), box in zip(names, places, outputs, strict=True):
        parts = [_text(line) for line in (*name.split(", ", 1), "")[:2]]
        size_in_words = " x ".join(map(str, (*reversed(output), channels)))
        parts += [_boxed(box, outputs), _text(size_in_words if output else "nothing")]
        if number := len(columns):
            seen = " x ".join(map(str, reversed(fields[number])))
            parts += [_boxed(windows[number - 1], windows), _text(f"sees {seen}")]
        columns.append(canvas.below(parts))
    rows = [canvas.beside(columns[at : at + _MOST], _GAP) for at in range(0, len(columns), _MOST)]
    return canvas.framed(canvas.below(rows, _MARGIN), _MARGIN)


def _text(line: str) -> Drawing:
    drawn = canvas.text(canvas.fitted(line, _TEXT, _COLUMN), _TEXT)
    return canvas.boxed(drawn, _LINE, _COLUMN, centred=True)


def _boxed(drawing: Drawing, others: Sequence[Drawing]) -> Drawing:
    """Centre a drawing in its column, in a box that is high enough for each of the others."""
    return canvas.boxed(drawing, max(map(len, others)) + _GAP, _COLUMN, centred=True)


def _box(size: _Size, scale: float, colour: tuple[int, int, int] | None = None) -> Drawing:
    """Return a box of a size, in a colour, or white with a red outline."""
    height, width = (max(3, round(side * scale)) for side in (size * 2)[-2:])
    height = _THIN if len(size) == 1 else height
    drawn = np.full((height, width, 3), colour or canvas.WHITE, np.uint8)
    outline, line = (PALE, 1) if colour else (FRAME, 2)
    return canvas.outlined(drawn, (0, 0, width - 1, height - 1), outline, line)


def _over(window: Drawing, whole: Drawing) -> Drawing:
    """Return the window on the middle of the whole; white is transparent."""
    height, width = (max(sides) for sides in zip(window.shape[:2], whole.shape[:2], strict=True))
    window, whole = (canvas.boxed(each, height, width, centred=True) for each in (window, whole))
    return np.where((window == canvas.WHITE).all(axis=2, keepdims=True), whole, window)
