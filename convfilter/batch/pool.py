"""Worker processes on this machine that run jobs, as many as memory allows."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Sequence
from multiprocessing import connection
from multiprocessing.process import BaseProcess
from typing import Any, TypeAlias

from convfilter import signals
from convfilter.batch.job import TOO_LARGE, Result, not_attempted, run_job
from convfilter.batch.plan import Job, Settings
from convfilter.errors import ImageError
from convfilter.files import sweep

__all__ = ["Pool"]

# Descriptors that it takes to start a worker, and to go on with files and modules that are loaded later.
_DESCRIPTORS = 12

_PATIENCE = 1.0

_DIED = (
    "the worker process died (out of memory, or a crash in a decoder): "
    "try the image alone, with --jobs 1 or more memory"
)

_NO_WORKERS = "a worker process died, and the system allows no new one: run again with --skip-existing"

_Pipe: TypeAlias = "connection.Connection[Any, Any]"


class Pool:
    """Worker processes on this machine, each at the other end of a pipe of its own.

    They share the cores, and half of the memory that is available unless `memory` says how much. An image
    that needs more than its share, or whose worker died, runs once more while no other does. Where the system
    lets fewer processes start there are fewer workers, or none.
    """

    def __init__(self, settings: Settings, *, cores: int, count: int, memory: int | None = None) -> None:
        self._settings, self._cores, self._count = settings, cores, min(cores, count)
        available = available_memory() if memory is None else 2 * memory
        self._share = None if available is None else available // 2 // self._count
        self._workers: dict[_Pipe, BaseProcess] = {}
        self._idle: list[_Pipe] = []
        self._busy: dict[_Pipe, Job] = {}
        self._alone: list[Job] = []
        self._disk_full = False
        self._context = _context()
        self._at_stop = contextlib.ExitStack()
        self._at_stop.enter_context(signals.at_stop(self._kill))
        while len(self._idle) < self._count and self._start():
            pass

    def close(self) -> None:
        """End the workers."""
        self._kill()
        self._at_stop.close()

    def _start(self) -> bool:
        """Start one more worker; return whether the system lets it start."""
        try:
            with contextlib.ExitStack() as probe:
                for _ in range(_DESCRIPTORS):
                    probe.callback(os.close, os.open(os.devnull, os.O_RDONLY))
            with signals.starting():
                ours, theirs = self._context.Pipe()
                process = self._context.Process(target=_serve, args=(theirs, ours, self._settings))
                process.start()
                theirs.close()
                self._workers[ours] = process
        except (OSError, ImportError, NotImplementedError):
            return False
        self._idle.append(ours)
        return True

    def is_free(self) -> bool:
        """Return whether a worker can take a job."""
        return bool(self._idle) and not self._alone

    def submit(self, job: Job) -> None:
        """Have a job done by an idle worker, with its share of cores and memory."""
        self._send(job, max(1, self._cores // self._count), self._share)

    def _send(self, job: Job, threads: int, memory: int | None, *, repeated: bool = False) -> None:
        pipe = self._idle.pop()
        self._busy[pipe] = job
        with contextlib.suppress(OSError):  # it has died, which `next_result` sees
            pipe.send((job, threads, memory, repeated))

    def next_result(self) -> Result:
        """Wait for the next result."""
        while True:
            alone = not self._busy
            if alone:  # on all cores and in all memory
                job = self._alone.pop(0)
                if self._disk_full:
                    return not_attempted(job)
                if not self._idle:  # one of these jobs has killed a process, which must not be this one
                    return Result(job, error=ImageError(_NO_WORKERS))
                self._send(job, self._cores, None, repeated=True)
            pipe: Any = connection.wait([*self._busy])[0]
            job = self._busy[pipe]
            result: Result | None = None
            try:
                result = pipe.recv()
                self._idle.append(pipe)
            except (EOFError, OSError):
                pipe.close()
                self._end([self._workers.pop(pipe)], [job])
            del self._busy[pipe]
            if result is None:
                self._start()
                if alone:
                    return Result(job, error=ImageError(_DIED))
            elif result.status != TOO_LARGE:
                self._disk_full = self._disk_full or result.disk_full
                return result
            self._alone.append(job)

    def _kill(self) -> None:
        self._end([*self._workers.values()], [*self._busy.values()])

    def _end(self, workers: Sequence[BaseProcess], jobs: Sequence[Job]) -> None:
        """Kill workers, and remove the temporary files of their jobs."""
        for worker in workers:
            worker.kill()
        deadline = time.monotonic() + _PATIENCE
        for worker in workers:
            worker.join(max(0.0, deadline - time.monotonic()))
        for folder in {os.path.dirname(job.target) for job in jobs}:
            sweep(folder or os.curdir)


def _context() -> Any:
    """Return how processes start: as copies of this one, which takes a millisecond, where that is safe."""
    safe = sys.platform != "darwin" and "fork" in multiprocessing.get_all_start_methods()
    return multiprocessing.get_context("fork" if safe else None)


def _serve(pipe: _Pipe, other_end: _Pipe, settings: Settings) -> None:
    """Work as a worker until the parent has ended."""
    other_end.close()  # or it would keep the pipe open
    # A signal may reach all processes of a terminal; the parent alone decides what follows.
    for number in signals.ENDING:
        signal.signal(number, signal.SIG_IGN)
    with contextlib.suppress(RuntimeError):  # without this thread a worker ends with its job
        threading.Thread(target=_follow_parent, daemon=True).start()
    with contextlib.suppress(EOFError, OSError):
        while True:
            job, threads, memory, repeated = pipe.recv()
            pipe.send(run_job(job, settings.with_threads(threads), memory=memory, repeated=repeated))


def _follow_parent() -> None:
    """End when the parent has, even if it was killed."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        signals.clean_up()
        os._exit(1)


def available_memory() -> int | None:
    """Return how many bytes could be taken now: the least that the system and its limits say, if they do."""
    found = []
    with contextlib.suppress(OSError, ValueError, IndexError), open("/proc/meminfo") as lines:
        found += [1024 * int(line.split()[1]) for line in lines if line.startswith("MemAvailable:")]
    for limit, used in _CONTROL_GROUPS:
        with contextlib.suppress(OSError, ValueError):
            found.append(_number_in(limit) - _number_in(used))
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        soft, _ = resource.getrlimit(resource.RLIMIT_AS)
        if soft != resource.RLIM_INFINITY:
            found.append(soft)
    if not found:
        with contextlib.suppress(AttributeError, OSError, ValueError):  # half of all, where none is said free
            found.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2)
    return max(0, min(found)) if found else None


_CONTROL_GROUPS = (
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
    ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
)


def _number_in(path: str) -> int:
    with open(path) as stream:
        return int(stream.read())
