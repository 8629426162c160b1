"""What is worked out by hand is what the engine makes."""

import numpy as np
import pytest
from samples import colour, grey

import convfilter as cf
from convfilter.explaining import explain_numbers, explain_sample
from convfilter.filtering import FilterOptions, check_options, filter_pixels

KERNELS = [
    "identity", "box:size=3", "box:size=4,3", "blur", "gaussian:sigma=0.8", "gaussian:sigma=2", "sharpen",
    "unsharp", "high-pass", "sobel", "sobel-x",
    "scharr", "farid", "roberts", "laplacian", "log", "emboss", "outline",
    "kirsch", "gabor", "motion:length=5,angle=30", "disk:radius=2",
]  # fmt: skip
TABLES = {
    "halves": cf.Kernel("halves", ([[1, 2], [3, -1]], [[0, 1], [1, 1]]), combine="sum", divisors=(2, 3)),
    "lifted": cf.Kernel("lifted", ([[0, 1, -2]],), offset=0.25),
    "greatest": cf.Kernel("greatest", ([[1, 0], [0, -1]], [[0, 3], [-2, 0]]), combine="maximum"),
}


def worked(told):
    return told.steps[-1].value if told.steps else told.parts[0].value


def random_case(seed):
    """A picture, a chain, options and a place of the output."""
    rng = np.random.default_rng(seed)

    def pick(*choices):
        return choices[rng.integers(len(choices))]

    shape = (int(rng.integers(3, 12)), int(rng.integers(3, 12)))
    channels = pick(None, 2, 3, 4)
    dtype = pick(np.uint8, np.uint8, np.uint16, np.float32)
    whole = rng.integers(0, 256 if dtype == np.uint8 else 65536, (*shape, *((channels,) if channels else ())))
    pixels = (whole / 65535).astype(dtype) if dtype == np.float32 else whole.astype(dtype)
    if channels in (2, 4) and rng.random() < 0.3:
        pixels[..., -1] = np.where(pixels[..., -1] > np.median(pixels[..., -1]), pixels[..., -1], 0)
    named = [*KERNELS, *TABLES, *(["luma", "sepia", "opponent"] if channels in (3, 4) else [])]
    chain = [named[rng.integers(len(named))] for _ in range(pick(1, 1, 1, 2))]
    kernels = [TABLES.get(name) or cf.get_kernel(name) for name in chain]
    options = FilterOptions(
        padding=pick("same", "same", "full", 1, (2, 0)),
        border=pick("edge", "symmetric", "reflect", "wrap", "zero", "constant"), fill=pick(0.0, 0.4),
        stride=pick(1, 1, 2, (1, 2)), dilation=pick(1, 1, 2), flip=pick(False, True),
        channels=pick("each", "each", "sum", "mean"),
        range=pick("auto", "clip", "absolute", "signed", "stretch", "raw"),
        alpha=pick("auto", "keep", "premultiply", "plain", "drop"), linear=pick(False, False, True),
    )  # fmt: skip
    return rng, pixels, kernels, options


@pytest.mark.parametrize("first", range(0, 400, 20))
def test_every_value_worked_out_is_the_engines(first):
    fitting = [assert_explained(seed) for seed in range(first, first + 20)]
    assert sum(fitting) > 5


def assert_explained(seed):
    """Work a value of a random case out; return whether its options fit together."""
    rng, pixels, kernels, options = random_case(seed)
    try:
        check_options(options, kernels)
        made = filter_pixels(pixels, kernels, options).pixels
    except cf.ConvfilterError:
        return False
    row, column = (int(rng.integers(size)) for size in made.shape[:2])
    written = np.atleast_1d(made[row, column])
    channel = int(rng.integers(len(written)))
    told = explain_sample(pixels, kernels, options, (row, column), channel=channel)
    assert told.values == tuple(written.tolist())
    assert told.value == written[channel]
    value = worked(told)
    if made.dtype.kind == "f":
        assert value == pytest.approx(told.value, rel=2e-5, abs=2e-5 * float(np.abs(made).max() or 1))
    elif value != told.value:
        assert abs(value - told.value) == 1
        assert not all(kernel.is_integer for kernel in kernels) or len(kernels) > 1 or options.linear
        assert "of a tie" in told.notes[-1]
    return True


@pytest.mark.parametrize("name", ["sobel-x", "blur", "sharpen", "kirsch", "halves"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_integer_kernels_are_worked_out_exactly_everywhere(name, dtype):
    pixels = (grey(5, 6).astype(np.int64) * (257 if dtype == np.uint16 else 1)).astype(dtype)
    kernel = TABLES.get(name) or cf.get_kernel(name)
    made = cf.apply_kernel(pixels, kernel)
    for row, column in np.ndindex(5, 6):
        told = explain_sample(pixels, [kernel], FilterOptions(), (row, column))
        assert worked(told) == told.value == made[row, column]


def test_what_the_border_made_is_marked():
    told = explain_sample(grey(4, 5), [cf.get_kernel("box:size=3")], FilterOptions(), (0, 4))
    (piece,) = told.parts[0].slices
    assert piece.border.tolist() == [[True, True, True], [False, False, True], [False, False, True]]
    assert told.anchor == (0, 0, 4)


def test_a_constant_border_has_its_value():
    options = FilterOptions(border="constant", fill=0.5)
    told = explain_sample(np.full((2, 2), 7, np.uint8), [cf.get_kernel("box:size=3")], options, (0, 0))
    samples = told.parts[0].slices[0].samples
    assert samples.tolist() == [[127.5] * 3, [127.5, 7, 7], [127.5, 7, 7]]


def test_frames_and_channels_are_slices_with_names():
    pixels = colour(6, 7)
    told = explain_sample(
        pixels, [cf.get_kernel("luma")], FilterOptions(), (2, 3), names=("red", "green", "blue")
    )
    assert [each.name for each in told.parts[0].slices] == ["red", "green", "blue"]
    stack = np.stack([grey(4, 5, seed) for seed in range(5)])
    kernel = cf.get_kernel("temporal-edge")
    told = explain_sample(stack, [kernel], FilterOptions(), (2, 1, 3))
    assert [each.name for each in told.parts[0].slices] == ["frame 0", "frame 1", "frame 2"]
    assert worked(told) == told.value == cf.apply_kernel(stack, kernel)[2, 1, 3]


@pytest.mark.parametrize("place", [(-1, 0), (4, 0), (0, 5)])
def test_a_place_outside_is_refused_with_the_size(place):
    with pytest.raises(cf.ShapeError, match="has 4 rows and 5 columns, counted from 0"):
        explain_sample(grey(4, 5), [cf.get_kernel("blur")], FilterOptions(), place)


def test_a_channel_that_is_not_there_is_refused():
    with pytest.raises(cf.ShapeError, match="channel 3: the output has 3"):
        explain_sample(colour(4, 5), [cf.get_kernel("blur")], FilterOptions(), (0, 0), channel=3)


@pytest.mark.parametrize("padding", ["valid", "same", "full", 1])
@pytest.mark.parametrize("flip", [False, True])
def test_plain_numbers_are_what_correlate_gives(padding, flip):
    values = np.arange(12).reshape(3, 4) - 5
    kernel = cf.Kernel("k", ([[0, 1], [2, 3]],))
    options = FilterOptions(padding=padding, border="wrap", flip=flip)
    made = (cf.convolve if flip else cf.correlate)(values, [[0, 1], [2, 3]], padding=padding, border="wrap")
    for place in np.ndindex(made.shape):
        told = explain_numbers(values, kernel, options, place)
        assert worked(told) == told.value
        if padding in ("valid", "full", 1):
            assert told.value == made[place]


def test_the_worked_example_is_nineteen():
    kernel = cf.Kernel("k", ([[0, 1], [2, 3]],))
    values = np.arange(9).reshape(3, 3)
    options = FilterOptions(padding="valid")
    found = [explain_numbers(values, kernel, options, place).value for place in np.ndindex(2, 2)]
    assert found == [19, 25, 37, 43]
    told = explain_numbers(values, kernel, options, (0, 0))
    assert told.parts[0].slices[0].products.tolist() == [[0, 1], [6, 12]]


def test_parts_divisors_and_offsets_of_numbers_are_worked_out():
    values = np.array([[1, 2, 4], [8, 16, 32]])
    for kernel in TABLES.values():
        told = explain_numbers(values, kernel, FilterOptions(border="zero"), (1, 1))
        assert worked(told) == pytest.approx(told.value)
