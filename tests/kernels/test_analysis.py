"""What `kernels NAME` says of a kernel's weights holds for what the kernel does."""

import json

import numpy as np
import pytest

import convfilter as cf


@pytest.fixture
def described(quick):
    """Return what the command prints about a kernel, as an object."""

    def describe(name, *options):
        (found,) = json.loads(quick("kernels", name, "--json", *options).out)
        return found

    return describe


def test_symmetry_is_what_flipping_does(described):
    for name, kernel in cf.load_kernels().items():
        symmetry = described(name)["symmetry"]
        shape = (5, 9, 8) if "frame" in kernel.axes else (9, 8, 3) if "channel" in kernel.axes else (9, 8)
        pixels = np.random.default_rng(0).normal(size=shape)
        plain, flipped = (
            cf.apply_kernel(pixels, kernel, range="raw", border="wrap", flip=flip) for flip in (False, True)
        )
        # An even side moves the anchor when it is flipped: then values alone cannot show it.
        if kernel.width % 2 and kernel.height % 2:
            same, opposite = (np.allclose(plain, sign * flipped, atol=1e-6) for sign in (1, -1))
            if kernel.combine is None:
                assert symmetry == ("even" if same else "odd" if opposite else None), name
            else:
                assert symmetry != "even" or same, name


def test_no_value_lies_outside_the_bounds_and_they_are_reached(described):
    for name, kernel in cf.load_kernels().items():
        low, high = (value / 255 for value in described(name)["values"])
        shape = (
            (3, 40, 41) if "frame" in kernel.axes else (40, 41, 3) if "channel" in kernel.axes else (40, 41)
        )
        pixels = np.random.default_rng(0).integers(0, 2, shape).astype(np.float64)
        values = cf.apply_kernel(pixels, kernel, range="raw")
        assert low - 1e-6 <= values.min(), name
        assert values.max() <= high + 1e-6, name
        if kernel.combine is None and kernel.axes == ("row", "column"):
            (weights,) = kernel.arrays()
            best = (weights > 0).astype(np.float64)
            for image, bound in ((best, high), (1 - best, low)):
                reached = cf.apply_kernel(image, kernel, range="raw", padding="valid")
                assert reached.item() == pytest.approx(bound, abs=1e-6), name


@pytest.mark.parametrize("combine", ["maximum", "sum", "magnitude"])
def test_bounds_of_combined_parts_are_reached(described, tmp_path, combine):
    parts = [[4, -1]], [[0, -3]]
    (tmp_path / "k.toml").write_text(f"[mine]\nparts = {list(parts)}\ncombine = '{combine}'\n")
    values = [value / 255 for value in described("mine", "--kernels", "k.toml")["values"]]
    kernel = cf.Kernel("mine", parts=parts, combine=combine)
    corners = [np.array([[a, b]], np.float64) for a in (0, 1) for b in (0, 1)]
    found = [cf.apply_kernel(each, kernel, padding="valid", range="raw").item() for each in corners]
    if combine != "magnitude":  # its parts need not reach their bounds together
        assert values == pytest.approx([min(found), max(found)])
    assert values[0] - 1e-6 <= min(found)
    assert max(found) <= values[1] + 1e-6


def test_ranks_are_those_of_the_tables(described):
    for name, ranks in (("gaussian:sigma=2", [1]), ("farid", [1, 1]), ("laplacian", [2])):
        assert described(name)["ranks"] == ranks
    assert described("disk:radius=3")["ranks"][0] > 1
