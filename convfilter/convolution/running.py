"""A plan run block by block, on as many threads as there are blocks and cores."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, TypeAlias, TypeVar

import numpy as np

from convfilter.convolution.borders import ArraySource
from convfilter.convolution.plan import Plan, exact_type, make_plan
from convfilter.convolution.recipes import Recipe
from convfilter.convolution.scratch import Scratch
from convfilter.errors import OptionError
from convfilter.messages import brief
from convfilter.options import environment_threads

if TYPE_CHECKING:
    from concurrent.futures import Future

__all__ = ["Finish", "Read", "available_threads", "mark_infinite", "run", "share_out"]

_Task = TypeVar("_Task")

Read: TypeAlias = Callable[[Sequence[int], np.ndarray], None]
"""Fills a block of shape (B1, ..., Bd, carried) that starts at the given position of each kernel axis."""

Finish: TypeAlias = Callable[[list[np.ndarray], tuple[slice, ...], Scratch], None]
"""Takes one array of sums for each kernel, of shape (o1, ..., od, carried), and where they belong."""


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
    share_out(
        list(plan.regions()), lambda where, scratch: _compute(plan, where, read, finish, scratch), threads
    )


def share_out(
    tasks: Sequence[_Task], work: Callable[[_Task, Scratch], object], threads: int | None = None
) -> None:
    """Have tasks done, in their order, by as many threads as there are.

    Parameters
    ----------
    tasks : sequence
        What is to be done.
    work : callable
        Does one task; called by several threads at once, each with its own memory.
    threads : int, optional
        As in `available_threads`.
    """
    queue = iter(tasks)

    def labour() -> None:
        scratch = Scratch()
        try:
            # Samples that are not finite are passed on as arithmetic has it, without a word.
            with np.errstate(all="ignore"):
                for task in queue:
                    work(task, scratch)
        finally:
            for _ in queue:  # after an error in one thread the others stop too
                pass

    count = min(available_threads(threads), len(tasks))
    if count <= 1:
        labour()
        return
    from concurrent.futures import ThreadPoolExecutor  # costs milliseconds that small pictures need not pay

    with ThreadPoolExecutor(count - 1) as pool:
        others: list[Future[None]] = []
        with contextlib.suppress(RuntimeError):  # the system lets no further thread start
            others += (pool.submit(labour) for _ in range(count - 1))
        labour()
        for other in others:
            other.result()


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
        threads = environment_threads()
    if threads is None:
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if isinstance(threads, bool) or not isinstance(threads, int | np.integer) or threads < 1:
        raise OptionError(f"threads={brief(threads)}: give a whole number, at least 1")
    return int(threads)


def _compute(plan: Plan, where: tuple[slice, ...], read: Read, finish: Finish, scratch: Scratch) -> None:
    outputs = [part.stop - part.start for part in where]
    starts = [part.start * axis.stride - axis.before for part, axis in zip(where, plan.axes, strict=True)]
    shape = [(count - 1) * axis.stride + axis.reach for count, axis in zip(outputs, plan.axes, strict=True)]
    whole = (*shape, plan.carried)
    if plan.fourier is None:
        block = scratch.take("block", whole, plan.dtype)
    else:
        block = plan.fourier.block(whole, scratch)
    read(starts, block)
    masks: list[np.ndarray] = []
    if plan.loose and not (block.min() > -plan.limit and block.max() < plan.limit):
        finite = np.isfinite(block)
        if plan.dtype == np.float32 and (np.abs(block[finite]) >= plan.limit).any():
            _compute(plan.widened(), where, read, finish, scratch)
            return
        if not finite.all():
            masks = [np.isnan(block), block == np.inf, block == -np.inf]
            block[~finite] = 0
    recipes = scratch.kept((plan.dtype, *shape), lambda: _recipes(plan, block, outputs, scratch))
    sums = [recipe() for recipe in recipes]
    if masks:
        for kernel, own in zip(plan.loose, sums, strict=True):
            mark_infinite(own, masks, kernel, partial(_meets, plan, own.shape))
    finish(sums, where, scratch)


def mark_infinite(
    sums: np.ndarray,
    masks: Sequence[np.ndarray],
    weights: np.ndarray,
    meets: Callable[[np.ndarray, np.ndarray], np.ndarray],
) -> None:
    """Put nan and infinities into sums, which were made with zeros in their places.

    Parameters
    ----------
    sums : ndarray
        The sums; those that meet a sample that is not finite under a weight other than zero are replaced.
    masks : sequence of three ndarray of bool
        Where samples are nan, infinite and infinite below zero.
    weights : ndarray
        What the samples were multiplied by.
    meets : callable
        Takes one of the masks and one of weights; returns, in the shape of the sums, where they meet.
    """
    nan, above, below = masks
    undefined = meets(nan, weights != 0) if nan.any() else np.zeros(sums.shape, bool)
    if above.any() or below.any():
        rising = meets(above, weights > 0) | meets(below, weights < 0)
        falling = meets(above, weights < 0) | meets(below, weights > 0)
        undefined |= rising & falling
        sums[rising] = np.inf
        sums[falling] = -np.inf
    sums[undefined] = np.nan


def _meets(plan: Plan, shape: Sequence[int], mask: np.ndarray, pattern: np.ndarray) -> np.ndarray:
    """Tell for each output of a block whether a sample of a mask stands under a weight of a pattern."""
    axes = [
        axis._replace(size=size, before=0, after=0) for axis, size in zip(plan.axes, mask.shape, strict=False)
    ]
    met = np.zeros(shape, bool)
    if mask.any() and pattern.any():
        count = make_plan(axes, [pattern.astype(np.int32)], mask.shape[-1], exact_type(pattern.size))

        def store(sums: list[np.ndarray], where: tuple[slice, ...], _: Scratch) -> None:
            np.greater(sums[0], 0, out=met[where])

        run(count, ArraySource(mask, "zero", 0), store, 1)
    return met


def _recipes(plan: Plan, block: np.ndarray, outputs: Sequence[int], scratch: Scratch) -> list[Recipe]:
    """Prepare what is done to blocks of a shape, one recipe for each kernel."""
    if plan.fourier is not None:
        return plan.fourier.recipes(plan.carried, outputs, scratch)
    seen = block.reshape([count for number, count in enumerate(block.shape) if number not in plan.idle])
    counts = [count for number, count in enumerate(outputs) if number not in plan.idle]
    recipes = [
        each.recipe(seen, counts, scratch, ("sums", number)) for number, each in enumerate(plan.direct)
    ]
    return [recipe._replace(sums=np.expand_dims(recipe.sums, plan.idle)) for recipe in recipes]
