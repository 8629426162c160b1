"""Laws of the convolution with channels: one kernel slice a channel, one kernel an output."""

import numpy as np
import pytest
from arrays import integers
from oracles import BORDERS, correlate_channels_by_loops, padding_pairs

from convfilter import KernelError, ShapeError, correlate, correlate_channels


@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize("padding", ["same", "valid", "full", ((0, 3), (1, 0))], ids=str)
def test_loops_agree(padding, border):
    """The same integers as plain loops give, for kernels of any size and any number of channels."""
    rng = np.random.default_rng(len(border))
    for stride, dilation in [(1, 1), ((2, 3), 1), (2, (3, 2))]:
        channels, outputs = rng.integers(1, 5, 2)
        image = rng.integers(0, 256, (*rng.integers(7, 10, 2), channels))
        kernels = rng.integers(-9, 10, (outputs, channels, *rng.integers(1, 4, 2)))
        options = {"border": border, "fill": 7, "stride": stride, "dilation": dilation}
        pairs = padding_pairs(padding, kernels.shape[2:], dilation)
        loops = correlate_channels_by_loops(image, kernels, pairs, **options)
        result = correlate_channels(image, kernels, padding=padding, **options)
        assert result.dtype == np.int64
        np.testing.assert_array_equal(result, loops.astype(np.int64))


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
        ((6, 6), (3, 3, 3)),
        ((2, 6, 6, 3), (3, 3, 3)),
        ((6, 6, 3), (3, 3)),
        ((6, 6, 3), (1, 1, 3, 3, 3)),
        ((6, 6, 0), (0, 3, 3)),
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
    with pytest.raises(KernelError, match="int64"):
        correlate_channels(image, kernel)
    assert int(correlate_channels(image[:, :, :3], kernel[:3])[0, 0, 0]) == 3 * 2**61
    narrow = correlate_channels(image.astype(np.uint8), kernel.astype(np.float32))
    assert narrow.dtype == np.float32
