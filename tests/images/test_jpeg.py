"""A JPEG is coded as its input was; what cannot stay so is reported."""

import pytest
from encoded import smooth
from PIL import Image
from samples import colour, load, save

from convfilter.images.picture import Coding, Component, Metadata, Picture
from convfilter.images.writing import write_picture

# The factors of the components, across and down: what Pillow writes, what it does not, and YCCK, which
# Photoshop makes of CMYK.
SAMPLINGS = {
    "4:2:2": ((2, 1), (1, 1), (1, 1)),
    "4:4:0": ((1, 2), (1, 1), (1, 1)),
    "4:1:1": ((4, 1), (1, 1), (1, 1)),
    "4:1:0": ((4, 2), (1, 1), (1, 1)),
    "uneven": ((2, 2), (2, 1), (1, 2)),
    "CMYK in full": ((1, 1), (1, 1), (1, 1), (1, 1)),
    "CMYK": ((2, 2), (1, 1), (1, 1), (2, 2)),
    "YCCK": ((2, 2), (1, 1), (1, 1), (2, 2)),
}


def write_jpeg(path, pixels, factors, **options):
    """Write a JPEG; its chroma has another table than the rest."""
    components = [Component(*factor, number in (1, 2)) for number, factor in enumerate(factors)]
    coding = Coding([[2] * 64, [3] * 64], tuple(components), **options)
    picture = Picture(pixels, "RGB" if len(factors) == 3 else "CMYK", "jpeg", Metadata(coding=coding))
    with open(path, "wb") as stream:
        write_picture(stream, picture)


def coding(path):
    """What Pillow says of a JPEG: factors, tables, whether it is YCCK, and whether it is progressive."""
    with Image.open(path) as image:
        factors = tuple(layer[1:3] for layer in image.layer)
        tables = [image.quantization[layer[3]][0] for layer in image.layer]
        return factors, tables, image.info.get("adobe_transform") == 2, "progressive" in image.info


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("name", SAMPLINGS)
def test_sampling_tables_and_progression_stay(quick, tmp_path, name, progressive):
    factors = SAMPLINGS[name]
    pixels = smooth(37, 50, len(factors))
    write_jpeg(tmp_path / "a.jpg", pixels, factors, ycck=name == "YCCK", progressive=progressive)
    expected = (factors, [2, 3, 3, 2][: len(factors)], name == "YCCK", progressive)
    assert coding(tmp_path / "a.jpg") == expected
    assert quick("apply", "a.jpg", "-k", "identity", "-o", "b.jpg").err == ""
    assert coding(tmp_path / "b.jpg") == expected
    for each in ("a.jpg", "b.jpg"):
        assert abs(load(tmp_path / each).astype(int) - pixels).mean() < 3


def test_metadata_stand_in_a_joined_file_too(quick, tmp_path):
    write_jpeg(tmp_path / "plain.jpg", smooth(37, 50), SAMPLINGS["4:4:0"])
    data = (tmp_path / "plain.jpg").read_bytes()
    (tmp_path / "a.jpg").write_bytes(data[:2] + b"\xff\xfe\0\x06note" + data[2:])
    assert quick("apply", "a.jpg", "-k", "identity", "-o", "b.jpg").err == ""
    with Image.open(tmp_path / "b.jpg") as image:
        assert image.info["comment"] == b"note"
    assert (tmp_path / "b.jpg").read_bytes().count(b"note") == 1


@pytest.mark.parametrize("options", [["--quality", "60"], []])
def test_progressive_stays_progressive_and_small_is_always(quick, tmp_path, options):
    for progressive in (False, True):
        save(tmp_path / "a.jpg", smooth(37, 50), progressive=progressive)
        for small in (False, True):
            compress = ["--compress", "small"] if small else []
            always = ["apply", "a.jpg", "-k", "blur", "-o", "b.jpg", "--overwrite"]
            assert quick(*always, *options, *compress).code == 0
            assert coding(tmp_path / "b.jpg")[3] is (progressive or small)
        assert quick("apply", "a.jpg", "-k", "luma", "-o", "grey.jpg", "--overwrite").err == ""


# Two rows of two samples, 100 101 / 102 103, without loss.
LOSSLESS = (
    "ffd8ffc400160001010100000000000000000000000000010205ffc3000b080002000201001100ffda00080100"
    "00060000c369ffd9"
)


def test_a_lossless_jpeg_that_becomes_lossy_is_reported(quick, tmp_path):
    (tmp_path / "a.jpg").write_bytes(bytes.fromhex(LOSSLESS))
    warning = "the input is lossless and the output is lossy jpeg: use png to keep it lossless"
    assert warning in quick("apply", "a.jpg", "-k", "identity", "-o", "b.jpg").err
    assert quick("apply", "a.jpg", "-k", "identity", "-o", "b.png").err == ""
    assert load(tmp_path / "b.png").tolist() == [[100, 101], [102, 103]]


def test_a_png_that_becomes_a_lossy_jpeg_for_its_name_is_reported(quick, tmp_path):
    save(tmp_path / "a.png", colour()).rename(tmp_path / "a.jpg")
    for options in ([], ["-n"]):
        ran = quick("apply", "a.jpg", "-k", "identity", "--overwrite", *options)
        assert "but its name says jpeg: it will be written as lossy jpeg; use --format png" in ran.err
    assert "lossy" not in quick("apply", "a.jpg", "-k", "identity", "--format", "png").err
    save(tmp_path / "c.png", colour())
    assert quick("apply", "c.png", "-k", "identity", "-o", "c.jpg").err == ""


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.tif"])
def test_a_resolution_is_turned_with_the_image(quick, tmp_path, name):
    exif = Image.Exif()
    exif[0x0112], exif[282], exif[283] = 6, 300.0, 150.0
    options = {"exif": exif} | ({} if name == "a.tif" else {"dpi": (300, 150)})
    save(tmp_path / name, smooth(37, 50), **options)
    assert quick("apply", name, "-k", "identity", "-o", f"b.{name}").err == ""
    with Image.open(tmp_path / f"b.{name}") as image:
        assert image.size == (37, 50)
        assert tuple(map(round, image.info["dpi"])) == (150, 300)
        found = image.getexif()
        assert (found.get(282, 150), found.get(283, 300)) == (150, 300)
    assert quick("apply", name, "-k", "identity", "-o", f"c.{name}", "--no-orient").err == ""
    with Image.open(tmp_path / f"c.{name}") as image:
        assert tuple(map(round, image.info["dpi"])) == (300, 150)
