"""Kernels in files of every format: read, written, and used from the command line."""

import os
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from samples import frames_of, load, npy

import convfilter as cf
from convfilter import Kernel, KernelError, load_kernels
from convfilter.kernels.files import FORMATS, encode_kernel, table_of

RNG = np.random.default_rng(0)


def read(path, content):
    """Return the only kernel of a file with some content."""
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    (name,) = set(load_kernels(path)) - set(load_kernels())
    return load_kernels(path)[name]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("my.csv", "1,2\r\n3,-4.5\r\n"),
        ("my.csv", "\ufeff1, 2,\n3, -4.5,\n\n"),
        ("my.txt", "# numpy's savetxt\n1.000000000000000000e+00 2e0\n3 -4.5 # end\n"),
        ("my.TXT", "1\t2\n3\t-4.5"),
        ("my.npy", npy([[1, 2], [3, -4.5]])),
        ("my.npy", npy(np.asfortranarray(np.array([[1, 2], [3, -4.5]], ">f4")))),
        ("my.mat", "2 2\n1 2\n3 -4.5\n"),
        ("my.dat", "1 2\n3 -4.5"),  # by its content
        ("my", npy([[1, 2], [3, -4.5]])),
    ],
)
def test_a_file_of_numbers_is_a_kernel_of_its_name(tmp_path, name, content):
    kernel = read(tmp_path / name, content)
    assert (kernel.name, kernel.axes) == ("my", ("row", "column"))
    assert kernel.parts == (((1, 2), (3, -4.5)),)


def test_a_name_that_no_kernel_can_have_is_changed(tmp_path):
    assert read(tmp_path / "-my nice kérnel.csv", "1 2").name == "my-nice-k-rnel"
    assert read(tmp_path / "é.csv", "1 2").name == "kernel"


def test_the_matrix_of_libvips_has_scale_and_offset_in_levels(tmp_path):
    kernel = read(tmp_path / "my.mat", "3 1 4 1\n1 -2 1\n")
    image = RNG.integers(0, 256, (8, 9), np.uint8)
    padded = np.pad(image.astype(int), ((0, 0), (1, 1)), "edge")
    # Integers over 4, with many ties: offsets are exact.
    sums = padded[:, :-2] - 2 * padded[:, 1:-1] + padded[:, 2:]
    assert np.array_equal(cf.apply_kernel(image, kernel), np.clip((sums + 4 + 2) // 4, 0, 255))


@pytest.mark.parametrize("extension", list(FORMATS))
def test_a_kernel_that_is_written_and_read_again_is_the_same_or_is_refused(tmp_path, extension):
    image = RNG.integers(0, 256, (20, 21, 3), np.uint8)
    own = Kernel("own", ([[1, 2, 4]],), divisors=(7,), offset=3 / 255)
    anchored = Kernel("anchored", ([[1, 2, 4]],), anchor=(0, 2), range="clip")
    line = Kernel("line", ([1, 2, 4],), axes=("column",), divisors=(-0.5,))
    two = Kernel("two", ([[1, 2]], [[3, 4]]), combine="sum", divisors=(3, 7))
    refused = set()
    for kernel in (*load_kernels().values(), own, anchored, line, two):
        path = tmp_path / f"k{extension}"
        try:
            path.write_bytes(encode_kernel(kernel, str(path)))
        except KernelError:
            refused.add(kernel.name)
            continue
        again = load_kernels(path)["k"]
        ranges = {each.usual_range if each.range == "auto" else each.range for each in (kernel, again)}
        assert len(ranges) == 1, kernel.name
        assert (again.offset, again.anchor) == (kernel.offset, kernel.anchor)
        tables = [
            [part / divisor for part, divisor in zip(each.arrays(), each.divisors, strict=True)]
            for each in (kernel, again)
        ]
        assert np.array_equal(*(np.squeeze(each) for each in tables)), kernel.name
        if again.axes == ("row", "column"):
            assert np.array_equal(*(cf.apply_kernel(image, each) for each in (kernel, again)))
    beyond = {"sobel", "two", "high-pass", "anchored", "luma", "temporal-blur", "gaussian-gradient"}
    assert beyond <= refused if extension != ".toml" else not refused
    assert ("sepia" in refused) == (extension not in (".toml", ".npy"))
    assert "emboss" not in refused  # its range, clip, is the usual one
    assert ("own" in refused) == (extension not in (".toml", ".mat"))
    assert "line" not in refused


@settings(max_examples=30, deadline=None)
@given(
    weights=st.lists(st.floats(-1e30, 1e30).filter(lambda each: each == 0 or abs(each) > 1e-30), min_size=1),
    summary=st.text(max_size=20),
    name=st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,20}", fullmatch=True),
)
def test_any_weight_name_and_text_comes_back(tmp_path_factory, weights, summary, name):
    fields = {"axes": ("column",), "summary": summary, "source": summary, "offset": 0.25, "range": "clip"}
    path = tmp_path_factory.getbasetemp() / "any.toml"
    path.write_text(table_of(Kernel(name, parts=(weights,), **fields)), encoding="utf-8")
    read = load_kernels(path)[name]
    assert (read.parts, {key: getattr(read, key) for key in fields}) == ((tuple(weights),), fields)


def test_a_kernel_file_of_numpy_may_have_64_mib(tmp_path):
    """Others 1 MiB: the weights of a layer of a network are many, and are read without being parsed."""
    layer = np.zeros((64, 32, 9, 8))
    layer[3, 2, 1, 0] = 0.5
    np.save(tmp_path / "layer.npy", layer)
    assert (tmp_path / "layer.npy").stat().st_size > 2**20
    kernel = load_kernels(tmp_path / "layer.npy")["layer"]
    assert np.array_equal(kernel.arrays()[0], layer)
    with (tmp_path / "layer.npy").open("r+b") as stream:
        stream.truncate(2**26 + 1)
    with pytest.raises(KernelError, match=r"layer\.npy: larger than 64 MiB"):
        load_kernels(tmp_path / "layer.npy")


def test_no_output_replaces_a_kernel_file(quick, tmp_path):
    np.save(tmp_path / "in.npy", np.zeros((9, 9), np.uint8))
    np.save(tmp_path / "k.npy", np.ones((3, 3)))
    before = (tmp_path / "k.npy").read_bytes()
    (tmp_path / "alias.npy").symlink_to("k.npy")
    for arguments in (
        ("apply", "in.npy", "-k", "k.npy", "-o", "k.npy"),
        ("apply", "in.npy", "-k", "./alias.npy", "-o", "k.npy", "-n"),
        ("apply", "in.npy", "--kernels", "k.npy", "-k", "k", "-o", "k.npy"),
        ("kernels", "k.npy", "-o", "k.npy"),
    ):
        ran = quick(*arguments, "--overwrite")
        assert ran.code == 2, arguments
        assert "would replace the kernel file" in ran.err or "is the input k.npy" in ran.err
    with pytest.raises(cf.OptionError, match="would replace the kernel file"):
        cf.filter_file(tmp_path / "in.npy", tmp_path / "k.npy", [tmp_path / "k.npy"], overwrite=True)
    assert (tmp_path / "k.npy").read_bytes() == before


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes with names")
def test_a_pipe_is_no_kernel_that_is_named_by_its_file(quick, tmp_path):
    os.mkfifo(tmp_path / "k.csv")  # nothing writes to it: opening it would wait for ever
    ran = quick("apply", "in.npy", "-k", "k.csv")
    assert (ran.code, "k.csv: a pipe: load it with --kernels" in ran.err) == (2, True)


def test_kernels_are_exported_used_and_never_overwritten(quick, tmp_path):
    np.save(tmp_path / "in.npy", RNG.integers(0, 256, (9, 9), np.uint8))
    for extension in FORMATS:
        ran = quick("kernels", "gaussian:2", "-o", f"soft{extension}")
        assert (ran.code, ran.complaints) == (0, [f"convfilter: written to soft{extension}"])
        assert quick("apply", "in.npy", "-k", f"soft{extension}", "-o", "made.npy", "--overwrite").code == 0
        assert np.array_equal(
            np.load(tmp_path / "made.npy"), cf.apply_kernel(np.load(tmp_path / "in.npy"), "gaussian:2")
        )
        assert quick("kernels", "sobel-x", "-o", f"soft{extension}").code == 1
    ran = quick("apply", "in.npy", "-k", "two.toml")
    assert (ran.code, ran.complaints) == (2, ["convfilter: two.toml: no such file"])
    (tmp_path / "two.toml").write_text("[a]\nweights = [1]\n[b]\nweights = [1]")
    ran = quick("apply", "in.npy", "-k", "two.toml")
    assert "two.toml: holds 2 kernels: load it with --kernels, and choose one by name" in ran.err
    (tmp_path / "none.toml").write_text("")
    assert quick("apply", "in.npy", "-k", "none.toml").err.endswith("none.toml: holds no kernels\n")


def test_later_files_win_and_may_be_pipes(quick, tmp_path):
    (tmp_path / "first.toml").write_text("[a]\nweights = [[1]]\n[sobel]\nweights = [[1]]")
    os.mkfifo(tmp_path / "sobel")
    writer = threading.Thread(target=(tmp_path / "sobel").write_text, args=("2 3",))
    writer.start()
    out = quick("kernels", "--kernels", "first.toml", "--kernels", "sobel", "--json").out
    writer.join()
    assert '"name": "a"' in out
    assert '"name": "sobel", "summary": "", "size": {"width": 2, "height": 1}' in out


def test_kernels_of_a_file_may_undo_each_other(tmp_path):
    (tmp_path / "k.toml").write_text(
        "[psf]\nweights = [[1, 2, 1]]\ndivisor = 'sum'\n"
        "[undo]\ngenerator = 'deblur'\nparameters = { of = 'psf', size = [9, 1] }"
    )
    known = load_kernels(tmp_path / "k.toml")
    undo = cf.get_kernel("undo:noise=0.1", known)
    assert (undo.name, undo.parameters["of"], undo.shape) == ("undo:noise=0.1", "psf", (1, 9))
    assert cf.get_kernel("deblur:psf,size=9,1,noise=0.1", known).parts == undo.parts


def test_the_first_layer_of_a_network_gives_a_page_and_a_tile_for_each_output(quick, tmp_path):
    image = RNG.integers(0, 256, (14, 16, 3), np.uint8)
    Image.fromarray(image).save(tmp_path / "in.png")
    layer = RNG.normal(0, 0.1, (6, 3, 7, 7)).astype(np.float32)
    np.save(tmp_path / "conv1.npy", layer)
    padded = np.pad(image.astype(float), ((3, 3), (3, 3), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (7, 7), (0, 1))  # (H, W, C, 7, 7)
    expected = np.einsum("hwcij,ocij->ohw", windows, layer.astype(float))
    ran = quick("apply", "in.png", "-k", "conv1.npy", "--border", "zero", "--range", "raw", "-o", "maps.tif")
    assert "a page for each of 6 output channels, on one grey scale" in ran.out
    assert np.allclose(frames_of(tmp_path / "maps.tif"), expected, atol=1e-3)
    sheet = ("-o", "sheet.png", "--tile", "16", "--json")
    ran = quick("gallery", "in.png", "-k", "conv1.npy", "--border", "zero", *sheet)
    assert ran.out.count("conv1 output ") == 6
    low, high = expected.min(), expected.max()
    sheet, last = load(tmp_path / "sheet.png"), 255 * (expected[-1] - low) / (high - low)
    near = np.argwhere(abs(sheet[..., 0] - last[0, 0]) <= 1)
    tiles = (sheet[row : row + 14, column : column + 16, 0] for row, column in near)
    assert sum(tile.shape == last.shape and abs(tile - last).max() <= 1 for tile in tiles) == 1
