"""Taps as matrix products, for floats: a few rows of outputs at once.

The rows of a block that a few rows of outputs need are a matrix, and the weights of one column of the kernel,
written again for each of those outputs, a band in another one. Their product multiplies by the band's zeros
too, and is still about twice as fast as the window in one call: BLAS uses the processor's widest registers.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from functools import partial

import numpy as np
from numpy.lib.stride_tricks import as_strided

from convfilter.convolution.recipes import Call, Recipe
from convfilter.convolution.scratch import Scratch
from convfilter.convolution.taps import outputs_of
from convfilter.geometry import Axis

__all__ = ["BAND_ROWS", "QUIET", "Banded", "band_matrix"]

BAND_ROWS = 4
"""Rows of outputs that one product serves; more of them only multiply by more of the band's zeros."""

QUIET = 4 * 65536
"""Multiplications up to which OpenBLAS keeps a product on the thread that asks for it."""


class Banded:
    """One matrix product for each column of the kernel; see `WindowSum` for the parameters."""

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

    def recipe(self, block: np.ndarray, outputs: Sequence[int], scratch: Scratch, name: object) -> Recipe:
        """Return how the sums of a block come about; see `Direct`."""
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
        sums = scratch.take(name, (outputs[0], *block.shape[1:]), block.dtype)
        flat = sums.reshape(outputs[0], -1)
        run = lines.shape[1] - reach
        calls: list[Call] = [partial(flat[:, run if self._bands else 0 :].fill, 0)]
        width = max(1, QUIET // self._bands[0][1].size) if self._bands else run
        for left in range(0, run, width):
            calls += self._columns(lines[:, left:], shifts, flat[:, left : min(left + width, run)], scratch)
        # The products have left out what the stride of the first axis leaves out.
        axes = [self._axes[0]._replace(stride=1), *self._axes[1:]]
        return Recipe(calls, outputs_of(sums, axes, outputs))

    def _columns(
        self, lines: np.ndarray, shifts: Sequence[int], sums: np.ndarray, scratch: Scratch
    ) -> list[Call]:
        """Sum some columns of a block: whole bands, then the rows that are left over for a shorter one."""
        whole = len(sums) // self._rows * self._rows
        calls = self._products(lines, shifts, sums[:whole], 0, self._rows, scratch) if whole else []
        if whole < len(sums):
            calls += self._products(lines, shifts, sums[whole:], whole, len(sums) - whole, scratch)
        return calls

    def _products(
        self,
        lines: np.ndarray,
        shifts: Sequence[int],
        sums: np.ndarray,
        start: int,
        rows: int,
        scratch: Scratch,
    ) -> list[Call]:
        """Add up the products of all columns for output rows from `start` on, `rows` to a band."""
        first = self._axes[0]
        groups, run = len(sums) // rows, sums.shape[1]
        depth = (rows - 1) * first.stride + first.reach
        into = as_strided(sums, (groups, rows, run), (rows * sums.strides[0], *sums.strides))
        product = scratch.take("product", (groups, rows, run), sums.dtype)
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
        return calls


def band_matrix(weights: np.ndarray, axis: Axis, rows: int) -> np.ndarray:
    """Return the matrix that takes the samples under several outputs of one axis to these outputs.

    Parameters
    ----------
    weights : ndarray of shape (K,)
        The kernel.
    axis : Axis
        Its stride and dilation.
    rows : int
        How many outputs.

    Returns
    -------
    ndarray of shape (rows, (rows - 1) * stride + reach)
        The weights, each row a stride further on than the one above it.
    """
    band = np.zeros((rows, (rows - 1) * axis.stride + axis.reach), weights.dtype)
    for row in range(rows):
        start = row * axis.stride
        band[row, start : start + axis.reach : axis.dilation] = weights
    return band
