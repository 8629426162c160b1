"""Drawings of an explanation: window, weights, products and result."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convfilter import drawing
from convfilter.drawing import FRAME, INK, PALE, WHITE, Drawing
from convfilter.errors import OptionError, counted, figure
from convfilter.explain.backward import Backward, equations
from convfilter.explain.steps import LEGEND, Explanation, Slice, wrapped
from convfilter.filtering.layer import filter_axes
from convfilter.geometry import Axis
from convfilter.kernels import Kernel
from convfilter.options import FilterOptions

_MARGIN, _GAP = 28, 40
_THUMBNAIL = 320
_TITLE, _LINE, _TEXT = 26, 26, 17
_EMPTY = (246, 247, 248)
_CHARACTERS = 110  # in a line of text
_MOST_SLICES = 4  # of a part
_MOST_FRAMES = 256
_MOST_LINES = 60  # of the sums of a backward pass
_BACKWARD = (("x", "w", "d"), ("dL/dx", "dL/dw"))  # what stands beside each other
_NAMES = {"x": "input x", "w": "weights w", "d": "upstream d"}


def draw_explanation(explained: Explanation, image: Drawing | None, full: float) -> Drawing:
    """Draw an explanation, beside the image that the window lies in if there is one; `full` is white."""
    slices = [each for part in explained.parts for each in part.slices[:_MOST_SLICES]]
    rows = [_slice_row(each, full) for each in slices]
    _, row, column = explained.place
    channel = f" {explained.names[explained.channel]}" if len(explained.values) > 1 else ""
    value = f"value at row {row}, column {column}:{channel} {figure(explained.value)}"
    rows.append(drawing.below([_written(_lines(explained)), _written([value], FRAME)]))
    drawn = drawing.below(rows, _MARGIN)
    if image is not None:
        drawn = drawing.beside([_thumbnail(explained, image), drawn], _GAP)
    return drawing.framed(drawn, _MARGIN)


def _slice_row(piece: Slice, full: float) -> Drawing:
    """Draw samples * weights [* alpha] = products."""
    border = drawing.middle(piece.border)
    (height, width), (rows, columns) = piece.border.shape, border.shape
    cut = f"the middle {columns}x{rows} of {width}x{height}" if border.size < piece.border.size else ""
    titles = {"samples": ", ".join(filter(None, (f"samples {piece.name}".strip(), cut)))}
    colours: dict[str, Callable[[NDArray[Any]], Drawing]] = {
        "samples": partial(drawing.greys, full=full),
        "weights": partial(drawing.diverging, largest=float(np.abs(piece.weights).max())),
        "alpha": partial(drawing.greys, full=1.0),
        "products": drawing.diverging,
    }
    drawn: list[Drawing] = []
    for name, numbers in piece.tables.items():
        cells = drawing.middle(numbers)
        shown = drawing.middle(piece.dashed(name, numbers))
        table = drawing.grid(shown, colours[name](cells), 44, None if drawn else border)
        if drawn:
            sign = drawing.text("=" if name == "products" else "*", 26, PALE)
            space = np.full((_TITLE, _GAP, 3), WHITE, np.uint8)
            drawn.append(drawing.below([space, drawing.boxed(sign, len(table), _GAP, centred=True)]))
        drawn.append(_titled(titles.get(name, name), table))
    return drawing.beside(drawn)


def _titled(title: str, table: Drawing) -> Drawing:
    return drawing.below([drawing.boxed(drawing.text(title, 16, PALE), _TITLE, 0), table])


def _written(lines: Sequence[str], colour: tuple[int, int, int] = INK) -> Drawing:
    return drawing.below([drawing.boxed(drawing.text(line, _TEXT, colour), _LINE, 0) for line in lines])


def _lines(explained: Explanation) -> list[str]:
    """Return the steps as lines of text, and what the drawing leaves out."""
    several = len(explained.parts) > 1
    named = [
        (f"part {number}: {step.name}" if several else step.name, step)
        for number, part in enumerate(explained.parts, start=1)
        for step in part.steps
    ]
    named += [(step.name, step) for step in explained.steps]
    lines = [line for name, step in named for line in wrapped(f"{name}: ", step.equation, _CHARACTERS)]
    drawn = [each for part in explained.parts for each in part.slices[:_MOST_SLICES]]
    if any(drawing.middle(each.border).any() for each in drawn):
        lines.append("samples with a red dot: made by the border")
    if any(drawing.middle(each.missing).any() for each in drawn if each.missing is not None):
        lines.append("samples shown as -: missing")
    dropped = max((len(part.slices) for part in explained.parts), default=0) - _MOST_SLICES
    if dropped > 0:
        lines.append(f"not drawn: {counted(dropped, 'further table')} of each part")
    return lines


def draw_backward(explained: Backward) -> Drawing:
    """Draw the backward pass: input, weights and upstream, the gradients below them, and every sum."""
    tables = {}
    for name, numbers in explained.tables.items():
        cell = max(26, min(44, 480 // max(numbers.shape)))
        tables[name] = _titled(
            _NAMES.get(name, name), drawing.grid(numbers, drawing.diverging(numbers), cell)
        )
    lines = [line for steps in explained.steps.values() for line in equations(steps, _CHARACTERS)]
    more = len(lines) - _MOST_LINES
    if more > 0:
        lines[_MOST_LINES:] = [f"... and {counted(more, 'more line')}, which the command prints"]
    lines += [LEGEND] if explained.border else []
    rows = [drawing.beside([tables[name] for name in names], _GAP) for names in _BACKWARD]
    return drawing.framed(drawing.below([*rows, _written(lines)], _MARGIN), _MARGIN)


def _thumbnail(explained: Explanation, image: Drawing) -> Drawing:
    """Return the image, scaled, with a frame around the window."""
    scale = _THUMBNAIL / max(image.shape[:2])
    height, width = (max(1, round(side * scale)) for side in image.shape[:2])
    drawn = drawing.resized(image, height, width, "nearest" if scale > 1 else "lanczos")
    pairs = list(zip(explained.place, explained.axes, strict=True))[1:]
    # Strides of a chain made the input smaller.
    scale = max(height, width) / max(axis.size for _, axis in pairs)
    y, x = ((at * axis.stride - axis.before + axis.reach / 2) * scale for at, axis in pairs)
    reach = max(axis.reach for _, axis in pairs) / 2
    for margin, colour, line in ((2, WHITE, 6), (0, FRAME, 2)):  # visible on any background
        half = max(reach * scale, 6.0) + margin
        drawn = drawing.outlined(drawn, (x - half, y - half, x + half, y + half), colour, line)
    return drawn


def sliding_axes(
    shape: tuple[int, ...], kernels: Sequence[Kernel], options: FilterOptions
) -> tuple[Axis, ...]:
    """Return the axes of rows and columns that `sliding_frames` takes, or refuse what it cannot draw."""
    if len(kernels) > 1 or "frame" in kernels[0].axes:
        raise OptionError("--animate draws one kernel over one image: use one -k without frames")
    axes = filter_axes((1, *shape), kernels[0], options)[1:]
    if axes[0].output * axes[1].output > _MOST_FRAMES:
        raise OptionError(
            f"the output has {axes[0].output} x {axes[1].output} values and --animate draws at most "
            f"{_MOST_FRAMES}: use a small image or --values"
        )
    return axes


def sliding_frames(
    values: NDArray[Any],
    axes: Sequence[Axis],
    explain: Callable[[tuple[int, int]], Explanation],
    full: float,
) -> Iterator[Drawing]:
    """Yield one frame for each output of a kernel that slides over a small input (H, W).

    `axes` are those of rows and columns, `explain` explains the output at a (row, column), and `full` is
    drawn as white.
    """
    rows, columns = axes
    inputs = "input, pale: made by the border" if any(axis.before or axis.after for axis in axes) else "input"
    padding = [(axis.before, axis.after) for axis in axes]
    outside = np.pad(np.zeros(values.shape, bool), padding, constant_values=True)
    colours = drawing.greys(np.pad(values, padding), full)
    colours[outside] = _EMPTY
    cell = max(22, min(44, 640 // max(outside.shape[1], columns.output)))
    results = np.zeros((rows.output, columns.output))
    found = np.full(results.shape, "", object)
    for row, column in np.ndindex(rows.output, columns.output):
        explained = explain((row, column))
        piece = explained.parts[0].slices[0]
        results[row, column] = found[row, column] = explained.value
        shades = drawing.greys(np.abs(results), max(full, np.nan_to_num(np.abs(results)).max()))
        shades[found == ""] = _EMPTY
        top, left = row * rows.stride, column * columns.stride
        padded = np.pad(values.astype(object), padding, constant_values="")
        under = padded[top : top + rows.reach : rows.dilation, left : left + columns.reach : columns.dilation]
        under[piece.border] = piece.window[piece.border]
        window = np.array([left, top, left + columns.reach, top + rows.reach]) * cell
        result = np.array([column, row, column + 1, row + 1]) * cell
        tables = [
            _titled(inputs, drawing.outlined(drawing.grid(padded, colours, cell), window.tolist())),
            _titled("weights", drawing.grid(piece.weights, drawing.diverging(piece.weights), cell)),
            _titled("output", drawing.outlined(drawing.grid(found, shades, cell), result.tolist())),
        ]
        drawn = drawing.beside(tables, _GAP)  # of one size in all frames
        sentence = _written([_sum_in_words(explained, drawn.shape[1])])
        yield drawing.framed(drawing.below([drawn, sentence], _MARGIN), _MARGIN)


def _sum_in_words(explained: Explanation, width: int) -> str:
    """Return the sum of a value, shortened to a width in pixels."""
    value = f"= {figure(explained.value)}"
    piece = explained.parts[0].slices[0]
    if piece.window.size > 12 or len(explained.parts) > 1:
        return value
    pairs = zip(piece.weights.ravel(), piece.window.ravel(), strict=True)
    products = " + ".join(f"{figure(weight, 3)}*{figure(sample, 3)}" for weight, sample in pairs)
    space = width - drawing.text_width(f" {value}", _TEXT)
    return f"{drawing.fitted(products.replace('+ -', '- '), _TEXT, space)} {value}"
