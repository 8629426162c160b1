"""Whole programs, from file to file: one image, many, the start, and memory, beside other programs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.suite import medians, photograph

__all__ = ["folders", "images", "memory", "start"]

_SHARPEN = "0,-1,0,-1,5,-1,0,-1,0"
_OWN = "convfilter"
_WITHOUT = "convfilter without codecs"
# Placed on the path, this hides the optional codecs from a process and its workers.
_HIDE = "import sys\nsys.modules.update(imagecodecs=None, tifffile=None)\n"


def images() -> None:
    """Print times of one large image as ratios."""
    print("\n## One image: sharpen, 4000x3000 RGB, whole processes\n")
    with tempfile.TemporaryDirectory() as name:
        folder = _prepared(Path(name))
        picture = Image.fromarray(photograph(4000, 3000))
        picture.save(folder / "in.jpg", quality=92)
        picture.save(folder / "in.png")
        for extension in ("jpg", "png"):
            source, target = f"in.{extension}", f"out.{extension}"
            scripts = {
                f"{_OWN} -j 1": _own(f"{source} -o {target} -j 1"),
                _OWN: _own(f"{source} -o {target}"),
                "vips": f"vips conv {source} {target} sharpen.mat",
                "gm": f"gm convert {source} -convolve {_SHARPEN} {target}",
                "ImageMagick": f"convert {source} -convolve {_SHARPEN} {target}",
            }
            if extension == "png":
                scripts[_WITHOUT] = f"PYTHONPATH=hidden {scripts[_OWN]}"
            _compare(f"12 MP {extension}", scripts, folder)
        mask = np.tile(np.linspace(0, 255, 4000).astype(np.uint8), (3000, 1))
        Image.fromarray(mask).save(folder / "mask.png")
        mask[...] = 255
        mask[np.random.default_rng(0).random(mask.shape) < 0.01] = 0
        Image.fromarray(mask).save(folder / "holes.png")
        options = ["--mix 50%", "--threshold 0.02", "--region 2000x1500+1000+750"]
        options += ["--mask mask.png", "--missing holes.png"]
        scripts = {each: _own(f"in.jpg -o out.jpg {each}") for each in ("", *options)}
        times = _times(scripts, folder, rounds=5)
        ratios = ", ".join(f"`{each}` {times[each] / times['']:.2f}" for each in options)
        print(f"- 12 MP jpg, times with an option as multiples of the time without: {ratios}")


def folders() -> None:
    """Print times of many images as ratios."""
    print("\n## Folders: sharpen, RGB, whole processes, two images at a time\n")
    with tempfile.TemporaryDirectory() as name:
        folder = _prepared(Path(name))
        whole = photograph(2000, 1500)
        rng = np.random.default_rng(0)
        for number in range(400):
            row, column = rng.integers(0, 988), rng.integers(0, 1488)
            part = Image.fromarray(np.ascontiguousarray(whole[row : row + 512, column : column + 512]))
            for place in ("many", "few")[: 1 + (number < 100)]:
                part.save(folder / place / f"{number:03}.png")
        large = Image.fromarray(photograph(4000, 3000))
        for number in range(20):
            large.save(folder / "large" / f"{number:03}.jpg", quality=92)
        scripts = {
            _OWN: _own("few -o out"),
            _WITHOUT: f"PYTHONPATH=hidden {_own('few -o out')}",
            "vips": "ls few | xargs -P 2 -I NAME vips conv few/NAME out/NAME sharpen.mat",
            "gm": f"ls few | xargs -P 2 -I NAME gm convert few/NAME -convolve {_SHARPEN} out/NAME",
            "mogrify": f"mogrify -path out -convolve {_SHARPEN} few/*.png",
        }
        _compare("100 PNG of 512x512", scripts, folder, rounds=3)
        scripts = {
            _OWN: _own("large -o out"),
            "gm": f"ls large | xargs -P 2 -I NAME gm convert large/NAME -convolve {_SHARPEN} out/NAME",
        }
        _compare("20 JPEG of 4000x3000", scripts, folder, rounds=3)
        times = _times({jobs: _own(f"many -o out -j {jobs}") for jobs in ("1", "2")}, folder, rounds=3)
        print(f"- 400 PNG of 512x512: two workers are {times['1'] / times['2']:.2f} times as fast as one")
        peaks = {place: _peak(_own(f"{place} -o out"), folder) for place in ("few", "many")}
        print(f"- the largest process: {peaks['few']:.0f} MB for 100 PNG, {peaks['many']:.0f} MB for 400")


def start() -> None:
    """Print what a start costs beyond what cannot be avoided."""
    print("\n## Starting\n")
    with tempfile.TemporaryDirectory() as name:
        folder = _prepared(Path(name))
        Image.fromarray(photograph(512, 512)).save(folder / "in.png")
        bare = "import numpy, PIL.Image, click; PIL.Image.open('in.png').save('bare.png', compress_type=3)"
        scripts = {
            "apply": _own("in.png -o out.png"),
            "bare": f'{sys.executable} -c "{bare}"',
            "shape": f"{sys.executable} -m convfilter shape 28x28 -k 3x3",
            "click": f"{sys.executable} -c 'import click'",
        }
        times = _times(scripts, folder, rounds=15)
    for title, own, other, what in (
        (
            "sharpen on a PNG of 512x512",
            "apply",
            "bare",
            "importing numpy, Pillow and Click, decoding and encoding",
        ),
        ("`shape`", "shape", "click", "importing Click"),
    ):
        ratio = times[own] / times[other]
        print(f"- {title}: {times[own] * 1e3:.0f} ms, {ratio:.2f} of {what} ({times[other] * 1e3:.0f} ms)")


def memory() -> None:
    """Print peaks of memory."""
    print("\n## Memory: the largest process\n")
    with tempfile.TemporaryDirectory() as name:
        folder = _prepared(Path(name))
        picture = photograph(4000, 3000)
        Image.fromarray(picture).save(folder / "in.jpg", quality=92)
        Image.fromarray(picture).save(folder / "in.png")
        bare = _peak(f"{sys.executable} -c 'import numpy, PIL.Image'", folder)
        for jobs in (1, 2):
            peak = _peak(_own(f"in.jpg -o out.jpg -j {jobs}"), folder)
            print(f"- sharpen on a 12 MP JPEG with `-j {jobs}`: {peak:.0f} MB")
        for kernel in ("sobel", "gaussian:sigma=5"):
            peak = _peak(_own("in.png -o out.png", kernel), folder)
            print(f"- {kernel} on a 12 MP PNG: {(peak - bare) / 12:.1f} bytes a pixel beyond imports")
        Image.fromarray(np.tile(picture, (6, 5, 1))).save(folder / "huge.ppm")
        peak = _peak(_own("huge.ppm -o out.ppm --max-pixels 400000000"), folder)
        print(f"- sharpen on a 360 MP PPM: {(peak - bare) / 360:.1f} bytes a pixel beyond imports")


def _prepared(folder: Path) -> Path:
    """Make what the scripts expect in a folder."""
    for place in ("few", "many", "large", "out", "hidden"):
        (folder / place).mkdir()
    (folder / "hidden" / "sitecustomize.py").write_text(_HIDE)
    (folder / "sharpen.mat").write_text("3 3 1 0\n0 -1 0\n-1 5 -1\n0 -1 0\n")
    return folder


def _own(arguments: str, kernel: str = "sharpen") -> str:
    return f"{sys.executable} -m convfilter apply {arguments} -k {kernel} -q --overwrite"


def _compare(title: str, scripts: Mapping[str, str], folder: Path, rounds: int = 5) -> None:
    """Print the time of each script whose program is installed, and our own as ratios to the others."""
    installed = {
        name: script
        for name, script in scripts.items()
        if name.startswith(_OWN) or shutil.which("convert" if name == "ImageMagick" else name)
    }
    times = _times(installed, folder, rounds)
    own = {name: spent for name, spent in times.items() if name.startswith(_OWN)}
    print(f"\n| {title} | s | {' | '.join(f'of {name}' for name in times if name not in own)} |")
    print(f"|---|---|{'---|' * (len(times) - len(own))}")
    for name, spent in own.items():
        ratios = [f"{spent / other:.2f}" for rival, other in times.items() if rival not in own]
        print(f"| {name} | {spent:.2f} | {' | '.join(ratios)} |")


def _times(scripts: Mapping[str, str], folder: Path, rounds: int) -> dict[str, float]:
    def run(script: str) -> Callable[[], object]:
        return lambda: subprocess.run(
            ["sh", "-c", script], cwd=folder, env=_environment(), check=True, capture_output=True
        )

    return medians({name: run(script) for name, script in scripts.items()}, rounds=rounds)


def _environment() -> dict[str, str]:
    """As after an installation: compiled once, whatever the surroundings say."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def _peak(script: str, folder: Path) -> float:
    """The largest amount of memory that a process has held, in MB."""
    # A small process in between: a child counts the memory of the parent that it was forked from.
    inside = (
        "import resource, subprocess, sys; subprocess.run(sys.argv[1], shell=True, check=True); "
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    command = [sys.executable, "-c", inside, script]
    ran = subprocess.run(command, cwd=folder, env=_environment(), check=True, capture_output=True, text=True)
    return int(ran.stdout) * 1024 / 1e6
