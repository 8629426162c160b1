"""The whole program: start, read, filter, write, against other programs on the same files."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.suite import photograph
from benchmarks.timing import medians

__all__ = ["SHARPEN", "main", "peak_memory", "run"]

SHARPEN = "0,-1,0,-1,5,-1,0,-1,0"


def main() -> None:
    """Print times of whole processes as ratios, and peaks of memory."""
    from PIL import Image

    print("\n## Whole processes: sharpen, as a ratio to others\n")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        picture = Image.fromarray(photograph(4000, 3000))
        picture.save(folder / "in.jpg", quality=92)
        picture.save(folder / "in.png")
        matrix = folder / "sharpen.mat"
        matrix.write_text("3 3 1 0\n0 -1 0\n-1 5 -1\n0 -1 0\n")
        for extension in ("jpg", "png"):
            source, target = str(folder / f"in.{extension}"), str(folder / f"out.{extension}")
            commands = _commands(source, target, str(matrix))
            times = medians(
                {each: lambda command=command: run(command) for each, command in commands.items()}
            )
            others = ", ".join(
                f"{times['convfilter'] / times[each]:.2f} of {each} ({times[each]:.2f} s)"
                for each in times
                if each != "convfilter"
            )
            print(f"- 12 MP {extension}: {times['convfilter']:.2f} s; {others}")
            for jobs in ("1", "2"):
                peak = peak_memory([*_own(source, target, "sharpen"), "-j", jobs])
                print(f"  - peak memory with -j {jobs}: {peak:.0f} MB")
        for kernel in ("sobel", "gaussian:sigma=5"):
            peak = peak_memory(_own(str(folder / "in.png"), str(folder / "out.png"), kernel))
            bare = peak_memory([sys.executable, "-c", "import numpy, PIL.Image"])
            own = (peak - bare) * 1e6 / 12e6
            print(f"- {kernel} on the PNG: {own:.1f} bytes a pixel beyond importing numpy and Pillow")
    start = medians({
        "shape": lambda: run([sys.executable, "-m", "convfilter", "shape", "28x28", "-k", "3x3"]),
        "click": lambda: run([sys.executable, "-c", "import click"]),
    }, rounds=15)  # fmt: skip
    print(f"- `convfilter shape 28x28 -k 3x3`: {start['shape'] / start['click']:.2f} of importing click")


def _own(source: str, target: str, kernel: str) -> list[str]:
    return [
        sys.executable,
        "-m",
        "convfilter",
        "apply",
        source,
        "-k",
        kernel,
        "-o",
        target,
        "--overwrite",
        "-q",
    ]


def _commands(source: str, target: str, matrix: str) -> dict[str, list[str]]:
    """The commands of all programs that are installed."""
    others = {
        "gm": ["gm", "convert", source, "-convolve", SHARPEN, target],
        "ImageMagick": ["convert-im6.q16", source, "-convolve", SHARPEN, target],
        "vips": ["vips", "conv", source, target, matrix],
    }
    return {"convfilter": _own(source, target, "sharpen")} | {
        name: command for name, command in others.items() if shutil.which(command[0])
    }


def run(command: list[str]) -> None:
    """Run a command."""
    # As after an installation: compiled once, whatever the surroundings say.
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=kept)


def peak_memory(command: list[str]) -> float:
    """The largest amount of memory that a process has held, in MB."""
    # A small process in between: a child counts the memory of the parent that it was forked from.
    script = (
        "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True); "
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    inside = [sys.executable, "-c", script, *command]
    return int(subprocess.run(inside, check=True, capture_output=True, text=True).stdout) * 1024 / 1e6
