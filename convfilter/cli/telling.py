"""What became of pictures, as lines and JSON on stdout, and on stderr what was not done."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any

import click

from convfilter.batch.dry_run import chain_axes
from convfilter.batch.job import Result
from convfilter.batch.plan import Settings
from convfilter.cli.progress import Progress
from convfilter.cli.report import calculation, filter_in_words, per_axis_in_words
from convfilter.kernels import Kernel
from convfilter.messages import complain, describe, discard, last_words, shown

__all__ = ["Printer"]


class Printer:
    """Says on stdout what was done, and on stderr what was not.

    Attributes
    ----------
    unheard : bool
        Whether stdout could not take what was said. Pictures are worth more than words: the run goes on.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        as_json: bool,
        quiet: bool,
        verbose: bool,
        single: bool,
        aside: bool,
        progress: Progress,
    ) -> None:
        self._settings, self._progress = settings, progress
        self._aside = aside
        self.unheard = False
        self._as_json, self._quiet = as_json, quiet
        self._every = single or verbose
        self._verbose = verbose
        self._sizes: set[tuple[int | None, ...]] = set()

    def show(self, result: Result) -> None:
        """Print one picture's result."""
        job = result.job
        for warning in result.warnings:
            self.note(f"{shown(job.source)}: warning: {warning}")
        if result.error is not None:
            traceback = result.traceback if self._every else ""
            self.complain(f"{shown(job.source) or repr('')}: {result.error}", traceback)
        if self._as_json:
            self._say(json.dumps(_as_object(result, self._settings.kernels)))
        elif not self._quiet:
            for line in self._lines(result):
                self._say(line)

    def _say(self, line: str) -> None:
        if self.unheard:
            return
        self._progress.make_way()
        try:
            _print(line, to_stderr=self._aside)
        except OSError as error:
            self.unheard = True
            discard(sys.stderr if self._aside else sys.stdout)
            self.complain(f"standard output: {describe(error)}")

    def picture(self, lines: str) -> None:
        """Print a picture made of letters."""
        self._progress.make_way()
        click.echo(lines, nl=False)

    def note(self, text: str) -> None:
        """Print a line on stderr unless the run is quiet."""
        if not self._quiet:
            self.complain(text)

    def complain(self, text: str, traceback: str = "") -> None:
        """Print an error on stderr."""
        self._progress.make_way()
        complain(text, traceback)

    def last_words(self, text: str) -> None:
        """Print a line on stderr when the run is stopped, unless that would have to wait for a reader."""
        last_words(f"{self._progress.closing}convfilter: {text}\n")

    def _lines(self, result: Result) -> list[str]:
        arrow = f"{shown(result.job.source)} -> {shown(result.job.target)}"
        if result.status == "skipped":
            return [f"{arrow}   skipped: it exists"] if self._every else []
        if result.status not in ("done", "planned"):
            return []
        size = (result.width, result.height, result.frames if self._settings.spans_frames else 1)
        if size in self._sizes and not self._every:
            return [arrow] if result.status == "planned" else []
        self._sizes.add(size)
        return [
            f"{arrow}   {_in_words(self._settings)}{_frames_in_words(result, self._settings)}",
            *_calculation(result, self._settings),
            *self._details(result),
        ]

    def _details(self, result: Result) -> list[str]:
        if not self._verbose or result.clipped_below is None or result.clipped_above is None:
            return []
        below, above = 100 * result.clipped_below, 100 * result.clipped_above
        return [f"  clipped {below:.3g} % below, {above:.3g} % above; {result.seconds:.3g} s"]


def _print(line: str, *, to_stderr: bool) -> None:
    """Print a line; a reader that has gone away does not stop the pictures."""
    try:
        click.echo(line, err=to_stderr)
    except BrokenPipeError:
        discard(sys.stderr if to_stderr else sys.stdout)


def _in_words(settings: Settings) -> str:
    """The filters and the border they are given."""
    options = settings.filtering
    words = [filter_in_words(kernel) for kernel in settings.kernels]
    chain = words[0] if len(words) == 1 else ", then ".join(words)
    if options.padding == "valid":
        return f"{chain}, padding valid"
    fill = f"={options.fill:g}" if options.border == "constant" else ""
    padding = "" if options.padding == "same" else f", padding {per_axis_in_words(options.padding)}"
    return f"{chain}, border {options.border}{fill}{padding}"


def _frames_in_words(result: Result, settings: Settings) -> str:
    """What becomes of several frames."""
    if result.frames in (None, 1):
        return ""
    how = "a stack" if settings.stacks else "the first" if settings.batch.frames == "first" else "each"
    return f", {how} of {result.frames} frames"


def _calculation(result: Result, settings: Settings) -> list[str]:
    """The size arithmetic of every filter of the chain, indented."""
    lines: list[str] = []
    frames = result.frames if settings.stacks else 1
    chain = chain_axes(
        (frames or 1, result.height or 1, result.width or 1), settings.kernels, settings.filtering
    )
    for kernel, axes in zip(settings.kernels, chain, strict=True):
        if len(settings.kernels) > 1:
            lines.append(f"  {filter_in_words(kernel)}")
        told = calculation(axes[1:])
        if "frame" in kernel.axes:
            told += calculation(axes[:1], ("frames",))
        lines += [f"  {line}" for line in told]
    return lines


def _as_object(result: Result, kernels: Sequence[Kernel]) -> dict[str, Any]:
    return {
        "input": result.job.source,
        "output": result.job.target,
        "kernels": [kernel.name for kernel in kernels],
        "width": result.width,
        "height": result.height,
        "output_width": result.output_width,
        "output_height": result.output_height,
        "channels": result.channels,
        "output_channels": result.output_channels,
        "frames": result.frames,
        "output_frames": result.output_frames,
        "status": result.status,
        "error": None if result.error is None else str(result.error),
        "warnings": result.warnings,
        "clipped_below": result.clipped_below,
        "clipped_above": result.clipped_above,
        "seconds": result.seconds,
    }
