"""Reading: which picture of several, and what it costs."""

import os
import subprocess
import sys
import textwrap

import numpy as np
import pytest
from encoded import encoded, saved
from PIL import Image, PngImagePlugin
from samples import grey, save
from samples import noise as samples

from convfilter.errors import ImageError
from convfilter.images.reading import read_picture, read_size

pytestmark = pytest.mark.usefixtures("without_codecs")  # as Pillow alone does it


# Frames.


@pytest.mark.parametrize("form", ["GIF", "PNG", "TIFF", "WEBP"])
def test_frames_are_counted_and_can_be_chosen(form):
    frames = [Image.new("RGB", (8, 8), (value, 0, 0)) for value in (0, 128, 255)]
    options = {"WEBP": {"lossless": True}}.get(form, {})
    stream = saved(frames[0], form, save_all=True, append_images=frames[1:], **options)
    assert read_size(stream).frames == 3
    for number, value in enumerate((0, 128, 255)):
        picture = read_picture(stream, frame=number)
        assert picture.frames == 3
        assert picture.pixels[0, 0, 0] == value
    with pytest.raises(ImageError, match="there is no frame 3: it holds 3, counted from 0"):
        read_picture(stream, frame=3)


def test_of_a_phones_several_pictures_the_first_is_read_with_a_warning():
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("black", "white")]
    stream = saved(frames[0], "MPO", save_all=True, append_images=frames[1:])
    picture = read_picture(stream)
    assert (picture.format, picture.frames, picture.pixels.max()) == ("jpeg", 1, 0)
    assert picture.warnings == ["holds 2 images: only the first is read"]


# Cost.


@pytest.mark.skipif(not os.access("/proc/self/clear_refs", os.W_OK), reason="needs Linux's peak memory")
@pytest.mark.parametrize("turn", [1, 6])
def test_reading_peaks_below_seven_and_a_half_bytes_a_pixel(tmp_path, turn):
    block = np.random.default_rng(0).integers(0, 256, (3000, 50, 3), dtype=np.uint8)
    exif = Image.Exif()
    exif[274] = turn
    Image.fromarray(np.tile(block, (1, 80, 1))).save(tmp_path / "a.png", exif=exif, compress_type=3)
    script = """
        import io, sys
        from pathlib import Path
        from PIL import Image
        from convfilter.images.reading import read_picture
        def peak():
            status = Path("/proc/self/status").read_text()
            return 1024 * int(status.partition("VmHWM:")[2].split()[0])
        tiny = io.BytesIO()
        Image.new("RGB", (9, 9)).save(tiny, "PNG", exif=Image.open(sys.argv[1]).info["exif"])
        read_picture(tiny)
        Path("/proc/self/clear_refs").write_text("5")
        before = peak()
        picture = read_picture(sys.argv[1])
        print((peak() - before) / picture.pixels[..., 0].size)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), str(tmp_path / "a.png")],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert 3 < float(done.stdout) < 7.5


def test_reading_a_png_imports_only_common_plugins():
    script = """
        import io, sys
        from PIL import Image
        from convfilter.images.reading import read_picture
        read_picture(io.BytesIO(sys.stdin.buffer.read()))
        print(sorted(name for name in sys.modules if name in ("PIL.TiffImagePlugin", "PIL.EpsImagePlugin")))
    """
    data = encoded(samples("RGB"), "RGB", "png")
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        input=data, capture_output=True, check=True,
    )  # fmt: skip
    assert done.stdout.strip() == b"[]"


def test_an_exif_block_that_imagemagick_put_into_text_is_kept(tmp_path):
    exif = Image.Exif()
    exif[315] = "Ann"
    block = exif.tobytes()
    text = PngImagePlugin.PngInfo()
    text.add_text("Raw profile type exif", f"\nexif\n{len(block):8}\n{block.hex()}\n")
    path = save(tmp_path / "a.png", grey(), pnginfo=text)
    found = read_picture(path)
    assert found.metadata.chunks == ()
    parsed = Image.Exif()
    parsed.load(found.metadata.exif)
    assert parsed[315] == "Ann"
    assert found.warnings == []
