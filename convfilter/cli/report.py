"""What commands print: kernels and sizes in words, warnings of images that are read, previews."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from convfilter.errors import ConvfilterError, ImageError
from convfilter.files import STREAM
from convfilter.geometry import Axis
from convfilter.messages import complain, shown
from convfilter.options import MAX_PIXELS

if TYPE_CHECKING:
    from convfilter.batch.job import Outcome
    from convfilter.images.picture import Picture
    from convfilter.kernels import Kernel

__all__ = ["calculation", "can_preview", "filter_in_words", "kernel_in_lines", "per_axis_in_words"]
__all__ += ["previewed", "print_warnings", "read_named", "size_in_words"]

_WIDEST = 15  # columns of weights that fit a terminal


def filter_in_words(kernel: Kernel) -> str:
    """Return a short description, such as ``sobel 3x3, magnitude of 2``."""
    combined = f", {kernel.combine} of {len(kernel.parts)}" if kernel.combine else ""
    return f"{kernel.name} {size_in_words(kernel)}{combined}"


def size_in_words(kernel: Kernel) -> str:
    """Return width x height, and x frames if there is such an axis."""
    frames = f"x{kernel.frames}" if "frame" in kernel.axes else ""
    return f"{kernel.width}x{kernel.height}{frames}"


def per_axis_in_words(value: object) -> str:
    """Return a padding, stride or dilation as users type it: ``same``, ``2`` or ``2,1``."""
    return ",".join(str(each) for each in value) if isinstance(value, tuple | list) else str(value)


def calculation(axes: Sequence[Axis], names: Sequence[str] = ("height", "width")) -> list[str]:
    """Return the size arithmetic, one line an axis, the last axis first."""
    lines = []
    for name, axis in reversed(list(zip(names, axes, strict=True))):
        line = f"{name:<6}  {axis.formula()}"
        if axis.before or axis.after:
            valid = Axis(axis.size, axis.kernel, 0, 0, axis.stride, axis.dilation)
            line += f"    (valid: {valid.formula() if valid.output > 0 else 'nothing left'})"
        lines.append(line)
    return lines


def kernel_in_lines(kernel: Kernel) -> list[str]:
    """Return a description of a kernel with its weights."""
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
    """Return rows of numbers, right-aligned; deeper tables follow each other, each under its place."""
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


def read_named(
    path: str,
    *,
    quiet: bool = False,
    max_pixels: int = MAX_PIXELS,
    orient: bool = True,
    frame: int | None = None,
) -> Picture:
    """Read an image and print its warnings, with the file's name; frame None is the first, with a warning."""
    from convfilter.images.reading import read_picture

    try:
        picture = read_picture(path, max_pixels=max_pixels, orient=orient, frame=frame or 0)
    except ImageError as error:
        raise ImageError(f"{shown(path)}: {error}") from None
    if picture.frames > 1 and frame is None:
        picture.warnings.append(f"holds {picture.frames} frames: only the first is looked at")
    if not quiet:
        print_warnings(path, picture)
    return picture


def print_warnings(path: str, picture: Picture) -> None:
    """Print on stderr what was lost in reading."""
    for warning in picture.warnings:
        complain(f"{path}: warning: {warning}")


def can_preview() -> bool:
    """Return whether stdout is a terminal."""
    return sys.stdout is not None and sys.stdout.isatty()


def previewed(outcome: Outcome, max_pixels: int) -> str:
    """Return an image before and after as text; nothing if it cannot be read again."""
    import shutil

    from convfilter.drawing.canvas import displayed, shrunk
    from convfilter.drawing.terminal import preview
    from convfilter.images.reading import read_picture

    job = outcome.job
    if outcome.status != "done" or STREAM in (job.source, job.target):
        return ""
    width = shutil.get_terminal_size().columns
    images = []
    for path in (job.source, job.target):
        try:
            picture = read_picture(path, max_pixels=max_pixels)
        except ConvfilterError:
            return ""
        images.append(displayed(shrunk(picture.pixels, width, picture.mode), picture.mode))
    return preview(*images, width=width)
