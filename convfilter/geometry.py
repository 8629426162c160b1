"""Sizes without computing: padding, stride and dilation, and chains of layers, on plain integers.

Per axis, with ``N`` samples, a kernel of ``K`` weights, dilation ``d``, stride ``s`` and ``P`` samples of
padding before and after together, ``floor((N + P - d*(K - 1) - 1) / s) + 1`` samples come out. Everything
that computes uses the `Axis` made here.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, TypeAlias

from convfilter.errors import ShapeError, brief, did_you_mean

__all__ = ["PADDINGS", "ROWS", "Axis", "Layer", "LayerSizes", "Padding", "PerAxis", "axes_of"]
__all__ += ["follow", "output_of", "output_shape"]

PADDINGS = ("same", "valid", "full", "same-upper")
ROWS = ("valid", "same", "full")  # where no padding is chosen

AxisPadding: TypeAlias = str | int | tuple[int, int]
Padding: TypeAlias = AxisPadding | Sequence[AxisPadding]
PerAxis: TypeAlias = int | Sequence[int]

_AXIS_NAMES = {1: ("length",), 2: ("height", "width"), 3: ("frames", "height", "width")}


class Axis(NamedTuple):
    """One axis: ``N`` samples, ``K`` weights, samples of padding on either side, stride and dilation.

    `weight` is the one at the anchor, None for the usual place.
    """

    size: int
    kernel: int
    before: int = 0
    after: int = 0
    stride: int = 1
    dilation: int = 1
    weight: int | None = None

    @property
    def reach(self) -> int:
        """Samples from the first weight to the last, both included."""
        return self.dilation * (self.kernel - 1) + 1

    @property
    def anchor(self) -> int:
        """The sample under the kernel where ``same`` places an output, counted from the first weight."""
        return (self.reach - 1) // 2 if self.weight is None else self.dilation * self.weight

    @property
    def output(self) -> int:
        """Samples that come out; zero or less for nothing."""
        return (self.size + self.before + self.after - self.reach) // self.stride + 1

    def formula(self) -> str:
        """Return the calculation of `output` with its result, such as ``600 + 1 + 1 - 3 + 1 = 600``."""
        padded = (
            f"{self.size} + {self.before} + {self.after}" if self.before or self.after else f"{self.size}"
        )
        if self.stride == 1 and self.dilation == 1:
            return f"{padded} - {self.kernel} + 1 = {self.output}"
        reach = f"{self.dilation}*({self.kernel} - 1)"
        return f"floor(({padded} - {reach} - 1) / {self.stride}) + 1 = {self.output}"


def output_shape(
    shape: int | Sequence[int],
    kernel_shape: int | Sequence[int],
    *,
    padding: Padding = "same",
    stride: PerAxis = 1,
    dilation: PerAxis = 1,
) -> tuple[int, ...]:
    """Return the shape of a correlation's result without computing it.

    Parameters
    ----------
    shape : int or sequence of int
        Shape of the input array. Axes after those of the kernel are carried along.
    kernel_shape : int or sequence of int
        Shape of the kernel; its axes match the leading axes of `shape`.
    padding : {"same", "valid", "full", "same-upper"}, int, (before, after), or one of these per kernel axis
        ``same`` adds ``d*(K - 1)`` samples, the smaller half before; ``full`` that many on each side.
        ``same-upper`` adds what ``ceil(N/s)`` outputs need, the smaller half before, as SAME in TensorFlow
        and SAME_UPPER in ONNX do: ``max(0, (ceil(N/s) - 1)*s + d*(K - 1) + 1 - N)``.
    stride, dilation : int or one int per kernel axis
        At least 1.

    Returns
    -------
    tuple of int
        ``floor((N + P - d*(K - 1) - 1) / s) + 1`` per kernel axis, then the carried axes.

    Raises
    ------
    ShapeError
        If an argument does not fit or if no sample would come out.

    Examples
    --------
    >>> output_shape((28, 28), (3, 3), padding="valid")
    (26, 26)
    >>> output_shape((400, 600, 3), (3, 3), stride=2)
    (200, 300, 3)
    """
    sizes = _integers("shape", shape)
    axes = axes_of(sizes, kernel_shape, padding=padding, stride=stride, dilation=dilation)
    return tuple(axis.output for axis in axes) + sizes[len(axes) :]


def axes_of(
    shape: int | Sequence[int],
    kernel_shape: int | Sequence[int],
    *,
    padding: Padding = "same",
    stride: PerAxis = 1,
    dilation: PerAxis = 1,
    anchor: Sequence[int] | None = None,
    may_be_empty: bool = False,
) -> tuple[Axis, ...]:
    """Check the arguments of `output_shape` and return the `Axis` of each kernel axis.

    `anchor` is the weight on each of the last axes where ``same`` places an output. With `may_be_empty` an
    axis from which nothing comes out is returned instead of refused.
    """
    sizes, kernel = _integers("shape", shape), _integers("kernel shape", kernel_shape)
    if len(kernel) > len(sizes):
        raise ShapeError(
            f"a kernel of {len(kernel)} axes does not fit an array of {len(sizes)}: give it no more axes"
        )
    if any(size < 1 for size in kernel):
        raise ShapeError(f"a kernel of shape {kernel} holds no weights: every side must be at least 1")
    if any(size < 1 for size in sizes):
        raise ShapeError(f"an array of shape {sizes} holds no samples: every side must be at least 1")
    count = len(kernel)
    strides, dilations = _per_axis("stride", stride, count), _per_axis("dilation", dilation, count)
    paddings = _paddings(padding, count)
    weights = ((None,) * count + tuple(anchor or ()))[-count:]
    axes = tuple(
        _padded(Axis(size, width, stride=step, dilation=spread, weight=weight), pad)
        for size, width, pad, step, spread, weight in zip(
            sizes, kernel, paddings, strides, dilations, weights, strict=False
        )
    )
    names = _AXIS_NAMES.get(count) or [f"axis {i}" for i in range(count)]
    for name, axis in zip(names, axes, strict=True):
        if axis.output < 1 and not may_be_empty:
            padded = f" + {axis.before} + {axis.after}" if axis.before or axis.after else ""
            spread = f" ({axis.reach} with dilation {axis.dilation})" if axis.dilation > 1 else ""
            raise ShapeError(
                f"nothing comes out: {name} {axis.size}{padded} is smaller than the kernel's "
                f"{axis.kernel}{spread}; pad with 'same' or take a smaller kernel"
            )
    return axes


def _integer(name: str, value: Any) -> int:
    # numpy before 2.3 accepts its own booleans as integers, with a warning.
    if isinstance(value, bool) or str(getattr(value, "dtype", "")) == "bool":
        raise ShapeError(f"{name} {brief(value)} is a truth value: give an integer")
    try:
        return operator.index(value)
    except TypeError:
        raise ShapeError(f"{name} {brief(value)} is not an integer") from None


def _integers(name: str, values: Any) -> tuple[int, ...]:
    if not isinstance(values, Iterable) or isinstance(values, str):
        return (_integer(name, values),)
    numbers = tuple(_integer(name, value) for value in values)
    if not numbers:
        raise ShapeError(f"{name} () has no axes: give at least one size")
    return numbers


def _per_axis(name: str, value: PerAxis, count: int) -> tuple[int, ...]:
    """Return one positive integer for each kernel axis."""
    numbers = _integers(name, value)
    if not isinstance(value, Iterable):
        numbers *= count
    if len(numbers) != count:
        raise ShapeError(
            f"{name} {brief(value)} has {len(numbers)} values for {count} kernel axes: "
            "give one, or one for each"
        )
    for number in numbers:
        if number < 1:
            raise ShapeError(f"{name} {brief(number)} is too small: it must be at least 1")
    return numbers


def _paddings(padding: Any, count: int) -> tuple[Any, ...]:
    """Return one padding, not yet checked, for each kernel axis."""
    if isinstance(padding, str) or not isinstance(padding, Iterable):
        return (padding,) * count
    values = tuple(padding)
    if len(values) == count:
        return values
    if len(values) == 2 and not any(isinstance(value, str | Sequence) for value in values):
        return (values,) * count
    raise ShapeError(
        f"padding {brief(padding)} has {len(values)} values for {count} kernel axes: "
        "give one, one for each, or a (before, after) pair for each"
    )


def _padded(axis: Axis, padding: Any) -> Axis:
    """Return an axis with its padding."""
    if isinstance(padding, str):
        spread, before = axis.reach - 1, axis.anchor
        needed = max(0, (-(-axis.size // axis.stride) - 1) * axis.stride + axis.reach - axis.size)
        named = {
            "same": (before, spread - before),
            "valid": (0, 0),
            "full": (spread, spread),
            "same-upper": (needed // 2, needed - needed // 2),
        }
        if padding not in named:
            raise ShapeError(f"unknown padding {brief(padding)}{did_you_mean(padding, PADDINGS)}")
        before, after = named[padding]
        return axis._replace(before=before, after=after)
    numbers = _integers("padding", padding)
    if len(numbers) not in (1, 2):
        raise ShapeError(
            f"padding {brief(padding)} has {len(numbers)} values: give a number or a (before, after) pair"
        )
    for number in numbers:
        if number < 0:
            raise ShapeError(f"padding {brief(number)} is negative: it must be at least 0")
    return axis._replace(before=numbers[0], after=numbers[-1])


class Layer(NamedTuple):
    """One layer: its name for messages, the weights along each axis, and how many of them.

    `channels` and `outputs` are those its kernel is made for, None for any. `frames` are those it spans
    where they are not an axis of the window. `anchor` is that of the kernel, on the last axes.
    """

    name: str
    window: tuple[int, ...]
    parts: int = 1
    channels: int | None = None
    outputs: int | None = None
    frames: int = 1
    anchor: tuple[int, ...] | None = None


class LayerSizes(NamedTuple):
    """What goes into a layer and comes out of it.

    `rows` holds the axes for each padding considered, where `Axis.output` may be below 1; `counted` is
    the row that the counts are about, and that the next layer follows. `receptive_field` counts the samples
    of the chain's input that one output depends on, along each axis.
    """

    layer: Layer
    size: tuple[int, ...]
    rows: dict[str, tuple[Axis, ...]]
    counted: str
    channels: int
    outputs: int
    receptive_field: tuple[int, ...]

    @property
    def output(self) -> tuple[int, ...] | None:
        """The output size of the counted row, or None."""
        return output_of(self.rows[self.counted])

    @property
    def weights(self) -> int:
        """Weights of all parts, input and output channels, without biases."""
        layer = self.layer
        return layer.parts * layer.frames * math.prod(layer.window) * self.channels * self.outputs

    @property
    def multiplications(self) -> int:
        """Multiplications of the counted row."""
        return self.weights * math.prod(self.output or (0,))

    @property
    def fully_connected(self) -> int:
        """Weights of a layer in which every output depends on every input."""
        return self.channels * math.prod(self.size) * self.outputs * math.prod(self.output or (0,))


def output_of(axes: Sequence[Axis]) -> tuple[int, ...] | None:
    """Return the output size of axes, or None if nothing comes out."""
    sizes = tuple(axis.output for axis in axes)
    return sizes if min(sizes) > 0 else None


def follow(
    size: tuple[int, ...],
    layers: Sequence[Layer],
    *,
    padding: Padding | None = None,
    stride: PerAxis = 1,
    dilation: PerAxis = 1,
    channels: int | None = None,
    outputs: int | None = None,
) -> list[LayerSizes]:
    """Follow a size through layers, the output of one being the input of the next.

    Padding None considers ``valid``, ``same`` and ``full`` and counts ``valid``; a chain continues with
    ``same``. `channels` go into the first layer; `outputs` come out of those that do not fix theirs.
    """
    steps = []
    field, jump = (1,) * len(size), (1,) * len(size)
    chained = padding if padding is not None or len(layers) == 1 else "same"
    channels = channels or layers[0].channels or 1
    options: dict[str, Any] = {"stride": stride, "dilation": dilation}
    for layer in layers:
        if layer.channels not in (None, channels):
            raise ShapeError(f"{layer.name} is made for {layer.channels} channels and {channels} go in")
        if layer.outputs is not None and outputs not in (None, layer.outputs):
            raise ShapeError(f"{layer.name} gives {layer.outputs} channels, not {outputs}")
        rows = {
            name: axes_of(size, layer.window, padding=name, anchor=layer.anchor, **options, may_be_empty=True)
            for name in (ROWS if padding is None else ())
        }
        if chained is not None:
            rows["output"] = axes_of(size, layer.window, padding=chained, anchor=layer.anchor, **options)
            if isinstance(chained, str):
                rows[chained] = rows["output"]
        counted = "output" if chained is not None else "valid"
        axes = rows[counted]
        field = tuple(
            seen + (axis.reach - 1) * step for seen, axis, step in zip(field, axes, jump, strict=True)
        )
        made = layer.outputs or outputs or 1
        steps.append(LayerSizes(layer, size, rows, counted, channels, made, field))
        jump = tuple(step * axis.stride for step, axis in zip(jump, axes, strict=True))
        size, channels = tuple(axis.output for axis in axes), made
    return steps
