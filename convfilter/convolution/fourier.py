"""Large dense kernels by way of frequencies: tiles that overlap by the kernel (overlap-save).

The cost of a tile hardly depends on the kernel in it. Sums of integers are rounded back to integers, and
chosen only where the transform's error stays far below one half.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

import numpy as np

from convfilter.convolution.recipes import Call, Recipe, Workspace
from convfilter.convolution.window import outputs_of
from convfilter.geometry import Axis

__all__ = ["Fourier", "tile_sides", "transform_type"]

# How far a sum can be off, in roundings of the largest sum there can be. Measured over pictures of noise,
# edges and constants, and kernels up to 127x127: below 2.
_ROUNDINGS = 16

_TILE = 256 * 256
# Positions of a tile that cost as much as the calls for it, as a row of it, and that double the cost of each.
_CALLS, _ROW, _CACHE = 6_000, 16, 600_000
_SIDES = (32, 64, 96, 128, 192, 256, 320, 384, 512, 640, 768, 1024, 1536, 2048, 4096)


class Fourier:
    """Correlate tiles with all kernels of a plan at once; a tile is transformed only once.

    `sides` are positions of a tile along each axis, from `tile_sides`; tiles are in `dtype`, float32 or
    float64, and sums in `result`, rounded for an integer type.
    """

    name = "fourier"

    def __init__(
        self,
        kernels: Sequence[np.ndarray],
        axes: Sequence[Axis],
        sides: Sequence[int],
        dtype: Any,
        result: Any,
    ) -> None:
        self._axes, self._sides = axes, tuple(sides)
        self.dtype, self._result = np.dtype(dtype), np.dtype(result)
        self._transformed = [number for number, axis in enumerate(axes) if axis.kernel > 1]
        self._spectra = [self._spectrum(kernel) for kernel in kernels]

    def __str__(self) -> str:
        sides = "x".join(str(side) for side in self._sides if side > 1)
        return f"tiles of {sides} in {self.dtype}, {1 + self.kernels} transforms"

    @property
    def kernels(self) -> int:
        """How many kernels share the tiles."""
        return len(self._spectra)

    def recipes(
        self, shape: Sequence[int], outputs: Sequence[int], workspace: Workspace
    ) -> tuple[np.ndarray, list[Recipe]]:
        """Return memory for a block (B1, ..., Bd, carried), and recipes for each kernel, in that order."""
        # Channel after channel; what lies past the block in the tile is zero.
        tile = workspace.take((shape[-1], *self._sides), self.dtype)
        inside = tile[(slice(None), *(slice(count) for count in shape[:-1]))]
        calls: list[Call] = [
            partial(tile[(slice(None),) * number + (slice(count, None),)].fill, 0)
            for number, count in enumerate(shape[:-1], start=1)
        ]
        sums = [workspace.take(tile.shape, self.dtype) for _ in self._spectra]
        there, spectrum, spare = self._there(tile, workspace)
        calls += there
        recipes = []
        for own, each in zip(self._spectra, sums, strict=True):
            back, places = self._back(spectrum, own, spare, each, outputs, workspace)
            recipes.append(Recipe([*calls, *back], places))
            calls = []
        return np.moveaxis(inside, 0, -1), recipes

    def _spectrum(self, kernel: np.ndarray) -> np.ndarray:
        """The conjugate spectrum of a kernel, scaled so that a transform there and back gives sums."""
        sides = [side if axis.kernel > 1 else 1 for side, axis in zip(self._sides, self._axes, strict=True)]
        spread = np.zeros(sides, np.float64)
        spread[tuple(slice(0, axis.reach, axis.dilation) for axis in self._axes)] = kernel
        axes = self._transformed
        spectrum = np.conj(np.fft.rfftn(spread, axes=axes)) if axes else spread
        # Complex numbers of the narrow type from a spectrum computed in the wide one.
        return spectrum.astype(np.result_type(self.dtype, np.complex64) if axes else self.dtype)

    def _there(
        self, tile: np.ndarray, workspace: Workspace
    ) -> tuple[list[Call], np.ndarray, np.ndarray | None]:
        """Return what transforms a tile, its spectrum, and memory for another one if it is needed."""
        if not self._transformed:
            return [], tile, None
        *others, last = (number + 1 for number in self._transformed)
        shape = list(tile.shape)
        shape[last] = shape[last] // 2 + 1
        spectrum, spare = (workspace.take(shape, np.result_type(self.dtype, np.complex64)) for _ in range(2))
        # With a norm numpy stays in single precision; without one it passes through a wider type,
        # which takes several times as long.
        calls: list[Call] = [partial(np.fft.rfft, tile, axis=last, norm="ortho", out=spectrum)]
        calls += [partial(np.fft.fft, spectrum, axis=axis, norm="ortho", out=spectrum) for axis in others]
        return calls, spectrum, spare

    def _back(
        self,
        spectrum: np.ndarray,
        own: np.ndarray,
        spare: np.ndarray | None,
        sums: np.ndarray,
        outputs: Sequence[int],
        workspace: Workspace,
    ) -> tuple[list[Call], np.ndarray]:
        """Return what makes sums of a spectrum and a kernel's own, and where the outputs stand then."""
        calls: list[Call] = [partial(np.multiply, spectrum, own, out=sums if spare is None else spare)]
        if spare is not None:
            *others, last = (axis + 1 for axis in self._transformed)
            calls += [partial(np.fft.ifft, spare, axis=axis, norm="ortho", out=spare) for axis in others]
            side = self._sides[last - 1]
            calls.append(partial(np.fft.irfft, spare, side, axis=last, norm="ortho", out=sums))
        places = outputs_of(np.moveaxis(sums, 0, -1), self._axes, outputs)
        if self._result.kind == "f":
            return calls, places
        whole = workspace.like(places, self._result)
        calls += [partial(np.rint, places, out=places), partial(np.copyto, whole, places, casting="unsafe")]
        return calls, whole


def tile_sides(axes: Sequence[Axis]) -> tuple[int, ...]:
    """Return the sides of tiles in which the least work is done twice, within what the cache likes.

    A tile of side T gives ``T - reach + 1`` positions along an axis.
    """
    choices = [_sides(axis) if axis.kernel > 1 else [1] for axis in axes]

    def work(sides: Iterable[int]) -> float:
        sides = tuple(sides)
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
            room = max(1, _TILE // math.prod(sides))
            sides[number] = min((axes[number].output - 1) * axes[number].stride + 1, room)
    return tuple(sides)


def _sides(axis: Axis) -> list[int]:
    """The sides to choose from for one axis: those of fast transforms, up to one that holds it whole."""
    positions = (axis.output - 1) * axis.stride + axis.reach
    if positions <= _SIDES[0]:
        return [positions]
    fitting = [side for side in _SIDES if side >= axis.reach and side < 2 * positions]
    return fitting or [1 << (axis.reach - 1).bit_length()]


def transform_type(bound: float, tolerance: float) -> np.dtype[Any] | None:
    """Return the narrowest float type whose error stays below `tolerance` for sums up to `bound`."""
    for kind in (np.float32, np.float64):
        if _ROUNDINGS * float(np.finfo(kind).eps) / 2 * bound <= tolerance:
            return np.dtype(kind)
    return None
