"""A value worked out, as lines for a terminal and as an object for programs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convfilter.explaining.arithmetic import Step, figure, plain
from convfilter.explaining.records import Explanation, Part, Slice

__all__ = ["as_lines", "as_object"]

_LINE = 80
_SIDES = (15, 9, 7, 5)  # rows and columns that are shown at the most, if fewer do not fit


def as_lines(told: Explanation, names: Sequence[str]) -> list[str]:
    """Return what was worked out, for a reader.

    Parameters
    ----------
    told : Explanation
        The value.
    names : sequence of str
        What the output's channels are called.
    """
    lines = [_where(told, names), *(f"  {note}" for note in told.notes)]
    for number, part in enumerate(told.parts, start=1):
        lines.append("")
        if len(told.parts) > 1:
            lines.append(f"part {number}")
        for each in part.slices:
            lines += _slice_in_lines(each)
        lines += _steps_in_lines(part.steps)
    if any(each.border.any() for part in told.parts for each in part.slices):
        lines.append("  [in brackets: made by the border]")
    if told.steps:
        lines += ["", *_steps_in_lines(told.steps)]
    return [*lines, "", _result(told, names)]


def _where(told: Explanation, names: Sequence[str]) -> str:
    _, row, column = told.place
    frame, at_row, at_column = told.anchor
    channel = f", {names[told.channel]}" if len(told.values) > 1 else ""
    frames = f"frame {told.place[0]}, " if told.size[0] > 1 else ""
    source = f"frame {frame}, " if told.size[0] > 1 else ""
    place = f"{frames}row {row}, column {column}{channel}"
    return f"{place}   (the anchor is over {source}row {at_row}, column {at_column})"


def _result(told: Explanation, names: Sequence[str]) -> str:
    others = ""
    if len(told.values) > 1:
        pairs = zip(names, told.values, strict=True)
        others = f"   ({', '.join(f'{name} {figure(value)}' for name, value in pairs)})"
    return f"value {figure(told.value)}{others}"


def _steps_in_lines(steps: Sequence[Step]) -> list[str]:
    name_width = max(len(step.name) for step in steps)
    return [f"  {step.name.ljust(name_width)}  {step.formula} = {figure(step.value)}" for step in steps]


def _slice_in_lines(piece: Slice) -> list[str]:
    """The samples, the weights and their products, side by side where they fit."""
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
    """How many cells are left out at either end, so that about `side` are shown; 0 for none."""
    return 0 if count <= side else max(1, (count - min(side, _SIDES[1]) + 1) // 2)


def _cells(numbers: NDArray[Any]) -> list[list[str]]:
    return [[figure(value, 4) for value in row] for row in numbers]


def _cut(cells: list[list[str]], rows: int, columns: int) -> list[list[str]]:
    """Leave out what lies near the edges, with dots for it."""
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


def as_object(told: Explanation, names: Sequence[str]) -> dict[str, Any]:
    """Return what was worked out, for programs; the parameters are those of `as_lines`."""
    return {
        "place": {"frame": told.place[0], "row": told.place[1], "column": told.place[2]},
        "anchor": {"frame": told.anchor[0], "row": told.anchor[1], "column": told.anchor[2]},
        "channel": names[told.channel] if told.channel < len(names) else str(told.channel),
        "parts": [_part_as_object(part) for part in told.parts],
        "steps": [_step_as_object(step) for step in told.steps],
        "notes": list(told.notes),
        "values": list(told.values),
        "value": told.value,
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
