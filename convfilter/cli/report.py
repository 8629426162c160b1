"""What commands print: kernels, sizes and results in words, progress, warnings."""

from __future__ import annotations

import math
import os
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from typing import TYPE_CHECKING, Any

import click

from convfilter.errors import (
    ConvfilterError,
    ImageError,
    OptionError,
    complain,
    describe,
    discard,
    escaped,
    figure,
    last_words,
)
from convfilter.files import STREAM, refuse_terminal
from convfilter.geometry import AXIS_NAMES, Axis
from convfilter.kernels.kernel import flat, parameters_in_words, tables_of
from convfilter.options import FilterOptions, ReadOptions, Region, declared

if TYPE_CHECKING:
    from click._termui_impl import ProgressBar

    from convfilter.batch.job import Result
    from convfilter.batch.plan import Plan, Settings
    from convfilter.drawing import Drawing
    from convfilter.images.opening import Axes
    from convfilter.images.picture import Picture
    from convfilter.kernels import Kernel

_WIDEST, _MOST_WEIGHTS = 15, 500  # columns of weights that fit a terminal, and weights worth printing
_CLEAR_LINE, _SHOW_CURSOR = "\r\x1b[K", "\x1b[?25h"


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
    if isinstance(value, tuple | list) and not isinstance(value, Region):
        return ",".join(str(each) for each in value)
    return figure(value) if isinstance(value, float) else str(value)


def filter_line(kernels: Sequence[Kernel], options: FilterOptions) -> str:
    """Return a chain, its border, and the options that differ from their defaults."""
    words = [", then ".join(map(filter_in_words, kernels))]
    for option in declared(FilterOptions):
        value = getattr(options, option.name)
        if option.name == "border" and options.padding != "valid":
            words.append(f"border {value}" + (f"={options.fill:g}" if value == "constant" else ""))
        elif value != option.default:
            words.append(option.name if value is True else f"{option.name} {per_axis_in_words(value)}")
    return ", ".join(words)


def calculation(axes: Sequence[Axis]) -> Iterator[str]:
    """Yield the size arithmetic, one line an axis, the last axis first."""
    for name, axis in reversed(list(zip(AXIS_NAMES[len(axes)], axes, strict=True))):
        line = f"{name:<6}  {axis.formula()}"
        if axis.before or axis.after:
            valid = axis._replace(before=0, after=0)
            line += f"    (valid: {valid.formula() if valid.output > 0 else 'nothing left'})"
        yield line


def kernel_in_lines(kernel: Kernel, facts: Mapping[str, str]) -> Iterator[str]:
    """Yield a description of a kernel with its weights, then further facts, each with its label."""
    yield f"{filter_in_words(kernel)}: {escaped(kernel.summary)}".rstrip(": ")
    if kernel.parameters:
        yield f"  parameters  {parameters_in_words(kernel)}"
    fits, sums = kernel.width <= _WIDEST and kernel.weight_count <= _MOST_WEIGHTS, []
    for number, (part, divisor) in enumerate(zip(kernel.parts, kernel.divisors, strict=True), start=1):
        label = "weights" if len(kernel.parts) == 1 else f"part {number}"
        yield f"  {label}{'' if divisor == 1 else f' / {figure(divisor)}'}"
        if not fits:
            yield "    (--json prints them all)"
        alone = kernel._replace(parts=(part,), divisors=(), combine=None)
        for place, table in tables_of(alone) if fits else ():
            if place:
                yield f"    {place}"
            cells = [[f"{weight:.4g}" for weight in row] for row in table]
            width = max(len(cell) for row in cells for cell in row)
            yield from ("    " + "  ".join(cell.rjust(width) for cell in row) for row in cells)
        sums.append(figure(math.fsum(flat(part)) / divisor))
    own = {
        "sum": f"{', '.join(sums)}{'  (counts as zero)' if kernel.is_zero_sum else ''}",
        "offset": f"{kernel.offset:g} of full scale" if kernel.offset else "",
        "anchor": f"row {kernel.anchor[0]}, column {kernel.anchor[1]}" if kernel.anchor else "",
        "range": kernel.range,
    }
    yield from (f"  {label:<11} {fact}" for label, fact in (own | dict(facts)).items() if fact)


def read_named(
    path: str,
    reading: ReadOptions,
    *,
    quiet: bool = False,
    frame: int | None = None,
    stack: bool = False,
    axes: Axes = "channels",
    filtering: Sequence[FilterOptions] = (),
) -> Picture:
    """Read a frame of an image, or all as a `stack`; print warnings and raise errors with the file's name.

    Without a `frame` the first is read, with a warning if there are more. `filtering` are the options that
    it is filtered with, if it is: a no-data value that these ignore gets a warning.
    """
    import numpy as np

    from convfilter.images.masks import no_data_warnings
    from convfilter.images.opening import check_pixels
    from convfilter.images.reading import opened_frames, read_picture

    limit, orient = reading.max_pixels, reading.orient
    try:
        if not stack:
            picture = read_picture(path, max_pixels=limit, orient=orient, frame=frame or 0, axes=axes)
        else:
            with opened_frames(path, max_pixels=limit, orient=orient, axes=axes) as frames:
                check_pixels(frames.size()[:2], limit, frames.count)
                every = [frames.read(number) for number in range(frames.count)]
            picture = every[0]
            picture.pixels = np.stack([each.pixels for each in every])
    except ValueError as error:  # frames of several sizes, or an `ImageError`
        reason = error if isinstance(error, ImageError) else f"its frames are not a stack ({error})"
        raise ImageError(f"{escaped(path)}: {reason}") from None
    if picture.frames > 1 and frame is None:
        picture.warnings.append(f"holds {picture.frames} frames: only the first is used")
    for each in filtering:
        picture.warnings += no_data_warnings(each, picture)
    for warning in dict.fromkeys(picture.warnings) if not quiet else ():
        complain(f"{path}: warning: {warning}")
    return picture


def draw(path: str, drawing: Drawing, *, overwrite: bool) -> None:
    """Write a drawing and say where."""
    from convfilter.drawing import save_drawing

    save_drawing(path, drawing, overwrite=overwrite)
    complain(f"drawn to {path}")


def print_result(lines: Iterable[str], described: object, *, as_json: bool, output: str | None) -> None:
    """Print lines of text, or an object as JSON; on stderr where an image or a file goes to stdout."""
    text = _json(described) if as_json else "\n".join(lines)
    click.echo(text, err=output == STREAM)


def _json(described: object) -> str:
    import json  # here, because most runs print words

    return json.dumps(described)


class Reporter:
    """Prints the results of a run on stdout, above a progress bar, and problems on stderr."""

    def __init__(
        self,
        plan: Plan,
        settings: Settings,
        *,
        preview: bool,
        as_json: bool,
        quiet: bool,
        verbose: bool,
    ) -> None:
        self._plan, self._settings = plan, settings
        self._as_json, self._quiet, self._verbose = as_json, quiet, verbose
        self._every = verbose or not plan.several
        self._aside = any(job.target == STREAM for job in plan.jobs)  # an image to stdout, the text to stderr
        if self._aside:
            refuse_terminal()
        self._preview = preview and not as_json and sys.stdout is not None and sys.stdout.isatty()
        if preview and not self._preview and not quiet:
            complain("--preview needs a terminal: no preview is shown")
        self._counts, self._start = Counter[str](), time.monotonic()
        self._bar: ProgressBar[int] | None = None
        self._wrong_option = False
        self._unheard = False  # stdout fails, which does not stop the run
        if plan.several and not quiet and sys.stderr is not None and sys.stderr.isatty():
            self._bar = click.progressbar(
                length=len(plan.jobs),
                file=sys.stderr,
                show_pos=True,
                show_percent=False,
                show_eta=True,
                item_show_func=lambda _: self._rate(),
                bar_template="%(bar)s  %(info)s",
                width=30,
            )

    def progress(self) -> AbstractContextManager[object]:
        """Return the context in which the bar is drawn."""
        return self._bar or nullcontext()

    def _rate(self) -> str:
        done, failed = self._counts.total(), self._counts["failed"]
        rate = done / max(time.monotonic() - self._start, 1e-9)
        return f"{rate:.3g}/s{f', {failed} failed' if failed else ''}"

    def count(self, result: Result) -> None:
        """Count an image that is finished, maybe before its turn to be shown."""
        self._counts[result.status] += 1
        self._wrong_option |= isinstance(result.error, OptionError)
        if self._bar is not None:
            self._bar.update(1)

    def show(self, result: Result) -> None:
        """Print the result for one image."""
        source = escaped(result.job.source) or repr("")
        for warning in result.warnings if not self._quiet else ():
            self.complain(f"{source}: warning: {warning}")
        if result.hint:
            self.complain(f"{source}: hint: {result.hint}")
        if result.error is not None:
            hidden = " (-v prints the traceback)" if result.traceback and not self._every else ""
            self.complain(f"{source}: {result.error}{hidden}", result.traceback if self._every else "")
        for line in self._lines(result):
            self._echo(line)
        for line in _previewed(result, self._settings) if self._preview else ():
            self._echo(line)

    def complain(self, text: str, traceback: str = "") -> None:
        """Print an error or a warning on stderr."""
        self._clear_bar()
        complain(text, traceback)

    def stopped(self) -> None:
        """Print the counts when the run is stopped, unless that would have to wait for a reader."""
        left = len(self._plan.jobs) - self._counts.total()
        clear = f"{_CLEAR_LINE}{_SHOW_CURSOR}" if self._bar is not None else ""
        last_words(f"{clear}convfilter: stopped: {self._counted()}, {left} not finished\n")

    def finish(self) -> int:
        """Print the counts of a run over several images, and return the exit code."""
        if self._plan.several and not self._quiet:
            complain(self._counted())
            if self._counts["failed"] and self._counts["done"] and not self._settings.batch.overwrite:
                complain("fix the problems above, then run again with --skip-existing")
        if self._wrong_option and not self._counts["done"]:  # it was wrong for every image
            return 2
        return int(self._unheard or self._counts["failed"] > 0 or self._counts["not attempted"] > 0)

    def _counted(self) -> str:
        order = ("done", "skipped", "planned", "failed", "not attempted")
        counts = (f"{self._counts[status]} {status}" for status in order if self._counts[status])
        words = ", ".join(counts) or "nothing done"
        return f"{words}, {self._plan.passed_over}" if self._plan.passed_over else words

    def _clear_bar(self) -> None:
        if self._bar is not None:  # it comes again with the next image
            click.echo(_CLEAR_LINE, nl=False, err=True)

    def _echo(self, line: str) -> None:
        if self._unheard:
            return
        self._clear_bar()
        try:
            click.echo(line, err=self._aside)
        except OSError as error:
            discard(sys.stderr if self._aside else sys.stdout)
            if not isinstance(error, BrokenPipeError):  # a reader that has gone away is not an error
                self._unheard = True
                self.complain(f"standard output: {describe(error)}")

    def _lines(self, result: Result) -> Iterator[str]:
        """Yield what is printed of an image: JSON, the calculation, or in a batch the sizes in one line."""
        if self._as_json:
            yield _json(_as_object(result, self._settings.kernels))
        if self._as_json or self._quiet:
            return
        arrow = f"{escaped(result.job.source)} -> {escaped(result.job.target)}"
        if result.status == "skipped" and self._every:
            yield f"{arrow}   skipped: it exists"
        if result.status not in ("done", "planned"):
            return
        if not self._every:
            size, made = (f"{each.width}x{each.height}" for each in (result.size, result.output) if each)
            yield f"{arrow}   {size}" if made == size else f"{arrow}   {size} -> {made}"
            return
        yield f"{arrow}   {self._filters(result)}"
        yield from _calculations(result, self._settings)
        if result.clipped_below is not None and result.clipped_above is not None and self._verbose:
            below, above = 100 * result.clipped_below, 100 * result.clipped_above
            yield f"  clipped {below:.3g}% below, {above:.3g}% above; {result.seconds:.3g} s"

    def _filters(self, result: Result) -> str:
        """Return the chain, its options and what it does with several frames."""
        settings = self._settings
        frames, made = (each.frames if each else 1 for each in (result.size, result.output))
        line = filter_line(settings.kernels, settings.filtering)
        first = settings.batch.frames == "first"
        if frames > 1:
            how = "a stack" if settings.stacks else "the first" if first else "each"
            line += f", {how} of {frames} frames"
        if settings.maps > 1 and made > (1 if first else frames):
            line += f", a page for each of {settings.maps} output channels, on one grey scale"
        return line


def _calculations(result: Result, settings: Settings) -> Iterator[str]:
    """Yield the size arithmetic of every filter of the chain, indented."""
    from convfilter.filtering.layer import filter_axes

    if result.size is None:
        return
    shape = [result.size.frames if settings.stacks else 1, result.size.height, result.size.width]
    for kernel in settings.kernels:
        axes = filter_axes(shape, kernel, settings.filtering)
        shape = [axis.output for axis in axes]
        if len(settings.kernels) > 1:
            yield f"  {filter_in_words(kernel)}"
        for line in calculation(axes if "frame" in kernel.axes else axes[1:]):
            yield f"  {line}"


def _as_object(result: Result, kernels: Sequence[Kernel]) -> dict[str, Any]:
    sizes = {
        f"{prefix}{name}": getattr(size, name, None)
        for names in (("width", "height"), ("channels",), ("frames",))
        for prefix, size in (("", result.size), ("output_", result.output))
        for name in names
    }
    return {
        "input": result.job.source,
        "output": result.job.target,
        "kernels": [kernel.name for kernel in kernels],
        **sizes,
        "status": result.status,
        "error": None if result.error is None else str(result.error),
        "warnings": result.warnings,
        "clipped_below": result.clipped_below,
        "clipped_above": result.clipped_above,
        "seconds": result.seconds,
    }


def _previewed(result: Result, settings: Settings) -> Iterator[str]:
    """Yield an image before and after as lines of text; nothing if it cannot be read again."""
    import shutil
    import tempfile

    from convfilter.batch.job import run_job
    from convfilter.drawing import displayed, shrunk
    from convfilter.drawing.sheet import preview
    from convfilter.images.reading import read_picture

    job, status, width = result.job, result.status, shutil.get_terminal_size().columns
    if STREAM in (job.source, job.target):
        return
    with tempfile.TemporaryDirectory() as folder, suppress(ConvfilterError):
        if status == "planned":
            job = job._replace(target=os.path.join(folder, "after"))
            status = run_job(job, settings).status
        if status == "done":
            limit = settings.reading.max_pixels
            pictures = [read_picture(path, max_pixels=limit) for path in (job.source, job.target)]
            images = [displayed(shrunk(each.pixels, width, each.mode), each.mode) for each in pictures]
            yield from preview(*images, width=width)
