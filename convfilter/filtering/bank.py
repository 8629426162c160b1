"""A kernel as the arrays that the engine correlates with: its parts over a common divisor."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import NamedTuple

import numpy as np

from convfilter.errors import ShapeError
from convfilter.kernels import Kernel

__all__ = ["Bank", "make_bank"]


class Bank(NamedTuple):
    """The weights of one filter.

    Attributes
    ----------
    weights : ndarray of shape (O, P, C, Kt, Kh, Kw)
        Output channels, parts, channels that are summed, frames, rows, columns. int64 or float64.
        C is 1 where every channel is filtered on its own.
    divisor : int
        What all sums are divided by; 1 for float weights.
    summed : bool
        Whether the channels of the picture are summed.
    """

    weights: np.ndarray
    divisor: int
    summed: bool

    @property
    def integer(self) -> bool:
        """Whether sums over integers are exact."""
        return self.weights.dtype.kind == "i"

    @property
    def largest_sum(self) -> int | float:
        """The largest ``sum |w|`` of any output and part."""
        sums = np.abs(self.weights).sum(axis=(2, 3, 4, 5)).max()
        return int(sums) if self.integer else float(sums)

    def scaled(self, factor: Fraction) -> Bank:
        """Return the bank whose results are larger by a factor; integers stay integers where they can."""
        largest = int(np.abs(self.weights).max()) * self.weights.size if self.integer else 2**53
        top, bottom = (Fraction(factor) / self.divisor).as_integer_ratio()
        if largest * top < 2**53 and bottom < 2**53:
            return self._replace(weights=self.weights * top, divisor=bottom)
        return self._replace(weights=self.weights * (top / bottom), divisor=1)


def make_bank(kernel: Kernel, channels: str, count: int, flip: bool) -> Bank:
    """Bring a kernel into the engine's form.

    Parameters
    ----------
    kernel : Kernel
        Any axes.
    channels : {"each", "sum", "mean"}
        What is done with the colour channels by a kernel that has no channel axis.
    count : int
        Colour channels of the picture.
    flip : bool
        Turn rows, columns and frames first.

    Raises
    ------
    ShapeError
        If its channels are not as many as the picture's.
    """
    own = "channel" in kernel.axes
    weights, divisor = _common_divisor(kernel)
    # Give every kernel the same six axes.
    absent = [axis for axis in ("output", "channel", "frame", "row", "column") if axis not in kernel.axes]
    order = ["output", "part", "channel", "frame", "row", "column"]
    present = ["part", *kernel.axes]
    weights = weights.transpose([present.index(axis) for axis in order if axis in present])
    weights = np.expand_dims(weights, [order.index(axis) for axis in absent])
    if flip:
        weights = np.flip(weights, (3, 4, 5))
    if own and weights.shape[2] != count:
        raise ShapeError(
            f"kernel '{kernel.name}' is for {weights.shape[2]} channels and the picture has {count}: "
            "take a picture or a kernel with as many"
        )
    if channels != "each":
        weights = np.repeat(weights, count, axis=2)
    if channels == "mean":
        if weights.dtype.kind == "i":
            divisor *= count
        else:
            weights = weights / count
    return Bank(weights, divisor, own or channels != "each")


def _common_divisor(kernel: Kernel) -> tuple[np.ndarray, int]:
    """All parts stacked, as integers over their divisors' least common multiple where that is exact."""
    parts = kernel.arrays()
    if kernel.is_integer:
        common = math.lcm(*(int(divisor) for divisor in kernel.divisors))
        factors = [common // int(divisor) for divisor in kernel.divisors]
        largest = max(
            int(np.abs(part).max()) * abs(factor) for part, factor in zip(parts, factors, strict=True)
        )
        if largest * parts[0].size < 2**53 and common < 2**53:
            return np.stack([part * factor for part, factor in zip(parts, factors, strict=True)]), common
    return np.stack([part / divisor for part, divisor in zip(parts, kernel.divisors, strict=True)]), 1
