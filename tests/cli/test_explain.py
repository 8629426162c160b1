"""``convfilter explain``: the last value is what ``apply`` writes, and every step to it is shown."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image
from samples import SAMPLE_IMAGES, animate, colour, grey, load, moving, noise, save, tree

from convfilter.images.picture import Picture
from convfilter.images.writing import write_picture

# fmt: off
KERNELS = (
    "identity", "box:size=3", "blur", "gaussian:sigma=0.8", "gaussian:sigma=2", "sharpen", "unsharp",
    "sobel", "high-pass", "sobel-x", "scharr", "farid", "roberts", "laplacian", "log", "emboss", "outline",
    "kirsch", "gabor:sigma=1", "motion:length=5,angle=30", "disk:radius=2",
)
# fmt: on
CHOICES = {
    "--padding": ("same", "same", "full", "1", "2,0"),
    "--border": ("edge", "symmetric", "reflect", "wrap", "zero", "constant=0.4"),
    "--stride": ("1", "1", "2", "1,2"),
    "--dilation": ("1", "1", "2"),
    "--channels": ("each", "each", "sum", "mean"),
    "--range": ("auto", "clip", "absolute", "signed", "stretch", "raw"),
    "--alpha": ("auto", "keep", "drop", "premultiply"),
}
DEPTHS = (None, None, "8", "16", "float")
KINDS = {
    "grey.png": ("L", "L"), "colour.png": ("RGB", "RGB"), "clear.png": ("RGBA", "RGBA"),
    "faint.png": ("LA", "LA"), "deep.png": ("I;16", "I;16"), "float.tif": ("F", "F"),
    "float.npy": ("RGB;float32", "RGB"), "ink.tif": ("CMYK", "CMYK"),
}  # fmt: skip


def make(folder, name, seed):
    """Write a small picture; some of its pixels are transparent."""
    kind, mode = KINDS[name]
    rng = np.random.default_rng(seed)
    pixels = noise(kind, int(rng.integers(3, 12)), int(rng.integers(3, 12)))
    if mode in ("LA", "RGBA"):
        pixels[..., -1] *= pixels[..., -1] > 100
    with open(folder / name, "wb") as stream:
        write_picture(stream, Picture(pixels, mode, "npy"), {"tif": "tiff"}.get(name[-3:], name[-3:]))


def written(path):
    if path.suffix == ".npy":
        return np.load(path)
    return load(path)


def applied(quick, tmp_path, seed):
    """Filter a random picture in a random way that fits it: its name, the options, and the output."""
    for attempt in range(50):
        rng = np.random.default_rng([seed, attempt])
        name = list(KINDS)[rng.integers(len(KINDS))]
        make(tmp_path, name, seed + attempt)
        options = [
            part for key, values in CHOICES.items() for part in (key, values[rng.integers(len(values))])
        ]
        depth = DEPTHS[rng.integers(len(DEPTHS))]
        options += ["--depth", depth] if depth else []
        options += ["--flip"] * int(rng.integers(2)) + ["--linear"] * int(rng.random() < 0.3)
        for _ in range(1 + int(rng.random() < 0.3)):
            options += ["-k", KERNELS[rng.integers(len(KERNELS))]]
        array = "raw" in options or depth or name.endswith("npy")
        out = tmp_path / ("out.npy" if array else f"out.{name[-3:]}")
        if quick("apply", name, *options, "-o", out, "-q").code == 0:
            return rng, name, options, out
    raise AssertionError("nothing fits")


@pytest.mark.parametrize("seed", range(120))
def test_the_value_is_the_sample_that_apply_writes(quick, tmp_path, seed):
    rng, name, options, out = applied(quick, tmp_path, seed)
    samples = written(out)
    row, column = (int(rng.integers(size)) for size in samples.shape[:2])
    expected = np.atleast_1d(samples[row, column]).tolist()
    channel = int(rng.integers(len(expected)))
    ran = quick("explain", name, *options, "--at", f"{row},{column}", "--channel", channel, "--json")
    assert ran.code == 0, ran.err
    told = json.loads(ran.out)
    assert told["value"] == expected[channel]
    assert told["values"] == expected
    assert told["place"] == {"frame": 0, "row": row, "column": column}


@pytest.mark.parametrize("kernel", ["luma", "sepia", "opponent"])
def test_kernels_across_channels_are_worked_out_slice_by_slice(quick, tmp_path, kernel):
    save(tmp_path / "a.png", colour(6, 7))
    quick("apply", "a.png", "-k", kernel, "-o", "b.png")
    (told,) = map(
        json.loads, quick("explain", "a.png", "-k", kernel, "--at", "2,3", "--json").out.splitlines()
    )
    assert told["values"] == np.atleast_1d(load(tmp_path / "b.png")[2, 3]).tolist()
    slices = told["parts"][0]["slices"]
    assert [each["name"] for each in slices] == ["red", "green", "blue"]
    total = sum(np.sum(np.multiply(each["window"], each["weights"])) for each in slices)
    assert total == pytest.approx(told["parts"][0]["steps"][3]["value"])


def test_kernels_over_frames_are_worked_out_frame_by_frame(quick, tmp_path):
    quick("apply", SAMPLE_IMAGES / "pendulum.gif", "-k", "temporal-edge", "-o", "b.npy")
    options = ["-k", "temporal-edge", "--at", "40,64", "--frame", "5", "--json"]
    told = json.loads(quick("explain", SAMPLE_IMAGES / "pendulum.gif", *options).out)
    assert told["values"] == np.load(tmp_path / "b.npy")[5, 40, 64].tolist()
    assert told["place"]["frame"] == told["anchor"]["frame"] == 5
    assert [each["name"] for each in told["parts"][0]["slices"]] == ["frame 0", "frame 1", "frame 2"]


def test_places_are_those_of_the_picture_as_it_is_seen(quick, tmp_path):
    exif = Image.Exif()
    exif[274] = 6
    save(tmp_path / "a.png", grey(3, 5), exif=exif)
    upright = np.rot90(grey(3, 5), -1)
    told = json.loads(quick("explain", "a.png", "-k", "identity", "--at", "4,1", "--json").out)
    assert told["value"] == upright[4, 1]
    stored = quick("explain", "a.png", "-k", "identity", "--at", "1,4", "--no-orient", "--json").out
    assert json.loads(stored)["value"] == grey(3, 5)[1, 4]


NINETEEN = """\
row 0, column 0   (the anchor is over row 0, column 0)

  samples      weights     products
   0    1      0  1        0   1
   3    4      2  3        6  12
  sum  all products = 19

value 19
"""
NUMBERS = ["--values", "0 1 2; 3 4 5; 6 7 8", "--weights", "0 1; 2 3", "--padding", "valid"]


def test_the_worked_example_is_shown_step_by_step(quick):
    out = quick("explain", *NUMBERS).out
    assert NINETEEN in out
    assert [line for line in out.splitlines() if line.startswith("value")] == [
        "value 19", "value 25", "value 37", "value 43",
    ]  # fmt: skip
    assert NINETEEN in quick("explain", *NUMBERS, "--at", "0,0").out
    told = [json.loads(line)["value"] for line in quick("explain", *NUMBERS, "--json").out.splitlines()]
    assert told == [19, 25, 37, 43]


@pytest.mark.parametrize(
    "text", ["0,1,2\n3,4,5\n6,7,8\n", "0 1 2\r\n3 4 5\r\n6 7 8", "0;3;6", "\ufeff0, 1\n3, 4"]
)
def test_files_of_numbers_are_read(quick, tmp_path, text):
    (tmp_path / "a.csv").write_text(text, encoding="utf-8", newline="")
    told = json.loads(quick("explain", "a.csv", "--weights", "2", "--at", "1,0", "--json").out)
    assert told["value"] == 6


def test_kernels_and_numbers_and_weights_and_pictures_go_together(quick, tmp_path):
    told = json.loads(quick("explain", "--values", "1 2 4", "-k", "sobel-x", "--at", "0,1", "--json").out)
    assert told["value"] == 12
    save(tmp_path / "a.png", np.array([[10, 20, 40]], np.uint8))
    told = json.loads(quick("explain", "a.png", "--weights", "-1 0 1", "--at", "0,1", "--json").out)
    assert told["value"] == 30


@pytest.mark.parametrize(
    ("name", "kernel"),
    [
        *(("badge.png", "gaussian:sigma=1"), ("coffee.png", "box:size=31"), ("badge.png", "box:size=101,3")),
        *(("coffee.png", "kirsch"), ("badge.png", "sepia")),
    ],
)
def test_the_table_fits_a_terminal(quick, tmp_path, name, kernel):
    shutil.copy(SAMPLE_IMAGES / name, tmp_path)
    lines = quick("explain", name, "-k", kernel, "--at", "0,100").out.splitlines()
    tables = [line for line in lines if " = " not in line and "(" not in line]
    assert max(map(len, tables)) <= 80
    assert lines[-1].startswith("value ")
    if kernel.startswith("box:size=31"):
        assert "  the middle of 31x31" in lines


def test_the_first_line_names_the_picture_and_the_filter(quick, tmp_path):
    save(tmp_path / "a.png", grey())
    lines = quick("explain", "a.png", "-k", "sobel", "--at", "0,0").out.splitlines()
    assert lines[0] == "a.png   sobel 3x3, magnitude of 2, border edge"
    options = ["--padding", "2,1", "--border", "wrap", "--stride", "2", "--flip", "--range", "signed"]
    lines = quick("explain", "a.png", "-k", "blur", "-k", "sobel-x", "--at", "0,0", *options).out.splitlines()
    assert lines[0] == (
        "a.png   blur 5x5, then sobel-x 3x3, padding 2,1, border wrap, stride 2, flip, range signed"
    )
    assert quick("explain", *NUMBERS).out.startswith("numbers   weights 2x2, padding valid\n")


def test_every_step_is_told(quick, tmp_path):
    save(tmp_path / "a.png", np.array([[0, 0, 200, 200]] * 3, np.uint8))
    lines = quick("explain", "a.png", "-k", "blur", "--at", "1,1").out
    assert " / 256 = " in lines
    assert "round   floor(" in lines.replace("  floor", "   floor") or "floor(" in lines
    assert "[in brackets: made by the border]" in lines
    assert "absolute  |" in quick("explain", "a.png", "-k", "sobel-x", "--at", "1,1").out
    assert "clip" in quick("explain", "a.png", "-k", "sobel-x", "--at", "1,1").out
    assert "magnitude  sqrt(" in quick("explain", "a.png", "-k", "sobel", "--at", "1,1").out
    assert "maximum  max(" in quick("explain", "a.png", "-k", "kirsch", "--at", "1,1").out
    assert " / 2 + 255 / 2 = " in quick("explain", "a.png", "-k", "high-pass", "--at", "1,1").out
    assert "stretch" in quick("explain", "a.png", "-k", "sobel-x", "--range", "stretch", "--at", "1,1").out
    linear = quick("explain", "a.png", "-k", "blur", "--linear", "--at", "1,1").out
    assert "samples are in linear light" in linear
    assert "sRGB" in linear
    chain = quick("explain", "a.png", "-k", "blur", "-k", "sobel-x", "--at", "1,1").out
    assert "the window is what blur made, unrounded" in chain


WRONG = {
    "no place": ("a.png -k blur", 2),
    "a place that is none": ("a.png -k blur --at 1", 2),
    "a place outside": ("a.png -k blur --at 99,0", 2),
    "an unknown channel": ("a.png -k blur --at 0,0 --channel pink", 2),
    "a channel too many": ("a.png -k blur --at 0,0 --channel 3", 2),
    "no kernel": ("a.png --at 0,0", 2),
    "an unknown kernel": ("a.png -k blr --at 0,0", 2),
    "neither picture nor numbers": ("-k blur --at 0,0", 2),
    "both picture and numbers": ("a.png --values 1 -k blur --at 0,0", 2),
    "what is not a number": ("--values 1,x -k blur", 2),
    "rows of different lengths": ("--values 1,2;3 -k blur", 2),
    "no numbers": ("--values ; -k blur", 2),
    "numbers without end": ("--values 1e999 -k blur", 2),
    "too many outputs": ("many.csv -k blur", 2),
    "an animation of a chain": ("a.png -k blur -k blur --at 0,0 --animate b.gif", 2),
    "numbers that are no text": ("bytes.csv -k blur", 1),
    "a file of far too many numbers": ("long.csv -k blur --at 0,0", 1),
    "frames of two sizes": ("two.tif -k temporal-blur --at 0,0", 1),
    "an animation of frames": ("two.gif -k temporal-blur --at 0,0 --animate b.gif", 2),
    "an animation of grey frames": ("grey.tif -k temporal-blur --at 0,0 --animate b.gif", 2),
    "an animation of a large picture": ("large.png -k blur --at 0,0 --animate b.gif", 2),
    "a chain over numbers": ("--values 1 -k blur -k blur", 2),
    "a kernel of channels over numbers": ("--values 1 -k luma", 2),
    "a drawing of no format": ("a.png -k blur --at 0,0 -o b.txt", 2),
    "an animation in a format for one": ("--values 1 --weights 1 --animate b.jpg", 2),
    "an animation of too many": ("--values 1 -k blur --padding 20 --at 0,0 --animate b.gif", 2),
    "no picture": ("gone.png -k blur --at 0,0", 1),
    "no file of numbers": ("gone.csv -k blur --at 0,0", 1),
    "garbage": ("garbage.png -k blur --at 0,0", 1),
    "a frame that is not there": ("a.png -k blur --at 0,0 --frame 1", 1),
    "a drawing that exists": ("a.png -k blur --at 0,0 -o there.png", 1),
    "an animation that exists": ("--values 1 --weights 1 --animate there.gif", 1),
    "channels that do not fit": ("a.png -k sepia --at 0,0", 2),
    "nothing left": ("a.png -k box:size=99 --padding valid --at 0,0", 2),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_told_in_a_line_and_nothing_is_written(quick, tmp_path, case):
    save(tmp_path / "a.png", grey())
    for name in ("garbage.png", "there.png", "there.gif"):
        (tmp_path / name).write_bytes(b"garbage")
    (tmp_path / "many.csv").write_text("1 2 3 4 5\n" * 4)
    (tmp_path / "long.csv").write_text("1 " * (1 << 21) + "1")
    animate(tmp_path / "two.tif", [grey(5, 6), grey(6, 5)])
    animate(tmp_path / "two.gif", moving(2))
    animate(tmp_path / "grey.tif", [grey(5, 6), grey(5, 6)])
    save(tmp_path / "large.png", grey(20, 20))
    (tmp_path / "bytes.csv").write_bytes(b"\xff\xfe\xfd")
    before = tree(tmp_path)
    arguments, code = WRONG[case]
    ran = quick("explain", *arguments.split())
    assert ran.code == code, ran
    assert len(ran.complaints) == 1, ran
    assert ran.err.startswith("convfilter: ")
    assert ran.out == ""
    assert tree(tmp_path) == before


@pytest.mark.parametrize(
    ("name", "kernel"),
    [("coffee.png", "sobel"), ("badge.png", "gaussian:sigma=2"), ("camera.png", "box:size=31")],
)
def test_a_value_is_drawn(quick, tmp_path, name, kernel):
    ran = quick("explain", SAMPLE_IMAGES / name, "-k", kernel, "--at", "30,40", "-o", "drawn.png")
    assert ran.code == 0, ran.err
    assert ran.complaints[-1] == "convfilter: drawn to drawn.png"
    drawn = load(tmp_path / "drawn.png")
    assert drawn.ndim == 3
    assert 400 < drawn.shape[1] < 2600
    # The place is framed in the picture, and the margin is left free.
    assert (drawn == (214, 40, 57)).all(axis=2).sum() > 40
    assert (drawn[:10] == 255).all()
    assert (drawn[-10:] == 255).all()


def test_the_kernel_slides_over_all_outputs(quick, tmp_path):
    assert quick("explain", *NUMBERS, "--animate", "slide.gif").code == 0
    with Image.open(tmp_path / "slide.gif") as image:
        assert image.n_frames == 4
        assert image.info["loop"] == 0
        sizes, pictures = set(), []
        for number in range(4):
            image.seek(number)
            sizes.add(image.size)
            pictures.append(np.asarray(image.convert("RGB")))
    assert len(sizes) == 1
    assert not any(np.array_equal(pictures[0], each) for each in pictures[1:])
    save(tmp_path / "small.png", colour(4, 5))
    options = ["-k", "sobel", "--at", "0,0", "--animate", "small.gif", "--channel", "green"]
    assert quick("explain", "small.png", *options).code == 0
    with Image.open(tmp_path / "small.gif") as image:
        assert image.n_frames == 20


def test_a_dilated_kernel_slides_with_gaps_between_its_weights(quick, tmp_path):
    numbers = ["--values", "1 2 3; 4 5 6; 7 8 9", "--weights", "1 1; 1 1", "--dilation", "2"]
    assert quick("explain", *numbers, "--padding", "1", "--animate", "slide.gif").code == 0
    with Image.open(tmp_path / "slide.gif") as image:
        assert image.n_frames == 9
        frame = np.asarray(image.convert("RGB")).astype(int)
    # Of the padding, the samples under weights are written in the first frame, and those in the gaps not.
    cell, left, top = 44, 28, 28 + 26
    inked = [
        [np.ptp(frame[top + cell * row + 9 :][: cell - 18, left + cell * column + 9 :][:, : cell - 18]) > 60
         for column in range(3)]
        for row in range(3)
    ]  # fmt: skip
    assert inked == [[True, False, True], [False, True, True], [True, True, True]]
    # The red frame around the window is three samples wide: 2 * (2 - 1) + 1.
    red = np.argwhere((abs(frame - (214, 40, 57)) < 30).all(axis=2))
    red = red[red[:, 1] < left + 5 * cell + 2]
    assert (np.ptp(red, axis=0) // cell).tolist() == [3, 3]


def test_drawings_replace_others_only_when_told(quick, tmp_path):
    (tmp_path / "slide.gif").write_bytes(b"mine")
    assert quick("explain", *NUMBERS, "--animate", "slide.gif", "--overwrite").code == 0
    assert (tmp_path / "slide.gif").read_bytes()[:3] == b"GIF"


@pytest.mark.parametrize("frame", ["0", "5"])
def test_a_value_of_a_kernel_over_frames_is_drawn_in_its_frame(quick, tmp_path, frame):
    options = ["-k", "temporal-edge", "--at", "40,64", "--frame", frame, "--padding", "full"]
    ran = quick("explain", SAMPLE_IMAGES / "pendulum.gif", *options, "-o", "drawn.png")
    assert ran.code == 0, ran.err
    assert (load(tmp_path / "drawn.png") == (214, 40, 57)).all(axis=2).sum() > 40


def test_numbers_are_drawn_too(quick, tmp_path):
    assert quick("explain", *NUMBERS, "--at", "0,0", "-o", "drawn.png").code == 0
    assert load(tmp_path / "drawn.png").ndim == 3


def test_what_is_odd_about_a_picture_is_told(quick, tmp_path):
    save(tmp_path / "a.jpg", grey(), format="PNG")
    ran = quick("explain", "a.jpg", "-k", "blur", "--at", "0,0")
    assert ran.code == 0
    assert ran.complaints == ["convfilter: a.jpg: warning: holds png data in spite of its name"]
    save(tmp_path / "b.jpg", colour())
    assert "jpeg is lossy" in quick("explain", "b.jpg", "-k", "blur", "--at", "0,0").out


def test_a_flat_picture_stretched_is_told_to_be_flat(quick, tmp_path):
    save(tmp_path / "a.png", np.full((5, 6), 90, np.uint8))
    ran = quick("explain", "a.png", "-k", "sobel-x", "--range", "stretch", "--at", "2,2")
    assert "the image is flat" in ran.out
    assert ran.out.endswith("value 0\n")


def test_alpha_that_nothing_touches_is_told_to_be_opaque(quick, tmp_path):
    save(tmp_path / "a.png", colour(5, 6, 4))
    ran = quick("explain", "a.png", "-k", "blur", "--at", "2,2", "--channel", "alpha", "--alpha", "keep")
    assert ran.code == 0
    assert "alpha" in ran.out
