"""Long kernels of rank one, for floats: both passes as matrix products, rows and columns crossed between.

`Banded` is fast along the first axis of a block only: there each row is one long run. The product of the
first pass is therefore written with its rows innermost, so that the second pass, too, finds long runs. What
comes out lies in memory column after column.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
from numpy.lib.stride_tricks import as_strided

from convfilter.convolution.banded import QUIET, band_matrix
from convfilter.convolution.recipes import Call, Recipe
from convfilter.convolution.scratch import Scratch
from convfilter.convolution.taps import outputs_of
from convfilter.geometry import Axis

__all__ = ["FIRST_ROWS", "SECOND_COLUMNS", "Crossed"]

FIRST_ROWS = 8
"""Rows of outputs that one product of the first pass serves: runs of so many for the second pass."""

SECOND_COLUMNS = 8
"""Columns of outputs that one product of the second pass serves."""


class Crossed:
    """Correlate along rows and columns by two series of matrix products.

    Parameters
    ----------
    factors : sequence of two ndarrays
        From `factors_of`, in the type of the blocks.
    axes : sequence of two Axis
        The axes of the kernel.
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

    def recipe(self, block: np.ndarray, outputs: Sequence[int], scratch: Scratch, name: object) -> Recipe:
        """Return how the sums of a block come about; see `Direct`."""
        rows, columns = (
            size - axis.reach + 1 for size, axis in zip(block.shape[:2], self._axes, strict=True)
        )
        width, carried = block.shape[1:]
        crossed = scratch.take("crossed", (width * carried, rows), block.dtype)
        calls = self._cross(block.reshape(len(block), -1), crossed)
        sums = scratch.take(name, (columns, carried * rows), block.dtype)
        calls += _products(self._second, crossed.reshape(width, -1), sums)
        whole = sums.reshape(columns, carried, rows).transpose(2, 0, 1)
        return Recipe(calls, outputs_of(whole, self._axes, outputs))

    def _cross(self, lines: np.ndarray, crossed: np.ndarray) -> list[Call]:
        """Correlate lines along the first axis into columns."""
        size, depth = self._first.shape
        step = max(1, QUIET // self._first.size)
        calls: list[Call] = []
        for left in range(0, lines.shape[1], step):
            part, into = lines[:, left : left + step], crossed[left : left + step]
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
    step = max(1, QUIET // band.size)
    calls: list[Call] = []
    for left in range(0, sums.shape[1], step):
        part, into = lines[:, left : left + step], sums[:, left : left + step]
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
