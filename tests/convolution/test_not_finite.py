"""A sample under a weight of zero does not count, whatever it is and however the sums are made."""

import numpy as np
import pytest
from oracles import correlate_by_shifts

import convfilter as cf


def kernels():
    rng = np.random.default_rng(1)
    sparse = rng.normal(size=(5, 5))
    sparse[rng.random((5, 5)) < 0.5] = 0
    return {
        "sobel": np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]]),
        "laplacian": np.array([[0, 1, 0], [1, -4, 1], [0, 1, 0]]),
        "sparse": sparse,
        "column": np.outer(rng.normal(size=5), [0, 0, 1, 0, 0]),
        "crossed out": np.outer([1.5, 0, 2.5, 0, 3.5], [0.1, 0, 0.7, 0, 1.3]),
        "ring": 1 - np.pad(np.ones((9, 9)), 2),
        "large": np.where(rng.random((31, 31)) < 0.02, rng.normal(size=(31, 31)), 0),
        "nothing": np.zeros((3, 3)),
    }


@pytest.mark.parametrize("name", kernels())
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_nan_and_infinity_count_under_weights_other_than_zero_only(name, dtype):
    kernel = kernels()[name]
    samples = np.random.default_rng(0).normal(size=(50, 60)).astype(dtype)
    samples[10, 12], samples[30, 31], samples[31, 33], samples[49, 0] = np.nan, np.inf, -np.inf, np.nan
    result, wanted = cf.correlate(samples, kernel), correlate_by_shifts(samples, kernel, "edge")
    for kind in (np.isnan, np.isposinf, np.isneginf):
        assert np.array_equal(kind(result), kind(wanted))
    np.testing.assert_allclose(result, wanted, rtol=1e-4, atol=1e-4)


def test_every_strategy_and_entry_has_the_same_rule():
    samples = np.ones((40, 40, 3), np.float32)
    samples[20, 20] = np.nan
    kernel = np.outer([1, 2, 1], [-1, 0, 1])
    touched = np.isnan(correlate_by_shifts(samples[..., 0], kernel, "edge"))
    assert touched.sum() == 6
    reached = [
        cf.correlate(samples, kernel)[..., 1],
        cf.correlate(samples, kernel.astype(float))[..., 1],
        cf.correlate_channels(samples, np.stack([kernel, 0 * kernel, 0 * kernel]))[..., 0],
        cf.apply_kernel(samples, "sobel-x", range="raw")[..., 1],
        cf.apply_kernel(samples, "sobel-x", channels="sum"),
    ]
    for result in reached:
        assert np.array_equal(np.isnan(result), touched)


def test_strides_and_dilations_reach_as_far_as_their_weights():
    samples = np.random.default_rng(0).normal(size=(23, 29))
    samples[8, 9] = np.nan
    kernel = np.array([[1, 0, 2], [0, 3, 0]])
    result = cf.correlate(samples, kernel, padding="valid", stride=(2, 3), dilation=(2, 2))
    for place in np.ndindex(result.shape):
        window = samples[2 * place[0] :, 3 * place[1] :][:3:2, :5:2]
        assert np.isnan(result[place]) == np.isnan(window[kernel != 0]).any()


def test_a_colour_that_cannot_be_seen_does_not_count():
    pixels = np.full((5, 5, 4), 0.5, np.float32)
    pixels[2, 2] = [np.nan, np.inf, 0.5, 0]
    result = cf.apply_kernel(pixels, "box:size=3")
    np.testing.assert_allclose(result[..., :3], 0.5, rtol=1e-6)


def test_an_upstream_of_zero_is_a_weight_of_zero_for_the_kernels_gradient():
    rng = np.random.default_rng(0)
    samples, upstream = rng.normal(size=(12, 11)), rng.normal(size=(12, 11))
    clean = np.where(np.arange(132).reshape(12, 11) == 60, 0, samples)
    samples[5, 5] = np.nan
    upstream[4:7, 4:7] = 0
    assert np.allclose(
        cf.kernel_gradient(samples, upstream, (3, 3)), cf.kernel_gradient(clean, upstream, (3, 3))
    )
    upstream[4, 4] = 2
    assert np.isnan(cf.kernel_gradient(samples, upstream, (3, 3))).tolist() == [
        [False] * 3,
        [False] * 3,
        [False, False, True],
    ]


def test_a_weight_of_zero_carries_no_upstream_back():
    upstream = np.ones((7, 8))
    upstream[3, 4] = np.nan
    gradient = cf.input_gradient(upstream, [[0, 1, 2], [0, 0, 1]], (7, 8))
    assert np.isnan(gradient).sum() == 3


@pytest.mark.parametrize("kernel", ["box:size=3", "sobel", "gaussian", "kirsch"])
def test_large_floats_do_not_overflow_before_they_are_divided(kernel):
    rng = np.random.default_rng(0)
    small = rng.random((20, 30)).astype(np.float32)
    for scale in (np.float32(2.0**120), np.float32(2.0**-110)):
        large = cf.apply_kernel(small * scale, kernel, range="clip")
        np.testing.assert_allclose(
            large / scale, cf.apply_kernel(small, kernel, range="clip"), rtol=2e-5, atol=1e-6
        )


@pytest.mark.parametrize("order", ["<", ">"])
def test_half_precision_is_summed_in_single_in_either_byte_order(order):
    samples = np.random.default_rng(0).random((60, 70)).astype("f2")
    ones = np.ones((25, 25), int)
    for function in (cf.correlate, cf.convolve):
        result = function(samples.astype(f"{order}f2"), ones)
        assert result.dtype == np.dtype("=f2")
        assert result.dtype.isnative
        wanted = function(samples.astype(float), ones)
        np.testing.assert_allclose(result, wanted, rtol=2**-11)
