"""One image from file to file: read, filter, encode into a temporary file, rename, report.

What comes out, whether it can be written and how much memory that takes is known from the header. The frames
of a file are filtered each on its own, or all as one volume.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import math
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from io import BytesIO
from typing import BinaryIO

import numpy as np

from convfilter.batch.plan import Job, Settings, format_of_stdin
from convfilter.convolution.execute import available_threads
from convfilter.errors import ConvfilterError, ImageError, counted, describe, internal_error
from convfilter.files import STREAM, Attributes, OutputExistsError, attributes_of, write_output
from convfilter.filtering import filter_image, options_for, plan_chain
from convfilter.filtering.blend import check_region
from convfilter.filtering.layer import Layer
from convfilter.geometry import Axis
from convfilter.images.formats import FORMATS, fitting_mode, format_of_name, loose_channels
from convfilter.images.library import frame_named
from convfilter.images.masks import check_mask_sizes, mask_files, no_data_warnings, with_masks, with_no_data
from convfilter.images.opening import check_pixels
from convfilter.images.picture import Picture, Size
from convfilter.images.reading import Frames, opened_frames
from convfilter.images.tiff_tags import no_data, of_first_page, without_no_data
from convfilter.images.writing import check_writable, write_frames

TOO_LARGE = "too large"
"""The status of an image that needs more memory than it may take now; nothing of it has been decoded."""


class Result:
    """What became of one image, as far as it is known."""

    size: Size | None = None  # of the first frame that goes in, and of the first that comes out
    output: Size | None = None
    samples: int = 0  # those in which saturated ones were counted
    clipped_below: float | None = None  # shares of samples
    clipped_above: float | None = None
    marked: int = 0  # results that equal the mark of missing samples without being missing
    seconds: float = 0.0
    disk_full: bool = False  # the rest of the run would fail too
    hint: str | None = None  # how to see more of the result; empty if there is nothing to gain
    traceback: str = ""  # of a mistake of the program itself

    def __init__(self, job: Job, status: str = "failed", error: Exception | None = None) -> None:
        self.job = job
        self.status = status  # or done, skipped, planned, not attempted
        self.error = error  # whose message is one line
        self.warnings: list[str] = []

    def warn_of_marks(self) -> None:
        """Warn, once for all frames, of results that will be taken for missing samples."""
        if self.marked and self.status == "done":
            equal = f"{counted(self.marked, 'result')} equal{'s' * (self.marked == 1)}"
            fault = f"{equal} the mark of missing samples, and will be taken for missing"
            self.warnings.append(f"{fault}: try another --range")


def not_attempted(job: Job) -> Result:
    """Return the result of a job that is left because of a full disk."""
    return Result(job, "not attempted", ImageError("not attempted: the disk is full"))


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
        _, lost = _foresee(job, frames, settings, result)
        result.warnings += lost
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
        result.disk_full = getattr(error.__cause__, "errno", None) in (errno.ENOSPC, errno.EDQUOT)
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
        result.warn_of_marks()
        return
    preserve = attributes_of(job.source) if settings.batch.preserve else None  # reading changes a time
    with contextlib.ExitStack() as opened:
        frames = opened.enter_context(_opened(job, settings))
        output, _ = _foresee(job, frames, settings, result)
        form = output.format
        if memory is not None and memory_needed(frames.size(), form, settings) > memory:
            result.status = TOO_LARGE
            return
        settings = _with_masks(job, settings)
        count = 1 if settings.batch.frames == "first" else frames.count
        volume = settings.stacks or (frames.volume and count > 1)
        pictures: Iterable[Picture] = (_read(frames, number, settings, result) for number in range(count))
        if settings.stacks:
            pictures = _filter_stack(pictures, frames.size(), settings, result)
        elif count > 1:
            pictures = _filter_each(pictures, count, settings, result)
        else:
            pictures = [*pictures]
            del frames  # and with it what the decoder holds
            opened.close()
            # Filtered before the output's folder is made, which a failure would leave empty.
            pictures = [*_filter_each(pictures, count, settings, result)]
        pages = (page for each in pictures for page in _pages_of(each, form, settings))
        _write(
            job,
            pages,
            form,
            settings,
            result,
            count=output.frames if output.frames > 1 or (volume and form == "npy") else 0,
            volume=volume,
            preserve=preserve,
            repeated=repeated,
        )
    result.warn_of_marks()


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


# What comes out, from the header


def _foresee(job: Job, frames: Frames, settings: Settings, result: Result) -> tuple[Size, list[str]]:
    """Record the sizes of input and output; return the output's, and a line for each loss.

    What cannot be done is refused before anything is computed.
    """
    first, own, region = frames.size(), frames.format, settings.filtering.region
    result.size = first
    form = _output_format(job, own, settings)
    losses = FORMATS[own].losses, FORMATS[form].losses
    if losses == ("never", "always") and format_of_name(job.source) == form:
        fault = f"its content is {own} but its name says {form}: it will be written as lossy {form}"
        result.warnings.append(f"{fault}; use --format {own} to keep it lossless")
    if region is not None:
        height, width = (part.stop - part.start for part in check_region(region, (first.height, first.width)))
        if (height, width) != tuple(region[2:]):
            fault = "the region reaches beyond the image"
            result.warnings.append(f"{fault}: only {width}x{height} of it is filtered")
    if frames.count == 1 and settings.spans_frames:
        kernel = next(kernel for kernel in settings.kernels if "frame" in kernel.axes)
        fault = "the frames before and after it come from the border"
        result.warnings.append(f"holds only one frame: for kernel '{kernel.name}', {fault}")
    sizes = [first] if settings.batch.frames == "first" else frames.sizes()
    output, lost = _predict(sizes, form, settings, result)
    check_mask_sizes(settings.filtering, job.source, settings.reading, [each[:2] for each in sizes])
    return output, lost


def _output_format(job: Job, own: str, settings: Settings) -> str:
    """Return the format of an output: the one asked for by option or name, else the input's own."""
    form = job.format or ("npy" if settings.raw else own)
    if settings.raw and not FORMATS[form].holds("F"):
        raise ImageError(f"{form} cannot hold the floats of range 'raw'; try tiff or npy")
    return form


def _predict(sizes: Sequence[Size], form: str, settings: Settings, result: Result) -> tuple[Size, list[str]]:
    """Record and return what comes out of a file, and return what will be lost; refuse what cannot be done.

    `sizes` are those of all frames, or of the first alone if they are alike.
    """
    frames = 1 if settings.batch.frames == "first" else sizes[0].frames
    if len(sizes) > 1 and settings.stacks:
        raise ImageError(f"its frames differ in size or mode{_cannot_stack(settings)}")
    if len(sizes) > 1 and FORMATS[form].several != "pages":
        fault = f"its frames differ in size or mode, which {form} cannot hold"
        raise ImageError(f"{fault}; try tiff, or --frames first")
    max_pixels = settings.reading.max_pixels
    if settings.stacks or FORMATS[form].holds_all or FORMATS[sizes[0].format].several == "animation":
        check_pixels(sizes[0][:2], max_pixels, frames)
    outputs, lost = [], []
    for number, size in enumerate(sizes):
        with frame_named(number, len(sizes)):
            check_pixels(size[:2], max_pixels)
            output = _output_size(size, frames, form, settings)
            result.output = result.output or output
            first = not settings.stacks
            lost += check_writable(output.mode, output.dtype, output[:2], output.frames, form, first=first)
        outputs.append(output)
    return outputs[0], list(dict.fromkeys(lost))


def _output_size(size: Size, frames: int, form: str, settings: Settings) -> Size:
    """Return what comes out of one of several frames."""
    if settings.filtering.region is not None:
        check_region(settings.filtering.region, (size.height, size.width))
    layers, alpha = _layers(size, settings)
    count, height, width, channels = layers[-1].shape
    channels += bool(alpha)
    sample = np.empty((1, 1, channels), layers[-1].target)
    page, *others = _pages_of(Picture(sample, fitting_mode(size.mode, channels, alpha), form), form, settings)
    count = (count if settings.stacks else frames) * (1 + len(others))
    return Size(width, height, _shape(page)[2], page.mode, sample.dtype.name, form, count)


def _layers(size: Size, settings: Settings) -> tuple[list[Layer], bool | None]:
    """Return the filters as planned for an image or volume, and whether alpha comes out, as in `Filtered`."""
    options = options_for(size.mode, settings.filtering)
    has_alpha = options.alpha != "plain" and size.channels in (2, 4)
    alpha = has_alpha and options.alpha != "drop"
    layers = plan_chain(
        (size.frames if settings.stacks else 1, size.height, size.width, size.channels - has_alpha),
        np.dtype(size.dtype),
        settings.kernels,
        options,
        alpha=alpha,
        missing=options.missing is not None,
    )
    return layers, None if options.alpha == "plain" else alpha


def _pages_of(picture: Picture, form: str, settings: Settings) -> Iterator[Picture]:
    """Yield the maps of a filtered image as grey pages, each with its alpha; any other image as it is."""
    count = settings.maps
    if count == 1 or not loose_channels(picture.mode) or FORMATS[form].several != "pages":
        yield picture
        return
    for number in range(count):
        if picture.pixels.shape[2] == count:
            yield picture.with_pixels(picture.pixels[..., number], "L")
        else:
            yield picture.with_pixels(picture.pixels[..., [number, count]], "LA")


def _cannot_stack(settings: Settings) -> str:
    """Return the end of a message about frames that differ and must not."""
    mend = "use frames of one size and mode" if settings.spans_frames else "filter each with --frames each"
    return f" and cannot be stacked: {mend}"


def memory_needed(size: Size, form: str, settings: Settings) -> int:
    """Estimate the bytes that it takes to filter a file, at the peak."""
    several = size.frames > 1 and settings.batch.frames != "first"
    volume = size.frames if settings.stacks else 1
    pixels, own = size.width * size.height, np.dtype(size.dtype).itemsize
    source, target = FORMATS[size.format], FORMATS[form].memory
    decoder = source.memory.reading * pixels * (1 if size.channels > 2 else 1 / 3)
    if size.frames > 1:
        decoder *= 2
    read = volume * pixels * size.channels * own
    layers, alpha = _layers(size, settings)
    last = layers[-1]
    # What is held beside the image while it is filtered: masks, and the samples between two filters.
    masks = pixels * 4 * len(mask_files(settings.filtering))
    masks += volume * pixels * size.channels * 2 * (settings.filtering.missing is not None)
    wide = 4 if own == last.target.itemsize == 1 else 8
    held = read // own * wide if settings.filtering.linear else 0
    filtering, threads = 0, available_threads(settings.batch.jobs)
    for layer in layers:
        made = math.prod(layer.shape[:3]) * (layer.shape[3] + bool(alpha)) * layer.target.itemsize
        filtering = max(filtering, held + made + threads * layer.plan.memory)
        held = made
    frames, rows, columns, channels = last.shape
    channels += bool(alpha)
    written = target.frames if several else target.writing
    if target.lossy and (settings.encoding.quality is not None or source.losses == "always"):
        written = target.lossy
    if channels < 3:
        written *= target.grey
    if target.deep:
        written *= last.target.itemsize
    if several:
        written += target.kept * size.frames
    written *= rows * columns
    if volume > 1:
        written += frames * rows * columns * channels * last.target.itemsize
    if several:  # the decoder stays to the end
        return int(decoder + max(read + filtering + masks, written))
    return int(max(decoder + read, read + filtering + masks, written))


# From pixels to pixels


def _read(frames: Frames, number: int, settings: Settings, result: Result) -> Picture:
    picture = frames.read(number)
    warnings = picture.warnings + no_data_warnings(settings.filtering, picture)
    if settings.rescales and not settings.encoding.strip and no_data(picture.metadata.tags) is not None:
        picture.metadata = picture.metadata._replace(tags=without_no_data(picture.metadata.tags))
        warnings.append("the no-data value no longer fits: dropped")
    result.warnings += [line for line in warnings if line not in result.warnings]
    return picture


def _filter(picture: Picture, settings: Settings, result: Result) -> tuple[int, int]:
    """Filter an image or volume in its place, which frees the memory of the old one.

    Returns where the frames lie that come out; see `_grid`.
    """
    options = with_no_data(settings.filtering, picture)
    if result.hint is None and result.job.source == settings.hint_for:
        from convfilter.filtering.hints import range_hint

        result.hint = range_hint(picture.pixels, picture.mode, settings.kernels, options)
    shape = picture.pixels.shape
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
    result.marked += filtered.marked
    frames, *picture.grid = _grid(filtered.axes)
    if len(shape) < 4:
        picture.metadata = picture.metadata.resized(shape, picture.pixels.shape)
    if filtered.clipped_below is not None and filtered.clipped_above is not None:
        result.samples += picture.pixels.size
        part = picture.pixels.size / result.samples
        below, above = result.clipped_below or 0, result.clipped_above or 0
        result.clipped_below = below + (filtered.clipped_below - below) * part
        result.clipped_above = above + (filtered.clipped_above - above) * part
    return frames


def _grid(chain: Sequence[tuple[Axis, ...]]) -> list[tuple[int, int]]:
    """Return where what comes out of a chain lies in what went in, along frames, rows and columns.

    That is the place of the first sample, and the step to the next.
    """
    grid = [(0, 1)] * 3
    for axes in chain:
        grid = [
            (place + step * (axis.anchor - axis.before), step * axis.stride)
            for (place, step), axis in zip(grid, axes, strict=True)
        ]
    return grid


def _filter_each(
    pictures: Iterable[Picture], count: int | None, settings: Settings, result: Result
) -> Iterator[Picture]:
    """Filter images one after another; their `count` may be unknown."""
    for number, picture in enumerate(pictures):
        with frame_named(number, count):
            _filter(picture, settings, result)
        yield picture


def _filter_stack(
    pictures: Iterable[Picture], first: Size, settings: Settings, result: Result
) -> list[Picture]:
    """Filter the frames of a file as one volume (T, H, W, C).

    The frames that come out share its memory; each keeps the metadata of the one under the kernels' anchors.
    """
    shape = first.height, first.width, first.channels
    volume = Picture(np.empty((first.frames, *shape), first.dtype), first.mode, first.format)
    metadata = []
    for number, picture in enumerate(pictures):
        with frame_named(number, first.frames):
            if (picture.mode, _shape(picture)) != (first.mode, shape):
                raise ImageError(f"it differs from the first in size or mode{_cannot_stack(settings)}")
        volume.pixels[number] = picture.pixels.reshape(shape)
        metadata.append(picture.metadata)
    volume.metadata = metadata[0]  # which may say what is missing
    start, step = _filter(volume, settings, result)
    pixels = volume.pixels[..., 0] if volume.pixels.shape[3:] == (1,) else volume.pixels
    anchors = [min(max(start + step * number, 0), first.frames - 1) for number in range(len(pixels))]
    if anchors[0]:  # what the first page says holds for all: it is carried or reported
        tags = (*of_first_page(metadata[0].tags), *metadata[anchors[0]].tags)
        metadata[anchors[0]] = metadata[anchors[0]]._replace(tags=tags)
    filtered = []
    for anchor, frame in zip(anchors, pixels, strict=True):
        resized = metadata[anchor].resized(shape, frame.shape)
        filtered.append(Picture(frame, volume.mode, volume.format, resized, grid=volume.grid))
    return filtered


def _shape(picture: Picture) -> tuple[int, ...]:
    """Return rows, columns and channels."""
    return (*picture.pixels.shape, 1)[:3]


def _is_stream_of_images(job: Job, settings: Settings) -> bool:
    """Return whether images are read from standard input, filtered and written one by one."""
    if job.source != STREAM or settings.stacks or settings.maps > 1 or format_of_stdin() != "ppm":
        return False
    return settings.batch.frames == "first" or _output_format(job, "ppm", settings) == "ppm"


def _filter_stream(job: Job, settings: Settings, result: Result) -> None:
    """Filter images as they come; to standard output each is written before the next one is read."""
    from convfilter.images.pnm import read_stream

    form, count = _output_format(job, "ppm", settings), 1 if settings.batch.frames == "first" else None

    def arriving() -> Iterator[Picture]:
        pictures = read_stream(sys.stdin.buffer, settings.reading.max_pixels, result.warnings)
        for number, picture in enumerate(itertools.islice(pictures, count)):
            if number == 0:
                rows, columns, channels = _shape(picture)
                size = Size(columns, rows, channels, picture.mode, picture.pixels.dtype.name, "ppm", 1)
                output, _ = _predict([size], form, settings, result)
            result.size = size._replace(frames=number + 1)
            result.output = output._replace(frames=number + 1)
            yield picture

    filtered = _filter_each(arriving(), count, settings, result)
    for pictures in ([each] for each in filtered) if job.target == STREAM else [filtered]:
        _write(job, pictures, form, settings, result)


def _write(
    job: Job,
    pictures: Iterable[Picture],
    form: str,
    settings: Settings,
    result: Result,
    *,
    count: int = 0,
    volume: bool = False,
    preserve: Attributes | None = None,
    repeated: bool = False,
) -> None:
    """Write the output, unless it exists by now: a file of `count` frames, or (0) single images in turn."""
    threads = available_threads(settings.batch.jobs)

    def encode(out: BinaryIO) -> None:
        lost = write_frames(out, pictures, count, form, settings.encoding, volume=volume, threads=threads)
        result.warnings += [line for line in lost if line not in result.warnings]

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
            raise
        result.status = "skipped"  # another run has made it meanwhile
        result.warnings.clear()
    else:
        result.status = "done"
