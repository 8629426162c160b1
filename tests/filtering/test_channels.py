"""Channels: each on its own, summed, or as the kernel has them."""

import json

import numpy as np
import pytest
from filters import BLUR, DEPTHS, SHARPEN, assert_filtered, picture, random_kernel
from oracles import FULL_SCALE
from samples import colour, grey, load, save

from convfilter import ConvfilterError, Kernel, KernelError, ShapeError, apply_kernel, correlate, get_kernel
from convfilter.filtering import filter_pixels
from convfilter.options import FilterOptions


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


@pytest.mark.parametrize("dtype", DEPTHS)
def test_luma_adds_the_change_of_lightness_to_every_channel_and_gray_is_lightness(dtype):
    pixels, full = picture(0, 6, 7, 3, dtype=dtype), FULL_SCALE[dtype]
    lightness = pixels @ np.array([0.299, 0.587, 0.114])
    value = correlate(lightness, np.array(SHARPEN.parts[0]))
    expected = {"luma": pixels + (value - lightness)[..., np.newaxis], "gray": value}
    for how, values in expected.items():
        made = apply_kernel(pixels, SHARPEN, channels=how)
        assert abs(made - values.clip(0, full)).max() < 0.501


def test_lightness_of_equal_channels_is_the_grey_image():
    """In colour, with alpha as a weight, in linear light, in a chain: what the grey image becomes."""
    level, alpha = picture(0, 9, 8), picture(1, 9, 8)
    equal = np.stack([level] * 3, axis=-1)
    for options in ({}, {"linear": True}, {"range": "stretch"}, {"border": "wrap", "flip": True}):
        expected = apply_kernel(level, SHARPEN, **options)
        luma, gray = (apply_kernel(equal, SHARPEN, channels=how, **options) for how in ("luma", "gray"))
        for made in (gray, *np.moveaxis(luma, -1, 0)):
            np.testing.assert_array_equal(made, expected)
    expected = apply_kernel(np.dstack([level, alpha]), BLUR)
    made = apply_kernel(np.dstack([equal, alpha]), BLUR, channels="luma")
    np.testing.assert_array_equal(made, expected[..., [0, 0, 0, 1]])
    chain = [BLUR, SHARPEN]
    made = filter_pixels(equal, chain, FilterOptions(channels="luma")).pixels
    np.testing.assert_array_equal(made[..., 1], filter_pixels(level, chain, FilterOptions()).pixels)


def test_lightness_of_summed_parts_is_stretched_and_blended():
    """The extremes lie in any channel, also where only the first part adds colours."""
    pixels = np.random.default_rng(0).integers(0, 256, (12, 14, 3)).astype(np.uint8)
    kernel = Kernel("sum", (((1, 2, 1),), ((1, 1, 1),)), combine="sum", divisors=(4, 4))
    options = {"channels": "luma", "range": "stretch"}
    plain, half = (apply_kernel(pixels, kernel, mix=mix, **options) for mix in (1, 0.5))
    assert (plain.min(), plain.max()) == (0, 255)
    assert np.abs(half - (pixels / 2 + plain / 2)).max() <= 1


def test_lightness_needs_colours_a_size_that_stays_and_a_kernel_that_leaves_some():
    pixels = picture(0, 6, 7, 3)
    for kernel, options in [
        ("sobel-x", {}),
        ("sobel", {}),
        (BLUR, {"stride": 2}),
        (BLUR, {"padding": "valid"}),
    ]:
        with pytest.raises(ConvfilterError, match="'gray'"):
            apply_kernel(pixels, kernel, channels="luma", **options)
    for how in ("luma", "gray"):
        with pytest.raises(ShapeError, match="red, green and blue"):
            apply_kernel(picture(0, 6, 7, 5), BLUR, channels=how, channel_axis=-1)


def test_a_folder_of_grey_and_colour_becomes_grey(quick):
    save("in/grey.png", grey())
    save("in/colour.png", colour())
    for extra in (["-n"], []):
        ran = quick("apply", "in", "-k", "sobel", "--channels", "gray", "-o", "out", "--json", *extra)
        assert [json.loads(line)["output_channels"] for line in ran.out.splitlines()] == [1, 1]
    assert load("out/colour.png").shape == load("out/grey.png").shape == (8, 10)
