"""How each format is encoded."""

import io

import numpy as np
import pytest
from encoded import smooth, write
from PIL import Image, ImageFile
from samples import noise as samples

from convfilter.images.reading import read_picture
from convfilter.images.writing import write_picture
from convfilter.options import EncodeOptions

pytestmark = pytest.mark.usefixtures("without_codecs")  # as Pillow alone does it


def quantization(stream):
    stream.seek(0)
    with Image.open(stream) as image:
        return image.quantization


def test_a_jpeg_keeps_its_tables_and_subsampling():
    first = io.BytesIO()
    Image.fromarray(smooth()).save(first, "JPEG", quality=63, subsampling=1)
    picture = read_picture(first)
    second = io.BytesIO()
    assert write_picture(second, picture) == []
    assert quantization(second) == quantization(first)
    assert read_picture(second).metadata.subsampling == 1
    third = io.BytesIO()
    write_picture(third, picture, encoding=EncodeOptions(quality=90))
    assert quantization(third) != quantization(first)
    assert read_picture(third).metadata.subsampling == 0


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_a_jpegs_tables_serve_other_channels_too(mode):
    first = io.BytesIO()
    Image.fromarray(smooth()).save(first, "JPEG", quality=63)
    metadata = read_picture(first).metadata
    stream, warnings = write(samples(mode), mode, "jpeg", quantization=metadata.quantization, subsampling=2)
    assert warnings == []
    assert read_picture(stream).mode == mode


@pytest.mark.parametrize("quality", [None, 50, 90, 94, 95, 100])
@pytest.mark.parametrize("compress", ["fast", "small"])
def test_noise_fits_into_a_jpeg_at_every_quality(quality, compress):
    before = ImageFile.MAXBLOCK
    for mode in ("RGB", "CMYK"):
        stream, _ = write(
            samples(mode, 300, 400), mode, "jpeg", EncodeOptions(quality=quality, compress=compress)
        )
        assert read_picture(stream).pixels.shape[:2] == (300, 400)
    assert before == ImageFile.MAXBLOCK


def test_quality_decides_the_size():
    for form in ("jpeg", "webp", "avif"):
        small, large = (write(smooth(), "RGB", form, EncodeOptions(quality=q))[0].tell() for q in (20, 95))
        assert small < large


def test_webp_is_lossless_after_a_lossless_input_and_only_then():
    pixels = samples("RGBA")
    pixels[:9, ..., 3] = 0  # what cannot be seen is kept too
    stream, _ = write(pixels, "RGBA", "webp")
    np.testing.assert_array_equal(read_picture(stream).pixels, pixels)
    assert read_picture(stream).metadata.lossless
    for encoding, metadata in ((None, {"lossless": False}), (EncodeOptions(quality=90), {})):
        stream, _ = write(pixels, "RGBA", "webp", encoding, **metadata)
        assert not read_picture(stream).metadata.lossless


@pytest.mark.parametrize("compression", ["raw", "tiff_lzw", "tiff_adobe_deflate", "packbits", "lzma"])
@pytest.mark.parametrize("mode", ["L", "RGB", "I;16", "F"])
def test_a_tiff_keeps_its_lossless_compression(compression, mode):
    stream, _ = write(samples(mode), mode, "tiff", compression=compression)
    picture = read_picture(stream)
    assert picture.metadata.compression == compression
    np.testing.assert_array_equal(picture.pixels, samples(mode))


@pytest.mark.parametrize("compression", ["jpeg", "group4", "tiff_thunderscan", "webp", None])
def test_a_tiff_of_another_compression_becomes_a_lossless_one(compression):
    stream, _ = write(samples("RGB"), "RGB", "tiff", compression=compression)
    picture = read_picture(stream)
    assert picture.metadata.compression == "tiff_lzw"
    np.testing.assert_array_equal(picture.pixels, samples("RGB"))


def test_a_tga_is_run_length_coded_if_it_was():
    for compression in ("tga_rle", None):
        stream, _ = write(samples("RGB") // 128, "RGB", "tga", compression=compression)
        assert read_picture(stream).metadata.compression == compression


def test_a_fast_png_of_a_photograph_looks_for_runs_alone_and_is_hardly_larger():
    # On photographs of 0.1 to 12 megapixels this took 0.2 to 0.37 of the time of the default.
    rng = np.random.default_rng(0)
    pixels = np.clip(smooth(300, 400) + rng.normal(0, 3, (300, 400, 3)), 0, 255).astype(np.uint8)
    image = Image.fromarray(pixels)
    plain = io.BytesIO()
    image.save(plain, "PNG")
    assert write(pixels, "RGB", "png")[0].tell() < 1.08 * plain.tell()


def test_a_fast_png_of_what_repeats_itself_stays_small():
    rows, columns = np.mgrid[0:400, 0:600]
    drawing = np.stack([columns * 255 // 600, rows * 255 // 400, (columns + rows) % 256], -1).astype(np.uint8)
    plain = io.BytesIO()
    Image.fromarray(drawing).save(plain, "PNG")
    assert write(drawing, "RGB", "png")[0].tell() <= 1.08 * plain.tell()


def test_small_is_never_larger_than_fast_or_plain():
    table = np.random.default_rng(0).integers(0, 256, (64, 3), dtype=np.uint8)
    few = table[samples("L", 90, 90) // 4]
    for pixels, mode in (
        (smooth(), "RGB"),
        (samples("RGBA"), "RGBA"),
        (few, "RGB"),
        (samples("I;16"), "I;16"),
    ):
        fast, small = (
            write(pixels, mode, "png", EncodeOptions(compress=c))[0].tell() for c in ("fast", "small")
        )
        assert small <= fast
    plain = io.BytesIO()
    Image.fromarray(few).save(plain, "PNG", optimize=True)
    assert small_size(few) < 0.6 * plain.tell()


def small_size(pixels):
    return write(pixels, "RGB", "png", EncodeOptions(compress="small"))[0].tell()
