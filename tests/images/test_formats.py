"""What is known of formats without decoding a file."""

import io

import pytest
from encoded import write
from samples import noise

from convfilter.images.formats import FORMATS, extension_of, format_of_name, sniff

pytestmark = pytest.mark.usefixtures("without_codecs")  # as Pillow alone does it

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
