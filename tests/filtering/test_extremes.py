"""What must hold where numbers are very large, very small, flat or not finite."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import convfilter as cf
from convfilter.filtering import plan_kernel
from convfilter.kernels import Kernel, get_kernel
from convfilter.options import FilterOptions

RGBA = np.random.default_rng(7).integers(0, 256, (12, 14, 4)).astype(np.uint8)


@pytest.mark.parametrize(("name", "dilation"), [("box:size=401", 1), ("box:size=31", 40), ("sobel", 500)])
def test_blocks_are_not_smaller_than_the_kernel_reaches(name: str, dilation: int) -> None:
    plan = plan_kernel(get_kernel(name), (1000, 1000, 3), "uint8", FilterOptions(dilation=dilation))
    reach = plan.axes[1].reach
    assert min(plan.block[1:]) >= min(1000, reach) // 2
    assert plan.blocks <= 64


def test_a_large_box_comes_out_right() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (40, 50)).astype(np.uint8)
    wide = np.pad(pixels.astype(int), 100, mode="edge").cumsum(0).cumsum(1)
    wide = np.pad(wide, ((1, 0), (1, 0)))
    sums = wide[201:, 201:] - wide[:-201, 201:] - wide[201:, :-201] + wide[:-201, :-201]
    assert np.array_equal(cf.apply_kernel(pixels, "box:size=201"), (2 * sums + 201**2) // (2 * 201**2))


def test_stretching_weighs_each_output_with_its_own_sum() -> None:
    def colour(weight: float) -> list[object]:
        return [[[weight, weight]], [[0, 0]], [[0, 0]]]

    kernel = Kernel("two", parts=([colour(1), colour(4)],), axes=("output", "channel", "row", "column"))
    pixels = np.zeros((1, 4, 4), np.uint8)
    pixels[0, :, 0] = [0, 10, 20, 30]
    halves = {}
    for alpha in (128, 255):
        pixels[..., 3] = alpha
        halves[alpha] = cf.apply_kernel(pixels, kernel, range="stretch", alpha="premultiply")[..., :2]
    assert np.array_equal(halves[128], halves[255])


@pytest.mark.parametrize("name", ["log", "unsharp", "gaussian:sigma=12"])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_a_flat_result_is_stretched_to_zero(name: str, dtype: str) -> None:
    flat = np.full((60, 60), 0.7 if dtype == "float32" else 200, dtype)
    assert not cf.apply_kernel(flat, name, range="stretch").any()


@pytest.mark.parametrize("options", [{"border": "constant", "fill": 0.3}, {"linear": True}])
def test_a_small_alpha_does_not_magnify_errors(options: dict[str, Any]) -> None:
    rng = np.random.default_rng(3)
    pixels = rng.integers(0, 256, (90, 90, 4)).astype(np.uint8)
    pixels[..., 3] = rng.integers(0, 4, (90, 90))
    pixels[:, :20, 3] = 255
    dense = rng.uniform(0, 1, (17, 17))
    kernel = Kernel("dense", parts=((dense / dense.sum()).tolist(),))
    result = cf.apply_kernel(pixels, kernel, **options)
    # The same on floats of the same scale, where nothing may be rounded on the way.
    floats = cf.apply_kernel(pixels / 255.0, kernel, **options)
    off = np.abs(result[..., :3] - floats[..., :3] * 255)
    visible = result[..., 3] > 0
    assert off[visible].max() < 0.501


def test_weights_beyond_what_floats_tell_apart_are_divided_exactly() -> None:
    kernel = Kernel("large", parts=([[10**12, -1, 0]],), divisors=(2 * 10**12,))
    pixels = np.array([[65535, 1, 1]], np.uint16)
    assert cf.apply_kernel(pixels, kernel, padding="valid").tolist() == [[32767]]


def test_white_stays_white_in_32_bits() -> None:
    kernel = Kernel("slack", parts=([[0.5000002, 0.5000002]],))
    white = np.full((4, 4), 2**32 - 1, np.uint32)
    assert np.array_equal(cf.apply_kernel(white, kernel), white)


@pytest.mark.parametrize("range_", ["clip", "stretch", "signed", "raw"])
def test_samples_that_are_not_finite_cause_no_warning(range_: str) -> None:
    pixels = np.linspace(0, 1, 400, dtype=np.float32).reshape(20, 20)
    pixels[3, 4] = np.nan
    pixels[15, 9] = pixels[15, 11] = np.inf  # whose difference is not a number
    result = cf.apply_kernel(pixels, "sobel", range=range_)  # a warning is an error in all tests
    assert np.isfinite(result[8:12]).all()
    if range_ == "stretch":  # the scale is that of the finite values
        finite = result[np.isfinite(result)]
        assert finite.min() == 0
        assert finite.max() == pytest.approx(1)


@pytest.mark.parametrize("image", [RGBA, RGBA[..., 0]])
def test_weighing_alpha_with_a_kernel_that_sums_to_zero_is_refused_for_any_image(image: np.ndarray) -> None:
    with pytest.raises(cf.KernelError, match="sums to zero"):
        cf.apply_kernel(image, "sobel", alpha="premultiply")
