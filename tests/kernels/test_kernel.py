"""What a kernel is, what it refuses to be, and what is said of its weights."""

import copy
import json
import math
import pickle

import numpy as np
import pytest

import convfilter as cf
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
    with pytest.raises(AttributeError, match="cannot be changed"):
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


@pytest.fixture
def described(quick):
    """Return what the command prints about a kernel, as an object."""
    return lambda name, *options: json.loads(quick("kernels", name, "--json", *options).out)[0]


def test_symmetry_ranks_and_values_are_those_of_the_results(described):
    rng = np.random.default_rng(0)
    for name, kernel in cf.load_kernels().items():
        found = described(name)
        shape = (
            (3, 20, 21) if "frame" in kernel.axes else (20, 21, 3) if "channel" in kernel.axes else (20, 21)
        )
        options = {"range": "raw", "border": "wrap"}
        pixels = rng.normal(size=shape)
        plain, flipped = (cf.apply_kernel(pixels, kernel, flip=flip, **options) for flip in (False, True))
        same, opposite = (np.allclose(plain, sign * flipped, atol=1e-6) for sign in (1, -1))
        # An even side moves the anchor when it is flipped: then values alone cannot show it.
        if kernel.width % 2 and kernel.height % 2 and kernel.combine is None:
            assert found["symmetry"] == ("even" if same else "odd" if opposite else None), name
        # No value lies outside the bounds, and single tables reach them.
        low, high = (value / 255 for value in found["values"])
        values = cf.apply_kernel(rng.integers(0, 2, shape).astype(float), kernel, **options)
        assert low - 1e-6 <= values.min(), name
        assert values.max() <= high + 1e-6, name
        if kernel.combine is None and kernel.axes == ("row", "column"):
            (weights,) = kernel.arrays()
            for image, bound in ((weights > 0, high), (weights <= 0, low)):
                reached = cf.apply_kernel(image.astype(float), kernel, range="raw", padding="valid")
                assert reached.item() == pytest.approx(bound, rel=1e-6, abs=1e-6), name
    for name, ranks in (("gaussian:sigma=2", [1]), ("farid", [1, 1]), ("laplacian", [2])):
        assert described(name)["ranks"] == ranks


@pytest.mark.parametrize("combine", ["maximum", "sum", "magnitude"])
def test_bounds_of_combined_parts_are_reached(described, tmp_path, combine):
    parts = [[4, -1]], [[0, -3]]
    (tmp_path / "k.toml").write_text(f"[mine]\nparts = {list(parts)}\ncombine = '{combine}'\n")
    values = [value / 255 for value in described("mine", "--kernels", "k.toml")["values"]]
    kernel = cf.Kernel("mine", parts=parts, combine=combine)
    corners = [np.array([[a, b]], np.float64) for a in (0, 1) for b in (0, 1)]
    found = [cf.apply_kernel(each, kernel, padding="valid", range="raw").item() for each in corners]
    if combine != "magnitude":  # its parts need not reach their bounds together
        assert values == pytest.approx([min(found), max(found)])
    assert values[0] - 1e-6 <= min(found)
    assert max(found) <= values[1] + 1e-6
