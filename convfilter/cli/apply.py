"""``convfilter apply``: filter pictures, folders and standard input."""

from __future__ import annotations

from typing import Any

import click

from convfilter.cli.options import (
    BORDERS_DRAWN,
    HeadedCommand,
    depth_option,
    filtering_options,
    json_option,
    kernel_file_option,
    kernel_option,
    option,
    reading_options,
    refuse_both,
)
from convfilter.images.formats import FORMATS
from convfilter.vocabulary import COMPRESSIONS, FRAMES

__all__ = ["command"]

_HOW = "How to filter"
_WRITE = "How to write"
_RUN = "How to run"


@click.command(
    cls=HeadedCommand,
    short_help="Filter pictures, folders or standard input.",
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
@option("--overwrite", is_flag=True, help="Replace outputs that exist.")
@option("--skip-existing", is_flag=True, help="Leave outputs that exist as they are.")
@option("-n", "--dry-run", is_flag=True, help="Print the plan, touch nothing.")
@kernel_file_option()
@filtering_options(_HOW)
@option(
    "--frames",
    type=click.Choice(FRAMES),
    heading=_HOW,
    help="Every frame of an animation, or page, on its own, the first one alone, or all as a volume.  "
    "[default: each; stack for kernels with a frame axis]",
)
@option(
    "--format",
    "format_",
    type=click.Choice(list(FORMATS)),
    heading=_WRITE,
    help="Format of the outputs.  [default: from the output's name, else the input's]",
)
@depth_option(_WRITE)
@option(
    "--quality",
    type=click.IntRange(1, 100),
    heading=_WRITE,
    help="For JPEG, WebP, AVIF.  [default: the input's]",
)
@option(
    "--compress",
    type=click.Choice(COMPRESSIONS),
    default="fast",
    show_default=True,
    heading=_WRITE,
    help="Write quickly, or the smallest file.",
)
@option(
    "--background",
    default="white",
    show_default=True,
    metavar="COLOR",
    heading=_WRITE,
    help="What transparent pixels are laid on where the format has no alpha.",
)
@option("--strip", is_flag=True, heading=_WRITE, help="Leave metadata out.")
@reading_options(_WRITE)
@option(
    "-j",
    "--jobs",
    type=click.IntRange(min=1),
    heading=_RUN,
    help="Cores used in all; with 1 nothing uses a second thread.  [default: those available]",
)
@option(
    "--scheduler",
    metavar="ADDRESS",
    heading=_RUN,
    help="Have the workers of a Dask cluster do it, on files that they see under the same names.",
)
@option(
    "--files-from",
    metavar="FILE",
    heading=_RUN,
    help="Take inputs from a list, one name a line; '-' is standard input.",
)
@option("-0", "--null", "null", is_flag=True, heading=_RUN, help="Names in that list end in NUL bytes.")
@option(
    "--preview", is_flag=True, heading=_RUN, help="Show before and after in the terminal; nothing when piped."
)
@json_option(_RUN)
@option("-q", "--quiet", is_flag=True, heading=_RUN, help="Print errors only.")
@option(
    "-v", "--verbose", is_flag=True, heading=_RUN, help="Print the calculation for every picture, and more."
)
def command(inputs: tuple[str, ...], **options: Any) -> int:
    """Filter pictures, folders of pictures or standard input ('-').

    Example: convfilter apply photo.jpg -k gaussian:sigma=2 -k sobel -o edges.png
    """
    refuse_both(options["overwrite"], options["skip_existing"], "--overwrite and --skip-existing")
    refuse_both(options["quiet"], options["verbose"], "--quiet and --verbose")
    refuse_both(options["jobs"], options["scheduler"], "--jobs and --scheduler")
    if options["null"] and options["files_from"] is None:
        raise click.UsageError("-0 is about a list: give it with --files-from, '-' for standard input")
    if not inputs and options["files_from"] is None:
        raise click.UsageError("no inputs: name files, folders or '-', or a list with --files-from")
    # What it takes to compute is loaded once the command line is known to be right.
    from convfilter.cli.running import run

    return run(inputs, options)
