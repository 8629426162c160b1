"""What size comes out: the arithmetic of padding, stride and dilation on plain integers.

Per axis, with ``N`` samples, a kernel of ``K`` weights, dilation ``d``, stride ``s`` and ``P`` samples of
padding before and after together, ``floor((N + P - d*(K - 1) - 1) / s) + 1`` samples come out. Everything
that computes obeys the `Axis` made here.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, TypeAlias

from convfilter.errors import ShapeError
from convfilter.messages import brief, propose

__all__ = ["BORDERS", "PADDINGS", "Axis", "Padding", "PerAxis", "axes_of", "output_shape"]

PADDINGS = ("same", "valid", "full")
BORDERS = ("edge", "symmetric", "reflect", "wrap", "zero", "constant")

AxisPadding: TypeAlias = str | int | tuple[int, int]
Padding: TypeAlias = AxisPadding | Sequence[AxisPadding]
PerAxis: TypeAlias = int | Sequence[int]

_AXIS_NAMES = {1: ("length",), 2: ("height", "width"), 3: ("frames", "height", "width")}


class Axis(NamedTuple):
    """One axis of a convolution.

    Attributes
    ----------
    size : int
        Samples of the input, ``N``.
    kernel : int
        Weights of the kernel, ``K``.
    before, after : int
        Samples of padding on either side.
    stride, dilation : int
        Distance between two outputs, and between two weights, in samples.
    """

    size: int
    kernel: int
    before: int = 0
    after: int = 0
    stride: int = 1
    dilation: int = 1

    @property
    def reach(self) -> int:
        """Samples from the kernel's first weight to its last, both counted."""
        return self.dilation * (self.kernel - 1) + 1

    @property
    def anchor(self) -> int:
        """The sample under the kernel that ``same`` puts an output at, counted from its first weight."""
        return (self.reach - 1) // 2

    @property
    def output(self) -> int:
        """Samples that come out; zero or less when nothing does."""
        return (self.size + self.before + self.after - self.reach) // self.stride + 1

    def formula(self) -> str:
        """Return the calculation of `output` as text, its result included.

        Examples
        --------
        >>> Axis(600, 3, 1, 1).formula()
        '600 + 1 + 1 - 3 + 1 = 600'
        >>> Axis(600, 3, 2, 2, stride=2, dilation=2).formula()
        'floor((600 + 2 + 2 - 2*(3 - 1) - 1) / 2) + 1 = 300'
        """
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
    """Tell the shape that a correlation gives, before anything is computed.

    Parameters
    ----------
    shape : int or sequence of int
        Shape of the input array. Axes past those of the kernel are carried along.
    kernel_shape : int or sequence of int
        Shape of the kernel; its axes match the leading axes of `shape`.
    padding : {"same", "valid", "full"}, int, (before, after), or one of these per kernel axis
        ``same`` adds ``d*(K - 1)`` samples, the smaller half before; ``full`` that many on each side.
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
    may_be_empty: bool = False,
) -> tuple[Axis, ...]:
    """Check the arguments of a correlation and return one `Axis` for each axis of the kernel.

    Parameters are those of `output_shape`; with `may_be_empty` an axis from which nothing comes out is
    returned like any other instead of being refused.

    Raises
    ------
    ShapeError
        As `output_shape`.
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
    axes = []
    for size, width, pad, step, spread in zip(
        sizes, kernel, _paddings(padding, count), strides, dilations, strict=False
    ):
        before, after = _samples(pad, width, spread)
        axes.append(Axis(size, width, before, after, step, spread))
    if not may_be_empty:
        _refuse_empty(axes)
    return tuple(axes)


def _refuse_empty(axes: Sequence[Axis]) -> None:
    names = _AXIS_NAMES.get(len(axes)) or [f"axis {i}" for i in range(len(axes))]
    for name, axis in zip(names, axes, strict=True):
        if axis.output < 1:
            padded = f" + {axis.before} + {axis.after}" if axis.before or axis.after else ""
            spread = f" ({axis.reach} with dilation {axis.dilation})" if axis.dilation > 1 else ""
            raise ShapeError(
                f"nothing comes out: {name} {axis.size}{padded} is smaller than the kernel's "
                f"{axis.kernel}{spread}; pad with 'same' or take a smaller kernel"
            )


def _integer(name: str, value: Any) -> int:
    # numpy before 2.3 lets its own truth values pass for integers, with a warning.
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
    """One positive integer for each kernel axis."""
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
    """One padding for each kernel axis, still unchecked."""
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


def _samples(padding: Any, kernel: int, dilation: int) -> tuple[int, int]:
    """The samples before and after that a padding stands for on one axis."""
    spread = dilation * (kernel - 1)
    if isinstance(padding, str):
        if padding == "same":
            return spread // 2, spread - spread // 2
        if padding in ("valid", "full"):
            return (spread, spread) if padding == "full" else (0, 0)
        raise ShapeError(f"unknown padding {brief(padding)}{propose(padding, PADDINGS)}")
    numbers = _integers("padding", padding)
    if len(numbers) not in (1, 2):
        raise ShapeError(
            f"padding {brief(padding)} has {len(numbers)} values: give a number or a (before, after) pair"
        )
    for number in numbers:
        if number < 0:
            raise ShapeError(f"padding {brief(number)} is negative: it must be at least 0")
    return numbers[0], numbers[-1]
