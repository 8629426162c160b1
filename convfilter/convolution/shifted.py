"""Shifted copies of a block added up, by a program that was made for the kernel.

A block that is contiguous can be read as one flat vector; what stands under a weight is a slice of it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from convfilter.convolution.programs import compiled
from convfilter.convolution.recipes import Recipe
from convfilter.convolution.scratch import Scratch
from convfilter.convolution.taps import outputs_of
from convfilter.geometry import Axis

__all__ = ["ShiftedSums"]


class ShiftedSums:
    """Add up shifted blocks by a program; see `WindowSum` for the parameters."""

    name = "shifted"

    def __init__(self, weights: np.ndarray, axes: Sequence[Axis]) -> None:
        program = compiled(weights)
        assert program is not None, "the cost of this strategy was not asked for first"
        self._program, self._axes = program, axes

    def __str__(self) -> str:
        return f"{len(self._program)} passes"

    def recipe(self, block: np.ndarray, outputs: Sequence[int], scratch: Scratch, name: object) -> Recipe:
        """Return how the sums of a block come about; see `Direct`."""
        steps = [
            axis.dilation * (step // block.itemsize)
            for axis, step in zip(self._axes, block.strides[:-1], strict=True)
        ]
        distance = sum((axis.kernel - 1) * step for axis, step in zip(self._axes, steps, strict=True))
        sums = scratch.take(name, block.shape, block.dtype)
        flat = sums.reshape(-1)[: block.size - distance]
        calls = self._program.calls(block.reshape(-1), steps, flat, scratch)
        return Recipe(calls, outputs_of(sums, self._axes, outputs))
