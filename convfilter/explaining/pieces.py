"""Windows and weights multiplied and added up."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convfilter.errors import ShapeError
from convfilter.explaining.arithmetic import Number, Step, figure, quotient, total
from convfilter.explaining.records import Part, Slice
from convfilter.explaining.window import Window

__all__ = ["checked_place", "part_of", "slice_of"]


def checked_place(place: Sequence[int], sizes: tuple[int, ...]) -> tuple[int, ...]:
    """Return a place with a frame; refuse one that does not exist."""
    at = (*(0 for _ in range(len(sizes) - len(place))), *place)
    if any(not 0 <= index < size for index, size in zip(at, sizes, strict=True)):
        rows, columns = sizes[-2:]
        frames = f"{sizes[0]} frames of " if len(sizes) == 3 and sizes[0] > 1 else ""
        raise ShapeError(
            f"there is no place {','.join(map(str, place))}: the output has {frames}{rows} rows and "
            f"{columns} columns, counted from 0"
        )
    return at


def slice_of(
    name: str,
    window: Window,
    weights: NDArray[Any],
    frame: int,
    alpha: NDArray[Any] | None = None,
    full: float = 1.0,
) -> Slice:
    """Multiply the samples of a frame of a window with their weights."""
    samples = window.samples[frame]
    exact = samples.dtype.kind in "iub" and weights.dtype.kind in "iu"
    kind = object if exact else np.float64
    with np.errstate(all="ignore"):
        products = weights[frame].astype(kind) * samples.astype(kind)
    products = np.where(weights[frame] == 0, 0, products)  # whatever stands there
    share = None
    if alpha is not None:
        share = alpha[frame] / full
        with np.errstate(all="ignore"):
            products = np.where(share == 0, 0, products * share)
    return Slice(name, samples, weights[frame], products, window.border[frame], share)


def part_of(slices: list[Slice], divisor: Number) -> Part:
    """Add up the products of slices, and divide."""
    sums = [total(each.products) for each in slices]
    named = zip(slices, sums, strict=True)
    steps = [Step(f"sum of {each.name}", "all products", value) for each, value in named if len(slices) > 1]
    exact = all(isinstance(each, int) for each in sums) or not all(map(math.isfinite, sums))
    whole = sum(sums) if exact else math.fsum(sums)
    steps.append(
        Step(
            "sum",
            " + ".join(map(figure, sums)).replace("+ -", "- ") if len(sums) > 1 else "all products",
            whole,
        )
    )
    if divisor != 1:
        steps.append(Step("divide", f"{figure(whole)} / {figure(divisor)}", quotient(whole, divisor)))
    return Part(tuple(slices), tuple(steps))
