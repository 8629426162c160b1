"""The frames of a file, read one after another."""

import io
import struct
import zlib

import numpy as np
import pytest
from encoded import chunk, read_frames
from PIL import GifImagePlugin, Image
from samples import animate, moving

from convfilter.errors import ImageError
from convfilter.images.reading import opened_frames, read_picture, read_size


@pytest.mark.parametrize("name", ["a.gif", "a.png", "a.webp", "a.tif"])
def test_frames_are_counted_and_can_be_read_in_any_order(tmp_path, name):
    frames = [np.full((8, 8, 3), level, np.uint8) for level in (10, 90, 200)]
    path = animate(tmp_path / name, frames, **({"lossless": True} if name == "a.webp" else {}))
    assert read_size(path).frames == 3
    with opened_frames(path, max_pixels=None) as opened:
        assert [opened.read(n).pixels[0, 0, 0] for n in (2, 0, 1, 1, 2)] == [200, 10, 90, 90, 200]
    assert read_picture(path, frame=1).frames == 3
    with pytest.raises(ImageError, match="there is no frame 3: it holds 3, counted from 0"):
        read_picture(path, frame=3)


def test_the_still_image_of_an_animated_png_is_not_a_frame():
    frames = [np.full((8, 8, 3), level, np.uint8) for level in (10, 90, 200)]
    stream = io.BytesIO()
    still, *animated = map(Image.fromarray, frames)
    still.save(stream, "PNG", save_all=True, append_images=animated, default_image=True, duration=[30, 40])
    pictures = read_frames(stream)
    assert [picture.pixels[0, 0, 0] for picture in pictures] == [90, 200]
    assert [picture.metadata.duration for picture in pictures] == [30, 40]
    assert pictures[0].warnings == ["the still image for programs without animation is left out"]
    assert read_picture(stream).pixels[0, 0, 0] == 90


def test_a_level_marked_as_transparent_is_the_same_in_every_frame():
    # Two bits of grey, of which level 1 is transparent; the frames are all 1, all 2 and all 1 again.
    parts = [b"\x89PNG\r\n\x1a\n", chunk(b"IHDR", struct.pack(">2I5B", 4, 2, 2, 0, 0, 0, 0))]
    parts += [chunk(b"acTL", struct.pack(">2I", 3, 0)), chunk(b"tRNS", struct.pack(">H", 1))]
    number = 0
    for level in (1, 2, 1):
        parts.append(chunk(b"fcTL", struct.pack(">5I2H2B", number, 4, 2, 0, 0, 1, 10, 0, 0)))
        data = zlib.compress(bytes([0, level * 0b01010101] * 2))
        numbered = struct.pack(">I", number + 1) + data
        parts.append(chunk(b"fdAT", numbered) if number else chunk(b"IDAT", data))
        number += 2 if number else 1
    data = io.BytesIO(b"".join([*parts, chunk(b"IEND", b"")]))
    with opened_frames(data, max_pixels=None) as frames:
        found = [frames.read(number).pixels[0, 0].tolist() for number in (0, 1, 2, 0)]
    assert found == [[85, 0], [170, 255], [85, 0], [85, 0]]


@pytest.mark.parametrize("name", ["a.gif", "a.png", "a.tif"])
def test_a_broken_later_frame_is_named(tmp_path, name):
    rng = np.random.default_rng(0)
    frames = [rng.integers(0, 256, (40, 40), np.uint8) for _ in range(3)]
    path = animate(tmp_path / name, frames, durations=50)
    data = bytearray(path.read_bytes())
    if name == "a.tif":  # where the pixels lie in the middle, uncompressed, the file says they lie outside
        with Image.open(path) as image:
            image.seek(1)
            at = data.find(struct.pack("<I", image.tag_v2[273][0]), 1700)
        data[at : at + 4] = struct.pack("<I", 1 << 30)
    else:
        del data[len(data) * 5 // 9 :]
    whole = {"a.gif": 2, "a.png": 3, "a.tif": 3}[name]
    with opened_frames(io.BytesIO(data), max_pixels=None) as opened:
        assert opened.count == whole
        assert np.array_equal(opened.read(0).pixels, frames[0])
        with pytest.raises(ImageError, match=f"^frame 2 of {whole}: broken "):
            opened.read(1)


def test_a_gif_without_times_has_frames_of_none_at_all(tmp_path):
    path = animate(tmp_path / "a.gif", moving(2))
    assert [picture.metadata.duration for picture in read_frames(path)] == [0, 0]


@pytest.mark.parametrize("own_palette", [False, True])
def test_a_gif_that_turns_coloured_keeps_its_greys_and_its_colours(own_palette):
    levels = np.arange(24, dtype=np.uint8).reshape(4, 6)
    grey = Image.fromarray(levels)
    if own_palette:
        grey = Image.frombytes("P", (6, 4), levels.tobytes())
        grey.putpalette(bytes(level for each in range(256) for level in [each] * 3))
    red = Image.new("P", (3, 2), 1)
    red.putpalette(bytes([0, 0, 0, 200, 10, 10]))
    parts = [b"GIF89a", struct.pack("<HHBBB", 6, 4, 0, 0, 0)]
    parts += GifImagePlugin.getdata(grey, include_color_table=own_palette, duration=50)
    alike = [*parts, *GifImagePlugin.getdata(grey, include_color_table=own_palette, duration=50), b";"]
    assert [picture.mode for picture in read_frames(io.BytesIO(b"".join(alike)))] == ["L", "L"]
    parts += [*GifImagePlugin.getdata(red, (2, 1), include_color_table=True, duration=50), b";"]
    first, second = read_frames(io.BytesIO(b"".join(parts)))
    assert first.mode == second.mode == "RGB"
    np.testing.assert_array_equal(first.pixels, np.repeat(levels[..., np.newaxis], 3, axis=2))
    expected = first.pixels.copy()
    expected[1:3, 2:5] = 200, 10, 10
    np.testing.assert_array_equal(second.pixels, expected)


def test_sizes_come_from_the_headers_and_once_if_they_are_alike(tmp_path):
    alike = animate(tmp_path / "a.tif", moving(3))
    with opened_frames(alike, max_pixels=None) as frames:
        assert [size[:2] for size in frames.sizes()] == [(16, 12)]
        assert frames.read(0).pixels.shape == (12, 16, 3)
    uneven = animate(tmp_path / "b.tif", [np.zeros((4, 5), np.uint8), np.zeros((4, 5, 3), np.uint8)])
    with opened_frames(uneven, max_pixels=None) as frames:
        assert [size.mode for size in frames.sizes()] == ["L", "RGB"]


def test_pages_are_turned_each_by_its_own_orientation(tmp_path):
    images = [Image.fromarray(np.arange(12, dtype=np.uint8).reshape(3, 4)) for _ in range(2)]
    exif = Image.Exif()
    exif[274] = 6
    images[1].encoderinfo = {"exif": exif}
    stream = io.BytesIO()
    images[0].save(stream, "TIFF", save_all=True, append_images=images[1:])
    upright, turned = read_frames(stream)
    assert upright.pixels.shape == (3, 4)
    assert np.array_equal(turned.pixels, np.rot90(upright.pixels, -1))
    with opened_frames(stream, max_pixels=None) as frames:
        assert [size[:2] for size in frames.sizes()] == [(4, 3), (3, 4)]


def test_a_malformed_tag_of_a_later_page_is_a_warning_of_that_page(tmp_path):
    pages = [Image.new("L", (8, 8), level) for level in (1, 2)]
    stream = io.BytesIO()
    pages[0].save(stream, "TIFF", save_all=True, append_images=pages[1:])
    data = bytearray(stream.getvalue())
    (first,) = struct.unpack_from("<I", data, 4)
    (count,) = struct.unpack_from("<H", data, first)
    (second,) = struct.unpack_from("<I", data, first + 2 + 12 * count)
    (count,) = struct.unpack_from("<H", data, second)
    for entry in range(second + 2, second + 2 + 12 * count, 12):
        if struct.unpack_from("<H", data, entry) == (278,):
            struct.pack_into("<II", data, entry + 4, 1000, 10**6)
    with opened_frames(io.BytesIO(bytes(data)), max_pixels=None) as frames:
        frames.sizes()
        found = [frames.read(number) for number in range(2)]
    assert any("Tag data larger than file" in line for line in found[1].warnings)
