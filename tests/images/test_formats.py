"""What is known of formats without decoding a file."""

import io

import pytest
from encoded import write
from samples import noise

from convfilter.errors import ImageError
from convfilter.images.formats import (
    FORMATS,
    extension_of,
    fitting_mode,
    format_of_name,
    kind_of,
    loaded,
    route,
    sniff,
)

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


@pytest.mark.parametrize("form", ALL)
def test_every_function_that_the_table_names_exists(form):
    row = FORMATS[form]
    for reference in filter(None, (row.reader, row.encoder, row.frames_encoder)):
        assert callable(loaded(reference))
    assert bool(row.frames_encoder) == bool(row.several)


@pytest.mark.parametrize(
    ("mode", "dtype", "forms", "mend"),
    [
        ("I;16", "uint16", "jpeg webp bmp gif tga avif", "png or tiff"),
        ("I", "int32", "png jpeg webp bmp gif ppm tga avif", "tiff"),
        ("F", "float32", "png jpeg webp bmp gif ppm tga avif", "tiff"),
        ("F", "float64", "png jpeg webp bmp gif ppm tga avif", "npy"),
        ("RGB", "uint16", "jpeg webp bmp gif tga avif", "png"),
        ("RGB", "uint16", "tiff", r"without the codecs: install convfilter\[codecs\], or --depth 8"),
        ("RGB", "float32", "png", "npy"),
        ("F", "float64", "tiff", r"without the codecs: install convfilter\[codecs\], or --depth 8"),
        ("LAB", "uint8", "png jpeg webp bmp gif ppm tga avif", "tiff"),
        ("C5", "uint8", "png jpeg webp bmp gif ppm tga avif", "npy"),
        ("C5", "float64", "tiff", r"without the codecs: install convfilter\[codecs\], or try npy"),
    ],
)
def test_depth_is_never_lost_and_the_message_says_what_to_do(mode, dtype, forms, mend):
    for form in forms.split():
        with pytest.raises(ImageError, match=f"^{form} cannot hold .*{mend}(, or --depth 8)?$"):
            route(mode, dtype, form)


def test_a_mode_changes_only_with_the_number_of_channels():
    for mode, channels, fitting in (
        *(("RGB", 3, "RGB"), ("LAB", 3, "LAB"), ("CMYK", 4, "CMYK")),
        *(("RGB", 1, "L"), ("I;16", 1, "I;16"), ("L", 7, "C7")),
    ):
        assert fitting_mode(mode, channels) == fitting


def test_the_depth_of_grey_decides_its_kind():
    kinds = [kind_of("L", dtype) for dtype in ("uint8", "uint16", "int32", "float32", "float64")]
    assert kinds == ["L", "I;16", "I", "F", "L;float64"]
    assert kind_of("I;16", "uint8") == "L"
