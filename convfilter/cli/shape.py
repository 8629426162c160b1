"""``convfilter shape``: output sizes, without computing anything."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import click

from convfilter.cli import options
from convfilter.cli.layers import read_layer, read_typed_size
from convfilter.cli.report import calculation, draw, per_axis_in_words, print_result
from convfilter.errors import ImageError, OptionError, ShapeError, complain, escaped
from convfilter.geometry import AXIS_NAMES, Padding, PerAxis
from convfilter.kernels import Kernel
from convfilter.layers import ROWS, Layer, LayerSizes, follow, output_of
from convfilter.options import read_whole

__all__ = ["command"]


@click.command(
    cls=options.Command,
    epilog="Sizes are width x height. Per axis: floor((N + P - d*(K - 1) - 1) / s) + 1, with P the padding "
    "on both sides together, d the dilation, s the stride. A layer may have options of its own: "
    "WxH:out=CHANNELS,stride=N,padding=P,dilation=N,groups=N,transposed, or NAME:...; poolWxH is a layer "
    "without weights whose stride is its size.",
)
@click.argument("sizes", nargs=-1, required=True, metavar="SIZE|IMAGE...")
@options.kernel(
    "Kernel, its size WxH, or poolWxH; repeatable. A kernel is a name, a matrix or a file; several are "
    "layers in that order."
)
@options.field(
    "padding",
    "Samples to add on each side, such as valid or 2. N,M is for rows, columns.  "
    "[default: all of valid, same and full; in a chain same]",
    default=None,
    show_default=False,
)
@options.field(
    "stride",
    "Distance between two outputs. N,M is for rows, columns.  [default: 1; for a pool, its size]",
    default=None,
    show_default=False,
)
@options.field("dilation")
@options.add("--in-channels", "Input channels.  [default: 1]", "C", read=read_whole)
@options.add("--out-channels", "Output channels of each layer.  [default: 1]", "O", read=read_whole)
@options.add("--bias", "Count a bias for each output channel.")
@options.output("FILE", "Image to draw: output sizes and receptive fields.")
@options.kernel_file()
@options.json()
def command(
    sizes: tuple[str, ...],
    kernels: tuple[str, ...],
    padding: Padding | None,
    stride: PerAxis | None,
    dilation: PerAxis,
    in_channels: int | None,
    out_channels: int | None,
    bias: bool,
    output: str | None,
    overwrite: bool,
    known: Mapping[str, Kernel],
    as_json: bool,
) -> int:
    """Calculate the output size of a kernel, and its cost.

    Example: convfilter shape 28x28 -k 3x3 --padding valid
    """
    inputs = {text: read_typed_size(text.replace(",", "x")) for text in sizes}
    # All kernels are checked before anything is printed.
    chains = {
        axes: [read_layer(text, axes, known) for text in kernels]
        for axes in {2 if size is None else len(size) for size in inputs.values()}
    }
    if output is not None:
        from convfilter.drawing.canvas import check_drawing

        if len(sizes) > 1:
            raise OptionError(f"-o draws the layers of one size, not of {len(sizes)}: use one")
        check_drawing(output, overwrite=overwrite)
    code = 0
    for text in sizes:
        try:
            size = inputs[text] or _image_size(text)
            chain = chains[min(len(size), 2)]
            if len(size) == 3 and all(layer.frames == 1 for layer in chain):
                size = size[1:]
            elif len(size) == 3:
                chain = [_over_frames(each) for each in chain]
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
        if output is not None:
            from convfilter.drawing.chain import chain_plot

            draw(output, chain_plot(steps), overwrite=overwrite)
        source = "" if inputs[text] else f"{escaped(text)}: "
        lines = _as_text(source, steps, bias=bias)
        print_result(lines, _as_object(steps, bias=bias), as_json=as_json, output=output)
    return code


def _image_size(path: str) -> tuple[int, ...]:
    """Return the size of an image file: ([frames,] height, width)."""
    from convfilter.images.reading import read_size

    if not os.path.exists(path):
        raise ImageError("neither a size WxH nor a file")
    found = read_size(path, axes="unclear")
    return (found.frames, found.height, found.width)[found.frames == 1 :]


def _of_axes(value: Any, usual: Any, axes: int) -> Any:
    """Return an option for all axes: numbers are for rows and columns only."""
    if axes < 3 or value is None or isinstance(value, str):
        return value
    return (usual, *value) if isinstance(value, tuple) else (usual, value, value)


def _over_frames(layer: Layer) -> Layer:
    """Return a layer with its frames as the first axis of the window."""
    return layer._replace(
        window=(layer.frames, *layer.window),
        frames=1,
        stride=_of_axes(layer.stride, 1, 3),
        padding=_of_axes(layer.padding, "same", 3),
        dilation=_of_axes(layer.dilation, 1, 3),
    )


def _as_object(steps: Sequence[LayerSizes], *, bias: bool) -> dict[str, Any]:
    """Return the JSON object of the only layer, or one for each and the last output."""
    found = [_step_object(sizes, bias=bias) for sizes in steps]
    return found[0] if len(found) == 1 else {"steps": found, "output": found[-1]["output"]}


def _step_object(sizes: LayerSizes, *, bias: bool) -> dict[str, Any]:
    padding = sizes.padding
    if isinstance(padding, tuple) and len(padding) == 3:  # frames take no number
        padding = padding[1:]
    return {
        "input": _sides(sizes.size),
        "kernel": _sides(sizes.layer.window),
        **({} if padding is None else {"padding": per_axis_in_words(padding)}),
        **{name: _sides(output_of(sizes.rows[name])) for name in ("output", *ROWS) if name in sizes.rows},
        "weights": sizes.weights,
        **({"biases": sizes.biases} if bias else {}),
        "multiplications": sizes.multiplications,
        "fully_connected": sizes.fully_connected,
        "receptive_field": _sides(sizes.receptive_field),
    }


def _sides(size: Sequence[int] | None) -> dict[str, int] | None:
    if size is None:
        return None
    sides = (*reversed(size), 1) if len(size) == 1 else tuple(reversed(size))
    return dict(zip(("width", "height", "frames"), sides, strict=False))


def _as_text(source: str, steps: Sequence[LayerSizes], *, bias: bool) -> Iterator[str]:
    """Yield the report line by line: the only layer in detail, or a table of all."""
    head = f"{source}{_written(steps[0].size, 'x')}"
    yield f"{head} -> {_written(steps[-1].output, 'x')}" if "output" in steps[-1].rows else head
    if len(steps) > 1:
        yield from (f"  {line}" for line in _table(steps, bias=bias))
        return
    yield f"  {steps[0].layer.name}"
    yield from (f"    {line}" for line in _layer_lines(steps[0], bias=bias))


def _table(steps: Sequence[LayerSizes], *, bias: bool) -> Iterator[str]:
    """Yield a line for each layer, and one for all."""
    first = steps[0]
    rows: list[tuple[str, ...]] = [("layer", "output", "parameters", "multiplications", "receptive field")]
    rows.append(("input", f"{_written(first.size)} x {first.channels}", "", "", ""))
    parameters = [sizes.weights + (sizes.biases if bias else 0) for sizes in steps]
    for number, (sizes, count) in enumerate(zip(steps, parameters, strict=True), start=1):
        output = f"{_written(sizes.output)} x {sizes.outputs}"
        numbers = (f"{count:,}", f"{sizes.multiplications:,}", _written(sizes.receptive_field))
        rows.append((f"{number}. {sizes.layer.name}", output, *numbers))
    multiplications = sum(sizes.multiplications for sizes in steps)
    rows.append(("total", "", f"{sum(parameters):,}", f"{multiplications:,}", ""))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = [*map(str.ljust, row[:2], widths), *map(str.rjust, row[2:], widths[2:])]
        yield "  ".join(cells).rstrip()
    yield f"output: {' x '.join([*reversed(AXIS_NAMES[len(first.size)]), 'channels'])}"


def _layer_lines(sizes: LayerSizes, *, bias: bool) -> Iterator[str]:
    names = AXIS_NAMES[len(sizes.size)]
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
    if bias:
        yield f"{'biases':<16} {sizes.biases:,}, with the weights {sizes.weights + sizes.biases:,} parameters"
    yield f"{'multiplications':<16} {sizes.multiplications:,}{counted}"
    yield f"{'fully connected':<16} {sizes.fully_connected:,} weights{counted}"
    yield f"{'receptive field':<16} {_written(sizes.receptive_field)}  ({labels})"


def _written(size: Sequence[int] | None, sign: str = " x ") -> str:
    return "nothing" if size is None else sign.join(str(side) for side in reversed(size))
