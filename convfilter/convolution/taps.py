"""Sums of taps: the whole window in one call, or shifted copies of the block added up.

A block that is contiguous can be read as one flat vector: what stands under weight (p, q) for every output
is then a slice of it. Either all those slices are one strided view that `numpy.einsum` multiplies and adds
without ever copying a window; or, for kernels with many zeros or equal weights, they are added one by one,
each weight multiplied once. Row ends are computed too and skipped when the outputs are looked at.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.lib.stride_tricks import as_strided

from convfilter.convolution.scratch import Scratch
from convfilter.geometry import Axis

__all__ = ["ShiftedSums", "WindowSum", "outputs_of", "windows"]

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
        self._axes = axes
        # Weights of one magnitude share a multiplication: their samples are added or taken away first.
        groups: dict[float, list[tuple[tuple[int, ...], bool]]] = {}
        for place, weight in np.ndenumerate(weights):
            if weight:
                groups.setdefault(abs(weight.item()), []).append((place, bool(weight > 0)))
        # A group that begins with an addition needs no negation; the unit group comes last, so that the
        # others are multiplied while they are alone.
        self._groups = [
            (weights.dtype.type(size), sorted(taps, key=lambda tap: not tap[1]))
            for size, taps in groups.items()
        ]

    @staticmethod
    def passes(weights: np.ndarray) -> int:
        """Return how many passes over a block it takes."""
        sizes = np.abs(weights[weights != 0])
        distinct = len(np.unique(sizes))
        scaled = distinct - bool((sizes == 1).any())
        return max(len(sizes), 1) + scaled + 1

    def __call__(
        self, block: np.ndarray, outputs: Sequence[int], scratch: Scratch, name: object
    ) -> np.ndarray:
        """Return the sums of a block; see `WindowSum`."""
        steps = [step // block.itemsize for step in block.strides[:-1]]
        flat = block.reshape(-1)
        reach = sum((axis.reach - 1) * step for axis, step in zip(self._axes, steps, strict=True))
        count = flat.size - reach
        sums = scratch.take(name, block.shape, block.dtype)
        total = sums.reshape(-1)[:count]
        if not self._groups:
            total[...] = 0
        for number, (size, taps) in enumerate(self._groups):
            into = total if number == 0 else scratch.take("group", (count,), block.dtype)
            slices = []
            for place, added in taps:
                start = sum(
                    index * axis.dilation * step
                    for index, axis, step in zip(place, self._axes, steps, strict=True)
                )
                slices.append((flat[start : start + count], added))
            positive = _add_up(slices, into)
            if size != 1:
                np.multiply(into, size if positive else -size, out=into)
                positive = True
            if number:
                (np.add if positive else np.subtract)(total, into, out=total)
            elif not positive:
                np.negative(total, out=total)
        sums.reshape(-1)[count:] = 0
        return outputs_of(sums, self._axes, outputs)


def _add_up(slices: Sequence[tuple[np.ndarray, bool]], into: np.ndarray) -> bool:
    """Add or take away samples, the added ones first; False if the negative of their sum is left."""
    (first, positive), *rest = slices
    if not rest:
        np.copyto(into, first)
        return positive
    for number, (samples, added) in enumerate(rest):
        left = first if number == 0 else into
        # All taken away: they are added, and the caller takes away their sum.
        (np.add if added == positive else np.subtract)(left, samples, out=into)
    return positive
