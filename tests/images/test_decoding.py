"""From a file to pixels: modes, depths and orientation."""

import io
import os
import struct
import subprocess
import sys
import textwrap

import numpy as np
import pytest
from encoded import apng, chunk, encoded, png, png_of, saved
from PIL import Image
from samples import noise as samples

from convfilter.errors import ImageError
from convfilter.images import reading
from convfilter.images.reading import opened_frames, read_picture, read_size
from convfilter.images.writing import write_picture

pytestmark = pytest.mark.usefixtures("without_codecs")  # as Pillow alone does it

ORIENTED = b"II*\0\x08\0\0\0\1\0\x12\1\3\0\1\0\0\0\6\0\0\0\0\0\0\0"


@pytest.mark.parametrize("form", ["jpeg", "png"])
def test_colours_are_decoded_into_the_array_itself(form, monkeypatch):
    """Pillow's attribute is not documented: if this fails, colours are copied, and correct."""
    stream = io.BytesIO(encoded(samples("RGB"), "RGB", form))
    ours = read_picture(stream).pixels
    assert ours.strides == (4 * ours.shape[1], 4, 1)
    monkeypatch.setattr(reading, "_SHARED", ())
    copied = read_picture(stream).pixels
    assert copied.flags.c_contiguous
    np.testing.assert_array_equal(ours, copied)
    for other in ("jpeg", "png", "ppm", "webp"):  # however the pixels lie, files are the same
        assert encoded(ours, "RGB", other) == encoded(copied, "RGB", other)


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


def transparent(*levels):
    return chunk(b"tRNS", struct.pack(f">{len(levels)}H", *levels))


@pytest.mark.parametrize("depth", [1, 2, 4, 8])
def test_a_transparent_grey_becomes_alpha_at_every_depth(depth):
    levels = 2**depth
    bits = "".join(f"{level:0{depth}b}" for level in range(levels)).ljust(8, "0")
    row = int(bits, 2).to_bytes(len(bits) // 8, "big")
    picture = read_picture(io.BytesIO(png(depth, 0, levels, 1, [row], before=transparent(1))))
    assert picture.mode == "LA"
    assert picture.pixels[0, :, 0].tolist() == [level * 255 // (levels - 1) for level in range(levels)]
    assert picture.pixels[0, :, 1].tolist() == [0 if level == 1 else 255 for level in range(levels)]


def test_a_transparent_colour_becomes_alpha_of_as_many_bits():
    pixels = np.array([[[1, 2, 3], [4, 5, 6]]], np.uint8)
    found = read_picture(io.BytesIO(png_of(pixels, before=transparent(4, 5, 6)))).pixels
    assert found.tolist() == [[[1, 2, 3, 255], [4, 5, 6, 0]]]
    deep = pixels.astype(np.uint16) * 10_000
    found = read_picture(io.BytesIO(png_of(deep, before=transparent(10_000, 20_000, 30_000)))).pixels
    assert found.tolist() == [[[10_000, 20_000, 30_000, 0], [40_000, 50_000, 60_000, 65_535]]]
    grey = io.BytesIO(png_of(np.array([[1, 300]], np.uint16), before=transparent(300)))
    picture = read_picture(grey)
    assert (picture.mode, picture.warnings) == ("LA", [])
    assert picture.pixels.tolist() == [[[1, 65535], [300, 0]]]
    assert read_size(grey).channels == 2


@pytest.mark.parametrize("kind", ["LA", "RGB", "RGBA"])
def test_colours_of_sixteen_bits_in_a_png_are_read_in_full(kind):
    pixels = samples(f"{kind};uint16", 13, 17)
    for interlaced in (False, True):
        data = io.BytesIO(png_of(pixels, interlaced))
        picture = read_picture(data)
        assert (picture.mode, picture.warnings) == (kind, [])
        np.testing.assert_array_equal(picture.pixels, pixels, strict=True)
        size = read_size(data)
        assert (size.mode, size.dtype, size.channels) == (kind, "uint16", len(kind))


@pytest.mark.parametrize("kind", ["RGB", "RGB;uint16"])
def test_a_png_with_tags_behind_its_pixels_keeps_them_and_its_depth(kind):
    pixels, text = samples(kind, 4, 6), b"Title\0late"
    data = png_of(pixels, after=chunk(b"eXIf", ORIENTED) + chunk(b"tEXt", text))
    with opened_frames(io.BytesIO(data), max_pixels=None) as frames:
        assert frames.size()[:2] == (4, 6)
        assert frames.size().dtype == pixels.dtype.name
        picture = frames.read(0)
    assert picture.metadata.chunks == ((b"tEXt", text),)
    np.testing.assert_array_equal(picture.pixels, np.rot90(pixels, -1))


def test_frames_of_deep_colours_are_refused_not_narrowed():
    data = apng(16, 2, 6, 4, [[bytes(36)] * 4] * 2)
    for read in (read_picture, read_size):
        with pytest.raises(ImageError, match="not supported: frames of 16 bits per colour; convert"):
            read(io.BytesIO(data))


def upright(pixels, orientation):
    """What EXIF's eight orientations mean, written with quarter turns and mirrors."""
    turns = {3: 2, 4: 2, 5: 1, 6: 3, 7: 3, 8: 1}
    mirrored = {2: np.fliplr, 4: np.fliplr, 5: np.flipud, 7: np.flipud}
    return mirrored.get(orientation, np.asarray)(np.rot90(pixels, turns.get(orientation, 0)))


@pytest.mark.parametrize("form", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("turn", range(1, 9))
def test_the_orientation_is_applied_once_and_its_tag_reset(form, turn):
    exif = Image.Exif()
    exif[274], exif[271] = turn, "Maker"
    pixels = np.kron(samples("RGB", 2, 3), np.ones((8, 8, 1), np.uint8))  # blocks, for JPEG
    options = {"WEBP": {"lossless": True}, "JPEG": {"quality": 100, "subsampling": 0}}.get(form, {})
    stream = saved(Image.fromarray(pixels), form, exif=exif, **options)
    for orient, expected, tag in ((True, upright(pixels, turn), 1), (False, pixels, turn)):
        picture, size = read_picture(stream, orient=orient), read_size(stream, orient=orient)
        np.testing.assert_allclose(picture.pixels, expected, rtol=0, atol=3 if form == "JPEG" else 0)
        assert (size.height, size.width) == expected.shape[:2]
        again = io.BytesIO()
        assert write_picture(again, picture) == []
        for found in (picture.metadata.exif, read_picture(again, orient=False).metadata.exif):
            parsed = Image.Exif()
            parsed.load(found)
            assert (parsed.get(274, 1), parsed[271].rstrip("\0")) == (tag, "Maker")


def test_an_orientation_in_xmp_counts_and_is_reset():
    packet = b'<x:xmpmeta><rdf tiff:Orientation="6" dc:title="t"/></x:xmpmeta>'
    picture = read_picture(saved(Image.new("RGB", (4, 2)), "JPEG", xmp=packet))
    assert picture.pixels.shape == (4, 2, 3)
    assert b"Orientation" not in picture.metadata.xmp
    assert b"dc:title" in picture.metadata.xmp


@pytest.mark.skipif(not os.access("/proc/self/clear_refs", os.W_OK), reason="needs Linux's peak memory")
def test_reading_peaks_below_eight_bytes_a_pixel(tmp_path):
    exif = Image.Exif()
    exif[274] = 6
    rows = np.random.default_rng(0).integers(0, 256, (2400, 50, 3), dtype=np.uint8)
    Image.fromarray(np.tile(rows, (1, 50, 1))).save(tmp_path / "a.png", exif=exif, compress_type=3)
    Image.new("RGB", (9, 9)).save(tmp_path / "tiny.png", exif=exif)
    script = """
        import sys
        from pathlib import Path
        from convfilter.images.reading import read_picture
        def peak():
            status = Path("/proc/self/status").read_text()
            return 1024 * int(status.partition("VmHWM:")[2].split()[0])
        read_picture("tiny.png")
        Path("/proc/self/clear_refs").write_text("5")
        before = peak()
        picture = read_picture("a.png")
        print((peak() - before) / picture.pixels[..., 0].size)
    """
    command = [sys.executable, "-c", textwrap.dedent(script)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert 3 < float(done.stdout) < 8
