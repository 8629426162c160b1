"""Transparency: what becomes of it, and of the colours under it."""

import itertools

import numpy as np
import pytest
from filters import (
    BLUR,
    DEPTHS,
    EDGES,
    IDENTITY,
    SHARPEN,
    SHIPPED,
    assert_filtered,
    kernel_of,
    picture,
    random_kernel,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import (
    BORDERS,
    FULL_SCALE,
    grid,
)

from convfilter import apply_kernel


@pytest.mark.parametrize("alpha", ["auto", "keep", "premultiply", "plain", "drop"])
@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_an_opaque_picture_gives_its_rgb_result(dtype, border, alpha):
    """Bit for bit, for blurs and sharpening, and alpha stays opaque."""
    full = FULL_SCALE[dtype]
    colours = picture(0, 8, 9, 3, dtype=dtype)
    pixels = np.concatenate([colours, np.full((8, 9, 1), full, dtype)], axis=-1)
    wide = random_kernel(0, shape=(4, 3), real=True, low=0)
    kernels = [BLUR, SHARPEN, SHIPPED["gaussian"], SHIPPED["emboss"], SHIPPED["unsharp"], wide]
    for kernel, padding in zip(kernels, itertools.cycle(("same", "valid", "full", "same")), strict=False):
        options = {"padding": padding, "border": border, "fill": 0.5}
        plain = apply_kernel(colours, kernel, **options)
        result = apply_kernel(pixels, kernel, alpha=alpha, **options)
        np.testing.assert_array_equal(result[..., :3], plain)
        if alpha == "drop":
            assert result.shape == plain.shape
        elif alpha != "plain":
            assert set(result[..., 3].flat) == {full}


@pytest.mark.parametrize("channels", [2, 4])
@pytest.mark.parametrize("dtype", DEPTHS)
@settings(deadline=None, derandomize=True, max_examples=60)
@given(
    seed=st.integers(0, 2**32),
    low=st.sampled_from([-4, 0, 1]),
    options=st.fixed_dictionaries(
        {
            "padding": st.sampled_from(["same", "same", "full", "valid", (0, 2)]),
            "border": st.sampled_from(BORDERS),
            "fill": st.sampled_from([0.0, 0.5, 1.0]),
            "stride": st.sampled_from([1, 1, 2]),
            "dilation": st.sampled_from([1, 1, 2]),
            "flip": st.booleans(),
            "channels": st.sampled_from(["each", "each", "sum", "mean"]),
            "range": st.sampled_from(["auto", "clip", "absolute", "signed"]),
            "alpha": st.sampled_from(["auto", "premultiply"]),
        }
    ),
    offset=st.sampled_from([0.0, 0.0, 0.5]),
)
def test_premultiplied_filters_are_exact(channels, dtype, seed, low, options, offset):
    """Colours weighted by alpha, alpha by the weights; plain colours where nothing is to be seen."""
    kernel = random_kernel(seed, shape=(2, 3), low=low, divisors=(5,), offset=offset)
    if sum(map(sum, kernel.parts[0])) == 0:
        return
    pixels = picture(seed, 5, 6, channels, dtype=dtype)
    pixels[:2, :, -1] = 0  # enough of nothing for windows without alpha
    assert_filtered(pixels, kernel, **options)


@pytest.mark.parametrize("name", ["blur", "box", "gaussian", "disk", "binomial-7", "motion"])
def test_blurs_leave_no_halo(name):
    """Colours of what cannot be seen do not bleed: red on invisible green stays red."""
    pixels = np.zeros((20, 21, 4), dtype=np.uint8)
    pixels[...] = (0, 255, 0, 0)
    pixels[5:15, 6:16] = (200, 10, 30, 255)
    result = apply_kernel(pixels, name)
    seen = result[..., 3] > 0
    assert seen.sum() > 100
    assert {tuple(colour) for colour in result[seen][:, :3].tolist()} == {(200, 10, 30)}
    assert len(set(result[..., 3].flat)) > 2


def test_colours_under_no_alpha_are_the_plain_ones():
    """Where alpha comes out as 0 there is nothing to divide by."""
    pixels = picture(0, 8, 9, 4)
    pixels[..., 3] = 0
    pixels[0, 0, 3] = 1  # a ninth of one level, rounded to none
    result = apply_kernel(pixels, kernel_of([1, 1, 1], [1, 1, 1], [1, 1, 1], divisors=(9,)), border="zero")
    assert set(result[1:-1, 1:-1, 3].flat) == {0}
    plain = apply_kernel(pixels[..., :3], kernel_of([1, 1, 1], [1, 1, 1], [1, 1, 1], divisors=(9,)))
    np.testing.assert_array_equal(result[1:-1, 1:-1, :3], plain[1:-1, 1:-1])


@pytest.mark.parametrize(
    ("kernel", "kept"),
    [
        (IDENTITY, True),
        (kernel_of([3]), True),
        (EDGES, True),
        ("sobel", True),
        ("high-pass", True),
        ("luma", True),
        (BLUR, False),
        ("sharpen", False),
        ("emboss", False),
    ],
    ids=str,
)
def test_alpha_by_default(kernel, kept):
    """Kept by zero-sum kernels and by those of one sample, premultiplied by the others."""
    pixels = picture(0, 8, 9, 4)
    result = apply_kernel(pixels, kernel)
    other = apply_kernel(pixels, kernel, alpha="keep" if kept else "premultiply")
    np.testing.assert_array_equal(result, other)
    assert np.array_equal(result[..., -1], pixels[..., -1]) == kept


def test_a_kernel_of_one_sample_a_frame_weighs_with_alpha():
    frames = np.stack([picture(seed, 8, 9, 4) for seed in range(3)])
    result = apply_kernel(frames, "temporal-blur")
    np.testing.assert_array_equal(result, apply_kernel(frames, "temporal-blur", alpha="premultiply"))
    assert not np.array_equal(result[..., -1], frames[..., -1])


@pytest.mark.parametrize("channels", [2, 4])
def test_alpha_is_no_colour(channels):
    """Kept beside what the colours give alone, or removed from it."""
    pixels = picture(0, 8, 9, channels)
    colours = apply_kernel(pixels[..., :-1], EDGES).reshape(8, 9, -1)
    kept = apply_kernel(pixels, EDGES, alpha="keep")
    np.testing.assert_array_equal(kept, np.concatenate([colours, pixels[..., -1:]], axis=-1))
    dropped = apply_kernel(pixels, EDGES, alpha="drop")
    np.testing.assert_array_equal(dropped.reshape(8, 9, -1), colours)


@pytest.mark.parametrize("channels", [2, 4])
def test_plain_alpha_is_a_colour(channels):
    """CMYK: four channels and none of them alpha."""
    pixels = picture(0, 8, 9, channels)
    result = apply_kernel(pixels, SHARPEN, alpha="plain")
    for channel in range(channels):
        np.testing.assert_array_equal(result[..., channel], apply_kernel(pixels[..., channel], SHARPEN))


@pytest.mark.parametrize("alpha", ["auto", "keep", "premultiply", "plain", "drop"])
@pytest.mark.parametrize("channels", [None, 1, 3, 5])
def test_pictures_without_alpha_do_not_mind(channels, alpha):
    """There is none to keep."""
    pixels = picture(0, 8, 9, *([channels] if channels else []))
    result = apply_kernel(pixels, BLUR, alpha=alpha)
    np.testing.assert_array_equal(result, apply_kernel(pixels, BLUR))


@pytest.mark.parametrize(
    "options",
    grid(
        padding=["same", "valid", "full", 1, ((0, 2), (3, 0))], stride=[1, 2, (3, 1)], dilation=[1, 2, (2, 3)]
    ),
    ids=str,
)
def test_kept_alpha_stands_under_the_anchor(options):
    """It moves with the picture when sizes change, and is opaque where it has to be made up."""
    pixels = picture(0, 9, 10, 4)
    for shape in [(1, 1), (2, 2), (3, 3), (4, 3)]:
        kernel = random_kernel(1, shape=shape)
        for border in ("edge", "zero", "constant"):
            assert_filtered(pixels, kernel, alpha="keep", border=border, **options)


def test_a_border_of_nothing_is_opaque():
    """`zero` and `constant` lay the picture on a ground that can be seen."""
    pixels = np.full((4, 5, 4), 255, dtype=np.uint8)
    for alpha in ("premultiply", "keep"):
        for border in ("zero", "constant"):
            result = apply_kernel(pixels, BLUR, padding=3, border=border, alpha=alpha)
            assert set(result[..., 3].flat) == {255}
            assert result[0, 0, 0] == 0
