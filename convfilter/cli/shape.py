"""``convfilter shape``: sizes and costs of kernels and of chains of layers, such as ``5x5:out=6``."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import click

from convfilter.cli import options
from convfilter.cli.report import calculation, draw, filter_in_words, per_axis_in_words, print_result
from convfilter.errors import ImageError, OptionError, ShapeError, brief, complain, did_you_mean, escaped
from convfilter.geometry import AXIS_NAMES, ROWS, Layer, LayerSizes, Padding, PerAxis, follow, output_of
from convfilter.kernels import Kernel, get_kernel
from convfilter.options import FilterOptions, declared, read_whole


def _read_transposed(text: str) -> bool:
    if text:
        raise OptionError(f"{brief(text)}: it takes no value")
    return True


# A layer's own options: `5x5:out=6`, `pool2x2`, `sobel:stride=2`.
_READERS: dict[str, Callable[[str], Any]] = {
    "out": read_whole,
    "groups": read_whole,
    "transposed": _read_transposed,
    **{each.name: each.read for each in declared(FilterOptions) if each.read and each.name in Layer._fields},
}
_OF_POOLS = {"stride", "padding", "dilation"}
# Layers as they are called elsewhere, and here.
_GUESSES = {
    r"conv(?:2d)?[-_]?(\d+x\d+)": r"a convolution is written \1",
    r"(?:max|avg|average|mean)[-_]?pool(?:2d|ing)?[-_]?(\d+x\d+)": r"pooling is written pool\1",
    r"(?:fc|dense|linear)[-_]?(\d+)": r"a dense layer is written WxH:out=\1, with WxH the size of its input",
}


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
@options.json
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
    inputs = {text: _read_size(text.replace(",", "x")) for text in sizes}
    # All kernels are checked before anything is printed.
    chains = {
        axes: [_read_layer(text, axes, known) for text in kernels]
        for axes in {2 if size is None else len(size) for size in inputs.values()}
    }
    if output is not None:
        from convfilter.drawing import check_drawing

        if len(sizes) > 1:
            raise OptionError(f"-o draws the layers of one size, not of {len(sizes)}: use one")
        check_drawing(output, sizes, overwrite=overwrite)
    code = 0
    for text in sizes:
        try:
            size = inputs[text] or _image_size(text)
            chain = chains[min(len(size), 2)]
            if all(layer.frames == 1 for layer in chain):
                size = size[-2:]
            steps = follow(
                size,
                chain,
                padding=padding,
                stride=stride,
                dilation=dilation,
                channels=in_channels,
                outputs=out_channels,
                bias=bias,
            )
        except (ImageError, ShapeError) as error:
            complain(f"{text}: {error}")
            code = 1
            continue
        if output is not None:
            from convfilter.drawing.plots import chain_plot

            draw(output, chain_plot(steps), overwrite=overwrite)
        source = "" if inputs[text] else f"{escaped(text)}: "
        lines = _as_text(source, steps)
        print_result(lines, _as_object(steps), as_json=as_json, output=output)
    return code


def _image_size(path: str) -> tuple[int, ...]:
    """Return the size of an image file: ([frames,] height, width)."""
    from convfilter.images.reading import read_size

    if not os.path.exists(path):
        raise ImageError("neither a size WxH nor a file")
    found = read_size(path, axes="unclear")
    return (found.frames, found.height, found.width)[found.frames == 1 :]


def _as_object(steps: Sequence[LayerSizes]) -> dict[str, Any]:
    """Return the JSON object of the only layer, or one for each and the last output."""
    found = [_step_object(sizes) for sizes in steps]
    return found[0] if len(found) == 1 else {"steps": found, "output": found[-1]["output"]}


def _step_object(sizes: LayerSizes) -> dict[str, Any]:
    padding = {} if sizes.padding is None else {"padding": per_axis_in_words(sizes.padding)}
    return {
        "input": _sides(sizes.size),
        "kernel": _sides([axis.kernel for axis in sizes.rows[sizes.counted]]),
        **padding,
        **{name: _sides(output_of(sizes.rows[name])) for name in ("output", *ROWS) if name in sizes.rows},
        "weights": sizes.weights,
        **({} if sizes.biases is None else {"biases": sizes.biases}),
        "multiplications": sizes.multiplications,
        "fully_connected": sizes.fully_connected,
        "receptive_field": _sides(sizes.receptive_field),
    }


def _sides(size: Sequence[int] | None) -> dict[str, int] | None:
    if size is None:
        return None
    sides = (*reversed(size), 1) if len(size) == 1 else tuple(reversed(size))
    return dict(zip(("width", "height", "frames"), sides, strict=False))


def _as_text(source: str, steps: Sequence[LayerSizes]) -> Iterator[str]:
    """Yield the report line by line: the only layer in detail, or a table of all."""
    head = f"{source}{_written(steps[0].size, 'x')}"
    yield f"{head} -> {_written(steps[-1].output, 'x')}" if "output" in steps[-1].rows else head
    if len(steps) > 1:
        yield from (f"  {line}" for line in _table(steps))
        return
    yield f"  {steps[0].layer.name}"
    yield from (f"    {line}" for line in _layer_lines(steps[0]))


def _table(steps: Sequence[LayerSizes]) -> Iterator[str]:
    """Yield a line for each layer, and one for all."""
    first = steps[0]
    rows: list[tuple[str, ...]] = [("layer", "output", "parameters", "multiplications", "receptive field")]
    rows.append(("input", f"{_written(first.size)} x {first.channels}", "", "", ""))
    parameters = [sizes.weights + (sizes.biases or 0) for sizes in steps]
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


def _layer_lines(sizes: LayerSizes) -> Iterator[str]:
    names = AXIS_NAMES[len(sizes.size)]
    labels = f"  ({' x '.join(reversed(names))})"
    counted = "" if sizes.counted == "output" else f"  ({sizes.counted})"
    if not counted:
        yield f"{'output':<16} {_written(sizes.output)}{labels}"
        yield from calculation(sizes.rows["output"])
    column = 12 if len(names) < 3 else 19
    for name in ROWS if counted else ():
        axes = sizes.rows[name]
        pairs = reversed(list(zip(names, axes, strict=True)))  # in the order of WxH
        formulas = "   ".join(f"{each} {axis.formula()}" for each, axis in pairs)
        yield f"{name:<16} {_written(output_of(axes)):<{column}} {formulas}"
    several = (sizes.channels, sizes.outputs) != (1, 1)
    channels = f", {sizes.channels} -> {sizes.outputs} channels" if several else ""
    yield f"{'weights':<16} {sizes.weights:,}{channels}"
    if sizes.biases is not None:
        yield f"{'biases':<16} {sizes.biases:,}, with the weights {sizes.weights + sizes.biases:,} parameters"
    yield f"{'multiplications':<16} {sizes.multiplications:,}{counted}"
    yield f"{'fully connected':<16} {sizes.fully_connected:,} weights{counted}"
    yield f"{'receptive field':<16} {_written(sizes.receptive_field)}{labels}"


def _written(size: Sequence[int] | None, sign: str = " x ") -> str:
    return "nothing" if size is None else sign.join(str(side) for side in reversed(size))


# Reading layers


def _read_size(text: str) -> tuple[int, ...] | None:
    """Return a size; None for a text that is not one, such as numbers with commas, which are a matrix."""
    if not re.fullmatch("[0-9]+([xX\N{MULTIPLICATION SIGN}][0-9]+)*", text):
        return None
    if len(re.findall("[0-9]+", text)) > 2:
        raise OptionError(f"{escaped(text)} is not a size WxH: channels go with --in-channels and out=")
    return options.read_size(text)


def _read_layer(text: str, axes: int, known: Mapping[str, Kernel]) -> Layer:
    """Return the layer that a text stands for, over an input of `axes` axes."""
    try:
        spec, texts = _split(text)
        for pattern, answer in _GUESSES.items():
            if (found := re.fullmatch(pattern, spec.strip().lower())) and spec not in known:
                raise OptionError(found.expand(answer))
        layer = _typed_layer(spec, axes) or _kernel_layer(get_kernel(spec, known), axes)
        own = {name: _read(name, value) for name, value in texts.items()}
        if len(layer.window) > axes:
            raise OptionError("it has two dimensions and a size has one: write sizes as WxH")
        outputs = own.pop("out", layer.outputs)
        if layer.outputs not in (None, outputs):
            raise OptionError(f"the kernel has {layer.outputs} outputs: remove 'out'")
        if not layer.parts and (wrong := sorted(texts.keys() - _OF_POOLS)):
            raise OptionError(f"pooling has no weights: remove '{wrong[0]}'")
    except OptionError as error:
        raise OptionError(f"layer {brief(text)}: {error}") from None
    words = [f"{name} {value}".rstrip() for name, value in texts.items() if name != "out"]
    return layer._replace(name=", ".join([layer.name, *words]), outputs=outputs, **own)


def _split(text: str) -> tuple[str, dict[str, str]]:
    """Split a text into the kernel with its parameters, and the layer's own options."""
    spec, _, rest = text.partition(":")
    own: dict[str, str] = {}
    others = []
    # A comma without a name after it continues a value.
    for item in re.split(rf",(?=\w+=|(?:{'|'.join(_READERS)})(?:,|$))", rest.replace(" ", "")):
        name, _, value = item.partition("=")
        if name not in _READERS:
            others.append(item)
        elif name in own:
            raise OptionError(f"{name} is set twice")
        else:
            own[name] = value
    return f"{spec}:{','.join(others)}".rstrip(":") if own else text, own


def _read(name: str, text: str) -> Any:
    if ":" in text:
        raise OptionError(f"write {name}={text.replace(':', ',')}: a comma separates options")
    try:
        return _READERS[name](text)
    except OptionError as error:
        raise OptionError(f"{name}: {error}") from None


def _typed_layer(spec: str, axes: int) -> Layer | None:
    """Return the layer of a size, or of a pool and its size; None for any other text."""
    head, colon, word = spec.strip().partition(":")
    size = head.lower().removeprefix("pool")
    window = _read_size(size)
    if window is None:
        return None
    if colon:
        raise OptionError(f"unknown option {brief(word)}{did_you_mean(word.partition('=')[0], _READERS)}")
    window *= 2 // len(window) if axes == 2 else 1
    pools = size != head.lower()
    return Layer(f"{'pool' if pools else 'kernel'} {size}", window, parts=0 if pools else 1)


def _kernel_layer(kernel: Kernel, axes: int) -> Layer:
    window = (kernel.height, kernel.width)[axes == 1 and kernel.height == 1 :]
    inputs = kernel.shape[kernel.axes.index("channel")] if "channel" in kernel.axes else None
    outputs = None if inputs is None else kernel.shape[0] if "output" in kernel.axes else 1
    name = filter_in_words(kernel)
    return Layer(name, window, len(kernel.parts), inputs, outputs, kernel.frames, kernel.anchor)
