"""Kernels of rank one: a pass along each axis instead of one over the whole window.

``K1 + K2`` taps take the place of ``K1 * K2``. Factors of integer kernels are integers, so that sums stay
exact.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from convfilter.convolution.banded import Banded
from convfilter.convolution.programs import compiled
from convfilter.convolution.recipes import Call, Recipe
from convfilter.convolution.scratch import Scratch
from convfilter.convolution.taps import outputs_of, window_calls, windows
from convfilter.geometry import Axis

__all__ = ["Separable", "factors_of", "pass_kind"]

# How far the product of the factors may be from the kernel, in units of the kernel's largest weight: a few
# roundings of double precision.
_TOLERANCE = 8 * np.finfo(np.float64).eps


def factors_of(weights: np.ndarray) -> list[np.ndarray] | None:
    """Return one vector for each axis whose outer product the kernel is, or None if its rank is above one.

    Parameters
    ----------
    weights : ndarray of integers or floats
        A kernel of any number of axes.

    Returns
    -------
    list of ndarray, or None
        Integers for an integer kernel, else float64.

    Examples
    --------
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

    Parameters
    ----------
    factor : ndarray
        The weights of the pass.
    dtype : numpy.dtype
        Type of the blocks.
    bands : bool
        Whether matrix products may be used: along the first axis of a block of finite floats.
    """
    program = compiled(factor)
    if program is not None and len(program) <= len(factor) * (1.3 if dtype.kind in "iu" else 0.9):
        return "shifted"
    return "banded" if bands and dtype.kind == "f" and len(factor) > 4 else "window"


class Separable:
    """Correlate along one axis after the other.

    Parameters
    ----------
    factors : sequence of ndarray
        From `factors_of`, in the type of the blocks.
    axes : sequence of Axis
        The axes of the kernel.
    finite : bool
        Whether the samples are known to be finite.
    """

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

    def recipe(self, block: np.ndarray, outputs: Sequence[int], scratch: Scratch, name: object) -> Recipe:
        """Return how the sums of a block come about; see `Direct`."""
        calls: list[Call] = []
        for step, along in enumerate(self._passes):
            # Two buffers take turns; the sums of another part must not land in either.
            last = step == len(self._passes) - 1
            made = along.recipe(block, scratch, name if last else ("pass", step % 2))
            calls, block = [*calls, *made.calls], made.sums
        return Recipe(calls, outputs_of(block, self._axes, outputs))


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

    def recipe(self, block: np.ndarray, scratch: Scratch, name: object) -> Recipe:
        """Return how sums come about; what lies past them at the end of the pass's axis is zero."""
        factor, reach = self._factor, self._axis.reach - 1
        shape = list(block.shape)
        if self._number == 0:
            shape[0] -= reach
        if self._banded is not None:
            made = self._banded.recipe(block.reshape(len(block), -1), (shape[0],), scratch, name)
            return Recipe(made.calls, made.sums.reshape(shape))
        sums = scratch.take(name, shape, block.dtype)
        flat, line = sums.reshape(-1), block.reshape(-1)
        step = self._axis.dilation * math.prod(block.shape[self._number + 1 :])
        count = block.size - (len(factor) - 1) * step
        if self._program is not None:
            calls = self._program.calls(line, [step], flat[:count], scratch)
        else:
            view = windows(line.reshape(-1, 1), [Axis(line.size, len(factor), dilation=step)], [count])
            calls = window_calls(factor, view, flat[:count], scratch)
        return Recipe([*calls, partial(flat[count:].fill, 0)], sums)
