"""``convfilter explain``: how one value of the output is computed."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING

import click

from convfilter.cli import options
from convfilter.cli.report import filter_line, read_named
from convfilter.errors import OptionError, ShapeError, brief, complain, escaped
from convfilter.files import STREAM, check_output, refuse_input
from convfilter.kernels import Kernel
from convfilter.options import BatchOptions, FilterOptions, ReadOptions

if TYPE_CHECKING:
    from convfilter.explain import Explanation

__all__ = ["command"]

_MOST = 16  # values explained without --at
_OF_NUMBERS = ("padding", "border", "fill", "stride", "dilation", "flip")  # what counts without an image


def _read_place(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"\s*(\d{1,9})\s*,\s*(\d{1,9})\s*", text)
    if not match:
        raise OptionError(f"{brief(text)} is not ROW,COL, counted from 0, such as 120,200")
    return int(match[1]), int(match[2])


@click.command(
    cls=options.Command,
    epilog=f"--json prints one object for each value: its window, weights and products, every step, and the "
    f"sample that is written as 'value'. {options.BORDERS}",
)
@click.argument("image", required=False, metavar="[IMAGE]")
@options.kernel(
    "Name, name:param=value,..., a matrix or a kernel file. Repeat it for a chain.",
    required=False,
)
@options.add(
    "--at",
    callback=options.reading(_read_place),
    metavar="ROW,COL",
    help="Position in the output, counted from 0,0. Without it, all positions of a small output are shown.",
)
@options.add(
    "--step",
    type=options.Integer(min=1),
    metavar="N",
    heading="Filtering",
    help="The filter of a chain to explain, counted from 1.  [default: the last]",
)
@options.add("--channel", metavar="NAME|N", help="Channel: red, green, blue, alpha, or a number from 0.")
@options.add(
    "--values",
    metavar="ROWS",
    heading="Numbers",
    everyday=True,
    help='Numbers instead of an image: "0 1 2; 3 4 5; 6 7 8".',
)
@options.add(
    "--weights",
    metavar="ROWS",
    heading="Numbers",
    everyday=True,
    help='Weights instead of a kernel: "0 1; 2 3".',
)
@options.add(
    "--upstream",
    metavar="ROWS",
    heading="Numbers",
    help="Show the backward pass, from the derivative of a loss with respect to each output.",
)
@options.output("FILE", "Image file to draw, or .html for an interactive page.")
@options.add("--animate", metavar="FILE", help="GIF or PNG of the kernel sliding over a small input.")
@options.json()
@options.kernel_file("Filtering")
@options.record("filtering", FilterOptions)
@options.add(
    "--frame",
    type=options.Integer(min=0),
    default=0,
    metavar="N",
    heading="Filtering",
    help="Frame to explain, counted from 0.",
)
@options.record("reading", ReadOptions)
def command(
    image: str | None,
    kernels: tuple[str, ...],
    known: Mapping[str, Kernel],
    at: tuple[int, int] | None,
    step: int | None,
    channel: str | None,
    frame: int,
    values: str | None,
    weights: str | None,
    upstream: str | None,
    output: str | None,
    animate: str | None,
    overwrite: bool,
    as_json: bool,
    filtering: FilterOptions,
    reading: ReadOptions,
) -> None:
    """Show how one output value is computed: window, weights, products, sum.

    IMAGE is an image file, or a .csv file of plain numbers.

    Example: convfilter explain photo.jpg -k sobel --at 120,200
    """
    import numpy as np

    from convfilter.batch.plan import Settings
    from convfilter.explain import explain_numbers, explain_sample
    from convfilter.explain.backward import backward_json, backward_lines, explain_gradients
    from convfilter.explain.text import (
        as_lines,
        channel_names,
        output_lines,
        parse_numbers,
        read_numbers,
        to_json,
    )
    from convfilter.filtering import options_for
    from convfilter.images.formats import FORMATS
    from convfilter.images.masks import with_masks, with_no_data

    if (image is None) == (values is None):
        raise click.UsageError("give either an image or --values")
    if not kernels and weights is None:
        raise click.UsageError("no kernel: name one with -k, or give its --weights")
    typed = [] if weights is None else [Kernel("weights", (parse_numbers(weights, "--weights").tolist(),))]
    chain = options.chosen_kernels([*kernels, *typed], known, filtering)
    if step is not None and step > len(chain):
        raise OptionError(f"--step {step}: the last of the chain is {len(chain)}, one for each -k")
    numbers = image is None or image.lower().endswith(".csv")
    if upstream is not None:
        _check_backward({"--at": at, "--channel": channel, "--animate": animate}, numbers=numbers)
    if numbers and len(chain) > 1:
        raise OptionError("numbers are filtered by one kernel: give one -k or --weights")
    page = _is_page(output)
    if page:
        from convfilter.explain.page import Subject, check_page, write_page

        check_page(chain, filtering)
    _check_outputs(image, output, animate, overwrite=overwrite)
    source, picture, backward = image or "numbers", None, None
    title = f"{escaped(source)}   {filter_line(chain, filtering)}"
    names: tuple[str, ...] = ("value",)
    explain: Callable[[tuple[int, ...]], Explanation]
    if numbers or image is None:
        _check_numbers(filtering, channel=channel, frame=frame)
        pixels = read_numbers(image) if image is not None else parse_numbers(str(values), "--values")
        explain = partial(explain_numbers, pixels, chain[0], filtering)
        if upstream is not None:
            derivatives = parse_numbers(upstream, "--upstream")
            backward = explain_gradients(pixels, chain[0], derivatives, filtering)
        explanations = _explanations(explain, at, one=page or backward is not None)
        explained, plane = explanations[0], pixels
    else:
        stack = any("frame" in kernel.axes for kernel in chain)
        batch = BatchOptions("stack" if stack else None if frame is None else "first")
        third = Settings(tuple(chain), batch=batch).axes
        picture = read_named(image, reading, frame=frame, stack=stack, axes=third)
        pixels = picture.pixels
        filtering = with_masks(options_for(picture.mode, filtering), image, reading)
        filtering, _ = with_no_data(filtering, picture)
        names = channel_names(picture.mode, grey=pixels.ndim == 2 + stack)
        sample = partial(explain_sample, pixels, chain, filtering, channel=channel, names=names, step=step)
        explain = (lambda place: sample((frame, *place))) if stack else sample
        try:
            explanations = _explanations(explain, at, one=page)
        except ShapeError as error:
            raise ShapeError(f"{escaped(image)}: {error}") from None
        if not picture.metadata.lossless or not FORMATS[picture.format].lossless:
            note = f"{picture.format} is lossy: the written sample may differ a little"
            explanations = [each._replace(notes=(*each.notes, note)) for each in explanations]
        explained = explanations[0]
        if stack:  # drawn is the frame under the anchor
            picture.pixels = pixels[min(max(explained.anchor[0], 0), len(pixels) - 1)]
        plane = np.atleast_3d(picture.pixels)
        plane = plane[..., min(explained.channel, plane.shape[2] - 1)]
    if output is not None or animate is not None:
        from convfilter.drawing.canvas import displayed, full_scale, save_animation, save_drawing
        from convfilter.explain.drawing import draw_backward, draw_explanation, sliding_axes, sliding_frames

        axes = sliding_axes(plane.shape, chain, filtering) if animate else ()
        full = full_scale(pixels)
        drawn = None if picture is None else displayed(picture.pixels, picture.mode)
        if output is not None and page:
            subject = Subject(source, pixels, names, drawn)
            write_page(
                output, subject, chain[0], known, filtering, explanations, backward, overwrite=overwrite
            )
            complain(f"page written to {output}")
        elif output is not None:
            drawing = draw_backward(backward) if backward else draw_explanation(explained, drawn, full)
            save_drawing(output, drawing, overwrite=overwrite)
            complain(f"drawn to {output}")
        if animate is not None:
            frames = sliding_frames(plane, axes, explain, full)
            save_animation(animate, frames, axes[0].output * axes[1].output, overwrite=overwrite)
            complain(f"drawn to {animate}")
    # Where an image goes to stdout, the text goes to stderr.
    echo = partial(click.echo, err=STREAM in (output, animate))
    if backward is not None:
        echo(backward_json(backward) if as_json else "\n".join([title, *backward_lines(backward)]))
        return
    if as_json:
        for each in explanations:
            echo(to_json(each))
        return
    echo(title)
    for each in explanations:
        echo("\n".join(["", *as_lines(each)]))
    if len(explanations) > 1:
        echo("\n".join(["", *output_lines(explanations)]))


def _is_page(path: str | None) -> bool:
    """Return whether a path names an interactive page."""
    return path is not None and path.lower().endswith((".html", ".htm"))


def _check_outputs(image: str | None, output: str | None, animate: str | None, *, overwrite: bool) -> None:
    """Refuse outputs that cannot be written, before anything is computed."""
    if output == animate == STREAM:
        raise OptionError("standard output takes one image: name a file for the other one")
    for path, animated in ((output, False), (animate, True)):
        if path is not None:
            from convfilter.drawing.canvas import check_drawing

            refuse_input(path, [] if image is None else [image])
            if not animated and _is_page(path):
                check_output(path, overwrite=overwrite)
            else:
                check_drawing(path, overwrite=overwrite, animated=animated, page=not animated)


def _explanations(
    explain: Callable[[tuple[int, ...]], Explanation], at: tuple[int, int] | None, *, one: bool
) -> list[Explanation]:
    """Explain the output at a position, or all if they are few; if not, with `one`, that in the middle."""
    first = explain(at or (0, 0))
    rows, columns = (axis.output for axis in first.axes[1:])
    if at is not None:
        return [first]
    if rows * columns <= _MOST:
        return [explain(place) for place in itertools.product(range(rows), range(columns))]
    if one:
        return [explain((rows // 2, columns // 2))]
    raise OptionError(
        f"the output has {rows} rows and {columns} columns, too many to show: choose one with --at ROW,COL"
    )


def _check_numbers(filtering: FilterOptions, **given: object) -> None:
    """Refuse what has a meaning for images only."""
    given |= {name: value for name, value in filtering._asdict().items() if name not in _OF_NUMBERS}
    usual = {"channel": None, "frame": 0, **FilterOptions._field_defaults}
    for name, value in given.items():
        if value != usual[name]:
            raise OptionError(f"--{name} is for images, not for plain numbers: leave it out")


def _check_backward(given: Mapping[str, object], *, numbers: bool) -> None:
    """Refuse what the backward pass has no use for."""
    if not numbers:
        raise OptionError("--upstream takes numbers: give --values or a .csv file instead of an image")
    for name, value in given.items():
        if value is not None:
            raise OptionError(
                f"{name} cannot be used with --upstream, which shows all gradients: leave it out"
            )
