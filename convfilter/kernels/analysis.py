"""Properties that follow from a kernel's weights: symmetry, ranks, range of values."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from convfilter.kernels.kernel import Kernel

__all__ = ["ranks", "slices", "symmetry", "value_range"]


def slices(kernel: Kernel) -> Iterator[tuple[str, NDArray[np.float64]]]:
    """Yield every 2-D table, divided by its divisor, with its name (empty if there is only one)."""
    outer = kernel.axes[: -2 if "row" in kernel.axes else -1]
    for number, (part, divisor) in enumerate(zip(kernel.arrays(), kernel.divisors, strict=True), start=1):
        tables = np.asarray(part / divisor, np.float64).reshape(-1, kernel.height, kernel.width)
        for place, table in zip(np.ndindex(part.shape[: len(outer)]), tables, strict=True):
            names = [f"{axis} {index}" for axis, index in zip(outer, place, strict=True)]
            yield ", ".join(([f"part {number}"] if len(kernel.parts) > 1 else []) + names), table


def symmetry(kernel: Kernel) -> str | None:
    """Return ``even`` if rotation by 180 degrees changes nothing, ``odd`` if only the sign, else None."""
    rotated = tuple(number for number, axis in enumerate(kernel.axes) if axis in ("frame", "row", "column"))
    pairs = [(part, np.flip(part, rotated)) for part in kernel.arrays()]
    for name, sign in (("even", 1), ("odd", -1)):
        if all(np.allclose(part, sign * other, rtol=1e-12, atol=0) for part, other in pairs):
            return name
    return None


def ranks(kernel: Kernel) -> list[int]:
    """Return the rank of each table; 1 means a column times a row."""
    return [int(np.linalg.matrix_rank(table)) for _, table in slices(kernel)]


def value_range(kernel: Kernel, full: float) -> tuple[float, float]:
    """Return bounds of the values, before the range option, for samples from 0 to `full`.

    One part and parts combined by sum reach them.
    """
    outputs = kernel.axes[0] == "output"
    parts = [part / divisor for part, divisor in zip(kernel.arrays(), kernel.divisors, strict=True)]
    if kernel.combine == "sum":
        parts = [np.sum(parts, axis=0)]
    tables = [table.ravel() for part in parts for table in (part if outputs else [part])]
    lows = [float(full * table[table < 0].sum()) for table in tables]
    highs = [float(full * table[table > 0].sum()) for table in tables]
    low, high = min(lows), max(highs)
    if kernel.combine == "magnitude":
        pairs = zip(lows, highs, strict=True)
        low, high = 0.0, math.sqrt(sum(max(-one, other) ** 2 for one, other in pairs))
    elif kernel.combine == "maximum":
        low = max(lows)
    return low + kernel.offset * full, high + kernel.offset * full
