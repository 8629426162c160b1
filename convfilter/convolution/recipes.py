"""What is done to a block, prepared once for all blocks of its shape: numpy's calls on memory that stays.

Finding the views for a call takes longer than the call itself on a small block, and holds the interpreter's
lock meanwhile, which other threads wait for.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np

__all__ = ["Call", "Recipe", "Workspace"]

Call: TypeAlias = Callable[[], object]
"""One step of a recipe, with all that it works on."""


class Recipe(NamedTuple):
    """What is done to a block, and the memory (o1, ..., od, carried) that holds the sums afterwards."""

    calls: Sequence[Call]
    sums: np.ndarray

    def __call__(self) -> np.ndarray:
        """Do it, and return the sums."""
        for call in self.calls:
            call()
        return self.sums


class Workspace:
    """Memory of one thread, taken piece by piece; what is taken from `level` on is the same each time.

    To reuse memory, keep the level and set it back. A piece that has to grow is replaced: arrays in the old
    one stay valid.
    """

    def __init__(self) -> None:
        self._pieces: list[np.ndarray] = []
        self.level = 0
        self.prepared: dict[Hashable, Any] = {}
        """Recipes by the shape of their blocks."""

    def take(self, shape: Sequence[int], dtype: Any) -> np.ndarray:
        """Return an uninitialised C-contiguous array."""
        kind = np.dtype(dtype)
        size = math.prod(shape) * kind.itemsize
        if self.level == len(self._pieces):
            self._pieces.append(np.empty(size, np.uint8))
        elif self._pieces[self.level].size < size:
            self._pieces[self.level] = np.empty(size, np.uint8)
        piece: np.ndarray = self._pieces[self.level][:size].view(kind)
        self.level += 1
        return piece.reshape(shape)

    def like(self, array: np.ndarray, dtype: Any) -> np.ndarray:
        """Return an uninitialised array of another type whose axes lie in memory in the same order."""
        order = sorted(range(array.ndim), key=lambda axis: -array.strides[axis])
        packed = self.take([array.shape[axis] for axis in order], dtype)
        return packed.transpose([order.index(axis) for axis in range(array.ndim)])
