"""A Dask cluster as those who do the jobs; it must see the same files under the same names."""

from __future__ import annotations

import contextlib
import logging
from concurrent.futures import Future
from dataclasses import replace
from importlib import import_module
from types import TracebackType
from typing import Any, Self

from convfilter.batch.job import Outcome, filter_job
from convfilter.batch.work import Job, Work
from convfilter.errors import ConvfilterError
from convfilter.messages import one_line, shown

__all__ = ["Cluster"]

_LEAST = 64


class Cluster:
    """A crew of Dask workers.

    Parameters
    ----------
    work : Work
        What is done to every picture; each on one thread, as Dask counts its own.
    address : str
        Of the scheduler, such as ``tcp://10.0.0.1:8786``, or the path of its scheduler file.

    Attributes
    ----------
    width : int
        How many jobs to hand out at once.

    Raises
    ------
    ConvfilterError
        If Dask is not installed or the scheduler cannot be reached.
    """

    def __init__(self, work: Work, address: str) -> None:
        try:
            distributed: Any = import_module("distributed")
        except ImportError:
            raise ConvfilterError(
                "--scheduler needs Dask: install it with pip install 'convfilter[dask]'"
            ) from None
        # What it logs of a connection that fails comes in the error as well, and of workers in the outcomes.
        for name in logging.root.manager.loggerDict:
            if name.partition(".")[0] in ("distributed", "tornado", "asyncio"):
                logging.getLogger(name).setLevel(logging.CRITICAL)
        try:
            kind = "scheduler_file" if address.endswith(".json") else "address"
            if kind == "address":  # one that makes no sense would be complained of once more at the exit
                distributed.comm.resolve_address(address)
            # How long to try is Dask's own setting, distributed.comm.timeouts.connect.
            self._client = distributed.Client(**{kind: address}, set_as_default=False)
            threads = sum(self._client.nthreads().values())
        except Exception as error:  # OSError, TimeoutError, ValueError and what its transports raise
            reason = one_line(error) or type(error).__name__
            raise ConvfilterError(
                f"--scheduler {shown(address)}: no scheduler can be reached there ({reason})"
            ) from None
        self._work = replace(work, threads=1)
        self.width = max(_LEAST, 4 * threads)
        # Dask itself does the pictures of lost workers again, until one has cost it several of them.
        self._executor = self._client.get_executor(pure=False)

    def submit(self, job: Job) -> Future[Outcome | None]:
        """Have a job done."""
        future: Future[Outcome | None] = self._executor.submit(_do, job, self._work)
        return future

    submit_alone = submit

    def renew(self) -> bool:
        """Do nothing: lost workers are Dask's to replace."""
        return True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(Exception):  # a cluster that has gone meanwhile cannot be said goodbye to
            self._client.close(timeout=1)


def _do(job: Job, work: Work) -> Outcome:
    return filter_job(job, work, repeated=True, lone=False)
