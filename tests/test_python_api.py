"""What Python users pass for pixels and kernels, and what they read when it is not right."""

import base64
import io
import re

import numpy as np
import pytest
from PIL import Image
from samples import colour

import convfilter as cf
from convfilter import ImageError, KernelError, OptionError, ShapeError

PIXELS = colour(9, 12)
SHARPEN = [[0, -1, 0], [-1, 5, -1], [0, -1, 0]]
STACK = np.zeros((9, 64, 64), np.uint8)


@pytest.mark.parametrize(
    "matrix", [SHARPEN, np.array(SHARPEN), np.array(SHARPEN, np.float32), "0 -1 0;-1 5 -1;0 -1 0"]
)
def test_a_matrix_is_a_kernel(matrix, tmp_path):
    expected = cf.apply_kernel(PIXELS, "sharpen")
    np.testing.assert_array_equal(cf.apply_kernel(PIXELS, matrix), expected)
    np.testing.assert_array_equal(cf.apply_kernel(PIXELS, cf.get_kernel(matrix)), expected)
    np.save(tmp_path / "a.npy", PIXELS)
    cf.filter_file(tmp_path / "a.npy", tmp_path / "b.npy", matrix)
    np.testing.assert_array_equal(np.load(tmp_path / "b.npy"), expected)


def test_weights_without_a_name_have_the_axes_of_their_number():
    ndimage = pytest.importorskip("scipy.ndimage")
    line, layer = [1, 2, 1], np.random.default_rng(0).integers(-2, 3, (2, 3, 3, 3))
    np.testing.assert_array_equal(
        cf.apply_kernel(PIXELS, line, range="raw"),
        ndimage.correlate1d(PIXELS.astype(float), line, 1, mode="nearest"),
    )
    np.testing.assert_array_equal(
        cf.apply_kernel(PIXELS, layer, range="raw"), cf.correlate_channels(PIXELS, layer)
    )


def test_a_list_of_kernels_is_a_chain():
    chain = cf.apply_kernel(PIXELS, ["box", cf.get_kernel("sobel-x"), np.array([[1, 2, 1]])], range="raw")
    sums = cf.correlate(cf.correlate(PIXELS, cf.get_kernel("box")), cf.get_kernel("sobel-x"))
    np.testing.assert_allclose(chain, cf.correlate(sums, [[1, 2, 1]]), rtol=1e-5, atol=1e-3)
    np.testing.assert_array_equal(cf.apply_kernel(PIXELS, ["blur"]), cf.apply_kernel(PIXELS, "blur"))


def test_a_kernel_is_its_weights_over_their_divisor():
    for name in ("blur", "sobel-x", "gaussian:2", "sepia"):
        kernel = cf.get_kernel(name)
        np.testing.assert_array_equal(np.asarray(kernel), kernel.arrays()[0] / kernel.divisors[0])
    assert np.asarray(cf.get_kernel("sobel-x"), np.float32).dtype == np.float32
    for weights in (SHARPEN, np.array(SHARPEN), [np.array(row) for row in SHARPEN]):
        assert cf.Kernel("mine", weights).parts == cf.get_kernel("sharpen").parts
        assert cf.Kernel("mine", (weights,)).parts == cf.get_kernel("sharpen").parts


@pytest.mark.parametrize("mode", ["1", "L", "LA", "La", "RGB", "RGBA", "CMYK", "P", "I;16", "F"])
def test_an_image_of_pillow_is_its_samples(mode):
    image = Image.fromarray(colour()).convert("L" if mode == "I;16" else "RGB")
    image = (image.convert("LA") if mode in ("LA", "La") else image).convert(mode)
    if mode == "CMYK":  # with a black that differs from pixel to pixel
        image = Image.frombytes("CMYK", (10, 8), colour(channels=4).tobytes())
    stored = {"P": "RGB", "La": "LA"}.get(mode, mode)
    expected = np.asarray(image.convert(stored) if stored != mode else image)
    alpha = "plain" if mode == "CMYK" else "auto"
    np.testing.assert_array_equal(
        cf.apply_kernel(image, "blur"), cf.apply_kernel(expected, "blur", alpha=alpha)
    )


def test_channels_may_be_on_any_axis():
    expected = cf.apply_kernel(PIXELS, "sobel")
    for axis in (0, 1, -1, -3):
        result = cf.apply_kernel(np.moveaxis(PIXELS, -1, axis), "sobel", channel_axis=axis)
        np.testing.assert_array_equal(result, np.moveaxis(expected, -1, axis))
    grey_ = cf.apply_kernel(np.moveaxis(PIXELS, -1, 0), "luma", channel_axis=0)
    np.testing.assert_array_equal(grey_, cf.apply_kernel(PIXELS, "luma"))
    volume = np.stack([PIXELS] * 3)
    moved = cf.apply_kernel(np.moveaxis(volume, -1, 0), "temporal-blur", channel_axis=0)
    np.testing.assert_array_equal(np.moveaxis(moved, 0, -1), cf.apply_kernel(volume, "temporal-blur"))
    deep = cf.apply_kernel(STACK + np.arange(64, dtype=np.uint8), "blur", channel_axis=-1)
    np.testing.assert_array_equal(deep, STACK + np.arange(64, dtype=np.uint8))


FAULTS = {
    'cf.apply_kernel("sobel", PIXELS)': (KernelError, "pixels come first"),
    "cf.apply_kernel(SHARPEN, PIXELS[..., 0])": (ShapeError, "pixels come first"),
    'cf.apply_kernel(cf.get_kernel("sobel"), "blur")': (ImageError, "pixels come first, then the kernel"),
    'cf.apply_kernel("photo.jpg", "sobel")': (ImageError, "filter_file"),
    'cf.correlate(cf.get_kernel("blur"), PIXELS)': (ImageError, "the array comes first"),
    'cf.correlate(PIXELS, "sobel")': (KernelError, "use get_kernel"),
    'cf.correlate(PIXELS, cf.get_kernel("sobel"))': (KernelError, "has 2 parts.*apply_kernel"),
    'cf.apply_kernel(PIXELS.astype(int), "sobel")': (ImageError, r"int64.*np.asarray\(pixels, np.uint8\)"),
    'cf.apply_kernel(PIXELS.astype(np.float16), "sobel")': (ImageError, "float16.*np.float32"),
    'cf.apply_kernel(np.ma.masked_less(PIXELS, 99), "blur")': (ImageError, r"missing=~pixels\.mask"),
    'cf.filter_file("no.png", "no/such/out.png", "blur")': (OptionError, "no folder no/such: create it"),
    'cf.apply_kernel(STACK, "sobel")': (ShapeError, "channel_axis=-1 .* 64 channels.* correlate"),
    'cf.apply_kernel(STACK, "sobel", channel_axis=None)': (ShapeError, "correlate"),
    'cf.apply_kernel(PIXELS, "sobel", channel_axis=3)': (OptionError, "not an axis"),
    'cf.apply_kernel(PIXELS[..., 0], "sobel", channel_axis=0)': (ShapeError, "no axis"),
    'cf.apply_kernel(PIXELS, "sobel", depth="8")': (OptionError, "use the number 8"),
    'cf.apply_kernel(PIXELS, "blur", flip="no")': (OptionError, "flip='no': use True or False"),
    'cf.apply_kernel(PIXELS, "blur", padding=10**9 - 1)': (ShapeError, "any memory: use a smaller padding"),
    'cf.apply_kernel([[1, 2], [3]], "blur")': (ImageError, "rows of different lengths"),
    'cf.filter_file("no.png", "b.jpg", "blur")': (ImageError, r"^no\.png: no such file"),
    'cf.filter_file("no.png", "b.foo", "blur")': (OptionError, "unknown extension"),
    'cf.filter_file("no.png", "b.png", "blur", format="jpeg")': (OptionError, "is a name for png"),
    'cf.filter_file("no.png", "b.png", [])': (OptionError, "no kernel: name"),
    'cf.filter_file("a.png", "b.png", "temporal-blur", frames="each")': (KernelError, "spans 3 .* 'each'"),
    "cf.apply_kernel(PIXELS, None)": (KernelError, "None is not a kernel: use a Kernel, a name"),
    "cf.get_kernel(np.zeros((0, 3)))": (KernelError, "is not a kernel: use a Kernel, a name"),
    "cf.get_kernel(np.ma.masked_less([[1, 2]], 2))": (KernelError, r"use kernel\.filled\(0\)"),
    "cf.apply_kernel(PIXELS, [])": (OptionError, "no kernel"),
    "cf.apply_kernel(PIXELS, np.ones((3, 3, 3)))": (KernelError, "axes="),
    'cf.Kernel("mine", [1, 2, 1])': (KernelError, "list of rows"),
}


@pytest.mark.parametrize("code", FAULTS)
def test_what_is_wrong_is_said_with_the_mend(code):
    error, words = FAULTS[code]
    with pytest.raises(error, match=words):
        eval(code)


def test_a_kernel_is_short_in_a_console_and_drawn_in_a_notebook():
    assert repr(cf.get_kernel("sobel")) == "Kernel('sobel', 3x3, magnitude of 2)"
    assert repr(cf.get_kernel("gaussian:2")) == "Kernel('gaussian:sigma=2', 13x13)"
    for name, tables in (("sobel", 2), ("gaussian:9", 1), ("sepia", 4)):
        html = cf.get_kernel(name)._repr_html_()
        pictures = [base64.b64decode(each) for each in re.findall(r"base64,([^\"]+)", html)]
        assert html.count("response") == tables
        for picture in pictures:
            with Image.open(io.BytesIO(picture)) as image:
                image.load()
    page = cf.Kernel("mine", [[1, -2.5]], summary="<b>")._repr_html_()
    assert re.findall(r">(-?[\d.]+)</td>", page) == ["1", "-2.5"]
    assert "<b>&lt;b&gt;" not in page
    assert "&lt;b&gt;" in page


def test_the_response_is_that_of_the_fourier_transform():
    html = cf.get_kernel("sobel-x")._repr_html_()
    (picture,) = re.findall(r"base64,([^\"]+)", html)
    shown = np.asarray(Image.open(io.BytesIO(base64.b64decode(picture))))[..., 0]
    places = np.linspace(-0.5, 0.5, shown.shape[0])
    expected = np.abs(np.outer(2 + 2 * np.cos(2 * np.pi * places), 2 * np.sin(2 * np.pi * places)))
    np.testing.assert_allclose(shown, 255 * expected / expected.max(), atol=0.51)


def test_files_may_be_paths(tmp_path):
    path = tmp_path / "a.npy"
    np.save(path, SHARPEN)
    expected = cf.apply_kernel(PIXELS, SHARPEN)
    np.testing.assert_array_equal(cf.apply_kernel(PIXELS, path), expected)
    np.testing.assert_array_equal(cf.apply_kernel(PIXELS, [path]), expected)
    for call in (
        lambda: cf.apply_kernel(path, "blur"),
        lambda: cf.apply_kernel(PIXELS, "blur", mask=path),
        lambda: cf.apply_kernel(PIXELS, "blur", missing=path),
    ):
        with pytest.raises((ImageError, OptionError), match="filter_file"):
            call()
    for arguments in ((path, SHARPEN), (PIXELS, path)):
        with pytest.raises((ImageError, KernelError), match=r"Path\("):
            cf.correlate(*arguments)


def test_a_matrix_in_a_name_has_its_size():
    labels = {cf.get_kernel(f"deblur:of={matrix}").label for matrix in ("[1 2 1]", "[1;2;1]")}
    assert labels == {"deblur-of=matrix-3x1", "deblur-of=matrix-1x3"}
