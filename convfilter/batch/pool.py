"""Jobs done by worker processes on this machine or elsewhere; results come in the order of the jobs."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from multiprocessing import connection
from multiprocessing.process import BaseProcess
from types import TracebackType
from typing import Any, Protocol, Self

from convfilter import signals
from convfilter.batch.job import Outcome, TooLargeError, filter_job, not_attempted, settled
from convfilter.batch.memory import available_memory
from convfilter.batch.work import Job, Work
from convfilter.files import STREAM, sweep

__all__ = ["Executor", "Pool", "dispatched"]

# Results that wait for an earlier one; an image that takes hours must not fill memory with them.
_AHEAD = 20_000

# Descriptors that it takes to start a worker, and to go on with files and modules that are loaded later.
_DESCRIPTORS = 12

_PATIENCE = 1.0

_DIED = (
    "the process at work on it died (out of memory, or a crash in a decoder): "
    "try it alone, with --jobs 1 or more memory"
)

_NO_WORKERS = "a process at work died and the system lets no other start: run it again with --skip-existing"


class Executor(Protocol):
    """Does jobs elsewhere."""

    def has_room(self) -> bool:
        """Tell whether to submit another job now."""

    def submit(self, number: int, job: Job) -> None:
        """Have a job done among others."""

    def answer(self) -> tuple[int, Outcome | None]:
        """Wait for the next job that is done; None if it has to be done alone."""

    def do_alone(self, job: Job) -> Outcome:
        """Do a job, which may have been begun before, while no other is being done."""


def dispatched(
    jobs: Sequence[Job], work: Work, executor: Executor, finished: Callable[[Outcome], object]
) -> Iterator[Outcome]:
    """Have an executor do jobs; yield one result for each, in their order.

    Parameters
    ----------
    jobs : sequence of Job
        The jobs, each taken once.
    work : Work
        What is done to each.
    executor : Executor
        Where; what it has no room for, and standard input, is done in this process.
    finished : callable
        Is called with every result as soon as it is there.
    """
    todo = enumerate(jobs)
    left, full, turn = True, False, 0
    submitted: dict[int, Job] = {}
    alone: list[tuple[int, Job]] = []
    results: dict[int, Outcome] = {}
    while left or submitted or alone:
        number, outcome = -1, None
        if left and not alone and len(results) < _AHEAD and (executor.has_room() or not submitted):
            number, job = next(todo, (-1, None))
            if job is None:
                left = False
                continue
            outcome = not_attempted(job) if full else settled(job, work)
            if outcome is None and (job.source == STREAM or not executor.has_room()):
                outcome = filter_job(job, work)
            if outcome is None:
                submitted[number] = job
                executor.submit(number, job)
                continue
        elif submitted:
            number, outcome = executor.answer()
            job = submitted.pop(number)
            if outcome is None:
                alone.append((number, job))
                continue
        else:
            number, job = min(alone)
            alone.remove((number, job))
            outcome = not_attempted(job) if full else executor.do_alone(job)
        full = full or outcome.disk_full
        results[number] = outcome
        finished(outcome)
        while turn in results:
            yield results.pop(turn)
            turn += 1


@dataclass
class _Worker:
    """A process, the pipe to it, and the job that it has in hand."""

    process: BaseProcess
    pipe: connection.Connection[Any, Any]
    number: int = -1
    job: Job | None = None


class Pool:
    """Worker processes on this machine, each with a pipe of its own.

    Parameters
    ----------
    work : Work
        What is done to every image; of its threads each worker gets its part.
    cores : int
        How many cores to use in all.
    count : int
        How many images there are.
    memory : int, optional
        How many bytes all images at work may take together. None is half of what is available now.

    Notes
    -----
    Where the system lets fewer processes start there are fewer workers, or none.
    """

    def __init__(self, work: Work, *, cores: int, count: int, memory: int | None = None) -> None:
        self._work, self._cores, self._count = work, cores, min(cores, count)
        available = available_memory() if memory is None else 2 * memory
        self._share = None if available is None else available // 2 // self._count
        self._idle: list[_Worker] = []
        self._busy: dict[Any, _Worker] = {}
        self._context = _context()
        self._at_stop = signals.at_stop(self._kill)

    def __enter__(self) -> Self:
        self._at_stop.__enter__()
        while len(self._idle) < self._count and self._start():
            pass
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for worker in self._idle:  # which end when they are alone
            worker.pipe.close()
            worker.process.join(_PATIENCE)
        self._kill()
        self._at_stop.__exit__(kind, error, trace)

    def _start(self) -> bool:
        """Start one more worker; return whether the system lets it start."""
        forks = self._context.get_start_method() == "fork"
        try:
            with contextlib.ExitStack() as probe:
                for _ in range(_DESCRIPTORS):
                    probe.callback(os.close, os.open(os.devnull, os.O_RDONLY))
            with signals.starting(), contextlib.ExitStack() as pipes:
                ours, theirs = map(pipes.enter_context, self._context.Pipe())
                # A copy of this process has this side of all pipes too, and would not see it close.
                workers = (*self._idle, *self._busy.values())
                not_its_own = [ours, *(each.pipe for each in workers)] if forks else []
                process = self._context.Process(target=_serve, args=(theirs, not_its_own, self._work))
                process.start()
                pipes.pop_all()
                theirs.close()
        except (OSError, ImportError, NotImplementedError):
            return False
        self._idle.append(_Worker(process, ours))
        return True

    def has_room(self) -> bool:
        """Tell whether a worker is idle."""
        return bool(self._idle)

    def submit(self, number: int, job: Job, *, alone: bool = False) -> None:
        """Have a job done by an idle worker; alone, on all cores and in all memory."""
        worker = self._idle.pop()
        worker.number, worker.job = number, job
        self._busy[worker.pipe] = worker
        threads = self._cores if alone else max(1, self._cores // self._count)
        with contextlib.suppress(OSError):  # it has died, which `answer` sees
            worker.pipe.send((job, threads, None if alone else self._share, alone))

    def answer(self) -> tuple[int, Outcome | None]:
        """Wait for the next result; None if the image is too large for its share, or the worker died."""
        worker = self._busy[connection.wait([*self._busy])[0]]
        try:
            outcome = worker.pipe.recv()
        except (EOFError, OSError):
            outcome = None
            worker.pipe.close()
            self._end([worker])
            del self._busy[worker.pipe]
            self._start()
        else:
            self._idle.append(self._busy.pop(worker.pipe))
        return worker.number, outcome

    def do_alone(self, job: Job) -> Outcome:
        """Do a job while no other is being done."""
        if not self._idle:  # one of these jobs has killed a process, which must not be this one
            return Outcome(job, error=_NO_WORKERS)
        self.submit(-1, job, alone=True)
        return self.answer()[1] or Outcome(job, error=_DIED)

    def _kill(self) -> None:
        self._end([*self._idle, *self._busy.values()])

    def _end(self, workers: Sequence[_Worker]) -> None:
        """End workers at once, and remove the temporary files of what they had in hand."""
        for worker in workers:
            worker.process.kill()
        deadline = time.monotonic() + _PATIENCE
        for worker in workers:
            worker.process.join(max(0.0, deadline - time.monotonic()))
        for folder in {os.path.dirname(worker.job.target) for worker in workers if worker.job}:
            sweep(folder or os.curdir)


def _context() -> Any:
    """Return how processes start: as copies of this one, which takes a millisecond, where that is safe."""
    safe = sys.platform != "darwin" and "fork" in multiprocessing.get_all_start_methods()
    return multiprocessing.get_context("fork" if safe else None)


def _serve(pipe: Any, not_its_own: Sequence[Any], work: Work) -> None:
    """Work as a worker until the other side of the pipe is closed."""
    for each in not_its_own:
        each.close()
    # What follows from a signal, which may reach all processes of a terminal, is decided by the parent alone.
    for number in signals.ENDING:
        signal.signal(number, signal.SIG_IGN)
    with contextlib.suppress(RuntimeError):  # without it a worker ends with its job
        threading.Thread(target=_follow_parent, daemon=True).start()
    with contextlib.suppress(EOFError, OSError):
        while True:
            job, threads, room, repeated = pipe.recv()
            try:
                outcome = filter_job(job, replace(work, threads=threads), room=room, repeated=repeated)
            except TooLargeError:
                outcome = None
            pipe.send(outcome)


def _follow_parent() -> None:
    """End when the parent has, even if it was killed."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        signals.clean_up()
        os._exit(1)
