"""Plans run block by block, on several threads."""

from __future__ import annotations

import contextlib
import os
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, TypeAlias, TypeVar

import numpy as np

from convfilter.convolution.borders import ArraySource
from convfilter.convolution.plan import Plan, make_plan
from convfilter.errors import OptionError
from convfilter.geometry import Axis
from convfilter.messages import brief
from convfilter.options import environment_threads

if TYPE_CHECKING:
    from concurrent.futures import Future

__all__ = ["Finish", "Read", "available_threads", "mark_infinite", "run", "share_out"]

_Task = TypeVar("_Task")

Read: TypeAlias = Callable[[Sequence[int], np.ndarray], None]
"""Fills a block of shape (B1, ..., Bd, carried) that starts at a position of each kernel axis."""

Finish: TypeAlias = Callable[[list[np.ndarray], tuple[slice, ...]], None]
"""Takes one array of sums for each kernel, of shape (o1, ..., od, carried), and where they belong."""


def run(plan: Plan, read: Read, finish: Finish, threads: int | None = None) -> None:
    """Compute every block of a plan; `read` and `finish` are called by several threads at once."""

    def begin() -> Callable[[tuple[slice, ...]], None]:
        block, calls, outputs = plan.prepare()

        def compute(where: tuple[slice, ...]) -> None:
            read(plan.starts(where), block)
            if plan.loose and not (block.min() > -plan.limit and block.max() < plan.limit):
                sums = _careful_sums(plan, block)
            else:
                sums = outputs
                for call in calls:
                    call()
            # Blocks are of one size; what they hold past the last output is not wanted.
            wanted = tuple(slice(part.stop - part.start) for part in where)
            finish([each[wanted] for each in sums], where)

        return compute

    share_out(list(plan.regions()), begin, threads)


def share_out(
    tasks: Sequence[_Task], begin: Callable[[], Callable[[_Task], object]], threads: int | None = None
) -> None:
    """Do tasks, started in their order, on several threads; each calls `begin` once for what does them."""
    queue = deque(tasks)

    def work_off() -> None:
        try:
            # Samples that are not finite follow the rules of arithmetic, without warnings.
            with np.errstate(all="ignore"):
                work = begin()
                while True:
                    try:
                        task = queue.popleft()
                    except IndexError:
                        return
                    work(task)
        finally:
            queue.clear()  # after an error in one thread the others stop too

    count = min(available_threads(threads), len(tasks))
    if count <= 1:
        work_off()
        return
    from concurrent.futures import ThreadPoolExecutor  # costs milliseconds, which small images need not pay

    with ThreadPoolExecutor(count - 1) as pool:
        others: list[Future[None]] = []
        with contextlib.suppress(RuntimeError):  # the system lets no further thread start
            others += (pool.submit(work_off) for _ in range(count - 1))
        work_off()
        for other in others:
            other.result()


def available_threads(threads: int | None = None) -> int:
    """Return how many threads to use: by default the environment's number, or every core there is."""
    if threads is None:
        threads = environment_threads()
    if threads is None:
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if isinstance(threads, bool) or not isinstance(threads, int | np.integer) or threads < 1:
        raise OptionError(f"threads={brief(threads)}: give a whole number, at least 1")
    return int(threads)


def _careful_sums(plan: Plan, block: np.ndarray) -> list[np.ndarray]:
    """The sums of a block with samples that are not finite, or so large that sums may overflow."""
    finite = np.isfinite(block)
    values = np.where(finite, block, 0)
    # What may overflow single precision is summed in double.
    kind = plan.dtype if np.abs(values).max() < plan.limit else np.dtype(np.float64)
    sums = []
    for kernel in plan.loose:
        sums.append(_sums_of(values.astype(kind, copy=False), kernel, plan.axes))
        if not finite.all():
            mark_infinite(sums[-1], block, kernel, partial(_sums_of, axes=plan.axes))
    return sums


def mark_infinite(
    sums: np.ndarray,
    samples: np.ndarray,
    weights: np.ndarray,
    correlate: Callable[[np.ndarray, np.ndarray], np.ndarray],
) -> None:
    """Put nan and infinity into sums that were made with zeros in place of samples that are not finite.

    `correlate` makes exact sums of small integers as those sums were made; nan counts for both infinities.
    """
    rising, falling = (
        (np.isnan(samples) | (samples == infinity)).astype(np.int32) for infinity in (np.inf, -np.inf)
    )
    signs = (weights > 0).astype(np.int32) - (weights < 0)
    terms = correlate(rising + falling, (weights != 0).astype(np.int32))
    surplus = correlate(rising - falling, signs)
    up, down = terms + surplus > 0, terms - surplus > 0
    sums[up], sums[down] = np.inf, -np.inf
    sums[up & down] = np.nan


def _sums_of(values: np.ndarray, kernel: np.ndarray, axes: Sequence[Axis]) -> np.ndarray:
    """Correlate all of a block of finite samples, in their type."""
    axes = [
        axis._replace(size=size, before=0, after=0) for axis, size in zip(axes, values.shape, strict=False)
    ]
    plan = make_plan(axes, [kernel], values.shape[-1], values.dtype)._replace(loose=())
    sums = np.empty((*(axis.output for axis in axes), values.shape[-1]), values.dtype)

    def store(made: list[np.ndarray], where: tuple[slice, ...]) -> None:
        sums[where] = made[0]

    run(plan, ArraySource(values, "zero", 0), store, 1)
    return sums
