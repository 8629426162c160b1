"""Laws of `correlate` and `convolve`."""

import numpy as np
import pytest
from arrays import assert_close, integers, problems, turned
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import (
    BORDERS,
    correlate_by_loops,
    correlate_by_shifts,
    grid,
    padding_pairs,
)

from convfilter import ShapeError, convolve, correlate, output_shape

PADDINGS = ("same", "valid", "full", 0, 2, (0, 3), 20)
BOTH = pytest.mark.parametrize("operation", [correlate, convolve])


# What it is.


def test_windows_are_multiplied_and_added_up():
    """The worked example: 0x0 + 1x1 + 2x3 + 3x4 = 19, then 25, then 37 and 43."""
    array = [[0, 1, 2], [3, 4, 5], [6, 7, 8]]
    kernel = [[0, 1], [2, 3]]
    result = correlate(array, kernel, padding="valid")
    np.testing.assert_array_equal(result, [[19, 25], [37, 43]])
    np.testing.assert_array_equal(convolve(array, kernel, padding="valid"), [[5, 11], [23, 29]])


@pytest.mark.parametrize(("length", "signal"), [(1, 5), (2, 7), (4, 4), (5, 30)])
def test_convolve_is_mathematical_convolution(length, signal):
    """(x * k)[i] = sum of k[a] x[i - a]: the product of two polynomials."""
    array, kernel = integers(length, signal), integers(signal, length)
    product = np.polymul(np.poly1d(array[::-1]), np.poly1d(kernel[::-1])).coeffs[::-1]
    product = np.pad(product, (0, signal + length - 1 - len(product)))
    np.testing.assert_array_equal(convolve(array, kernel, padding="full", border="zero"), product)


@pytest.mark.parametrize("shape", [(4,), (3, 4, 2)])
def test_convolution_is_commutative_and_associative(shape):
    """F * g = g * f, and (f * g) * h = f * (g * h), in as many dimensions as there are."""
    first, second, third = (integers(seed, *shape[:: (-1) ** seed]) for seed in range(3))
    options = {"padding": "full", "border": "zero"}
    both = convolve(first, second, **options)
    np.testing.assert_array_equal(both, convolve(second, first, **options))
    np.testing.assert_array_equal(
        convolve(both, third, **options), convolve(first, convolve(second, third, **options), **options)
    )


@pytest.mark.parametrize("padding", ["same", "valid", "full", ((0, 1), (4, 2))], ids=str)
def test_convolve_is_correlate_with_the_kernel_turned(padding):
    """The padding and the anchor stay where they were, for even kernels too."""
    array = integers(0, 11, 12)
    for border, shape in zip(BORDERS, [(2, 2), (2, 3), (3, 3), (4, 3), (1, 4), (2, 5)], strict=True):
        kernel = integers(shape[0], *shape)
        for steps in ({}, {"stride": (3, 1), "dilation": 2}):
            options = {"padding": padding, "border": border, "fill": 5, **steps}
            result = convolve(array, kernel, **options)
            np.testing.assert_array_equal(result, correlate(array, turned(kernel), **options))
            assert not np.array_equal(result, correlate(array, kernel, **options))


# Loops.


@pytest.mark.parametrize("border", BORDERS)
def test_loops_agree_on_small_signals(border):
    """Sizes and kernels from 1 to 5 with strides and dilations to 3, borders longer than the array."""
    for number, choice in enumerate(
        grid(size=(1, 2, 3, 5), length=(1, 2, 4, 5), stride=(1, 2, 3), dilation=(1, 3))
    ):
        padding = PADDINGS[number % len(PADDINGS)]
        steps = {"stride": choice["stride"], "dilation": choice["dilation"]}
        array, kernel = integers(number, choice["size"]), integers(number + 1, choice["length"])
        pairs = padding_pairs(padding, kernel.shape, choice["dilation"])
        loops = correlate_by_loops(array, kernel, pairs, border=border, fill=7, **steps)
        if loops.size:
            result = correlate(array, kernel, padding=padding, border=border, fill=7, **steps)
            np.testing.assert_array_equal(result, loops.astype(np.int64), err_msg=str(choice))


def loops_of(array, kernel, options):
    """Return what loops make of the options of `correlate`."""
    others = {name: value for name, value in options.items() if name != "padding"}
    pairs = padding_pairs(options["padding"], kernel.shape, options["dilation"])
    return correlate_by_loops(array, kernel, pairs, **others)


@settings(deadline=None, derandomize=True, max_examples=200)
@given(problem=problems())
def test_loops_agree_in_one_two_and_three_dimensions(problem):
    """Any padding, border, stride and dilation, kernels larger than the array, axes carried along."""
    array, kernel, options = problem
    loops = loops_of(array, kernel, options)
    if not loops.size:
        with pytest.raises(ShapeError):
            correlate(array, kernel, **options)
        return
    result = correlate(array, kernel, **options)
    assert result.dtype == np.int64
    np.testing.assert_array_equal(result, loops.astype(np.int64))
    sizes = {name: options[name] for name in ("padding", "stride", "dilation")}
    assert result.shape == output_shape(array.shape, kernel.shape, **sizes)


@settings(deadline=None, derandomize=True, max_examples=80)
@given(problem=problems(), scale=st.sampled_from([1.0, 1e-30, 1e30]))
def test_loops_agree_on_reals(problem, scale):
    array, kernel, options = problem
    loops = loops_of(array, kernel, options)
    if loops.size:
        options["fill"] *= scale
        result = correlate(array * scale, kernel / 7, **options)
        expected = loops.astype(float) * scale / 7
        most = max(np.max(np.abs(array)), 9) * scale
        np.testing.assert_allclose(result, expected, rtol=0, atol=1e-14 * most * np.sum(np.abs(kernel)))


@pytest.mark.parametrize("shape", [(1, 9), (7, 7), (15, 15), (31, 31), (40, 6)])
def test_loops_agree_at_places_of_an_image(shape):
    """Long kernels, dense and separable: corners, edges, and places drawn from all over."""
    rng = np.random.default_rng(shape[0])
    array = rng.integers(-255, 256, (100, 111, 2))
    places = [
        (0, 0),
        (0, 55),
        (1, 110),
        (99, 1),
        (98, 109),
        *map(tuple, rng.integers(0, 100, (6, 2)).tolist()),
    ]
    dense = rng.integers(-50, 51, shape)
    separable = np.multiply.outer(*(rng.integers(1, 9, length) for length in shape))
    for kernel, border in ((dense, "wrap"), (separable, "constant")):
        pairs = padding_pairs("same", kernel.shape)
        loops = correlate_by_loops(array, kernel, pairs, border=border, fill=3, only=places)
        result = correlate(array, kernel, border=border, fill=3)
        real = correlate(array / 8, kernel / 16, border=border, fill=3 / 8)
        for place in places:
            assert result[place].tolist() == loops[place].tolist()
            assert_close(real[place], loops[place] / 128, array / 8, kernel / 16, 4e-14)


@pytest.mark.parametrize(
    ("size", "shape"),
    [
        ((700, 900, 3), (4, 2)),
        ((50_000, 40), (5, 3)),
        ((40, 50_000), (3, 5)),
        ((2_000_000,), (5,)),
        ((30, 200, 300), (2, 3, 3)),
        ((1000, 1000, 1, 2), (1, 1)),
    ],
    ids=str,
)
def test_blocks_of_a_large_array_meet_without_a_seam(size, shape):
    """However the work is cut up: every sample of arrays of any form, and every stride of it."""
    array = integers(0, *size, low=0, high=256).astype(np.uint8)
    kernel = integers(1, *shape, low=-9, high=10)
    expected = correlate_by_shifts(array, kernel, "symmetric")
    steps = tuple(range(2, 2 + kernel.ndim))
    for stride in ((1,) * kernel.ndim, steps):
        result = correlate(array, kernel, border="symmetric", stride=stride)
        np.testing.assert_array_equal(result, expected[tuple(slice(None, None, step) for step in stride)])


# What holds for every kernel.


@pytest.mark.parametrize("dtype", ["uint8", "int64", "float16", "float64"])
def test_a_delta_returns_the_image(dtype):
    """A one at the anchor, (K - 1) // 2, and nothing else."""
    array = integers(0, 7, 8, 3, low=0, high=200).astype(dtype)
    for length, border in enumerate(BORDERS, start=1):
        delta = np.zeros((length, length), dtype=np.int8)
        delta[(length - 1) // 2, (length - 1) // 2] = 1
        np.testing.assert_array_equal(correlate(array, delta, border=border, fill=9), array)


@BOTH
@settings(deadline=None, derandomize=True, max_examples=30)
@given(problem=problems(most_axes=2), first=st.integers(-9, 9), second=st.integers(-9, 9))
def test_it_is_linear_in_the_array_and_in_the_kernel(operation, problem, first, second):
    array, kernel, options = problem
    options["fill"] = 0
    if not loops_of(array, kernel, options).size:
        return
    other, another = np.roll(array, 1) - 3, np.flip(kernel) + 2
    of_array = first * operation(array, kernel, **options) + second * operation(other, kernel, **options)
    np.testing.assert_array_equal(operation(first * array + second * other, kernel, **options), of_array)
    of_kernel = first * operation(array, kernel, **options) + second * operation(array, another, **options)
    np.testing.assert_array_equal(operation(array, first * kernel + second * another, **options), of_kernel)


@BOTH
def test_shifting_the_input_shifts_the_output(operation):
    """The same weights are used everywhere: with `wrap` there is no edge to disturb it."""
    array, kernel = integers(0, 12, 15), integers(1, 4, 3)
    result = operation(array, kernel, border="wrap")
    shifted = operation(np.roll(array, (-4, 2), (0, 1)), kernel, border="wrap")
    np.testing.assert_array_equal(shifted, np.roll(result, (-4, 2), (0, 1)))


def test_axes_of_length_one_change_nothing():
    kernel, signal = np.array([1, 2, 0, -3]), integers(0, 12)
    line = correlate(signal, kernel)
    for index in [(None,), (slice(None), None), (None, None), (None, slice(None), None)]:
        np.testing.assert_array_equal(correlate(signal[index], kernel[index]), line[index])


@BOTH
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_further_axes_are_carried_along(dtype, operation):
    """Channels, and channels of frames: each gives what it gives alone."""
    array, kernel = integers(0, 6, 7, 3, 2, low=0).astype(dtype), integers(1, 3, 2)
    result = operation(array, kernel, padding="full")
    assert result.shape == (8, 8, 3, 2)
    for channel, frame in np.ndindex(3, 2):
        alone = operation(array[:, :, channel, frame], kernel, padding="full")
        np.testing.assert_array_equal(result[:, :, channel, frame], alone)


@pytest.mark.parametrize(
    ("border", "drawn"),
    [
        ("edge", "aaaaa|abcd|ddddd"),
        ("symmetric", "ddcba|abcd|dcbaa"),
        ("reflect", "bcdcb|abcd|cbabc"),
        ("wrap", "dabcd|abcd|abcda"),
        ("zero", ".....|abcd|....."),
        ("constant", "fffff|abcd|fffff"),
    ],
)
def test_borders_are_what_is_drawn_of_them(border, drawn):
    """As in the documentation, further out than the array is long."""
    values = dict(zip("abcd.f", (3, 5, 11, 17, 0, 42), strict=True))
    result = correlate([3, 5, 11, 17], [1], padding=5, border=border, fill=42)
    assert result.tolist() == [values[letter] for letter in drawn.replace("|", "")]


def test_fill_is_for_the_constant_border_only():
    """`zero` is zero whatever the fill, and the others take theirs from the array."""
    for border in set(BORDERS) - {"constant"}:
        plain = correlate([1, 2, 3], [1, 1, 1], border=border)
        np.testing.assert_array_equal(correlate([1, 2, 3], [1, 1, 1], border=border, fill=9), plain)
    assert correlate([1], [1, 1, 1], border="constant", fill=9).tolist() == [19]
    assert correlate([1.0], [1, 1, 1], border="constant", fill=0.25).tolist() == [1.5]
    assert correlate([1], [1.0, 1.0, 1.0], border="constant", fill=0.25).tolist() == [1.5]
    zeros = correlate([1, 2], [1, 1, 1], border="zero")
    np.testing.assert_array_equal(correlate([1, 2], [1, 1, 1], border="constant"), zeros)
