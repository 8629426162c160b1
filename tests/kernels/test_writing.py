"""A kernel that is written to a file is read as the same kernel."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from convfilter import Kernel, load_kernels
from convfilter.kernels.toml import table_of


def assert_comes_back(kernel, path):
    path.write_text(table_of(kernel), encoding="utf-8")
    read = load_kernels(path)[kernel.name]
    for key in ("name", "parts", "axes", "divisors", "combine", "offset", "range", "summary", "source"):
        assert getattr(read, key) == getattr(kernel, key), (kernel.name, key)


def test_shipped_kernels_and_deep_tables_come_back(tmp_path):
    weights = np.random.default_rng(0).normal(size=(3, 3, 2, 2))
    deep = Kernel("mix", parts=(weights,), axes=("output", "channel", "row", "column"))
    for kernel in (*load_kernels().values(), deep):
        if not kernel.generator and len(set(kernel.divisors)) == 1:
            assert_comes_back(kernel, tmp_path / "k.toml")


@settings(max_examples=30, deadline=None)
@given(
    weights=st.lists(st.floats(-1e30, 1e30).filter(lambda each: each == 0 or abs(each) > 1e-30), min_size=1),
    summary=st.text(st.characters(codec="utf-8"), max_size=20),
    name=st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,20}", fullmatch=True),
)
def test_any_weight_name_and_text_comes_back(tmp_path_factory, weights, summary, name):
    kernel = Kernel(name, parts=(weights,), axes=("column",), summary=summary, offset=0.25, range="clip")
    assert_comes_back(kernel, tmp_path_factory.mktemp("k") / "k.toml")
