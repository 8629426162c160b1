"""Laws of `correlate`, `convolve` and `correlate_channels`."""

import numpy as np
import pytest
from arrays import integers, problems
from hypothesis import given, settings
from oracles import correlate_by_loops, correlate_by_shifts, padding_pairs

from convfilter import KernelError, ShapeError, convolve, correlate, correlate_channels, output_shape


@pytest.mark.parametrize(("length", "signal"), [(1, 5), (2, 7), (4, 4), (5, 30)])
def test_convolve_is_mathematical_convolution(length, signal):
    """(x * k)[i] = sum of k[a] x[i - a]: the product of two polynomials."""
    array, kernel = integers(length, signal), integers(signal, length)
    product = np.polymul(np.poly1d(array[::-1]), np.poly1d(kernel[::-1])).coeffs[::-1]
    product = np.pad(product, (0, signal + length - 1 - len(product)))
    np.testing.assert_array_equal(convolve(array, kernel, padding="full", border="zero"), product)


def test_either_factor_may_be_differentiated_first():
    """[f * g]' = f' * g = f * g', exactly where no border but zero takes part."""
    signal, blur, slope = integers(0, 12), integers(1, 5), np.array([1, -1])
    for options in ({"padding": "full", "border": "zero"}, {"padding": "valid"}):
        after = convolve(convolve(signal, blur, **options), slope, **options)
        before = convolve(convolve(signal, slope, **options), blur, **options)
        own = convolve(signal, convolve(blur, slope, padding="full", border="zero"), **options)
        assert after.tolist() == before.tolist() == own.tolist()


@settings(deadline=None, derandomize=True, max_examples=120)
@given(problem=problems())
def test_loops_agree_in_one_two_and_three_dimensions(problem):
    """Any padding, border, stride and dilation, kernels larger than the array, axes carried along."""
    array, kernel, options = problem
    pairs = padding_pairs(options["padding"], kernel.shape, options["dilation"])
    others = {name: value for name, value in options.items() if name != "padding"}
    loops = correlate_by_loops(array, kernel, pairs, **others)
    if not loops.size:
        with pytest.raises(ShapeError):
            correlate(array, kernel, **options)
        return
    result = correlate(array, kernel, **options)
    assert result.dtype == np.int64
    np.testing.assert_array_equal(result, loops.astype(np.int64))
    np.testing.assert_array_equal(convolve(array, np.flip(kernel), **options), result)
    sizes = {name: options[name] for name in ("padding", "stride", "dilation")}
    assert result.shape == output_shape(array.shape, kernel.shape, **sizes)


@pytest.mark.parametrize(
    ("size", "shape"),
    [
        ((700, 900, 3), (4, 2)),
        ((50_000, 40), (5, 3)),
        ((40, 50_000), (3, 5)),
        ((2_000_000,), (5,)),
        ((30, 200, 300), (2, 3, 3)),
        ((1000, 1000, 1, 2), (1, 1)),
    ],
    ids=str,
)
def test_blocks_of_a_large_array_meet_without_a_seam(size, shape):
    """However the work is cut up: every sample of arrays of any form, and every stride of it."""
    array = integers(0, *size, low=0, high=256).astype(np.uint8)
    kernel = integers(1, *shape, low=-9, high=10)
    expected = correlate_by_shifts(array, kernel, "symmetric")
    steps = tuple(range(2, 2 + kernel.ndim))
    for stride in ((1,) * kernel.ndim, steps):
        result = correlate(array, kernel, border="symmetric", stride=stride)
        np.testing.assert_array_equal(result, expected[tuple(slice(None, None, step) for step in stride)])


def test_a_fill_may_be_a_fraction_where_one_of_the_types_is_real():
    for ones in ([[1.0], [1, 1, 1]], [[1], [1.0, 1.0, 1.0]]):
        assert correlate(*ones, border="constant", fill=0.25).tolist() == [1.5]


def test_channels_are_correlated_each_with_its_own_slice_and_added():
    image, kernels = integers(0, 8, 9, 3), integers(1, 2, 3, 3, 2)
    options = {"padding": ((0, 3), (1, 0)), "border": "wrap", "stride": (2, 1), "dilation": 2}
    for output, slices in enumerate(kernels):
        expected = sum(correlate(image[..., c], weights, **options) for c, weights in enumerate(slices))
        np.testing.assert_array_equal(correlate_channels(image, kernels, **options)[..., output], expected)


def test_a_channel_sum_is_valid_on_the_channel_axis():
    """With the channels as an axis of the kernel the same engine gives the same: C - C + 1 = 1."""
    image, kernel = integers(0, 9, 11, 4), integers(1, 4, 3, 3)
    volume = correlate(np.moveaxis(image, 2, 0), kernel, padding=("valid", "same", "same"))
    assert volume.shape == (1, 9, 11)
    np.testing.assert_array_equal(volume[0], correlate_channels(image, kernel)[:, :, 0])


@pytest.mark.parametrize(
    ("image", "kernels"),
    [
        ((6, 6, 4), (2, 3, 3, 3)),
        ((6, 6, 1), (3, 3, 3)),
        ((2, 6, 6, 3), (3, 3, 3)),
        ((6, 6, 3), (1, 1, 3, 3, 3)),
        ((6, 6, 3), (0, 3, 3, 3)),
        ((6, 6, 3), (3, 0, 3)),
    ],
)
def test_shapes_that_do_not_fit_are_refused(image, kernels):
    """An image is (H, W, C), kernels are (O, C, Kh, Kw) or (C, Kh, Kw)."""
    with pytest.raises(ShapeError):
        correlate_channels(np.ones(image), np.ones(kernels))


def test_the_sum_over_channels_has_the_types_of_a_correlation():
    """It does not wrap: a sum that may exceed int64 only with all its channels is refused."""
    image = np.full((2, 2, 4), 2**61)
    kernel = np.ones((4, 1, 1), dtype=np.int64)
    with pytest.raises(KernelError, match="may overflow int64"):
        correlate_channels(image, kernel)
    assert int(correlate_channels(image[:, :, :3], kernel[:3])[0, 0, 0]) == 3 * 2**61
    narrow = correlate_channels(image.astype(np.uint8), kernel.astype(np.float32))
    assert narrow.dtype == np.float32
