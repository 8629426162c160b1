"""The two adjoints of `correlate`: the gradients with respect to its array and to its kernel.

A loss that depends on the outputs of a correlation has one derivative for each of them, the *upstream*. Since
a correlation is linear in its array and in its kernel, the derivatives with respect to these are again sums
of products: the derivative of a convolution is a convolution.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from convfilter.convolution import correlate, largest_magnitude, result_types, samples_of, weights_of
from convfilter.convolution.borders import ArraySource, border_fill, source_index
from convfilter.convolution.execute import mark_infinite, share_out
from convfilter.convolution.plan import make_plan
from convfilter.convolution.window import QUIET_VECTOR, quiet_parts, windows
from convfilter.errors import ShapeError
from convfilter.geometry import Axis, Padding, PerAxis, axes_of
from convfilter.options import Border


def input_gradient(
    upstream: ArrayLike,
    kernel: ArrayLike,
    input_shape: int | Sequence[int],
    *,
    padding: Padding = "same",
    border: Border = "edge",
    fill: float = 0.0,
    stride: PerAxis = 1,
    dilation: PerAxis = 1,
) -> np.ndarray:
    """Return the derivative with respect to the array: sums of ``upstream[i] * kernel[a]`` for each sample.

    Parameters
    ----------
    upstream : array_like of shape ``output_shape(input_shape, kernel.shape, ...)``
        The derivative with respect to each output of the correlation. Any real type; where it is nan or
        infinite, so are the samples that met a nonzero weight there, and no others.
    kernel : array_like of shape (K1, ..., Kd)
        The finite weights of the correlation.
    input_shape : int or sequence of int
        Shape of the array that was correlated, carried axes included: (N1, ..., Nd, ...).
    padding, border, fill, stride, dilation
        The same as for `correlate`. The value of `fill` makes no difference: a constant border does not
        depend on the array.

    Returns
    -------
    ndarray of shape `input_shape`
        Zero for samples that met no weight. int64 for two integer types (bool counts as uint8); otherwise the
        float type that `correlate` returns for an array with the upstream's type.

    Raises
    ------
    ShapeError
        If the upstream has not the shape of the output, or as `correlate`.
    ImageError
        If the upstream is not made of real numbers.
    KernelError
        If the kernel is not made of finite real numbers, or integer sums may exceed int64.

    Notes
    -----
    The derivative is itself a correlation: the upstream, with ``full`` padding, is correlated with the kernel
    rotated by 180 degrees. Values beyond the edge are added to the samples that the border copied there.

    Examples
    --------
    Three outputs from five samples. The third sample takes part in all of them:
    ``d1*w3 + d2*w2 + d3*w1 = 5 + 30 + 200``.

    >>> input_gradient([1, 10, 100], [2, 3, 5], 5, padding="valid")
    array([  2,  23, 235, 350, 500])
    """
    derivatives, weights = samples_of(upstream, "upstream"), weights_of(kernel)
    shape = tuple(input_shape) if isinstance(input_shape, Iterable) else (input_shape,)
    axes = axes_of(shape, weights.shape, padding=padding, stride=stride, dilation=dilation)
    border_fill(border, fill)
    _check_upstream(derivatives, axes, shape[len(axes) :])
    # What correlate refuses for its size is refused here too, before anything of that size is made.
    depth = math.prod(derivatives.shape[len(axes) :])
    make_plan(axes, [weights], depth, np.result_type(derivatives, weights))
    sources = [
        source_index(np.arange(-axis.before, axis.size + axis.after), axis.size, border) for axis in axes
    ]
    repeats = math.prod(int(np.bincount(source[source >= 0]).max()) for source in sources)
    kept, work = result_types(derivatives, weights, repeats=repeats)
    if derivatives.dtype == np.float16:
        derivatives = derivatives.astype(np.float32)
    gradient = _padded_gradient(derivatives, weights, axes, work if kept.kind == "f" else kept)
    with np.errstate(all="ignore"):
        for number, (axis, source) in enumerate(zip(axes, sources, strict=True)):
            gradient = _folded(gradient, number, axis, source)
        return np.ascontiguousarray(gradient, kept)


def kernel_gradient(
    array: ArrayLike,
    upstream: ArrayLike,
    kernel_shape: int | Sequence[int],
    *,
    padding: Padding = "same",
    border: Border = "edge",
    fill: float = 0.0,
    stride: PerAxis = 1,
    dilation: PerAxis = 1,
) -> np.ndarray:
    """Return the derivative with respect to the kernel: ``dk[a] = sum_i upstream[i] * array[s*i + d*a - P]``.

    Parameters
    ----------
    array : array_like of shape (N1, ..., Nd, ...)
        The array that was correlated. Any real type.
    upstream : array_like of shape ``output_shape(array.shape, kernel_shape, ...)``
        The derivative by each output of the correlation. Any real type.
    kernel_shape : int or sequence of int
        Shape of the kernel, (K1, ..., Kd). Carried axes of the array share the kernel, so they are summed
        over.
    padding, border, fill, stride, dilation
        The same as for `correlate`. The value of a constant border counts like a sample. Here the upstream
        takes the place of the weights: where it is zero, nan and infinity in the array have no effect.

    Returns
    -------
    ndarray of shape `kernel_shape`
        int64 for two integer types (bool counts as uint8); otherwise the float type that `correlate` returns
        for a kernel with the upstream's type, summed in float64 and rounded once.

    Raises
    ------
    ShapeError
        If the upstream has not the shape of the output, or as `correlate`.
    ImageError
        If the array or the upstream is not made of real numbers.
    KernelError
        If integer sums may exceed int64.

    Examples
    --------
    The first weight met the first three of five samples: ``d1*x1 + d2*x2 + d3*x3 = 1 + 20 + 300``.

    >>> kernel_gradient([1, 2, 3, 4, 5], [1, 10, 100], 3, padding="valid")
    array([321, 432, 543])
    """
    samples, derivatives = samples_of(array), samples_of(upstream, "upstream")
    axes = axes_of(samples.shape, kernel_shape, padding=padding, stride=stride, dilation=dilation)
    fill = border_fill(border, fill)
    _check_upstream(derivatives, axes, samples.shape[len(axes) :])
    kept, work = result_types(samples, derivatives, fill)
    if kept.kind == "i":
        largest = max(largest_magnitude(samples), abs(int(fill))) * largest_magnitude(derivatives)
        # Whole numbers that float64 holds are as exact in it, and faster.
        work = np.dtype(np.float64 if largest * derivatives.size <= 2**53 else np.int64)
    else:
        work = np.result_type(work, np.float64)
    samples = samples.reshape(*samples.shape[: len(axes)], -1)
    derivatives = derivatives.reshape(*derivatives.shape[: len(axes)], -1)
    # Of the plan only the blocks are wanted, which follow from the kernel's shape.
    ones = np.ones([axis.kernel for axis in axes])
    plan = make_plan(axes, [ones], samples.shape[-1], work)
    read = ArraySource(samples, border, fill)

    def count(samples: np.ndarray, weights: np.ndarray) -> np.ndarray:
        return _products(samples.astype(work), weights.astype(work), axes)

    def begin() -> Callable[[tuple[slice, ...]], np.ndarray]:
        block = np.empty(plan.block_shape, work)

        def share(where: tuple[slice, ...]) -> np.ndarray:
            part = derivatives[where].astype(work)
            read(plan.starts(where), block)
            finite = np.isfinite(block)
            if finite.all():
                return _products(block, part, axes)
            own = _products(np.where(finite, block, 0), part, axes)
            mark_infinite(own, block, part, count)
            return own

        return share

    shares = share_out(list(plan.regions()), begin)
    with np.errstate(all="ignore"):
        total: np.ndarray = np.sum(shares, axis=0)
        return total.astype(kept)


def _check_upstream(upstream: np.ndarray, axes: Sequence[Axis], carried: tuple[int, ...]) -> None:
    wanted = (*(axis.output for axis in axes), *map(int, carried))
    if upstream.shape != wanted:
        raise ShapeError(
            f"an upstream of shape {upstream.shape} does not fit an output of shape {wanted}: "
            "use one derivative for each output"
        )


def _padded_gradient(
    upstream: np.ndarray, weights: np.ndarray, axes: Sequence[Axis], dtype: np.dtype[Any]
) -> np.ndarray:
    """The derivative by the array with its border on; zero where no output reaches."""
    padded = [axis.before + axis.size + axis.after for axis in axes]
    gradient = np.zeros((*padded, *upstream.shape[len(axes) :]), dtype)
    common = [math.gcd(axis.stride, axis.dilation) for axis in axes]
    phases = [axis.stride // divisor for axis, divisor in zip(axes, common, strict=True)]
    dilation = [axis.dilation // divisor for axis, divisor in zip(axes, common, strict=True)]
    # Weights a phase apart meet the same samples, others never do. So each phase is a correlation of its own,
    # and no zeros between outputs that a stride has set apart need be multiplied.
    for first in itertools.product(*map(range, map(min, weights.shape, phases))):
        part = weights[tuple(slice(start, None, phase) for start, phase in zip(first, phases, strict=True))]
        sums = correlate(upstream, np.flip(part), padding="full", border="zero", dilation=dilation)
        met = gradient[
            tuple(
                slice(start * axis.dilation, None, axis.stride)
                for start, axis in zip(first, axes, strict=True)
            )
        ]
        met[tuple(map(slice, sums.shape))] = sums
    return gradient


def _folded(gradient: np.ndarray, number: int, axis: Axis, source: np.ndarray) -> np.ndarray:
    """The adjoint of one axis's border: values past the edge are added to the samples that they repeat."""
    lines = np.moveaxis(gradient, number, 0)
    inside = slice(axis.before, axis.before + axis.size)
    wide = np.result_type(gradient, np.float64) if gradient.dtype.kind == "f" else gradient.dtype
    for sample in np.unique(np.delete(source, inside)):
        if sample >= 0:
            lines[axis.before + sample] = lines[source == sample].sum(axis=0, dtype=wide)
    return np.moveaxis(lines[inside], 0, number)


def _products(block: np.ndarray, upstream: np.ndarray, axes: Sequence[Axis]) -> np.ndarray:
    """What a block adds to the gradient: for each weight, the samples that it met times their derivatives."""
    view = windows(block, axes, upstream.shape[: len(axes)])
    # The upstream laid out like the samples under a weight: with zeros where the stride sets outputs apart.
    carried = upstream.shape[-1]
    spread = np.zeros((*upstream.shape[:-2], view.shape[-1] // carried, carried), upstream.dtype)
    spread[..., :: axes[-1].stride, :] = upstream
    spread = spread.reshape(*upstream.shape[:-2], -1)
    total = np.zeros(view.shape[: len(axes)], np.result_type(block, upstream))
    for part in quiet_parts(view.shape[-1], 1, QUIET_VECTOR):
        products = np.matmul(view[..., np.newaxis, part], spread[..., part, np.newaxis])
        total += products.sum(axis=tuple(range(len(axes), products.ndim)))
    return total
