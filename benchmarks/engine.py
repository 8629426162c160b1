"""The engine alone: arrays in, arrays out."""

from __future__ import annotations

import functools
import importlib.util
import math
from collections.abc import Callable
from typing import Any

import numpy as np

import convfilter as cf
from benchmarks.suite import KERNELS, RIVALS, kernel_of, medians, photograph
from convfilter.convolution.plan import Plan
from convfilter.filtering import layer, plan_kernel
from convfilter.options import FilterOptions

__all__ = ["blends", "growth", "rivals", "strategies"]


def rivals() -> None:
    """Print the suite's times as ratios to those of other libraries."""
    names = [name for name, (module, _) in RIVALS.items() if importlib.util.find_spec(module)]
    columns = ["1 thread, ms", "2 threads, ms", *(f"of {_place(name, 1)}" for name in names)]
    columns += ["of cv2, 2 threads"] if "cv2" in names else []
    print("\n## Engine: 4000x3000 RGB, 8 bits\n")
    print(f"| kernel | plan | {' | '.join(columns)} |\n|---|---|{'---|' * len(columns)}")
    pixels = photograph(4000, 3000)
    ratios: dict[str, list[float]] = {column: [] for column in columns[2:]}
    for kernel_name in KERNELS:
        kernel = kernel_of(kernel_name)
        times: dict[str, float] = {}
        for threads in (1, 2):
            runs: dict[str, Callable[[], object]] = {
                f"own {threads}": functools.partial(cf.apply_kernel, pixels, kernel, threads=threads)
            }
            for name in names if threads == 1 else [name for name in names if name == "cv2"]:
                if run := RIVALS[name][1](pixels, kernel, threads):
                    runs[f"of {_place(name, threads)}"] = run
            times |= medians(runs, rounds=3)
        for column in times.keys() & ratios.keys():
            ratios[column].append(times["own 2" if column.endswith("2 threads") else "own 1"] / times[column])
        cells = [f"{ratios[column][-1]:.2f}" if column in times else "" for column in columns[2:]]
        plan = _plan_of(pixels, kernel)
        own = f"{times['own 1'] * 1e3:.0f} | {times['own 2'] * 1e3:.0f}"
        print(f"| {kernel_name} | {plan.strategy}, {plan.dtype} | {own} | {' | '.join(cells)} |", flush=True)
    means = [f"{math.exp(sum(map(math.log, each)) / len(each)):.2f}" for each in ratios.values()]
    print(f"| geometric mean | | | | {' | '.join(means)} |")


def _place(name: str, threads: int) -> str:
    """A rival as the table's head names it; only OpenCV has more than one thread."""
    return f"{name}, {threads} thread{'s' * (threads > 1)}" if name == "cv2" else name


def growth() -> None:
    """Print how time grows with the image and with the kernel."""
    print("\n## Growth: two threads\n")
    small, large = photograph(4000, 3000), photograph(8000, 6000)
    for name in ("sharpen", "random 5", "gaussian:sigma=3", "random 31"):
        kernel = kernel_of(name)
        times = medians({
            "12": functools.partial(cf.apply_kernel, small, kernel, threads=2),
            "48": functools.partial(cf.apply_kernel, large, kernel, threads=2),
        })  # fmt: skip
        print(f"- {name}: 48 MP takes {times['48'] / times['12']:.2f} times as long as 12 MP")
    times = medians({
        str(side): functools.partial(cf.apply_kernel, small, kernel_of(f"random {side}"), threads=2)
        for side in (15, 31, 63, 127)
    })  # fmt: skip
    sides = ", ".join(f"{side}x{side} {spent / times['15']:.2f}" for side, spent in times.items())
    print(f"- dense kernels, as multiples of the time for 15x15: {sides}")


def blends() -> None:
    """Print times with blends and missing samples as multiples of the time for the kernel alone."""
    print(
        "\n## Blends and missing samples: 2000x1500 RGB, 8 bits, one thread, relative to the kernel alone\n"
    )
    pixels, holes = photograph(2000, 1500), np.full((1500, 2000), 255, np.uint8)
    hole = holes.copy()
    hole[700:709, 900:909] = 0
    holes[np.random.default_rng(0).random(holes.shape) < 0.01] = 0
    marked = np.maximum(pixels, 1)
    marked[np.random.default_rng(1).random(pixels.shape) < 0.01] = 0
    columns = np.linspace(0, 255, 2000).astype(np.uint8)
    options: dict[str, dict[str, Any]] = {
        "half strength": {"mix": 0.5},
        "threshold": {"threshold": 0.02},
        "a quarter as region": {"region": (375, 500, 750, 1000)},
        "mask of 0, 128, 255": {"mask": np.tile(np.array([0, 128, 255], np.uint8)[columns // 86], (1500, 1))},
        "mask of all values": {"mask": np.tile(columns, (1500, 1))},
        "one hole": {"missing": hole},
        "1% missing": {"missing": holes},
        "1% in each channel": {"missing": 0},
    }
    print(f"| kernel | {' | '.join(options)} |\n|---|{'---|' * len(options)}")
    ratios: list[list[float]] = []
    for name in ("sharpen", "box:size=3", "blur", "gaussian:sigma=3", "sobel", "disk:radius=7", "random 15"):
        kernel = kernel_of(name)
        runs = {
            title: functools.partial(
                cf.apply_kernel, marked if title == "1% in each channel" else pixels, kernel, threads=1, **own
            )
            for title, own in {"": {}, **options}.items()
        }
        plain, *times = medians(runs, rounds=7).values()
        ratios.append([each / plain for each in times])
        print(f"| {name} | {' | '.join(f'{each:.2f}' for each in ratios[-1])} |", flush=True)
    means = [f"{math.exp(sum(map(math.log, each)) / len(each)):.2f}" for each in zip(*ratios, strict=True)]
    print(f"| geometric mean | {' | '.join(means)} |")


def strategies() -> None:
    """Force each strategy in turn and print whether the one chosen is the best."""
    print("\n## Strategies: ms on two threads, the one chosen in bold\n")
    names = ("window", "shifted", "banded", "separable", "crossed", "fourier")
    print(f"| kernel | {' | '.join(names)} | chosen / best |\n|---|{'---|' * len(names)}---|")
    pixels = photograph(4000, 3000)
    for name in KERNELS:
        kernel = kernel_of(name)
        plan = _plan_of(pixels, kernel)
        # Strategies estimated to cost ten times as much are not worth waiting for.
        worth = [each for each in names if plan.costs.get(each, math.inf) < 10 * plan.costs[plan.strategy]]
        runs = {each: functools.partial(_forced, pixels, kernel, each) for each in worth}
        times = medians(runs, rounds=3)
        cells = [f"{times[each] * 1e3:.0f}" if each in times else "" for each in names]
        cells[names.index(plan.strategy)] = f"**{cells[names.index(plan.strategy)]}**"
        best = times[plan.strategy] / min(times.values())
        print(f"| {name} | {' | '.join(cells)} | {best:.2f} |", flush=True)


def _plan_of(pixels: np.ndarray, kernel: cf.Kernel) -> Plan:
    """The plan that a kernel gets for an image."""
    return plan_kernel(kernel, pixels.shape, pixels.dtype, FilterOptions())


def _forced(pixels: np.ndarray, kernel: cf.Kernel, strategy: str) -> np.ndarray:
    """Filter with a strategy that was not chosen by its cost."""
    make_plan = layer.make_plan
    layer.make_plan = lambda *arguments, **options: make_plan(*arguments, **options | {"strategy": strategy})
    try:
        return cf.apply_kernel(pixels, kernel, threads=2)
    finally:
        layer.make_plan = make_plan
