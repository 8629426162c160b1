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

    def __str__(self) -> str:
        return f"{self._weights.size} weights in one call"

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

    def __str__(self) -> str:
        return f"{shifted_passes(self._weights)} passes"

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
    passes = 0
    for number, (size, signs) in enumerate(_groups((weight, weight) for weight in weights.flat)):
        scaled, positive = size != 1, any(added for _, added in signs)
        if len(signs) == 1:
            passes += 1 if number == 0 else 1 + scaled
        else:
            negated = number == 0 and not positive and not scaled
            passes += len(signs) - 1 + scaled + (negated if number == 0 else 1)
    return max(passes, 1)


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
    groups = _groups(taps)
    if not groups:
        total[...] = 0
    for number, (size, shifts) in enumerate(groups):
        into = total if number == 0 else scratch.take("group", total.shape, total.dtype)
        positive = shifts[0][1]
        shifted = [(flat[start : start + total.size], added) for start, added in shifts]
        # The first group takes its sign into the sums, the others are taken away from them.
        factor = total.dtype.type(-size if number == 0 and not positive else size)
        if len(shifted) > 1:
            _add_up(shifted, into)
            if factor != 1:
                np.multiply(into, factor, out=into)
        elif factor != 1 or number == 0:
            np.multiply(shifted[0][0], factor, out=into)
        else:
            into = shifted[0][0]
        if number:
            (np.add if positive else np.subtract)(total, into, out=total)


def _groups(taps: Iterable[tuple[Any, Any]]) -> list[tuple[Any, list[tuple[Any, bool]]]]:
    """Gather taps of one magnitude, which share a multiplication; those with something to add come first."""
    groups: dict[Any, list[tuple[Any, bool]]] = {}
    for weight, place in taps:
        if weight:
            groups.setdefault(abs(weight.item()), []).append((place, bool(weight > 0)))
    gathered = [(size, sorted(taps, key=lambda tap: not tap[1])) for size, taps in groups.items()]
    return sorted(gathered, key=lambda group: not group[1][0][1])


def _add_up(shifted: Sequence[tuple[np.ndarray, bool]], into: np.ndarray) -> None:
    """Add or take away samples, the added ones first; where none is added, add up those to be taken away."""
    (first, positive), *rest = shifted
    for number, (samples, added) in enumerate(rest):
        left = first if number == 0 else into
        (np.add if added == positive else np.subtract)(left, samples, out=into)
