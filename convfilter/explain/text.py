"""Numbers read from text, and an explanation as lines for a terminal and as an object for JSON."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convfilter.errors import ImageError, KernelError, OptionError, describe, escaped, figure
from convfilter.explain.steps import Explanation, Slice, Step
from convfilter.kernels.matrix import parse_rows

__all__ = ["as_lines", "channel_names", "output_lines", "output_names", "parse_numbers", "read_numbers"]
__all__ += ["table_lines", "to_json", "wrapped"]

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
    name = escaped(path)
    try:
        with open(path, encoding="utf-8-sig") as stream:
            text = stream.read(_LONGEST + 1)
    except FileNotFoundError:
        raise ImageError(f"{name}: no such file") from None
    except OSError as error:
        raise ImageError(f"{name}: cannot be opened: {describe(error)}") from None
    except UnicodeDecodeError:
        raise ImageError(f"{name}: is not a text file") from None
    if len(text) > _LONGEST:
        raise ImageError(f"{name}: holds more than {_LONGEST} characters: use fewer numbers")
    return parse_numbers(text, name)


def parse_numbers(text: str, name: str) -> NDArray[Any]:
    """Parse rows of numbers, which end with semicolons or line breaks; `name` is for errors."""
    try:
        values = parse_rows([row for row in re.split(r"[;\n]", text) if row.strip()])
    except KernelError as error:
        raise OptionError(f"{name}: {error}: write rows such as '0 1 2; 3 4 5'") from None
    if len({len(row) for row in values}) != 1:
        lengths = " and ".join(map(str, sorted({len(row) for row in values}))) or "no"
        raise OptionError(
            f"{name}: the rows have {lengths} numbers: make them equally long, as in '0 1; 2 3'"
        )
    array = np.array(values)
    array = array.astype(float) if array.dtype == object else array  # integers of many digits
    if not np.isfinite(array).all():
        raise OptionError(f"{name}: a number is too large for a float: use smaller ones")
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


def as_lines(explained: Explanation) -> list[str]:
    """Return an explanation as lines."""
    frame, row, column = explained.place
    source, at_row, at_column = explained.anchor
    frames = ("", "") if explained.axes[0].output == 1 else (f"frame {frame}, ", f"frame {source}, ")
    several = len(explained.values) > 1
    channel = f", {explained.names[explained.channel]}" if several else ""
    place = f"{frames[0]}row {row}, column {column}{channel}"
    lines = [
        f"{place}   (the anchor is over {frames[1]}row {at_row}, column {at_column})",
        *(f"  {note}" for note in explained.notes),
    ]
    for number, part in enumerate(explained.parts, start=1):
        lines += ["", f"part {number}"] if len(explained.parts) > 1 else [""]
        for each in part.slices:
            lines += _slice_in_lines(each)
        lines += _steps_in_lines(part.steps)
    if any(each.border.any() for part in explained.parts for each in part.slices):
        lines.append("  [in brackets: made by the border]")
    if explained.steps:
        lines += ["", *_steps_in_lines(explained.steps)]
    others = ""
    if several:
        pairs = zip(explained.names, explained.values, strict=True)
        others = f"   ({', '.join(f'{name} {figure(value)}' for name, value in pairs)})"
    return [*lines, "", f"value {figure(explained.value)}{others}"]


def _steps_in_lines(steps: Sequence[Step]) -> list[str]:
    name_width = max(len(step.name) for step in steps)
    return [
        line
        for step in steps
        for line in wrapped(f"  {step.name.ljust(name_width)}  ", f"{step.formula} = {figure(step.value)}")
    ]


def wrapped(name: str, formula: str, width: int = _LINE) -> list[str]:
    """Return a formula in lines that begin after its name; a sign stays with its number."""
    joined = re.sub(r"(?<= )([-+*/=]) ", "\\1\0", formula)
    lines = textwrap.wrap(
        joined, width, initial_indent=name, subsequent_indent=" " * len(name), break_long_words=False,
        break_on_hyphens=False,
    )  # fmt: skip
    return [line.replace("\0", " ") for line in lines]


def output_lines(explanations: Sequence[Explanation]) -> list[str]:
    """Return the values of all outputs, explained row by row, as a table."""
    (first, *_), last = explanations, explanations[-1]
    values = np.array([each.value for each in explanations]).reshape(last.place[1] + 1, last.place[2] + 1)
    channel = f", {first.names[first.channel]}" if len(first.values) > 1 else ""
    return [f"output{channel}", *table_lines(values)]


def table_lines(numbers: NDArray[Any]) -> list[str]:
    """Return a table (H, W) of numbers; of one that is too wide, the middle."""
    ((_, *lines),), _ = _blocks({"": _cells(numbers)})
    return [line.rstrip() for line in lines]


def _slice_in_lines(piece: Slice) -> list[str]:
    """Return samples, weights and products, side by side if they fit."""
    tables = {name: _cells(numbers) for name, numbers in piece.tables.items()}
    tables["samples"] = [
        [f"[{cell}]" if made else f" {cell} " for cell, made in zip(*row, strict=True)]
        for row in zip(tables["samples"], piece.border, strict=True)
    ]
    blocks, cut = _blocks(tables)
    height, width = piece.weights.shape
    heading = ", ".join(filter(None, (piece.name, f"the middle of {width}x{height}" if cut else "")))
    if sum(len(block[0]) + 3 for block in blocks) <= _LINE:
        lines = ["   ".join(line) for line in zip(*blocks, strict=True)]
    else:
        lines = [line for block in blocks for line in block]
    return [*([f"  {heading}"] if heading else []), *(line.rstrip() for line in lines)]


def _cells(numbers: NDArray[Any]) -> list[list[str]]:
    return [[figure(value, 4) for value in row] for row in numbers]


def _blocks(tables: dict[str, list[list[str]]]) -> tuple[list[list[str]], bool]:
    """Return tables of one size as lines, and whether their edges are cut off so that each fits."""
    (cells, *_) = tables.values()
    for side in _SIDES:
        # How many rows and columns are left out at either end, so that about `side` remain.
        rows, columns = (
            0 if count <= side else max(1, (count - min(side, _SIDES[1]) + 1) // 2)
            for count in (len(cells), len(cells[0]))
        )
        blocks = [_block(name, each, rows, columns) for name, each in tables.items()]
        if max(len(block[0]) for block in blocks) <= _LINE:
            break
    return blocks, bool(rows or columns)


def _block(name: str, cells: list[list[str]], rows: int, columns: int) -> list[str]:
    """Return a table as lines below its name, with dots for the rows and columns left out at either end."""
    if columns:
        cells = [["...", *row[columns:-columns], "..."] for row in cells]
    if rows:
        dots = ["..."] * len(cells[0])
        cells = [dots, *cells[rows:-rows], dots]
    widths = [max(len(row[column]) for row in cells) for column in range(len(cells[0]))]
    lines = ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in cells]
    width = max(len(name), len(lines[0]))
    return [f"  {line.ljust(width)}" for line in (name, *lines)]


def to_json(explained: Explanation) -> str:
    """Return an explanation as an object of JSON."""
    axes = ("frame", "row", "column")
    described = {
        "place": dict(zip(axes, explained.place, strict=True)),
        "anchor": dict(zip(axes, explained.anchor, strict=True)),
        "channel": explained.names[explained.channel],
        "parts": [
            {"slices": _as_objects(part.slices), "steps": _as_objects(part.steps)} for part in explained.parts
        ],
        "steps": _as_objects(explained.steps),
        "notes": explained.notes,
        "values": explained.values,
        "value": explained.value,
    }
    return json.dumps(
        described, default=lambda each: each.tolist() if hasattr(each, "tolist") else float(each)
    )


def _as_objects(records: Sequence[Slice | Step]) -> list[dict[str, Any]]:
    return [record._asdict() for record in records]
