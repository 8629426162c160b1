"""Small files that would take much memory or time are refused by their headers; sound files are not."""

import io
import resource
import struct
import zlib

import numpy as np
import pytest
from encoded import chunk, npy, png, saved, segment
from PIL import Image

import convfilter as cf
from convfilter.errors import ImageError
from convfilter.images.exif import jpeg_segments
from convfilter.images.reading import read_picture


def riff(kind, content):
    return kind + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)


def webp(side, frames):
    """An animated WebP whose frames are of a single colour, or with one frame a WebP as such."""
    bits = (side - 1) | (side - 1) << 14
    # A lossless image of five codes of one symbol each takes no bits for its pixels.
    pixels = riff(b"VP8L", b"\x2f" + struct.pack("<I", bits) + b"\x88\x88\x08\x08\0\0\0\0")
    size = (side - 1).to_bytes(3, "little") * 2
    frame = riff(b"ANMF", bytes(6) + size + b"\x64\0\0\0" + pixels)
    body = riff(b"VP8X", struct.pack("<I", 2) + size) + riff(b"ANIM", bytes(6)) + frame * frames
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


def gif(side, frames=1, at=0, area=1):
    head = b"GIF89a" + struct.pack("<HHBBB", side, side, 0x80, 0, 0) + bytes(3) + b"\xff" * 3
    frame = b"!\xf9\4\x08\0\0\0\0," + struct.pack("<4HB", at, at, area, area, 0) + b"\2\2\x44\1\0"
    return head + frame * frames + b";"


def jpeg(scans=0, exif=0, size=(1500, 1000)):
    """A progressive JPEG whose last scan comes so often again, with as many segments of EXIF."""
    data = saved(Image.new("RGB", size, "red"), "JPEG", progressive=True).getvalue()
    start, end = next((s - 4, e) for m, s, e in reversed([*jpeg_segments(data)]) if m == 0xDA)
    first = b"Exif\0\0II*\0\x08\0\0\0\0\0\0\0\0\0"
    tags = b"".join(segment(0xE1, b"Exif\0\0" + bytes(60_000) if number else first) for number in range(exif))
    return data[:2] + tags + data[2:-2] + data[start:end] * scans + data[-2:]


def array(channels):
    return npy(np.zeros((1, 1, 1, channels), np.uint8)).getvalue()


def apng(side, frames):
    control = struct.pack(">5I2H2B", 0, side, side, 0, 0, 1, 10, 0, 0)
    animated = chunk(b"acTL", struct.pack(">II", frames, 0)) + chunk(b"fcTL", control)
    return png(8, 0, side, side, [bytes(100)], before=animated)


BOMBS = {
    "gif": gif(65_535),
    "extent.gif": gif(10, at=60_000, area=5000),
    "frames.gif": gif(16_000, 300),
    "still.webp": webp(16_383, 1),
    "frames.webp": webp(16_383, 20),
    "more frames.webp": webp(4000, 170),
    "frames.png": apng(16_000, 1000),
    "scans.jpg": jpeg(2000),
    "exif.jpg": jpeg(exif=1000),
    "channels.npy": array(10**6),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_refused_by_its_header_with_the_option_that_allows_it(name, tmp_path):
    path = tmp_path / name
    path.write_bytes(BOMBS[name])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(cf.ConvfilterError, match=r"if you trust the file, .* --max-pixels \d+$"):
        cf.filter_file(path, tmp_path / f"out.{name.rpartition('.')[2]}", "identity")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 150_000


def test_max_pixels_allows_what_a_message_says():
    for data in (jpeg(150, size=(600, 400)), jpeg(exif=20), array(2000)):
        with pytest.raises(ImageError, match="--max-pixels") as caught:
            read_picture(io.BytesIO(data), max_pixels=10**6)
        allowed = int(str(caught.value).rpartition(" ")[2])
        read_picture(io.BytesIO(data), max_pixels=allowed)


SOUND = {
    "frames.gif": gif(40, 2000),
    "scans.jpg": jpeg(20),
    "exif.jpg": jpeg(exif=3),
    "flat.webp": webp(2000, 1),
    "channels.npy": array(300),
}


@pytest.mark.parametrize("name", SOUND)
def test_sound_files_are_no_bombs(name, tmp_path, quick):
    (tmp_path / name).write_bytes(SOUND[name])
    assert quick("apply", "-n", name, "-k", "identity", "-o", f"b.{name.rpartition('.')[2]}").code == 0


HUGE = zlib.compress(bytes(1 << 28), 9)


def with_chunks(*chunks):
    return io.BytesIO(png(8, 0, 8, 8, [bytes(8)] * 8, before=b"".join(chunk(*each) for each in chunks)))


@pytest.mark.parametrize(
    ("kind", "content", "warning"),
    [
        (b"zTXt", b"Key\0\0" + HUGE, None),  # kept as it is
        (b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + HUGE, "text of more than 16777216 bytes dropped"),
        (b"iCCP", b"Key\0\0" + HUGE, "ICC profile of more than 16777216 bytes dropped"),
    ],
)
def test_what_is_compressed_beside_the_pixels_is_no_bomb(kind, content, warning):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    picture = read_picture(with_chunks((kind, content)))
    assert picture.warnings == ([warning] if warning else [])
    assert picture.metadata.chunks == (() if warning else ((kind, content),))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000


def test_data_that_go_on_behind_the_pixels_are_refused():
    with pytest.raises(ImageError, match="far more than its pixels need"):
        read_picture(io.BytesIO(png(8, 0, 8, 8, [np.random.default_rng(0).bytes(100_000)])))


def test_65535_texts_are_kept():
    texts = tuple((b"tEXt", b"Key %d\0value" % number) for number in range(65_535))
    picture = read_picture(with_chunks(*texts))
    assert (picture.metadata.chunks, picture.warnings) == (texts, [])
