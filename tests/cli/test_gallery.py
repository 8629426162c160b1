"""``convfilter gallery``: a sheet from one decode, and what is refused."""

import json

import numpy as np
import pytest
from PIL import Image
from samples import animate, colour, grey, load, moving, save

import convfilter as cf

PHOTO = 100 + colour(40, 60) // 6  # its edges are neither cut off nor faint
SIZE = ("--tile", "70")  # in which nothing is shrunk or enlarged


@pytest.fixture
def photograph(tmp_path):
    return save(tmp_path / "photo.png", PHOTO)


def test_all_kernels_that_fit_are_shown_after_the_original(quick, tmp_path, photograph):
    ran = quick("gallery", "photo.png", "-o", "sheet.png", "--json")
    assert ran.code == 0
    assert ran.err == ""
    found = json.loads(ran.out)
    shown = [name for name, kernel in cf.load_kernels().items() if "frame" not in kernel.axes]
    assert found["tiles"] == ["original", *shown[1:]]
    assert load(tmp_path / "sheet.png").shape == (found["height"], found["width"], 3)
    assert found["width"] >= 1000


def test_kernels_that_do_not_fit_are_left_out_unless_they_are_named(quick, tmp_path, photograph):
    save(tmp_path / "grey.png", grey(20, 30))
    ran = quick("gallery", "grey.png", "-o", "sheet.png")
    assert ran.code == 0
    assert [line.split()[1] for line in ran.complaints] == ["luma", "sepia", "opponent"]
    ran = quick("gallery", "grey.png", "-k", "sepia", "-o", "other.png")
    assert ran.code == 1
    assert "kernel 'sepia' needs 3 channels, and the image has 1" in ran.err
    assert not (tmp_path / "other.png").exists()
    weighing = ("gallery", "photo.png", "--alpha", "premultiply", "-o", "b.png", "--overwrite")
    ran = quick(*weighing)
    assert (ran.code, "convfilter: sobel-x is left out: " in ran.err) == (0, True)
    assert quick(*weighing, "--quiet").err == ""
    assert quick(*weighing, "-k", "sobel-x").code == 2
    ran = quick("gallery", "photo.png", "-o", "c.png", "-k", "temporal-blur")
    reason = "kernel 'temporal-blur' spans frames, and this is a single image"
    assert (ran.code, ran.complaints) == (1, [f"convfilter: photo.png: {reason}"])


def test_tiles_hold_what_the_kernels_make_with_the_options(quick, tmp_path, photograph):
    options = {"dilation": 2, "border": "wrap", "padding": 3, "flip": True}
    words = ["--dilation", "2", "--border", "wrap", "--padding", "3", "--flip", *SIZE]
    quick("gallery", "photo.png", "-k", "sobel-x", "-k", "gaussian:sigma=2", *words, "-o", "sheet.png", "-q")
    sheet = load(tmp_path / "sheet.png")
    assert holds(sheet, PHOTO)
    for name in ("sobel-x", "gaussian:sigma=2"):
        assert holds(sheet, cf.apply_kernel(PHOTO, name, **options)), name
        assert not holds(sheet, cf.apply_kernel(PHOTO, name)), name


def holds(sheet, tile):
    """Return whether an image stands somewhere on a sheet."""
    height, width = tile.shape[:2]
    rows, columns = sheet.shape[0] - height + 1, sheet.shape[1] - width + 1
    starts = np.argwhere((sheet[:rows, :columns] == tile[0, 0]).all(axis=2))
    return any(np.array_equal(sheet[y : y + height, x : x + width], tile) for y, x in starts)


def test_one_parameter_or_option_varies_and_two_make_all_pairs(quick, tmp_path, photograph):
    ran = quick("gallery", "photo.png", "-k", "gaussian", "--vary", "sigma=1,2", "-o", "a.png", "--json")
    assert json.loads(ran.out)["tiles"] == ["original", "sigma=1", "sigma=2"]
    two = ["--vary", "angle=0,45", "--vary", "border=edge,constant=0.5"]
    ran = quick("gallery", "photo.png", "-k", "gabor:sigma=2", *two, "-o", "b.png", "--json")
    assert json.loads(ran.out)["tiles"][1:] == [
        f"angle={angle} border={border}" for angle in (0, 45) for border in ("edge", "constant=0.5")
    ]


@pytest.mark.parametrize(
    ("vary", "options"),
    [("border=constant=0.5", {"border": "constant", "fill": 0.5}), ("flip=on", {"flip": True})],
)
def test_an_option_varies_as_the_option_itself_is_read(quick, tmp_path, photograph, vary, options):
    quick("gallery", "photo.png", "-k", "sobel-x", "--vary", vary, "-o", "a.png", *SIZE)
    assert holds(load(tmp_path / "a.png"), cf.apply_kernel(PHOTO, "sobel-x", **options))


def test_a_large_image_is_shrunk_first_or_filtered_in_full(quick, tmp_path):
    save(tmp_path / "large.png", np.repeat(np.repeat(colour(40, 60), 16, axis=0), 16, axis=1))
    quick("gallery", "large.png", "-k", "sobel", "-o", "small.png")
    quick("gallery", "large.png", "-k", "sobel", "-o", "full.png", "--full")
    small, full = load(tmp_path / "small.png"), load(tmp_path / "full.png")
    assert small.shape == full.shape
    assert not np.array_equal(small, full)


def test_contrast_of_more_than_8_bits_is_stretched_and_that_is_said(quick, tmp_path):
    dim = grey(40, 60) // 2
    for name, deep in (("a.png", dim.astype(np.uint16) * 9 + 70), ("a.npy", dim.astype(np.float32) - 40)):
        save(tmp_path / name, deep) if name == "a.png" else np.save(tmp_path / name, deep)
        ran = quick("gallery", name, "-k", "identity", "-o", "sheet.png", "--overwrite", *SIZE)
        assert ran.out.endswith(", contrast stretched for display\n")
        shown = np.floor((dim - dim.min()) / np.ptp(dim) * 255 + 0.5).astype(np.uint8)
        assert holds(load(tmp_path / "sheet.png"), np.repeat(shown[..., None], 3, axis=2)), name
    save(tmp_path / "b.png", dim)
    whole = dim.astype(np.uint16) * 9
    whole[0, :2] = 0, 65535
    save(tmp_path / "whole.png", whole)
    for name in ("b.png", "whole.png"):
        words = ("gallery", name, "-k", "identity", "-o", "b2.png", "--overwrite")
        assert "stretched" not in quick(*words).out, name


@pytest.mark.parametrize("more", [(), ("--depth", "float"), ("--range", "raw")])
def test_missing_samples_do_not_count_in_the_contrast(quick, tmp_path, more):
    dim = grey(40, 60)
    deep = dim.astype(np.uint16) * 9 + 70
    deep[10:20, 10:30] = 65500
    save(tmp_path / "a.png", deep)
    ran = quick("gallery", "a.png", "-k", "identity", "--missing", "65500", *more, "-o", "b.png", *SIZE)
    assert ran.code == 0
    shown = np.floor((dim - dim.min()) / np.ptp(dim) * 255 + 0.5).astype(np.uint8)
    shown[10:20, 10:30] = 255
    tile, sheet = np.repeat(shown[..., None], 3, axis=2), load(tmp_path / "b.png")
    assert holds(sheet[:, : sheet.shape[1] // 2], tile)
    assert holds(sheet[:, sheet.shape[1] // 2 :], tile)


@pytest.mark.parametrize(
    ("kernel", "asked"),
    [("-0.1 0.1", "absolute"), ("-9 9", "absolute"), ("0.05 0.05", "clip")],
    ids=["faint", "clipped", "dark"],
)
def test_a_tile_is_stretched_where_little_is_seen_unless_a_range_was_asked_for(
    quick, tmp_path, kernel, asked
):
    save(tmp_path / "c.png", grey(40, 60))
    words = ("gallery", "c.png", "-k", kernel, *SIZE, "-o")
    assert "stretched" in quick(*words, "a.png").out
    exact = cf.apply_kernel(grey(40, 60), [list(map(float, kernel.split()))], depth="float")
    low, high = np.percentile(exact, [1, 99])
    shown = np.floor(np.clip((exact - low) / (high - low), 0, 1) * 255 + 0.5).astype(np.uint8)
    assert holds(load(tmp_path / "a.png"), np.repeat(shown[..., None], 3, axis=2))
    assert "stretched" not in quick(*words, "b.png", "--range", asked).out


def test_columns_tiles_and_the_format_can_be_chosen(quick, tmp_path, photograph):
    options = ["-k", "blur", "-k", "sobel", "-k", "emboss", "--columns", "2", "--tile", "50"]
    assert quick("gallery", "photo.png", *options, "-o", "sheet.webp").code == 0
    with Image.open(tmp_path / "sheet.webp") as image:
        assert (image.format, image.size[0]) == ("WEBP", 1000)


def test_of_several_frames_the_first_is_shown(quick, tmp_path):
    animate(tmp_path / "moving.gif", moving(2))
    ran = quick("gallery", "moving.gif", "-k", "blur", "-o", "sheet.png")
    assert ran.complaints == ["convfilter: moving.gif: warning: holds 2 frames: only the first is used"]
