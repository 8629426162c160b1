"""Results blended with the image: strength, masks, regions and thresholds."""

import math
import os
from fractions import Fraction

import numpy as np
import pytest
from filters import BLUR, DEPTHS, EDGES, SHARPEN, picture, random_kernel
from oracles import FULL_SCALE
from PIL import Image
from samples import animate, colour, grey, load, save

from convfilter import ConvfilterError, apply_kernel, correlate, filter_file, get_kernel
from convfilter.filtering import blocks, filter_pixels
from convfilter.kernels import Kernel
from convfilter.options import FilterOptions

MAGNITUDE = random_kernel(3, parts=2, divisors=(1, 2), combine="magnitude")


@pytest.mark.parametrize("kernel", [BLUR, SHARPEN, EDGES, MAGNITUDE])
@pytest.mark.parametrize("dtype", DEPTHS)
def test_a_blend_is_the_image_and_a_share_of_the_change(kernel, dtype):
    """X + P * m * soft(f - x), rounded once; `explain` holds every option against it."""
    pixels, mask, full = picture(0, 9, 11, 3, dtype=dtype), picture(1, 9, 11), FULL_SCALE[dtype]
    share = 0.3 * np.repeat(mask[..., np.newaxis], 3, axis=2) / 255
    share[4:] = share[:, :2] = 0
    change = apply_kernel(pixels, kernel, range="raw").astype(float) - pixels
    soft = np.sign(change) * np.maximum(abs(change) - 0.02 * full, 0)
    blend = {"mix": 0.3, "mask": mask, "region": (0, 2, 4, 9), "threshold": 0.02}
    made = apply_kernel(pixels, kernel, range="clip", **blend)
    assert abs(made - (pixels + share * soft).clip(0, full)).max() < 0.51
    np.testing.assert_array_equal(made[share == 0], pixels[share == 0])


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int32", "float32", "float64"])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"linear": True},
        {"range": "stretch"},
        {"alpha": "premultiply"},
        {"channels": "luma"},
        {"range": "raw"},
    ],
    ids=str,
)
def test_nothing_taken_is_the_image_and_all_taken_the_plain_result(dtype, options):
    """Bit for bit, on several threads and blocks, with samples that are not finite, in a chain too."""
    pixels = picture(0, 150, 170, 4, dtype=dtype)
    if pixels.dtype.kind == "f":
        pixels[3, 4], pixels[100, 90, 0] = np.nan, np.inf
    if options.get("alpha") != "premultiply":
        pixels[..., 3] = 7
    mask = np.zeros((150, 170), np.uint16)
    mask[20:50, 60:90] = 65535
    kernels = [get_kernel("gaussian:sigma=1.3"), SHARPEN]
    for chain in (kernels[:1], kernels[1:], kernels):
        plain = filter_pixels(pixels, chain, FilterOptions(**options)).pixels
        kept = pixels.astype(plain.dtype)
        assert (
            filter_pixels(pixels, chain, FilterOptions(mix=0.0, **options)).pixels.tobytes() == kept.tobytes()
        )
        for blend in ({"mask": mask}, {"mask": mask > 0}, {"region": (20, 60, 30, 30)}):
            made = filter_pixels(pixels, chain, FilterOptions(**blend, **options)).pixels
            expected = np.where(mask[..., np.newaxis] > 0, plain, kept)
            assert made.tobytes() == expected.tobytes()


def test_infinity_blended_with_itself_stays():
    pixels = np.array([[np.inf, 1, 2, 3]], np.float32)
    for kernel, options in (("identity", {"mix": 0.5}), ("box", {"mask": np.full((1, 4), 200, np.uint8)})):
        made = filter_pixels(pixels, [get_kernel(kernel)], FilterOptions(**options)).pixels
        assert made[0, 0] == np.inf
        assert not np.isnan(made).any()


def test_only_blocks_that_touch_the_region_are_computed(monkeypatch):
    """Through a chain, of which each filter needs a little more; other blocks hold the image."""
    computed = []

    def noted(plan, read, finish, threads, chosen):
        computed.append(plan.blocks if chosen is None else len(chosen))
        run(plan, read, finish, threads, chosen)

    run = blocks.run
    monkeypatch.setattr(blocks, "run", noted)
    pixels = picture(0, 1500, 1500, 3)
    chain, region = [get_kernel("disk:radius=40"), get_kernel("gaussian:sigma=2"), BLUR], (700, 20, 9, 9)
    for border in ("edge", "wrap"):
        computed.clear()
        made = filter_pixels(pixels, chain, FilterOptions(region=region, border=border)).pixels
        assert computed[2] <= 2
        assert max(computed) <= 12
        plain = filter_pixels(pixels, chain, FilterOptions(border=border)).pixels
        assert (made[700:709, 20:29] == plain[700:709, 20:29]).all()
        made[700:709, 20:29] = pixels[700:709, 20:29]
        assert (made == pixels).all()


@pytest.mark.parametrize("mix", ["0.5", "0.3", "0.75", "1"])
@pytest.mark.parametrize(("kernel", "offset"), [("sharpen", 0), ("box", 0), ("blur", 0), ("box", 0.2)])
@pytest.mark.parametrize("dtype", DEPTHS)
def test_blends_of_sums_are_rounded_once(kernel, offset, mix, dtype):
    """In integers, with a mask, a threshold or neither."""
    pixels, full, own = picture(0, 60, 80, 3, dtype=dtype), FULL_SCALE[dtype], get_kernel(kernel)
    mask, (above, below), divisor = picture(1, 60, 80), Fraction(mix).as_integer_ratio(), int(own.divisors[0])
    sums = correlate(pixels.astype(int), np.rint(np.array(own) * divisor).astype(int))
    change = sums + divisor * (round(full * offset) - pixels.astype(int))
    weighed = Kernel("own", own.parts, divisors=own.divisors, offset=offset)
    least = divisor * full // 5
    soft = np.sign(change) * np.maximum(abs(change) - least, 0)
    for blend, moved, opaque in (
        ({}, change, 1),
        ({"mask": mask}, change * mask[..., np.newaxis], 255),
        ({"threshold": 0.2}, soft, 1),
    ):
        whole = below * divisor * opaque
        expected = pixels + (2 * above * moved + whole) // (2 * whole)
        made = apply_kernel(pixels, weighed, mix=float(mix), **blend)
        np.testing.assert_array_equal(made, expected.clip(0, full))


@pytest.mark.parametrize("mix", ["0.5", "0.3", "0.35", "0.06"])
def test_blends_with_roots_are_rounded_once(mix):
    """In integers: ``(floor(sqrt(4 a^2 n)) + 2 (b - a) x + b) // 2 b``, far beyond white too."""
    pixels = np.where(picture(0, 60, 80) > 127, 255, picture(1, 60, 80)).astype(np.uint8)
    squares = sum(correlate(pixels, get_kernel(f"sobel-{axis}")) ** 2 for axis in "xy")
    above, below = Fraction(mix).as_integer_ratio()
    roots = np.vectorize(math.isqrt)(4 * above**2 * squares)
    expected = (roots + 2 * (below - above) * pixels.astype(int) + below) // (2 * below)
    made = apply_kernel(pixels, "sobel", mix=float(mix))
    np.testing.assert_array_equal(made, expected.clip(0, 255))


def test_a_flat_image_that_is_stretched_is_black_before_it_is_blended():
    pixels = np.full((4, 5), 100, np.uint8)
    assert set(apply_kernel(pixels, BLUR, range="stretch", mix=0.3).flat) == {70}


def test_masks_are_read_like_images():
    """Grey of colours, without alpha; floats are shares."""
    pixels, mask = picture(0, 6, 7, 3), picture(1, 6, 7)
    expected = apply_kernel(pixels, BLUR, mask=mask)
    colours = np.dstack([mask] * 3 + [picture(2, 6, 7)])
    for same in (
        colours,
        colours[..., :3],
        colours[..., 2:],
        mask[..., np.newaxis],
        mask.astype(np.uint16) * 257,
    ):
        np.testing.assert_array_equal(apply_kernel(pixels, BLUR, mask=same), expected)
    lightness = colours[..., :3].copy()
    lightness[..., 0] = 255 - lightness[..., 0]
    grey = lightness @ [0.299, 0.587, 0.114]
    made = apply_kernel(pixels, BLUR, mask=lightness)
    assert abs(made.astype(int) - apply_kernel(pixels, BLUR, mask=grey / 255)).max() <= 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mix": 1.5}, "mix=1.5: use a number from 0 to 1"),
        ({"mix": float("nan")}, "mix=nan"),
        ({"threshold": -0.1}, "threshold=-0.1: use a fraction"),
        ({"region": (0, 0, 0, 3)}, "region="),
        ({"region": (True, 0, 3, 3)}, "whole numbers"),
        ({"region": np.ones(4)}, "whole numbers"),
        ({"region": (9, 0, 3, 3)}, "begins at row 9"),
        ({"mask": np.ones((5, 7))}, "the mask is 7x5 but the image is 7x6"),
        ({"mask": np.full((6, 7), 2.0)}, r"outside 0\.\.1"),
        ({"mask": np.full((6, 7), -1)}, "outside"),
        ({"mix": 0.5, "stride": 2}, "7x6 pixels with 3 channels become 4x3"),
        ({"mix": 0.5, "channels": "gray"}, "become 7x6 pixels with 1 channel"),
    ],
)
def test_what_cannot_be_blended_is_refused(options, message):
    with pytest.raises(ConvfilterError, match=message):
        apply_kernel(picture(0, 6, 7, 3), BLUR, **options)


def test_files_and_folders_of_masks(quick):
    """One mask for all; or the one of an image's name, in any format, in folders like the image's."""
    images = {
        name: save(f"in/{name}.png", colour(seed=seed)) for seed, name in enumerate(["a", "b/a", "b/c"])
    }
    masks = {"a": grey(seed=5), "b/a": grey(seed=6), "b/c": grey(seed=7)}
    save("one.png", masks["a"])
    save("masks/a.png", masks["a"])
    save("masks/b/a.tif", masks["b/a"])
    save("masks/c.png", masks["b/c"])
    for mask in ("one.png", "masks"):
        assert quick("apply", "in", "-k", "blur", "--mask", mask, "-o", f"{mask}-out/", "-q", "-j1").code == 0
        for name, path in images.items():
            used = masks["a" if mask == "one.png" else name]
            expected = apply_kernel(load(path), "blur", mask=used)
            np.testing.assert_array_equal(load(f"{mask}-out/{name}.png"), expected)
    filter_file("in/a.png", "file.png", "blur", mask="masks", mix=0.5)
    np.testing.assert_array_equal(
        load("file.png"), apply_kernel(load("in/a.png"), "blur", mask=masks["a"], mix=0.5)
    )


def test_masks_that_are_missing_or_in_the_way_are_refused_also_by_a_dry_run(quick):
    save("a.png", colour())
    save("small.png", grey(3, 3))
    save("mask.png", grey())
    save("masks/a.tif", grey())
    save("masks/a.gif", grey())
    frames = [Image.fromarray(grey(seed=seed)) for seed in range(2)]
    frames[0].save("two.gif", save_all=True, append_images=frames[1:])
    animate("uneven.tif", [grey(3, 3), grey()])
    np.save("far.npy", grey().astype(np.float32))
    os.mkdir("none")
    ran = quick("apply", "a.png", "-k", "blur", "--mask", "far.npy", "-o", "b.png")
    assert (ran.code, "a.png: mask far.npy: the mask holds values outside 0..1" in ran.err) == (1, True)
    for extra in ([], ["-n"]):
        apply = ("apply", "a.png", "-k", "blur", *extra)
        for arguments, code, message in [
            (("--mask", "none.png"), 2, "mask none.png: no such file or folder"),
            (("--mask", "small.png", "-o", "b.png"), 1, "the mask is 3x3 but the image is 10x8"),
            (("--mask", "small.png", "--threshold", "1", "-o", "b.png"), 2, "a.png: threshold=1: it is"),
            (("uneven.tif", "--mask", "small.png", "-o", "b/"), 1, "frame 2 of 2: the mask is 3x3 but"),
            (("--mask", "two.gif", "-o", "b.png"), 1, "mask two.gif: holds 2 frames: use a single image"),
            (("--missing", "two.gif", "-o", "b.png"), 1, "mask two.gif: holds 2 frames"),
            (
                ("--mask", "masks", "-o", "b.png"),
                1,
                "several masks for this image in masks: a.gif, a.tif: keep one",
            ),
            (("--mask", "none", "-o", "b.png"), 1, "there is no mask for this image in none: add a.png, or"),
            (("--mask", "mask.png", "-o", "mask.png", "--overwrite"), 2, "would replace masks in mask.png"),
            (("--mix", "50"), 2, "such as 50%"),
            (("--region", "3x3"), 2, "WxH+X+Y"),
            (("--region", "3x3+90+1", "-o", "b.png"), 1, "begins at row 1, column 90"),
            (("--mix", "50%", "--stride", "2", "-o", "b.png"), 1, "cannot be blended"),
        ]:
            ran = quick(*apply, *arguments)
            assert (ran.code, message in ran.err) == (code, True), ran.err


def test_options_are_read_as_the_python_ones(quick):
    save("a.png", colour())
    arguments = ("--mix", "30%", "--region", "5x4+2+1", "--threshold", "0.02", "-o", "b.png")
    ran = quick("apply", "a.png", "-k", "sharpen", *arguments)
    assert "mix 0.3, region 5x4+2+1, threshold 0.02" in ran.out
    expected = apply_kernel(load("a.png"), "sharpen", mix=0.3, region=(1, 2, 4, 5), threshold=0.02)
    np.testing.assert_array_equal(load("b.png"), expected)
    for dry in (["-n"], []):
        ran = quick("apply", "a.png", "-k", "blur", "--region", "90x4+2+1", "-o", "c.png", *dry)
        assert "a.png: warning: the region reaches beyond the image: only 8x4 of it is filtered" in ran.err
    assert quick("gallery", "a.png", "-k", "blur", "--vary", "mix=0.25,0.5,1", "-o", "g.png").code == 0
    ran = quick("explain", "a.png", "-k", "sharpen", "--at", "2,3", *arguments[:-2])
    assert f"value {expected[2, 3, 0]}" in ran.out
    assert "\n  blend" in ran.out
