"""Another depth of the result: full scale stays full scale, and the value is rounded once."""

import numpy as np
import pytest
from PIL import Image
from samples import colour, grey, save

import convfilter as cf
from convfilter import apply_kernel
from convfilter.options import FilterOptions

TYPES = {8: "uint8", 16: "uint16", "float": "float32"}
FULL = {8: 255, 16: 65535, "float": 1}


def image(dtype, *shape, seed=0):
    rng = np.random.default_rng(seed)
    if np.dtype(dtype).kind == "f":
        return rng.random(shape).astype(dtype)
    return rng.integers(0, np.iinfo(dtype).max, shape, dtype=dtype, endpoint=True)


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


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_floats_are_not_clipped(dtype):
    pixels = image(dtype, 6, 7)
    result = apply_kernel(pixels, "sharpen", depth="float")
    sums = cf.correlate(pixels, [[0, -1, 0], [-1, 5, -1], [0, -1, 0]])
    assert result.min() < 0
    assert result.max() > 1
    np.testing.assert_array_equal(result, (sums / np.iinfo(dtype).max).astype(np.float32))


def test_a_float_that_is_not_a_number_is_black_among_integers():
    pixels = np.array([[np.nan, np.inf, -np.inf, 0.5]], np.float32)
    assert apply_kernel(pixels, "identity", depth=8).tolist() == [[0, 255, 0, 128]]


def test_chains_frames_and_linear_light_keep_the_digits_that_eight_bits_lose():
    pixels = colour(9, 8)
    chained = cf.filtering.filter_pixels(
        pixels, [cf.get_kernel("blur"), cf.get_kernel("identity")], FilterOptions(depth=16)
    ).pixels
    once = apply_kernel(pixels, "blur", depth=16)
    assert np.abs(chained.astype(int) - once).max() <= 1
    assert (once % 257 != 0).any()
    light = apply_kernel(pixels, "blur", linear=True, depth=16)
    assert np.abs(light / 257 - apply_kernel(pixels, "blur", linear=True)).max() <= 0.501
    stack = np.stack([grey(4, 5, seed) for seed in range(3)])
    assert apply_kernel(stack, "temporal-blur", depth=16).dtype == np.uint16


@pytest.mark.parametrize("kernels", ["sharpen", ["gaussian:1", "sharpen"]], ids=str)
@pytest.mark.parametrize("linear", [False, True])
def test_floats_of_32_bits_become_integers_in_double_precision(kernels, linear):
    pixels = np.random.default_rng(0).random((60, 70)).astype(np.float32)
    made, expected = (
        apply_kernel(each, kernels, linear=linear, depth=16) for each in (pixels, pixels.astype(float))
    )
    np.testing.assert_array_equal(made, expected)


def test_a_deep_scan_becomes_a_jpeg(quick, tmp_path):
    scan = (np.arange(600).reshape(20, 30) * 109).astype(np.uint16)
    save(tmp_path / "scan16.png", scan)
    refused = quick("apply", "scan16.png", "-k", "identity", "-o", "x.jpg")
    assert refused.code == 1
    assert refused.err.rstrip().endswith("try png or tiff, or --depth 8")
    planned = quick("apply", "scan16.png", "-k", "identity", "--depth", "8", "-o", "x.jpg", "-n", "--json")
    assert (planned.code, '"planned"' in planned.out) == (0, True)
    assert quick("apply", "scan16.png", "-k", "identity", "--depth", "8", "-o", "x.jpg").code == 0
    with Image.open(tmp_path / "x.jpg") as made:
        assert made.mode == "L"
        assert np.abs(np.asarray(made) - scan / 257).max() < 6


def test_a_depth_that_the_output_cannot_hold_is_planned_as_it_fails(quick, tmp_path):
    save(tmp_path / "a.png", colour(5, 6))
    for dry in (["-n"], []):
        refused = quick("apply", "a.png", "-k", "blur", "--depth", "16", "-o", "b.webp", *dry)
        assert (refused.code, "webp cannot hold RGB of 16 bits" in refused.err) == (1, True)
    assert quick("apply", "a.png", "-k", "blur", "--depth", "16", "--range", "raw", "-o", "b.npy").code == 2
    assert sorted(each.name for each in tmp_path.iterdir()) == ["a.png"]
