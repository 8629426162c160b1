"""Values explained in plain numbers are those that the engine computes."""

import numpy as np
import pytest
from filters import COMBINED
from samples import colour, grey

import convfilter as cf
from convfilter.explain import explain_numbers, explain_sample
from convfilter.filtering import Filtered, check_options, filter_pixels
from convfilter.options import FilterOptions

KERNELS = [
    *cf.load_kernels(), "box:size=4,3", "gaussian:sigma=0.8", "gaussian:sigma=2", "motion:length=5,angle=30",
    "disk:radius=2", "log:sigma=3", "dog:sigma=1,ratio=2", "gabor:sigma=2,wavelength=5,angle=40,phase=20",
]  # fmt: skip
TABLES = {
    **COMBINED,
    "tilted": cf.Kernel("tilted", ([[1, 2, 1]], [[1, -1, 0]]), combine="sum", divisors=(4, 2)),
    "real": cf.Kernel("real", ([[0.1, 0.2], [0.3, 0.25]], [[0.5, -0.3], [0.1, 0.2]]), combine="maximum"),
    "large": cf.Kernel("large", ([[10**7, 3, -(10**6)], [5, 7, 10**6]],), divisors=(3 * 10**7,)),
}


def worked(found):
    return found.steps[-1].value if found.steps else found.parts[0].value


def random_pixels(rng, pick):
    """An image of any type; partly transparent, and now and then not finite somewhere."""
    channels = pick(None, 1, 2, 3, 4, 4)
    shape = (*rng.integers(1, 12, 2).tolist(), *((channels,) if channels else ()))
    dtype = np.dtype(pick("u1", "u1", "u1", "u2", "u2", "i1", "i2", "i4", "u4", "f4", "f8"))
    if dtype.kind == "f":
        pixels = np.asarray(1.3 * rng.random(shape) - pick(0, 0.2), dtype)
        if rng.random() < 0.2:
            pixels[0, -1] = pick(np.nan, np.inf, -np.inf)
    else:
        limits = np.iinfo(dtype)
        pixels = rng.integers(pick(0, limits.min), limits.max, shape, dtype=dtype, endpoint=True)
        pixels //= pick(1, 1, 2, 64)
    if channels in (2, 4):
        full = 1 if dtype.kind == "f" else np.iinfo(dtype).max
        share = rng.random(shape[:2])
        alpha = np.clip(pixels[..., -1], 0, full)
        pixels[..., -1] = np.where(share < 0.3, 0, np.where(share < 0.5, full, alpha))
    return pixels


def random_case(seed):
    """An image, a chain and options."""
    rng = np.random.default_rng(seed)

    def pick(*choices):
        return choices[rng.integers(len(choices))]

    pixels = random_pixels(rng, pick)
    chain = [pick(*KERNELS, *TABLES, *TABLES) for _ in range(pick(1, 1, 1, 2))]
    kernels = [TABLES.get(name) or cf.get_kernel(name) for name in chain]
    stack = any("frame" in kernel.axes for kernel in kernels)
    options = FilterOptions(
        padding=pick("same", "same", "full") if stack else pick("same", "same", "full", "valid", 1, (2, 0)),
        border=pick("edge", "symmetric", "reflect", "wrap", "zero", "constant"), fill=pick(0.0, 0.4, 0.5),
        stride=pick(1, 1, 2, (1, 2)), dilation=pick(1, 1, 2), flip=pick(False, True),
        channels=pick("each", "each", "sum", "mean", "luma", "gray"),
        range=pick("auto", "auto", "clip", "absolute", "signed", "stretch", "raw"),
        alpha=pick("auto", "auto", "keep", "premultiply", "plain", "drop"),
        linear=pick(False, False, False, True), depth=pick(None, None, 8, 16, "float"),
    )  # fmt: skip
    if pick(False, False, True):
        options = options._replace(
            padding="same", stride=1, channels=pick("each", "luma"), mix=pick(1.0, 0.3, 0.5),
            mask=pick(None, rng.integers(0, 256, pixels.shape[:2], np.uint8)), threshold=pick(0.0, 0.0, 0.03),
            region=pick(None, (0, 0, *(rng.integers(pixels.shape[:2]) + 1).tolist())),
        )  # fmt: skip
    if pick(False, False, True):
        hole = rng.random(pixels.shape[:2]) < pick(0.1, 0.5)
        if pick(True, False):
            pixels[hole] = pixels.flat[0]
        missing = pick(pixels.flat[0].item(), (~hole).astype(np.uint8))
        options = options._replace(
            missing=missing, alpha="auto" if options.alpha == "premultiply" else options.alpha
        )
    if stack:
        pixels = np.stack([pixels, np.roll(pixels, 1, 0), pixels])
    return rng, pixels, kernels, options


@pytest.mark.parametrize("first", range(0, 500, 100))
def test_every_explained_value_is_the_engines(first):
    fitting = [assert_explained(seed) for seed in range(first, first + 100)]
    assert sum(fitting) > 40


def assert_explained(seed):
    """Explain a value of a random case, which fails where it differs; tell if its options fit together."""
    rng, pixels, kernels, options = random_case(seed)
    try:
        check_options(options, kernels)
        made = filter_pixels(pixels, kernels, options).pixels
    except cf.ConvfilterError:
        return False
    stack = any("frame" in kernel.axes for kernel in kernels)
    place = [int(rng.integers(size)) for size in made.shape[: 3 if stack else 2]]
    written = np.atleast_1d(made[tuple(place)])
    channel = int(rng.integers(len(written)))
    found = explain_sample(pixels, kernels, options, place, channel=str(channel))
    np.testing.assert_array_equal(found.values, written)
    for step in range(1, len(kernels)):  # compared with the engine's values by itself
        explain_sample(pixels, kernels, options, [0] * len(place), step=step)
    value = float(worked(found))
    if made.dtype.kind != "f" and not any("of a tie" in note for note in found.notes):
        assert value == found.value
    elif np.isfinite(found.value):
        assert value == pytest.approx(found.value, rel=1e-4, abs=1 if made.dtype.kind != "f" else 1e-4)
    return True


@pytest.mark.parametrize(("name", "averaged"), [("halves", True), ("tilted", False)])
def test_alpha_is_the_mean_over_the_parts_that_do_not_sum_to_zero(name, averaged):
    options = FilterOptions(alpha="premultiply")
    found = explain_sample(colour(4, 5, 2), [TABLES[name]], options, (1, 2), channel="1")
    assert ("mean of parts" in [step.name for step in found.steps]) == averaged


def test_a_difference_that_no_tie_explains_is_an_error_of_ours(monkeypatch):
    monkeypatch.setattr("convfilter.explain.filter_pixels", lambda *_: Filtered(grey(3, 4) + 9, False))
    with pytest.raises(RuntimeError, match="explain computes"):
        explain_sample(grey(3, 4), [cf.get_kernel("blur")], FilterOptions(), (1, 1))


def test_a_chain_is_explained_where_nothing_is_blended():
    chain, pixels = [cf.get_kernel("box:size=5,2"), cf.get_kernel("sobel")], grey(30, 20)
    windows = [
        explain_sample(pixels, chain, FilterOptions(mix=mix), (2, 7)).parts[0].slices[0].window
        for mix in (0.0, 1.0)
    ]
    np.testing.assert_array_equal(*windows)


def test_a_tie_between_irrational_values_is_exact():
    twice = cf.Kernel("twice", ([[1]], [[1]]), combine="magnitude")
    found = explain_sample(np.array([[2, 5, 8]], np.uint8), [twice], FilterOptions(range="stretch"), (0, 1))
    assert worked(found) == found.value == 128  # half of 255, whatever the root of 2


def test_what_the_border_made_is_marked_and_a_constant_one_has_its_value():
    options = FilterOptions(border="constant", fill=0.5)
    found = explain_sample(np.full((2, 2), 7, np.uint8), [cf.get_kernel("box:size=3")], options, (0, 1))
    (piece,) = found.parts[0].slices
    assert piece.window.tolist() == [[127.5] * 3, [7, 7, 127.5], [7, 7, 127.5]]
    assert piece.border.tolist() == [[True] * 3, [False, False, True], [False, False, True]]
    assert found.anchor == (0, 0, 1)


def test_frames_and_channels_are_slices_with_names():
    pixels = colour(6, 7)
    found = explain_sample(
        pixels, [cf.get_kernel("luma")], FilterOptions(), (2, 3), names=("red", "green", "blue")
    )
    assert [each.name for each in found.parts[0].slices] == ["red", "green", "blue"]
    stack = np.stack([grey(4, 5, seed) for seed in range(5)])
    kernel = cf.get_kernel("temporal-edge")
    found = explain_sample(stack, [kernel], FilterOptions(), (2, 1, 3))
    assert [each.name for each in found.parts[0].slices] == ["frame 1", "frame 2", "frame 3"]


def test_a_place_or_channel_that_is_not_there_is_refused():
    blur = [cf.get_kernel("blur")]
    for place in ((-1, 0), (4, 0), (0, 5)):
        with pytest.raises(cf.ShapeError, match="has 4 rows and 5 columns, counted from 0"):
            explain_sample(grey(4, 5), blur, FilterOptions(), place)
    with pytest.raises(cf.ShapeError, match="has 1 row and 5 columns, counted from 0"):
        explain_sample(grey(1, 5), blur, FilterOptions(), (1, 0))
    with pytest.raises(cf.OptionError, match="no channel '3': the output has red, green, blue"):
        explain_sample(colour(4, 5), blur, FilterOptions(), (0, 0), channel="3")


@pytest.mark.parametrize("padding", ["valid", "same", 1])
@pytest.mark.parametrize("flip", [False, True])
def test_plain_numbers_are_what_correlate_gives(padding, flip):
    values, weights = np.arange(12).reshape(3, 4) - 5, np.array([[0, 1], [2, 3]])
    options = FilterOptions(padding=padding, border="wrap", flip=flip)
    made = cf.correlate(values, np.flip(weights) if flip else weights, padding=padding, border="wrap")
    for place in np.ndindex(made.shape):
        assert explain_numbers(values, cf.Kernel("k", (weights,)), options, place).value == made[place]


def test_parts_divisors_and_offsets_of_numbers_are_explained():
    values, options = np.array([[1, 2, 4], [8, 16, 32]]), FilterOptions(border="zero")
    expected = {"halves": (16 + 2 * 32) / 2 + 32 / 3, "lifted": 16 - 2 * 32 + 0.25, "greatest": 3 * 32}
    for name, value in expected.items():
        assert explain_numbers(values, TABLES[name], options, (1, 1)).value == pytest.approx(value)
