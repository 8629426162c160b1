"""The peak of memory of one image, by format and option, beside what a batch estimates."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from benchmarks.suite import kernel_of, photograph
from convfilter.batch.job import memory_needed, run_job
from convfilter.batch.plan import Job, Settings
from convfilter.images.formats import FORMATS, extension_of
from convfilter.images.picture import Picture
from convfilter.images.reading import read_size
from convfilter.images.writing import write_frames, write_picture
from convfilter.options import BatchOptions, EncodeOptions, FilterOptions

__all__ = ["main", "measured"]

_WIDTH, _HEIGHT = 1800, 1200


class Case(NamedTuple):
    """A run: what goes in, what comes out, and how.

    Attributes
    ----------
    source : str
        Format, kind and optionally the number of frames, such as ``png RGB`` or ``tiff L;uint16 5``.
    target : str
        Format of the output.
    kernels : tuple of str
        As `benchmarks.suite.kernel_of` takes them.
    options : dict
        Those of `FilterOptions`, `EncodeOptions` and `BatchOptions`.
    """

    source: str
    target: str
    kernels: tuple[str, ...] = ("sharpen",)
    options: Mapping[str, Any] = MappingProxyType({})

    def __str__(self) -> str:
        options = [f"{name}={value}" for name, value in self.options.items()]
        return " | ".join([self.source, self.target, ", ".join(self.kernels), ", ".join(options)])


_KINDS = ("L", "RGB", "RGBA", "L;uint16", "RGB;uint16", "RGBA;uint16")
_KERNELS = ("identity", "box:size=3", "sobel", "gaussian:sigma=3", "gaussian:sigma=10")
_KERNELS += ("random 3", "random 9", "random 31")
_OPTIONS: tuple[dict[str, Any], ...] = (
    {"linear": True}, {"range": "stretch"}, {"range": "raw"}, {"padding": 800}, {"channels": "sum"},
    {"stride": 2}, {"depth": 16}, {"alpha": "keep"}, {"alpha": "plain"}, {"alpha": "drop"},
)  # fmt: skip


def cases() -> Iterator[Case]:
    """Yield all runs: every format in and out, then kernels and options, then several frames."""
    for form, row in FORMATS.items():
        for kind in _KINDS:
            if row.holds("I;16" if kind == "L;uint16" else kind):
                plain = "npy" if kind.startswith("RGBA") else "ppm"
                yield Case(f"{form} {kind}", plain)
                yield Case(f"{plain} {kind}", form)
    yield Case("jpeg RGB", "jpeg", options={"compress": "small"})
    yield Case("png RGB", "png", options={"compress": "small"})
    yield Case("npy RGB", "webp", options={"quality": 90})
    for kind in ("L", "RGB", "RGBA", "RGB;uint16", "RGBA;uint16"):
        for kernel in _KERNELS:
            yield Case(f"npy {kind}", "npy", (kernel,))
        for options in _OPTIONS:
            if ("alpha" not in options or "A" in kind) and ("depth" not in options or "16" not in kind):
                yield Case(f"npy {kind}", "npy", options=options)
        yield Case(f"npy {kind}", "npy", ("gaussian:sigma=3", "sobel"))
        yield Case(f"npy {kind}", "npy", ("blur", "sharpen", "sobel"), {"linear": True})
    for form, row in FORMATS.items():
        for kind in ("L", "RGB", "RGBA", "RGB;uint16") if row.several else ():
            if row.holds(kind) and not (form == "png" and "16" in kind):
                yield Case(f"{form} {kind} 5", "tiff" if form == "ppm" else "npy")
                yield Case(f"npy {kind} 5", form)
        if row.several:
            yield Case(f"{form} RGB 5", form)
            yield Case(f"{form} RGB 5", form, options={"frames": "stack"})
            yield Case(f"{form} RGB 5", "tiff", ("temporal-blur",))
            yield Case(f"{form} RGB 5", "ppm", options={"frames": "first"})


def _write(path: Path, source: str, shape: tuple[int, int]) -> None:
    """Write what goes in."""
    form, kind, *count = source.split()
    name, _, deep = kind.partition(";")
    pixels: Any = photograph(*shape)
    grey = pixels.mean(axis=2).astype(np.uint8)
    alpha = (np.arange(grey.size).reshape(grey.shape) // 7 % 256).astype(np.uint8)
    pixels = {"L": grey, "RGB": pixels, "RGBA": np.dstack([pixels, alpha])}[name]
    if deep:
        pixels = pixels * np.uint16(257) + (np.arange(pixels.size) % 251).reshape(pixels.shape).astype(
            np.uint16
        )
    rolled = [np.roll(pixels, 3 * number, axis=1) for number in range(int(count[0]) if count else 1)]
    frames = [Picture(each, name, form) for each in rolled]
    with path.open("wb") as stream:
        if count:
            write_frames(stream, frames, len(frames), form)
        else:
            write_picture(stream, frames[0], form)


def measured(folder: Path, case: Case, shape: tuple[int, int] = (_WIDTH, _HEIGHT)) -> tuple[float, float]:
    """Return the bytes that a run took at its peak beyond one over a trivial image, and the estimate."""
    extension = extension_of(case.source.split()[0])
    for name, size in (("small", (40, 30)), (f"large {case.source}", shape)):
        path = folder / f"{name}{extension}"
        if name == "small" or not path.exists():
            _write(path, case.source, size)
    names = [f"small{extension}", f"large {case.source}{extension}"]
    inside = [
        sys.executable,
        "-m",
        "benchmarks.estimates",
        str(folder),
        *names,
        json.dumps([*case[:3], dict(case.options)]),
    ]
    ran = subprocess.run(inside, check=True, capture_output=True, text=True)
    peak, estimate = json.loads(ran.stdout)
    return peak, estimate


def _measure(folder: Path, small: str, large: str, case: Case) -> tuple[float, float]:
    """Run over a trivial image, then over the real one, in a process that has done nothing else."""
    options = dict(case.options)

    def taken(kind: Any) -> dict[str, Any]:
        return {name: options.pop(name) for name in list(options) if name in kind.__annotations__}

    settings = Settings(
        tuple(kernel_of(name) for name in case.kernels),
        FilterOptions(**taken(FilterOptions)),
        EncodeOptions(**taken(EncodeOptions)),
        batch=BatchOptions(overwrite=True, jobs=1, **options),
    )
    for name in (small, large):
        before = _held("VmRSS")
        with open("/proc/self/clear_refs", "w") as peak:
            peak.write("5")
        job = Job(str(folder / name), str(folder / f"out{extension_of(case.target)}"), case.target)
        result = run_job(job, settings)
        assert result.error is None, result.error
    return _held("VmHWM") - before, memory_needed(read_size(folder / large), case.target, settings)


def _held(name: str) -> int:
    """Return a figure of this process's memory in bytes; Linux alone tells them."""
    with open("/proc/self/status") as lines:
        return next(1024 * int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))


def main() -> None:
    """Print measured and estimated peaks, and those that are off by more than 1.3."""
    print(f"\n## Memory: {_WIDTH}x{_HEIGHT}, bytes a pixel at the peak, one thread\n")
    print("| in | out | kernels | options | measured | estimated | ratio |\n|---|---|---|---|---|---|---|")
    pixels = _WIDTH * _HEIGHT
    ratios = []
    with tempfile.TemporaryDirectory() as name:
        for case in list({str(case): case for case in cases()}.values()):
            peak, estimate = measured(Path(name), case)
            ratios.append(peak / estimate)
            mark = "" if 1 / 1.3 <= ratios[-1] <= 1.3 else " !"
            figures = f"{peak / pixels:.1f} | {estimate / pixels:.1f} | {ratios[-1]:.2f}{mark}"
            print(f"| {case} | {figures} |", flush=True)
    print(f"\n- the smallest ratio is {min(ratios):.2f}, the largest {max(ratios):.2f}")


if __name__ == "__main__":
    _folder, _small, _large, _case = sys.argv[1:]
    print(json.dumps(_measure(Path(_folder), _small, _large, Case(*json.loads(_case)))))
