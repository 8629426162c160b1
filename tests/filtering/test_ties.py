"""Exact halves and what comes close to them, where floats would round more than once."""

import math
from fractions import Fraction

import numpy as np
import pytest
from filters import assert_filtered, kernel_of, picture, random_kernel
from oracles import root

from convfilter import apply_kernel
from convfilter.kernels import Kernel, get_kernel


def test_half_of_the_largest_magnitude_is_stretched_to_128():
    """sqrt(7 * 7 + 7 * 7) * 255 / sqrt(14 * 14 + 14 * 14) is 127.5, though floats can hold no such root."""
    kernel = Kernel("both", parts=([[1]], [[1]]), combine="magnitude")
    for half in (7, 9, 13):
        pixels = np.array([[0, half, 2 * half]], np.uint8)
        assert apply_kernel(pixels, kernel, range="stretch").tolist() == [[0, 128, 255]]


@pytest.mark.parametrize(("combine", "offset"), [("magnitude", "0"), ("sum", "0.06")])
def test_weighed_parts_are_rounded_once(combine, offset):
    """Quotients make exact halves that sums of floats miss; those near one are computed as fractions."""
    parts, divisor = ((2, 1), (1, 3)), 10
    kernel = Kernel(
        "both",
        parts=tuple([list(part)] for part in parts),
        combine=combine,
        divisors=(10, 10),
        offset=float(offset),
    )
    pixels = np.random.default_rng(10).integers(0, 256, (150, 150, 4)).astype(np.uint8)
    pixels[..., 3] = pixels[..., 3] % 3 + 1
    result = apply_kernel(pixels, kernel, padding="valid", alpha="premultiply")[..., :3]
    pairs = np.stack([pixels[:, :-1], pixels[:, 1:]], axis=-1).astype(int)
    colours, alphas = pairs[:, :, :3], np.broadcast_to(pairs[:, :, 3:], (150, 149, 3, 2))
    tops = [(colours * alphas) @ part * sum(part) for part in parts]
    bottoms = [alphas @ part * divisor for part in parts]
    first, second = (top / bottom for top, bottom in zip(tops, bottoms, strict=True))
    values = np.hypot(first, second) if combine == "magnitude" else first + second
    near = np.nonzero(np.abs((values + 255 * float(offset)) % 1 - 0.5) < 1e-9)
    assert len(near[0]) > 20
    for place in zip(*near, strict=True):
        exact = [
            Fraction(int(top[place]), int(bottom[place])) for top, bottom in zip(tops, bottoms, strict=True)
        ]
        value = root(sum(each * each for each in exact)) if combine == "magnitude" else sum(exact)
        assert result[place] == min(math.floor(value + 255 * Fraction(offset) + Fraction(1, 2)), 255)


@pytest.mark.parametrize("combine", ["magnitude", "maximum", "sum"])
@pytest.mark.parametrize("range_", ["signed", "stretch"])
def test_ranges_of_weighed_parts_are_rounded_once(combine, range_):
    """Sums of thirds and sixths; differences of more than 2^-300 count."""
    for seed in range(2):
        (weights,) = random_kernel(seed, low=0).parts
        kernel = Kernel("twice", parts=(weights, weights), combine=combine, divisors=(3, 6))
        pixels = picture(seed, 3, 4, 4, dtype=("uint8", "uint16")[seed])
        pixels[..., 3] = np.random.default_rng(seed).integers(1, 4, (3, 4))
        assert_filtered(pixels, kernel, Fraction(1, 2**300), range=range_, alpha="premultiply")


def test_an_offset_is_the_decimal_fraction_that_was_written():
    """0.3 of 255 is 76.5, which is rounded up; the double next to 0.3 is a little less."""
    raised = kernel_of([1], offset=0.3)
    assert apply_kernel(np.zeros((1, 1), np.uint8), raised).tolist() == [[77]]


def test_sixteen_bits_weighed_with_alpha_are_exact_under_large_weights():
    """Sums of colours times alpha times weights pass 2**53; one colour everywhere gives exact halves."""
    rng = np.random.default_rng(0)
    kernel = Kernel("large", parts=([[300001] * 5] * 5,), divisors=(300001 * 25 * 2,))
    for _ in range(10):
        colour = int(rng.integers(20000, 65535)) | 1
        pixels = np.full((6, 7, 4), colour, np.uint16)
        pixels[..., 3] = rng.integers(1, 65536, (6, 7))
        assert (apply_kernel(pixels, kernel)[..., :3] == (colour + 1) // 2).all()


@pytest.mark.parametrize("seed", [26, 46, 88])
def test_stretched_colours_weighed_with_alpha_are_rounded_once(seed):
    pixels = np.random.default_rng(seed).integers(0, 4, (3, 4, 4)).astype(np.uint16)
    pixels[..., 3] = np.random.default_rng(seed).integers(1, 4, (3, 4))
    (weights,) = random_kernel(seed, low=0).parts
    kernel = Kernel("eighths", parts=(weights,), divisors=(8,))
    assert_filtered(pixels, kernel, Fraction(0), range="stretch", alpha="premultiply")


@pytest.mark.parametrize(
    ("name", "range_", "offset"),
    [
        ("log:sigma=15", "stretch", 0.0),
        ("log:sigma=15", "clip", 0.5),
        ("gaussian:sigma=15", "clip", 0.0),
        ("dog:sigma=9,ratio=1.2", "signed", 0.0),
    ],
)
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_large_kernels_of_small_weights_keep_to_a_thousandth(name, range_, offset, dtype):
    shipped = get_kernel(name)
    (table,) = shipped.arrays()
    kernel = Kernel("own", parts=shipped.parts, divisors=shipped.divisors, offset=offset)
    full = np.iinfo(dtype).max
    pixels = (picture(5, 96, 120, dtype="float64") * full).astype(dtype)
    result = apply_kernel(pixels, kernel, range=range_, border="wrap").astype(float)
    spectrum = np.fft.rfft2(pixels.astype(np.longdouble))
    reach = np.array(table.shape) // 2
    spread = np.zeros(pixels.shape, np.longdouble)
    for (row, column), weight in np.ndenumerate(table):
        spread[(reach[0] - row) % 96, (reach[1] - column) % 120] += weight
    values = np.fft.irfft2(spectrum * np.fft.rfft2(spread), s=pixels.shape) / shipped.divisors[0]
    if range_ == "signed":
        values = values / 2 + full / 2
    elif range_ == "stretch":
        values = (values - values.min()) * full / (values.max() - values.min())
    wanted = np.clip(values + offset * full, 0, full)
    assert np.abs(result - wanted).max() <= 0.501
