"""Values past the edge of an array, filled in block by block.

A border mode is a rule that sends a position outside ``0..n-1`` back inside, or nowhere (a constant):

========= ==================== ====================================
mode      drawn                rule
========= ==================== ====================================
edge      ``aaa|abcd|ddd``     the last sample again
symmetric ``cba|abcd|dcb``     mirrored, the edge sample twice
reflect   ``dcb|abcd|cba``     mirrored, the edge sample once
wrap      ``bcd|abcd|abc``     from the other side
zero      ``000|abcd|000``     zero
constant  ``vvv|abcd|vvv``     the fill value
========= ==================== ====================================
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from convfilter.errors import OptionError, brief, check_choice
from convfilter.options import Border, choices

if TYPE_CHECKING:
    from convfilter.convolution.plan import Plan

# Positions of a block along one axis, and the samples that belong there, of which a single one counts for all
# positions; None is the fill.
_Piece: TypeAlias = tuple[slice, slice | None]


def border_fill(border: Any, fill: Any = 0.0) -> float:
    """Check a border mode and its fill, and return the value of positions that have no sample."""
    check_choice("border", border, choices(Border))
    try:
        value = float(fill)
    except (TypeError, ValueError, OverflowError):
        value = math.nan
    if not math.isfinite(value):
        raise OptionError(f"a border's fill of {brief(fill)} is not a finite number")
    return value if border == "constant" else 0.0


class ArraySource:
    """An array (N1, ..., Nd, carried) with its border, read block by block; `fill` is from `border_fill`."""

    def __init__(self, array: np.ndarray, border: Border, fill: float) -> None:
        self.array, self.border, self.fill = array, border, fill

    def __call__(self, starts: Sequence[int], block: np.ndarray) -> None:
        """Fill a block that starts at a position of each axis but the last, carried one."""
        pieces = [
            _pieces(start, length, size, self.border)
            for start, length, size in zip(starts, block.shape, self.array.shape, strict=False)
        ]
        for combination in itertools.product(*pieces):
            places, sources = zip(*combination, strict=True)
            if None in sources:
                block[places] = self.fill
            else:
                copy_samples(self.array[sources], block[places])


class RowsKept(ArraySource):
    """An array (T, H, W, carried) that is replaced block by block; blocks are of whole rows.

    The rows that a block shares with others are kept from the start, so that blocks may come in any order.
    """

    def __init__(self, array: np.ndarray, border: Border, fill: float, plan: Plan) -> None:
        super().__init__(array, border, fill)
        frames, height, *rest = plan.block_shape
        before = plan.axes[1].before
        kind = plan.dtype if border == "constant" else array.dtype  # whose fill may be a fraction
        self._kept = {}
        for where in plan.regions():
            starts, own = plan.starts(where), where[1].stop - where[1].start
            pieces = []
            for top, bottom in ((0, before), (before + own, height)):
                rows = np.empty((frames, bottom - top, *rest), kind)
                super().__call__((starts[0], starts[1] + top, *starts[2:]), rows)
                pieces.append(rows)
            self._kept[starts[1]] = pieces

    def __call__(self, starts: Sequence[int], block: np.ndarray) -> None:
        """Fill a block."""
        above, below = self._kept[starts[1]]
        first, last = above.shape[1], block.shape[1] - below.shape[1]
        super().__call__((starts[0], starts[1] + first, *starts[2:]), block[:, first:last])
        block[:, :first], block[:, last:] = above, below

    @staticmethod
    def suits(plan: Plan) -> bool:
        """Return whether blocks are of whole rows of whole frames, share few, and lie where they are read."""
        whole = all(plan.block[number] == plan.axes[number].output for number in (0, 2))
        return whole and plan.axes[1].stride == 1 and plan.block[1] >= 2 * plan.axes[1].reach


def copy_samples(values: np.ndarray, target: np.ndarray) -> None:
    """Copy samples, channels one by one where there are gaps: numpy's inner loop would be over these few."""
    row = values.shape[-1]
    if values.strides[-2] == row * values.itemsize and target.strides[-2] == row * target.itemsize:
        np.copyto(target, values, casting="unsafe")
        return
    for channel in range(row):
        np.copyto(target[..., channel], values[..., channel], casting="unsafe")


def source_index(positions: np.ndarray, size: int, border: Border) -> np.ndarray:
    """Return the sample at each position of an axis of `size` samples; -1 outside for a constant."""
    if border == "edge":
        return positions.clip(0, size - 1)
    if border == "wrap":
        return np.asarray(positions % size)
    if border == "symmetric":
        folded = positions % (2 * size)
        return np.asarray(np.minimum(folded, 2 * size - 1 - folded))
    if border == "reflect":
        period = max(2 * (size - 1), 1)
        folded = positions % period
        return np.minimum(folded, period - folded) if size > 1 else np.zeros_like(positions)
    inside = (positions >= 0) & (positions < size)
    return np.where(inside, positions, -1)


@functools.lru_cache(256)  # blocks in one row or column share them
def _pieces(start: int, length: int, size: int, border: Border) -> list[_Piece]:
    """Cut one axis of a block into the part inside the array, and runs of samples before and past it."""
    low = min(max(-start, 0), length)
    high = max(min(size - start, length), low)
    pieces: list[_Piece] = [(slice(low, high), slice(start + low, start + high))]
    for first, last in ((0, low), (high, length)):
        while first < last:
            index = source_index(np.arange(start + first, start + last), size, border)
            steps = np.diff(index, append=index[-1] + size + 1)  # ends every run
            at, step = int(index[0]), int(steps[0])
            count = int(np.argmax(steps != step)) + 1
            past = at + count * step
            run = slice(at, past if past >= 0 else None, step) if step and count > 1 else slice(at, at + 1)
            pieces.append((slice(first, first + count), None if at < 0 else run))
            first += count
    return pieces
