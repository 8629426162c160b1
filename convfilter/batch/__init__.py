"""Images by the folder: what a command line program does once its arguments are parsed.

`plan` lists the inputs, names every output before an image is read and refuses what would do harm, `job`
takes one image from file to file, `sequences` the frames of one that holds several, `foresight` says what
would come out. Here they are run and counted: one after another, or by the worker processes of a `pool` or a
`dask` cluster, as far as `memory` allows.
"""

from __future__ import annotations

import errno
import os
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from convfilter.batch.job import (
    STATUSES,
    Outcome,
    filter_image,
    filter_job,
    image_error,
    not_attempted,
    plan_job,
)
from convfilter.batch.plan import format_of_file, refuse_inputs_as_outputs
from convfilter.batch.work import Job, Work
from convfilter.convolution.execute import available_threads
from convfilter.errors import with_name
from convfilter.files import STREAM, sweep
from convfilter.images.formats import FORMATS
from convfilter.kernels import Kernel, get_kernel
from convfilter.messages import check_choice, shown
from convfilter.options import EncodeOptions, FilterOptions

if TYPE_CHECKING:
    from convfilter.batch.dask import Cluster
    from convfilter.batch.pool import Pool

__all__ = ["Report", "filter_file", "run_jobs"]


class Report:
    """Counts what became of the pictures of a run.

    Attributes
    ----------
    counts : collections.Counter
        Pictures by status.
    """

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def add(self, outcome: Outcome) -> None:
        """Count one picture."""
        self.counts[outcome.status] += 1

    @property
    def exit_code(self) -> int:
        """1 if a picture failed or was not attempted, else 0."""
        return 1 if self.counts["failed"] or self.counts["not attempted"] else 0

    def in_words(self) -> str:
        """Return the counts in words, such as ``11 done, 1 failed``."""
        told = [f"{self.counts[status]} {status}" for status in STATUSES if self.counts[status]]
        return ", ".join(told) or "nothing done"


def run_jobs(
    jobs: Sequence[Job],
    work: Work,
    *,
    dry: bool = False,
    scheduler: str | None = None,
    memory: int | None = None,
    finished: Callable[[Outcome], object] = lambda outcome: None,
) -> Generator[Outcome]:
    """Run jobs; a bad picture does not stop the others, a full disk does.

    Parameters
    ----------
    jobs : sequence of Job
        From `plan_jobs`.
    work : Work
        What is done to each; with one thread, or for a single picture, it is done in this process, else
        in as many processes as there are threads.
    dry : bool
        Only tell what would be done.
    scheduler : str, optional
        Where a Dask scheduler listens, whose workers do it instead.
    memory : int, optional
        How many bytes all pictures at work may take together. None is half of what is available.
    finished : callable
        Is told of every outcome as soon as it is there, which may be before its turn.

    Yields
    ------
    Outcome
        One for each job, in their order.

    Raises
    ------
    ConvfilterError
        If the scheduler cannot be reached.

    Notes
    -----
    Close the iterator when it is not run to its end: then all workers end, and leave nothing behind.
    """
    if dry:
        yield from _one_by_one(jobs, work, plan_job, finished)
        return
    for folder in {os.path.dirname(job.target) or "." for job in jobs if job.target != STREAM}:
        sweep(folder)
    executor = _executor(work, len(jobs), scheduler, memory)
    if executor is None:
        yield from _one_by_one(jobs, work, filter_job, finished)
        return
    from convfilter.batch.pool import dispatched

    with executor:
        yield from dispatched(jobs, work, executor, finished)


def _executor(work: Work, count: int, scheduler: str | None, memory: int | None) -> Cluster | Pool | None:
    """Return what does the jobs elsewhere; None if that is not worth it."""
    if scheduler is not None:
        from convfilter.batch.dask import Cluster

        return Cluster(work, scheduler)
    cores = available_threads(work.threads)
    if cores == 1 or count == 1:
        return None
    from convfilter.batch.pool import Pool

    return Pool(work, cores=cores, count=count, memory=memory)


def _one_by_one(
    jobs: Iterable[Job],
    work: Work,
    act: Callable[[Job, Work], Outcome],
    finished: Callable[[Outcome], object],
) -> Iterator[Outcome]:
    """Run jobs one after another in this process."""
    full = False
    for job in jobs:
        outcome = not_attempted(job) if full else act(job, work)
        full = full or outcome.disk_full
        finished(outcome)
        yield outcome


def filter_file(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    kernel: Kernel | str | Sequence[Kernel | str],
    **options: Any,
) -> None:
    """Filter a picture file into another, whole or not at all.

    Parameters
    ----------
    source, target : str or path-like
        The format of `target` is told by its extension, else by `source`. ``-`` is standard input or output.
    kernel : Kernel, str, or a sequence of them
        A sequence is a chain, applied in its order.
    **options
        Those of `apply_kernel`, and ``format``, ``overwrite=False``, ``quality``, ``compress="fast"``,
        ``background="white"``, ``strip=False``, ``orient=True``, ``max_pixels``, and ``frames``: every
        frame on its own (``"each"``), the ``"first"`` alone, or all as a volume (``"stack"``, which kernels
        with a frame axis imply).

    Raises
    ------
    KernelError, ImageError, ShapeError, OptionError
        As `apply_kernel` raises them, and `ImageError` if the image cannot be read or written; the message
        begins with the file's name.
    FileExistsError
        If `target` exists and ``overwrite`` is not given.
    TypeError
        For an option that does not exist.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> import numpy as np
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     before, after = pathlib.Path(folder, "step.npy"), pathlib.Path(folder, "edges.npy")
    ...     np.save(before, np.array([[0, 0, 9, 9]] * 3, np.uint8))
    ...     filter_file(before, after, "sobel-x")
    ...     np.load(after)[1]
    array([ 0, 36, 36,  0], dtype=uint8)
    """
    chain = list(kernel) if isinstance(kernel, Sequence) and not isinstance(kernel, str) else [kernel]
    kernels = tuple(get_kernel(each) for each in chain)
    target = os.fspath(target)
    if os.path.lexists(target) and not options.get("overwrite", False):
        raise FileExistsError(errno.EEXIST, "the output exists: pass overwrite=True to replace it", target)
    asked = options.pop("format", None)
    if asked is not None:
        check_choice("format", asked, FORMATS)
    form = asked if target == STREAM else format_of_file(target, asked)
    work = Work(
        kernels,
        FilterOptions(**_taken(options, FilterOptions)),
        EncodeOptions(**_taken(options, EncodeOptions)),
        **_taken(options, Work),
    )
    if options:
        raise TypeError(f"filter_file() got an unexpected option '{next(iter(options))}'")
    job = Job(os.fspath(source), target, form)
    refuse_inputs_as_outputs([job], overwrite=work.overwrite)
    try:
        filter_image(job, work, Outcome(job))
    except Exception as error:
        fault = image_error(error)
        if fault is None:
            raise
        raise with_name(fault, shown(source)) from error


# Fields of `Work` that are no options of `filter_file`.
_NO_OPTIONS = {"kernels", "filtering", "encoding", "skip_existing", "count_clipped"}


def _taken(options: dict[str, Any], kind: Any) -> dict[str, Any]:
    """Take the options that are fields of a record out of a mapping."""
    names = set(kind.__annotations__) - _NO_OPTIONS
    return {name: options.pop(name) for name in list(options) if name in names}
