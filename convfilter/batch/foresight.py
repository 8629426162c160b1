"""What comes out of a file and whether it can be written, told by its headers alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from convfilter.batch.work import Work
from convfilter.errors import ImageError
from convfilter.filtering import filter_axes, filter_image
from convfilter.filtering.options import resolved_range
from convfilter.geometry import Axis
from convfilter.images.formats import FORMATS
from convfilter.images.headers import ANIMATIONS, check_pixels
from convfilter.images.library import frame_named
from convfilter.images.picture import Size
from convfilter.images.writing import check_writable
from convfilter.kernels import Kernel
from convfilter.options import FilterOptions

__all__ = [
    "chain_axes",
    "foresee",
    "kept_frames",
    "no_stack",
    "output_format",
    "warn_of_one_frame",
]


def output_format(asked: str | None, own: str, work: Work) -> str:
    """Return the format of an output: that asked for by option or name, else the input's own."""
    raw = resolved_range(work.filtering, work.kernels[-1]) == "raw"
    return asked or ("npy" if raw else own)


def chain_axes(
    shape: tuple[int, int, int], kernels: Sequence[Kernel], options: FilterOptions
) -> list[tuple[Axis, ...]]:
    """Follow a size through a chain of kernels.

    Parameters
    ----------
    shape : tuple of int
        Frames, rows and columns that go in.
    kernels : sequence of Kernel
        In their order.
    options : FilterOptions
        How to filter.

    Returns
    -------
    list of tuple of Axis
        For each kernel the axes of frames, rows and columns.

    Raises
    ------
    ShapeError
        If nothing would come out.
    """
    chain = []
    for kernel in kernels:
        axes = filter_axes(shape, (kernel.frames, kernel.height, kernel.width), options)
        chain.append(axes)
        shape = (axes[0].output, axes[1].output, axes[2].output)
    return chain


def kept_frames(chain: Sequence[tuple[Axis, ...]]) -> list[int]:
    """Return, for each frame that comes out, the one that goes in under the kernels' anchors.

    Examples
    --------
    >>> [kept_frames([(Axis(5, 3, pad, pad),)]) for pad in (0, 1, 2)]
    [[1, 2, 3], [0, 1, 2, 3, 4], [0, 0, 1, 2, 3, 4, 4]]
    """
    shift = sum((axes[0].kernel - 1) // 2 - axes[0].before for axes in chain)
    last = chain[0][0].size - 1
    return [min(max(frame + shift, 0), last) for frame in range(chain[-1][0].output)]


def foresee(sizes: Sequence[Size], form: str, work: Work) -> tuple[tuple[int, ...], list[str]]:
    """Tell what becomes of a file, or why it cannot be done.

    Parameters
    ----------
    sizes : sequence of Size
        Those of its frames, or the first one's alone if they are alike.
    form : str
        The format of the output.
    work : Work
        What is done to it.

    Returns
    -------
    tuple of int
        Frames, rows, columns and channels that come out of the first frame, or of all in a stack.
    list of str
        What would be lost, one line each.

    Raises
    ------
    ConvfilterError
        If something is too large or too small, or the kernels or the format do not take it.
    """
    frames = 1 if work.frames == "first" else sizes[0].frames
    if work.frames == "first":
        sizes = sizes[:1]
    _check_alike(sizes, form, work)
    if work.stacks or FORMATS[form].holds_all or sizes[0].format in ANIMATIONS:
        check_pixels(sizes[0][:2], work.max_pixels, frames)
    told = []
    for number, size in enumerate(sizes):
        with frame_named(number, len(sizes)):
            check_pixels(size[:2], work.max_pixels)
            told.append(_foresee_frame(size, frames, form, work))
    return told[0][0], list(dict.fromkeys(line for _, lines in told for line in lines))


def _check_alike(sizes: Sequence[Size], form: str, work: Work) -> None:
    """Refuse frames that differ where they must not."""
    if len(sizes) == 1:
        return
    if work.stacks:
        raise ImageError(f"its frames differ in size or mode, {no_stack(work)}")
    if FORMATS[form].several != "pages":
        fault = f"its frames differ in size or mode, which {form} cannot hold"
        raise ImageError(f"{fault}; try tiff, or --frames first")


def no_stack(work: Work) -> str:
    """Return what to say of frames that differ and should not."""
    mend = "give frames of one size and mode" if work.spans_frames else "filter each with --frames each"
    return f"so that they are no stack: {mend}"


def _foresee_frame(size: Size, frames: int, form: str, work: Work) -> tuple[tuple[int, ...], list[str]]:
    """Tell what becomes of a frame, or of so many alike."""
    stacked = frames if work.stacks else 1
    last = chain_axes((stacked, size.height, size.width), work.kernels, work.filtering)[-1]
    # One sample tells what becomes of channels and type, and whether kernels and format take them.
    sample = np.zeros((1, 1, 1, size.channels), size.dtype)
    options = work.filtering._replace(padding="same")
    filtered, mode = filter_image(sample, size.mode, work.kernels, options, threads=1)
    made = filtered.pixels
    channels = made.shape[3] if made.ndim == 4 else 1
    count = last[0].output if work.stacks else frames
    warnings = check_writable(
        mode,
        made.dtype,
        (last[2].output, last[1].output),
        count,
        form,
        first=not work.stacks,
    )
    return (count, last[1].output, last[2].output, channels), warnings


def warn_of_one_frame(frames: int, work: Work) -> list[str]:
    """Return a line if a kernel that compares frames has only one to look at."""
    if frames > 1 or not work.spans_frames:
        return []
    kernel = next(kernel for kernel in work.kernels if "frame" in kernel.axes)
    return [f"holds one frame, and kernel '{kernel.name}' sees nothing but border before and after it"]
