"""Laws of `apply_kernel`: what a kernel makes of a picture."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import (
    BORDERS,
    FULL_SCALE,
    distance_to_tie,
    grid,
    root,
    round_half_up,
    settle,
    values_by_loops,
)
from PIL import Image
from samples import SAMPLE_IMAGES

from convfilter import ConvfilterError, ImageError, KernelError, ShapeError, apply_kernel
from convfilter.kernels import Kernel, get_kernel, load_kernels

COFFEE = SAMPLE_IMAGES / "coffee.png"
SHIPPED = load_kernels()
INTEGER = sorted(name for name in SHIPPED if SHIPPED[name].is_integer)
REAL = sorted(name for name in SHIPPED if not SHIPPED[name].is_integer)
VOLUME = ("frame", "row", "column")
DEPTHS = ("uint8", "uint16")


def picture(seed, *shape, dtype="uint8"):
    """Return random samples, a quarter of them at one or the other end of the scale."""
    rng = np.random.default_rng(seed)
    if dtype.startswith("float"):
        return rng.random(shape).astype(dtype)
    full = FULL_SCALE[dtype]
    samples = rng.integers(0, full, shape, endpoint=True)
    where = rng.random(shape)
    samples[where < 1 / 8] = 0
    samples[where > 7 / 8] = full
    return samples.astype(dtype)


def kernel_of(*rows, **fields):
    """Return a kernel of one part from its rows."""
    return Kernel("mine", parts=(rows,), **fields)


def random_kernel(seed, *, parts=1, shape=(3, 3), real=False, low=-4, **fields):
    """Return a kernel of small random weights."""
    rng = np.random.default_rng(seed)
    weights = rng.normal(size=(parts, *shape)) if real else rng.integers(low, 6, (parts, *shape))
    return Kernel("mine", parts=tuple(weights.tolist()), **fields)


IDENTITY = kernel_of([1])
BLUR = kernel_of([1, 2, 1], [2, 4, 2], [1, 2, 1], divisors=(16,))
SHARPEN = kernel_of([0, -1, 0], [-1, 5, -1], [0, -1, 0])
EDGES = kernel_of([0, -1, 0], [-1, 4, -1], [0, -1, 0])


def assert_filtered(pixels, kernel, tie=0, **options):
    """Compare with exact arithmetic; closer to a tie than `tie` a sample may differ by one."""
    values = values_by_loops(pixels, kernel, **options)
    if 0 in values.shape:
        with pytest.raises(ShapeError):
            apply_kernel(pixels, kernel, **options)
        return
    expected = settle(values, pixels.dtype)
    result = apply_kernel(pixels, kernel, **options)
    assert result.dtype == pixels.dtype
    if result.ndim < expected.ndim:
        result = result[..., None]
    assert result.shape == expected.shape
    if not tie:
        np.testing.assert_array_equal(result, expected)
    for place in zip(*np.nonzero(result != expected), strict=True):
        assert abs(int(result[place]) - int(expected[place])) == 1
        assert distance_to_tie(values[place]) <= tie


def tie_of(kernel):
    """Return how near a tie a sample may go either way."""
    return 0 if kernel.is_integer else Fraction(1, 1000)


def fits(kernel, channels):
    """Return a number of channels that the kernel takes."""
    return kernel.shape[-3] if "channel" in kernel.axes else channels


# The oracle's own root.


@pytest.mark.parametrize(("square", "expected"), [(0, 0), (4, 2), (Fraction(9, 16), Fraction(3, 4))])
def test_the_oracle_takes_exact_roots(square, expected):
    """Of squares."""
    assert root(square) == expected


@pytest.mark.parametrize("square", [2, 3, Fraction(1, 7), 10**12 + 1])
def test_the_oracle_takes_roots_from_below(square):
    """Of other numbers, to 120 digits."""
    found = root(square)
    assert found * found < square < (found + Fraction(1, 10**120)) ** 2


# Exactness.


@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize("name", INTEGER)
def test_shipped_integer_kernels_are_exact(name, border):
    """8 and 16 bits: what exact arithmetic gives, on pictures from 1x1 to 9x9."""
    kernel = SHIPPED[name]
    rng = np.random.default_rng([len(name), BORDERS.index(border)])
    small = kernel.weight_count <= 60
    for size in [(1, 1), *rng.integers(1, 10, (4 if small else 1, 2)).tolist()]:
        for dtype in DEPTHS:
            pixels = picture(size[0], *size, fits(kernel, 3), dtype=dtype)
            assert_filtered(pixels, kernel, border=border, fill=0.5)


@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize("name", REAL)
def test_shipped_real_kernels_differ_next_to_a_tie_only(name, border):
    """8 and 16 bits: a sample within 0.001 of n + 1/2 may be one off, and no other may."""
    kernel = SHIPPED[name]
    rng = np.random.default_rng([len(name), BORDERS.index(border)])
    dtypes = DEPTHS if kernel.weight_count < 150 else [DEPTHS[BORDERS.index(border) % 2]]
    for dtype in dtypes:
        size = rng.integers(1, 10 if kernel.weight_count < 150 else 6, 2)
        pixels = picture(size[0], *size, fits(kernel, 1), dtype=dtype)
        assert_filtered(pixels, kernel, tie_of(kernel), border=border, fill=0.3)


@pytest.mark.parametrize("name", sorted(SHIPPED))
def test_shipped_kernels_are_exact_on_a_photograph(name):
    """A crop of the coffee, 8 and 16 bits, under every kernel."""
    kernel = SHIPPED[name]
    with Image.open(COFFEE) as file:
        crop = np.asarray(file.convert("RGB").crop((300, 150, 312, 159)))
    if kernel.weight_count > 150:
        crop = crop[:5, :6]
    if not {"channel", "frame"} & set(kernel.axes):  # the crop as it is also serves as a volume
        crop = crop[:, :, 1]
    assert_filtered(crop, kernel, tie_of(kernel))
    assert_filtered(crop.astype(np.uint16) * 257, kernel, tie_of(kernel), border="reflect")


@settings(deadline=None, derandomize=True, max_examples=400)
@given(
    seed=st.integers(0, 2**32),
    size=st.tuples(st.integers(1, 6), st.integers(1, 6)),
    length=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    channels=st.sampled_from([None, 1, 2, 3, 4, 5]),
    parts=st.integers(1, 3),
    how=st.sampled_from(["magnitude", "maximum", "sum"]),
    divisors=st.lists(st.sampled_from([1, 2, 3, 6, 8, -4, 10]), min_size=3, max_size=3),
    offset=st.sampled_from([0.0, 0.0, 0.5, -0.25]),
    dtype=st.sampled_from(DEPTHS),
    options=st.fixed_dictionaries(
        {
            "padding": st.sampled_from(["same", "same", "full", "valid", 1, (0, 2), ((1, 0), (0, 3))]),
            "border": st.sampled_from(BORDERS),
            "fill": st.sampled_from([0.0, 0.5, 1.0]),
            "stride": st.sampled_from([1, 1, 2, (2, 3)]),
            "dilation": st.sampled_from([1, 1, 2, (3, 1)]),
            "flip": st.booleans(),
            "channels": st.sampled_from(["each", "each", "sum", "mean"]),
            "range": st.sampled_from(["auto", "clip", "absolute", "signed", "stretch"]),
            "alpha": st.sampled_from(["auto", "keep", "plain", "drop"]),
        }
    ),
)
def test_integer_weights_are_exact_under_all_options(
    seed, size, length, channels, parts, how, divisors, offset, dtype, options
):
    """Parts, divisors, combinations, offsets and ranges; every one rounded once, ties up."""
    kernel = random_kernel(
        seed,
        parts=parts,
        shape=length,
        divisors=tuple(divisors[:parts]),
        combine=how if parts > 1 else None,
        offset=offset,
    )
    if options["alpha"] == "auto" and not kernel.is_zero_sum:
        options["alpha"] = "keep"  # premultiplication is a matter of its own, below
    pixels = picture(seed, *size, *([channels] if channels else []), dtype=dtype)
    assert_filtered(pixels, kernel, Fraction(1, 10**6) if options["range"] == "stretch" else 0, **options)


@settings(deadline=None, derandomize=True, max_examples=60)
@given(
    seed=st.integers(0, 2**32),
    parts=st.sampled_from([1, 1, 2]),
    how=st.sampled_from(["magnitude", "maximum", "sum"]),
    divisor=st.sampled_from([1.0, 0.3, 7.25, -2.0]),
    offset=st.sampled_from([0.0, 0.1]),
    dtype=st.sampled_from(DEPTHS),
    channels=st.sampled_from(["each", "sum", "mean"]),
)
def test_real_weights_differ_next_to_a_tie_only(seed, parts, how, divisor, offset, dtype, channels):
    """Also where parts are combined and channels summed."""
    kernel = random_kernel(
        seed,
        parts=parts,
        real=True,
        divisors=(divisor,) * parts,
        combine=how if parts > 1 else None,
        offset=offset,
    )
    assert_filtered(picture(seed, 7, 6, 3, dtype=dtype), kernel, Fraction(1, 1000), channels=channels)


@pytest.mark.parametrize("dtype", DEPTHS)
@pytest.mark.parametrize("numerator", [1, 3, 255, -7])
def test_ties_go_up(numerator, dtype):
    """Floor(v + 1/2), above zero and below, for every even divisor to 600."""
    full = FULL_SCALE[dtype]
    pixels = np.unique(np.linspace(0, full, 900).astype(dtype)).reshape(1, -1)
    products = numerator * pixels.astype(np.int64)
    for divisor in [*range(2, 600, 2), -2, -94]:
        result = apply_kernel(pixels, kernel_of([numerator], divisors=(divisor,)), range="clip")
        # Floor of product / divisor + 1/2, in integers.
        expected = (2 * products * np.sign(divisor) + abs(divisor)) // (2 * abs(divisor))
        np.testing.assert_array_equal(result, expected.clip(0, full), err_msg=str(divisor))


@pytest.mark.parametrize("dtype", DEPTHS)
@pytest.mark.parametrize("offset", [-1.0, -0.5, -0.25, 0.25, 0.5])
@pytest.mark.parametrize("range_", ["clip", "absolute", "signed"])
def test_offsets_are_exact(range_, offset, dtype):
    """Halves and quarters of full scale on top, or taken off, whatever the divisor."""
    full = FULL_SCALE[dtype]
    pixels = np.unique(np.linspace(0, full, 400).astype(dtype)).reshape(1, -1)
    for numerator, divisor in [(1, 1), (4, 2), (1, 2), (3, 4), (-1, 8), (5, 3), (7, 6), (3, -4), (1, 256)]:
        kernel = kernel_of([numerator], divisors=(divisor,), offset=offset)
        # The value in units of 1 / (8 * divisor), so that every range has integers.
        sign = np.sign(divisor)
        unit = 8 * abs(divisor)
        value = 8 * sign * numerator * pixels.astype(np.int64) + int(offset * full * unit)
        if range_ == "absolute":
            value = np.abs(value)
        elif range_ == "signed":
            value = (value + full * unit) // 2
        expected = ((2 * value + unit) // (2 * unit)).clip(0, full)
        result = apply_kernel(pixels, kernel, range=range_)
        np.testing.assert_array_equal(result, expected, err_msg=f"{numerator}/{divisor}")


def test_ties_go_up_below_zero():
    """Types that hold negative numbers hold them: -1/2 becomes 0, -3/2 becomes -1."""
    pixels = np.arange(8, dtype=np.int32).reshape(1, -1)
    assert apply_kernel(pixels, kernel_of([-1], divisors=(2,))).tolist() == [[0, 0, -1, -1, -2, -2, -3, -3]]
    tenths = kernel_of([-0.7])
    assert apply_kernel(pixels, tenths).tolist() == [[0, -1, -1, -2, -3, -3, -4, -5]]


@pytest.mark.parametrize("dtype", DEPTHS)
@pytest.mark.parametrize("seed", range(5))
def test_weights_that_cancel_differ_next_to_a_tie_only(seed, dtype):
    """Large sums of which little is left, so that what single precision loses would show."""
    rng = np.random.default_rng(seed)
    weights = 40 * rng.normal(size=(15, 15))
    weights -= weights.mean()
    kernel = Kernel("cancelling", parts=(weights.tolist(),), offset=0.5)
    pixels = 255 - (rng.random((12, 13)) < 0.05).astype(dtype)
    assert_filtered(pixels * np.asarray(FULL_SCALE[dtype] // 255, dtype), kernel, Fraction(1, 1000))


@pytest.mark.parametrize("dtype", DEPTHS)
@pytest.mark.parametrize("divisor", [1, 2, 3, 6, 10])
def test_magnitudes_are_correctly_rounded(divisor, dtype):
    """Pythagorean triples end on ties when they are divided; they go up like all others."""
    kernel = Kernel(
        "pair",
        parts=([[1, 0]], [[0, 1]]),
        divisors=(divisor, divisor),
        combine="magnitude",
    )
    triples = [(3, 4), (5, 12), (8, 15), (7, 24), (20, 21), (9, 40), (12, 35), (28, 45), (33, 56)]
    most = FULL_SCALE[dtype] // 56
    multiples = range(1, most + 1) if most < 9 else [1, 2, 3, 5, 7, 11, 101, 505, most]
    pairs = [(first * times, second * times) for first, second in triples for times in multiples]
    pairs += [(first + 1, second) for first, second in pairs]
    pixels = np.array(pairs, dtype=dtype)
    result = apply_kernel(pixels, kernel, padding="valid")[:, 0]
    expected = [round_half_up(root(Fraction(a * a + b * b, divisor * divisor))) for a, b in pairs]
    assert result.tolist() == [min(value, FULL_SCALE[dtype]) for value in expected]


@pytest.mark.parametrize("dtype", DEPTHS)
@pytest.mark.parametrize("seed", range(2))
def test_long_integer_kernels_are_exact(seed, dtype):
    """Kernels for which an engine may leave plain sums, at some places of a larger picture."""
    pixels = picture(seed, 90, 100, dtype=dtype)
    rng = np.random.default_rng(seed)
    dense = rng.integers(-9, 10, (17, 21))
    outer = np.multiply.outer(rng.integers(1, 9, 15), rng.integers(1, 9, 31))
    for weights in (dense, outer, np.ones((33, 33), int)):
        divisor = int(np.abs(weights).sum()) // 2 | 1
        kernel = Kernel("long", parts=(weights.tolist(),), divisors=(divisor,))
        result = apply_kernel(pixels, kernel, range="clip")
        height, width = weights.shape
        for row, column in [(0, 0), (89, 99), (45, 0), (7, 93), (44, 51), *rng.integers(0, 90, (20, 2))]:
            rows = np.arange(row - (height - 1) // 2, row + height // 2 + 1).clip(0, 89)
            columns = np.arange(column - (width - 1) // 2, column + width // 2 + 1).clip(0, 99)
            window = pixels[np.ix_(rows, columns)].astype(np.int64)
            value = round_half_up(Fraction(int((window * weights).sum()), divisor))
            assert result[row, column] == min(max(value, 0), FULL_SCALE[dtype])


# What kernels do.


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int32", "float32", "float64"])
@pytest.mark.parametrize("shape", [(6, 7), (6, 7, 1), (6, 7, 2), (6, 7, 3), (6, 7, 4), (6, 7, 5)])
def test_the_identity_returns_the_picture(shape, dtype):
    """Of any kind, in the shape and the type that it has."""
    pixels = picture(0, *shape, dtype=dtype)
    for kernel in (IDENTITY, "identity"):
        result = apply_kernel(pixels, kernel)
        assert result.dtype == pixels.dtype
        np.testing.assert_array_equal(result, pixels)
        assert not np.shares_memory(result, pixels)


@pytest.mark.parametrize("level", [0, 1, 127, 128, 254, 255])
@pytest.mark.parametrize("scale", [1, 257])
@pytest.mark.parametrize(
    "name",
    ["box:size=5", "blur", "binomial-3", "gaussian", "gaussian:sigma=4", "disk:radius=5", "motion:angle=30"],
)
def test_blurs_keep_constants(name, scale, level):
    """To the last level, however long the kernel and whatever its weights."""
    pixels = np.full((9, 30, 3), level * scale, dtype=DEPTHS[scale > 1])
    for border in ("edge", "wrap", "reflect"):
        np.testing.assert_array_equal(apply_kernel(pixels, name, border=border), pixels)
    np.testing.assert_array_equal(apply_kernel(pixels, name, linear=True), pixels)


@pytest.mark.parametrize("name", sorted(name for name in SHIPPED if SHIPPED[name].is_zero_sum))
def test_zero_sum_kernels_see_nothing_in_a_constant(name):
    """What is left of it is the offset, or half of the scale where the range is signed."""
    kernel = SHIPPED[name]
    pixels = np.full((12, 14, 3), 200, dtype=np.uint8)
    rest = 128 if kernel.range == "signed" else round_half_up(Fraction(kernel.offset) * 255)
    assert set(apply_kernel(pixels, kernel).flat) == {rest}


@pytest.mark.parametrize("name", sorted(SHIPPED))
def test_a_name_is_as_good_as_the_kernel(name):
    """Names are looked up among the shipped kernels."""
    pixels = picture(0, 12, 11, 3)
    np.testing.assert_array_equal(apply_kernel(pixels, name), apply_kernel(pixels, SHIPPED[name]))


def test_names_may_carry_parameters():
    """As on the command line."""
    pixels = picture(0, 12, 11)
    result = apply_kernel(pixels, "gaussian:sigma=2")
    np.testing.assert_array_equal(result, apply_kernel(pixels, get_kernel("gaussian:sigma=2")))
    assert not np.array_equal(result, apply_kernel(pixels, "gaussian"))


def test_kernels_apply_as_written():
    """A bright line to the left of each place is what [1, 0, 0] fetches; `flip` fetches the right."""
    pixels = np.array([[10, 20, 30, 40]], dtype=np.uint8)
    kernel = kernel_of([1, 0, 0])
    assert apply_kernel(pixels, kernel).tolist() == [[10, 10, 20, 30]]
    assert apply_kernel(pixels, kernel, flip=True).tolist() == [[20, 30, 40, 40]]


@pytest.mark.parametrize("size", [(1, 2), (2, 2), (3, 4), (4, 3)])
@pytest.mark.parametrize("padding", ["same", "full", "valid"])
def test_flip_turns_rows_and_columns_and_leaves_the_anchor(size, padding):
    """Even kernels too."""
    pixels = picture(0, 8, 9, 3)
    rows = np.random.default_rng(1).integers(-3, 4, size)
    here = apply_kernel(pixels, kernel_of(*rows.tolist()), padding=padding, flip=True, range="signed")
    turned = kernel_of(*rows[::-1, ::-1].tolist())
    np.testing.assert_array_equal(apply_kernel(pixels, turned, padding=padding, range="signed"), here)


def test_flip_never_turns_channels():
    """Nor outputs: a kernel of one sample a channel stays as it is."""
    pixels = picture(0, 8, 9, 3)
    for name in ("luma", "sepia"):
        np.testing.assert_array_equal(apply_kernel(pixels, name, flip=True), apply_kernel(pixels, name))


def test_a_kernel_of_columns_runs_along_the_rows():
    """One axis is a table of one row."""
    pixels = picture(0, 8, 9, 3)
    line = Kernel("line", parts=((1, 2, -1, 3),), axes=("column",), divisors=(5,))
    table = kernel_of([1, 2, -1, 3], divisors=(5,))
    for padding in ("same", "full", "valid"):
        result = apply_kernel(pixels, line, padding=padding)
        np.testing.assert_array_equal(result, apply_kernel(pixels, table, padding=padding))


@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize("channels", [None, 3, 4])
def test_frame_kernels_are_exact_on_volumes(channels, border):
    """Frames are an axis like rows and columns."""
    pixels = picture(0, 4, 5, 6, *([channels] if channels else []))
    for shape in [(3, 1, 1), (2, 3, 2), (1, 2, 3)]:
        kernel = random_kernel(1, shape=shape, axes=VOLUME, divisors=(3,))
        assert_filtered(pixels, kernel, border=border, alpha="keep", fill=0.5)
    assert_filtered(pixels, random_kernel(2, shape=(2, 2, 2), axes=VOLUME), flip=True, alpha="keep")
    for padding in ("valid", "full"):
        assert_filtered(pixels, random_kernel(3, shape=(2, 3, 3), axes=VOLUME), padding=padding, alpha="drop")


# Channels.


@pytest.mark.parametrize("dtype", DEPTHS)
@pytest.mark.parametrize("channels", [1, 3, 4, 5])
def test_sums_and_means_come_before_the_combination(channels, dtype):
    """The channels are added, then the magnitude is taken."""
    pixels = picture(0, 7, 8, channels, dtype=dtype)
    kernel = random_kernel(0, parts=2, combine="magnitude", divisors=(4, 5))
    for how in ("sum", "mean"):
        assert_filtered(pixels, kernel, channels=how, alpha="plain")
        if channels == 4:
            assert_filtered(pixels, kernel, channels=how, alpha="keep")
            assert_filtered(pixels, kernel, channels=how, alpha="drop")


def test_each_channel_is_filtered_on_its_own():
    """What a channel gives alone."""
    pixels = picture(0, 9, 8, 3)
    result = apply_kernel(pixels, "sobel")
    for channel in range(3):
        np.testing.assert_array_equal(result[..., channel], apply_kernel(pixels[..., channel], "sobel"))


def test_the_mean_of_a_grey_picture_is_the_grey_picture():
    """Three equal channels, summed and divided by three."""
    grey = picture(0, 9, 8)
    pixels = np.stack([grey] * 3, axis=-1)
    result = apply_kernel(pixels, BLUR, channels="mean")
    np.testing.assert_array_equal(result.reshape(9, 8), apply_kernel(grey, BLUR))


@pytest.mark.parametrize("how", ["sum", "mean"])
def test_a_grey_picture_has_nothing_to_sum(how):
    """One channel summed is that channel."""
    grey = picture(0, 9, 8)
    np.testing.assert_array_equal(apply_kernel(grey, BLUR, channels=how), apply_kernel(grey, BLUR))


@pytest.mark.parametrize("dtype", DEPTHS)
@pytest.mark.parametrize("outputs", [None, 1, 2, 3, 5])
def test_kernels_with_channels_are_exact(outputs, dtype):
    """One slice a channel, one set of slices an output."""
    shape = (3, 2, 3) if outputs is None else (outputs, 3, 2, 3)
    axes = ("output", "channel", "row", "column")[-len(shape) :]
    kernel = random_kernel(0, parts=2, shape=shape, axes=axes, divisors=(7, 9), combine="magnitude")
    assert_filtered(picture(0, 7, 8, 3, dtype=dtype), kernel)
    assert_filtered(picture(0, 7, 8, 4, dtype=dtype), kernel, alpha="keep", flip=True)
    options = {"padding": "full", "border": "wrap", "stride": 2}
    assert_filtered(picture(0, 7, 8, 4, dtype=dtype), kernel, alpha="drop", **options)


def test_luma_makes_one_channel_and_sepia_three():
    """White stays white under luma, and alpha is carried over beside the colours."""
    pixels = picture(0, 6, 7, 4)
    white = np.full((2, 2, 3), 255, dtype=np.uint8)
    assert set(apply_kernel(white, "luma").flat) == {255}
    for name, colours in (("luma", 1), ("sepia", 3)):
        plain = apply_kernel(pixels[..., :3], name)
        assert plain.reshape(6, 7, -1).shape == (6, 7, colours)
        result = apply_kernel(pixels, name)
        assert result.shape == (6, 7, colours + 1)
        np.testing.assert_array_equal(result[..., :-1], plain.reshape(6, 7, colours))
        np.testing.assert_array_equal(result[..., -1], pixels[..., -1])


@pytest.mark.parametrize(
    ("shape", "alpha"),
    [
        ((5, 5), "auto"),
        ((5, 5, 1), "auto"),
        ((5, 5, 2), "auto"),
        ((5, 5, 5), "auto"),
        ((5, 5, 4), "plain"),
    ],
)
def test_a_wrong_number_of_channels_is_refused(shape, alpha):
    """Three slices fit RGB and RGBA; four colours are no RGBA."""
    with pytest.raises(ShapeError, match="3"):
        apply_kernel(picture(0, *shape), "luma", alpha=alpha)


@pytest.mark.parametrize("how", ["sum", "mean"])
def test_kernels_with_channels_refuse_another_sum(how):
    """They sum already."""
    with pytest.raises(ConvfilterError, match="channel"):
        apply_kernel(picture(0, 5, 5, 3), "luma", channels=how)


# Alpha.


@pytest.mark.parametrize("alpha", ["auto", "keep", "premultiply", "plain", "drop"])
@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_an_opaque_picture_gives_its_rgb_result(dtype, border, alpha):
    """Bit for bit, for blurs and sharpening, and alpha stays opaque."""
    full = FULL_SCALE[dtype]
    colours = picture(0, 8, 9, 3, dtype=dtype)
    pixels = np.concatenate([colours, np.full((8, 9, 1), full, dtype)], axis=-1)
    wide = random_kernel(0, shape=(4, 3), real=True, low=0)
    kernels = [BLUR, SHARPEN, SHIPPED["gaussian"], SHIPPED["emboss"], SHIPPED["unsharp"], wide]
    for kernel in kernels:
        for padding in ("same", "valid", "full"):
            options = {"padding": padding, "border": border, "fill": 0.5}
            plain = apply_kernel(colours, kernel, **options)
            result = apply_kernel(pixels, kernel, alpha=alpha, **options)
            np.testing.assert_array_equal(result[..., :3], plain)
            if alpha == "drop":
                assert result.shape == plain.shape
            elif alpha != "plain":
                assert set(result[..., 3].flat) == {full}


@pytest.mark.parametrize("channels", [2, 4])
@pytest.mark.parametrize("dtype", DEPTHS)
@settings(deadline=None, derandomize=True, max_examples=60)
@given(
    seed=st.integers(0, 2**32),
    low=st.sampled_from([-4, 0, 1]),
    options=st.fixed_dictionaries(
        {
            "padding": st.sampled_from(["same", "same", "full", "valid", (0, 2)]),
            "border": st.sampled_from(BORDERS),
            "fill": st.sampled_from([0.0, 0.5, 1.0]),
            "stride": st.sampled_from([1, 1, 2]),
            "dilation": st.sampled_from([1, 1, 2]),
            "flip": st.booleans(),
            "channels": st.sampled_from(["each", "each", "sum", "mean"]),
            "range": st.sampled_from(["auto", "clip", "absolute", "signed"]),
            "alpha": st.sampled_from(["auto", "premultiply"]),
        }
    ),
    offset=st.sampled_from([0.0, 0.0, 0.5]),
)
def test_premultiplied_filters_are_exact(channels, dtype, seed, low, options, offset):
    """Colours weighted by alpha, alpha by the weights; plain colours where nothing is to be seen."""
    kernel = random_kernel(seed, shape=(2, 3), low=low, divisors=(5,), offset=offset)
    if sum(map(sum, kernel.parts[0])) == 0:
        return
    pixels = picture(seed, 5, 6, channels, dtype=dtype)
    pixels[:2, :, -1] = 0  # enough of nothing for windows without alpha
    assert_filtered(pixels, kernel, **options)


@pytest.mark.parametrize("name", ["blur", "box", "gaussian", "disk", "binomial-7", "motion"])
def test_blurs_leave_no_halo(name):
    """Colours of what cannot be seen do not bleed: red on invisible green stays red."""
    pixels = np.zeros((20, 21, 4), dtype=np.uint8)
    pixels[...] = (0, 255, 0, 0)
    pixels[5:15, 6:16] = (200, 10, 30, 255)
    result = apply_kernel(pixels, name)
    seen = result[..., 3] > 0
    assert seen.sum() > 100
    assert {tuple(colour) for colour in result[seen][:, :3].tolist()} == {(200, 10, 30)}
    assert len(set(result[..., 3].flat)) > 2


def test_colours_under_no_alpha_are_the_plain_ones():
    """Where alpha comes out as 0 there is nothing to divide by."""
    pixels = picture(0, 8, 9, 4)
    pixels[..., 3] = 0
    pixels[0, 0, 3] = 1  # a ninth of one level, rounded to none
    result = apply_kernel(pixels, kernel_of([1, 1, 1], [1, 1, 1], [1, 1, 1], divisors=(9,)), border="zero")
    assert set(result[1:-1, 1:-1, 3].flat) == {0}
    plain = apply_kernel(pixels[..., :3], kernel_of([1, 1, 1], [1, 1, 1], [1, 1, 1], divisors=(9,)))
    np.testing.assert_array_equal(result[1:-1, 1:-1, :3], plain[1:-1, 1:-1])


@pytest.mark.parametrize(
    ("kernel", "kept"),
    [
        (IDENTITY, True),
        (kernel_of([3]), True),
        (EDGES, True),
        ("sobel", True),
        ("high-pass", True),
        ("luma", True),
        (BLUR, False),
        ("sharpen", False),
        ("emboss", False),
    ],
    ids=str,
)
def test_alpha_by_default(kernel, kept):
    """Kept by zero-sum kernels and by those of one sample, premultiplied by the others."""
    pixels = picture(0, 8, 9, 4)
    result = apply_kernel(pixels, kernel)
    other = apply_kernel(pixels, kernel, alpha="keep" if kept else "premultiply")
    np.testing.assert_array_equal(result, other)
    assert np.array_equal(result[..., -1], pixels[..., -1]) == kept


@pytest.mark.parametrize("channels", [2, 4])
def test_alpha_is_no_colour(channels):
    """Kept beside what the colours give alone, or removed from it."""
    pixels = picture(0, 8, 9, channels)
    colours = apply_kernel(pixels[..., :-1], EDGES).reshape(8, 9, -1)
    kept = apply_kernel(pixels, EDGES, alpha="keep")
    np.testing.assert_array_equal(kept, np.concatenate([colours, pixels[..., -1:]], axis=-1))
    dropped = apply_kernel(pixels, EDGES, alpha="drop")
    np.testing.assert_array_equal(dropped.reshape(8, 9, -1), colours)


@pytest.mark.parametrize("channels", [2, 4])
def test_plain_alpha_is_a_colour(channels):
    """CMYK: four channels and none of them alpha."""
    pixels = picture(0, 8, 9, channels)
    result = apply_kernel(pixels, SHARPEN, alpha="plain")
    for channel in range(channels):
        np.testing.assert_array_equal(result[..., channel], apply_kernel(pixels[..., channel], SHARPEN))


@pytest.mark.parametrize("alpha", ["auto", "keep", "premultiply", "plain", "drop"])
@pytest.mark.parametrize("channels", [None, 1, 3, 5])
def test_pictures_without_alpha_do_not_mind(channels, alpha):
    """There is none to keep."""
    pixels = picture(0, 8, 9, *([channels] if channels else []))
    result = apply_kernel(pixels, BLUR, alpha=alpha)
    np.testing.assert_array_equal(result, apply_kernel(pixels, BLUR))


@pytest.mark.parametrize(
    "options",
    grid(
        padding=["same", "valid", "full", 1, ((0, 2), (3, 0))], stride=[1, 2, (3, 1)], dilation=[1, 2, (2, 3)]
    ),
    ids=str,
)
def test_kept_alpha_stands_under_the_anchor(options):
    """It moves with the picture when sizes change, and is opaque where it has to be made up."""
    pixels = picture(0, 9, 10, 4)
    for shape in [(1, 1), (2, 2), (3, 3), (4, 3)]:
        kernel = random_kernel(1, shape=shape)
        for border in ("edge", "zero", "constant"):
            assert_filtered(pixels, kernel, alpha="keep", border=border, **options)


def test_a_border_of_nothing_is_opaque():
    """`zero` and `constant` lay the picture on a ground that can be seen."""
    pixels = np.full((4, 5, 4), 255, dtype=np.uint8)
    for alpha in ("premultiply", "keep"):
        for border in ("zero", "constant"):
            result = apply_kernel(pixels, BLUR, padding=3, border=border, alpha=alpha)
            assert set(result[..., 3].flat) == {255}
            assert result[0, 0, 0] == 0


# Range.


def test_absolute_folds_and_signed_centres():
    """-100, 0 and 100 as 100, 0, 100, and as 78, 128, 178 (ties up)."""
    pixels = np.array([[200, 100, 100, 200]], dtype=np.uint8)
    kernel = kernel_of([-1, 1])
    options = {"padding": "valid"}
    assert apply_kernel(pixels, kernel, **options).tolist() == [[100, 0, 100]]
    assert apply_kernel(pixels, kernel, range="absolute", **options).tolist() == [[100, 0, 100]]
    assert apply_kernel(pixels, kernel, range="clip", **options).tolist() == [[0, 0, 100]]
    assert apply_kernel(pixels, kernel, range="signed", **options).tolist() == [[78, 128, 178]]
    assert apply_kernel(pixels, kernel, range="stretch", **options).tolist() == [[0, 128, 255]]
    raw = apply_kernel(pixels, kernel, range="raw", **options)
    assert raw.dtype == np.float32
    assert raw.tolist() == [[-100, 0, 100]]


@pytest.mark.parametrize(
    ("kernel", "expected"),
    [
        (kernel_of([-1, 1]), "absolute"),
        (kernel_of([-1, 1], offset=0.5), "clip"),
        (kernel_of([-1, 2]), "clip"),
        (kernel_of([-1, 1], range="signed"), "signed"),
        (kernel_of([-1, 1], range="clip"), "clip"),
        (kernel_of([-1, 2], range="absolute"), "absolute"),
        (kernel_of([2, 2], range="stretch"), "stretch"),
        (Kernel("two", parts=([[1, -1]], [[2, -2]]), combine="sum"), "clip"),
        (Kernel("two", parts=([[1, -1]], [[2, -2]]), combine="maximum"), "clip"),
        (kernel_of([-1.0000001, 1.0]), "absolute"),
        (kernel_of([-1.00001, 1.0]), "clip"),
    ],
    ids=repr,
)
def test_auto_takes_the_kernels_own_range(kernel, expected):
    """Else absolute for a zero-sum kernel of one part and no offset, else clip."""
    pixels = picture(0, 8, 9) // 3 * 2 + 20  # away from both ends, so that no two ranges agree
    result = apply_kernel(pixels, kernel)
    np.testing.assert_array_equal(result, apply_kernel(pixels, kernel, range=expected))
    for other in {"clip", "absolute", "signed", "stretch"} - {expected}:
        assert not np.array_equal(apply_kernel(pixels, kernel, range=other), result)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32", "float64"])
def test_stretch_fills_the_scale(dtype):
    """The least value of all channels becomes 0, the largest full scale."""
    full = FULL_SCALE[dtype]
    pixels = picture(0, 8, 9, 3, dtype=dtype)
    result = apply_kernel(pixels, SHARPEN, range="stretch")
    assert result.dtype == dtype
    assert (result.min(), result.max()) == (0, full)
    raw = apply_kernel(pixels, SHARPEN, range="raw").astype(float)
    np.testing.assert_allclose(
        result, (raw - raw.min()) / np.ptp(raw) * full, rtol=0, atol=0.51 if full > 1 else 1e-6
    )
    each = [apply_kernel(pixels[..., channel], SHARPEN, range="stretch") for channel in range(3)]
    assert not np.array_equal(np.stack(each, axis=-1), result)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_stretch_makes_a_flat_picture_black(dtype):
    """There is nothing to stretch, and nothing to divide by."""
    pixels = np.full((5, 6, 3), FULL_SCALE[dtype], dtype=dtype)
    assert set(apply_kernel(pixels, BLUR, range="stretch").flat) == {0}
    assert set(apply_kernel(pixels, "gaussian", range="stretch").flat) == {0}


def test_stretch_leaves_alpha_alone():
    """It is not among what is stretched, nor among what decides how far."""
    pixels = picture(0, 8, 9, 4)
    result = apply_kernel(pixels, EDGES, range="stretch")
    np.testing.assert_array_equal(result[..., 3], pixels[..., 3])
    np.testing.assert_array_equal(result[..., :3], apply_kernel(pixels[..., :3], EDGES, range="stretch"))


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32", "float64"])
def test_raw_is_float32_in_units_of_the_picture(dtype):
    """Neither folded nor clipped nor rounded."""
    pixels = picture(0, 8, 9, 3, dtype=dtype)
    kernel = Kernel("two", parts=([[-1, 3, -2]], [[2, 1, -4]]), divisors=(3, 1), combine="sum", offset=0.25)
    result = apply_kernel(pixels, kernel, range="raw")
    assert result.dtype == np.float32
    values = values_by_loops(pixels, kernel).astype(float)
    np.testing.assert_allclose(result, values, rtol=3e-7, atol=1e-6 * FULL_SCALE[dtype])
    assert values.min() < 0
    assert values.max() > FULL_SCALE[dtype]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("range_", ["auto", "clip", "absolute", "signed"])
@pytest.mark.parametrize("kernel", [SHARPEN, EDGES, BLUR], ids=["sharpen", "edges", "blur"])
def test_real_pictures_are_neither_rounded_nor_clipped(kernel, range_, dtype):
    """Full scale is 1, and what goes past it stays."""
    pixels = 2 * picture(0, 8, 9, 3, dtype=dtype) - np.asarray(0.5, dtype)
    result = apply_kernel(pixels, kernel, range=range_)
    assert result.dtype == dtype
    values = values_by_loops(pixels, kernel, range=range_).astype(float)
    np.testing.assert_allclose(result, values, rtol=0, atol={"float32": 2e-6, "float64": 1e-14}[dtype])
    assert values.max() > 1


def test_the_scale_of_32_bits():
    """2**31 - 1 is full, half of it is half, and twice of it is no more."""
    full = 2**31 - 1
    pixels = np.array([[0, 1, 2**30, full - 1, full]], dtype=np.int32)
    assert apply_kernel(pixels, kernel_of([2])).tolist() == [[0, 2, full, full, full]]
    half = kernel_of([1], divisors=(2,))
    assert apply_kernel(pixels, half).tolist() == [[0, 1, 2**29, 2**30 - 1, 2**30]]
    negative = kernel_of([-1], offset=1.0)
    assert apply_kernel(pixels, negative).tolist() == [[full, full - 1, 2**30 - 1, 1, 0]]
    middle = kernel_of([0], [1], [0], offset=0.5)
    assert apply_kernel(pixels // 4, middle)[0, 0] == 2**30
    assert apply_kernel(pixels, kernel_of([0, 1, 0]), range="signed").tolist() == [
        [2**30, 2**30, 2**29 + 2**30, full, full]
    ]
    padded = apply_kernel(pixels, IDENTITY, padding=1, border="constant", fill=1.0)
    assert padded[0, 0] == full


@pytest.mark.parametrize(("dtype", "half"), [("uint8", 128), ("uint16", 32768), ("float32", 0.5)])
def test_fill_and_offset_are_fractions_of_full_scale(dtype, half):
    """A half is 128, 32768 or 0.5 by the type of the picture."""
    pixels = np.zeros((3, 4), dtype=dtype)
    padded = apply_kernel(pixels, IDENTITY, padding=1, border="constant", fill=0.5)
    assert padded.shape == (5, 6)
    assert padded[0, 0] == half
    assert padded[1, 1] == 0
    lifted = apply_kernel(pixels, kernel_of([1], offset=0.5))
    assert set(lifted.flat) == {half}
    assert set(apply_kernel(pixels, IDENTITY, padding=1, border="zero", fill=0.5).flat) == {0}


def test_the_border_is_not_rounded_on_its_own():
    """A fill of a half is 127.5 while sums are taken."""
    pixels = np.zeros((1, 1), dtype=np.uint8)
    result = apply_kernel(pixels, kernel_of([1, 0, 1]), border="constant", fill=0.5)
    assert result.tolist() == [[255]]


# Light.


def decoded(value):
    """Return the light of an sRGB value in 0 .. 1."""
    return value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4


def encoded(light):
    """Return the sRGB value of light in 0 .. 1."""
    return light * 12.92 if light <= 0.0031308 else 1.055 * light ** (1 / 2.4) - 0.055


@pytest.mark.parametrize("border", ["wrap", "symmetric"])
def test_a_checkerboard_in_linear_light_is_188(border):
    """Half the light is 188 of 255 in sRGB, not 128."""
    rows, columns = np.indices((32, 34))
    pixels = ((rows + columns) % 2 * 255).astype(np.uint8)
    assert set(apply_kernel(pixels, "box:size=16", border="wrap", linear=True).flat) == {188}
    assert set(apply_kernel(pixels, "box:size=16", border="wrap").flat) == {128}
    odd = apply_kernel(pixels, "box:size=31", border=border, linear=True)
    assert set(odd[8:24, 8:24].flat) <= {187, 188}


@pytest.mark.parametrize("dtype", DEPTHS)
def test_linear_light_there_and_back_changes_no_level(dtype):
    """All levels, under the identity and under a blur of a flat picture."""
    pixels = np.arange(0, FULL_SCALE[dtype] + 1, dtype=dtype).reshape(-1, 64)
    np.testing.assert_array_equal(apply_kernel(pixels, IDENTITY, linear=True), pixels)
    rows = np.arange(0, FULL_SCALE[dtype] + 1, FULL_SCALE[dtype] // 255, dtype=dtype)
    flat = np.tile(rows[:, None], 9)
    np.testing.assert_array_equal(apply_kernel(flat, kernel_of([1, 1, 1], divisors=(3,)), linear=True), flat)


@pytest.mark.parametrize("dtype", DEPTHS)
@pytest.mark.parametrize(
    "kernel", [BLUR, SHARPEN, kernel_of([1, 2, 5], divisors=(8,))], ids=["blur", "sharpen", "row"]
)
def test_linear_light_is_decoded_filtered_and_encoded(kernel, dtype):
    """The formula of sRGB around plain loops; rounded and clipped at the end only."""
    full = FULL_SCALE[dtype]
    pixels = picture(0, 7, 8, 3, dtype=dtype)
    light = np.vectorize(decoded)(pixels / full)
    values = values_by_loops(light, kernel).astype(float)
    expected = np.vectorize(encoded)(values.clip(0, 1)) * full
    result = apply_kernel(pixels, kernel, linear=True)
    assert result.dtype == dtype
    np.testing.assert_allclose(result, expected, rtol=0, atol=0.501)


def test_linear_light_is_for_colours_only():
    """Alpha is no light."""
    pixels = picture(0, 8, 9, 4)
    result = apply_kernel(pixels, BLUR, linear=True, alpha="premultiply")
    np.testing.assert_array_equal(result[..., 3], apply_kernel(pixels, BLUR)[..., 3])
    kept = apply_kernel(pixels, BLUR, linear=True, alpha="keep")
    np.testing.assert_array_equal(kept[..., 3], pixels[..., 3])


# Arrays, threads.


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize(
    "kernel",
    [
        "sobel",
        "sharpen",
        "gaussian:sigma=5",
        "disk:radius=9",
        "kirsch",
        "sepia",
        random_kernel(0, shape=(13, 13), real=True),
    ],
    ids=str,
)
def test_threads_change_no_bit(kernel, dtype):
    """One, two, three or as many as there are."""
    pixels = picture(0, 700, 900, 3, dtype=dtype)
    alone = apply_kernel(pixels, kernel, threads=1)
    for threads in (2, 3, None):
        assert apply_kernel(pixels, kernel, threads=threads).tobytes() == alone.tobytes()


@pytest.mark.parametrize(
    "options",
    [
        {"range": "raw"},
        {"range": "stretch"},
        {"linear": True},
        {"channels": "sum"},
        {"stride": 3},
        {"padding": "full"},
    ],
    ids=str,
)
def test_threads_change_no_bit_under_any_option(options):
    """Nor with alpha, nor where a pass over the whole picture comes first."""
    pixels = picture(0, 700, 900, 4)
    kernel = random_kernel(0, shape=(5, 5), real=True)
    alone = apply_kernel(pixels, kernel, threads=1, **options)
    for threads in (2, 3):
        assert apply_kernel(pixels, kernel, threads=threads, **options).tobytes() == alone.tobytes()


@pytest.mark.parametrize("threads", ["1", "2"])
def test_the_environment_may_set_the_threads(threads, monkeypatch):
    """And changes no bit either."""
    pixels = picture(0, 1000, 1600)
    alone = apply_kernel(pixels, "gaussian:sigma=3", threads=1)
    monkeypatch.setenv("CONVFILTER_THREADS", threads)
    assert apply_kernel(pixels, "gaussian:sigma=3").tobytes() == alone.tobytes()


@pytest.mark.parametrize("kernel", ["sobel", "sharpen", "gaussian", "identity", "sepia"])
def test_the_layout_of_the_picture_does_not_matter(kernel):
    """Strided, turned, planar, read-only: the same bits, and the picture stays as it was."""
    pixels = picture(0, 12, 13, 3)
    expected = apply_kernel(pixels, kernel)
    spacious = np.zeros((24, 26, 6), np.uint8)
    spacious[::2, ::2, ::2] = pixels
    frozen = pixels.copy()
    frozen.flags.writeable = False
    turned = pixels[::-1, ::-1, ::-1].copy()[::-1, ::-1, ::-1]
    planar = np.moveaxis(np.moveaxis(pixels, 2, 0).copy(), 0, 2)
    for other in (spacious[::2, ::2, ::2], frozen, turned, planar, np.asfortranarray(pixels)):
        copy = other.copy()
        np.testing.assert_array_equal(apply_kernel(other, kernel), expected)
        np.testing.assert_array_equal(other, copy)


@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize(
    ("kernel", "reach"), [("sharpen", 1), ("sobel", 1), ("blur", 2), ("gaussian:sigma=2", 6), ("log", 9)]
)
def test_blocks_of_a_large_picture_meet_without_a_seam(kernel, reach, channels):
    """Parts of it, filtered alone, are parts of the result: of every bit, or before real sums are rounded."""
    pixels = picture(0, 700, 900, channels)
    exact = get_kernel(kernel).is_integer
    options = {} if exact else {"range": "raw"}
    whole = apply_kernel(pixels, kernel, **options)
    for row, column in [(0, 0), (40, 100), (64 - reach, 500), (333, 444), (300, 800), (600, 800)]:
        part = apply_kernel(pixels[row : row + 100, column : column + 100], kernel, **options)
        inner = part[reach:-reach, reach:-reach]
        there = whole[row + reach : row + 100 - reach, column + reach : column + 100 - reach]
        np.testing.assert_allclose(there, inner, rtol=0, atol=0 if exact else 0.001)


# Errors.


@pytest.mark.parametrize(
    ("option", "said", "meant"),
    [
        ("range", "absolut", "absolute"),
        ("range", "clipped", "clip"),
        ("alpha", "premultiplied", "premultiply"),
        ("channels", "means", "mean"),
        ("border", "reflected", "reflect"),
        ("padding", "vallid", "valid"),
    ],
)
def test_the_nearest_name_is_proposed(option, said, meant):
    """For every option that has names."""
    with pytest.raises(ConvfilterError) as caught:
        apply_kernel(picture(0, 5, 5), BLUR, **{option: said})
    assert f"'{said}'" in str(caught.value)
    assert f"'{meant}'" in str(caught.value)


@pytest.mark.parametrize("option", ["range", "alpha", "channels", "border", "padding"])
@pytest.mark.parametrize("value", [None, "", "AUTO", -1])
def test_values_of_no_meaning_are_refused(option, value):
    """Neither none nor another case is a name."""
    with pytest.raises(ConvfilterError):
        apply_kernel(picture(0, 5, 5), BLUR, **{option: value})


@pytest.mark.parametrize(
    "options", [{"stride": 0}, {"dilation": 0}, {"padding": -1}, {"stride": (1, 2, 3)}], ids=str
)
def test_wrong_geometry_is_refused(options):
    """As by `output_shape`."""
    with pytest.raises(ShapeError):
        apply_kernel(picture(0, 5, 5), BLUR, **options)


def test_nothing_left_is_refused_with_both_sizes():
    """`valid` and a kernel larger than the picture."""
    with pytest.raises(ShapeError, match=r"(?s)4.*7|7.*4"):
        apply_kernel(picture(0, 4, 9), "binomial-7", padding="valid")
    assert apply_kernel(picture(0, 4, 9), "binomial-7").shape == (4, 9)


def test_an_unknown_kernel_is_refused_with_the_nearest_name():
    """As everywhere a kernel is named."""
    with pytest.raises(KernelError, match=r"(?s)'sobl'.*'sobel'"):
        apply_kernel(picture(0, 5, 5), "sobl")


@pytest.mark.parametrize("kernel", [None, 3, [[1, 2], [3, 4]]])
def test_a_kernel_is_a_kernel_or_a_name(kernel):
    """Bare tables of weights are for `correlate`."""
    with pytest.raises((ConvfilterError, TypeError)):
        apply_kernel(picture(0, 5, 5), kernel)


@pytest.mark.parametrize(
    "pixels",
    [
        np.zeros(5, np.uint8),
        np.zeros((1, 2, 5, 5, 3), np.uint8),
        np.zeros((5, 5), complex),
        np.zeros((5, 5), "U1"),
        np.zeros((0, 5), np.uint8),
        np.zeros((5, 0, 3), np.uint8),
        np.zeros((5, 5, 0), np.uint8),
    ],
    ids=lambda pixels: f"{pixels.dtype}{pixels.shape}",
)
def test_what_is_no_picture_is_refused(pixels):
    """Numbers of axes, types and sizes that no picture has."""
    with pytest.raises((ImageError, ShapeError)):
        apply_kernel(pixels, BLUR)


def test_a_frame_kernel_needs_frames():
    """A picture is no volume."""
    with pytest.raises((ImageError, ShapeError)):
        apply_kernel(picture(0, 5, 5), random_kernel(0, shape=(3, 3, 3), axes=VOLUME))


def test_truth_values_are_black_and_white():
    bits = np.eye(5, dtype=bool)
    assert np.array_equal(apply_kernel(bits, "blur"), apply_kernel(bits * np.uint8(255), "blur"))
