"""With the codecs installed: TIFFs of any type and number of channels, and PNGs encoded more quickly."""

import contextlib
import io
import struct
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from handmade import tiff
from PIL import Image, ImageCms
from samples import SAMPLE_IMAGES, load, mode_of, noise

import convfilter as cf
from convfilter.batch import filter_file
from convfilter.errors import ImageError
from convfilter.images import formats
from convfilter.images.animation import write_frames
from convfilter.images.formats import FORMATS, route
from convfilter.images.metadata import Metadata
from convfilter.images.picture import Picture
from convfilter.images.reading import opened_frames, read_picture, read_size
from convfilter.images.writing import check_writable, write_picture
from convfilter.options import EncodeOptions

pytest.importorskip("tifffile", reason="needs the extra 'codecs'")
pytest.importorskip("imagecodecs", reason="needs the extra 'codecs'")

DEEP = [("png", kind) for kind in FORMATS["png"].deep] + [("ppm", "RGB;uint16")]
# Each type and each mode once or twice.
DEEP += [
    ("tiff", kind)
    for kind in (
        *("L;int8", "L;int16", "L;uint32", "L;float64", "C", "C;float64"),
        *("LA;uint16", "RGB;uint16", "RGBA;uint16", "CMYK;uint16", "RGB;float32", "RGBA;int16"),
    )
]


def write(pixels, mode, form, encoding=None, **metadata):
    stream = io.BytesIO()
    warnings = write_picture(stream, Picture(pixels, mode, "npy", Metadata(**metadata)), form, encoding)
    assert warnings == []
    return stream.getvalue()


def read(data, **options):
    return read_picture(io.BytesIO(data), **options)


@pytest.mark.parametrize(("form", "kind"), DEEP)
@pytest.mark.parametrize("compress", ["fast", "small"])
def test_deep_colours_come_back_bit_by_bit(form, kind, compress):
    pixels, mode = noise(kind), mode_of(kind)
    data = write(pixels, mode, form, EncodeOptions(compress=compress))
    mode = mode.replace("C5", "LXXXX")
    picture = read(data)
    assert (picture.mode, picture.pixels.dtype, picture.warnings) == (mode, pixels.dtype, [])
    np.testing.assert_array_equal(picture.pixels, pixels)
    size = read_size(io.BytesIO(data))
    assert (size.height, size.width, size.channels) == (*pixels.shape, 1)[:3]
    assert (size.mode, size.dtype) == (mode, pixels.dtype.name)


@pytest.mark.parametrize("compression", ["raw", "tiff_lzw", "tiff_adobe_deflate", "packbits", "lzma", "zstd"])
@pytest.mark.parametrize("kind", ["RGB;uint16", "RGBA;float32", "LA;float64"])
def test_a_deep_tiff_keeps_its_compression(kind, compression):
    mode = kind.partition(";")[0]
    picture = read(write(noise(kind), mode, "tiff", compression=compression))
    assert picture.metadata.compression == compression
    np.testing.assert_array_equal(picture.pixels, noise(kind))


@pytest.mark.parametrize(("form", "kind"), [pair for pair in DEEP if pair[0] != "ppm"])
def test_deep_pictures_keep_their_metadata(form, kind):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    exif = Image.Exif()
    exif[271], exif[34665] = "Maker", {36867: "2026:01:02 03:04:05"}
    kept = {
        "icc": profile if kind.startswith("RGB") else None,
        "exif": b"Exif\0\0" + exif.tobytes().removeprefix(b"Exif\0\0"),
        "xmp": b"<x:xmpmeta xmlns:x='adobe:ns:meta/'></x:xmpmeta>",
        "dpi": (300.0, 150.0),
    }
    found = read(write(noise(kind), mode_of(kind), form, **kept)).metadata
    assert (found.icc, found.xmp) == (kept["icc"], kept["xmp"])
    assert found.dpi == pytest.approx(kept["dpi"], abs=0.02)
    parsed = Image.Exif()
    parsed.load(found.exif)
    assert parsed[271] == "Maker"
    assert parsed.get_ifd(34665) == {36867: "2026:01:02 03:04:05"}


def test_text_and_the_meaning_of_colours_stay_with_a_png():
    chunks = (b"gAMA", struct.pack(">I", 45455)), (b"sRGB", b"\1"), (b"tEXt", b"Title\0late")
    for kind in ("RGB;uint16", "RGB", "L", "I;16"):
        mode = kind if kind == "I;16" else kind.partition(";")[0]
        found = read(write(noise(kind), mode, "png", chunks=chunks)).metadata
        assert found.chunks == chunks


def test_a_turned_deep_tiff_is_read_upright():
    pixels = noise("RGB;uint16", 2, 3)
    tags = {256: [3], 257: [2], 258: [16] * 3, 259: [1], 262: [2], 274: [6], 277: [3], 279: [36]}
    data = tiff(tags, pixels.astype("<u2").tobytes())
    np.testing.assert_array_equal(read(data).pixels, np.rot90(pixels, -1))
    np.testing.assert_array_equal(read(data, orient=False).pixels, pixels)


# Reading what others wrote


def by_hand(pixels, order, planes=False, extra=None):
    """A deep TIFF of one strip, or one for each plane."""
    height, width, channels = pixels.shape
    bits = 8 * pixels.dtype.itemsize
    kind = 3 if pixels.dtype.kind == "f" else 1
    stored = np.moveaxis(pixels, -1, 0) if planes else pixels
    data = stored.astype(pixels.dtype.newbyteorder(order)).tobytes()
    strips = channels if planes else 1
    tags = {
        256: [width], 257: [height], 258: [bits] * channels, 259: [1], 262: [2 if channels > 2 else 1],
        277: [channels], 278: [height], 279: [len(data) // strips] * strips, 284: [2 if planes else 1],
        339: [kind] * channels,
    }  # fmt: skip
    if extra is not None:
        tags[338] = [extra]
    return tiff(tags, data, order=order)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("planes", [False, True])
@pytest.mark.parametrize("dtype", ["uint16", "float16", "float32", "float64"])
@pytest.mark.parametrize("extra", [None, 0, 2])
def test_deep_tiffs_of_every_layout_are_read_in_full(order, planes, dtype, extra):
    pixels = (noise("RGBA;uint16", 5, 7)[..., : 3 if extra is None else 4] / 65535).astype(dtype)
    if dtype == "uint16":
        pixels = noise("RGBA;uint16", 5, 7)[..., : pixels.shape[2]]
    picture = read(by_hand(pixels, order, planes, extra))
    assert (picture.mode, picture.warnings) == ({None: "RGB", 0: "RGBX", 2: "RGBA"}[extra], [])
    assert picture.pixels.dtype == (np.float32 if dtype == "float16" else dtype)
    assert picture.pixels.dtype.isnative
    np.testing.assert_array_equal(picture.pixels, pixels)


def test_premultiplied_deep_colours_are_divided_by_alpha():
    pixels = np.array([[[1000, 2000, 3000, 32768], [5, 5, 5, 0], [7, 8, 9, 65535]]], np.uint16)
    found = read(by_hand(pixels, "<", extra=1)).pixels.tolist()
    assert found == [[[2000, 4000, 6000, 32768], [0, 0, 0, 0], [7, 8, 9, 65535]]]
    floats = np.array([[[0.25, 0.5, 1.0, 0.5]]], np.float32)
    assert read(by_hand(floats, "<", extra=1)).pixels.tolist() == [[[0.5, 1.0, 2.0, 0.5]]]


def test_every_page_of_a_deep_tiff_is_read_and_written(tmp_path):
    frames = [noise("RGB;uint16") // (number + 1) for number in range(3)]
    stream = io.BytesIO()
    pictures = [Picture(frame, "RGB", "tiff") for frame in frames]
    assert write_frames(stream, iter(pictures), 3, "tiff") == []
    for number, frame in enumerate(frames):
        picture = read(stream.getvalue(), frame=number)
        assert picture.frames == 3
        np.testing.assert_array_equal(picture.pixels, frame)


def test_a_deep_tiff_of_many_pages_is_read_once(tmp_path):
    class Counting(io.FileIO):
        count = 0

        def readinto(self, buffer):
            got = super().readinto(buffer)
            self.count += got
            return got

        def readall(self):
            data = super().readall()
            self.count += len(data)
            return data

    pages = np.random.default_rng(0).integers(0, 65536, (9, 200, 300, 3), np.uint16)
    frames = [Picture(page, "RGB", "tiff") for page in pages]
    stream = io.BytesIO()
    write_frames(stream, [replace(frame) for frame in frames], 9, "tiff")
    (tmp_path / "deep.tif").write_bytes(stream.getvalue())
    raw = Counting(tmp_path / "deep.tif")
    with io.BufferedReader(raw) as file, opened_frames(file, max_pixels=None) as found:
        for number, page in enumerate(pages):
            np.testing.assert_array_equal(found.read(number).pixels, page)
    assert raw.count < 2.5 * len(stream.getvalue())


def test_deep_frames_are_refused_by_a_png_before_any_work():
    with pytest.raises(ImageError, match="png cannot hold 2 frames of 16 bits a colour; try tiff"):
        check_writable("RGB", "uint16", (4, 4), 2, "png")


@pytest.mark.parametrize(("form", "kind"), DEEP)
def test_a_truncated_deep_file_is_an_error_and_never_half_a_picture(form, kind):
    pixels, mode = noise(kind), mode_of(kind)
    data = write(pixels, mode, form)
    for length in sorted({*range(0, len(data), len(data) // 25), *range(len(data) - 9, len(data))}):
        with contextlib.suppress(ImageError):
            found = read(data[:length]).pixels
            np.testing.assert_array_equal(found, pixels)
            assert length > len(data) - 30


def test_too_many_pixels_are_refused_before_the_codecs_see_them(monkeypatch):
    monkeypatch.setattr("tifffile.TiffFile", lambda stream, **_: pytest.fail("decoded"))
    for form, kind in DEEP:
        with pytest.raises(ImageError, match="--max-pixels 713"):
            read(write(noise(kind), mode_of(kind), form), max_pixels=712)


# PNGs of 8 bits


@pytest.mark.parametrize("kind", ["L", "LA", "RGB", "RGBA", "I;16"])
@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (40, 1), (23, 31)])
def test_pngs_of_the_codecs_are_what_pillow_reads(kind, shape):
    pixels = noise(kind, *shape)
    data = write(pixels, kind, "png")
    with Image.open(io.BytesIO(data)) as image:
        assert image.mode == kind
        np.testing.assert_array_equal(np.asarray(image), pixels)


@pytest.mark.parametrize("name", ["coffee", "camera", "text", "badge"])
def test_a_png_of_the_codecs_is_no_larger(name, monkeypatch):
    picture = read_picture(SAMPLE_IMAGES / f"{name}.png")
    ours = len(write(picture.pixels, picture.mode, "png"))
    monkeypatch.setattr(formats, "codecs_available", lambda: False)
    assert ours <= 1.02 * len(write(picture.pixels, picture.mode, "png"))


def test_a_drawing_that_repeats_itself_stays_small():
    rows, columns = np.mgrid[0:400, 0:600]
    drawing = np.stack([columns * 255 // 600, rows * 255 // 400, (columns + rows) % 256], -1).astype(np.uint8)
    # Of runs alone it would be a sixth of the samples; how near matching comes to the best is zlib's affair.
    assert len(write(drawing, "RGB", "png")) <= drawing.nbytes / 100


def test_the_same_pixels_give_the_same_bytes():
    assert write(noise("RGB"), "RGB", "png") == write(noise("RGB"), "RGB", "png")


# Refusals, with and without


@pytest.mark.parametrize(("form", "kind"), [pair for pair in DEEP if pair[0] != "ppm"])
def test_without_the_codecs_the_refusal_names_them(form, kind, monkeypatch):
    monkeypatch.setattr(formats, "codecs_available", lambda: False)
    mend = "try npy" if kind.startswith("C") and not kind.startswith("CMYK") else "--depth 8"
    with pytest.raises(ImageError, match=rf"without the codecs: install convfilter\[codecs\], or {mend}$"):
        route(mode_of(kind), noise(kind).dtype.name, form)


@pytest.mark.parametrize("form", ["jpeg", "webp", "bmp", "gif", "tga", "avif"])
def test_depth_is_never_narrowed_for_a_format(form):
    with pytest.raises(
        ImageError, match=f"^{form} cannot hold RGB of 16 bits; try png or tiff, or --depth 8$"
    ):
        route("RGB", "uint16", form)


def test_the_codecs_are_loaded_only_where_they_are_needed(run, tmp_path):
    Image.fromarray(noise("RGB")).save(tmp_path / "a.jpg")
    script = (
        "import sys; from convfilter.images.reading import read_picture; read_picture(sys.argv[1]); "
        "assert not {'imagecodecs', 'tifffile'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script, tmp_path / "a.jpg"], check=True)


# From file to file


@pytest.mark.parametrize(
    ("form", "kind"),
    [("png", "RGB;uint16"), ("npy", "L;int16")]
    + [("tiff", kind) for kind in ("RGBA;uint16", "RGB;float32", "L;int8", "L;uint32", "C")],
)
def test_the_identity_gives_deep_pictures_back(tmp_path, form, kind):
    mode = mode_of(kind)
    (tmp_path / f"a.{form}").write_bytes(write(noise(kind), mode, form))
    filter_file(tmp_path / f"a.{form}", tmp_path / f"b.{form}", "identity")
    picture = read_picture(tmp_path / f"b.{form}")
    assert picture.mode == mode.replace("C5", "LXXXX")
    np.testing.assert_array_equal(picture.pixels, noise(kind))
    assert picture.pixels.dtype == noise(kind).dtype


def test_a_blur_of_sixteen_bits_is_that_of_the_array(tmp_path):
    (tmp_path / "a.png").write_bytes(write(noise("RGB;uint16"), "RGB", "png"))
    filter_file(tmp_path / "a.png", tmp_path / "b.png", "blur")
    np.testing.assert_array_equal(
        read_picture(tmp_path / "b.png").pixels, cf.apply_kernel(noise("RGB;uint16"), "blur")
    )
    assert load(tmp_path / "b.png").dtype == np.uint8  # as Pillow gives it: the file is deeper
