"""What comes in, checked once: arrays of real numbers, finite weights, and the type that results get.

Sums of integers are exact or refused beforehand; nothing is left to wrap.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from convfilter.convolution.plan import exact_type
from convfilter.errors import ImageError, KernelError, ShapeError

__all__ = ["largest_magnitude", "result_types", "samples_of", "weights_of"]


def samples_of(array: ArrayLike, name: str = "array") -> np.ndarray:
    """Return an array of real numbers, bool as uint8.

    Parameters
    ----------
    array : array_like
        What was given.
    name : str
        What messages call it; it starts with a vowel.

    Raises
    ------
    ImageError
        If it is ragged or not made of real numbers.
    ShapeError
        If it is a single number.
    """
    try:
        samples = np.asarray(array)
    except ValueError:
        raise ImageError(f"the {name} is ragged: give rows of one length") from None
    if samples.dtype == bool:
        return samples.view(np.uint8)
    if samples.dtype.kind not in "iuf":
        raise ImageError(f"an {name} of type {samples.dtype} cannot be filtered: give integers or floats")
    if samples.ndim == 0:
        raise ShapeError(f"a single number cannot be filtered: give an {name} of at least one axis")
    return samples


def weights_of(kernel: ArrayLike) -> np.ndarray:
    """Return a kernel of finite real numbers, bool as uint8.

    Raises
    ------
    KernelError
        If it is ragged or not made of finite real numbers.
    """
    try:
        weights = np.asarray(kernel)
    except ValueError:
        raise KernelError("the kernel is ragged: give rows of one length") from None
    if weights.dtype == bool:
        return weights.view(np.uint8)
    if weights.dtype.kind not in "iuf":
        raise KernelError(f"a kernel of type {weights.dtype} cannot be used: give integers or floats")
    if not np.isfinite(weights).all():
        raise KernelError(
            "a kernel with nan or infinity among its weights cannot be used: give finite numbers"
        )
    return weights


def result_types(
    samples: np.ndarray,
    weights: np.ndarray,
    fill: float = 0.0,
    *,
    names: tuple[str, str] = ("samples", "weights"),
    repeats: int = 1,
) -> tuple[np.dtype[Any], np.dtype[Any]]:
    """Return the type of sums of samples times weights, and the one to work in.

    Parameters
    ----------
    samples, weights : ndarray
        From `samples_of` and `weights_of`.
    fill : float
        A value that may stand among the samples.
    names : tuple of str
        What a message calls the samples and the weights.
    repeats : int
        How often every weight may be counted in one sum.

    Returns
    -------
    kept, work : numpy.dtype
        int64 and the narrowest integer type that holds every sum; or a float type, and float32 where that is
        half precision, which is only for storing.

    Raises
    ------
    KernelError
        If sums of integers may pass int64.
    ImageError
        If the fill would not stay exact among integers.
    """
    integer_array, integer_kernel = samples.dtype.kind in "iu", weights.dtype.kind in "iu"
    if integer_array and integer_kernel:
        return np.dtype(np.int64), _integer_work(samples, weights, fill, names, repeats)
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


def _integer_work(
    samples: np.ndarray, weights: np.ndarray, fill: float, names: tuple[str, str], repeats: int
) -> np.dtype[Any]:
    if fill != int(fill):
        raise ImageError(
            f"a fill of {fill:g} among integers would not stay exact: give a whole number or a float array"
        )
    total = _sum_of_magnitudes(weights) * repeats
    limits = np.iinfo(samples.dtype)
    # Every sample passes through the work type, also where the kernel is all zeros.
    kind = exact_type(max(abs(limits.min), limits.max, abs(int(fill))) * max(total, 1))
    if kind is None and samples.size:
        largest = max(largest_magnitude(samples), abs(int(fill)))
        kind = exact_type(largest * max(total, 1))
        if kind is None:
            raise KernelError(
                f"sums of {names[0]} up to {largest} with {names[1]} adding up to {total} may pass int64: "
                "give either of them as floats"
            )
        return np.dtype(np.int64)
    return kind or np.dtype(np.int64)


def _sum_of_magnitudes(values: np.ndarray) -> int:
    """The sum of all magnitudes, exact however large it is."""
    if largest_magnitude(values) * values.size > np.iinfo(np.int64).max:
        return sum(abs(int(value)) for value in values.flat)
    # In parts, for an upstream is as large as a picture.
    parts = np.array_split(values, min(len(values), values.size // 2**20 + 1))
    return sum(
        2 * int(np.maximum(part, 0).sum(dtype=np.int64)) - int(part.sum(dtype=np.int64)) for part in parts
    )
