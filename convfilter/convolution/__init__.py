"""Correlation and convolution of arrays in any number of dimensions.

Names, files and colours are unknown here. An integer array and an integer kernel give the exact sums as
int64, neither wrapped nor clipped.
"""

from __future__ import annotations

import math
import os
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from convfilter.convolution.borders import ArraySource, border_fill
from convfilter.convolution.execute import run_whole
from convfilter.convolution.plan import exact_type, make_plan
from convfilter.errors import ConvfilterError, ImageError, KernelError, ShapeError, brief, counted
from convfilter.geometry import Padding, PerAxis, axes_of
from convfilter.options import Border


def correlate(
    array: ArrayLike,
    kernel: ArrayLike,
    *,
    padding: Padding = "same",
    border: Border = "edge",
    fill: float = 0.0,
    stride: PerAxis = 1,
    dilation: PerAxis = 1,
) -> np.ndarray:
    """Slide a kernel, as written, over an array: ``out[i] = sum_a kernel[a] * array[s*i + d*a - P]``.

    Parameters
    ----------
    array : array_like of shape (N1, ..., Nd, ...)
        Any real type. Axes after those of the kernel, such as colour channels, are carried along.
    kernel : array_like of shape (K1, ..., Kd), or Kernel of one part
        Finite weights. Those of a Kernel are divided by its divisor; its offset, range and anchor are
        ignored.
    padding : {"same", "valid", "full", "same-upper"}, int, (before, after), or one of these per kernel axis
        Samples added on each side; ``same`` puts the smaller half before. See `output_shape`.
    border : {"edge", "symmetric", "reflect", "wrap", "zero", "constant"}
        How the border is filled; the names are those of `numpy.pad`.
    fill : float
        Value of a ``constant`` border, in units of the array.
    stride, dilation : int or one int per kernel axis
        Distance between two outputs, and between two weights.

    Returns
    -------
    ndarray of shape ``output_shape(array.shape, kernel.shape, ...)``
        int64 for two integer types (bool counts as uint8); the array's type for a float array and an integer
        kernel; float64 for an integer array and a float kernel, or float32 if the kernel is float32 and the
        array has at most 16 bits; otherwise the wider of the two float types. The byte order is native.

    Raises
    ------
    ShapeError
        If sizes, padding, stride or dilation do not fit, or the output would be empty.
    OptionError
        If the border is unknown or the fill is not a finite number.
    ImageError
        If the array is not made of real numbers.
    KernelError
        If the kernel is not made of finite real numbers, or integer sums may exceed int64.

    Notes
    -----
    This is what convolutional networks call convolution; see `convolve` for the mathematical one. An even
    kernel has its anchor at ``(K - 1) // 2``. A sample under a zero weight has no effect, even if it is nan
    or infinite.

    Examples
    --------
    >>> correlate([[0, 1, 2], [3, 4, 5], [6, 7, 8]], [[0, 1], [2, 3]], padding="valid")
    array([[19, 25],
           [37, 43]])
    """
    samples, weights = samples_of(array), weights_of(kernel)
    axes = axes_of(samples.shape, weights.shape, padding=padding, stride=stride, dilation=dilation)
    fill = border_fill(border, fill)
    kept, work = result_types(samples, weights, fill)
    carried = samples.shape[len(axes) :]
    sizes = tuple(axis.output for axis in axes)
    if 0 in carried:
        return np.empty((*sizes, *carried), kept)
    plan = make_plan(axes, [weights], math.prod(carried), work, bound=_bound(samples, weights, fill))
    source = ArraySource(samples.reshape(*samples.shape[: len(axes)], -1), border, fill)
    return run_whole(plan, source, kept).reshape(*sizes, *carried)


def convolve(
    array: ArrayLike,
    kernel: ArrayLike,
    *,
    padding: Padding = "same",
    border: Border = "edge",
    fill: float = 0.0,
    stride: PerAxis = 1,
    dilation: PerAxis = 1,
) -> np.ndarray:
    """Convolve in the mathematical sense: `correlate` with the kernel rotated by 180 degrees on every axis.

    Parameters, results and errors are those of `correlate`. Padding and anchor stay on the same sides, so
    that ``convolve(x, k)`` equals ``correlate(x, np.flip(k))`` even for kernels of even size.

    Examples
    --------
    >>> convolve([0, 0, 1, 0, 0], [1, 2, 3])
    array([0, 1, 2, 3, 0])
    """
    rotated = np.flip(weights_of(kernel))
    return correlate(
        array, rotated, padding=padding, border=border, fill=fill, stride=stride, dilation=dilation
    )


def correlate_channels(
    image: ArrayLike,
    kernels: ArrayLike,
    *,
    padding: Padding = "same",
    border: Border = "edge",
    fill: float = 0.0,
    stride: PerAxis = 1,
    dilation: PerAxis = 1,
) -> np.ndarray:
    """Correlate each channel with its own slice of a kernel and add the results, once per output channel.

    Parameters
    ----------
    image : array_like of shape (H, W, C)
        An image with C channels.
    kernels : array_like of shape (O, C, Kh, Kw) or (C, Kh, Kw)
        One kernel with C slices for each of O output channels.
    padding, border, fill, stride, dilation
        As in `correlate`, for rows and columns.

    Returns
    -------
    ndarray of shape (H', W', O)
        The type is the one that `correlate` returns.

    Raises
    ------
    ShapeError
        If the channel counts differ, and in the same cases as for `correlate`.

    Notes
    -----
    The sum over channels is itself a correlation, with ``valid`` padding on the channel axis and a kernel as
    deep as the image: the output has ``C - C + 1 = 1`` channel.

    Examples
    --------
    >>> correlate_channels([[[1, 2, 3]]], [[[1]], [[10]], [[100]]])
    array([[[321]]])
    """
    samples, weights = samples_of(image), weights_of(kernels)
    if samples.ndim != 3 or weights.ndim not in (3, 4):
        raise ShapeError(
            f"an image of shape {samples.shape} and kernels of shape {weights.shape}: "
            "use (H, W, C) and (O, C, Kh, Kw) or (C, Kh, Kw)"
        )
    weights = weights if weights.ndim == 4 else weights[np.newaxis]
    if len(weights) == 0:
        raise ShapeError(f"kernels of shape {weights.shape} make no output channel: use at least one kernel")
    if weights.shape[1] != samples.shape[2]:
        raise ShapeError(
            f"the kernels have {counted(weights.shape[1], 'channel')} and the image has {samples.shape[2]}: "
            "use one slice for each channel"
        )
    rows_columns = axes_of(
        samples.shape[:2], weights.shape[2:], padding=padding, stride=stride, dilation=dilation
    )
    planes = np.moveaxis(samples, 2, 0)
    channel = ((0, 0), *((axis.before, axis.after) for axis in rows_columns))
    results = [
        correlate(
            planes,
            kernel,
            padding=channel,
            border=border,
            fill=fill,
            stride=(1, *(axis.stride for axis in rows_columns)),
            dilation=(1, *(axis.dilation for axis in rows_columns)),
        )[0]
        for kernel in weights
    ]
    return np.stack(results, axis=-1)


def _bound(samples: np.ndarray, weights: np.ndarray, fill: float) -> float:
    """The largest magnitude that a sum can have, infinite for floats."""
    if samples.dtype.kind == "f":
        return math.inf
    limits = np.iinfo(samples.dtype)
    largest = max(float(limits.max), -float(limits.min), abs(fill))
    return largest * float(np.abs(weights.astype(np.float64)).sum())


def samples_of(array: ArrayLike, name: str = "array") -> np.ndarray:
    """Return an array of real numbers, bool as uint8, or refuse it by a name that starts with a vowel."""
    if isinstance(array, str | os.PathLike) or hasattr(array, "parts"):
        raise ImageError(f"expected an {name}, got {brief(array)}: the array comes first, then the kernel")
    samples = _real(array, f"an {name}", ImageError)
    if samples.ndim == 0:
        raise ShapeError(f"a single number cannot be filtered: use an {name} of at least one axis")
    return samples


def weights_of(kernel: ArrayLike) -> np.ndarray:
    """Return a kernel of finite real numbers, bool as uint8, or refuse it."""
    if isinstance(kernel, str | os.PathLike):
        raise KernelError(
            f"{brief(kernel)} is not an array: use get_kernel({brief(kernel)}), or apply_kernel"
        )
    weights = _real(kernel, "a kernel", KernelError)
    if not np.isfinite(weights).all():
        raise KernelError(
            "a kernel with nan or infinity among its weights cannot be used: use finite numbers"
        )
    return weights


def array_of(values: Any, name: str, error: type[ConvfilterError]) -> np.ndarray:
    """Return values as an array, or refuse ragged ones by a name and its article."""
    try:
        return np.asarray(values)
    except ConvfilterError:  # of a Kernel that is not one array
        raise
    except ValueError:
        raise error(f"{name} has rows of different lengths: make them equally long") from None


def _real(values: ArrayLike, name: str, error: type[ConvfilterError]) -> np.ndarray:
    """Return an array of real numbers, bool as uint8, or refuse it by a name and its article."""
    array = array_of(values, name, error)
    if array.dtype == bool:
        array = array.view(np.uint8)
    if array.dtype.kind not in "iuf":
        raise error(f"{name} of type {array.dtype} cannot be used: use integers or floats")
    return array


def result_types(
    samples: np.ndarray,
    weights: np.ndarray,
    fill: float = 0.0,
    *,
    repeats: int = 1,
) -> tuple[np.dtype[Any], np.dtype[Any]]:
    """Return the type of sums of samples times weights, and the type to work in.

    int64 and the narrowest integer type that holds every sum, or a float type; float16 is only for storing.
    `fill` may be among the samples, and every weight may count `repeats` times in a sum. Sums that may pass
    int64 are refused.
    """
    integer_array, integer_kernel = samples.dtype.kind in "iu", weights.dtype.kind in "iu"
    if integer_array and integer_kernel:
        return np.dtype(np.int64), _integer_work(samples, weights, fill, repeats)
    if integer_array:
        narrow = weights.dtype == np.float32 and samples.dtype.itemsize <= 2
        kind = np.dtype(np.float32 if narrow else np.result_type(weights.dtype, np.float64))
    else:
        kind = samples.dtype if integer_kernel else np.result_type(samples.dtype, weights.dtype)
    kind = kind.newbyteorder("=")
    # Half precision is for storing: numpy itself computes it in float32.
    return kind, np.dtype(np.float32) if kind == np.float16 else kind


def largest_magnitude(values: np.ndarray) -> int:
    """Return the largest magnitude among integers."""
    return max(abs(int(values.min())), abs(int(values.max())))


def _integer_work(samples: np.ndarray, weights: np.ndarray, fill: float, repeats: int) -> np.dtype[Any]:
    if fill != int(fill):
        raise ImageError(
            f"a fill of {fill:g} cannot be used with integers: use a whole number or a float array"
        )
    fits = largest_magnitude(weights) * weights.size <= np.iinfo(np.int64).max
    total = int(np.abs(weights.astype(np.int64 if fits else object)).sum()) * repeats
    limits = np.iinfo(samples.dtype)
    # Samples beyond those that there are need not fit; each passes through the work type, though, also where
    # the kernel is all zeros.
    for largest in (max(-limits.min, limits.max), largest_magnitude(samples) if samples.size else 0):
        kind = exact_type(max(largest, abs(int(fill))) * max(total, 1))
        if kind is not None:
            return kind
    raise KernelError(
        f"the sums may overflow int64 (values up to {max(largest, abs(int(fill)))}, weights adding up to "
        f"{total}): convert the array or the kernel to floats"
    )
