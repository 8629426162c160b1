"""Kernels from formulas: each is what its formula says, and its parameters have limits."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from convfilter import KernelError, correlate, get_kernel, load_kernels

SHIPPED = load_kernels()
GENERATORS = [name for name, kernel in SHIPPED.items() if kernel.generator == name]


def weights_of(spec):
    """Weights by place (x to the right, y up from the middle), divided."""
    kernel = get_kernel(spec)
    (part,), (divisor,) = kernel.parts, kernel.divisors
    rows, columns = kernel.shape
    return {
        (column - columns // 2, rows // 2 - row): part[row][column] / divisor
        for row in range(rows)
        for column in range(columns)
    }


@pytest.mark.parametrize(("sigma", "side"), [("0.3", 3), ("1", 7), ("1.01", 9)])
def test_a_gaussian_is_the_density_at_each_sample_over_their_sum(sigma, side):
    assert get_kernel(f"gaussian:sigma={sigma}").shape == (side, side)
    weights = weights_of(f"gaussian:sigma={sigma}")
    density = {(x, y): math.exp(-(x * x + y * y) / 2 / float(sigma) ** 2) for x, y in weights}
    total = sum(density.values())
    assert weights == pytest.approx({place: value / total for place, value in density.items()}, rel=1e-12)


@pytest.mark.parametrize(("radius", "count"), [("0", 1), ("1", 5), ("1.5", 9), ("3", 29)])
def test_a_disk_holds_the_lattice_points_of_a_circle(radius, count):
    # Gauss's circle problem: 1, 5, 13, 29 points for radius 0, 1, 2, 3.
    assert get_kernel(f"disk:radius={radius}").divisors == (count,)
    weights = weights_of(f"disk:radius={radius}")
    inside = {place for place, weight in weights.items() if weight}
    assert inside == {place for place in weights if math.hypot(*place) <= float(radius)}


@pytest.mark.parametrize("amount", [-0.5, 2])
def test_unsharp_adds_what_the_gaussian_takes_away(amount):
    blur = weights_of("gaussian:sigma=2")
    expected = {place: ((1 + amount) if place == (0, 0) else 0) - amount * blur[place] for place in blur}
    assert weights_of(f"unsharp:sigma=2,amount={amount}") == pytest.approx(expected, abs=1e-15)


def test_log_answers_to_a_parabola_with_its_laplacian():
    # The Laplacian of (x² + y²) / 4 is 1 everywhere, and a Gaussian keeps that constant.
    weights = weights_of("log:sigma=3")
    assert weights[0, 0] < 0
    assert get_kernel("log:sigma=3").shape == (25, 25)  # out to four sigma
    assert sum(w * (x * x + y * y) / 4 for (x, y), w in weights.items()) == pytest.approx(1, rel=0.05)


def test_dog_is_the_narrow_gaussian_minus_the_wide_one():
    narrow, wide = weights_of("gaussian:sigma=1"), weights_of("gaussian:sigma=2")
    expected = {place: narrow.get(place, 0) - wide[place] for place in wide}
    # The narrow one is cut at 3 sigma there, and at 6 within the difference.
    assert weights_of("dog:sigma=1,ratio=2") == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize(("length", "numbers"), [(1, [1]), (5, [1] * 5), (4, [1, 2, 2, 2, 1])])
@pytest.mark.parametrize("angle", [-1e-20, 90, 180, -90])
def test_motion_along_rows_and_columns_is_exact(length, numbers, angle):
    kernel = get_kernel(f"motion:length={length},angle={angle}")
    along = round(angle) % 180 == 0
    assert kernel.parts == ((tuple(numbers),) if along else tuple((each,) for each in numbers),)
    assert kernel.divisors == (sum(numbers),)


@pytest.mark.parametrize("spec", ["length=9,angle=30", "length=6.5,angle=100"])
def test_motion_weighs_samples_by_their_distance_to_a_segment(spec):
    parameters = get_kernel(f"motion:{spec}").parameters
    length, angle = parameters["length"], math.radians(parameters["angle"])
    # A fine row of points on the segment stands for it.
    points = [((length - 1) * (i / 2000 - 0.5)) for i in range(2001)]
    line = [(t * math.cos(angle), t * math.sin(angle)) for t in points]
    reach = range(-6, 7)
    raw = {(x, y): max(0, 1 - min(math.dist((x, y), point) for point in line)) for x in reach for y in reach}
    weights, total = weights_of(f"motion:{spec}"), sum(raw.values())
    expected = {place: value / total for place, value in raw.items()}
    assert {place: weights.get(place, 0) for place in raw} == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("length", [2, 7, 9.5])
def test_motion_is_trimmed_to_an_odd_box(length):
    for angle in (0, 15, 45, 60, 90, 150, 36.87, 53.13, 126.87):
        kernel = get_kernel(f"motion:length={length},angle={angle}")
        (part,) = kernel.parts
        assert all(side % 2 for side in kernel.shape), angle
        assert any(part[0]), angle
        assert any(row[0] for row in part), angle
        # What rounding leaves of a zero is no weight.
        assert min(each for row in part for each in row if each) > 1e-12 * max(map(max, part)), angle


def test_a_gabor_is_a_cosine_under_a_gaussian_without_its_mean():
    """Its wave runs to the right at angle 0 and turns counter-clockwise."""
    weights = weights_of("gabor:sigma=2,wavelength=5,angle=20,phase=70")
    raw = {}
    for x, y in weights:
        along = x * math.cos(math.radians(20)) + y * math.sin(math.radians(20))
        raw[x, y] = math.exp(-(x * x + y * y) / 8) * math.cos(2 * math.pi * along / 5 + math.radians(70))
    mean = sum(raw.values()) / len(raw)
    positive = sum(value - mean for value in raw.values() if value > mean)
    expected = {place: (value - mean) / positive for place, value in raw.items()}
    assert weights == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("spec", ["gaussian:sigma=170.333,0.01", "motion:length=1023,angle=0"])
def test_the_largest_parameters_make_a_kernel_of_the_largest_side(spec):
    assert max(get_kernel(spec).shape) == 1023


ZERO_SUM = ("log", "dog", "gabor", "gaussian-x", "gaussian-y", "gaussian-gradient")
SMALL = {
    "sigma": st.floats(0.01, 4),
    "amount": st.floats(-100, 100),
    "ratio": st.floats(1.001, 3),
    "radius": st.floats(0, 12),
    "size": st.integers(1, 12),
    "length": st.floats(1, 15),
    "angle": st.floats(-1e9, 1e9),
    "wavelength": st.floats(0.01, 1e6),
    "phase": st.floats(-720, 720),
    "truncate": st.floats(0.5, 10),
    "of": st.sampled_from(["gaussian(sigma=2)", "motion(angle=30)", "box(size=4)"]),
    "noise": st.floats(0.001, 10),
}


@pytest.mark.parametrize("generator", GENERATORS)
@settings(deadline=None, max_examples=25)
@given(data=st.data())
def test_parameters_within_their_limits_make_a_kernel_that_sums_to_zero_or_one(generator, data):
    parameters = [f"{name}={data.draw(SMALL[name])}" for name in SHIPPED[generator].parameters]
    try:
        kernel = get_kernel(f"{generator}:{','.join(parameters)}")
    except KernelError as error:
        refusal = str(error)
    else:
        total = math.fsum(weight for row in kernel.parts[0] for weight in row) / kernel.divisors[0]
        assert kernel.is_zero_sum == (generator in ZERO_SUM)
        assert kernel.is_zero_sum or total == pytest.approx(1, abs=1e-12)
        return
    # The one refusal that no limit of a single parameter foresees.
    assert generator in ZERO_SUM
    assert "all weights are zero" in refusal


def test_a_gaussian_may_differ_across_and_down_and_be_given_by_its_width():
    across, down = (weights_of(f"gaussian:{sigma}") for sigma in (2, 1))
    both = weights_of("gaussian:2,1")
    sums = [[sum(w for place, w in table.items() if place[axis] == at) for at in range(-3, 4)]
            for axis, table in ((0, across), (0, both), (1, down), (1, both))]  # fmt: skip
    assert sums[0] == pytest.approx(sums[1], abs=1e-12)
    assert sums[2] == pytest.approx(sums[3], abs=1e-12)
    assert get_kernel("gaussian:2,1").shape == (7, 13)
    # At half the full width at half maximum the density is a half of that in the middle.
    weights = weights_of("gaussian:fwhm=8,truncate=1.5")
    assert weights[4, 0] / weights[0, 0] == pytest.approx(0.5)
    assert max(x for x, _ in weights) == 6  # 1.5 * 8 / 2.355 is 5.1


@pytest.mark.parametrize("sigma", [0.7, 2])
def test_slopes_of_a_gaussian_are_those_of_scipy_scaled_to_the_slope_of_a_ramp(sigma):
    filters = pytest.importorskip("scipy.ndimage")
    radius = math.ceil(3 * sigma)
    image = np.random.default_rng(0).normal(size=(20, 21))
    ramp = np.arange(20 * 21).reshape(20, 21)  # grows by 1 along the row and by 21 down the column
    for name, order, slope in (("gaussian-x", (0, 1), 1), ("gaussian-y", (1, 0), 21)):
        weights = get_kernel(f"{name}:{sigma}").arrays()[0]
        expected = filters.gaussian_filter(image, sigma, order, mode="nearest", radius=radius)
        found = correlate(image, weights)
        # scipy divides by sigma², these by the second moment of the weights.
        line = np.exp(-(np.arange(-radius, radius + 1) ** 2) / (2 * sigma**2))
        moment = (line * np.arange(-radius, radius + 1) ** 2).sum() / line.sum()
        assert np.allclose(found, expected * sigma**2 / moment, atol=1e-12)
        assert correlate(ramp, weights, padding="valid") == pytest.approx(slope)
    both = [get_kernel(f"gaussian-{axis}:{sigma}").parts[0] for axis in "xy"]
    gradient = get_kernel(f"gaussian-gradient:{sigma}")
    assert (list(gradient.parts), gradient.combine) == (both, "magnitude")


def test_deblur_solves_the_normal_equations_of_the_blur():
    # One row: weights w of a blur, found by the sums that define the mean square error.
    blur, noise, size = np.array([1, 3, 2]) / 6, 0.2, 5
    kernel = get_kernel(f"deblur:1 3 2 / sum,size={size},1,noise={noise}")
    side = 2 * (size + 3)
    frequencies = np.fft.fftfreq(side)
    squared = frequencies[:, np.newaxis] ** 2 + frequencies**2
    squared[0, 0] = 1 / side**2
    shifts = np.arange(size) - size // 2
    waves = np.exp(2j * np.pi * np.multiply.outer(shifts, np.broadcast_to(frequencies, squared.shape)))
    transfer = sum(w * np.exp(2j * np.pi * (at - 1) * frequencies) for at, w in enumerate(blur))
    # minimize sum over frequencies of |1 - blur * weights|² / f² + noise² * mean(1 / f²) * |weights|²
    rows = np.concatenate([
        (waves * transfer / np.sqrt(squared)).reshape(size, -1).T,
        (waves * noise * np.sqrt((1 / squared).mean())).reshape(size, -1).T,
    ])  # fmt: skip
    aim = np.concatenate([(1 / np.sqrt(squared)).ravel(), np.zeros(squared.size)])
    best, *_ = np.linalg.lstsq(np.vstack([rows.real, rows.imag]), np.append(aim, 0 * aim), rcond=None)
    assert kernel.arrays()[0][0] == pytest.approx(best / best.sum(), rel=1e-6)
