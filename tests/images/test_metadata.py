"""What a file says beside its pixels, as it is read."""

import io
import struct

import pytest
from encoded import encoded, saved, with_segments
from PIL import Image
from samples import noise as samples

from convfilter.images.reading import read_picture
from convfilter.images.webp import avif_is_deep
from convfilter.images.writing import write_picture
from convfilter.options import EncodeOptions

pytestmark = pytest.mark.usefixtures("without_codecs")  # as Pillow alone does it


def test_what_is_between_camera_and_maker_is_kept_to_the_byte_and_the_thumbnail_goes():
    entries = struct.pack(">HHII", 271, 2, 4, 0x41424300) + struct.pack(">HHIHH", 274, 3, 1, 6, 0)
    block = b"MM\0*" + struct.pack(">IH", 8, 2) + entries + struct.pack(">IHI", 38, 0, 0)
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
    for options in ({}, {"exif": exif}):  # with metadata the image is not the first chunk
        assert read_picture(saved(image, "WEBP", lossless=True, **options)).metadata.lossless
        assert not read_picture(saved(image, "WEBP", **options)).metadata.lossless


def test_avif_of_more_than_eight_bits_is_told_by_its_configuration():
    data = bytearray(encoded(samples("RGB"), "RGB", "avif"))
    assert not avif_is_deep(io.BytesIO(data))
    data[data.find(b"av1C") + 6] |= 0x40
    assert avif_is_deep(io.BytesIO(data))


def resource(kind, content):
    return b"8BIM" + struct.pack(">HHI", kind, 0, len(content)) + content + b"\0" * (len(content) % 2)


IPTC = resource(0x0404, b"\x1c\2\5\0\5Title")


def test_comments_and_photoshop_data_of_a_jpeg_are_kept_in_their_order_without_thumbnails():
    large = resource(0x0FA0, bytes(range(256)) * 400)  # goes on in the next segment
    inner = resource(0x0FA1, b"x" + saved(Image.new("RGB", (8, 8)), "JPEG").getvalue())
    copies = [resource(kind, b"old") for kind in (0x0409, 0x040C, 0x0422, 0x0424)]
    data = b"".join([copies[0], IPTC, *copies[1:], inner, large])
    parts = [(0xED, b"Photoshop 3.0\0" + data[at : at + 60_000]) for at in range(0, len(data), 60_000)]
    picture = read_picture(with_segments((0xFE, b"one"), *parts, (0xFE, b"two"), (0xFE, b"one")))
    stream = io.BytesIO()
    assert picture.warnings + write_picture(stream, picture) == []
    after = read_picture(stream).metadata
    assert (after.comments, after.photoshop) == ((b"one", b"two", b"one"), IPTC + large)


def test_what_a_jpeg_holds_besides_is_named_in_one_warning_unless_all_is_stripped():
    extension = b"http://ns.adobe.com/xmp/extension/\0" + bytes(40)
    known = (0xE0, b"JFXX\0"), (0xEC, b"Ducky")
    picture = read_picture(
        with_segments((0xE1, extension), (0xEB, b"JP"), (0xEB, b"JP"), (0xFE, b"one"), *known)
    )
    word = "dropped because it may not fit the filtered image: extended XMP, segment APP11"
    assert picture.warnings + write_picture(io.BytesIO(), picture) == [word]
    lost = "webp cannot hold comments: dropped"
    assert write_picture(io.BytesIO(), picture, "webp") == [word, lost]
    assert write_picture(io.BytesIO(), picture, "webp", EncodeOptions(strip=True)) == []


def test_broken_photoshop_data_are_dropped_with_a_warning():
    picture = read_picture(with_segments((0xED, b"Photoshop 3.0\0" + IPTC + IPTC[:-4])))
    assert (picture.metadata.photoshop, picture.warnings) == (IPTC, ["malformed Photoshop data dropped"])


def test_a_resolution_of_zero_is_none():
    data = bytearray(encoded(samples("RGB"), "RGB", "jpeg"))
    for density, dpi in (((300, 150), (300, 150)), ((0, 0), None), ((300, 0), None)):
        data[13:18] = struct.pack(">BHH", 1, *density)
        picture = read_picture(io.BytesIO(data))
        assert (picture.metadata.dpi, picture.warnings) == (dpi, [])


def test_the_pixel_aspect_of_a_jpeg_goes_to_png():
    data = bytearray(encoded(samples("RGB"), "RGB", "jpeg"))
    data[13:18] = struct.pack(">BHH", 0, 4, 3)
    picture = read_picture(io.BytesIO(data))
    stream = io.BytesIO()
    assert write_picture(stream, picture, "png") == []
    assert read_picture(stream).metadata.chunks == ((b"pHYs", struct.pack(">IIB", 4, 3, 0)),)
    assert write_picture(io.BytesIO(), picture) == ["jpeg cannot hold a pixel aspect: dropped"]
