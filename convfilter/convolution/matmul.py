"""Taps as matrix products, for floats: a few rows of outputs at once.

The rows of a block that a few rows of outputs need are a matrix, and the weights of one column of the kernel,
written again for each of those outputs, a band in another one. Their product multiplies by the band's zeros
too, and is still about twice as fast as the window in one call: BLAS uses the processor's widest registers.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np
from numpy.lib.stride_tricks import as_strided

from convfilter.convolution.recipes import Call, Recipe, Workspace
from convfilter.convolution.window import outputs_of
from convfilter.geometry import Axis

__all__ = ["BAND_ROWS", "QUIET", "QUIET_SQUARE", "QUIET_VECTOR", "Banded", "band_matrix", "quiet_parts"]

BAND_ROWS = 4
"""Rows of outputs that one product serves; more of them only multiply by more of the band's zeros."""

# Multiplications up to which OpenBLAS keeps a product on the thread that asks for it: of two matrices, of a
# matrix with a vector, of a matrix with itself. Above, its own threads compete with ours.
QUIET, QUIET_VECTOR, QUIET_SQUARE = 4 * 65536, 4 * 2304 - 1, 5 * 2**18


def quiet_parts(length: int, height: int, limit: int = QUIET) -> Iterator[slice]:
    """Cut a product's columns: `height` multiplications a column, at most `limit` a part."""
    step = max(1, limit // height)
    return (slice(left, min(left + step, length)) for left in range(0, length, step))


class Banded:
    """One matrix product for each column of the kernel; parameters as for `WindowSum`."""

    name = "banded"

    def __init__(self, weights: np.ndarray, axes: Sequence[Axis]) -> None:
        self._axes = axes
        first = axes[0]
        self._rows = BAND_ROWS
        self._bands = []
        for place in itertools.product(*(range(axis.kernel) for axis in axes[1:])):
            column = np.moveaxis(weights, 0, -1)[place]
            if column.any():
                self._bands.append((place, band_matrix(column, first, self._rows)))

    def __str__(self) -> str:
        return f"{len(self._bands)} matrix products for {self._rows} rows at a time"

    def recipe(self, block: np.ndarray, outputs: Sequence[int], workspace: Workspace) -> Recipe:
        """Return what sums a block, as `WindowSum.recipe` does."""
        sums = workspace.take((outputs[0], *block.shape[1:]), block.dtype)
        # The products have left out what the stride of the first axis leaves out.
        axes = [self._axes[0]._replace(stride=1), *self._axes[1:]]
        return Recipe(self.calls(block, sums, workspace), outputs_of(sums, axes, outputs))

    def calls(self, block: np.ndarray, sums: np.ndarray, workspace: Workspace) -> list[Call]:
        """Return what sums a block at every position but those that the first axis's stride leaves out."""
        lines = block.reshape(len(block), -1)
        steps = [step // block.itemsize for step in block.strides[1:]]
        shifts = [
            sum(
                index * axis.dilation * step
                for index, axis, step in zip(place, self._axes[1:], steps, strict=False)
            )
            for place, _ in self._bands
        ]
        reach = sum((axis.reach - 1) * step for axis, step in zip(self._axes[1:], steps, strict=False))
        flat = sums.reshape(len(sums), -1)
        run = lines.shape[1] - reach
        calls: list[Call] = [partial(flat[:, run if self._bands else 0 :].fill, 0)]
        if self._bands:
            for part in quiet_parts(run, self._bands[0][1].size):
                calls += self._columns(lines[:, part.start :], shifts, flat[:, part], workspace)
        return calls

    def _columns(
        self, lines: np.ndarray, shifts: Sequence[int], sums: np.ndarray, workspace: Workspace
    ) -> list[Call]:
        """Sum some columns of a block: whole bands, then the rows that are left over for a shorter one."""
        whole = len(sums) // self._rows * self._rows
        calls = self._products(lines, shifts, sums[:whole], 0, self._rows, workspace) if whole else []
        if whole < len(sums):
            calls += self._products(lines, shifts, sums[whole:], whole, len(sums) - whole, workspace)
        return calls

    def _products(
        self,
        lines: np.ndarray,
        shifts: Sequence[int],
        sums: np.ndarray,
        start: int,
        rows: int,
        workspace: Workspace,
    ) -> list[Call]:
        """Add up the products of all columns for output rows from `start` on, `rows` to a band."""
        first = self._axes[0]
        groups, run = len(sums) // rows, sums.shape[1]
        depth = (rows - 1) * first.stride + first.reach
        into = as_strided(sums, (groups, rows, run), (rows * sums.strides[0], *sums.strides))
        level, product = workspace.level, workspace.take((groups, rows, run), sums.dtype)
        top = lines[start * first.stride :]
        step = lines.strides[0]
        calls: list[Call] = []
        for number, (shift, (_, band)) in enumerate(zip(shifts, self._bands, strict=True)):
            view = as_strided(
                top[:, shift:],
                (groups, depth, run),
                (rows * first.stride * step, *lines.strides),
                writeable=False,
            )
            calls.append(partial(np.matmul, band[:rows, :depth], view, out=product if number else into))
            if number:
                calls.append(partial(np.add, into, product, out=into))
        workspace.level = level
        return calls


def band_matrix(weights: np.ndarray, axis: Axis, rows: int) -> np.ndarray:
    """Return the matrix (rows, (rows - 1) * stride + reach) from samples to some outputs of one axis.

    Each row holds the weights, a stride further on than the one above it.
    """
    band = np.zeros((rows, (rows - 1) * axis.stride + axis.reach), weights.dtype)
    for row in range(rows):
        start = row * axis.stride
        band[row, start : start + axis.reach : axis.dilation] = weights
    return band
