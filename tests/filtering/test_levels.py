"""Ranges, linear light and depth: from unrounded values to samples, once."""

import numpy as np
import pytest
from filters import DEPTHS, IDENTITY, kernel_of, picture
from oracles import FULL_SCALE
from samples import colour, save

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


def test_the_scale_of_32_bits():
    """2**31 - 1 is full, half of it is half, and twice of it is no more."""
    full = 2**31 - 1
    pixels = np.array([[0, 1, 2**30, full - 1, full]], dtype=np.int32)
    assert apply_kernel(pixels, kernel_of([2])).tolist() == [[0, 2, full, full, full]]
    assert apply_kernel(pixels, kernel_of([-1], offset=1.0)).tolist() == [[full, full - 1, 2**30 - 1, 1, 0]]


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


TYPES = {8: "uint8", 16: "uint16", "float": "float32"}
FULL = {8: 255, 16: 65535, "float": 1}


@pytest.mark.parametrize(
    "dtype", ["int8", "uint8", "int16", "uint16", "int32", "uint32", "float32", "float64"]
)
def test_full_scale_is_full_scale(dtype):
    full = 1 if dtype.startswith("float") else np.iinfo(dtype).max
    pixels = np.array([[[0, 0], [full, full]]], dtype)
    for depth, name in TYPES.items():
        result = apply_kernel(pixels, "identity", depth=depth)
        assert result.dtype == name
        assert result.tolist() == [[[0, 0], [FULL[depth]] * 2]]


def test_sixteen_bits_hold_eight_exactly_and_eight_the_nearest():
    every = np.arange(256, dtype=np.uint8).reshape(16, 16)
    deep = apply_kernel(every, "identity", depth=16)
    assert np.array_equal(deep, every.astype(int) * 257)
    assert np.array_equal(apply_kernel(deep, "identity", depth=8), every)
    whole = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    nearest = (2 * whole.astype(int) + 257) // 514
    assert np.array_equal(apply_kernel(whole, "identity", depth=8), nearest)
    with_alpha = np.stack([whole, whole], axis=-1)
    assert np.array_equal(apply_kernel(with_alpha, "identity", depth=8)[..., 1], nearest)


def test_a_float_that_is_not_a_number_is_black_among_integers():
    pixels = np.array([[np.nan, np.inf, -np.inf, 0.5]], np.float32)
    assert apply_kernel(pixels, "identity", depth=8).tolist() == [[0, 255, 0, 128]]


@pytest.mark.parametrize("kernels", ["sharpen", ["gaussian:1", "sharpen"]], ids=str)
@pytest.mark.parametrize("linear", [False, True])
def test_floats_of_32_bits_become_integers_in_double_precision(kernels, linear):
    pixels = np.random.default_rng(0).random((60, 70)).astype(np.float32)
    made, expected = (
        apply_kernel(each, kernels, linear=linear, depth=16) for each in (pixels, pixels.astype(float))
    )
    np.testing.assert_array_equal(made, expected)


def test_a_depth_that_the_output_cannot_hold_is_planned_as_it_fails(quick, tmp_path):
    save(tmp_path / "a.png", colour(5, 6))
    for dry in (["-n"], []):
        refused = quick("apply", "a.png", "-k", "blur", "--depth", "16", "-o", "b.webp", *dry)
        assert (refused.code, "webp cannot hold 16-bit RGB; use --depth 8, or try png" in refused.err) == (
            1,
            True,
        )
    assert quick("apply", "a.png", "-k", "blur", "--depth", "16", "--range", "raw", "-o", "b.npy").code == 2
    assert sorted(each.name for each in tmp_path.iterdir()) == ["a.png"]
