"""``convfilter kernels``: the list of kernels, or one of them in detail."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import click

from convfilter.cli.options import (
    HeadedCommand,
    complete_kernel,
    json_option,
    kernel_file_option,
    option,
    read_size,
    reading,
)
from convfilter.cli.report import kernel_in_lines, size_in_words
from convfilter.errors import OptionError
from convfilter.files import STREAM
from convfilter.kernels import Kernel, get_kernel, load_kernels
from convfilter.messages import complain, shown

__all__ = ["GROUPS", "command"]

_PHOTOGRAPH = (3000, 4000)  # rows and columns
_OWN = "Your own"

GROUPS = {
    "Smoothing": (
        *("identity", "box", "blur", "binomial-3", "binomial-5", "binomial-7", "gaussian", "disk", "motion"),
    ),
    "Sharpening": ("sharpen", "unsharp", "high-pass"),
    "Edges by gradients": (
        *("sobel", "sobel-x", "sobel-y", "prewitt", "prewitt-x", "prewitt-y", "scharr", "scharr-x"),
        *("scharr-y", "farid", "farid-x", "farid-y", "roberts", "kirsch", "robinson"),
    ),
    "Edges by second derivatives": ("laplacian", "laplacian-8", "log", "dog", "outline"),
    "Relief and texture": ("emboss", "gabor"),
    "Time": ("temporal-blur", "temporal-edge"),
    "Colour": ("luma", "sepia", "opponent"),
}

_SYMMETRIES = {
    "even": "even: rotation by 180 degrees (--flip) changes nothing",
    "odd": "odd: rotation by 180 degrees (--flip) changes the sign",
    None: "none: rotation by 180 degrees (--flip) gives another filter",
}


def _read_sides(text: str) -> tuple[int, ...]:
    sides = read_size(text)
    if len(sides) != 2:
        raise OptionError(f"{text} has one dimension: give WxH")
    return sides


@click.command(cls=HeadedCommand)
@click.argument("name", required=False, shell_complete=complete_kernel)
@option(
    "--plan",
    "sides",
    callback=reading(_read_sides),
    metavar="WxH",
    help="Size of the colour image for which to show the plan.  [default: 4000x3000]",
)
@option(
    "-o", "--output", metavar="FILE", help="Draw weights and frequency response of NAME into an image file."
)
@option("--overwrite", is_flag=True, help="Replace an existing drawing.")
@kernel_file_option()
@json_option()
def command(
    name: str | None,
    sides: tuple[int, int] | None,
    output: str | None,
    overwrite: bool,
    kernel_file: str | None,
    as_json: bool,
) -> None:
    """List the kernels, or show one: weights, symmetry, rank, plan, source.

    Example: convfilter kernels gaussian:sigma=2
    """
    known = load_kernels(kernel_file)
    if name is None:
        if sides is not None or output is not None:
            raise click.UsageError("--plan and -o are for one kernel: give its NAME")
        kernels = list(known.values())
        if as_json:
            click.echo(json.dumps([_as_object(kernel) for kernel in kernels]))
        else:
            click.echo("\n".join(_list(kernels)))
        return
    kernel = get_kernel(name, known)
    if output is not None:
        _draw(kernel, output, overwrite)
    traits, plan = _traits(kernel), _plan(kernel, sides or _PHOTOGRAPH)
    echo = partial(click.echo, err=output == STREAM)  # where the drawing goes to stdout
    if as_json:
        echo(json.dumps([_as_object(kernel) | {"weights": kernel.parts} | traits | {"plan": plan}]))
        return
    rows, columns = sides or _PHOTOGRAPH
    lines = [*kernel_in_lines(kernel), *_traits_in_lines(kernel, traits)]
    lines += _plan_in_lines(plan, f"{columns}x{rows}")
    if kernel.source:
        lines.append(f"  source      {shown(kernel.source)}")
    echo("\n".join(lines))


def _list(kernels: Sequence[Kernel]) -> Iterator[str]:
    """Yield the kernels line by line, under headings."""
    longest = max(len(kernel.name) for kernel in kernels)
    grouped = {name: heading for heading, names in GROUPS.items() for name in names}
    for heading in (*GROUPS, _OWN):
        members = [kernel for kernel in kernels if grouped.get(kernel.name, _OWN) == heading]
        if members:
            yield f"{heading}:"
        for kernel in members:
            yield f"  {kernel.name:<{longest}}  {size_in_words(kernel):<7} {shown(kernel.summary)}".rstrip()
    yield "\n'convfilter kernels NAME' shows one; '-k gaussian:sigma=2' sets a parameter."


def _draw(kernel: Kernel, output: str, overwrite: bool) -> None:
    from convfilter.drawing.canvas import check_drawing, save_drawing
    from convfilter.drawing.plots import kernel_plot

    check_drawing(output, overwrite=overwrite)
    save_drawing(output, kernel_plot(kernel), overwrite=overwrite)
    complain(f"drawn to {output}")


def _traits(kernel: Kernel) -> dict[str, Any]:
    from convfilter.kernels.analysis import ranks, symmetry, value_range

    return {"values": value_range(kernel, 255), "symmetry": symmetry(kernel), "ranks": ranks(kernel)}


def _traits_in_lines(kernel: Kernel, traits: dict[str, Any]) -> Iterator[str]:
    low, high = traits["values"]
    yield f"  values      {low:.6g} .. {high:.6g} from samples 0 .. 255"
    yield f"  symmetry    {_SYMMETRIES[traits['symmetry']]}"
    height, width, rank = kernel.height, kernel.width, max(traits["ranks"])
    if min(height, width) > 1 and rank == 1:
        separated = f"{height} + {width} multiplications instead of {height * width}"
        yield f"  rank        1, a column times a row: {separated}"
    elif min(height, width) > 1:
        yield f"  rank        {rank} of {min(height, width)}: not a column times a row"


def _plan(kernel: Kernel, sides: Sequence[int]) -> dict[str, Any]:
    """Return how a kernel is computed on 8-bit RGB, or on as many channels as it needs."""
    from convfilter.convolution.execute import available_threads
    from convfilter.filtering import plan_kernel
    from convfilter.options import FilterOptions

    channels = kernel.shape[kernel.axes.index("channel")] if "channel" in kernel.axes else 3
    plan = plan_kernel(kernel, (*sides, channels), "uint8", FilterOptions())
    return {
        "strategy": plan.strategy,
        "details": plan.details,
        "type": plan.dtype.name,
        "costs": {name: round(cost, 2) for name, cost in plan.costs.items()},
        "blocks": plan.blocks,
        "block": {"width": plan.block[-1], "height": plan.block[-2]},
        "threads": min(plan.blocks, available_threads()),
    }


def _plan_in_lines(plan: dict[str, Any], size: str) -> list[str]:
    costs = ", ".join(f"{name} {cost:g}" for name, cost in plan["costs"].items())
    block = plan["block"]
    return [
        f"  plan        {size}, 8 bits: {plan['strategy']} in {plan['type']}, {plan['details']}",
        f"  costs       {costs} (estimated, ns a sample)",
        f"  blocks      {plan['blocks']} of {block['width']}x{block['height']}, {plan['threads']} threads",
    ]


def _as_object(kernel: Kernel) -> dict[str, Any]:
    frames = {"frames": kernel.frames} if "frame" in kernel.axes else {}
    return {
        "name": kernel.name,
        "summary": kernel.summary,
        "size": {"width": kernel.width, "height": kernel.height} | frames,
        "source": kernel.source,
        "axes": ",".join(kernel.axes),
        "parts": len(kernel.parts),
        "combine": kernel.combine,
        "divisors": kernel.divisors,
        "offset": kernel.offset,
        "range": kernel.range,
        "zero_sum": kernel.is_zero_sum,
        "parameters": dict(kernel.parameters),
    }
