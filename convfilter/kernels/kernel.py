"""The kernel: tables of weights, and how their results are combined into one value."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from convfilter.errors import KernelError
from convfilter.kernels.checks import (
    FLOAT32_LARGEST,
    FLOAT32_SMALLEST,
    FieldError,
    choice,
    flat,
    kind_of,
    number,
    table,
)
from convfilter.kernels.generators import GENERATORS
from convfilter.messages import brief
from convfilter.options import Range, choices

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["AXES", "NAME", "NAMES", "ZERO_SUM", "Kernel", "is_zero_sum"]

AXES = ("column", "row,column", "channel,row,column", "output,channel,row,column", "frame,row,column")
_COMBINES = ("magnitude", "maximum", "sum")
NAME = r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,63}"
NAMES = "names are letters, digits and _.+- after a letter or digit, at most 64"

# A name with parameters becomes part of file names.
_FULL_NAME = NAME + r"(:[A-Za-z0-9_.+=,-]+)?"
_EXACT = 2**53  # integers up to here are exact in float64
ZERO_SUM = 1e-6


@dataclass(frozen=True, eq=False)
class Kernel:
    """A named kernel: one or more tables of weights, applied as written (cross-correlation).

    Each part gives ``sum(w * x) / divisor``. Several parts are combined into one value. Then `offset`
    times full scale is added, and last the range is applied.

    Parameters
    ----------
    name : str
        The name, with its parameters where they were set: ``"gaussian:sigma=3"``.
    parts : tuple of nested tuples of int or float
        One table for each part, one level for each axis, all of the same shape. Lists and arrays are
        accepted too; an integral float is stored as an int.
    axes : tuple of str
        ``("column",)``, ``("row", "column")``, ``("channel", "row", "column")``,
        ``("output", "channel", "row", "column")`` or ``("frame", "row", "column")``.
    divisors : tuple of int or float
        One for each part; 1 by default.
    combine : {None, "magnitude", "maximum", "sum"}
        How several parts are combined: the root of the sum of squares, the largest signed value, or
        the sum. None for one part.
    offset : float
        Added to the value, as a fraction of full scale.
    range : {"auto", "clip", "absolute", "signed", "stretch", "raw"}
        How values outside 0 .. full scale are handled by default.
    summary, source : str
        What it does, and where its numbers come from.
    parameters : mapping of str to int, float or tuple
        Every parameter of the generator with its value; read-only.
    generator : str
        The name of the formula that made the weights; empty if there is none.

    Raises
    ------
    KernelError
        If a table is empty, ragged, of the wrong depth or holds anything but finite numbers within
        float32, or if another field has an invalid value.

    Examples
    --------
    >>> kernel = Kernel("mine", parts=([[1, 0, -1]],))
    >>> kernel.shape, kernel.is_integer, kernel.is_zero_sum
    ((1, 3), True, True)
    """

    name: str
    parts: tuple[Any, ...]
    axes: tuple[str, ...] = ("row", "column")
    divisors: tuple[int | float, ...] = ()
    combine: str | None = None
    offset: float = 0.0
    range: str = "auto"
    summary: str = ""
    source: str = ""
    parameters: Mapping[str, int | float | tuple[int | float, ...]] = field(default_factory=dict)
    generator: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        checks: dict[str, Callable[[], object]] = {
            "name": self._checked_name,
            "axes": self._checked_axes,
            "parts": self._checked_parts,
            "divisors": self._checked_divisors,
            "combine": self._checked_combine,
            "offset": lambda: float(number(self.offset)),
            "range": lambda: choice(self.range, choices(Range)),
            "summary": lambda: _text(self.summary),
            "source": lambda: _text(self.source),
            "parameters": lambda: MappingProxyType(dict(self.parameters)),
            "generator": lambda: choice(self.generator, ("", *GENERATORS)),
        }
        for key, check in checks.items():
            try:
                object.__setattr__(self, key, check())
            except KernelError as error:
                raise FieldError(key, str(error), str(self.name)) from None

    def __getstate__(self) -> dict[str, Any]:
        state = {each.name: getattr(self, each.name) for each in fields(self)}
        return {**state, "parameters": dict(self.parameters)}  # a mapping proxy cannot be pickled

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, parameters=MappingProxyType(state["parameters"]))

    @property
    def shape(self) -> tuple[int, ...]:
        """Length of one part along each of the axes."""
        lengths = []
        inner = self.parts[0]
        while isinstance(inner, tuple):
            lengths.append(len(inner))
            inner = inner[0]
        return tuple(lengths)

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
            int64 where that part's weights are all integers below 2**53 in magnitude, else
            float64; C-contiguous. The same arrays at every call.
        """
        return self._arrays

    @cached_property
    def _arrays(self) -> tuple[NDArray[np.int64] | NDArray[np.float64], ...]:
        # numpy is imported only when weights are used.
        import numpy as np

        def array(part: Any) -> NDArray[np.int64] | NDArray[np.float64]:
            if all(map(_is_exact, flat(part))):
                return np.array(part, dtype=np.int64)
            return np.array(part, dtype=np.float64)

        arrays = tuple(map(array, self.parts))
        for each in arrays:
            each.setflags(write=False)
        return arrays

    def _checked_name(self) -> str:
        if not isinstance(self.name, str) or not re.fullmatch(_FULL_NAME, self.name):
            raise KernelError(NAMES)
        return self.name

    def _checked_axes(self) -> tuple[str, ...]:
        if not isinstance(self.axes, list | tuple):
            raise KernelError(f"{kind_of(self.axes)} where a tuple of names belongs")
        return tuple(choice(",".join(map(str, self.axes)), AXES).split(","))

    def _checked_parts(self) -> tuple[Any, ...]:
        if not isinstance(self.parts, list | tuple):
            raise KernelError(f"{kind_of(self.parts)} where a list of tables belongs")
        if not self.parts:
            raise KernelError("empty")
        parts = [part.tolist() if hasattr(part, "tolist") else part for part in self.parts]
        if len(parts) == 1:
            return (table(parts[0], self.axes),)
        return table(parts, ("part", *self.axes))  # as one table, so that all have the same shape

    def _checked_divisors(self) -> tuple[int | float, ...]:
        divisors = tuple(map(number, self.divisors)) or (1,) * len(self.parts)
        if len(divisors) != len(self.parts):
            raise KernelError(f"{len(divisors)} divisors for {len(self.parts)} parts")
        for divisor, part in zip(divisors, self.parts, strict=True):
            if divisor == 0:
                raise KernelError("zero; leave it out for weights that are used as they are")
            largest = max(map(abs, flat(part)))
            if abs(divisor) < FLOAT32_SMALLEST or largest / abs(divisor) > FLOAT32_LARGEST:
                raise KernelError(f"{brief(divisor)} is so small that weights leave float32")
        return divisors

    def _checked_combine(self) -> str | None:
        if len(self.parts) == 1:
            if self.combine is not None:
                raise KernelError("there is only one part, so there is nothing to combine")
            return None
        if self.combine is None:
            raise KernelError(f"missing; several parts need one of {' '.join(_COMBINES)}")
        return choice(self.combine, _COMBINES)


def is_zero_sum(weights: list[int | float]) -> bool:
    """Return whether the weights cancel, apart from rounding."""
    return abs(math.fsum(weights)) <= ZERO_SUM * math.fsum(map(abs, weights))


def _is_exact(value: int | float) -> bool:
    """Return whether the number is an integer that float64 holds exactly."""
    return isinstance(value, int) and abs(value) < _EXACT


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise KernelError(f"{kind_of(value)} is not a string")
    return value
