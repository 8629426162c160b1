"""What the output of a file will be, whether it can be written and how much memory that takes."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Sequence

import numpy as np

from convfilter.batch.plan import Job, Settings
from convfilter.convolution.execute import available_threads
from convfilter.errors import ImageError
from convfilter.filtering import (
    check_fractions,
    check_same_size,
    filter_axes,
    filter_image,
    options_for,
    plan_kernel,
    premultiplies,
    resolved_range,
)
from convfilter.filtering.blend import blends, check_region
from convfilter.geometry import Axis
from convfilter.images.formats import FORMATS, format_of_name, loose_channels
from convfilter.images.headers import check_pixels
from convfilter.images.library import frame_named
from convfilter.images.masks import mask_files
from convfilter.images.picture import Picture, Size
from convfilter.images.writing import check_writable
from convfilter.kernels import Kernel
from convfilter.options import FilterOptions

__all__ = ["cannot_stack", "chain_axes", "memory_needed", "output_format", "pages_of", "predict"]
__all__ += ["warn_of_lossy_name", "warn_of_one_frame", "warn_of_region"]


def output_format(asked: str | None, own: str, settings: Settings) -> str:
    """Return the format of an output: the one asked for by option or name, else the input's own."""
    form = asked or ("npy" if settings.raw else own)
    if settings.raw and not FORMATS[form].holds("F"):
        raise ImageError(f"{form} cannot hold the floats of range 'raw'; try tiff or npy")
    return form


def warn_of_lossy_name(job: Job, own: str, form: str) -> list[str]:
    """Return a warning if a file is written with loss just because its name is that of such a format."""
    if form not in ("jpeg", "avif") or not FORMATS[own].lossless or format_of_name(job.source) != form:
        return []
    return [f"is written as lossy {form}, as its name says: use --format {own} to keep it lossless"]


def warn_of_region(region: Sequence[int], size: Size) -> list[str]:
    """Return a warning if a part of a region lies outside of the image."""
    rows, columns = check_region(region, (size.height, size.width))
    height, width = rows.stop - rows.start, columns.stop - columns.start
    if (height, width) == tuple(region[2:]):
        return []
    return [f"the region reaches beyond the image: only {width}x{height} of it is filtered"]


def chain_axes(
    shape: tuple[int, int, int], kernels: Sequence[Kernel], options: FilterOptions
) -> list[tuple[Axis, ...]]:
    """Return, for each kernel of a chain, the axes of frames, rows and columns."""
    chain = []
    for kernel in kernels:
        axes = filter_axes(shape, kernel, options)
        chain.append(axes)
        shape = (axes[0].output, axes[1].output, axes[2].output)
    return chain


def predict(sizes: Sequence[Size], form: str, settings: Settings) -> tuple[tuple[int, ...], list[str]]:
    """Return the frames, rows, columns and channels that come out of a file, and what would be lost.

    `sizes` are those of its frames, or of the first alone if they are alike. What cannot be done is refused.
    """
    frames = sizes[0].frames
    if settings.batch.frames == "first":
        frames, sizes = 1, sizes[:1]
    if len(sizes) > 1 and settings.stacks:
        raise ImageError(f"its frames differ in size or mode{cannot_stack(settings)}")
    if len(sizes) > 1 and FORMATS[form].several != "pages":
        fault = f"its frames differ in size or mode, which {form} cannot hold"
        raise ImageError(f"{fault}; try tiff, or --frames first")
    max_pixels = settings.reading.max_pixels
    if settings.stacks or FORMATS[form].holds_all or FORMATS[sizes[0].format].several == "animation":
        check_pixels(sizes[0][:2], max_pixels, frames)
    shapes, warnings = [], []
    for number, size in enumerate(sizes):
        with frame_named(number, len(sizes)):
            check_pixels(size[:2], max_pixels)
            shape, lost = _predict_frame(size, frames, form, settings)
        shapes.append(shape)
        warnings += lost
    return shapes[0], list(dict.fromkeys(warnings))


def _predict_frame(
    size: Size, frames: int, form: str, settings: Settings
) -> tuple[tuple[int, ...], list[str]]:
    stack = (frames if settings.stacks else 1, size.height, size.width)
    count, height, width = (
        axis.output for axis in chain_axes(stack, settings.kernels, settings.filtering)[-1]
    )
    if not settings.stacks:
        count = frames
    # One sample shows which channels and type come out, and whether kernels and format take them.
    sample = np.zeros((1, 1, 1, size.channels), size.dtype)
    options = settings.filtering
    check_fractions(options, sample.dtype)
    options = options._replace(padding="same", mix=1.0, mask=None, region=None, threshold=0.0, missing=None)
    filtered, mode = filter_image(sample, size.mode, settings.kernels, options, threads=1)
    if blends(settings.filtering):
        check_region(settings.filtering.region, (size.height, size.width))
        own = options_for(size.mode, options)
        before = size.channels - (own.alpha != "plain" and size.channels in (2, 4))
        made = (*filtered.pixels.shape, 1)[3] - bool(filtered.alpha)
        check_same_size((*stack, before), (count if settings.stacks else 1, height, width, made))
    page, *others = pages_of(Picture(filtered.pixels[0], mode, form), form, settings)
    count *= 1 + len(others)
    dtype, channels = page.pixels.dtype, page.pixels.shape[2] if page.pixels.ndim == 3 else 1
    lost = check_writable(page.mode, dtype, (width, height), count, form, first=not settings.stacks)
    return (count, height, width, channels), lost


def pages_of(picture: Picture, form: str, settings: Settings) -> Iterator[Picture]:
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


def cannot_stack(settings: Settings) -> str:
    """Return the end of a message about frames that differ and must not."""
    mend = "use frames of one size and mode" if settings.spans_frames else "filter each with --frames each"
    return f" and cannot be stacked: {mend}"


def warn_of_one_frame(frames: int, settings: Settings) -> list[str]:
    """Return a warning if a kernel compares frames and there is one only."""
    if frames > 1 or not settings.spans_frames:
        return []
    kernel = next(kernel for kernel in settings.kernels if "frame" in kernel.axes)
    return [f"holds one frame, and kernel '{kernel.name}' sees nothing but border before and after it"]


# Bytes a pixel that are held while an image is read, and while one or several frames are written, in colour;
# grey takes a third. `python -m benchmarks estimates` measures them.
_HELD = {
    "png": (4, 9, 22),
    "tiff": (5, 13, 15),
    "webp": (14, 45, 48),
    "gif": (5, 33, 50),
    "ppm": (0, 3, 3),
    "avif": (10, 48, 350),
    "npy": (0, 3, 3),
}
_HELD_BY_OTHERS = (4, 8.5, 8.5)
_LOSSY_WEBP = 20
# Bytes a pixel that are kept of every frame until the file is complete.
_KEPT = {"gif": 1, "webp": 2, "avif": 4}


def memory_needed(size: Size, form: str, settings: Settings) -> int:
    """Estimate the bytes that it takes to filter a file, at the peak."""
    several = size.frames > 1 and settings.batch.frames != "first"
    volume = size.frames if settings.stacks else 1
    pixels = size.width * size.height
    decoder = _HELD.get(size.format, _HELD_BY_OTHERS)[0] * pixels * (1 if size.channels > 2 else 1 / 3)
    if size.frames > 1:
        decoder *= 2
    read = volume * pixels * size.channels * np.dtype(size.dtype).itemsize
    filtering, (frames, rows, columns), channels, itemsize = _filtering(size, volume, settings)
    _, one, many = _HELD.get(form, _HELD_BY_OTHERS)
    held: float = many if several else one
    if form == "webp" and (settings.encoding.quality is not None or size.format in ("jpeg", "avif")):
        held = _LOSSY_WEBP
    if not (channels > 2 or form in ("gif", "webp") or (several and form == "avif")):
        held /= 3
    if form != "tiff":
        held *= itemsize
    if several:
        held += _KEPT.get(form, 0) * size.frames
    written = held * rows * columns
    if volume > 1:
        written += frames * rows * columns * channels * itemsize
    if several:  # the decoder stays to the end
        return int(decoder + max(read + filtering, written))
    return int(max(decoder + read, read + filtering, written))


def _filtering(size: Size, volume: int, settings: Settings) -> tuple[float, tuple[int, ...], int, int]:
    """Return what is held beside the image while it is filtered, and what comes out.

    That is frames, rows and columns, the channels, and the bytes of a sample.
    """
    options = options_for(size.mode, settings.filtering)
    has_alpha = options.alpha != "plain" and size.channels in (2, 4)
    alpha, count = has_alpha and options.alpha != "drop", size.channels - has_alpha
    own = np.dtype(size.dtype).itemsize
    itemsize = 4 if settings.raw else {None: own, 8: 1, 16: 2, "float": 4}[options.depth]
    wide = 4 if own == itemsize == 1 else 8  # bytes of an unrounded value
    in_floats = options.linear or resolved_range(options, settings.kernels[-1]) in ("raw", "stretch")
    shape: tuple[int, ...] = (volume, size.height, size.width)
    held = math.prod(shape) * count * wide if options.linear else 0
    masks = math.prod(shape[1:]) * 4 * len(mask_files(options))
    masks += math.prod(shape) * count * 2 * (options.missing is not None)
    dtype, peak = size.dtype, 0.0
    chain = chain_axes((volume, size.height, size.width), settings.kernels, options)
    for number, (kernel, axes) in enumerate(zip(settings.kernels, chain, strict=True)):
        weighed = alpha and premultiplies(kernel, options)
        if number or options.linear:
            dtype = f"float{8 * wide}"
        elif weighed:  # products of colours and alpha
            dtype = "uint16" if own == 1 else "float64"
        # Of colours weighed with alpha a block has C products, alpha and C plain ones.
        carried = 2 * count + 1 if weighed else count
        block = _thread_memory(kernel, (*shape[1:], carried), dtype, options) * (1 + in_floats)
        shape = tuple(axis.output for axis in axes)
        if "channel" in kernel.axes or options.channels in ("sum", "mean", "gray"):
            count = kernel.shape[0] if "output" in kernel.axes else 1
        last = number == len(settings.kernels) - 1
        made = math.prod(shape) * (count + alpha) * (itemsize if last else wide)
        peak = max(peak, held + made + available_threads(settings.batch.jobs) * block)
        held = made
    return peak + masks, shape, count + alpha, itemsize


@functools.lru_cache(16)
def _thread_memory(kernel: Kernel, shape: tuple[int, ...], dtype: str, options: FilterOptions) -> int:
    """Return what a thread works in; remembered, since to plan for a large kernel takes a second."""
    return plan_kernel(kernel, shape, dtype, options).memory
