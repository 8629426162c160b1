"""What `correlate` and `convolve` take: types, arrays as they come, and what is refused."""

import inspect

import numpy as np
import pytest
from arrays import assert_close, integers, reals, turned
from oracles import (
    correlate_by_loops,
    padding_pairs,
)

import convfilter
from convfilter import ConvfilterError, KernelError, ShapeError, convolve, correlate

BOTH = pytest.mark.parametrize("operation", [correlate, convolve])


# Types.


@pytest.mark.parametrize(
    "weights", ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "bool"]
)
@pytest.mark.parametrize("samples", ["int8", "uint8", "int16", "uint16", "int32", "uint32", "bool"])
def test_integers_give_exact_int64(samples, weights):
    """Limits of both types, multiplied and added: nothing wraps."""
    limits = [
        (0, 1) if name == "bool" else tuple(map(int, (np.iinfo(name).min, np.iinfo(name).max)))
        for name in (samples, weights)
    ]
    small = [(low // 2**33, high // 2**33) if high > 2**33 else (low, high) for low, high in limits]
    (low, high), (least, most) = small
    if max(-low, high) * 3 * max(-least, most) >= 2**63:
        least, most = least // 4, most // 4
    array = np.array([low, high, low, high, high, high]).astype(samples)
    kernel = np.array([most, least, most]).astype(weights)
    result = correlate(array, kernel, border="zero")
    assert result.dtype == np.int64
    loops = correlate_by_loops(array, kernel, [(1, 1)], border="zero")
    assert result.tolist() == loops.tolist()


@pytest.mark.parametrize("separable", [True, False])
@pytest.mark.parametrize("length", [3, 9, 21])
@pytest.mark.parametrize("bits", [8, 16, 30, 44, 50])
def test_integers_are_exact_however_large(bits, length, separable):
    """Sums beyond 2**53, where float64 leaves integers out, for short and for long kernels."""
    rng = np.random.default_rng(bits)
    array = rng.integers(-(2**bits), 2**bits, (40, 50))
    kernel = rng.integers(-9, 10, (length, length))
    if separable:
        kernel = np.multiply.outer(kernel[0] // 3, kernel[1] // 3)
    places = [(0, 0), (0, 49), (39, 0), (39, 49), (20, 25), (17, 3), (5, 44)]
    result = correlate(array, kernel, border="reflect")
    loops = correlate_by_loops(
        array, kernel, padding_pairs("same", kernel.shape), border="reflect", only=places
    )
    assert [result[place] for place in places] == [loops[place] for place in places]


def test_the_whole_of_int64_may_be_used():
    """Up to its last number, and refused one step later."""
    largest = 2**63 - 1
    assert correlate([largest], [1]).tolist() == [largest]
    assert correlate([largest], [-1]).tolist() == [-largest]
    assert correlate([largest // 3] * 3, [1, 1, 1], padding="valid").tolist() == [largest // 3 * 3]
    assert correlate(np.array([2**40]), np.array([2**22])).tolist() == [2**62]


@pytest.mark.parametrize(
    ("array", "kernel"),
    [
        ([2**62], [2]),
        ([2**62, 2**62], [1, 1]),
        ([2**40], [2**23]),
        ([-(2**40)], [2**23 + 1]),
        ([2**62, 5], [1, 1]),
        (np.array([2**63], dtype=np.uint64), [1]),
        (np.array([2**64 - 1], dtype=np.uint64), [-1]),
        ([2], np.array([2**63], dtype=np.uint64)),
    ],
    ids=str,
)
def test_a_sum_that_may_pass_int64_is_refused(array, kernel):
    """max|x| * sum|w| tells it beforehand; nothing wraps round."""
    with pytest.raises(ConvfilterError, match="int64"):
        correlate(array, kernel)


def test_the_constant_border_counts_among_the_samples():
    """A fill that would overflow is refused like a sample."""
    with pytest.raises(ConvfilterError, match="int64"):
        correlate([1], [1, 1, 1], border="constant", fill=2**62)


def test_unsigned_64_bit_samples_are_numbers_like_others():
    """uint64 up to 2**63 - 1 gives exact int64."""
    array = np.array([2**63 - 1, 7], dtype=np.uint64)
    result = correlate(array, np.array([-1], dtype=np.int8))
    assert result.dtype == np.int64
    assert result.tolist() == [-(2**63 - 1), -7]


@pytest.mark.parametrize("weights", ["int8", "uint16", "int64", "bool"])
@pytest.mark.parametrize("samples", ["float16", "float32", "float64"])
def test_an_integer_kernel_keeps_the_type_of_real_samples(samples, weights):
    """Half precision stays half precision, and small integers in it stay exact."""
    array = integers(0, 6, 5, low=-9, high=10).astype(samples)
    kernel = integers(1, 3, 3, low=0, high=9).astype(weights)
    result = correlate(array, kernel)
    assert result.dtype == samples
    np.testing.assert_array_equal(result, correlate(array.astype(int), kernel.astype(int)))


@pytest.mark.parametrize(
    ("samples", "weights", "expected"),
    [
        ("bool", "float32", "float32"),
        ("uint8", "float32", "float32"),
        ("int8", "float32", "float32"),
        ("int16", "float32", "float32"),
        ("uint16", "float32", "float32"),
        ("int32", "float32", "float64"),
        ("uint32", "float32", "float64"),
        ("int64", "float32", "float64"),
        ("uint64", "float32", "float64"),
        ("bool", "float64", "float64"),
        ("uint8", "float64", "float64"),
        ("int64", "float64", "float64"),
        ("float32", "float32", "float32"),
        ("float32", "float64", "float64"),
        ("float64", "float32", "float64"),
        ("float64", "float64", "float64"),
    ],
)
@BOTH
def test_real_weights_make_real_results(operation, samples, weights, expected):
    """The type follows from both types, never from the values."""
    array = integers(0, 6, 5, low=0, high=2).astype(samples)
    kernel = (integers(1, 3, 3) / 8).astype(weights)
    result = operation(array, kernel)
    assert result.dtype == expected
    turn = kernel if operation is correlate else turned(kernel)
    exact = correlate(array.astype(int), (turn * 8).astype(int)) / 8
    np.testing.assert_array_equal(result, exact)


@pytest.mark.parametrize("length", [3, 7, 15, 31])
@pytest.mark.parametrize(("dtype", "epsilon"), [("float32", 5e-7), ("float64", 1e-15), ("float16", 1e-3)])
def test_precision_is_that_of_the_type(dtype, epsilon, length):
    """A few units in the last place of the largest sum, whatever the strategy for that size."""
    array = reals(0, 60, 70).astype(dtype)
    kernel = integers(1, length, length)
    if dtype == "float16":
        kernel = np.sign(kernel)
    exact = correlate(array.astype(np.float64), kernel)
    near = np.round(array.astype(float) * 2**40).astype(np.int64)
    if length < 15:
        integer = correlate(near, kernel) / 2**40
        assert_close(exact, integer, array, kernel, 1e-12)
    assert_close(correlate(array, kernel), exact, array, kernel, epsilon)


def test_lists_and_numbers_of_python_will_do():
    """Whatever numpy can make an array of numbers of."""
    assert correlate([1, 2, 3], (1, 1, 1)).tolist() == [4, 6, 8]
    assert correlate([[True, False]], [[1, 2, 4]]).tolist() == [[3, 1]]
    assert correlate(range(4), [0.5, 0.5], padding="valid").tolist() == [0.5, 1.5, 2.5]


# Arrays as they come.


def layouts():
    """Return one picture, and the same in every layout that numpy knows."""
    picture = integers(0, 9, 8, 3, low=0, high=256).astype(np.uint8)
    spacious = np.zeros((18, 24, 6), np.uint8)
    spacious[::2, ::3, ::2] = picture
    frozen = picture.copy()
    frozen.flags.writeable = False
    swapped = np.moveaxis(np.moveaxis(picture, 2, 0).copy(), 0, 2)
    unaligned = np.frombuffer(b"x" + picture.astype("<i4").tobytes(), dtype="<i4", offset=1)
    return picture, {
        "fortran": np.asfortranarray(picture),
        "strided": spacious[::2, ::3, ::2],
        "negative": picture[::-1, ::-1, ::-1].copy()[::-1, ::-1, ::-1],
        "read-only": frozen,
        "planar": swapped,
        "big-endian": picture.astype(">i2"),
        "unaligned": unaligned.reshape(picture.shape),
    }


@pytest.mark.parametrize("name", layouts()[1])
@pytest.mark.parametrize("floating", [False, True])
def test_the_layout_of_the_array_does_not_matter(floating, name):
    """Strided, turned round, in Fortran's order, read-only: the same bits."""
    picture, others = layouts()
    other = others[name]
    if floating:
        picture = picture.astype(np.float64)
        other = other.astype(np.dtype("f8").newbyteorder(other.dtype.byteorder), order="K")
    kernel = integers(1, 3, 4) if not floating else reals(1, 3, 4)
    for options in ({}, {"padding": "full", "border": "wrap"}, {"stride": (2, 1), "dilation": 2}):
        result = correlate(other, kernel, **options)
        np.testing.assert_array_equal(result, correlate(picture, kernel, **options))
        assert result.dtype.isnative


@pytest.mark.parametrize("name", ["fortran", "strided", "negative", "read-only"])
def test_the_layout_of_the_kernel_does_not_matter(name):
    """A transposed or turned view is a kernel like any other."""
    kernel, others = layouts()
    array = integers(0, 9, 9)
    np.testing.assert_array_equal(
        correlate(array, others[name][:, :, 1]), correlate(array, kernel[:, :, 1].copy())
    )


def test_samples_that_are_broadcast_are_samples():
    """Strides of zero."""
    array = np.broadcast_to(np.arange(5), (4, 5))
    np.testing.assert_array_equal(
        correlate(array, np.eye(3, dtype=int)), correlate(array.copy(), np.eye(3, dtype=int))
    )


@BOTH
@pytest.mark.parametrize("dtype", ["uint8", "int64", "float32", "float64"])
@pytest.mark.parametrize("kernel", [[[1]], [[1, 2], [3, 4]], [[1.5]]], ids=str)
def test_inputs_stay_as_they_were_and_results_are_new(kernel, dtype, operation):
    """Even where there is nothing to do."""
    array = integers(0, 6, 7, low=0).astype(dtype)
    kernel = np.array(kernel)
    copies = array.copy(), kernel.copy()
    for padding in ("same", "valid"):
        result = operation(array, kernel, padding=padding)
        np.testing.assert_array_equal(array, copies[0])
        np.testing.assert_array_equal(kernel, copies[1])
        assert not np.shares_memory(result, array)
        assert result.flags.writeable
        result[...] = 77
        np.testing.assert_array_equal(array, copies[0])


# Errors.


@BOTH
@pytest.mark.parametrize(
    ("array", "kernel"),
    [
        ((5,), (3, 3)),
        ((), (3,)),
        ((5,), ()),
        ((5, 5), (0, 3)),
        ((5,), (0,)),
        ((0,), (1,)),
        ((5, 0), (1, 1)),
        ((5, 5, 0), (3, 3)),
    ],
)
def test_shapes_that_do_not_fit_are_refused(array, kernel, operation):
    """More axes in the kernel than in the array, none at all, or an axis with nothing on it."""
    with pytest.raises(ShapeError):
        operation(np.ones(array), np.ones(kernel))


@BOTH
@pytest.mark.parametrize(
    "options",
    [
        {"stride": 0},
        {"stride": (1, -1)},
        {"stride": 1.5},
        {"dilation": 0},
        {"dilation": (1, 1, 1)},
        {"padding": -1},
        {"padding": "some"},
        {"padding": (1, 2, 3)},
        {"padding": ((1, -2), 0)},
        {"padding": None},
    ],
    ids=str,
)
def test_wrong_geometry_is_refused(options, operation):
    """As by `output_shape`."""
    with pytest.raises(ShapeError):
        operation(np.ones((5, 5)), np.ones((3, 3)), **options)


@BOTH
def test_nothing_left_is_an_error(operation):
    """`valid` with a kernel larger than the array; one that is as large leaves one sample."""
    with pytest.raises(ShapeError, match=r"(?s)2.*3|3.*2"):
        operation(np.ones((2, 9)), np.ones((3, 3)), padding="valid")
    assert operation(np.ones((3, 9)), np.ones((3, 9)), padding="valid").tolist() == [[27]]


@BOTH
@pytest.mark.parametrize(
    ("options", "meant"),
    [
        ({"border": "edges"}, "edge"),
        ({"border": "symetric"}, "symmetric"),
        ({"border": "reflct"}, "reflect"),
        ({"border": "zeros"}, "zero"),
        ({"padding": "vald"}, "valid"),
        ({"padding": "sane"}, "same"),
    ],
)
def test_the_nearest_name_is_proposed(options, meant, operation):
    """A message holds the word that was said and the one that was meant."""
    ((_, said),) = options.items()
    with pytest.raises(ConvfilterError) as caught:
        operation(np.ones(5), np.ones(3), **options)
    assert f"'{said}'" in str(caught.value)
    assert f"'{meant}'" in str(caught.value)


@BOTH
@pytest.mark.parametrize("border", ["nearest", "mirror", "", "EDGE", None, 3])
def test_borders_of_other_names_are_refused(border, operation):
    """They are called as in `numpy.pad`, and not otherwise."""
    with pytest.raises(ConvfilterError):
        operation(np.ones(5), np.ones(3), border=border)


@BOTH
@pytest.mark.parametrize("weight", [np.nan, np.inf, -np.inf])
def test_weights_are_finite(weight, operation):
    """A kernel with nan or infinity in it is refused."""
    with pytest.raises(KernelError):
        operation(np.ones(5), [1.0, weight])


@BOTH
@pytest.mark.parametrize("values", [[1j, 2], ["a", "b"], [None, 1], np.array([1, 2], dtype="m8[s]")], ids=str)
def test_what_is_no_number_is_refused(values, operation):
    """Complex numbers, strings, objects and times, among samples and among weights."""
    with pytest.raises(ConvfilterError):
        operation(values, [1, 2])
    with pytest.raises(ConvfilterError):
        operation([1, 2], values)


@BOTH
def test_ragged_lists_are_refused(operation):
    """Rows of different lengths are no array."""
    with pytest.raises(ConvfilterError):
        operation([[1, 2], [3]], [[1]])
    with pytest.raises(ConvfilterError):
        operation([[1, 2]], [[1, 2], [3]])


@pytest.mark.parametrize(
    "name", ["correlate", "convolve", "correlate_channels", "output_shape", "apply_kernel"]
)
def test_every_default_is_keyword_only(name):
    """Data, then kernel, then options by name."""
    for parameter in inspect.signature(getattr(convfilter, name)).parameters.values():
        assert (parameter.default is parameter.empty) == (parameter.kind is not parameter.KEYWORD_ONLY)


@pytest.mark.parametrize("name", ["convolve", "correlate_channels"])
def test_the_three_have_the_same_options(name):
    """Names, defaults and their order."""

    def options(function):
        parameters = inspect.signature(function).parameters.values()
        return [(each.name, each.default) for each in parameters if each.kind is each.KEYWORD_ONLY]

    assert options(getattr(convfilter, name)) == options(correlate)
    assert dict(options(correlate)) == {
        "padding": "same",
        "border": "edge",
        "fill": 0.0,
        "stride": 1,
        "dilation": 1,
    }
