"""Transparency: alpha, and the colours under it."""

import itertools

import numpy as np
import pytest
from filters import BLUR, EDGES, IDENTITY, SHARPEN, SHIPPED, kernel_of, picture, random_kernel
from oracles import BORDERS, FULL_SCALE

from convfilter import apply_kernel


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_an_opaque_image_gives_its_rgb_result(dtype):
    """Bit for bit, for blurs and sharpening, and alpha stays opaque."""
    full = FULL_SCALE[dtype]
    colours = picture(0, 8, 9, 3, dtype=dtype)
    pixels = np.concatenate([colours, np.full((8, 9, 1), full, dtype)], axis=-1)
    wide = random_kernel(0, shape=(4, 3), real=True, low=0)
    kernels = [BLUR, SHARPEN, SHIPPED["gaussian"], SHIPPED["emboss"], SHIPPED["unsharp"], wide]
    paddings = itertools.cycle(("same", "valid", "full"))
    for kernel, border, padding in zip(kernels, BORDERS, paddings, strict=False):
        options = {"padding": padding, "border": border, "fill": 0.5}
        plain = apply_kernel(colours, kernel, **options)
        for alpha in ("auto", "keep", "premultiply", "plain"):
            result = apply_kernel(pixels, kernel, alpha=alpha, **options)
            np.testing.assert_array_equal(result[..., :3], plain)
            assert alpha == "plain" or set(result[..., 3].flat) == {full}
        np.testing.assert_array_equal(apply_kernel(pixels, kernel, alpha="drop", **options), plain)


def test_alpha_by_default():
    """Kept by zero-sum kernels and by those of one sample, premultiplied by the others."""
    pixels = picture(0, 8, 9, 4)
    kept = [IDENTITY, kernel_of([3]), EDGES, "sobel", "high-pass", "luma"]
    for kernel in (*kept, BLUR, "sharpen", "emboss"):
        result = apply_kernel(pixels, kernel)
        other = apply_kernel(pixels, kernel, alpha="keep" if kernel in kept else "premultiply")
        np.testing.assert_array_equal(result, other)
        assert np.array_equal(result[..., -1], pixels[..., -1]) == (kernel in kept)


def test_a_kernel_of_one_sample_a_frame_weighs_with_alpha():
    frames = np.stack([picture(seed, 8, 9, 4) for seed in range(3)])
    result = apply_kernel(frames, "temporal-blur")
    np.testing.assert_array_equal(result, apply_kernel(frames, "temporal-blur", alpha="premultiply"))
    assert not np.array_equal(result[..., -1], frames[..., -1])
