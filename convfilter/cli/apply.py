"""``convfilter apply``: filter images, folders and standard input."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

import click

from convfilter.cli import options
from convfilter.errors import brief, escaped
from convfilter.images.formats import ALIASES, FORMATS, format_of_name
from convfilter.options import BORDERS_IN_WORDS, BatchOptions, EncodeOptions, FilterOptions, ReadOptions

if TYPE_CHECKING:
    from convfilter.kernels import Library


@click.command(cls=options.Command, epilog=BORDERS_IN_WORDS)
@click.argument("inputs", nargs=-1, metavar="INPUT...")
@options.kernel("Name, name:param=value,..., matrix or kernel file. Repeat it for a chain in that order.")
@options.add(
    "-o --output",
    "Output file or folder; '-' is standard output. An image extension, such as .png, makes it a file.  "
    "[default: beside the input]",
    "OUT",
)
@options.add("-n --dry-run", "Print the plan and change nothing.")
@options.kernel_file("Filtering")
@options.add(
    "--format format_",
    "Format of the outputs, such as png or jpeg.  [default: from the output's name, else the input's]",
    type=options.Choice([*FORMATS, *ALIASES]),
    heading="Writing",
    everyday=True,
)
@options.records(filtering=FilterOptions, encoding=EncodeOptions, reading=ReadOptions, batch=BatchOptions)
@options.add(
    "--files-from",
    "File with a list of inputs, one name per line; '-' is standard input.",
    "FILE",
    heading="Running",
)
@options.add("-0 --null null", "Names in --files-from end in NUL bytes.", heading="Running")
@options.add(
    "--preview",
    "Show before and after in the terminal. With -n nothing is written.",
    heading="Running",
    everyday=True,
)
@options.json
@options.quiet
@options.add("-v --verbose", "Print the calculation for every image.", heading="Running")
def command(
    inputs: tuple[str, ...],
    kernels: tuple[str, ...],
    known: Library,
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

    Example: convfilter apply photo.jpg -k blur -k sobel -o edges.png
    """
    for names, both in {
        "--overwrite and --skip-existing": batch.overwrite and batch.skip_existing,
        "--quiet and --verbose": quiet and verbose,
        "--jobs and --scheduler": batch.jobs and batch.scheduler,
    }.items():
        if both:
            raise click.UsageError(f"{names} cannot be used together")
    if null and files_from is None:
        raise click.UsageError("-0 needs --files-from; '-' is standard input")
    if not inputs and files_from is None:
        raise click.UsageError("no inputs: name files, folders or '-', or a list with --files-from")
    for name in inputs:
        if name.partition(":")[0] in known and not os.path.lexists(name):
            raise click.UsageError(f"{brief(name)} is a kernel: use -k {escaped(name)}")
    # What it takes to compute is loaded once the command line is known to be right.
    from convfilter.batch import run_jobs
    from convfilter.batch.plan import Settings, check_settings, plan_jobs
    from convfilter.cli.report import Reporter
    from convfilter.kernels import files_of, get_kernel
    from convfilter.signals import at_stop

    settings = Settings(
        tuple(get_kernel(name, known) for name in kernels),
        filtering,
        encoding,
        reading,
        batch,
        count_clipped=as_json or verbose,
        kernel_files=known.files + files_of(kernels),
    )
    check_settings(settings)
    plan = plan_jobs(
        inputs,
        settings,
        output=output,
        format=ALIASES.get(format_ or "", format_),
        files_from=files_from,
        null=null,
        touch=not dry_run,
    )
    jobs = plan.jobs
    if not quiet:
        settings = settings._replace(hint_for=jobs[0].source if jobs else "")
    reporter = Reporter(plan, settings, preview=preview, as_json=as_json, quiet=quiet, verbose=verbose)
    results = run_jobs(jobs, settings, dry=dry_run, finished=reporter.count)
    with reporter.progress(), at_stop(reporter.stopped), contextlib.closing(results):
        for problem in plan.problems:
            reporter.complain(problem)
        for result in results:
            reporter.show(result)
    if output is None and len(inputs) == 2 and format_of_name(inputs[1]) and not os.path.lexists(inputs[1]):
        reporter.complain(f"{inputs[1]} was read as an input: name an output with -o {inputs[1]}")
    return reporter.finish() or int(bool(plan.problems))
