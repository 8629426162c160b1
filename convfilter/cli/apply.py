"""``convfilter apply``: filter images, folders and standard input."""

from __future__ import annotations

import contextlib
import sys

import click

from convfilter.cli.options import (
    BORDERS_DRAWN,
    HeadedCommand,
    chosen_filter,
    json_option,
    kernel_file_option,
    kernel_option,
    option,
    record_options,
    refuse_both,
)
from convfilter.images.formats import FORMATS
from convfilter.options import BatchOptions, EncodeOptions, FilterOptions, ReadOptions

__all__ = ["command"]


@click.command(
    cls=HeadedCommand,
    short_help="Filter images, folders or standard input.",
    epilog=BORDERS_DRAWN,
)
@click.argument("inputs", nargs=-1, metavar="INPUT...")
@kernel_option("The filter: NAME or NAME:param=value,... Repeat it for a chain in that order.")
@option(
    "-o",
    "--output",
    metavar="OUT",
    help="File or folder to write; '-' is stdout.  [default: beside the input]",
)
@option("-n", "--dry-run", is_flag=True, help="Print the plan, change nothing.")
@kernel_file_option()
@record_options("filtering", FilterOptions)
@option(
    "--format",
    "format_",
    type=click.Choice(list(FORMATS)),
    heading="Writing",
    help="Format of the outputs.  [default: from the output's name, else the input's]",
)
@record_options("encoding", EncodeOptions)
@record_options("reading", ReadOptions)
@record_options("batch", BatchOptions)
@option(
    "--files-from",
    metavar="FILE",
    heading="Running",
    help="Take inputs from a list, one name a line; '-' is standard input.",
)
@option("-0", "--null", "null", is_flag=True, heading="Running", help="Names in that list end in NUL bytes.")
@option(
    "--preview",
    is_flag=True,
    heading="Running",
    help="Show before and after in the terminal; nothing when piped.",
)
@json_option("Running")
@option("-q", "--quiet", is_flag=True, heading="Running", help="Print errors only.")
@option(
    "-v",
    "--verbose",
    is_flag=True,
    heading="Running",
    help="Print the calculation for every image, and more.",
)
def command(
    inputs: tuple[str, ...],
    kernels: tuple[str, ...],
    kernel_file: str | None,
    output: str | None,
    format_: str | None,
    dry_run: bool,
    files_from: str | None,
    null: bool,
    preview: bool,
    as_json: bool,
    quiet: bool,
    verbose: bool,
    filtering: FilterOptions,
    batch: BatchOptions,
    encoding: EncodeOptions,
    reading: ReadOptions,
) -> int:
    """Filter images, folders of images or standard input ('-').

    Example: convfilter apply photo.jpg -k gaussian:sigma=2 -k sobel -o edges.png
    """
    refuse_both(batch.overwrite, batch.skip_existing, "--overwrite and --skip-existing")
    refuse_both(quiet, verbose, "--quiet and --verbose")
    refuse_both(batch.jobs, batch.scheduler, "--jobs and --scheduler")
    if null and files_from is None:
        raise click.UsageError("-0 is about a list: give it with --files-from, '-' for standard input")
    if not inputs and files_from is None:
        raise click.UsageError("no inputs: name files, folders or '-', or a list with --files-from")
    # What it takes to compute is loaded once the command line is known to be right.
    from convfilter.batch import Report, run_jobs
    from convfilter.batch.job import Outcome
    from convfilter.batch.plan import find_inputs, kernel_suffix, named_inputs, output_folders, plan_jobs
    from convfilter.batch.work import Work
    from convfilter.cli.progress import Progress
    from convfilter.cli.report import can_preview, previewed
    from convfilter.cli.telling import Printer
    from convfilter.files import STREAM, refuse_terminal
    from convfilter.filtering.options import resolved_range
    from convfilter.signals import at_stop

    chain = chosen_filter(kernels, kernel_file, filtering, quiet=quiet)
    work = Work(
        chain,
        filtering,
        encoding,
        frames=batch.frames,
        overwrite=batch.overwrite,
        skip_existing=batch.skip_existing,
        max_pixels=reading.max_pixels,
        orient=reading.orient,
        threads=batch.jobs,
        count_clipped=as_json or verbose,
    )
    arguments, several = named_inputs(inputs, files_from, null=null)
    suffix = kernel_suffix(chain)
    found, problems = find_inputs(arguments, output_folders(arguments, output, suffix, several=several))
    jobs = plan_jobs(
        found,
        arguments=arguments,
        several=several,
        output=output,
        format=format_,
        fallback="npy" if resolved_range(filtering, chain[-1]) == "raw" else None,
        suffix=suffix,
        overwrite=batch.overwrite,
        touch=not dry_run,
    )
    # Where an image itself goes to stdout, the text goes to stderr.
    aside = any(job.target == STREAM for job in jobs) if len(jobs) == 1 or STREAM in arguments else False
    if aside:
        refuse_terminal()
    report = Report()
    with Progress(len(jobs), wanted=several and not quiet and _at_terminal()) as progress:
        printer = Printer(
            work,
            as_json=as_json,
            quiet=quiet,
            verbose=verbose,
            single=not several,
            aside=aside,
            progress=progress,
        )
        for problem in problems:
            printer.complain(problem)

        def count(outcome: Outcome) -> None:
            report.add(outcome)
            progress.count(failed=outcome.error is not None)

        def last_words() -> None:
            left = len(jobs) - report.counts.total()
            printer.last_words(f"stopped: {report.in_words()}, {left} not finished")

        outcomes = run_jobs(jobs, work, dry=dry_run, scheduler=batch.scheduler, finished=count)
        shown = preview and can_preview() and not as_json
        with at_stop(last_words), contextlib.closing(outcomes):
            for outcome in outcomes:
                printer.show(outcome)
                if shown:
                    printer.picture(previewed(outcome, reading.max_pixels))
    if several and not quiet:
        printer.note(report.in_words())
    return 1 if problems or printer.unheard else report.exit_code


def _at_terminal() -> bool:
    return sys.stderr is not None and sys.stderr.isatty()
