"""Running plans block by block, on several threads."""

from __future__ import annotations

import contextlib
import os
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import numpy as np

from convfilter.convolution.borders import ArraySource
from convfilter.convolution.plan import Plan, exact_type, make_plan
from convfilter.errors import OptionError, brief
from convfilter.geometry import Axis
from convfilter.options import environment_threads

if TYPE_CHECKING:
    from concurrent.futures import Future

_Task = TypeVar("_Task")
_Result = TypeVar("_Result")

# Elements of numpy's buffer, 8192 by default. numpy copies rows shorter than a third of it, which takes three
# times as long as the arithmetic on them.
_BUFFER = 1024

Read: TypeAlias = Callable[[Sequence[int], np.ndarray], None]
"""Fills a block of shape (B1, ..., Bd, carried) that starts at a position of each kernel axis."""

Finish: TypeAlias = Callable[[list[np.ndarray], tuple[slice, ...]], None]
"""Takes one array of sums for each kernel, of shape (o1, ..., od, carried), and where they belong."""


def run(
    plan: Plan,
    read: Read,
    finish: Finish,
    threads: int | None = None,
    regions: Sequence[tuple[slice, ...]] | None = None,
) -> None:
    """Compute every block of a plan, or the `regions` among them.

    `read` and `finish` are called by several threads at once.
    """

    def begin() -> Callable[[tuple[slice, ...]], None]:
        block, calls, outputs = plan.prepare()

        def total() -> list[np.ndarray]:
            sums, spoilt = outputs, None
            if plan.loose and not (block.min() > -plan.limit and block.max() < plan.limit):
                finite = np.isfinite(block)
                spoilt = None if finite.all() else block.copy()
                block[~finite] = 0
                if not np.abs(block).max() < plan.limit:  # summed in double precision
                    sums = [_sums_of(plan.axes, np.float64, block, kernel) for kernel in plan.loose]
            if sums is outputs:
                for call in calls:
                    call()
            if spoilt is not None:
                for kernel, each in zip(plan.loose, sums, strict=True):
                    count = partial(_sums_of, plan.axes, exact_type(kernel.size))
                    mark_infinite(each, spoilt, kernel, count)
            return sums

        def compute(where: tuple[slice, ...]) -> None:
            read(plan.starts(where), block)
            # Blocks are of one size; what they hold past the last output is not wanted.
            wanted = tuple(slice(part.stop - part.start) for part in where)
            finish([each[wanted] for each in total()], where)

        return compute

    share_out(list(plan.regions()) if regions is None else regions, begin, threads)


def run_whole(plan: Plan, read: Read, dtype: Any, threads: int | None = None) -> np.ndarray:
    """Return all sums of a plan's first kernel, with the carried samples as the last axis."""
    result = np.empty((*(axis.output for axis in plan.axes), plan.carried), dtype)

    def store(sums: list[np.ndarray], where: tuple[slice, ...]) -> None:
        result[where] = sums[0]

    run(plan, read, store, threads)
    return result


def share_out(
    tasks: Sequence[_Task], begin: Callable[[], Callable[[_Task], _Result]], threads: int | None = None
) -> list[_Result]:
    """Do tasks, started in their order, on several threads; each calls `begin` once for what does them."""
    queue = deque(enumerate(tasks))
    results: dict[int, _Result] = {}

    def work_off() -> None:
        try:
            # Samples that are not finite follow the rules of arithmetic, without warnings.
            with np.errstate(all="ignore"):
                np.setbufsize(_BUFFER)  # `errstate` restores it
                work = begin()
                while True:
                    try:
                        number, task = queue.popleft()
                    except IndexError:
                        return
                    results[number] = work(task)
        finally:
            queue.clear()  # after an error in one thread the others stop too

    count = min(available_threads(threads), len(tasks))
    if count <= 1:
        work_off()
        return [*results.values()]  # in the order of the tasks, as below
    from concurrent.futures import ThreadPoolExecutor  # costs milliseconds, which small images need not pay

    with ThreadPoolExecutor(count - 1) as pool:
        others: list[Future[None]] = []
        with contextlib.suppress(RuntimeError):  # the system lets no further thread start
            others += (pool.submit(work_off) for _ in range(count - 1))
        work_off()
        for other in others:
            other.result()
    return [results[number] for number in range(len(tasks))]


def available_threads(threads: int | None = None) -> int:
    """Return how many threads to use: by default the environment's number, or every core there is."""
    if threads is None:
        threads = environment_threads()
    if threads is None:
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if isinstance(threads, bool) or not isinstance(threads, int | np.integer) or threads < 1:
        raise OptionError(f"threads={brief(threads)}: use a whole number, at least 1")
    return int(threads)


def mark_infinite(
    sums: np.ndarray,
    samples: np.ndarray,
    weights: np.ndarray,
    correlate: Callable[[np.ndarray, np.ndarray], np.ndarray],
) -> None:
    """Put nan and infinity into sums that were made with zeros in place of samples that are not finite.

    `correlate` counts: it makes the same sums of -1, 0 and 1.
    """
    touched = (weights != 0).astype(np.int8)
    undefined = correlate(np.isnan(samples).astype(np.int8), touched) > 0
    if (infinite := np.isinf(samples)).any():
        terms = correlate(infinite.astype(np.int8), touched)
        signs = (np.sign(np.where(infinite, samples, 0)), np.where(np.isnan(weights), 0, np.sign(weights)))
        surplus = correlate(*(each.astype(np.int8) for each in signs))
        up, down = terms + surplus > 0, terms - surplus > 0
        sums[up], sums[down] = np.inf, -np.inf
        undefined |= up & down
    sums[undefined] = np.nan


def _sums_of(axes: Sequence[Axis], dtype: Any, block: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Correlate all of a block of finite samples."""
    inside = zip(axes, block.shape, strict=False)
    axes = [axis._replace(size=size, before=0, after=0) for axis, size in inside]
    plan = make_plan(axes, [kernel], block.shape[-1], dtype)._replace(loose=())
    return run_whole(plan, ArraySource(block, "zero", 0), plan.dtype, 1)
