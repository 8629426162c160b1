"""The whole window in one call.

A block that is contiguous can be read as one flat vector: what stands under weight (p, q) for every output
is then a slice of it, and all those slices together are a strided view with one axis for each kernel axis
and one for the outputs. `numpy.einsum` sums weights times view in a fused multiply-add, without the windows
ever being copied. Row ends are computed too and skipped when the outputs are looked at.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.lib.stride_tricks import as_strided

from convfilter.convolution.scratch import Scratch
from convfilter.geometry import Axis

__all__ = ["window_sum", "windows"]

_LETTERS = "abcdefghijklmnopqrstuvwxyz"


def windows(block: np.ndarray, axes: Sequence[Axis], outputs: Sequence[int]) -> np.ndarray:
    """Return what stands under each weight as a view of a contiguous block.

    Parameters
    ----------
    block : ndarray, C-contiguous, of shape (B1, ..., Bd, carried)
        The samples with their border.
    axes : sequence of Axis
        The d axes of the kernel.
    outputs : sequence of int
        How many outputs per axis.

    Returns
    -------
    ndarray of shape (K1, ..., Kd, n) or (K1, ..., Kd, o1, ..., n)
        One flat run of n samples if all strides are 1; else one run for each output of the axes before the
        last. Runs go on past the row ends, and ignore the stride of the last axis.
    """
    steps, item = block.strides[:-1], block.strides[-1]
    taps = [axis.dilation * step for axis, step in zip(axes, steps, strict=True)]
    spans = [(count - 1) * axis.stride * step for count, axis, step in zip(outputs, axes, steps, strict=True)]
    run = block.shape[-1]
    kernel = [axis.kernel for axis in axes]
    if all(axis.stride == 1 for axis in axes):
        return as_strided(block, (*kernel, sum(spans) // item + run), (*taps, item), writeable=False)
    strides = [axis.stride * step for axis, step in zip(axes[:-1], steps[:-1], strict=True)]
    shape = (*kernel, *outputs[:-1], spans[-1] // item + run)
    return as_strided(block, shape, (*taps, *strides, item), writeable=False)


def window_sum(
    block: np.ndarray,
    weights: np.ndarray,
    axes: Sequence[Axis],
    outputs: Sequence[int],
    scratch: Scratch,
    name: object,
) -> np.ndarray:
    """Correlate one block.

    Parameters
    ----------
    block, axes, outputs
        As in `windows`.
    weights : ndarray of the block's type
        The kernel, one axis for each of `axes`.
    scratch : Scratch
        Where the sums are put, under `name`.

    Returns
    -------
    ndarray of shape (o1, ..., od, carried)
        A view of the sums, in the block's type.
    """
    view = windows(block, axes, outputs)
    count = len(axes)
    taps, places = _LETTERS[:count], _LETTERS[count : view.ndim]
    carried = block.shape[-1]
    if all(axis.stride == 1 for axis in axes):
        rest = block.shape[1:]
        sums = scratch.take(name, (outputs[0], *rest), block.dtype)
        np.einsum(f"{taps},{taps}{places}->{places}", weights, view, out=sums.reshape(-1)[: view.shape[-1]])
        return sums[tuple(slice(count) for count in outputs)]
    sums = scratch.take(name, view.shape[count:], block.dtype)
    np.einsum(f"{taps},{taps}{places}->{places}", weights, view, out=sums)
    last = axes[-1].stride * carried
    return as_strided(
        sums, (*outputs, carried), (*sums.strides[:-1], last * sums.itemsize, sums.itemsize), writeable=True
    )
