"""Image files of types that are not read, and the rarer names of those that are."""

import numpy as np
from PIL import Image
from samples import colour, grey, load, save

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
