"""Transparency: alpha kept from under the kernel's anchor, or used as a weight of the colours.

With S the sum of weights, a premultiplied filter gives ``alpha' = sum(w*a) / S`` and
``colour = sum(w*a*c) / alpha'``, so that invisible colours do not bleed into visible ones. Where ``alpha'``
rounds to 0 the colour is that of the plain filter.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from convfilter.convolution.borders import ArraySource, source_index
from convfilter.filtering.quantize import Depth
from convfilter.geometry import Axis

__all__ = ["PremultipliedSource", "PremultipliedSums", "kept_alpha", "planar", "premultiplied_weights"]


class PremultipliedSource:
    """Blocks of what a premultiplied filter sums: C colours times alpha, alpha, and the C plain colours.

    `colours` have the shape (T, H, W, C), or that of `planar` if `summed`; `alpha` has the shape (T, H, W)
    and the same scale, `opaque` is its full scale: a constant border is opaque.
    """

    def __init__(
        self, colours: np.ndarray, alpha: np.ndarray, border: str, fill: float, opaque: float, *, summed: bool
    ) -> None:
        self._planar, self._loose = summed, colours.dtype.kind == "f"
        self._count = colours.shape[0 if summed else -1]
        self._colours = ArraySource(colours, border, fill)
        alpha = alpha[..., np.newaxis]
        self._alpha = ArraySource(planar(alpha) if summed else alpha, border, opaque)

    def __call__(self, starts: Sequence[int], block: np.ndarray) -> None:
        """Fill a block; see `ArraySource`."""
        channels = np.moveaxis(block, 0, -1) if self._planar else block
        count = self._count
        first, rest = slice(0, count), slice(count + 1, None)
        if self._planar:
            self._alpha(starts, block[count : count + 1])
            self._colours(starts, block[count + 1 :])
        else:
            self._alpha(starts, block[..., count : count + 1])
            self._colours(starts, block[..., count + 1 :])
        alpha = channels[..., count : count + 1]
        np.multiply(channels[..., rest], alpha, out=channels[..., first])
        if self._loose:  # what is invisible does not count, nan and infinity neither
            np.copyto(channels[..., first], 0, where=alpha == 0)


def planar(values: np.ndarray) -> np.ndarray:
    """Return values of shape (T, H, W, C) as (C, T, H, W, 1): the channels become an axis of the kernel."""
    return np.moveaxis(values, -1, 0)[..., np.newaxis]


class PremultipliedSums(NamedTuple):
    """The sums of one part of a kernel over premultiplied colours, and the colours that follow from them."""

    weighted: np.ndarray  # sum(w*a*c), of shape (..., C)
    plain: np.ndarray  # sum(w*c), of shape (..., C)
    alpha: np.ndarray  # sum(w*a), of shape (..., 1)
    total: float  # sum(w), S
    divisor: int
    full: float  # full scale of the result
    own: float  # full scale of the image
    mean: np.ndarray | None  # alpha, unrounded; None where S is zero and the part has no alpha of its own
    visible: np.ndarray  # where alpha does not round to 0, of shape (..., 1)

    @classmethod
    def of(
        cls, sums: Sequence[np.ndarray], total: float, divisor: int, image: Depth, result: Depth
    ) -> PremultipliedSums:
        """Take the three sums of a part: weighted, alpha, plain."""
        weighted, alpha, plain = sums
        mean, visible = None, np.zeros(1, bool)
        if total:
            mean = alpha / float(total)
            if result.full != image.full:
                opacities = np.multiply(alpha, result.full, dtype=np.float64)
                mean = opacities / (float(total) * image.full)
            visible = np.floor(mean + 0.5) > 0 if result.integer else mean > 0
        return cls(weighted, plain, alpha, total, divisor, result.full, image.full, mean, visible)

    def opacity(self, places: tuple[np.ndarray, ...]) -> tuple[list[int], list[int]]:
        """Return alpha at some places as integers over integers."""
        tops = [each * int(self.full) for each in self.alpha[places].tolist()]
        return tops, [int(self.total) * int(self.own)] * len(tops)

    def colours(self) -> np.ndarray:
        """Return the colours, divided and unrounded."""
        bare = np.asarray(self.plain / self.divisor, np.float64)
        if not self.total:
            return bare
        total, divisor = self._lowest()
        # One division of exact products: a tie stays a tie.
        colours = np.multiply(self.weighted, float(total), dtype=np.float64)
        divisors = np.multiply(self.alpha, float(divisor), dtype=np.float64)
        np.divide(colours, divisors, out=bare, where=np.broadcast_to(self.visible, bare.shape))
        return bare

    def quotients(self, places: tuple[np.ndarray, ...]) -> tuple[list[int], list[int]]:
        """Return the colours at some places as integers over integers."""
        total, divisor = self._lowest()
        visible = np.broadcast_to(self.visible, self.plain.shape)[places].tolist()
        sums = (np.broadcast_to(each, self.plain.shape)[places].tolist() for each in self[:3])
        rows = [
            (weighted * total, alpha * divisor) if seen else (plain, self.divisor)
            for weighted, plain, alpha, seen in zip(*sums, visible, strict=True)
        ]
        return [top for top, _ in rows], [bottom for _, bottom in rows]

    def _lowest(self) -> tuple[float, float]:
        """Return total and divisor in lowest terms."""
        if not isinstance(self.total, int):
            return self.total, self.divisor
        common = math.gcd(self.total, self.divisor)
        return self.total // common, self.divisor // common


def premultiplied_weights(weights: np.ndarray) -> np.ndarray:
    """Return weights (O, P, C, ...) as those, (O, 3 P, 2 C + 1, ...), for a planar `PremultipliedSource`.

    Each part becomes three: premultiplied colours, alpha, and plain colours.
    """
    outputs, parts, count, *window = weights.shape
    spread = np.zeros((outputs, parts, 3, 2 * count + 1, *window), weights.dtype)
    spread[:, :, 0, :count] = weights
    spread[:, :, 1, count] = weights.sum(axis=2)
    spread[:, :, 2, count + 1 :] = weights
    return spread.reshape(outputs, 3 * parts, 2 * count + 1, *window)


def kept_alpha(alpha: np.ndarray, axes: Sequence[Axis], border: str, opaque: float) -> np.ndarray:
    """Return the alpha under the kernel's anchor at each output, of shape (T', H', W').

    `alpha` is of shape (T, H, W) and is returned itself where nothing moves; a constant border is opaque.
    """
    for number, axis in enumerate(axes):
        places = np.arange(axis.output) * axis.stride - axis.before + axis.anchor
        index = source_index(places, axis.size, border)
        if np.array_equal(index, np.arange(axis.size)):
            continue
        alpha = alpha.take(index, number)
        alpha[(slice(None),) * number + (index < 0,)] = opaque
    return alpha
