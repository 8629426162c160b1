"""What is known of formats without opening a file."""

import subprocess
import sys

import pytest

from convfilter.errors import ImageError
from convfilter.images.formats import FORMATS, extension_of, fitting_mode, format_of_name, kind_of, route

pytestmark = pytest.mark.usefixtures("without_codecs")  # as Pillow alone does it

ALL = ["png", "jpeg", "tiff", "webp", "bmp", "gif", "ppm", "tga", "avif", "npy"]


def test_the_formats_are_those_of_the_command_line():
    assert list(FORMATS) == ALL


@pytest.mark.parametrize("form", ALL)
def test_every_extension_names_its_format_in_any_case(form):
    for extension in FORMATS[form].extensions:
        assert format_of_name(f"some.where/a.b{extension}") == form
        assert format_of_name(f"A{extension.upper()}") == form
    assert format_of_name(f"a{extension_of(form)}") == form


@pytest.mark.parametrize("name", ["", ".png", "png", "a.txt", "a.png/b", "a.png.", "folder.png/"])
def test_other_names_promise_nothing(name):
    assert format_of_name(name) is None


def test_who_holds_alpha():
    assert [form for form in ALL if FORMATS[form].alpha] == [
        "png",
        "tiff",
        "webp",
        "gif",
        "tga",
        "avif",
        "npy",
    ]


@pytest.mark.parametrize("form", ALL)
def test_what_a_format_holds_needs_no_route(form):
    for kind in FORMATS[form].kinds:
        if kind != "*":
            dtype = {"I;16": "uint16", "I": "int32", "F": "float32"}.get(kind, "uint8")
            assert route(kind, dtype, form) == (kind, [])


@pytest.mark.parametrize(
    ("mode", "dtype", "form", "kind"),
    [
        ("L", "uint8", "webp", "RGB"),
        ("LA", "uint8", "webp", "RGBA"),
        ("LA", "uint8", "avif", "RGBA"),
        ("LA", "uint8", "gif", "RGBA"),
        ("LA", "uint8", "jpeg", "L"),
        ("RGBA", "uint8", "bmp", "RGB"),
        ("RGBA", "uint8", "ppm", "RGB"),
        ("C5", "float64", "npy", "C5;float64"),
        ("RGB", "uint16", "npy", "RGB;uint16"),
    ],
)
def test_the_nearest_kind_that_a_format_holds_is_taken(mode, dtype, form, kind):
    assert route(mode, dtype, form) == (kind, [])


@pytest.mark.parametrize("form", ["png", "webp", "bmp", "gif", "ppm", "tga", "avif"])
def test_cmyk_becomes_rgb_with_a_word(form):
    assert route("CMYK", "uint8", form) == ("RGB", [f"{form} cannot hold CMYK: converted to RGB"])


@pytest.mark.parametrize(
    ("mode", "dtype", "forms", "mend"),
    [
        ("I;16", "uint16", "jpeg webp bmp gif tga avif", "png or tiff"),
        ("I", "int32", "png jpeg webp bmp gif ppm tga avif", "tiff"),
        ("F", "float32", "png jpeg webp bmp gif ppm tga avif", "tiff"),
        ("F", "float64", "png jpeg webp bmp gif ppm tga avif", "npy"),
        ("RGB", "uint16", "jpeg webp bmp gif tga avif", "npy"),
        ("RGB", "uint16", "png tiff", r"without the codecs: install convfilter\[codecs\], or --depth 8"),
        ("RGB", "float32", "png", "npy"),
        ("F", "float64", "tiff", r"without the codecs: install convfilter\[codecs\], or --depth 8"),
        ("LAB", "uint8", "png jpeg webp bmp gif ppm tga avif", "tiff"),
        ("C5", "uint8", "png jpeg webp bmp gif ppm tga avif", "npy"),
        ("C5", "float64", "tiff", r"without the codecs: install convfilter\[codecs\], or try npy"),
    ],
)
def test_depth_is_never_lost_and_the_mend_is_told(mode, dtype, forms, mend):
    for form in forms.split():
        with pytest.raises(ImageError, match=f"^{form} cannot hold .*{mend}(, or --depth 8)?$"):
            route(mode, dtype, form)


@pytest.mark.parametrize(
    ("mode", "channels", "fitting"),
    [
        ("RGB", 3, "RGB"),
        ("LAB", 3, "LAB"),
        ("CMYK", 4, "CMYK"),
        ("RGB", 1, "L"),
        ("I;16", 1, "I;16"),
        ("L", 7, "C7"),
    ],
)
def test_a_mode_changes_only_with_the_number_of_channels(mode, channels, fitting):
    assert fitting_mode(mode, channels) == fitting


def test_the_depth_of_grey_decides_its_kind():
    kinds = [kind_of("L", dtype) for dtype in ("uint8", "uint16", "int32", "float32", "float64")]
    assert kinds == ["L", "I;16", "I", "F", "L;float64"]
    assert kind_of("I;16", "uint8") == "L"


def test_formats_and_files_import_neither_numpy_nor_pillow():
    # The package's own __init__ is left out: what it imports is not theirs to decide.
    script = """
        import sys, types, importlib.util
        spec = importlib.util.find_spec("convfilter")
        package = types.ModuleType("convfilter")
        package.__path__ = spec.submodule_search_locations
        sys.modules["convfilter"] = package
        import convfilter.images.formats, convfilter.files
        print([name for name in ("numpy", "PIL", "pathlib") if name in sys.modules])
    """
    lines = "\n".join(line.strip() for line in script.splitlines())
    done = subprocess.run(
        [sys.executable, "-S", "-c", "import sys\n" + lines],
        capture_output=True,
        text=True,
        env={"PYTHONPATH": ":".join(sys.path)},
        check=True,
    )
    assert done.stdout.strip() == "[]"
