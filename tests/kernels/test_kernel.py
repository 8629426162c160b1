"""What a kernel is, and what it refuses to be."""

import copy
import math
import pickle
from dataclasses import FrozenInstanceError

import numpy as np
import pytest

from convfilter import Kernel

FLOAT32_LARGEST = float(np.finfo(np.float32).max)


def mine(*parts, **fields):
    return Kernel("mine", parts=parts, **fields)


@pytest.mark.parametrize(("axes", "shape"), [
    ("column", (3,)), ("row,column", (2, 3)), ("channel,row,column", (3, 2, 1)),
    ("frame,row,column", (5, 1, 2)), ("output,channel,row,column", (4, 3, 1, 2)),
])  # fmt: skip
def test_sizes_follow_the_axes(axes, shape):
    kernel = mine(np.ones(shape), np.ones(shape), axes=tuple(axes.split(",")), combine="sum")
    assert (kernel.shape, kernel.height, kernel.width) == (shape, *(1, *shape)[-2:])
    assert kernel.weight_count == 2 * math.prod(shape)
    assert kernel.arrays()[0].shape == shape


def test_arrays_become_nested_tuples_and_integral_floats_integers():
    kernel = mine(np.array([[1.0, -0.0, 0.5]], dtype=np.float32), divisors=(-4.0,))
    assert kernel.parts == (((1, 0, 0.5),),)
    assert [type(weight) for weight in (*kernel.parts[0][0], *kernel.divisors)] == [int, int, float, int]


def test_a_kernel_is_integer_when_weights_and_divisors_are():
    assert mine([[1, 2]], divisors=(3,)).is_integer
    assert mine([[2**53 - 1]]).is_integer
    for kernel in (mine([[1, 2.5]]), mine([[1]], divisors=(0.5,)), mine([[2**53]]), mine([[-(2**53)]])):
        assert not kernel.is_integer
    assert not mine([[1]], [[0.5]], combine="sum").is_integer


def test_zero_sum_allows_a_millionth_of_the_absolute_sum_in_every_part_and_output():
    axes = ("output", "channel", "row", "column")
    assert mine([[-1, 0, 1]]).is_zero_sum
    assert mine([[1_000_000, -999_999]]).is_zero_sum  # 1 of 1,999,999
    assert not mine([[100_000, -99_999]]).is_zero_sum  # 1 of 199,999
    assert mine([[0.1, 0.2, -0.3]]).is_zero_sum
    assert not mine([[-1, 1]], [[1, 1]], combine="sum").is_zero_sum
    assert not mine([[[[1]], [[1]]], [[[-1]], [[-1]]]], axes=axes).is_zero_sum
    assert mine([[[[1]], [[-1]]], [[[2]], [[-2]]]], axes=axes).is_zero_sum


def test_arrays_are_the_same_read_only_weights_at_every_call():
    kernel = mine([[1, 2]], [[1, 2**53]], [[0.5, 1]], combine="sum", divisors=(10, 1, 1))
    assert [array.dtype for array in kernel.arrays()] == [np.int64, np.float64, np.float64]
    assert kernel.arrays()[0] is kernel.arrays()[0]
    assert kernel.arrays()[0].tolist() == [[1, 2]]
    with pytest.raises(ValueError, match="read-only"):
        kernel.arrays()[0][0, 0] = 5


def test_a_kernel_cannot_be_changed():
    kernel = mine([[1]], parameters={"sigma": 1})
    with pytest.raises(FrozenInstanceError):
        kernel.offset = 0.5
    with pytest.raises(TypeError):
        kernel.parameters["sigma"] = 2


@pytest.mark.parametrize("travel", [copy.deepcopy, lambda kernel: pickle.loads(pickle.dumps(kernel))])
def test_a_kernel_travels_to_another_process(travel):
    kernel = mine([[1, 0.5]], divisors=(2,), parameters={"size": (3, 1)}, generator="box")
    kernel.arrays()
    other = travel(kernel)
    assert other is not kernel
    assert (other.parts, other.divisors, other.generator) == (kernel.parts, kernel.divisors, "box")
    assert other.parameters == kernel.parameters
    with pytest.raises(TypeError):
        other.parameters["size"] = 2


def test_the_largest_numbers_and_sides_are_accepted():
    assert mine([[FLOAT32_LARGEST, -FLOAT32_LARGEST]]).weight_count == 2
    assert mine([[0] * 1023]).width == 1023
