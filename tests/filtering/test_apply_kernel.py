"""Laws of `apply_kernel`: how a kernel filters an image."""

import itertools
from fractions import Fraction

import numpy as np
import pytest
from filters import (
    DEPTHS,
    IDENTITY,
    INTEGER,
    REAL,
    SHIPPED,
    VOLUME,
    assert_filtered,
    channels_of,
    choices,
    fits,
    kernel_of,
    picture,
    random_kernel,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import BORDERS, FULL_SCALE, root, round_half_up

from convfilter import ImageError, ShapeError, apply_kernel
from convfilter.kernels import Kernel, get_kernel


@pytest.mark.parametrize("name", INTEGER)
def test_shipped_integer_kernels_are_exact(name):
    """8 and 16 bits: what exact arithmetic gives, on images from 1x1 to 9x9, with every border."""
    kernel = SHIPPED[name]
    rng = np.random.default_rng(len(name))
    for number, border in enumerate(BORDERS):
        size = (
            (1, 1) if number == len(name) % 6 else rng.integers(1, 10 if kernel.weight_count < 60 else 6, 2)
        )
        pixels = picture(number, *size, fits(kernel, 3), dtype=DEPTHS[(number + len(name)) % 2])
        assert_filtered(pixels, kernel, border=border, fill=0.5)


@pytest.mark.parametrize("dtype", DEPTHS)
@pytest.mark.parametrize("name", REAL)
def test_shipped_real_kernels_differ_next_to_a_tie_only(name, dtype):
    """8 and 16 bits: a sample within 0.001 of n + 1/2 may be one off, and no other may."""
    kernel = SHIPPED[name]
    border = BORDERS[(len(name) + len(dtype)) % 6]
    pixels = picture(
        len(name), *((8, 9) if kernel.weight_count < 150 else (5, 4)), fits(kernel, 1), dtype=dtype
    )
    assert_filtered(pixels, kernel, Fraction(1, 1000), border=border, fill=0.3)


@settings(deadline=None, derandomize=True, max_examples=120)
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
    options=choices("padding border fill stride dilation flip channels range alpha"),
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


@pytest.mark.parametrize("dtype", DEPTHS)
def test_ties_go_up(dtype):
    """Floor(v + 1/2), above zero and below, for even divisors to 600."""
    full = FULL_SCALE[dtype]
    pixels = np.unique(np.linspace(0, full, 900).astype(dtype)).reshape(1, -1)
    for numerator, divisor in itertools.product([3, 255, -7], [*range(2, 600, 26), 256, 512, -2, -94]):
        result = apply_kernel(pixels, kernel_of([numerator], divisors=(divisor,)), range="clip")
        # Floor of product / divisor + 1/2, in integers.
        products = numerator * pixels.astype(np.int64)
        expected = (2 * products * np.sign(divisor) + abs(divisor)) // (2 * abs(divisor))
        np.testing.assert_array_equal(result, expected.clip(0, full), err_msg=str(divisor))


def test_ties_go_up_below_zero():
    """Types that hold negative numbers hold them: -1/2 becomes 0, -3/2 becomes -1."""
    pixels = np.arange(8, dtype=np.int32).reshape(1, -1)
    assert apply_kernel(pixels, kernel_of([-1], divisors=(2,))).tolist() == [[0, 0, -1, -1, -2, -2, -3, -3]]
    tenths = kernel_of([-0.7])
    assert apply_kernel(pixels, tenths).tolist() == [[0, -1, -1, -2, -3, -3, -4, -5]]


@pytest.mark.parametrize("dtype", DEPTHS)
@pytest.mark.parametrize(("seed", "scale"), [(14, 10), (18, 20), (1, 40)])
def test_weights_that_cancel_differ_next_to_a_tie_only(seed, scale, dtype):
    """Large sums of which little is left, so that what single precision loses would show."""
    rng = np.random.default_rng(seed)
    weights = scale * rng.normal(size=(15, 15))
    weights -= weights.mean()
    kernel = Kernel("cancelling", parts=(weights.tolist(),), offset=0.5)
    pixels = 255 - (rng.random((12, 13)) < 0.05).astype(dtype)
    assert_filtered(pixels * np.asarray(FULL_SCALE[dtype] // 255, dtype), kernel, Fraction(1, 1000))


@pytest.mark.parametrize("dtype", DEPTHS)
@pytest.mark.parametrize("divisor", [1, 6, 10])
def test_magnitudes_are_correctly_rounded(divisor, dtype):
    """Pythagorean triples end on ties when they are divided; they go up like all others."""
    kernel = Kernel("pair", parts=([[1, 0]], [[0, 1]]), divisors=(divisor, divisor), combine="magnitude")
    triples = [(3, 4), (5, 12), (8, 15), (7, 24), (20, 21), (9, 40), (12, 35), (28, 45), (33, 56)]
    most = FULL_SCALE[dtype] // 56
    multiples = range(1, most + 1) if most < 9 else [1, 2, 3, 5, 7, 11, 101, 505, most]
    pairs = [(first * times, second * times) for first, second in triples for times in multiples]
    pairs += [(first + 1, second) for first, second in pairs]
    pixels = np.array(pairs, dtype=dtype)
    result = apply_kernel(pixels, kernel, padding="valid")[:, 0]
    expected = [round_half_up(root(Fraction(a * a + b * b, divisor * divisor))) for a, b in pairs]
    assert result.tolist() == [min(value, FULL_SCALE[dtype]) for value in expected]


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int32", "float32", "float64"])
def test_the_identity_returns_the_image(dtype):
    for shape in [(6, 7), (6, 7, 1), (6, 7, 2), (6, 7, 4), (6, 7, 5)]:
        pixels = picture(0, *shape, dtype=dtype)
        result = apply_kernel(pixels, "identity", **channels_of(pixels, IDENTITY))
        assert result.dtype == pixels.dtype
        np.testing.assert_array_equal(result, pixels)
        assert not np.shares_memory(result, pixels)


@pytest.mark.parametrize(
    "name",
    ["box:size=5", "blur", "binomial-3", "gaussian", "gaussian:sigma=4", "disk:radius=5", "motion:angle=30"],
)
def test_blurs_keep_constants(name):
    """To the last level, however long the kernel and whatever its weights."""
    for level, scale, border in [(0, 1, "edge"), (127, 1, "wrap"), (255, 1, "edge"), (254, 257, "reflect")]:
        pixels = np.full((9, 30, 3), level * scale, dtype=DEPTHS[scale > 1])
        np.testing.assert_array_equal(apply_kernel(pixels, name, border=border), pixels)
        np.testing.assert_array_equal(apply_kernel(pixels, name, linear=True), pixels)


@pytest.mark.parametrize("channels", [None, 3, 4])
def test_frame_kernels_are_exact_on_volumes(channels):
    pixels = picture(0, 4, 5, 6, *([channels] if channels else []))
    for shape, border in [((3, 1, 1), "edge"), ((2, 3, 2), "wrap"), ((1, 2, 3), "constant")]:
        kernel = random_kernel(1, shape=shape, axes=VOLUME, divisors=(3,))
        assert_filtered(pixels, kernel, border=border, alpha="keep", fill=0.5)
    assert_filtered(pixels, random_kernel(2, shape=(2, 2, 2), axes=VOLUME), flip=True, alpha="keep")
    for padding in ("valid", "full"):
        assert_filtered(pixels, random_kernel(3, shape=(2, 3, 3), axes=VOLUME), padding=padding, alpha="drop")


@pytest.mark.parametrize(
    ("kernel", "dtype", "channels", "options"),
    [
        ("sobel", "uint8", 3, {}),
        ("gaussian:sigma=5", "uint16", 3, {}),
        ("disk:radius=9", "float32", 3, {}),
        ("sepia", "uint8", 4, {}),
        (random_kernel(0, shape=(13, 13), real=True), "float32", 3, {}),
        *((random_kernel(0, shape=(5, 5), real=True), "uint8", 4, options) for options in (
            {"range": "raw"}, {"range": "stretch"}, {"linear": True}, {"channels": "sum"}, {"stride": 3},
        )),
    ],
    ids=str,
)  # fmt: skip
def test_threads_change_no_bit(kernel, dtype, channels, options, monkeypatch):
    """Nor with alpha, nor where a pass over the whole image comes first."""
    pixels = picture(0, 350, 450, channels, dtype=dtype)
    alone = apply_kernel(pixels, kernel, threads=1, **options).tobytes()
    assert apply_kernel(pixels, kernel, threads=3, **options).tobytes() == alone
    monkeypatch.setenv("CONVFILTER_THREADS", "2")
    assert apply_kernel(pixels, kernel, **options).tobytes() == alone


@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize(
    ("kernel", "reach"), [("sobel", 1), ("blur", 2), ("gaussian:sigma=2", 6), ("log", 9)]
)
def test_blocks_of_a_large_image_meet_without_a_seam(kernel, reach, channels):
    """Parts of it, filtered alone, are parts of the result: of every bit, or before real sums are rounded."""
    pixels = picture(0, 700, 900, channels)
    exact = get_kernel(kernel).is_integer
    options = {} if exact else {"range": "raw"}
    whole = apply_kernel(pixels, kernel, **options)
    for row, column in [(0, 0), (64 - reach, 500), (333, 444), (600, 800)]:
        part = apply_kernel(pixels[row : row + 100, column : column + 100], kernel, **options)
        inner = part[reach:-reach, reach:-reach]
        there = whole[row + reach : row + 100 - reach, column + reach : column + 100 - reach]
        np.testing.assert_allclose(there, inner, rtol=0, atol=0 if exact else 0.001)


@pytest.mark.parametrize("shape", [(5,), (1, 2, 5, 5, 3), (0, 5), (5, 0, 3), (5, 5, 0)])
def test_what_is_not_an_image_is_refused(shape):
    with pytest.raises((ImageError, ShapeError)):
        apply_kernel(np.zeros(shape, np.uint8), "blur")


def test_a_frame_kernel_needs_frames():
    with pytest.raises(ShapeError, match="for a kernel of frames"):
        apply_kernel(picture(0, 5, 5), "temporal-blur")


def test_truth_values_are_black_and_white():
    bits = np.eye(5, dtype=bool)
    np.testing.assert_array_equal(apply_kernel(bits, "blur"), apply_kernel(bits * np.uint8(255), "blur"))
