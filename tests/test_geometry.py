"""Laws of the output-size arithmetic, and of chains of layers."""

import itertools

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from oracles import correlate_by_loops, padding_pairs, starts_by_counting

from convfilter import ShapeError, correlate, input_gradient, kernel_gradient, output_shape
from convfilter.geometry import Layer, follow

lengths = st.integers(1, 40)
steps = st.integers(1, 5)
amounts = st.integers(0, 12)
paddings = st.one_of(st.sampled_from(["same", "valid", "full"]), amounts, st.tuples(amounts, amounts))


@settings(deadline=None, derandomize=True, max_examples=150)
@given(size=lengths, length=st.integers(1, 12), padding=paddings, stride=steps, dilation=steps)
@example(size=1, length=1, padding="valid", stride=5, dilation=5)
@example(size=3, length=2, padding="valid", stride=1, dilation=2)
def test_size_is_the_number_of_places_where_the_kernel_fits(size, length, padding, stride, dilation):
    """The formula gives what counting gives; where nothing can be counted it is an error."""
    ((before, after),) = padding_pairs(padding, (length,), dilation)
    counted = len(starts_by_counting(size, length, before, after, stride, dilation))
    options = {"padding": padding, "stride": stride, "dilation": dilation}
    if counted:
        assert output_shape((size,), (length,), **options) == (counted,)
    else:
        with pytest.raises(ShapeError):
            output_shape((size,), (length,), **options)


@settings(deadline=None, derandomize=True, max_examples=100)
@given(size=lengths, length=st.integers(1, 9), stride=steps, dilation=st.integers(1, 3))
@example(size=224, length=7, stride=2, dilation=1)  # the stem of a ResNet: 2 before and 3 after
@example(size=5, length=1, stride=3, dilation=1)  # nothing is needed
def test_same_upper_pads_as_little_as_needed_with_the_odd_sample_after(size, length, stride, dilation):
    """ceil(N/s) come out, as in TensorFlow; whatever runs uses the same padding."""
    options = {"stride": stride, "dilation": dilation}
    for total in itertools.count():
        pair = (total // 2, total - total // 2)
        if len(starts_by_counting(size, length, *pair, stride, dilation)) == -(-size // stride):
            break
    array, kernel = np.arange(1, size + 1), np.arange(1, length + 1)
    expected = correlate_by_loops(array, kernel, [pair], **options)
    assert output_shape(size, length, padding="same-upper", **options) == expected.shape
    np.testing.assert_array_equal(correlate(array, kernel, padding="same-upper", **options), expected)
    upstream = expected.astype(int)
    for gradient in (
        lambda padding: input_gradient(upstream, kernel, size, padding=padding, **options),
        lambda padding: kernel_gradient(array, upstream, length, padding=padding, **options),
    ):
        np.testing.assert_array_equal(gradient("same-upper"), gradient(pair))


@pytest.mark.parametrize(
    ("padding", "expected"),
    [
        (("same", "full"), (10, 24)),
        (((1, 0), (0, 3)), (9, 19)),
        ([[1, 0], "valid"], (9, 16)),
        (np.int64(1), (10, 18)),
    ],
)
def test_padding_is_said_once_or_for_each_axis(padding, expected):
    """A name, a number, or a sequence of names, numbers and pairs, one for each kernel axis."""
    assert output_shape((10, 20), (3, 5), padding=padding) == expected


@pytest.mark.parametrize(
    ("shape", "kernel"),
    [
        ((5, 0), (3, 3)),
        ((-5,), (3,)),
        ((), (3,)),
        ((5.5,), (3,)),
        ((5,), ("3",)),
    ],
)
def test_wrong_sizes_are_refused(shape, kernel):
    """Sizes are positive integers, and a kernel has at most the axes of the picture."""
    with pytest.raises(ShapeError):
        output_shape(shape, kernel)


def layer(*window, **fields):
    return Layer("test", window, **fields)


@pytest.mark.parametrize("seed", range(6))
def test_the_receptive_field_is_what_one_output_depends_on(seed):
    """Samples carry what they depend on through strided, then transposed layers."""
    number = np.random.default_rng(seed).integers
    chain = [
        *(layer(int(number(1, 5)), stride=int(number(1, 4)), dilation=int(number(1, 4))) for _ in "ab"),
        layer(int(number(1, 7)), stride=int(number(1, 4)), transposed=True),
        layer(3),
        layer(int(number(1, 7)), stride=int(number(1, 4)), transposed=True),
    ]
    seen = [{place} for place in range(200)]
    for step in follow((200,), chain, padding="valid"):
        (axis,), turned = step.rows["output"], step.layer.transposed
        made = [set() for _ in range(step.output[0])]
        for start in range(len(seen) if turned else len(made)):
            for tap in range(axis.kernel):
                there = start * axis.stride + tap * axis.dilation
                made[there if turned else start] |= seen[start if turned else there]
        assert step.receptive_field == (max(max(each) - min(each) + 1 for each in made if each),)
        seen = made


def test_a_transposed_layer_undoes_the_size_of_the_layer():
    for length, stride, dilation in itertools.product((1, 2, 3, 4, 7), (1, 2, 3), (1, 2)):
        for padding in ("valid", "same", "full", "same-upper", 0, (1, 0)):
            options = {"padding": padding, "stride": stride, "dilation": dilation}
            (step,) = follow((40,), [layer(length, transposed=True)], **options)
            assert output_shape(step.output, length, **options) == (40,)
            if "same" in str(padding):
                assert step.output == (40 * stride,)
