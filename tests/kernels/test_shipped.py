"""The shipped kernels are the published ones."""

import math

import numpy as np
import pytest

from convfilter import load_kernels

KERNELS = load_kernels()
EDGES = ["sobel", "prewitt", "scharr", "farid"]
ZERO_SUM = {
    *EDGES,
    *(f"{name}-{axis}" for name in EDGES for axis in "xy"),
    *("roberts", "laplacian", "laplacian-8", "log", "dog", "outline", "kirsch", "robinson", "gabor"),
    *("high-pass", "opponent", "temporal-edge", "gaussian-x", "gaussian-y", "gaussian-gradient"),
}
SUM_ONE = {
    *("identity", "box", "blur", "binomial-3", "binomial-5", "binomial-7", "gaussian", "disk", "motion"),
    *("sharpen", "unsharp", "deblur", "emboss", "luma", "temporal-blur"),
}


def table(name):
    """Weights of a kernel of one part, divided."""
    (array,), (divisor,) = KERNELS[name].arrays(), KERNELS[name].divisors
    return array / divisor


def test_all_are_documented_and_of_the_type_of_their_numbers():
    assert set(KERNELS) == ZERO_SUM | SUM_ONE | {"sepia"}
    real = {"gaussian", "unsharp", "log", "dog", "gabor", "farid", "farid-x", "farid-y", "deblur"}
    real |= {"gaussian-x", "gaussian-y", "gaussian-gradient"}
    ranges = {"high-pass": "signed", "emboss": "clip"}  # stated only where auto means something else
    for name, kernel in KERNELS.items():
        assert kernel.name == name
        assert 10 < len(kernel.summary) <= 100
        assert len(kernel.source) > 20
        assert kernel.is_integer is (name not in real), name
        assert (kernel.range, kernel.offset) == (ranges.get(name, "auto"), 0), name


def test_blurs_sum_to_one_and_edges_to_zero_in_every_part():
    for name in SUM_ONE:
        assert table(name).sum() == pytest.approx(1, abs=1e-14), name
        assert not KERNELS[name].is_zero_sum, name
    for name in ZERO_SUM:
        assert KERNELS[name].is_zero_sum, name


def test_the_parameters_in_the_file_are_the_defaults_of_the_formulas(tmp_path):
    made = [name for name, kernel in KERNELS.items() if kernel.generator]
    (tmp_path / "bare.toml").write_text("".join(f"[{name}]\ngenerator = '{name}'\n" for name in made))
    bare = load_kernels(tmp_path / "bare.toml")
    for name in made:
        assert (bare[name].parameters, bare[name].parts) == (KERNELS[name].parameters, KERNELS[name].parts)


def test_blurs_and_sharpeners_are_the_published_ones():
    identity = np.array([[0, 0, 0], [0, 1, 0], [0, 0, 0]])
    for name, row in (("blur", 4), ("binomial-3", 2), ("binomial-5", 4), ("binomial-7", 6)):
        pascal = [math.comb(row, place) for place in range(row + 1)]
        assert np.array_equal(KERNELS[name].arrays()[0], np.outer(pascal, pascal))
        assert KERNELS[name].divisors == (4**row,)
    assert table("identity").tolist() == [[1]]
    assert np.array_equal(table("sharpen"), identity - table("laplacian"))
    assert np.array_equal(table("high-pass"), identity - table("binomial-3"))


@pytest.mark.parametrize(("name", "smooth", "difference"), [
    ("sobel", [1, 2, 1], [-1, 0, 1]),
    ("prewitt", [1, 1, 1], [-1, 0, 1]),
    ("scharr", [3, 10, 3], [-1, 0, 1]),
    ("farid", [0.037659, 0.249153, 0.426375, 0.249153, 0.037659],
     [-0.109604, -0.276691, 0, 0.276691, 0.109604]),
])  # fmt: skip
def test_gradients_smooth_one_way_and_differ_the_other(name, smooth, difference):
    """They are positive where brightness grows right or down."""
    whole, *single = (KERNELS[key] for key in (name, f"{name}-x", f"{name}-y"))
    across, down = whole.arrays()
    assert np.allclose(across, np.outer(smooth, difference), rtol=1e-12, atol=0)
    assert np.allclose(down, across.T, rtol=1e-12, atol=0)
    assert (whole.combine, whole.divisors) == ("magnitude", (1, 1))
    assert whole.parts == (*single[0].parts, *single[1].parts)


@pytest.mark.parametrize(("name", "parabola"), [("laplacian", 4), ("laplacian-8", 12), ("outline", -12)])
def test_laplacians_answer_to_a_parabola_with_one_number_and_to_a_ramp_with_none(name, parabola):
    y, x = np.indices((3, 3)) - 1
    assert (table(name) * (x * x + y * y)).sum() == parabola
    assert (table(name) * x).sum() == (table(name) * y).sum() == 0


@pytest.mark.parametrize(("name", "north"), [
    ("kirsch", ((5, 5, 5), (-3, 0, -3), (-3, -3, -3))),
    ("robinson", ((1, 2, 1), (0, 0, 0), (-1, -2, -1))),
])  # fmt: skip
def test_compass_kernels_turn_one_ring_through_eight_directions(name, north):
    kernel = KERNELS[name]
    assert kernel.combine == "maximum"
    ring = [(0, 0), (0, 1), (0, 2), (1, 2), (2, 2), (2, 1), (2, 0), (1, 0)]
    first = [north[row][column] for row, column in ring]
    turned = [[part[row][column] for row, column in ring] for part in kernel.parts]
    assert turned == [first[turn:] + first[:turn] for turn in range(8)]
    assert all(part[1][1] == 0 for part in kernel.parts)


def test_emboss_and_roberts_differ_along_diagonals():
    y, x = np.indices((3, 3)) - 1
    assert (table("emboss") * (x + y)).sum() > 0  # bright where brightness grows to the lower right
    assert KERNELS["roberts"].parts == (((1, 0), (0, -1)), ((0, 1), (-1, 0)))
    assert KERNELS["roberts"].combine == "magnitude"


@pytest.mark.parametrize(("name", "axes", "weights"), [
    ("temporal-blur", "frame,row,column", [0.25, 0.5, 0.25]),
    ("temporal-edge", "frame,row,column", [-1, 0, 1]),
    ("luma", "channel,row,column", [0.299, 0.587, 0.114]),  # BT.601
    ("sepia", "output,channel,row,column", [0.393, 0.769, 0.189, 0.349, 0.686, 0.168, 0.272, 0.534, 0.131]),
])  # fmt: skip
def test_kernels_of_one_sample_mix_frames_or_channels(name, axes, weights):
    kernel = KERNELS[name]
    assert ",".join(kernel.axes) == axes
    assert table(name).ravel().tolist() == weights
    assert (kernel.height, kernel.width) == (1, 1)
