"""How to filter: the options of a filter, the values that they take, and what does not go together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from convfilter.convolution.borders import check_border, check_fill
from convfilter.errors import KernelError, OptionError
from convfilter.geometry import Padding, PerAxis, axes_of
from convfilter.kernels.kernel import Kernel
from convfilter.messages import brief, check_choice
from convfilter.vocabulary import ALPHAS, CHANNELS, DEPTHS, RANGES

__all__ = ["FilterOptions", "check_options"]


class FilterOptions(NamedTuple):
    """How to filter; see `apply_kernel` for each."""

    padding: Padding = "same"
    border: str = "edge"
    fill: float = 0.0
    stride: PerAxis = 1
    dilation: PerAxis = 1
    flip: bool = False
    channels: str = "each"
    range: str = "auto"
    alpha: str = "auto"
    linear: bool = False
    depth: int | str | None = None

    def resolved_range(self, kernel: Kernel) -> str:
        """Return what ``auto`` means for a kernel."""
        chosen = kernel.range if self.range == "auto" else self.range
        if chosen != "auto":
            return chosen
        edges = kernel.is_zero_sum and len(kernel.parts) == 1 and not kernel.offset
        return "absolute" if edges else "clip"


def check_options(options: FilterOptions, kernels: Sequence[Kernel]) -> None:
    """Refuse options that do not exist, or that some kernel cannot be used with, whatever the picture.

    Raises
    ------
    ConvfilterError
        With the nearest value that exists, or what the kernel takes.
    """
    for name, value, known in (
        ("channels", options.channels, CHANNELS),
        ("range", options.range, RANGES),
        ("alpha", options.alpha, ALPHAS),
    ):
        check_choice(name, value, known)
    depth = options.depth
    if depth is not None and not (isinstance(depth, int | str) and depth in DEPTHS and depth is not True):
        raise OptionError(f"unknown depth {brief(depth)}: give 8, 16 or 'float'")
    check_border(options.border)
    check_fill(options.fill)
    # Of an image and a kernel of one sample: what is wrong then is wrong with every image.
    axes_of(
        (1, 1), (1, 1), padding=options.padding, stride=options.stride, dilation=options.dilation,
        may_be_empty=True,
    )  # fmt: skip
    if depth is not None and kernels and options.resolved_range(kernels[-1]) == "raw":
        raise OptionError(
            "depth cannot be chosen with range 'raw', which gives floats in the picture's own units: "
            "take another range, such as 'clip'"
        )
    for kernel in kernels:
        if "channel" in kernel.axes and options.channels != "each":
            raise KernelError(
                f"kernel '{kernel.name}' sums the channels itself: it cannot be used with channels "
                f"'{options.channels}'"
            )
        if options.alpha == "premultiply" and kernel.is_zero_sum:
            raise KernelError(
                f"kernel '{kernel.name}' sums to zero: alpha cannot be weighed with it, so keep or drop it"
            )
