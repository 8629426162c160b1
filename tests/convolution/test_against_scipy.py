"""What scipy.ndimage gives, where it can do the same."""

import numpy as np
import pytest

from convfilter import convolve, correlate

ndimage = pytest.importorskip("scipy.ndimage")
signal = pytest.importorskip("scipy.signal")

# Ours, and what it is called there.
MODES = {
    "edge": "nearest",
    "symmetric": "reflect",
    "reflect": "mirror",
    "wrap": "wrap",
    "constant": "constant",
}


def origins(shape):
    """Return the shift that puts the centre of scipy, at K // 2, on the anchor at (K - 1) // 2."""
    return tuple((length - 1) // 2 - length // 2 for length in shape)


@pytest.mark.parametrize("border", MODES)
@pytest.mark.parametrize("size", [(12,), (9, 11), (4, 5), (5, 6, 7)], ids=str)
def test_integers_are_those_of_scipy(size, border):
    """In one, two and three dimensions, for even kernels and for those larger than the array."""
    rng = np.random.default_rng(len(size))
    here = {"border": border, "fill": 7}
    there = {"mode": MODES[border], "cval": 7}
    for length in [(3,) * len(size), (4, 2, 5)[: len(size)], (9, 8, 2)[: len(size)]]:
        array, kernel = rng.integers(-999, 1000, size), rng.integers(-99, 100, length)
        expected = ndimage.correlate(array, kernel, origin=origins(length), **there)
        np.testing.assert_array_equal(correlate(array, kernel, **here), expected)
        expected = ndimage.convolve(array, kernel, **there)
        np.testing.assert_array_equal(convolve(array, kernel, **here), expected)


@pytest.mark.parametrize(("dtype", "epsilon"), [("uint8", 0), ("float32", 5e-7), ("float64", 1e-15)])
@pytest.mark.parametrize("length", [3, 8, 13, 31])
def test_images_are_those_of_scipy(length, dtype, epsilon):
    """Kernels of every kind that an engine may treat on its own."""
    rng = np.random.default_rng(length)
    array = rng.integers(0, 256, (90, 110)).astype(dtype)
    dense = rng.integers(-9, 10, (length, length))
    sparse = np.where(rng.random(dense.shape) < 0.9, 0, dense)
    kernels = [dense, np.multiply.outer(dense[0], dense[1]), np.ones_like(dense), sparse]
    for kernel, border in zip(kernels, MODES, strict=False):
        exact = ndimage.correlate(
            array.astype(np.int64), kernel, mode=MODES[border], cval=7, origin=origins(kernel.shape)
        )
        result = correlate(array, kernel, border=border, fill=7)
        assert np.abs(result - exact).max() <= epsilon * 255 * np.abs(kernel).sum()
