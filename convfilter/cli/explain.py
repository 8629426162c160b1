"""``convfilter explain``: one value of the output, worked out."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import click

from convfilter.cli.options import (
    BORDERS_DRAWN,
    HeadedCommand,
    filtering_options,
    json_option,
    kernel_file_option,
    kernel_option,
    option,
    reading_options,
)
from convfilter.errors import ConvfilterError, ShapeError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from convfilter.explaining import Explanation
    from convfilter.filtering import FilterOptions
    from convfilter.geometry import Axis
    from convfilter.images.picture import Picture
    from convfilter.kernels import Kernel

__all__ = ["command"]

_HOW = "How to filter"
_MOST = 16  # outputs that are shown without a place
_MOST_FRAMES = 256
_MILLISECONDS = 700
# What is said of how it was filtered, where it is not as usual.
_SAID = (
    ("padding", "padding", "same"),
    ("border", "border", None),
    ("stride", "stride", 1),
    ("dilation", "dilation", 1),
    ("channels", "channels", "each"),
    ("range", "range_", "auto"),
    ("alpha", "alpha", "auto"),
)
_PLACE = re.compile(r"(\d{1,9})\s*,\s*(\d{1,9})")


def _as_place(ctx: click.Context, param: click.Parameter, value: str | None) -> tuple[int, int] | None:
    if value is None:
        return None
    match = _PLACE.fullmatch(value.strip())
    if not match:
        raise click.BadParameter(f"{value!r} is not ROW,COL, counted from 0, such as 120,200", ctx, param)
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
    from convfilter.cli.given import kernel_of

    further = () if options["weights"] is None else (kernel_of(options["weights"]),)
    kernels, filtering = chosen_filter(options, further)
    _check_outputs(options)
    if image is None or image.lower().endswith(".csv"):
        _explain_numbers(image, kernels, filtering, options)
    else:
        _explain_picture(image, kernels, filtering, options)
    return 0


def _explain_numbers(
    path: str | None, kernels: Sequence[Kernel], filtering: FilterOptions, options: dict[str, Any]
) -> None:
    from convfilter.cli.given import numbers_in, text_of
    from convfilter.explaining import explain_numbers

    text = options["values"] if path is None else text_of(path)
    numbers = numbers_in(text, "--values" if path is None else path)
    told = _numbers_explained(numbers, kernels, filtering, options)
    axes = _axes_to_slide(numbers.shape, kernels, filtering) if options["animate"] else ()
    _print("numbers" if path is None else path, told, kernels, ("value",), options)
    if options["output"]:
        _draw(told, ("value",), None, options)
    if axes:
        _animate(
            numbers, axes,
            lambda place: explain_numbers(numbers, kernels[0], filtering, place), options,
        )  # fmt: skip


def _explain_picture(
    image: str, kernels: Sequence[Kernel], filtering: FilterOptions, options: dict[str, Any]
) -> None:
    from convfilter.batch.foresight import options_for
    from convfilter.explaining import explain_sample

    picture, told, names = _picture_explained(image, kernels, filtering, options)
    axes = _axes_to_slide(picture.pixels.shape, kernels, filtering) if options["animate"] else ()
    _print(image, [told], kernels, names, options)
    if options["output"]:
        _draw([told], names, picture, options)
    if axes:
        colours, chosen = picture.pixels, told.channel
        values = colours if colours.ndim == 2 else colours[..., min(chosen, colours.shape[2] - 1)]
        filtering = options_for(picture.mode, filtering)
        _animate(
            values, axes,
            lambda place: explain_sample(colours, kernels, filtering, place, channel=chosen), options,
        )  # fmt: skip


def _numbers_explained(
    numbers: NDArray[Any], kernels: Sequence[Kernel], filtering: FilterOptions, options: dict[str, Any]
) -> list[Explanation]:
    import numpy as np

    from convfilter.explaining import explain_numbers
    from convfilter.geometry import output_shape

    if len(kernels) > 1:
        raise ConvfilterError("numbers are filtered by one kernel: give one -k or --weights")
    (kernel,) = kernels
    shape = output_shape(
        numbers.shape, (kernel.height, kernel.width), padding=filtering.padding, stride=filtering.stride,
        dilation=filtering.dilation,
    )  # fmt: skip
    if options["at"] is None and shape[0] * shape[1] > _MOST:
        raise ConvfilterError(
            f"{shape[0]} x {shape[1]} values come out, too many to show: choose one with --at ROW,COL"
        )
    places = np.ndindex(shape) if options["at"] is None else [options["at"]]
    return [explain_numbers(numbers, kernel, filtering, place) for place in places]


def _picture_explained(
    image: str, kernels: Sequence[Kernel], filtering: FilterOptions, options: dict[str, Any]
) -> tuple[Picture, Explanation, tuple[str, ...]]:
    from convfilter.batch.foresight import options_for
    from convfilter.cli.given import COLOUR_NAMES, channel_named, output_names, read_frame
    from convfilter.cli.looking import tell_warnings
    from convfilter.explaining import explain_sample
    from convfilter.images.formats import FORMATS
    from convfilter.messages import shown

    if options["at"] is None:
        raise click.UsageError("which value? Give its place with --at ROW,COL")
    picture = read_frame(image, kernels, options)
    tell_warnings(image, picture)
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
        raise ConvfilterError(f"{shown(image)}: {error}") from None
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

    if options["as_json"]:
        for each in told:
            click.echo(json.dumps(as_object(each, names)))
        return
    words = [", then ".join(map(filter_in_words, kernels))]
    words += [
        f"{name} {per_axis_in_words(options[key][0] if key == 'border' else options[key])}"
        for name, key, usual in _SAID
        if options[key] != usual
    ]
    words += [name for name in ("flip", "linear") if options[name]]
    click.echo(f"{shown(source)}   {', '.join(words)}")
    for each in told:
        click.echo()
        for line in as_lines(each, names):
            click.echo(line)


def _check_outputs(options: dict[str, Any]) -> None:
    """Refuse outputs that cannot be written before anything is worked out."""
    from convfilter.pictures.saving import check_drawing

    for path, animated in ((options["output"], False), (options["animate"], True)):
        if path is not None:
            check_drawing(path, overwrite=options["overwrite"], animated=animated)


def _draw(
    told: Sequence[Explanation], names: tuple[str, ...], picture: Picture | None, options: dict[str, Any]
) -> None:
    """Draw the first value that was worked out."""
    from convfilter.messages import shown
    from convfilter.pictures.explained import draw_explanation
    from convfilter.pictures.saving import save_drawing
    from convfilter.pictures.viewing import as_seen, full_scale

    seen = None if picture is None else as_seen(picture.pixels, picture.mode)
    full = full_scale(picture.pixels if picture is not None else told[0].parts[0].slices[0].samples)
    save_drawing(
        options["output"], draw_explanation(told[0], names, seen, full), overwrite=options["overwrite"]
    )
    click.echo(f"convfilter: drawn to {shown(options['output'])}", err=True)


def _axes_to_slide(
    shape: tuple[int, ...], kernels: Sequence[Kernel], filtering: FilterOptions
) -> tuple[Axis, ...]:
    """Return the axes that the kernel slides along; refuse what would be no animation."""
    from convfilter.geometry import axes_of

    if len(kernels) > 1 or len(shape) > 3:
        raise ConvfilterError("--animate draws one kernel over one picture: give one -k without frames")
    axes = axes_of(
        shape[:2], (kernels[0].height, kernels[0].width), padding=filtering.padding, stride=filtering.stride,
        dilation=filtering.dilation,
    )  # fmt: skip
    if axes[0].output * axes[1].output > _MOST_FRAMES:
        raise ConvfilterError(
            f"{axes[0].output} x {axes[1].output} values come out: --animate draws at most {_MOST_FRAMES}, "
            "so give a small picture or --values"
        )
    return axes


def _animate(
    values: NDArray[Any],
    axes: Sequence[Axis],
    explain: Callable[[tuple[int, int]], Explanation],
    options: dict[str, Any],
) -> None:
    """Draw the kernel sliding over all of a small input."""
    from convfilter.messages import shown
    from convfilter.pictures.explained import sliding_frames
    from convfilter.pictures.saving import save_animation
    from convfilter.pictures.viewing import full_scale

    count = axes[0].output * axes[1].output
    frames = sliding_frames(values, axes, explain, full_scale(values))
    save_animation(options["animate"], frames, count, _MILLISECONDS, overwrite=options["overwrite"])
    click.echo(f"convfilter: drawn to {shown(options['animate'])}", err=True)
