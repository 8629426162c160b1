"""Kernels of rank one: a pass along each axis instead of one over the whole window.

``K1 + K2`` weights take the place of ``K1 * K2``. Factors of integer kernels are integers, so that sums stay
exact. `Crossed` makes both passes of long kernels of floats as matrix products.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from convfilter.convolution.shifted import ShiftedSums, shifted_sums
from convfilter.convolution.window import (
    PRODUCT,
    Call,
    FlatSums,
    Prepared,
    Scratch,
    WindowSum,
    band_matrix,
    band_products,
    outputs_of,
)
from convfilter.geometry import Axis

# How far the product of the factors may be from the kernel, in units of the kernel's largest weight.
_TOLERANCE = 8 * np.finfo(np.float64).eps

# Rows of outputs that one product of the first crossed pass serves, and columns in the second pass.
_SIDE = 8
# Rows and columns changing places and back, in nanoseconds for each byte of a sample.
_CROSSING = 0.08


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


class Separable(FlatSums):
    """Correlate along one axis after the other, each pass as a window or as shifted sums."""

    name = "separable"

    def __init__(self, factors: Sequence[np.ndarray], axes: Sequence[Axis]) -> None:
        self._axes = axes
        # The first axis goes first: its pass drops the rows that the others do not need.
        self._passes = [
            (number, _pass_along(factor, axis))
            for number, (factor, axis) in enumerate(zip(factors, axes, strict=True))
            if len(factor) > 1 or factor[0] != 1
        ]
        self.cost = sum(each.cost for _, each in self._passes) * math.prod(axis.stride for axis in axes)

    def __str__(self) -> str:
        return " + ".join(str(each) for _, each in self._passes)

    def calls(self, flat: np.ndarray, steps: Sequence[int], out: np.ndarray, scratch: Scratch) -> list[Call]:
        """See `FlatSums.calls`."""
        calls: list[Call] = []
        for number, each in self._passes:
            # Passes use scratch memory from 0 on, and keep their results below.
            last = number == self._passes[-1][0]
            sums = out if last else scratch[-1 - number]
            calls += each.calls(flat, [steps[number]], sums, scratch)
            flat = sums[: flat.size - (self._axes[number].kernel - 1) * steps[number]]
        return calls


def _pass_along(factor: np.ndarray, axis: Axis) -> WindowSum | ShiftedSums:
    axes = [axis._replace(stride=1)]
    shifted = shifted_sums(factor, axes)
    if shifted is not None and shifted.passes <= len(factor) * (1.3 if factor.dtype.kind in "iu" else 0.9):
        return shifted
    return WindowSum(factor, axes)


class Crossed:
    """Correlate along rows and columns by two series of matrix products, for floats.

    Products are fast along the first axis of a block only: there each row is one long run. The result of the
    first pass is therefore written with its rows innermost, so that the second pass finds long runs too. The
    sums lie in memory column after column.
    """

    name = "crossed"

    def __init__(self, factors: Sequence[np.ndarray], axes: Sequence[Axis]) -> None:
        self._axes = axes
        self._dense = [axis._replace(stride=1) for axis in axes]
        self._bands = [
            band_matrix(factor, axis, _SIDE) for factor, axis in zip(factors, self._dense, strict=True)
        ]
        depth = sum(axis.span(_SIDE) for axis in self._dense)
        self.cost = (PRODUCT * depth + _CROSSING) * factors[0].itemsize
        self.cost *= math.prod(axis.stride for axis in axes)

    def __str__(self) -> str:
        rows, columns = self._axes
        return f"{rows.kernel} + {columns.kernel} weights in matrix products"

    def prepare(self, block: np.ndarray, outputs: Sequence[int], scratch: Scratch) -> Prepared:
        """See `FlatSums.prepare`."""
        rows, columns = (size - axis.reach + 1 for size, axis in zip(block.shape, self._axes, strict=False))
        width, carried = block.shape[1:]
        crossed = scratch[0][: width * carried * rows].reshape(width * carried, rows)
        sums = np.empty((columns, carried * rows), block.dtype)
        (down, across), (first, second) = self._bands, self._dense
        calls = band_products([(down, block.reshape(len(block), -1))], crossed.T, first, scratch)
        calls += band_products([(across, crossed.reshape(width, -1))], sums, second, scratch)
        places = sums.reshape(columns, carried, rows).transpose(2, 0, 1)
        return calls, outputs_of(places, self._axes, outputs)
