"""From pixels to files: what formats hold, what is lost, how each is encoded, and the streams written to."""

import errno
import io
from unittest.mock import Mock

import numpy as np
import pytest
from encoded import FullDisk, smooth, write
from PIL import Image, ImageFile
from samples import noise

from convfilter.errors import ImageError
from convfilter.images.formats import FORMATS
from convfilter.images.picture import Metadata, Picture
from convfilter.images.reading import read_picture
from convfilter.images.writing import check_writable, write_frames, write_picture
from convfilter.options import EncodeOptions

pytestmark = pytest.mark.usefixtures("without_codecs")  # as Pillow alone does it

SMALL = EncodeOptions(compress="small")


@pytest.mark.parametrize("form", list(FORMATS))
def test_the_smallest_images_can_be_written(form):
    for size in ((1, 1), (1, 40), (40, 1)):
        for mode in ("L", "RGB", "RGBA"):
            assert read_picture(write(noise(mode, *size), mode, form)[0]).pixels.shape[:2] == size


def test_views_and_other_byte_orders_are_written_as_they_look():
    for mode, dtype in (("L", np.uint8), ("RGB", np.uint8), ("RGBA", np.uint8), ("I;16", ">u2")):
        pixels = noise(mode).astype(dtype)[::-2, ::3]
        np.testing.assert_array_equal(read_picture(write(pixels, mode, "png")[0]).pixels, pixels)
    one_channel = noise("L")[..., np.newaxis]
    np.testing.assert_array_equal(read_picture(write(one_channel, "RGB", "png")[0]).pixels, noise("L"))


@pytest.mark.parametrize(
    ("form", "side"), [("jpeg", 65500), ("webp", 16383), ("gif", 65535), ("tga", 65535), ("avif", 32768)]
)
def test_formats_take_sides_up_to_their_limit(form, side):
    stream, _ = write(np.zeros((1, side, 3), np.uint8), "RGB", form)
    assert read_picture(stream).pixels.shape == (1, side, 3)
    with pytest.raises(
        ImageError, match=rf"^{side + 1} x 1 pixels are too large for {form}, .* {side} a side"
    ):
        write(np.zeros((1, side + 1, 3), np.uint8), "RGB", form)


def test_no_pixels_are_not_an_image():
    with pytest.raises(ImageError, match="0 x 4 pixels are not an image"):
        write(np.zeros((4, 0, 3), np.uint8), "RGB", "png")


@pytest.mark.parametrize("mode", ["LA", "RGBA"])
def test_alpha_is_laid_on_the_background(mode):
    pixels = noise(mode)
    stream, warnings = write(pixels, mode, "ppm", EncodeOptions(background="#404040"))
    assert warnings == ["ppm cannot hold alpha: blended onto #404040"]
    alpha = pixels[..., -1:] / 255
    expected = np.floor(pixels[..., :-1] * alpha + 0x40 * (1 - alpha) + 0.5)
    np.testing.assert_array_equal(read_picture(stream).pixels, expected.squeeze())
    word = "ppm cannot hold alpha: blended onto the background"
    assert check_writable(mode, "uint8", (9, 9), 1, "ppm") == [word]


def test_grey_on_a_colour_becomes_coloured():
    stream, _ = write(np.array([[[0, 255], [0, 0]]], np.uint8), "LA", "ppm", EncodeOptions(background="red"))
    assert read_picture(stream).pixels.tolist() == [[[0, 0, 0], [255, 0, 0]]]


def test_alpha_that_hides_nothing_goes_without_a_warning():
    pixels = noise("RGBA") | np.array([0, 0, 0, 255], np.uint8)
    stream, warnings = write(pixels, "RGBA", "bmp")
    assert warnings == []
    np.testing.assert_array_equal(read_picture(stream).pixels, pixels[..., :3])


@pytest.mark.parametrize("form", FORMATS)
def test_a_quality_without_effect_is_reported(form):
    _, warnings = write(noise("L") // 9, "L", form, EncodeOptions(quality=50))
    word = f"{form} has no quality setting: --quality is ignored"
    assert warnings == ([] if FORMATS[form].losses != "never" else [word])


@pytest.mark.parametrize(("form", "encoding"), [("gif", None), ("png", SMALL)])
def test_few_colours_are_kept_exactly(form, encoding):
    for colours in (1, 2, 3, 16, 255, 256):
        rng = np.random.default_rng(colours)
        table = np.unique(rng.integers(0, 256, (2 * colours + 9, 3), dtype=np.uint8), axis=0)[:colours]
        pixels = table[np.arange(40 * 50).reshape(40, 50) % colours]
        stream, warnings = write(pixels, "RGB", form, encoding)
        assert warnings == []
        np.testing.assert_array_equal(read_picture(stream).pixels, pixels)


def test_a_tiff_does_not_take_over_how_another_file_was_laid_out():
    exif = Image.Exif()
    exif[256], exif[257], exif[278], exif[259], exif[271] = 9999, 9999, 1, 7, "Maker"
    for compression in ("raw", "tiff_lzw"):
        stream, _ = write(noise("RGB"), "RGB", "tiff", exif=exif.tobytes(), compression=compression)
        np.testing.assert_array_equal(read_picture(stream).pixels, noise("RGB"))


def test_metadata_too_long_for_a_jpeg_are_dropped_with_a_warning():
    exif = Image.Exif()
    exif[270] = "x" * 70_000
    beside = {"exif": exif.tobytes(), "xmp": b"y" * 70_000, "comments": (b"z" * 70_000,), "dpi": (1e5, 1.0)}
    stream, warnings = write(noise("RGB"), "RGB", "jpeg", **beside)
    assert len(warnings) == 4
    assert all(line.endswith(" for jpeg: dropped") for line in warnings)
    metadata = read_picture(stream).metadata
    assert (metadata.exif, metadata.xmp, metadata.comments, metadata.dpi) == (None, None, (), None)


@pytest.mark.parametrize("quality", [94, 100])
def test_noise_fits_into_a_progressive_jpeg_at_every_quality(quality):
    before = ImageFile.MAXBLOCK
    for mode in ("RGB", "CMYK"):
        stream, _ = write(noise(mode, 300, 400), mode, "jpeg", SMALL._replace(quality=quality))
        assert read_picture(stream).pixels.shape[:2] == (300, 400)
    assert before == ImageFile.MAXBLOCK


def test_a_jpeg_is_the_one_that_pillow_writes_of_the_same_pixels():
    for shape in ((1, 1), (1, 2), (5, 7), (33, 64)):
        pixels = np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8)
        expected = io.BytesIO()
        Image.fromarray(pixels).save(expected, "JPEG", quality=80, subsampling=2)
        assert write(pixels, "RGB", "jpeg", EncodeOptions(quality=80))[0].getvalue() == expected.getvalue()


@pytest.mark.parametrize("mode", ["L", "RGB", "I;16", "F"])
def test_a_tiff_keeps_its_compression_if_that_loses_nothing(mode):
    usual = "tiff_lzw" if mode in ("L", "RGB") else "tiff_adobe_deflate"
    lossless = ("raw", "tiff_lzw", "tiff_adobe_deflate", "packbits", "lzma")
    for compression in (*lossless, "jpeg", "group4", None):
        picture = read_picture(write(noise(mode), mode, "tiff", compression=compression)[0])
        assert picture.metadata.compression == (compression if compression in lossless else usual)
        np.testing.assert_array_equal(picture.pixels, noise(mode))


def test_a_tga_is_run_length_coded_if_it_was():
    for compression in ("tga_rle", None):
        stream, _ = write(noise("RGB") // 128, "RGB", "tga", compression=compression)
        assert read_picture(stream).metadata.compression == compression


def test_small_is_never_larger_than_fast_or_plain():
    table = np.random.default_rng(0).integers(0, 256, (64, 3), dtype=np.uint8)
    few = table[noise("L", 90, 90) // 4]
    for pixels, mode in ((smooth(), "RGB"), (noise("RGBA"), "RGBA"), (few, "RGB"), (noise("I;16"), "I;16")):
        assert write(pixels, mode, "png", SMALL)[0].tell() <= write(pixels, mode, "png")[0].tell()
    plain = io.BytesIO()
    Image.fromarray(few).save(plain, "PNG", optimize=True)
    assert write(few, "RGB", "png", SMALL)[0].tell() < 0.6 * plain.tell()


@pytest.mark.parametrize("form", list(FORMATS))
def test_a_full_disk_is_the_streams_own_error(form):
    for capacity in (0, 100, 1500):
        with pytest.raises(OSError, match="No space left on device") as caught:
            write_picture(FullDisk(capacity), Picture(noise("RGB", 80, 80), "RGB", "png"), form)
        assert caught.value.errno == errno.ENOSPC


@pytest.mark.parametrize("form", list(FORMATS))
def test_the_same_pixels_give_the_same_bytes_in_any_stream(tmp_path, form):
    class Pipe(io.RawIOBase):
        data = b""

        def writable(self):
            return True

        def write(self, data):
            Pipe.data += bytes(data)
            return len(data)

    expected = write(noise("RGB"), "RGB", form)[0].getvalue()
    with io.BufferedWriter(Pipe()) as stream:  # one that cannot seek
        write_picture(stream, Picture(noise("RGB"), "RGB", "png"), form)
    assert Pipe.data == expected
    with (tmp_path / "a").open("wb") as stream:
        stream.write(b"before")  # as a shell's `>>` would leave it
        write_picture(stream, Picture(noise("RGB"), "RGB", "png"), form)
    assert (tmp_path / "a").read_bytes() == b"before" + expected


@pytest.mark.parametrize(
    "error", [OSError("encoder error -2"), ValueError("x"), OverflowError("x"), MemoryError()]
)
def test_an_encoders_error_is_an_image_error(monkeypatch, error):
    monkeypatch.setattr(Image.Image, "save", Mock(side_effect=error))
    with pytest.raises(ImageError, match=r"^cannot be written as bmp|^not enough memory"):
        write(noise("RGB"), "RGB", "bmp")


def test_only_frames_are_released_before_they_are_encoded(monkeypatch):
    sizes = []
    save = Image.Image.save
    picture = Picture(noise("RGB"), "RGB", "png", Metadata())

    def watched(image, *args, **options):
        sizes.append(picture.pixels.size)
        save(image, *args, **options)

    monkeypatch.setattr(Image.Image, "save", watched)
    for frames, size in ((False, 23 * 31 * 3), (True, 0)):
        sizes.clear()
        stream = io.BytesIO()
        if frames:
            write_frames(stream, [picture], 0, "png")
        else:
            write_picture(stream, picture)
        assert {*sizes, picture.pixels.size} == {size}
        np.testing.assert_array_equal(read_picture(stream).pixels, noise("RGB"))
