"""A Dask cluster that does jobs; its workers must see the same files under the same names."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import struct
import warnings
from dataclasses import replace
from importlib import import_module
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Any, Self

from convfilter.batch.job import Outcome, filter_job
from convfilter.batch.work import Job, Work
from convfilter.errors import OptionError
from convfilter.messages import describe, one_line, shown

__all__ = ["Cluster"]

_LEAST = 64

_LOST = "the cluster has lost its scheduler or all of its workers"


class Cluster:
    """The workers of a Dask scheduler.

    Parameters
    ----------
    work : Work
        What is done to every image; each on one thread, as Dask counts its own.
    address : str
        Of the scheduler, such as ``tcp://10.0.0.1:8786``, or the path of its scheduler file.

    Raises
    ------
    OptionError
        If Dask is not installed, or the scheduler cannot be reached or has no workers within Dask's own
        time-out, ``distributed.comm.timeouts.connect``.
    """

    def __init__(self, work: Work, address: str) -> None:
        try:
            self._dask: Any = import_module("distributed")
        except ImportError:
            raise OptionError(
                "--scheduler needs Dask: install it with pip install 'convfilter[dask]'"
            ) from None
        # What it logs of a connection that fails comes in the error as well, and of workers in the results.
        for name in logging.root.manager.loggerDict:
            if name.partition(".")[0] in ("distributed", "tornado", "asyncio"):
                logging.getLogger(name).setLevel(logging.CRITICAL)
        setting = import_module("dask").config.get("distributed.comm.timeouts.connect")
        self._patience: float = import_module("dask.utils").parse_timedelta(setting, "s")
        self._work = replace(work, threads=1)
        fault = f"--scheduler {shown(address)}"
        self._address = _listed(address, fault) if address.endswith(".json") else address
        try:
            with warnings.catch_warnings(action="ignore"):
                # Asked without a client: one that cannot connect would hold up the end of the process.
                threads = self._threads()
                if threads:
                    self._client = self._dask.Client(
                        self._address, timeout=self._patience, set_as_default=False
                    )
        except TimeoutError:
            raise OptionError(f"{fault}: no scheduler answers within {self._patience:g} s") from None
        except (MemoryError, struct.error):  # a length or a number that something else has sent
            raise OptionError(f"{fault}: what answers there is not a Dask scheduler") from None
        except Exception as error:  # OSError, ValueError and what its transports raise
            raise OptionError(f"{fault}: no scheduler can be reached there ({_in_words(error)})") from None
        if not threads:
            raise OptionError(
                f"{fault}: the scheduler has no workers, after {self._patience:g} s: start some"
            )
        self._width = max(_LEAST, 4 * threads)
        self._submitted: dict[int, Job] = {}
        self._answers: SimpleQueue[tuple[int, Any]] = SimpleQueue()
        self._lost = False

    def _threads(self) -> int:
        """Ask the scheduler how many threads its workers have, until there are some; 0 if none come."""
        return asyncio.run(_count_threads(self._dask, self._address, self._patience))

    def has_room(self) -> bool:
        """Tell whether there are few enough jobs on their way."""
        return len(self._submitted) < self._width

    def submit(self, number: int, job: Job) -> None:
        """Have a job done by some worker."""
        self._submitted[number] = job
        # Dask itself does the images of lost workers again, until one has cost it several of them.
        try:
            future = self._client.submit(_do, job, self._work, pure=False)
            future.add_done_callback(lambda done: self._answers.put((number, done)))
        except Exception:  # the client has been closed since it lost its scheduler
            self._lost = True

    def answer(self) -> tuple[int, Outcome | None]:
        """Wait for the next result; if the cluster is lost, the next job gets that as its result."""
        while not self._lost:
            try:
                number, future = self._answers.get(timeout=self._patience)
            except Empty:
                self._lost = not self._is_there()
                continue
            return number, self._result(self._submitted.pop(number), future)
        number, job = self._submitted.popitem()
        return number, Outcome(job, error=_LOST)

    def _is_there(self) -> bool:
        with contextlib.suppress(Exception):  # as in `__init__`
            return self._threads() > 0
        return False

    def _result(self, job: Job, future: Any) -> Outcome:
        try:
            outcome: Outcome = future.result(timeout=self._patience)
        except Exception as error:  # whatever Dask says of a job that it has given up
            return Outcome(job, error=_LOST if future.cancelled() else f"Dask gave it up: {_in_words(error)}")
        return outcome

    def do_alone(self, job: Job) -> Outcome:
        """Do a job; none is ever too large for a cluster."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(Exception):  # a cluster that has gone meanwhile cannot be said goodbye to
            self._client.close(timeout=1)


def _in_words(error: Exception) -> str:
    return one_line(error) or type(error).__name__


def _listed(path: str, fault: str) -> str:
    """Read a scheduler file."""
    try:
        if not os.path.isfile(path):
            raise OptionError(f"{fault}: there is no such file")
        with open(path, encoding="utf-8") as stream:
            return str(json.load(stream)["address"])
    except OSError as error:
        raise OptionError(f"{fault}: {describe(error)}") from None
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        if isinstance(error, OptionError):
            raise
        raise OptionError(f"{fault}: it is not a scheduler file, which names an address") from None


async def _count_threads(dask: Any, address: str, seconds: float) -> int:
    threads = None
    try:
        async with asyncio.timeout(seconds):
            security = dask.Security().get_connection_args("client")
            async with dask.rpc(dask.comm.resolve_address(address), connection_args=security) as scheduler:
                while not threads:
                    if threads is not None:
                        await asyncio.sleep(0.1)
                    threads = sum((await scheduler.ncores()).values())
    except TimeoutError:
        if threads is None:
            raise
    return threads or 0


def _do(job: Job, work: Work) -> Outcome:
    return filter_job(job, work, repeated=True)
