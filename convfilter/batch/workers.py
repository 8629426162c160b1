"""Worker processes on this machine: how they begin, and that none is left behind."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
import time
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing.context import BaseContext
from multiprocessing.process import BaseProcess
from types import FrameType, TracebackType
from typing import Self

from convfilter.batch.job import Outcome, TooLargeError, filter_job
from convfilter.batch.memory import available_memory
from convfilter.batch.work import Job, Work

__all__ = ["NoWorkersError", "Workers"]

_PATIENCE = 1.5


class NoWorkersError(Exception):
    """The system allows no further processes, or nothing for them to talk through."""


class Workers:
    """A crew of processes on this machine.

    Parameters
    ----------
    work : Work
        What is done to every picture; of its threads each worker gets its part.
    cores : int
        How many cores to use in all.
    count : int
        How many pictures there are.
    memory : int, optional
        How many bytes all pictures at work may take together. None is half of what is available now.

    Attributes
    ----------
    width : int
        How many jobs to hand out at once: enough that no worker waits for the next.

    Raises
    ------
    NoWorkersError
        If the system lets none begin.
    """

    def __init__(self, work: Work, *, cores: int, count: int, memory: int | None = None) -> None:
        self._count = min(cores, count)
        self._cores, self._work = cores, work
        self.width = 2 * self._count
        available = available_memory() if memory is None else 2 * memory
        self._share = None if available is None else available // 2 // self._count
        self._others = set(multiprocessing.active_children())
        self._executor = self._begun()

    def _begun(self) -> ProcessPoolExecutor:
        begin = (self._work, max(1, self._cores // self._count), self._share)
        try:
            executor = ProcessPoolExecutor(self._count, _context(), _begin, begin)
            executor.submit(os.getpid)  # begins the processes, or fails to
        except (OSError, ImportError, NotImplementedError) as error:
            raise NoWorkersError(str(error)) from None
        return executor

    def submit(self, job: Job) -> Future[Outcome | None]:
        """Have a job done among others; None comes back if it takes more than a worker's share of memory."""
        return self._executor.submit(_do, job)

    def submit_alone(self, job: Job) -> Future[Outcome | None]:
        """Have a job done while nothing else is, on all cores."""
        return self._executor.submit(_do, job, alone=self._cores)

    def renew(self) -> bool:
        """Begin anew after a process died; return whether that worked."""
        self._executor.shutdown(wait=True, cancel_futures=True)
        try:
            self._executor = self._begun()
        except NoWorkersError:
            return False
        return True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._executor.shutdown(wait=True)
        else:
            self._stop()

    def _stop(self) -> None:
        """End all workers at once: first by asking, so that they clean up, then by force."""
        self._executor.shutdown(wait=False, cancel_futures=True)
        workers: list[BaseProcess] = [
            each for each in multiprocessing.active_children() if each not in self._others
        ]
        for worker in workers:
            worker.terminate()
        end = time.monotonic() + _PATIENCE
        for worker in workers:
            worker.join(max(0.0, end - time.monotonic()))
            if worker.exitcode is None:
                worker.kill()
                worker.join(1.0)


def _context() -> BaseContext:
    """Return how processes begin: as copies of this one, which takes a millisecond, where that is safe."""
    safe = sys.platform != "darwin" and "fork" in multiprocessing.get_all_start_methods()
    return multiprocessing.get_context("fork" if safe else None)


class _Stop(BaseException):
    """The worker is to end: unwind, so that the temporary file is removed."""


class _State:
    """What a worker knows from its beginning."""

    work: Work
    threads: int
    share: int | None
    busy = False


def _begin(work: Work, threads: int, share: int | None) -> None:
    """Begin as a worker."""
    _State.work, _State.threads, _State.share = work, threads, share
    # A Ctrl-C reaches all processes of a terminal; what follows from it is decided by the parent alone.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _end)
    threading.Thread(target=_follow_parent, daemon=True).start()


def _follow_parent() -> None:
    """End when the parent has, even if it was killed."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(_PATIENCE)
        os.kill(os.getpid(), signal.SIGKILL)


def _end(number: int, frame: FrameType | None) -> None:
    if not _State.busy:
        os._exit(128 + number)
    with contextlib.suppress(ValueError):
        signal.signal(number, signal.SIG_IGN)
    raise _Stop


def _do(job: Job, *, alone: int | None = None) -> Outcome | None:
    """Do a job, among others or alone on so many cores."""
    from dataclasses import replace

    _State.busy = True
    try:
        work = replace(_State.work, threads=alone or _State.threads)
        room = None if alone else _State.share
        return filter_job(job, work, room=room, repeated=alone is not None, lone=False)
    except TooLargeError:
        return None
    except _Stop:
        os._exit(128 + signal.SIGTERM)
    finally:
        _State.busy = False
