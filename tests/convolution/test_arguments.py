"""What `correlate` and `convolve` take: types, arrays as they come, and what is refused."""

import inspect
import typing

import numpy as np
import pytest
from arrays import integers, layouts_of, reals
from oracles import correlate_by_loops, correlate_by_shifts

import convfilter
from convfilter import (
    ConvfilterError,
    KernelError,
    ShapeError,
    convolve,
    correlate,
    input_gradient,
    kernel_gradient,
)
from convfilter.options import Alpha, Border, Channels, Range

BOTH = pytest.mark.parametrize("operation", [correlate, convolve])


@pytest.mark.parametrize("samples", ["int8", "uint8", "int16", "uint16", "int32", "uint32", "bool"])
def test_integers_give_exact_int64(samples):
    """Limits of both types, multiplied and added: nothing wraps."""

    def limits(name):
        return (0, 1) if name == "bool" else (int(np.iinfo(name).min), int(np.iinfo(name).max))

    low, high = limits(samples)
    for weights in ("int8", "uint16", "int32", "uint64", "bool"):
        least, most = (limit // 2**33 if weights == "uint64" else limit for limit in limits(weights))
        array = np.array([low, high, low, high, high, high]).astype(samples)
        kernel = np.array([most // 4, least // 4, most // 4] if most > 1 else [1, 0, 1]).astype(weights)
        result = correlate(array, kernel, border="zero")
        assert result.dtype == np.int64
        assert result.tolist() == correlate_by_loops(array, kernel, [(1, 1)], border="zero").tolist()


@pytest.mark.parametrize("length", [3, 21])
@pytest.mark.parametrize("bits", [8, 30, 44, 50])
def test_integers_are_exact_however_large(bits, length):
    """Sums beyond 2**53, where float64 leaves integers out, for short and for long kernels."""
    rng = np.random.default_rng(bits)
    array = rng.integers(-(2**bits), 2**bits, (40, 50))
    dense = rng.integers(-9, 10, (length, length))
    for kernel in (dense, np.multiply.outer(dense[0] // 3, dense[1] // 3)):
        expected = correlate_by_shifts(array, kernel, "reflect")
        np.testing.assert_array_equal(correlate(array, kernel, border="reflect"), expected)


def test_the_whole_of_int64_may_be_used():
    """Up to its last number, and of unsigned integers as much."""
    largest = 2**63 - 1
    assert correlate([largest], [1]).tolist() == [largest]
    assert correlate([largest // 3] * 3, [1, 1, 1], padding="valid").tolist() == [largest // 3 * 3]
    assert correlate(np.array([2**40]), np.array([2**22])).tolist() == [2**62]
    unsigned = correlate(np.array([largest, 7], np.uint64), np.array([-1], np.int8))
    assert unsigned.tolist() == [-largest, -7]
    floats = correlate(np.ones((3, 3)), np.full((3, 3), 2**63, np.uint64), padding="valid")
    assert floats.tolist() == [[9 * 2.0**63]]
    assert not correlate(np.zeros((2, 2), np.uint8), np.zeros((3, 3), int), border="constant", fill=1e6).any()


@pytest.mark.parametrize(
    ("array", "kernel", "options"),
    [
        ([2**62], [2], {}),
        ([2**62, 2**62], [1, 1], {}),
        ([-(2**40)], [2**23 + 1], {}),
        (np.array([2**63], dtype=np.uint64), [1], {}),
        ([2], np.array([2**63], dtype=np.uint64), {}),
        ([1], [1, 1, 1], {"border": "constant", "fill": 2**62}),
    ],
    ids=str,
)
def test_a_sum_that_may_pass_int64_is_refused(array, kernel, options):
    """max|x| * sum|w| says so beforehand; a fill counts like a sample."""
    with pytest.raises(KernelError, match="may overflow int64"):
        correlate(array, kernel, **options)


@pytest.mark.parametrize(
    ("samples", "weights", "expected"),
    [
        ("float16", "int8", "float16"),
        ("float32", "uint16", "float32"),
        ("float64", "bool", "float64"),
        ("bool", "float32", "float32"),
        ("uint16", "float32", "float32"),
        ("int32", "float32", "float64"),
        ("uint64", "float32", "float64"),
        ("uint8", "float64", "float64"),
        ("float32", "float32", "float32"),
        ("float32", "float64", "float64"),
        ("float64", "float32", "float64"),
    ],
)
def test_types_follow_from_types(samples, weights, expected):
    """Never from the values; an integer kernel keeps the type of real samples."""
    array = integers(0, 6, 5, low=0, high=2).astype(samples)
    kernel = integers(1, 3, 3, low=0, high=9)
    kernel = (kernel / 8).astype(weights) if weights.startswith("float") else kernel.astype(weights)
    result = correlate(array, kernel)
    assert result.dtype == convolve(array, kernel).dtype == expected
    whole, eighths = array.astype(int), (kernel.astype(float) * 8).astype(int)
    np.testing.assert_array_equal(result, correlate(whole, eighths) / 8)
    back = input_gradient(array, kernel, (6, 5))
    assert back.dtype == kernel_gradient(array, array.astype(weights), (3, 3)).dtype == expected
    np.testing.assert_array_equal(back, input_gradient(whole, eighths, (6, 5)) / 8)


@pytest.mark.parametrize("floating", [False, True])
def test_the_layout_of_the_array_does_not_matter(floating):
    """Strided, rotated, broadcast, in Fortran's order, in either byte order, read-only: the same bits."""
    image = integers(0, 9, 8, 3, low=0, high=256).astype("f8" if floating else "u1")
    kernel = reals(1, 3, 4) if floating else integers(1, 3, 4)
    for options in ({"padding": "full", "border": "wrap"}, {"stride": (2, 1), "dilation": 2}):
        expected = correlate(image, kernel, **options)
        for other in layouts_of(image):
            result = correlate(other, np.asfortranarray(kernel), **options)
            np.testing.assert_array_equal(result, expected)
            assert result.dtype.isnative
    spread = np.broadcast_to(np.arange(5), (4, 5))
    np.testing.assert_array_equal(
        correlate(spread, np.eye(3, dtype=int)), correlate(spread.copy(), np.eye(3, dtype=int))
    )


@BOTH
@pytest.mark.parametrize("dtype", ["uint8", "int64", "float32"])
def test_inputs_stay_as_they_were_and_results_are_new(dtype, operation):
    array = integers(0, 6, 7, low=0).astype(dtype)
    for kernel in (np.array([[1]]), np.array([[1, 2], [3, 4]]), np.array([[1.5]])):
        copies = array.copy(), kernel.copy()
        result = operation(array, kernel)
        assert not np.shares_memory(result, array)
        result[...] = 77
        np.testing.assert_array_equal(array, copies[0])
        np.testing.assert_array_equal(kernel, copies[1])


@BOTH
@pytest.mark.parametrize(
    ("array", "kernel"),
    [((5,), (3, 3)), ((), (3,)), ((5,), ()), ((5, 5), (0, 3)), ((0,), (1,)), ((5, 5, 0), (3, 3))],
)
def test_shapes_that_do_not_fit_are_refused(array, kernel, operation):
    """More axes in the kernel than in the array, none at all, or an axis with nothing on it."""
    with pytest.raises(ShapeError):
        operation(np.ones(array), np.ones(kernel))


@BOTH
@pytest.mark.parametrize(
    "values", [[1j, 2], ["a", "b"], [None, 1], np.array([1, 2], dtype="m8[s]"), [[1, 2], [3]]], ids=str
)
def test_other_values_than_numbers_are_refused(values, operation):
    """Complex numbers, strings, objects, times and ragged lists, among samples and among weights."""
    with pytest.raises(ConvfilterError):
        operation(values, [1, 2])
    with pytest.raises(KernelError):
        operation([1, 2], values)


def test_options_are_the_same_everywhere():
    """Names, defaults and their order, none of them by position."""
    found = set()
    for name in ("correlate", "convolve", "correlate_channels", "input_gradient", "kernel_gradient"):
        parameters = inspect.signature(getattr(convfilter, name)).parameters.values()
        found.add(tuple((each.name, each.default) for each in parameters if each.kind is each.KEYWORD_ONLY))
    assert found == {
        (("padding", "same"), ("border", "edge"), ("fill", 0.0), ("stride", 1), ("dilation", 1)),
    }  # fmt: skip


def test_options_of_names_are_literal_types():
    """So that a type checker refuses ``border="wrpa"`` in each of them."""
    types = {"border": Border, "channels": Channels, "range": Range, "alpha": Alpha}
    found = [
        (name, option, hint == types[option])
        for name in convfilter.__all__
        if inspect.isfunction(function := getattr(convfilter, name))
        for option, hint in typing.get_type_hints(function).items()
        if (option in types and name != "fit_kernel") or option == "border"
    ]
    assert len(found) >= 10
    assert all(right for _, _, right in found), found
