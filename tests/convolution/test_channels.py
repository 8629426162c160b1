"""Laws of the convolution with channels: one kernel slice a channel, one kernel an output."""

import numpy as np
import pytest
from oracles import correlate_channels_by_loops, grid, padding_pairs

from convfilter import ShapeError, correlate, correlate_channels


def picture(seed, *shape, low=0, high=256):
    """Return random integers."""
    return np.random.default_rng(seed).integers(low, high, shape)


@pytest.mark.parametrize(
    "options",
    grid(
        padding=["same", "valid", "full", 2, ((0, 3), (1, 0))],
        border=["edge", "symmetric", "reflect", "wrap", "zero", "constant"],
        stride=[1, (2, 3)],
        dilation=[1, (3, 2)],
    ),
    ids=str,
)
def test_loops_agree(options):
    """The same integers as plain loops give, for kernels of any size and any number of channels."""
    seed = len(str(options))
    rng = np.random.default_rng(seed)
    for _ in range(3):
        channels, outputs = rng.integers(1, 5, 2)
        length = rng.integers(1, 4, 2)
        size = rng.integers(1, 9, 2) if options["padding"] != "valid" else rng.integers(7, 11, 2)
        image = rng.integers(0, 256, (*size, channels))
        kernels = rng.integers(-9, 10, (outputs, channels, *length))
        loop_options = {name: value for name, value in options.items() if name != "padding"}
        pairs = padding_pairs(options["padding"], kernels.shape[2:], options["dilation"])
        loops = correlate_channels_by_loops(image, kernels, pairs, fill=7, **loop_options)
        if 0 in loops.shape:
            with pytest.raises(ShapeError):
                correlate_channels(image, kernels, fill=7, **options)
        else:
            result = correlate_channels(image, kernels, fill=7, **options)
            assert result.dtype == np.int64
            np.testing.assert_array_equal(result, loops.astype(np.int64))


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 7])
def test_each_channel_meets_its_own_slice_and_the_results_are_added(channels):
    """The definition: a sum over channels of plain correlations."""
    image = picture(channels, 12, 10, channels)
    kernel = picture(channels + 1, channels, 3, 4, low=-5, high=6)
    total = sum(correlate(image[:, :, each], kernel[each], border="wrap") for each in range(channels))
    np.testing.assert_array_equal(correlate_channels(image, kernel, border="wrap")[:, :, 0], total)


def test_a_channel_sum_is_valid_on_the_channel_axis():
    """With the channels as an axis of the kernel the same engine gives the same: C - C + 1 = 1."""
    image = picture(0, 9, 11, 4)
    kernel = picture(1, 4, 3, 3, low=-5, high=6)
    volume = correlate(np.moveaxis(image, 2, 0), kernel, padding=("valid", "same", "same"))
    assert volume.shape == (1, 9, 11)
    np.testing.assert_array_equal(volume[0], correlate_channels(image, kernel)[:, :, 0])


def test_one_kernel_gives_one_channel_from_three():
    """RGB and a kernel of three slices: one output channel."""
    assert correlate_channels(picture(0, 28, 30, 3), np.ones((3, 3, 3), int)).shape == (28, 30, 1)
    valid = correlate_channels(picture(0, 28, 30, 3), np.ones((3, 3, 3), int), padding="valid")
    assert valid.shape == (26, 28, 1)


@pytest.mark.parametrize("outputs", [1, 2, 5])
def test_outputs_are_stacked_in_the_order_of_their_kernels(outputs):
    """As many channels come out as there are kernels, each what its kernel gives alone."""
    image = picture(0, 8, 9, 3)
    kernels = picture(1, outputs, 3, 3, 3, low=-5, high=6)
    result = correlate_channels(image, kernels)
    assert result.shape == (8, 9, outputs)
    for output in range(outputs):
        np.testing.assert_array_equal(result[:, :, [output]], correlate_channels(image, kernels[output]))


def test_slices_belong_to_channels():
    """Channels and slices changed about together change nothing; channels alone do."""
    image = picture(0, 8, 9, 3)
    kernels = picture(1, 2, 3, 3, 3, low=-5, high=6)
    result = correlate_channels(image, kernels)
    turned = correlate_channels(image[:, :, ::-1], kernels[:, ::-1])
    np.testing.assert_array_equal(turned, result)
    assert not np.array_equal(correlate_channels(image[:, :, ::-1], kernels), result)


@pytest.mark.parametrize(("channels", "slices"), [(4, 3), (3, 4), (1, 3), (3, 1)])
@pytest.mark.parametrize("outputs", [(), (2,)])
def test_a_count_that_does_not_match_is_an_error_naming_both(channels, slices, outputs):
    """RGBA does not fit a kernel of three slices."""
    kernels = np.ones((*outputs, slices, 3, 3))
    with pytest.raises(ShapeError) as caught:
        correlate_channels(picture(0, 6, 6, channels), kernels)
    assert str(channels) in str(caught.value)
    assert str(slices) in str(caught.value)


@pytest.mark.parametrize(
    ("image", "kernels"),
    [
        ((6, 6), (3, 3, 3)),
        ((2, 6, 6, 3), (3, 3, 3)),
        ((6, 6, 3), (3, 3)),
        ((6, 6, 3), (1, 1, 3, 3, 3)),
        ((6, 6, 0), (0, 3, 3)),
        ((6, 6, 3), (0, 3, 3, 3)),
        ((6, 6, 3), (3, 0, 3)),
        ((0, 6, 3), (3, 3, 3)),
    ],
)
def test_wrong_numbers_of_axes_and_empty_arrays_are_refused(image, kernels):
    """An image is (H, W, C), kernels are (O, C, Kh, Kw) or (C, Kh, Kw)."""
    with pytest.raises(ShapeError):
        correlate_channels(np.ones(image), np.ones(kernels))


@pytest.mark.parametrize(
    ("pixels", "weights", "expected"),
    [
        ("uint8", "int64", "int64"),
        ("uint8", "float32", "float32"),
        ("uint16", "float32", "float32"),
        ("uint8", "float64", "float64"),
        ("int32", "float32", "float64"),
        ("float16", "int8", "float16"),
        ("float32", "int64", "float32"),
        ("float32", "float32", "float32"),
        ("float64", "float32", "float64"),
    ],
)
def test_types_are_those_of_plain_correlation(pixels, weights, expected):
    """The sum over channels follows the rules of `correlate`."""
    image = picture(0, 7, 6, 3, high=9).astype(pixels)
    kernels = picture(1, 2, 3, 3, 3, low=0, high=4).astype(weights)
    result = correlate_channels(image, kernels)
    assert result.dtype == expected
    exact = correlate_channels(image.astype(np.int64), kernels.astype(np.int64))
    np.testing.assert_array_equal(result, exact)


def test_the_sum_over_channels_does_not_wrap():
    """A sum that may pass int64 only with all its channels is refused."""
    image = np.full((2, 2, 4), 2**61)
    kernel = np.ones((4, 1, 1), dtype=np.int64)
    with pytest.raises(ValueError, match="int64"):
        correlate_channels(image, kernel)
    assert int(correlate_channels(image[:, :, :3], kernel[:3])[0, 0, 0]) == 3 * 2**61


@pytest.mark.parametrize("border", ["edge", "wrap", "constant"])
def test_large_pictures_agree_with_the_sum_over_channels(border):
    """However the engine cuts a picture into blocks."""
    image = picture(3, 211, 317, 3)
    kernels = picture(4, 2, 3, 9, 7, low=-5, high=6)
    result = correlate_channels(image, kernels, border=border, fill=3)
    for output in range(2):
        total = sum(
            correlate(image[:, :, each], kernels[output, each], border=border, fill=3) for each in range(3)
        )
        np.testing.assert_array_equal(result[:, :, output], total)
