"""Missing samples: which they are, and the sums of a kernel over those that are there.

With m = 0 where a sample is missing and 1 elsewhere, ``N = sum(w*m*x)``, ``D = sum(w*m)`` and ``S = sum(w)``,
a part without negative weights gives ``S * N / D``, the mean of what is there, and any other part
``N + x_c * (S - D)``, as if missing samples were the one under the anchor. The sums are made as those of any
other image, once of the samples and once or more of ones and zeros in their place.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from convfilter.convolution import array_of
from convfilter.convolution.borders import ArraySource, source_index
from convfilter.errors import ImageError, OptionError, brief
from convfilter.filtering.alpha import planar
from convfilter.filtering.blend import Block, spread
from convfilter.geometry import Axis
from convfilter.images.picture import check_mask_size
from convfilter.options import Border

__all__ = ["Missing", "MissingSource", "RatioSums", "anchored", "check_missing"]


def check_missing(missing: Any) -> None:
    """Refuse what names no samples."""
    number = isinstance(missing, int | float | np.number) and not isinstance(missing, bool)
    named = missing is None or number or isinstance(missing, str)
    if not named and array_of(missing, "a mask of missing samples", ImageError).ndim < 2:
        raise OptionError(f"missing={brief(missing)}: give nan, a number, or a mask of 0 for missing samples")


class Missing:
    """The missing samples of an image, and later those of a filter's result."""

    def __init__(self, missing: Any, samples: np.ndarray) -> None:
        self.samples = samples  # (T, H, W, C), as they were read
        self.value: float | None = None  # what marks them; None for a mask
        self.hidden: np.ndarray
        if isinstance(missing, str) or np.ndim(missing):
            mask = np.asarray(missing)
            if mask.ndim == 3:
                mask = np.asarray(mask[..., : -1 if mask.shape[-1] in (2, 4) else None].any(axis=-1))
            if mask.ndim != 2 or mask.dtype.kind not in "biuf":
                raise ImageError(
                    f"missing: shape {np.shape(missing)} is not a mask: give (H, W), 0 is missing"
                )
            check_mask_size(mask.shape, samples.shape[1:3])
            self.hidden = spread((mask == 0)[..., np.newaxis], np.empty(samples.shape, bool))
            return
        self.value = float(missing)
        if math.isnan(self.value):
            self.hidden = np.isnan(samples)
        else:
            with np.errstate(over="ignore"):
                found = samples.dtype.type(self.value) if samples.dtype.kind == "f" else self.value
            self.hidden = np.asarray(samples == found)


class MissingSource:
    """Blocks of samples with zeros for those that are missing, and what else is to be summed in their place.

    That is where samples are `present`, and, for parts with negative weights, where they are `absent`: for
    each channel that the filter sums.
    """

    def __init__(
        self,
        colours: np.ndarray,
        hidden: np.ndarray,
        border: Border,
        fill: float,
        *,
        summed: bool,
        present: bool,
        absent: bool,
    ) -> None:
        arrays = (planar(colours), planar(hidden)) if summed else (colours, hidden)
        self._colours, self._hidden = ArraySource(arrays[0], border, fill), ArraySource(arrays[1], border, 0)
        self._summed, self._present, self._absent = summed, present, absent
        self._rows, self._border = hidden.reshape(*hidden.shape[:2], -1).any(axis=2), border

    def touched(self, starts: Sequence[int], sizes: Sequence[int]) -> bool:
        """Whether frames and rows, which may lie past the border, hold missing samples."""
        found = self._rows
        for number, (start, size) in enumerate(zip(starts, sizes, strict=False)):
            index = source_index(np.arange(start, start + size), found.shape[number], self._border)
            found = found.take(index[index >= 0], number)
        return bool(found.any())

    def __call__(self, starts: Sequence[int], block: np.ndarray) -> list[np.ndarray] | None:
        """Fill a block; return the blocks of ones and zeros, or None if nothing is missing."""
        self._colours(starts, block)
        first = 1 if self._summed else 0
        if not self.touched(starts[first:][:2], block.shape[first:][:2]):
            return None
        hidden = np.empty(block.shape, bool)
        self._hidden(starts, hidden)
        if not hidden.any():
            return None
        np.copyto(block, 0, where=hidden)
        found = [~hidden] if self._present else []
        if self._absent and self._summed:
            for channel in range(len(hidden)):
                found.append(np.zeros_like(hidden))
                found[-1][channel] = hidden[channel]
        elif self._absent:
            found.append(hidden)
        return found


class RatioSums:
    """The sums of one part, as ``sums * times / over``; nothing is divided by zero."""

    def __init__(self, sums: np.ndarray, times: int, over: Any, kind: Any = np.float64) -> None:
        self._sums, self._times = sums, times
        self._over = np.broadcast_to(np.asarray(over, kind), sums.shape)

    def colours(self) -> np.ndarray:
        """Return the quotients: one division of exact integers, as far as floats hold them."""
        quotients = self._sums.astype(self._over.dtype)
        if self._times != 1:
            quotients *= self._times
        quotients /= np.maximum(self._over, 1)
        return quotients

    def quotients(self, places: tuple[np.ndarray, ...]) -> Iterator[tuple[int, int]]:
        """Yield the sums at some places as integers over integers."""
        for top, bottom in zip(self._sums[places].tolist(), self._over[places].tolist(), strict=True):
            yield top * self._times, int(bottom) or 1


def anchored(
    values: np.ndarray, axes: Sequence[Axis], border: Border, fill: Any, where: Block | None = None
) -> np.ndarray:
    """Return the samples under the kernel's anchor, at each output or those of a block."""
    for number, axis in enumerate(axes):
        outputs = slice(0, axis.output) if where is None else where[number]
        places = np.arange(outputs.start, outputs.stop) * axis.stride - axis.before + axis.anchor
        index = source_index(places, axis.size, border)
        before: Any = (slice(None),) * number
        if (np.diff(index) == 1).all() and index[0] >= 0:
            values = values[(*before, slice(int(index[0]), int(index[-1]) + 1))]
            continue
        values = values.take(index, number)
        if values.dtype.kind in "iu" and fill != int(fill):
            values = values.astype(np.float64)
        values[(*before, index < 0)] = fill
    return values
