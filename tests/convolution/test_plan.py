"""Strategies agree with each other and with plain loops; only their cost differs."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from oracles import BORDERS

from convfilter.convolution import plan as planning
from convfilter.convolution.borders import ArraySource
from convfilter.convolution.execute import available_threads, run_whole, share_out
from convfilter.convolution.plan import Plan, exact_type, make_plan
from convfilter.convolution.separable import factors_of
from convfilter.errors import ConvfilterError, ShapeError
from convfilter.geometry import axes_of

STRATEGIES = ("window", "shifted", "banded", "separable", "crossed", "fourier")

KERNELS = {
    "dense": [[3, -1, 4, 1], [-5, 9, 2, -6], [5, 3, -5, 8]],
    "rank one": [[2, 4, -6, 2], [1, 2, -3, 1], [-3, -6, 9, -3]],
    "box": [[1] * 7] * 5,
    "sparse": [[0, 0, -1], [0, 0, 0], [4, 0, 0]],
    "taken away": [[0, -1, 0], [-1, 0, -1], [0, -1, 0]],
    "zeros": [[0, 0], [0, 0]],
    "one": [[1]],
    "row": [[1, 2, 3, 4, 5]],
    "column": [[1], [1], [1], [1], [1]],
    "rising": [[0, 0, 0, 2, 1], [0, 0, 2, 1, 0], [0, 2, 1, 0, 0], [2, 1, 0, 0, 2], [1, 0, 0, 2, -1]],
    "falling": [[-3, 0, 0], [1, -3, 0], [1, 1, -3], [0, 1, 1], [0, 0, 1], [0, 0, 0]],
    "runs": [[0, 1, 1, 1, 0], [1, 1, 1, 1, 1], [1, 1, 1, 1, 1], [-1, -1, -1, -1, -1], [0, 1, 1, 1, 0]],
}
OPTIONS: list[dict[str, Any]] = [
    {"stride": 2}, {"stride": (3, 1)}, {"stride": (1, 3)}, {"dilation": 2},
    {"dilation": (1, 3), "stride": (2, 2)},
    {"padding": "valid"}, {"padding": "full", "stride": 2}, {"padding": ((0, 5), (9, 1))},
]  # fmt: skip


def correlated(plan: Plan, array: np.ndarray, border: Any = "reflect", threads: int = 1) -> np.ndarray:
    """What a plan makes of an array with one carried axis."""
    return run_whole(plan, ArraySource(array, border, 7), plan.dtype, threads)


def image(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape).astype(np.uint8)


def planned(array: np.ndarray, kernel: Any, dtype: str, strategy: str | None, **options: Any) -> Plan:
    kernel = np.array(kernel)
    axes = axes_of(array.shape[:-1], kernel.shape, **options)
    bound = 255 * float(np.abs(kernel).sum())
    tolerance = bound * (1e-6 if dtype == "float32" else 1e-14)
    return make_plan(
        axes, [kernel], array.shape[-1], dtype, bound=bound, tolerance=tolerance, strategy=strategy
    )


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks so small that even tiny images have edges between them."""
    monkeypatch.setattr(planning, "_BLOCK", 1200)


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("name", KERNELS)
def test_strategies_give_the_same_sums(name: str) -> None:
    """Bit for bit among integers, with every border, stride, dilation and padding."""
    array, kernel = image(1, 37, 31, 3), KERNELS[name]
    cases = [(border, {}) for border in BORDERS] + [("reflect", options) for options in OPTIONS]
    for border, options in cases:
        expected = correlated(planned(array, kernel, "int64", "window", **options), array, border)
        for strategy in STRATEGIES:
            whole = planned(array, kernel, "int32", strategy, **options)
            assert np.array_equal(correlated(whole, array, border), expected), (strategy, border, options)
            real = planned(array, kernel, "float64", strategy, **options)
            assert np.abs(correlated(real, array, border) - expected).max() < 1e-9, (strategy, options)


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_neither_threads_nor_the_order_of_blocks_change_a_bit(strategy: str) -> None:
    class Shuffled(Plan):
        """A plan whose blocks come in another order, and twice."""

        def regions(self) -> Iterator[tuple[slice, ...]]:
            once = [*super().regions()]
            yield from [*reversed(once), *once]

    array, kernel = image(4, 700, 150, 3), np.array(KERNELS["rank one"]) / 7
    plan = planned(array, kernel, "float32", strategy)
    assert plan.strategy == strategy
    assert plan.blocks == len(list(plan.regions())) > 1
    one = correlated(plan, array)
    assert np.abs(one - correlated(planned(array, kernel, "float64", "window"), array)).max() < 3e-4
    for other, threads in ((plan, 3), (Shuffled(*plan), 1)):
        assert np.array_equal(correlated(other, array, threads=threads), one)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(
    kernel=npst.arrays(
        np.int64, npst.array_shapes(min_dims=1, max_dims=3, max_side=6), elements=st.integers(-2, 2)
    )
)
@example(kernel=np.array([0, 1, 1]))  # a sum of neighbours that begins past the first weight
@example(kernel=np.array([[0, 0], [0, -1]]))
@example(kernel=np.array([[-1, -1, 0], [0, 0, 0]]))
def test_shifted_sums_are_the_sums_of_their_kernel(kernel: np.ndarray) -> None:
    array = image(0, *(side + 3 for side in kernel.shape), 2)
    results = [
        correlated(planned(array, kernel, "int64", strategy, padding="valid"), array)
        for strategy in ("shifted", "window")
    ]
    assert np.array_equal(*results)


@pytest.mark.parametrize(("kernel", "strategy"), [
    ([[0, -1, 0], [-1, 5, -1], [0, -1, 0]], "shifted"),
    (np.ones((31, 31), int), "crossed"),
    (np.random.default_rng(0).normal(size=(1, 5)), "window"),
    (np.random.default_rng(0).integers(-99, 99, (5, 5)), "banded"),
    (np.random.default_rng(0).normal(size=(7, 7)), "banded"),
    (np.random.default_rng(0).normal(size=(31, 31)), "fourier"),
    (np.multiply.outer(*[np.hanning(33)[1:-1]] * 2), "crossed"),
    (np.eye(21, dtype=int), "shifted"),
])  # fmt: skip
def test_the_cheapest_strategy_is_chosen(kernel: Any, strategy: str) -> None:
    dtype = "int32" if np.array(kernel).dtype.kind == "i" else "float32"
    plan = planned(image(0, 600, 800, 3), kernel, dtype, None)
    assert plan.strategy == strategy
    assert plan.costs[strategy] == min(plan.costs.values())


def test_samples_of_any_size_never_meet_in_a_transform_or_a_product() -> None:
    kernel = np.random.default_rng(0).normal(size=(31, 31))
    plan = make_plan(axes_of((600, 800), (31, 31)), [kernel], 3, "float32")
    assert not {"fourier", "banded", "crossed"} & set(plan.costs)
    assert planned(image(0, 40, 40, 1), np.full((3, 3), 1e38), "float64", None).strategy != "fourier"


@pytest.mark.parametrize("side", [15, 63])
def test_integers_come_back_whole_from_frequencies(side: int) -> None:
    rows, columns = np.ogrid[:side, :side]
    disk = ((rows - side // 2) ** 2 + (columns - side // 2) ** 2 <= (side // 2) ** 2).astype(int)
    noise = image(side, 150, 160, 1)
    white, edges = np.full_like(noise, 255), noise // 128 * 255
    edges[:, ::2] = 0
    for array in (noise, white, edges):
        fourier, window = (planned(array, disk, "int32", strategy) for strategy in ("fourier", "window"))
        assert fourier.strategy == "fourier"
        assert np.array_equal(correlated(fourier, array), correlated(window, array))


@pytest.mark.parametrize("seed", range(6))
def test_the_outer_product_of_the_factors_is_the_kernel(seed: int) -> None:
    rng = np.random.default_rng(seed)
    vectors = [rng.integers(1, 7, length) * rng.choice([-1, 1], length) for length in rng.integers(1, 6, 3)]
    kernel = np.einsum("i,j,k->ijk", *vectors)
    factors = factors_of(kernel)
    assert factors is not None
    assert np.array_equal(np.einsum("i,j,k->ijk", *factors), kernel)
    nearly = kernel.astype(float)
    nearly.flat[0] *= 1 + 1e-9
    assert factors_of(nearly) is None or 1 in kernel.shape


@pytest.mark.parametrize(
    ("bound", "name"), [(32767, "int16"), (32768, "int32"), (2**31, "int64"), (2**63, None)]
)
def test_the_narrowest_type_that_holds_every_sum_is_taken(bound: int, name: str | None) -> None:
    kind = exact_type(bound)
    assert (kind and kind.name) == name
    assert str(exact_type(65535, negative=False)) == "uint16"


@pytest.mark.parametrize("threads", [0, -1, 1.5, "2", True])
def test_a_wrong_number_of_threads_is_refused(threads: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConvfilterError, match="at least 1"):
        available_threads(threads)
    for text in ("none", "0", "1.5", "\u00b2"):
        monkeypatch.setenv("CONVFILTER_THREADS", text)
        with pytest.raises(ConvfilterError, match=r"CONVFILTER_THREADS is .*at least 1"):
            available_threads()


def test_blocks_that_would_fill_the_memory_are_refused() -> None:
    kernel = np.random.default_rng(0).integers(-9, 9, (255, 255))
    with pytest.raises(ShapeError, match="GiB of memory for a block"):
        make_plan(axes_of((4000, 4000), (255, 255), dilation=100), [kernel], 1, "int32", bound=1e9)


def test_after_an_error_no_thread_begins_another_block() -> None:
    begun, other, failed = [], threading.Event(), threading.Event()

    def work(task: int) -> None:
        begun.append(task)
        if task == 0:
            assert other.wait(10)
            failed.set()
            raise RuntimeError("no block")
        other.set()
        assert failed.wait(10)
        time.sleep(0.1)  # while the thread that failed takes away what is left

    with pytest.raises(RuntimeError, match="no block"):
        share_out(range(50), lambda: work, 2)
    assert sorted(begun) == [0, 1]
