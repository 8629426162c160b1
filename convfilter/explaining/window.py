"""The samples that lie under a kernel at one place of the output."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from convfilter.convolution.borders import source_index
from convfilter.geometry import Axis

__all__ = ["Window", "anchor_of", "window_at"]


class Window(NamedTuple):
    """Samples under a kernel.

    Attributes
    ----------
    samples : ndarray of shape (T, H, W)
        As many as the kernel has weights.
    border : ndarray of bool and the same shape
        Which of them the border made.
    """

    samples: NDArray[Any]
    border: NDArray[np.bool_]


def window_at(
    values: NDArray[Any], axes: Sequence[Axis], place: Sequence[int], border: str, fill: float
) -> Window:
    """Gather the samples under a kernel.

    Parameters
    ----------
    values : ndarray of shape (T, H, W)
        One channel of the picture.
    axes : sequence of Axis
        Those of frames, rows and columns.
    place : sequence of int
        Frame, row and column of the output.
    border : str
        What stands past the edge.
    fill : float
        Value of a constant border.

    Returns
    -------
    Window
    """
    positions = [
        index * axis.stride - axis.before + axis.dilation * np.arange(axis.kernel)
        for index, axis in zip(place, axes, strict=True)
    ]
    outside = [(each < 0) | (each >= axis.size) for each, axis in zip(positions, axes, strict=True)]
    sources = [source_index(each, axis.size, border) for each, axis in zip(positions, axes, strict=True)]
    made = outside[0][:, None, None] | outside[1][None, :, None] | outside[2][None, None, :]
    samples = values[np.ix_(*(np.maximum(each, 0) for each in sources))]
    constant = np.isin(-1, np.concatenate(sources)) and made.any()
    if constant:
        filled = sources[0][:, None, None] < 0
        filled = filled | (sources[1][None, :, None] < 0) | (sources[2][None, None, :] < 0)
        kind = np.result_type(samples.dtype, np.float64) if not float(fill).is_integer() else samples.dtype
        samples = np.where(filled, fill, samples).astype(kind)
    return Window(samples, made)


def anchor_of(axes: Sequence[Axis], place: Sequence[int]) -> tuple[int, ...]:
    """Return the place of the input that lies under the kernel's anchor; it may lie outside."""
    return tuple(
        index * axis.stride - axis.before + axis.anchor for index, axis in zip(place, axes, strict=True)
    )
