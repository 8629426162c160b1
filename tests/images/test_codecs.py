"""With the codecs installed: what only they write, and when they are used."""

import io
import subprocess
import sys

import numpy as np
import pytest
from encoded import encoded
from PIL import Image
from samples import noise

from convfilter.errors import ImageError
from convfilter.images.picture import Picture
from convfilter.images.reading import opened_frames, read_picture
from convfilter.images.writing import check_writable, write_frames

pytest.importorskip("tifffile", reason="needs the extra 'codecs'")
pytest.importorskip("imagecodecs", reason="needs the extra 'codecs'")


@pytest.mark.parametrize("compression", ["raw", "tiff_lzw", "tiff_adobe_deflate", "packbits", "lzma", "zstd"])
def test_a_deep_tiff_keeps_its_compression(compression):
    for kind in ("RGB;uint16", "LA;float64"):
        mode = kind.partition(";")[0]
        picture = read_picture(io.BytesIO(encoded(noise(kind), mode, "tiff", compression=compression)))
        assert picture.metadata.compression == compression
        np.testing.assert_array_equal(picture.pixels, noise(kind))


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

    pages = np.random.default_rng(0).random((9, 60, 80, 3))
    with open(tmp_path / "deep.tif", "wb") as stream:
        write_frames(stream, [Picture(page, "RGB", "tiff") for page in pages.copy()], 9, "tiff")
        length = stream.tell()
    raw = Counting(tmp_path / "deep.tif")
    with io.BufferedReader(raw) as file, opened_frames(file, max_pixels=None) as found:
        for number, page in enumerate(pages):
            np.testing.assert_array_equal(found.read(number).pixels, page)
    assert raw.count < 2.5 * length


def test_deep_frames_are_refused_by_a_png_before_any_work():
    with pytest.raises(ImageError, match="png cannot hold 2 frames of 16 bits per colour; try tiff"):
        check_writable("RGB", "uint16", (4, 4), 2, "png")


def test_reading_imports_neither_the_codecs_nor_other_plugins(tmp_path):
    Image.fromarray(noise("RGB")).save(tmp_path / "a.jpg")
    script = (
        "import sys; from convfilter.images.reading import read_picture; read_picture(sys.argv[1]); "
        "unused = {'imagecodecs', 'tifffile', 'PIL.TiffImagePlugin', 'PIL.EpsImagePlugin'}; "
        "assert not unused & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script, tmp_path / "a.jpg"], check=True)
