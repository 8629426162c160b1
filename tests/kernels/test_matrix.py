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


def test_a_matrix_equals_its_twin_in_a_file(tmp_path):
    image = RNG.integers(0, 256, (12, 14, 3), np.uint8)
    tables, texts = [], []
    for number in range(60):
        weights = RNG.integers(-9, 10, RNG.integers(1, 6, 2))
        weights = (weights / 8 if number % 3 else weights).tolist()
        weights[0][0] += 40  # so that the sum can divide
        ending = ("", " / 16", " / sum")[number % 3]
        divisor = ("", "divisor = 16", "divisor = 'sum'")[number % 3]
        tables.append(f"[k{number}]\nweights = {weights}\n{divisor}\n")
        plain = "; ".join(" ".join(map(str, row)) for row in weights)
        texts.append((str(weights) if number % 2 or len(weights) * len(weights[0]) == 1 else plain) + ending)
    (tmp_path / "twins.toml").write_text("".join(tables))
    twins = load_kernels(tmp_path / "twins.toml")
    for number, text in enumerate(texts):
        kernel, twin = get_kernel(text), twins[f"k{number}"]
        assert (kernel.parts, kernel.divisors, kernel.axes) == (twin.parts, twin.divisors, twin.axes), text
        assert np.array_equal(cf.apply_kernel(image, text), cf.apply_kernel(image, twin)), text


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
    expected = cf.filter_file  # the same chain, with the shipped name of that matrix
    expected(tmp_path / "in.npy", tmp_path / "named.npy", ["sobel-x", "blur"])
    made = np.load(tmp_path / "in.matrix-3x3.blur.npy")
    assert np.array_equal(made, np.load(tmp_path / "named.npy"))
    assert "matrix 3x3" in quick("shape", "28x28", "-k", matrix).out
    assert "value -" in quick("explain", "--values", "9 0 0; 9 0 0; 9 0 0", "-k", matrix, "--at", "1,1").out
    assert quick("gallery", "in.npy", "-k", matrix, "-o", "sheet.png").code == 0
    ran = quick("apply", "in.npy", "-k", "1 2; 3 y", "-o", "new.npy")
    assert (ran.code, ran.complaints) == (2, ["convfilter: matrix: row 1, column 1: 'y' is not a number"])
    assert not (tmp_path / "new.npy").exists()
