"""What there is to do: the pictures of a run, each with its file, and what is done to all of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from convfilter.convolution.execute import available_threads
from convfilter.errors import KernelError, OptionError
from convfilter.filtering import check_options
from convfilter.geometry import axes_of
from convfilter.images.encoders import check_encoding
from convfilter.kernels import Kernel
from convfilter.messages import brief, check_choice
from convfilter.options import MAX_PIXELS, EncodeOptions, FilterOptions, Frames, choices

__all__ = ["Job", "Work"]


class Job(NamedTuple):
    """One picture and the file it becomes.

    Attributes
    ----------
    source, target : str
        Paths; ``-`` is standard input or output.
    format : str or None
        Format of the output; None is that of the input, told when it is read.
    """

    source: str
    target: str
    format: str | None


@dataclass(frozen=True)
class Work:
    """What is done to every picture of a run.

    Attributes
    ----------
    kernels : tuple of Kernel
        The chain of filters.
    filtering : FilterOptions
        How to filter.
    encoding : EncodeOptions
        How to write.
    frames : {None, "each", "first", "stack"}
        Every frame of a file on its own, the first one alone, or all as one volume. None is ``stack``
        for kernels with a frame axis and else ``each``.
    overwrite, skip_existing : bool
        What becomes of an output that exists; without either its picture fails.
    max_pixels : int
        Larger pictures are refused before they are decoded; a stack counts as a whole.
    orient : bool
        Whether EXIF orientation is applied.
    threads : int or None
        As in `available_threads`.
    count_clipped : bool
        Whether to count the samples that saturate.

    Raises
    ------
    ConvfilterError
        If there is no such way with frames or a kernel cannot be used with it, or the limit is none.
    """

    kernels: tuple[Kernel, ...]
    filtering: FilterOptions = field(default_factory=FilterOptions)
    encoding: EncodeOptions = field(default_factory=EncodeOptions)
    frames: str | None = None
    overwrite: bool = False
    skip_existing: bool = False
    max_pixels: int = MAX_PIXELS
    orient: bool = True
    threads: int | None = None
    count_clipped: bool = False

    def __post_init__(self) -> None:
        check_options(self.filtering, self.kernels)
        # Of an image and a kernel of one sample: what is wrong then is wrong with every image.
        how = self.filtering
        axes_of(
            (1, 1), (1, 1), padding=how.padding, stride=how.stride, dilation=how.dilation, may_be_empty=True
        )
        check_encoding(self.encoding)
        available_threads(self.threads)
        if self.frames is not None:
            check_choice("frames", self.frames, choices(Frames))
        whole = isinstance(self.max_pixels, int) and not isinstance(self.max_pixels, bool)
        if not whole or self.max_pixels < 1:
            raise OptionError(f"max_pixels={brief(self.max_pixels)}: give a whole number, at least 1")
        for kernel in self.kernels:
            if "frame" in kernel.axes and self.frames in ("each", "first"):
                raise KernelError(
                    f"kernel '{kernel.name}' spans {kernel.frames} frames: it cannot be used with frames "
                    f"'{self.frames}', so leave that out or take 'stack'"
                )

    @property
    def spans_frames(self) -> bool:
        """Whether a kernel of the chain has a frame axis."""
        return any("frame" in kernel.axes for kernel in self.kernels)

    @property
    def stacks(self) -> bool:
        """Whether the frames of a file are filtered as one volume."""
        return self.frames == "stack" or (self.frames is None and self.spans_frames)
