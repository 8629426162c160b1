"""A plan run block by block, on as many threads as there are blocks and cores."""

from __future__ import annotations

import contextlib
import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, TypeAlias, TypeVar

import numpy as np

from convfilter.convolution.borders import ArraySource
from convfilter.convolution.plan import Plan, exact_type, make_plan
from convfilter.convolution.recipes import Recipe, Workspace
from convfilter.errors import OptionError
from convfilter.messages import brief
from convfilter.options import environment_threads

if TYPE_CHECKING:
    from concurrent.futures import Future

__all__ = ["Finish", "Read", "available_threads", "mark_infinite", "run", "share_out"]

_Task = TypeVar("_Task")

Read: TypeAlias = Callable[[Sequence[int], np.ndarray], None]
"""Fills a block of shape (B1, ..., Bd, carried) that starts at a position of each kernel axis."""

Finish: TypeAlias = Callable[[list[np.ndarray], tuple[slice, ...], Workspace], None]
"""Takes one array of sums for each kernel, of shape (o1, ..., od, carried), and where they belong."""


def run(plan: Plan, read: Read, finish: Finish, threads: int | None = None) -> None:
    """Compute every block of a plan; `read` and `finish` are called by several threads at once."""
    share_out(
        list(plan.regions()),
        lambda where, workspace: _compute(plan, where, read, finish, workspace),
        threads,
    )


def share_out(
    tasks: Sequence[_Task], work: Callable[[_Task, Workspace], object], threads: int | None = None
) -> None:
    """Do tasks, begun in their order, on several threads, each with its own workspace."""
    queue = deque(tasks)

    def remaining() -> Iterator[_Task]:
        while True:
            try:
                task = queue.popleft()
            except IndexError:
                return
            yield task

    def work_off() -> None:
        workspace = Workspace()
        try:
            # Samples that are not finite follow the rules of arithmetic, without warnings.
            with np.errstate(all="ignore"):
                for task in remaining():
                    workspace.level = 0
                    work(task, workspace)
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


def _compute(plan: Plan, where: tuple[slice, ...], read: Read, finish: Finish, workspace: Workspace) -> None:
    outputs = [part.stop - part.start for part in where]
    starts = [part.start * axis.stride - axis.before for part, axis in zip(where, plan.axes, strict=True)]
    key = (plan.dtype, *outputs)
    if key not in workspace.prepared:
        workspace.level = 0
        workspace.prepared[key] = (*_prepared(plan, outputs, workspace), workspace.level)
    block, recipes, workspace.level = workspace.prepared[key]
    read(starts, block)
    masks: list[np.ndarray] = []
    if plan.loose and not (block.min() > -plan.limit and block.max() < plan.limit):
        finite = np.isfinite(block)
        if plan.dtype == np.float32 and (np.abs(block[finite]) >= plan.limit).any():
            _compute(plan.widened(), where, read, finish, workspace)
            return
        if not finite.all():
            masks = [np.isnan(block), block == np.inf, block == -np.inf]
            block[~finite] = 0
    sums = [recipe() for recipe in recipes]
    if masks:
        for kernel, own in zip(plan.loose, sums, strict=True):
            mark_infinite(own, masks, kernel, partial(_meets, plan, own.shape))
    finish(sums, where, workspace)


def mark_infinite(
    sums: np.ndarray,
    masks: Sequence[np.ndarray],
    weights: np.ndarray,
    meets: Callable[[np.ndarray, np.ndarray], np.ndarray],
) -> None:
    """Put nan and infinities into sums, which were made with zeros in their places.

    `masks` are where samples are nan, infinite, and infinite below zero. `meets` takes one of them and a mask
    of weights, and returns at which sums they meet.
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
    """At which outputs of a block a sample of a mask stands under a weight of a pattern."""
    axes = [
        axis._replace(size=size, before=0, after=0) for axis, size in zip(plan.axes, mask.shape, strict=False)
    ]
    met = np.zeros(shape, bool)
    if mask.any() and pattern.any():
        count = make_plan(axes, [pattern.astype(np.int32)], mask.shape[-1], exact_type(pattern.size))

        def store(sums: list[np.ndarray], where: tuple[slice, ...], _: Workspace) -> None:
            np.greater(sums[0], 0, out=met[where])

        run(count, ArraySource(mask, "zero", 0), store, 1)
    return met


def _prepared(plan: Plan, outputs: Sequence[int], workspace: Workspace) -> tuple[np.ndarray, list[Recipe]]:
    """Return memory for blocks of a shape, samples with their border, and a recipe for each kernel."""
    shape = [(count - 1) * axis.stride + axis.reach for count, axis in zip(outputs, plan.axes, strict=True)]
    if plan.fourier is not None:
        return plan.fourier.recipes((*shape, plan.carried), outputs, workspace)
    block = workspace.take((*shape, plan.carried), plan.dtype)
    seen = block.reshape([count for number, count in enumerate(block.shape) if number not in plan.idle])
    counts = [count for number, count in enumerate(outputs) if number not in plan.idle]
    recipes = [each.recipe(seen, counts, workspace) for each in plan.direct]
    return block, [recipe._replace(sums=np.expand_dims(recipe.sums, plan.idle)) for recipe in recipes]
