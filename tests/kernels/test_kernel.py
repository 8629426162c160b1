"""What a kernel is, and what it refuses to be."""

import copy
import math
import pickle
from dataclasses import FrozenInstanceError

import numpy as np
import pytest

from convfilter import Kernel, KernelError, get_kernel

FLOAT32_LARGEST = float(np.finfo(np.float32).max)


def mine(*parts, **fields):
    return Kernel("mine", parts=parts, **fields)


@pytest.mark.parametrize(
    ("axes", "shape", "height", "width"),
    [
        (("column",), (3,), 1, 3),
        (("row", "column"), (2, 3), 2, 3),
        (("channel", "row", "column"), (3, 2, 1), 2, 1),
        (("frame", "row", "column"), (5, 1, 2), 1, 2),
        (("output", "channel", "row", "column"), (4, 3, 1, 2), 1, 2),
    ],
)
def test_sizes_follow_the_axes(axes, shape, height, width):
    kernel = mine(np.ones(shape), np.ones(shape), axes=axes, combine="sum")
    assert (kernel.shape, kernel.height, kernel.width) == (shape, height, width)
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


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"name": "a/b"}, "name: names are letters"),
        ({"name": None}, "name: names are letters"),
        ({"name": "box:size=../x"}, "name: names are letters"),
        ({"parts": ()}, "parts: empty"),
        ({"parts": 3}, "parts: a number where a list of tables belongs"),
        ({"parts": ([],)}, "parts: empty"),
        ({"parts": ([[]],)}, "parts: row 0: empty"),
        ({"parts": ([1, 2],)}, "parts: row 0: a number where a list of columns belongs"),
        ({"parts": ([[1, 2], [3]],)}, "parts: row 1: ragged, 1 columns where the first has 2"),
        ({"parts": ([[1, [2]]],)}, "parts: row 0, column 1: a list is not a number"),
        ({"parts": ([[1, True]],)}, "parts: row 0, column 1: a boolean is not a number"),
        ({"parts": ([[1, None]],)}, "parts: row 0, column 1: nothing is not a number"),
        ({"parts": ([[1, 1j]],)}, "parts: row 0, column 1: a complex is not a number"),
        ({"parts": ([[math.nan]],)}, "parts: row 0, column 0: nan is not a finite number"),
        ({"parts": ([[-math.inf]],)}, "parts: row 0, column 0: -inf is not a finite number"),
        ({"parts": ([[3.5e38]],)}, "parts: row 0, column 0: a number beyond float32"),
        ({"parts": ([[-(10**5000)]],)}, "parts: row 0, column 0: a number beyond float32"),
        ({"parts": ([[0] * 1024],)}, "parts: row 0: 1024 columns, at most 1023"),
        ({"parts": ([[1]], [[1, 2]]), "combine": "sum"}, "parts: part 1, row 0: ragged"),
        ({"parts": ([[1]], [[1]])}, "combine: missing; several parts need one of magnitude maximum sum"),
        ({"parts": ([[1]], [[1]]), "combine": "max"}, "combine: unknown value 'max'"),
        ({"combine": "sum"}, "combine: there is only one part"),
        ({"axes": ("column", "row")}, "axes: unknown value 'column,row' (did you mean"),
        ({"axes": "row,column"}, "axes: a string where a tuple of names belongs"),
        ({"divisors": (0,)}, "kernel 'mine': divisors: zero"),
        ({"divisors": (1e-39,)}, "divisors: 1e-39 is so small that weights leave float32"),
        ({"divisors": (1, 1)}, "divisors: 2 divisors for 1 parts"),
        ({"parts": ([[1e30]],), "divisors": (1e-10,)}, "divisors: 1e-10 is so small that weights leave"),
        ({"offset": True}, "offset: a boolean is not a number"),
        ({"range": "Clip"}, "range: unknown value 'Clip' (did you mean 'clip'?)"),
        ({"summary": 1}, "summary: a number is not a string"),
    ],
)
def test_a_kernel_refuses_what_cannot_be_applied(fields, message):
    with pytest.raises(KernelError) as refusal:
        Kernel(**{"name": "mine", "parts": ([[1]],), **fields})
    assert message in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_parameters_need_a_generator_that_there_is():
    kernel = Kernel("mine", parts=([[1]],), generator="gausian")
    with pytest.raises(KernelError, match="unknown value 'gausian'"):
        get_kernel("mine:sigma=2", {"mine": kernel})
