"""Transparent and missing samples, which count partly or not at all.

With a weight a for each sample, its alpha or 0 where it is missing, ``N = sum(w*a*x)``, ``D = sum(w*a)`` and
``S = sum(w)``, a normalised filter gives ``S*N/D``, the weighted mean of the samples that count. Colours with
alpha are filtered so, and their alpha is ``D/S``; where it rounds to 0 they become the plain
``sum(w*x)``. Parts without negative weights are filtered so where samples are missing; any other part gives
``N + x_c*(S - D)``, as if missing samples were equal to the one under the anchor.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from convfilter.convolution import array_of
from convfilter.convolution.borders import ArraySource, source_index
from convfilter.convolution.plan import make_plan
from convfilter.errors import ImageError, OptionError, brief
from convfilter.filtering.blend import Block, copy_where, grey_mask, like
from convfilter.filtering.layer import Layer
from convfilter.geometry import Axis
from convfilter.options import Border


class Part(NamedTuple):
    """The value of one part of a kernel, ``top * times / (over * divisor) + lift / shift``."""

    top: np.ndarray
    times: float = 1
    over: Any = 1  # an integer or an array; never 0
    divisor: float = 1
    lift: Any = 0  # how far a channel is above lightness
    shift: int = 1

    def value(self) -> np.ndarray:
        """Return the value; float64 where something is divided."""
        if isinstance(self.over, int) and isinstance(self.lift, int) and self.times == self.divisor == 1:
            return self.top
        value, over = self.top, np.asarray(self.over)
        kind = over.dtype if over.dtype == np.float32 else np.float64
        if isinstance(self.times, float):  # it must be 1 where all samples count
            factor = self.times / over
            value = value.astype(np.result_type(value, factor), copy=False)
            by_channel(np.multiply, value, factor)
            value = value if self.divisor == 1 else value / self.divisor
        elif not self.times == self.divisor == 1 or over.ndim:
            # One division of exact products: a tie stays a tie.
            value, over = value.astype(kind), over.astype(kind, copy=False)
            value = value if self.times == 1 else np.multiply(value, self.times, out=value)
            by_channel(np.divide, value, over if self.divisor == 1 else over * self.divisor)
        if np.ndim(self.lift):
            value = value + (self.lift if self.shift == 1 else self.lift / self.shift)
        return np.asarray(value)

    def exactly(self, places: tuple[np.ndarray, ...]) -> Iterator[tuple[int, int]]:
        """Yield the values of integers at some places as integers over integers."""
        arrays = (self.top, self.over, self.lift)
        shape = np.broadcast_shapes(*map(np.shape, arrays))
        values = (np.broadcast_to(each, shape)[places].tolist() for each in arrays)
        for top, over, lift in zip(*values, strict=True):
            below = int(over * self.divisor)
            yield int(top * self.times) * self.shift + int(lift) * below, below * self.shift


def by_channel(operation: Callable[..., object], values: np.ndarray, other: np.ndarray) -> None:
    """Apply an operation in place, with an array of one channel or all; numpy is slow along short axes."""
    alike = other.ndim == 0 or other.shape == values.shape
    operation(values, other if alike else like(values, other), out=values)


def normalised(
    top: np.ndarray, over: np.ndarray, total: float, divisor: int, largest: float = math.inf
) -> Part:
    """Return ``S*N/D`` of sums over a divisor, in lowest terms.

    Sums of samples up to `largest` are divided in float32 if that cannot move them to or from a tie.
    """
    if isinstance(total, int):
        shared = math.gcd(total, divisor)
        times, divisor = total // shared, divisor // shared
        narrow = largest * total * times < 2**24 and total * divisor < 2**13
        return Part(top, times, over.astype(np.float32) if narrow else over, divisor)
    return Part(top, total, over, divisor)


def planar(values: np.ndarray) -> np.ndarray:
    """Return values of shape (T, H, W, C) as (C, T, H, W, 1): the channels become an axis of the kernel."""
    return np.moveaxis(values, -1, 0)[..., np.newaxis]


def anchored(
    values: np.ndarray, axes: Sequence[Axis], border: Border, fill: Any, where: Block | None = None
) -> np.ndarray:
    """Return the samples under the kernel's anchor, at each output or those of a block."""
    for number, axis in enumerate(axes):
        outputs = slice(0, axis.output) if where is None else where[number]
        first, last = (
            at * axis.stride - axis.before + axis.anchor for at in (outputs.start, outputs.stop - 1)
        )
        before: Any = (slice(None),) * number
        if 0 <= first <= last < axis.size:
            values = values[(*before, slice(first, last + 1, axis.stride))]
            continue
        index = source_index(np.arange(first, last + 1, axis.stride), axis.size, border)
        values = values.take(index, number)
        if values.dtype.kind in "iu" and fill != int(fill):
            values = values.astype(np.float64)
        values[(*before, index < 0)] = fill
    return values


class PremultipliedSource:
    """Reads blocks of what a premultiplied filter sums: C colours times alpha, alpha, and the C colours.

    Colours (T, H, W, C) and alpha (T, H, W) are of the layer's scale; a constant border is opaque.
    """

    def __init__(self, layer: Layer, colours: np.ndarray, alpha: np.ndarray) -> None:
        summed, border = layer.bank.summed, layer.border
        arrays = (colours, alpha[..., np.newaxis])
        plain, weights = map(planar, arrays) if summed else arrays
        self._colours = ArraySource(plain, border, layer.fill)
        self._alpha = ArraySource(weights, border, layer.depth.full)
        self._count, self._axis = colours.shape[-1], 0 if summed else -1
        self._loose = colours.dtype.kind == "f"

    def __call__(self, starts: Sequence[int], block: np.ndarray) -> None:
        """Fill a block; see `ArraySource`."""
        # Where the channels are an axis of the kernel, a block holds them all from the first on.
        channels, count = np.moveaxis(block, self._axis, -1), self._count
        weighted, alpha, plain = np.split(channels, (count, count + 1), axis=-1)
        self._alpha(starts, np.moveaxis(alpha, -1, self._axis))
        self._colours(starts, np.moveaxis(plain, -1, self._axis))
        np.multiply(plain, alpha, out=weighted)
        if self._loose:  # invisible samples do not count, nor do nan and infinity among them
            np.copyto(weighted, 0, where=alpha == 0)


def check_missing(missing: Any) -> None:
    """Refuse a value that is neither a mark nor a mask of missing samples."""
    number = isinstance(missing, int | float | np.number) and not isinstance(missing, bool)
    named = missing is None or number or isinstance(missing, str)
    if not named and array_of(missing, "a mask of missing samples", ImageError).ndim < 2:
        raise OptionError(f"missing={brief(missing)}: use nan, a number, or a mask of 0 for missing samples")


class Missing:
    """The missing samples of an image, and then those of each filter's result."""

    def __init__(self, missing: Any, samples: np.ndarray) -> None:
        self.samples = samples  # (T, H, W, C), as they were read
        self.channels = samples.shape[-1]
        self.value: float | None = None  # what marks them; None for a mask
        self.planes: np.ndarray  # where they are; of one channel if all channels agree
        if isinstance(missing, str) or np.ndim(missing):
            mask, _ = grey_mask(missing, samples.shape[1:3], "mask of missing samples")
            self.planes = np.broadcast_to((mask == 0)[..., np.newaxis], (*samples.shape[:-1], 1))
            return
        self.value = float(missing)
        if math.isnan(self.value):
            self.planes = np.isnan(samples)
        else:
            kind, found = samples.dtype, self.value
            if kind.kind == "f":
                with np.errstate(over="ignore"):
                    found = kind.type(self.value)
            elif self.value.is_integer():  # integers are compared without conversion to floats
                found = int(self.value)
            self.planes = np.asarray(samples == found)
        one, *others = np.moveaxis(self.planes, -1, 0)
        found = one.reshape(-1)[int(self.planes.argmax()) // self.channels]  # a first comparison
        if found and all(np.array_equal(one, plane) for plane in others):
            self.planes = one[..., np.newaxis].copy()

    @property
    def hidden(self) -> np.ndarray:
        """Which samples are missing, (T, H, W, C)."""
        return np.broadcast_to(self.planes, (*self.planes.shape[:-1], self.channels))


class MissingSource:
    """Reads blocks of samples with zeros in place of missing ones."""

    def __init__(self, layer: Layer, colours: np.ndarray, planes: np.ndarray) -> None:
        self._summed = layer.bank.summed
        self._colours = ArraySource(planar(colours) if self._summed else colours, layer.border, layer.fill)
        self._hidden, self._planes = ArraySource(planes, layer.border, 0), planes.shape[-1]
        self._threads = threading.local()

    def __call__(self, starts: Sequence[int], block: np.ndarray) -> None:
        """Fill a block; see `ArraySource`."""
        self._colours(starts, block)
        samples = np.moveaxis(block[..., 0], 0, -1) if self._summed else block
        hidden = np.empty((*samples.shape[:-1], self._planes), bool)
        self._hidden(starts[-3:], hidden)
        self._threads.hidden = hidden if hidden.any() else None
        copy_where(hidden, np.zeros(1), samples)

    @property
    def hidden(self) -> np.ndarray | None:
        """Which samples of the calling thread's last block are missing, if any are."""
        hidden: np.ndarray | None = self._threads.hidden
        return hidden


class HiddenWeights:
    """Sums of the weights of the samples that are present (`there`), or else of those that are missing.

    Sums of weights that are all positive lose no precision; with weights of both signs only the sums over
    missing samples are exactly zero where none is missing.
    """

    def __init__(self, layer: Layer, planes: int) -> None:
        weights = layer.bank.weights
        touched = (weights != 0).any(axis=(3, 4, 5))
        self.positive = (weights >= 0).all(axis=(2, 3, 4, 5)) & touched.any(axis=2)
        self.touched, self.there = touched, bool(self.positive.all())
        self.totals = weights.sum(axis=(3, 4, 5))
        axes = [
            axis._replace(size=axis.span(count), before=0, after=0)
            for axis, count in zip(layer.axes, layer.plan.block[-3:], strict=True)
        ]
        bank = layer.bank
        kind: Any = layer.plan.dtype
        if bank.integer:
            kinds = (np.uint8 if self.there else np.int8, np.int16, np.int32, np.int64)
            kind = next(each for each in kinds if bank.largest_sum <= np.iinfo(each).max)
        kernels = list(weights.reshape(-1, *weights.shape[3:]))
        bound = float(bank.largest_sum)
        plan = make_plan(axes, kernels, planes, kind, bound=bound, strategy="direct")
        # The planes of a block are one block.
        self._plan = plan._replace(block=layer.plan.block[-3:])
        self._summed, self._integer, self._threads = bank.summed, bank.integer, threading.local()
        # Floats are off by some roundings.
        self._limits = self.totals if bank.integer else self.totals * (1 - 64 * np.finfo(kind).eps)

    def sums(self, hidden: np.ndarray) -> list[np.ndarray]:
        """Return the sums (t, h, w, planes) for a block, by output, part and summed channel.

        They are overwritten by those of the next block.
        """
        if not hasattr(self._threads, "prepared"):
            self._threads.prepared = self._plan.prepare()
        block, calls, sums = self._threads.prepared
        np.copyto(block, ~hidden if self.there else hidden)
        for call in calls:
            call()
        return list(sums)

    def present(self, sums: np.ndarray, number: int, part: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the sums of a part's weights over present samples, 1 where none are, and those places."""
        total, limit = (each[number, part].astype(sums.dtype) for each in (self.totals, self._limits))
        over = sums if self.there else total - sums
        if self.there and not self._integer:
            over = np.where(sums > limit, total, sums)
        if self._summed:
            over = over.sum(axis=-1, keepdims=True)
        lost = over <= (0 if self.there else (total - limit).sum())
        if lost.any():
            over[lost] = 1
        return over, lost
