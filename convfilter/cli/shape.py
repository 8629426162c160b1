"""``convfilter shape``: output sizes, without computing anything."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import click

from convfilter.cli import options
from convfilter.cli.report import calculation, filter_in_words, per_axis_in_words
from convfilter.errors import ImageError, OptionError, ShapeError, complain, escaped
from convfilter.geometry import ROWS, Layer, LayerSizes, Padding, PerAxis, follow, output_of
from convfilter.kernels import Kernel, get_kernel

__all__ = ["command"]

_AXES = {1: ("length",), 2: ("height", "width"), 3: ("frames", "height", "width")}


@click.command(
    cls=options.Command,
    epilog="Sizes are width x height. Per axis: floor((N + P - d*(K - 1) - 1) / s) + 1, with P the padding "
    "on both sides together, d the dilation, s the stride.",
)
@click.argument("sizes", nargs=-1, required=True, metavar="SIZE|IMAGE...")
@options.kernel("A kernel (name, matrix or file) or its size WxH; repeat it for a chain of layers.")
@options.field(
    "padding",
    default=None,
    heading="Options",
    show_default=False,
    help="Show only this padding.  [default: valid, same and full]",
)
@options.field("stride", heading="Options")
@options.field("dilation", heading="Options")
@options.add("--in-channels", type=click.IntRange(min=1), metavar="C", help="Input channels.  [default: 1]")
@options.add(
    "--out-channels",
    type=click.IntRange(min=1),
    metavar="O",
    help="Output channels of each layer.  [default: 1]",
)
@options.kernel_file()
@options.json()
def command(
    sizes: tuple[str, ...],
    kernels: tuple[str, ...],
    padding: Padding | None,
    stride: PerAxis,
    dilation: PerAxis,
    in_channels: int | None,
    out_channels: int | None,
    known: Mapping[str, Kernel],
    as_json: bool,
) -> int:
    """Calculate the output size of a kernel, and its cost.

    Example: convfilter shape 28x28 -k 3x3 --padding valid
    """
    inputs = {text: _typed_size(text) for text in sizes}
    # All kernels are checked before anything is printed.
    chains = {
        axes: [_layer(text, axes, known) for text in kernels]
        for axes in {2 if size is None else len(size) for size in inputs.values()}
    }
    code = 0
    for text in sizes:
        try:
            size = inputs[text] or _image_size(text)
            chain = chains[min(len(size), 2)]
            if len(size) == 3 and all(layer.frames == 1 for layer in chain):
                size = size[1:]
            elif len(size) == 3:
                chain = [each._replace(window=(each.frames, *each.window), frames=1) for each in chain]
            steps = follow(
                size,
                chain,
                padding=_of_axes(padding, "same", len(size)),
                stride=_of_axes(stride, 1, len(size)),
                dilation=_of_axes(dilation, 1, len(size)),
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
            click.echo("\n".join(_as_text(escaped(text), steps)))
    return code


def _typed_size(text: str) -> tuple[int, ...] | None:
    """Return a size; None for a text that is not one."""
    if not re.fullmatch(r"\d+(x\d+)*", text, re.IGNORECASE):
        return None
    if text.lower().count("x") > 1:
        raise OptionError(f"{escaped(text)} is not a size WxH: channels go with --in-channels")
    return options.read_size(text)


def _image_size(path: str) -> tuple[int, ...]:
    """Return the size of an image file: ([frames,] height, width)."""
    from convfilter.images.reading import read_size

    found = read_size(path)
    return (found.frames, found.height, found.width)[found.frames == 1 :]


def _of_axes(value: Any, usual: Any, axes: int) -> Any:
    """Return an option for all axes: numbers are for rows and columns only."""
    if axes < 3 or value is None or isinstance(value, str):
        return value
    return (usual, *value) if isinstance(value, tuple) else (usual, value, value)


def _layer(text: str, axes: int, known: Mapping[str, Kernel]) -> Layer:
    """Return the layer of a kernel's size or name, for an input of `axes` axes."""
    window = _typed_size(text)
    if window is not None:
        layer = Layer(f"kernel {text}", window * (2 // len(window)) if axes == 2 else window)
    else:
        kernel = get_kernel(text, known)
        window = (kernel.height, kernel.width)[axes == 1 and kernel.height == 1 :]
        inputs = kernel.shape[kernel.axes.index("channel")] if "channel" in kernel.axes else None
        outputs = None if inputs is None else kernel.shape[0] if "output" in kernel.axes else 1
        name = filter_in_words(kernel)
        layer = Layer(name, window, len(kernel.parts), inputs, outputs, kernel.frames, kernel.anchor)
    if len(layer.window) > axes:
        raise OptionError(
            f"kernel {escaped(text)!r} has two dimensions and a size has one: give sizes as WxH"
        )
    return layer


def _as_object(steps: Sequence[LayerSizes], padding: Padding | None) -> dict[str, Any]:
    """Return the JSON object of the only layer, or one for each and the last output."""
    if padding is None:
        named = {"padding": "same"} if len(steps) > 1 else {}
    else:
        named = {"padding": per_axis_in_words(padding)}
    found = [_step_object(sizes, named) for sizes in steps]
    return found[0] if len(found) == 1 else {"steps": found, "output": found[-1]["output"]}


def _step_object(sizes: LayerSizes, named: dict[str, str]) -> dict[str, Any]:
    rows = [name for name in ("output", *ROWS) if name in sizes.rows]
    return {
        "input": _sides(sizes.size),
        "kernel": _sides(sizes.layer.window),
        **named,
        **{name: _sides(output_of(sizes.rows[name])) for name in rows},
        "weights": sizes.weights,
        "multiplications": sizes.multiplications,
        "fully_connected": sizes.fully_connected,
        "receptive_field": _sides(sizes.receptive_field),
    }


def _sides(size: Sequence[int] | None) -> dict[str, int] | None:
    if size is None:
        return None
    sides = (*reversed(size), 1) if len(size) == 1 else tuple(reversed(size))
    return dict(zip(("width", "height", "frames"), sides, strict=False))


def _as_text(text: str, steps: Sequence[LayerSizes]) -> Iterator[str]:
    """Yield the report line by line."""
    first = _written(steps[0].size, "x")
    head = first if first == text.lower() else f"{text}: {first}"
    yield f"{head} -> {_written(steps[-1].output, 'x')}" if "output" in steps[-1].rows else head
    for number, sizes in enumerate(steps, start=1):
        yield f"  {f'{number}. ' if len(steps) > 1 else ''}{sizes.layer.name}"
        for line in _layer_lines(sizes):
            yield f"    {line}"


def _layer_lines(sizes: LayerSizes) -> Iterator[str]:
    names = _AXES[len(sizes.size)]
    labels = " x ".join(reversed(names))
    counted = ""
    if sizes.counted == "output":
        yield f"{'output':<16} {_written(sizes.output)}  ({labels})"
        yield from calculation(sizes.rows["output"], names)
    else:
        counted = f"  ({sizes.counted})"
        column = 12 if len(names) < 3 else 19
        for name in ROWS:
            axes = sizes.rows[name]
            pairs = reversed(list(zip(names, axes, strict=True)))  # in the order of WxH
            formulas = "   ".join(f"{each} {axis.formula()}" for each, axis in pairs)
            yield f"{name:<16} {_written(output_of(axes)):<{column}} {formulas}"
    several = (sizes.channels, sizes.outputs) != (1, 1)
    channels = f", {sizes.channels} -> {sizes.outputs} channels" if several else ""
    yield f"{'weights':<16} {sizes.weights:,}{channels}"
    yield f"{'multiplications':<16} {sizes.multiplications:,}{counted}"
    yield f"{'fully connected':<16} {sizes.fully_connected:,} weights{counted}"
    yield f"{'receptive field':<16} {_written(sizes.receptive_field)}  ({labels})"


def _written(size: Sequence[int] | None, sign: str = " x ") -> str:
    return "nothing" if size is None else sign.join(str(side) for side in reversed(size))
