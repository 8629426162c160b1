"""A run of ``convfilter apply``: from the options to a plan, and from that to an exit code."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Generator, Sequence
from typing import Any

from convfilter.batch import Report, run_jobs
from convfilter.batch.job import Outcome
from convfilter.batch.plan import (
    Plan,
    find_inputs,
    kernel_suffix,
    named_inputs,
    output_folders,
    plan_jobs,
)
from convfilter.batch.work import Work
from convfilter.cli.options import chosen_filter
from convfilter.cli.progress import Progress
from convfilter.cli.report import can_preview, previewed
from convfilter.cli.telling import Printer
from convfilter.errors import OptionError
from convfilter.files import STREAM, refuse_terminal
from convfilter.images.encoding import Encoding
from convfilter.signals import at_stop

__all__ = ["run"]


def run(inputs: Sequence[str], options: dict[str, Any]) -> int:
    """Carry out ``convfilter apply`` and return its exit code.

    Parameters
    ----------
    inputs : sequence of str
        Files, folders and ``-``.
    options : dict
        As the command line gives them, by name.

    Returns
    -------
    int
        0 if all was done or skipped as asked, 1 if a picture failed.

    Raises
    ------
    ConvfilterError
        If nothing can be begun: kernels, options or a plan that would do harm.
    """
    work = _work(options)
    arguments, several = named_inputs(inputs, options["files_from"], null=options["null"])
    jobs, problems = _planned(arguments, several, work, options)
    # Where a picture itself goes to stdout, the words go to stderr.
    aside = any(job.target == STREAM for job in jobs) if len(jobs) == 1 or STREAM in arguments else False
    if aside:
        refuse_terminal()
    report = Report()
    wanted = several and not options["quiet"] and sys.stderr is not None and sys.stderr.isatty()
    with Progress(len(jobs), wanted=wanted) as progress:
        printer = Printer(work, options, alone=not several, aside=aside, progress=progress)
        for problem in problems:
            printer.complain(problem)

        def count(outcome: Outcome) -> None:
            report.add(outcome)
            progress.count(failed=outcome.error is not None)

        outcomes = run_jobs(
            jobs, work, dry=options["dry_run"], scheduler=options["scheduler"], finished=count
        )

        def last_words() -> None:
            left = len(jobs) - report.counts.total()
            printer.last_words(f"stopped: {report.in_words()}, {left} not finished")

        shown = options["preview"] and can_preview() and not options["as_json"]
        with at_stop(last_words):
            _tell(outcomes, printer, preview=work.max_pixels if shown else None)
    if several and not options["quiet"]:
        printer.note(report.in_words())
    return 1 if problems or printer.unheard else report.exit_code


def _planned(
    arguments: Sequence[str], several: bool, work: Work, options: dict[str, Any]
) -> tuple[Plan, list[str]]:
    """Name what becomes of every picture; also return which folders could not be listed."""
    suffix, output = kernel_suffix(work.kernels), options["output"]
    raw = work.filtering.resolved_range(work.kernels[-1]) == "raw"
    found, problems = find_inputs(arguments, output_folders(arguments, output, suffix, several=several))
    jobs = plan_jobs(
        found,
        arguments=arguments,
        several=several,
        output=output,
        format=options["format_"],
        fallback="npy" if raw else None,
        suffix=suffix,
        overwrite=options["overwrite"],
        touch=not options["dry_run"],
    )
    return jobs, problems


def _tell(outcomes: Generator[Outcome], printer: Printer, *, preview: int | None) -> None:
    """Print outcomes as they come, with a look at pictures of up to so many pixels."""
    with contextlib.closing(outcomes):
        for outcome in outcomes:
            printer.show(outcome)
            if preview is not None:
                printer.picture(previewed(outcome, preview))


def _work(options: dict[str, Any]) -> Work:
    kernels, filtering = chosen_filter(options)
    try:
        encoding = Encoding(
            quality=options["quality"],
            compress=options["compress"],
            background=options["background"],
            strip=options["strip"],
        )
    except OptionError as error:
        raise OptionError(f"--background: {error}") from None
    return Work(
        kernels=kernels,
        filtering=filtering,
        encoding=encoding,
        frames=options["frames"],
        overwrite=options["overwrite"],
        skip_existing=options["skip_existing"],
        max_pixels=options["max_pixels"],
        orient=not options["no_orient"],
        threads=options["jobs"],
        count_clipped=options["as_json"] or options["verbose"],
    )
