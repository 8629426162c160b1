"""Folders of images: all cores on many files, against other programs, two of each at a time."""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.processes import SHARPEN, peak_memory, run
from benchmarks.suite import photograph
from benchmarks.timing import medians

__all__ = ["main"]

_SIDE = 512


def main() -> None:
    """Print times of whole folders as ratios, and how memory grows with their number."""
    print("\n## Folders: sharpen, 512x512 RGB PNG\n")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _fill(folder / "in", 400)
        _fill(folder / "few", 100)
        (folder / "sharpen.mat").write_text("3 3 1 0\n0 -1 0\n-1 5 -1\n0 -1 0\n")
        scripts = {each: _script(text, folder) for each, text in _rivals().items()}
        times = medians({each: lambda script=script: run(script) for each, script in scripts.items()})
        own = times["convfilter"]
        others = ", ".join(
            f"{own / times[each]:.2f} of {each} ({times[each]:.2f} s)"
            for each in times
            if each != "convfilter"
        )
        print(f"- 100 images, two at a time: {own:.2f} s; {others}")
        workers = {jobs: _script(_own("in", jobs), folder) for jobs in ("1", "2")}
        times = medians(
            {each: lambda script=script: run(script) for each, script in workers.items()}, rounds=3
        )
        print(f"- 400 images: two workers are {times['1'] / times['2']:.2f} times as fast as one")
        peaks = [peak_memory(_script(_own(each, "2"), folder)) for each in ("few", "in")]
        print(f"- the largest process: {peaks[0]:.0f} MB for 100 images, {peaks[1]:.0f} MB for 400")


def _fill(folder: Path, count: int) -> None:
    """Cut images out of a large one."""
    folder.mkdir()
    whole = photograph(2000, 1500)
    rng = np.random.default_rng(0)
    for number in range(count):
        row, column = rng.integers(0, 1500 - _SIDE), rng.integers(0, 2000 - _SIDE)
        part = whole[row : row + _SIDE, column : column + _SIDE]
        Image.fromarray(np.ascontiguousarray(part)).save(folder / f"{number:03}.png")


def _own(folder: str, jobs: str) -> str:
    return f"{sys.executable} -m convfilter apply {folder} -k sharpen -o out -q --overwrite -j {jobs}"


def _rivals() -> dict[str, str]:
    """The commands of all programs that are installed, each filling ``out`` from ``few``."""
    each = "ls few | xargs -P 2 -I NAME"
    others = {
        "mogrify": ("mogrify-im6.q16", f"mogrify-im6.q16 -path out -convolve {SHARPEN} few/*.png"),
        "gm, two at a time": ("gm", f"{each} gm convert few/NAME -convolve {SHARPEN} out/NAME"),
        "vips, two at a time": ("vips", f"{each} vips conv few/NAME out/NAME sharpen.mat"),
    }
    return {"convfilter": _own("few", "2")} | {
        name: script for name, (program, script) in others.items() if shutil.which(program)
    }


def _script(text: str, folder: Path) -> list[str]:
    return ["sh", "-c", f"cd {folder} && mkdir -p out && {text}"]
