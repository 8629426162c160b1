"""``python -m benchmarks [PART...] [--slow]``: figures as Markdown, ready for ``benchmarks/README.md``."""

from __future__ import annotations

import os

# Everyone gets two threads at the most, and BLAS none: it takes no part.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import importlib.util
import platform
import sys

from benchmarks import engine, folders, memory, processes

_PARTS = {
    "rivals": lambda slow: engine.rivals(_installed(), slow=slow),
    "strategies": lambda slow: engine.strategies(),
    "threads": lambda slow: engine.threads(),
    "growth": lambda slow: engine.growth(),
    "processes": lambda slow: processes.main(),
    "folders": lambda slow: folders.main(),
    "memory": lambda slow: memory.main(),
}


def _installed() -> tuple[str, ...]:
    """The libraries to compare with that this environment has."""
    modules = {"cv2": "cv2", "scipy": "scipy", "Pillow": "PIL", "skimage": "skimage"}
    return tuple(name for name, module in modules.items() if importlib.util.find_spec(module))


def main() -> None:
    """Run the parts named, or all."""
    slow = "--slow" in sys.argv
    parts = [name for name in sys.argv[1:] if name != "--slow"] or list(_PARTS)
    unknown = [name for name in parts if name not in _PARTS]
    if unknown:
        sys.exit(f"unknown part {unknown[0]!r}: choose from {', '.join(_PARTS)}")
    import numpy as np
    import PIL

    print(
        f"Python {platform.python_version()}, numpy {np.__version__}, Pillow {PIL.__version__}, "
        f"{platform.machine()}, {os.cpu_count()} cores; medians of one run"
    )
    for name in parts:
        _PARTS[name](slow)


if __name__ == "__main__":
    main()
