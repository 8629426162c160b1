"""Transparency: alpha kept from under the kernel's anchor, or used as a weight of the colours.

With S the sum of weights, a premultiplied filter gives ``alpha' = sum(w*a) / S`` and
``colour = sum(w*a*c) / alpha'``, so that invisible colours do not bleed into visible ones. Where ``alpha'``
rounds to 0 the colour is that of the plain filter.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from convfilter.convolution.borders import ArraySource, source_index
from convfilter.filtering.quantize import Levels
from convfilter.geometry import Axis
from convfilter.options import Border

__all__ = [
    "PlainSums",
    "PremultipliedSource",
    "PremultipliedSums",
    "kept_alpha",
    "planar",
    "premultiplied_weights",
]


class PremultipliedSource:
    """Blocks of what a premultiplied filter sums: C colours times alpha, alpha, and the C plain colours.

    Colours (T, H, W, C) and alpha (T, H, W) are of one scale, `opaque` is its full scale: a constant border
    is opaque. Blocks are `planar` if the filter sums the channels.
    """

    def __init__(
        self,
        colours: np.ndarray,
        alpha: np.ndarray,
        border: Border,
        fill: float,
        opaque: float,
        *,
        summed: bool,
    ) -> None:
        arrays = (colours, alpha[..., np.newaxis])
        plain, weights = map(planar, arrays) if summed else arrays
        self._colours, self._alpha = ArraySource(plain, border, fill), ArraySource(weights, border, opaque)
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
        if self._loose:  # what is invisible does not count, nan and infinity neither
            np.copyto(weighted, 0, where=alpha == 0)


def planar(values: np.ndarray) -> np.ndarray:
    """Return values of shape (T, H, W, C) as (C, T, H, W, 1): the channels become an axis of the kernel."""
    return np.moveaxis(values, -1, 0)[..., np.newaxis]


class PlainSums:
    """The sums of one part of a kernel over colours alone."""

    def __init__(self, sums: np.ndarray) -> None:
        self._sums = sums

    def colours(self) -> np.ndarray:
        """Return the sums, not divided."""
        return self._sums

    def quotients(self, places: tuple[np.ndarray, ...]) -> Iterator[tuple[int, int]]:
        """Yield the sums at some places as integers over one."""
        return ((value, 1) for value in self._sums[places].tolist())


class PremultipliedSums:
    """The sums of one part of a kernel over premultiplied colours, and the colours that follow from them.

    `weighted`, `alpha` and `plain` are ``sum(w*a*c)``, ``sum(w*a)`` and ``sum(w*c)``, `total` is ``sum(w)``.
    """

    def __init__(
        self, sums: Sequence[np.ndarray], total: float, divisor: int, image: Levels, result: Levels
    ) -> None:
        self.weighted, self.alpha, self.plain = sums
        self.total, self.divisor, self._fulls = total, divisor, (int(result.full), int(image.full))
        common = math.gcd(total, divisor) if isinstance(total, int) else 1
        self._lowest = (total, divisor) if common == 1 else (total // common, divisor // common)
        self._visible = np.zeros(1, bool)
        if total:
            self.mean = self.alpha / float(total)
            """Alpha, unrounded; there is none where the weights sum to zero."""
            if result.full != image.full:
                opacities = np.multiply(self.alpha, result.full, dtype=np.float64)
                self.mean = opacities / (float(total) * image.full)
            self._visible = np.floor(self.mean + 0.5) > 0 if result.integer else self.mean > 0

    def colours(self) -> np.ndarray:
        """Return the colours, divided and unrounded."""
        bare = np.asarray(self.plain / self.divisor, np.float64)
        if self.total:
            total, divisor = self._lowest
            # One division of exact products: a tie stays a tie.
            colours = np.multiply(self.weighted, float(total), dtype=np.float64)
            divisors = np.multiply(self.alpha, float(divisor), dtype=np.float64)
            np.divide(colours, divisors, out=bare, where=np.broadcast_to(self._visible, bare.shape))
        return bare

    def opacities(self, places: tuple[np.ndarray, ...]) -> list[tuple[int, int]]:
        """Return alpha at some places as integers over integers."""
        result, image = self._fulls
        return [(each * result, int(self.total) * image) for each in self.alpha[places].tolist()]

    def quotients(self, places: tuple[np.ndarray, ...]) -> Iterator[tuple[int, int]]:
        """Yield the colours at some places as integers over integers."""
        total, divisor = self._lowest
        arrays = (self.weighted, self.alpha, self.plain, self._visible)
        values = (np.broadcast_to(each, self.plain.shape)[places].tolist() for each in arrays)
        for weighted, alpha, plain, visible in zip(*values, strict=True):
            yield (weighted * total, alpha * divisor) if visible else (plain, self.divisor)


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


def kept_alpha(alpha: np.ndarray, axes: Sequence[Axis], border: Border, opaque: float) -> np.ndarray:
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
