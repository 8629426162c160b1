"""``convfilter explain``: how one value of the output is computed."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING

import click

from convfilter.cli import options
from convfilter.cli.report import draw, filter_line, read_named
from convfilter.errors import OptionError, ShapeError, brief, complain, counted, escaped, with_name
from convfilter.files import STREAM, write_output
from convfilter.kernels import Kernel, get_kernel
from convfilter.options import (
    BORDERS_IN_WORDS,
    BatchOptions,
    FilterOptions,
    ReadOptions,
    one_or_two,
    read_whole,
)

if TYPE_CHECKING:
    from convfilter.explain.steps import Explanation

_MOST = 16  # values explained without --at
_OF_NUMBERS = ("padding", "border", "fill", "stride", "dilation", "flip")  # what counts without an image


def _read_place(text: str) -> tuple[int, int]:
    place = one_or_two(text.replace(" ", ""))
    if len(place) != 2:
        raise OptionError(f"{brief(text)} is not ROW,COL, counted from 0, such as 120,200")
    return place[0], place[1]


_numbers = partial(options.add, metavar="ROWS", heading="Numbers")


@click.command(
    cls=options.Command,
    epilog=f"--json prints one object for each value: its window, weights and products, every step, and the "
    f"sample that is written as 'value'. {BORDERS_IN_WORDS}",
)
@click.argument("image", required=False, metavar="[IMAGE]")
@options.kernel("Name, name:param=value,..., matrix or kernel file. Repeat it for a chain.", required=False)
@options.add(
    "--at",
    "Position in the output, counted from 0,0. Without it, all positions of a small output are shown.",
    "ROW,COL",
    read=_read_place,
)
@options.add("--channel", "red, green, blue, alpha, or a number from 0.", "NAME|N")
@options.output("FILE", "Image to draw, or .html for an interactive page.")
@options.add("--animate", "GIF or PNG: the kernel slides over a small input.", "FILE")
@_numbers("--values", 'Numbers instead of an image: "0 1 2; 3 4 5; 6 7 8".', everyday=True)
@_numbers("--weights", 'Weights instead of a kernel: "0 1; 2 3".', everyday=True)
@_numbers("--upstream", "Derivative of a loss with respect to each output, to show the backward pass.")
@options.records(filtering=FilterOptions)
@options.kernel_file("Filtering")
@options.add(
    "--step",
    "Filter of a chain to explain, counted from 1.  [default: the last]",
    "N",
    read=read_whole,
    heading="Filtering",
)
@options.add(
    "--frame",
    "Frame to explain, counted from 0.",
    "N",
    read=partial(read_whole, least=0),
    default=0,
    heading="Filtering",
)
@options.records(reading=ReadOptions)
@options.json
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
    from convfilter.batch.plan import Settings
    from convfilter.explain import explain_numbers, explain_sample, steps
    from convfilter.explain.backward import backward_json, backward_lines, explain_gradients
    from convfilter.filtering import check_options, options_for
    from convfilter.images.formats import FORMATS
    from convfilter.images.masks import with_masks, with_no_data

    if (image is None) == (values is None):
        raise click.UsageError("use either an image or --values")
    if not kernels and weights is None:
        raise click.UsageError("no kernel: add -k or --weights")
    chain = tuple(get_kernel(name, known) for name in kernels)
    if weights is not None:
        chain += (Kernel("weights", steps.parse_numbers(weights, "--weights")),)
    check_options(filtering, chain)
    if step is not None and step > len(chain):
        raise OptionError(f"--step {step}: the chain has {counted(len(chain), 'filter')}, counted from 1")
    numbers = image is None or image.lower().endswith(".csv")
    if numbers and len(chain) > 1:
        raise OptionError("numbers are filtered by one kernel: use one -k or --weights")
    if upstream is not None:
        if not numbers:
            raise OptionError("--upstream takes numbers: use --values or a .csv file instead of an image")
        why = "cannot be used with --upstream, which shows all gradients"
        _refuse(why, {"at": at, "channel": channel, "animate": animate})
    if output == animate == STREAM:
        raise OptionError("standard output takes one image: name a file for the other one")
    page = False
    if output is not None or animate is not None:
        from convfilter.drawing import check_drawing, displayed, full_scale, save_animation
        from convfilter.explain.drawing import draw_backward, draw_explanation, sliding_axes, sliding_frames
        from convfilter.explain.page import Subject, check_page, make_page

        inputs = [] if image is None else [image]
        if output is not None:
            page = check_drawing(output, inputs, overwrite=overwrite, page=True) == "html"
        if animate is not None:
            check_drawing(animate, inputs, overwrite=overwrite, animated=True)
        if page:
            check_page(chain, filtering)

    # First what there is to explain, numbers or an image; then its text and drawings.
    title = f"{escaped(image or 'numbers')}   {filter_line(chain, filtering)}"
    stack = any("frame" in kernel.axes for kernel in chain)
    names: tuple[str, ...] = ("value",)
    notes: tuple[str, ...] = ()
    mode, backward = "", None
    explain: Callable[[tuple[int, ...]], Explanation]
    if image is None or numbers:
        usual = FilterOptions()._asdict()
        other = {
            name: value
            for name, value in filtering._asdict().items()
            if name not in _OF_NUMBERS and value != usual[name]
        }
        _refuse("is for images, not for plain numbers", {"channel": channel, "frame": frame or None, **other})
        pixels = steps.parse_numbers(values or "", "--values") if image is None else steps.read_numbers(image)
        explain = partial(explain_numbers, pixels, chain[0], filtering)
        if upstream is not None:
            derivatives = steps.parse_numbers(upstream, "--upstream")
            backward = explain_gradients(pixels, chain[0], derivatives, filtering)
    else:
        axes = Settings(chain, batch=BatchOptions("stack" if stack else "first")).axes
        picture = read_named(image, reading, frame=frame, stack=stack, axes=axes, filtering=[filtering])
        filtering = with_masks(options_for(picture.mode, filtering), image, reading)
        filtering = with_no_data(filtering, picture)
        pixels, mode = picture.pixels, picture.mode
        names = steps.channel_names(mode, grey=pixels.ndim == 2 + stack)
        sample = partial(explain_sample, pixels, chain, filtering, channel=channel, names=names, step=step)
        explain = (lambda place: sample((frame, *place))) if stack else sample
        if not picture.metadata.lossless or FORMATS[picture.format].losses == "always":
            notes = (f"{picture.format} is lossy: the written sample may differ a little",)
    try:
        found = _explanations(explain, at, one=page or backward is not None)
    except ShapeError as error:
        raise with_name(error, escaped(image)) if image is not None else error from None
    explanations = [each._replace(notes=(*each.notes, *notes)) for each in found]
    lines = [title]
    if backward is not None:
        lines += backward_lines(backward)
    else:
        for each in explanations:
            lines += ["", *steps.as_lines(each)]
        lines += ["", *steps.output_lines(explanations)] if len(explanations) > 1 else []
    if output is not None or animate is not None:
        first, full = explanations[0], full_scale(pixels)
        # Of a stack, the frame under the anchor is drawn.
        still = pixels[min(max(first.anchor[0], 0), len(pixels) - 1)] if stack else pixels
        drawn = None if numbers else displayed(still, mode)
        plane = still[..., min(first.channel, still.shape[2] - 1)] if still.ndim == 3 else still
        sliding = sliding_axes(plane.shape, chain, filtering) if animate else ()
        if output is not None and page:
            html = make_page(
                Subject(image or "numbers", pixels, names, drawn),
                chain[0],
                known,
                filtering,
                first.place[1:],
                "\n".join(lines),
                channel=first.channel,
                upstream=None if backward is None else backward.tables["d"],
            )
            write_output(output, lambda stream: stream.write(html.encode()), overwrite=overwrite)
            complain(f"page written to {output}")
        elif output is not None:
            drawing = draw_backward(backward) if backward else draw_explanation(first, drawn, full)
            draw(output, drawing, overwrite=overwrite)
        if animate is not None:
            frames = sliding_frames(plane, sliding, explain, full)
            save_animation(animate, frames, sliding[0].output * sliding[1].output, overwrite=overwrite)
            complain(f"drawn to {animate}")
    if backward is not None and as_json:
        lines = [backward_json(backward)]
    elif as_json:
        lines = [steps.to_json(each) for each in explanations]
    # Where an image goes to stdout, the text goes to stderr.
    click.echo("\n".join(lines), err=STREAM in (output, animate))


def _refuse(why: str, given: Mapping[str, object]) -> None:
    """Refuse options that have a value."""
    for name, value in given.items():
        if value is not None:
            raise OptionError(f"--{name} {why}: leave it out")


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
    size = f"{counted(rows, 'row')} and {counted(columns, 'column')}"
    raise OptionError(f"the output has {size}, too many to show: choose one with --at ROW,COL")
