"""``convfilter gallery``: filters side by side on one labelled sheet."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator, Sequence

import click

from convfilter.cli.options import (
    BORDERS,
    HeadedCommand,
    changed_options,
    chosen_kernels,
    json_option,
    kernel_file_option,
    kernel_option,
    option,
    record_options,
)
from convfilter.cli.report import read_named, size_in_words
from convfilter.errors import ConvfilterError, KernelError, ShapeError, with_name
from convfilter.files import STREAM, refuse_input
from convfilter.kernels import load_kernels
from convfilter.messages import brief, complain, shown
from convfilter.options import FilterOptions, ReadOptions

__all__ = ["command"]


@click.command(cls=HeadedCommand, epilog=BORDERS)
@click.argument("image")
@kernel_option("A filter to show; repeat it for more.  [default: all kernels]", required=False)
@option("-o", "--output", required=True, metavar="SHEET", help="File to write; '-' is stdout.")
@option("--overwrite", is_flag=True, help="Replace an existing sheet.")
@option(
    "--vary",
    multiple=True,
    metavar="NAME=A,B,...",
    help="Show one kernel with several values of a parameter, or of an option such as border. "
    "Repeat it for all combinations.",
)
@kernel_file_option()
@option("--columns", type=click.IntRange(min=1), metavar="N", help="Tiles in a row.  [default: 3 to 6]")
@option(
    "--tile",
    type=click.IntRange(16, 320),
    metavar="N",
    help="Width of a tile in pixels.  [default: 240 or 320]",
)
@option("--full", is_flag=True, help="Filter the image in full size, then shrink the results.")
@json_option()
@option("-q", "--quiet", is_flag=True, help="Print errors only.")
@record_options("filtering", FilterOptions)
@record_options("reading", ReadOptions)
def command(
    image: str,
    kernels: tuple[str, ...],
    kernel_file: str | None,
    output: str,
    overwrite: bool,
    vary: tuple[str, ...],
    columns: int | None,
    tile: int | None,
    full: bool,
    as_json: bool,
    quiet: bool,
    filtering: FilterOptions,
    reading: ReadOptions,
) -> None:
    """Show an image and the results of filters side by side.

    The image is first shrunk to the size of a tile, so that the effect of small kernels can be seen.

    Example: convfilter gallery photo.jpg -k blur -k sobel -k emboss -o sheet.png
    """
    from convfilter.drawing.canvas import check_drawing, displayed, save_drawing, shrunk
    from convfilter.drawing.sheet import Tile, contact_sheet, default_columns
    from convfilter.filtering import filter_image

    def leave_out(name: str, error: ConvfilterError, source: str = "") -> None:
        if kernels:
            raise with_name(error, source) if source else error
        if not quiet:
            complain(f"{name} is left out: {error}")

    refuse_input(output, [image])
    check_drawing(output, overwrite=overwrite)
    trials = []
    for label, name, options in _variations(kernels or _single_frame_kernels(kernel_file), vary, filtering):
        try:
            (kernel,) = chosen_kernels([name], kernel_file, options, quiet=quiet)
            trials.append((label or kernel.name, kernel, options))
        except KernelError as error:
            leave_out(name, error)
    columns = columns or default_columns(len(trials) + 1)
    width = tile or (320 if columns <= 4 else 240)
    picture = read_named(image, reading, quiet=quiet)
    small = shrunk(picture.pixels, width, picture.mode)
    rows_columns = "{1}x{0}".format(*picture.pixels.shape)
    tiles = [Tile(displayed(small, picture.mode), "original", rows_columns)]
    for label, kernel, options in trials:
        try:
            if "frame" in kernel.axes:
                raise ShapeError(f"kernel '{kernel.name}' spans frames, and this is a single image")
            pixels = picture.pixels if full else small
            filtered, mode = filter_image(pixels, picture.mode, [kernel], options)
        except ConvfilterError as error:
            leave_out(label, error, shown(image))
            continue
        drawn = displayed(shrunk(filtered.pixels, width, mode), mode)
        tiles.append(Tile(drawn, label, size_in_words(kernel)))
    sheet = contact_sheet(tiles, columns=columns, width=width)
    save_drawing(output, sheet, overwrite=overwrite)
    height, across = sheet.shape[:2]
    # Where the sheet itself goes to stdout, the text goes to stderr.
    if as_json:
        described = {"input": image, "output": output, "width": across, "height": height}
        described["tiles"] = [each.name for each in tiles]
        click.echo(json.dumps(described), err=output == STREAM)
    elif not quiet:
        line = f"{shown(image)} -> {shown(output)}   {len(tiles)} tiles, {across}x{height}"
        click.echo(line, err=output == STREAM)


def _single_frame_kernels(kernel_file: str | None) -> list[str]:
    """Return the names of all kernels that change an image of one frame."""
    known = load_kernels(kernel_file).items()
    return [name for name, kernel in known if name != "identity" and "frame" not in kernel.axes]


def _variations(
    names: Sequence[str], vary: Sequence[str], filtering: FilterOptions
) -> Iterator[tuple[str, str, FilterOptions]]:
    """Yield a label, a kernel and options for each tile: all combinations of what varies."""
    if vary and len(names) != 1:
        raise click.UsageError("--vary shows one kernel several times: name it with one -k")
    lists = [_values(text) for text in vary]
    if len({key for key, _ in lists}) < len(lists):
        raise click.UsageError("--vary names the same thing twice: put all its values into one")
    for name, values in itertools.product(names, itertools.product(*(values for _, values in lists))):
        varied, options, label = name, filtering, []
        for (key, _), value in zip(lists, values, strict=True):
            label.append(f"{key}={value}")
            if key in FilterOptions._fields:
                options = changed_options(options, key, value)
            else:
                varied += f"{',' if ':' in varied else ':'}{key}={value}"
        yield " ".join(label), varied, options


def _values(text: str) -> tuple[str, list[str]]:
    name, equals, listed = text.partition("=")
    values = [value for value in listed.split(",") if value]
    if not re.fullmatch(r"[a-z]+", name) or not equals or not values:
        example = "sigma=1,2,4 or border=edge,wrap"
        raise click.UsageError(f"--vary {brief(text)}: give NAME=A,B,... such as {example}")
    return name, values
