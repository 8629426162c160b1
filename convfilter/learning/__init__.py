"""The kernel that turns one image into another, found by least squares.

A correlation is linear in its kernel, so that the weights which bring an image as near as possible to another
one solve as many linear equations as there are weights, whatever the size of the images: their *normal
equations*, added up block by block. `data` prepares images and chooses blocks, `solve` finds the weights.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import ArrayLike

from convfilter.kernels import Kernel
from convfilter.learning.data import Pair, check_window, make_pair, planes_of
from convfilter.learning.solve import Fit, fit_pairs
from convfilter.options import Border, LearnedChannels

__all__ = ["Fit", "Pair", "check_window", "fit_kernel", "fit_pairs", "make_pair", "planes_of"]


def fit_kernel(
    before: ArrayLike,
    after: ArrayLike,
    size: int | Sequence[int],
    *,
    border: Border = "edge",
    channels: LearnedChannels = "each",
    offset: bool = False,
    ridge: float = 0.0,
    linear: bool = False,
) -> Kernel:
    """Find the kernel that turns one image into another, as well as a kernel can.

    Parameters
    ----------
    before, after : array_like of shape (H, W), (H, W, C) or (N,)
        Integers, whose full scale is their type's largest value, or floats, whose full scale is 1; both
        integers or both floats, those of 64 bits counting as floats. With 2 or 4 channels the last one is
        alpha. The padding follows from the sizes: `after` may be smaller by up to ``K - 1`` samples (valid)
        or larger by as many (full) along each axis.
    size : (rows, columns) or int
        Of the kernel; N is N x N, and for arrays (N,) a kernel that has only columns.
    border : {"edge", "symmetric", "reflect", "wrap", "zero", "constant"}
        How the image before was continued past its edges, a constant being zero. It matters only for images
        so small that fewer samples than weights are left without those whose window touches the border.
    channels : {"each", "sum", "mix"}
        One kernel for every colour channel on its own; one that sums all of them into one; or one for each
        channel of `after`, each summing all of `before`.
    offset : bool
        Whether to find an offset, too.
    ridge : float
        Pull weights that the images hardly determine towards zero: ``ridge`` times the mean of the equations'
        diagonal is added to it. 1e-6 is a little.
    linear : bool
        Find the kernel that works in linear light: the one with which ``apply_kernel(..., linear=True)``
        makes `after` of `before`.

    Returns
    -------
    Kernel
        Of axes ``row,column`` or ``column``, with ``channel`` before them for ``sum`` and ``output,channel``
        for ``mix``; its name is ``learned``, its range ``clip``. Weights have ten digits.

    Raises
    ------
    ShapeError
        If the sizes or channels cannot come from such a kernel.
    ImageError
        If the arrays are not images, or no sample can be used.
    KernelError
        If a side is over 1023 or there are more than 4096 weights to find.
    ConvfilterError
        If another argument has an unknown value.

    Warns
    -----
    RuntimeWarning
        If the images do not determine the kernel.

    Notes
    -----
    It minimises the sum of ``(sum_a w[a] * before[i + a] + offset - after[i])**2`` over the samples. Left out
    are those at which an integer `after` is at its limits, where filters clip; those whose window touches the
    border or anything transparent or not finite; and, of large images, all but about 2.4 million in evenly
    spread blocks, one in eight of which is held out to measure the residual.

    Examples
    --------
    Five samples and three outputs determine the three weights between them.

    >>> fit_kernel([2, 3, 5, 7, 11], [11, 14, 24], 3).parts
    ((1, -2, 3),)
    """
    if not isinstance(size, Iterable) and np.ndim(before) > 1:
        size = (size, size)
    window = check_window(size)
    planes = [planes_of(each, linear=linear) for each in (before, after)]
    pair = make_pair(planes[0], planes[1], window, channels=channels, border=border)
    fit = fit_pairs([pair], offset=offset, ridge=ridge, bare=len(window) == 1)
    for text in fit.warnings:
        warnings.warn(text, RuntimeWarning, stacklevel=2)
    return fit.kernel
