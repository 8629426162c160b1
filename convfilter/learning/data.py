"""Two aligned images: which samples are used, the windows of samples around them, and the blocks chosen."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import ArrayLike

from convfilter.convolution import correlate, samples_of
from convfilter.convolution.borders import ArraySource, border_fill
from convfilter.errors import ImageError, KernelError, ShapeError, check_choice, counted
from convfilter.filtering.quantize import Levels, decode, levels_of
from convfilter.filtering.weighted import planar
from convfilter.geometry import Axis, axes_of
from convfilter.kernels.kernel import LARGEST_SIDE
from convfilter.options import Border, LearnedChannels, choices

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
# Numbers of the equations that are made at a time.
_STRIP = 2**17


class Planes(NamedTuple):
    """Colours (H, W, C), alpha (H, W) if there is any, and the scale of both."""

    colours: np.ndarray
    alpha: np.ndarray | None
    depth: Levels


def planes_of(pixels: ArrayLike, *, alpha: bool = True, linear: bool = False) -> Planes:
    """Split an array (H, W), (H, W, C) or (N,) into colours and alpha, the last of 2 or 4 channels."""
    values = samples_of(pixels)
    if np.asarray(pixels).dtype == bool:
        values = values * np.uint8(255)
    if values.ndim > 3:
        raise ShapeError(f"an array of shape {values.shape} is not an image: use (H, W), (H, W, C) or (N,)")
    if 0 in values.shape:
        raise ImageError(f"an array of shape {values.shape} holds no samples")
    types = {"i8": np.float64, "u8": np.float64, "f2": np.float32}  # 64-bit integers count as floats
    kept = values.dtype.newbyteorder("=")
    values = values.astype(types.get(f"{kept.kind}{kept.itemsize}", kept), copy=False)
    depth = levels_of(values.dtype)
    sizes = np.abs(values[np.isfinite(values) & (values != 0)]) if values.dtype == np.float64 else np.empty(0)
    if sizes.size and not _SMALLEST < sizes.max() < _LARGEST:
        raise ImageError(
            f"values up to {sizes.max():.3g} are too {'large' if sizes.max() > 1 else 'small'}: "
            "scale both images to values near 1"
        )
    values = values[np.newaxis] if values.ndim == 1 else values
    values = values[..., np.newaxis] if values.ndim == 2 else values
    has_alpha = alpha and values.shape[-1] in (2, 4)
    colours, opacity = (values[..., :-1], values[..., -1]) if has_alpha else (values, None)
    return Planes(decode(colours, depth, np.dtype(np.float64)) if linear else colours, opacity, depth)


def check_window(size: int | Sequence[int]) -> tuple[int, ...]:
    """Return the size of a kernel that can be learned, (rows, columns) or (columns,)."""
    sides = tuple(size) if isinstance(size, Iterable) else (size,)
    if len(sides) not in (1, 2):
        raise ShapeError(f"a kernel size of {len(sides)} numbers: use (rows, columns), or columns alone")
    # Any array will do: its axes are as many as the kernel's.
    window = tuple(axis.kernel for axis in axes_of((1,) * len(sides), sides, padding="full"))
    if max(window) > LARGEST_SIDE:
        raise KernelError(f"a kernel side of {max(window)} is too long: at most {LARGEST_SIDE} can be used")
    return window


class Pair(NamedTuple):
    """Two images and the kernel between them, from `make_pair`.

    `before` (channels, H, W, carried) has the channels that a window sums, or 1 of them and all channels
    carried along; so has `after` (outputs, H', W', carried). `counts` (H', W', carried) is true where an
    output can be learned from. The `axes` are channels, rows and columns.
    """

    before: np.ndarray
    after: np.ndarray
    counts: np.ndarray
    axes: tuple[Axis, Axis, Axis]
    channels: LearnedChannels
    border: Border
    depth_before: Levels
    depth_after: Levels

    @property
    def kernel_shape(self) -> tuple[int, int, int, int]:
        """Outputs, channels, rows, columns."""
        channel, row, column = (axis.kernel for axis in self.axes)
        return len(self.after), channel, row, column

    @property
    def weights(self) -> int:
        """Weights of each output."""
        return math.prod(self.kernel_shape[1:])

    @property
    def rows(self) -> int:
        """Rows of the equations: one for each weight, each output and 1."""
        return self.weights + len(self.after) + 1

    def region(self, *, inside: bool) -> tuple[slice, slice]:
        """Return the rows and columns of all outputs, or of those whose window does not touch the border."""
        starts = [axis.before if inside else 0 for axis in self.axes]
        stops = [axis.before + axis.size - axis.kernel + 1 if inside else axis.output for axis in self.axes]
        _, rows, columns = (slice(start, max(start, stop)) for start, stop in zip(starts, stops, strict=True))
        return rows, columns


def make_pair(
    before: Planes,
    after: Planes,
    window: Sequence[int],
    *,
    channels: LearnedChannels = "each",
    border: Border = "edge",
) -> Pair:
    """Lay two images on each other as a kernel of that size would; channels and border as in `fit_kernel`."""
    check_choice("channels", channels, choices(LearnedChannels))
    border_fill(border)
    if before.depth.integer != after.depth.integer:
        raise ImageError(
            f"{before.depth.dtype} before and {after.depth.dtype} after have no scale in common: "
            "use integers for both, or floats for both"
        )
    (*sizes_before, colours), (*sizes_after, made) = before.colours.shape, after.colours.shape
    if channels == "each" and colours != made:
        mend = "channels 'sum' or 'mix'" if made == 1 else "channels 'mix'"
        raise ShapeError(
            f"{counted(colours, 'channel')} cannot become {made} with channels 'each': use {mend}"
        )
    if channels == "sum" and made != 1:
        raise ShapeError(f"a sum of channels is one channel and not {made}: learn with channels 'mix'")
    rows, columns = map(_implied_axis, ("height", "width"), sizes_before, sizes_after, (1, *window)[-2:])
    summed = colours if channels != "each" else 1
    weights = summed * math.prod(window)
    if weights > _MOST_WEIGHTS:
        raise KernelError(
            f"{weights} weights are too many to learn: at most {_MOST_WEIGHTS}, so use a smaller size"
        )
    outputs = _arranged(after.colours, channels)
    return Pair(
        before=_arranged(before.colours, channels),
        after=outputs,
        counts=_counts(before, after, outputs, (rows, columns), border),
        axes=(Axis(summed, summed), rows, columns),
        channels=channels,
        border=border,
        depth_before=before.depth,
        depth_after=after.depth,
    )


def _arranged(colours: np.ndarray, channels: LearnedChannels) -> np.ndarray:
    """Return colours (H, W, C) with channels to sum first, and those to carry along last."""
    return planar(colours) if channels != "each" else colours[np.newaxis]


def _implied_axis(name: str, before: int, after: int, kernel: int) -> Axis:
    """Return the axis whose padding explains both sizes; an odd sample goes to the end, as in `same`."""
    padding = after - before + kernel - 1
    if not 0 <= padding <= 2 * (kernel - 1):
        least, most = max(1, before - kernel + 1), before + kernel - 1
        span = f"{least} (padding valid) to {most} (full)" if least < most else f"{most}"
        raise ShapeError(
            f"the {name} is {before} before and {after} after; a kernel of {name} {kernel} gives {span}"
        )
    return Axis(before, kernel, padding // 2, padding - padding // 2)


def _counts(
    before: Planes, after: Planes, outputs: np.ndarray, axes: Sequence[Axis], border: Border
) -> np.ndarray:
    """Where outputs are not at their limits, as if clipped, and nothing is transparent or not finite."""
    counts = np.ones(outputs.shape[1:], np.bool_)
    for values in outputs:  # the limits of floats are infinite
        counts &= values > after.depth.low
        counts &= values < after.depth.high
    if after.alpha is not None:
        counts &= (after.alpha == after.depth.full)[..., np.newaxis]
    masked = np.zeros(before.colours.shape[:2], np.bool_)
    if before.alpha is not None:
        masked |= before.alpha != before.depth.full
    if not before.depth.integer:
        masked |= ~np.isfinite(before.colours).all(axis=2)
    if masked.any():
        window, padding = [axis.kernel for axis in axes], [(axis.before, axis.after) for axis in axes]
        touched = correlate(masked, np.ones(window, np.uint8), padding=padding, border=border)
        counts &= (touched == 0)[..., np.newaxis]
    return counts


class Block(NamedTuple):
    """Rows and columns of a pair that are used: for the equations, or held out to measure the residual."""

    pair: Pair
    rows: slice
    columns: slice
    held_out: bool

    def equations(self) -> Iterator[np.ndarray]:
        """Yield matrices with a row for each weight, each output and 1, and a column for each sample.

        They are in the units of the images, and zero for samples that do not count.
        """
        pair = self.pair
        taps = pair.kernel_shape[1:]
        height, width = self.rows.stop - self.rows.start, self.columns.stop - self.columns.start
        carried = pair.before.shape[-1]
        # The samples that the windows see.
        shape = [axis.span(count) for count, axis in zip((1, height, width), pair.axes, strict=True)]
        samples = np.empty((*shape, carried))
        starts = (0, self.rows.start - pair.axes[1].before, self.columns.start - pair.axes[2].before)
        ArraySource(pair.before, pair.border, 0.0)(starts, samples)
        np.nan_to_num(samples, copy=False, posinf=0, neginf=0)
        windows = np.moveaxis(sliding_window_view(samples, taps, (0, 1, 2))[0], (0, 1, 2), (3, 4, 5))
        values = pair.after[:, self.rows, self.columns]
        counts = pair.counts[self.rows, self.columns]
        step = max(1, _STRIP // (pair.rows * width * carried))
        for top in range(0, height, step):
            strip = slice(top, top + step)
            counted = counts[strip]
            matrix = np.zeros((pair.rows, *counted.shape))
            matrix[-1] = counted
            under = matrix[: pair.weights].reshape(*taps, *counted.shape)
            np.multiply(windows[..., strip, :, :], matrix[-1], out=under)
            np.copyto(matrix[pair.weights : -1], values[:, strip], where=counted)
            yield matrix.reshape(len(matrix), -1)


def choose_blocks(pairs: Sequence[Pair], unknowns: int, *, inside: bool) -> list[Block]:
    """Return the blocks that are used, of 2.4 million samples if the pairs have as many.

    They are taken by a sequence that spreads evenly over the image whatever their number, so that the choice
    follows from the images alone. One in eight is held out unless samples are scarce.
    """
    regions = [pair.region(inside=inside) for pair in pairs]
    usable = sum(int(pair.counts[region].sum()) for pair, region in zip(pairs, regions, strict=True))
    share = min(1.0, _SAMPLES / max(usable, 1))
    held = share / _HELD_OUT if usable >= _PLENTY * unknowns else 0.0
    blocks = []
    for pair, region in zip(pairs, regions, strict=True):
        for number, (rows, columns) in enumerate(_grid(*region)):
            place = (number + 0.5) * _GOLDEN % 1
            if place < share:
                blocks.append(Block(pair, rows, columns, place < held))
    return blocks


def _grid(rows: slice, columns: slice) -> list[tuple[slice, slice]]:
    """Cut a region into blocks of about one size, row by row."""
    height, width = rows.stop - rows.start, columns.stop - columns.start
    if not height * width:
        return []
    area = min(max(height * width // _BLOCKS, 1), _LARGEST_BLOCK)
    tall = min(height, math.ceil(math.sqrt(area)))
    wide = min(width, math.ceil(area / tall))
    tall = min(height, math.ceil(area / wide))
    return [*itertools.product(_cuts(rows, tall), _cuts(columns, wide))]


def _cuts(whole: slice, most: int) -> list[slice]:
    """Cut a range into equal parts of at most `most` samples."""
    parts = math.ceil((whole.stop - whole.start) / most)
    edges = np.linspace(whole.start, whole.stop, parts + 1).round().astype(int).tolist()
    return [slice(*ends) for ends in itertools.pairwise(edges)]
