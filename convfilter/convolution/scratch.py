"""Work memory of one thread, kept from block to block."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np

__all__ = ["Scratch"]

_Kept = TypeVar("_Kept")


class Scratch:
    """Buffers by name and type; asking again gives the same memory, as long as it is large enough."""

    def __init__(self) -> None:
        self._buffers: dict[object, np.ndarray] = {}
        self._kept: dict[object, Any] = {}

    def take(self, name: object, shape: Sequence[int], dtype: Any) -> np.ndarray:
        """Return an uninitialised C-contiguous array of that shape and type."""
        count, kind = math.prod(shape), np.dtype(dtype)
        buffer = self._buffers.get((name, kind))
        if buffer is None or buffer.size < count:
            if buffer is not None:
                self._kept.clear()  # it may be about the smaller one
            buffer = self._buffers[name, kind] = np.empty(count, kind)
        return buffer[:count].reshape(shape)

    def like(self, name: object, array: np.ndarray, dtype: Any) -> np.ndarray:
        """Return an uninitialised array of another type whose axes lie in memory in the same order."""
        order = sorted(range(array.ndim), key=lambda axis: -array.strides[axis])
        packed = self.take(name, [array.shape[axis] for axis in order], dtype)
        return packed.transpose([order.index(axis) for axis in range(array.ndim)])

    def kept(self, name: object, make: Callable[[], _Kept]) -> _Kept:
        """Return what was made under that name; made anew once a buffer had to give way to a larger one."""
        if name not in self._kept:
            made = make()
            self._kept[name] = made
            return made
        found: _Kept = self._kept[name]
        return found
