"""``convfilter kernels``: the list of kernels, or one of them looked at."""

from __future__ import annotations

import json
from collections.abc import Sequence
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
from convfilter.cli.wording import kernel_in_lines, size_in_words
from convfilter.files import shown
from convfilter.kernels import Kernel, get_kernel, load_kernels

__all__ = ["command"]


@click.command(cls=HeadedCommand, short_help="List the kernels, or show one.")
@click.argument("name", required=False, shell_complete=complete_kernel)
@option("--plan", "size", metavar="WxH", help="Show how NAME is computed on a colour picture of that size.")
@kernel_file_option()
@json_option()
def command(name: str | None, size: str | None, kernel_file: str | None, as_json: bool) -> None:
    """List the kernels, or show the weights of one.

    Example: convfilter kernels gaussian:sigma=2
    """
    sides = None if size is None else written_size(size)
    if size is not None and (name is None or sides is None or len(sides) != 2 or min(sides) < 1):
        raise click.UsageError(
            "--plan goes with the NAME of a kernel and takes a size WxH", click.get_current_context()
        )
    known = load_kernels(kernel_file)
    chosen = list(known.values()) if name is None else [get_kernel(name, known)]
    plan = None if sides is None else _plan(chosen[0], sides)
    if as_json:
        objects = [_as_object(kernel, weights=name is not None) for kernel in chosen]
        click.echo(json.dumps(objects if plan is None else [objects[0] | {"plan": plan}]))
    elif name is None:
        longest = max(len(each) for each in known)
        for kernel in chosen:
            click.echo(
                f"{kernel.name:<{longest}}  {size_in_words(kernel):<7} {shown(kernel.summary)}".rstrip()
            )
        click.echo(f"\n'convfilter kernels NAME' shows one; {_example(chosen)} sets a parameter.")
    else:
        click.echo("\n".join(kernel_in_lines(chosen[0])))
        if plan is not None:
            click.echo("\n".join(_plan_as_text(plan, str(size))))


def _plan(kernel: Kernel, sides: Sequence[int]) -> dict[str, Any]:
    """How a kernel is computed on 8-bit RGB, or on as many channels as it is made for."""
    from convfilter.convolution.running import available_threads
    from convfilter.filtering import FilterOptions, plan_kernel

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
