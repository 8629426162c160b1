"""``convfilter explain``: how one value of the output is computed."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from functools import partial
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
    record_options,
)
from convfilter.cli.report import filter_in_words, per_axis_in_words, print_warnings, read_named
from convfilter.errors import ImageError, OptionError, ShapeError
from convfilter.files import STREAM, refuse_input
from convfilter.geometry import output_shape
from convfilter.kernels import Kernel
from convfilter.messages import brief, complain, shown
from convfilter.options import FilterOptions, ReadOptions, declared

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from convfilter.explain import Explanation
    from convfilter.images.picture import Picture
    from convfilter.options import FilterOptions

__all__ = ["command"]

_MOST = 16  # outputs explained without --at
_MILLISECONDS = 700  # of a frame of an animation
_PLACE = re.compile(r"(\d{1,9})\s*,\s*(\d{1,9})")


class _Request(NamedTuple):
    """What to explain of the output, and where the results go."""

    at: tuple[int, int] | None
    channel: str | None
    frame: int
    output: str | None
    animate: str | None
    overwrite: bool
    as_json: bool


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
@record_options("filtering", FilterOptions)
@option(
    "--frame", type=click.IntRange(min=0), default=0, heading="Filtering", help="Which frame, counted from 0."
)
@record_options("reading", ReadOptions)
def command(
    image: str | None,
    kernels: tuple[str, ...],
    kernel_file: str | None,
    at: tuple[int, int] | None,
    channel: str | None,
    frame: int,
    values: str | None,
    weights: str | None,
    output: str | None,
    animate: str | None,
    overwrite: bool,
    as_json: bool,
    filtering: FilterOptions,
    reading: ReadOptions,
) -> int:
    """Work out one value of the output: the samples under the kernel, weights, products, sums, rounding.

    IMAGE is a picture, or a .csv file of plain numbers.

    Example: convfilter explain photo.jpg -k sobel --at 120,200
    """
    if (image is None) == (values is None):
        raise click.UsageError("give a picture or --values, and not both")
    if not kernels and weights is None:
        raise click.UsageError("no kernel: name one with -k, or give its --weights")
    further = () if weights is None else (_kernel_of(weights),)
    chain = chosen_filter(kernels, kernel_file, filtering, further)
    request = _Request(at, channel, frame, output, animate, overwrite, as_json)
    _check_outputs(image, request)
    if image is not None and not image.lower().endswith(".csv"):
        _explain_image(image, chain, filtering, reading, request)
        return 0
    from convfilter.explain.text import parse_numbers, read_numbers

    if image is not None:
        _explain_numbers(image, read_numbers(image), chain, filtering, request)
    elif values is not None:
        _explain_numbers("numbers", parse_numbers(values, "--values"), chain, filtering, request)
    return 0


def _kernel_of(weights: str) -> Kernel:
    from convfilter.explain.text import parse_numbers

    return Kernel("weights", (parse_numbers(weights, "--weights").tolist(),))


def _check_outputs(image: str | None, request: _Request) -> None:
    """Refuse outputs that cannot be written, before anything is computed."""
    from convfilter.drawing.canvas import check_drawing

    if request.output == request.animate == STREAM:
        raise OptionError("standard output takes one picture: name a file for the other one")
    for path, animated in ((request.output, False), (request.animate, True)):
        if path is not None:
            refuse_input(path, [] if image is None else [image])
            check_drawing(path, overwrite=request.overwrite, animated=animated)


def _explain_numbers(
    source: str,
    numbers: NDArray[Any],
    kernels: Sequence[Kernel],
    filtering: FilterOptions,
    request: _Request,
) -> None:
    import numpy as np

    from convfilter.explain import explain_numbers

    if len(kernels) > 1:
        raise OptionError("numbers are filtered by one kernel: give one -k or --weights")
    (kernel,) = kernels
    steps: dict[str, Any] = {
        "padding": filtering.padding,
        "stride": filtering.stride,
        "dilation": filtering.dilation,
    }
    shape = output_shape(numbers.shape, (kernel.height, kernel.width), **steps)
    if request.at is None and shape[0] * shape[1] > _MOST:
        raise OptionError(
            f"{shape[0]} x {shape[1]} values come out, too many to show: choose one with --at ROW,COL"
        )
    explain = partial(explain_numbers, numbers, kernel, filtering)
    places = np.ndindex(shape) if request.at is None else [request.at]
    explained = [explain(place) for place in places]
    _draw(explained[0], ("value",), None, numbers, explain, kernels, filtering, request)
    _print(source, explained, kernels, ("value",), filtering, request)


def _explain_image(
    image: str,
    kernels: Sequence[Kernel],
    filtering: FilterOptions,
    reading: ReadOptions,
    request: _Request,
) -> None:
    from convfilter.explain import explain_sample
    from convfilter.explain.text import channel_names, output_names
    from convfilter.filtering import options_for
    from convfilter.images.formats import FORMATS

    if request.at is None:
        raise click.UsageError("which value? Give its place with --at ROW,COL")
    picture = _read(image, kernels, reading, request.frame)
    pixels, filtering = picture.pixels, options_for(picture.mode, filtering)
    stack = any("frame" in kernel.axes for kernel in kernels)
    place = (request.frame, *request.at) if stack else request.at
    colours = channel_names(picture.mode, grey=pixels.ndim == 2 + stack)
    explain = partial(explain_sample, pixels, kernels, filtering)
    try:
        explained = explain(place, names=colours)
        names = output_names(len(explained.values), colours)
        channel = _channel_named(request.channel, names)
        if channel:
            explained = explain(place, channel=channel, names=colours)
    except ShapeError as error:
        raise OptionError(f"{shown(image)}: {error}") from None
    if not picture.metadata.lossless or not FORMATS[picture.format].lossless:
        note = f"{picture.format} loses a little when the output is written"
        explained = explained._replace(notes=(*explained.notes, note))
    if stack:  # drawn is the frame under the anchor
        picture.pixels = pixels[min(max(explained.anchor[0], 0), len(pixels) - 1)]
    values = picture.pixels
    if values.ndim == 3:
        values = values[..., min(channel, values.shape[2] - 1)]
    _draw(explained, names, picture, values, partial(explain, channel=channel), kernels, filtering, request)
    _print(image, [explained], kernels, names, filtering, request)


def _draw(
    explained: Explanation,
    names: tuple[str, ...],
    picture: Picture | None,
    values: NDArray[Any],
    explain: Callable[[tuple[int, int]], Explanation],
    kernels: Sequence[Kernel],
    filtering: FilterOptions,
    request: _Request,
) -> None:
    """Write the drawing, and the animation of the kernel sliding over `values`, if asked for."""
    if request.output is request.animate is None:
        return
    from convfilter.drawing.canvas import displayed, full_scale, save_animation, save_drawing
    from convfilter.explain.drawing import draw_explanation, sliding_axes, sliding_frames

    axes = None
    if request.animate:
        axes = sliding_axes(values.shape, kernels, filtering)
    if request.output:
        seen = None if picture is None else displayed(picture.pixels, picture.mode)
        samples = explained.parts[0].slices[0].samples if picture is None else picture.pixels
        drawn = draw_explanation(explained, names, seen, full_scale(samples))
        save_drawing(request.output, drawn, overwrite=request.overwrite)
        complain(f"drawn to {request.output}")
    if axes is not None and request.animate is not None:
        frames = sliding_frames(values, axes, explain, full_scale(values))
        count = axes[0].output * axes[1].output
        save_animation(request.animate, frames, count, _MILLISECONDS, overwrite=request.overwrite)
        complain(f"drawn to {request.animate}")


def _print(
    source: str,
    explained: Sequence[Explanation],
    kernels: Sequence[Kernel],
    names: tuple[str, ...],
    filtering: FilterOptions,
    request: _Request,
) -> None:
    from convfilter.explain.text import as_lines, as_object

    # Where an image goes to stdout, the text goes to stderr.
    say = partial(click.echo, err=STREAM in (request.output, request.animate))
    if request.as_json:
        for each in explained:
            say(json.dumps(as_object(each, names)))
        return
    words = [", then ".join(map(filter_in_words, kernels))]
    words += _in_words(filtering)
    say(f"{shown(source)}   {', '.join(words)}")
    for each in explained:
        say("\n".join(["", *as_lines(each, names)]))


def _in_words(filtering: FilterOptions) -> list[str]:
    """Return the border, and the options that differ from their defaults."""
    words = []
    for name, kind, default, _ in declared(FilterOptions):
        value = getattr(filtering, name)
        if kind is not bool and (name == "border" or value != default):
            words.append(f"{name} {per_axis_in_words(value)}")
    return words + [name for name in ("flip", "linear") if getattr(filtering, name)]


def _read(image: str, kernels: Sequence[Kernel], reading: ReadOptions, frame: int) -> Picture:
    """Read the frame asked for, or all of them for a kernel that spans frames."""
    if not any("frame" in kernel.axes for kernel in kernels):
        return read_named(image, frame=frame, max_pixels=reading.max_pixels, orient=reading.orient)
    import numpy as np

    from convfilter.images.headers import check_pixels
    from convfilter.images.reading import opened_frames

    try:
        with opened_frames(
            image, volume=True, max_pixels=reading.max_pixels, orient=reading.orient
        ) as frames:
            check_pixels(frames.size()[:2], reading.max_pixels, frames.count)
            every = [frames.read(number) for number in range(frames.count)]
        whole = every[0]
        whole.pixels = np.stack([each.pixels for each in every])
    except ImageError as error:
        raise ImageError(f"{shown(image)}: {error}") from None
    except ValueError as error:  # frames of several sizes
        raise ImageError(f"{shown(image)}: its frames are no stack ({error})") from None
    print_warnings(image, whole)
    return whole


def _channel_named(asked: str | None, names: tuple[str, ...]) -> int:
    """Return the number of a channel from its name or number; 0 by default."""
    if asked is None:
        return 0
    if asked in names:
        return names.index(asked)
    if asked.isascii() and asked.isdecimal() and int(asked) < len(names):
        return int(asked)
    raise OptionError(f"there is no channel {brief(asked)}: the output has {', '.join(names)}")
