"""Drawings of an explanation: window, weights, products and result."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from convfilter.drawing.canvas import (
    FRAME,
    INK,
    PALE,
    Grid,
    diverging,
    font,
    greys,
    middle,
    text_size,
    write_centred,
)
from convfilter.errors import OptionError
from convfilter.explain.steps import Explanation, Slice
from convfilter.geometry import Axis, axes_of
from convfilter.kernels import Kernel
from convfilter.messages import figure
from convfilter.options import FilterOptions

__all__ = ["draw_explanation", "sliding_axes", "sliding_frames"]

_GROUND = (255, 255, 255)
_MARGIN, _GAP = 28, 40
_THUMBNAIL = 320
_LINE = 26
_TEXT = 17
_EMPTY = (246, 247, 248)
_MOST_FRAMES = 256


def draw_explanation(
    explained: Explanation, names: Sequence[str], image: NDArray[np.uint8] | None, full: float
) -> NDArray[np.uint8]:
    """Draw an explanation, of shape (H, W, 3), beside the 8-bit RGB image that the window lies in.

    `names` are those of the output's channels; `full` is drawn as white.
    """
    rows = [_row(piece, full) for part in explained.parts for piece in part.slices[:4]]
    lines = _lines(explained, names)
    thumbnail = None if image is None else _thumbnail(explained, image)
    side = 0 if thumbnail is None else thumbnail.width + _GAP
    width = max(
        [side + sum(grid.size[0] for grid in row) + _GAP * (len(row) - 1) for row in rows]
        + [side + max(text_size(line, _TEXT)[0] for line in lines)]
    )
    tall = sum(max(grid.size[1] for grid in row) + _MARGIN for row in rows) + _LINE * len(lines)
    height = max(tall, 0 if thumbnail is None else thumbnail.height)
    drawn = Image.new("RGB", (width + 2 * _MARGIN, height + 2 * _MARGIN), _GROUND)
    draw = ImageDraw.Draw(drawn)
    if thumbnail is not None:
        drawn.paste(thumbnail, (_MARGIN, _MARGIN))
    top = _MARGIN
    bordered = [piece.border for part in explained.parts for piece in part.slices[:4]]
    for row, border in zip(rows, bordered, strict=True):
        left = _MARGIN + side
        for number, grid in enumerate(row):
            grid.draw(draw, left, top, middle(border) if number == 0 else None)
            left += grid.size[0]
            if number < len(row) - 1:
                sign = "=" if number == len(row) - 2 else "*"
                centre = top + grid.title_height + (grid.size[1] - grid.title_height) / 2
                write_centred(draw, (left + _GAP / 2, centre), sign, 26, PALE)
            left += _GAP
        top += max(grid.size[1] for grid in row) + _MARGIN
    for number, line in enumerate(lines):
        last = number == len(lines) - 1
        draw.text((_MARGIN + side, top), line, font=font(_TEXT), fill=FRAME if last else INK)
        top += _LINE
    return np.asarray(drawn)


def _row(piece: Slice, full: float) -> list[Grid]:
    """Return the grids of one slice."""
    name = f" {piece.name}" if piece.name else ""
    samples, weights = middle(piece.samples), middle(piece.weights)
    tables = [
        Grid(_labels(samples), greys(samples, full), title=f"samples{name}"),
        Grid(
            _labels(weights), diverging(weights, float(np.abs(piece.weights).max()) or 1.0), title="weights"
        ),
    ]
    if piece.alpha is not None:
        tables.append(Grid(_labels(middle(piece.alpha)), greys(middle(piece.alpha), 1.0), title="alpha"))
    products = middle(piece.products).astype(np.float64)
    return [*tables, Grid(_labels(products), diverging(products), title="products")]


def _labels(numbers: NDArray[Any]) -> list[list[str]]:
    return [[figure(value, 3) for value in row] for row in numbers]


def _lines(explained: Explanation, names: Sequence[str]) -> list[str]:
    """Return the steps as text, the value last."""
    lines = []
    for number, part in enumerate(explained.parts, start=1):
        which = f"part {number}: " if len(explained.parts) > 1 else ""
        lines += [f"{which}{step.name}: {step.formula} = {figure(step.value)}" for step in part.steps]
    lines += [f"{step.name}: {step.formula} = {figure(step.value)}" for step in explained.steps]
    _, row, column = explained.place
    channel = f" {names[explained.channel]}" if len(explained.values) > 1 else ""
    return [*lines, f"value at row {row}, column {column}:{channel} {figure(explained.value)}"]


def _thumbnail(explained: Explanation, pixels: NDArray[np.uint8]) -> Image.Image:
    """Return the image, scaled, with a frame around the window."""
    image = Image.fromarray(pixels)
    scale = _THUMBNAIL / max(image.size)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    image = image.resize(size, Image.Resampling.NEAREST if scale > 1 else Image.Resampling.LANCZOS)
    _, row, column = explained.anchor
    reach = max(explained.parts[0].slices[0].samples.shape) / 2 if explained.parts else 1
    half = max(reach * scale, 6.0)
    x, y = (column + 0.5) * scale, (row + 0.5) * scale
    draw = ImageDraw.Draw(image)
    for margin, colour, width in ((2, _GROUND, 6), (0, FRAME, 2)):  # visible on any background
        reach = half + margin
        draw.rectangle((x - reach, y - reach, x + reach, y + reach), outline=colour, width=width)
    return image


def sliding_axes(
    shape: tuple[int, ...], kernels: Sequence[Kernel], options: FilterOptions
) -> tuple[Axis, ...]:
    """Return the axes of rows and columns that `sliding_frames` takes, or refuse what it cannot draw."""
    if len(kernels) > 1 or "frame" in kernels[0].axes:
        raise OptionError("--animate draws one kernel over one image: give one -k without frames")
    axes = axes_of(
        shape,
        (kernels[0].height, kernels[0].width),
        padding=options.padding,
        stride=options.stride,
        dilation=options.dilation,
    )
    if axes[0].output * axes[1].output > _MOST_FRAMES:
        raise OptionError(
            f"{axes[0].output} x {axes[1].output} values come out: --animate draws at most {_MOST_FRAMES}, "
            "so give a small image or --values"
        )
    return axes


def sliding_frames(
    values: NDArray[Any],
    axes: Sequence[Axis],
    explain: Callable[[tuple[int, int]], Explanation],
    full: float,
) -> Iterator[NDArray[np.uint8]]:
    """Yield one frame of shape (H, W, 3) for each output of a kernel that slides over a small input.

    `values` has shape (H, W), `axes` are those of rows and columns, `explain` explains the output at a
    (row, column), and `full` is drawn as white.
    """
    rows, columns = axes
    cell = max(22, min(44, 640 // max(values.shape[1] + columns.before + columns.after, columns.output)))
    padded = (rows.before + values.shape[0] + rows.after, columns.before + values.shape[1] + columns.after)
    labels = np.full((rows.output, columns.output), "", object)
    results = np.zeros((rows.output, columns.output))
    peak = full
    for row, column in np.ndindex(rows.output, columns.output):
        explained = explain((row, column))
        piece = explained.parts[0].slices[0]
        labels[row, column], results[row, column] = figure(explained.value, 3), float(explained.value)
        peak = max(peak, abs(float(explained.value)))
        ground, words = _padded(values, rows, columns, padded, full)
        at = (row * rows.stride, column * columns.stride)
        for (down, across), made in np.ndenumerate(piece.border):
            if made:
                place = (at[0] + down * rows.dilation, at[1] + across * columns.dilation)
                words[place] = figure(piece.samples[down, across], 3)
        yield _frame(
            Grid(words.tolist(), ground, cell=cell, title="input"),
            Grid(_labels(piece.weights), diverging(piece.weights), cell=cell, title="weights"),
            Grid(labels.tolist(), _results(results, labels, peak), cell=cell, title="output"),
            (*at, rows.reach, columns.reach),
            (row, column),
            _sum_in_words(explained),
        )


def _padded(
    values: NDArray[Any], rows: Axis, columns: Axis, shape: tuple[int, int], full: float
) -> tuple[NDArray[np.uint8], NDArray[Any]]:
    """Return colours and labels of the input within its padding."""
    ground = np.full((*shape, 3), _EMPTY, np.uint8)
    words = np.full(shape, "", object)
    inside = (
        slice(rows.before, rows.before + values.shape[0]),
        slice(columns.before, columns.before + values.shape[1]),
    )
    ground[inside] = greys(values, full)
    words[inside] = np.array(_labels(values), object)
    return ground, words


def _results(results: NDArray[Any], labels: NDArray[Any], peak: float) -> NDArray[np.uint8]:
    colours = greys(np.abs(results), peak)
    colours[labels == ""] = _EMPTY
    return colours


def _sum_in_words(explained: Explanation) -> str:
    piece = explained.parts[0].slices[0]
    if piece.samples.size > 12 or len(explained.parts) > 1:
        return f"= {figure(explained.value)}"
    pairs = zip(piece.weights.ravel(), piece.samples.ravel(), strict=True)
    products = " + ".join(f"{figure(weight, 3)}*{figure(sample, 3)}" for weight, sample in pairs)
    return f"{products.replace('+ -', '- ')} = {figure(explained.value)}"


def _frame(
    source: Grid,
    weights: Grid,
    output: Grid,
    window: tuple[int, int, int, int],
    place: tuple[int, int],
    words: str,
) -> NDArray[np.uint8]:
    grids = (source, weights, output)
    wide = sum(grid.size[0] for grid in grids) + 2 * _GAP
    size = (wide + 2 * _MARGIN, max(grid.size[1] for grid in grids) + 3 * _MARGIN + _LINE)
    image = Image.new("RGB", size, _GROUND)
    draw = ImageDraw.Draw(image)
    left = _MARGIN
    for grid in grids:
        grid.draw(draw, left, _MARGIN)
        if grid is source:
            grid.frame(draw, left, _MARGIN, window)
        if grid is output:
            grid.frame(draw, left, _MARGIN, (*place, 1, 1))
        left += grid.size[0] + _GAP
    draw.text((_MARGIN, size[1] - _MARGIN - _LINE), words, font=font(_TEXT), fill=INK)
    return np.asarray(image)
