"""``convfilter explain``: one value of the output, worked out."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

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
)
from convfilter.errors import OptionError, ShapeError
from convfilter.messages import brief
from convfilter.outputs import STREAM

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from convfilter.explaining import Explanation
    from convfilter.filtering import FilterOptions
    from convfilter.images.picture import Picture
    from convfilter.kernels import Kernel

__all__ = ["command"]

_HOW = "How to filter"
_MOST = 16  # outputs that are shown without a place
# What is said of how it was filtered, where it is not as usual.
_SAID = (
    ("padding", "padding", "same"),
    ("border", "border", None),
    ("stride", "stride", 1),
    ("dilation", "dilation", 1),
    ("channels", "channels", "each"),
    ("range", "range_", "auto"),
    ("alpha", "alpha", "auto"),
    ("depth", "depth", None),
)
_PLACE = re.compile(r"(\d{1,9})\s*,\s*(\d{1,9})")


def _as_place(ctx: click.Context, param: click.Parameter, value: str | None) -> tuple[int, int] | None:
    if value is None:
        return None
    match = _PLACE.fullmatch(value.strip())
    if not match:
        raise click.BadParameter(
            f"{brief(value)} is not ROW,COL, counted from 0, such as 120,200", ctx, param
        )
    return int(match[1]), int(match[2])


@click.command(
    cls=HeadedCommand,
    short_help="Work out one value of the output, step by step.",
    epilog=f"With --json, one object for each value: its window, weights and products, every step, and as "
    f"'value' the sample as it is written. {BORDERS_DRAWN}",
)
@click.argument("image", required=False, metavar="[IMAGE]")
@kernel_option(
    "The filter: NAME or NAME:param=value,... Of a chain the last one is worked out.", required=False
)
@option("--at", callback=_as_place, metavar="ROW,COL", help="The place in the output, counted from 0.")
@option("--channel", metavar="NAME|N", help="The channel: red, green, blue, alpha, or a number from 0.")
@option("--values", metavar="ROWS", help='Numbers instead of a picture: "0 1 2; 3 4 5; 6 7 8".')
@option("--weights", metavar="ROWS", help='Weights instead of a kernel: "0 1; 2 3".')
@option("-o", "--output", metavar="PICTURE", help="Draw it: window, weights, products and result.")
@option("--animate", metavar="GIF", help="Draw the kernel sliding over a small input.")
@option("--overwrite", is_flag=True, help="Replace outputs that exist.")
@json_option()
@kernel_file_option()
@filtering_options(_HOW)
@depth_option(_HOW)
@option("--frame", type=click.IntRange(min=0), default=0, heading=_HOW, help="Which frame, counted from 0.")
@reading_options("How to read")
def command(image: str | None, **options: Any) -> int:
    """Work out one value of the output: the samples under the kernel, weights, products, sums, rounding.

    IMAGE is a picture, or a .csv file of plain numbers.

    Example: convfilter explain photo.jpg -k sobel --at 120,200
    """
    if (image is None) == (options["values"] is None):
        raise click.UsageError("give a picture or --values, and not both")
    if not options["kernels"] and options["weights"] is None:
        raise click.UsageError("no kernel: name one with -k, or give its --weights")
    return _run(image, options)


def _run(image: str | None, options: dict[str, Any]) -> int:
    from convfilter.cli.choices import chosen_filter
    from convfilter.cli.drawing import check_outputs
    from convfilter.cli.given import kernel_of

    further = () if options["weights"] is None else (kernel_of(options["weights"]),)
    kernels, filtering = chosen_filter(options, further)
    check_outputs(image, options)
    if image is None or image.lower().endswith(".csv"):
        _explain_numbers(image, kernels, filtering, options)
    else:
        _explain_picture(image, kernels, filtering, options)
    return 0


def _explain_numbers(
    path: str | None, kernels: Sequence[Kernel], filtering: FilterOptions, options: dict[str, Any]
) -> None:
    from convfilter.cli.drawing import animate, axes_to_slide, draw
    from convfilter.cli.given import numbers_in, text_of
    from convfilter.explaining import explain_numbers

    text = options["values"] if path is None else text_of(path)
    numbers = numbers_in(text, "--values" if path is None else path)
    told = _numbers_explained(numbers, kernels, filtering, options)
    axes = axes_to_slide(numbers.shape, kernels, filtering) if options["animate"] else ()
    if options["output"]:  # first, since whoever reads stdout may go away
        draw(told, ("value",), None, options)
    if axes:
        animate(
            numbers, axes,
            lambda place: explain_numbers(numbers, kernels[0], filtering, place), options,
        )  # fmt: skip
    _print("numbers" if path is None else path, told, kernels, ("value",), options)


def _explain_picture(
    image: str, kernels: Sequence[Kernel], filtering: FilterOptions, options: dict[str, Any]
) -> None:
    from convfilter.cli.drawing import animate, axes_to_slide, draw
    from convfilter.explaining import explain_sample
    from convfilter.filtering.meaning import options_for

    picture, told, names = _picture_explained(image, kernels, filtering, options)
    axes = axes_to_slide(picture.pixels.shape, kernels, filtering) if options["animate"] else ()
    if options["output"]:
        draw([told], names, picture, options)
    if axes:
        colours, chosen = picture.pixels, told.channel
        values = colours if colours.ndim == 2 else colours[..., min(chosen, colours.shape[2] - 1)]
        filtering = options_for(picture.mode, filtering)
        animate(
            values, axes,
            lambda place: explain_sample(colours, kernels, filtering, place, channel=chosen), options,
        )  # fmt: skip
    _print(image, [told], kernels, names, options)


def _numbers_explained(
    numbers: NDArray[Any], kernels: Sequence[Kernel], filtering: FilterOptions, options: dict[str, Any]
) -> list[Explanation]:
    import numpy as np

    from convfilter.explaining import explain_numbers
    from convfilter.geometry import output_shape

    if len(kernels) > 1:
        raise OptionError("numbers are filtered by one kernel: give one -k or --weights")
    (kernel,) = kernels
    shape = output_shape(
        numbers.shape, (kernel.height, kernel.width), padding=filtering.padding, stride=filtering.stride,
        dilation=filtering.dilation,
    )  # fmt: skip
    if options["at"] is None and shape[0] * shape[1] > _MOST:
        raise OptionError(
            f"{shape[0]} x {shape[1]} values come out, too many to show: choose one with --at ROW,COL"
        )
    places = np.ndindex(shape) if options["at"] is None else [options["at"]]
    return [explain_numbers(numbers, kernel, filtering, place) for place in places]


def _picture_explained(
    image: str, kernels: Sequence[Kernel], filtering: FilterOptions, options: dict[str, Any]
) -> tuple[Picture, Explanation, tuple[str, ...]]:
    from convfilter.cli.given import COLOUR_NAMES, channel_named, output_names, read_frame
    from convfilter.explaining import explain_sample
    from convfilter.filtering.meaning import options_for
    from convfilter.images.formats import FORMATS
    from convfilter.messages import shown

    if options["at"] is None:
        raise click.UsageError("which value? Give its place with --at ROW,COL")
    picture = read_frame(image, kernels, options)
    filtering = options_for(picture.mode, filtering)
    stack = any("frame" in kernel.axes for kernel in kernels)
    place = (options["frame"], *options["at"]) if stack else options["at"]
    colours = COLOUR_NAMES.get(picture.mode, ("grey",) if picture.pixels.ndim == 2 + stack else ())
    try:
        told = explain_sample(picture.pixels, kernels, filtering, place, names=colours)
        names = output_names(len(told.values), colours)
        channel = channel_named(options["channel"], names)
        if channel:
            told = explain_sample(picture.pixels, kernels, filtering, place, channel=channel, names=colours)
    except ShapeError as error:
        raise OptionError(f"{shown(image)}: {error}") from None
    if not picture.metadata.lossless or not FORMATS[picture.format].lossless:
        note = f"{picture.format} loses a little when the output is written"
        told = told._replace(notes=(*told.notes, note))
    return picture, told, names


def _print(
    source: str,
    told: Sequence[Explanation],
    kernels: Sequence[Kernel],
    names: tuple[str, ...],
    options: dict[str, Any],
) -> None:
    from convfilter.cli.wording import filter_in_words, per_axis_in_words
    from convfilter.cli.worked import as_lines, as_object
    from convfilter.messages import shown

    # Where a picture goes to stdout, the words go to stderr.
    say = partial(click.echo, err=STREAM in (options["output"], options["animate"]))
    if options["as_json"]:
        for each in told:
            say(json.dumps(as_object(each, names)))
        return
    words = [", then ".join(map(filter_in_words, kernels))]
    words += [
        f"{name} {per_axis_in_words(options[key][0] if key == 'border' else options[key])}"
        for name, key, usual in _SAID
        if options[key] != usual
    ]
    words += [name for name in ("flip", "linear") if options[name]]
    say(f"{shown(source)}   {', '.join(words)}")
    for each in told:
        say()
        for line in as_lines(each, names):
            say(line)
