"""Kernels typed as numbers: every way of writing them, and what is refused."""

import numpy as np
import pytest

import convfilter as cf
from convfilter import KernelError, get_kernel, load_kernels

RNG = np.random.default_rng(0)


@pytest.mark.parametrize(
    "text",
    [
        "0 -1 0; -1 5 -1; 0 -1 0",
        "0,-1,0;-1,5,-1;0,-1,0;",
        " 0 -1 0\n-1\t5 -1\n\n0 , -1 , 0\n",
        "[[0, -1, 0], [-1, 5, -1], [0, -1, 0]]",
        "[[0 -1 0]\n [-1 5 -1]\n [0 -1 0]]",  # as numpy prints it
        "[0 -1 0; -1 5 -1; 0 -1 0]",  # as Matlab does
        "[[0,-1,0],[-1,5,-1],[0,-1,0],]",
        "0 \u22121 0; \u22121 5 \u22121; 0 \u22121 0",  # copied from a page
        "0.0 -1e0 0; -10e-1 +5. -1; .0 -1 0 / 1",
    ],
)
def test_a_matrix_may_be_written_as_it_is_elsewhere(text):
    kernel = get_kernel(text)
    assert (kernel.name, kernel.axes) == ("matrix", ("row", "column"))
    assert kernel.parts == get_kernel("sharpen").parts
    assert kernel.is_integer


@pytest.mark.parametrize(
    ("ending", "divisor"), [("", ""), (" / 16", "divisor = 16"), (" / sum", "divisor = 'sum'")]
)
def test_a_matrix_equals_its_twin_in_a_file(tmp_path, ending, divisor):
    (tmp_path / "k.toml").write_text(f"[twin]\nweights = [[1.5, -2], [3, 0.25]]\n{divisor}")
    twin = load_kernels(tmp_path / "k.toml")["twin"]
    for text in ("1.5 -2; 3 0.25", "[[1.5, -2], [3, 0.25]]"):
        kernel = get_kernel(text + ending)
        assert (kernel.parts, kernel.divisors, kernel.axes) == (twin.parts, twin.divisors, twin.axes)


def test_a_name_that_is_a_number_stays_a_name(tmp_path):
    (tmp_path / "k.toml").write_text('["3"]\nweights = [[7]]\n["1.csv"]\nweights = [[8]]\n')
    known = load_kernels(tmp_path / "k.toml")
    assert (get_kernel("3", known).parts, get_kernel("1.csv", known).parts) == ((((7,),),), (((8,),),))
    with pytest.raises(KernelError, match="unknown kernel '4'"):
        get_kernel("4", known)


def test_a_matrix_works_wherever_a_kernel_does(quick, tmp_path):
    image = RNG.integers(0, 256, (10, 12), np.uint8)
    np.save(tmp_path / "in.npy", image)
    matrix = "-1 0 1; -2 0 2; -1 0 1"
    assert quick("apply", "in.npy", "-k", matrix, "-k", "blur").code == 0
    cf.filter_file(tmp_path / "in.npy", tmp_path / "named.npy", ["sobel-x", "blur"])
    made = np.load(tmp_path / "in.matrix-3x3.blur.npy")
    assert np.array_equal(made, np.load(tmp_path / "named.npy"))
    assert "value -" in quick("explain", "--values", "9 0 0; 9 0 0; 9 0 0", "-k", matrix, "--at", "1,1").out
    assert quick("gallery", "in.npy", "-k", matrix, "-o", "sheet.png").code == 0
