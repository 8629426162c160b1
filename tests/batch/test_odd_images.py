"""Odd images and files of other types: done, done with a warning, or refused with a reason; never less."""

import json

import encoded
import numpy as np
import pytest
from encoded import chunk, png, png_of, tiff
from PIL import Image
from samples import colour, grey, load, save

from convfilter.images import formats

PLAIN = Image.fromarray(colour(16, 24))
GREY = Image.fromarray(grey(16, 24))
TWO = {"save_all": True, "append_images": [PLAIN.rotate(180)]}
NO_FRAMES = chunk(b"acTL", bytes(8))
TAGS = {256: [2], 257: [1], 259: [1]}  # two pixels, not compressed


def saved(image, form, **options):
    return encoded.saved(image, form, **options).getvalue()


# Kinds of which other tests hold every value are left out.
DONE = {
    "black and white by fax": ("a.tif", saved(GREY.convert("1"), "TIFF", compression="group4")),
    "two bits": ("a.png", png(2, 0, 8, 2, [b"\xa5\xa5", b"\x5a\x5a"])),
    "four bits": ("a.png", png(4, 0, 8, 2, [b"\xa5" * 4, b"\x5a" * 4])),
    "seven passes": ("a.png", png_of(grey(8, 8), interlaced=True)),
    "bottom up": ("a.bmp", saved(PLAIN, "BMP")),
    "five bits a colour": ("a.bmp", saved(PLAIN.quantize(16), "BMP")),
    "runs": ("a.tga", saved(PLAIN, "TGA", rle=True)),
    "upside down": ("a.tga", saved(PLAIN, "TGA", orientation=1)),
    "four inks": ("a.jpg", saved(PLAIN.convert("CMYK"), "JPEG")),
    "grey of 16 bits, big end first": ("a.tif", saved(Image.new("I;16B", (4, 4), 300), "TIFF")),
    "separate planes": (
        "a.tif",
        tiff({**TAGS, 258: [8] * 3, 262: [2], 277: [3], 279: [2] * 3, 284: [2]}, bytes(6)),
    ),
    "white is zero": ("a.tif", tiff({**TAGS, 258: [8], 262: [0], 277: [1], 279: [2]}, b"\0\7")),
    "bytes behind its end": ("a.png", saved(PLAIN, "PNG") + b"trailing"),
}
WARNED = {
    "another name": ("a.png", saved(PLAIN, "JPEG"), "contains jpeg data despite its name"),
    "malformed EXIF": ("a.jpg", saved(PLAIN, "JPEG", exif=b"Exif\0\0nonsense"), "malformed EXIF dropped"),
    "a malformed profile": (
        "a.png",
        saved(PLAIN, "PNG", icc_profile=b"no" * 99),
        "malformed ICC profile dropped",
    ),
    "two views": ("a.jpg", saved(PLAIN, "MPO", **TWO), "holds 2 images: only the first is read"),
    "an animation that is none": ("a.png", png(8, 0, 1, 1, [b"\7"], before=NO_FRAMES), "Invalid APNG"),
    "no end mark": ("a.gif", saved(GREY, "GIF")[:-1], "ends without its end mark"),
}
REFUSED = {
    "runs of old": ("a.png", saved(PLAIN, "PCX"), "not an image of a known format"),
    "nothing": ("a.png", b"", "the file is empty"),
    "a signature alone": ("a.png", b"\x89PNG\r\n\x1a\n", "broken png data"),
    "half a JPEG": ("a.jpg", saved(PLAIN, "JPEG")[:-40], "broken jpeg data"),
    "half a TIFF": ("a.tif", saved(PLAIN, "TIFF")[:600], "broken tiff data"),
    "no pixels": ("a.png", png(8, 0, 0, 0, []), "broken png data"),
    "a bomb": ("a.png", png(8, 0, 60_000, 60_000, []), "are more than 268402689"),
    "a depth that is none": ("a.png", png(3, 0, 1, 1, [b"\0"]), "broken png data"),
    "PostScript": ("a.png", b"%!PS-Adobe-3.0 EPSF-3.0\n", "PostScript files cannot be read"),
    "bytes that are no array": ("a.npy", b"\x93NUMPY\1\0", "broken npy data"),
}


@pytest.mark.parametrize("with_codecs", [True, False], ids=["codecs", "plain"])
def test_a_folder_of_all_of_them_is_done_refused_or_warned_of_to_its_end(
    quick, tmp_path, monkeypatch, with_codecs
):
    if with_codecs and not formats.codecs_available():
        pytest.skip("needs the extra 'codecs'")
    monkeypatch.setattr(formats, "codecs_available", with_codecs)
    (tmp_path / "in").mkdir()
    kinds = {**DONE, **WARNED, **REFUSED}
    names = [f"{number:02}{name}" for number, (name, *_) in enumerate(kinds.values())]
    for name, (_, data, *_) in zip(names, kinds.values(), strict=True):
        (tmp_path / "in" / name).write_bytes(data)
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


# Other types, and rarer names

# How files of these types begin, each with a word of the message.
BEGINNINGS = {
    b"\0\0\0\x18ftypheic\0\0\0\0mif1heic": "heif-convert",
    b"\0\0\0\x1cftypmif1\0\0\0\0mif1heicmiaf": "heif-convert",
    b"\0\0\0\x18ftypcrx \0\0\0\1crx isom": "camera raw",
    b"II*\0\x10\0\0\0CR\2\0\xfa\1\0\0": "camera raw",
    b"FUJIFILMCCD-RAW 0201": "camera raw",
    b"\xff\x0a\xfa\x1f": "djxl",
    b"\0\0\0\x0cJXL \r\n\x87\n": "djxl",
    b"\0\0\0\x0cjP  \r\n\x87\n": "opj_decompress",
    b"\xff\xd8\xff\xf7\0\x0b": "JPEG-LS",
    b"8BPS\0\1": "IN.psd[0]",
    b"v/1\1\2\0\0\0": "OpenEXR",
    b'\xef\xbb\xbf<?xml version="1.0"?>\n<!-- a -- > -->\n<!DOCTYPE svg>\n<svg xmlns="x">': "rsvg-convert",
    b"%PDF-1.7\n": "pdftoppm",
    b"\0\0\1\0\1\0\x10\x10": "icon",
    b"\0" * 128 + b"DICM": "DICOM",
    b"SIMPLE  =                    T": "astropy",
}


def test_files_of_other_types_are_refused_by_content_with_the_usual_way_out(quick, tmp_path):
    for data, word in BEGINNINGS.items():
        (tmp_path / "a.png").write_bytes(data)
        ran = quick("apply", "a.png", "-k", "blur")
        assert (ran.code, len(ran.complaints)) == (1, 1)
        assert "files cannot be read: convert it first, for example with: " in ran.err
        assert word in ran.err, data


def test_without_a_signature_the_extension_says_what_it_is(quick, tmp_path):
    """Of a NEF, which is a TIFF, the small preview would be taken for the image."""
    save(tmp_path / "a.tif", grey()).rename(tmp_path / "a.NEF")
    (tmp_path / "b.heic").write_bytes(b"garbage")
    (tmp_path / "c.txt").write_bytes(b"garbage")
    (tmp_path / "d.svg").write_bytes(b"<!---->" * 500)  # comments that never end
    ran = quick("apply", "a.NEF", "b.heic", "c.txt", "d.svg", "-k", "blur")
    assert (ran.code, len(ran.complaints)) == (1, 5)
    expected = ("camera raw files", "HEIC files", "not an image of", "SVG files")
    for line, words in zip(ran.complaints, expected, strict=False):
        assert words in line
    written = quick("apply", "c.txt", "-k", "blur", "-o", "e.heic")
    assert (written.code, len(written.complaints)) == (2, 1)
    assert "'e.heic': .heic files cannot be written: use a known extension, such as .png" in written.err
    save(tmp_path / "d.png", grey()).rename(tmp_path / "d.heic")  # what can be read is
    assert quick("apply", "d.heic", "-k", "identity", "-o", "d.png").code == 0


def test_a_folder_counts_the_image_files_that_it_passes_over(quick, tmp_path):
    save(tmp_path / "in" / "a.png", grey())
    for name in ("b.heic", "deep/C.HEIC", "d.cr2", "notes.txt", ".hidden.heic", "out/e.heic"):
        (tmp_path / "in" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "in" / name).write_bytes(b"")
    passed = "passed over 3 files of other types (2 .heic, 1 .cr2)"
    always = ("apply", "in", "in/deep", "-k", "blur", "-o", "in/out")
    assert quick(*always).complaints == [f"convfilter: 1 done, {passed}"]
    assert quick(*always, "-n", "--skip-existing").complaints == [f"convfilter: 1 skipped, {passed}"]
    assert quick(*always, "-q", "--overwrite").err == ""
    named = quick("apply", "in", "in/d.cr2", "-k", "blur", "-o", "there", "-n")
    assert "passed over 3 files of other types (3 .heic)" in named.err  # one in the old output
    none = quick("apply", "in/deep", "-k", "blur")
    assert none.code == 2
    assert "passed over 1 file of another type (1 .heic): convert such files first" in none.err


RARE_NAMES = {"jpe": "JPEG", "jfif": "JPEG", "apng": "PNG", "dib": "BMP", "pnm": "PPM", "btf": "TIFF"}


def test_rare_extensions_work_as_inputs_and_outputs_alike(quick, tmp_path):
    pixels = colour(16, 24)
    save(tmp_path / "a.png", pixels)
    (tmp_path / "in").mkdir()
    for name in RARE_NAMES:
        ran = quick("apply", "a.png", "-k", "identity", "-o", f"in/a.{name}")
        assert (ran.code, ran.err) == (0, ""), ran.err
    assert quick("apply", "in", "-k", "identity", "-o", "out", "-j", "1").err == "convfilter: 6 done\n"
    for name, form in RARE_NAMES.items():
        with Image.open(tmp_path / "out" / f"a.{name}") as image:
            assert image.format == form
        assert abs(load(tmp_path / "out" / f"a.{name}").astype(int) - pixels).mean() < 10


def test_a_dib_may_lack_the_header_of_a_bmp(quick, tmp_path):
    save(tmp_path / "a.dib", colour())
    assert (tmp_path / "a.dib").read_bytes()[:2] != b"BM"
    assert quick("apply", "a.dib", "-k", "identity").err == ""
    assert (tmp_path / "a.identity.dib").read_bytes()[:2] == b"BM"
    assert np.array_equal(load(tmp_path / "a.identity.dib"), colour())


def test_formats_have_short_names_too(quick, tmp_path):
    save(tmp_path / "a.png", grey())
    for alias, form in (("jpg", "JPEG"), ("tif", "TIFF")):
        assert quick("apply", "a.png", "-k", "identity", "--format", alias).code == 0
        with Image.open(tmp_path / f"a.identity.{alias}") as image:
            assert image.format == form
