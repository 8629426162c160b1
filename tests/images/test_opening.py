"""Opening files: what they are, what is read or refused, and with which message."""

import contextlib
import io
import os
import socket
import struct
import subprocess
import sys
import zlib
from unittest.mock import Mock

import numpy as np
import pytest
from encoded import encoded, write
from PIL import Image
from samples import noise

from convfilter.errors import ImageError
from convfilter.images.formats import FORMATS, extension_of, format_of_name, sniff
from convfilter.images.reading import read_picture, read_size

pytestmark = pytest.mark.usefixtures("without_codecs")  # as Pillow alone does it


def test_pipes_sockets_devices_and_folders_do_not_hang(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "folder.png").mkdir()
    kinds = {"pipe.png": "pipe", "folder.png": "folder", "socket.png": "socket", "/dev/zero": "device"}
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket.png"))
        for name, kind in kinds.items():
            for read in (read_picture, read_size):
                with pytest.raises(ImageError, match=f"^is a {kind}, not an image file$"):
                    read(tmp_path / name)
    with pytest.raises(ImageError, match="not a file name"):
        read_picture(str(tmp_path / "a\0b"))


def test_a_pipe_that_takes_a_files_place_does_not_hang(tmp_path, monkeypatch):
    os.mkfifo(tmp_path / "a.png")
    monkeypatch.setattr(os, "stat", lambda path: os.lstat(__file__))
    with pytest.raises(ImageError, match="is a pipe"):
        read_picture(tmp_path / "a.png")


def test_a_stream_that_cannot_be_rewound_is_read_and_left_open():
    reader, writer = os.pipe()
    with os.fdopen(writer, "wb") as stream:
        stream.write(encoded(noise("RGB"), "RGB", "png"))
    with os.fdopen(reader, "rb") as stream:
        np.testing.assert_array_equal(read_picture(stream).pixels, noise("RGB"))
        assert not stream.closed


def test_a_tga_without_footer_needs_its_name(tmp_path):
    data = encoded(noise("RGB"), "RGB", "tga")[:-26]
    (tmp_path / "a.tga").write_bytes(data)
    np.testing.assert_array_equal(read_picture(tmp_path / "a.tga").pixels, noise("RGB"))
    with pytest.raises(ImageError, match="known format"):
        read_picture(io.BytesIO(data))


def test_reading_imports_neither_the_codecs_nor_other_plugins(tmp_path):
    Image.fromarray(noise("RGB")).save(tmp_path / "a.jpg")
    script = (
        "import sys; from convfilter.images.reading import read_picture; read_picture(sys.argv[1]); "
        "unused = {'imagecodecs', 'tifffile', 'PIL.TiffImagePlugin', 'PIL.EpsImagePlugin'}; "
        "assert not unused & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script, tmp_path / "a.jpg"], check=True)


@pytest.mark.parametrize("form", list(FORMATS))
def test_too_many_pixels_are_refused_before_decoding(form, monkeypatch):
    data = encoded(noise("RGB"), "RGB", form)
    for name in ("load", "tobytes", "crop"):
        monkeypatch.setattr(Image.Image, name, lambda *a, **k: pytest.fail("decoded"))
    with pytest.raises(ImageError, match=r"^31 x 23 pixels are more than 712; .* --max-pixels 713$"):
        read_picture(io.BytesIO(data), max_pixels=712)


@pytest.mark.parametrize(
    ("form", "mode", "compression"),
    [(form, "RGB", None) for form in FORMATS]
    + [("png", "I;16", None), ("jpeg", "CMYK", None), ("webp", "RGBA", None), ("npy", "F", None)]
    + [("tiff", "RGB", "raw"), ("tiff", "L", "tiff_adobe_deflate"), ("tga", "RGB", "tga_rle")],
)
def test_a_truncated_file_is_an_error_and_never_half_an_image(tmp_path, form, mode, compression):
    data = encoded(noise(mode) // 64 * 64, mode, form, compression=compression)
    whole = read_picture(io.BytesIO(data)).pixels
    path = tmp_path / f"a.{form}"  # so that a TGA is tried
    for length in {*range(0, len(data), len(data) // 12), *range(len(data) - 9, len(data))}:
        path.write_bytes(data[:length])
        with contextlib.suppress(ImageError):
            np.testing.assert_array_equal(read_picture(path).pixels, whole)
            assert length > len(data) - 30  # only what is not needed is missing, such as a footer


@pytest.mark.parametrize("form", list(FORMATS))
def test_whatever_is_broken_the_error_is_ours_and_one_line(form):
    rng = np.random.default_rng(5)
    data = np.frombuffer(encoded(noise("RGB") // 64 * 64, "RGB", form), np.uint8)
    messages = []
    for _ in range(60):
        broken = data.copy()
        reach = min(len(data), int(rng.choice([64, 600, len(data)])))
        broken[rng.integers(0, reach, rng.choice([1, 3, 20]))] = rng.integers(0, 256)
        for read in (read_picture, read_size):
            try:
                read(io.BytesIO(broken.tobytes()))
            except ImageError as error:
                messages.append(str(error))
    assert not any("\n" in message for message in messages)


@pytest.mark.parametrize(
    "error",
    [OSError("x"), SyntaxError("x"), ValueError("x"), OverflowError("x"), struct.error("x"), MemoryError(),
     zlib.error("x"), RecursionError("x"), KeyError("x"), EOFError(), KeyboardInterrupt()],
)  # fmt: skip
def test_whatever_a_decoder_raises_becomes_an_image_error_unless_it_is_an_interrupt(monkeypatch, error):
    data = encoded(noise("RGB"), "RGB", "png")
    monkeypatch.setattr("PIL.PngImagePlugin.PngImageFile.load", Mock(side_effect=error))
    interrupt = isinstance(error, KeyboardInterrupt)
    words = None if interrupt else r"^(broken png data|not enough memory)"
    with pytest.raises(KeyboardInterrupt if interrupt else ImageError, match=words) as caught:
        read_picture(io.BytesIO(data))
    assert type(error).__name__ not in str(caught.value)


def test_an_error_of_the_disk_is_reported_in_its_words(monkeypatch):
    class Dying(io.BytesIO):
        def read(self, size=-1):
            if self.tell() > 100:
                raise OSError(5, "Input/output error")
            return super().read(size)

    with pytest.raises(ImageError, match=r"^Input/output error$"):
        read_picture(Dying(encoded(noise("RGB"), "RGB", "png")))


ALL = ["png", "jpeg", "tiff", "webp", "bmp", "gif", "ppm", "tga", "avif", "npy"]


@pytest.mark.parametrize("form", ALL)
def test_a_format_is_known_by_its_extensions_and_its_first_bytes(form):
    for extension in FORMATS[form].extensions:
        assert format_of_name(f"some.where/a.b{extension}") == form
        assert format_of_name(f"A{extension.upper()}") == form
    assert format_of_name(f"a{extension_of(form)}") == form
    stream, _ = write(noise("L"), "L", form)
    assert sniff(stream, "other.png") == form
    assert stream.tell() == 0


def test_other_names_and_bytes_are_of_no_format():
    for name in ("", ".png", "png", "a.txt", "a.png/b", "a.png.", "folder.png/"):
        assert format_of_name(name) is None
    for data in (b"", b"P", b"P7\n", b"GIF88a", bytes(100)):
        assert sniff(io.BytesIO(data), "a.png") is None
        assert sniff(io.BytesIO(data), "a.tga") == "tga"  # old ones have no signature
