"""Every option of ``convfilter apply``, by its effect on pixels and files."""

import numpy as np
import pytest
from PIL import Image
from samples import animate, colour, moving, save

import convfilter as cf

# No symmetry, no zero sum and a reach of two, so that every option makes a difference.
ODD = """[odd]
weights = [[1, 0, -2, 0, 0], [0, 3, 0, 0, -4], [0, 0, 2, 0, 0], [-3, 0, 0, 5, 0], [0, 0, 0, -1, 0]]
divisor = 2
range = "signed"
"""

# Options on the command line, and the same in Python.
SAME_IN_PYTHON = {
    "--padding valid": {"padding": "valid"},
    "--padding 3": {"padding": 3},
    "--padding 0,4": {"padding": ((0, 0), (4, 4))},
    "--padding same-upper --stride 2": {"padding": "same-upper", "stride": 2},
    "--border wrap": {"border": "wrap"},
    "--border zero": {"border": "zero"},
    "--border constant=0.5": {"border": "constant", "fill": 0.5},
    "--stride 1,3": {"stride": (1, 3)},
    "--dilation 2,1": {"dilation": (2, 1)},
    "--flip": {"flip": True},
    "--channels sum": {"channels": "sum"},
    "--channels mean": {"channels": "mean"},
    "--range stretch": {"range": "stretch"},
    "--range raw": {"range": "raw"},
    "--linear": {"linear": True},
    "--depth 16": {"depth": 16},
    "--alpha keep": {"alpha": "keep"},
    "--alpha plain": {"alpha": "plain"},
    "--alpha drop": {"alpha": "drop"},
}


@pytest.mark.parametrize("typed", SAME_IN_PYTHON)
def test_an_option_does_what_it_does_in_python(quick, tmp_path, typed):
    (tmp_path / "odd.toml").write_text(ODD)
    odd = cf.load_kernels("odd.toml")["odd"]
    pixels = colour(12, 14, 4 if "alpha" in typed else 3)
    save(tmp_path / "a.png", pixels)
    ran = quick("apply", "a.png", "--kernels", "odd.toml", "-k", "odd", "-o", "b.npy", *typed.split())
    assert ran.code == 0, ran.err
    expected = cf.apply_kernel(pixels, odd, **SAME_IN_PYTHON[typed])
    assert np.array_equal(np.load(tmp_path / "b.npy"), expected)
    assert not np.array_equal(expected, cf.apply_kernel(pixels, odd)), "the option changes nothing"


def test_options_of_reading_and_writing_are_followed(quick, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    pixels = colour(40, 70, 4)
    pixels[0, 0, 3] = 0
    save(tmp_path / "a.png", pixels, exif=exif, dpi=(300, 300))

    def size(*options, out="out.png"):
        ran = quick("apply", "a.png", "-k", "identity", "-o", out, "--overwrite", *options)
        assert ran.code == 0, ran.err
        return (tmp_path / out).stat().st_size

    assert size("--quality", "20", out="out.webp") < size("--quality", "95", out="out.webp")
    assert size("--compress", "small") <= size("--compress", "fast")
    for options, shape, dpi in (((), (40, 70), 300), (("--no-orient", "--strip"), (70, 40), None)):
        size(*options)
        with Image.open(tmp_path / "out.png") as image:
            assert image.size == shape
            assert round(image.info["dpi"][0]) == dpi if dpi else "dpi" not in image.info
    size("--no-orient", "--format", "bmp", "--background", "#ff8000", out="out.bmp")
    with Image.open(tmp_path / "out.bmp") as image:
        assert (image.format, image.getpixel((0, 0))) == ("BMP", (255, 128, 0))
    ran = quick("apply", "a.png", "-k", "blur", "--max-pixels", "2799")
    assert ran.code == 1
    assert ran.err.startswith("convfilter: a.png: 70 x 40 pixels are more than 2799")


def test_what_is_done_with_frames_is_printed(quick, tmp_path):
    animate(tmp_path / "a.gif", moving(5)[:2] + moving(5)[3:], durations=50)
    for frames, words in (("each", "each"), ("first", "the first"), ("stack", "a stack")):
        ran = quick("apply", "a.gif", "-k", "blur", "--frames", frames, "-o", f"{frames}.png")
        assert ran.out.splitlines()[0].endswith(f", border edge, {words} of 4 frames")
        assert "frames " not in ran.out.partition("\n")[2]
