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
from convfilter.cli.wording import filter_in_words, size_in_words
from convfilter.files import shown
from convfilter.kernels import Kernel, get_kernel, load_kernels

__all__ = ["command"]

_WIDEST = 15  # columns of weights that fit a terminal; wider kernels are described only


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
        click.echo("\n".join(_as_text(chosen[0])))
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


def _as_text(kernel: Kernel) -> list[str]:
    lines = [f"{filter_in_words(kernel)}: {shown(kernel.summary)}".rstrip(": ")]
    parameters = ", ".join(f"{key}={_number(value)}" for key, value in kernel.parameters.items())
    if parameters:
        lines.append(f"  parameters  {parameters}")
    for number, (part, divisor) in enumerate(zip(kernel.parts, kernel.divisors, strict=True), start=1):
        label = "weights" if len(kernel.parts) == 1 else f"part {number}"
        lines.append(f"  {label}{'' if divisor == 1 else f' / {_number(divisor)}'}")
        lines += _table(part, kernel.axes) if kernel.width <= _WIDEST else ["    (--json prints them all)"]
    total = ", ".join(
        _number(_sum(part) / divisor) for part, divisor in zip(kernel.parts, kernel.divisors, strict=True)
    )
    lines.append(f"  sum         {total}{'  (counts as zero)' if kernel.is_zero_sum else ''}")
    if kernel.offset:
        lines.append(f"  offset      {kernel.offset:g} of full scale")
    lines.append(f"  range       {kernel.range}")
    return [*lines, f"  source      {shown(kernel.source)}"] if kernel.source else lines


def _number(value: Any) -> str:
    return ",".join(map(_number, value)) if isinstance(value, tuple) else f"{value:.6g}"


def _sum(weights: Any) -> Any:
    return sum(map(_sum, weights)) if isinstance(weights, tuple) else weights


def _table(weights: Any, axes: Sequence[str], place: str = "") -> list[str]:
    """Rows of numbers, right-aligned; deeper tables one under the other, each under its place."""
    if len(axes) > 2:
        lines = []
        for number, each in enumerate(weights):
            below = f"{place}{', ' if place else ''}{axes[0]} {number}"
            lines += [f"    {below}"] if len(axes) == 3 else []
            lines += _table(each, axes[1:], below)
        return lines
    rows = [weights] if len(axes) == 1 else weights
    cells = [[f"{weight:.4g}" for weight in row] for row in rows]
    width = max(len(cell) for row in cells for cell in row)
    return ["    " + "  ".join(cell.rjust(width) for cell in row) for row in cells]
