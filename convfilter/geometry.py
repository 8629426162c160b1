"""Output sizes from padding, stride and dilation, with plain integers.

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

__all__ = ["AXIS_NAMES", "PADDINGS", "Axis", "Padding", "PerAxis", "TransposedAxis", "axes_of"]
__all__ += ["output_shape"]

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
    axis from which nothing comes out is returned instead of refused.
    """
    sizes, kernel = _integers("shape", shape), _integers("kernel shape", kernel_shape)
    count = len(kernel)
    if count > len(sizes):
        raise ShapeError(
            f"a kernel of {count} axes does not fit an array of {len(sizes)}: use at most as many"
        )
    for holder, sides in (("kernel", kernel), ("array", sizes)):
        if min(sides) < 1:
            raise ShapeError(f"{holder} shape {sides} is empty: every side must be at least 1")
    strides, dilations = _per_axis("stride", stride, count), _per_axis("dilation", dilation, count)
    weights = ((None,) * count + tuple(anchor or ()))[-count:]
    make = TransposedAxis if transposed else Axis
    axes = tuple(
        _padded(make(size, width, stride=step, dilation=spread, weight=weight), pad)
        for size, width, pad, step, spread, weight in zip(
            sizes, kernel, _paddings(padding, count), strides, dilations, weights, strict=False
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
            fault = f"{axis.size}{padded} is smaller than the kernel's {axis.kernel}{spread}"
            raise ShapeError(
                f"nothing comes out: {name} {axis.formula()}; use a smaller padding"
                if transposed
                else f"nothing comes out: {name} {fault}; use padding 'same' or a smaller kernel"
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


def _per_axis(name: str, value: PerAxis, count: int) -> tuple[int, ...]:
    """Return one positive integer for each kernel axis."""
    numbers = _integers(name, value, 1)
    if not isinstance(value, Iterable):
        numbers *= count
    if len(numbers) != count:
        fault = f"{name} {brief(value)} has {len(numbers)} values for {count} kernel axes"
        raise ShapeError(f"{fault}: use one, or one for each")
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
    fault = f"padding {brief(padding)} has {len(values)} values for {count} kernel axes"
    raise ShapeError(f"{fault}: use one, one for each, or a (before, after) pair for each")


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
