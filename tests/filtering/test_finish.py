"""Ranges: values outside the scale, and the scale itself."""

import numpy as np
import pytest
from filters import IDENTITY, kernel_of, picture
from oracles import FULL_SCALE, values_by_loops

from convfilter import apply_kernel
from convfilter.kernels import Kernel


def test_absolute_folds_and_signed_centres():
    """-100, 0 and 100 as 100, 0, 100, and as 78, 128, 178 (ties up)."""
    pixels = np.array([[200, 100, 100, 200]], dtype=np.uint8)
    kernel = kernel_of([-1, 1])
    options = {"padding": "valid"}
    assert apply_kernel(pixels, kernel, **options).tolist() == [[100, 0, 100]]
    assert apply_kernel(pixels, kernel, range="absolute", **options).tolist() == [[100, 0, 100]]
    assert apply_kernel(pixels, kernel, range="clip", **options).tolist() == [[0, 0, 100]]
    assert apply_kernel(pixels, kernel, range="signed", **options).tolist() == [[78, 128, 178]]
    assert apply_kernel(pixels, kernel, range="stretch", **options).tolist() == [[0, 128, 255]]
    raw = apply_kernel(pixels, kernel, range="raw", **options)
    assert raw.dtype == np.float32
    assert raw.tolist() == [[-100, 0, 100]]


def test_auto_takes_the_kernels_own_range():
    """Else absolute for a zero-sum kernel of one part and no offset, else clip."""
    pixels = picture(0, 8, 9) // 3 * 2 + 20  # away from both ends, so that no two ranges agree
    for kernel, expected in [
        (kernel_of([-1, 1]), "absolute"),
        (kernel_of([-1, 1], offset=0.5), "clip"),
        (kernel_of([-1, 2]), "clip"),
        (kernel_of([-1, 1], range="signed"), "signed"),
        (kernel_of([-1, 2], range="absolute"), "absolute"),
        (kernel_of([2, 2], range="stretch"), "stretch"),
        (Kernel("two", parts=([[1, -1]], [[2, -2]]), combine="maximum"), "clip"),
        (kernel_of([-1.0000001, 1.0]), "absolute"),
        (kernel_of([-1.00001, 1.0]), "clip"),
    ]:
        result = apply_kernel(pixels, kernel)
        for other in ("clip", "absolute", "signed", "stretch"):
            assert np.array_equal(apply_kernel(pixels, kernel, range=other), result) == (other == expected)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32", "float64"])
def test_raw_is_float32_in_units_of_the_picture(dtype):
    pixels = picture(0, 8, 9, 3, dtype=dtype)
    kernel = Kernel("two", parts=([[-1, 3, -2]], [[2, 1, -4]]), divisors=(3, 1), combine="sum", offset=0.25)
    result = apply_kernel(pixels, kernel, range="raw")
    assert result.dtype == np.float32
    values = values_by_loops(pixels, kernel).astype(float)
    np.testing.assert_allclose(result, values, rtol=3e-7, atol=1e-6 * FULL_SCALE[dtype])
    assert values.min() < 0
    assert values.max() > FULL_SCALE[dtype]


def test_the_scale_of_32_bits():
    """2**31 - 1 is full, half of it is half, and twice of it is no more."""
    full = 2**31 - 1
    pixels = np.array([[0, 1, 2**30, full - 1, full]], dtype=np.int32)
    assert apply_kernel(pixels, kernel_of([2])).tolist() == [[0, 2, full, full, full]]
    half = kernel_of([1], divisors=(2,))
    assert apply_kernel(pixels, half).tolist() == [[0, 1, 2**29, 2**30 - 1, 2**30]]
    negative = kernel_of([-1], offset=1.0)
    assert apply_kernel(pixels, negative).tolist() == [[full, full - 1, 2**30 - 1, 1, 0]]
    middle = kernel_of([0], [1], [0], offset=0.5)
    assert apply_kernel(pixels // 4, middle)[0, 0] == 2**30
    assert apply_kernel(pixels, kernel_of([0, 1, 0]), range="signed").tolist() == [
        [2**30, 2**30, 2**29 + 2**30, full, full]
    ]
    padded = apply_kernel(pixels, IDENTITY, padding=1, border="constant", fill=1.0)
    assert padded[0, 0] == full
