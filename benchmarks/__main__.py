"""``python -m benchmarks [PART...]``: figures as Markdown, ready for ``benchmarks/README.md``."""

from __future__ import annotations

import os

# Two threads at most for each program, and none of them for BLAS: it takes no part.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("VIPS_CONCURRENCY", "2")

import importlib.metadata
import platform
import subprocess
import sys
import time
from pathlib import Path

from benchmarks import engine, estimates, processes

_DEFAULT = {
    "engine": engine.rivals,
    "growth": engine.growth,
    "blends": engine.blends,
    "images": processes.images,
    "folders": processes.folders,
    "start": processes.start,
    "memory": processes.memory,
}
# These two take long and serve those who change the plan or the estimates.
_PARTS = _DEFAULT | {"strategies": engine.strategies, "estimates": estimates.main}
_LIBRARIES = ("numpy", "pillow", "imagecodecs", "opencv-python-headless", "scipy")
_PROGRAMS = {"vips": "--version", "gm": "-version", "convert": "-version"}


def main() -> None:
    """Run the parts named, or the default ones."""
    parts = sys.argv[1:] or list(_DEFAULT)
    if unknown := [name for name in parts if name not in _PARTS]:
        sys.exit(f"unknown part {unknown[0]!r}: choose from {', '.join(_PARTS)}")
    versions = ", ".join([f"Python {platform.python_version()}", *_versions()])
    print(f"{_processor()}, {os.cpu_count()} cores; {versions}")
    began = time.perf_counter()
    for name in parts:
        _PARTS[name]()
    print(f"\nMedians of one run of {(time.perf_counter() - began) / 60:.0f} minutes.")


def _processor() -> str:
    """The processor's name and its widest vector instructions, where Linux reports them."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    facts = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    vectors = [name for name in ("avx512f", "avx2") if name in facts.get("flags", "").split()]
    return " ".join([facts.get("model name", platform.machine()), *(f"({name})" for name in vectors[:1])])


def _versions() -> list[str]:
    """The libraries and programs that take part, with their versions."""
    found = []
    for name in _LIBRARIES:
        try:
            found.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            continue
    for program, option in _PROGRAMS.items():
        try:
            said = subprocess.run([program, option], capture_output=True, text=True).stdout
        except FileNotFoundError:
            continue
        found.append(" ".join(said.split()[:3]).removeprefix("Version: "))
    return found


if __name__ == "__main__":
    main()
