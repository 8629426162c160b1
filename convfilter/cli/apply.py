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
    from convfilter.batch.job import Result
    from convfilter.batch.plan import Settings, check_settings, plan_jobs
    from convfilter.cli.progress import Progress
    from convfilter.cli.report import can_preview, previewed
    from convfilter.cli.telling import Printer
    from convfilter.files import STREAM, refuse_terminal
    from convfilter.signals import at_stop

    chain = chosen_filter(kernels, kernel_file, filtering, quiet=quiet)
    settings = Settings(chain, filtering, encoding, reading, batch, count_clipped=as_json or verbose)
    check_settings(settings)
    jobs = plan_jobs(
        inputs,
        settings,
        output=output,
        format=format_,
        files_from=files_from,
        null=null,
        touch=not dry_run,
    )
    several = jobs.several
    # Where an image itself goes to stdout, the text goes to stderr.
    aside = any(job.target == STREAM for job in jobs)
    if aside:
        refuse_terminal()
    report = Report()
    with Progress(len(jobs), wanted=several and not quiet and _at_terminal()) as progress:
        printer = Printer(
            settings,
            as_json=as_json,
            quiet=quiet,
            verbose=verbose,
            single=not several,
            aside=aside,
            progress=progress,
        )
        for problem in jobs.problems:
            printer.complain(problem)

        def count(result: Result) -> None:
            report.add(result)
            progress.count(failed=result.error is not None)

        def last_words() -> None:
            left = len(jobs) - report.counts.total()
            printer.last_words(f"stopped: {report.in_words()}, {left} not finished")

        results = run_jobs(jobs, settings, dry=dry_run, finished=count)
        shown = preview and can_preview() and not as_json
        with at_stop(last_words), contextlib.closing(results):
            for result in results:
                printer.show(result)
                if shown:
                    printer.picture(previewed(result, reading.max_pixels))
    if several and not quiet:
        printer.note(report.in_words())
    return 1 if jobs.problems or printer.unheard else report.exit_code


def _at_terminal() -> bool:
    return sys.stderr is not None and sys.stderr.isatty()
