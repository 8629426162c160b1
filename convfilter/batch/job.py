"""One picture's way from file to file: read, filter, write. Plain data in, plain data out."""

from __future__ import annotations

import errno
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from io import BytesIO
from typing import BinaryIO

from convfilter.batch.foresight import foresee, output_format, warn_of_one_frame
from convfilter.batch.memory import footprint
from convfilter.batch.plan import format_of_stdin
from convfilter.batch.sequences import Shares, filter_each, filter_picture, filter_stack
from convfilter.batch.work import Job, Work
from convfilter.errors import ConvfilterError, ImageError
from convfilter.files import EXISTS, STREAM, OutputError, OutputExistsError, write_output
from convfilter.images.animation import write_frames
from convfilter.images.library import frame_named
from convfilter.images.picture import Picture
from convfilter.images.pnm import read_stream
from convfilter.images.reading import Frames, opened_frames
from convfilter.images.writing import write_picture
from convfilter.messages import describe, internal_error

__all__ = [
    "STATUSES",
    "Outcome",
    "TooLargeError",
    "filter_image",
    "filter_job",
    "image_error",
    "not_attempted",
    "plan_job",
    "settled",
]

STATUSES = ("done", "skipped", "planned", "failed", "not attempted")

_EXISTS = f"{EXISTS} or --skip-existing to keep it"


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
    traceback : str
        Where a mistake of the program itself was made; empty without one.
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
    traceback: str = ""


def not_attempted(job: Job) -> Outcome:
    """Return the outcome of a job that is left because of a full disk."""
    return Outcome(job, status="not attempted", error="not attempted: the disk is full")


class TooLargeError(Exception):
    """A picture takes more memory than there is room for now."""


def filter_job(job: Job, work: Work, *, room: int | None = None, repeated: bool = False) -> Outcome:
    """Filter one image; whatever is wrong with it is reported in the outcome, not raised.

    Parameters
    ----------
    job, work : Job, Work
        The picture and what is done to it.
    room : int, optional
        How many bytes of memory it may take.
    repeated : bool
        Whether this may be a second attempt, and someone else has asked `settled` before the first.

    Returns
    -------
    Outcome
        What became of it.

    Raises
    ------
    TooLargeError
        If it takes more memory than `room`; nothing has been decoded then.
    """
    return _reported(job, lambda outcome: filter_image(job, work, outcome, room=room, repeated=repeated))


def plan_job(job: Job, work: Work) -> Outcome:
    """Report what `filter_job` would do, from the image's header alone."""
    return _reported(job, lambda outcome: _foresee(job, work, outcome))


def settled(job: Job, work: Work) -> Outcome | None:
    """Return what becomes of a job whose output exists, None if there is something to do."""
    outcome = _reported(job, lambda outcome: _look_at_output(job, work, outcome))
    return None if outcome.error is None and outcome.status == "failed" else outcome


def _reported(job: Job, act: Callable[[Outcome], object]) -> Outcome:
    """Do something about a job, with whatever it raises as the outcome."""
    outcome = Outcome(job)
    start = time.perf_counter()
    try:
        act(outcome)
    except TooLargeError:
        raise
    except Exception as error:
        # A mistake of ours over one image must not cost a night's work on the others either.
        outcome.status, fault = "failed", image_error(error)
        if fault is None:
            outcome.error, outcome.traceback = internal_error(error)
        else:
            outcome.error = str(fault)
    outcome.seconds = round(time.perf_counter() - start, 4)
    return outcome


def image_error(error: Exception) -> ConvfilterError | None:
    """Return what is wrong with an image; None for a mistake of the program itself."""
    if isinstance(error, ConvfilterError):
        return error
    if isinstance(error, MemoryError):
        return ImageError("not enough memory: take a smaller image, kernel or padding, or fewer jobs")
    return ImageError(describe(error)) if isinstance(error, OSError) else None


def filter_image(
    job: Job, work: Work, outcome: Outcome, *, room: int | None = None, repeated: bool = False
) -> None:
    """Filter one image as `filter_job` does, but raise what is wrong."""
    if not repeated and _look_at_output(job, work, outcome):
        return
    if _comes_in_pieces(job, work):
        _filter_stream(job, work, outcome)
        outcome.status = "done"
        return
    picture = None
    with _opened(job, work, work.max_pixels) as frames:
        outcome.frames = frames.count
        if room is not None:
            form = output_format(job.format, frames.format, work)
            if footprint(frames.size(), form, work) > room:
                raise TooLargeError
        if work.stacks or (frames.count > 1 and work.frames != "first"):
            _filter_several(frames, job, work, outcome, repeated)
        else:
            picture = frames.read(0)
    if picture is not None:
        del frames  # and with it what the decoder holds
        _filter_one(picture, job, work, outcome, repeated)
    if outcome.status != "skipped":
        outcome.status = "done"


def _filter_one(picture: Picture, job: Job, work: Work, outcome: Outcome, repeated: bool) -> None:
    outcome.warnings += picture.warnings
    outcome.height, outcome.width, outcome.channels = _size_of(picture)
    shares = Shares()
    filter_picture(picture, work, shares)
    outcome.clipped_below, outcome.clipped_above = shares.told()
    outcome.output_height, outcome.output_width, outcome.output_channels = _size_of(picture)
    form = output_format(job.format, picture.format, work)
    _put(
        job,
        work,
        outcome,
        lambda out: write_picture(out, picture, form, work.encoding, release=True),
        repeated,
    )


def _filter_several(frames: Frames, job: Job, work: Work, outcome: Outcome, repeated: bool) -> None:
    form = output_format(job.format, frames.format, work)
    _look_ahead(frames, form, work, outcome)
    shares = Shares()
    made: list[Picture] = []

    def encode(out: BinaryIO) -> list[str]:
        if not work.stacks:
            each = filter_each(frames, work, shares, outcome.warnings)
            return write_frames(out, each, frames.count, form, work.encoding)
        if len(made) > 1 or form == "npy":
            return write_frames(out, made, len(made), form, work.encoding, volume=True)
        return write_picture(out, made[0], form, work.encoding)

    if work.stacks:
        made += filter_stack(frames, work, shares, outcome.warnings)
    _put(job, work, outcome, encode, repeated)
    outcome.clipped_below, outcome.clipped_above = shares.told()


def _size_of(picture: Picture) -> tuple[int, ...]:
    """Return a picture's height, width and channels."""
    return (*picture.pixels.shape, 1)[:3]


def _comes_in_pieces(job: Job, work: Work) -> bool:
    """Tell whether images are read from standard input, filtered and written one by one."""
    if job.source != STREAM or work.stacks or format_of_stdin() != "ppm":
        return False
    return work.frames == "first" or output_format(job.format, "ppm", work) == "ppm"


def _filter_stream(job: Job, work: Work, outcome: Outcome) -> None:
    """Filter images as they come; to standard output each is written before the next one is read."""
    pictures = read_stream(sys.stdin.buffer, work.max_pixels, outcome.warnings)
    if work.frames == "first":
        outcome.frames = 1
        _filter_one(next(pictures), job, work, outcome, repeated=False)
        return
    shares = Shares()

    def filtered() -> Iterator[Picture]:
        for number, picture in enumerate(pictures):
            outcome.frames = number + 1
            size = _size_of(picture)
            with frame_named(number, None):
                filter_picture(picture, work, shares)
            if not number:
                outcome.height, outcome.width, outcome.channels = size
                outcome.output_height, outcome.output_width, outcome.output_channels = _size_of(picture)
            yield picture

    def put(pictures: Iterable[Picture]) -> None:
        def encode(out: BinaryIO) -> list[str]:
            lost: dict[str, None] = {}
            for picture in pictures:
                lost |= dict.fromkeys(write_picture(out, picture, "ppm", work.encoding, release=True))
            return [line for line in lost if line not in outcome.warnings]

        _put(job, work, outcome, encode, repeated=False)

    if job.target == STREAM:
        for picture in filtered():
            put([picture])
    else:
        put(filtered())
    outcome.clipped_below, outcome.clipped_above = shares.told()


def _look_ahead(frames: Frames, form: str, work: Work, outcome: Outcome) -> list[str]:
    """Tell sizes, refuse what cannot be done before anything is computed, return what will be lost."""
    sizes = [frames.size()] if work.frames == "first" else frames.sizes()
    outcome.width, outcome.height, outcome.channels = sizes[0][:3]
    outcome.frames = frames.count
    if work.stacks:
        outcome.warnings += warn_of_one_frame(frames.count, work)
    (_, outcome.output_height, outcome.output_width, outcome.output_channels), lost = foresee(
        sizes, form, work
    )
    return lost


def _foresee(job: Job, work: Work, outcome: Outcome) -> None:
    if _look_at_output(job, work, outcome):
        return
    with _opened(job, work, work.max_pixels) as frames:
        lost = _look_ahead(frames, output_format(job.format, frames.format, work), work, outcome)
    outcome.warnings += lost
    outcome.status = "planned"


def _opened(job: Job, work: Work, max_pixels: int | None) -> AbstractContextManager[Frames]:
    return opened_frames(_source(job), max_pixels=max_pixels, orient=work.orient, volume=work.stacks)


def _look_at_output(job: Job, work: Work, outcome: Outcome) -> bool:
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


def _put(
    job: Job, work: Work, outcome: Outcome, encode: Callable[[BinaryIO], list[str]], repeated: bool
) -> None:
    """Write an output; its warnings are those of the outcome."""
    try:
        write_output(
            job.target,
            lambda stream: outcome.warnings.extend(encode(stream)),
            overwrite=work.overwrite,
            repeated=repeated,
            folders=True,
        )
    except OutputExistsError:
        if not work.skip_existing:
            raise ImageError(_EXISTS) from None
        outcome.status = "skipped"  # another run has made it meanwhile
        outcome.warnings.clear()
    except OutputError as error:
        outcome.disk_full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        raise
