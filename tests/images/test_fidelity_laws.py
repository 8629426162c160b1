"""Whole trips from file to file: what was not asked to change is unchanged."""

import io
import json

import numpy as np
import pytest
from encoded import read_frames
from PIL import Image, ImageCms
from samples import animate, frames_of, mode_of, moving, noise

from convfilter.batch import filter_file
from convfilter.images import formats
from convfilter.images.formats import FORMATS
from convfilter.images.picture import Metadata, Picture
from convfilter.images.reading import read_picture
from convfilter.images.writing import write_picture

pytestmark = pytest.mark.filterwarnings("ignore:.*cannot hold:UserWarning")

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
LOSSLESS = ("png", "tiff", "webp", "bmp", "gif", "ppm", "tga", "npy")
DURATIONS = [40, 120, 300, 80, 100]
MOVING = ("png", "gif", "webp")


# Each format with each kind that it holds, also with the codecs, but of the many of a TIFF only some.
DEEP = ("L;int8", "L;int16", "L;uint32", "L;float64", "LA;uint16", "RGB;float32", "RGBA;int16", "CMYK;uint16")
CELLS = [(form, kind) for form in LOSSLESS for kind in FORMATS[form].kinds if kind != "*"]
CELLS += [("png", kind) for kind in FORMATS["png"].deep] + [("tiff", kind) for kind in (*DEEP, "LXXXX")]
CELLS += [("npy", "RGB;uint16"), ("npy", "L;int16")]


def everything(mode):
    """All that a file may say beside its pixels."""
    tags = Image.Exif()
    tags[0x010F], tags[0x0112] = "Maker", 1
    tags.get_ifd(0x8769)[0x829A] = 0.5
    return Metadata(
        exif=tags.tobytes(),
        icc=SRGB if mode in ("RGB", "RGBA") else None,
        xmp=b"<x:xmpmeta xmlns:x='adobe:ns:meta/'/>",
        dpi=(300.0, 150.0),
        comments=(b"by Ann",),
        photoshop=b"8BIM\4\4\0\0\0\0\0\4IPTC",
        chunks=((b"gAMA", bytes([0, 0, 0xB1, 0x8F])), (b"tEXt", b"Author\0Ann")),
        lossless=True,
    )


def put(path, picture):
    with path.open("wb") as stream:
        write_picture(stream, picture, path.suffix[1:])
    return path


def identity(tmp_path, source, suffix=None, **options):
    target = tmp_path / f"out{suffix or source.suffix}"
    filter_file(source, target, "identity", **options)
    return target


# Lossless


@pytest.mark.parametrize(("form", "kind"), CELLS)
@pytest.mark.parametrize("with_codecs", [True, False])
def test_identity_leaves_every_sample_and_all_metadata_as_they_were(
    tmp_path, form, kind, with_codecs, monkeypatch
):
    if with_codecs:
        pytest.importorskip("imagecodecs")
    elif not FORMATS[form].deep or kind not in FORMATS[form].kinds:
        return  # the same without them, or refused
    else:
        monkeypatch.setattr(formats, "codecs_available", lambda: False)
    pixels, mode = noise(kind.replace("LXXXX", "C"), 9, 12), mode_of(kind)
    if form == "gif":  # which holds 256 colours, with pixels transparent or not
        pixels = pixels // 86 * 100
        if kind == "RGBA":
            pixels[..., 3] = np.where(pixels[..., 3] > 0, 255, 0)
            pixels[pixels[..., 3] == 0] = 0
    source = put(tmp_path / f"in.{form}", Picture(pixels, mode, form, everything(mode)))
    before = read_picture(source)
    np.testing.assert_array_equal(before.pixels, pixels)
    compress = "fast" if form in ("tiff", "tga") else "small"  # which changes their compression
    after = read_picture(identity(tmp_path, source, compress=compress))
    np.testing.assert_array_equal(after.pixels, pixels, strict=True)
    assert (after.mode, after.warnings) == (before.mode, [])
    assert after.metadata == before.metadata


@pytest.mark.parametrize("form", MOVING)
def test_identity_keeps_every_frame_its_time_and_the_number_of_showings(tmp_path, form):
    frames = moving(channels=3)
    options = {"webp": {"lossless": True}, "gif": {}, "png": {}}[form]
    source = animate(tmp_path / f"in.{form}", frames[:2] + frames[3:], DURATIONS[:4], loop=3, **options)
    target = identity(tmp_path, source)
    before, after = read_frames(source), read_frames(target)
    assert len(after) == 4
    for one, other in zip(before, after, strict=True):
        np.testing.assert_array_equal(other.pixels, one.pixels)
        assert (other.mode, other.warnings) == (one.mode, [])
    assert [each.metadata.duration for each in after] == DURATIONS[:4]
    assert after[0].metadata.plays == before[0].metadata.plays == (4 if form == "gif" else 3)
    for one, other in zip(frames_of(source), frames_of(target), strict=True):  # as Pillow sees them
        np.testing.assert_array_equal(other, one)


# Lossy formats


def test_webp_is_lossless_after_what_was_lossless_and_of_quality_90_after_the_rest(tmp_path):
    image = Image.fromarray(noise("RGB"))
    for name, options in {
        "a.png": {}, "b.webp": {"lossless": True}, "c.bmp": {}, "e.jpg": {}, "f.webp": {"quality": 60}
    }.items():  # fmt: skip
        image.save(tmp_path / name, **options)
        expected = io.BytesIO()
        lossless = {"lossless": True, "exact": True} if name[0] in "abc" else {"quality": 90}
        Image.fromarray(read_picture(tmp_path / name).pixels).save(expected, "WEBP", **lossless)
        target = identity(tmp_path, tmp_path / name, ".webp", overwrite=True)
        assert target.read_bytes() == expected.getvalue()


@pytest.mark.parametrize(
    ("mode", "space", "suffix", "kernel", "word"),
    [
        ("RGB", b"RGB ", ".png", "luma", "the colour profile does not fit L pixels: dropped"),
        ("CMYK", b"CMYK", ".png", "identity", "the colour profile does not fit RGB pixels: dropped"),
        ("RGB", b"RGB ", ".bmp", "identity", "bmp cannot hold a colour profile: dropped"),
        ("RGB", b"RGB ", ".png", "identity", None),
        ("CMYK", b"CMYK", ".jpg", "identity", None),
    ],
)
def test_a_profile_goes_with_a_word_when_the_channels_mean_something_else(
    tmp_path, quick, mode, space, suffix, kernel, word
):
    profile = SRGB[:16] + space + SRGB[20:]
    put(tmp_path / "in.tiff", Picture(noise(mode), mode, "tiff", Metadata(icc=profile)))
    ran = quick("apply", "in.tiff", "-k", kernel, "-o", f"out{suffix}", "--json")
    warnings = json.loads(ran.out)["warnings"]
    assert [line for line in warnings if "profile" in line] == ([word] if word else [])
    assert read_picture(tmp_path / f"out{suffix}").metadata.icc == (None if word else profile)
