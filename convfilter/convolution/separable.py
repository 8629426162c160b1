"""Kernels of rank one: a pass along each axis instead of one over the whole window.

``K1 + K2`` taps take the place of ``K1 * K2``. Factors of integer kernels are integers, so that sums stay
exact. A pass of equal weights doubles: sums of 2, 4, 8, ... samples, of which a few are added.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from convfilter.convolution.scratch import Scratch
from convfilter.convolution.taps import outputs_of, windows
from convfilter.geometry import Axis

__all__ = ["Separable", "doubling_passes", "factors_of"]

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


def doubling_passes(count: int) -> int:
    """Return how many additions a running sum of that many samples takes by doubling."""
    return count.bit_length() - 1 + count.bit_count() - 1


class Separable:
    """Correlate along one axis after the other.

    Parameters
    ----------
    factors : sequence of ndarray
        From `factors_of`, in the type of the blocks.
    axes : sequence of Axis
        The axes of the kernel.
    """

    name = "separable"

    def __init__(self, factors: Sequence[np.ndarray], axes: Sequence[Axis]) -> None:
        self._axes = axes
        # Rows last to first dimension would do as well; the first axis goes first since its pass drops rows.
        self._passes = [
            (number, factor) for number, factor in enumerate(factors) if len(factor) > 1 or factor[0] != 1
        ]

    def __call__(
        self, block: np.ndarray, outputs: Sequence[int], scratch: Scratch, name: object
    ) -> np.ndarray:
        """Return the sums of a block; see `WindowSum`."""
        for step, (number, factor) in enumerate(self._passes):
            # Two buffers take turns; the sums of another part must not land in either.
            into = name if step == len(self._passes) - 1 else ("pass", step % 2)
            block = _along(block, factor, number, self._axes[number], scratch, into)
        return outputs_of(block, self._axes, outputs)


def _along(
    block: np.ndarray, factor: np.ndarray, number: int, axis: Axis, scratch: Scratch, name: object
) -> np.ndarray:
    """Correlate a block along one axis, at every position; the end of that axis is left as zeros."""
    shape = list(block.shape)
    reach = axis.reach - 1
    if number == 0:
        shape[0] -= reach
    sums = scratch.take(name, shape, block.dtype)
    flat = sums.reshape(-1)
    step = math.prod(block.shape[number + 1 :])
    count = block.size - reach * step
    if len(factor) > 3 and (factor == factor[0]).all():
        _running_sum(block.reshape(-1), len(factor), axis.dilation * step, flat[:count], scratch)
        if factor[0] != 1:
            flat[:count] *= factor[0]
    else:
        line = block.reshape(-1, 1)
        view = windows(line, [Axis(block.size, axis.kernel, dilation=axis.dilation * step)], [count])
        np.einsum("a,ab->b", factor, view, out=flat[:count])
    flat[count:] = 0
    return sums


def _running_sum(line: np.ndarray, count: int, step: int, out: np.ndarray, scratch: Scratch) -> None:
    """Sum `count` samples that lie `step` apart, at every place of a flat block."""
    power, width, done = line, 1, 0
    while True:
        if count & width:
            part = power[done * step : done * step + out.size]
            if done == 0:
                np.copyto(out, part)
            else:
                out += part
            done += width
        if 2 * width > count:
            return
        # Sums of twice as many samples, as far as there are any.
        length = power.size - width * step
        twice = scratch.take(("power", width.bit_length() % 2), (length,), line.dtype)
        np.add(power[:length], power[width * step :], out=twice)
        power, width = twice, 2 * width
