"""Laws of `input_gradient` and `kernel_gradient`."""

import tracemalloc

import numpy as np
import pytest
from arrays import integers, layouts_of, problems, reals
from hypothesis import given, settings

from convfilter import (
    ImageError,
    KernelError,
    OptionError,
    ShapeError,
    correlate,
    input_gradient,
    kernel_gradient,
    output_shape,
)


def inner(first, second):
    """Return the inner product of two arrays of integers, as a Python integer."""
    assert first.shape == second.shape
    return int(np.sum(np.asarray(first, np.int64) * np.asarray(second, np.int64)))


def assert_adjoint(array, kernel, seed=2, **options):
    """Compare three ways to the same number: by the outputs, by the array, by the kernel."""
    outputs = correlate(array, kernel, **options)
    upstream = integers(seed, *outputs.shape)
    by_array = input_gradient(upstream, kernel, array.shape, **options)
    by_kernel = kernel_gradient(array, upstream, kernel.shape, **options)
    assert by_array.dtype == by_kernel.dtype == np.int64
    # A constant border adds something to the outputs whatever the array.
    constant = correlate(np.zeros_like(array), kernel, **options)
    assert inner(outputs, upstream) == inner(array, by_array) + inner(constant, upstream), options
    assert inner(outputs, upstream) == inner(kernel, by_kernel), options


@settings(deadline=None, derandomize=True, max_examples=100)
@given(problem=problems())
def test_both_are_adjoint_whatever_is_asked_for(problem):
    """Any padding, border, stride and dilation, up to four axes, others carried along."""
    array, kernel, options = problem
    sizes = {name: options[name] for name in ("padding", "stride", "dilation")}
    try:
        output_shape(array.shape, kernel.shape, **sizes)
    except ShapeError:
        return
    assert_adjoint(array, kernel, **options)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize(
    ("size", "shape"),
    [((703, 801), (7, 5)), ((600, 301, 3), (1, 4)), ((41, 60_001), (3, 5)), ((1_200_001,), (6,))],
    ids=str,
)
def test_both_are_adjoint_on_arrays_of_several_blocks(size, shape, stride):
    array, kernel = integers(0, *size, low=0, high=256).astype(np.uint8), integers(1, *shape)
    assert_adjoint(array, kernel, border="reflect", stride=stride)


def test_no_sum_depends_on_the_number_of_threads(monkeypatch):
    array, upstream, kernel = reals(0, 700, 900), reals(1, 700, 900), reals(2, 5, 4)
    results = []
    for threads in ("1", "3"):
        monkeypatch.setenv("CONVFILTER_THREADS", threads)
        by_kernel = kernel_gradient(array, upstream, (5, 4))
        results.append(by_kernel.tobytes() + input_gradient(upstream, kernel, (700, 900)).tobytes())
    assert results[0] == results[1]


def test_memory_for_the_kernels_gradient_is_that_of_a_few_blocks(monkeypatch):
    """Neither a copy of the array in a wider type, nor one for each weight."""
    monkeypatch.setenv("CONVFILTER_THREADS", "1")
    array = np.ones((3000, 3000), np.float32)
    tracemalloc.start()
    result = kernel_gradient(array, array, (5, 5))
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    np.testing.assert_array_equal(result, array.size)
    assert most < array.nbytes


def test_the_whole_of_int64_may_be_used():
    largest = 2**63 - 1
    assert input_gradient([largest], [-1], 1).tolist() == [-largest]
    assert kernel_gradient([largest], [-1], 1).tolist() == [-largest]
    assert kernel_gradient([largest // 3] * 3, [1, 1, 1], 1).tolist() == [largest // 3 * 3]
    assert kernel_gradient([1, 1], [largest // 2, -(largest // 2)], 1).tolist() == [0]
    assert input_gradient([2**40], [2**22], 1, border="edge").tolist() == [2**62]


@pytest.mark.parametrize(
    "call",
    [
        lambda: input_gradient([2**62], [2], 1),
        lambda: input_gradient([2**62, 2**62], [1], 1, padding=(0, 1)),
        lambda: input_gradient([2**62, 2**62, 1], [1], 1, padding=1, border="wrap"),
        lambda: input_gradient([2**62, 1], [1, 1], 2, border="symmetric"),
        lambda: kernel_gradient([2**62, 0], [1, 1], 1),
        lambda: kernel_gradient([2**31, 0], [2**31, -(2**31)], 1),
        lambda: kernel_gradient([1, 1], np.array([2**63, 0], np.uint64), 1),
        lambda: kernel_gradient(np.uint8([1]), [1, 2, 1], 1, padding=1, border="constant", fill=2**62),
    ],
)
def test_a_sum_that_may_pass_int64_is_refused(call):
    """By weights, samples and upstream together, by what the border adds to a sample, and by a fill."""
    with pytest.raises(KernelError, match="may overflow int64"):
        call()


def test_a_fill_among_integers_is_whole():
    """Half a fill would not stay exact in the kernel's gradient; among floats it is a number like others."""
    with pytest.raises(ImageError, match=r"0\.5"):
        kernel_gradient([1], [1, 2, 1], 1, padding=1, border="constant", fill=0.5)
    result = kernel_gradient([1.0], [1, 2, 1], 1, padding=1, border="constant", fill=0.5)
    assert result.tolist() == [3.0]


def test_narrow_floats_are_summed_in_wide_ones():
    """A million products of float32 or float16 are as good as their type, in the kernel and at the border."""
    for dtype in (np.float16, np.float32):
        array = np.full((1000, 1001), 0.1, dtype)
        upstream = np.full(array.shape, 0.01, dtype)
        exact = float(array[0, 0]) * float(upstream[0, 0]) * array.size
        np.testing.assert_array_equal(kernel_gradient(array, upstream, (1, 1)), dtype(exact))
        many = np.full(20_001, 0.1, dtype)
        exact = float(many[0]) * many.size
        np.testing.assert_array_equal(input_gradient(many, [1], 1, padding=10_000), dtype(exact))
    # What flows back from either side may be beyond the narrow type, and their sum within it.
    assert input_gradient(np.float16([40000, 1, -40000]), [2], 1, padding=1).tolist() == [2]


def test_what_is_not_finite_goes_where_it_belongs():
    """To the weights that met it and the samples that took part, without a warning; nowhere else."""
    for value in (np.nan, np.inf):
        array, upstream = reals(0, 9, 8), reals(1, 7, 6)
        array[4, 0] = value
        finite = np.isfinite(kernel_gradient(array, upstream, (3, 3), padding="valid"))
        assert finite.tolist() == [[False, True, True]] * 3
        array[4, 0], upstream[0, 3] = 1, value
        assert not np.isfinite(kernel_gradient(array, upstream, (3, 3), padding="valid")).any()
        met = ~np.isfinite(input_gradient(upstream, np.ones((3, 3)), (9, 8), padding="valid"))
        assert met[:3, 3:6].all()
        assert met.sum() == 9
    assert np.isinf(kernel_gradient(np.float16([60000]), np.float16([60000]), 1))
    assert np.isinf(input_gradient(np.float16([60000] * 3), [1], 1, padding=1))


def test_the_layout_of_arrays_does_not_matter():
    """Strided, turned, in Fortran's order, of foreign byte order, read-only: the same bits."""
    array, upstream, kernel = reals(0, 9, 8, 3), reals(1, 9, 8, 3), reals(2, 3, 4)
    by_array = input_gradient(upstream, kernel, (9, 8, 3))
    by_kernel, turned = kernel_gradient(array, upstream, (3, 4)), kernel_gradient(upstream, array, (3, 4))
    for layout in layouts_of(upstream):
        result = input_gradient(layout, kernel, (9, 8, 3))
        np.testing.assert_array_equal(result, by_array)
        assert result.dtype.isnative
        np.testing.assert_array_equal(kernel_gradient(array, layout, (3, 4)), by_kernel)
        np.testing.assert_array_equal(kernel_gradient(layout, array, (3, 4)), turned)


@pytest.mark.parametrize("gradient", ["input", "kernel"])
def test_what_does_not_fit_is_refused(gradient):
    """An upstream of another shape than the output's, other values than numbers, blocks beyond the memory."""

    def either(array, kernel, upstream, **options):
        if gradient == "input":
            return input_gradient(upstream, kernel, np.shape(array), **options)
        return kernel_gradient(array, upstream, np.shape(kernel), **options)

    for array, kernel, upstream, options in (
        ((5,), (3,), (5,), {"padding": "valid"}),
        ((5,), (3,), (5,), {"stride": 2}),
        ((5, 6, 3), (3, 3), (5, 6, 1), {}),
    ):
        with pytest.raises(ShapeError) as caught:
            either(np.ones(array), np.ones(kernel), np.ones(upstream), **options)
        assert str(upstream) in str(caught.value)
        assert str(output_shape(array, kernel, **options)) in str(caught.value)
    for values in ([1j, 2], ["a", "b"], [[1, 2], [3]]):
        with pytest.raises(ImageError, match="upstream"):
            either([1, 2], [1], values)
    with pytest.raises(ShapeError, match="upstream"):
        either([1], [1], 3)
    with pytest.raises(OptionError):
        either(np.ones(5), np.ones(3), np.ones(5), fill=np.nan)
    with pytest.raises(ShapeError, match="GiB"):
        either(np.ones((5, 1000)), np.ones(3), np.ones((5, 1000)), dilation=200_000)


def test_values_that_are_not_numbers_are_refused():
    with pytest.raises(ImageError, match="array"):
        kernel_gradient([1j, 2], [1, 2], 1)
    for weights in (["a", "b"], [1, np.nan]):
        with pytest.raises(KernelError):
            input_gradient([1, 2], weights, 2)
