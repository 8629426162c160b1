"""Which way a correlation is computed: decided once, from shape, type and kernel.

The grid of blocks and the order of summation follow from shape, type and kernel alone, never from the number
of threads, so that results do not depend on it.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from convfilter.convolution.banded import Banded
from convfilter.convolution.costs import direct_costs, fourier_cost
from convfilter.convolution.crossed import Crossed
from convfilter.convolution.fourier import Fourier, tile_sides, transform_type
from convfilter.convolution.recipes import Direct
from convfilter.convolution.separable import Separable, factors_of
from convfilter.convolution.shifted import ShiftedSums
from convfilter.convolution.taps import WindowSum
from convfilter.errors import ShapeError
from convfilter.geometry import Axis

__all__ = ["Plan", "exact_type", "make_plan"]

# Bytes of a block: enough that numpy's work on it outweighs the cost of its calls and of handing the
# interpreter lock from thread to thread, few enough to stay near the cache.
_BLOCK = 2 * 1024 * 1024
# A block larger than this is refused; the border of a kernel that is spread far out can be.
_LARGEST = 2**31
# Matrix products gain from longer ones.
_BANDED_BLOCK = 2 * _BLOCK
# Planning costs milliseconds, as much as filtering a small picture. Of kernels with more bytes than these a
# plan is not remembered: it would hold on to memory, and they take longer anyway.
_REMEMBERED = 1 << 16
# Rows are cut before columns, down to so many times the kernel: flat runs are long then.
_ROWS = 4


class Plan(NamedTuple):
    """How a correlation is computed.

    Attributes
    ----------
    axes : tuple of Axis
        One for each axis of the kernels.
    idle : tuple of int
        Numbers of the axes of one sample and one weight, which strategies need not see.
    carried : int
        Samples at each position that are carried along.
    dtype : numpy.dtype
        Type of the sums.
    block : tuple of int
        Outputs of a block along each axis.
    direct : tuple of Direct
        What sums a block for each kernel; empty with `fourier`.
    fourier : Fourier or None
        What sums tiles for all kernels at once.
    costs : dict of str to float
        What each strategy was reckoned to cost, in nanoseconds a sample, for all kernels together.
    loose : tuple of ndarray
        The kernels, where samples may be anything, nan and infinity among them; else empty.
    """

    axes: tuple[Axis, ...]
    idle: tuple[int, ...]
    carried: int
    dtype: np.dtype[Any]
    block: tuple[int, ...]
    direct: tuple[Direct, ...]
    fourier: Fourier | None
    costs: dict[str, float]
    loose: tuple[np.ndarray, ...] = ()

    @property
    def limit(self) -> float:
        """The magnitude of samples from which on sums may leave the type."""
        largest = max(max(float(np.abs(each).sum()), each.size) for each in self.loose)
        return float(np.finfo(self.dtype).max) / (2 * max(largest, 1.0))

    def widened(self) -> Plan:
        """Return a plan for the same blocks in double precision."""
        wide = make_plan(self.axes, self.loose, self.carried, np.float64)
        return wide._replace(block=self.block)

    @property
    def kernels(self) -> int:
        """How many kernels share the blocks."""
        return len(self.direct) if self.fourier is None else self.fourier.kernels

    @property
    def strategy(self) -> str:
        """The name of the strategy; several where parts of a kernel differ."""
        if self.fourier is not None:
            return self.fourier.name
        return ", ".join(dict.fromkeys(each.name for each in self.direct))

    @property
    def details(self) -> str:
        """What the strategy does with a block, in words; once for parts that are treated alike."""
        ways = self.direct if self.fourier is None else (self.fourier,)
        return "; ".join(dict.fromkeys(map(str, ways)))

    @property
    def blocks(self) -> int:
        """How many blocks there are."""
        return math.prod(-(-axis.output // count) for axis, count in zip(self.axes, self.block, strict=True))

    @property
    def memory(self) -> int:
        """Bytes that a thread works in, about: a block and, as measured, what is made of it on the way."""
        sides = [
            (count - 1) * axis.stride + axis.reach for axis, count in zip(self.axes, self.block, strict=True)
        ]
        block = self.carried * math.prod(sides) * self.dtype.itemsize
        if self.fourier is not None:
            return block * (4 + self.kernels)
        return block * self.kernels * (4 if any(axis.kernel > 1 for axis in self.axes) else 2)

    def regions(self) -> Iterator[tuple[slice, ...]]:
        """Yield the outputs of each block, as one slice for each axis."""
        yield from itertools.product(
            *(
                [slice(start, min(start + count, axis.output)) for start in range(0, axis.output, count)]
                for axis, count in zip(self.axes, self.block, strict=True)
            )
        )


def make_plan(
    axes: Sequence[Axis],
    kernels: Sequence[np.ndarray],
    carried: int,
    dtype: Any,
    *,
    bound: float = math.inf,
    tolerance: float = 0.0,
    strategy: str | None = None,
) -> Plan:
    """Decide how kernels of one shape are correlated with an array.

    Parameters
    ----------
    axes : sequence of Axis
        One for each axis of the kernels.
    kernels : sequence of ndarray
        At least one.
    carried : int
        Samples at each position that are carried along.
    dtype : data-type
        Work type; it must hold every sum exactly if it is an integer type.
    bound : float
        The largest magnitude of a sum. Infinite where samples may be anything, nan among them: then no
        strategy is taken that would let one sample touch others than those under the kernel, and a sample
        that is not finite counts only under weights that are not zero.
    tolerance : float
        What a sum of floats may be off by.
    strategy : {"window", "shifted", "banded", "separable", "crossed", "fourier"}, optional
        Take this one where it is possible, instead of the cheapest.

    Returns
    -------
    Plan

    Notes
    -----
    The last plans are remembered: a folder of pictures, or the frames of an animation, need few.
    """
    settings = (carried, np.dtype(dtype), bound, tolerance, strategy)
    if sum(kernel.nbytes for kernel in kernels) > _REMEMBERED:
        return _decided(tuple(axes), kernels, *settings)
    weights = tuple((kernel.tobytes(), kernel.shape, kernel.dtype) for kernel in kernels)
    return _known(tuple(axes), weights, *settings)


@functools.lru_cache(16)
def _known(axes: tuple[Axis, ...], weights: tuple[tuple[bytes, Any, Any], ...], *settings: Any) -> Plan:
    """Return a plan by values that can be compared."""
    kernels = [np.frombuffer(data, dtype).reshape(shape) for data, shape, dtype in weights]
    return _decided(axes, kernels, *settings)


def _decided(
    axes: tuple[Axis, ...],
    kernels: Sequence[np.ndarray],
    carried: int,
    kind: np.dtype[Any],
    bound: float,
    tolerance: float,
    strategy: str | None,
) -> Plan:
    """Decide; the parameters are those of `make_plan`."""
    finite = math.isfinite(bound)
    idle = _idle(axes)
    core = tuple(axis for number, axis in enumerate(axes) if number not in idle)
    loose = () if finite or kind.kind != "f" else tuple(kernels)
    kernels = [kernel.reshape([axis.kernel for axis in core]) for kernel in kernels]
    costs = [direct_costs(each, core, kind, finite=finite) for each in kernels]
    best = [strategy if strategy in cost else min(cost, key=cost.__getitem__) for cost in costs]
    total = sum(cost[name] for cost, name in zip(costs, best, strict=True))
    reckoned = {
        name: sum(cost[name] for cost in costs) for name in costs[0] if all(name in cost for cost in costs)
    }
    # Integers are told apart by less than one half.
    narrow = transform_type(bound, 0.25 if kind.kind in "iu" else tolerance)
    sides = tile_sides(axes)
    if narrow is not None and carried * math.prod(sides) * narrow.itemsize <= _LARGEST:
        reckoned[Fourier.name] = fourier_cost(axes, sides, len(kernels), narrow)
        if strategy == Fourier.name or (strategy is None and reckoned[Fourier.name] < total):
            kernels = [kernel.reshape([axis.kernel for axis in axes]) for kernel in kernels]
            fourier = Fourier(kernels, axes, sides, narrow, kind)
            block = tuple(
                min(axis.output, (side - axis.reach) // axis.stride + 1)
                for side, axis in zip(sides, axes, strict=True)
            )
            return Plan(axes, idle, carried, kind, block, (), fourier, reckoned)
    direct = tuple(_direct(name, each, core, kind, finite) for name, each in zip(best, kernels, strict=True))
    limit = _BANDED_BLOCK if Banded.name in best else _BLOCK // min(len(kernels), 2)
    block = _block(axes, carried * kind.itemsize, limit)
    return Plan(axes, idle, carried, kind, block, direct, None, reckoned, loose)


def _idle(axes: Sequence[Axis]) -> tuple[int, ...]:
    """The numbers of axes that change nothing, of one sample and one weight; one axis is always left."""
    idle = [
        number for number, axis in enumerate(axes) if axis.kernel == axis.size + axis.before + axis.after == 1
    ]
    return tuple(idle[: len(axes) - 1])


def _direct(
    name: str, kernel: np.ndarray, axes: Sequence[Axis], dtype: np.dtype[Any], finite: bool
) -> Direct:
    # Factors come from the weights as they are given: rounded to the work type they may have a higher rank.
    factors = factors_of(kernel) if name in (Separable.name, Crossed.name) else None
    if factors is not None:
        factors = [np.ascontiguousarray(factor, dtype) for factor in factors]
        return Crossed(factors, axes) if name == Crossed.name else Separable(factors, axes, finite=finite)
    weights = np.ascontiguousarray(kernel, dtype)
    ways: dict[str, type[WindowSum | ShiftedSums | Banded]] = {
        each.name: each for each in (ShiftedSums, Banded)
    }
    return ways.get(name, WindowSum)(weights, axes)


def exact_type(bound: int, *, negative: bool = True) -> np.dtype[Any] | None:
    """Return the narrowest integer type of 16 to 64 bits that holds every sum, if one does.

    Parameters
    ----------
    bound : int
        The largest magnitude of samples, weights and sums.
    negative : bool
        Whether any of them may be negative.

    Returns
    -------
    numpy.dtype or None
    """
    for kind in (np.int16, np.int32, np.int64) if negative else (np.int16, np.uint16, np.int32, np.int64):
        if bound <= np.iinfo(kind).max:
            return np.dtype(kind)
    return None


def _block(axes: Sequence[Axis], position: int, limit: int) -> tuple[int, ...]:
    """Cut the outputs until a block has at most `limit` bytes, the border that is read twice kept small."""
    block = [axis.output for axis in axes]

    def size() -> int:
        return position * math.prod(
            (count - 1) * axis.stride + axis.reach for count, axis in zip(block, axes, strict=True)
        )

    def room(number: int) -> float:
        spread = block[number] * axes[number].stride / axes[number].reach
        return min(spread, _ROWS) if number == len(block) - 1 else spread

    while size() > limit:
        # Blocks smaller than the kernel's reach would be nothing but border.
        worth = [number for number in range(len(block)) if block[number] > 1 and room(number) > 1]
        if not worth:
            break
        most = max(worth, key=room)
        block[most] = -(-block[most] // 2)
    if size() > _LARGEST:
        raise ShapeError(
            f"a kernel that reaches over {'x'.join(str(axis.reach) for axis in axes)} samples needs "
            f"{size() / 2**30:.0f} GiB of memory for a block: take a smaller kernel or dilation"
        )
    return tuple(block)
