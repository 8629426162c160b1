"""The engine alone: arrays in, arrays out."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

import numpy as np

import convfilter as cf
from benchmarks.suite import KERNELS, RIVALS, kernel_of, photograph
from benchmarks.timing import medians
from convfilter.convolution.plan import Plan
from convfilter.filtering import FilterOptions, layer, plan_kernel

__all__ = ["growth", "rivals", "strategies", "threads"]


def rivals(names: tuple[str, ...], *, slow: bool) -> None:
    """Print the suite's times as ratios to those of other libraries."""
    pixels = photograph(4000, 3000)
    print("\n## Engine: time of convfilter as a ratio to others, 4000x3000 RGB, 8 bits, 2 threads\n")
    print("| kernel | strategy | ms | " + " | ".join(names) + " |")
    print("|---|---|---|" + "---|" * len(names))
    ratios: dict[str, list[float]] = {name: [] for name in names}
    for kernel_name in KERNELS:
        kernel = kernel_of(kernel_name)
        runs: dict[str, Callable[[], object]] = {
            "own": lambda kernel=kernel: cf.apply_kernel(pixels, kernel, threads=2)
        }
        for name in names:
            too_slow = name == "scipy" and kernel.width * kernel.height > 300 and not slow
            run = None if too_slow else RIVALS[name](pixels, kernel, 2)
            if run is not None:
                runs[name] = run
        times = medians(runs)
        cells = []
        for name in names:
            if name in times:
                ratios[name].append(times["own"] / times[name])
            cells.append(f"{times['own'] / times[name]:.2f}" if name in times else "")
        plan = _plan_of(pixels, kernel)
        own = f"{plan.strategy}, {plan.dtype} | {times['own'] * 1e3:.0f}"
        print(f"| {kernel_name} | {own} | {' | '.join(cells)} |", flush=True)
    means = [
        f"{math.exp(sum(map(math.log, each)) / len(each)):.2f}" if each else "" for each in ratios.values()
    ]
    print(f"| geometric mean | | | {' | '.join(means)} |")


def growth() -> None:
    """Print how time grows with the image and with the kernel."""
    print("\n## Growth\n")
    small, large = photograph(4000, 3000), photograph(8000, 6000)
    for name in ("sharpen", "random 5", "gaussian:sigma=3", "random 31"):
        kernel = kernel_of(name)
        times = medians({
            "12": lambda kernel=kernel: cf.apply_kernel(small, kernel, threads=2),
            "48": lambda kernel=kernel: cf.apply_kernel(large, kernel, threads=2),
        })  # fmt: skip
        print(f"- {name}: 48 MP takes {times['48'] / times['12']:.2f} times as long as 12 MP")
    kernels = {side: kernel_of(f"random {side}") for side in (15, 31, 63, 127)}
    times = medians({
        str(side): lambda kernel=kernel: cf.apply_kernel(small, kernel, threads=2)
        for side, kernel in kernels.items()
    })  # fmt: skip
    print(
        "- dense kernels: "
        + ", ".join(f"{side}x{side} {times[side] / times['15']:.2f}" for side in times)
        + " times 15x15"
    )


def threads() -> None:
    """Print what a second thread gains."""
    print("\n## Threads\n")
    pixels = photograph(4000, 3000)
    for name in ("sharpen", "sobel", "random 7", "gaussian:sigma=3", "random 31"):
        kernel = kernel_of(name)
        times = medians({
            str(count): lambda count=count, kernel=kernel: cf.apply_kernel(pixels, kernel, threads=count)
            for count in (1, 2)
        })  # fmt: skip
        print(f"- {name}: one thread takes {times['1'] / times['2']:.2f} times as long as two")


def strategies() -> None:
    """Force each strategy in turn and print whether the one chosen is the best."""
    print("\n## Strategies: ms on two threads, the one chosen marked\n")
    names = ("window", "shifted", "banded", "separable", "crossed", "fourier")
    print(f"| kernel | {' | '.join(names)} | chosen / best |\n|---|{'---|' * len(names)}---|")
    pixels = photograph(4000, 3000)
    for name in KERNELS:
        kernel = kernel_of(name)
        chosen = _plan_of(pixels, kernel).strategy
        costs = _plan_of(pixels, kernel).costs
        # Strategies estimated to cost ten times as much are not worth waiting for.
        worth = [each for each in names if costs.get(each, math.inf) < 10 * costs[chosen]]
        runs = {each: lambda each=each, kernel=kernel: _forced(pixels, kernel, each) for each in worth}
        times = medians(runs, rounds=3)
        cells = [
            (f"**{times[each] * 1e3:.0f}**" if each == chosen else f"{times[each] * 1e3:.0f}")
            if each in times
            else ""
            for each in names
        ]
        print(f"| {name} | {' | '.join(cells)} | {times[chosen] / min(times.values()):.2f} |", flush=True)


def _plan_of(pixels: np.ndarray, kernel: cf.Kernel) -> Plan:
    """The plan that a kernel gets for an image."""
    return plan_kernel(kernel, pixels.shape, pixels.dtype, FilterOptions())


def _forced(pixels: np.ndarray, kernel: cf.Kernel, strategy: str) -> np.ndarray:
    """Filter with a strategy that was not chosen by its cost."""
    make_plan = layer.make_plan
    layer.make_plan = functools.partial(make_plan, strategy=strategy)
    try:
        return cf.apply_kernel(pixels, kernel, threads=2)
    finally:
        layer.make_plan = make_plan
