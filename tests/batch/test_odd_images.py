"""Odd images, one of each kind: done, done with a warning, or refused with a reason; never less."""

import json
import struct

import encoded
import pytest
from encoded import chunk, png, png_of, tiff
from PIL import Image
from samples import colour, grey

from convfilter.images import formats

NONSENSE = b"Exif\0\0nonsense"
PLAIN = Image.fromarray(colour(16, 24))
GREY = Image.fromarray(grey(16, 24))


def saved(image, form, **options):
    return encoded.saved(image, form, **options).getvalue()


def bits_of(depth):
    return png(depth, 0, 8, 2, [b"\xa5" * depth, b"\x5a" * depth])


# Kinds of which other tests hold every value are left out.
DONE = {
    "black and white by fax": ("a.tif", lambda: saved(GREY.convert("1"), "TIFF", compression="group4")),
    "two bits": ("a.png", lambda: bits_of(2)),
    "four bits": ("a.png", lambda: bits_of(4)),
    "seven passes": ("a.png", lambda: png_of(grey(8, 8), interlaced=True)),
    "bottom up": ("a.bmp", lambda: saved(PLAIN, "BMP")),
    "five bits a colour": ("a.bmp", lambda: saved(PLAIN.quantize(16), "BMP")),
    "runs": ("a.tga", lambda: saved(PLAIN, "TGA", rle=True)),
    "upside down": ("a.tga", lambda: saved(PLAIN, "TGA", orientation=1)),
    "four inks": ("a.jpg", lambda: saved(PLAIN.convert("CMYK"), "JPEG")),
    "grey of 16 bits, big end first": ("a.tif", lambda: saved(Image.new("I;16B", (4, 4), 300), "TIFF")),
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
    "bytes behind its end": ("a.png", lambda: saved(PLAIN, "PNG") + b"trailing"),
}
WARNED = {
    "another name": ("a.png", lambda: saved(PLAIN, "JPEG"), "holds jpeg data in spite of its name"),
    "malformed EXIF": ("a.jpg", lambda: saved(PLAIN, "JPEG", exif=NONSENSE), "malformed EXIF dropped"),
    "a malformed profile": (
        "a.png",
        lambda: saved(PLAIN, "PNG", icc_profile=NONSENSE * 50),
        "malformed ICC profile dropped",
    ),
    "two views": (
        "a.jpg",
        lambda: saved(PLAIN, "MPO", save_all=True, append_images=[PLAIN.rotate(180)]),
        "holds 2 images: only the first is read",
    ),
    "an animation that is none": (
        "a.png",
        lambda: png(8, 0, 1, 1, [b"\7"], before=chunk(b"acTL", struct.pack(">II", 0, 0))),
        "Invalid APNG",
    ),
    "no end mark": ("a.gif", lambda: saved(GREY, "GIF")[:-1], "ends without its end mark"),
}
REFUSED = {
    "runs of old": ("a.png", lambda: saved(PLAIN, "PCX"), "not an image of a known format"),
    "nothing": ("a.png", lambda: b"", "the file is empty"),
    "a signature alone": ("a.png", lambda: b"\x89PNG\r\n\x1a\n", "broken png data"),
    "half a JPEG": ("a.jpg", lambda: saved(PLAIN, "JPEG")[:-40], "broken jpeg data"),
    "half a TIFF": ("a.tif", lambda: saved(PLAIN, "TIFF")[:600], "broken tiff data"),
    "no pixels": ("a.png", lambda: png(8, 0, 0, 0, []), "broken png data"),
    "a bomb": ("a.png", lambda: png(8, 0, 60_000, 60_000, []), "are more than 268402689"),
    "a depth that is none": ("a.png", lambda: png(3, 0, 1, 1, [b"\0"]), "broken png data"),
    "PostScript": ("a.png", lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n", "PostScript files cannot be read"),
    "bytes that are no array": ("a.npy", lambda: b"\x93NUMPY\1\0", "broken npy data"),
}


@pytest.mark.parametrize("with_codecs", [True, False], ids=["codecs", "plain"])
def test_a_folder_of_all_of_them_is_done_refused_or_warned_of_to_its_end(
    quick, tmp_path, monkeypatch, with_codecs
):
    if with_codecs and not formats.codecs_available():
        pytest.skip("needs the extra 'codecs'")
    monkeypatch.setattr(formats, "codecs_available", lambda: with_codecs)
    (tmp_path / "in").mkdir()
    kinds = {**DONE, **WARNED, **REFUSED}
    names = [f"{number:02}{name}" for number, (name, *_) in enumerate(kinds.values())]
    for name, (_, make, *_) in zip(names, kinds.values(), strict=True):
        (tmp_path / "in" / name).write_bytes(make())
    ran = quick("apply", "in", "-k", "blur", "-o", "out", "--json")
    results = dict(zip(kinds, map(json.loads, ran.out.splitlines()), strict=True))
    done = len(DONE) + len(WARNED)
    assert ran.code == 1
    assert ran.complaints[-2:] == [
        f"convfilter: {done} done, {len(REFUSED)} failed",
        "convfilter: fix the problems above, then run again with --skip-existing",
    ]
    assert all(line.startswith("convfilter: in/") for line in ran.complaints[:-2])
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == names[:done]
    for kind in DONE:
        assert (results[kind]["error"], results[kind]["warnings"]) == (None, []), kind
        with Image.open(tmp_path / results[kind]["output"]) as image:
            image.load()
            assert image.size == (results[kind]["output_width"], results[kind]["output_height"]), kind
    for kind, (_, _, warning) in WARNED.items():
        assert any(warning in line for line in results[kind]["warnings"]), (kind, results[kind])
    for kind, (_, _, reason) in REFUSED.items():
        assert reason in results[kind]["error"], (kind, results[kind])
        assert "\n" not in results[kind]["error"]
