"""Two images laid on each other: which samples count, what their windows see, and which blocks are used."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from convfilter.convolution import correlate, samples_of
from convfilter.convolution.borders import ArraySource, check_border
from convfilter.convolution.recipes import Workspace
from convfilter.errors import ImageError, KernelError, ShapeError
from convfilter.filtering.alpha import planar
from convfilter.filtering.quantize import Depth, decode, depth_of
from convfilter.geometry import Axis, axes_of
from convfilter.kernels.kernel import LARGEST_SIDE
from convfilter.messages import check_choice
from convfilter.options import LearnedChannels, choices

__all__ = ["Block", "Pair", "Planes", "check_window", "choose_blocks", "make_pair", "planes_of"]

_MOST_WEIGHTS = 4096
# Beyond these, squares of samples cannot be added up.
_SMALLEST, _LARGEST = 1e-140, 1e140
# Samples of large images that are used.
_SAMPLES = 2_400_000
# One block in this many is held out, if there are at least this many samples per weight.
_HELD_OUT, _PLENTY = 8, 10
# Pixels of a block, and how many blocks small images are cut into.
_LARGEST_BLOCK, _BLOCKS = 128 * 128, 64
_GOLDEN = (math.sqrt(5) - 1) / 2
# Samples that are compared with their limits at a time.
_STRIP = 1 << 22


class Planes(NamedTuple):
    """Colours (H, W, C), alpha (H, W) if there is any, and the scale of both."""

    colours: np.ndarray
    alpha: np.ndarray | None
    depth: Depth


def planes_of(pixels: ArrayLike, *, alpha: bool = True, linear: bool = False) -> Planes:
    """Split an array (H, W), (H, W, C) or (N,) into colours and alpha, the last of 2 or 4 channels."""
    values = samples_of(pixels)
    if np.asarray(pixels).dtype == bool:
        values = values * np.uint8(255)
    if values.ndim > 3:
        raise ShapeError(f"an array of shape {values.shape} is not an image: give (H, W), (H, W, C) or (N,)")
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
    """Return the size of a kernel that can be learned, (rows, columns) or (columns,)."""
    sides = tuple(size) if isinstance(size, Iterable) else (size,)
    if len(sides) not in (1, 2):
        raise ShapeError(f"a kernel size of {len(sides)} numbers: give (rows, columns), or columns alone")
    # Any array will do: its axes are as many as the kernel's.
    window = tuple(axis.kernel for axis in axes_of((1,) * len(sides), sides, padding="full"))
    if max(window) > LARGEST_SIDE:
        raise KernelError(f"a kernel side of {max(window)} is too long: at most {LARGEST_SIDE} can be used")
    return window


class Region(NamedTuple):
    """Rows and columns of an image."""

    rows: slice
    columns: slice

    @property
    def shape(self) -> tuple[int, int]:
        """Number of rows and of columns."""
        height: int = self.rows.stop - self.rows.start
        width: int = self.columns.stop - self.columns.start
        return height, width


@dataclass(frozen=True)
class Pair:
    """Two images and the kernel between them, from `make_pair`.

    `before` (channels, H, W, carried) has the channels that a window sums, or 1 of them and all channels
    carried along; so has `after` (outputs, H', W', carried). `masked` (H, W) is true where `before` is
    transparent or not finite, `opaque` (H', W') where `after` is opaque; None stands for nowhere and
    everywhere. The `axes` are channels, rows and columns.
    """

    before: np.ndarray
    after: np.ndarray
    masked: np.ndarray | None
    opaque: np.ndarray | None
    axes: tuple[Axis, Axis, Axis]
    channels: str
    border: str
    depth_before: Depth
    depth_after: Depth

    @property
    def carried(self) -> int:
        """Channels that share the kernel."""
        return int(self.after.shape[-1])

    @property
    def kernel_shape(self) -> tuple[int, int, int, int]:
        """Outputs, channels, rows, columns."""
        channel, row, column = (axis.kernel for axis in self.axes)
        return len(self.after), channel, row, column

    @property
    def whole(self) -> Region:
        """All outputs."""
        return Region(*(slice(0, axis.output) for axis in self.axes[1:]))

    @property
    def inside(self) -> Region:
        """The outputs whose window does not touch the border."""
        return Region(
            *(
                slice(axis.before, max(axis.before, axis.before + axis.size - axis.kernel + 1))
                for axis in self.axes[1:]
            )
        )

    def usable(self, region: Region) -> int:
        """Count the samples of a region that are not at their limits."""
        if not self.depth_after.integer:
            return math.prod(region.shape) * self.carried
        rows, columns = region
        values = self.after[:, rows, columns]
        step = max(1, _STRIP // max(1, values[:, :1].size))
        return sum(
            int(np.count_nonzero(self.within_limits(values[:, top : top + step])))
            for top in range(0, values.shape[1], step)
        )

    def within_limits(self, values: np.ndarray) -> np.ndarray:
        """Where no output is not finite or at its limits, where filters clip."""
        depth = self.depth_after
        within = (values > depth.low) & (values < depth.high) if depth.integer else np.isfinite(values)
        return np.asarray(within.all(axis=0))


def make_pair(
    before: Planes, after: Planes, window: Sequence[int], *, channels: str = "each", border: str = "edge"
) -> Pair:
    """Lay two images on each other as a kernel of that size would; channels and border as in `fit_kernel`."""
    check_choice("channels", channels, choices(LearnedChannels))
    border = check_border(border)
    depths = before.depth, after.depth
    if depths[0].integer != depths[1].integer:
        raise ImageError(
            f"{depths[0].dtype} before and {depths[1].dtype} after have no scale in common: "
            "give both as integers or both as floats"
        )
    _check_channels(channels, before.colours.shape[2], after.colours.shape[2])
    rows, columns = (
        _implied_axis(name, *sizes, kernel)
        for name, sizes, kernel in zip(
            ("height", "width"),
            zip(before.colours.shape[:2], after.colours.shape[:2], strict=True),
            (1, *window)[-2:],
            strict=True,
        )
    )
    summed = before.colours.shape[2] if channels != "each" else 1
    weights = summed * math.prod(window)
    if weights > _MOST_WEIGHTS:
        raise KernelError(
            f"{weights} weights are too many to learn: at most {_MOST_WEIGHTS}, so take a smaller size"
        )
    opaque = None if after.alpha is None else after.alpha == depths[1].full
    return Pair(
        before=planar(before.colours) if channels != "each" else before.colours[np.newaxis],
        after=planar(after.colours) if channels != "each" else after.colours[np.newaxis],
        masked=_masked(before),
        opaque=None if opaque is None or opaque.all() else opaque,
        axes=(Axis(summed, summed), rows, columns),
        channels=channels,
        border=border,
        depth_before=depths[0],
        depth_after=depths[1],
    )


def _check_channels(channels: str, before: int, after: int) -> None:
    if channels == "each" and before != after:
        mend = "channels 'sum' or 'mix'" if after == 1 else "channels 'mix'"
        raise ShapeError(f"{before} colour channels cannot become {after} each on its own: learn with {mend}")
    if channels == "sum" and after != 1:
        raise ShapeError(f"a sum of channels is one channel and not {after}: learn with channels 'mix'")


def _implied_axis(name: str, before: int, after: int, kernel: int) -> Axis:
    """Return the axis whose padding explains both sizes; an odd sample goes to the end, as in `same`."""
    padding = after - before + kernel - 1
    if not 0 <= padding <= 2 * (kernel - 1):
        least, most = max(1, before - kernel + 1), before + kernel - 1
        span = f"{least} to {most}" if least < most else f"{most}"
        raise ShapeError(
            f"{name} {before} before and {after} after: a kernel with {kernel} weights there gives {span}, "
            "from padding valid to full"
        )
    return Axis(before, kernel, padding // 2, padding - padding // 2)


def _masked(planes: Planes) -> np.ndarray | None:
    """Where an image is transparent or not finite, if it is anywhere."""
    masked = np.zeros(planes.colours.shape[:2], np.bool_)
    if planes.alpha is not None:
        masked |= planes.alpha != planes.depth.full
    if not planes.depth.integer:
        masked |= ~np.isfinite(planes.colours).all(axis=2)
    return masked if masked.any() else None


class Block(NamedTuple):
    """A region of a pair that is used: for the equations, or held out to measure the residual."""

    pair: Pair
    region: Region
    held_out: bool

    def read(self, workspace: Workspace) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Read the samples that the windows see, the outputs, and a mask, all as float64.

        The samples (channels, rows, columns, carried) are C-contiguous and larger than the region by the
        kernel. The mask (rows, columns, carried) is 1 where a sample counts; elsewhere the outputs
        (outputs, rows, columns, carried) are 0.
        """
        pair, (rows, columns) = self.pair, self.region
        starts = (0, rows.start - pair.axes[1].before, columns.start - pair.axes[2].before)
        sizes = zip((1, *self.region.shape), pair.axes, strict=True)
        shape = [count + axis.kernel - 1 for count, axis in sizes]
        samples = workspace.take((*shape, pair.before.shape[-1]), np.float64)
        ArraySource(pair.before, pair.border, 0.0)(starts, samples)
        values = pair.after[:, rows, columns]
        counts = pair.within_limits(values)
        if pair.opaque is not None:
            counts &= pair.opaque[rows, columns, np.newaxis]
        if pair.masked is not None:
            samples[~np.isfinite(samples)] = 0
            under = np.empty((*shape[1:], 1), np.uint8)
            ArraySource(pair.masked[..., np.newaxis].view(np.uint8), pair.border, 0.0)(starts[1:], under)
            ones = np.ones(pair.kernel_shape[2:], np.uint8)
            counts &= correlate(under, ones, padding="valid") == 0
        outputs = workspace.take(values.shape, np.float64)
        outputs[...] = 0
        np.copyto(outputs, values, where=counts)
        mask = workspace.take(counts.shape, np.float64)
        mask[...] = counts
        return samples, outputs, mask


def choose_blocks(pairs: Sequence[Pair], regions: Sequence[Region], unknowns: int) -> list[Block]:
    """Return the blocks that are used: with 2.4 million samples, if the regions of the pairs have as many.

    They are taken by a sequence that spreads evenly over the image whatever their number, so that the choice
    follows from the images alone. One in eight is held out unless samples are scarce.
    """
    usable = sum(pair.usable(region) for pair, region in zip(pairs, regions, strict=True))
    share = min(1.0, _SAMPLES / max(usable, 1))
    held = share / _HELD_OUT if usable >= _PLENTY * unknowns else 0.0
    blocks = []
    for pair, region in zip(pairs, regions, strict=True):
        for number, part in enumerate(_grid(region)):
            place = (number + 0.5) * _GOLDEN % 1
            if place < share:
                blocks.append(Block(pair, part, place < held))
    return blocks


def _grid(region: Region) -> list[Region]:
    """Cut a region into blocks of about one size, row by row."""
    height, width = region.shape
    if not height * width:
        return []
    area = min(max(height * width // _BLOCKS, 1), _LARGEST_BLOCK)
    tall = min(height, math.ceil(math.sqrt(area)))
    wide = min(width, math.ceil(area / tall))
    tall = min(height, math.ceil(area / wide))
    return [
        Region(rows, columns)
        for rows in _cuts(region.rows.start, height, tall)
        for columns in _cuts(region.columns.start, width, wide)
    ]


def _cuts(start: int, length: int, part: int) -> list[slice]:
    """Cut a length into equal parts of at most `part` samples."""
    edges = np.linspace(start, start + length, math.ceil(length / part) + 1).round().astype(int).tolist()
    return [slice(*ends) for ends in itertools.pairwise(edges)]
