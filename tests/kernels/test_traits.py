"""What is told of kernels from their weights holds for what they do."""

import numpy as np
import pytest

import convfilter as cf
from convfilter.kernels.traits import ranks, symmetry, value_range

SHIPPED = list(cf.load_kernels())


@pytest.mark.parametrize("name", SHIPPED)
def test_symmetry_tells_what_flipping_does(name):
    kernel = cf.get_kernel(name)
    shape = (5, 9, 8) if "frame" in kernel.axes else (9, 8, 3) if "channel" in kernel.axes else (9, 8)
    pixels = np.random.default_rng(0).normal(size=shape)
    plain, turned = (
        cf.apply_kernel(pixels, kernel, range="raw", border="wrap", flip=flip) for flip in (False, True)
    )
    # An even side moves the anchor when it is turned; then shapes alone cannot tell.
    if kernel.width % 2 and kernel.height % 2:
        offset = kernel.offset
        same = np.allclose(plain, turned, atol=1e-6)
        opposite = kernel.combine is None and np.allclose(plain - offset, offset - turned, atol=1e-6)
        told = symmetry(kernel)
        assert told != "even" or same
        assert told != "odd" or opposite or kernel.combine is not None
        assert told is not None or not (same or opposite) or kernel.combine is not None


@pytest.mark.parametrize("name", SHIPPED)
def test_no_value_lies_outside_what_is_told_and_the_bounds_are_reached(name):
    kernel = cf.get_kernel(name)
    low, high = value_range(kernel, 1.0)
    shape = (3, 40, 41) if "frame" in kernel.axes else (40, 41, 3) if "channel" in kernel.axes else (40, 41)
    pixels = np.random.default_rng(0).integers(0, 2, shape).astype(np.float64)
    values = cf.apply_kernel(pixels, kernel, range="raw")
    assert low - 1e-6 <= values.min()
    assert values.max() <= high + 1e-6
    if kernel.combine is None and kernel.axes == ("row", "column"):
        (weights,) = kernel.arrays()
        best = (weights > 0).astype(np.float64)
        for picture, bound in ((best, high), (1 - best, low)):
            reached = cf.apply_kernel(picture, kernel, range="raw", padding="valid")
            assert reached.item() == pytest.approx(bound, abs=1e-6)


def test_ranks_are_those_of_the_tables():
    assert ranks(cf.get_kernel("gaussian:sigma=2")) == [1]
    assert ranks(cf.get_kernel("farid")) == [1, 1]
    assert ranks(cf.get_kernel("laplacian")) == [2]
    assert ranks(cf.get_kernel("disk:radius=3"))[0] > 1
