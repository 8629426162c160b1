"""How much memory there is, and how much a picture takes."""

from __future__ import annotations

import contextlib
import functools
import math
import os
from typing import NamedTuple

import numpy as np

from convfilter.batch.work import Work
from convfilter.convolution.execute import available_threads
from convfilter.filtering import FilterOptions, filter_axes, options_for, plan_kernel, premultiplies
from convfilter.filtering.options import resolved_range
from convfilter.images.picture import Size
from convfilter.kernels import Kernel

__all__ = ["available_memory", "footprint"]

_GROUPS = (
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
    ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
)


def available_memory() -> int | None:
    """Return how much memory could be taken now.

    Returns
    -------
    int or None
        In bytes, the least that the system, its control group and the limits of the process allow; None
        where the system does not tell.
    """
    found = []
    with contextlib.suppress(OSError, ValueError, IndexError), open("/proc/meminfo") as lines:
        found += [1024 * int(line.split()[1]) for line in lines if line.startswith("MemAvailable:")]
    for limit, used in _GROUPS:
        with contextlib.suppress(OSError, ValueError):
            found.append(_number_in(limit) - _number_in(used))
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        soft, _ = resource.getrlimit(resource.RLIMIT_AS)
        if soft != resource.RLIM_INFINITY:
            found.append(soft)
    if not found:
        with contextlib.suppress(AttributeError, OSError, ValueError):
            # What is free is not told everywhere; half of all there is must do.
            found.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2)
    return max(0, min(found)) if found else None


def _number_in(path: str) -> int:
    with open(path) as stream:
        return int(stream.read())


class _Coding(NamedTuple):
    """Bytes a pixel that are held while a format is read or written; `python -m benchmarks memory` measures.

    Attributes
    ----------
    reads, reads_several : float
        By the decoder of an image of colours, beside its samples, and of several; grey has a quarter.
    grey, colours : float
        While an image of 8 bits is encoded, its samples among them.
    several_grey, several_colours, keeps : float
        The same for several, and what is kept of each until the file is complete.
    """

    reads: float = 4
    reads_several: float = 4
    grey: float = 1
    colours: float = 4
    several_grey: float = 1
    several_colours: float = 4
    keeps: float = 0


_CODINGS = {
    "png": _Coding(4, 8, 2.8, 9, 6.5, 22),
    "jpeg": _Coding(),
    "tiff": _Coding(4, 10, 4, 13, 4, 15),
    "webp": _Coding(14, 22, 45, 45, 45, 48, 2),
    "bmp": _Coding(),
    "gif": _Coding(5, 7, 4, 33, 50, 50),
    "ppm": _Coding(0, 0, 1, 3, 1, 3),
    "tga": _Coding(),
    "avif": _Coding(10, 28, 20, 48, 200, 350, 4),
    "npy": _Coding(0, 0, 1, 3, 1, 3),
}
_LOSSY_WEBP, _PROGRESSIVE_JPEG = 20, 11.5


def footprint(size: Size, form: str, work: Work) -> int:
    """Estimate what it takes to filter a file, at its peak.

    Parameters
    ----------
    size : Size
        Of its (first) frame.
    form : str
        The format of the output.
    work : Work
        What is done to it.

    Returns
    -------
    int
        Bytes.

    Raises
    ------
    ConvfilterError
        If it cannot be filtered.
    """
    several = size.frames > 1 and work.frames != "first"
    volume = size.frames if work.stacks else 1
    pixels = size.width * size.height
    coding = _CODINGS[size.format]
    decoder = (
        (coding.reads_several if size.frames > 1 else coding.reads) * pixels / (1 if size.channels > 2 else 4)
    )
    read = volume * pixels * size.channels * np.dtype(size.dtype).itemsize
    filtering, made = _filtering(size, volume, work)
    written = _encoder(size, form, work, several, made) * made.pixels
    if several:
        written += _CODINGS[form].keeps * size.frames * made.pixels
    if volume > 1:
        written += made.frames * made.pixels * made.channels * made.itemsize
    if several:  # their decoder stays to the end
        return int(decoder + max(read + filtering, written))
    return int(max(decoder + read, read + filtering, written))


class _Made(NamedTuple):
    """What comes out of a chain: frames, pixels of each, channels and bytes of a sample."""

    frames: int
    pixels: int
    channels: int
    itemsize: int


def _encoder(size: Size, form: str, work: Work, several: bool, made: _Made) -> float:
    """Return the bytes a pixel that are held while a format is written."""
    coding, colours = _CODINGS[form], made.channels > 2
    if form == "webp" and (work.encoding.quality is not None or size.format in ("jpeg", "avif")):
        return _LOSSY_WEBP
    if form == "jpeg" and work.encoding.compress == "small" and colours:
        return _PROGRESSIVE_JPEG
    if several:
        held = coding.several_colours if colours else coding.several_grey
    else:
        held = coding.colours if colours else coding.grey
    return held if form == "tiff" else held * made.itemsize  # deep pages are compressed in another way


def _filtering(size: Size, volume: int, work: Work) -> tuple[float, _Made]:
    """Return what is held beside the image while it is filtered, and what comes out."""
    options = options_for(size.mode, work.filtering)
    has_alpha = options.alpha != "plain" and size.channels in (2, 4)
    alpha, count = has_alpha and options.alpha != "drop", size.channels - has_alpha
    own = np.dtype(size.dtype).itemsize
    target = {None: own, 8: 1, 16: 2, "float": 4}[options.depth]
    way = resolved_range(options, work.kernels[-1])
    target = 4 if way == "raw" else target
    floats = options.linear or way in ("raw", "stretch")  # made of the sums, block by block
    wide = 4 if own == target == 1 else 8
    shape = (volume, size.height, size.width)
    held = math.prod(shape) * count * wide if options.linear else 0
    dtype, peak = size.dtype, 0.0
    for number, kernel in enumerate(work.kernels):
        axes = filter_axes(shape, (kernel.frames, kernel.height, kernel.width), options)
        weighed = alpha and premultiplies(kernel, options)
        if number or options.linear:
            dtype = f"float{8 * wide}"
        elif weighed:  # products of colours and alpha
            dtype = "uint16" if own == 1 else "float64"
        summed = "channel" in kernel.axes or options.channels in ("sum", "mean")
        # Of colours weighed with alpha a block has C products, alpha and C plain ones.
        carried = 2 * count + 1 if weighed and not summed else count
        memory = _thread_memory(kernel, (*shape[1:], carried), dtype, options) * (2 if floats else 1)
        shape = (axes[0].output, axes[1].output, axes[2].output)
        if summed:
            count = kernel.shape[0] if "output" in kernel.axes else 1
        last = number == len(work.kernels) - 1
        made = math.prod(shape) * (count + alpha) * (target if last else wide)
        peak = max(peak, held + made + available_threads(work.threads) * memory)
        held = made
    return peak, _Made(shape[0], shape[1] * shape[2], count + alpha, target)


@functools.lru_cache(16)
def _thread_memory(kernel: Kernel, shape: tuple[int, ...], dtype: str, options: FilterOptions) -> int:
    """Return what a thread works in; remembered, since to plan for a large kernel takes a second."""
    return plan_kernel(kernel, shape, dtype, options).memory
