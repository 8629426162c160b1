"""The whole window at once: in one call of `numpy.einsum`, or, for floats, as matrix products.

A contiguous block can be read as one flat vector: the samples under one weight, for every output, are a slice
of it, and all those slices are one strided view that `numpy.einsum` multiplies and adds without copying.
Row ends are computed too, and skipped when the outputs are taken.
"""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TypeAlias

import numpy as np
from numpy.lib.stride_tricks import as_strided

from convfilter.errors import counted
from convfilter.geometry import Axis

Call: TypeAlias = Callable[[], object]
"""One step of the work on a block, with all that it works on: finding views takes long on small blocks."""

Prepared: TypeAlias = tuple[list[Call], np.ndarray]
"""The calls that sum a block, and its outputs after them."""

Scratch: TypeAlias = defaultdict[int, np.ndarray]
"""Memory that all kernels of a plan share, in numbered vectors of a block's size."""

# Estimated costs in nanoseconds, for each byte of a sample: one weight of a window, one elementwise pass, one
# weight in a matrix product (zeros of its band counted); and a call, divided by the samples of a block. Only
# ratios matter.
_TAP, PASS, PRODUCT, CALL = 0.025, 0.03, 0.005, 0.01

# Rows of outputs that one product serves; more of them only multiply by more of the band's zeros.
_ROWS = 4

# Multiplications up to which OpenBLAS keeps a product on the calling thread: of two matrices, and of a matrix
# with a vector. Above, its own threads compete with ours.
_QUIET, QUIET_VECTOR = 4 * 65536, 4 * 2304 - 1

_LETTERS = "abcdefghijklmnopqrstuvwxyz"


def windows(block: np.ndarray, axes: Sequence[Axis], outputs: Sequence[int]) -> np.ndarray:
    """Return the samples under each weight as a view of a C-contiguous block (B1, ..., Bd, carried).

    Its shape is (K1, ..., Kd, o1, ..., n): a run of n samples for each output of the axes before the last,
    which ignores the stride of the last axis.
    """
    *steps, item = block.strides
    taps = [axis.dilation * step for axis, step in zip(axes, steps, strict=True)]
    between = [axis.stride * step for axis, step in zip(axes[:-1], steps[:-1], strict=True)]
    run = ((outputs[-1] - 1) * axes[-1].stride + 1) * block.shape[-1]
    shape = (*(axis.kernel for axis in axes), *outputs[:-1], run)
    return as_strided(block, shape, (*taps, *between, item), writeable=False)


def outputs_of(sums: np.ndarray, axes: Sequence[Axis], outputs: Sequence[int]) -> np.ndarray:
    """Return the outputs among sums for every position of a block."""
    spans = [(count - 1) * axis.stride + 1 for count, axis in zip(outputs, axes, strict=True)]
    return sums[tuple(slice(0, span, axis.stride) for span, axis in zip(spans, axes, strict=True))]


def _steps_of(block: np.ndarray, axes: Sequence[Axis]) -> list[int]:
    """Return the samples between neighbouring weights along each axis of a C-contiguous block."""
    pairs = zip(axes, block.strides, strict=False)
    return [axis.dilation * (stride // block.itemsize) for axis, stride in pairs]


class FlatSums:
    """A strategy that sums a flat block at every position, of which the outputs are taken."""

    _axes: Sequence[Axis]

    def prepare(self, block: np.ndarray, outputs: Sequence[int], scratch: Scratch) -> Prepared:
        """Return the calls that sum a C-contiguous block (B1, ..., Bd, carried), and the outputs then."""
        sums = np.empty(block.shape, block.dtype)
        steps = _steps_of(block, self._axes)
        calls = self.calls(block.reshape(-1), steps, sums.reshape(-1), scratch)
        return calls, outputs_of(sums, self._axes, outputs)

    def calls(self, flat: np.ndarray, steps: Sequence[int], out: np.ndarray, scratch: Scratch) -> list[Call]:
        """Return the calls that sum a flat block; `steps` are the samples between weights along each axis."""
        raise NotImplementedError


class WindowSum(FlatSums):
    """Multiply and add the whole window in one call."""

    name = "window"

    def __init__(self, weights: np.ndarray, axes: Sequence[Axis]) -> None:
        self._weights, self._axes = weights, axes
        self.cost = (_TAP * weights.itemsize * weights.size + CALL) * axes[-1].stride

    def __str__(self) -> str:
        return f"{counted(self._weights.size, 'weight')} in one call"

    def prepare(self, block: np.ndarray, outputs: Sequence[int], scratch: Scratch) -> Prepared:
        """See `FlatSums.prepare`."""
        if all(axis.stride == 1 for axis in self._axes):
            return super().prepare(block, outputs, scratch)
        view = windows(block, self._axes, outputs)
        sums = np.empty(view.shape[len(self._axes) :], block.dtype)
        places = sums.reshape(*sums.shape[:-1], -1, block.shape[-1])
        return self._calls(view, sums, scratch), places[..., :: self._axes[-1].stride, :]

    def calls(self, flat: np.ndarray, steps: Sequence[int], out: np.ndarray, scratch: Scratch) -> list[Call]:
        """See `FlatSums.calls`."""
        shape = self._weights.shape
        count = flat.size - sum((side - 1) * step for side, step in zip(shape, steps, strict=True))
        strides = (*(step * flat.itemsize for step in steps), flat.itemsize)
        view = as_strided(flat, (*shape, count), strides, writeable=False)
        return self._calls(view, out[:count], scratch)

    def _calls(self, view: np.ndarray, sums: np.ndarray, scratch: Scratch) -> list[Call]:
        last = self._weights.ndim - 1
        taps, places = _LETTERS[: last + 1], _LETTERS[last + 1 : view.ndim]

        def summed(weights: np.ndarray, view: np.ndarray, sums: np.ndarray) -> Call:
            return partial(np.einsum, f"{taps},{taps}{places}->{places}", weights, view, out=sums)

        if view.strides[last] != view.strides[-1] or view.shape[last] == 1:
            return [summed(self._weights, view, sums)]
        # Weights as close as the samples would become numpy's innermost loop, which is short: 0.7 ns a tap,
        # against 0.1 in two calls for every other weight.
        even, odd = ((slice(None),) * last + (slice(first, None, 2),) for first in (0, 1))
        other = scratch[0][: sums.size].reshape(sums.shape)
        return [
            summed(self._weights[even], view[even], sums),
            summed(self._weights[odd], view[odd], other),
            partial(np.add, sums, other, out=sums),
        ]


class Banded:
    """One matrix product for each column of the kernel, for a few rows of outputs at a time.

    The rows of a block that a few rows of outputs need are a matrix, and the weights of one column of the
    kernel, repeated for each of those outputs, are a band in another one. Their product multiplies by the
    band's zeros too, and is still faster than the window in one call: BLAS uses the widest registers.
    """

    name = "banded"

    def __init__(self, weights: np.ndarray, axes: Sequence[Axis]) -> None:
        self._axes = axes
        columns = np.moveaxis(weights, 0, -1)
        self._bands = [
            (place, band_matrix(columns[place], axes[0], _ROWS))
            for place in np.ndindex(columns.shape[:-1])
            if columns[place].any()
        ]
        product = (PRODUCT * axes[0].span(_ROWS) + PASS) * weights.itemsize + CALL
        self.cost = weights[0].size * product * math.prod(axis.stride for axis in axes[1:])

    def __str__(self) -> str:
        return f"{counted(len(self._bands), 'matrix product')} for {_ROWS} rows at a time"

    def prepare(self, block: np.ndarray, outputs: Sequence[int], scratch: Scratch) -> Prepared:
        """See `FlatSums.prepare`."""
        first, *others = self._axes
        sums = np.empty((outputs[0], *block.shape[1:]), block.dtype)
        steps = _steps_of(block, self._axes)[1:]
        lines = block.reshape(len(block), -1)
        run = lines.shape[1] - sum((axis.kernel - 1) * step for axis, step in zip(others, steps, strict=True))
        shifted = [(band, lines[:, int(np.dot(place, steps)) :]) for place, band in self._bands]
        calls = band_products(shifted, sums.reshape(len(sums), -1)[:, :run], first, scratch)
        # The products have left out what the stride of the first axis leaves out.
        return calls, outputs_of(sums, [first._replace(stride=1), *others], outputs)


def band_products(
    bands: Sequence[tuple[np.ndarray, np.ndarray]], sums: np.ndarray, axis: Axis, scratch: Scratch
) -> list[Call]:
    """Add up the products of bands with the lines of each, for groups of some rows of sums.

    All groups share a call: between calls threads wait for each other. The rows left over get shorter bands.
    """
    rows = len(bands[0][0])
    whole = len(sums) // rows * rows
    calls: list[Call] = []
    for columns in quiet_parts(sums.shape[1], rows * axis.span(rows)):
        for group, size in ((slice(0, whole), rows), (slice(whole, None), len(sums) - whole)):
            part = sums[group, columns]
            if not part.size:
                continue
            into = part.reshape(-1, size, part.shape[1])
            product = scratch[0][: into.size].reshape(into.shape)
            span = axis.span(size)
            for number, (band, lines) in enumerate(bands):
                own = lines[group.start * axis.stride :, columns]
                strides = (size * axis.stride * own.strides[0], *own.strides)
                view = as_strided(own, (len(into), span, into.shape[2]), strides, writeable=False)
                calls.append(partial(np.matmul, band[:size, :span], view, out=product if number else into))
                if number:
                    calls.append(partial(np.add, into, product, out=into))
    return calls


def band_matrix(weights: np.ndarray, axis: Axis, rows: int) -> np.ndarray:
    """Return the matrix (rows, span) from samples to some outputs of one axis.

    Each row holds the weights, a stride further on than the one above it.
    """
    band = np.zeros((rows, axis.span(rows)), weights.dtype)
    for row in range(rows):
        start = row * axis.stride
        band[row, start : start + axis.reach : axis.dilation] = weights
    return band


def quiet_parts(length: int, height: int, limit: int = _QUIET) -> Iterator[slice]:
    """Cut a product's columns evenly: `height` multiplications a column, at most `limit` a part."""
    parts = -(-length // max(1, limit // height))
    ends = [length * number // parts for number in range(parts + 1)]
    return itertools.starmap(slice, itertools.pairwise(ends))
