"""The anchor of a kernel is the weight that lies on the sample where ``same`` places the result."""

import json

import numpy as np
from PIL import Image
from samples import load

import convfilter as cf
from convfilter import Kernel

RNG = np.random.default_rng(0)
IMAGE = RNG.integers(0, 256, (9, 11), np.uint8)
WEIGHTS = np.array([[1, -2, 3, 5], [0, 4, -1, 2], [2, 2, 0, 1]])


def test_the_usual_anchor_stated_changes_nothing_and_other_paddings_ignore_it():
    plain, stated, other = (Kernel("k", (WEIGHTS,), anchor=at) for at in (None, (1, 1), (0, 3)))
    assert np.array_equal(*(cf.apply_kernel(IMAGE, each, range="raw") for each in (plain, stated)))
    for padding in ("valid", "full", 3):
        assert np.array_equal(*(cf.apply_kernel(IMAGE, each, padding=padding) for each in (plain, other)))


def test_every_command_shows_the_anchor(quick, tmp_path):
    Image.fromarray(IMAGE).save(tmp_path / "in.png")
    (tmp_path / "trail.toml").write_text("[trail]\nweights = [[1, 2, 4]]\ndivisor = 7\nanchor = [0, 2]")
    assert "  width   11 + 2 + 0 - 3 + 1 = 11" in quick("apply", "in.png", "-k", "trail.toml").out
    assert "width 28 + 2 + 0 - 3 + 1 = 28" in quick("shape", "28x28", "-k", "trail.toml").out
    assert "  anchor      row 0, column 2\n" in quick("kernels", "trail.toml").out
    (found,) = json.loads(quick("kernels", "trail.toml", "--json").out)
    assert found["anchor"] == [0, 2]
    ran = quick("explain", "in.png", "-k", "trail.toml", "--at", "4,5", "--json")
    found = json.loads(ran.out)
    assert found["anchor"] == {"frame": 0, "row": 4, "column": 5}
    assert found["parts"][0]["slices"][0]["window"] == [IMAGE[4, 3:6].tolist()]
    # The drawing frames the window: the same samples, the same frame.
    quick("explain", "in.png", "-k", "trail.toml", "--at", "4,7", "-o", "anchored.png")
    quick("explain", "in.png", "-k", "1 2 4 / 7", "--at", "4,6", "-o", "usual.png")
    quick("explain", "in.png", "-k", "1 2 4 / 7", "--at", "4,7", "-o", "other.png")
    anchored, usual, other = (
        load(tmp_path / f"{name}.png")[:, :200] for name in ("anchored", "usual", "other")
    )
    assert np.array_equal(anchored, usual)
    assert not np.array_equal(anchored, other)
    ran = quick("explain", "--values", "1 2 3 4", "-k", "trail.toml", "--at", "0,3", "--json")
    assert json.loads(ran.out)["parts"][0]["slices"][0]["window"] == [[2, 3, 4]]
