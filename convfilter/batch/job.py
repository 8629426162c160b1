"""One image from file to file: read, filter, encode into a temporary file, rename, report.

The frames of a file are filtered each on its own, or all as one volume.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import sys
import time
from collections.abc import Iterable, Iterator
from io import BytesIO
from typing import BinaryIO

import numpy as np

from convfilter.batch.dry_run import (
    cannot_stack,
    chain_axes,
    memory_needed,
    output_format,
    pages_of,
    predict,
    warn_of_lossy_name,
    warn_of_one_frame,
    warn_of_region,
)
from convfilter.batch.inputs import format_of_stdin
from convfilter.batch.plan import Job, Settings
from convfilter.convolution.execute import available_threads
from convfilter.errors import ConvfilterError, ImageError, describe, internal_error
from convfilter.files import (
    STREAM,
    Attributes,
    OutputExistsError,
    already_exists,
    attributes_of,
    write_output,
)
from convfilter.filtering import filter_image
from convfilter.images.library import frame_named
from convfilter.images.masks import check_mask_sizes, with_masks, with_no_data
from convfilter.images.picture import Picture
from convfilter.images.reading import Frames, opened_frames
from convfilter.images.tiff_tags import no_data, of_first_page, without_no_data
from convfilter.images.writing import write_picture

__all__ = [
    "TOO_LARGE",
    "Result",
    "filter_job",
    "image_error",
    "not_attempted",
    "not_replaced",
    "plan_job",
    "run_job",
]

TOO_LARGE = "too large"
"""The status of an image that needs more memory than it may take now; nothing of it has been decoded."""


class Result:
    """What became of one image, as far as it is known."""

    width: int | None = None
    height: int | None = None
    channels: int | None = None
    frames: int | None = None
    output_width: int | None = None
    output_height: int | None = None
    output_channels: int | None = None
    output_frames: int | None = None
    samples: int = 0  # those in which saturated ones were counted
    clipped_below: float | None = None  # shares of samples
    clipped_above: float | None = None
    seconds: float = 0.0
    hint: str | None = None  # how to see more of the result; empty if there is nothing to gain
    traceback: str = ""  # of a mistake of the program itself

    def __init__(self, job: Job, status: str = "failed", error: Exception | None = None) -> None:
        self.job = job
        self.status = status  # or done, skipped, planned, not attempted
        self.error = error  # whose message is one line
        self.warnings: list[str] = []

    @property
    def disk_full(self) -> bool:
        """Whether going on makes no sense."""
        return getattr(self.error, "errno", None) in (errno.ENOSPC, errno.EDQUOT)


def not_attempted(job: Job) -> Result:
    """Return the result of a job that is left because of a full disk."""
    return Result(job, "not attempted", ImageError("not attempted: the disk is full"))


def not_replaced(job: Job) -> ImageError:
    """Return the error of a job whose output exists already."""
    return already_exists(job.target, " or --skip-existing to keep it")


def run_job(job: Job, settings: Settings, *, memory: int | None = None, repeated: bool = False) -> Result:
    """Filter one image; what is wrong with it is reported, not raised.

    `memory` is how many bytes it may take. `repeated` says that this may be a second attempt, whose output
    may be there.
    """
    with _reported(Result(job)) as result:
        filter_job(job, settings, result, memory=memory, repeated=repeated)
    return result


def plan_job(job: Job, settings: Settings) -> Result:
    """Report what `run_job` would do, from the image's header alone."""
    with _reported(Result(job)) as result, _opened(job, settings) as frames:
        form = _output_format(job, frames, settings, result)
        result.warnings += _predict(frames, form, settings, result)
        result.status = "planned"
    return result


@contextlib.contextmanager
def _reported(result: Result) -> Iterator[Result]:
    """Put what is raised into a result: neither a bad image nor a mistake of ours stops the others."""
    start = time.perf_counter()
    try:
        yield result
    except Exception as error:
        result.status, result.error = "failed", image_error(error)
        if result.error is None:
            message, result.traceback = internal_error(error)
            result.error = RuntimeError(message)
    result.seconds = round(time.perf_counter() - start, 4)


def image_error(error: Exception) -> ConvfilterError | None:
    """Return what is wrong with an image; None for a mistake of the program itself."""
    if isinstance(error, ConvfilterError):
        return error
    if isinstance(error, MemoryError):
        return ImageError("not enough memory: use a smaller image, kernel or padding, or fewer jobs")
    return ImageError(describe(error)) if isinstance(error, OSError) else None


def filter_job(
    job: Job, settings: Settings, result: Result, *, memory: int | None = None, repeated: bool = False
) -> None:
    """Filter one image as `run_job` does, but raise what is wrong with it."""
    if _is_stream_of_images(job, settings):
        _filter_stream(job, _with_masks(job, settings), result)
        return
    preserve = attributes_of(job.source) if settings.batch.preserve else None  # reading changes a time
    with _opened(job, settings) as frames:
        form = _output_format(job, frames, settings, result)
        if memory is not None and memory_needed(frames.size(), form, settings) > memory:
            result.status = TOO_LARGE
            return
        settings = _with_masks(job, settings)
        write = functools.partial(
            _write, job, form=form, settings=settings, result=result, preserve=preserve, repeated=repeated
        )
        if settings.stacks or (frames.count > 1 and settings.batch.frames != "first"):
            _predict(frames, form, settings, result)
            filtered = (_filter_stack if settings.stacks else _filter_each)(frames, settings, result)
            write(
                (page for each in filtered for page in pages_of(each, form, settings)),
                count=result.output_frames or 1,
                volume=settings.stacks or frames.volume,
            )
            return
        picture = _read(frames, 0, settings, result)
    del frames  # and with it what the decoder holds
    _filter(picture, settings, result)
    pages = [*pages_of(picture, form, settings)]
    del picture
    result.output_frames, result.output_channels = len(pages), _shape(pages[0])[2]
    write(pages, count=len(pages))


def _with_masks(job: Job, settings: Settings) -> Settings:
    return settings._replace(filtering=with_masks(settings.filtering, job.source, settings.reading))


def _opened(job: Job, settings: Settings) -> contextlib.AbstractContextManager[Frames]:
    source: str | BytesIO = job.source
    if source == STREAM:
        if sys.stdin is None:
            raise ImageError("standard input is closed")
        source = BytesIO(sys.stdin.buffer.read())
    reading = settings.reading
    return opened_frames(source, max_pixels=reading.max_pixels, orient=reading.orient, axes=settings.axes)


def _output_format(job: Job, frames: Frames, settings: Settings, result: Result) -> str:
    """Return the format of the output, and report what the header says."""
    result.frames = frames.count
    form = output_format(job.format, frames.format, settings)
    result.warnings += warn_of_lossy_name(job, frames.format, form)
    if settings.filtering.region is not None:
        result.warnings += warn_of_region(settings.filtering.region, frames.size())
    return form


def _predict(frames: Frames, form: str, settings: Settings, result: Result) -> list[str]:
    """Report sizes, refuse what cannot be done before anything is computed, return what will be lost."""
    sizes = [frames.size()] if settings.batch.frames == "first" else frames.sizes()
    result.width, result.height, result.channels = sizes[0][:3]
    check_mask_sizes(settings.filtering, result.job.source, settings.reading, {each[:2] for each in sizes})
    if settings.stacks:
        result.warnings += warn_of_one_frame(frames.count, settings)
    shape, lost = predict(sizes, form, settings)
    result.output_frames, result.output_height, result.output_width, result.output_channels = shape
    return lost


def _read(frames: Frames, number: int, settings: Settings, result: Result) -> Picture:
    picture = frames.read(number)
    _, warnings = with_no_data(settings.filtering, picture)
    if settings.rescales and not settings.encoding.strip and no_data(picture.metadata.tags) is not None:
        picture.metadata = picture.metadata._replace(tags=without_no_data(picture.metadata.tags))
        warnings = [*warnings, "the no-data value no longer fits: dropped"]
    result.warnings += [line for line in warnings if line not in result.warnings]
    return picture


def _filter(picture: Picture, settings: Settings, result: Result) -> None:
    """Filter an image or volume in its place, which frees the memory of the old one; report the first."""
    first = result.width is None
    if result.hint is None and result.job.source == settings.hint_for:
        from convfilter.filtering.hints import range_hint

        result.hint = range_hint(picture.pixels, picture.mode, settings.kernels, settings.filtering)
    if first:
        result.height, result.width, result.channels = _shape(picture)
    picture.grid = _grid(picture, settings)[1:]
    shape = picture.pixels.shape
    options, _ = with_no_data(settings.filtering, picture)
    filtered, picture.mode = filter_image(
        picture.pixels,
        picture.mode,
        settings.kernels,
        options,
        threads=settings.batch.jobs,
        count_clipped=settings.count_clipped,
        replace_input=True,
    )
    picture.pixels = filtered.pixels
    if len(shape) < 4:
        picture.metadata = picture.metadata.resized(shape, picture.pixels.shape)
    if first:
        result.output_height, result.output_width, result.output_channels = _shape(picture)
    if filtered.clipped_below is not None and filtered.clipped_above is not None:
        result.samples += picture.pixels.size
        part = picture.pixels.size / result.samples
        below, above = result.clipped_below or 0, result.clipped_above or 0
        result.clipped_below = below + (filtered.clipped_below - below) * part
        result.clipped_above = above + (filtered.clipped_above - above) * part


def _grid(picture: Picture, settings: Settings) -> list[tuple[int, int]]:
    """Return where what comes out of an image or volume lies in it, along frames, rows and columns.

    That is the place of the first sample, and the step to the next.
    """
    shape = picture.pixels.shape
    stack = shape[:3] if len(shape) == 4 else (1, *shape[:2])
    grid = [(0, 1)] * 3
    for axes in chain_axes(stack, settings.kernels, settings.filtering):
        grid = [
            (place + step * (axis.anchor - axis.before), step * axis.stride)
            for (place, step), axis in zip(grid, axes, strict=True)
        ]
    return grid


def _filter_each(frames: Frames, settings: Settings, result: Result) -> Iterator[Picture]:
    """Read and filter the frames of a file one after another."""
    for number in range(frames.count):
        picture = _read(frames, number, settings, result)
        with frame_named(number, frames.count):
            _filter(picture, settings, result)
        yield picture


def _filter_stack(frames: Frames, settings: Settings, result: Result) -> list[Picture]:
    """Filter the frames of a file as one volume (T, H, W, C).

    The frames that come out share its memory; each keeps the metadata of the one under the kernels' anchors.
    """
    first = frames.size()
    shape = first.height, first.width, first.channels
    volume = Picture(np.empty((frames.count, *shape), first.dtype), first.mode, first.format)
    metadata = []
    for number in range(frames.count):
        picture = _read(frames, number, settings, result)
        with frame_named(number, frames.count):
            if (picture.mode, _shape(picture)) != (first.mode, shape):
                raise ImageError(f"it differs from the first in size or mode{cannot_stack(settings)}")
        volume.pixels[number] = picture.pixels.reshape(shape)
        metadata.append(picture.metadata)
    volume.metadata = metadata[0]  # which may say what is missing
    start, step = _grid(volume, settings)[0]
    _filter(volume, settings, result)
    pixels = volume.pixels[..., 0] if volume.pixels.shape[3:] == (1,) else volume.pixels
    anchors = [min(max(start + step * number, 0), frames.count - 1) for number in range(len(pixels))]
    if anchors[0]:  # what the first page says holds for all: it is carried or reported
        tags = (*of_first_page(metadata[0].tags), *metadata[anchors[0]].tags)
        metadata[anchors[0]] = metadata[anchors[0]]._replace(tags=tags)
    return [
        Picture(
            pixels[number],
            volume.mode,
            volume.format,
            metadata[anchor].resized(shape, pixels[number].shape),
            grid=volume.grid,
        )
        for number, anchor in enumerate(anchors)
    ]


def _shape(picture: Picture) -> tuple[int, ...]:
    """Return rows, columns and channels."""
    return (*picture.pixels.shape, 1)[:3]


def _is_stream_of_images(job: Job, settings: Settings) -> bool:
    """Return whether images are read from standard input, filtered and written one by one."""
    if job.source != STREAM or settings.stacks or settings.maps > 1 or format_of_stdin() != "ppm":
        return False
    return settings.batch.frames == "first" or output_format(job.format, "ppm", settings) == "ppm"


def _filter_stream(job: Job, settings: Settings, result: Result) -> None:
    """Filter images as they come; to standard output each is written before the next one is read."""
    from convfilter.images.pnm import read_stream

    def filtered() -> Iterator[Picture]:
        pictures = read_stream(sys.stdin.buffer, settings.reading.max_pixels, result.warnings)
        for number, picture in enumerate(pictures):
            with frame_named(number, 1 if settings.batch.frames == "first" else None):
                _filter(picture, settings, result)
            result.frames = result.output_frames = number + 1
            yield picture
            if settings.batch.frames == "first":
                break

    form = output_format(job.format, "ppm", settings)
    for pictures in ([each] for each in filtered()) if job.target == STREAM else [filtered()]:
        _write(job, pictures, form, settings, result)


def _write(
    job: Job,
    pictures: Iterable[Picture],
    form: str,
    settings: Settings,
    result: Result,
    *,
    count: int = 1,
    volume: bool = False,
    preserve: Attributes | None = None,
    repeated: bool = False,
) -> None:
    """Write the output, unless it exists by now: a file of `count` frames, or single images in turn."""
    threads = available_threads(settings.batch.jobs)

    def encode(out: BinaryIO) -> None:
        lost: list[str] = []
        if count == 1 and not (volume and form == "npy"):
            for picture in pictures:
                lost += write_picture(out, picture, form, settings.encoding, release=True, threads=threads)
        else:
            from convfilter.images.animation import write_frames

            lost += write_frames(
                out, pictures, count, form, settings.encoding, volume=volume, threads=threads
            )
        result.warnings += [line for line in dict.fromkeys(lost) if line not in result.warnings]

    try:
        write_output(
            job.target,
            encode,
            overwrite=settings.batch.overwrite,
            repeated=repeated,
            batch=True,
            preserve=preserve,
        )
    except OutputExistsError:
        if not settings.batch.skip_existing:
            raise not_replaced(job) from None
        result.status = "skipped"  # another run has made it meanwhile
        result.warnings.clear()
    else:
        result.status = "done"
