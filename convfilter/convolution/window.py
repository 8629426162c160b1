"""The whole window in one call.

A block that is contiguous can be read as one flat vector: what stands under weight (p, q) for every output
is then a slice of it, and all those slices are one strided view that `numpy.einsum` multiplies and adds
without ever copying a window. Row ends are computed too and skipped when the outputs are looked at.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
from numpy.lib.stride_tricks import as_strided

from convfilter.convolution.recipes import Call, Recipe, Workspace
from convfilter.geometry import Axis

__all__ = ["WindowSum", "outputs_of", "window_calls", "windows"]

_LETTERS = "abcdefghijklmnopqrstuvwxyz"


def windows(block: np.ndarray, axes: Sequence[Axis], outputs: Sequence[int]) -> np.ndarray:
    """Return what stands under each weight as a view of a C-contiguous block (B1, ..., Bd, carried).

    Its shape is (K1, ..., Kd, n), one flat run of n samples, if all strides are 1; else there is a run for
    each output of the axes before the last: (K1, ..., Kd, o1, ..., n). Runs go on past the row ends, and
    ignore the stride of the last axis.
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


def window_calls(weights: np.ndarray, view: np.ndarray, sums: np.ndarray, workspace: Workspace) -> list[Call]:
    """Return what multiplies and adds whole windows, from `windows`, into an array like one weight's run."""
    if view.strides[weights.ndim - 1] == view.strides[-1] and weights.shape[-1] > 1:
        # Weights that lie as close as the samples would become numpy's innermost loop, which is short: 0.7 ns
        # a tap, against 0.1 in two calls for every other weight.
        level, odd = workspace.level, workspace.take(sums.shape, sums.dtype)
        calls: list[Call] = [
            *window_calls(weights[..., ::2], view[_every_other(weights.ndim, 0)], sums, workspace),
            *window_calls(weights[..., 1::2], view[_every_other(weights.ndim, 1)], odd, workspace),
            partial(np.add, sums, odd, out=sums),
        ]
        workspace.level = level
        return calls
    taps, places = _LETTERS[: weights.ndim], _LETTERS[weights.ndim : view.ndim]
    return [partial(np.einsum, f"{taps},{taps}{places}->{places}", weights, view, out=sums)]


def _every_other(axes: int, first: int) -> tuple[slice, ...]:
    """Every other place along the last of some axes."""
    return (*(slice(None),) * (axes - 1), slice(first, None, 2))


def outputs_of(sums: np.ndarray, axes: Sequence[Axis], outputs: Sequence[int]) -> np.ndarray:
    """Return the outputs among sums that stand at every position of a block's axes."""
    return sums[
        tuple(
            slice(0, (count - 1) * axis.stride + 1, axis.stride)
            for count, axis in zip(outputs, axes, strict=True)
        )
    ]


class WindowSum:
    """Multiply and add the whole window in one call; weights have the type of the blocks."""

    name = "window"

    def __init__(self, weights: np.ndarray, axes: Sequence[Axis]) -> None:
        self._weights, self._axes = weights, axes

    def __str__(self) -> str:
        return f"{self._weights.size} weights in one call"

    def recipe(self, block: np.ndarray, outputs: Sequence[int], workspace: Workspace) -> Recipe:
        """Return what sums a C-contiguous block (B1, ..., Bd, carried), samples with their border."""
        view = windows(block, self._axes, outputs)
        carried = block.shape[-1]
        if all(axis.stride == 1 for axis in self._axes):
            sums = workspace.take((outputs[0], *block.shape[1:]), block.dtype)
            calls = window_calls(self._weights, view, sums.reshape(-1)[: view.shape[-1]], workspace)
            return Recipe(calls, sums[tuple(slice(count) for count in outputs)])
        sums = workspace.take(view.shape[len(self._axes) :], block.dtype)
        calls = window_calls(self._weights, view, sums, workspace)
        last = self._axes[-1].stride * carried * sums.itemsize
        return Recipe(calls, as_strided(sums, (*outputs, carried), (*sums.strides[:-1], last, sums.itemsize)))
