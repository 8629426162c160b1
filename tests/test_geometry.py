"""Laws of the output-size arithmetic."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from oracles import padding_pairs, starts_by_counting

from convfilter import ShapeError, output_shape

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


@settings(deadline=None, derandomize=True, max_examples=60)
@given(axes=st.lists(st.tuples(lengths, st.integers(1, 9), paddings, steps, steps), min_size=2, max_size=4))
def test_axes_do_not_know_of_each_other(axes):
    """Every axis has its own size, kernel length, padding, stride and dilation."""
    alone = []
    for size, length, padding, stride, dilation in axes:
        try:
            alone += output_shape((size,), (length,), padding=padding, stride=stride, dilation=dilation)
        except ShapeError:
            alone.append(None)
    sizes, kernel, padding, stride, dilation = zip(*axes, strict=True)
    if None in alone:
        with pytest.raises(ShapeError):
            output_shape(sizes, kernel, padding=padding, stride=stride, dilation=dilation)
    else:
        together = output_shape(sizes, kernel, padding=padding, stride=stride, dilation=dilation)
        assert together == tuple(alone)


@pytest.mark.parametrize(
    ("shape", "kernel", "options", "expected"),
    [
        ((28, 28), (3, 3), {"padding": "valid"}, (26, 26)),
        ((3, 3), (2, 2), {"padding": "valid"}, (2, 2)),
        ((400, 600), (3, 3), {"stride": 2, "dilation": 2}, (200, 300)),
        ((400, 600), (3, 5), {"padding": "full"}, (402, 604)),
        ((17, 23), (3, 3), {"padding": "valid", "stride": (1, 2)}, (15, 11)),
        ((28, 30, 4, 7), (3, 3), {"padding": "valid"}, (26, 28, 4, 7)),  # further axes are carried along
    ],
)
def test_sizes_of_the_books(shape, kernel, options, expected):
    """The numbers that explanations of convolution give."""
    assert output_shape(shape, kernel, **options) == expected


@pytest.mark.parametrize(
    ("padding", "expected"),
    [
        ("valid", (8, 16)),
        (2, (12, 20)),
        (("same", "full"), (10, 24)),
        ((0, "same"), (8, 20)),
        (((1, 0), (0, 3)), (9, 19)),
        ([[1, 0], "valid"], (9, 16)),
        (np.int64(1), (10, 18)),
    ],
)
def test_padding_is_said_once_or_for_each_axis(padding, expected):
    """A name, a number, or a sequence of names, numbers and pairs, one for each kernel axis."""
    assert output_shape((10, 20), (3, 5), padding=padding) == expected


@pytest.mark.parametrize(("pair", "expected"), [((1, 0), 9), ((0, 3), 11), ((2, 2), 12)])
def test_a_bare_pair_will_do_for_one_axis(pair, expected):
    """A kernel of one axis takes ``(before, after)`` without another pair of brackets."""
    assert output_shape((10,), (3,), padding=pair) == (expected,)
    assert output_shape((10,), (3,), padding=(pair,)) == (expected,)


def test_sizes_are_plain_integers():
    """What comes out is a tuple of int, whatever the sizes were."""
    result = output_shape(np.array([28, 30]), np.zeros((3, 3)).shape, padding="valid")
    assert result == (26, 28)
    assert type(result) is tuple
    assert {type(size) for size in result} == {int}


@pytest.mark.parametrize(
    ("shape", "kernel"), [((2,), (3,)), ((28, 4), (3, 5)), ((4, 28), (5, 3)), ((1, 1), (2, 2))]
)
def test_nothing_left_is_an_error_that_says_both_sizes(shape, kernel):
    """`valid` with a kernel larger than the picture has no result; `same` and `full` have one."""
    with pytest.raises(ShapeError) as caught:
        output_shape(shape, kernel, padding="valid")
    size, length = next(pair for pair in zip(shape, kernel, strict=True) if pair[0] < pair[1])
    assert str(size) in str(caught.value)
    assert str(length) in str(caught.value)
    assert output_shape(shape, kernel) == shape
    assert min(output_shape(shape, kernel, padding="full")) >= 1


@pytest.mark.parametrize(
    "options",
    [
        {"padding": -1},
        {"padding": (1, -1)},
        {"padding": "sam"},
        {"padding": ("same", "most")},
        {"padding": (1, 1, 1)},
        {"padding": ((1, 1, 1), 1)},
        {"padding": ()},
        {"padding": 1.5},
        {"padding": None},
        {"stride": 0},
        {"stride": (1, 0)},
        {"stride": (1, 1, 1)},
        {"stride": "2"},
        {"stride": None},
        {"dilation": 0},
        {"dilation": (0, 1)},
    ],
    ids=repr,
)
def test_wrong_options_are_refused(options):
    """Whatever cannot be a padding, stride or dilation is a ShapeError."""
    with pytest.raises(ShapeError):
        output_shape((10, 10), (3, 3), **options)


@pytest.mark.parametrize(
    ("shape", "kernel"),
    [
        ((0,), (1,)),
        ((5, 0), (3, 3)),
        ((-5,), (3,)),
        ((5,), (3, 3)),
        ((), (3,)),
        ((5.5,), (3,)),
        ((5,), ("3",)),
    ],
)
def test_wrong_sizes_are_refused(shape, kernel):
    """Sizes are positive integers, and a kernel has at most the axes of the picture."""
    with pytest.raises(ShapeError):
        output_shape(shape, kernel)


def test_messages_name_the_value_and_the_mend():
    with pytest.raises(ShapeError, match=r"^unknown padding 'vaild' \(did you mean 'valid'\?\)$"):
        output_shape((5,), (3,), padding="vaild")
    with pytest.raises(ShapeError, match=r"^stride True is a truth value: give an integer$"):
        output_shape((5, 5), (3, 3), stride=True)
    with pytest.raises(ShapeError, match=r"^stride np.True_ is a truth value: give an integer$"):
        output_shape((5, 5), (3, 3), stride=np.True_)
