"""Kernels and pictures for tests of filtering, and how results are held against exact arithmetic."""

import numpy as np
import pytest
from hypothesis import strategies as st
from oracles import BORDERS, FULL_SCALE, distance_to_tie, settle, values_by_loops
from samples import SAMPLE_IMAGES

from convfilter import ShapeError, apply_kernel
from convfilter.kernels import Kernel, load_kernels

COFFEE = SAMPLE_IMAGES / "coffee.png"
SHIPPED = load_kernels()
INTEGER = sorted(name for name in SHIPPED if SHIPPED[name].is_integer)
REAL = sorted(name for name in SHIPPED if not SHIPPED[name].is_integer)
VOLUME = ("frame", "row", "column")
DEPTHS = ("uint8", "uint16")
# Kernels of several parts, with divisors and offsets.
COMBINED = {
    "halves": Kernel("halves", ([[1, 2], [3, -1]], [[0, 1], [1, 1]]), combine="sum", divisors=(2, 3)),
    "lifted": Kernel("lifted", ([[0, 1, -2]],), offset=0.25),
    "raised": Kernel("raised", ([[1, 1, 1]],), divisors=(3,), offset=0.3),
    "ahead": Kernel("ahead", ([[1, 2], [0, -1], [3, 1]],), anchor=(2, 1), divisors=(2,)),
    "greatest": Kernel("greatest", ([[1, 0], [0, -1]], [[0, 3], [-2, 0]]), combine="maximum"),
    "longest": Kernel("longest", ([[1, 2, 1]], [[1, 1, 0]]), combine="magnitude", divisors=(3, 2)),
}


# What property tests of filters draw from.
CHOICES = {
    "padding": ["same", "same", "full", "valid", 1, (0, 2), ((1, 0), (0, 3))],
    "border": BORDERS,
    "fill": [0.0, 0.5, 1.0],
    "stride": [1, 1, 2, (2, 3)],
    "dilation": [1, 1, 2, (3, 1)],
    "flip": [False, True],
    "channels": ["each", "each", "sum", "mean"],
    "range": ["auto", "clip", "absolute", "signed", "stretch"],
    "alpha": ["auto", "keep", "plain", "drop"],
}


def choices(names="", **others):
    """Draw options from the usual values, and others from their own."""
    drawn = {name: CHOICES[name] for name in names.split()} | others
    return st.fixed_dictionaries({name: st.sampled_from(values) for name, values in drawn.items()})


def picture(seed, *shape, dtype="uint8"):
    """Return random samples, a quarter of them at one or the other end of the scale."""
    rng = np.random.default_rng(seed)
    if dtype.startswith("float"):
        return rng.random(shape).astype(dtype)
    full = FULL_SCALE[dtype]
    samples = rng.integers(0, full, shape, endpoint=True)
    where = rng.random(shape)
    samples[where < 1 / 8] = 0
    samples[where > 7 / 8] = full
    return samples.astype(dtype)


def kernel_of(*rows, **fields):
    """Return a kernel of one part from its rows."""
    return Kernel("mine", parts=(rows,), **fields)


def random_kernel(seed, *, parts=1, shape=(3, 3), real=False, low=-4, **fields):
    """Return a kernel of small random weights."""
    rng = np.random.default_rng(seed)
    weights = rng.normal(size=(parts, *shape)) if real else rng.integers(low, 6, (parts, *shape))
    return Kernel("mine", parts=tuple(weights.tolist()), **fields)


IDENTITY = kernel_of([1])
BLUR = kernel_of([1, 2, 1], [2, 4, 2], [1, 2, 1], divisors=(16,))
SHARPEN = kernel_of([0, -1, 0], [-1, 5, -1], [0, -1, 0])
EDGES = kernel_of([0, -1, 0], [-1, 4, -1], [0, -1, 0])


def assert_filtered(pixels, kernel, tie=0, **options):
    """Compare with exact arithmetic; closer to a tie than `tie` a sample may differ by one."""
    values = values_by_loops(pixels, kernel, **options)
    if 0 in values.shape:
        with pytest.raises(ShapeError):
            apply_kernel(pixels, kernel, **options, **channels_of(pixels, kernel))
        return
    expected = settle(values, pixels.dtype)
    result = apply_kernel(pixels, kernel, **options, **channels_of(pixels, kernel))
    assert result.dtype == pixels.dtype
    if result.ndim < expected.ndim:
        result = result[..., None]
    assert result.shape == expected.shape
    if not tie:
        np.testing.assert_array_equal(result, expected)
    for place in zip(*np.nonzero(result != expected), strict=True):
        assert abs(int(result[place]) - int(expected[place])) == 1
        assert distance_to_tie(values[place]) <= tie


def channels_of(pixels, kernel):
    """Say that the last axis of pixels has channels, where that is not taken for granted."""
    named = pixels.ndim == 3 + ("frame" in kernel.axes) and pixels.shape[-1] > 4
    return {"channel_axis": -1} if named else {}


def fits(kernel, channels):
    """Return a number of channels that the kernel takes."""
    return kernel.shape[-3] if "channel" in kernel.axes else channels
