"""From files to pixels."""

import io
import os
import resource
import socket
import struct
import subprocess
import sys
import textwrap
import warnings
import zlib

import numpy as np
import pytest
from handmade import chunk, png, tiff
from PIL import Image, ImageOps, PngImagePlugin
from samples import grey, save
from samples import noise as samples

from convfilter.errors import ImageError
from convfilter.images import codecs
from convfilter.images.formats import FORMATS
from convfilter.images.headers import avif_is_deep
from convfilter.images.metadata import Metadata
from convfilter.images.reading import Picture, read_picture, read_size
from convfilter.images.writing import write_picture

DEEP = "16 bits a channel are read as 8: install convfilter[codecs] to keep them"


@pytest.fixture(autouse=True)
def _without_codecs(monkeypatch):
    """As Pillow alone does it."""
    monkeypatch.setattr(codecs, "available", lambda: False)


def encoded(pixels, mode, form, **metadata):
    stream = io.BytesIO()
    write_picture(stream, Picture(pixels, mode, "npy", Metadata(**metadata)), form)
    return stream.getvalue()


def saved(image, form, **options):
    stream = io.BytesIO()
    image.save(stream, form, **options)
    stream.seek(0)
    return stream


def one_line(error):
    assert "\n" not in str(error)


# What is opened


def test_pipes_sockets_devices_and_folders_do_not_hang(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "folder.png").mkdir()
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "socket.png"))
    cases = {
        "pipe.png": "a pipe",
        "folder.png": "a folder",
        "socket.png": "a socket",
        "/dev/zero": "a device",
    }
    try:
        for name, kind in cases.items():
            for read in (read_picture, read_size):
                with pytest.raises(ImageError, match=f"^is {kind}, not a picture file$"):
                    read(tmp_path / name)
    finally:
        listener.close()


def test_a_pipe_that_takes_a_files_place_does_not_hang(tmp_path, monkeypatch):
    os.mkfifo(tmp_path / "a.png")
    monkeypatch.setattr(os, "stat", lambda path: os.lstat(__file__))
    with pytest.raises(ImageError, match="is a pipe"):
        read_picture(tmp_path / "a.png")


def test_missing_looping_and_impossible_names_have_a_reason(tmp_path):
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "broken").symlink_to("nowhere")
    cases = {
        "missing": "No such file",
        "loop": "Too many levels",
        "broken": "No such file",
        "x" * 300: "too long",
    }
    for name, reason in cases.items():
        with pytest.raises(ImageError, match=f"^cannot be opened: .*{reason}"):
            read_picture(tmp_path / name)
    with pytest.raises(ImageError, match="not a file name"):
        read_picture(str(tmp_path / "a\0b"))


@pytest.mark.parametrize(
    "name", ["a b.png", "a\nb.png", "-rf.png", os.fsdecode(b"\xff.png"), "x" * 251 + ".png"]
)
def test_any_name_can_be_read(tmp_path, name):
    (tmp_path / name).write_bytes(encoded(samples("L"), "L", "png"))
    assert read_picture(tmp_path / name).warnings == []


def test_links_to_files_are_followed(tmp_path):
    (tmp_path / "a.png").write_bytes(encoded(samples("L"), "L", "png"))
    (tmp_path / "b.png").symlink_to("a.png")
    assert read_picture(tmp_path / "b.png").mode == "L"


def test_a_stream_that_cannot_be_rewound_is_read(tmp_path):
    data = encoded(samples("RGB"), "RGB", "png")
    reader, writer = os.pipe()
    with os.fdopen(writer, "wb") as stream:
        stream.write(data)
    with os.fdopen(reader, "rb") as stream:
        np.testing.assert_array_equal(read_picture(stream).pixels, samples("RGB"))


def test_a_stream_stays_open():
    stream = io.BytesIO(encoded(samples("RGB"), "RGB", "gif"))
    read_picture(stream)
    assert not stream.closed


@pytest.mark.parametrize(
    "data", [b"garbage", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", b"\0" * 4096]
)
def test_what_is_no_picture_is_told_so(tmp_path, data):
    (tmp_path / "a.png").write_bytes(data)
    with pytest.raises(ImageError, match=r"^not a picture of a known format"):
        read_picture(tmp_path / "a.png")


def test_an_empty_file_is_told_so():
    with pytest.raises(ImageError, match=r"^the file is empty$"):
        read_picture(io.BytesIO())


def test_formats_that_start_programs_or_are_not_listed_are_never_tried():
    for form in ("PCX", "ICO", "SGI", "EPS"):
        with pytest.raises(ImageError, match="not a picture of a known format"):
            read_picture(saved(Image.new("RGB", (8, 8)), form))


def test_a_wrong_extension_is_read_by_content_with_a_warning(tmp_path):
    (tmp_path / "a.png").write_bytes(encoded(samples("RGB"), "RGB", "jpeg"))
    picture = read_picture(tmp_path / "a.png")
    assert picture.format == "jpeg"
    assert picture.warnings == ["holds jpeg data in spite of its name"]


def test_a_tga_without_footer_needs_its_name(tmp_path):
    data = encoded(samples("RGB"), "RGB", "tga")[:-26]
    (tmp_path / "a.tga").write_bytes(data)
    np.testing.assert_array_equal(read_picture(tmp_path / "a.tga").pixels, samples("RGB"))
    with pytest.raises(ImageError, match="known format"):
        read_picture(io.BytesIO(data))


# Limits and damage


@pytest.mark.parametrize("form", list(FORMATS))
def test_too_many_pixels_are_refused_before_decoding(form, monkeypatch):
    data = encoded(samples("RGB"), "RGB", form)
    for name in ("load", "tobytes", "crop"):
        monkeypatch.setattr(Image.Image, name, lambda *a, **k: pytest.fail("decoded"))
    with pytest.raises(ImageError, match=r"^31 x 23 pixels are more than 712; .* --max-pixels 713$"):
        read_picture(io.BytesIO(data), max_pixels=712)


def test_a_bomb_takes_no_memory():
    rows = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", rows) + chunk(b"IDAT", b"")
    webp = b"RIFF\x40\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0" + b"\xff\x3f\0" * 2 + bytes(40)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for bomb in (data, webp):
        with pytest.raises(ImageError, match="pixels are more than"):
            read_picture(io.BytesIO(bomb), max_pixels=10**8)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000


@pytest.mark.parametrize(
    ("form", "mode", "compression"),
    [(form, kind, None) for form, row in FORMATS.items() for kind in row.kinds if kind != "*"]
    + [("npy", "RGB", None), ("npy", "F", None), ("tiff", "RGB", "raw"), ("tiff", "L", "tiff_adobe_deflate"),
       ("tga", "RGB", "tga_rle")],
)  # fmt: skip
def test_a_truncated_file_is_an_error_and_never_half_a_picture(tmp_path, form, mode, compression):
    pixels = samples(mode)
    mode = mode if mode == "I;16" else mode.partition(";")[0]
    if form == "gif" and mode == "RGBA":
        pixels[..., 3] = 255
    data = encoded(pixels, mode, form, compression=compression)
    whole = read_picture(io.BytesIO(data)).pixels
    path = tmp_path / f"a.{form}"  # so that a TGA is tried
    for length in sorted({*range(0, len(data), len(data) // 25), *range(len(data) - 9, len(data))}):
        path.write_bytes(data[:length])
        try:
            pixels = read_picture(path).pixels
        except ImageError as error:
            one_line(error)
        else:  # only what is not needed is missing, such as a footer
            np.testing.assert_array_equal(pixels, whole)
            assert length > len(data) - 30


@pytest.mark.parametrize("form", list(FORMATS))
def test_whatever_is_broken_the_error_is_ours_and_one_line(form):
    rng = np.random.default_rng(5)
    data = np.frombuffer(encoded(samples("RGB") // 64 * 64, "RGB", form), np.uint8)
    for _ in range(100):
        broken = data.copy()
        reach = min(len(data), int(rng.choice([64, 600, len(data)])))
        broken[rng.integers(0, reach, rng.choice([1, 3, 20]))] = rng.integers(0, 256)
        for read in (read_picture, read_size):
            try:
                read(io.BytesIO(broken.tobytes()))
            except ImageError as error:
                one_line(error)


@pytest.mark.parametrize(
    "error",
    [OSError("x"), SyntaxError("x"), ValueError("x"), OverflowError("x"), struct.error("x"), MemoryError(),
     zlib.error("x"), RecursionError("x"), KeyError("x"), EOFError()],
)  # fmt: skip
def test_whatever_a_decoder_raises_becomes_an_image_error(monkeypatch, error):
    def fail(self):
        raise error

    data = encoded(samples("RGB"), "RGB", "png")
    monkeypatch.setattr("PIL.PngImagePlugin.PngImageFile.load", fail)
    with pytest.raises(ImageError, match=r"^(broken png data|not enough memory)") as caught:
        read_picture(io.BytesIO(data))
    assert type(error).__name__ not in str(caught.value)


def test_an_error_of_the_disk_is_told_in_its_words(monkeypatch):
    class Dying(io.BytesIO):
        def read(self, size=-1):
            if self.tell() > 100:
                raise OSError(5, "Input/output error")
            return super().read(size)

    with pytest.raises(ImageError, match=r"^Input/output error$"):
        read_picture(Dying(encoded(samples("RGB"), "RGB", "png")))


def test_an_interrupt_is_not_swallowed(monkeypatch):
    def interrupt(self):
        raise KeyboardInterrupt

    data = encoded(samples("RGB"), "RGB", "png")
    monkeypatch.setattr("PIL.PngImagePlugin.PngImageFile.load", interrupt)
    with pytest.raises(KeyboardInterrupt):
        read_picture(io.BytesIO(data))


def test_warnings_of_the_decoder_are_collected_and_not_raised():
    data = png(8, 0, 2, 1, [b"\1\2"], before=chunk(b"acTL", struct.pack(">II", 0, 0)))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        picture = read_picture(io.BytesIO(data))
    assert picture.warnings == ["Invalid APNG, will use default PNG image if possible"]


# Modes


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
    row = struct.pack(">6H", 1000, 2000, 3000, 40000, 50000, 60000)
    data = png(16, 2, 2, 1, [row], before=chunk(b"tRNS", struct.pack(">3H", 1000, 2000, 3000)))
    picture = read_picture(io.BytesIO(data))
    assert picture.pixels[0, :, 3].tolist() == [0, 255]
    assert picture.warnings == [DEEP]


def test_a_transparent_level_of_sixteen_bits_is_told_to_be_opaque():
    data = png(16, 0, 2, 1, [struct.pack(">2H", 1, 300)], before=chunk(b"tRNS", struct.pack(">H", 300)))
    picture = read_picture(io.BytesIO(data))
    assert (picture.mode, picture.pixels.tolist()) == ("I;16", [[1, 300]])
    assert picture.warnings == [
        "the level marked as transparent is taken as opaque: install convfilter[codecs] to keep it"
    ]


@pytest.mark.parametrize(
    ("data", "mode"),
    [
        (png(16, 2, 1, 1, [bytes(6)]), "RGB"),
        (png(16, 6, 1, 1, [bytes(8)]), "RGBA"),
        (png(16, 4, 1, 1, [bytes(4)]), "RGBA"),
        (tiff({256: [1], 257: [1], 258: [16] * 3, 259: [1], 262: [2], 277: [3], 279: [6]}, bytes(6)), "RGB"),
    ],
)
def test_colours_of_sixteen_bits_come_with_a_warning(data, mode):
    picture = read_picture(io.BytesIO(data))
    assert (picture.mode, picture.pixels.dtype) == (mode, np.uint8)
    assert picture.warnings == [DEEP]


def test_the_ppm_of_colours_is_read_in_full_unless_it_is_spelt_in_digits():
    picture = read_picture(io.BytesIO(b"P6 2 1 65535\n" + struct.pack(">6H", 1, 300, 65535, 0, 7, 9)))
    assert (picture.mode, picture.pixels.dtype, picture.warnings) == ("RGB", np.uint16, [])
    assert picture.pixels.tolist() == [[[1, 300, 65535], [0, 7, 9]]]
    picture = read_picture(io.BytesIO(b"P6 1 1 1023\n" + struct.pack(">3H", 0, 512, 1023)))
    assert picture.pixels.tolist() == [[[0, 32800, 65535]]]
    picture = read_picture(io.BytesIO(b"P3 1 1 1023\n1 2 1023\n"))
    assert (picture.pixels.dtype, picture.warnings) == (np.uint8, ["16 bits a channel are read as 8"])


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


def test_separate_planes_of_sixteen_bits_are_refused_not_garbled():
    tags = {256: [2], 257: [1], 258: [16] * 3, 259: [1], 262: [2], 277: [3], 279: [4] * 3, 284: [2]}
    with pytest.raises(ImageError, match=r"deep colours of this layout .* install convfilter\[codecs\]"):
        read_picture(io.BytesIO(tiff(tags, bytes(12))))


def test_the_ppm_family_reaches_full_scale():
    assert read_picture(io.BytesIO(b"P2 3 1 1023\n0 512 1023\n")).pixels.tolist() == [[0, 32800, 65535]]
    picture = read_picture(io.BytesIO(b"P5 2 1 65535\n\0\1\xff\xfe"))
    assert (picture.mode, picture.pixels.dtype, picture.pixels.tolist()) == ("I;16", np.uint16, [[1, 65534]])
    assert read_picture(io.BytesIO(b"P2 2 1 15\n0 15\n")).pixels.tolist() == [[0, 255]]
    assert read_picture(io.BytesIO(b"P1 2 1\n0 1\n")).pixels.tolist() == [[255, 0]]


def test_premultiplied_and_padded_tiffs_become_plain_ones():
    image = Image.new("LA", (2, 2), (100, 128))
    assert read_picture(saved(image, "TIFF")).mode == "LA"
    assert read_picture(saved(Image.new("RGBX", (2, 2)), "TIFF")).mode == "RGB"


# Orientation


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


# Metadata


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
def test_malformed_exif_is_dropped_with_a_warning(form):
    stream = saved(Image.new("RGB", (4, 4), "red"), form, exif=b"Exif\0\0II*\0\xff\xff\xff\x7fxx")
    picture = read_picture(stream)
    assert picture.metadata.exif is None
    assert "malformed EXIF dropped" in picture.warnings
    assert picture.pixels.shape == (4, 4, 3)


@pytest.mark.parametrize("profile", [b"nonsense", b"nonsense" * 50])
def test_a_malformed_profile_is_dropped_with_a_warning(profile):
    picture = read_picture(saved(Image.new("RGB", (4, 4)), "PNG", icc_profile=profile))
    assert picture.metadata.icc is None
    assert picture.warnings == ["malformed ICC profile dropped"]


def test_what_is_between_camera_and_maker_is_kept_to_the_byte_and_the_thumbnail_goes():
    entries = struct.pack(">HHII", 271, 2, 4, 0x41424300) + struct.pack(">HHIHH", 274, 3, 1, 6, 0)
    block = (
        b"MM\0*"
        + struct.pack(">IH", 8, 2)
        + entries
        + struct.pack(">I", 38)
        + struct.pack(">H", 0)
        + bytes(4)
    )
    picture = read_picture(saved(Image.new("RGB", (4, 2)), "PNG", exif=b"Exif\0\0" + block))
    kept = picture.metadata.exif[6:]
    assert kept[:30] == block[:30]
    assert kept[30:32] == b"\0\1"  # upright
    assert kept[34:38] == bytes(4)  # no second directory
    assert len(kept) == len(block)


def test_lossless_files_are_known(tmp_path):
    pixels = samples("RGB")
    for form in ("png", "tiff", "bmp", "gif", "ppm", "tga", "npy"):
        assert read_picture(io.BytesIO(encoded(pixels, "RGB", form))).metadata.lossless
    assert not read_picture(io.BytesIO(encoded(pixels, "RGB", "jpeg"))).metadata.lossless
    image = Image.fromarray(pixels)
    assert not read_picture(saved(image, "TIFF", compression="jpeg")).metadata.lossless
    exif = Image.Exif()
    exif[271] = "x"
    for options in ({}, {"exif": exif}):  # with metadata the picture is not the first chunk
        assert read_picture(saved(image, "WEBP", lossless=True, **options)).metadata.lossless
        assert not read_picture(saved(image, "WEBP", **options)).metadata.lossless


def test_avif_of_more_than_eight_bits_is_told_by_its_configuration():
    data = bytearray(encoded(samples("RGB"), "RGB", "avif"))
    assert not avif_is_deep(io.BytesIO(data))
    data[data.find(b"av1C") + 6] |= 0x40
    assert avif_is_deep(io.BytesIO(data))


# Frames


@pytest.mark.parametrize("form", ["GIF", "PNG", "TIFF", "WEBP"])
def test_frames_are_counted_and_can_be_chosen(form):
    frames = [Image.new("RGB", (8, 8), (value, 0, 0)) for value in (0, 128, 255)]
    options = {"WEBP": {"lossless": True}}.get(form, {})
    stream = saved(frames[0], form, save_all=True, append_images=frames[1:], **options)
    assert read_size(stream).frames == 3
    for number, value in enumerate((0, 128, 255)):
        picture = read_picture(stream, frame=number)
        assert picture.frames == 3
        assert picture.pixels[0, 0, 0] == value
    with pytest.raises(ImageError, match="there is no frame 3: it holds 3, counted from 0"):
        read_picture(stream, frame=3)


def test_of_a_phones_several_pictures_the_first_is_read_with_a_warning():
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("black", "white")]
    stream = saved(frames[0], "MPO", save_all=True, append_images=frames[1:])
    picture = read_picture(stream)
    assert (picture.format, picture.frames, picture.pixels.max()) == ("jpeg", 1, 0)
    assert picture.warnings == ["holds 2 pictures: only the first is read"]


# Arrays


def npy(array, **options):
    stream = io.BytesIO()
    np.save(stream, array, **options)
    return stream


@pytest.mark.parametrize(
    "dtype", ["uint8", "uint16", "int32", "float32", "float64", ">u2", ">f4", ">i4", ">f8"]
)
@pytest.mark.parametrize("shape", [(5, 7), (5, 7, 1), (5, 7, 2), (5, 7, 3), (5, 7, 4), (5, 7, 6)])
@pytest.mark.parametrize("order", ["C", "F"])
def test_arrays_are_pictures(dtype, shape, order):
    array = np.asarray(np.random.default_rng(0).integers(0, 200, shape), dtype=dtype, order=order)
    picture = read_picture(npy(array))
    expected = array[..., 0] if shape[2:] == (1,) else array
    np.testing.assert_array_equal(picture.pixels, expected)
    assert picture.pixels.dtype == np.dtype(dtype).newbyteorder("=")
    assert picture.pixels.flags.c_contiguous
    assert picture.pixels.dtype.isnative
    grey = {"u1": "L", "u2": "I;16", "i4": "I"}.get(np.dtype(dtype).str[1:], "F")
    modes = {(): grey, (1,): grey, (2,): "LA", (3,): "RGB", (4,): "RGBA", (6,): "C6"}
    assert picture.mode == modes[shape[2:]]
    size = read_size(npy(array))
    assert size == (7, 5, *(shape[2:] or (1,)), picture.mode, picture.pixels.dtype.name, "npy", 1)


def test_truth_and_half_floats_are_widened():
    assert read_picture(npy(np.array([[True, False]]))).pixels.tolist() == [[255, 0]]
    assert read_picture(npy(np.array([[0.5]], np.float16))).pixels.dtype == np.float32


@pytest.mark.parametrize(
    "array",
    [np.zeros(3, np.uint8), np.zeros((2,) * 5, np.uint8), np.zeros((0, 3), np.uint8), np.zeros((3, 0, 3)),
     np.zeros((2, 2), np.int64), np.zeros((2, 2), np.complex64), np.zeros((2, 2), "U3"),
     np.zeros((2, 2), "M8[s]"), np.zeros((2, 2), [("a", "u1")]), np.array(7)],
)  # fmt: skip
def test_other_arrays_are_refused(array):
    with pytest.raises(ImageError, match="is no picture"):
        read_picture(npy(array))


def test_objects_are_never_unpickled():
    with pytest.raises(ImageError):
        read_picture(npy(np.array([[print]], dtype=object), allow_pickle=True))


def test_an_array_that_promises_more_than_it_holds_takes_no_memory():
    shape = b"(4000000000, 4000000000)"
    header = b"{'descr': '|u1', 'fortran_order': False, 'shape': %s, }\n" % shape
    data = b"\x93NUMPY\1\0" + struct.pack("<H", len(header)) + header + b"xx"
    with pytest.raises(ImageError, match="truncated npy data"):
        read_picture(io.BytesIO(data), max_pixels=10**20)
    with pytest.raises(ImageError, match="pixels are more than"):
        read_picture(io.BytesIO(data))


# Cost


@pytest.mark.skipif(not os.access("/proc/self/clear_refs", os.W_OK), reason="needs Linux's peak memory")
@pytest.mark.parametrize("turn", [1, 6])
def test_reading_peaks_below_seven_and_a_half_bytes_a_pixel(tmp_path, turn):
    block = np.random.default_rng(0).integers(0, 256, (3000, 50, 3), dtype=np.uint8)
    exif = Image.Exif()
    exif[274] = turn
    Image.fromarray(np.tile(block, (1, 80, 1))).save(tmp_path / "a.png", exif=exif, compress_type=3)
    script = """
        import io, sys
        from pathlib import Path
        from PIL import Image
        from convfilter.images.reading import read_picture
        def peak():
            status = Path("/proc/self/status").read_text()
            return 1024 * int(status.partition("VmHWM:")[2].split()[0])
        tiny = io.BytesIO()
        Image.new("RGB", (9, 9)).save(tiny, "PNG", exif=Image.open(sys.argv[1]).info["exif"])
        read_picture(tiny)
        Path("/proc/self/clear_refs").write_text("5")
        before = peak()
        picture = read_picture(sys.argv[1])
        print((peak() - before) / picture.pixels[..., 0].size)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), str(tmp_path / "a.png")],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert 3 < float(done.stdout) < 7.5


def test_reading_a_png_imports_only_common_plugins():
    script = """
        import io, sys
        from PIL import Image
        from convfilter.images.reading import read_picture
        read_picture(io.BytesIO(sys.stdin.buffer.read()))
        print(sorted(name for name in sys.modules if name in ("PIL.TiffImagePlugin", "PIL.EpsImagePlugin")))
    """
    data = encoded(samples("RGB"), "RGB", "png")
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        input=data, capture_output=True, check=True,
    )  # fmt: skip
    assert done.stdout.strip() == b"[]"


def test_an_exif_block_that_imagemagick_put_into_text_is_kept(tmp_path):
    exif = Image.Exif()
    exif[315] = "Ann"
    block = exif.tobytes()
    text = PngImagePlugin.PngInfo()
    text.add_text("Raw profile type exif", f"\nexif\n{len(block):8}\n{block.hex()}\n")
    path = save(tmp_path / "a.png", grey(), pnginfo=text)
    found = read_picture(path)
    assert found.metadata.text == {}
    parsed = Image.Exif()
    parsed.load(found.metadata.exif)
    assert parsed[315] == "Ann"
    assert found.warnings == []
