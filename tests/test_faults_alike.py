"""The same fault is the same class of error at every entry, and its message is short."""

import numpy as np
import pytest

import convfilter as cf
from convfilter import ImageError, KernelError, OptionError, ShapeError

PIXELS = np.arange(63, dtype=np.uint8).reshape(7, 9)
KERNEL = [[0, 1, 0], [1, 2, 1], [0, 1, 0]]
NAMED = "binomial-3"
LONG = list(range(5000))

# For each fault: its class, options, and of which entries it is a fault.
OPTIONS = [
    (OptionError, {"border": "edges"}, "all"),
    (OptionError, {"border": None}, "all"),
    (OptionError, {"border": PIXELS}, "all"),
    (OptionError, {"border": "x" * 5000}, "all"),
    (OptionError, {"border": LONG}, "all"),
    (OptionError, {"fill": "white"}, "all"),
    (OptionError, {"fill": float("nan")}, "all"),
    (OptionError, {"fill": PIXELS}, "all"),
    (ShapeError, {"padding": "vald"}, "all"),
    (ShapeError, {"padding": -1}, "all"),
    (ShapeError, {"padding": (1, 2, 3)}, "all"),
    (ShapeError, {"padding": None}, "all"),
    (ShapeError, {"padding": LONG}, "all"),
    (ShapeError, {"padding": PIXELS}, "all"),
    (ShapeError, {"stride": 0}, "all"),
    (ShapeError, {"stride": -1}, "all"),
    (ShapeError, {"stride": 1.5}, "all"),
    (ShapeError, {"stride": (1, 2, 3)}, "all"),
    (ShapeError, {"stride": -(10**5000)}, "all"),
    (ShapeError, {"stride": LONG}, "all"),
    (ShapeError, {"dilation": 0}, "all"),
    (ShapeError, {"dilation": True}, "all"),
    (ShapeError, {"dilation": PIXELS}, "all"),
    (ShapeError, {"dilation": 9, "padding": "valid"}, "all"),
    (OptionError, {"channels": "every"}, "pixels"),
    (OptionError, {"channels": PIXELS}, "pixels"),
    (OptionError, {"range": "clipped"}, "pixels"),
    (OptionError, {"alpha": 1}, "pixels"),
    (OptionError, {"depth": 12}, "pixels"),
    (OptionError, {"depth": PIXELS}, "pixels"),
    (OptionError, {"depth": 8, "range": "raw"}, "pixels"),
    (OptionError, {"threads": 0}, "pixels"),
    (OptionError, {"threads": LONG}, "pixels"),
    (OptionError, {"frames": "all"}, "file"),
    (OptionError, {"frames": LONG}, "file"),
    (OptionError, {"max_pixels": 0}, "file"),
    (OptionError, {"format": "jpg2"}, "file"),
    (OptionError, {"quality": LONG}, "file"),
    (OptionError, {"compress": "much"}, "file"),
    (OptionError, {"background": "whyte"}, "file"),
]
ENTRIES = {
    "correlate": ("all",), "convolve": ("all",), "correlate_channels": ("all",),
    "input_gradient": ("all",), "kernel_gradient": ("all",), "apply_kernel": ("all", "pixels"),
    "filter_file": ("all", "pixels", "file"),
}  # fmt: skip


def call(entry, options, folder):
    """Call an entry with valid arguments but for some options."""
    if entry in ("correlate", "convolve"):
        getattr(cf, entry)(PIXELS, KERNEL, **options)
    elif entry == "correlate_channels":
        cf.correlate_channels(PIXELS[..., np.newaxis], [KERNEL], **options)
    elif entry == "input_gradient":
        cf.input_gradient(PIXELS, KERNEL, PIXELS.shape, **options)
    elif entry == "kernel_gradient":
        cf.kernel_gradient(PIXELS, PIXELS, (3, 3), **options)
    elif entry == "apply_kernel":
        cf.apply_kernel(PIXELS, NAMED, **options)
    else:
        np.save(folder / "in.npy", PIXELS)
        cf.filter_file(folder / "in.npy", folder / "out.npy", NAMED, **options)


@pytest.mark.parametrize("entry", ENTRIES)
@pytest.mark.parametrize(("kind", "options", "where"), OPTIONS, ids=range(len(OPTIONS)))
def test_an_option_is_refused_alike_everywhere(entry, kind, options, where, tmp_path):
    if where not in ENTRIES[entry]:
        return
    with pytest.raises(cf.ConvfilterError) as caught:
        call(entry, options, tmp_path)
    assert type(caught.value) is kind
    assert len(str(caught.value)) < 250
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out.npy").exists()


# For each fault: its class, pixels and kernel.
ARGUMENTS = [
    (ShapeError, PIXELS, np.ones((9, 3)), {"padding": "valid"}),
    (ImageError, PIXELS + 1j, KERNEL, {}),
    (ImageError, np.array([["a"]]), KERNEL, {}),
    (ShapeError, np.float64(3), KERNEL, {}),
]


@pytest.mark.parametrize(("kind", "pixels", "kernel", "options"), ARGUMENTS, ids=range(len(ARGUMENTS)))
def test_arguments_are_refused_alike_by_arrays_and_images(kind, pixels, kernel, options):
    named = cf.Kernel("own", parts=(np.asarray(kernel).tolist(),))
    for function, second in ((cf.correlate, kernel), (cf.convolve, kernel), (cf.apply_kernel, named)):
        with pytest.raises(cf.ConvfilterError) as caught:
            function(pixels, second, **options)
        assert type(caught.value) is kind


@pytest.mark.parametrize("kernel", ["sobl", "gaussian:sgma=1", "gaussian:sigma=x", None, 7, "x" * 5000])
def test_an_unknown_kernel_is_refused_alike(kernel, tmp_path):
    np.save(tmp_path / "in.npy", PIXELS)
    for function in (
        lambda: cf.apply_kernel(PIXELS, kernel),
        lambda: cf.get_kernel(kernel),
        lambda: cf.filter_file(tmp_path / "in.npy", tmp_path / "out.npy", kernel),
    ):
        with pytest.raises(KernelError) as caught:
            function()
        assert len(str(caught.value)) < 250


def test_swapped_arguments_are_named_briefly():
    with pytest.raises(cf.ConvfilterError) as caught:
        cf.apply_kernel(np.ones((3, 3)), np.zeros((400, 400)))
    assert len(str(caught.value)) < 250


def test_the_fault_of_a_file_is_the_fault_of_its_pixels(tmp_path):
    """Too small for `valid`, and a kernel for other channels: found once the file is read."""
    np.save(tmp_path / "in.npy", PIXELS)
    for kernel, options in (("box:size=31", {"padding": "valid"}), ("sepia", {})):
        kinds = set()
        for function in (
            lambda kernel=kernel, options=options: cf.apply_kernel(PIXELS, kernel, **options),
            lambda kernel=kernel, options=options: cf.filter_file(
                tmp_path / "in.npy", tmp_path / "out.npy", kernel, **options
            ),
        ):
            with pytest.raises(cf.ConvfilterError) as caught:
                function()
            kinds.add(type(caught.value))
        assert kinds == {ShapeError}
