"""One output of plain numbers, worked out beside what `correlate` gives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convfilter.convolution import correlate
from convfilter.convolution.borders import fill_of
from convfilter.errors import OptionError
from convfilter.explaining.arithmetic import Step, combined, figure, plain
from convfilter.explaining.pieces import checked_place, part_of, slice_of
from convfilter.explaining.records import Explanation
from convfilter.explaining.window import anchor_of, window_at
from convfilter.geometry import Axis, axes_of
from convfilter.kernels import Kernel
from convfilter.options import FilterOptions

__all__ = ["explain_numbers"]


def explain_numbers(
    values: NDArray[Any], kernel: Kernel, options: FilterOptions, place: Sequence[int]
) -> Explanation:
    """Work out one output of plain numbers, which have no full scale and are not clipped.

    Parameters
    ----------
    values : ndarray of shape (H, W)
        Integers or floats.
    kernel : Kernel
        Its offset counts in units of the numbers; its range does not.
    options : FilterOptions
        Of which padding, border, fill, stride, dilation and flip count.
    place : sequence of int
        Row and column of the output.

    Returns
    -------
    Explanation
        Its value is that of `correlate`.

    Raises
    ------
    ShapeError
        If there is no such place.
    ConvfilterError
        If the kernel spans channels or frames.
    """
    if kernel.axes not in (("column",), ("row", "column")):
        raise OptionError(
            f"kernel '{kernel.name}' spans {' and '.join(kernel.axes[:-2])}s: numbers have none"
        )
    shape = (kernel.height, kernel.width)
    axes = axes_of(
        values.shape, shape, padding=options.padding, stride=options.stride, dilation=options.dilation
    )
    at = (0, *checked_place(place, tuple(axis.output for axis in axes)))
    whole = (Axis(1, 1), *axes)
    fill = fill_of(options.border, options.fill)
    window = window_at(values[np.newaxis], whole, at, options.border, fill)
    parts, results = [], []
    for array, divisor in zip(kernel.arrays(), kernel.divisors, strict=True):
        weights = array.reshape(shape)[::-1, ::-1] if options.flip else array.reshape(shape)
        parts.append(part_of([slice_of("", window, weights[np.newaxis], 0)], divisor))
        sums = correlate(
            values, weights, padding=options.padding, border=options.border, fill=options.fill,
            stride=options.stride, dilation=options.dilation,
        )  # fmt: skip
        results.append(sums[at[1:]].item() / divisor if divisor != 1 else sums[at[1:]].item())
    steps = combined([part.value for part in parts], kernel.combine)
    value = plain(combined(results, kernel.combine)[-1].value) if kernel.combine else results[0]
    if kernel.offset:
        steps += [Step("offset", f"{figure(value)} + {kernel.offset:g}", value + kernel.offset)]
        value += kernel.offset
    size = tuple(axis.output for axis in whole)
    return Explanation(at, anchor_of(whole, at), size, 0, tuple(parts), tuple(steps), value, (value,))
