"""How a correlation is computed: decided once, by cost, from shape, type and kernel.

The grid of blocks and the order of summation follow from shape, type and kernel alone, never from the number
of threads, so that results do not depend on it; only blocks of exact sums are smaller for one thread. Costs
are nanoseconds a sample and thread, measured on blocks of a 12-megapixel image; only their ratios matter.
`benchmarks` forces each strategy in turn and shows whether the choice is right.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from convfilter.convolution.fourier import Fourier
from convfilter.convolution.separable import Crossed, Separable, factors_of
from convfilter.convolution.shifted import ShiftedSums, shifted_sums
from convfilter.convolution.window import Banded, Call, Scratch, WindowSum
from convfilter.errors import ShapeError
from convfilter.geometry import Axis

_Direct: TypeAlias = WindowSum | ShiftedSums | Banded | Separable | Crossed
"""A strategy that sums a block for one kernel."""

# Bytes of a block: enough that numpy's work on it outweighs the cost of its calls and of handing the
# interpreter lock from thread to thread. With 768 KiB, which the second-level cache holds, two threads take
# half as long again, but one thread takes 0.64 to 0.95 of the time.
_BLOCK = 2 * 1024 * 1024
_ALONE = 3 / 8  # of it, for one thread
# A block larger than this is refused; the border of a kernel that is spread far out can be.
_LARGEST = 2**31
# Planning costs milliseconds, as much as filtering a small image. Of kernels with more bytes than these a
# plan is not remembered: it would hold on to memory, and they take longer anyway.
_REMEMBERED = 1 << 16
# Rows are cut before columns, down to this many times the kernel: flat runs are long then.
_ROWS = 4


class Plan(NamedTuple):
    """How a correlation is computed."""

    axes: tuple[Axis, ...]  # one for each axis of the kernels
    carried: int  # samples at each position that are carried along
    dtype: np.dtype[Any]  # of the sums
    work: np.dtype[Any]  # of the blocks
    block: tuple[int, ...]  # outputs of a block along each axis
    ways: tuple[_Direct | Fourier, ...]  # a strategy for each kernel, or `Fourier` for all
    costs: dict[str, float]  # estimated for each strategy, for all kernels together
    kernels: int  # how many share the blocks
    loose: tuple[np.ndarray, ...] = ()  # the kernels, where samples may be nan or infinite

    @property
    def strategy(self) -> str:
        """The name of the strategy; several where parts of a kernel differ."""
        return ", ".join(dict.fromkeys(each.name for each in self.ways))

    @property
    def details(self) -> str:
        """What the strategy does with a block, in words; once for parts that are treated alike."""
        return "; ".join(dict.fromkeys(map(str, self.ways)))

    @property
    def blocks(self) -> int:
        """How many blocks there are."""
        return math.prod(-(-axis.output // count) for axis, count in zip(self.axes, self.block, strict=True))

    @property
    def block_shape(self) -> tuple[int, ...]:
        """Samples of a block with its border, the carried ones last."""
        return (*_sides(self.axes, self.block), self.carried)

    @property
    def memory(self) -> int:
        """Estimated bytes of a thread: blocks, sums and, as measured, what is between them."""
        block = math.prod(self.block_shape) * self.work.itemsize
        if self.strategy == Fourier.name:
            return block * (4 + self.kernels)
        return block * self.kernels * (4 if any(axis.kernel > 1 for axis in self.axes) else 2)

    @property
    def limit(self) -> float:
        """The magnitude of samples at which sums may leave the type."""
        largest = max(max(float(np.abs(each).sum()), each.size) for each in self.loose)
        return float(np.finfo(self.dtype).max) / (2 * max(largest, 1.0))

    def regions(self) -> Iterator[tuple[slice, ...]]:
        """Yield the outputs of each block, as one slice for each axis."""
        yield from itertools.product(
            *(
                [slice(start, min(start + count, axis.output)) for start in range(0, axis.output, count)]
                for axis, count in zip(self.axes, self.block, strict=True)
            )
        )

    def starts(self, where: Sequence[slice]) -> list[int]:
        """Return the position of a region's first sample along each axis."""
        return [part.start * axis.stride - axis.before for part, axis in zip(where, self.axes, strict=True)]

    def prepare(self) -> tuple[np.ndarray, list[Call], list[np.ndarray]]:
        """Return memory for a block with its border, the calls that sum it, and views of the sums then."""
        shape, first = self.block_shape, self.ways[0]
        if isinstance(first, Fourier):
            block, calls, outcomes = first.prepare(shape, self.block)
        else:
            block = np.empty(shape, self.work)
            idle = _idle(self.axes)
            core = block.squeeze(idle)
            outputs = [count for number, count in enumerate(self.block) if number not in idle]
            scratch: Scratch = defaultdict(lambda: np.empty(block.size, self.work))
            direct = [each for each in self.ways if not isinstance(each, Fourier)]
            prepared = [each.prepare(core, outputs, scratch) for each in direct]
            calls = [call for own, _ in prepared for call in own]
            outcomes = [np.expand_dims(sums, idle) for _, sums in prepared]
        if self.work != self.dtype:
            floats, outcomes = outcomes, [np.empty_like(each, self.dtype) for each in outcomes]
            calls += [
                partial(np.copyto, *pair, casting="unsafe") for pair in zip(outcomes, floats, strict=True)
            ]
        return block, calls, outcomes


def make_plan(
    axes: Sequence[Axis],
    kernels: Sequence[np.ndarray],
    carried: int,
    dtype: Any,
    *,
    bound: float = math.inf,
    tolerance: float = 0.0,
    strategy: str | None = None,
    alone: bool = False,
) -> Plan:
    """Decide how kernels of one shape are correlated with an array in a work type.

    `bound` is the largest magnitude of a sum, infinite where samples may be nan or infinite: then a sample
    must touch only the outputs whose window it is in, and count only under weights that are not zero.
    `tolerance` is the largest error of sums of floats; an integer work type must hold every sum. `strategy`
    is taken where it is possible, instead of the cheapest; ``direct`` excludes `Fourier` only. `alone` says
    that one thread runs the plan. The last plans are remembered: a folder needs few.
    """
    weights = tuple((kernel.tobytes(), kernel.shape, kernel.dtype) for kernel in kernels)
    few = sum(kernel.nbytes for kernel in kernels) <= _REMEMBERED
    decide = _decided if few else _decided.__wrapped__
    return decide(tuple(axes), weights, carried, np.dtype(dtype), bound, tolerance, strategy, alone)


@functools.lru_cache(16)
def _decided(
    axes: tuple[Axis, ...],
    weights: tuple[tuple[bytes, tuple[int, ...], np.dtype[Any]], ...],
    carried: int,
    dtype: np.dtype[Any],
    bound: float,
    tolerance: float,
    strategy: str | None,
    alone: bool,
) -> Plan:
    """`make_plan`, of arguments that can be compared."""
    kernels = [np.frombuffer(data, kind).reshape(shape) for data, shape, kind in weights]
    finite = math.isfinite(bound)
    # Whole numbers that float32 holds are exact in it, and products of matrices are for floats.
    narrow = dtype.kind in "iu" and dtype.itemsize > 2 and bound < 2**24
    work = np.dtype(np.float32) if narrow else dtype
    idle = _idle(axes)
    core = [axis for number, axis in enumerate(axes) if number not in idle]
    ways: list[dict[str, _Direct]] = []
    for kernel in kernels:
        found = _suitable(kernel.squeeze(idle), core, work, finite=finite)
        ways.append({each.name: each for each in found if each is not None})
    costs = {
        name: sum(each[name].cost for each in ways) for name in ways[0] if all(name in each for each in ways)
    }
    best = tuple(
        each[strategy] if strategy in each else min(each.values(), key=lambda way: way.cost) for each in ways
    )
    fourier = Fourier.of(kernels, axes, dtype, bound, tolerance)
    if fourier is not None and carried * math.prod(fourier.sides) * fourier.dtype.itemsize <= _LARGEST:
        costs[Fourier.name] = fourier.cost
        cheapest = fourier.cost < sum(each.cost for each in best)
        if strategy == Fourier.name or (strategy is None and cheapest):
            return Plan(axes, carried, dtype, fourier.dtype, fourier.outputs, (fourier,), costs, len(kernels))
    limit = _BLOCK // min(len(kernels), 2)
    if alone and dtype.kind in "iu":
        limit = int(limit * _ALONE)
    if any(isinstance(way, Crossed) for way in best):  # few calls, and borders as long as the kernel
        limit *= 2
    block = _block(axes, carried * work.itemsize, limit)
    loose = tuple(kernels) if dtype.kind == "f" and not finite else ()
    return Plan(axes, carried, dtype, work, block, best, costs, len(kernels), loose)


def _suitable(
    kernel: np.ndarray, axes: Sequence[Axis], dtype: np.dtype[Any], *, finite: bool
) -> Iterator[_Direct | None]:
    """Yield the strategies that a kernel can be summed by; None for one that cannot.

    Matrix products are for floats, and finite ones: the zeros of a band would spread nan and infinity.
    """
    weights, products = np.ascontiguousarray(kernel, dtype), finite and dtype.kind == "f"
    yield WindowSum(weights, axes)
    yield shifted_sums(weights, axes)
    if products and len(axes) > 1 and kernel.any():
        yield Banded(weights, axes)
    # Factors come from the weights as they are: rounded to the work type they may have a higher rank.
    found = factors_of(kernel) if sum(axis.kernel > 1 for axis in axes) > 1 else None
    if found is not None:
        factors = [np.ascontiguousarray(factor, dtype) for factor in found]
        yield Separable(factors, axes)
        if products and len(axes) == 2:
            yield Crossed(factors, axes)


def _idle(axes: Sequence[Axis]) -> tuple[int, ...]:
    """The numbers of axes of one sample and one weight, which strategies need not see; one axis is left."""
    idle = [
        number for number, axis in enumerate(axes) if axis.kernel == axis.size + axis.before + axis.after == 1
    ]
    return tuple(idle[: len(axes) - 1])


def _sides(axes: Sequence[Axis], outputs: Sequence[int]) -> list[int]:
    return [axis.span(count) for count, axis in zip(outputs, axes, strict=True)]


def exact_type(bound: int, *, negative: bool = True) -> np.dtype[Any] | None:
    """Return the narrowest integer type of 16 to 64 bits that holds magnitudes up to a bound, if one does."""
    for kind in (np.int16, np.int32, np.int64) if negative else (np.int16, np.uint16, np.int32, np.int64):
        if bound <= np.iinfo(kind).max:
            return np.dtype(kind)
    return None


def _block(axes: Sequence[Axis], position: int, limit: int) -> tuple[int, ...]:
    """Cut the outputs until a block has at most `limit` bytes, the border that is read twice kept small."""
    block, parts = [axis.output for axis in axes], [1] * len(axes)

    def size() -> int:
        return position * math.prod(_sides(axes, block))

    def spread(number: int) -> float:
        times = block[number] * axes[number].stride / axes[number].reach
        return min(times, _ROWS) if number == len(block) - 1 else times

    while size() > limit:
        # Blocks smaller than the kernel's reach would be nothing but border.
        worth = [number for number in range(len(block)) if block[number] > 1 and spread(number) > 1]
        if not worth:
            break
        most = max(worth, key=spread)
        parts[most] += 1 + parts[most] // 8
        block[most] = -(-axes[most].output // parts[most])
    if size() > _LARGEST:
        raise ShapeError(
            f"a kernel that reaches over {'x'.join(str(axis.reach) for axis in axes)} samples needs "
            f"{size() / 2**30:.0f} GiB of memory for a block: use a smaller kernel or dilation"
        )
    return tuple(block)
