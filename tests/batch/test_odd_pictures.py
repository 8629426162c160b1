"""Odd pictures, one of each kind: done, done with a warning, or refused with a reason; never less."""

import io
import json
import struct
import zlib

import numpy as np
import pytest
from handmade import chunk, png, tiff
from PIL import Image
from samples import animate, colour, grey, moving

from convfilter.images import formats

EXIF = b"Exif\0\0II*\0\x08\0\0\0\1\0\x12\1\3\0\1\0\0\0\6\0\0\0\0\0\0\0"


def saved(image, form, **options):
    stream = io.BytesIO()
    image.save(stream, form, **options)
    return stream.getvalue()


def interlaced():
    """A PNG in seven passes over 8x8 samples."""
    pixels = grey(8, 8)
    passes = (
        (0, 0, 8, 8),
        (0, 4, 8, 8),
        (4, 0, 8, 4),
        (0, 2, 4, 4),
        (2, 0, 4, 2),
        (0, 1, 2, 2),
        (1, 0, 2, 1),
    )
    parts = [pixels[top::down, left::across] for top, left, down, across in passes]
    rows = [b"\0" + row.tobytes() for part in parts for row in part]
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 8, 8, 0, 0, 0, 1))
    data = chunk(b"IDAT", zlib.compress(b"".join(rows)))
    return b"\x89PNG\r\n\x1a\n" + header + data + chunk(b"IEND", b"")


def one_bit_of(depth):
    return png(depth, 0, 8, 2, [b"\xa5" * depth, b"\x5a" * depth])


def moving_gif(tmp_path):
    return animate(tmp_path / "moving.gif", moving(3), [50, 60, 70]).read_bytes()


def jpeg_with(exif):
    return saved(Image.fromarray(colour(16, 24)), "JPEG", exif=exif)


def mpo():
    images = [Image.fromarray(colour(16, 24, seed=seed)) for seed in (1, 2)]
    return saved(images[0], "MPO", save_all=True, append_images=images[1:])


PLAIN = Image.fromarray(colour(16, 24))
GREY = Image.fromarray(grey(16, 24))

DONE = {
    "black and white": ("a.png", lambda: saved(GREY.convert("1"), "PNG")),
    "black and white by fax": ("a.tif", lambda: saved(GREY.convert("1"), "TIFF", compression="group4")),
    "two bits": ("a.png", lambda: one_bit_of(2)),
    "four bits": ("a.png", lambda: one_bit_of(4)),
    "seven passes": ("a.png", interlaced),
    "a palette": ("a.png", lambda: saved(PLAIN.quantize(7), "PNG")),
    "a palette with a hole": ("a.png", lambda: saved(PLAIN.quantize(7), "PNG", transparency=3)),
    "a palette with alpha": ("a.png", lambda: saved(PLAIN.quantize(7), "PNG", transparency=bytes(range(7)))),
    "a level marked": ("a.png", lambda: saved(GREY, "PNG", transparency=int(grey(16, 24)[0, 0]))),
    "bottom up": ("a.bmp", lambda: saved(PLAIN, "BMP")),
    "five bits a colour": ("a.bmp", lambda: saved(PLAIN.quantize(16), "BMP")),
    "runs": ("a.tga", lambda: saved(PLAIN, "TGA", rle=True)),
    "upside down": ("a.tga", lambda: saved(PLAIN, "TGA", orientation=1)),
    "turned": ("a.jpg", lambda: jpeg_with(EXIF)),
    "four inks": ("a.jpg", lambda: saved(PLAIN.convert("CMYK"), "JPEG")),
    "in steps": ("a.jpg", lambda: saved(PLAIN, "JPEG", progressive=True)),
    "four inks in a TIFF": ("a.tif", lambda: saved(PLAIN.convert("CMYK"), "TIFF")),
    "colours of light and shade": ("a.tif", lambda: saved(PLAIN.convert("LAB"), "TIFF")),
    "grey of 16 bits, big end first": ("a.tif", lambda: saved(Image.new("I;16B", (4, 4), 300), "TIFF")),
    "grey of 32 bits": ("a.tif", lambda: saved(Image.new("I", (4, 4), -5), "TIFF")),
    "floats": ("a.tif", lambda: saved(Image.new("F", (4, 4), 0.5), "TIFF")),
    "separate planes": (
        "a.tif",
        lambda: tiff(
            {256: [2], 257: [1], 258: [8] * 3, 259: [1], 262: [2], 277: [3], 279: [2] * 3, 284: [2]}, bytes(6)
        ),
    ),
    "white is zero": (
        "a.tif",
        lambda: tiff({256: [2], 257: [1], 258: [8], 259: [1], 262: [0], 277: [1], 279: [2]}, b"\0\7"),
    ),
    "digits": ("a.ppm", lambda: b"P3 # a remark\n2 1\n255\n1 2 3 4 5 6\n"),
    "bits in digits": ("a.pbm", lambda: b"P1\n3 1\n1 0 1\n"),
    "a single pixel": ("a.png", lambda: saved(Image.new("RGB", (1, 1)), "PNG")),
    "a single column": ("a.webp", lambda: saved(Image.new("RGBA", (1, 40)), "WEBP", lossless=True)),
    "text beside it": ("a.png", lambda: png(8, 0, 1, 1, [b"\7"], after=chunk(b"tEXt", b"Title\0late"))),
    "an unknown chunk": ("a.png", lambda: png(8, 0, 1, 1, [b"\7"], before=chunk(b"prIv", b"what is this"))),
    "bytes behind its end": ("a.png", lambda: saved(PLAIN, "PNG") + b"trailing"),
}
WARNED = {
    "another name": ("a.png", lambda: saved(PLAIN, "JPEG"), "holds jpeg data in spite of its name"),
    "malformed EXIF": ("a.jpg", lambda: jpeg_with(b"Exif\0\0nonsense"), "malformed EXIF dropped"),
    "a malformed profile": (
        "a.png",
        lambda: saved(PLAIN, "PNG", icc_profile=b"nonsense" * 50),
        "malformed ICC profile dropped",
    ),
    "two views": ("a.jpg", mpo, "holds 2 images: only the first is read"),
    "an animation that is none": (
        "a.png",
        lambda: png(8, 0, 1, 1, [b"\7"], before=chunk(b"acTL", struct.pack(">II", 0, 0))),
        "Invalid APNG",
    ),
    "bytes behind a binary image": (
        "a.ppm",
        lambda: b"P5 1 1 255\n1\n",
        "white space after an image is ignored",
    ),
    "no end mark": ("a.gif", lambda: saved(GREY, "GIF")[:-1], "ends without its end mark"),
}
REFUSED = {
    "nothing": ("a.png", lambda: b"", "the file is empty"),
    "garbage": ("a.png", lambda: b"garbage" * 30, "not an image of a known format"),
    "a signature alone": ("a.png", lambda: b"\x89PNG\r\n\x1a\n", "broken png data"),
    "half a JPEG": ("a.jpg", lambda: saved(PLAIN, "JPEG")[:-40], "broken jpeg data"),
    "half a PNG": ("a.png", lambda: saved(PLAIN, "PNG")[:-60], "broken png data"),
    "half a GIF": ("a.gif", lambda: saved(PLAIN.quantize(9), "GIF")[:-60], "broken gif data"),
    "half a TIFF": ("a.tif", lambda: saved(PLAIN, "TIFF")[:600], "broken tiff data"),
    "half a WebP": ("a.webp", lambda: saved(PLAIN, "WEBP")[:-20], "broken webp data"),
    "a wrong check sum": (
        "a.png",
        lambda: saved(PLAIN, "PNG").replace(b"IDAT", b"IDAT"[:3] + b"T", 1)[:-20] + b"\1" * 20,
        "broken png data",
    ),
    "no pixels": ("a.png", lambda: png(8, 0, 0, 0, []), "broken png data"),
    "a bomb": ("a.png", lambda: png(8, 0, 60_000, 60_000, []), "are more than 268402689"),
    "a depth that is none": ("a.png", lambda: png(3, 0, 1, 1, [b"\0"]), "broken png data"),
    "PostScript": ("a.png", lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not an image"),
    "an icon": ("a.png", lambda: saved(PLAIN, "ICO"), "not an image"),
    "no number": ("a.ppm", lambda: b"P6 x y 255\n", "broken ppm data"),
    "an array of text": ("a.npy", lambda: array(np.array([["a"]])), "an array of str"),
    "an array of five axes": ("a.npy", lambda: array(np.zeros((1, 1, 1, 1, 1))), "is not an image"),
    "bytes that are no array": ("a.npy", lambda: b"\x93NUMPY\1\0", "broken npy data"),
}


def array(values):
    stream = io.BytesIO()
    np.save(stream, values)
    return stream.getvalue()


@pytest.fixture(params=[True, False], ids=["codecs", "plain"])
def _with_and_without_codecs(request, monkeypatch):
    if request.param and not formats.codecs_available():
        pytest.skip("needs the extra 'codecs'")
    monkeypatch.setattr(formats, "codecs_available", lambda: request.param)


def told(quick, tmp_path, name, data, kernel="blur"):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / name).write_bytes(data)
    ran = quick("apply", f"in/{name}", "-k", kernel, "-o", "out/", "--json")
    outcome = json.loads(ran.out)
    assert all(line.startswith(f"convfilter: in/{name}: ") for line in ran.complaints)
    left = sorted(path.name for path in (tmp_path / "out").iterdir()) if (tmp_path / "out").exists() else []
    return ran.code, outcome, left


@pytest.mark.usefixtures("_with_and_without_codecs")
@pytest.mark.parametrize("kind", DONE)
def test_what_can_be_done_is_done_without_a_word(quick, tmp_path, kind):
    name, make = DONE[kind]
    code, outcome, left = told(quick, tmp_path, name, make())
    assert (code, outcome["status"], outcome["error"], outcome["warnings"]) == (0, "done", None, [])
    assert left == [name]
    with Image.open(tmp_path / "out" / name) as image:
        image.load()
        assert image.size == (outcome["output_width"], outcome["output_height"])


@pytest.mark.usefixtures("_with_and_without_codecs")
@pytest.mark.parametrize("kind", WARNED)
def test_what_is_lost_or_odd_is_told(quick, tmp_path, kind):
    name, make, warning = WARNED[kind]
    code, outcome, left = told(quick, tmp_path, name, make())
    assert (code, outcome["status"]) == (0, "done")
    assert any(warning in line for line in outcome["warnings"]), outcome["warnings"]
    assert left == [name]


@pytest.mark.usefixtures("_with_and_without_codecs")
@pytest.mark.parametrize("kind", REFUSED)
def test_what_cannot_be_done_is_refused_with_a_reason_and_leaves_nothing(quick, tmp_path, kind):
    name, make, reason = REFUSED[kind]
    code, outcome, left = told(quick, tmp_path, name, make())
    assert (code, outcome["status"]) == (1, "failed")
    assert reason in outcome["error"]
    assert "\n" not in outcome["error"]
    assert left == []


@pytest.mark.usefixtures("_with_and_without_codecs")
def test_a_folder_of_all_of_them_is_gone_through_to_its_end(quick, tmp_path):
    names = []
    for number, (name, make, *_) in enumerate([*DONE.values(), *WARNED.values(), *REFUSED.values()]):
        names.append(f"{number:02}{name}")
        (tmp_path / "in").mkdir(exist_ok=True)
        (tmp_path / "in" / names[-1]).write_bytes(make())
    ran = quick("apply", "in", "-k", "sobel", "-o", "out", "--json")
    assert ran.code == 1
    outcomes = [json.loads(line) for line in ran.out.splitlines()]
    done, failed = len(DONE) + len(WARNED), len(REFUSED)
    assert [each["status"] for each in outcomes] == ["done"] * done + ["failed"] * failed
    assert ran.complaints[-1] == f"convfilter: {done} done, {failed} failed"
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == names[:done]


def test_frames_of_an_odd_animation_are_all_there(quick, tmp_path):
    code, outcome, _ = told(quick, tmp_path, "a.gif", moving_gif(tmp_path), "identity")
    assert (code, outcome["frames"]) == (0, 2)
    with Image.open(tmp_path / "out" / "a.gif") as image:
        assert image.n_frames == 2
