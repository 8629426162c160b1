"""A filtered image never carries a thumbnail, which would show what was there before."""

import base64
import io
import struct

import numpy as np
import pytest
from encoded import chunk, resource, saved, segment, smooth
from PIL import Image, PngImagePlugin

from convfilter.images.exif import jpeg_segments
from convfilter.images.formats import FORMATS
from convfilter.images.reading import read_picture
from convfilter.images.writing import write_picture

THUMBNAIL = saved(
    Image.fromarray(np.random.default_rng(3).integers(0, 256, (40, 40, 3), np.uint8)), "JPEG"
).getvalue()
IMAGE = smooth(6, 8)
LONG, BYTES = 4, 7


def block(directories, order="<"):
    """EXIF of directories one after another, in which bytes are put behind; numbers stand as they are."""
    start = 8
    out = struct.pack(f"{order}2sHI", {"<": b"II", ">": b"MM"}[order], 42, start)
    for number, tags in enumerate(directories):
        end = start + 2 + 12 * len(tags) + 4
        entries, data = b"", b""
        for tag, (kind, value) in sorted(tags.items()):
            if callable(value):
                value = value(end)
            if isinstance(value, int):
                entries += struct.pack(f"{order}HHII", tag, kind, 1, value)
            else:
                entries += struct.pack(f"{order}HHII", tag, kind, len(value), end + len(data))
                data += value + b"\0" * (len(value) % 2)
        following = end + len(data) if number + 1 < len(directories) else 0
        out += struct.pack(f"{order}H", len(tags)) + entries + struct.pack(f"{order}I", following) + data
        start = following
    return out


PHOTOSHOP = resource(0x040C, bytes(28) + THUMBNAIL)
MAKER = {271: (2, b"Maker\0")}
LENGTH = len(THUMBNAIL)
# The last tag of a directory holds the bytes, so that they are found behind it.
JPEG = {513: (LONG, lambda end: end), 514: (LONG, LENGTH), 40000: (BYTES, THUMBNAIL)}
RAW = THUMBNAIL[30:]  # any bytes will do for samples
STRIPS = {259: (LONG, 1), 273: (LONG, lambda end: end), 279: (LONG, len(RAW)), 40000: (BYTES, RAW)}
CARRIERS = {
    "second directory": [MAKER, JPEG],
    "second directory, strips": [MAKER, STRIPS],
    "first directory": [MAKER | JPEG | {513: (LONG, lambda end: end + 6)}],
    "Windows": [MAKER | {0x501B: (BYTES, RAW)}],
    "Photoshop": [MAKER | {34377: (BYTES, PHOTOSHOP)}],
    "Photoshop 4": [MAKER | {34377: (BYTES, resource(0x0409, bytes(28) + RAW))}],
    "maker note": [MAKER | {37500: (BYTES, b"Maker\0\1\2" + THUMBNAIL + b"end")}],
}


def leaks(data):
    """Return whether any part of the thumbnail's coded pixels is in there."""
    (scan,) = [THUMBNAIL[start:end] for marker, start, end in jpeg_segments(THUMBNAIL) if marker == 0xDA]
    return any(scan[at : at + 12] in data for at in range(0, len(scan) - 12, 12))


def written(stream, form):
    out = io.BytesIO()
    picture = read_picture(stream)
    write_picture(out, picture, form)
    return out, picture


def as_text(exif):
    text = PngImagePlugin.PngInfo()
    text.add_text("Raw profile type APP1", f"\ngeneric\n{len(exif):8}\n{exif.hex()}\n", zip=True)
    return {"pnginfo": text}


CONTAINERS = {
    "jpeg": ("JPEG", lambda exif: {"exif": exif}),
    "png": ("PNG", lambda exif: {"exif": exif}),
    "png, in text": ("PNG", as_text),
    "webp": ("WEBP", lambda exif: {"exif": exif, "lossless": True}),
    "avif": ("AVIF", lambda exif: {"exif": exif}),
}


@pytest.mark.parametrize("carrier", CARRIERS)
@pytest.mark.parametrize("container", CONTAINERS)
def test_no_output_holds_the_thumbnail_of_exif(container, carrier):
    form, options = CONTAINERS[container]
    order = ">" if container in ("jpeg", "png, in text") else "<"
    exif = b"Exif\0\0" + block(CARRIERS[carrier], order)
    assert leaks(exif)
    stream = saved(Image.fromarray(IMAGE), form, **options(exif))
    for target in ("png", "jpeg", "tiff", "webp"):
        out, picture = written(stream, target)
        assert not leaks(out.getvalue()), target
        assert picture.warnings == []
        kept = Image.Exif()
        kept.load(picture.metadata.exif)
        assert kept[271] == "Maker"


@pytest.mark.parametrize("target", FORMATS)
def test_no_output_holds_a_thumbnail_of_a_tiff(target):
    tags = Image.Exif()
    tags[271], tags[34377] = "Maker", PHOTOSHOP
    stream = saved(Image.fromarray(IMAGE), "TIFF", tiffinfo=tags, compression="raw")
    assert leaks(stream.getvalue())
    assert not leaks(written(stream, target)[0].getvalue())


@pytest.mark.parametrize("target", ["png", "jpeg", "tiff", "webp", "avif"])
@pytest.mark.parametrize("broken", ["", "&#xA;", "\n"])
def test_no_output_holds_the_thumbnail_of_xmp(target, broken):
    code = base64.b64encode(THUMBNAIL).decode()
    lines = broken.join(code[at : at + 76] for at in range(0, len(code), 76))
    xmp = f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><xmpGImg:image>{lines}</xmpGImg:image>by Ann</x:xmpmeta>'
    stream = saved(Image.fromarray(IMAGE), "WEBP", xmp=xmp.encode(), lossless=True)
    out, picture = written(stream, target)
    data = out.getvalue()
    assert picture.warnings == []
    assert b"by Ann" in data
    assert not any(code[at : at + 24].encode() in data for at in range(0, len(code) - 24, 24))


def test_other_places_for_previews_are_in_no_output():
    data = saved(Image.fromarray(IMAGE), "JPEG").getvalue()
    segments = [
        segment(0xE0, b"JFXX\0\x10" + THUMBNAIL),
        segment(0xED, b"Photoshop 3.0\0" + PHOTOSHOP),
        segment(0xE2, b"FPXR\0" + THUMBNAIL),
    ]
    text = as_text(PHOTOSHOP)["pnginfo"].chunks[0][1]
    png = bytearray(saved(Image.fromarray(IMAGE), "PNG").getvalue())
    png[33:33] = chunk(b"zTXt", text.replace(b"APP1", b"8bim"))
    for stream in (data[:2] + b"".join(segments) + data[2:] + THUMBNAIL, bytes(png)):
        for target in FORMATS:
            assert not leaks(written(io.BytesIO(stream), target)[0].getvalue())


def test_an_image_within_the_tags_themselves_is_no_reason_to_lose_them_in_silence():
    exif = b"Exif\0\0" + block([MAKER | {273: (LONG, 0), 279: (LONG, 1 << 20)}])
    picture = read_picture(saved(Image.fromarray(IMAGE), "PNG", exif=exif))
    assert picture.metadata.exif is None
    assert picture.warnings == ["malformed EXIF dropped"]
