"""PBM, PGM and PPM: all six kinds, one after another, and what is wrong with them."""

import io

import numpy as np
import pytest
from encoded import encoded, saved
from PIL import Image
from samples import noise as samples

from convfilter.errors import ImageError
from convfilter.images.pnm import read_stream
from convfilter.images.reading import opened_frames, read_picture

# Each with its samples at full scale; comments stand wherever headers allow them.
KINDS = {
    b"P1 # bits\n3 2\n101\n0 1 0\n": [[0, 255, 0], [255, 0, 255]],
    b"P2\n# a remark\n2 2 # another\n255\n0 7 # and\n# more\n254 255\n": [[0, 7], [254, 255]],
    b"P2#\n1 2 6 0 1\n": [[0], [43]],  # 42.5 and up
    b"P3\n2 1\n15\n0 15 1\n2 3 4\n": [[[0, 255, 17], [34, 51, 68]]],
    b"P4\r9 2\n\x80\x00\x7f\x80": [[0, *[255] * 8], [255, *[0] * 8]],
    b"P5\t2\n1 # x\n#y\r255#z\n\x0a\x23": [[10, 35]],
    b"P5 1 3 3\n\0\1\3": [[0], [85], [255]],
    b"P5 2 1 65535\n\0\1\xff\xfe": [[1, 65534]],
    b"P6 1 1 255\n\1\2\3": [[[1, 2, 3]]],
    b"P6 1 1 1000\n\0\0\1\xf4\3\xe8": [[[0, 32768, 65535]]],
}


def several(data):
    with opened_frames(io.BytesIO(data), max_pixels=1000) as frames:
        return [frames.read(number) for number in range(frames.count)]


def streamed(data, max_pixels=1000):
    warnings = []
    return [*read_stream(io.BufferedReader(io.BytesIO(data), 1), max_pixels, warnings)], warnings


def test_all_kinds_are_read_alone_and_one_after_another():
    for data, expected in KINDS.items():
        assert read_picture(io.BytesIO(data)).pixels.tolist() == expected
    together = b"".join(KINDS)
    for pictures in (several(together), streamed(together)[0]):
        assert [picture.pixels.tolist() for picture in pictures] == [*KINDS.values()]
        assert {picture.pixels.dtype.name for picture in pictures} == {"uint8", "uint16"}


@pytest.mark.parametrize("mode", ["1", "L", "RGB", "I;16"])
def test_binary_images_are_read_and_written_as_pillow_does(mode):
    pixels = samples("L" if mode == "1" else mode, 13, 11)
    image = Image.fromarray(pixels).convert(mode)
    stream = saved(image, "PPM")
    picture = read_picture(stream)
    assert np.array_equal(picture.pixels, np.asarray(image.convert("L") if mode == "1" else image))
    if mode != "1":
        assert encoded(pixels, mode, "ppm") == stream.getvalue()


def test_long_lines_are_read_in_pieces_without_cutting_a_number():
    values = np.arange(200_000) % 65536
    data = b"P2 500 400 65535\n" + b" ".join(b"%d" % value for value in values)
    assert np.array_equal(read_picture(io.BytesIO(data)).pixels.ravel(), values)


def test_every_truncation_names_its_frame_after_those_before():
    images = [data for data in KINDS if data[1:2] in b"456"]
    whole = b"".join(images)
    ends = np.cumsum([len(data) for data in images])
    for length in set(range(1, len(whole))) - set(ends):
        pictures = read_stream(io.BytesIO(whole[:length]), 1000, [])
        complete = int((ends < length).sum())
        for _ in range(complete):
            next(pictures)
        with pytest.raises(ImageError, match=rf"^frame {complete + 1}: "):
            next(pictures)
    with pytest.raises(ImageError, match=r"^frame 1: broken ppm data \(it is truncated\)"):
        streamed(b"P2 2 2 9\n1 2 3\n")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"P6 0 1 255\n", "0 x 1 pixels"),
        (b"P6 9999999999 9999999999 65535\n", "are more than 1000"),
        (b"P6 1 1 65536\n\0\0\0", "samples up to 65536"),
        (b"P6 1 1 0\n\0\0\0", "samples up to 0"),
        (b"P6 -1 1 255\n", "'-' in the header is not a number"),
        (b"P5 99999999999 1 255\n", "is not a number"),
        (b"P2 1 1 255\n300\n", "a sample of 300 is above 255"),
        (b"P5 1 1 7\n\x08", "a sample of 8 is above 7"),
        (b"P2 2 1 255\n1 2 3\n", "more samples than its header says"),
        (b"P2 2 1 255\n1 2.5\n", "characters other than digits"),
        (b"P1 2 1\n12\n", "a sample of 2 is above 1"),
        (b"P2 1 1 255\n" + b"1" * (3 << 20), "more than 100 digits"),
        (b"P5 40 40 255\n", "1600 pixels are more than|40 x 40 pixels are more than 1000"),
    ],
)
def test_what_is_wrong_is_named(data, reason):
    for read in (several, streamed):
        with pytest.raises(ImageError, match=reason):
            read(data)


def test_what_follows_an_image_is_never_passed_over_in_silence():
    image = b"P5 1 1 255\n7"
    white = "white space after an image is ignored"
    assert streamed(image + b"\n\n" + image)[1] == [white]
    assert several(image + b"\n")[0].warnings == [white]
    for read in (several, streamed):
        with pytest.raises(ImageError, match=r"^frame 2.*'ju' does not begin .* --frames first"):
            read(image + b"junk")
    assert read_picture(io.BytesIO(image + b"junk")).pixels.tolist() == [[55]]
