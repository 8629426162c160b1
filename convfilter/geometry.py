"""Output sizes, and costs and receptive fields of chains of layers, with plain integers.

Per axis, with ``N`` samples, a kernel of ``K`` weights, dilation ``d``, stride ``s`` and ``P`` samples of
padding before and after together, ``floor((N + P - d*(K - 1) - 1) / s) + 1`` samples come out. Everything
that computes uses the `Axis` made here.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, TypeAlias

from convfilter.errors import ShapeError, brief, counted, did_you_mean, with_name

PADDINGS = ("same", "valid", "full", "same-upper")

AxisPadding: TypeAlias = str | int | tuple[int, int]
Padding: TypeAlias = AxisPadding | Sequence[AxisPadding]
PerAxis: TypeAlias = int | Sequence[int]

_MOST = 10**9
_MOST_SAMPLES = 2**50

AXIS_NAMES = {1: ("length",), 2: ("height", "width"), 3: ("frames", "height", "width")}


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

    def span(self, outputs: int) -> int:
        """Return how many samples some outputs in a row are made of."""
        return (outputs - 1) * self.stride + self.reach

    def named_paddings(self) -> dict[str, tuple[int, int]]:
        """Return the samples before and after that each named padding adds."""
        spread, before = self.reach - 1, self.anchor
        needed = max(0, self.span(-(-self.size // self.stride)) - self.size)
        return {
            "same": (before, spread - before),
            "valid": (0, 0),
            "full": (spread, spread),
            "same-upper": (needed // 2, needed - needed // 2),
        }

    def formula(self) -> str:
        """Return the calculation of `output` with its result, such as ``600 + 1 + 1 - 3 + 1 = 600``."""
        padded = (
            f"{self.size} + {self.before} + {self.after}" if self.before or self.after else f"{self.size}"
        )
        if self.stride == 1 and self.dilation == 1:
            return f"{padded} - {self.kernel} + 1 = {self.output}"
        reach = f"{self.dilation}*({self.kernel} - 1)"
        return f"floor(({padded} - {reach} - 1) / {self.stride}) + 1 = {self.output}"


class TransposedAxis(Axis):
    """An axis of a transposed layer, which turns what an `Axis` makes of its output into that size again.

    Padding is taken away from the output; ``same`` leaves ``N*s``, for which it may be negative.
    """

    __slots__ = ()

    @property
    def output(self) -> int:
        """Samples that come out."""
        return (self.size - 1) * self.stride + self.reach - self.before - self.after

    def named_paddings(self) -> dict[str, tuple[int, int]]:
        """Return the samples before and after that each named padding takes away."""
        spread, excess = self.reach - 1, self.reach - self.stride
        same = (excess // 2, excess - excess // 2)
        return {"same": same, "valid": (0, 0), "full": (spread, spread), "same-upper": same}

    def span(self, outputs: int) -> int:
        """Return how many samples, at most, some outputs in a row are made of."""
        return (outputs + self.reach - 2) // self.stride + 1

    def formula(self) -> str:
        """Return the calculation of `output`, such as ``(14 - 1)*2 + 1*(2 - 1) + 1 = 28``."""
        padding = (self.before, self.after) if self.before or self.after else ()
        less = "".join(f" {'-' if each >= 0 else '+'} {abs(each)}" for each in padding)
        whole = f"({self.size} - 1)*{self.stride} + {self.dilation}*({self.kernel} - 1) + 1"
        return f"{whole}{less} = {self.output}"


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
        ``same-upper`` adds what ``ceil(N/s)`` outputs need, the smaller half before, like SAME in TensorFlow
        and SAME_UPPER in ONNX: ``max(0, (ceil(N/s) - 1)*s + d*(K - 1) + 1 - N)``.
    stride, dilation : int or one int per kernel axis
        At least 1.

    Returns
    -------
    tuple of int
        ``floor((N + P - d*(K - 1) - 1) / s) + 1`` per kernel axis, then the carried axes.

    Raises
    ------
    ShapeError
        If an argument does not fit or the output would be empty.

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
    transposed: bool = False,
    may_be_empty: bool = False,
) -> tuple[Axis, ...]:
    """Check the arguments of `output_shape` and return the `Axis` of each kernel axis.

    `anchor` is the weight on each of the last axes where ``same`` places an output. With `may_be_empty` an
    axis whose output is empty is returned instead of refused.
    """
    sizes, kernel = _integers("shape", shape), _integers("kernel shape", kernel_shape)
    count = len(kernel)
    if count > len(sizes):
        fault = f"a {count}-dimensional kernel does not fit a {len(sizes)}-dimensional array"
        raise ShapeError(f"{fault}: use at most as many axes")
    for holder, sides in (("kernel", kernel), ("array", sizes)):
        if min(sides) < 1:
            raise ShapeError(f"{holder} shape {sides} is empty: every side must be at least 1")
    strides, dilations = (
        _integers(name, _of_each_axis(name, value, count), 1)
        for name, value in (("stride", stride), ("dilation", dilation))
    )
    weights = ((None,) * count + tuple(anchor or ()))[-count:]
    make = TransposedAxis if transposed else Axis
    axes = tuple(
        _padded(make(size, width, stride=step, dilation=spread, weight=weight), pad)
        for size, width, pad, step, spread, weight in zip(
            sizes, kernel, _of_each_axis("padding", padding, count), strides, dilations, weights, strict=False
        )
    )
    outputs = [axis.output for axis in axes]
    # Of large arrays sizes may be asked all the same; this is about padding.
    if min(outputs) > 0 and math.prod(outputs) > max(_MOST_SAMPLES, 2 * math.prod(sizes)):
        made = " x ".join(map(str, outputs))
        raise ShapeError(f"the output has {made} samples, too many for any memory: use a smaller padding")
    names = AXIS_NAMES.get(count) or [f"axis {i}" for i in range(count)]
    for name, axis in zip(names, axes, strict=True):
        if axis.output < 1 and not may_be_empty:
            padded = f" + {axis.before} + {axis.after}" if axis.before or axis.after else ""
            spread = f" ({axis.reach} with dilation {axis.dilation})" if axis.dilation > 1 else ""
            words = "number of frames" if name == "frames" else name
            fault = f"the {words}, {axis.size}{padded}, is smaller than the kernel's, {axis.kernel}{spread}"
            raise ShapeError(
                f"the output is empty: {name} {axis.formula()}; use a smaller padding"
                if transposed
                else f"the output is empty: {fault}; use padding 'same' or a smaller kernel"
            )
    return axes


def _integers(name: str, values: Any, least: int | None = None) -> tuple[int, ...]:
    """Return a number or some as integers, from `least` on if that is given."""
    single = not isinstance(values, Iterable) or isinstance(values, str)
    numbers = []
    for value in [values] if single else values:
        # numpy before 2.3 accepts its own booleans as integers, with a warning.
        if isinstance(value, bool) or str(getattr(value, "dtype", "")) == "bool":
            raise ShapeError(f"{name} {brief(value)} is a boolean: use an integer")
        try:
            numbers.append(operator.index(value))
        except TypeError:
            raise ShapeError(f"{name} {brief(value)} is not an integer") from None
        if least is not None and not least <= numbers[-1] < _MOST:
            raise ShapeError(f"{name} {brief(value)} is out of range: use at least {least}, below {_MOST}")
    if not numbers:
        raise ShapeError(f"{name} () has no axes: use at least one size")
    return tuple(numbers)


def _of_each_axis(name: str, value: Any, count: int) -> tuple[Any, ...]:
    """Return one value, not yet checked, for each kernel axis."""
    if isinstance(value, str) or not isinstance(value, Iterable):
        return (value,) * count
    values = tuple(value)
    if len(values) == count:
        return values
    if (
        name == "padding"
        and len(values) == 2
        and not any(isinstance(each, str | Sequence) for each in values)
    ):
        return (values,) * count
    mend = ", or a (before, after) pair" if name == "padding" else ""
    fault = f"{name} {brief(value)} has {counted(len(values), 'value')} for a {count}-dimensional kernel"
    raise ShapeError(f"{fault}: use one, or one for each axis{mend}")


def _padded(axis: Axis, padding: Any) -> Axis:
    """Return an axis with its padding."""
    named = axis.named_paddings()
    if isinstance(padding, str) and padding not in named:
        raise ShapeError(f"unknown padding {brief(padding)}{did_you_mean(padding, PADDINGS)}")
    numbers = named[padding] if isinstance(padding, str) else _integers("padding", padding, 0)
    if len(numbers) > 2:
        fault = f"padding {brief(padding)} has {len(numbers)} values"
        raise ShapeError(f"{fault}: use a number or a (before, after) pair")
    return axis._replace(before=numbers[0], after=numbers[-1])


# Chains of layers

ROWS = ("valid", "same", "full")
"""The paddings that are considered where none is chosen."""


class Layer(NamedTuple):
    """One layer: its name for messages, the weights along each axis, and how many of them.

    `parts` is 0 for pooling. `channels` are those its kernel is made for, None for any; `outputs` come out,
    None for what the chain says, as is `stride`, `padding` and `dilation`. `frames` are those it spans, which
    are not an axis of the window. `anchor` is that of the kernel, on the last axes.
    """

    name: str
    window: tuple[int, ...]
    parts: int = 1
    channels: int | None = None
    outputs: int | None = None
    frames: int = 1
    anchor: tuple[int, ...] | None = None
    groups: int = 1
    stride: PerAxis | None = None
    padding: Padding | None = None
    dilation: PerAxis | None = None
    transposed: bool = False


class LayerSizes(NamedTuple):
    """What goes into a layer and comes out of it.

    `rows` holds the axes for each padding considered, where `Axis.output` may be below 1; `padding` is the
    one chosen, if any, and `counted` the row that the counts are about and that the next layer follows.
    `biases` is None where they are not counted. `receptive_field` counts the samples of the chain's input
    that one output depends on, along each axis.
    """

    layer: Layer
    size: tuple[int, ...]
    rows: dict[str, tuple[Axis, ...]]
    padding: Padding | None
    channels: int
    outputs: int
    biases: int | None
    receptive_field: tuple[int, ...]

    @property
    def counted(self) -> str:
        """The name of the counted row."""
        return "output" if "output" in self.rows else "valid"

    @property
    def output(self) -> tuple[int, ...] | None:
        """The output size of the counted row, or None."""
        return output_of(self.rows[self.counted])

    @property
    def weights(self) -> int:
        """Weights of all parts, input and output channels, without biases."""
        layer = self.layer
        weights = layer.parts * layer.frames * math.prod(layer.window)
        return weights * self.channels // layer.groups * self.outputs

    @property
    def multiplications(self) -> int:
        """Multiplications of the counted row; transposed, each input sample meets every weight."""
        output = self.output or (0,)
        return self.weights * math.prod(self.size if self.layer.transposed and self.output else output)

    @property
    def fully_connected(self) -> int:
        """Weights of a layer in which every output depends on every input."""
        return self.channels * math.prod(self.size) * self.outputs * math.prod(self.output or (0,))


def output_of(axes: Sequence[Axis]) -> tuple[int, ...] | None:
    """Return the output size of axes, or None if it is empty."""
    sizes = tuple(axis.output for axis in axes)
    return sizes if min(sizes) > 0 else None


def follow(
    size: tuple[int, ...],
    layers: Sequence[Layer],
    *,
    padding: Padding | None = None,
    stride: PerAxis | None = None,
    dilation: PerAxis = 1,
    channels: int | None = None,
    outputs: int | None = None,
    bias: bool = False,
) -> list[LayerSizes]:
    """Follow a size through layers, the output of one being the input of the next.

    The options are for layers that do not have their own. Padding None considers ``valid``, ``same`` and
    ``full`` and counts ``valid``; a chain continues with ``same``. Stride None is 1, for pooling its window.
    `channels` go into the first layer; `outputs` come out of those that do not fix theirs. A size with one
    axis more than the windows begins with its frames. With `bias`
    each output of a layer with weights has one.
    """
    steps: list[LayerSizes] = []
    chain: list[tuple[Axis, ...]] = []  # the axes chosen for each layer
    channels = channels or layers[0].channels or 1
    for number, layer in enumerate(layers, start=1):
        made = layer.outputs or (outputs or 1 if layer.parts else channels)
        _check_channels(layer, channels, made, outputs)
        asked = layer.padding if layer.padding is not None else padding
        chosen = "same" if asked is None and len(layers) > 1 else asked
        paddings: dict[str, Any] = {name: name for name in ROWS if asked is None}
        paddings |= {} if chosen is None else {"output": chosen}
        options: dict[str, Any] = {
            "stride": layer.stride or stride or (1 if layer.parts else layer.window),
            "dilation": layer.dilation or dilation,
        }
        window = layer.window
        if len(size) > len(window):
            window = (layer.frames, *window)
            options = {name: _beside_frames(1, value) for name, value in options.items()}
            paddings = {name: _beside_frames("same", value) for name, value in paddings.items()}
        options |= {"anchor": layer.anchor, "transposed": layer.transposed}
        try:
            rows = {
                name: axes_of(size, window, padding=value, **options, may_be_empty=name != "output")
                for name, value in paddings.items()
            }
        except ShapeError as error:
            raise (with_name(error, f"layer {number}, {layer.name}") if len(layers) > 1 else error) from None
        if isinstance(chosen, str):
            rows[chosen] = rows["output"]
        chain.append(rows["valid" if chosen is None else "output"])
        field = (1,) * len(size)
        for axes in reversed(chain):
            field = tuple(axis.span(seen) for axis, seen in zip(axes, field, strict=True))
        biases = (made if layer.parts else 0) if bias else None
        steps.append(LayerSizes(layer, size, rows, chosen, channels, made, biases, field))
        size, channels = tuple(axis.output for axis in chain[-1]), made
    return steps


def _beside_frames(usual: Any, value: Any) -> Any:
    """Return an option for three axes; numbers are for rows and columns, `usual` is for frames."""
    if isinstance(value, str):
        return value
    return (usual, *value) if isinstance(value, tuple) else (usual, value, value)


def _check_channels(layer: Layer, channels: int, made: int, outputs: int | None) -> None:
    """Refuse channels that do not fit a layer; `outputs` are those asked of every layer."""
    name, groups = layer.name, layer.groups
    if channels % groups or made % groups:
        raise ShapeError(
            f"{name}: {groups} groups do not fit {channels} -> {made} channels: both must be multiples "
            f"of {groups} (set --in-channels and out=)"
        )
    if layer.channels not in (None, channels // groups):
        raise ShapeError(f"{name} expects {layer.channels * groups} input channels but gets {channels}")
    if layer.channels is not None and outputs not in (None, layer.outputs):
        raise ShapeError(f"{name}: expected {outputs} output channels, got {layer.outputs}")
