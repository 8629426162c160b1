"""The kernel: tables of weights, checked once, and how their results are combined into one value."""

from __future__ import annotations

import contextlib
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from convfilter.errors import KernelError, brief, counted, did_you_mean, escaped, figure
from convfilter.options import Range, choices

if TYPE_CHECKING:
    from fractions import Fraction

    import numpy as np
    from numpy.typing import NDArray

AXES = ("column", "row,column", "channel,row,column", "output,channel,row,column", "frame,row,column")
LARGEST_SIDE = 1023
NAME = r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,63}"
NAMES = "names are letters, digits and _.+- after a letter or digit, at most 64"
ZERO_SUM = 1e-6

_COMBINES = ("magnitude", "maximum", "sum")
# A name with parameters becomes part of file names.
_FULL_NAME = NAME + r"(:[A-Za-z0-9_.+=,()-]+)?"
_EXACT = 2**53  # integers up to here are exact in float64
_LEVELS = 255  # of 8 bits: offsets are often meant as one of them
_FLOAT32_LARGEST = (2 - 2.0**-23) * 2.0**127
_FLOAT32_SMALLEST = 2.0**-126  # of the normal numbers


class FieldError(KernelError):
    """A kernel refused because of one of its fields; for a kernel file, because of a key."""

    def __init__(self, field: str, reason: object, kernel: str = "") -> None:
        super().__init__(field, str(reason), kernel)
        self.field, self.reason, self.kernel = field, str(reason), kernel

    def __str__(self) -> str:
        places = [f"kernel {quoted(self.kernel)}"] if self.kernel else []
        places += [escaped(self.field, longest=80)] if self.field else []
        return ": ".join([*places, self.reason])

    def renamed(self, **names: str) -> FieldError:
        """Return the error as a file states it, which has its own names, or none, for some fields."""
        return FieldError(names.get(self.field, self.field), self.reason)


@contextlib.contextmanager
def blaming(field: str, kernel: str = "") -> Iterator[None]:
    """Raise errors again as those of a field."""
    try:
        yield
    except KernelError as error:
        raise FieldError(field, error, kernel) from None


def quoted(text: str) -> str:
    """Return a name or value in quotes, on one line and shortened."""
    return f"'{escaped(text, longest=80)}'"


def choice(value: object, choices: Sequence[str]) -> str:
    """Return the value if it is one of the choices."""
    if not isinstance(value, str) or value not in choices:
        raise KernelError(f"unknown value {brief(value)}{did_you_mean(value, choices)}")
    return value


def number(value: object) -> int | float:
    """Return a finite number within float32; an integral one as int."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        shown = "a boolean" if isinstance(value, bool) else brief(value)
        raise KernelError(f"{shown} is not a number")
    if isinstance(value, float) and not math.isfinite(value):
        raise KernelError(f"{value} is not a finite number")
    if abs(value) > _FLOAT32_LARGEST:
        raise KernelError("a number beyond float32, whose largest is 3.4e+38")
    return int(value) if value == int(value) else float(value)


def _table(
    value: object, axes: Sequence[str], first: Any = None, index: tuple[int, ...] = ()
) -> tuple[Any, ...]:
    """Return nested lists as nested tuples of checked numbers; each list is as long as the `first` there."""

    def words_of(place: tuple[int, ...]) -> str:
        return ", ".join(f"{axis} {at}" for axis, at in zip(axes, place, strict=False))

    def error(reason: object, *place: int) -> KernelError:
        words = words_of((*index, *place))
        return KernelError(f"{words}: {reason}" if words else str(reason))

    axis = axes[len(index)]
    if not isinstance(value, list | tuple):
        raise error(f"expected a list of {axis}s, got {brief(value)}")
    if not value:
        raise error("empty")
    if len(value) > LARGEST_SIDE:
        raise error(f"{len(value)} {axis}s: the limit is {LARGEST_SIDE}")
    first = value if first is None else first
    if len(value) != len(first):
        count = f"{len(value)} {axis}{'s' if len(value) > 1 else ''}"
        expected = f"the first {axes[len(index) - 1]} has {len(first)}"
        raise KernelError(f"{words_of(index)} has {count}, but {expected}")
    if axis != axes[-1]:
        return tuple(_table(each, axes, first[0], (*index, place)) for place, each in enumerate(value))
    numbers: list[int | float] = []
    try:
        for each in value:
            numbers.append(number(each))
    except KernelError as reason:
        raise error(reason, len(numbers)) from None
    return tuple(numbers)


def flat(value: Any) -> list[int | float]:
    """Return all numbers of a nested tuple in order."""
    rows = [value]
    while isinstance(rows[0], tuple):
        rows = [inner for row in rows for inner in row]
    return rows


def shape_of(value: Any) -> tuple[int, ...]:
    """Return the lengths of nested lists or tuples, as the first of each are."""
    lengths = []
    while isinstance(value, list | tuple):
        lengths.append(len(value))
        value = value[0] if value else None
    return tuple(lengths)


def plain(value: Any, levels: int = 5) -> Any:
    """Return arrays, and numbers of numpy, as lists and numbers of Python; `levels` deep."""
    if hasattr(value, "filled") and value.mask.any():
        raise KernelError("a masked weight is not a number: use kernel.filled(0)")
    if hasattr(value, "tolist"):
        return value.tolist()
    if not isinstance(value, list | tuple) or levels == 0 or {int, float}.issuperset(map(type, value)):
        return value
    return type(value)([plain(each, levels - 1) for each in value])


class Kernel:
    """A named kernel: one or more tables of weights, applied as written (cross-correlation).

    Each part gives ``sum(w * x) / divisor``. The values of several parts are combined into one. Then `offset`
    times full scale is added, and finally the range is applied.

    Parameters
    ----------
    name : str
        The name, followed by any parameters that were set: ``"gaussian:sigma=3"``.
    parts : array_like, or tuple of them
        One table for each part, all of the same shape: nested lists, tuples or arrays with one level for each
        axis. A list or an array with as many levels as there are axes is a single part. Stored as a tuple of
        nested tuples; an integral float becomes an int.
    axes : tuple of str
        ``("column",)``, ``("row", "column")``, ``("channel", "row", "column")``,
        ``("output", "channel", "row", "column")`` or ``("frame", "row", "column")``.
    divisors : tuple of int or float
        One divisor for each part, or one for all; 1 by default.
    combine : {None, "magnitude", "maximum", "sum"}
        How several parts are combined: the root of the sum of squares, the largest signed value, or
        the sum. None for one part.
    offset : float
        Added to the value, as a fraction of full scale.
    range : {"auto", "clip", "absolute", "signed", "stretch", "raw"}
        How values outside 0 .. full scale are handled by default.
    summary, source : str
        What the kernel does, and where its numbers come from.
    parameters : mapping of str to int, float, tuple or str
        Every parameter of the generator with its value; read-only.
    generator : str
        The name of the formula that made the weights; empty if there is none.
    anchor : (row, column), optional
        The weight, counted from 0, that lies on the sample where ``same`` padding places the result. None
        means ``(K - 1) // 2`` on each axis.

    Raises
    ------
    KernelError
        If a table is empty, ragged, of the wrong depth or holds anything but finite numbers within
        float32, or if another field has an invalid value.

    Examples
    --------
    >>> kernel = Kernel("mine", [[1, 0, -1]])
    >>> kernel
    Kernel('mine', 3x1)
    >>> kernel.shape, kernel.is_integer, kernel.is_zero_sum
    ((1, 3), True, True)
    """

    name: str
    parts: Any
    axes: tuple[str, ...]
    divisors: tuple[int | float, ...]
    combine: str | None
    offset: float
    range: str
    summary: str
    source: str
    parameters: Mapping[str, int | float | tuple[int | float, ...] | str]
    generator: str
    anchor: tuple[int, int] | None

    def __init__(
        self,
        name: str,
        parts: Any,
        axes: Sequence[str] = ("row", "column"),
        divisors: Sequence[int | float] = (),
        combine: str | None = None,
        offset: float = 0.0,
        range: str = "auto",
        summary: str = "",
        source: str = "",
        parameters: Mapping[str, int | float | tuple[int | float, ...] | str] = MappingProxyType({}),
        generator: str = "",
        anchor: Sequence[int] | None = None,
    ) -> None:
        checks: dict[str, Callable[[], object]] = {
            "name": lambda: _checked_name(name),
            "axes": lambda: _checked_axes(axes),
            "parts": lambda: self._checked_parts(parts),
            "divisors": lambda: self._checked_divisors(divisors),
            "combine": lambda: self._checked_combine(combine),
            "offset": lambda: float(number(offset)),
            "range": lambda: choice(range, choices(Range)),
            "summary": lambda: _text(summary),
            "source": lambda: _text(source),
            "parameters": lambda: MappingProxyType(dict(parameters)),
            "generator": lambda: _text(generator),
            "anchor": lambda: self._checked_anchor(anchor),
        }
        for key, check in checks.items():
            with blaming(key, str(name)):
                self.__dict__[key] = check()

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"a kernel cannot be changed: make another one with that {name}")

    def _replace(self, **changes: Any) -> Kernel:
        return Kernel(**self.__getstate__() | changes)

    def __repr__(self) -> str:
        frames = f"x{self.frames}" if "frame" in self.axes else ""
        words = [f"{self.name!r}", f"{self.width}x{self.height}{frames}"]
        if "channel" in self.axes:
            outputs = self.shape[0] if "output" in self.axes else 1
            words.append(f"{counted(self.shape[-3], 'channel')} to {outputs}")
        if self.combine:
            words.append(f"{self.combine} of {len(self.parts)}")
        return f"Kernel({', '.join(words)})"

    def _repr_html_(self) -> str:
        from convfilter.kernels.notebook import html_of  # only notebooks call it

        tables = [table for _, table in tables_of(self)]
        return html_of(f"{self!r}: {self.summary}".rstrip(": "), tables)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        """Return the weights of the only part, divided by its divisor."""
        import numpy as np

        if len(self.parts) > 1:
            mend = "use one of its arrays(), or apply_kernel"
            raise KernelError(f"kernel '{self.name}' has {len(self.parts)} parts, not one array: {mend}")
        (weights,), (divisor,) = self.arrays(), self.divisors
        made = weights if divisor == 1 else weights / divisor
        return np.array(made, dtype, copy=copy if divisor == 1 else None)

    def __getstate__(self) -> dict[str, Any]:
        state = {name: getattr(self, name) for name in Kernel.__annotations__}
        return {**state, "parameters": dict(self.parameters)}  # a mapping proxy cannot be pickled

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, parameters=MappingProxyType(state["parameters"]))

    @property
    def shape(self) -> tuple[int, ...]:
        """Length of one part along each of the axes."""
        return shape_of(self.parts[0])

    @property
    def height(self) -> int:
        """Rows of one part; 1 for a kernel without rows."""
        return self.shape[-2] if "row" in self.axes else 1

    @property
    def width(self) -> int:
        """Columns of one part."""
        return self.shape[-1]

    @property
    def frames(self) -> int:
        """Frames of one part; 1 for a kernel without a frame axis."""
        return self.shape[0] if "frame" in self.axes else 1

    def anchor_of(self, *, flip: bool) -> tuple[int, int] | None:
        """Return the anchor, rotated with the kernel if `flip` is true; None for the default anchor."""
        if self.anchor is None or not flip:
            return self.anchor
        return self.height - 1 - self.anchor[0], self.width - 1 - self.anchor[1]

    @property
    def label(self) -> str:
        """The name as used in file names; the name of a matrix includes its size."""
        typed = self.name == "matrix"
        return f"matrix-{self.width}x{self.height}" if typed else self.name.replace(":", "-")

    @property
    def usual_range(self) -> str:
        """What the range ``auto`` means."""
        edges = self.is_zero_sum and len(self.parts) == 1 and not self.offset
        return "absolute" if edges else "clip"

    @property
    def exact_offset(self) -> Fraction:
        """The offset as the intended fraction: a number of 8-bit levels, or the decimals as written."""
        from fractions import Fraction  # with `decimal`, which sizes alone do not need

        levels = round(self.offset * _LEVELS)
        return Fraction(levels, _LEVELS) if levels / _LEVELS == self.offset else Fraction(str(self.offset))

    @property
    def maps(self) -> int:
        """Number of output channels if they are neither grey nor colours, as in a network layer; else 1."""
        outputs = self.shape[0] if "output" in self.axes else 1
        return 1 if outputs == 3 else outputs

    @property
    def weight_count(self) -> int:
        """Number of weights in all parts together."""
        return len(self.parts) * math.prod(self.shape)

    @cached_property
    def is_integer(self) -> bool:
        """Whether all weights and divisors are integers below 2**53 in magnitude."""
        return all(map(_is_exact, (*flat(self.parts), *self.divisors)))

    @cached_property
    def is_zero_sum(self) -> bool:
        """Whether ``|sum w| <= 1e-6 * sum |w|`` for every part and every output."""
        outputs = [out for part in self.parts for out in part] if "output" in self.axes else self.parts
        return all(is_zero_sum(flat(output)) for output in outputs)

    def arrays(self) -> tuple[NDArray[np.int64] | NDArray[np.float64], ...]:
        """Return the weights of each part as a read-only array, not divided by the divisor.

        Returns
        -------
        tuple of ndarray of shape `shape`
            int64 where that part's weights are all integers below 2**53 in magnitude, else float64;
            C-contiguous. Every call returns the same arrays.
        """
        return self._arrays

    @cached_property
    def _arrays(self) -> tuple[NDArray[np.int64] | NDArray[np.float64], ...]:
        import numpy as np  # only when weights are used

        arrays = tuple(
            np.array(part, np.int64) if all(map(_is_exact, flat(part))) else np.array(part, np.float64)
            for part in self.parts
        )
        for array in arrays:
            array.setflags(write=False)
        return arrays

    def _checked_parts(self, value: Any) -> tuple[Any, ...]:
        parts = plain(value)
        if not isinstance(parts, list | tuple):
            raise KernelError(f"expected a list of tables, got {brief(parts)}")
        if isinstance(parts, list) and len(shape_of(parts)) == len(self.axes):
            parts = [parts]
        if not parts:
            raise KernelError("empty")
        if len(parts) == 1:
            return (_table(parts[0], self.axes),)
        return _table(parts, ("part", *self.axes))  # as one table, so that all have the same shape

    def _checked_divisors(self, value: Sequence[object]) -> tuple[int | float, ...]:
        divisors = tuple(map(number, value)) or (1,)
        if len(divisors) == 1:
            divisors *= len(self.parts)
        if len(divisors) != len(self.parts):
            raise KernelError(f"{counted(len(divisors), 'divisor')} for {counted(len(self.parts), 'part')}")
        for divisor, part in zip(divisors, self.parts, strict=True):
            if divisor == 0:
                raise KernelError("zero; leave it out for weights that are used as they are")
            largest = max(map(abs, flat(part)))
            if abs(divisor) < _FLOAT32_SMALLEST or largest / abs(divisor) > _FLOAT32_LARGEST:
                raise KernelError(f"{brief(divisor)} is so small that weights exceed float32")
        return divisors

    def _checked_anchor(self, value: object) -> tuple[int, int] | None:
        if value is None:
            return None
        if not isinstance(value, list | tuple) or len(value) != 2:
            raise KernelError(f"expected [row, column], got {brief(value)}")
        row, column = map(number, value)
        for axis, place, side in (("row", row, self.height), ("column", column, self.width)):
            if not isinstance(place, int) or not 0 <= place < side:
                raise KernelError(f"there is no {axis} {brief(place)}: count from 0 to {side - 1}")
        return int(row), int(column)

    def _checked_combine(self, value: object) -> str | None:
        several = len(self.parts) > 1
        if several and value is None:
            raise KernelError(f"missing; several parts need one of {' '.join(_COMBINES)}")
        if not several and value is not None:
            raise KernelError("there is only one part, so there is nothing to combine")
        return choice(value, _COMBINES) if several else None


def _checked_name(value: object) -> str:
    if not isinstance(value, str) or not re.fullmatch(_FULL_NAME, value):
        raise KernelError(NAMES)
    return value


def _checked_axes(value: object) -> tuple[str, ...]:
    if not isinstance(value, list | tuple):
        raise KernelError(f"expected a tuple of names, got {brief(value)}")
    return tuple(choice(",".join(map(str, value)), AXES).split(","))


def tables_of(kernel: Kernel) -> Iterator[tuple[str, NDArray[np.float64]]]:
    """Yield every 2-D table, divided by its divisor, with its name (empty if there is only one)."""
    import numpy as np

    outer = kernel.axes[: -2 if "row" in kernel.axes else -1]
    for number, (part, divisor) in enumerate(zip(kernel.arrays(), kernel.divisors, strict=True), start=1):
        tables = np.asarray(part / divisor, np.float64).reshape(-1, kernel.height, kernel.width)
        for place, table in zip(np.ndindex(part.shape[: len(outer)]), tables, strict=True):
            names = [f"{axis} {index}" for axis, index in zip(outer, place, strict=True)]
            yield ", ".join(([f"part {number}"] if len(kernel.parts) > 1 else []) + names), table


def parameters_in_words(kernel: Kernel) -> str:
    """Return the parameters of a kernel as users type them: ``sigma=1, truncate=3``."""
    words = []
    for key, value in kernel.parameters.items():
        values = value if isinstance(value, tuple) else (value,)
        words.append(f"{key}={','.join(each if isinstance(each, str) else figure(each) for each in values)}")
    return ", ".join(words)


def with_own_sums(kernel: Kernel) -> Kernel:
    """Return a kernel of which each part is divided by its own sum."""
    parts = [flat(part) for part in kernel.parts]
    sums = tuple(map(math.fsum, parts))
    for total, weights in zip(sums, parts, strict=True):
        exact = all(isinstance(weight, int) for weight in weights)
        if total == 0 or (not exact and is_zero_sum(weights)):
            raise FieldError("divisor", "the weights sum to zero, so they cannot be divided by their sum")
    return kernel._replace(divisors=sums)


def is_zero_sum(weights: list[int | float]) -> bool:
    """Return whether the weights cancel, apart from rounding."""
    return abs(math.fsum(weights)) <= ZERO_SUM * math.fsum(map(abs, weights))


def _is_exact(value: int | float) -> bool:
    return isinstance(value, int) and abs(value) < _EXACT


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise KernelError(f"{brief(value)} is not a string")
    return value
