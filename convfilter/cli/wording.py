"""How kernels and sizes are put into words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from convfilter.geometry import Axis
from convfilter.messages import shown

if TYPE_CHECKING:
    from convfilter.kernels import Kernel

__all__ = ["calculation", "filter_in_words", "kernel_in_lines", "per_axis_in_words", "size_in_words"]

_WIDEST = 15  # columns of weights that fit a terminal; wider kernels are described only


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


def kernel_in_lines(kernel: Kernel) -> list[str]:
    """Return what a kernel is and its weights, as lines for a reader."""
    lines = [f"{filter_in_words(kernel)}: {shown(kernel.summary)}".rstrip(": ")]
    parameters = ", ".join(f"{key}={_number(value)}" for key, value in kernel.parameters.items())
    if parameters:
        lines.append(f"  parameters  {parameters}")
    for number, (part, divisor) in enumerate(zip(kernel.parts, kernel.divisors, strict=True), start=1):
        label = "weights" if len(kernel.parts) == 1 else f"part {number}"
        lines.append(f"  {label}{'' if divisor == 1 else f' / {_number(divisor)}'}")
        lines += _table(part, kernel.axes) if kernel.width <= _WIDEST else ["    (--json prints them all)"]
    total = ", ".join(
        _number(_sum(part) / divisor) for part, divisor in zip(kernel.parts, kernel.divisors, strict=True)
    )
    lines.append(f"  sum         {total}{'  (counts as zero)' if kernel.is_zero_sum else ''}")
    if kernel.offset:
        lines.append(f"  offset      {kernel.offset:g} of full scale")
    lines.append(f"  range       {kernel.range}")
    return [*lines, f"  source      {shown(kernel.source)}"] if kernel.source else lines


def _number(value: Any) -> str:
    return ",".join(map(_number, value)) if isinstance(value, tuple) else f"{value:.6g}"


def _sum(weights: Any) -> Any:
    return sum(map(_sum, weights)) if isinstance(weights, tuple) else weights


def _table(weights: Any, axes: Sequence[str], place: str = "") -> list[str]:
    """Rows of numbers, right-aligned; deeper tables one under the other, each under its place."""
    if len(axes) > 2:
        lines = []
        for number, each in enumerate(weights):
            below = f"{place}{', ' if place else ''}{axes[0]} {number}"
            lines += [f"    {below}"] if len(axes) == 3 else []
            lines += _table(each, axes[1:], below)
        return lines
    rows = [weights] if len(axes) == 1 else weights
    cells = [[f"{weight:.4g}" for weight in row] for row in rows]
    width = max(len(cell) for row in cells for cell in row)
    return ["    " + "  ".join(cell.rjust(width) for cell in row) for row in cells]
