"""One picture's way from file to file: read, filter, write. Plain data in, plain data out."""

from __future__ import annotations

import errno
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from io import BytesIO

import numpy as np

from convfilter.batch.inputs import STREAM
from convfilter.batch.planning import Job
from convfilter.errors import ConvfilterError, ImageError
from convfilter.files import commit, describe, shown
from convfilter.filtering import FilterOptions, filter_axes, filter_pixels
from convfilter.images.formats import fitting_mode
from convfilter.images.opening import check_pixels
from convfilter.images.reading import MAX_PIXELS, Picture, read_picture, read_size
from convfilter.images.writing import Encoding, check_writable, write_picture
from convfilter.kernels import Kernel

__all__ = ["STATUSES", "Outcome", "Work", "filter_job", "plan_job"]

STATUSES = ("done", "skipped", "planned", "failed", "not attempted")

_EXISTS = "the output exists: give --overwrite to replace it or --skip-existing to keep it"
_DISK_FULL = (errno.ENOSPC, errno.EDQUOT)


@dataclass(frozen=True)
class Work:
    """What is done to every picture of a run.

    Attributes
    ----------
    kernels : tuple of Kernel
        The chain of filters.
    filtering : FilterOptions
        How to filter.
    encoding : Encoding
        How to write.
    overwrite, skip_existing : bool
        What becomes of an output that exists; without either its picture fails.
    max_pixels : int
        Larger pictures are refused before they are decoded.
    orient : bool
        Whether EXIF orientation is applied.
    threads : int or None
        As in `available_threads`.
    count_clipped : bool
        Whether to count the samples that saturate.
    """

    kernels: tuple[Kernel, ...]
    filtering: FilterOptions = field(default_factory=FilterOptions)
    encoding: Encoding = field(default_factory=Encoding)
    overwrite: bool = False
    skip_existing: bool = False
    max_pixels: int = MAX_PIXELS
    orient: bool = True
    threads: int | None = None
    count_clipped: bool = False


@dataclass
class Outcome:
    """What became of one picture.

    Attributes
    ----------
    job : Job
        The picture and its output.
    status : str
        One of `STATUSES`.
    error : str or None
        Why it failed.
    warnings : list of str
        What was lost or looked odd.
    width, height, channels, output_width, output_height, output_channels, frames : int or None
        As far as they became known.
    clipped_below, clipped_above : float or None
        Shares of samples that saturated, if they were counted.
    seconds : float
        Time it took.
    disk_full : bool
        Whether going on makes no sense.
    """

    job: Job
    status: str = "failed"
    error: str | None = None
    warnings: list[str] = field(default_factory=list)
    width: int | None = None
    height: int | None = None
    channels: int | None = None
    output_width: int | None = None
    output_height: int | None = None
    output_channels: int | None = None
    frames: int | None = None
    clipped_below: float | None = None
    clipped_above: float | None = None
    seconds: float = 0.0
    disk_full: bool = False


def filter_job(job: Job, work: Work) -> Outcome:
    """Filter one picture; whatever is wrong with it is told in the outcome, not raised."""
    return _told(job, lambda outcome: _filter(job, work, outcome))


def plan_job(job: Job, work: Work) -> Outcome:
    """Tell what `filter_job` would do, from the picture's header alone."""
    return _told(job, lambda outcome: _foresee(job, work, outcome))


def _told(job: Job, act: Callable[[Outcome], None]) -> Outcome:
    outcome = Outcome(job)
    start = time.perf_counter()
    try:
        act(outcome)
    except ConvfilterError as error:
        outcome.error = str(error)
    except MemoryError:
        outcome.error = "not enough memory: take a smaller picture or fewer jobs"
    except OSError as error:
        outcome.error = describe(error)
        outcome.disk_full = error.errno in _DISK_FULL
    outcome.seconds = round(time.perf_counter() - start, 4)
    return outcome


def _filter(job: Job, work: Work, outcome: Outcome) -> None:
    if _is_settled(job, work, outcome):
        return
    picture = read_picture(_source(job), max_pixels=work.max_pixels, orient=work.orient)
    outcome.warnings += picture.warnings
    outcome.height, outcome.width = picture.pixels.shape[:2]
    outcome.channels = 1 if picture.pixels.ndim == 2 else picture.pixels.shape[2]
    outcome.frames = picture.frames
    _refuse_frames(picture.frames)
    filtered = filter_pixels(
        picture.pixels,
        work.kernels,
        options_for(picture.mode, work.filtering),
        threads=work.threads,
        count_clipped=work.count_clipped,
    )
    # From here on the input is not needed: what is written takes its place in memory.
    picture.pixels = filtered.pixels
    outcome.clipped_below, outcome.clipped_above = filtered.clipped_below, filtered.clipped_above
    outcome.output_height, outcome.output_width = picture.pixels.shape[:2]
    outcome.output_channels = 1 if picture.pixels.ndim == 2 else picture.pixels.shape[2]
    picture.mode = fitting_mode(picture.mode, outcome.output_channels)
    del filtered
    _write(job, work, picture, job.format or _own_format(picture.format, work), outcome)
    outcome.status = "done"


def _foresee(job: Job, work: Work, outcome: Outcome) -> None:
    if _is_settled(job, work, outcome):
        return
    size = read_size(_source(job), orient=work.orient)
    outcome.width, outcome.height, outcome.channels, outcome.frames = (
        size.width,
        size.height,
        size.channels,
        size.frames,
    )
    check_pixels((size.width, size.height), work.max_pixels)
    _refuse_frames(size.frames)
    shape = (1, size.height, size.width)
    for kernel in work.kernels:
        axes = filter_axes(shape, (1, kernel.height, kernel.width), work.filtering)
        shape = (1, axes[1].output, axes[2].output)
    outcome.output_height, outcome.output_width = shape[1:]
    # One sample tells what becomes of channels and type, and whether kernels and format take them.
    sample = np.zeros((1, 1) if size.channels == 1 else (1, 1, size.channels), size.dtype)
    options = replace(options_for(size.mode, work.filtering), padding="same")
    made = filter_pixels(sample, work.kernels, options, threads=1).pixels
    outcome.output_channels = 1 if made.ndim == 2 else made.shape[2]
    outcome.warnings += check_writable(
        fitting_mode(size.mode, outcome.output_channels),
        made.dtype,
        (outcome.output_width, outcome.output_height),
        1,
        job.format or _own_format(size.format, work),
    )
    outcome.status = "planned"


def options_for(mode: str, options: FilterOptions) -> FilterOptions:
    """Return the options as they apply to a mode: the fourth channel of CMYK is ink, not alpha."""
    return replace(options, alpha="plain") if mode == "CMYK" else options


def _is_settled(job: Job, work: Work, outcome: Outcome) -> bool:
    """Look at an output that exists: skip its picture, refuse it, or go on and replace it."""
    if job.target == STREAM or work.overwrite or not os.path.lexists(job.target):
        return False
    if not work.skip_existing:
        raise ImageError(_EXISTS)
    outcome.status = "skipped"
    return True


def _source(job: Job) -> str | BytesIO:
    if job.source != STREAM:
        return job.source
    if sys.stdin is None:
        raise ImageError("standard input is closed")
    return BytesIO(sys.stdin.buffer.read())


def _refuse_frames(frames: int) -> None:
    if frames > 1:
        raise ImageError(f"it holds {frames} pictures and only single ones are filtered")


def _own_format(format: str, work: Work) -> str:
    """The format of an output that has no name to tell it, after an input of a format."""
    return "npy" if work.filtering.resolved_range(work.kernels[-1]) == "raw" else format


def _write(job: Job, work: Work, picture: Picture, format: str, outcome: Outcome) -> None:
    if job.target == STREAM:
        if sys.stdout is None:
            raise ImageError("standard output is closed")
        buffer = BytesIO()
        outcome.warnings += write_picture(buffer, picture, format, work.encoding, release=True)
        try:
            sys.stdout.buffer.write(buffer.getbuffer())
            sys.stdout.buffer.flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            raise _write_error(job, describe(error), error, outcome) from None
        return
    try:
        os.makedirs(os.path.dirname(job.target) or ".", exist_ok=True)
    except OSError as error:
        # A file that stands where a folder is needed "exists" to the system; to the user it is in the way.
        reason = "a file is in the way" if isinstance(error, FileExistsError) else describe(error)
        raise _write_error(job, reason, error, outcome) from None
    try:
        commit(
            job.target,
            lambda stream: outcome.warnings.extend(
                write_picture(stream, picture, format, work.encoding, release=True)
            ),
            overwrite=work.overwrite,
        )
    except FileExistsError:
        raise ImageError(_EXISTS) from None
    except OSError as error:
        raise _write_error(job, describe(error), error, outcome) from None


def _write_error(job: Job, reason: str, error: OSError, outcome: Outcome) -> ImageError:
    """What went wrong with the output, which the user must be able to tell from the input."""
    outcome.disk_full = error.errno in _DISK_FULL
    target = "standard output" if job.target == STREAM else shown(job.target)
    return ImageError(f"{target} cannot be written: {reason}")
