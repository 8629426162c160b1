"""How kernels and sizes are put into words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from convfilter.geometry import Axis

if TYPE_CHECKING:
    from convfilter.kernels import Kernel

__all__ = ["calculation", "filter_in_words", "per_axis_in_words", "size_in_words"]


def filter_in_words(kernel: Kernel) -> str:
    """Return what a kernel is, such as ``sobel 3x3, magnitude of 2``."""
    combined = f", {kernel.combine} of {len(kernel.parts)}" if kernel.combine else ""
    return f"{kernel.name} {size_in_words(kernel)}{combined}"


def size_in_words(kernel: Kernel) -> str:
    """Return width x height, and x frames of a kernel that has them."""
    frames = f"x{kernel.frames}" if "frame" in kernel.axes else ""
    return f"{kernel.width}x{kernel.height}{frames}"


def per_axis_in_words(value: object) -> str:
    """Return a padding, stride or dilation as it is typed: ``same``, ``2`` or ``2,1``."""
    return ",".join(str(each) for each in value) if isinstance(value, tuple | list) else str(value)


def calculation(axes: Sequence[Axis], names: Sequence[str] = ("height", "width")) -> list[str]:
    r"""Return the size arithmetic, one line an axis, the last axis first.

    Examples
    --------
    >>> print(*calculation([Axis(400, 3, 1, 1), Axis(600, 3, 1, 1)]), sep="\n")
    width   600 + 1 + 1 - 3 + 1 = 600    (valid: 600 - 3 + 1 = 598)
    height  400 + 1 + 1 - 3 + 1 = 400    (valid: 400 - 3 + 1 = 398)
    """
    lines = []
    for name, axis in reversed(list(zip(names, axes, strict=True))):
        line = f"{name:<6}  {axis.formula()}"
        if axis.before or axis.after:
            valid = Axis(axis.size, axis.kernel, 0, 0, axis.stride, axis.dilation)
            line += f"    (valid: {valid.formula() if valid.output > 0 else 'nothing left'})"
        lines.append(line)
    return lines
