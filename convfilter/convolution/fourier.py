"""Large dense kernels in the frequency domain: tiles that overlap by the kernel's size (overlap-save).

The cost of a tile hardly depends on the kernel in it. Sums of integers are rounded back to integers, and
chosen only where the transform's error stays far below one half.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

import numpy as np

from convfilter.convolution.window import Call, outputs_of
from convfilter.geometry import Axis

# How far a sum can be off, in roundings of the largest possible sum. Measured over noise, edges and
# constants, and kernels up to 127x127: below 3.
_ROUNDINGS = 16

# Estimated nanoseconds a sample, by bytes of a number: a transform of a tile, there or back; samples into
# channels one after the other and together again.
_TRANSFORM, _PLANAR = {4: 2.2, 8: 3.2}, {4: 1.1, 8: 1.6}

_TILE = 256 * 256
# Positions of a tile that cost as much as the calls for it, as a row of it, and that double the cost of each.
_CALLS, _ROW, _CACHE = 6_000, 16, 1_500_000
_SIDES = (32, 64, 96, 128, 192, 256, 320, 384, 512, 640, 768, 1024, 1536, 2048, 4096)


class Fourier:
    """Correlate tiles with all kernels of a plan; a tile is transformed only once."""

    name = "fourier"

    def __init__(
        self, kernels: Sequence[np.ndarray], axes: Sequence[Axis], dtype: np.dtype[Any], *, whole: bool
    ) -> None:
        self._kernels, self._axes, self.dtype, self._whole = kernels, axes, dtype, whole
        self.sides = _tile_sides(axes)
        waste = math.prod(
            axis.stride * side / (side - axis.reach + 1) for side, axis in zip(self.sides, axes, strict=True)
        )
        size = dtype.itemsize
        count = len(kernels)
        self.cost = ((1 + count) * _TRANSFORM[size] + count * _PLANAR[size]) * waste
        self._transformed = [number for number, axis in enumerate(axes) if axis.kernel > 1]

    @classmethod
    def of(
        cls,
        kernels: Sequence[np.ndarray],
        axes: Sequence[Axis],
        dtype: np.dtype[Any],
        bound: float,
        tolerance: float,
    ) -> Fourier | None:
        """Return the strategy in the narrowest type whose error for sums up to `bound` is tolerated."""
        whole = dtype.kind in "iu"
        if whole:  # integers differ by one
            tolerance = 0.25
        for kind in (np.float32, np.float64):
            exact = _ROUNDINGS * float(np.finfo(kind).eps) / 2 * bound <= tolerance
            if exact and any(axis.kernel > 1 for axis in axes):
                return cls(kernels, axes, np.dtype(kind), whole=whole)
        return None

    def __str__(self) -> str:
        sides = "x".join(str(side) for side in self.sides if side > 1)
        return f"tiles of {sides} in {self.dtype}, {1 + len(self._kernels)} transforms"

    @property
    def outputs(self) -> tuple[int, ...]:
        """Outputs of a tile along each axis."""
        return tuple(
            min(axis.output, (side - axis.reach) // axis.stride + 1)
            for side, axis in zip(self.sides, self._axes, strict=True)
        )

    @functools.cached_property
    def _spectra(self) -> list[np.ndarray]:
        """The conjugate spectra of the kernels, in the type of the tiles."""
        sides = [side if axis.kernel > 1 else 1 for side, axis in zip(self.sides, self._axes, strict=True)]
        spectra = []
        for kernel in self._kernels:
            spread = np.zeros(sides)
            spread[tuple(slice(0, axis.reach, axis.dilation) for axis in self._axes)] = kernel
            spectrum = np.fft.rfftn(spread, axes=self._transformed).conj()
            spectra.append(spectrum.astype(np.result_type(self.dtype, np.complex64)))
        return spectra

    def prepare(
        self, shape: Sequence[int], outputs: Sequence[int]
    ) -> tuple[np.ndarray, list[Call], list[np.ndarray]]:
        """See `Plan.prepare`."""
        # Channel after channel; what lies past the block in the tile is zero.
        tile = np.zeros((shape[-1], *self.sides), self.dtype)
        block = np.moveaxis(tile[(slice(None), *map(slice, shape[:-1]))], 0, -1)
        *others, last = self._transformed
        half = list(self.sides)
        half[last] = half[last] // 2 + 1
        spectrum, product = (np.empty(half, np.result_type(self.dtype, np.complex64)) for _ in range(2))
        sums = [np.empty_like(tile) for _ in self._kernels]
        outcomes = [outputs_of(np.moveaxis(each, 0, -1), self._axes, outputs) for each in sums]
        calls: list[Call] = []
        # One channel after the other, so that what belongs to it stays in the cache. With a norm numpy stays
        # in single precision; without one it uses a wider type, which takes several times as long.
        for channel, plane in enumerate(tile):
            calls.append(partial(np.fft.rfft, plane, axis=last, norm="ortho", out=spectrum))
            calls += [partial(np.fft.fft, spectrum, axis=axis, norm="ortho", out=spectrum) for axis in others]
            for own, each in zip(self._spectra, sums, strict=True):
                calls.append(partial(np.multiply, spectrum, own, out=product))
                calls += [
                    partial(np.fft.ifft, product, axis=axis, norm="ortho", out=product) for axis in others
                ]
                back = {"axis": last, "norm": "ortho", "out": each[channel]}
                calls.append(partial(np.fft.irfft, product, plane.shape[last], **back))
        if self._whole:
            calls += [partial(np.rint, places, out=places) for places in outcomes]
        return block, calls, outcomes


def _tile_sides(axes: Sequence[Axis]) -> tuple[int, ...]:
    """Return the sides of tiles in which the least work is done twice, within what the cache likes.

    A tile of side T gives ``T - reach + 1`` positions along an axis.
    """
    choices = [_sides(axis) if axis.kernel > 1 else [1] for axis in axes]

    def work(chosen: Iterable[int]) -> float:
        sides = tuple(chosen)
        area = math.prod(sides)
        tiles = math.prod(
            -(-((axis.output - 1) * axis.stride + 1) // (side - axis.reach + 1)) if axis.kernel > 1 else 1
            for side, axis in zip(sides, axes, strict=True)
        )
        # Small tiles cost calls and narrow ones short rows; large ones fall out of the cache.
        return tiles * (area + _CALLS + _ROW * area / sides[-1]) * (1 + area / _CACHE)

    sides = list(min(itertools.product(*choices), key=work))
    # An axis that is not transformed fills the tile up, the last one first.
    for number in reversed(range(len(axes))):
        if axes[number].kernel == 1:
            rest = max(1, _TILE // math.prod(sides))
            sides[number] = min((axes[number].output - 1) * axes[number].stride + 1, rest)
    return tuple(sides)


def _sides(axis: Axis) -> list[int]:
    """The sides to choose from for one axis: those of fast transforms, up to one that holds it whole."""
    positions = axis.span(axis.output)
    if positions <= _SIDES[0]:
        return [positions]
    fitting = [side for side in _SIDES if axis.reach <= side < 2 * positions]
    return fitting or [1 << (axis.reach - 1).bit_length()]
