"""``convfilter shape``: output sizes, without computing anything."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

import click

from convfilter.cli.options import (
    HeadedCommand,
    filter_option,
    json_option,
    kernel_file_option,
    kernel_option,
    option,
    written_size,
)
from convfilter.cli.report import calculation, filter_in_words, per_axis_in_words
from convfilter.errors import ImageError, OptionError, ShapeError
from convfilter.geometry import PADDINGS, Layer, LayerSizes, Padding, PerAxis, follow, output_of
from convfilter.kernels import get_kernel, load_kernels
from convfilter.messages import complain, shown

__all__ = ["command"]


@click.command(
    cls=HeadedCommand,
    short_help="Tell what size comes out, computing nothing.",
    epilog="Sizes are width x height. Per axis: floor((N + P - d*(K - 1) - 1) / s) + 1, with P the padding "
    "on both sides together, d the dilation, s the stride.",
)
@click.argument("sizes", nargs=-1, required=True, metavar="SIZE|IMAGE...")
@kernel_option("A kernel's name or its size WxH; repeat it for a chain of layers.")
@filter_option(
    "padding",
    default=None,
    heading="Options",
    show_default=False,
    help="Show this one only.  [default: all three names]",
)
@filter_option("stride", heading="Options")
@filter_option("dilation", heading="Options")
@option("--in-channels", type=click.IntRange(min=1), metavar="C", help="Channels that go in.  [default: 1]")
@option(
    "--out-channels",
    type=click.IntRange(min=1),
    metavar="O",
    help="Channels that come out of each layer.  [default: 1]",
)
@kernel_file_option()
@json_option()
def command(
    sizes: tuple[str, ...],
    kernels: tuple[str, ...],
    padding: Padding | None,
    stride: PerAxis,
    dilation: PerAxis,
    in_channels: int | None,
    out_channels: int | None,
    kernel_file: str | None,
    as_json: bool,
) -> int:
    """Tell what size comes out of a kernel, and what it costs.

    Example: convfilter shape 28x28 -k 3x3 --padding valid
    """
    # All kernels are checked before anything is printed.
    layers = {axes: [_layer(name, axes, kernel_file) for name in kernels] for axes in _dimensions(sizes)}
    code = 0
    for text in sizes:
        try:
            size = _size(text)
            chain = layers[min(len(size), 2)]
            if len(size) == 3:
                spans = any(layer.frames > 1 for layer in chain)
                size, chain = (size, [layer.over_frames() for layer in chain]) if spans else (size[1:], chain)
            steps = follow(
                size,
                chain,
                padding=_for_frames(padding, "same", len(size)),
                stride=_for_frames(stride, 1, len(size)),
                dilation=_for_frames(dilation, 1, len(size)),
                channels=in_channels,
                outputs=out_channels,
            )
        except (ImageError, ShapeError) as error:
            complain(f"{text}: {error}")
            code = 1
            continue
        if as_json:
            click.echo(json.dumps(_as_object(steps, padding)))
        else:
            click.echo("\n".join(_as_text(shown(text), steps)))
    return code


def _dimensions(sizes: Sequence[str]) -> set[int]:
    """Return the numbers of axes of the inputs, two for an image; refuse a size without samples."""
    written = {text: written_size(text) for text in sizes}
    for text in sizes:
        if re.fullmatch(r"\d+(x\d+)+", text, re.IGNORECASE) and written[text] is None:
            raise OptionError(
                f"size {text} is no size WxH of up to 9 digits a side; channels go with --in-channels"
            )
    for text, size in written.items():
        if size is not None and min(size) < 1:
            raise OptionError(f"size {text} holds no samples: every side must be at least 1")
    return {2 if size is None else len(size) for size in written.values()}


def _size(text: str) -> tuple[int, ...]:
    """Return a size, or that of an image file: ([frames,] height, width) or (length,)."""
    size = written_size(text)
    if size is None:
        from convfilter.images.reading import read_size

        found = read_size(text)
        return (found.frames, found.height, found.width)[found.frames == 1 :]
    return size


def _for_frames(value: Any, usual: Any, axes: int) -> Any:
    """Return an option for all axes: numbers are for rows and columns only."""
    if axes < 3 or value is None or isinstance(value, str):
        return value
    return (usual, *value) if isinstance(value, tuple) else (usual, value, value)


def _layer(text: str, axes: int, kernel_file: str | None) -> Layer:
    """Return the layer of a kernel's size or name, for an input of `axes` axes."""
    window = written_size(text)
    if window is not None:
        if len(window) > axes:
            raise OptionError(f"kernel {text} has two dimensions and a size has one: give sizes as WxH")
        if min(window) < 1:
            raise OptionError(f"kernel {text} holds no weights: every side must be at least 1")
        return Layer(f"kernel {text}", window * (axes // len(window)))
    kernel = get_kernel(text, load_kernels(kernel_file))
    if axes == 1 and kernel.height > 1:
        raise OptionError(f"kernel '{kernel.name}' has two dimensions and a size has one: give sizes as WxH")
    channels = kernel.shape[kernel.axes.index("channel")] if "channel" in kernel.axes else None
    outputs = None if channels is None else kernel.shape[0] if "output" in kernel.axes else 1
    return Layer(
        filter_in_words(kernel),
        (kernel.height, kernel.width)[2 - axes :],
        len(kernel.parts),
        channels,
        outputs,
        kernel.frames,
    )


def _sides(size: Sequence[int] | None) -> dict[str, int] | None:
    if size is None:
        return None
    sides = {"width": size[-1], "height": size[-2] if len(size) > 1 else 1}
    return sides | {"frames": size[0]} if len(size) == 3 else sides


def _as_object(steps: Sequence[LayerSizes], padding: Padding | None) -> dict[str, Any]:
    """Return the JSON object of the only layer, or one for each and the last output."""
    found = [_step_object(sizes, padding, chained=len(steps) > 1) for sizes in steps]
    return found[0] if len(found) == 1 else {"steps": found, "output": found[-1]["output"]}


def _step_object(sizes: LayerSizes, padding: Padding | None, *, chained: bool) -> dict[str, Any]:
    step: dict[str, Any] = {"input": _sides(sizes.size), "kernel": _sides(sizes.layer.window)}
    if padding is not None:
        step["padding"] = per_axis_in_words(padding)
    elif chained:
        step["padding"] = "same"
    if "output" in sizes.rows:
        step["output"] = _sides(sizes.output)
    step |= {
        name: _sides(output_of(sizes.rows[name])) for name in ("valid", "same", "full") if name in sizes.rows
    }
    return step | {
        "weights": sizes.weights,
        "multiplications": sizes.multiplications,
        "fully_connected": sizes.fully_connected,
        "receptive_field": _sides(sizes.receptive_field),
    }


def _written(size: Sequence[int] | None, sign: str = "x") -> str:
    if size is None:
        return "nothing"
    return sign.join(str(side) for side in reversed(size))


def _as_text(text: str, steps: Sequence[LayerSizes]) -> list[str]:
    """Return the report as lines."""
    first = _written(steps[0].size)
    head = first if first == text.lower() else f"{text}: {first}"
    last = steps[-1]
    if "output" in last.rows:
        head += f" -> {_written(last.output)}"
    lines = [head]
    for number, sizes in enumerate(steps, start=1):
        order = f"{number}. " if len(steps) > 1 else ""
        lines += [f"  {order}{sizes.layer.name}", *(f"    {line}" for line in _layer_lines(sizes))]
    return lines


def _layer_lines(sizes: LayerSizes) -> list[str]:
    names = {1: ("length",), 2: ("height", "width"), 3: ("frames", "height", "width")}[len(sizes.size)]
    labels = " x ".join(reversed(names))
    if sizes.counted == "output":
        lines = [f"{'output':<16} {_written(sizes.output, ' x ')}  ({labels})"]
        lines += calculation(sizes.rows["output"], names)
    else:
        lines = []
        room = 12 if len(names) < 3 else 19
        for name in PADDINGS[1], PADDINGS[0], PADDINGS[2]:
            axes = sizes.rows[name]
            named = reversed(list(zip(names, axes, strict=True)))  # in the order of WxH
            formulas = "   ".join(f"{each} {axis.formula()}" for each, axis in named)
            lines.append(f"{name:<16} {_written(output_of(axes), ' x '):<{room}} {formulas}")
    channels = (
        f", {sizes.channels} -> {sizes.outputs} channels" if (sizes.channels, sizes.outputs) != (1, 1) else ""
    )
    counted = "" if sizes.counted == "output" else f"  ({sizes.counted})"
    return [
        *lines,
        f"{'weights':<16} {sizes.weights:,}{channels}",
        f"{'multiplications':<16} {sizes.multiplications:,}{counted}",
        f"{'fully connected':<16} {sizes.fully_connected:,} weights{counted}",
        f"{'receptive field':<16} {_written(sizes.receptive_field, ' x ')}  ({labels})",
    ]
