"""What became of pictures, as lines and JSON on stdout, and on stderr what was not done."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any

import click

from convfilter.batch.foresight import chain_axes
from convfilter.batch.job import Outcome
from convfilter.batch.work import Work
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
        work: Work,
        *,
        as_json: bool,
        quiet: bool,
        verbose: bool,
        single: bool,
        aside: bool,
        progress: Progress,
    ) -> None:
        self._work, self._progress = work, progress
        self._aside = aside
        self.unheard = False
        self._as_json, self._quiet = as_json, quiet
        self._every = single or verbose
        self._verbose = verbose
        self._sizes: set[tuple[int | None, ...]] = set()

    def show(self, outcome: Outcome) -> None:
        """Print one picture's outcome."""
        job = outcome.job
        for warning in outcome.warnings:
            self.note(f"{shown(job.source)}: warning: {warning}")
        if outcome.error is not None:
            traceback = outcome.traceback if self._every else ""
            self.complain(f"{shown(job.source) or repr('')}: {outcome.error}", traceback)
        if self._as_json:
            self._say(json.dumps(_as_object(outcome, self._work.kernels)))
        elif not self._quiet:
            for line in self._lines(outcome):
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

    def _lines(self, outcome: Outcome) -> list[str]:
        arrow = f"{shown(outcome.job.source)} -> {shown(outcome.job.target)}"
        if outcome.status == "skipped":
            return [f"{arrow}   skipped: it exists"] if self._every else []
        if outcome.status not in ("done", "planned"):
            return []
        size = (outcome.width, outcome.height, outcome.frames if self._work.spans_frames else 1)
        if size in self._sizes and not self._every:
            return [arrow] if outcome.status == "planned" else []
        self._sizes.add(size)
        return [
            f"{arrow}   {_in_words(self._work)}{_frames_in_words(outcome, self._work)}",
            *_calculation(outcome, self._work),
            *self._details(outcome),
        ]

    def _details(self, outcome: Outcome) -> list[str]:
        if not self._verbose or outcome.clipped_below is None or outcome.clipped_above is None:
            return []
        below, above = 100 * outcome.clipped_below, 100 * outcome.clipped_above
        return [f"  clipped {below:.3g} % below, {above:.3g} % above; {outcome.seconds:.3g} s"]


def _print(line: str, *, to_stderr: bool) -> None:
    """Print a line; a reader that has gone away does not stop the pictures."""
    try:
        click.echo(line, err=to_stderr)
    except BrokenPipeError:
        discard(sys.stderr if to_stderr else sys.stdout)


def _in_words(work: Work) -> str:
    """The filters and the border they are given."""
    options = work.filtering
    words = [filter_in_words(kernel) for kernel in work.kernels]
    chain = words[0] if len(words) == 1 else ", then ".join(words)
    if options.padding == "valid":
        return f"{chain}, padding valid"
    fill = f"={options.fill:g}" if options.border == "constant" else ""
    padding = "" if options.padding == "same" else f", padding {per_axis_in_words(options.padding)}"
    return f"{chain}, border {options.border}{fill}{padding}"


def _frames_in_words(outcome: Outcome, work: Work) -> str:
    """What becomes of several frames."""
    if outcome.frames in (None, 1):
        return ""
    how = "a stack" if work.stacks else "the first" if work.frames == "first" else "each"
    return f", {how} of {outcome.frames} frames"


def _calculation(outcome: Outcome, work: Work) -> list[str]:
    """The size arithmetic of every filter of the chain, indented."""
    lines: list[str] = []
    frames = outcome.frames if work.stacks else 1
    chain = chain_axes((frames or 1, outcome.height or 1, outcome.width or 1), work.kernels, work.filtering)
    for kernel, axes in zip(work.kernels, chain, strict=True):
        if len(work.kernels) > 1:
            lines.append(f"  {filter_in_words(kernel)}")
        told = calculation(axes[1:])
        if "frame" in kernel.axes:
            told += calculation(axes[:1], ("frames",))
        lines += [f"  {line}" for line in told]
    return lines


def _as_object(outcome: Outcome, kernels: Sequence[Kernel]) -> dict[str, Any]:
    return {
        "input": outcome.job.source,
        "output": outcome.job.target,
        "kernels": [kernel.name for kernel in kernels],
        "width": outcome.width,
        "height": outcome.height,
        "output_width": outcome.output_width,
        "output_height": outcome.output_height,
        "channels": outcome.channels,
        "output_channels": outcome.output_channels,
        "frames": outcome.frames,
        "status": outcome.status,
        "error": outcome.error,
        "warnings": outcome.warnings,
        "clipped_below": outcome.clipped_below,
        "clipped_above": outcome.clipped_above,
        "seconds": outcome.seconds,
    }
