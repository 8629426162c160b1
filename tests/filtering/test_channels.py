"""Channels: each on its own, summed, or as the kernel has them."""

import numpy as np
import pytest
from filters import BLUR, DEPTHS, assert_filtered, picture, random_kernel

from convfilter import ConvfilterError, ShapeError, apply_kernel, get_kernel
from convfilter.filtering import filter_pixels
from convfilter.options import FilterOptions


@pytest.mark.parametrize("dtype", DEPTHS)
@pytest.mark.parametrize("channels", [1, 3, 4, 5])
def test_sums_and_means_come_before_the_combination(channels, dtype):
    """The channels are added, then the magnitude is taken."""
    pixels = picture(0, 7, 8, channels, dtype=dtype)
    kernel = random_kernel(0, parts=2, combine="magnitude", divisors=(4, 5))
    for how in ("sum", "mean"):
        assert_filtered(pixels, kernel, channels=how, alpha="plain")
        if channels == 4:
            assert_filtered(pixels, kernel, channels=how, alpha="keep")
            assert_filtered(pixels, kernel, channels=how, alpha="drop")


def test_each_channel_is_filtered_on_its_own():
    """What a channel gives alone."""
    pixels = picture(0, 9, 8, 3)
    result = apply_kernel(pixels, "sobel")
    for channel in range(3):
        np.testing.assert_array_equal(result[..., channel], apply_kernel(pixels[..., channel], "sobel"))


def test_the_mean_of_a_grey_picture_is_the_grey_picture():
    """Three equal channels, summed and divided by three."""
    grey = picture(0, 9, 8)
    pixels = np.stack([grey] * 3, axis=-1)
    result = apply_kernel(pixels, BLUR, channels="mean")
    np.testing.assert_array_equal(result.reshape(9, 8), apply_kernel(grey, BLUR))


@pytest.mark.parametrize("how", ["sum", "mean"])
def test_a_grey_picture_has_nothing_to_sum(how):
    """One channel summed is that channel."""
    grey = picture(0, 9, 8)
    np.testing.assert_array_equal(apply_kernel(grey, BLUR, channels=how), apply_kernel(grey, BLUR))


@pytest.mark.parametrize("dtype", DEPTHS)
@pytest.mark.parametrize("outputs", [None, 1, 2, 3, 5])
def test_kernels_with_channels_are_exact(outputs, dtype):
    """One slice a channel, one set of slices an output."""
    shape = (3, 2, 3) if outputs is None else (outputs, 3, 2, 3)
    axes = ("output", "channel", "row", "column")[-len(shape) :]
    kernel = random_kernel(0, parts=2, shape=shape, axes=axes, divisors=(7, 9), combine="magnitude")
    assert_filtered(picture(0, 7, 8, 3, dtype=dtype), kernel)
    assert_filtered(picture(0, 7, 8, 4, dtype=dtype), kernel, alpha="keep", flip=True)
    options = {"padding": "full", "border": "wrap", "stride": 2}
    assert_filtered(picture(0, 7, 8, 4, dtype=dtype), kernel, alpha="drop", **options)


def test_luma_makes_one_channel_and_sepia_three():
    """White stays white under luma, and alpha is carried over beside the colours."""
    pixels = picture(0, 6, 7, 4)
    white = np.full((2, 2, 3), 255, dtype=np.uint8)
    assert set(apply_kernel(white, "luma").flat) == {255}
    for name, colours in (("luma", 1), ("sepia", 3)):
        plain = apply_kernel(pixels[..., :3], name)
        assert plain.reshape(6, 7, -1).shape == (6, 7, colours)
        result = apply_kernel(pixels, name)
        assert result.shape == (6, 7, colours + 1)
        np.testing.assert_array_equal(result[..., :-1], plain.reshape(6, 7, colours))
        np.testing.assert_array_equal(result[..., -1], pixels[..., -1])


@pytest.mark.parametrize(
    ("shape", "alpha"),
    [
        ((5, 5), "auto"),
        ((5, 5, 1), "auto"),
        ((5, 5, 2), "auto"),
        ((5, 5, 5), "auto"),
        ((5, 5, 4), "plain"),
    ],
)
def test_a_wrong_number_of_channels_is_refused(shape, alpha):
    """Three slices fit RGB and RGBA; four colours are no RGBA."""
    with pytest.raises(ShapeError, match="3"):
        apply_kernel(picture(0, *shape), "luma", alpha=alpha)


@pytest.mark.parametrize("how", ["sum", "mean"])
def test_kernels_with_channels_refuse_another_sum(how):
    """They sum already."""
    with pytest.raises(ConvfilterError, match="channel"):
        apply_kernel(picture(0, 5, 5, 3), "luma", channels=how)


def test_a_channel_axis_that_is_summed_away_stays_away_in_a_chain():
    pixels = picture(0, 6, 7, 3)
    luma, edges = get_kernel("luma"), get_kernel("sobel-x")
    for chain in ([luma], [luma, edges], [edges, luma]):
        assert filter_pixels(pixels, chain, FilterOptions()).pixels.shape == (6, 7)
