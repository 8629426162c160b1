"""Which way a correlation is computed: decided once, by cost, from shape, type and kernel.

The grid of blocks and the order of summation follow from shape, type and kernel alone, never from the number
of threads, so that results do not depend on it. Costs are nanoseconds a sample and thread, measured on blocks
of a 12-megapixel image; only their ratios matter. `benchmarks` forces each strategy in turn and shows whether
the choice is right.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from convfilter.convolution.fourier import Fourier, tile_sides, transform_type
from convfilter.convolution.matmul import BAND_ROWS, Banded
from convfilter.convolution.separable import (
    FIRST_ROWS,
    SECOND_COLUMNS,
    Crossed,
    Separable,
    factors_of,
    pass_kind,
)
from convfilter.convolution.shifted import ShiftedSums, compiled
from convfilter.convolution.window import WindowSum
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
# Planning costs milliseconds, as much as filtering a small image. Of kernels with more bytes than these a
# plan is not remembered: it would hold on to memory, and they take longer anyway.
_REMEMBERED = 1 << 16
# Rows are cut before columns, down to this many times the kernel: flat runs are long then.
_ROWS = 4
# One weight of a window in `numpy.einsum`, and one elementwise pass over a block, by type.
_TAP = {"i2": 0.047, "u2": 0.047, "i4": 0.11, "i8": 0.25, "f4": 0.10, "f8": 0.20}
_PASS = {"i2": 0.04, "u2": 0.04, "i4": 0.08, "i8": 0.16, "f4": 0.08, "f8": 0.16}
# Work memories, each as large as a block, that the cache has room for.
_FEW = 3
# One weight in a matrix product, zeros of its band counted.
_PRODUCT = {"f4": 0.026, "f8": 0.052}
# What a product costs besides: BLAS clears what it adds to, and packs what it multiplies.
_CLEARED = 0.22
# Rows and columns changing places and back.
_CROSSING = {"f4": 0.6, "f8": 1.0}
# A transform of a tile, there or back; samples into channels one after the other and together again.
_TRANSFORM = {"f4": 2.8, "f8": 4.0}
_PLANAR = {"f4": 1.2, "f8": 1.7}
# What a call costs, divided by the samples of a block.
_CALL = 0.01

Direct: TypeAlias = WindowSum | ShiftedSums | Banded | Separable | Crossed
"""A strategy that sums a block for one kernel."""


class Plan(NamedTuple):
    """How a correlation is computed."""

    axes: tuple[Axis, ...]  # one for each axis of the kernels
    idle: tuple[int, ...]  # axes of one sample and one weight, which strategies need not see
    carried: int  # samples at each position that are carried along
    dtype: np.dtype[Any]  # of the sums
    block: tuple[int, ...]  # outputs of a block along each axis
    direct: tuple[Direct, ...]  # what sums a block, for each kernel; empty with `fourier`
    fourier: Fourier | None  # what sums tiles for all kernels at once
    costs: dict[str, float]  # estimated for each strategy, for all kernels together
    loose: tuple[np.ndarray, ...] = ()  # the kernels, where samples may be nan or infinite

    @property
    def limit(self) -> float:
        """The magnitude of samples at which sums may leave the type."""
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
        """Estimated bytes of a thread's workspace: blocks, sums and, as measured, what is between them."""
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
    """Decide how kernels of one shape are correlated with an array in a work type.

    `bound` is the largest magnitude of a sum, infinite where samples may be nan or infinite: then a sample
    must touch only the outputs whose window it is in, and count only under weights that are not zero.
    `tolerance` is the largest error of sums of floats; an integer work type must hold every sum. `strategy`
    is taken where it is possible, instead of the cheapest. The last plans are remembered: a folder needs few.
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
    """`make_plan`, not remembered."""
    finite = math.isfinite(bound)
    idle = _idle(axes)
    core = tuple(axis for number, axis in enumerate(axes) if number not in idle)
    loose = () if finite or kind.kind != "f" else tuple(kernels)
    kernels = [kernel.reshape([axis.kernel for axis in core]) for kernel in kernels]
    costs = [_direct_costs(each, core, kind, finite=finite) for each in kernels]
    best = [strategy if strategy in cost else min(cost, key=cost.__getitem__) for cost in costs]
    total = sum(cost[name] for cost, name in zip(costs, best, strict=True))
    estimated = {
        name: sum(cost[name] for cost in costs) for name in costs[0] if all(name in cost for cost in costs)
    }
    # Integers are distinguished by less than one half.
    narrow = transform_type(bound, 0.25 if kind.kind in "iu" else tolerance)
    sides = tile_sides(axes)
    if narrow is not None and carried * math.prod(sides) * narrow.itemsize <= _LARGEST:
        estimated[Fourier.name] = _fourier_cost(axes, sides, len(kernels), narrow)
        if strategy == Fourier.name or (strategy is None and estimated[Fourier.name] < total):
            kernels = [kernel.reshape([axis.kernel for axis in axes]) for kernel in kernels]
            fourier = Fourier(kernels, axes, sides, narrow, kind)
            block = tuple(
                min(axis.output, (side - axis.reach) // axis.stride + 1)
                for side, axis in zip(sides, axes, strict=True)
            )
            return Plan(axes, idle, carried, kind, block, (), fourier, estimated)
    direct = tuple(_direct(name, each, core, kind, finite) for name, each in zip(best, kernels, strict=True))
    limit = _BANDED_BLOCK if Banded.name in best else _BLOCK // min(len(kernels), 2)
    block = _block(axes, carried * kind.itemsize, limit)
    return Plan(axes, idle, carried, kind, block, direct, None, estimated, loose)


def _idle(axes: Sequence[Axis]) -> tuple[int, ...]:
    """The numbers of axes that change nothing, of one sample and one weight; one axis is always left."""
    idle = [
        number for number, axis in enumerate(axes) if axis.kernel == axis.size + axis.before + axis.after == 1
    ]
    return tuple(idle[: len(axes) - 1])


def _direct(
    name: str, kernel: np.ndarray, axes: Sequence[Axis], dtype: np.dtype[Any], finite: bool
) -> Direct:
    # Factors come from the weights as they are: rounded to the work type they may have a higher rank.
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
    """Return the narrowest integer type of 16 to 64 bits that holds magnitudes up to a bound, if one does."""
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


def _direct_costs(
    weights: np.ndarray, axes: Sequence[Axis], dtype: np.dtype[Any], *, finite: bool
) -> dict[str, float]:
    """Return the cost of an output sample for each strategy that can correlate with a kernel directly.

    Unless the samples are known to be `finite`, the zeros of a band would spread nan and infinity.
    """
    kind = dtype.str[1:]
    tap, once = _TAP.get(kind, _TAP["f8"]), _PASS.get(kind, _PASS["f8"])
    # What a stride leaves out the window leaves out but along the last axis, and bands along the first.
    dense = math.prod(axis.stride for axis in axes)
    costs = {"window": (weights.size * tap + _CALL) * axes[-1].stride}
    program = compiled(weights.astype(dtype))
    if program is not None:
        # Many sums at a time fall out of the cache.
        crowded = 2 if program.buffers > _FEW else 1
        costs["shifted"] = len(program) * (once * crowded + _CALL) * dense
    if finite and kind in _PRODUCT and len(axes) > 1:
        columns = weights.size // len(weights)
        product = _band_cost(axes[0], kind) + once
        costs["banded"] = columns * product * dense / axes[0].stride
    factors = factors_of(weights)
    several = sum(axis.kernel > 1 for axis in axes) > 1
    if factors is not None and several:
        costs["separable"] = dense * sum(
            _pass_cost(factor, axis, dtype, bands=finite and number == 0)
            for number, (factor, axis) in enumerate(zip(factors, axes, strict=True))
            if len(factor) > 1
        )
    if factors is not None and several and finite and kind in _PRODUCT and len(axes) == 2:
        costs["crossed"] = dense * _crossed_cost(axes, kind)
    return costs


def _fourier_cost(axes: Sequence[Axis], sides: Sequence[int], kernels: int, dtype: np.dtype[Any]) -> float:
    """Return the cost of an output sample of tiles in frequencies, for that many kernels at once."""
    kind = dtype.str[1:]
    transforms = 1 + kernels
    waste = math.prod(side / (side - axis.reach + 1) for side, axis in zip(sides, axes, strict=True))
    strides = math.prod(axis.stride for axis in axes)
    return (transforms * _TRANSFORM[kind] + kernels * _PLANAR[kind]) * waste * strides


def _band_cost(axis: Axis, kind: str) -> float:
    """The cost of one product with a band."""
    return _PRODUCT[kind] * ((BAND_ROWS - 1) * axis.stride + axis.reach) + _CLEARED


def _crossed_cost(axes: Sequence[Axis], kind: str) -> float:
    """The cost of two passes in matrix products between which rows and columns change places, and back."""
    depths = [rows + axis.reach - 1 for rows, axis in zip((FIRST_ROWS, SECOND_COLUMNS), axes, strict=True)]
    return _PRODUCT[kind] * sum(depths) + _CROSSING[kind]


def _pass_cost(factor: np.ndarray, axis: Axis, dtype: np.dtype[Any], *, bands: bool) -> float:
    """The cost of one pass of a separable kernel."""
    kind = dtype.str[1:]
    tap, once = _TAP.get(kind, _TAP["f8"]), _PASS.get(kind, _PASS["f8"])
    way = pass_kind(factor, dtype, bands=bands)
    if way == "shifted":
        program = compiled(factor)
        return (len(program) if program else 0) * (once + _CALL)
    return _band_cost(axis, kind) if way == "banded" else len(factor) * tap + _CALL
