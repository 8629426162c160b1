"""What is told of one value: pieces of the window, parts of the kernel, steps to the sample."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from convfilter.explaining.arithmetic import Number, Step

__all__ = ["Explanation", "Part", "Slice"]


class Slice(NamedTuple):
    """A two-dimensional piece of a window, the weights over it and their products.

    Attributes
    ----------
    name : str
        The channel or frame, where there are several.
    samples, weights, products : ndarray of shape (H, W)
        Numbers as they are multiplied.
    border : ndarray of bool and the same shape
        Which samples the border made.
    alpha : ndarray of the same shape, or None
        What else is multiplied, as fractions of opaque, where colours are weighed with alpha.
    """

    name: str
    samples: NDArray[Any]
    weights: NDArray[Any]
    products: NDArray[Any]
    border: NDArray[np.bool_]
    alpha: NDArray[Any] | None = None


class Part(NamedTuple):
    """One part of a kernel at one place.

    Attributes
    ----------
    slices : tuple of Slice
        What is added up.
    steps : tuple of Step
        From the sum to the part's value.
    """

    slices: tuple[Slice, ...]
    steps: tuple[Step, ...]

    @property
    def value(self) -> Number:
        """What the part gives."""
        return self.steps[-1].value


class Explanation(NamedTuple):
    """One value worked out.

    Attributes
    ----------
    place : tuple of int
        Frame, row and column of the output.
    anchor : tuple of int
        Frame, row and column of the input under the kernel's anchor; it may lie outside.
    size : tuple of int
        Frames, rows and columns of the output.
    channel : int
        Which channel of the output.
    parts : tuple of Part
        One for each part of the kernel.
    steps : tuple of Step
        From the parts to the sample.
    value : int or float
        The sample as it is written.
    values : tuple of int or float
        All channels at that place, as they are written.
    notes : tuple of str
        What the reader should know besides.
    """

    place: tuple[int, ...]
    anchor: tuple[int, ...]
    size: tuple[int, ...]
    channel: int
    parts: tuple[Part, ...]
    steps: tuple[Step, ...]
    value: int | float
    values: tuple[int | float, ...]
    notes: tuple[str, ...] = ()
