"""Programs of shifted sums: as short as they are said to be, and right for every kernel."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from convfilter import get_kernel
from convfilter.convolution.recipes import Workspace
from convfilter.convolution.shifted import compiled


def summed(kernel: np.ndarray, block: np.ndarray) -> np.ndarray:
    """What a kernel's program makes of every place of a block at which the whole kernel fits."""
    program = compiled(kernel)
    assert program is not None
    steps = [block.strides[axis] // block.itemsize for axis in range(block.ndim)]
    distance = sum((side - 1) * step for side, step in zip(kernel.shape, steps, strict=True))
    sums = np.full(block.shape, -99, block.dtype)
    flat = sums.reshape(-1)[: block.size - distance]
    for call in program.calls(block.reshape(-1), steps, flat, Workspace()):
        call()
    return sums[tuple(slice(size - side + 1) for size, side in zip(block.shape, kernel.shape, strict=True))]


def by_loops(kernel: np.ndarray, block: np.ndarray) -> np.ndarray:
    sizes = [size - side + 1 for size, side in zip(block.shape, kernel.shape, strict=True)]
    total = np.zeros(sizes, block.dtype)
    for place, weight in np.ndenumerate(kernel):
        total += weight * block[tuple(slice(at, at + size) for at, size in zip(place, sizes, strict=True))]
    return total


@settings(max_examples=400, deadline=None)
@given(
    kernel=npst.arrays(
        np.int64, npst.array_shapes(min_dims=1, max_dims=3, max_side=6), elements=st.integers(-2, 2)
    ),
    extra=st.integers(0, 4),
)
@example(kernel=np.array([0, 1, 1]), extra=0)  # a sum of neighbours that begins past the first weight
@example(kernel=np.array([[0, 0], [0, -1]]), extra=1)
@example(kernel=np.array([[-1, -1, 0], [0, 0, 0]]), extra=2)
def test_a_program_gives_the_sums_of_its_kernel(kernel: np.ndarray, extra: int) -> None:
    shape = [side + extra for side in kernel.shape]
    block = np.random.default_rng(extra).integers(-99, 99, shape)
    kept = block.copy()
    assert np.array_equal(summed(kernel, block), by_loops(kernel, block))
    assert np.array_equal(block, kept)


@pytest.mark.parametrize("count", range(1, 70))
def test_a_run_of_equal_weights_doubles(count: int) -> None:
    program = compiled(np.ones(count, int))
    assert program is not None
    powers = count.bit_length() - 1
    assert len(program) == max(1, powers + count.bit_count() - 1)


@pytest.mark.parametrize(("name", "passes"), [
    ("sharpen", 4), ("laplacian", 4), ("box:size=3", 4), ("box:size=31", 38), ("disk:radius=7", 26),
    ("motion:length=31,angle=45", 15), ("motion:length=31,angle=0", 9), ("identity", 1),
])  # fmt: skip
def test_runs_in_any_direction_are_found(name: str, passes: int) -> None:
    program = compiled(get_kernel(name).arrays()[0].astype(np.float32))
    assert program is not None
    assert len(program) <= passes


def test_a_difference_is_one_subtraction() -> None:
    for kernel in ([-1, 0, 1], [1, 0, -1], [[-1], [1]]):
        assert len(compiled(np.array(kernel)) or ()) == 1


def test_turning_a_kernel_does_not_lengthen_its_program() -> None:
    disk = get_kernel("disk:radius=7").arrays()[0]
    motion = get_kernel("motion:length=31,angle=45").arrays()[0].astype(np.float32)
    for kernel in (disk, motion):
        lengths = {len(compiled(np.rot90(kernel, turns)) or ()) for turns in range(4)}
        assert max(lengths) - min(lengths) <= 1


def test_a_kernel_of_all_different_weights_is_worth_no_program() -> None:
    assert compiled(np.arange(1, 1000).reshape(27, 37)) is None


def test_memory_is_used_again_when_it_is_not_read_any_more() -> None:
    program = compiled(np.ones(1023, int))
    assert program is not None
    assert program.buffers <= 4


def test_a_large_kernel_is_compiled_only_if_that_saves_passes() -> None:
    gaussian = get_kernel("gaussian:sigma=3").arrays()[0]
    assert compiled(gaussian) is None
    disk = compiled(get_kernel("disk:radius=7").arrays()[0])
    assert disk is not None


def test_a_kernel_is_compiled_once() -> None:
    kernel = get_kernel("disk:radius=7").arrays()[0]
    assert compiled(kernel) is compiled(kernel.copy())
    assert compiled(kernel) is not compiled(kernel.astype(np.float32))
