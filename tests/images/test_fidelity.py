"""Every cell of docs/fidelity.md, for real; from file to file, what need not change is unchanged."""

import importlib.util
import io
import json
from pathlib import Path

import numpy as np
import pytest
from encoded import npy, read_frames, saved
from PIL import Image, ImageCms
from samples import animate, frames_of, mode_of, moving, noise

from convfilter.batch import filter_file
from convfilter.errors import ImageError
from convfilter.images import formats
from convfilter.images.formats import FORMATS
from convfilter.images.picture import Metadata, Picture
from convfilter.images.reading import read_picture
from convfilter.images.writing import write_picture
from convfilter.options import EncodeOptions

pytestmark = pytest.mark.filterwarnings("ignore:.*cannot hold:UserWarning")

DOCS = Path(__file__).resolve().parents[2] / "docs"
FORMS = list(FORMATS)
LOSSY = ("jpeg", "avif")
HEIGHT, WIDTH = 32, 48


spec = importlib.util.spec_from_file_location("fidelity", DOCS / "fidelity.py")
page = importlib.util.module_from_spec(spec)
spec.loader.exec_module(page)


def tables():
    """The cells of the page's two tables, by row and format."""
    found = []
    for line in (DOCS / "fidelity.md").read_text(encoding="utf-8").splitlines():
        if not line.startswith("| "):
            continue
        cells = [part.strip().strip("`") for part in line.strip("|").split("|")]
        if cells[-len(FORMS) :] == FORMS:
            found.append({})
        elif not cells[-1].startswith("--"):
            found[-1][cells[0]] = (cells[1], dict(zip(FORMS, cells[-len(FORMS) :], strict=True)))
    return found


PIXELS, BESIDE = tables()
PAGE = [(source, form) for source in PIXELS for form in FORMS]


def waves(channels):
    """Samples from 0 to 1 that change slowly, so that lossy formats lose little; not two rows alike."""
    rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH]
    planes = [
        0.5 + 0.25 * (np.sin(rows / (9 + n) + n) + np.cos(columns / (13 - n) + n)) for n in range(channels)
    ]
    return np.stack(planes, axis=-1).squeeze()


def deep(channels, dtype):
    """Samples that need all their bits, so that eight of them would show."""
    return (waves(channels) * 65535).astype(dtype)


def few(channels):
    """At most 100 colours, as a GIF can hold."""
    rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH]
    blocks = rows // 4 * (WIDTH // 4) + columns // 4
    return np.stack([blocks * (2 * n + 5) % 251 for n in range(channels)], axis=-1).astype(np.uint8)


def ycbcr_to_rgb(pixels):
    y, cb, cr = (pixels[..., n].astype(float) - (128 if n else 0) for n in range(3))
    rgb = [y + 1.402 * cr, y - 0.344136 * cb - 0.714136 * cr, y + 1.772 * cb]
    return np.clip(np.stack(rgb, -1), 0, 255)


def cmyk_to_rgb(pixels):
    whole = pixels.astype(float)
    return (255 - whole[..., :3]) * (255 - whole[..., 3:]) / 255


def on_white(pixels):
    whole, alpha = pixels.astype(float), pixels[..., -1:] / 255
    return (whole[..., :-1] * alpha + 255 * (1 - alpha)).squeeze()


ARRAYS = {
    "I;16": deep(1, np.uint16),
    "I": deep(1, np.int32) * 30_000 - 7,
    "F": waves(1).astype(np.float32) - np.float32(0.3),
    "L;int16": (deep(1, np.int32) - 32768).astype(np.int16),
    "L;float64": waves(1) - 0.3,
    "C5": few(5),
    "RGB;uint16": deep(3, np.uint16),
    "RGBA;uint16": deep(4, np.uint16),
    "LA;uint16": deep(2, np.uint16),
    "RGB;float32": waves(3).astype(np.float32),
}


def source_of(kind):
    """A file of a kind, and the pixels that it stands for."""
    if kind in ARRAYS:
        return npy(ARRAYS[kind]), ARRAYS[kind]
    indices = few(1).squeeze()
    if kind == "1":
        bits = indices > 120
        return saved(Image.fromarray(bits), "PNG"), bits * np.uint8(255)
    if kind in ("P", "PA"):
        colours = np.random.default_rng(3).integers(0, 256, (256, 3), np.uint8)
        alpha = (indices % 2 * 255).astype(np.uint8)
        samples = indices if kind == "P" else np.stack([indices, alpha], -1)
        image = Image.frombytes(kind, (WIDTH, HEIGHT), samples.tobytes())
        image.putpalette(colours.tobytes())
        pixels = colours[indices] if kind == "P" else np.dstack([colours[indices], alpha])
        return saved(image, "PNG" if kind == "P" else "TIFF"), pixels
    if kind == "RGBX":
        pytest.importorskip("tifffile")
    pixels = few(len(Image.new(kind, (1, 1)).getbands())).squeeze()
    if kind in ("LA", "RGBA"):
        pixels[..., -1] = np.where(pixels[..., -1] > 120, 255, 0)
    image = Image.frombytes(kind, (WIDTH, HEIGHT), pixels.tobytes())
    stored = saved(image, "PNG" if kind in ("L", "LA", "RGB", "RGBA") else "TIFF")
    return stored, ycbcr_to_rgb(pixels) if kind == "YCbCr" else pixels


def smooth_like(picture):
    """The same kind of image with samples that a lossy format can follow."""
    channels = picture.pixels.shape[2] if picture.pixels.ndim == 3 else 1
    pixels = (waves(channels) * 255).astype(np.uint8)
    return Picture(pixels, picture.mode, picture.format, picture.metadata)


def test_the_page_has_a_row_for_every_kind_and_a_column_for_every_format():
    kinds = {kind for row in FORMATS.values() for kind in row.kinds if kind != "*"}
    assert kinds <= set(PIXELS)
    assert len(PAGE) == 21 * 10


@pytest.mark.parametrize("kind", list(PIXELS))
def test_every_kind_is_read_as_the_page_says(kind):
    source, pixels = source_of(kind)
    picture = read_picture(source)
    assert picture.mode == PIXELS[kind][0]
    assert picture.warnings == []
    tolerance = 1.01 if kind == "YCbCr" else 0
    np.testing.assert_allclose(picture.pixels.astype(float), pixels.astype(float), rtol=0, atol=tolerance)


@pytest.mark.parametrize(("kind", "form"), PAGE)
def test_every_cell_is_what_happens(kind, form, monkeypatch):
    cell = PIXELS[kind][1][form]
    if cell == "codecs":
        pytest.importorskip("imagecodecs")
    picture = read_picture(source_of(kind)[0])
    if form in LOSSY and cell != "-":
        picture = smooth_like(picture)
    stream = io.BytesIO()
    if cell == "-":
        with pytest.raises(
            ImageError, match=rf"^{form} cannot hold .*; (use --depth 8, or )?try \w+( or \w+)?$"
        ):
            write_picture(stream, picture, form)
        assert stream.getvalue() == b""
        return
    warnings = write_picture(stream, picture, form)
    again = read_picture(stream)
    assert again.warnings == []
    expected, mode, words = expectation(picture, cell, form)
    assert warnings == words
    assert again.mode == mode
    assert again.pixels.dtype == picture.pixels.dtype
    if form == "gif" and expected.shape[2:] == (4,):  # which has one colour for all that cannot be seen
        expected = np.where(expected[..., 3:] == 0, 0, expected)
    if form in LOSSY:
        assert np.abs(again.pixels.astype(float) - expected).mean() < 3
    else:
        tolerance = 0 if cell in ("kept", "codecs") else 1
        np.testing.assert_allclose(again.pixels.astype(float), expected.astype(float), rtol=0, atol=tolerance)
    if cell == "codecs":
        monkeypatch.setattr(formats, "codecs_available", lambda: False)
        stream = io.BytesIO()
        with pytest.raises(ImageError, match=r"install convfilter\[codecs\], or (use --depth 8|try npy)$"):
            write_picture(stream, picture, form)
        assert stream.getvalue() == b""


def expectation(picture, cell, form):
    """The pixels, mode and warnings that a cell promises."""
    pixels, mode, words = picture.pixels, picture.mode, []
    if cell == "no alpha":
        if pixels[..., -1].min() < 255:
            words = [f"{form} cannot hold alpha: blended onto white"]
        return on_white(pixels), mode[:-1], words
    if form == "tiff":
        mode = mode.replace("C5", "LXXXX")
    if cell == "as RGB" and mode == "CMYK":
        return cmyk_to_rgb(pixels), "RGB", [f"{form} cannot hold CMYK: converted to RGB"]
    if cell == "as RGB":
        return np.dstack([pixels] * 3), "RGB", []
    if cell == "as RGBA":
        return np.dstack([pixels[..., :1]] * 3 + [pixels[..., 1:]]), "RGBA", []
    assert cell in ("kept", "near", "codecs"), f"an unknown word in the table: {cell}"
    assert cell != "near" or form in LOSSY
    if form == "npy":  # bare samples
        mode = {"CMYK": "RGBA", "LAB": "RGB", "RGBX": "RGBA"}.get(mode, mode)
    return pixels, mode, words


# Beside the pixels


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("what", list(BESIDE))
def test_every_cell_beside_the_pixels_is_what_happens(what, form, monkeypatch):
    cell = BESIDE[what][1][form]
    for with_codecs in (True, False) if form in ("png", "tiff") and formats.codecs_available() else (False,):
        monkeypatch.setattr(formats, "codecs_available", lambda available=with_codecs: available)
        assert page.beside_cell(what, form) == cell  # which refuses what is neither kept nor named
        kept, warnings = page.beside(what, form, EncodeOptions(strip=True))
        assert warnings == []
        assert not kept or what in ("durations", "loop count")


# From file to file

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
LOSSLESS = [form for form in FORMS if form not in LOSSY]
DURATIONS = [40, 120, 300, 80]

# Each format with each kind that it holds, also with the codecs, but of the many of a TIFF only some.
DEEP = ("L;int8", "L;int16", "L;uint32", "L;float64", "LA;uint16", "RGB;float32", "RGBA;int16", "CMYK;uint16")
BOTH = [(form, kind) for form in LOSSLESS for kind in FORMATS[form].kinds if kind != "*"]
CELLS = [("png", kind, True) for kind in FORMATS["png"].deep] + [
    ("tiff", kind, True) for kind in (*DEEP, "LXXXX")
]
CELLS += [(*cell, True) for cell in (*BOTH, ("npy", "RGB;uint16"), ("npy", "L;int16"))]
CELLS += [(form, kind, False) for form, kind in BOTH if FORMATS[form].deep]  # the others are the same without


def everything(mode, form):
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
        compression="lzma" if form == "tiff" else None,
    )


def put(path, picture):
    with path.open("wb") as stream:
        write_picture(stream, picture, path.suffix[1:])
    return path


def identity(tmp_path, source, suffix=None, **options):
    target = tmp_path / f"out{suffix or source.suffix}"
    filter_file(source, target, "identity", **options)
    return target


@pytest.mark.parametrize(("form", "kind", "with_codecs"), CELLS)
def test_identity_leaves_every_sample_and_all_metadata_as_they_were(
    tmp_path, form, kind, with_codecs, monkeypatch
):
    if with_codecs:
        pytest.importorskip("imagecodecs")
    else:
        monkeypatch.setattr(formats, "codecs_available", lambda: False)
    pixels, mode = noise(kind.replace("LXXXX", "C"), 9, 12), mode_of(kind)
    if form == "gif":  # which holds 256 colours, with pixels transparent or not
        pixels = pixels // 86 * 100
        if kind == "RGBA":
            pixels[..., 3] = np.where(pixels[..., 3] > 0, 255, 0)
            pixels[pixels[..., 3] == 0] = 0
    source = put(tmp_path / f"in.{form}", Picture(pixels, mode, form, everything(mode, form)))
    before = read_picture(source)
    np.testing.assert_array_equal(before.pixels, pixels)
    assert form != "tiff" or before.metadata.compression == "lzma"
    compress = "fast" if form in ("tiff", "tga") else "small"  # which changes their compression
    after = read_picture(identity(tmp_path, source, compress=compress))
    np.testing.assert_array_equal(after.pixels, pixels, strict=True)
    assert (after.mode, after.warnings) == (before.mode, [])
    assert after.metadata == before.metadata


@pytest.mark.parametrize("form", ["png", "gif", "webp"])
def test_identity_keeps_every_frame_its_time_and_the_loop_count(tmp_path, form):
    frames = moving(channels=3)
    options = {"lossless": True} if form == "webp" else {}
    source = animate(tmp_path / f"in.{form}", frames[:2] + frames[3:], DURATIONS, loop=3, **options)
    target = identity(tmp_path, source)
    before, after = read_frames(source), read_frames(target)
    assert len(after) == 4
    for one, other in zip(before, after, strict=True):
        np.testing.assert_array_equal(other.pixels, one.pixels)
        assert (other.mode, other.warnings) == (one.mode, [])
    assert [each.metadata.duration for each in after] == DURATIONS
    assert after[0].metadata.plays == before[0].metadata.plays == (4 if form == "gif" else 3)
    for one, other in zip(frames_of(source), frames_of(target), strict=True):  # as Pillow sees them
        np.testing.assert_array_equal(other, one)


def test_webp_is_lossless_after_what_was_lossless_and_of_quality_90_after_the_rest(tmp_path):
    image, exif = Image.fromarray(noise("RGB")), Image.Exif()
    exif[271] = "Maker"  # then the image is not the first chunk of a WebP
    kinds = [
        *(("a.png", {}, True), ("b.webp", {"lossless": True}, True), ("c.webp", {"quality": 60}, False)),
        *(("d.webp", {"lossless": True, "exif": exif}, True), ("e.webp", {"exif": exif}, False)),
        *(
            ("f.bmp", {}, True),
            ("g.gif", {}, True),
            ("h.ppm", {}, True),
            ("i.tga", {}, True),
            ("j.jpg", {}, False),
        ),
        *(("k.tif", {}, True), ("l.tif", {"compression": "jpeg"}, False)),
    ]
    for name, options, lossless in kinds:
        image.save(tmp_path / name, **options)
        picture, expected = read_picture(tmp_path / name), io.BytesIO()
        assert picture.metadata.lossless == lossless
        made = {"lossless": True, "exact": True} if lossless else {"quality": 90}
        Image.fromarray(picture.pixels).save(expected, "WEBP", exif=options.get("exif", b""), **made)
        target = identity(tmp_path, tmp_path / name, ".webp", overwrite=True)
        assert target.read_bytes() == expected.getvalue(), name


@pytest.mark.parametrize(
    ("mode", "space", "suffix", "kernel", "word"),
    [
        ("RGB", b"RGB ", ".png", "luma", "the colour profile does not fit L pixels: dropped"),
        ("CMYK", b"CMYK", ".png", "identity", "the colour profile does not fit RGB pixels: dropped"),
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
