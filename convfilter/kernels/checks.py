"""Checks of numbers, tables and names in kernels, and the words of their refusals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from convfilter.errors import KernelError
from convfilter.messages import propose, shown

__all__ = ["FLOAT32_LARGEST", "FLOAT32_SMALLEST", "LARGEST_SIDE", "FieldError"]
__all__ += ["choice", "flat", "kind_of", "named", "number", "table"]

LARGEST_SIDE = 1023
FLOAT32_LARGEST = (2 - 2.0**-23) * 2.0**127
FLOAT32_SMALLEST = 2.0**-126  # of the normal numbers

_KINDS = {bool: "a boolean", int: "a number", float: "a number", str: "a string"}
_KINDS |= {list: "a list", tuple: "a list", dict: "a table", type(None): "nothing"}


class FieldError(KernelError):
    """A kernel refused for one of its fields; the reader of a file replaces the field by the key."""

    def __init__(self, field: str, reason: str, kernel: str = "") -> None:
        super().__init__(field, reason, kernel)
        self.field, self.reason, self.kernel = field, reason, kernel

    def __str__(self) -> str:
        prefix = f"kernel {named(self.kernel)!r}: " if self.kernel else ""
        return f"{prefix}{named(self.field)}: {self.reason}"


def named(text: str) -> str:
    """Return a name or value from a kernel file on one line, shortened to 80 characters."""
    return shown(text, longest=80)


def kind_of(value: object) -> str:
    """Return the kind of a value from a file in words, such as ``a list``."""
    return _KINDS.get(type(value), f"a {type(value).__name__}")


def choice(value: object, choices: Sequence[str]) -> str:
    """Return the value if it is one of the choices."""
    if not isinstance(value, str):
        raise KernelError(f"{kind_of(value)} where one of {' '.join(choices)} belongs")
    if value not in choices:
        raise KernelError(f"unknown value '{named(value)}'{propose(value, choices)}")
    return value


def number(value: object) -> int | float:
    """Return a finite number within float32; an integral one as int."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise KernelError(f"{kind_of(value)} is not a number")
    if not -FLOAT32_LARGEST <= value <= FLOAT32_LARGEST:  # also false for nan
        # An int may be too long to print or to convert to float.
        if isinstance(value, float) and value - value != 0:
            raise KernelError(f"{value} is not a finite number")
        raise KernelError("a number beyond float32, whose largest is 3.4e+38")
    if isinstance(value, float) and not value.is_integer():
        return float(value)
    return int(value)


def table(value: object, axes: Sequence[str]) -> tuple[Any, ...]:
    """Return nested lists as nested tuples, one level for each axis, with every number checked."""
    lengths: list[int] = []
    inner = value
    while isinstance(inner, list | tuple) and inner and len(lengths) < len(axes):
        lengths.append(len(inner))
        inner = inner[0]
    return _table(value, axes, lengths, ())


def _table(value: object, axes: Sequence[str], lengths: list[int], index: tuple[int, ...]) -> tuple[Any, ...]:
    level = len(index)
    axis = axes[level]
    if not isinstance(value, list | tuple):
        raise KernelError(f"{_place(axes, index)}{kind_of(value)} where a list of {axis}s belongs")
    if not value:
        raise KernelError(f"{_place(axes, index)}empty")
    if len(value) > LARGEST_SIDE:
        raise KernelError(f"{_place(axes, index)}{len(value)} {axis}s, at most {LARGEST_SIDE} can be used")
    if len(value) != lengths[level]:
        counts = f"{len(value)} {axis}s where the first has {lengths[level]}"
        raise KernelError(f"{_place(axes, index)}ragged, {counts}")
    if level + 1 < len(axes):
        return tuple(_table(inner, axes, lengths, (*index, place)) for place, inner in enumerate(value))
    numbers = []
    for place, inner in enumerate(value):
        try:
            numbers.append(number(inner))
        except KernelError as error:
            raise KernelError(f"{_place(axes, (*index, place))}{error}") from None
    return tuple(numbers)


def _place(axes: Sequence[str], index: tuple[int, ...]) -> str:
    """Return a place in a table, counted from 0: ``row 0, column 2: ``."""
    words = ", ".join(f"{axis} {place}" for axis, place in zip(axes, index, strict=False))
    return f"{words}: " if words else ""


def flat(value: Any) -> list[int | float]:
    """Return all numbers of a nested tuple in order."""
    rows = [value]
    while isinstance(rows[0], tuple):
        rows = [inner for row in rows for inner in row]
    return rows
