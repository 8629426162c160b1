"""A result that takes the place of its input in memory is the result."""

import numpy as np
import pytest

from convfilter.convolution import plan
from convfilter.filtering import filter_pixels
from convfilter.kernels import get_kernel
from convfilter.options import FilterOptions


@pytest.mark.parametrize("border", ["edge", "wrap", "reflect", "symmetric", "constant"])
@pytest.mark.parametrize("options", [{}, {"flip": True}, {"channels": "luma"}, {"mix": 0.5}, {"dilation": 2}])
def test_a_replaced_input_gives_the_same(border, options, monkeypatch):
    monkeypatch.setattr(plan, "_BLOCK", 20_000)  # of many blocks
    options = FilterOptions(border=border, fill=0.3 if border == "constant" else 0, **options)
    memory = np.random.default_rng(0).integers(0, 256, (150, 31, 4), dtype=np.uint8)
    kernels = ["sharpen", "gaussian:sigma=1", "[[1, 2, 3, 4]]"] + ["sobel"] * (options.channels == "each")
    replaced = 0
    for image in (memory, memory[..., :3], memory[..., 0], memory.astype(np.uint16), memory[:4]):
        for kernel in map(get_kernel, kernels):
            expected = filter_pixels(image, [kernel], options, threads=1).pixels
            own = np.copy(memory)[: len(image), :, :3] if image.shape[2:] == (3,) else image.copy()
            result = filter_pixels(own, [kernel], options, threads=2, replace_input=True).pixels
            np.testing.assert_array_equal(result, expected)
            replaced += np.shares_memory(result, own)
    assert (replaced > 0) == (options.mix == 1)


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
