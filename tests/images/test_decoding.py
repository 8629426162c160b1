"""From a file to pixels: modes, depths and orientation."""

import io
import struct
import zlib

import numpy as np
import pytest
from encoded import encoded, saved
from handmade import chunk, png, tiff
from PIL import Image, ImageOps
from samples import noise as samples

from convfilter.errors import ImageError
from convfilter.images.reading import opened_frames, read_picture, read_size

pytestmark = pytest.mark.usefixtures("without_codecs")  # as Pillow alone does it

ORIENTED = b"Exif\0\0II*\0\x08\0\0\0\1\0\x12\1\3\0\1\0\0\0\6\0\0\0\0\0\0\0"


# Modes.


def test_a_palette_becomes_colours_and_its_transparency_alpha():
    image = Image.new("P", (3, 1))
    image.putpalette([10, 20, 30, 40, 50, 60, 70, 80, 90])
    image.putdata([0, 1, 2])
    colours = [[[10, 20, 30], [40, 50, 60], [70, 80, 90]]]
    picture = read_picture(saved(image, "PNG"))
    assert (picture.mode, picture.pixels.tolist()) == ("RGB", colours)
    for option, alpha in ((1, [255, 0, 255]), (bytes([5, 6, 7]), [5, 6, 7])):
        picture = read_picture(saved(image, "PNG", transparency=option))
        assert picture.mode == "RGBA"
        assert picture.pixels[..., :3].tolist() == colours
        assert picture.pixels[..., 3].tolist() == [alpha]
    assert read_picture(saved(image, "GIF", transparency=2)).pixels[0, 2, 3] == 0


def test_black_and_white_becomes_grey():
    image = Image.fromarray(np.eye(9, dtype=bool))
    for form in ("PNG", "TIFF", "PPM", "BMP"):
        picture = read_picture(saved(image, form))
        assert picture.mode == "L"
        np.testing.assert_array_equal(picture.pixels, np.eye(9) * 255)


@pytest.mark.parametrize("depth", [1, 2, 4, 8])
def test_a_transparent_grey_becomes_alpha_at_every_depth(depth):
    levels = 2**depth
    row = int("".join(f"{level:0{depth}b}" for level in range(levels)), 2).to_bytes(
        -(-levels * depth // 8), "big"
    )
    if depth == 1:
        row = b"\x40"
    data = png(depth, 0, levels, 1, [row], before=chunk(b"tRNS", struct.pack(">H", 1)))
    picture = read_picture(io.BytesIO(data))
    assert picture.mode == "LA"
    assert picture.pixels[0, :, 0].tolist() == [level * 255 // (levels - 1) for level in range(levels)]
    assert picture.pixels[0, :, 1].tolist() == [0 if level == 1 else 255 for level in range(levels)]


def test_a_transparent_colour_becomes_alpha():
    data = png(8, 2, 2, 1, [bytes([1, 2, 3, 4, 5, 6])], before=chunk(b"tRNS", struct.pack(">3H", 4, 5, 6)))
    assert read_picture(io.BytesIO(data)).pixels.tolist() == [[[1, 2, 3, 255], [4, 5, 6, 0]]]


def interlaced(pixels):
    """A PNG of 16 bits in the seven passes of Adam."""
    height, width, channels = pixels.shape
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
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for part in parts if part.size for row in part)
    colour = {2: 4, 3: 2, 4: 6}[channels]
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, colour, 0, 0, 1))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


@pytest.mark.parametrize("kind", ["LA", "RGB", "RGBA"])
def test_colours_of_sixteen_bits_in_a_png_are_read_in_full(kind):
    pixels = samples(f"{kind};uint16", 13, 17)
    colour = {"LA": 4, "RGB": 2, "RGBA": 6}[kind]
    plain = png(16, colour, 17, 13, [row.astype(">u2").tobytes() for row in pixels])
    for data in (plain, interlaced(pixels)):
        picture = read_picture(io.BytesIO(data))
        assert (picture.mode, picture.warnings) == (kind, [])
        np.testing.assert_array_equal(picture.pixels, pixels)
        assert picture.pixels.dtype == np.uint16
        size = read_size(io.BytesIO(data))
        assert (size.mode, size.dtype, size.channels) == (kind, "uint16", len(kind))


def test_what_a_deep_png_marks_as_transparent_becomes_alpha_of_as_many_bits():
    row = struct.pack(">6H", 1000, 2000, 3000, 40000, 50000, 60000)
    data = png(16, 2, 2, 1, [row], before=chunk(b"tRNS", struct.pack(">3H", 1000, 2000, 3000)))
    assert read_picture(io.BytesIO(data)).pixels.tolist() == [
        [[1000, 2000, 3000, 0], [40000, 50000, 60000, 65535]]
    ]
    data = png(16, 0, 2, 1, [struct.pack(">2H", 1, 300)], before=chunk(b"tRNS", struct.pack(">H", 300)))
    picture = read_picture(io.BytesIO(data))
    assert (picture.mode, picture.warnings) == ("LA", [])
    assert picture.pixels.tolist() == [[[1, 65535], [300, 0]]]
    assert read_size(io.BytesIO(data)).channels == 2


def test_a_png_with_tags_behind_its_pixels_keeps_them():
    rows = [row.tobytes() for row in samples("RGB", 4, 6)]
    data = png(8, 2, 6, 4, rows, after=chunk(b"eXIf", ORIENTED[6:]) + chunk(b"tEXt", b"Title\0late"))
    picture = read_picture(io.BytesIO(data))
    assert picture.metadata.chunks == ((b"tEXt", b"Title\0late"),)
    np.testing.assert_array_equal(picture.pixels, np.rot90(samples("RGB", 4, 6), -1))
    deep = samples("RGB;uint16", 4, 6)
    data = png(16, 2, 6, 4, [row.astype(">u2").tobytes() for row in deep], after=chunk(b"eXIf", ORIENTED[6:]))
    np.testing.assert_array_equal(read_picture(io.BytesIO(data)).pixels, np.rot90(deep, -1))


def test_tags_behind_deep_colours_do_not_cost_bits_where_the_size_is_asked_for_first():
    pixels = samples("RGB;uint16", 4, 6)
    rows = [row.astype(">u2").tobytes() for row in pixels]
    data = png(16, 2, 6, 4, rows, after=chunk(b"tEXt", b"Title\0late"))
    with opened_frames(io.BytesIO(data), max_pixels=None) as frames:
        assert frames.size().dtype == "uint16"
        np.testing.assert_array_equal(frames.read(0).pixels, pixels)


def test_frames_of_deep_colours_are_refused_not_narrowed():
    rows = [row.astype(">u2").tobytes() for row in samples("RGB;uint16", 4, 6)]
    control = chunk(b"acTL", struct.pack(">II", 2, 0)) + chunk(
        b"fcTL", struct.pack(">5I2H2B", 0, 6, 4, 0, 0, 1, 9, 0, 0)
    )
    data = png(
        16,
        2,
        6,
        4,
        rows,
        before=control,
        after=chunk(b"fcTL", struct.pack(">5I2H2B", 1, 6, 4, 0, 0, 1, 9, 0, 0))
        + chunk(b"fdAT", struct.pack(">I", 2) + zlib.compress(b"".join(b"\0" + row for row in rows))),
    )
    for read in (read_picture, read_size):
        with pytest.raises(ImageError, match="not supported: frames of 16 bits a colour; convert"):
            read(io.BytesIO(data))


def test_the_ppm_of_deep_colours_is_read_in_full_binary_or_spelt_in_digits():
    picture = read_picture(io.BytesIO(b"P6 2 1 65535\n" + struct.pack(">6H", 1, 300, 65535, 0, 7, 9)))
    assert (picture.mode, picture.pixels.dtype, picture.warnings) == ("RGB", np.uint16, [])
    assert picture.pixels.tolist() == [[[1, 300, 65535], [0, 7, 9]]]
    picture = read_picture(io.BytesIO(b"P6 1 1 1023\n" + struct.pack(">3H", 0, 512, 1023)))
    assert picture.pixels.tolist() == [[[0, 32800, 65535]]]
    picture = read_picture(io.BytesIO(b"P3 2 1 1023\n0 512 1023 # a comment\n1 2 3\n"))
    assert (picture.pixels.dtype, picture.warnings) == (np.uint16, [])
    assert picture.pixels.tolist() == [[[0, 32800, 65535], [64, 128, 192]]]
    for broken in (b"P3 2 1 1023\n0 1 2 3 4\n", b"P3 1 1 1023\n0 1 -2\n", b"P3 1 1 1023\n0 1 x\n"):
        with pytest.raises(ImageError, match=r"^broken ppm data"):
            read_picture(io.BytesIO(broken))


def test_colours_of_eight_bits_come_without_a_warning():
    for form in ("PNG", "TIFF", "PPM", "BMP", "TGA"):
        assert read_picture(saved(Image.new("RGB", (4, 4)), form)).warnings == []


@pytest.mark.parametrize("order", ["<", ">"])
def test_grey_of_sixteen_bits_is_native_whatever_the_order_in_the_file(order):
    pixels = samples("I;16", 4, 6)
    by_hand = {
        "<": tiff(
            {256: [6], 257: [4], 258: [16], 259: [1], 262: [1], 277: [1], 279: [48]},
            pixels.astype("<u2").tobytes(),
        ),
        ">": png(16, 0, 6, 4, [row.astype(">u2").tobytes() for row in pixels]),
    }
    picture = read_picture(io.BytesIO(by_hand[order]))
    assert (picture.mode, picture.pixels.dtype) == ("I;16", np.dtype(np.uint16))
    assert picture.pixels.dtype.isnative
    np.testing.assert_array_equal(picture.pixels, pixels)
    big = read_picture(saved(Image.frombytes("I;16B", (6, 4), pixels.astype(">u2").tobytes()), "TIFF"))
    np.testing.assert_array_equal(big.pixels, pixels)
    assert big.mode == "I;16"


def test_a_tiff_where_white_is_zero_is_turned_over_at_sixteen_bits_too():
    tags = {256: [3], 257: [1], 258: [16], 259: [1], 262: [0], 277: [1], 279: [6]}
    picture = read_picture(io.BytesIO(tiff(tags, struct.pack("<3H", 0, 1, 65535))))
    assert picture.pixels.tolist() == [[65535, 65534, 0]]


def test_the_ppm_family_reaches_full_scale():
    assert read_picture(io.BytesIO(b"P2 3 1 1023\n0 512 1023\n")).pixels.tolist() == [[0, 32800, 65535]]
    picture = read_picture(io.BytesIO(b"P5 2 1 65535\n\0\1\xff\xfe"))
    assert (picture.mode, picture.pixels.dtype, picture.pixels.tolist()) == ("I;16", np.uint16, [[1, 65534]])
    assert read_picture(io.BytesIO(b"P2 2 1 15\n0 15\n")).pixels.tolist() == [[0, 255]]
    assert read_picture(io.BytesIO(b"P1 2 1\n0 1\n")).pixels.tolist() == [[255, 0]]


def test_a_channel_without_a_meaning_is_refused_not_dropped():
    with pytest.raises(
        ImageError, match=r"^not supported: 8-bit RGB TIFF with 1 more channel; install convfilter"
    ):
        read_picture(saved(Image.new("RGBX", (2, 2)), "TIFF"))


@pytest.mark.parametrize("kind", ["L", "RGB", "RGBA", "I;16"])
def test_a_png_with_a_flipped_bit_is_an_error(kind):
    data = bytearray(encoded(samples(kind), kind, "png"))
    for place in range(data.index(b"IDAT") + 6, len(data) - 24, len(data) // 40):
        broken = data.copy()
        broken[place] ^= 0x10
        with pytest.raises(ImageError, match=r"^broken png data"):
            read_picture(io.BytesIO(broken))


# Orientation.


@pytest.mark.parametrize("form", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("turn", range(1, 9))
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_the_orientation_is_applied_and_its_tag_reset(form, turn, mode):
    exif = Image.Exif()
    exif[274], exif[271] = turn, "Maker"
    image = Image.fromarray(samples(mode, 16, 24))
    options = {"WEBP": {"lossless": True}, "JPEG": {"quality": 95}}.get(form, {})
    stream = saved(image, form, exif=exif, **options)
    picture = read_picture(stream)
    size = read_size(stream)
    stream.seek(0)
    with Image.open(stream) as again:
        expected = np.asarray(ImageOps.exif_transpose(again).convert(picture.mode))
    np.testing.assert_array_equal(picture.pixels, expected)
    assert (size.height, size.width) == picture.pixels.shape[:2]
    parsed = Image.Exif()
    parsed.load(picture.metadata.exif)
    assert parsed.get(274, 1) == 1
    assert parsed[271].rstrip("\0") == "Maker"

    as_stored = read_picture(stream, orient=False)
    assert as_stored.pixels.shape[:2] == (16, 24)
    stored = read_size(stream, orient=False)
    assert (stored.height, stored.width) == (16, 24)
    parsed.load(as_stored.metadata.exif)
    assert parsed.get(274, 1) == turn
    if form != "JPEG" and mode == picture.mode:
        np.testing.assert_array_equal(as_stored.pixels, samples(mode, 16, 24))


def test_a_png_turned_behind_its_pixels_is_turned():
    exif = Image.Exif()
    exif[274] = 6
    data = png(8, 0, 2, 1, [b"\1\2"], after=chunk(b"eXIf", exif.tobytes()[6:]))
    assert read_picture(io.BytesIO(data)).pixels.tolist() == [[1], [2]]
    assert read_size(io.BytesIO(data))[:2] == (1, 2)


def test_an_orientation_in_xmp_counts_and_is_reset():
    packet = b'<x:xmpmeta><rdf tiff:Orientation="6" dc:title="t"/></x:xmpmeta>'
    picture = read_picture(saved(Image.new("RGB", (4, 2)), "JPEG", xmp=packet))
    assert picture.pixels.shape == (4, 2, 3)
    assert b"Orientation" not in picture.metadata.xmp
    assert b"dc:title" in picture.metadata.xmp
