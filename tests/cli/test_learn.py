"""`convfilter learn`: a kernel file from two images, and what is refused."""

import json

import numpy as np
import pytest
from PIL import Image
from samples import SAMPLE_IMAGES

from convfilter import load_kernels


@pytest.fixture
def folder(tmp_path, quick):
    """A part of a photograph, and the result of a kernel on it."""
    for name, source, box in (
        ("before.png", "coffee.png", (200, 120, 280, 180)),
        ("other.jpg", "chelsea.jpg", (100, 50, 160, 110)),
    ):
        with Image.open(SAMPLE_IMAGES / source) as image:
            image.crop(box).save(tmp_path / name)
    quick("apply", "before.png", "-k", "unsharp", "-o", "after.png")
    return tmp_path


LEARN = ("learn", "before.png", "after.png", "--size", "7x7")


def test_what_was_learned_works_at_once(folder, quick):
    ran = quick(*LEARN, "-o", "mine.toml", "--name", "vintage")
    assert (ran.code, ran.err) == (0, "")
    assert quick("apply", "other.jpg", "--kernels", "mine.toml", "-k", "vintage").code == 0
    assert (folder / "other.vintage.jpg").exists()
    kernel = load_kernels(folder / "mine.toml")["vintage"]
    assert (kernel.shape, kernel.range) == ((7, 7), "clip")
    assert kernel.summary == "Learned from before.png and after.png"


@pytest.mark.parametrize("extension", ["npy", "csv", "txt", "mat"])
def test_the_format_follows_from_the_name(folder, quick, extension):
    ran = quick(*LEARN, "-o", f"mine.{extension}", "--json")
    assert ran.code == 0
    (kernel,) = [load_kernels(folder / f"mine.{extension}")["mine"]]
    assert kernel.parts[0] == tuple(map(tuple, json.loads(ran.out)["weights"]))
    ran = quick(*LEARN, "-o", f"mine.{extension}", "--overwrite")
    assert f"convfilter apply IMAGE -k mine.{extension}" in ran.out
    ran = quick(*LEARN, "--offset", "-o", f"other.{extension}")
    assert ran.code == (0 if extension == "mat" else 2)
    ran = quick(*LEARN, "--name", "vintage", "-o", f"third.{extension}")
    assert (ran.code, "cannot hold --name" in ran.err) == (2, True)


def test_json_holds_all_that_the_text_says(folder, quick):
    ran = quick(*LEARN, "-o", "mine.toml", "--json")
    assert ran.code == 0
    found = json.loads(ran.out)
    assert found["name"] == "learned"
    assert found["size"] == {"width": 7, "height": 7}
    assert found["rms"] < 0.35
    assert found["unit"] == "levels"
    assert 0 < found["uncertainty"] < 0.01
    assert found["psnr"] > 55
    assert found["gradient_norm"] < 1e-6
    assert 1 < found["condition"] < 1e4
    assert found["samples"] > 5 * found["held_out"] > 0
    assert (found["channels"], found["axes"], found["offset"]) == ("each", "row,column", 0)
    kernel = load_kernels(folder / "mine.toml")["learned"]
    assert kernel.parts[0] == tuple(map(tuple, found["weights"]))


def test_a_size_is_width_by_height_and_one_number_is_a_square(folder, quick):
    for size, shape in (("5x3", (3, 5)), ("3", (3, 3))):
        assert quick("learn", "before.png", "after.png", "--size", size, "-o", f"{size}.toml", "-q").out == ""
        assert load_kernels(folder / f"{size}.toml")["learned"].shape == shape


@pytest.mark.parametrize(("channels", "kernel"), [("sum", "luma"), ("mix", "sepia")])
def test_channels_can_be_summed_or_mixed(folder, quick, channels, kernel):
    assert quick("apply", "before.png", "-k", kernel, "-o", "made.png").code == 0
    ran = quick("learn", "before.png", "made.png", "--size", "1x1", "--channels", channels, "-o", "k.toml")
    assert ran.code == 0
    found, known = load_kernels(folder / "k.toml")["learned"], load_kernels()[kernel]
    assert found.axes == known.axes
    assert np.allclose(found.arrays()[0], known.arrays()[0] / known.divisors[0], atol=4e-3)


def test_several_pairs_are_learned_from(folder, quick):
    quick("apply", "other.jpg", "-k", "unsharp", "-o", "other-after.png")
    pairs = {
        "one": ["before.png", "after.png"],
        "both": ["before.png", "after.png", "--pair", "other.jpg", "other-after.png"],
        "only": ["--pair", "before.png", "after.png"],
    }
    found = {
        name: json.loads(quick("learn", *pair, "--size", "3x3", "--json").out) for name, pair in pairs.items()
    }
    assert found["both"]["samples"] > found["one"]["samples"]
    assert found["only"]["weights"] == found["one"]["weights"]


def test_a_kernel_file_can_go_down_a_pipe(folder, quick):
    ran = quick(*LEARN, "-o", "-")
    assert "residual" in ran.err
    (folder / "piped.toml").write_text(ran.out)
    assert "learned" in load_kernels(folder / "piped.toml")


def test_doubts_are_warnings_and_the_file_is_written(tmp_path, quick):
    np.save(tmp_path / "flat.npy", np.full((40, 40), 0.5, np.float32))
    ran = quick("learn", "flat.npy", "flat.npy", "--size", "3x3", "-o", "k.toml")
    assert ran.code == 0
    assert "only 1 of 9 weights" in ran.err
    assert "ridge" in ran.err
    assert "learned" in load_kernels(tmp_path / "k.toml")
    rng = np.random.default_rng(0)
    for name in "ab":
        np.save(tmp_path / f"{name}.npy", rng.random((40, 40), np.float32))
    ran = quick("learn", "a.npy", "b.npy", "--size", "3x3", "-o", "noise.toml")
    assert ran.code == 0
    assert "convfilter: warning: the kernel explains little of the change (PSNR 1" in ran.err


def test_linear_light_is_noted_in_the_file_and_in_what_to_type(folder, quick):
    ran = quick(*LEARN, "--linear", "-o", "mine.toml")
    assert "-k mine.toml --linear" in ran.out
    assert load_kernels(folder / "mine.toml")["learned"].summary.endswith(", in linear light")
    assert json.loads(quick(*LEARN, "--linear", "--json").out)["linear"] is True
