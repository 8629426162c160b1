"""Several pictures into one file, and back."""

import errno
import io
import struct

import numpy as np
import pytest
from PIL import Image
from samples import moving

from convfilter.errors import ImageError, OptionError
from convfilter.images.animation import Clock, changed_box, write_frames
from convfilter.images.formats import FORMATS
from convfilter.images.metadata import Metadata
from convfilter.images.picture import Picture
from convfilter.images.reading import opened_frames
from convfilter.options import EncodeOptions

SEVERAL = [form for form, row in FORMATS.items() if row.several]
TIMED = ("gif", "png", "webp")
MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}
TIMES = (200, 80, 0, 50, 120)


def pictures(frames, times=TIMES, **metadata):
    for frame, time in zip(frames, times, strict=False):
        mode = MODES[1 if frame.ndim == 2 else frame.shape[2]] if frame.dtype == np.uint8 else "I;16"
        yield Picture(frame.copy(), mode, "npy", Metadata(duration=time, **metadata))


def write(frames, form, encoding=None, volume=False, **metadata):
    stream = io.BytesIO()
    made = pictures(frames, **metadata)
    warnings = write_frames(stream, made, len(frames), form, encoding, volume=volume)
    return stream, warnings


def read(stream, **options):
    with opened_frames(stream, max_pixels=None, **options) as frames:
        return [frames.read(number) for number in range(frames.count)]


def as_rgba(pixels):
    return np.asarray(Image.fromarray(pixels).convert("RGBA"))


def assert_same(stream, frames):
    back = read(stream)
    assert len(back) == len(frames)
    for picture, frame in zip(back, frames, strict=True):
        assert np.array_equal(as_rgba(picture.pixels), as_rgba(frame))


def clearing(count=5):
    """Frames with a hole that wanders, so that pixels come and go."""
    frames = moving(count, channels=4)
    for number, frame in enumerate(frames):
        frame[..., 3] = 255
        frame[number : number + 3, 5:8] = (7, 8, 9, 0)
    return frames


# Round trips


@pytest.mark.parametrize("compress", ["fast", "small"])
@pytest.mark.parametrize("form", [form for form in SEVERAL if form != "avif"])
@pytest.mark.parametrize("kind", ["L", "RGB", "RGBA"])
def test_frames_come_back_exactly_and_none_is_merged(form, kind, compress):
    frames = {"L": [frame[..., 0] for frame in moving()], "RGB": moving(), "RGBA": clearing()}[kind]
    stream, warnings = write(frames, form, EncodeOptions(compress=compress))
    if (form, kind) == ("ppm", "RGBA"):
        assert warnings == ["ppm cannot hold alpha: laid on white"]
        return
    assert warnings == []
    assert_same(stream, frames)


def test_frames_of_an_avif_come_back_nearly(tmp_path):
    frames = [np.full((16, 16, 3), level, np.uint8) for level in (0, 90, 90, 200)]
    back = read(write(frames, "avif")[0])
    assert [round(picture.pixels.mean() / 10) for picture in back] == [0, 9, 9, 20]
    assert [picture.metadata.duration for picture in back] == [200, 80, 1, 50]  # at least a tick


@pytest.mark.parametrize("plays", [0, 1, 2, 7])
@pytest.mark.parametrize("form", TIMED)
def test_times_and_the_number_of_showings_are_kept(form, plays):
    back = read(write(moving(), form, plays=plays)[0])
    assert [picture.metadata.duration for picture in back] == list(TIMES)
    assert {picture.metadata.plays for picture in back} == {plays}


@pytest.mark.parametrize("form", TIMED)
def test_frames_that_never_change_are_kept_with_their_times(form):
    frames = [moving()[0]] * 4
    stream, _ = write(frames, form)
    assert_same(stream, frames)
    assert [picture.metadata.duration for picture in read(stream)] == list(TIMES[:4])


@pytest.mark.parametrize("form", TIMED)
def test_what_stands_still_takes_no_room(form):
    still = np.random.default_rng(0).integers(0, 4, (64, 64, 3), np.uint8) * 80
    one, five = (write([still] * count, form)[0].getbuffer().nbytes for count in (1, 5))
    assert five < one + 4 * 150


@pytest.mark.parametrize("form", TIMED)
def test_small_frames_of_few_colours_need_not_have_the_same_ones(form):
    rng = np.random.default_rng(0)
    frames = [rng.integers(0, 256, (4, 3), np.uint8)[rng.integers(0, 4, (64, 64))] for _ in range(3)]
    assert_same(write(frames, form, EncodeOptions(compress="small"))[0], frames)


@pytest.mark.parametrize("form", ["png", "tiff", "npy"])
def test_frames_of_sixteen_bits_are_kept(form):
    frames = [np.random.default_rng(n).integers(0, 65536, (9, 7), np.uint16) for n in range(3)]
    stream, warnings = write(frames, form)
    assert warnings == []
    for picture, frame in zip(read(stream), frames, strict=True):
        assert picture.pixels.dtype == np.uint16
        assert np.array_equal(picture.pixels, frame)


def test_a_clock_makes_up_for_what_it_rounds_off():
    warnings = []
    clock = Clock(10, 65_535, warnings)
    given = [clock.ticks(100 / 3) for _ in range(300)]
    assert sum(given) == 1000
    assert set(given) == {3, 4}
    assert clock.ticks(10**9) == 65_535
    assert clock.ticks(20) == 2
    assert warnings == ["frames are shown for 655.35 seconds at most"]


def test_the_changed_box_is_the_smallest_and_never_empty():
    changed = np.zeros((9, 12), bool)
    assert changed_box(changed) == (0, 0, 1, 1)
    changed[[3, 6], [10, 4]] = True
    assert changed_box(changed) == (4, 3, 11, 7)


# Pages


def test_pages_keep_their_size_mode_and_metadata():
    def page(pixels, mode, maker):
        exif = Image.Exif()
        exif[271] = maker
        exif[34665] = {33434: 0.5}
        exif[34853] = {1: "N"}
        return Picture(pixels, mode, "tiff", Metadata(exif=exif.tobytes(), dpi=(72.0, 72.0), xmp=b"<x/>" * 9))

    rng = np.random.default_rng(0)
    kinds = [("L", (5, 9)), ("RGB", (7, 4, 3)), ("CMYK", (3, 3, 4)), ("I;16", (6, 6)), ("F", (2, 8))]
    types = {"I;16": np.uint16, "F": np.float32}
    before = [
        page(rng.integers(0, 256, shape).astype(types.get(mode, np.uint8)), mode, f"Maker {mode}")
        for mode, shape in kinds
    ]
    for compression in ("raw", "tiff_lzw", "tiff_adobe_deflate"):
        stream = io.BytesIO()
        for picture in before:
            object.__setattr__(picture.metadata, "compression", compression)
        copies = (Picture(each.pixels, each.mode, "tiff", each.metadata) for each in before)
        assert write_frames(stream, copies, len(before), "tiff") == []
        back = read(stream)
        for old, new in zip(before, back, strict=True):
            assert np.array_equal(old.pixels, new.pixels)
            assert (old.mode, old.metadata.dpi) == (new.mode, new.metadata.dpi)
            assert new.metadata.xmp == old.metadata.xmp
            parsed = Image.Exif()
            parsed.load(new.metadata.exif)
            assert parsed[271].rstrip("\0") == f"Maker {old.mode}"
            assert parsed.get_ifd(34665)[33434] == 0.5
            assert parsed.get_ifd(34853)[1].rstrip("\0") == "N"


def test_frames_of_other_sizes_go_into_tiff_and_ppm_only():
    frames = [np.zeros((4, 5, 3), np.uint8), np.zeros((4, 6, 3), np.uint8)]
    for form in SEVERAL:
        if form not in ("tiff", "ppm"):
            with pytest.raises(ImageError, match=f"^frame 2 of 2: 6 x 4 pixels, and {form} holds .*try tiff"):
                write(frames, form)


def test_frames_of_another_mode_are_refused_where_one_mode_serves_all():
    frames = [np.zeros((4, 5), np.uint8), np.zeros((4, 5, 3), np.uint8)]
    for form in ("png", "npy"):
        with pytest.raises(ImageError, match=r"^frame 2 of 2: .*try tiff"):
            write(frames, form)
    assert_same(write(frames, "gif")[0], frames)


# Metadata


@pytest.mark.parametrize("form", ["png", "webp", "avif"])
def test_metadata_of_the_first_frame_are_kept_unless_stripped(form):
    profile = bytes(16) + b"RGB " + bytes(16) + b"acsp" + bytes(100)
    exif = Image.Exif()
    exif[271] = "Maker"
    kept = {"exif": exif.tobytes(), "icc": profile, "xmp": b"<x:xmpmeta>kept</x:xmpmeta>"}
    back = read(write(moving(), form, **kept)[0])
    assert back[0].metadata.exif[:6] == b"Exif\0\0"
    assert b"Maker" in back[0].metadata.exif
    assert (back[0].metadata.icc, back[0].metadata.xmp) == (profile, kept["xmp"])
    bare = read(write(moving(), form, EncodeOptions(strip=True), **kept, plays=3)[0])[0].metadata
    assert (bare.exif, bare.icc, bare.xmp) == (None, None, None)
    assert bare.plays == (0 if form == "avif" else 3)


def test_a_gifs_comment_is_kept():
    comment = b"by hand " * 60
    assert read(write(moving(), "gif", comments=(comment,))[0])[0].metadata.comments == (comment,)


def test_a_webp_without_loss_stays_one():
    stream, _ = write(moving(), "webp", lossless=False)
    assert not read(stream)[0].metadata.lossless
    assert read(write(moving(), "webp")[0])[0].metadata.lossless


def test_a_gif_keeps_what_is_clear_and_lays_the_half_transparent_on_the_background():
    frame = np.array([[[0, 0, 0, 0], [0, 0, 0, 51], [9, 9, 9, 255]]], np.uint8)
    stream, warnings = write([frame, frame], "gif", EncodeOptions(background="red"))
    assert warnings == ["gif cannot hold partial transparency: laid on red"]
    assert read(stream)[1].pixels.tolist() == [[[0, 0, 0, 0], [204, 0, 0, 255], [9, 9, 9, 255]]]
    with pytest.raises(OptionError, match="unknown colour 'rad'"):
        write([frame, frame], "gif", EncodeOptions(background="rad"))


# Arrays


def test_a_volume_of_grey_frames_has_three_axes_and_frames_four():
    frames = [frame[..., 0] for frame in moving()]
    for volume, shape in ((True, (5, 12, 16)), (False, (5, 12, 16, 1))):
        stream, _ = write(frames, "npy", volume=volume)
        stream.seek(0)
        array = np.load(stream)
        assert array.shape == shape
        assert np.array_equal(array.reshape(5, 12, 16), frames)


# Streams


@pytest.mark.parametrize("room", [0, 300, 1200])
@pytest.mark.parametrize("form", SEVERAL)
def test_a_full_disk_is_the_streams_own_error(form, room):
    class Full(io.BytesIO):
        def write(self, data):
            if self.tell() + memoryview(data).nbytes > room:
                raise OSError(errno.ENOSPC, "No space left on device")
            return super().write(data)

    frames = [np.random.default_rng(n).integers(0, 256, (60, 60, 3), np.uint8) for n in range(3)]
    with pytest.raises(OSError, match="No space left on device"):
        write_frames(Full(), pictures(frames), 3, form)


@pytest.mark.parametrize("form", [form for form in SEVERAL if form != "avif"])
def test_a_frame_is_forgotten_before_the_next_is_asked_for(form):
    asked = []

    def made():
        for number in range(6):
            frame = np.full((8, 8, 3), 40 * number, np.uint8)
            picture = Picture(frame, "RGB", "npy")
            asked.append(picture)
            yield picture
            assert form == "npy" or picture.pixels.size == 0

    write_frames(io.BytesIO(), made(), 6, form)
    assert len(asked) == 6


@pytest.mark.parametrize("form", SEVERAL)
def test_what_goes_wrong_in_making_a_frame_passes_as_it_is(form):
    def made():
        yield Picture(np.zeros((4, 4, 3), np.uint8), "RGB", "npy")
        raise KeyError("oops")

    with pytest.raises(KeyError):
        write_frames(io.BytesIO(), made(), 2, form)


# What the containers say


def test_an_animated_png_is_a_plain_one_to_programs_without_animation():
    data = write(moving(), "png")[0].getvalue()
    kinds, place = [], 8
    while place < len(data):
        length, kind = struct.unpack_from(">I4s", data, place)
        kinds.append(kind)
        place += 12 + length
    assert kinds == [b"IHDR", b"acTL", b"fcTL", b"IDAT", *[b"fcTL", b"fdAT"] * 4, b"IEND"]


def test_delays_of_a_png_are_fractions():
    for time in (100 / 3, 0.5, 70_000, 1e9):
        stream = io.BytesIO()
        warnings = write_frames(stream, pictures(moving(2), (time, time)), 2, "png")
        expected = min(time, 65_535_000)
        assert [each.metadata.duration for each in read(stream)] == pytest.approx([expected] * 2)
        assert warnings == (["frames are shown for 65535 seconds at most"] if time > expected else [])
