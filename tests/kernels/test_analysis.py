"""What `kernels NAME` says of a kernel's weights holds for what the kernel does."""

import json

import numpy as np
import pytest

import convfilter as cf


@pytest.fixture
def described(quick):
    """Return what the command prints about a kernel, as an object."""
    return lambda name, *options: json.loads(quick("kernels", name, "--json", *options).out)[0]


def test_symmetry_ranks_and_values_are_those_of_the_results(described):
    rng = np.random.default_rng(0)
    for name, kernel in cf.load_kernels().items():
        found = described(name)
        shape = (
            (3, 20, 21) if "frame" in kernel.axes else (20, 21, 3) if "channel" in kernel.axes else (20, 21)
        )
        options = {"range": "raw", "border": "wrap"}
        pixels = rng.normal(size=shape)
        plain, flipped = (cf.apply_kernel(pixels, kernel, flip=flip, **options) for flip in (False, True))
        same, opposite = (np.allclose(plain, sign * flipped, atol=1e-6) for sign in (1, -1))
        # An even side moves the anchor when it is flipped: then values alone cannot show it.
        if kernel.width % 2 and kernel.height % 2 and kernel.combine is None:
            assert found["symmetry"] == ("even" if same else "odd" if opposite else None), name
        # No value lies outside the bounds, and single tables reach them.
        low, high = (value / 255 for value in found["values"])
        values = cf.apply_kernel(rng.integers(0, 2, shape).astype(float), kernel, **options)
        assert low - 1e-6 <= values.min(), name
        assert values.max() <= high + 1e-6, name
        if kernel.combine is None and kernel.axes == ("row", "column"):
            (weights,) = kernel.arrays()
            for image, bound in ((weights > 0, high), (weights <= 0, low)):
                reached = cf.apply_kernel(image.astype(float), kernel, range="raw", padding="valid")
                assert reached.item() == pytest.approx(bound, rel=1e-6, abs=1e-6), name
    for name, ranks in (("gaussian:sigma=2", [1]), ("farid", [1, 1]), ("laplacian", [2])):
        assert described(name)["ranks"] == ranks


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
