"""What stands past the edge of an array, filled in block by block.

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

import itertools
import math
import operator
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from convfilter.errors import OptionError
from convfilter.messages import brief, check_choice
from convfilter.options import Border, choices

__all__ = ["ArraySource", "check_border", "check_fill", "fill_of", "source_index"]

_Piece: TypeAlias = tuple[slice, "slice | np.ndarray | None"]


class ArraySource:
    """An array (N1, ..., Nd, carried) with its border, read block by block; `fill` is from `fill_of`."""

    def __init__(self, array: np.ndarray, border: str, fill: float) -> None:
        self.array, self.border, self.fill = array, border, fill

    def __call__(self, starts: Sequence[int], block: np.ndarray) -> None:
        """Fill `block` with what stands from `starts` on; its last axis holds all carried samples."""
        ends = map(operator.add, starts, block.shape)
        if min(starts) >= 0 and all(map(operator.le, ends, self.array.shape)):  # most blocks have no border
            block[...] = self.array[tuple(map(slice, starts, map(operator.add, starts, block.shape)))]
            return
        pieces = [
            _pieces(start, length, size, self.border)
            for start, length, size in zip(starts, block.shape, self.array.shape, strict=False)
        ]
        for combination in itertools.product(*pieces):
            where = block[tuple(piece[0] for piece in combination)]
            sources = [piece[1] for piece in combination]
            if any(source is None for source in sources):
                where[...] = self.fill
                continue
            # Slices first, so that the copies made by take() are as thin as the border.
            view = self.array[
                tuple(source if isinstance(source, slice) else slice(None) for source in sources)
            ]
            for axis, source in enumerate(sources):
                if isinstance(source, np.ndarray):
                    # By an index: of a view `take` would copy all, not the border alone.
                    view = view[(slice(None),) * axis + (source,)]
            where[...] = view


def source_index(positions: np.ndarray, size: int, border: str) -> np.ndarray:
    """Return the sample at each position of an axis of `size` samples; -1 where a constant stands."""
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


def check_border(border: Any) -> str:
    """Return the border mode, or refuse it with the nearest known one."""
    check_choice("border", border, choices(Border))
    return str(border)


def fill_of(border: str, fill: float) -> float:
    """Return what stands where a border's rule leads nowhere: a constant border's own value, or nothing."""
    return fill if border == "constant" else 0.0


def check_fill(fill: Any) -> float:
    """Return the value of a constant border as a finite number, or refuse it."""
    try:
        value = float(fill)
    except (TypeError, ValueError, OverflowError):
        value = math.nan
    if not math.isfinite(value):
        raise OptionError(f"a border's fill of {brief(fill)} is not a finite number")
    return value


def _pieces(start: int, length: int, size: int, border: str) -> list[_Piece]:
    """Cut one axis of a block into what lies before, inside and past the array."""
    low, high = max(0, min(length, -start)), min(length, max(0, size - start))
    pieces: list[_Piece] = []
    if low < high:
        pieces.append((slice(low, high), slice(start + low, start + high)))
    else:
        high = low = 0
    for begin, end in ((0, low), (high, length)):
        if begin < end:
            index = source_index(np.arange(start + begin, start + end), size, border)
            # Runs that lead somewhere, and such that lead nowhere.
            turns = np.flatnonzero(np.diff(index < 0)) + 1
            for run in np.split(np.arange(len(index)), turns):
                where = slice(begin + int(run[0]), begin + int(run[-1]) + 1)
                pieces.append((where, None if index[run[0]] < 0 else index[run]))
    return pieces
