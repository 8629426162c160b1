"""Sums of taps: the whole window in one call, or shifted copies of the block added up.

A block that is contiguous can be read as one flat vector: what stands under weight (p, q) for every output
is then a slice of it. Either all those slices are one strided view that `numpy.einsum` multiplies and adds
without ever copying a window; or, for kernels with many zeros or equal weights, they are added one by one,
each weight multiplied once. Row ends are computed too and skipped when the outputs are looked at.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from convfilter.convolution.scratch import Scratch
from convfilter.geometry import Axis

__all__ = ["ShiftedSums", "WindowSum", "add_shifted", "outputs_of", "shifted_passes", "windows"]

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


def outputs_of(sums: np.ndarray, axes: Sequence[Axis], outputs: Sequence[int]) -> np.ndarray:
    """Return the outputs among sums that stand at every position of a block's axes."""
    return sums[
        tuple(
            slice(0, (count - 1) * axis.stride + 1, axis.stride)
            for count, axis in zip(outputs, axes, strict=True)
        )
    ]


class WindowSum:
    """Multiply and add the whole window in one call.

    Parameters
    ----------
    weights : ndarray
        The kernel, one axis for each of `axes`, in the type of the blocks.
    axes : sequence of Axis
        The axes of the kernel.
    """

    name = "window"

    def __init__(self, weights: np.ndarray, axes: Sequence[Axis]) -> None:
        self._weights, self._axes = weights, axes

    def __call__(
        self, block: np.ndarray, outputs: Sequence[int], scratch: Scratch, name: object
    ) -> np.ndarray:
        """Return the sums of a block, of shape (o1, ..., od, carried), in memory called `name`."""
        view = windows(block, self._axes, outputs)
        count = len(self._axes)
        taps, places = _LETTERS[:count], _LETTERS[count : view.ndim]
        carried = block.shape[-1]
        if all(axis.stride == 1 for axis in self._axes):
            sums = scratch.take(name, (outputs[0], *block.shape[1:]), block.dtype)
            flat = sums.reshape(-1)[: view.shape[-1]]
            np.einsum(f"{taps},{taps}{places}->{places}", self._weights, view, out=flat)
            return sums[tuple(slice(count) for count in outputs)]
        sums = scratch.take(name, view.shape[count:], block.dtype)
        np.einsum(f"{taps},{taps}{places}->{places}", self._weights, view, out=sums)
        last = self._axes[-1].stride * carried * sums.itemsize
        return as_strided(sums, (*outputs, carried), (*sums.strides[:-1], last, sums.itemsize))


class ShiftedSums:
    """Add up shifted blocks, those of one weight before they are multiplied with it.

    Parameters are those of `WindowSum`.
    """

    name = "shifted"

    def __init__(self, weights: np.ndarray, axes: Sequence[Axis]) -> None:
        self._weights, self._axes = weights, axes

    def __call__(
        self, block: np.ndarray, outputs: Sequence[int], scratch: Scratch, name: object
    ) -> np.ndarray:
        """Return the sums of a block; see `WindowSum`."""
        steps = [step // block.itemsize for step in block.strides[:-1]]
        flat = block.reshape(-1)
        count = flat.size - sum((axis.reach - 1) * step for axis, step in zip(self._axes, steps, strict=True))
        sums = scratch.take(name, block.shape, block.dtype)
        taps = [
            (
                weight,
                sum(
                    index * axis.dilation * step
                    for index, axis, step in zip(place, self._axes, steps, strict=True)
                ),
            )
            for place, weight in np.ndenumerate(self._weights)
        ]
        add_shifted(flat, taps, sums.reshape(-1)[:count], scratch)
        return outputs_of(sums, self._axes, outputs)


def shifted_passes(weights: Any) -> int:
    """Return how many passes over a block `add_shifted` takes."""
    sizes, counts = np.unique(np.abs(weights[weights != 0]), return_counts=True)
    return max(1, int(np.maximum(counts - 1, 1).sum()) + int((sizes != 1).sum()) + len(sizes) - 1)


def add_shifted(
    flat: np.ndarray, taps: Iterable[tuple[Any, int]], total: np.ndarray, scratch: Scratch
) -> None:
    """Sum weighted samples of a flat block that lie at fixed distances, at every place of `total`.

    Parameters
    ----------
    flat : ndarray of shape (n,)
        The block.
    taps : iterable of (weight, distance)
        Weights of the block's type.
    total : ndarray of shape (m,)
        Where the sums are put; ``m`` plus the largest distance is at most ``n``.
    scratch : Scratch
        Work memory.
    """
    # Weights of one magnitude share a multiplication: their samples are added or taken away first.
    groups: dict[Any, list[tuple[np.ndarray, bool]]] = {}
    for weight, start in taps:
        if weight:
            samples = flat[start : start + total.size]
            groups.setdefault(abs(weight.item()), []).append((samples, bool(weight > 0)))
    if not groups:
        total[...] = 0
    for number, (size, shifted) in enumerate(groups.items()):
        into = total if number == 0 else scratch.take("group", total.shape, total.dtype)
        positive = _add_up(sorted(shifted, key=lambda tap: not tap[1]), into, copy=number == 0 or size != 1)
        if len(shifted) == 1 and number and size == 1:
            into = shifted[0][0]
        if size != 1:
            np.multiply(into, total.dtype.type(size if positive else -size), out=into)
            positive = True
        if number:
            (np.add if positive else np.subtract)(total, into, out=total)
        elif not positive:
            np.negative(total, out=total)


def _add_up(shifted: Sequence[tuple[np.ndarray, bool]], into: np.ndarray, *, copy: bool) -> bool:
    """Add or take away samples, the added ones first; False if the negative of their sum is left."""
    (first, positive), *rest = shifted
    if not rest and copy:
        np.copyto(into, first)
    for number, (samples, added) in enumerate(rest):
        left = first if number == 0 else into
        # All taken away: they are added, and the caller takes away their sum.
        (np.add if added == positive else np.subtract)(left, samples, out=into)
    return positive
