"""What the explanation of convolution that this program grew from says, sentence by sentence."""

import json

import numpy as np
import pytest

import convfilter as cf

NINE = np.arange(9).reshape(3, 3)
FOUR = np.array([[0, 1], [2, 3]])


def test_one_kernel_slides_over_the_input_with_the_same_weights_everywhere():
    rng = np.random.default_rng(0)
    signal, kernel = rng.integers(-99, 99, (12, 13)), rng.integers(-9, 9, (3, 2))
    moved = np.roll(signal, (2, 3), (0, 1))
    here = cf.correlate(signal, kernel, padding="valid")
    there = cf.correlate(moved, kernel, padding="valid")
    assert np.array_equal(there[2:, 3:], here[:-2, :-3])


def test_an_output_depends_on_the_samples_under_the_kernel_only():
    signal, kernel = np.zeros((9, 9), int), np.arange(1, 7).reshape(2, 3)
    signal[4, 5] = 1
    touched = np.argwhere(cf.correlate(signal, kernel, padding="valid"))
    assert touched.min(0).tolist() == [3, 3]
    assert touched.max(0).tolist() == [4, 5]
    assert len(touched) == kernel.size


@pytest.mark.parametrize("sides", [(3,), (4, 4), (2, 3, 4)])
def test_convolution_is_correlation_with_the_kernel_rotated(sides):
    rng = np.random.default_rng(1)
    signal, kernel = rng.integers(-99, 99, [7] * len(sides)), rng.integers(-9, 9, sides)
    for padding in ("valid", "full"):
        convolved = cf.convolve(signal, kernel, padding=padding)
        assert np.array_equal(convolved, cf.correlate(signal, np.flip(kernel), padding=padding))


def test_one_two_and_three_dimensions_are_one_operation():
    line, weights = np.arange(5), np.array([1, 2, 3])
    along = cf.correlate(line, weights, padding="valid")
    for dimensions in (2, 3):
        lead = (1,) * (dimensions - 1)
        volume = cf.correlate(line.reshape(*lead, 5), weights.reshape(*lead, 3), padding="valid")
        assert np.array_equal(volume.ravel(), along)
    assert along.tolist() == [0 + 2 + 6, 1 + 4 + 9, 2 + 6 + 12]


def test_the_window_is_multiplied_element_by_element_and_added_up():
    assert cf.correlate(NINE, FOUR, padding="valid").tolist() == [[19, 25], [37, 43]]


def test_the_command_line_multiplies_and_adds_the_same(quick, tmp_path):
    np.save(tmp_path / "nine.npy", NINE.astype(np.uint8))
    (tmp_path / "four.toml").write_text("[four]\nweights = [[0, 1], [2, 3]]\n")
    ran = quick(
        "apply", "nine.npy", "--kernels", "four.toml", "-k", "four", "--padding", "valid", "--range", "raw",
        "-o", "out.npy",
    )  # fmt: skip
    assert "3 - 2 + 1 = 2" in ran.out
    assert np.load(tmp_path / "out.npy").tolist() == [[19, 25], [37, 43]]


def test_the_output_size_is_known_before_anything_is_computed(quick):
    assert cf.output_shape((28, 28), (3, 3), padding="valid") == (26, 26)
    assert cf.output_shape((5,), (3,), padding="valid") == (3,)
    found = json.loads(quick("shape", "28x28", "-k", "3x3", "--json").out)
    assert found["valid"] == {"width": 26, "height": 26}
    assert (found["weights"], found["fully_connected"]) == (9, 784 * 676)


def test_channels_meet_their_own_slice_and_add_up_to_one():
    rng = np.random.default_rng(2)
    image, kernel = rng.integers(0, 256, (6, 7, 3)), rng.integers(-9, 9, (3, 2, 2))
    apart = [cf.correlate(image[..., number], kernel[number]) for number in range(3)]
    together = cf.correlate_channels(image, kernel)
    assert together.shape == (6, 7, 1)
    assert np.array_equal(together[..., 0], sum(apart))
    with pytest.raises(cf.ShapeError, match=r"3 channels.* 4"):
        cf.correlate_channels(np.zeros((6, 7, 4)), kernel)


def test_several_kernels_give_as_many_channels():
    rng = np.random.default_rng(3)
    image, kernels = rng.integers(0, 256, (6, 7, 3)), rng.integers(-9, 9, (5, 3, 3, 3))
    stacked = cf.correlate_channels(image, kernels)
    assert stacked.shape == (6, 7, 5)
    for number, kernel in enumerate(kernels):
        assert np.array_equal(stacked[..., number], cf.correlate_channels(image, kernel)[..., 0])


def test_the_number_of_weights_does_not_grow_with_the_input(quick):
    out = quick("shape", "5x5", "28x28", "4000x3000", "-k", "3x3", "--json").out
    assert [json.loads(line)["weights"] for line in out.splitlines()] == [9, 9, 9]


def test_kernels_spread_amplify_and_extract():
    step = np.full((9, 9), 60, np.uint8)
    step[:, 4:] = 160
    blurred = cf.apply_kernel(step, "blur")[4].astype(int)
    assert (np.diff(blurred) != 0).sum() > 1
    assert set(cf.apply_kernel(step, "sharpen")[4]) > {60, 160}
    assert np.flatnonzero(cf.apply_kernel(step, "sobel")[4]).tolist() == [3, 4]


def test_the_derivative_of_a_convolution_is_a_convolution():
    x, w, d = np.array([2, 3, 5, 7, 11]), np.array([13, 17, 19]), np.array([23, 29, 31])
    into = cf.input_gradient(d, w, (5,), padding="valid")
    assert into[2] == d[0] * w[2] + d[1] * w[1] + d[2] * w[0]
    by = cf.kernel_gradient(x, d, (3,), padding="valid")
    assert by.tolist() == [(d * x[start : start + 3]).sum() for start in range(3)]
    assert np.array_equal(into, cf.convolve(d, w, padding="full", border="zero"))
    assert np.array_equal(by, cf.correlate(x, d, padding="valid"))


@pytest.mark.parametrize("options", [{"padding": "valid"}, {"padding": "full", "border": "zero"}])
def test_differentiating_signal_or_kernel_first_gives_the_same(options):
    rng = np.random.default_rng(4)
    signal, smooth, difference = rng.integers(-99, 99, 40), np.array([1, 4, 6, 4, 1]), np.array([1, -1])
    sloped = cf.convolve(smooth, difference, padding="full", border="zero")
    of_both = cf.convolve(cf.convolve(signal, smooth, **options), difference, **options)
    assert np.array_equal(of_both, cf.convolve(signal, sloped, **options))
    assert np.array_equal(cf.convolve(cf.convolve(signal, difference, **options), smooth, **options), of_both)


def test_the_derivative_of_a_gaussian_is_a_gaussian_then_a_derivative():
    gaussian = cf.get_kernel("gaussian:sigma=2").arrays()[0]
    image = np.random.default_rng(5).random((40, 41))
    across = np.array([[0.5, 0.0, -0.5]])
    sloped = cf.convolve(gaussian, across, padding="full", border="zero")
    one_by_one = cf.convolve(cf.convolve(image, gaussian, padding="valid"), across, padding="valid")
    assert np.allclose(cf.convolve(image, sloped, padding="valid"), one_by_one, rtol=0, atol=1e-14)
