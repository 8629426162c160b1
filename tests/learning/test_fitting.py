"""Kernels found again from the images that they made."""

import math

import numpy as np
import pytest
from samples import SAMPLE_IMAGES

import convfilter as cf
from convfilter import learning
from convfilter.images.reading import read_picture
from convfilter.learning import data, fit_pairs
from convfilter.learning.data import check_window, make_pair, planes_of

PHOTOGRAPH = read_picture(SAMPLE_IMAGES / "coffee.png").pixels
COFFEE = PHOTOGRAPH[60:260, 150:450]
CHELSEA = read_picture(SAMPLE_IMAGES / "chelsea.jpg").pixels[50:250, 100:350]


def hidden(shape):
    """Random weights that sum to one for each output."""
    weights = np.random.default_rng(0).normal(size=shape)
    weights /= 2 * np.abs(weights).sum(axis=tuple(range(len(shape) == 4, len(shape))), keepdims=True)
    if len(shape) == 4:
        for number in range(shape[0]):
            weights[number, number, shape[2] // 2, shape[3] // 2] += 1 - weights[number].sum()
    else:
        weights[tuple(side // 2 for side in shape)] += 1 - weights.sum()
    return weights


def hidden_kernel(side):
    return cf.Kernel("hidden", parts=(hidden((side, side)).tolist(),))


def found(before, after, size, *, offset=False, ridge=0.0, **options):
    pair = make_pair(planes_of(before), planes_of(after), check_window(size), **options)
    return fit_pairs([pair], offset=offset, ridge=ridge)


def as_array(kernel):
    return kernel.arrays()[0] / kernel.divisors[0]


@pytest.mark.parametrize("side", [3, 7])
def test_a_hidden_kernel_is_found_from_two_8_bit_photographs(side):
    weights, kernel = hidden((side, side)), hidden_kernel(side)
    fit = found(PHOTOGRAPH, cf.apply_kernel(PHOTOGRAPH, kernel), (side, side))
    assert np.abs(as_array(fit.kernel) - weights).max() < 0.001 * np.abs(weights).max()
    made, wanted = (cf.apply_kernel(CHELSEA, each).astype(float) for each in (fit.kernel, kernel))
    assert np.mean((made - wanted) ** 2) < 0.065  # 60 dB
    # What is left over is what rounding to levels leaves of anything.
    assert fit.rms == pytest.approx(math.sqrt(1 / 12), rel=0.15)
    assert not fit.warnings


@pytest.mark.parametrize(
    ("shape", "padding"), [((1, 5), "valid"), ((4, 2), "full"), ((12, 12), "same"), ((3, 3, 3, 3), "same")]
)
def test_floats_give_the_weights_themselves(shape, padding):
    weights, scene = hidden(shape), COFFEE[:80, :90] / 255
    if len(shape) == 4:
        made = cf.correlate_channels(scene, weights, padding=padding)
    else:
        made = cf.correlate(scene, weights, padding=padding)
    fit = found(scene, made, shape[-2:], channels="mix" if len(shape) == 4 else "each")
    assert np.abs(as_array(fit.kernel) - weights).max() < 1e-8
    assert fit.gradient_norm < 1e-8


@pytest.mark.parametrize("offset", [0, 0.1])
def test_smooth_images_give_the_weights_too(offset):
    """Their equations alone would leave an error of 1e-6 without, and of 1e-2 with an offset."""
    scene = cf.apply_kernel(COFFEE[:150, :160, 0] / 255, "gaussian:sigma=1.5")
    weights = np.random.default_rng(0).normal(size=(5, 5))
    fit = found(scene, cf.correlate(scene, weights) + offset, (5, 5), offset=bool(offset))
    assert fit.condition > 1e5
    assert np.abs(as_array(fit.kernel) - weights).max() < 1e-8


@pytest.mark.parametrize("channels", ["each", "mix"])
def test_an_offset_is_found_where_it_is_looked_for(channels):
    kernel = cf.Kernel("k", parts=([[0, 0.25, 0], [0.25, 0, 0.25], [0, 0.25, 0]],), offset=0.1, range="clip")
    after = cf.apply_kernel(COFFEE, kernel)
    fit = found(COFFEE, after, (3, 3), offset=True, channels=channels)
    assert fit.kernel.offset == pytest.approx(0.1, abs=1e-3)
    without = found(COFFEE, after, (3, 3), channels=channels)
    assert (without.kernel.offset, without.rms > 2 * fit.rms) == (0, True)
    black = np.zeros((40, 40))  # where there is nothing else
    fit = found(black, black + 0.25, (3, 3), offset=True)
    assert (fit.kernel.offset, fit.rms) == (0.25, 0)
    assert any("only 0 of 9" in warning for warning in fit.warnings)


@pytest.mark.parametrize(("size", "channels"), [((4, 5), "each"), ((3, 4), "mix")])
def test_sums_made_in_tiles_are_those_made_at_once(monkeypatch, size, channels):
    """Of 8 bits they are exact. Tiles of 7 rows leave a shorter one at the end."""
    after = cf.apply_kernel(COFFEE, hidden_kernel(3))
    kernels = []
    for rows in (32, 7):
        monkeypatch.setattr(learning, "_TILE", rows)
        kernels.append(found(COFFEE, after, size, channels=channels, offset=True).kernel)
    assert kernels[0].parts == kernels[1].parts
    assert kernels[0].offset == kernels[1].offset


def test_samples_at_their_limits_are_left_out():
    kernel = cf.Kernel("bright", parts=([[0, 1, 0], [1, -1, 1], [0, 1, 0]],), range="clip")
    after = cf.apply_kernel(COFFEE, kernel)
    assert (after == 255).mean() > 0.01
    fit = found(COFFEE, after, (3, 3))
    assert np.abs(as_array(fit.kernel) - as_array(kernel)).max() < 0.005
    inside = after[1:-1, 1:-1]
    assert fit.samples + fit.held_out == ((inside > 0) & (inside < 255)).sum()


@pytest.mark.parametrize("became", [False, True])
def test_what_is_transparent_or_not_finite_is_left_out(became):
    weights, whole = hidden((3, 3)), CHELSEA[:90, :100] / 255
    made, opaque, hole = cf.correlate(whole, weights), np.ones((90, 100, 1)), np.ones((90, 100, 1))
    hole[10:30, 10:30] = 0
    before = np.dstack([whole, opaque] if became else [np.where(hole > 0, whole, 0.3), hole])
    fit = found(before, np.dstack([np.where(hole > 0, made, 0.3), hole]), (3, 3))
    assert np.abs(as_array(fit.kernel) - weights).max() < 1e-8
    side = 20 if became else 22  # a window that touches the hole is left out, too
    assert fit.samples + fit.held_out == 3 * (88 * 98 - side * side)
    broken, made = np.where(hole > 0, whole, np.nan), made[1:-1, 1:-1].copy()
    made[70, 70] = np.inf
    assert np.abs(as_array(found(broken, made, (3, 3)).kernel) - weights).max() < 1e-8


def test_a_flat_image_does_not_determine_the_kernel():
    flat = np.full((40, 40), 0.3)
    with pytest.warns(RuntimeWarning, match=r"do not determine the kernel, only 1 of 9.*ridge"):
        kernel = cf.fit_kernel(flat, flat, (3, 3))
    assert as_array(kernel).sum() == pytest.approx(1)
    with pytest.warns(RuntimeWarning, match="do not determine"):  # an offset could be anything too
        kernel = cf.fit_kernel(flat, flat, (3, 3), offset=True)
    assert as_array(kernel).sum() + kernel.offset / 0.3 == pytest.approx(1)


def test_a_smooth_and_noisy_image_hardly_determines_the_kernel():
    rng = np.random.default_rng(0)
    scene = cf.apply_kernel(COFFEE[..., 0] / 255, "gaussian:sigma=6")
    scene += rng.normal(0, 1e-3, scene.shape)
    fit = found(scene, cf.correlate(scene, hidden((7, 7))) + rng.normal(0, 0.1, scene.shape), (7, 7))
    assert any("hardly determine" in warning for warning in fit.warnings)
    assert fit.condition > 1000


def test_a_ridge_pulls_weights_towards_zero():
    after = cf.apply_kernel(COFFEE, hidden_kernel(5))
    lengths = [np.linalg.norm(as_array(found(COFFEE, after, (5, 5), ridge=r).kernel)) for r in (0, 1e-3, 1)]
    assert lengths[0] > lengths[1] > lengths[2] > 0
    assert found(COFFEE, after, (5, 5), ridge=1e-3).gradient_norm < 1e-6


def test_several_pairs_count_together():
    weights = hidden((5, 5))
    scenes = [COFFEE[:60, :50] / 255, CHELSEA[100:150, 40:120] / 255]
    pairs = [make_pair(planes_of(scene), planes_of(cf.correlate(scene, weights)), (5, 5)) for scene in scenes]
    fit = fit_pairs(pairs)
    assert np.abs(as_array(fit.kernel) - weights).max() < 1e-8
    inside = [3 * (scene.shape[0] - 4) * (scene.shape[1] - 4) for scene in scenes]
    assert fit.samples + fit.held_out == sum(inside)


def test_large_images_are_sampled_in_blocks_spread_evenly(monkeypatch):
    monkeypatch.setattr(data, "_SAMPLES", 60_000)
    monkeypatch.setattr(data, "_LARGEST_BLOCK", 24 * 24)
    fit = found(COFFEE, cf.apply_kernel(COFFEE, hidden_kernel(3)), (3, 3))
    assert 50_000 < fit.samples + fit.held_out < 75_000
    assert fit.held_out == pytest.approx(fit.samples / 7, rel=0.3)
    assert np.abs(as_array(fit.kernel) - hidden((3, 3))).max() < 0.005


def test_threads_change_nothing(monkeypatch):
    after = cf.apply_kernel(COFFEE, hidden_kernel(5))
    kernels = []
    for threads in ("1", "3"):
        monkeypatch.setenv("CONVFILTER_THREADS", threads)
        kernels.append(cf.fit_kernel(COFFEE, after, (5, 5)).parts)
    assert kernels[0] == kernels[1]


def test_images_too_small_are_used_with_their_border():
    scene, weights = np.random.default_rng(0).random((4, 4)), hidden((3, 3))
    made = cf.correlate(scene, weights, border="wrap")
    pair = make_pair(planes_of(scene), planes_of(made), (3, 3), border="wrap")
    fit = fit_pairs([pair])
    assert np.abs(as_array(fit.kernel) - weights).max() < 1e-8
    assert any("border" in warning for warning in fit.warnings)


@pytest.mark.parametrize(("arguments", "options", "reason"), [
    ((COFFEE[:20, :20], np.zeros((20, 20, 3), np.uint8), (3, 3)), {}, "no sample can be used"),
    ((COFFEE, COFFEE[..., 0], (3, 3)), {}, "channels 'sum' or 'mix'"),
    ((COFFEE, COFFEE, (3, 3)), {"channels": "sum"}, "one channel and not 3"),
    ((COFFEE, COFFEE, (3, 3)), {"channels": "all"}, "unknown channels 'all'"),
    ((COFFEE, COFFEE, (3, 3)), {"border": "mirror"}, "unknown border"),
    ((COFFEE, COFFEE, (3, 3)), {"ridge": math.inf}, "at least 0"),
    ((COFFEE, COFFEE / 255, (3, 3)), {}, "no scale in common"),
    ((COFFEE, COFFEE, (3, 3, 3)), {}, "size of 3 numbers"),
    ((COFFEE, COFFEE, (0, 3)), {}, "at least 1"),
    ((COFFEE, COFFEE, (65, 65)), {}, "too many to learn"),
    ((COFFEE, COFFEE, (1, 2001)), {}, "too long"),
    ((np.zeros((2, 2, 2, 2)), COFFEE, (3, 3)), {}, "is not an image"),
    ((np.zeros((0, 2)), COFFEE, (3, 3)), {}, "no samples"),
])  # fmt: skip
def test_what_cannot_be_learned_from_is_refused_with_a_reason(arguments, options, reason):
    with pytest.raises(cf.ConvfilterError, match=reason):
        cf.fit_kernel(*arguments, **options)


def test_pairs_of_different_kinds_are_refused():
    def pair(*pictures):
        return make_pair(*map(planes_of, pictures), (1, 1), channels="mix")

    with pytest.raises(cf.ImageError, match="different numbers of channels"):
        fit_pairs([pair(COFFEE, COFFEE), pair(COFFEE, COFFEE[..., :1])])
    with pytest.raises(cf.ImageError, match="different types"):
        fit_pairs([pair(COFFEE, COFFEE), pair(COFFEE / 255, COFFEE / 255)])


@pytest.mark.parametrize(
    ("dtype", "scale"), [(">i2", 99), ("int64", 99), (">f2", 99), ("f8", 1e130), ("f8", 1e-130)]
)
def test_samples_of_any_type_and_size_are_learned_from(dtype, scale):
    samples = (np.random.default_rng(5).random((40, 50)) * scale).astype(dtype)
    assert cf.fit_kernel(samples, samples, (3, 3)).parts == (((0, 0, 0), (0, 1, 0), (0, 0, 0)),)


def test_bits_are_learned_from():
    bits = np.random.default_rng(5).random((40, 50)) > 0.5
    kernel = cf.fit_kernel(bits, cf.apply_kernel(bits, "box"), 3)  # a square
    assert np.abs(as_array(kernel) - 1 / 9).max() < 0.001


def test_weights_and_their_uncertainty_are_those_of_least_squares():
    rng = np.random.default_rng(1)
    scene = rng.random((10, 10)) + 1
    made = cf.correlate(scene, hidden((3, 3)), padding="valid") + rng.normal(0, 0.01, (8, 8))
    fit = found(scene, made, (3, 3), offset=True)
    rows = np.lib.stride_tricks.sliding_window_view(scene, (3, 3)).reshape(64, 9)
    rows = np.hstack([rows, np.ones((64, 1))])
    solution, (squares,), _, _ = np.linalg.lstsq(rows, made.ravel())
    assert as_array(fit.kernel).ravel() == pytest.approx(solution[:9], abs=1e-9)
    assert fit.gradient_norm < 1e-8
    errors = np.sqrt(squares / (64 - 10) * np.linalg.inv(rows.T @ rows).diagonal())[:9]
    assert fit.uncertainty == pytest.approx(errors.max() / np.abs(as_array(fit.kernel)).max(), rel=1e-6)


@pytest.mark.parametrize("scale", [1e153, 1e300, 1e-160, 1e-300])
def test_values_whose_squares_leave_double_precision_are_refused(scale):
    samples = np.random.default_rng(0).random((20, 20)) * scale
    with pytest.raises(cf.ConvfilterError, match=f"are too {'large' if scale > 1 else 'small'}: scale both"):
        cf.fit_kernel(samples, samples, (3, 3))


def test_linear_light_is_learned_in_linear_light():
    rng = np.random.default_rng(0)
    before = cf.apply_kernel(rng.integers(20, 220, (60, 70, 3)).astype(np.uint16) * 257, "binomial-3")
    after = cf.apply_kernel(before, "gaussian:sigma=0.8", linear=True)
    kernel = cf.fit_kernel(before, after, (7, 7), linear=True)
    assert np.abs(cf.apply_kernel(before, kernel, linear=True).astype(int) - after).max() <= 1
    bent = cf.fit_kernel(before, after, (7, 7))
    assert np.abs(cf.apply_kernel(before, bent).astype(int) - after).max() > 100
