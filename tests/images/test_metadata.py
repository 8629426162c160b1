"""What a file says beside its pixels, as it is read."""

import io
import struct

import pytest
from encoded import encoded, saved
from PIL import Image
from samples import noise as samples

from convfilter.images.headers import avif_is_deep
from convfilter.images.reading import read_picture

pytestmark = pytest.mark.usefixtures("without_codecs")  # as Pillow alone does it


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
