"""``convfilter explain``: the last value is what ``apply`` writes, and every step to it is shown."""

import json

import numpy as np
import pytest
from PIL import Image
from samples import animate, colour, load, moving, noise, save

import convfilter as cf
from convfilter.images.formats import format_of_name
from convfilter.images.picture import Picture
from convfilter.images.writing import write_picture

MODES = {"colour.png": "RGB", "clear.png": "RGBA", "deep.png": "I;16", "ink.tif": "CMYK"}


def make(path):
    """Write noise of the mode that a name stands for; some of its pixels are transparent."""
    mode = MODES[path.name]
    pixels = noise(mode, 6, 9)
    if mode == "RGBA":
        pixels[..., -1] *= pixels[..., -1] > 100
    with open(path, "wb") as stream:
        write_picture(stream, Picture(pixels, mode, "npy"), format_of_name(path.name))


@pytest.mark.parametrize(
    "case",
    [
        "colour.png -k sobel --channels mean --flip --padding full",
        "clear.png -k gaussian:sigma=0.8 -k sharpen --border constant=0.4",
        "deep.png -k emboss --depth 8 --linear",
        "ink.tif -k box:size=3 --dilation 2 --stride 2",
    ],
)
def test_the_value_is_the_sample_that_apply_writes(quick, tmp_path, case):
    name, *options = case.split()
    make(tmp_path / name)
    out = "out.npy" if "depth" in case else f"out.{name[-3:]}"
    assert quick("apply", name, *options, "-o", out).code == 0
    samples = np.load(tmp_path / out) if out.endswith("npy") else load(tmp_path / out)
    bottom, right = samples.shape[0] - 1, samples.shape[1] - 1
    for number, (row, column) in enumerate([(0, 0), (1, 2), (bottom, right)]):
        expected = np.atleast_1d(samples[row, column]).tolist()
        channel = number % len(expected)
        ran = quick("explain", name, *options, "--at", f"{row},{column}", "--channel", channel, "--json")
        assert ran.code == 0, ran.err
        found = json.loads(ran.out)
        assert (found["value"], found["values"]) == (expected[channel], expected)
        assert found["place"] == {"frame": 0, "row": row, "column": column}


def test_kernels_over_frames_are_explained_and_drawn_frame_by_frame(quick, tmp_path):
    animate(tmp_path / "a.gif", moving(4)[:2] + moving(4)[3:])
    quick("apply", "a.gif", "-k", "temporal-edge", "-o", "b.npy")
    options = ["a.gif", "-k", "temporal-edge", "--at", "3,4", "--frame", "2"]
    found = json.loads(quick("explain", *options, "--json", "-o", "drawn.png").out)
    assert found["values"] == np.load(tmp_path / "b.npy")[2, 3, 4].tolist()
    assert found["place"]["frame"] == found["anchor"]["frame"] == 2
    assert [each["name"] for each in found["parts"][0]["slices"]] == ["frame 1", "frame 2", "frame 3"]
    assert framed(load(tmp_path / "drawn.png"))


def framed(drawing):
    """Return whether a drawing frames a window in red, and its margin is left free."""
    margin = np.concatenate([drawing[:10], drawing[-10:]])
    return (drawing == (214, 40, 57)).all(axis=2).sum() > 40 and (margin == 255).all()


NUMBERS = ["--values", "0 1 2; 3 4 5; 6 7 8", "--weights", "0 1; 2 3", "--padding", "valid"]


@pytest.mark.parametrize(
    "text", ["0,1,2\n3,4,5\n6,7,8\n", "0 1 2\r\n3 4 5\r\n6 7 8", "0;3;6", "\ufeff0, 1\n3, 4"]
)
def test_files_of_numbers_are_read(quick, tmp_path, text):
    (tmp_path / "a.csv").write_text(text, encoding="utf-8", newline="")
    found = json.loads(quick("explain", "a.csv", "--weights", "2", "--at", "1,0", "--json").out)
    assert found["value"] == 6


def test_all_values_of_a_small_image_are_explained(quick, tmp_path):
    save(tmp_path / "a.png", colour(4, 4))
    made = cf.apply_kernel(colour(4, 4), "blur")[..., 1]
    options = ["a.png", "-k", "blur", "--channel", "green"]
    lines = quick("explain", *options).out.splitlines()
    assert sum(line.startswith("value ") for line in lines) == 16
    assert lines[-5] == "output, green"
    assert [list(map(int, line.split())) for line in lines[-4:]] == made.tolist()
    found = [json.loads(line)["value"] for line in quick("explain", *options, "--json").out.splitlines()]
    assert found == made.ravel().tolist()


def test_the_addition_is_written_out_or_shortened(quick):
    nine = ["--values", "1 2 3; 4 5 6; 7 8 9", "--at", "1,1"]
    out = quick("explain", *nine, "-k", "sobel-x").out
    assert "\n  sum  -1 + 0 + 3 - 8 + 0 + 12 - 7 + 0 + 9 = 8\n" in out
    tenths = quick("explain", *nine, "--weights", "0.12345 -0.1 0").out
    assert "\n  sum  0.4938 - 0.5 + 0 = -0.0062\n" in tenths
    out = quick("explain", *nine, "-k", "box:size=9").out
    assert "\n  sum     1 + 1 + 1 + 1 + ... + 9 + 9 + 9 + 9 = 405\n" in out


@pytest.mark.parametrize("kernel", ["box:size=101,3", "kirsch", "sepia"])
def test_the_table_fits_a_terminal(quick, tmp_path, kernel):
    save(tmp_path / "a.png", colour(30, 40, 4))
    lines = quick("explain", "a.png", "-k", kernel, "--at", "0,20").out.splitlines()
    tables = [line for line in lines if " = " not in line and "(" not in line]
    assert max(map(len, tables)) <= 80
    assert lines[-1].startswith("value ")
    assert any("the middle of" in line for line in lines) == ("box" in kernel)


STEPS = {
    "blur": ("[in brackets: made by the border]", " / 256 = 62.5", "round  floor(62.5 + 0.5) = 63"),
    "blur --threshold 0.1": ("blend  0 + max(|62.5 - 0| - 25.5, 0)",),
    "sharpen --threshold 0.1": ("blend  0 - max(|-200 - 0| - 25.5, 0)",),
    "sobel-x": ("absolute  |", "clip"),
    "sobel": ("magnitude  sqrt(",),
    "kirsch": ("maximum  max(",),
    "high-pass": (" / 2 + 255 / 2 = ",),
    "sobel-x --range stretch": ("stretch  (",),
    "blur --linear": ("samples are in linear light", "sRGB"),
    "blur --mix 0": ("the mix is 0: the image's own sample",),
    "blur --region 2x1+0+0": ("outside the region or mask: the image's own sample",),
    "blur -k sobel-x": ("step 2 of 2: sobel-x", "the samples are the unrounded output of blur"),
}


@pytest.mark.parametrize("options", STEPS)
def test_every_step_is_shown(quick, tmp_path, options):
    save(tmp_path / "a.png", np.array([[0, 0, 200, 200]] * 3, np.uint8))
    out = quick("explain", "a.png", "--at", "1,1", "-k", *options.split()).out
    for step in STEPS[options]:
        assert step in out


def test_special_cases_are_noted(quick, tmp_path):
    save(tmp_path / "a.jpg", np.full((5, 6), 90, np.uint8), format="PNG")
    ran = quick("explain", "a.jpg", "-k", "sobel-x", "--range", "stretch", "--at", "2,2")
    assert ran.complaints == ["convfilter: a.jpg: warning: contains png data despite its name"]
    assert "the image is flat" in ran.out
    assert ran.out.endswith("value 0\n")
    save(tmp_path / "b.jpg", colour())
    assert "jpeg is lossy" in quick("explain", "b.jpg", "-k", "blur", "--at", "0,0").out
    save(tmp_path / "c.png", colour(5, 6, 4))
    ran = quick("explain", "c.png", "-k", "blur", "--at", "2,2", "--channel", "alpha", "--alpha", "keep")
    assert "unchanged: the alpha under the kernel's anchor" in ran.out


@pytest.mark.parametrize("kernel", ["sobel", "gaussian:sigma=2", "box:size=31"])
def test_a_value_is_drawn(quick, tmp_path, kernel):
    save(tmp_path / "a.png", colour(30, 40, 4))
    ran = quick("explain", "a.png", "-k", kernel, "--at", "12,20", "-o", "drawn.png")
    assert ran.code == 0, ran.err
    assert ran.complaints[-1] == "convfilter: drawn to drawn.png"
    drawn = load(tmp_path / "drawn.png")
    assert 400 < drawn.shape[1] < 2200
    assert framed(drawn)


def test_the_window_of_a_chain_is_drawn_where_it_lies_in_the_image(quick, tmp_path):
    save(tmp_path / "a.png", colour(40, 40))
    options = ["-k", "identity", "-k", "box:size=3", "--stride", "2", "--at", "8,8", "-o", "drawn.png"]
    assert quick("explain", "a.png", *options).code == 0
    red = np.argwhere((load(tmp_path / "drawn.png")[:, :348] == (214, 40, 57)).all(axis=2))
    # Around sample 16 of 20 on a side, which is drawn 320 pixels wide after a margin of 28.
    assert (red.min(0) + red.max(0)) / 2 == pytest.approx(28 + 320 * 16.5 / 20, abs=1)


def test_the_kernel_slides_over_all_outputs(quick, tmp_path):
    (tmp_path / "slide.gif").write_bytes(b"mine")
    outputs = ["-o", "drawn.png", "--animate", "slide.gif"]
    assert quick("explain", *NUMBERS, *outputs).code == 1
    assert quick("explain", *NUMBERS, *outputs, "--overwrite").code == 0
    assert load(tmp_path / "drawn.png").ndim == 3
    with Image.open(tmp_path / "slide.gif") as image:
        assert image.n_frames == 4
        assert image.info["loop"] == 0
        sizes, images = set(), []
        for number in range(4):
            image.seek(number)
            sizes.add(image.size)
            images.append(np.asarray(image.convert("RGB")))
    assert len(sizes) == 1
    assert not any(np.array_equal(images[0], each) for each in images[1:])


def test_a_dilated_kernel_slides_with_gaps_between_its_weights(quick, tmp_path):
    numbers = ["--values", "1 2 3; 4 5 6; 7 8 9", "--weights", "1 1; 1 1", "--dilation", "2"]
    assert quick("explain", *numbers, "--padding", "1", "--animate", "slide.gif").code == 0
    with Image.open(tmp_path / "slide.gif") as image:
        assert image.n_frames == 9
        frame = np.asarray(image.convert("RGB")).astype(int)
    cell, left = 44, 28
    # The red frame around the window is three samples wide: 2 * (2 - 1) + 1.
    red = np.argwhere((abs(frame - (214, 40, 57)) < 30).all(axis=2))
    red = red[red[:, 1] < left + 5 * cell + 2]
    assert (np.ptp(red, axis=0) // cell).tolist() == [3, 3]
