"""Work memory of one thread, kept from block to block."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

__all__ = ["Scratch"]


class Scratch:
    """Buffers by name; asking again for the same name gives the same memory."""

    def __init__(self) -> None:
        self._buffers: dict[object, np.ndarray] = {}

    def take(self, name: object, shape: Sequence[int], dtype: Any) -> np.ndarray:
        """Return an uninitialised C-contiguous array of that shape and type."""
        count, kind = math.prod(shape), np.dtype(dtype)
        buffer = self._buffers.get((name, kind))
        if buffer is None or buffer.size < count:
            buffer = self._buffers[name, kind] = np.empty(count, kind)
        return buffer[:count].reshape(shape)

    def like(self, name: object, array: np.ndarray, dtype: Any) -> np.ndarray:
        """Return an uninitialised array of another type whose axes lie in memory in the same order."""
        order = sorted(range(array.ndim), key=lambda axis: -array.strides[axis])
        packed = self.take(name, [array.shape[axis] for axis in order], dtype)
        return packed.transpose([order.index(axis) for axis in range(array.ndim)])
