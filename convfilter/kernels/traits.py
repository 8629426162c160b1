"""What can be told of a kernel from its weights: symmetry, rank, the values that can come out."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from convfilter.kernels.kernel import Kernel

__all__ = ["ranks", "slices", "symmetry", "value_range"]


def slices(kernel: Kernel) -> Iterator[tuple[str, NDArray[np.float64]]]:
    """Yield every two-dimensional table of a kernel, divided by its divisor, with a name for it.

    Yields
    ------
    tuple of str and ndarray of shape (H, W)
        The name is empty where there is one table only.
    """
    outer = kernel.axes[: -2 if "row" in kernel.axes else -1]
    for number, (part, divisor) in enumerate(zip(kernel.arrays(), kernel.divisors, strict=True), start=1):
        tables = np.asarray(part / divisor, np.float64).reshape(-1, kernel.height, kernel.width)
        for place, table in zip(np.ndindex(part.shape[: len(outer)]), tables, strict=True):
            names = [f"{axis} {index}" for axis, index in zip(outer, place, strict=True)]
            yield ", ".join(([f"part {number}"] if len(kernel.parts) > 1 else []) + names), table


def symmetry(kernel: Kernel) -> str | None:
    """Tell what half a turn makes of a kernel, for which correlation and convolution differ.

    Returns
    -------
    {"even", "odd", None}
        ``even``: the same kernel. ``odd``: its negative. None: another one.

    Examples
    --------
    >>> from convfilter import get_kernel
    >>> symmetry(get_kernel("blur")), symmetry(get_kernel("sobel-x")), symmetry(get_kernel("emboss"))
    ('even', 'odd', None)
    """
    turned = tuple(number for number, axis in enumerate(kernel.axes) if axis in ("frame", "row", "column"))
    pairs = [(part, np.flip(part, turned)) for part in kernel.arrays()]
    if all(np.allclose(part, other, rtol=1e-12, atol=0) for part, other in pairs):
        return "even"
    odd = all(np.allclose(part, -other, rtol=1e-12, atol=0) for part, other in pairs)
    return "odd" if odd else None


def ranks(kernel: Kernel) -> list[int]:
    """Return the rank of each of a kernel's tables: 1 where a column times a row gives it.

    Examples
    --------
    >>> from convfilter import get_kernel
    >>> ranks(get_kernel("sobel")), ranks(get_kernel("laplacian-8"))
    ([1, 1], [2])
    """
    return [int(np.linalg.matrix_rank(table)) for _, table in slices(kernel)]


def value_range(kernel: Kernel, full: float) -> tuple[float, float]:
    """Return bounds of the values that come out for samples from 0 to full scale.

    Parameters
    ----------
    kernel : Kernel
        A kernel.
    full : float
        Full scale.

    Returns
    -------
    tuple of float
        Before the range is seen to. They are reached, but for parts combined by their magnitude, which may
        stay below the second.

    Examples
    --------
    >>> from convfilter import get_kernel
    >>> value_range(get_kernel("sobel-x"), 255), value_range(get_kernel("blur"), 255)
    ((-1020.0, 1020.0), (0.0, 255.0))
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
