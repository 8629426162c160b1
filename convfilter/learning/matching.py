"""Two pictures laid on each other, as a kernel of some size would make one of the other."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from convfilter.convolution import samples_of
from convfilter.convolution.borders import check_border
from convfilter.errors import ImageError, KernelError, ShapeError
from convfilter.filtering.alpha import planar
from convfilter.filtering.quantize import Depth, decode, depth_of
from convfilter.geometry import Axis, axes_of
from convfilter.kernels.checks import LARGEST_SIDE
from convfilter.learning.pairs import Pair
from convfilter.messages import check_choice
from convfilter.options import LearnedChannels, choices

__all__ = ["Planes", "check_window", "make_pair", "planes_of"]


_MOST_WEIGHTS = 4096
# Beyond these, squares of samples cannot be added up.
_SMALLEST, _LARGEST = 1e-140, 1e140


class Planes(NamedTuple):
    """A picture taken apart.

    Attributes
    ----------
    colours : ndarray of shape (H, W, C)
        Integers of up to 32 bits or floats.
    alpha : ndarray of shape (H, W), or None
        On the same scale.
    depth : Depth
        That scale.
    """

    colours: np.ndarray
    alpha: np.ndarray | None
    depth: Depth


def planes_of(pixels: ArrayLike, *, alpha: bool = True, linear: bool = False) -> Planes:
    """Take a picture or a signal apart into colours and alpha.

    Parameters
    ----------
    pixels : array_like of shape (H, W), (H, W, C) or (N,)
        Any real type; integers of 64 bits become floats.
    alpha : bool
        Whether the last of 2 or 4 channels is alpha.
    linear : bool
        Whether the colours are brought to linear light.

    Raises
    ------
    ShapeError
        If it has other axes.
    ImageError
        If it holds no samples, or not such that a picture can.
    """
    values = samples_of(pixels)
    if np.asarray(pixels).dtype == bool:
        values = values * np.uint8(255)
    if values.ndim > 3:
        raise ShapeError(f"an array of shape {values.shape} is no picture: give (H, W), (H, W, C) or (N,)")
    if 0 in values.shape:
        raise ImageError(f"an array of shape {values.shape} holds no samples")
    if values.dtype.kind in "iu" and values.dtype.itemsize == 8:
        values = values.astype(np.float64)
    elif values.dtype.kind == "f" and values.dtype.itemsize == 2:
        values = values.astype(np.float32)
    values = values.astype(values.dtype.newbyteorder("="), copy=False)
    depth = depth_of(values.dtype)
    _check_magnitude(values)
    values = values[np.newaxis] if values.ndim == 1 else values
    values = values[..., np.newaxis] if values.ndim == 2 else values
    has_alpha = alpha and values.shape[-1] in (2, 4)
    colours, opacity = (values[..., :-1], values[..., -1]) if has_alpha else (values, None)
    return Planes(decode(colours, depth, np.dtype(np.float64)) if linear else colours, opacity, depth)


def _check_magnitude(values: np.ndarray) -> None:
    """Refuse floats whose squares, summed over all samples, leave double precision."""
    if values.dtype != np.float64:
        return
    sizes = np.abs(values[np.isfinite(values) & (values != 0)])
    if sizes.size and not _SMALLEST < sizes.max() < _LARGEST:
        raise ImageError(
            f"values up to {sizes.max():.3g} cannot be learned from: multiply them by a number that brings "
            "them near 1"
        )


def check_window(size: int | Sequence[int]) -> tuple[int, ...]:
    """Return the size of a kernel that can be learned, (rows, columns) or (columns,).

    Raises
    ------
    ShapeError
        If it is not one or two numbers above 0.
    KernelError
        If a side is longer than a kernel's may be.
    """
    given = tuple(size) if isinstance(size, Iterable) else (size,)
    if len(given) not in (1, 2):
        raise ShapeError(f"a kernel size of {len(given)} numbers: give (rows, columns), or columns alone")
    # Any array will do: its axes are as many as the kernel's.
    window = tuple(axis.kernel for axis in axes_of((1,) * len(given), given, padding="full"))
    if max(window) > LARGEST_SIDE:
        raise KernelError(f"a kernel side of {max(window)} is too long: at most {LARGEST_SIDE} can be used")
    return window


def make_pair(
    before: Planes, after: Planes, window: Sequence[int], *, channels: str = "each", border: str = "edge"
) -> Pair:
    """Lay two pictures on each other as a kernel of that size would.

    Parameters
    ----------
    before, after : Planes
        From `planes_of`.
    window : sequence of int
        From `check_window`.
    channels, border : str
        As in `fit_kernel`.

    Raises
    ------
    ShapeError
        If the sizes or channels cannot come from such a kernel.
    ImageError
        If one holds integers and the other floats.
    KernelError
        If there are too many weights to find.
    ConvfilterError
        If `channels` or `border` has no such value.
    """
    check_choice("channels", channels, choices(LearnedChannels))
    border = check_border(border)
    depths = before.depth, after.depth
    if depths[0].integer != depths[1].integer:
        raise ImageError(
            f"{depths[0].dtype} before and {depths[1].dtype} after have no scale in common: "
            "give both as integers or both as floats"
        )
    _check_channels(channels, before.colours.shape[2], after.colours.shape[2])
    axes = [
        _implied_axis(name, *sizes, kernel)
        for name, sizes, kernel in zip(
            ("height", "width"),
            zip(before.colours.shape, after.colours.shape, strict=True),
            (1, *window)[-2:],
            strict=False,
        )
    ]
    summed = before.colours.shape[2] if channels != "each" else 1
    weights = summed * math.prod(window)
    if weights > _MOST_WEIGHTS:
        raise KernelError(
            f"{weights} weights are too many to learn: at most {_MOST_WEIGHTS}, so take a smaller size"
        )
    blind, seen = _blind(before, depths[0]), None
    if after.alpha is not None and not (opaque := after.alpha == depths[1].full).all():
        seen = opaque
    arrange = planar if channels != "each" else _carried
    return Pair(
        before=arrange(before.colours),
        after=arrange(after.colours),
        blind=blind,
        seen=seen,
        axes=(Axis(summed, summed), axes[0], axes[1]),
        channels=channels,
        border=border,
        depth_before=depths[0],
        depth_after=depths[1],
    )


def _carried(colours: np.ndarray) -> np.ndarray:
    """Colours of shape (H, W, C) as (1, H, W, C): the channels share the kernel then."""
    return colours[np.newaxis]


def _check_channels(channels: str, before: int, after: int) -> None:
    if channels == "each" and before != after:
        mend = "channels 'sum' or 'mix'" if after == 1 else "channels 'mix'"
        raise ShapeError(f"{before} colour channels cannot become {after} each on its own: learn with {mend}")
    if channels == "sum" and after != 1:
        raise ShapeError(f"a sum of channels is one channel and not {after}: learn with channels 'mix'")


def _implied_axis(name: str, before: int, after: int, kernel: int) -> Axis:
    """The axis whose padding makes the one size of the other; an odd sample goes to the end, as in `same`."""
    padding = after - before + kernel - 1
    if not 0 <= padding <= 2 * (kernel - 1):
        least, most = max(1, before - kernel + 1), before + kernel - 1
        span = f"{least} to {most}" if least < most else f"{most}"
        raise ShapeError(
            f"{name} {before} before and {after} after: a kernel with {kernel} weights there gives {span}, "
            "from padding valid to full"
        )
    return Axis(before, kernel, padding // 2, padding - padding // 2)


def _blind(planes: Planes, depth: Depth) -> np.ndarray | None:
    """Where a picture is transparent or not finite, if it is anywhere."""
    blind: np.ndarray[Any, np.dtype[np.bool_]] = np.zeros(planes.colours.shape[:2], bool)
    if planes.alpha is not None:
        blind |= planes.alpha != depth.full
    if not depth.integer:
        blind |= ~np.isfinite(planes.colours).all(axis=2)
    return blind if blind.any() else None
