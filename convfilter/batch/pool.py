"""Worker processes on this machine that do jobs, as far as memory allows."""

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
from typing import Any, NamedTuple

from convfilter import signals
from convfilter.batch.job import Result, TooLargeError, run_job
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

_NO_WORKERS = "a worker process died and the system lets no other start: run it again with --skip-existing"


class _Worker(NamedTuple):
    """A process and the pipe to it."""

    process: BaseProcess
    pipe: connection.Connection[Any, Any]


class Pool:
    """Worker processes on this machine, each with a pipe of its own.

    They share the cores, and half of the memory that is available unless `memory` says how much. Where the
    system lets fewer processes start there are fewer workers, or none.
    """

    def __init__(self, settings: Settings, *, cores: int, count: int, memory: int | None = None) -> None:
        self._settings, self._cores, self._count = settings, cores, min(cores, count)
        available = available_memory() if memory is None else 2 * memory
        self._share = None if available is None else available // 2 // self._count
        self._idle: list[_Worker] = []
        self._busy: dict[connection.Connection[Any, Any], tuple[_Worker, Job]] = {}
        self._context = _context()
        self._at_stop = contextlib.ExitStack()
        self._at_stop.enter_context(signals.at_stop(self._kill))
        while len(self._idle) < self._count and self._start():
            pass

    def close(self) -> None:
        """End the workers."""
        for worker in self._idle:  # which end when their pipe is closed
            worker.pipe.close()
            worker.process.join(_PATIENCE)
        self._kill()
        self._at_stop.close()

    def _start(self) -> bool:
        """Start one more worker; return whether the system lets it start."""
        try:
            with contextlib.ExitStack() as probe:
                for _ in range(_DESCRIPTORS):
                    probe.callback(os.close, os.open(os.devnull, os.O_RDONLY))
            with signals.starting(), contextlib.ExitStack() as pipes:
                ours, theirs = map(pipes.enter_context, self._context.Pipe())
                # A copy of this process has our side of all pipes too, and would not see them close.
                copies = [ours, *self._busy, *(worker.pipe for worker in self._idle)]
                forks = self._context.get_start_method() == "fork"
                arguments = (theirs, copies if forks else [], self._settings)
                process = self._context.Process(target=_serve, args=arguments)
                process.start()
                pipes.pop_all()
                theirs.close()
        except (OSError, ImportError, NotImplementedError):
            return False
        self._idle.append(_Worker(process, ours))
        return True

    def is_free(self) -> bool:
        """Return whether a worker is idle."""
        return bool(self._idle)

    def submit(self, job: Job) -> None:
        """Have a job done by an idle worker, with its share of cores and memory."""
        self._send(job, max(1, self._cores // self._count), self._share)

    def _send(self, job: Job, threads: int, memory: int | None, *, repeated: bool = False) -> None:
        worker = self._idle.pop()
        self._busy[worker.pipe] = worker, job
        with contextlib.suppress(OSError):  # it has died, which `next_result` sees
            worker.pipe.send((job, threads, memory, repeated))

    def next_result(self) -> tuple[Job, Result | None]:
        """Wait for the next result; None if the image is too large for its share, or the worker died."""
        pipe: Any = connection.wait([*self._busy])[0]
        worker, job = self._busy[pipe]
        result = None
        try:
            result = pipe.recv()
            self._idle.append(worker)
        except (EOFError, OSError):
            pipe.close()
            self._end([worker], [job])
        del self._busy[pipe]
        if pipe.closed:
            self._start()
        return job, result

    def run_alone(self, job: Job) -> Result:
        """Do a job on all cores and in all memory, while no other runs."""
        if not self._idle:  # one of these jobs has killed a process, which must not be this one
            return Result(job, error=ImageError(_NO_WORKERS))
        self._send(job, self._cores, None, repeated=True)
        return self.next_result()[1] or Result(job, error=ImageError(_DIED))

    def _kill(self) -> None:
        busy = [*self._busy.values()]
        self._end([*self._idle, *(worker for worker, _ in busy)], [job for _, job in busy])

    def _end(self, workers: Sequence[_Worker], jobs: Sequence[Job]) -> None:
        """Kill workers, and remove the temporary files of their jobs."""
        for worker in workers:
            worker.process.kill()
        deadline = time.monotonic() + _PATIENCE
        for worker in workers:
            worker.process.join(max(0.0, deadline - time.monotonic()))
        for folder in {os.path.dirname(job.target) for job in jobs}:
            sweep(folder or os.curdir)


def _context() -> Any:
    """Return how processes start: as copies of this one, which takes a millisecond, where that is safe."""
    safe = sys.platform != "darwin" and "fork" in multiprocessing.get_all_start_methods()
    return multiprocessing.get_context("fork" if safe else None)


def _serve(pipe: Any, copies: Sequence[Any], settings: Settings) -> None:
    """Work as a worker until the other side of the pipe is closed."""
    for each in copies:
        each.close()
    # A signal may reach all processes of a terminal; the parent alone decides what follows.
    for number in signals.ENDING:
        signal.signal(number, signal.SIG_IGN)
    with contextlib.suppress(RuntimeError):  # without this thread a worker ends with its job
        threading.Thread(target=_follow_parent, daemon=True).start()
    with contextlib.suppress(EOFError, OSError):
        while True:
            job, threads, memory, repeated = pipe.recv()
            try:
                own = settings.with_threads(threads)
                result = run_job(job, own, memory=memory, repeated=repeated)
            except TooLargeError:
                result = None
            pipe.send(result)


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
