"""A result that takes the place of its input in memory is the result."""

import numpy as np
import pytest

from convfilter.convolution import plan
from convfilter.filtering import filter_pixels
from convfilter.kernels import get_kernel
from convfilter.options import FilterOptions


@pytest.mark.parametrize("border", ["edge", "wrap", "constant"])
@pytest.mark.parametrize(
    "options",
    [
        *(
            {},
            {"flip": True},
            {"channels": "luma"},
            {"dilation": 2},
            {"mix": 0.5},
            {"region": (1, 5, 60, 20)},
        ),
        {"mix": 0.5, "mask": True, "threshold": 0.02},
        {"mask": True, "channels": "luma"},
    ],
)
def test_a_replaced_input_gives_the_same(border, options, monkeypatch):
    monkeypatch.setattr(plan, "_BLOCK", 20_000)  # of many blocks
    options = FilterOptions(border=border, fill=0.3 if border == "constant" else 0, **options)
    memory = np.random.default_rng(0).integers(0, 256, (150, 31, 4), dtype=np.uint8)
    kernels = ["sharpen", "gaussian:sigma=1", "[[1, 2, 3, 4]]"] + ["sobel"] * (options.channels == "each")
    replaced = 0
    images = (memory, memory[..., :3], memory[..., 0], memory.astype(np.uint16), memory[:4])
    floats = memory[..., :3].astype(np.float32)
    floats[20] = np.inf  # which a filter spreads
    for image in (*images, floats):
        if options.mask is not None:
            levels = np.arange(image.shape[0] * image.shape[1]) % 600
            options = options._replace(mask=np.minimum(levels, 255).astype(np.uint8).reshape(image.shape[:2]))
        for kernel in map(get_kernel, kernels):
            expected = filter_pixels(image, [kernel], options, threads=1).pixels
            own = np.pad(image, [(0, 0)] * 2 + [(0, 1)])[..., :3] if image.shape[2:] == (3,) else image.copy()
            result = filter_pixels(own, [kernel], options, threads=2, replace_input=True).pixels
            np.testing.assert_array_equal(result, expected)
            replaced += np.shares_memory(result, own)
    assert replaced


def test_rows_that_come_from_elsewhere_are_read_before_they_are_replaced():
    # The size of the input comes out, but from every second row of a padded image.
    image = np.random.default_rng(0).integers(0, 256, (201, 2000, 3), dtype=np.uint8)
    for height, border in ((51, "wrap"), (201, "edge")):
        options = FilterOptions(border=border, stride=(2, 1), padding=((height + 1) // 2, 1))
        own, kernel = image[:height].copy(), [get_kernel("binomial-3")]
        expected = filter_pixels(own.copy(), kernel, options, threads=1).pixels
        assert expected.shape == own.shape
        result = filter_pixels(own, kernel, options, threads=1, replace_input=True).pixels
        np.testing.assert_array_equal(result, expected)
