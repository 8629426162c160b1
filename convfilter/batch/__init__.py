"""`filter_file`, and runs over many images, independent of the command line.

`plan` finds the inputs, names every output before an image is read and refuses what would do harm. `job`
takes one image from file to file, or predicts from its header what comes out. Here jobs run one after
another, or side by side in one of the `executors`.
"""

from __future__ import annotations

import contextlib
import errno
import os
import warnings
from collections.abc import Callable, Generator, Sequence
from typing import TYPE_CHECKING

from numpy.typing import ArrayLike

from convfilter.batch.job import Result, filter_job, image_error, not_attempted, plan_job, run_job
from convfilter.batch.plan import Job, Settings, check_jobs, check_settings, format_of_file
from convfilter.convolution.execute import available_threads
from convfilter.errors import check_choice, escaped, with_name
from convfilter.files import STREAM, already_exists, check_parent, sweep, sync_folder
from convfilter.geometry import Padding, PerAxis
from convfilter.images.formats import ALIASES, FORMATS
from convfilter.kernels import KernelLike, files_of, get_chain
from convfilter.options import (
    MAX_PIXELS,
    Alpha,
    BatchOptions,
    Border,
    Channels,
    Compress,
    Depth,
    EncodeOptions,
    FilterOptions,
    Frames,
    Range,
    ReadOptions,
)

if TYPE_CHECKING:
    from convfilter.batch.executors import Cluster, Pool


# Results that wait for an earlier one; an image that takes hours must not fill memory with them.
_AHEAD = 20_000


def run_jobs(
    jobs: Sequence[Job],
    settings: Settings,
    *,
    dry: bool = False,
    memory: int | None = None,
    finished: Callable[[Result], object] = lambda result: None,
) -> Generator[Result]:
    """Run jobs, or only report what they would do, and yield their results in their order.

    A bad image does not stop the others, a full disk does. `finished` is called with every result as soon as
    it is there. `memory` is how many bytes all images at work may take together, by default half of what is
    available. Close the iterator to end all workers.
    """
    folders = {os.path.dirname(job.target) or os.curdir for job in jobs if job.target != STREAM and not dry}
    run = plan_job if dry else run_job
    todo, turn, disk_full = enumerate(jobs), 0, False
    submitted: dict[Job, int] = {}
    results: dict[int, Result] = {}  # which wait for an earlier one
    with contextlib.ExitStack() as stack:
        for folder in folders:
            sweep(folder)
            stack.callback(sync_folder, folder)
        executor = None if dry else _executor(settings, len(jobs), memory)
        if executor is not None:
            stack.enter_context(contextlib.closing(executor))
        while True:
            ready = not submitted or (executor and executor.is_free() and len(results) < _AHEAD)
            number, job = next(todo, (-1, None)) if ready else (-1, None)
            if job is not None:
                result = not_attempted(job) if disk_full else _existing_output(job, settings)
                if result is None and job.source != STREAM and executor and executor.is_free():
                    executor.submit(job)
                    submitted[job] = number
                    continue
                result = result or run(job, settings)
            elif executor and submitted:
                result = executor.next_result()
                number = submitted.pop(result.job)
            else:
                return
            disk_full = disk_full or result.disk_full
            finished(result)
            results[number] = result
            while turn in results:
                yield results.pop(turn)
                turn += 1


def _existing_output(job: Job, settings: Settings) -> Result | None:
    """Return the result of a job whose output exists already; None if there is something to do."""
    if job.target == STREAM or settings.batch.overwrite or not os.path.lexists(job.target):
        return None
    if settings.batch.skip_existing:
        return Result(job, "skipped")
    # Another name for the output would not help where something else is wrong, too.
    result = Result(job, "planned") if job.source == STREAM else plan_job(job, settings)
    if result.status == "planned":
        result = Result(job, error=already_exists(job.target, batch=True))
    return result


def _executor(settings: Settings, count: int, memory: int | None) -> Pool | Cluster | None:
    """Return what does the jobs elsewhere; None if that is not worth it."""
    cores, scheduler = available_threads(settings.batch.jobs), settings.batch.scheduler
    if scheduler is None and (cores == 1 or count == 1):
        return None
    from convfilter.batch.executors import Cluster, Pool  # here, because a single image needs neither

    if scheduler is not None:
        return Cluster(settings, scheduler)
    return Pool(settings, cores=cores, count=count, memory=memory)


def filter_file(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    kernel: KernelLike,
    *,
    padding: Padding = "same",
    border: Border = "edge",
    fill: float = 0.0,
    stride: PerAxis = 1,
    dilation: PerAxis = 1,
    flip: bool = False,
    channels: Channels = "each",
    range: Range = "auto",
    alpha: Alpha = "auto",
    linear: bool = False,
    mix: float = 1.0,
    mask: ArrayLike | str | os.PathLike[str] | None = None,
    region: Sequence[int] | None = None,
    threshold: float = 0.0,
    missing: float | ArrayLike | str | os.PathLike[str] | None = None,
    depth: Depth | None = None,
    frames: Frames | None = None,
    orient: bool = True,
    max_pixels: int = MAX_PIXELS,
    format: str | None = None,
    quality: int | None = None,
    compress: Compress = "fast",
    background: str = "white",
    strip: bool = False,
    overwrite: bool = False,
    preserve: bool = False,
    threads: int | None = None,
) -> None:
    """Filter an image file and write the result to another, completely or not at all.

    Parameters
    ----------
    source, target : str or path-like
        Files; ``-`` is standard input or output.
    kernel : str, path-like, array_like, Kernel, or a list of them
        As in `apply_kernel`.
    padding, border, fill, stride, dilation, flip, channels, range, alpha, linear, depth, threads
        As in `apply_kernel`.
    mix, region, threshold, mask, missing
        As in `apply_kernel`; masks may also be image files, or folders that contain a mask with the source's
        name, and ``missing="nodata"`` uses the value that a TIFF declares.
    frames : {"each", "first", "stack"}, optional
        Filter each frame separately, only the first, or all as a volume. None means ``"stack"`` for kernels
        with a frame axis and ``"each"`` for others. If this is set, an ``.npy`` with three axes, the last of
        length over 4, is read as frames.
    orient : bool
        Whether to rotate or mirror the image as its orientation tag says.
    max_pixels : int
        Larger images and animations are refused before they are decoded.
    format : str, optional
        Format of `target`. None uses the one of its extension, or else that of `source`.
    quality : int, optional
        Quality of JPEG, WebP and AVIF, 1 to 100. None keeps that of `source`, or is 90 if it has none.
    compress : {"fast", "small"}
        Write quickly, or the smallest file.
    background : str
        Colour behind transparent pixels where the format has no alpha.
    strip : bool
        Remove metadata.
    overwrite : bool
        Replace `target` if it exists. Its permissions, owner and extended attributes are kept.
    preserve : bool
        Give `target` the times, permissions and owner of `source`, as ``cp -p`` does.

    Warns
    -----
    UserWarning
        One for each thing that is lost; the message begins with the name of `source`.

    Raises
    ------
    KernelError, ImageError, ShapeError, OptionError
        As `apply_kernel` raises them, and `ImageError` if the image cannot be read or written; the message
        begins with the name of `source`.
    FileExistsError
        If `target` exists and `overwrite` is false.

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
    kernels = get_chain(kernel)
    target = os.fspath(target)
    check_parent(target)
    if os.path.lexists(target) and not overwrite:
        raise FileExistsError(errno.EEXIST, "already exists: use overwrite=True to replace it", target)
    if format is not None:
        format = ALIASES.get(format, format)
        check_choice("format", format, FORMATS)
    filtering = FilterOptions(
        padding=padding,
        border=border,
        fill=fill,
        stride=stride,
        dilation=dilation,
        flip=flip,
        channels=channels,
        range=range,
        alpha=alpha,
        linear=linear,
        mix=mix,
        mask=os.fspath(mask) if isinstance(mask, os.PathLike) else mask,
        region=region,
        threshold=threshold,
        missing=os.fspath(missing) if isinstance(missing, os.PathLike) else missing,
        depth=depth,
    )
    settings = Settings(
        kernels,
        filtering,
        EncodeOptions(quality, compress, background, strip),
        ReadOptions(orient, max_pixels),
        BatchOptions(frames, overwrite, preserve=preserve, jobs=threads),
        kernel_files=files_of(kernel),
    )
    check_settings(settings)
    job = Job(os.fspath(source), target, format if target == STREAM else format_of_file(target, format))
    check_jobs([job], settings)
    result = Result(job)
    try:
        filter_job(job, settings, result)
    except Exception as error:
        fault = image_error(error)
        if fault is None:
            raise
        raise with_name(fault, escaped(source)) from error
    sync_folder(os.path.dirname(target))
    for line in result.warnings:
        warnings.warn(f"{escaped(source)}: {line}", stacklevel=2)
