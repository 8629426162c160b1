"""``convfilter gallery``: filters side by side on one labelled sheet."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from convfilter.cli.options import (
    BORDERS_DRAWN,
    HeadedCommand,
    chosen_filter,
    json_option,
    kernel_file_option,
    kernel_option,
    option,
    parsed,
    record_options,
)
from convfilter.cli.report import read_named
from convfilter.errors import ConvfilterError, KernelError, OptionError, ShapeError, with_name
from convfilter.files import STREAM, refuse_input
from convfilter.kernels import Kernel, load_kernels
from convfilter.messages import brief, complain, shown
from convfilter.options import Declared, FilterOptions, ReadOptions, declared

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from convfilter.drawing.sheet import Tile
    from convfilter.images.picture import Picture
    from convfilter.options import FilterOptions

__all__ = ["command"]


_Report = Callable[[str, ConvfilterError], None]


class _Trial(NamedTuple):
    """A tile to make."""

    name: str
    kernel: Kernel
    filtering: FilterOptions


@click.command(
    cls=HeadedCommand, short_help="Lay filters side by side on one labelled sheet.", epilog=BORDERS_DRAWN
)
@click.argument("image")
@kernel_option("A filter to show; repeat it for more.  [default: all kernels]", required=False)
@option("-o", "--output", required=True, metavar="SHEET", help="File to write; '-' is stdout.")
@option("--overwrite", is_flag=True, help="Replace a sheet that exists.")
@option(
    "--vary",
    multiple=True,
    metavar="NAME=A,B,...",
    help="One kernel several times: a parameter of it, or an option such as border, with these values. "
    "Repeat it for all combinations.",
)
@kernel_file_option()
@option(
    "--columns", type=click.IntRange(min=1), help="Tiles side by side.  [default: 3 to 6, by their number]"
)
@option("--tile", type=click.IntRange(16, 320), help="Width of a tile in pixels.  [default: 240 to 320]")
@option("--full", is_flag=True, help="Filter the whole picture and shrink what comes out, not the reverse.")
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
) -> int:
    """Lay a picture and what filters make of it side by side.

    The picture is shrunk to a tile first, so that filters are seen at their own scale.

    Example: convfilter gallery photo.jpg -k blur -k sobel -k emboss -o sheet.png
    """
    from convfilter.drawing.canvas import check_drawing, save_drawing
    from convfilter.drawing.sheet import contact_sheet, default_columns

    refuse_input(output, [image])
    check_drawing(output, overwrite=overwrite)
    report = _ignore if quiet else _leave_out
    chosen = bool(kernels or vary)
    if vary:
        trials = _variations(kernels, kernel_file, vary, filtering, quiet=quiet)
    else:
        trials = _trials(kernels, kernel_file, filtering, report, quiet=quiet)
    columns = columns or default_columns(len(trials) + 1)
    width = tile or (320 if columns <= 4 else 240)
    picture = read_named(image, quiet=quiet, max_pixels=reading.max_pixels, orient=reading.orient)
    tiles = [*_tiles(image, picture, trials, chosen, width, full, report)]
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
    return 0


def _trials(
    names: Sequence[str],
    kernel_file: str | None,
    filtering: FilterOptions,
    report: _Report,
    *,
    quiet: bool,
) -> list[_Trial]:
    """Return a tile for each named kernel, or for all that can be used."""
    trials = []
    for name in names or [name for name in load_kernels(kernel_file) if name != "identity"]:
        try:
            (kernel,) = chosen_filter([name], kernel_file, filtering, quiet=quiet)
        except KernelError as error:
            if names:
                raise
            report(name, error)
            continue
        if names or "frame" not in kernel.axes:  # those need several frames
            trials.append(_Trial(kernel.name, kernel, filtering))
    return trials


def _variations(
    names: Sequence[str],
    kernel_file: str | None,
    vary: Sequence[str],
    filtering: FilterOptions,
    *,
    quiet: bool,
) -> list[_Trial]:
    """Return one kernel with all combinations of the values."""
    if len(names) != 1:
        raise click.UsageError("--vary shows one kernel several times: name it with one -k")
    lists = [_values(text) for text in vary]
    if len({key for key, _ in lists}) < len(lists):
        raise click.UsageError("--vary names the same thing twice: put all its values into one")
    options = {each.name: each for each in declared(FilterOptions)}
    trials = []
    for values in itertools.product(*(values for _, values in lists)):
        name, changed, label = names[0], filtering, []
        for (key, _), value in zip(lists, values, strict=True):
            label.append(f"{key}={value}")
            if key in options:
                changed = _changed(changed, options[key], value)
            else:
                name += f"{',' if ':' in name else ':'}{key}={value}"
        (kernel,) = chosen_filter([name], kernel_file, changed, quiet=quiet)
        trials.append(_Trial(" ".join(label), kernel, changed))
    return trials


def _changed(filtering: FilterOptions, option: Declared, text: str) -> FilterOptions:
    """Return the options with one of them read from text."""
    try:
        value = parsed(option, text)
    except OptionError as error:
        raise click.UsageError(f"--vary {option.name}: {error}") from None
    if option.name == "border":
        return filtering._replace(border=value[0], fill=value[1])
    return filtering._replace(**{option.name: value})


def _values(text: str) -> tuple[str, list[str]]:
    name, equals, listed = text.partition("=")
    values = [value for value in listed.split(",") if value]
    if not re.fullmatch(r"[a-z]+", name) or not equals or not values:
        raise click.UsageError(
            f"--vary {brief(text)}: give NAME=A,B,... such as sigma=1,2,4 or border=edge,wrap"
        )
    return name, values


def _tiles(
    image: str,
    picture: Picture,
    trials: Sequence[_Trial],
    chosen: bool,
    width: int,
    full: bool,
    report: _Report,
) -> Iterator[Tile]:
    """Yield the original, then each result."""
    from convfilter.drawing.canvas import displayed, shrunk
    from convfilter.drawing.sheet import Tile

    small = shrunk(picture.pixels, width, picture.mode)
    height, across = picture.pixels.shape[:2]
    yield Tile(displayed(small, picture.mode), "original", f"{across}x{height}")
    for trial in trials:
        try:
            made, mode = _made(picture.pixels if full else small, picture.mode, trial)
        except ConvfilterError as error:
            if chosen:
                raise with_name(error, shown(image)) from None
            report(trial.name, error)
            continue
        size = f"{trial.kernel.width}x{trial.kernel.height}"
        yield Tile(displayed(shrunk(made, width, mode), mode), trial.name, size)


def _made(pixels: NDArray[Any], mode: str, trial: _Trial) -> tuple[NDArray[Any], str]:
    from convfilter.filtering import filter_image

    if "frame" in trial.kernel.axes:
        raise ShapeError(f"kernel '{trial.name}' spans frames, and this is a single picture")
    filtered, made = filter_image(pixels, mode, [trial.kernel], trial.filtering)
    return filtered.pixels, made


def _leave_out(name: str, error: ConvfilterError) -> None:
    complain(f"{name} is left out: {error}")


def _ignore(name: str, error: ConvfilterError) -> None:
    pass
