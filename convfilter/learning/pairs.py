"""What a picture before and one after tell: which samples count, and what their windows see."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from convfilter.convolution import correlate
from convfilter.convolution.borders import ArraySource
from convfilter.convolution.recipes import Workspace
from convfilter.filtering.quantize import Depth
from convfilter.geometry import Axis

__all__ = ["Block", "Pair", "Region"]

_STRIP = 1 << 22


class Region(NamedTuple):
    """Rows and columns of a picture."""

    rows: slice
    columns: slice

    @property
    def places(self) -> int:
        """How many pixels it holds."""
        height, width = self.shape
        return height * width

    @property
    def shape(self) -> tuple[int, int]:
        """How many rows and columns."""
        height: int = self.rows.stop - self.rows.start
        width: int = self.columns.stop - self.columns.start
        return height, width


class Block(NamedTuple):
    """A block of outputs and what their windows see.

    Attributes
    ----------
    samples : ndarray of float64 and shape (channels, rows, columns, carried)
        From the picture before, C-contiguous, larger than the outputs by the kernel.
    outputs : ndarray of float64 and shape (outputs, rows, columns, carried)
        From the picture after; zero where they do not count.
    mask : ndarray of float64 and shape (rows, columns, carried)
        1 where a sample counts, else 0.
    """

    samples: np.ndarray
    outputs: np.ndarray
    mask: np.ndarray


@dataclass(frozen=True)
class Pair:
    """Two pictures and the kernel that is to lie between them; see `convfilter.learning.matching.make_pair`.

    Attributes
    ----------
    before : ndarray of shape (channels, H, W, carried)
        Channels that a window sums, or 1 of them and all channels carried along.
    after : ndarray of shape (outputs, H', W', carried)
        The same of the other picture.
    blind : ndarray of bool and shape (H, W), or None
        Where the picture before is transparent or not finite.
    seen : ndarray of bool and shape (H', W'), or None
        Where the picture after is opaque.
    axes : tuple of three Axis
        Channels, rows, columns.
    channels, border : str
        As in `fit_kernel`.
    depth_before, depth_after : Depth
        Their scales.
    """

    before: np.ndarray
    after: np.ndarray
    blind: np.ndarray | None
    seen: np.ndarray | None
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
            return region.places * self.carried
        rows, columns = region
        values = self.after[:, rows, columns]
        step = max(1, _STRIP // max(1, values[:, :1].size))
        return sum(
            int(np.count_nonzero(self._within(values[:, top : top + step])))
            for top in range(0, values.shape[1], step)
        )

    def read(self, region: Region, workspace: Workspace) -> Block:
        """Read the outputs of a region and all that their windows see."""
        rows, columns = region
        starts = (0, rows.start - self.axes[1].before, columns.start - self.axes[2].before)
        shape = [count + axis.kernel - 1 for count, axis in zip((1, *region.shape), self.axes, strict=True)]
        samples = workspace.take((*shape, self.before.shape[-1]), np.float64)
        ArraySource(self.before, self.border, 0.0)(starts, samples)
        values = self.after[:, rows, columns]
        counts = self._within(values)
        if self.seen is not None:
            counts &= self.seen[rows, columns, np.newaxis]
        if self.blind is not None:
            samples[~np.isfinite(samples)] = 0
            counts &= ~self._blinded(starts, shape)
        outputs = workspace.take(values.shape, np.float64)
        outputs[...] = 0
        np.copyto(outputs, values, where=counts)
        mask = workspace.take(counts.shape, np.float64)
        mask[...] = counts
        return Block(samples, outputs, mask)

    def _within(self, values: np.ndarray) -> np.ndarray:
        """Where no output is at its limits, which may hide what the filter gave, or is not finite."""
        depth = self.depth_after
        counts = (values > depth.low) & (values < depth.high) if depth.integer else np.isfinite(values)
        return np.asarray(counts.all(axis=0))

    def _blinded(self, starts: Sequence[int], shape: Sequence[int]) -> np.ndarray:
        """Where a window sees anything transparent or not finite."""
        assert self.blind is not None
        around = np.empty((*shape[1:], 1), np.uint8)
        ArraySource(self.blind[..., np.newaxis].view(np.uint8), self.border, 0.0)(starts[1:], around)
        ones = np.ones([axis.kernel for axis in self.axes[1:]], np.uint8)
        return correlate(around, ones, padding="valid") > 0
