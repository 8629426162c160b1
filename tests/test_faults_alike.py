"""The same fault is the same class of error at every entry, and its message is short."""

import numpy as np
import pytest

import convfilter as cf
from convfilter import ImageError, KernelError, OptionError, ShapeError

PIXELS = np.arange(63, dtype=np.uint8).reshape(7, 9)
KERNEL = [[0, 1, 0], [1, 2, 1], [0, 1, 0]]
NAMED = "binomial-3"
LONG = list(range(5000))

# The options that each function takes; those of a longer list include the shorter ones.
ARRAYS = {
    OptionError: {
        "border": ["edges", None, PIXELS, "x" * 5000, LONG],
        "fill": ["white", float("nan"), PIXELS],
    },
    ShapeError: {
        "padding": ["vald", ("same", "most"), (1, -1), (1, 2, 3), ((1, 1, 1), 1), 1.5, 10**9, LONG, PIXELS],
        "stride": [0, 1.5, (1, 0), (1, 2, 3), "2", None, 10**30, -(10**5000), LONG],
        "dilation": [0, (0, 1), True, PIXELS],
    },
}
IMAGES = {
    OptionError: {
        "channels": ["every", PIXELS],
        "range": ["clipped"],
        "alpha": [1],
        "depth": [12, PIXELS],
        "threads": [0, LONG],
        "flip": ["no"],
        "linear": [0],
        "mix": [1e-320, 1.5],
    },
    ImageError: {"mask": [[[1, 2], [3]]], "missing": [[[1, 2], [3]]]},
}
FILES = {
    OptionError: {
        "frames": ["all", LONG],
        "max_pixels": [0, 2.5, True],
        "format": ["jpg2"],
        "quality": [LONG, 0, 101, 9.5, True],
        "compress": ["much"],
        "background": ["whyte"],
        **{switch: ["no"] for switch in ("orient", "strip", "overwrite", "preserve")},
    }
}
ENTRIES = {
    "correlate": (lambda **options: cf.correlate(PIXELS, KERNEL, **options), (ARRAYS,)),
    "convolve": (lambda **options: cf.convolve(PIXELS, KERNEL, **options), (ARRAYS,)),
    "channels": (lambda **o: cf.correlate_channels(PIXELS[..., np.newaxis], [KERNEL], **o), (ARRAYS,)),
    "input": (lambda **options: cf.input_gradient(PIXELS, KERNEL, PIXELS.shape, **options), (ARRAYS,)),
    "kernel": (lambda **options: cf.kernel_gradient(PIXELS, PIXELS, (3, 3), **options), (ARRAYS,)),
    "pixels": (lambda **options: cf.apply_kernel(PIXELS, NAMED, **options), (ARRAYS, IMAGES)),
    "file": (
        lambda **options: cf.filter_file("in.npy", "out.npy", NAMED, **options),
        (ARRAYS, IMAGES, FILES),
    ),
}


@pytest.mark.parametrize("entry", ENTRIES)
def test_an_option_is_refused_alike_everywhere(entry, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.save("in.npy", PIXELS)
    function, groups = ENTRIES[entry]
    faults = [
        (kind, {name: value})
        for group in groups
        for kind, options in group.items()
        for name, values in options.items()
        for value in values
    ]
    faults.append((ShapeError, {"dilation": 9, "padding": "valid"}))
    if IMAGES in groups:
        faults.append((OptionError, {"depth": 8, "range": "raw"}))
    for kind, options in faults:
        with pytest.raises(cf.ConvfilterError) as caught:
            function(**options)
        assert type(caught.value) is kind, options
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


def test_the_fault_of_a_file_is_the_fault_of_its_pixels(tmp_path):
    """Too small for `valid`, and a kernel for other channels: found once the file is read."""
    np.save(tmp_path / "in.npy", PIXELS)
    for kernel, options in (("box:size=31", {"padding": "valid"}), ("sepia", {})):
        with pytest.raises(ShapeError):
            cf.apply_kernel(PIXELS, kernel, **options)
        with pytest.raises(ShapeError):
            cf.filter_file(tmp_path / "in.npy", tmp_path / "out.npy", kernel, **options)
