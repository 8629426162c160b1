"""Streams that pictures are written to."""

import errno
import io

import numpy as np
import pytest
from encoded import smooth, write
from PIL import Image
from samples import noise as samples

from convfilter.errors import ImageError
from convfilter.images.formats import FORMATS
from convfilter.images.picture import Picture
from convfilter.images.reading import read_picture
from convfilter.images.writing import write_picture
from convfilter.options import EncodeOptions

pytestmark = pytest.mark.usefixtures("without_codecs")  # as Pillow alone does it


class Full(io.BytesIO):
    """A disk that is full after some bytes."""

    def __init__(self, room):
        super().__init__()
        self.room = room

    def write(self, data):
        if self.tell() + len(data) > self.room:
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().write(data)


@pytest.mark.parametrize("room", [0, 100, 1500])
@pytest.mark.parametrize("form", list(FORMATS))
def test_a_full_disk_is_the_streams_own_error(form, room):
    with pytest.raises(OSError, match="No space left on device") as caught:
        write_picture(Full(room), Picture(samples("RGB", 80, 80), "RGB", "png"), form)
    assert caught.value.errno == errno.ENOSPC


@pytest.mark.parametrize("form", list(FORMATS))
def test_a_stream_that_cannot_seek_will_do(form):
    class Pipe(io.RawIOBase):
        data = b""

        def writable(self):
            return True

        def write(self, data):
            Pipe.data += bytes(data)
            return len(data)

    with io.BufferedWriter(Pipe()) as stream:
        write_picture(stream, Picture(samples("RGB"), "RGB", "png"), form)
    assert Pipe.data == write(samples("RGB"), "RGB", form)[0].getvalue()


@pytest.mark.parametrize("form", list(FORMATS))
def test_a_file_gets_the_same_bytes(tmp_path, form):
    with (tmp_path / "a").open("wb") as stream:
        stream.write(b"before")  # as a shell's `>>` would leave it
        write_picture(stream, Picture(samples("RGB"), "RGB", "png"), form)
    assert (tmp_path / "a").read_bytes() == b"before" + write(samples("RGB"), "RGB", form)[0].getvalue()


@pytest.mark.parametrize(
    "error", [OSError("encoder error -2"), ValueError("x"), OverflowError("x"), MemoryError()]
)
def test_an_encoders_error_is_an_image_error(monkeypatch, error):
    def fail(*args, **kwargs):
        raise error

    monkeypatch.setattr(Image.Image, "save", fail)
    with pytest.raises(ImageError, match=r"^cannot be written as png|^not enough memory"):
        write(samples("RGB"), "RGB", "png")


def test_an_interrupt_passes(monkeypatch):
    def interrupt(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(Image.Image, "save", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write(samples("RGB"), "RGB", "png")


def test_pixels_are_released_only_if_asked(monkeypatch):
    seen = []
    real = Image.Image.save
    picture = Picture(samples("RGB"), "RGB", "png")

    def watched(image, *args, **options):
        seen.append(picture.pixels.size)
        real(image, *args, **options)

    monkeypatch.setattr(Image.Image, "save", watched)
    write_picture(io.BytesIO(), picture)
    assert picture.pixels.shape == (23, 31, 3)
    stream = io.BytesIO()
    write_picture(stream, picture, release=True)
    assert picture.pixels.size == 0
    assert set(seen[:3]) == {23 * 31 * 3}
    assert set(seen[3:]) == {0}
    np.testing.assert_array_equal(read_picture(stream).pixels, samples("RGB"))


def test_the_same_pixels_give_the_same_bytes():
    for form in FORMATS:
        assert write(smooth(), "RGB", form)[0].getvalue() == write(smooth(), "RGB", form)[0].getvalue()


@pytest.mark.parametrize("shape", [(1, 1), (1, 2), (5, 7), (33, 64)])
def test_a_jpeg_is_the_one_that_pillow_writes_of_the_same_pixels(shape):
    pixels = np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8)
    written, expected = io.BytesIO(), io.BytesIO()
    write_picture(written, Picture(pixels, "RGB", "png"), "jpeg", EncodeOptions(quality=80))
    Image.fromarray(pixels).save(expected, "JPEG", quality=80, subsampling=2)
    assert written.getvalue() == expected.getvalue()
