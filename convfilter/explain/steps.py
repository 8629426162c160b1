"""The steps of a calculation, as records, text and JSON, and the numbers that it begins with."""

from __future__ import annotations

import json
import math
import re
import textwrap
from collections.abc import Sequence
from fractions import Fraction
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from convfilter.errors import ImageError, KernelError, OptionError, describe, escaped, figure
from convfilter.geometry import Axis
from convfilter.kernels.matrix import parse_rows

Number: TypeAlias = int | float | Fraction

LEGEND = "[in brackets: made by the border]"
_MISSING = "[-: missing]"
_TERMS = 25  # of a sum that is written out whole
_LINE = 80
_SIDES = (15, 9, 7, 5)  # the most rows and columns; the first that fits is taken
_LONGEST = 1 << 22  # characters of a file of numbers
_CHANNELS = {
    "L": ("grey",),
    "LA": ("grey", "alpha"),
    "RGB": ("red", "green", "blue"),
    "RGBA": ("red", "green", "blue", "alpha"),
    "CMYK": ("cyan", "magenta", "yellow", "black"),
    "LAB": ("L", "a", "b"),
}


class Step(NamedTuple):
    """One line of a calculation: its name, the formula with its numbers, and the result."""

    name: str
    formula: str
    value: Number

    @property
    def equation(self) -> str:
        """The formula with the result."""
        return f"{self.formula} = {figure(self.value)}"


class Slice(NamedTuple):
    """A two-dimensional piece of a window, of one channel and frame; `name` is empty if it is the only one.

    `border` is true where the border made the sample. Where colours are weighted with alpha, `alpha` is the
    fraction of opaque that the products are multiplied by.
    """

    name: str
    window: NDArray[Any]
    weights: NDArray[Any]
    products: NDArray[Any]
    border: NDArray[np.bool_]
    alpha: NDArray[Any] | None = None
    missing: NDArray[np.bool_] | None = None  # which samples are

    @property
    def tables(self) -> dict[str, NDArray[Any]]:
        """The factors and their products, by name."""
        factors = {"samples": self.window, "weights": self.weights}
        if self.alpha is not None:
            factors["alpha"] = self.alpha
        return {**factors, "products": self.products}

    def dashed(self, name: str, cells: NDArray[Any]) -> NDArray[Any]:
        """Return the cells of a table with dashes for missing samples and their products."""
        if self.missing is None or name == "weights":
            return cells
        return np.where(self.missing, "-", cells.astype(object))


class Part(NamedTuple):
    """One part of a kernel at one place: what is added up, and the steps from the sum to the part's value."""

    slices: Sequence[Slice]
    steps: Sequence[Step]

    @property
    def value(self) -> Number:
        """The value of the part."""
        return self.steps[-1].value


class Explanation(NamedTuple):
    """How one sample is computed; its parts are those of the kernel, its steps lead from them to the sample.

    `place` is the frame, row and column of the output, and the window follows from it and the `axes`.
    `values` are all channels at the place, `names` what they are called, and `channel` is the number of the
    one that is explained.
    """

    place: tuple[int, ...]
    axes: tuple[Axis, ...]
    channel: int
    names: Sequence[str]
    parts: Sequence[Part]
    steps: Sequence[Step]
    values: Sequence[int | float]
    notes: Sequence[str] = ()

    @property
    def anchor(self) -> tuple[int, ...]:
        """The place of the input under the kernel's anchor, which may lie outside."""
        pairs = zip(self.place, self.axes, strict=True)
        return tuple(index * axis.stride - axis.before + axis.anchor for index, axis in pairs)

    @property
    def value(self) -> int | float:
        """The sample itself."""
        return self.values[self.channel]


def whole(value: float | Fraction) -> Number:
    """Return a number as an int if it is one."""
    return int(value) if value == int(value) else value


def plain(value: Number) -> int | float:
    """Return a number as an int or float."""
    return float(value) if isinstance(value, Fraction) else value


def quotient(value: Number, divisor: Number) -> Number:
    """Divide, exactly unless one of the numbers is a float."""
    if isinstance(value, float) or isinstance(divisor, float):
        return value / divisor
    return whole(Fraction(value) / divisor)


def _flat(values: ArrayLike | Sequence[Number]) -> list[Number]:
    """Return numbers as those of Python, which hold integers of any size."""
    numbers: list[Number] = np.asarray(values, object).ravel().tolist()
    return numbers


def total(values: ArrayLike | Sequence[Number]) -> Number:
    """Return a sum: exact unless some numbers are floats, and else rounded once."""
    numbers = _flat(values)
    if not any(isinstance(each, float) for each in numbers):
        return sum(numbers)
    return math.fsum(numbers) if all(map(math.isfinite, numbers)) else float(sum(numbers))


def added(values: ArrayLike | Sequence[Number]) -> str:
    """Return an addition in words, without the terms in the middle if there are many."""
    return " + ".join(shortened([figure(value) for value in _flat(values)])).replace("+ -", "- ")


def bracketed(text: str) -> str:
    """Return a number in brackets if it is negative."""
    return f"({text})" if text.startswith("-") else text


def shortened(terms: Sequence[str]) -> list[str]:
    """Return terms, with dots for those in the middle if there are too many."""
    return [*terms] if len(terms) <= _TERMS else [*terms[:4], "...", *terms[-4:]]


def wrapped(name: str, formula: str, width: int = _LINE) -> list[str]:
    """Return a formula in lines that begin after its name; a sign stays with its number."""
    joined = re.sub(r"(?<= )([-+*/=]) ", "\\1\0", formula)
    lines = textwrap.wrap(
        joined, width, initial_indent=name, subsequent_indent=" " * len(name), break_long_words=False,
        break_on_hyphens=False,
    )  # fmt: skip
    return [line.replace("\0", " ") for line in lines]


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
    lengths = sorted({len(row) for row in values})
    if len(lengths) != 1:
        found = " and ".join(map(str, lengths)) or "no"
        raise OptionError(f"{name}: the rows have {found} numbers: make them equally long, as in '0 1; 2 3'")
    array = np.array(values)
    array = array.astype(float) if array.dtype == object else array  # integers of many digits
    if not np.isfinite(array).all():
        raise OptionError(f"{name}: a number is too large for a float: use smaller ones")
    return array


def channel_names(mode: str, *, grey: bool) -> tuple[str, ...]:
    """Return the names of an image's channels; none if its mode is not known and it is not grey."""
    return _CHANNELS.get(mode, ("grey",) if grey else ())


def output_names(count: int, names: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names of the output's channels, from those of the input's."""
    if count == len(names):
        return names
    usual = {len(_CHANNELS[mode]): _CHANNELS[mode] for mode in ("L", "LA", "RGB", "RGBA")}
    return usual.get(count, tuple(f"channel {number}" for number in range(count)))


def as_lines(explained: Explanation) -> list[str]:
    """Return an explanation as lines for a terminal."""
    frames, several = explained.axes[0].output > 1, len(explained.values) > 1
    place, source = (
        f"frame {frame}, " * frames + f"row {row}, column {column}"
        for frame, row, column in (explained.place, explained.anchor)
    )
    channel = f", {explained.names[explained.channel]}" if several else ""
    lines = [
        f"{place}{channel}   (the anchor is over {source})",
        *(f"  {note}" for note in explained.notes),
    ]
    for number, part in enumerate(explained.parts, start=1):
        lines += ["", f"part {number}"] if len(explained.parts) > 1 else [""]
        for each in part.slices:
            lines += _slice_in_lines(each)
        lines += _steps_in_lines(part.steps)
    if any(each.border.any() for part in explained.parts for each in part.slices):
        lines.append(f"  {LEGEND}")
    if any(np.any(each.missing) for part in explained.parts for each in part.slices):
        lines.append(f"  {_MISSING}")
    if explained.steps:
        lines += ["", *_steps_in_lines(explained.steps)]
    pairs = zip(explained.names, explained.values, strict=True)
    others = f"   ({', '.join(f'{name} {figure(value)}' for name, value in pairs)})" if several else ""
    return [*lines, "", f"value {figure(explained.value)}{others}"]


def _steps_in_lines(steps: Sequence[Step]) -> list[str]:
    width = max(len(step.name) for step in steps)
    return [line for step in steps for line in wrapped(f"  {step.name.ljust(width)}  ", step.equation)]


def output_lines(explanations: Sequence[Explanation]) -> list[str]:
    """Return the values of all outputs, explained row by row, as a table."""
    first = explanations[0]
    values = np.reshape([each.value for each in explanations], [axis.output for axis in first.axes[1:]])
    channel = f", {first.names[first.channel]}" if len(first.values) > 1 else ""
    return [f"output{channel}", *table_lines(values)]


def table_lines(numbers: NDArray[Any]) -> list[str]:
    """Return a table (H, W) of numbers; of one that is too wide, the middle."""
    ((_, *lines),), _ = _tables({"": _cells(numbers)})
    return [line.rstrip() for line in lines]


def _slice_in_lines(piece: Slice) -> list[str]:
    """Return samples, weights and products, side by side if they fit."""
    cells = {name: piece.dashed(name, _cells(numbers)) for name, numbers in piece.tables.items()}
    cells["samples"] = np.where(piece.border, "[" + cells["samples"] + "]", " " + cells["samples"] + " ")
    tables, cut = _tables(cells)
    height, width = piece.weights.shape
    heading = ", ".join(filter(None, (piece.name, f"the middle of {width}x{height}" if cut else "")))
    if sum(len(table[0]) + 3 for table in tables) <= _LINE:
        lines = ["   ".join(line) for line in zip(*tables, strict=True)]
    else:
        lines = [line for table in tables for line in table]
    return [*([f"  {heading}"] if heading else []), *(line.rstrip() for line in lines)]


def _cells(numbers: NDArray[Any]) -> Any:
    """Return numbers as texts, in an array of objects."""
    return np.frompyfunc(lambda value: figure(value, 4), 1, 1)(numbers)


def _tables(tables: dict[str, NDArray[Any]]) -> tuple[list[list[str]], bool]:
    """Return cells of one shape as lines below their names, and whether they are cut so that they fit."""
    shape = next(iter(tables.values())).shape
    for side in _SIDES:
        # How many rows and columns are left out at either end, so that about `side` remain.
        cut = [0 if count <= side else max(1, (count - min(side, _SIDES[1]) + 1) // 2) for count in shape]
        kept = tuple(slice(each, count - each) for each, count in zip(cut, shape, strict=True))
        dots = [(int(each > 0),) * 2 for each in cut]
        lines = [
            _table(name, np.pad(cells[kept], dots, constant_values="...")) for name, cells in tables.items()
        ]
        if max(len(table[0]) for table in lines) <= _LINE:
            break
    return lines, any(cut)


def _table(name: str, cells: NDArray[Any]) -> list[str]:
    widths = [max(map(len, column)) for column in cells.T]
    lines = [name, *("  ".join(map(str.rjust, row, widths)) for row in cells)]
    width = max(map(len, lines))
    return [f"  {line.ljust(width)}" for line in lines]


def to_json(explained: Explanation) -> str:
    """Return an explanation as an object of JSON."""
    axes = ("frame", "row", "column")
    described = {
        "place": dict(zip(axes, explained.place, strict=True)),
        "anchor": dict(zip(axes, explained.anchor, strict=True)),
        "channel": explained.names[explained.channel],
        "parts": [
            {name: [each._asdict() for each in records] for name, records in part._asdict().items()}
            for part in explained.parts
        ],
        "steps": [step._asdict() for step in explained.steps],
        "notes": explained.notes,
        "values": explained.values,
        "value": explained.value,
    }
    return json.dumps(
        described, default=lambda each: each.tolist() if hasattr(each, "tolist") else float(each)
    )
