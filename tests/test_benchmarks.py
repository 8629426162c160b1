"""Benchmarks compare like with like: every strategy and every rival makes the picture that is expected."""

import sys

import numpy as np
import pytest
from conftest import uncovered

import convfilter as cf
from benchmarks import engine, estimates, suite
from convfilter.filtering import layer


@pytest.fixture(scope="module")
def pixels():
    return suite.photograph(120, 90)


@pytest.mark.parametrize("name", ["sharpen", "sobel", "gaussian:sigma=1", "random 5", "disk:radius=7"])
def test_a_strategy_that_is_forced_is_the_one_that_runs(name, pixels, monkeypatch):
    kernel, taken = suite.kernel_of(name), []
    make_plan = layer.make_plan

    def noted(*arguments, **options):
        taken.append(make_plan(*arguments, **options))
        return taken[-1]

    monkeypatch.setattr(layer, "make_plan", noted)
    expected = cf.apply_kernel(pixels, kernel).astype(int)
    for strategy in taken[0].costs:
        taken.clear()
        difference = engine._forced(pixels, kernel, strategy) - expected
        assert [plan.strategy for plan in taken] == [strategy]
        assert np.abs(difference).max() <= 1
    assert layer.make_plan is noted


@uncovered
@pytest.mark.skipif(sys.platform != "linux", reason="measures as Linux does")
@pytest.mark.parametrize(
    "case",
    [
        estimates.Case("npy RGB", "npy", options={"linear": True, "padding": 400}),
        estimates.Case("ppm RGB 3", "png", ("gaussian:sigma=3", "sobel")),
    ],
    ids=str,
)
def test_the_memory_that_an_image_takes_is_estimated(case, tmp_path):
    peak, estimate = estimates.measured(tmp_path, case)
    assert 1 / 1.4 < peak / estimate < 1.4  # of one run on a busy machine


@pytest.mark.parametrize("rival", ["cv2", "scipy", "Pillow"])
@pytest.mark.parametrize("name", ["sharpen", "sobel", "box:size=3", "random 3", "random 15"])
def test_a_rival_makes_the_same_picture(name, rival, pixels):
    module, make = suite.RIVALS[rival]
    pytest.importorskip(module)
    kernel = suite.kernel_of(name)
    run = make(pixels, kernel, 1)
    if run is None:
        assert rival == "Pillow"
        return
    inside = (slice(8, -8), slice(8, -8))
    theirs = np.asarray(run())[inside].astype(int)
    assert np.abs(theirs - cf.apply_kernel(pixels, kernel)[inside]).max() <= 1
