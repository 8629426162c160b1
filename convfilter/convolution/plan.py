"""Which way a correlation is computed: decided once, then run block by block.

The grid of blocks and the order of summation follow from shape, type and kernel alone, never from the number
of threads, so that results do not depend on it.
"""

from __future__ import annotations

import itertools
import math
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from convfilter.convolution.scratch import Scratch
from convfilter.convolution.taps import window_sum
from convfilter.errors import ConvfilterError
from convfilter.geometry import Axis

__all__ = ["Finish", "Plan", "Read", "available_threads", "exact_type", "make_plan", "run"]

Read: TypeAlias = Callable[[Sequence[int], np.ndarray], None]
"""Fills a block of shape (B1, ..., Bd, carried) that starts at the given position of each kernel axis."""

Finish: TypeAlias = Callable[[list[np.ndarray], tuple[slice, ...], Scratch], None]
"""Takes one array of sums for each kernel, of shape (o1, ..., od, carried), and where they belong."""

# Samples of a block: enough that numpy's work on it outweighs the cost of its calls and of handing the
# interpreter lock from thread to thread, few enough to stay near the cache.
_BLOCK = 768 * 1024


@dataclass(frozen=True)
class Plan:
    """How a correlation is computed.

    Attributes
    ----------
    axes : tuple of Axis
        One for each axis of the kernels.
    kernels : tuple of ndarray
        Kernels of one shape that share every block that is read, in the work type.
    carried : int
        Samples at each position that are carried along.
    dtype : numpy.dtype
        Work type: that of blocks and sums.
    block : tuple of int
        Outputs of a block along each axis.
    """

    axes: tuple[Axis, ...]
    kernels: tuple[np.ndarray, ...]
    carried: int
    dtype: np.dtype[Any]
    block: tuple[int, ...]

    @property
    def blocks(self) -> int:
        """How many blocks there are."""
        return math.prod(-(-axis.output // count) for axis, count in zip(self.axes, self.block, strict=True))

    def regions(self) -> Iterator[tuple[slice, ...]]:
        """Yield the outputs of each block, as one slice for each axis."""
        yield from itertools.product(
            *(
                [slice(start, min(start + count, axis.output)) for start in range(0, axis.output, count)]
                for axis, count in zip(self.axes, self.block, strict=True)
            )
        )


def make_plan(axes: Sequence[Axis], kernels: Sequence[np.ndarray], carried: int, dtype: Any) -> Plan:
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

    Returns
    -------
    Plan
    """
    kind = np.dtype(dtype)
    weights = tuple(np.ascontiguousarray(kernel, kind) for kernel in kernels)
    return Plan(tuple(axes), weights, carried, kind, _block(axes, carried))


def run(plan: Plan, read: Read, finish: Finish, threads: int | None = None) -> None:
    """Compute every block of a plan.

    Parameters
    ----------
    plan : Plan
        From `make_plan`.
    read : callable
        Fills blocks; called by several threads at once.
    finish : callable
        Takes the sums; called by several threads at once, for disjoint regions.
    threads : int, optional
        As in `available_threads`.
    """
    blocks = iter(list(plan.regions()))

    def work() -> None:
        scratch = Scratch()
        try:
            for where in blocks:
                _compute(plan, where, read, finish, scratch)
        finally:
            for _ in blocks:  # after an error in one thread the others stop too
                pass

    count = min(available_threads(threads), plan.blocks)
    if count == 1:
        work()
        return
    from concurrent.futures import ThreadPoolExecutor  # costs milliseconds that small pictures need not pay

    with ThreadPoolExecutor(count - 1) as pool:
        others = [pool.submit(work) for _ in range(count - 1)]
        work()
        for other in others:
            other.result()


def exact_type(bound: int) -> np.dtype[Any] | None:
    """Return the narrowest signed integer type of 16 to 64 bits that holds ``-bound..bound``, if one does."""
    for kind in (np.int16, np.int32, np.int64):
        if bound <= np.iinfo(kind).max:
            return np.dtype(kind)
    return None


def available_threads(threads: int | None = None) -> int:
    """Return how many threads to use.

    Parameters
    ----------
    threads : int, optional
        None is the environment's ``CONVFILTER_THREADS``, or every core that the process may use.

    Raises
    ------
    ConvfilterError
        If a number below 1 is asked for.
    """
    if threads is None:
        text = os.environ.get("CONVFILTER_THREADS", "").strip()
        if not text:
            return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        try:
            threads = int(text)
        except ValueError:
            raise ConvfilterError(
                f"CONVFILTER_THREADS is {text!r}: give a whole number, at least 1"
            ) from None
    if isinstance(threads, bool) or not isinstance(threads, int | np.integer) or threads < 1:
        raise ConvfilterError(f"threads={threads!r}: give a whole number, at least 1")
    return int(threads)


def _block(axes: Sequence[Axis], carried: int) -> tuple[int, ...]:
    """Cut the outputs, the axis that loses least by it first, until a block has about `_BLOCK` samples."""
    block = [axis.output for axis in axes]

    def samples() -> int:
        return carried * math.prod(
            (count - 1) * axis.stride + axis.reach for count, axis in zip(block, axes, strict=True)
        )

    while samples() > _BLOCK:
        # Rows are kept whole as long as possible: flat runs are long then, and little border is read twice.
        room = [count * axis.stride / axis.reach for count, axis in zip(block[:-1], axes[:-1], strict=True)]
        most = max(range(len(room)), key=room.__getitem__, default=-1)
        if most < 0 or block[most] == 1:
            most = len(block) - 1
        if block[most] == 1:
            break
        block[most] = -(-block[most] // 2)
    return tuple(block)


def _compute(plan: Plan, where: tuple[slice, ...], read: Read, finish: Finish, scratch: Scratch) -> None:
    outputs = [part.stop - part.start for part in where]
    starts = [part.start * axis.stride - axis.before for part, axis in zip(where, plan.axes, strict=True)]
    shape = [(count - 1) * axis.stride + axis.reach for count, axis in zip(outputs, plan.axes, strict=True)]
    block = scratch.take("block", (*shape, plan.carried), plan.dtype)
    read(starts, block)
    sums = [
        window_sum(block, weights, plan.axes, outputs, scratch, ("sums", number))
        for number, weights in enumerate(plan.kernels)
    ]
    finish(sums, where, scratch)
