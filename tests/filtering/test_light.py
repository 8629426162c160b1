"""Linear light: decoded, filtered and encoded again."""

import numpy as np
import pytest
from filters import BLUR, DEPTHS, IDENTITY, SHARPEN, kernel_of, picture
from oracles import FULL_SCALE, values_by_loops

from convfilter import apply_kernel


def decoded(value):
    return value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4


def encoded(light):
    return light * 12.92 if light <= 0.0031308 else 1.055 * light ** (1 / 2.4) - 0.055


@pytest.mark.parametrize("border", ["wrap", "symmetric"])
def test_a_checkerboard_in_linear_light_is_188(border):
    rows, columns = np.indices((32, 34))
    pixels = ((rows + columns) % 2 * 255).astype(np.uint8)
    assert set(apply_kernel(pixels, "box:size=16", border="wrap", linear=True).flat) == {188}
    assert set(apply_kernel(pixels, "box:size=16", border="wrap").flat) == {128}
    odd = apply_kernel(pixels, "box:size=31", border=border, linear=True)
    assert set(odd[8:24, 8:24].flat) <= {187, 188}


@pytest.mark.parametrize("dtype", DEPTHS)
def test_linear_light_there_and_back_changes_no_level(dtype):
    """All levels, under the identity and under a blur of a flat picture."""
    pixels = np.arange(0, FULL_SCALE[dtype] + 1, dtype=dtype).reshape(-1, 64)
    np.testing.assert_array_equal(apply_kernel(pixels, IDENTITY, linear=True), pixels)
    rows = np.arange(0, FULL_SCALE[dtype] + 1, FULL_SCALE[dtype] // 255, dtype=dtype)
    flat = np.tile(rows[:, None], 9)
    np.testing.assert_array_equal(apply_kernel(flat, kernel_of([1, 1, 1], divisors=(3,)), linear=True), flat)


@pytest.mark.parametrize("dtype", DEPTHS)
@pytest.mark.parametrize(
    "kernel", [BLUR, SHARPEN, kernel_of([1, 2, 5], divisors=(8,))], ids=["blur", "sharpen", "row"]
)
def test_linear_light_is_decoded_filtered_and_encoded(kernel, dtype):
    """The formula of sRGB around plain loops; rounded and clipped at the end only."""
    full = FULL_SCALE[dtype]
    pixels = picture(0, 7, 8, 3, dtype=dtype)
    light = np.vectorize(decoded)(pixels / full)
    values = values_by_loops(light, kernel).astype(float)
    expected = np.vectorize(encoded)(values.clip(0, 1)) * full
    result = apply_kernel(pixels, kernel, linear=True)
    assert result.dtype == dtype
    np.testing.assert_allclose(result, expected, rtol=0, atol=0.501)


def test_linear_light_is_for_colours_only():
    pixels = picture(0, 8, 9, 4)
    result = apply_kernel(pixels, BLUR, linear=True, alpha="premultiply")
    np.testing.assert_array_equal(result[..., 3], apply_kernel(pixels, BLUR)[..., 3])
    kept = apply_kernel(pixels, BLUR, linear=True, alpha="keep")
    np.testing.assert_array_equal(kept[..., 3], pixels[..., 3])


def test_linear_light_of_32_bits_needs_no_table():
    pixels = np.array([[0, 2**31, 2**32 - 1]], np.uint32)
    result = apply_kernel(pixels, "identity", linear=True)
    np.testing.assert_allclose(result.astype(float), pixels.astype(float), atol=4)
