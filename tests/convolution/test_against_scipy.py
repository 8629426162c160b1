"""What scipy.ndimage gives, where it can do the same."""

import numpy as np
import pytest
from oracles import grid

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


def turned_origins(shape):
    """Return that shift for scipy's convolve, which turns the centre with the kernel."""
    return tuple(0 for _ in shape)


@pytest.mark.parametrize("border", MODES)
@pytest.mark.parametrize(
    "shape",
    [
        ((12,), (3,)),
        ((12,), (4,)),
        ((5,), (9,)),
        ((9, 11), (3, 3)),
        ((9, 11), (2, 4)),
        ((8, 7), (5, 6)),
        ((4, 5), (9, 8)),
        ((1, 6), (3, 3)),
        ((5, 6, 7), (3, 3, 3)),
        ((5, 6, 7), (2, 3, 4)),
        ((3, 3, 3), (4, 5, 2)),
    ],
    ids=str,
)
def test_integers_are_those_of_scipy(shape, border):
    """In one, two and three dimensions, for even kernels and for those larger than the array."""
    size, length = shape
    rng = np.random.default_rng(len(size))
    array, kernel = rng.integers(-999, 1000, size), rng.integers(-99, 100, length)
    there = {"mode": MODES[border], "cval": 7}
    here = {"border": border, "fill": 7}
    expected = ndimage.correlate(array, kernel, origin=origins(length), **there)
    np.testing.assert_array_equal(correlate(array, kernel, **here), expected)
    expected = ndimage.convolve(array, kernel, origin=turned_origins(length), **there)
    np.testing.assert_array_equal(convolve(array, kernel, **here), expected)


@pytest.mark.parametrize(
    "options",
    grid(
        border=MODES,
        length=[3, 5, 8, 13, 31],
        kind=["dense", "separable", "box", "sparse"],
        dtype=["uint8", "float32", "float64"],
    ),
    ids=lambda options: "-".join(map(str, options.values())),
)
def test_pictures_are_those_of_scipy(options):
    """Pictures of many blocks and kernels of every kind that an engine may treat on its own."""
    border, length, kind, dtype = options.values()
    rng = np.random.default_rng(length)
    array = rng.integers(0, 256, (150, 170)).astype(dtype)
    kernel = rng.integers(-9, 10, (length, length))
    if kind == "separable":
        kernel = np.multiply.outer(kernel[0], kernel[1])
    elif kind == "box":
        kernel = np.ones_like(kernel)
    elif kind == "sparse":
        kernel[rng.random(kernel.shape) < 0.9] = 0
    exact = ndimage.correlate(
        array.astype(np.int64), kernel, mode=MODES[border], cval=7, origin=origins(kernel.shape)
    )
    result = correlate(array, kernel, border=border, fill=7)
    if dtype == "uint8":
        np.testing.assert_array_equal(result, exact)
    else:
        bound = 255 * np.abs(kernel).sum()
        epsilon = {"float32": 5e-7, "float64": 1e-15}[dtype]
        np.testing.assert_allclose(result, exact, rtol=0, atol=epsilon * bound)


@pytest.mark.parametrize("border", MODES)
def test_gaussians_are_those_of_scipy(border):
    """Weights that are no integers, in float64, on samples of 16 bits."""
    array = np.random.default_rng(0).integers(0, 65536, (60, 70), dtype=np.uint16)
    impulse = np.zeros(25)
    impulse[12] = 1
    weights = ndimage.gaussian_filter1d(impulse, 3, truncate=4)
    expected = ndimage.gaussian_filter(array.astype(float), 3, mode=MODES[border], truncate=4)
    result = correlate(array, np.multiply.outer(weights, weights), border=border)
    np.testing.assert_allclose(result, expected, rtol=1e-12)


@pytest.mark.parametrize("mode", ["full", "valid"])
def test_paddings_are_those_of_scipy(mode):
    """`full` and `valid` mean there what they mean here, with zeros around."""
    rng = np.random.default_rng(0)
    array, kernel = rng.integers(-99, 100, (12, 13)), rng.integers(-99, 100, (4, 3))
    result = convolve(array, kernel, padding=mode, border="zero")
    np.testing.assert_array_equal(result, signal.convolve2d(array, kernel, mode))
    result = correlate(array, kernel, padding=mode, border="zero")
    np.testing.assert_array_equal(result, signal.correlate2d(array, kernel, mode))
