"""A Dask cluster that runs jobs; its workers must see the same files under the same names."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import struct
import warnings
from importlib import import_module
from queue import Empty, SimpleQueue
from typing import Any

from convfilter.batch.job import Result, run_job
from convfilter.batch.plan import Job, Settings
from convfilter.errors import ImageError, OptionError, describe, escaped, one_line

__all__ = ["Cluster"]

_LEAST = 64

_LOST = "the cluster has lost its scheduler or all of its workers"


class Cluster:
    """The workers of a Dask scheduler, at an address or in a scheduler file; each job has one thread.

    Dask's own time-out, ``distributed.comm.timeouts.connect``, limits the wait for a scheduler and workers.
    """

    def __init__(self, settings: Settings, address: str) -> None:
        try:
            self._distributed: Any = import_module("distributed")
        except ImportError:
            raise OptionError(
                "--scheduler needs Dask: install it with pip install 'convfilter[dask]'"
            ) from None
        # What it logs of a connection that fails comes in the error as well, and of workers in the results.
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
            raise OptionError(f"{option}: no scheduler answers within {self._patience:g} s") from None
        except (MemoryError, struct.error):  # a length or a number that something else has sent
            raise OptionError(f"{option}: what answers there is not a Dask scheduler") from None
        except Exception as error:  # OSError, ValueError and what its transports raise
            raise OptionError(f"{option}: no scheduler can be reached there ({_reason(error)})") from None
        if not threads:
            raise OptionError(
                f"{option}: the scheduler has no workers, after {self._patience:g} s: start some"
            )
        self._width = max(_LEAST, 4 * threads)
        self._submitted: set[Job] = set()
        self._answers: SimpleQueue[tuple[Job, Any]] = SimpleQueue()
        self._lost = False

    def _threads(self) -> int:
        """Ask the scheduler how many threads its workers have, until there are some; 0 if none come."""
        return asyncio.run(_count_threads(self._distributed, self._address, self._patience))

    def is_free(self) -> bool:
        """Return whether few enough jobs wait for the workers."""
        return len(self._submitted) < self._width

    def submit(self, job: Job) -> None:
        """Have a job done by some worker."""
        self._submitted.add(job)
        # Dask itself repeats the jobs of lost workers, until one has cost it several of them.
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
            return self._result(job, future)
        job = self._submitted.pop()
        return Result(job, error=ImageError(_LOST))

    def _result(self, job: Job, future: Any) -> Result:
        try:
            result: Result = future.result(timeout=self._patience)
        except Exception as error:  # whatever Dask reports for an abandoned job
            message = _LOST if future.cancelled() else f"Dask abandoned the job: {_reason(error)}"
            return Result(job, error=ImageError(message))
        return result

    def close(self) -> None:
        """Leave the cluster."""
        with contextlib.suppress(Exception):  # the cluster may have gone meanwhile
            self._client.close(timeout=1)


def _reason(error: Exception) -> str:
    return one_line(error) or type(error).__name__


def _address_in(path: str, option: str) -> str:
    """Read a scheduler file."""
    if not os.path.isfile(path):
        raise OptionError(f"{option}: no such file")
    try:
        with open(path, encoding="utf-8") as stream:
            return str(json.load(stream)["address"])
    except OSError as error:
        raise OptionError(f"{option}: {describe(error)}") from None
    except (ValueError, LookupError, TypeError, RecursionError):
        raise OptionError(f"{option}: it is not a scheduler file, which names an address") from None


async def _count_threads(distributed: Any, address: str, seconds: float) -> int:
    threads = None
    try:
        async with asyncio.timeout(seconds):
            security = distributed.Security().get_connection_args("client")
            address = distributed.comm.resolve_address(address)
            async with distributed.rpc(address, connection_args=security) as scheduler:
                while not threads:
                    if threads is not None:
                        await asyncio.sleep(0.1)
                    threads = sum((await scheduler.ncores()).values())
    except TimeoutError:
        if threads is None:
            raise
    return threads or 0
