"""``convfilter gallery``: filters side by side on one labelled sheet."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from convfilter.cli.options import (
    BORDERS_DRAWN,
    HeadedCommand,
    chosen_filter,
    filtering_options,
    json_option,
    kernel_file_option,
    kernel_option,
    option,
    reading_options,
)
from convfilter.cli.report import read_named
from convfilter.errors import ConvfilterError, KernelError, ShapeError, with_name
from convfilter.files import STREAM, refuse_input
from convfilter.kernels import Kernel, load_kernels
from convfilter.messages import brief, complain, shown

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from convfilter.drawing.sheet import Tile
    from convfilter.filtering import FilterOptions
    from convfilter.images.picture import Picture

__all__ = ["command"]

_VARIED = ("padding", "border", "stride", "dilation", "flip", "channels", "range", "alpha", "linear")
_SWITCHES = {"on": True, "off": False}


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
@filtering_options("How to filter")
@reading_options("How to read")
def command(image: str, **options: Any) -> int:
    """Lay a picture and what filters make of it side by side.

    The picture is shrunk to a tile first, so that filters are seen at their own scale.

    Example: convfilter gallery photo.jpg -k blur -k sobel -k emboss -o sheet.png
    """
    from convfilter.drawing.canvas import check_drawing, save_drawing
    from convfilter.drawing.sheet import WIDEST, contact_sheet, default_columns

    refuse_input(options["output"], [image])
    check_drawing(options["output"], overwrite=options["overwrite"])
    trials, chosen = _trials(options)
    columns = options["columns"] or default_columns(len(trials) + 1)
    width = options["tile"] or (WIDEST if columns <= 4 else 240)
    picture = read_named(
        image,
        quiet=options["quiet"],
        max_pixels=options["max_pixels"],
        orient=not options["no_orient"],
    )
    tiles = [*_tiles(image, picture, trials, chosen, width, options)]
    sheet = contact_sheet(tiles, columns=columns, width=width)
    save_drawing(options["output"], sheet, overwrite=options["overwrite"])
    _report(
        options,
        f"{shown(image)} -> {shown(options['output'])}   "
        f"{len(tiles)} tiles, {sheet.shape[1]}x{sheet.shape[0]}",
        {"input": image, "output": options["output"], "width": sheet.shape[1], "height": sheet.shape[0],
         "tiles": [tile.name for tile in tiles]},
    )  # fmt: skip
    return 0


def _report(options: dict[str, Any], line: str, described: dict[str, Any]) -> None:
    """Print what was drawn; on stderr if the sheet itself goes to stdout."""
    aside = options["output"] == STREAM
    if options["as_json"]:
        click.echo(json.dumps(described), err=aside)
    elif not options["quiet"]:
        click.echo(line, err=aside)


def _trials(options: dict[str, Any]) -> tuple[list[_Trial], bool]:
    """Return the tiles to make, and whether the user named their kernels."""
    names = options["kernels"]
    chosen = bool(names)
    if options["vary"]:
        if len(names) != 1:
            raise click.UsageError("--vary shows one kernel several times: name it with one -k")
        return [*_variations(options)], True
    if not chosen:
        names = tuple(name for name in load_kernels(options["kernel_file"]) if name != "identity")
    trials = []
    for name in names:
        try:
            (kernel,), filtering = chosen_filter({**options, "kernels": (name,)})
        except KernelError as error:
            if chosen:
                raise
            _leave_out(name, error, options)
            continue
        if chosen or "frame" not in kernel.axes:  # those need several frames
            trials.append(_Trial(kernel.name, kernel, filtering))
    return trials, chosen


def _variations(options: dict[str, Any]) -> Iterator[_Trial]:
    """Yield one kernel with all combinations of the values."""
    (base,) = options["kernels"]
    lists = [_values(text) for text in options["vary"]]
    if len({key for key, _ in lists}) < len(lists):
        raise click.UsageError("--vary names the same thing twice: put all its values into one")
    for values in itertools.product(*(values for _, values in lists)):
        name, changed, label = base, dict(options), []
        for (key, _), value in zip(lists, values, strict=True):
            label.append(f"{key}={value}")
            if key in _VARIED:
                changed["range_" if key == "range" else key] = _as_option(key, value)
            else:
                name += f"{',' if ':' in name else ':'}{key}={value}"
        (kernel,), filtering = chosen_filter({**changed, "kernels": (name,)})
        yield _Trial(" ".join(label), kernel, filtering)


def _values(text: str) -> tuple[str, list[str]]:
    name, equals, listed = text.partition("=")
    values = [value for value in listed.split(",") if value]
    if not re.fullmatch(r"[a-z]+", name) or not equals or not values:
        raise click.UsageError(
            f"--vary {brief(text)}: give NAME=A,B,... such as sigma=1,2,4 or border=edge,wrap"
        )
    return name, values


def _as_option(key: str, value: str) -> Any:
    """Return an option's value as its own parser reads it."""
    context = click.get_current_context()
    parameter = next(each for each in context.command.params if f"--{key}" in each.opts)
    if key in ("flip", "linear"):
        if value not in _SWITCHES:
            raise click.UsageError(f"--vary {key}: {brief(value)} is neither on nor off")
        return _SWITCHES[value]
    return parameter.process_value(context, value)


def _tiles(
    image: str,
    picture: Picture,
    trials: Sequence[_Trial],
    chosen: bool,
    width: int,
    options: dict[str, Any],
) -> Iterator[Tile]:
    """Yield the original, then each result."""
    from convfilter.drawing.canvas import as_seen, shrunk
    from convfilter.drawing.sheet import Tile

    small = shrunk(picture.pixels, width, picture.mode)
    height, across = picture.pixels.shape[:2]
    yield Tile(as_seen(small, picture.mode), "original", f"{across}x{height}")
    for trial in trials:
        try:
            made, mode = _made(picture.pixels if options["full"] else small, picture.mode, trial)
        except ConvfilterError as error:
            if chosen:
                raise with_name(error, shown(image)) from None
            _leave_out(trial.name, error, options)
            continue
        size = f"{trial.kernel.width}x{trial.kernel.height}"
        yield Tile(as_seen(shrunk(made, width, mode), mode), trial.name, size)


def _made(pixels: NDArray[Any], mode: str, trial: _Trial) -> tuple[NDArray[Any], str]:
    from convfilter.filtering import filter_image

    if "frame" in trial.kernel.axes:
        raise ShapeError(f"kernel '{trial.name}' spans frames, and this is a single picture")
    filtered, made = filter_image(pixels, mode, [trial.kernel], trial.filtering)
    return filtered.pixels, made


def _leave_out(name: str, error: ConvfilterError, options: dict[str, Any]) -> None:
    if not options["quiet"]:
        complain(f"{name} is left out: {error}")
