"""Arrays for tests of convolution, and how close results of reals must be."""

import numpy as np


def integers(seed, *shape, low=-99, high=100):
    """Return random integers."""
    return np.random.default_rng(seed).integers(low, high, shape)


def reals(seed, *shape):
    """Return random numbers of both signs."""
    return np.random.default_rng(seed).normal(size=shape)


def turned(kernel):
    """Return the kernel turned by 180 degrees on every axis."""
    return np.flip(np.asarray(kernel))


def assert_close(result, expected, array, kernel, epsilon):
    """Compare with an error in proportion to the largest sum that the kernel can make."""
    bound = np.max(np.abs(array)).astype(float) * np.sum(np.abs(kernel)).astype(float)
    np.testing.assert_allclose(
        result.astype(float), np.asarray(expected, dtype=float), rtol=0, atol=epsilon * bound
    )
