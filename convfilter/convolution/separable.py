"""Kernels of rank one: a pass along each axis instead of one over the whole window.

``K1 + K2`` taps take the place of ``K1 * K2``. Factors of integer kernels are integers, so that sums stay
exact. `Crossed` makes both passes of long kernels of floats as matrix products.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from convfilter.convolution.matmul import Banded, band_matrix, quiet_parts
from convfilter.convolution.recipes import Call, Recipe, Workspace
from convfilter.convolution.shifted import compiled
from convfilter.convolution.window import outputs_of, window_calls, windows
from convfilter.geometry import Axis

__all__ = ["FIRST_ROWS", "SECOND_COLUMNS", "Crossed", "Separable", "factors_of", "pass_kind"]

# Rows of outputs that one product of the first crossed pass serves, which are runs of as many for the second
# pass, and columns of outputs that one product of the second pass serves.
FIRST_ROWS, SECOND_COLUMNS = 8, 8

# How far the product of the factors may be from the kernel, in units of the kernel's largest weight: a few
# roundings of double precision.
_TOLERANCE = 8 * np.finfo(np.float64).eps


def factors_of(weights: np.ndarray) -> list[np.ndarray] | None:
    """Return one vector for each axis whose outer product the kernel is, or None if its rank is above one.

    Integers for an integer kernel, else float64.

    >>> factors_of(np.array([[1, 2, 1], [2, 4, 2], [1, 2, 1]]))
    [array([1, 2, 1]), array([1, 2, 1])]
    """
    integer = weights.dtype.kind in "iu"
    if weights.dtype == np.uint64 and weights.max() > np.iinfo(np.int64).max:
        return None
    rest = weights.astype(np.int64 if integer else np.float64)
    factors = []
    for _ in range(weights.ndim - 1):
        table = rest.reshape(len(rest), -1)
        row, column = np.unravel_index(np.argmax(np.abs(table)), table.shape)
        pivot = table[row, column]
        if pivot == 0:
            return None
        if integer:
            # The row in lowest terms; every other row is a whole multiple of it if the rank is one.
            base = table[row] // math.gcd(*(int(weight) for weight in table[row]))
            column_factor = table[:, column] // base[column]
        else:
            base, column_factor = table[row] / pivot, table[:, column]
        error = np.abs(table - np.multiply.outer(column_factor, base)).max()
        if error > (0 if integer else _TOLERANCE * abs(float(pivot))):
            return None
        factors.append(column_factor)
        rest = base.reshape(rest.shape[1:])
    return [*factors, rest]


def pass_kind(factor: np.ndarray, dtype: np.dtype[Any], *, bands: bool) -> str:
    """Return how one pass is computed: ``banded``, ``shifted`` or ``window``.

    `bands` admits matrix products: along the first axis of a block of finite floats.
    """
    program = compiled(factor)
    if program is not None and len(program) <= len(factor) * (1.3 if dtype.kind in "iu" else 0.9):
        return "shifted"
    return "banded" if bands and dtype.kind == "f" and len(factor) > 4 else "window"


class Separable:
    """Correlate along one axis after the other; `factors` in the type of the blocks."""

    name = "separable"

    def __init__(self, factors: Sequence[np.ndarray], axes: Sequence[Axis], *, finite: bool) -> None:
        self._axes = axes
        # The first axis goes first: its pass drops the rows that the others need not see.
        self._passes = [
            _Pass(factor, number, axis, bands=finite and number == 0)
            for number, (factor, axis) in enumerate(zip(factors, axes, strict=True))
            if len(factor) > 1 or factor[0] != 1
        ]

    def __str__(self) -> str:
        return " + ".join(map(str, self._passes))

    def recipe(self, block: np.ndarray, outputs: Sequence[int], workspace: Workspace) -> Recipe:
        """Return what sums a block, as `WindowSum.recipe` does."""
        calls: list[Call] = []
        shapes = [block.shape]
        for along in self._passes:
            shapes.append(along.shape(shapes[-1]))
        sums = workspace.take(shapes[-1], block.dtype)
        level = workspace.level
        for along, shape in zip(self._passes, shapes[1:], strict=True):
            made = sums if along is self._passes[-1] else workspace.take(shape, block.dtype)
            calls += along.calls(block, made, workspace)
            block = made
        workspace.level = level
        return Recipe(calls, outputs_of(sums, self._axes, outputs))


class _Pass:
    """Correlate a block along one axis, at every position."""

    def __init__(self, factor: np.ndarray, number: int, axis: Axis, *, bands: bool) -> None:
        self._factor, self._number, self._axis = factor, number, axis
        self._kind = pass_kind(factor, factor.dtype, bands=bands)
        self._banded = Banded(factor, [axis._replace(stride=1)]) if self._kind == "banded" else None
        self._program = compiled(factor) if self._kind == "shifted" else None

    def __str__(self) -> str:
        passes = len(self._program) if self._program is not None else 0
        how = {
            "banded": "in matrix products",
            "shifted": f"in {passes} shifted sums",
            "window": "in one call",
        }
        return f"{len(self._factor)} weights {how[self._kind]}"

    def shape(self, block: tuple[int, ...]) -> tuple[int, ...]:
        """Return the shape of the sums: along the first axis only where the whole kernel fits."""
        return (block[0] - (self._axis.reach - 1 if self._number == 0 else 0), *block[1:])

    def calls(self, block: np.ndarray, sums: np.ndarray, workspace: Workspace) -> list[Call]:
        """Return what fills `sums`; what lies past them at the end of the pass's axis is zero."""
        factor = self._factor
        if self._banded is not None:
            lines = block.reshape(len(block), -1)
            return self._banded.calls(lines, sums.reshape(len(sums), -1), workspace)
        flat, line = sums.reshape(-1), block.reshape(-1)
        step = self._axis.dilation * math.prod(block.shape[self._number + 1 :])
        count = block.size - (len(factor) - 1) * step
        if self._program is not None:
            calls = self._program.calls(line, [step], flat[:count], workspace)
        else:
            view = windows(line.reshape(-1, 1), [Axis(line.size, len(factor), dilation=step)], [count])
            calls = window_calls(factor, view, flat[:count], workspace)
        return [*calls, partial(flat[count:].fill, 0)]


class Crossed:
    """Correlate along rows and columns by two series of matrix products, for `factors` of floats.

    `Banded` is fast along the first axis of a block only: there each row is one long run. The product of the
    first pass is therefore written with its rows innermost, so that the second pass, too, finds long runs.
    The sums lie in memory column after column.
    """

    name = "crossed"

    def __init__(self, factors: Sequence[np.ndarray], axes: Sequence[Axis]) -> None:
        self._axes = axes
        self._first, self._second = (
            band_matrix(factor, axis._replace(stride=1), rows)
            for factor, axis, rows in zip(factors, axes, (FIRST_ROWS, SECOND_COLUMNS), strict=True)
        )
        self._lengths = tuple(len(factor) for factor in factors)

    def __str__(self) -> str:
        return f"{self._lengths[0]} + {self._lengths[1]} weights in matrix products"

    def recipe(self, block: np.ndarray, outputs: Sequence[int], workspace: Workspace) -> Recipe:
        """Return what sums a block, as `WindowSum.recipe` does."""
        rows, columns = (
            size - axis.reach + 1 for size, axis in zip(block.shape[:2], self._axes, strict=True)
        )
        width, carried = block.shape[1:]
        sums = workspace.take((columns, carried * rows), block.dtype)
        level, crossed = workspace.level, workspace.take((width * carried, rows), block.dtype)
        workspace.level = level
        calls = self._cross(block.reshape(len(block), -1), crossed)
        calls += _products(self._second, crossed.reshape(width, -1), sums)
        whole = sums.reshape(columns, carried, rows).transpose(2, 0, 1)
        return Recipe(calls, outputs_of(whole, self._axes, outputs))

    def _cross(self, lines: np.ndarray, crossed: np.ndarray) -> list[Call]:
        """Correlate lines along the first axis into columns."""
        size, depth = self._first.shape
        calls: list[Call] = []
        for columns in quiet_parts(lines.shape[1], self._first.size):
            part, into = lines[:, columns], crossed[columns]
            whole, rest = divmod(into.shape[1], size)
            if whole:
                # One call for all bands: between calls threads wait for each other.
                row, sample = part.strides
                view = as_strided(part, (whole, len(into), depth), (size * row, sample, row), writeable=False)
                target = as_strided(into, (whole, len(into), size), (size * sample, *into.strides))
                calls.append(partial(np.matmul, view, self._first.T, out=target))
            if rest:
                shorter = self._first[:rest, : depth - size + rest]
                last = part[whole * size : whole * size + shorter.shape[1]].T
                calls.append(partial(np.matmul, last, shorter.T, out=into[:, whole * size :]))
        return calls


def _products(band: np.ndarray, lines: np.ndarray, sums: np.ndarray) -> list[Call]:
    """Correlate lines along the first axis."""
    size, depth = band.shape
    whole = len(sums) // size
    calls: list[Call] = []
    for columns in quiet_parts(sums.shape[1], band.size):
        part, into = lines[:, columns], sums[:, columns]
        if whole:
            view = as_strided(
                part, (whole, depth, part.shape[1]), (size * part.strides[0], *part.strides), writeable=False
            )
            target = as_strided(into, (whole, size, into.shape[1]), (size * into.strides[0], *into.strides))
            calls.append(partial(np.matmul, band, view, out=target))
        rest = len(sums) - whole * size
        if rest:
            shorter = band[:rest, : depth - size + rest]
            last = part[whole * size : whole * size + depth - size + rest]
            calls.append(partial(np.matmul, shorter, last, out=into[whole * size :]))
    return calls
