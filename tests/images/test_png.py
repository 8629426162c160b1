"""PNG files are found chunk by chunk, and what stands beside the pixels is kept as it is."""

import io
import struct
import zlib

import numpy as np
import pytest
from encoded import chunk, encoded, png, write
from PIL import Image
from samples import SAMPLE_IMAGES, noise

from convfilter.errors import ImageError
from convfilter.images.reading import read_picture
from convfilter.images.writing import to_image
from convfilter.options import EncodeOptions

ROWS = [row.tobytes() for row in noise("L", 4, 6)]


def chunks_of(data):
    place, found = 8, []
    while place < len(data):
        length, kind = struct.unpack_from(">I4s", data, place)
        assert data[place : place + 12 + length] == chunk(kind, data[place + 8 : place + 8 + length])
        found.append((kind, data[place + 8 : place + 8 + length]))
        place += 12 + length
    return found


def copied(data, compress="fast"):
    """What a file says beside its pixels after reading and writing it, and the warnings."""
    picture = read_picture(io.BytesIO(data))
    encoding = EncodeOptions(compress=compress)
    stream, warnings = write(picture.pixels, picture.mode, "png", encoding, **picture.metadata._asdict())
    with Image.open(stream) as image:
        np.testing.assert_array_equal(np.asarray(image), picture.pixels)
    kept = [each for each in chunks_of(stream.getvalue()) if each[0] not in (b"IHDR", b"IDAT", b"IEND")]
    return kept, picture.warnings + warnings


TEXTS = [
    (b"tEXt", b"Comment\0see chunk IDAT of the original"),
    (b"tEXt", b"Comment\0once more"),
    (b"zTXt", b"Packed IEND\0\0" + zlib.compress(b"IDAT")),
    (b"iTXt", "Titel\0\0\0de\0Titel\0Ünï".encode()),
]
OTHERS = [
    (b"gAMA", struct.pack(">I", 45455)),
    (b"cICP", bytes([9, 16, 0, 1])),
    (b"mDCV", bytes(range(24))),
    (b"cLLI", bytes(8)),
    (b"pHYs", struct.pack(">IIB", 4, 3, 0)),
    (b"prIv", b"a chunk that may be copied, IDAT"),
]


@pytest.mark.parametrize("bare", [False, True])
def test_chunks_are_kept_in_their_order_whatever_they_say(bare, request):
    if bare:
        request.getfixturevalue("without_codecs")
    first, last = OTHERS + TEXTS[:2], TEXTS[2:]
    data = png(8, 0, 6, 4, ROWS, *(b"".join(chunk(*each) for each in part) for part in (first, last)))
    for compress in ("fast", "small"):
        assert copied(data, compress) == (first + last, [])


def test_chunks_about_what_is_changed_are_left_out_and_unknown_ones_named_in_one_warning():
    others = [(b"tIME", bytes(7)), (b"hIST", bytes(4)), (b"prIV", b"unknown")]
    data = png(8, 0, 6, 4, ROWS, b"".join(chunk(*each) for each in [*others, (b"caBX", b"signed")]))
    word = "dropped because it may not fit the filtered image: chunk prIV, chunk caBX"
    assert copied(data) == ([], [word])


@pytest.mark.parametrize(
    ("content", "mode", "written"),
    [
        (b"\5", "L", b"\5"),
        (b"\5", "RGB", b"\5\5\5"),
        (b"\5\6\7", "RGBA", b"\5\6\7\x08"),
        (b"\5\6\7\4", "RGBA", b"\5\6\7\4"),
        (b"\5\6\7\4", "LA", b"\7\4"),
        (b"\x0c", "L", b"\x08"),
        (b"\x0c", "I;16", b"\x0c"),
        (b"\0", "L", None),
    ],
)
def test_significant_bits_follow_channels_and_depth(content, mode, written):
    picture = read_picture(io.BytesIO(png(8, 0, 6, 4, ROWS, chunk(b"sBIT", content))))
    stream, warnings = write(noise(mode), mode, "png", **picture.metadata._asdict())
    assert dict(chunks_of(stream.getvalue())).get(b"sBIT") == written
    assert picture.warnings + warnings == (["damaged sBIT chunk dropped"] if written is None else [])


def test_a_profile_keeps_its_name():
    profile = bytes(16) + b"GRAY" + bytes(16) + b"acsp" + bytes(92)
    data = png(8, 0, 6, 4, ROWS, chunk(b"iCCP", b"My scanner\0\0" + zlib.compress(profile)))
    ((kind, content),), warnings = copied(data)
    assert (kind, content.split(b"\0")[0], warnings) == (b"iCCP", b"My scanner", [])


@pytest.mark.parametrize(
    ("colours", "background", "mode", "written"),
    [
        (0, b"\0\x80", "L", b"\0\x80"),
        (0, b"\0\x80", "I;16", b"\x80\x80"),
        (3, b"\1", "RGB", b"\0\1\0\2\0\3"),
        (0, b"\0\x80", "RGB", None),
        (0, b"\x80", "L", None),
    ],
)
def test_a_background_keeps_its_colour_whatever_the_depth(colours, background, mode, written):
    palette = chunk(b"PLTE", bytes([0, 0, 0, 1, 2, 3]).ljust(768, b"\0")) if colours == 3 else b""
    picture = read_picture(io.BytesIO(png(8, colours, 6, 4, ROWS, palette + chunk(b"bKGD", background))))
    pixels = noise(mode) // 86
    for compress in ("fast", "small"):
        encoding = EncodeOptions(compress=compress)
        stream, warnings = write(pixels, mode, "png", encoding, **picture.metadata._asdict())
        chunks = dict(chunks_of(stream.getvalue()))
        assert chunks.get(b"bKGD") == written
        assert written is None or b"PLTE" not in chunks  # a palette would have other backgrounds
        assert len(picture.warnings + warnings) == (written is None)


@pytest.mark.parametrize("kind", [b"tEXt", b"gAMA", b"iCCP", b"eXIf"])
def test_a_damaged_chunk_beside_the_pixels_is_dropped_with_a_warning(kind):
    broken = bytearray(chunk(kind, b"Key\0"))
    broken[9] ^= 1
    data = png(8, 0, 6, 4, ROWS, bytes(broken))
    assert copied(data) == ([], [f"damaged {kind.decode()} chunk dropped"])


@pytest.mark.parametrize("place", ["PLTE", "tRNS", "IDAT", "IEND"])
def test_a_wrong_check_sum_of_what_makes_the_pixels_is_an_error(place):
    palette = chunk(b"PLTE", bytes(768)) + chunk(b"tRNS", bytes(2))
    data = bytearray(png(8, 3, 6, 4, ROWS, palette))
    read_picture(io.BytesIO(data))
    at = data.index(place.encode())
    (length,) = struct.unpack_from(">I", data, at - 4)
    data[at + 4 + length] ^= 1
    with pytest.raises(ImageError, match="broken png data"):
        read_picture(io.BytesIO(data))


def test_a_chunk_without_which_pixels_cannot_be_understood_is_not_supported():
    with pytest.raises(ImageError, match=r"^not supported: png data with a chunk CgBI$"):
        read_picture(io.BytesIO(png(8, 0, 6, 4, ROWS, chunk(b"CgBI", bytes(4)))))


@pytest.mark.parametrize("kind", ["L", "LA", "RGB", "RGBA", "I;16", "RGB;uint16", "LA;uint16", "RGBA;uint16"])
@pytest.mark.parametrize("shape", [(1, 1), (4000, 1), (1, 4000), (9000, 3), (257, 2), (70_001, 1)])
def test_images_of_any_shape_are_written(shape, kind):
    pixels = noise(kind, *shape)
    mode = kind if kind == "I;16" else kind.partition(";")[0]
    data = encoded(pixels, mode, "png")
    np.testing.assert_array_equal(read_picture(io.BytesIO(data)).pixels, pixels)
    with Image.open(io.BytesIO(data)) as image:
        image.load()
        assert image.size == shape[::-1]
        if pixels.dtype == np.uint8:
            np.testing.assert_array_equal(np.asarray(image), pixels)


def test_threads_change_nothing_and_strips_fit_together():
    photograph = read_picture(SAMPLE_IMAGES / "coffee.png").pixels[:180]
    repeats = np.tile(noise("LA", 60, 90), (9, 9, 1))
    for mode, pixels in {"RGB": photograph, "LA": repeats, "L": repeats[..., 0] // 16}.items():
        for deep in (pixels, pixels * np.uint16(257) + np.uint16(3)):
            mode = "I;16" if mode == "L" and deep is not pixels else mode
            for compress in ("fast", "small"):
                ours, threaded = (
                    encoded(deep, mode, "png", EncodeOptions(compress=compress), threads)
                    for threads in (1, 3)
                )
                assert ours == threaded
                np.testing.assert_array_equal(read_picture(io.BytesIO(ours)).pixels, deep)


@pytest.mark.parametrize("name", ["coffee", "camera", "text", "badge"])
def test_a_png_is_not_much_larger_than_one_of_pillow(name):
    picture = read_picture(SAMPLE_IMAGES / f"{name}.png")
    stream = io.BytesIO()
    to_image(picture.pixels, picture.mode).save(stream, "PNG")
    assert len(encoded(picture.pixels, picture.mode, "png")) <= 1.1 * stream.tell()
