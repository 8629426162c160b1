"""Numbers read from text, and an explanation as lines for a terminal and as an object for JSON."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convfilter.errors import ImageError, OptionError
from convfilter.explain.steps import Explanation, Part, Slice, Step, plain
from convfilter.messages import describe, figure, shown

__all__ = ["as_lines", "as_object", "channel_names", "output_names", "parse_numbers", "read_numbers"]

_LONGEST = 1 << 22  # characters of a file of numbers
_NAMES = {
    "L": ("grey",),
    "LA": ("grey", "alpha"),
    "RGB": ("red", "green", "blue"),
    "RGBA": ("red", "green", "blue", "alpha"),
    "CMYK": ("cyan", "magenta", "yellow", "black"),
    "LAB": ("L", "a", "b"),
}
_LINE = 80
_SIDES = (15, 9, 7, 5)  # the most rows and columns; the first that fits is taken


def read_numbers(path: str) -> NDArray[Any]:
    """Read rows of numbers from a file."""
    try:
        with open(path, encoding="utf-8-sig") as stream:
            text = stream.read(_LONGEST + 1)
    except OSError as error:
        raise ImageError(f"{shown(path)}: cannot be opened: {describe(error)}") from None
    except UnicodeDecodeError:
        raise ImageError(f"{shown(path)}: holds no text") from None
    if len(text) > _LONGEST:
        raise ImageError(f"{shown(path)}: holds more than {_LONGEST} characters: give fewer numbers")
    return parse_numbers(text, shown(path))


def parse_numbers(text: str, name: str) -> NDArray[Any]:
    """Parse rows of numbers, which end with semicolons or line breaks; `name` is for errors."""
    rows = [
        re.split(r"[\s,]+", row.strip(" ,\t\r")) for row in re.split(r"[;\n]", text) if row.strip(" ,\t\r")
    ]
    try:
        values = [
            [int(cell) if re.fullmatch(r"[+-]?\d{1,15}", cell) else float(cell) for cell in row]
            for row in rows
        ]
    except ValueError as error:
        cell = str(error).rpartition(": ")[2]
        raise OptionError(f"{name}: {cell} is not a number: give rows such as '0 1 2; 3 4 5'") from None
    if not values or len({len(row) for row in values}) != 1:
        lengths = ", ".join(str(len(row)) for row in values) or "none"
        raise OptionError(f"{name}: rows of {lengths} numbers: give rows of one length, such as '0 1; 2 3'")
    array = np.array(values)
    if not np.isfinite(array).all():
        raise OptionError(f"{name}: infinite or not a number: give finite ones")
    return array


def channel_names(mode: str, *, grey: bool) -> tuple[str, ...]:
    """Return the names of an image's channels; none if its mode is not known and it is not grey."""
    return _NAMES.get(mode, ("grey",) if grey else ())


def output_names(count: int, names: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names of the output's channels, from those of the input's."""
    if count == len(names):
        return names
    usual = {len(_NAMES[mode]): _NAMES[mode] for mode in ("L", "LA", "RGB", "RGBA")}
    return usual.get(count, tuple(f"channel {number}" for number in range(count)))


def as_lines(explained: Explanation, names: Sequence[str]) -> list[str]:
    """Return an explanation as lines; `names` are those of the output's channels."""
    lines = [_where(explained, names), *(f"  {note}" for note in explained.notes)]
    for number, part in enumerate(explained.parts, start=1):
        lines.append("")
        if len(explained.parts) > 1:
            lines.append(f"part {number}")
        for each in part.slices:
            lines += _slice_in_lines(each)
        lines += _steps_in_lines(part.steps)
    if any(each.border.any() for part in explained.parts for each in part.slices):
        lines.append("  [in brackets: made by the border]")
    if explained.steps:
        lines += ["", *_steps_in_lines(explained.steps)]
    return [*lines, "", _result(explained, names)]


def _where(explained: Explanation, names: Sequence[str]) -> str:
    _, row, column = explained.place
    frame, at_row, at_column = explained.anchor
    channel = f", {names[explained.channel]}" if len(explained.values) > 1 else ""
    frames = f"frame {explained.place[0]}, " if explained.size[0] > 1 else ""
    source = f"frame {frame}, " if explained.size[0] > 1 else ""
    place = f"{frames}row {row}, column {column}{channel}"
    return f"{place}   (the anchor is over {source}row {at_row}, column {at_column})"


def _result(explained: Explanation, names: Sequence[str]) -> str:
    others = ""
    if len(explained.values) > 1:
        pairs = zip(names, explained.values, strict=True)
        others = f"   ({', '.join(f'{name} {figure(value)}' for name, value in pairs)})"
    return f"value {figure(explained.value)}{others}"


def _steps_in_lines(steps: Sequence[Step]) -> list[str]:
    name_width = max(len(step.name) for step in steps)
    return [f"  {step.name.ljust(name_width)}  {step.formula} = {figure(step.value)}" for step in steps]


def _slice_in_lines(piece: Slice) -> list[str]:
    """Return samples, weights and products, side by side if they fit."""
    samples = [
        [
            f"[{figure(value, 4)}]" if made else f" {figure(value, 4)} "
            for value, made in zip(*pair, strict=True)
        ]
        for pair in zip(piece.samples, piece.border, strict=True)
    ]
    tables = [("samples", samples), ("weights", _cells(piece.weights))]
    if piece.alpha is not None:
        tables.append(("alpha", _cells(piece.alpha)))
    tables.append(("products", _cells(piece.products)))
    for side in _SIDES:
        rows, columns = (_left_out(count, side) for count in piece.samples.shape)
        blocks = [_block(name, _cut(cells, rows, columns)) for name, cells in tables]
        if max(len(block[0]) for block in blocks) <= _LINE:
            break
    height, width = piece.weights.shape
    part = f"the middle of {width}x{height}" if rows or columns else ""
    heading = [f"  {', '.join(filter(None, (piece.name, part)))}"] if piece.name or part else []
    if sum(len(block[0]) + 3 for block in blocks) <= _LINE:
        return heading + ["   ".join(line).rstrip() for line in zip(*blocks, strict=True)]
    return heading + [line.rstrip() for block in blocks for line in block]


def _left_out(count: int, side: int) -> int:
    """Return how many cells to leave out at either end, so that about `side` remain."""
    return 0 if count <= side else max(1, (count - min(side, _SIDES[1]) + 1) // 2)


def _cells(numbers: NDArray[Any]) -> list[list[str]]:
    return [[figure(value, 4) for value in row] for row in numbers]


def _cut(cells: list[list[str]], rows: int, columns: int) -> list[list[str]]:
    """Replace cells near the edges by dots."""
    if columns:
        cells = [["...", *row[columns:-columns], "..."] for row in cells]
    if rows:
        dots = ["..."] * len(cells[0])
        cells = [dots, *cells[rows:-rows], dots]
    return cells


def _block(name: str, cells: list[list[str]]) -> list[str]:
    widths = [max(len(row[column]) for row in cells) for column in range(len(cells[0]))]
    lines = ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in cells]
    width = max(len(name), len(lines[0]))
    return [f"  {line.ljust(width)}" for line in (name, *lines)]


def as_object(explained: Explanation, names: Sequence[str]) -> dict[str, Any]:
    """Return an explanation as an object for JSON."""
    return {
        "place": {"frame": explained.place[0], "row": explained.place[1], "column": explained.place[2]},
        "anchor": {"frame": explained.anchor[0], "row": explained.anchor[1], "column": explained.anchor[2]},
        "channel": names[explained.channel] if explained.channel < len(names) else str(explained.channel),
        "parts": [_part_as_object(part) for part in explained.parts],
        "steps": [_step_as_object(step) for step in explained.steps],
        "notes": list(explained.notes),
        "values": list(explained.values),
        "value": explained.value,
    }


def _part_as_object(part: Part) -> dict[str, Any]:
    return {
        "slices": [
            {
                "name": each.name,
                "window": each.samples.tolist(),
                "border": each.border.tolist(),
                "weights": each.weights.tolist(),
                "alpha": None if each.alpha is None else np.asarray(each.alpha).tolist(),
                "products": each.products.tolist(),
            }
            for each in part.slices
        ],
        "steps": [_step_as_object(step) for step in part.steps],
    }


def _step_as_object(step: Step) -> dict[str, Any]:
    return {"name": step.name, "formula": step.formula, "value": plain(step.value)}
