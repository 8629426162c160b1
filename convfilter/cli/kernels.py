"""``convfilter kernels``: the list of kernels, or one of them in detail."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from typing import Any

import click

from convfilter.cli.options import (
    HeadedCommand,
    complete_kernel,
    json_option,
    kernel_file_option,
    option,
    written_size,
)
from convfilter.cli.report import kernel_in_lines, size_in_words
from convfilter.files import STREAM
from convfilter.kernels import Kernel, get_kernel, load_kernels
from convfilter.messages import complain, shown

__all__ = ["GROUPS", "command"]

_USUAL = (3000, 4000)  # rows and columns of a photograph
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


@click.command(cls=HeadedCommand, short_help="List the kernels, or show one.")
@click.argument("name", required=False, shell_complete=complete_kernel)
@option("--plan", "size", metavar="WxH", help="How NAME is computed on a colour picture of another size.")
@option("-o", "--output", metavar="PICTURE", help="Draw the weights and the frequency response of NAME.")
@option("--overwrite", is_flag=True, help="Replace a drawing that exists.")
@kernel_file_option()
@json_option()
def command(
    name: str | None,
    size: str | None,
    output: str | None,
    overwrite: bool,
    kernel_file: str | None,
    as_json: bool,
) -> None:
    """List the kernels, or look at one: weights, symmetry, rank, plan, source.

    Example: convfilter kernels gaussian:sigma=2
    """
    sides = None if size is None else written_size(size)
    if size is not None and (name is None or sides is None or len(sides) != 2 or min(sides) < 1):
        raise click.UsageError(
            "--plan goes with the NAME of a kernel and takes a size WxH", click.get_current_context()
        )
    if output is not None and name is None:
        raise click.UsageError("-o draws one kernel: give its NAME", click.get_current_context())
    known = load_kernels(kernel_file)
    if name is None:
        _list(list(known.values()), as_json)
        return
    kernel = get_kernel(name, known)
    if output is not None:
        _draw(kernel, output, overwrite)
    plan = _plan(kernel, sides or _USUAL)
    say = partial(click.echo, err=output == STREAM)  # where the drawing goes to stdout
    if as_json:
        say(json.dumps([_as_object(kernel, weights=True) | _traits(kernel) | {"plan": plan}]))
        return
    lines = kernel_in_lines(kernel)
    source = [lines.pop()] if kernel.source else []
    shown_size = size or "x".join(str(side) for side in reversed(_USUAL))
    say("\n".join([*lines, *_traits_as_text(kernel), *_plan_as_text(plan, shown_size), *source]))


def _list(kernels: list[Kernel], as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps([_as_object(kernel, weights=False) for kernel in kernels]))
        return
    longest = max(len(kernel.name) for kernel in kernels)
    grouped = {name: heading for heading, names in GROUPS.items() for name in names}
    for heading in (*GROUPS, _OWN):
        members = [kernel for kernel in kernels if grouped.get(kernel.name, _OWN) == heading]
        if members:
            click.echo(f"{heading}:")
        for kernel in members:
            line = f"  {kernel.name:<{longest}}  {size_in_words(kernel):<7} {shown(kernel.summary)}"
            click.echo(line.rstrip())
    click.echo(f"\n'convfilter kernels NAME' shows one; {_example(kernels)} sets a parameter.")


def _draw(kernel: Kernel, output: str, overwrite: bool) -> None:
    from convfilter.drawing.canvas import check_drawing, save_drawing
    from convfilter.drawing.plots import kernel_plot

    check_drawing(output, overwrite=overwrite)
    save_drawing(output, kernel_plot(kernel), overwrite=overwrite)
    complain(f"drawn to {output}")


def _traits(kernel: Kernel) -> dict[str, Any]:
    from convfilter.kernels.analysis import ranks, symmetry, value_range

    low, high = value_range(kernel, 255)
    return {"values": [low, high], "symmetry": symmetry(kernel), "ranks": ranks(kernel)}


def _traits_as_text(kernel: Kernel) -> list[str]:
    traits = _traits(kernel)
    low, high = traits["values"]
    turned = {
        "even": "even: turned by half (--flip) it is the same",
        "odd": "odd: turned by half (--flip) it changes its sign",
        None: "none: turned by half (--flip) it is another filter",
    }[traits["symmetry"]]
    lines = [f"  values      {low:.6g} .. {high:.6g} from samples 0 .. 255", f"  symmetry    {turned}"]
    height, width = kernel.height, kernel.width
    if min(height, width) > 1:
        highest = max(traits["ranks"])
        saves = (
            f", a column times a row: {height} + {width} multiplications instead of {height * width}"
            if highest == 1
            else f" of {min(height, width)}: no column times a row"
        )
        lines.append(f"  rank        {highest}{saves}")
    return lines


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


def _plan_as_text(plan: dict[str, Any], size: str) -> list[str]:
    costs = ", ".join(f"{name} {cost:g}" for name, cost in plan["costs"].items())
    block = plan["block"]
    return [
        f"  plan        {size}, 8 bits: {plan['strategy']} in {plan['type']}, {plan['details']}",
        f"  costs       {costs} (reckoned, ns a sample)",
        f"  blocks      {plan['blocks']} of {block['width']}x{block['height']}, {plan['threads']} threads",
    ]


def _example(kernels: list[Kernel]) -> str:
    for kernel in kernels:
        for key, value in kernel.parameters.items():
            if isinstance(value, int | float):
                return f"'-k {kernel.name}:{key}={2 * value:g}'"
    return "'-k gaussian:sigma=2'"


def _as_object(kernel: Kernel, *, weights: bool) -> dict[str, Any]:
    frames = {"frames": kernel.frames} if "frame" in kernel.axes else {}
    described = {
        "name": kernel.name,
        "summary": kernel.summary,
        "size": {"width": kernel.width, "height": kernel.height} | frames,
        "source": kernel.source,
        "axes": ",".join(kernel.axes),
        "parts": len(kernel.parts),
        "combine": kernel.combine,
        "divisors": list(kernel.divisors),
        "offset": kernel.offset,
        "range": kernel.range,
        "zero_sum": kernel.is_zero_sum,
        "parameters": {
            key: list(value) if isinstance(value, tuple) else value
            for key, value in kernel.parameters.items()
        },
    }
    return described | {"weights": kernel.parts} if weights else described
