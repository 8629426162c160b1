"""Finds the kernel that turns one image into another, by least squares.

A correlation is linear in its kernel, so the weights that bring one image as close as possible to another
solve a system of linear equations, the *normal equations*. There are as many equations as weights, whatever
the size of the images, and they are summed block by block. `data` prepares images and chooses blocks, `solve`
finds the weights.
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
    """Find the kernel that best turns one image into another.

    Parameters
    ----------
    before, after : array_like of shape (H, W), (H, W, C) or (N,)
        Integers, whose full scale is their type's largest value, or floats, whose full scale is 1; both
        integers or both floats; 64-bit integers count as floats. With 2 or 4 channels the last one is alpha.
        The padding follows from the sizes: `after` may be smaller by up to ``K - 1`` samples (valid) or
        larger by as many (full) along each axis.
    size : (rows, columns) or int
        Size of the kernel. An int K means K x K, or, for arrays of shape (N,), a kernel with columns only.
    border : {"edge", "symmetric", "reflect", "wrap", "zero", "constant"}
        How `before` was extended past its edges; a constant border is zero. This matters only for images so
        small that, without the samples whose window touches the border, fewer samples than weights remain.
    channels : {"each", "sum", "mix"}
        One kernel applied to each colour channel separately; one that sums all channels into one; or one for
        each channel of `after`, each summing all channels of `before`.
    offset : bool
        Whether to estimate an offset as well.
    ridge : float
        Pull weights that the images hardly determine towards zero: ``ridge`` times the mean of the diagonal
        of the normal equations is added to that diagonal. 1e-6 is a small value.
    linear : bool
        Find the kernel that works in linear light: the one with which ``apply_kernel(..., linear=True)``
        turns `before` into `after`.

    Returns
    -------
    Kernel
        A kernel with axes ``row,column`` or ``column``, preceded by ``channel`` for ``sum`` and by
        ``output,channel`` for ``mix``. Its name is ``learned`` and its range ``clip``. Weights have ten
        digits.

    Raises
    ------
    ShapeError
        If the sizes or channels cannot come from such a kernel.
    ImageError
        If the arrays are not images, or no sample can be used.
    KernelError
        If a side exceeds 1023 or there are more than 4096 weights to find.
    ConvfilterError
        If another argument has an unknown value.

    Warns
    -----
    RuntimeWarning
        If the images do not determine the kernel.

    Notes
    -----
    The kernel minimises the sum of ``(sum_a w[a] * before[i + a] + offset - after[i])**2`` over the samples.
    A sample is left out if an integer `after` is at its limits there, where filters clip, or if its window
    touches the border or anything transparent or not finite. Large images are reduced to about 2.4 million
    samples in evenly spread blocks, one in eight of which is held out to measure the residual.

    Examples
    --------
    Five samples and three outputs determine the three weights.

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
