"""What is done to a block, prepared once for all blocks of its shape: numpy's calls on memory that stays.

To find the views that a call is about takes longer than the call itself has to do on a small block, and
holds the interpreter's lock meanwhile, which other threads wait for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol, TypeAlias

import numpy as np

from convfilter.convolution.scratch import Scratch

__all__ = ["Call", "Direct", "Recipe"]

Call: TypeAlias = Callable[[], object]
"""One step of a recipe, with all that it works on."""


class Recipe(NamedTuple):
    """How the sums of a block come about.

    Attributes
    ----------
    calls : sequence of callable
        What is done to the block, in order.
    sums : ndarray of shape (o1, ..., od, carried)
        Where the sums stand then.
    """

    calls: Sequence[Call]
    sums: np.ndarray

    def __call__(self) -> np.ndarray:
        """Do it, and return the sums."""
        for call in self.calls:
            call()
        return self.sums


class Direct(Protocol):
    """A strategy that sums a block for one kernel.

    Attributes
    ----------
    name : str
        What it is called.
    """

    name: str

    def __str__(self) -> str:
        """Say what it does with a block."""

    def recipe(self, block: np.ndarray, outputs: Sequence[int], scratch: Scratch, name: object) -> Recipe:
        """Return how the sums of a block come about.

        Parameters
        ----------
        block : ndarray, C-contiguous, of shape (B1, ..., Bd, carried)
            Memory of samples with their border, which are put there before the recipe is carried out.
        outputs : sequence of int
            How many outputs along each axis.
        scratch : Scratch
            Work memory.
        name : object
            What the memory of the sums is called.
        """
