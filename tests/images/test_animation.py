"""Several images into one file, and back; the frames of files that others wrote."""

import io
import struct

import numpy as np
import pytest
from encoded import FullDisk, apng, chunk, read_frames
from PIL import GifImagePlugin, Image
from samples import animate, frames_of, moving, noise

from convfilter.errors import ImageError, OptionError
from convfilter.images.formats import FORMATS
from convfilter.images.picture import Metadata, Picture
from convfilter.images.reading import opened_frames, read_picture, read_size
from convfilter.images.writing import check_writable, write_frames
from convfilter.options import EncodeOptions

SEVERAL = [form for form, row in FORMATS.items() if row.several]
TIMED = ("gif", "png", "webp")
MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}
TIMES = (200, 80, 0, 50, 120)
ALPHA = np.array([0, 0, 0, 255], np.uint8)
REDUCED = "gif holds at most 256 colours: their number was reduced"


def pictures(frames, times=TIMES, **metadata):
    times = (*times, *[None if None in times else 50] * len(frames))
    for frame, time in zip(frames, times, strict=False):
        mode = MODES[1 if frame.ndim == 2 else frame.shape[2]] if frame.dtype == np.uint8 else "I;16"
        yield Picture(frame.copy(), mode, "npy", Metadata(duration=time, **metadata))


def write(frames, form, encoding=None, **metadata):
    """Write frames with a time each if the format holds it."""
    stream = io.BytesIO()
    times = TIMES if "duration" in FORMATS[form].blocks else [None] * 5
    made = pictures(frames, times, **metadata)
    return stream, write_frames(stream, made, len(frames), form, encoding)


def as_rgba(pixels):
    return np.asarray(Image.fromarray(pixels).convert("RGBA"))


def assert_same(stream, frames):
    back = read_frames(stream)
    assert len(back) == len(frames)
    for picture, frame in zip(back, frames, strict=True):
        same = frame.dtype == picture.pixels.dtype == np.uint16
        one, other = (picture.pixels, frame) if same else map(as_rgba, (picture.pixels, frame))
        assert np.array_equal(one, other)


def clearing(count=5):
    """Frames with a hole that wanders, so that pixels come and go."""
    frames = moving(count, channels=4)
    for number, frame in enumerate(frames):
        frame[..., 3] = 255
        frame[number : number + 3, 5:8] = 0
    return frames


RNG = np.random.default_rng(0)
DEEP = [RNG.integers(0, 65536, (9, 7), np.uint16) for _ in range(3)]
FLICKER = RNG.integers(0, 2, (6, 6, 7, 4), np.uint8) * np.array([50, 100, 200, 255], np.uint8)
OPAQUE = RNG.integers(0, 5, (3, 20, 4), np.uint8) * 60 | ALPHA
HOLED = OPAQUE.copy()
HOLED[1, 4:9] = 0
KINDS = {
    "L": [frame[..., 0] for frame in moving()],
    "RGB": moving(),
    "RGBA": clearing(),
    "pixels that come and go": [np.where(FLICKER[n][..., 3:], FLICKER[n], 0) for n in (0, 1, 2, 3, 3, 4, 5)],
    "a hole": [OPAQUE, OPAQUE, HOLED, HOLED, ~OPAQUE | ALPHA, HOLED, OPAQUE, 0 * OPAQUE, OPAQUE],
    "few colours each": [RNG.integers(0, 256, (4, 3), np.uint8)[RNG.integers(0, 4, (64, 64))] for _ in "abc"],
    "I;16": [*DEEP, DEEP[-1] ^ 1],  # in the lowest bit only
}


EXACT = [(form, kind) for form in SEVERAL for kind in KINDS if form != "avif"]
EXACT = [(form, kind) for form, kind in EXACT if kind != "I;16" or form not in ("gif", "webp")]


@pytest.mark.parametrize(("form", "kind"), EXACT)
def test_frames_come_back_exactly(form, kind):
    for compress in ("fast", "small"):
        stream, warnings = write(KINDS[kind], form, EncodeOptions(compress=compress))
        if form == "ppm" and KINDS[kind][0].shape[2:] == (4,):
            assert warnings == ["ppm cannot hold alpha: blended onto white"]
        else:
            assert warnings == []
            assert_same(stream, KINDS[kind])


def test_frames_of_an_avif_come_back_nearly():
    frames = [np.full((16, 16, 3), level, np.uint8) for level in (0, 90, 90, 200)]
    back = read_frames(write(frames, "avif")[0])
    assert [round(picture.pixels.mean() / 10) for picture in back] == [0, 9, 9, 20]
    assert [picture.metadata.duration for picture in back] == [200, 80, 1, 50]  # at least a tick


@pytest.mark.parametrize("form", TIMED)
def test_frames_that_never_change_keep_their_times_and_take_hardly_any_bytes(form):
    still = np.random.default_rng(0).integers(0, 4, (64, 64, 3), np.uint8) * 80
    alone = write([still], form)[0].getbuffer().nbytes
    stream, _ = write([still] * 5, form)
    assert stream.getbuffer().nbytes < alone + 4 * 150
    assert_same(stream, [still] * 5)
    assert [picture.metadata.duration for picture in read_frames(stream)] == list(TIMES)


def test_durations_are_rounded_so_that_errors_do_not_add_up():
    stream = io.BytesIO()
    frames = [np.full((4, 4, 3), number, np.uint8) for number in range(32)]
    times = [*[100 / 3] * 30, 1e9, 20]
    warnings = write_frames(stream, pictures(frames, times), 32, "gif")
    *thirds, longest, last = [picture.metadata.duration for picture in read_frames(stream)]
    assert (sum(thirds), set(thirds)) == (1000, {30, 40})
    assert (longest, last) == (655_350, 20)
    assert warnings == ["frames are shown for 655.35 seconds at most"]


# GIF


def colours(count, start=0):
    """An image of a number of colours."""
    numbers = np.arange(start, start + count)
    return np.stack([numbers % 256, numbers // 256 * 40, numbers * 7 % 256], axis=-1).astype(np.uint8)[None]


def through_gif(*frames):
    stream, warnings = write(frames, "gif")
    return [picture.pixels for picture in read_frames(stream)], warnings


def test_frames_of_a_gif_are_exact_while_the_colours_that_change_are_few():
    each_its_own = [colours(256, start).repeat(3, axis=0) for start in (0, 100, 500, 900)]
    first = np.concatenate([colours(200), colours(200, 300)])
    first[1] = first[0]
    second = first.copy()
    second[1] = colours(200, 300)[0]
    third = second.copy()
    third[0, :50] = colours(50, 700)[0]
    assert len(np.unique(third.reshape(-1, 3), axis=0)) > 256
    every = colours(256)[0]
    still = np.stack([np.broadcast_to(every[:1], every.shape), every])
    rolled = np.stack([every, np.roll(every, 1, axis=0)])  # all 256 colours, and a pixel that stands still
    ramp = np.arange(256, dtype=np.uint8).repeat(3).reshape(1, 256, 3)
    later = ramp.copy()
    later[0, :5] = (200, 0, 0)
    for frames in (
        each_its_own,
        [colours(1)] * 2,
        [first, second, third],
        [still, rolled],
        [ramp, later, ramp],
    ):
        back, warnings = through_gif(*frames)
        assert warnings == []
        assert np.array_equal(back, frames)
    # No program takes greys in order for a grey image, from which the colours of later frames are lost.
    assert np.array_equal(frames_of(write([ramp, later], "gif")[0])[1][..., :3], later)


def test_one_colour_too_many_is_reduced_if_one_is_needed_for_what_stands_still():
    first = np.concatenate([colours(2, 900).repeat(128, axis=1), colours(256)])
    second = np.concatenate([first[:1], colours(256, 256)])
    back, warnings = through_gif(first, second)
    assert warnings == [REDUCED]
    assert np.array_equal(back[1][0], back[0][0])
    assert np.abs(back[1].astype(int) - second).mean() < 2


def test_more_colours_are_reduced_with_a_warning_and_what_stands_still_does_not_flicker():
    rng = np.random.default_rng(0)
    first = rng.integers(0, 256, (40, 40, 3), np.uint8)
    second = first.copy()
    second[:10] = rng.integers(0, 256, (10, 40, 3), np.uint8)
    few = np.zeros_like(first)
    few[0] = first[0]
    back, warnings = through_gif(first, second, second, few)
    assert warnings == [REDUCED]
    assert np.abs(back[0].astype(int) - first).mean() < 25
    assert np.array_equal(back[0][10:], back[1][10:])
    assert np.array_equal(back[1], back[2])
    assert not np.array_equal(back[0][0], first[0])
    assert np.array_equal(back[3], few)


def test_what_was_cleared_is_drawn_again_though_it_stands_still():
    first = np.random.default_rng(0).integers(0, 256, (40, 40, 4), np.uint8)
    first[..., 3] = 255
    second = first.copy()
    second[:10] = 0
    back, _ = through_gif(first, second)
    assert np.array_equal(back[1][..., 3], second[..., 3])
    assert np.abs(back[1][10:].astype(int) - second[10:]).mean() < 25


def test_a_gif_keeps_what_is_clear_and_lays_the_half_transparent_on_the_background():
    frame = np.array([[[0, 0, 0, 0], [0, 0, 0, 51], [9, 9, 9, 255]]], np.uint8)
    stream, warnings = write([frame, frame], "gif", EncodeOptions(background="red"))
    assert warnings == ["gif cannot hold partial transparency: blended onto red"]
    assert read_frames(stream)[1].pixels.tolist() == [[[0, 0, 0, 0], [204, 0, 0, 255], [9, 9, 9, 255]]]
    with pytest.raises(OptionError, match="unknown colour 'rad'"):
        write([frame, frame], "gif", EncodeOptions(background="rad"))


# Pages


@pytest.mark.parametrize("compression", ["raw", "tiff_lzw", "tiff_adobe_deflate"])
def test_pages_keep_their_size_mode_and_metadata(compression):
    sizes = {"L": (5, 9), "RGB": (7, 4), "CMYK": (3, 3), "I;16": (6, 6), "F": (2, 8)}
    made = []
    for mode, size in sizes.items():
        exif = Image.Exif()
        exif[271], exif[34665], exif[34853] = f"Maker {mode}", {33434: 0.5}, {1: "N"}
        beside = {"exif": exif.tobytes(), "dpi": (72.0, 72.0), "xmp": b"<x/>" * 9}
        made.append(Picture(noise(mode, *size), mode, "tiff", Metadata(compression=compression, **beside)))
    stream = io.BytesIO()
    assert write_frames(stream, iter(made), len(made), "tiff") == []
    for mode, back in zip(sizes, read_frames(stream), strict=True):
        assert np.array_equal(back.pixels, noise(mode, *sizes[mode]))
        assert (back.mode, back.metadata.dpi, back.metadata.xmp) == (mode, (72, 72), b"<x/>" * 9)
        exif = Image.Exif()
        exif.load(back.metadata.exif)
        assert exif[271].rstrip("\0") == f"Maker {mode}"
        assert (exif.get_ifd(34665)[33434], exif.get_ifd(34853)[1].rstrip("\0")) == (0.5, "N")


def test_frames_of_other_sizes_or_modes_are_refused_where_all_must_be_alike():
    small, large = np.zeros((4, 5, 3), np.uint8), np.zeros((4, 6, 3), np.uint8)
    for form in set(SEVERAL) - {"tiff", "ppm"}:
        with pytest.raises(ImageError, match=f"^frame 2 of 2: 6 x 4 pixels, and {form} holds .*try tiff"):
            write([small, large], form)
    for form in ("png", "npy"):
        with pytest.raises(ImageError, match=r"^frame 2 of 2: .*try tiff"):
            write([small[..., 0], small], form)
    assert_same(write([small[..., 0], small], "gif")[0], [small[..., 0], small])


def test_deep_frames_are_refused_by_a_png_before_any_work():
    with pytest.raises(ImageError, match="png cannot hold 2 frames of 16 bits per colour; try tiff"):
        check_writable("RGB", "uint16", (4, 4), 2, "png")


@pytest.mark.parametrize("form", ["png", "webp", "avif"])
def test_metadata_of_the_first_frame_are_kept_unless_stripped(form):
    exif = Image.Exif()
    exif[271] = "Maker"
    profile = bytes(16) + b"RGB " + bytes(16) + b"acsp" + bytes(100)
    kept = {"exif": exif.tobytes(), "icc": profile, "xmp": b"<x:xmpmeta>kept</x:xmpmeta>"}
    for strip, expected in ((False, kept), (True, dict.fromkeys(kept))):
        stream, _ = write(moving(), form, EncodeOptions(strip=strip), **kept, plays=3)
        found = read_frames(stream)[0].metadata
        assert {name: getattr(found, name) for name in kept} == expected
        assert found.plays == (0 if form == "avif" else 3)


@pytest.mark.parametrize("form", SEVERAL)
def test_errors_of_the_stream_and_in_making_a_frame_pass_as_they_are(form):
    frames = [np.random.default_rng(n).integers(0, 256, (60, 60, 3), np.uint8) for n in range(3)]
    for capacity in (0, 300, 1200):
        with pytest.raises(OSError, match="No space left on device"):
            write_frames(FullDisk(capacity), pictures(frames), 3, form)

    def made():
        yield Picture(np.zeros((4, 4, 3), np.uint8), "RGB", "npy")
        raise KeyError("oops")

    with pytest.raises(KeyError):
        write_frames(io.BytesIO(), made(), 2, form)


@pytest.mark.parametrize("form", [form for form in SEVERAL if not FORMATS[form].holds_all])
def test_a_frame_is_forgotten_before_the_next_is_asked_for(form):
    asked = []

    def made():
        for number in range(6):
            picture = Picture(np.full((8, 8, 3), 40 * number, np.uint8), "RGB", "npy")
            asked.append(picture)
            yield picture
            assert picture.pixels.size == 0

    write_frames(io.BytesIO(), made(), 6, form)
    assert len(asked) == 6


def test_delays_of_a_png_are_fractions():
    exact = {time: time for time in (100 / 3, 0.5, 70_000)}
    for time, expected in (exact | {70_001.5: 70_000, 1e9: 65_535_000}).items():
        stream = io.BytesIO()
        warnings = write_frames(stream, pictures(moving(2), (time, time)), 2, "png")
        assert [each.metadata.duration for each in read_frames(stream)] == pytest.approx([expected] * 2)
        assert warnings == (["frames are shown for 65535 seconds at most"] if time == 1e9 else [])


# Reading


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
    """Two bits of grey, of which level 1 is transparent."""
    frames = [[bytes([level * 0b01010101])] * 2 for level in (1, 2, 1)]
    data = apng(2, 0, 4, 2, frames, before=chunk(b"tRNS", struct.pack(">H", 1)))
    with opened_frames(io.BytesIO(data), max_pixels=None) as opened:
        found = [opened.read(number).pixels[0, 0].tolist() for number in (0, 1, 2, 0)]
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


def test_a_malformed_tag_of_a_later_page_is_a_warning_of_that_page():
    stream, later = io.BytesIO(), Image.new("L", (8, 8), 2)
    Image.new("L", (8, 8), 1).save(stream, "TIFF", save_all=True, append_images=[later])
    data = bytearray(stream.getvalue())
    struct.pack_into("<II", data, data.rindex(struct.pack("<HHI", 278, 4, 1)) + 4, 1000, 10**6)
    with opened_frames(io.BytesIO(data), max_pixels=None) as frames:
        frames.sizes()
        first, second = (frames.read(number).warnings for number in range(2))
    assert first == []
    assert any("Tag data larger than file" in line for line in second)
