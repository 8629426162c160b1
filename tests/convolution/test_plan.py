"""Strategies agree with each other and with plain loops; only their cost differs."""

from __future__ import annotations

import itertools
import math
import threading
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from oracles import BORDERS

from convfilter.convolution import plan as planning
from convfilter.convolution.borders import ArraySource
from convfilter.convolution.execute import available_threads, run, share_out
from convfilter.convolution.plan import Plan, exact_type, make_plan
from convfilter.convolution.separable import factors_of
from convfilter.errors import ConvfilterError, ShapeError
from convfilter.geometry import axes_of

STRATEGIES = ("window", "shifted", "banded", "separable", "crossed", "fourier")

KERNELS = {
    "dense": [[3, -1, 4, 1], [-5, 9, 2, -6], [5, 3, -5, 8]],
    "rank one": [[2, 4, -6, 2], [1, 2, -3, 1], [-3, -6, 9, -3]],
    "box": [[1] * 7] * 5,
    "scaled box": [[-2] * 4] * 6,
    "sparse": [[0, 0, -1], [0, 0, 0], [4, 0, 0]],
    "equal": [[1, -1, 1], [-1, 0, 1], [-1, -1, -1]],
    "taken away": [[0, -1, 0], [-1, 0, -1], [0, -1, 0]],
    "zeros": [[0, 0], [0, 0]],
    "one": [[1]],
    "row": [[1, 2, 3, 4, 5]],
    "column": [[1], [1], [1], [1], [1]],
    "rising": [[0, 0, 0, 2, 1], [0, 0, 2, 1, 0], [0, 2, 1, 0, 0], [2, 1, 0, 0, 2], [1, 0, 0, 2, -1]],
    "falling": [[-3, 0, 0], [1, -3, 0], [1, 1, -3], [0, 1, 1], [0, 0, 1], [0, 0, 0]],
    "runs": [[0, 1, 1, 1, 0], [1, 1, 1, 1, 1], [1, 1, 1, 1, 1], [-1, -1, -1, -1, -1], [0, 1, 1, 1, 0]],
}


def correlated(
    plan: Plan, array: np.ndarray, border: str = "reflect", fill: float = 0, threads: int = 1
) -> np.ndarray:
    """What a plan makes of an array of shape (H, W, C)."""
    result = np.zeros((*(axis.output for axis in plan.axes), array.shape[-1]), plan.dtype)

    def store(sums: list[np.ndarray], where: tuple[slice, ...]) -> None:
        result[where] = sums[0]

    run(plan, ArraySource(array, border, fill), store, threads)
    return result


def picture(seed: int, shape: tuple[int, ...], dtype: str = "uint8") -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape).astype(dtype)


def planned(array: np.ndarray, kernel: np.ndarray, dtype: str, strategy: str | None, **options: Any) -> Plan:
    axes = axes_of(array.shape[:2], kernel.shape, **options)
    bound = 255 * float(np.abs(kernel).sum())
    tolerance = bound * (1e-6 if dtype == "float32" else 1e-14)
    return make_plan(
        axes, [kernel], array.shape[2], dtype, bound=bound, tolerance=tolerance, strategy=strategy
    )


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks so small that even tiny pictures have edges between them."""
    monkeypatch.setattr(planning, "_BLOCK", 1200)


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize("name", KERNELS)
def test_strategies_give_the_same_integers(name: str, border: str) -> None:
    array, kernel = picture(1, (37, 23, 3)), np.array(KERNELS[name])
    expected = correlated(planned(array, kernel, "int64", "window"), array, border, 7)
    for strategy, dtype in itertools.product(STRATEGIES, ("int32", "int64")):
        plan = planned(array, kernel, dtype, strategy)
        assert np.array_equal(correlated(plan, array, border, 7), expected), (strategy, dtype)


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("options", [
    {"stride": 2}, {"stride": (3, 1)}, {"stride": (1, 3)}, {"dilation": 2},
    {"dilation": (1, 3), "stride": (2, 2)},
    {"padding": "valid"}, {"padding": "full", "stride": 2}, {"padding": ((0, 5), (9, 1))},
])  # fmt: skip
@pytest.mark.parametrize("name", KERNELS)
def test_strategies_agree_on_stride_dilation_and_padding(name: str, options: dict[str, Any]) -> None:
    array, kernel = picture(2, (29, 31, 2)), np.array(KERNELS[name])
    expected = correlated(planned(array, kernel, "int64", "window", **options), array)
    for strategy in STRATEGIES:
        plan = planned(array, kernel, "int32", strategy, **options)
        assert np.array_equal(correlated(plan, array), expected), strategy


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize(("dtype", "largest"), [("float32", 2e-4), ("float64", 1e-10)])
@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("name", ["dense", "rank one", "box", "sparse"])
def test_strategies_agree_on_floats(name: str, strategy: str, dtype: str, largest: float) -> None:
    array, kernel = picture(3, (40, 33, 3)), np.array(KERNELS[name]) / 30
    exact = correlated(planned(array, np.array(KERNELS[name]), "int64", "window"), array) / 30
    plan = planned(array, kernel, dtype, strategy)
    assert np.abs(correlated(plan, array) - exact).max() < largest


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_the_strategy_asked_for_is_taken_where_the_kernel_allows(strategy: str) -> None:
    kernel = np.array(KERNELS["rank one"])
    dtype = "float32" if strategy in ("banded", "crossed") else "int32"
    assert planned(picture(0, (40, 40, 1)), kernel, dtype, strategy).strategy == strategy


def test_a_kernel_of_higher_rank_is_not_separated() -> None:
    plan = planned(picture(0, (40, 40, 1)), np.array(KERNELS["dense"]), "int32", "separable")
    assert plan.strategy != "separable"


@pytest.mark.parametrize(("kernel", "strategy"), [
    (np.array([[0, -1, 0], [-1, 5, -1], [0, -1, 0]]), "shifted"),
    (np.ones((31, 31), int), "separable"),
    (np.random.default_rng(0).integers(-99, 99, (5, 5)), "window"),
    (np.random.default_rng(0).normal(size=(7, 7)), "banded"),
    (np.random.default_rng(0).normal(size=(31, 31)), "fourier"),
    (np.multiply.outer(*[np.hanning(33)[1:-1]] * 2), "crossed"),
    (np.eye(21, dtype=int), "shifted"),
])  # fmt: skip
def test_the_cheapest_strategy_is_chosen(kernel: np.ndarray, strategy: str) -> None:
    dtype = "int32" if kernel.dtype.kind == "i" else "float32"
    plan = planned(picture(0, (600, 800, 3)), kernel, dtype, None)
    assert plan.strategy == strategy
    assert plan.costs[strategy] == min(plan.costs.values())


def test_samples_of_any_size_never_meet_in_a_transform() -> None:
    axes = axes_of((600, 800), (31, 31))
    kernel = np.random.default_rng(0).normal(size=(31, 31))
    assert make_plan(axes, [kernel], 3, "float32").strategy not in ("fourier", "banded")


@pytest.mark.parametrize("kind", ["noise", "white", "edges", "points"])
@pytest.mark.parametrize("side", [15, 31, 63])
def test_integers_come_back_whole_from_frequencies(kind: str, side: int) -> None:
    shape = (300, 310, 1)
    array = picture(side, shape)
    if kind != "noise":
        array[...] = 255
    if kind == "edges":
        array[:, ::2] = 0
    if kind == "points":
        array[::7, ::5] = 0
    rows, columns = np.ogrid[:side, :side]
    disk = ((rows - side // 2) ** 2 + (columns - side // 2) ** 2 <= (side // 2) ** 2).astype(int)
    fourier = planned(array, disk, "int32", "fourier")
    assert fourier.strategy == "fourier"
    assert np.array_equal(
        correlated(fourier, array), correlated(planned(array, disk, "int32", "window"), array)
    )


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_threads_change_no_bit(strategy: str) -> None:
    array, kernel = picture(4, (700, 150, 3)), np.array(KERNELS["rank one"]) / 7
    plan = planned(array, kernel, "float32", strategy)
    assert plan.blocks > 1
    one = correlated(plan, array)
    for threads in (2, 3, 8):
        assert np.array_equal(correlated(plan, array, threads=threads), one)


def test_an_error_in_one_thread_ends_the_run() -> None:
    plan = planned(picture(0, (2000, 700, 3)), np.ones((3, 3), int), "int16", None)
    assert plan.blocks > 2

    def fail(*_: Any) -> None:
        raise RuntimeError("no block")

    with pytest.raises(RuntimeError, match="no block"):
        run(plan, fail, lambda *_: None, 2)


@pytest.mark.parametrize(
    ("shape", "kernel"), [((3000, 4000), (3, 3)), ((4000, 3000), (61, 61)), ((10, 2**20), (1, 5))]
)
def test_blocks_cover_every_output_once(shape: tuple[int, int], kernel: tuple[int, int]) -> None:
    plan = make_plan(axes_of(shape, kernel), [np.ones(kernel, int)], 3, "int32")
    covered = np.zeros(shape, np.uint8)
    for where in plan.regions():
        covered[where] += 1
    assert (covered == 1).all()
    assert plan.blocks == len(list(plan.regions())) > 1


def test_the_grid_of_blocks_does_not_depend_on_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    grids = set()
    for threads in ("1", "2", "16"):
        monkeypatch.setenv("CONVFILTER_THREADS", threads)
        grids.add(planned(picture(0, (900, 800, 3)), np.ones((3, 3), int), "int16", None).block)
    assert len(grids) == 1


@pytest.mark.parametrize("seed", range(20))
def test_the_outer_product_of_the_factors_is_the_kernel(seed: int) -> None:
    rng = np.random.default_rng(seed)
    vectors = [rng.integers(-6, 7, rng.integers(1, 6)) for _ in range(rng.integers(1, 4))]
    kernel = vectors[0]
    for vector in vectors[1:]:
        kernel = np.multiply.outer(kernel, vector)
    factors = factors_of(kernel)
    if not kernel.any():
        assert factors is None or not math.prod(abs(factor).sum() for factor in factors)
        return
    assert factors is not None
    product = factors[0]
    for factor in factors[1:]:
        product = np.multiply.outer(product, factor)
    assert np.array_equal(product, kernel)


def test_a_kernel_that_is_nearly_of_rank_one_is_not_taken_for_it() -> None:
    kernel = np.multiply.outer([1.0, 2.0, 1.0], [1.0, 3.0, 1.0])
    kernel[0, 0] += 1e-12
    assert factors_of(kernel) is None


@pytest.mark.parametrize(
    ("bound", "name"), [(32767, "int16"), (32768, "int32"), (2**31, "int64"), (2**63, None)]
)
def test_the_narrowest_type_that_holds_every_sum_is_taken(bound: int, name: str | None) -> None:
    kind = exact_type(bound)
    assert (kind and kind.name) == name


def test_sums_without_a_sign_have_twice_the_room() -> None:
    kind = exact_type(65535, negative=False)
    assert kind is not None
    assert kind.name == "uint16"


@pytest.mark.parametrize("threads", [0, -1, 1.5, "2", True])
def test_a_number_of_threads_that_is_none_is_refused(threads: Any) -> None:
    with pytest.raises(ConvfilterError, match="at least 1"):
        available_threads(threads)


@pytest.mark.parametrize("text", ["none", "0", "-3", "1.5", "\u00b2"])
def test_threads_in_the_environment_are_checked(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONVFILTER_THREADS", text)
    with pytest.raises(ConvfilterError, match=r"CONVFILTER_THREADS is .*at least 1"):
        available_threads()


def test_tiles_that_would_fill_the_memory_are_not_chosen() -> None:
    axes = axes_of((4000, 4000), (255, 255), dilation=100)
    kernel = np.random.default_rng(0).integers(-9, 9, (255, 255))
    with pytest.raises(ShapeError, match="GiB of memory for a block"):
        make_plan(axes, [kernel], 1, "int32", bound=255.0 * float(np.abs(kernel).sum()))


def test_weights_at_the_end_of_the_scale_are_planned_without_a_word() -> None:
    plan = planned(picture(0, (40, 40, 1)), np.full((3, 3), 1e38), "float64", None)
    assert plan.strategy != "fourier"


class Shuffled(Plan):
    """A plan whose blocks come in another order, and twice."""

    def regions(self) -> Iterator[tuple[slice, ...]]:
        once = [*super().regions()]
        yield from [*reversed(once), *once]


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_blocks_may_come_in_any_order(strategy: str) -> None:
    array, kernel = picture(5, (600, 301, 3)), np.array(KERNELS["rank one"])
    plan = planned(array, kernel, "float32" if strategy in ("banded", "crossed") else "int32", strategy)
    expected = correlated(plan, array)
    assert len({tuple(part.stop - part.start for part in where) for where in plan.regions()}) > 1
    assert np.array_equal(correlated(Shuffled(*plan), array), expected)


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
