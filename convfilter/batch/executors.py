"""Where jobs run side by side: in worker processes, as many as memory allows, or on a Dask cluster."""

from __future__ import annotations

import contextlib
import json
import logging
import multiprocessing
import os
import signal
import sys
import threading
import time
import warnings
from collections.abc import Sequence
from importlib import import_module
from multiprocessing import connection
from multiprocessing.process import BaseProcess
from queue import Empty, SimpleQueue
from typing import Any, TypeAlias

from convfilter import signals
from convfilter.batch.job import TOO_LARGE, Result, not_attempted, run_job
from convfilter.batch.plan import Job, Settings
from convfilter.errors import ImageError, OptionError, describe, escaped, one_line
from convfilter.files import sweep

# Descriptors that it takes to start a worker, and to go on with files and modules that are loaded later.
_DESCRIPTORS = 12

_PATIENCE = 1.0

_DIED = (
    "the worker process died (out of memory, or a crash in a decoder): "
    "try the image alone, with --jobs 1 or more memory"
)

_NO_WORKERS = "a worker process died, and the system allows no new one: run again with --skip-existing"

_LOST = "the cluster has lost its scheduler or all of its workers"

_Pipe: TypeAlias = "connection.Connection[Any, Any]"


class Pool:
    """Worker processes on this machine, each at the other end of a pipe of its own.

    They share the cores, and half of the memory that is available unless `memory` says how much. An image
    that needs more than its share, or whose worker died, runs once more while no other does. Where the system
    lets fewer processes start there are fewer workers, or none.
    """

    def __init__(self, settings: Settings, *, cores: int, count: int, memory: int | None = None) -> None:
        self._settings, self._cores, self._count = settings, cores, min(cores, count)
        self._share = (available_memory() // 2 if memory is None else memory) // self._count
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

    def submit(self, job: Job, *, alone: bool = False) -> None:
        """Have a job done by an idle worker with its share of cores and memory, or `alone` with all."""
        threads, memory = max(1, self._cores // self._count), self._share
        pipe = self._idle.pop()
        self._busy[pipe] = job
        with contextlib.suppress(OSError):  # it has died, which `next_result` sees
            pipe.send((job, self._cores if alone else threads, None if alone else memory, alone))

    def next_result(self) -> Result:
        """Wait for the next result."""
        while True:
            alone = not self._busy
            if alone:
                job = self._alone.pop(0)
                if self._disk_full:
                    return not_attempted(job)
                if not self._idle:  # one of these jobs has killed a process, which must not be this one
                    return Result(job, error=ImageError(_NO_WORKERS))
                self.submit(job, alone=True)
            pipe: Any = connection.wait([*self._busy])[0]
            job = self._busy[pipe]
            try:
                result: Result = pipe.recv()
                self._idle.append(pipe)
            except (EOFError, OSError):
                pipe.close()
                self._end([self._workers.pop(pipe)], [job])
                self._start()
                result = Result(job, "failed" if alone else TOO_LARGE, ImageError(_DIED))
            del self._busy[pipe]
            if result.status != TOO_LARGE:
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


def available_memory() -> int:
    """Return how many bytes could be taken now: the least that the system and its limits say."""
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
    return max(0, min(found, default=sys.maxsize))


_CONTROL_GROUPS = (
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
    ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
)


def _number_in(path: str) -> int:
    with open(path) as stream:
        return int(stream.read())


class Cluster:
    """The workers of a Dask scheduler, at an address or in a scheduler file; each job has one thread.

    They must see the same files under the same names.
    Dask's own time-out, ``distributed.comm.timeouts.connect``, limits the wait for a scheduler and workers.
    """

    def __init__(self, settings: Settings, address: str) -> None:
        try:
            self._distributed: Any = import_module("distributed")
        except ImportError:
            raise OptionError(
                "--scheduler needs Dask: install it with pip install 'convfilter[dask]'"
            ) from None
        # Failed connections are also reported by the error, and failed workers by the results.
        for name in logging.root.manager.loggerDict:
            if name.partition(".")[0] in ("distributed", "tornado", "asyncio"):
                logging.getLogger(name).setLevel(logging.CRITICAL)
        timeout = import_module("dask").config.get("distributed.comm.timeouts.connect")
        self._patience: float = import_module("dask.utils").parse_timedelta(timeout, "s")
        self._settings = settings.with_threads(1)
        option = f"--scheduler {escaped(address)}"
        self._address = _address_in(address, option) if address.endswith(".json") else address
        try:
            with warnings.catch_warnings(action="ignore"):
                # Asked without a client: one that cannot connect would hold up the end of the process.
                threads = self._threads()
                if threads:
                    self._client = self._distributed.Client(
                        self._address, timeout=self._patience, set_as_default=False
                    )
        except TimeoutError:
            raise OptionError(f"{option}: no scheduler answered within {self._patience:g} s") from None
        except Exception as error:  # OSError, ValueError and what its transports raise over other protocols
            raise OptionError(f"{option}: no scheduler can be reached there ({_reason(error)})") from None
        if not threads:
            raise OptionError(
                f"{option}: the scheduler still has no workers after {self._patience:g} s: start some"
            )
        self._width = 64 + 4 * threads  # jobs that it has at a time
        self._submitted: set[Job] = set()
        self._answers: SimpleQueue[tuple[Job, Any]] = SimpleQueue()
        self._lost = False

    def _threads(self) -> int:
        """Ask the scheduler how many threads its workers have, until there are some; 0 if none come."""
        import asyncio  # here, because only a cluster needs it

        async def count() -> int:
            threads = None
            try:
                async with asyncio.timeout(self._patience):
                    security = self._distributed.Security().get_connection_args("client")
                    address = self._distributed.comm.resolve_address(self._address)
                    async with self._distributed.rpc(address, connection_args=security) as scheduler:
                        while not (threads := sum((await scheduler.ncores()).values())):
                            await asyncio.sleep(0.1)
            except TimeoutError:
                if threads is None:
                    raise
            return threads or 0

        return asyncio.run(count())

    def is_free(self) -> bool:
        """Return whether few enough jobs wait for the workers."""
        return len(self._submitted) < self._width

    def submit(self, job: Job) -> None:
        """Have a job done by some worker."""
        self._submitted.add(job)
        # Dask itself retries the jobs of lost workers, until one job has lost several workers.
        try:
            future = self._client.submit(run_job, job, self._settings, repeated=True, pure=False)
            future.add_done_callback(lambda done: self._answers.put((job, done)))
        except Exception:  # the client has been closed since it lost its scheduler
            self._lost = True

    def next_result(self) -> Result:
        """Wait for the next result; if the cluster is lost, that is the result of any job."""
        while not self._lost:
            try:
                job, future = self._answers.get(timeout=self._patience)
            except Empty:
                self._lost = True
                with contextlib.suppress(Exception):  # as in `__init__`
                    self._lost = self._threads() == 0
                continue
            self._submitted.remove(job)
            try:
                result: Result = future.result(timeout=self._patience)
            except Exception as error:  # whatever Dask reports for an abandoned job
                message = _LOST if future.cancelled() else f"Dask abandoned the job: {_reason(error)}"
                return Result(job, error=ImageError(message))
            return result
        job = self._submitted.pop()
        return Result(job, error=ImageError(_LOST))

    def close(self) -> None:
        """Leave the cluster."""
        with contextlib.suppress(Exception):  # the cluster may have gone meanwhile
            self._client.close(timeout=1)


def _reason(error: Exception) -> str:
    return one_line(error) or type(error).__name__


def _address_in(path: str, option: str) -> str:
    """Read a scheduler file."""
    try:
        with open(path, encoding="utf-8") as stream:
            return str(json.load(stream)["address"])
    except OSError as error:
        raise OptionError(f"{option}: {describe(error)}") from None
    except (ValueError, LookupError, TypeError, RecursionError):
        raise OptionError(f"{option}: it is not a scheduler file, which names an address") from None
