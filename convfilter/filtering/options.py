"""Which options a kernel cannot be used with, whatever the image."""

from __future__ import annotations

from collections.abc import Sequence

from convfilter.convolution.borders import border_fill
from convfilter.errors import KernelError, OptionError
from convfilter.kernels.kernel import Kernel
from convfilter.options import FilterOptions, check_choices

__all__ = ["check_options", "resolved_range"]


def check_options(options: FilterOptions, kernels: Sequence[Kernel]) -> None:
    """Refuse options that do not exist, or that some kernel cannot be used with, whatever the picture.

    Raises
    ------
    ConvfilterError
        With the nearest value that exists, or what the kernel takes.
    """
    check_choices(options)
    border_fill(options.border, options.fill)
    if options.depth is not None and kernels and resolved_range(options, kernels[-1]) == "raw":
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


def resolved_range(options: FilterOptions, kernel: Kernel) -> str:
    """Return what the range ``auto`` means for a kernel."""
    chosen = kernel.range if options.range == "auto" else options.range
    if chosen != "auto":
        return chosen
    edges = kernel.is_zero_sum and len(kernel.parts) == 1 and not kernel.offset
    return "absolute" if edges else "clip"
