"""What `apply_kernel` refuses."""

import numpy as np
import pytest
from filters import BLUR, VOLUME, picture, random_kernel

from convfilter import ConvfilterError, ImageError, KernelError, ShapeError, apply_kernel


@pytest.mark.parametrize(
    ("option", "wrong", "right"),
    [
        ("range", "absolut", "absolute"),
        ("alpha", "premultiplied", "premultiply"),
        ("channels", "means", "mean"),
        ("border", "reflected", "reflect"),
        ("padding", "vallid", "valid"),
    ],
)
def test_the_nearest_name_is_proposed(option, wrong, right):
    """For every option that has names; neither None nor another case is one."""
    with pytest.raises(ConvfilterError, match=f"(?s)'{wrong}'.*'{right}'"):
        apply_kernel(picture(0, 5, 5), BLUR, **{option: wrong})
    for value in (None, "", "AUTO", -1):
        with pytest.raises(ConvfilterError):
            apply_kernel(picture(0, 5, 5), BLUR, **{option: value})


def test_nothing_left_is_refused_with_both_sizes():
    with pytest.raises(ShapeError, match=r"(?s)4.*7|7.*4"):
        apply_kernel(picture(0, 4, 9), "binomial-7", padding="valid")
    assert apply_kernel(picture(0, 4, 9), "binomial-7").shape == (4, 9)


def test_an_unknown_kernel_is_refused_with_the_nearest_name():
    with pytest.raises(KernelError, match=r"(?s)'sobl'.*'sobel'"):
        apply_kernel(picture(0, 5, 5), "sobl")


@pytest.mark.parametrize("kernel", [None, 3, [[1, 2], [3, 4]]])
def test_a_kernel_is_a_kernel_or_a_name(kernel):
    with pytest.raises((ConvfilterError, TypeError)):
        apply_kernel(picture(0, 5, 5), kernel)


@pytest.mark.parametrize(
    "pixels",
    [
        np.zeros(5, np.uint8),
        np.zeros((1, 2, 5, 5, 3), np.uint8),
        np.zeros((5, 5), complex),
        np.zeros((5, 5), "U1"),
        np.zeros((0, 5), np.uint8),
        np.zeros((5, 0, 3), np.uint8),
        np.zeros((5, 5, 0), np.uint8),
    ],
    ids=lambda pixels: f"{pixels.dtype}{pixels.shape}",
)
def test_what_is_no_picture_is_refused(pixels):
    """Numbers of axes, types and sizes that no picture has."""
    with pytest.raises((ImageError, ShapeError)):
        apply_kernel(pixels, BLUR)


def test_a_frame_kernel_needs_frames():
    with pytest.raises((ImageError, ShapeError)):
        apply_kernel(picture(0, 5, 5), random_kernel(0, shape=(3, 3, 3), axes=VOLUME))


def test_truth_values_are_black_and_white():
    bits = np.eye(5, dtype=bool)
    assert np.array_equal(apply_kernel(bits, "blur"), apply_kernel(bits * np.uint8(255), "blur"))
