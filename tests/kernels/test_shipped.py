"""The shipped kernels are the published ones."""

import itertools
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
    *("high-pass", "opponent", "temporal-edge"),
}
SUM_ONE = {
    *("identity", "box", "blur", "binomial-3", "binomial-5", "binomial-7", "gaussian", "disk", "motion"),
    *("sharpen", "unsharp", "emboss", "luma", "temporal-blur"),
}


def table(name):
    """Weights of a kernel of one part, divided, without its axes of length 1."""
    (array,), (divisor,) = KERNELS[name].arrays(), KERNELS[name].divisors
    return array / divisor


def pascal(row):
    return np.array([math.comb(row, place) for place in range(row + 1)])


def test_the_shipped_kernels_are_those_that_were_promised():
    assert set(KERNELS) == ZERO_SUM | SUM_ONE | {"sepia"}


def test_each_has_a_summary_a_source_and_the_type_of_its_numbers():
    made = {"gaussian", "unsharp", "log", "dog", "gabor", "farid", "farid-x", "farid-y"}
    ranges = {"high-pass": "signed", "emboss": "clip"}
    for name, kernel in KERNELS.items():
        assert kernel.name == name
        assert 10 < len(kernel.summary) <= 100
        assert len(kernel.source) > 20
        assert kernel.is_integer is (name not in made), name
        # No range is stated where auto says the same.
        assert (kernel.range, kernel.offset) == (ranges.get(name, "auto"), 0), name


def test_blurs_sum_to_one_and_edges_to_zero_in_every_part():
    for name in SUM_ONE:
        assert table(name).sum() == pytest.approx(1, abs=1e-14), name
        assert not KERNELS[name].is_zero_sum, name
    for name in ZERO_SUM:
        assert KERNELS[name].is_zero_sum, name


def test_the_defaults_in_the_file_are_those_of_the_formulas(tmp_path):
    made = [name for name, kernel in KERNELS.items() if kernel.generator]
    (tmp_path / "bare.toml").write_text("".join(f"[{name}]\ngenerator = '{name}'\n" for name in made))
    bare = load_kernels(tmp_path / "bare.toml")
    for name in made:
        assert bare[name].parameters == KERNELS[name].parameters, name
        assert bare[name].parts == KERNELS[name].parts, name


@pytest.mark.parametrize(
    ("name", "row"), [("blur", 4), ("binomial-3", 2), ("binomial-5", 4), ("binomial-7", 6)]
)
def test_binomial_blurs_are_rows_of_pascals_triangle(name, row):
    assert np.array_equal(KERNELS[name].arrays()[0], np.outer(pascal(row), pascal(row)))
    assert KERNELS[name].divisors == (4**row,)


def test_the_identity_is_one_sample():
    assert table("identity").tolist() == [[1]]


@pytest.mark.parametrize(
    ("name", "smooth"), [("sobel", [1, 2, 1]), ("prewitt", [1, 1, 1]), ("scharr", [3, 10, 3])]
)
def test_integer_gradients_smooth_one_way_and_differ_the_other(name, smooth):
    across, down = KERNELS[name].arrays()
    assert across.tolist() == np.outer(smooth, [-1, 0, 1]).tolist()
    assert down.tolist() == np.outer([-1, 0, 1], smooth).tolist()
    assert KERNELS[name].divisors == (1, 1)


def test_farids_numbers_are_the_published_ones():
    smooth = [0.037659, 0.249153, 0.426375, 0.249153, 0.037659]
    derivative = [-0.109604, -0.276691, 0, 0.276691, 0.109604]
    across, down = KERNELS["farid"].arrays()
    assert np.allclose(across, np.outer(smooth, derivative), rtol=1e-12, atol=0)
    assert np.allclose(down, np.outer(derivative, smooth), rtol=1e-12, atol=0)


@pytest.mark.parametrize("name", EDGES)
def test_the_single_directions_are_the_parts_of_the_magnitude(name):
    whole, across, down = (KERNELS[key] for key in (name, f"{name}-x", f"{name}-y"))
    assert whole.combine == "magnitude"
    assert whole.parts == (*across.parts, *down.parts)


@pytest.mark.parametrize("name", EDGES)
def test_gradients_are_positive_where_brightness_grows_right_or_down(name):
    for array, axis in zip(KERNELS[name].arrays(), (1, 0), strict=True):
        ramp = np.indices(array.shape)[axis]
        assert (array * ramp).sum() > 0
        assert (array * np.indices(array.shape)[1 - axis]).sum() == pytest.approx(0)


def test_roberts_differs_along_both_diagonals():
    first, second = KERNELS["roberts"].arrays()
    assert first.tolist() == [[1, 0], [0, -1]]
    assert second.tolist() == [[0, 1], [-1, 0]]
    assert KERNELS["roberts"].combine == "magnitude"


@pytest.mark.parametrize(("name", "parabola"), [("laplacian", 4), ("laplacian-8", 12), ("outline", -12)])
def test_laplacians_answer_to_a_parabola_with_one_number_and_to_a_ramp_with_none(name, parabola):
    y, x = np.indices((3, 3)) - 1
    assert (table(name) * (x * x + y * y)).sum() == parabola
    assert (table(name) * x).sum() == (table(name) * y).sum() == 0


def test_sharpen_is_the_identity_minus_the_laplacian():
    identity = np.array([[0, 0, 0], [0, 1, 0], [0, 0, 0]])
    assert np.array_equal(table("sharpen"), identity - table("laplacian"))


def test_high_pass_is_the_identity_minus_the_small_blur_on_mid_grey():
    identity = np.array([[0, 0, 0], [0, 1, 0], [0, 0, 0]])
    assert np.array_equal(table("high-pass"), identity - table("binomial-3"))
    assert KERNELS["high-pass"].range == "signed"


@pytest.mark.parametrize(("name", "north"), [("kirsch", [5, 5, 5]), ("robinson", [1, 2, 1])])
def test_compass_kernels_turn_one_ring_through_eight_directions(name, north):
    kernel = KERNELS[name]
    assert kernel.combine == "maximum"
    assert len(kernel.parts) == 8
    ring = [(0, 0), (0, 1), (0, 2), (1, 2), (2, 2), (2, 1), (2, 0), (1, 0)]
    turned = [[part[row][column] for row, column in ring] for part in kernel.parts]
    assert turned[0][:3] == north
    assert [part[1][1] for part in kernel.parts] == [0] * 8
    for before, after in itertools.pairwise(turned):
        assert after == before[1:] + before[:1]


def test_kirsch_and_robinson_are_the_published_kernels():
    assert KERNELS["kirsch"].parts[0] == ((5, 5, 5), (-3, 0, -3), (-3, -3, -3))
    assert KERNELS["robinson"].parts[0] == ((1, 2, 1), (0, 0, 0), (-1, -2, -1))


def test_emboss_is_clipped_and_bright_where_brightness_grows_to_the_lower_right():
    y, x = np.indices((3, 3)) - 1
    assert (table("emboss") * (x + y)).sum() > 0
    assert KERNELS["emboss"].range == "clip"


def test_temporal_kernels_look_at_three_frames_of_one_sample():
    for name, weights, divisor in (("temporal-blur", [1, 2, 1], 4), ("temporal-edge", [-1, 0, 1], 1)):
        kernel = KERNELS[name]
        assert (kernel.axes, kernel.shape) == (("frame", "row", "column"), (3, 1, 1))
        assert kernel.frames == 3
        assert (kernel.arrays()[0].ravel().tolist(), kernel.divisors) == (weights, (divisor,))
    assert KERNELS["luma"].frames == 1


def test_luma_weighs_three_channels_by_bt601():
    assert KERNELS["luma"].axes == ("channel", "row", "column")
    assert table("luma").ravel().tolist() == [0.299, 0.587, 0.114]


def test_sepia_makes_three_channels_of_three():
    assert KERNELS["sepia"].axes == ("output", "channel", "row", "column")
    expected = [[0.393, 0.769, 0.189], [0.349, 0.686, 0.168], [0.272, 0.534, 0.131]]
    assert table("sepia").reshape(3, 3).tolist() == expected
