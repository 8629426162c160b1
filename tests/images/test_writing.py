"""From pixels to files: what formats hold, what is lost, what is kept beside the pixels."""

import io
import struct
import zlib

import numpy as np
import pytest
from encoded import smooth, write
from PIL import Image, ImageCms
from samples import noise as samples

from convfilter.errors import ImageError, OptionError
from convfilter.images.encoders import check_encoding
from convfilter.images.formats import FORMATS
from convfilter.images.picture import Picture
from convfilter.images.reading import read_picture
from convfilter.images.writing import check_writable, write_picture
from convfilter.options import EncodeOptions

pytestmark = pytest.mark.usefixtures("without_codecs")  # as Pillow alone does it

LOSSY = ("jpeg", "avif")


SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


GREY = SRGB[:16] + b"GRAY" + SRGB[20:]


# What each format holds.


@pytest.mark.parametrize("compress", ["fast", "small"])
@pytest.mark.parametrize(
    ("form", "kind"), [(form, kind) for form, row in FORMATS.items() for kind in row.kinds if kind != "*"]
)
def test_every_cell_of_the_whitelist_comes_back(form, kind, compress):
    pixels = smooth()[..., : 1 if kind == "L" else 3].squeeze() if form in LOSSY else samples(kind)
    mode = kind.partition(";")[0] if kind != "I;16" else kind
    if form in LOSSY and kind in ("RGBA", "CMYK"):
        pixels = np.concatenate([pixels, pixels[..., :1]], axis=2)
    if form == "gif" and kind != "L":
        pixels //= 86
    if form == "gif" and kind == "RGBA":
        pixels[..., 3] = np.where(pixels[..., 3] > 0, 255, 0)
        pixels[pixels[..., 3] == 0] = 0
    before = pixels.copy()
    stream, warnings = write(pixels, mode, form, EncodeOptions(compress=compress))
    picture = read_picture(stream)
    assert warnings == picture.warnings == []
    assert (picture.format, picture.mode, picture.pixels.dtype) == (form, mode, pixels.dtype)
    np.testing.assert_array_equal(pixels, before)
    if form in LOSSY:
        assert np.abs(picture.pixels.astype(int) - pixels).mean() < 3
    else:
        np.testing.assert_array_equal(picture.pixels, pixels)


@pytest.mark.parametrize("shape", [(4, 5), (4, 5, 2), (4, 5, 3), (4, 5, 7)])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int32", "float32", "float64"])
def test_npy_holds_any_array(shape, dtype):
    array = np.arange(np.prod(shape)).reshape(shape).astype(dtype)
    stream, warnings = write(array, "RGB", "npy")
    assert warnings == []
    stream.seek(0)
    np.testing.assert_array_equal(np.load(stream), array)


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (40, 1), (17, 15)])
@pytest.mark.parametrize("form", list(FORMATS))
def test_the_smallest_pictures_can_be_written(form, size):
    for mode in ("L", "RGB", "RGBA"):
        stream, _ = write(samples(mode, *size), mode, form)
        assert read_picture(stream).pixels.shape[:2] == size


def test_views_and_other_byte_orders_are_written_as_they_look():
    for mode, dtype in (("L", np.uint8), ("RGB", np.uint8), ("RGBA", np.uint8), ("I;16", ">u2")):
        pixels = samples(mode).astype(dtype)[::-2, ::3]
        stream, _ = write(pixels, mode, "png")
        np.testing.assert_array_equal(read_picture(stream).pixels, pixels)


def test_one_channel_with_an_axis_of_its_own_is_grey():
    pixels = samples("L")
    stream, _ = write(pixels[:, :, None], "RGB", "png")
    np.testing.assert_array_equal(read_picture(stream).pixels, pixels)


@pytest.mark.parametrize(
    ("mode", "dtype", "form"),
    [("I;16", "uint16", "jpeg"), ("I;16", "uint16", "webp"), ("I;16", "uint16", "gif"),
     ("I;16", "uint16", "avif"), ("F", "float32", "webp"), ("F", "float32", "ppm"), ("I", "int32", "png"),
     ("RGB", "uint16", "png"), ("RGB", "float32", "tiff"), ("F", "float64", "tiff"), ("LAB", "uint8", "png")],
)  # fmt: skip
def test_what_a_format_cannot_hold_is_refused_and_nothing_written(mode, dtype, form):
    stream = io.BytesIO()
    pixels = np.zeros((4, 4, 3) if mode in ("RGB", "LAB") else (4, 4), dtype)
    with pytest.raises(ImageError, match=f"^{form} cannot hold .*(try |--depth 8)"):
        write_picture(stream, Picture(pixels, mode, form))
    assert stream.getvalue() == b""
    with pytest.raises(ImageError, match="cannot hold"):
        check_writable(mode, dtype, (4, 4), 1, form)


@pytest.mark.parametrize(
    ("form", "side"), [("jpeg", 65500), ("webp", 16383), ("gif", 65535), ("tga", 65535), ("avif", 32768)]
)
def test_formats_take_sides_up_to_their_limit(form, side):
    stream, _ = write(np.zeros((1, side, 3), np.uint8), "RGB", form)
    assert read_picture(stream).pixels.shape == (1, side, 3)
    with pytest.raises(
        ImageError, match=rf"^{side + 1} x 1 pixels are too large for {form}, .* {side} a side"
    ):
        write(np.zeros((1, side + 1, 3), np.uint8), "RGB", form)


def test_frames_need_a_format_that_holds_them():
    for form, row in FORMATS.items():
        if row.several:
            assert check_writable("RGB", "uint8", (4, 4), 3, form) == []
        else:
            with pytest.raises(ImageError, match=f"^{form} cannot hold 3 frames; try --frames first"):
                check_writable("RGB", "uint8", (4, 4), 3, form)


def test_no_pixels_are_no_picture():
    with pytest.raises(ImageError, match="0 x 4 pixels are not an image"):
        write(np.zeros((4, 0, 3), np.uint8), "RGB", "png")


# What is lost is told.


@pytest.mark.parametrize("form", ["jpeg", "bmp", "ppm"])
@pytest.mark.parametrize("mode", ["LA", "RGBA"])
def test_alpha_is_laid_on_the_background(form, mode):
    pixels = samples(mode)
    stream, warnings = write(pixels, mode, form, EncodeOptions(background="#404040"))
    assert warnings == [f"{form} cannot hold alpha: laid on #404040"]
    alpha = pixels[..., -1:] / 255
    expected = np.floor(pixels[..., :-1] * alpha + 0x40 * (1 - alpha) + 0.5)
    result = read_picture(stream)
    assert result.mode == mode[:-1]
    if form != "jpeg":
        np.testing.assert_array_equal(result.pixels, expected.squeeze())
    assert check_writable(mode, "uint8", (9, 9), 1, form) == [
        f"{form} cannot hold alpha: laid on the background"
    ]


def test_grey_on_a_colour_becomes_coloured():
    stream, _ = write(np.array([[[0, 255], [0, 0]]], np.uint8), "LA", "ppm", EncodeOptions(background="red"))
    assert read_picture(stream).pixels.tolist() == [[[0, 0, 0], [255, 0, 0]]]


def test_alpha_that_hides_nothing_goes_without_a_word():
    pixels = samples("RGBA")
    pixels[..., 3] = 255
    stream, warnings = write(pixels, "RGBA", "bmp")
    assert warnings == []
    np.testing.assert_array_equal(read_picture(stream).pixels, pixels[..., :3])


def test_an_unknown_background_is_refused():
    with pytest.raises(OptionError, match="unknown colour 'whyte'"):
        check_encoding(EncodeOptions(background="whyte"))


def test_cmyk_becomes_rgb_with_a_warning():
    pixels = np.array([[[0, 0, 0, 0], [255, 0, 0, 0], [0, 0, 0, 255]]], np.uint8)
    stream, warnings = write(pixels, "CMYK", "png")
    assert warnings == ["png cannot hold CMYK: converted to RGB"]
    assert read_picture(stream).pixels.tolist() == [[[255, 255, 255], [0, 255, 255], [0, 0, 0]]]


@pytest.mark.parametrize(("mode", "form", "becomes"), [("L", "webp", "RGB"), ("LA", "webp", "RGBA")])
def test_grey_is_written_as_colours_where_it_must_be(mode, form, becomes):
    pixels = samples(mode)
    stream, warnings = write(pixels, mode, form)
    picture = read_picture(stream)
    assert (warnings, picture.mode) == ([], becomes)
    np.testing.assert_array_equal(picture.pixels[..., 0], pixels if mode == "L" else pixels[..., 0])
    np.testing.assert_array_equal(picture.pixels[..., -1], pixels if mode == "L" else pixels[..., 1])


@pytest.mark.parametrize("colours", [1, 2, 3, 16, 255, 256])
@pytest.mark.parametrize(("form", "compress"), [("gif", "fast"), ("png", "small")])
def test_few_colours_are_kept_exactly(form, compress, colours):
    rng = np.random.default_rng(colours)
    table = np.unique(rng.integers(0, 256, (2 * colours + 9, 3), dtype=np.uint8), axis=0)[:colours]
    pixels = table[np.arange(40 * 50).reshape(40, 50) % colours]
    stream, warnings = write(pixels, "RGB", form, EncodeOptions(compress=compress))
    assert warnings == []
    np.testing.assert_array_equal(read_picture(stream).pixels, pixels)


def test_more_colours_than_a_gif_holds_are_reduced_with_a_warning():
    pixels = smooth()
    stream, warnings = write(pixels, "RGB", "gif")
    assert warnings == ["gif holds 256 colours: reduced to so many"]
    assert np.abs(read_picture(stream).pixels.astype(int) - pixels).mean() < 8


def test_a_gif_keeps_what_is_wholly_transparent():
    pixels = np.concatenate([smooth(), np.full((120, 160, 1), 255, np.uint8)], axis=2)
    pixels[:50, :70, 3] = 0
    stream, warnings = write(pixels, "RGBA", "gif")
    assert warnings == ["gif holds 256 colours: reduced to so many"]
    result = read_picture(stream).pixels
    np.testing.assert_array_equal(result[..., 3], pixels[..., 3])
    assert np.abs(result[50:, :, :3].astype(int) - pixels[50:, :, :3]).mean() < 8


def test_a_gif_lays_what_is_partly_transparent_on_the_background():
    pixels = np.array([[[0, 0, 0, 0], [100, 100, 100, 128], [9, 9, 9, 255]]], np.uint8)
    stream, warnings = write(pixels, "RGBA", "gif")
    assert warnings == ["gif cannot hold partial transparency: laid on white"]
    assert read_picture(stream).pixels.tolist() == [[[255] * 3, [177] * 3, [9] * 3]]


# Metadata.


def exif_block():
    exif = Image.Exif()
    exif[271], exif[274], exif[306] = "Maker", 1, "2024:01:02 03:04:05"
    exif[34665] = {33434: 0.5, 37500: b"maker's own"}
    exif[34853] = {1: "N", 2: (1.0, 2.0, 3.0)}
    return exif.tobytes()


@pytest.mark.parametrize(
    ("form", "compression"),
    [("jpeg", None), ("png", None), ("webp", None), ("avif", None), ("tiff", "raw"), ("tiff", "tiff_lzw")],
)
def test_exif_profile_resolution_and_xmp_are_kept(form, compression):
    packet = b"<x:xmpmeta>kept</x:xmpmeta>"
    stream, warnings = write(
        smooth(),
        "RGB",
        form,
        exif=exif_block(),
        icc=SRGB,
        dpi=(300.0, 150.0),
        xmp=packet,
        compression=compression,
    )
    assert warnings == ([f"{form} cannot hold resolution: dropped"] if form in ("webp", "avif") else [])
    metadata = read_picture(stream).metadata
    assert metadata.icc == SRGB
    assert metadata.xmp == packet
    if form not in ("webp", "avif"):
        assert metadata.dpi == pytest.approx((300, 150), abs=0.02)
    parsed = Image.Exif()
    parsed.load(metadata.exif)
    assert parsed[271].rstrip("\0") == "Maker"
    assert parsed.get_ifd(34665)[33434] == 0.5
    assert parsed.get_ifd(34665)[37500] == b"maker's own"
    assert parsed.get_ifd(34853)[1].rstrip("\0") == "N"


@pytest.mark.parametrize("form", ["png", "jpeg", "webp"])
def test_exif_is_kept_to_the_byte(form):
    stream, _ = write(smooth(), "RGB", form, exif=exif_block())
    assert read_picture(stream).metadata.exif == exif_block()


def test_a_tiff_is_not_told_how_another_file_was_laid_out():
    exif = Image.Exif()
    exif[256], exif[257], exif[278], exif[259], exif[271] = 9999, 9999, 1, 7, "Maker"
    for compression in ("raw", "tiff_lzw"):
        stream, _ = write(samples("RGB"), "RGB", "tiff", exif=exif.tobytes(), compression=compression)
        np.testing.assert_array_equal(read_picture(stream).pixels, samples("RGB"))


@pytest.mark.parametrize("form", ["png", "webp", "tiff"])
@pytest.mark.parametrize("compression", ["raw", "tiff_lzw"])
def test_an_orientation_left_alone_is_written_again(form, compression):
    exif = Image.Exif()
    exif[274] = 6
    first = io.BytesIO()
    Image.fromarray(samples("RGB")).save(first, "TIFF", exif=exif, compression=compression)
    second = io.BytesIO()
    write_picture(second, read_picture(first, orient=False), form)
    np.testing.assert_array_equal(read_picture(second, orient=False).pixels, samples("RGB"))
    np.testing.assert_array_equal(read_picture(second).pixels, np.rot90(samples("RGB"), -1))


def test_text_and_the_meaning_of_colours_stay_with_a_png():
    chunks = (
        (b"gAMA", struct.pack(">I", 45455)),
        (b"cHRM", struct.pack(">8I", *range(31270, 31278))),
        (b"sRGB", b"\1"),
        (b"iTXt", "Title\0\0\0de\0Titel\0Ünï".encode()),
        (b"tEXt", b"Long\0" + b"x" * 5000),
        (b"tEXt", b"Long\0twice"),
        (b"zTXt", b"Packed\0\0" + zlib.compress(b"x")),
    )
    stream, _ = write(samples("RGB"), "RGB", "png", chunks=chunks)
    assert read_picture(stream).metadata.chunks == chunks


def test_comments_are_kept():
    for form in ("jpeg", "gif"):
        stream, _ = write(samples("L"), "L", form, comments=(b"by hand",))
        assert read_picture(stream).metadata.comments == (b"by hand",)


def test_metadata_too_long_for_a_jpeg_are_dropped_with_a_warning():
    exif = Image.Exif()
    exif[270] = "x" * 70_000
    stream, warnings = write(samples("RGB"), "RGB", "jpeg", exif=exif.tobytes(), xmp=b"y" * 70_000)
    assert len(warnings) == 2
    assert all(line.endswith("is too long for jpeg: dropped") for line in warnings)
    assert read_picture(stream).metadata.exif is None


@pytest.mark.parametrize(
    ("profile", "mode", "form", "warning"),
    [
        (SRGB, "RGB", "png", None),
        (SRGB, "RGBA", "png", None),
        (SRGB, "L", "png", "the colour profile does not fit L pixels: dropped"),
        (SRGB, "L", "webp", None),  # written as RGB
        (GREY, "L", "png", None),
        (GREY, "RGB", "png", "the colour profile does not fit RGB pixels: dropped"),
        (SRGB, "RGB", "bmp", "bmp cannot hold a colour profile: dropped"),
    ],
)
def test_a_profile_is_kept_while_it_fits(profile, mode, form, warning):
    stream, warnings = write(samples(mode), mode, form, icc=profile)
    assert warnings == ([warning] if warning else [])
    assert read_picture(stream).metadata.icc == (None if warning else profile)


@pytest.mark.parametrize("form", ["jpeg", "png", "webp", "avif", "tiff", "gif"])
def test_strip_leaves_nothing(form):
    stream, warnings = write(
        samples("RGB") // 86, "RGB", form, EncodeOptions(strip=True), exif=exif_block(), icc=SRGB,
        dpi=(300, 300), xmp=b"<x/>", comments=(b"secret",), photoshop=b"secret",
        chunks=((b"gAMA", bytes(4)), (b"tEXt", b"a\0secret")),
    )  # fmt: skip
    data = stream.getvalue()
    assert warnings == []
    assert not any(word in data for word in (b"Maker", b"secret", b"acsp", b"<x/>", b"gAMA", b"pHYs"))
    metadata = read_picture(stream).metadata
    assert (metadata.exif, metadata.icc, metadata.xmp) == (None, None, None)
