"""Transparency: kept where the kernel's anchor is, or weighing the colours under the kernel.

With S the sum of weights, a premultiplied filter gives ``alpha' = sum(w*a) / S`` and
``colour = sum(w*a*c) / alpha'``, so that invisible colours do not bleed into visible ones. Where ``alpha'``
rounds to 0 the colour is that of the plain filter.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from convfilter.convolution.borders import ArraySource, source_index
from convfilter.filtering.depth import Depth
from convfilter.geometry import Axis

__all__ = ["PremultipliedSource", "kept_alpha", "planar", "premultiplied_weights", "unpremultiplied"]


class PremultipliedSource:
    """Blocks of what a premultiplied filter sums: colours times alpha, alpha, and plain colours.

    They follow one another on the channel axis: C, 1 and C channels.

    Parameters
    ----------
    colours : ndarray of shape (T, H, W, C)
        Or as `planar` gives them.
    alpha : ndarray of shape (T, H, W)
        On the same scale.
    border, fill
        As in `ArraySource`, for the colours; a constant border is opaque.
    opaque : float
        Full scale of alpha.
    summed : bool
        Whether the channel axis is the first one, to be summed over.
    """

    def __init__(
        self, colours: np.ndarray, alpha: np.ndarray, border: str, fill: float, opaque: float, *, summed: bool
    ) -> None:
        self._planar = summed
        self._count = colours.shape[0 if summed else -1]
        self._colours = ArraySource(colours, border, fill)
        alpha = alpha[..., np.newaxis]
        self._alpha = ArraySource(planar(alpha) if summed else alpha, border, opaque)

    def __call__(self, starts: Sequence[int], block: np.ndarray) -> None:
        """Fill a block; see `ArraySource`."""
        channels = np.moveaxis(block, 0, -1) if self._planar else block
        count = self._count
        first, rest = slice(0, count), slice(count + 1, None)
        if self._planar:
            self._alpha(starts, block[count : count + 1])
            self._colours(starts, block[count + 1 :])
        else:
            self._alpha(starts, block[..., count : count + 1])
            self._colours(starts, block[..., count + 1 :])
        np.multiply(channels[..., rest], channels[..., count : count + 1], out=channels[..., first])


def planar(values: np.ndarray) -> np.ndarray:
    """Return values of shape (T, H, W, C) as (C, T, H, W, 1): the channels are an axis of the kernel then."""
    return np.moveaxis(values, -1, 0)[..., np.newaxis]


def unpremultiplied(
    weighed: np.ndarray, alpha: np.ndarray, plain: np.ndarray, total: float, divisor: float, depth: Depth
) -> tuple[np.ndarray, np.ndarray | None]:
    """Return colours and alpha from the three sums of one part.

    Parameters
    ----------
    weighed, plain : ndarray of shape (..., C)
        ``sum(w*a*c)`` and ``sum(w*c)``.
    alpha : ndarray of shape (..., 1)
        ``sum(w*a)``.
    total : float
        ``sum(w)``, S.
    divisor : float
        What the sums are divided by.
    depth : Depth
        Scale of the picture.

    Returns
    -------
    colours : ndarray of shape (..., C), float64
        Divided by `divisor`, unrounded.
    alpha : ndarray of shape (..., 1), float64, or None
        Divided by `total`, unrounded; None where S is zero and the part has no alpha of its own.
    """
    bare = plain / divisor
    if total == 0:
        return bare, None
    mean = alpha / float(total)
    visible = np.floor(mean + 0.5) > 0 if depth.integer else mean > 0
    # One division of exact products: a tie stays a tie.
    colours = np.multiply(weighed, float(total), dtype=np.float64)
    divisors = np.multiply(alpha, float(divisor), dtype=np.float64)
    np.divide(colours, divisors, out=bare, where=np.broadcast_to(visible, bare.shape))
    return bare, mean


def premultiplied_weights(weights: np.ndarray) -> np.ndarray:
    """Return the weights that sum the channels of a planar `PremultipliedSource`.

    Parameters
    ----------
    weights : ndarray of shape (O, P, C, ...)
        Those that sum C colour channels.

    Returns
    -------
    ndarray of shape (O, 3 P, 2 C + 1, ...)
        For each part: the colours weighed with alpha, alpha, and the plain colours.
    """
    outputs, parts, count, *window = weights.shape
    spread = np.zeros((outputs, parts, 3, 2 * count + 1, *window), weights.dtype)
    spread[:, :, 0, :count] = weights
    spread[:, :, 1, count] = weights.sum(axis=2)
    spread[:, :, 2, count + 1 :] = weights
    return spread.reshape(outputs, 3 * parts, 2 * count + 1, *window)


def kept_alpha(alpha: np.ndarray, axes: Sequence[Axis], border: str, opaque: float) -> np.ndarray:
    """Return the alpha that stands under the kernel's anchor at each output.

    Parameters
    ----------
    alpha : ndarray of shape (T, H, W)
        The alpha as it was.
    axes : sequence of Axis
        Those of frames, rows and columns.
    border : str
        What stands past the edge; a constant border is opaque.
    opaque : float
        Full scale of alpha.

    Returns
    -------
    ndarray of shape (T', H', W')
        `alpha` itself where nothing moves.
    """
    for number, axis in enumerate(axes):
        places = np.arange(axis.output) * axis.stride - axis.before + axis.anchor
        index = source_index(places, axis.size, border)
        if np.array_equal(index, np.arange(axis.size)):
            continue
        alpha = alpha.take(index, number)
        alpha[(slice(None),) * number + (index < 0,)] = opaque
    return alpha
