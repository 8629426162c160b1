"""Channels: each on its own, summed, or as the kernel has them."""

import numpy as np
import pytest
from filters import BLUR, DEPTHS, assert_filtered, picture, random_kernel

from convfilter import KernelError, ShapeError, apply_kernel, get_kernel
from convfilter.filtering import filter_pixels
from convfilter.options import FilterOptions


@pytest.mark.parametrize("dtype", DEPTHS)
def test_sums_and_means_come_before_the_combination(dtype):
    """The channels are added, then the magnitude is taken."""
    kernel = random_kernel(0, parts=2, combine="magnitude", divisors=(4, 5))
    for channels, alpha in [(1, "plain"), (3, "plain"), (5, "plain"), (4, "keep"), (4, "drop")]:
        pixels = picture(0, 7, 8, channels, dtype=dtype)
        for how in ("sum", "mean"):
            assert_filtered(pixels, kernel, channels=how, alpha=alpha)


def test_the_mean_of_a_grey_image_is_the_grey_image():
    """Three equal channels, summed and divided by three; a single one has nothing to sum."""
    grey = picture(0, 9, 8)
    result = apply_kernel(np.stack([grey] * 3, axis=-1), BLUR, channels="mean")
    for same in (result.reshape(9, 8), *(apply_kernel(grey, BLUR, channels=how) for how in ("sum", "mean"))):
        np.testing.assert_array_equal(same, apply_kernel(grey, BLUR))


@pytest.mark.parametrize("dtype", DEPTHS)
@pytest.mark.parametrize("outputs", [None, 1, 3])
def test_kernels_with_channels_are_exact(outputs, dtype):
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


def test_a_wrong_number_of_channels_is_refused():
    """Three slices fit RGB and RGBA; four colours are not RGBA."""
    for shape, alpha in [((5, 5), "auto"), ((5, 5, 2), "auto"), ((5, 5, 5), "auto"), ((5, 5, 4), "plain")]:
        with pytest.raises(ShapeError, match="3"):
            apply_kernel(picture(0, *shape), "luma", alpha=alpha)
    with pytest.raises(KernelError, match="channel"):
        apply_kernel(picture(0, 5, 5, 3), "luma", channels="mean")


def test_a_channel_axis_that_is_summed_away_stays_away_in_a_chain():
    pixels = picture(0, 6, 7, 3)
    luma, edges = get_kernel("luma"), get_kernel("sobel-x")
    for chain in ([luma], [luma, edges], [edges, luma]):
        assert filter_pixels(pixels, chain, FilterOptions()).pixels.shape == (6, 7)
