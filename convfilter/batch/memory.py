"""How much memory there is, and how much a picture takes."""

from __future__ import annotations

import contextlib
import os

import numpy as np

from convfilter.batch.work import Work
from convfilter.images.animation import holds_all
from convfilter.images.picture import Size

__all__ = ["available_memory", "footprint"]

# Reading, filtering and writing 8-bit colours takes 10 to 11 bytes a pixel at its peak.
_COPIES = 4

_GROUPS = (
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
    ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
)


def available_memory() -> int | None:
    """Return how much memory could be taken now.

    Returns
    -------
    int or None
        In bytes, the least that the system, its control group and the limits of the process allow; None
        where the system does not tell.
    """
    found = []
    with contextlib.suppress(OSError, ValueError, IndexError), open("/proc/meminfo") as lines:
        found += [1024 * int(line.split()[1]) for line in lines if line.startswith("MemAvailable:")]
    for limit, used in _GROUPS:
        with contextlib.suppress(OSError, ValueError):
            found.append(_number_in(limit) - _number_in(used))
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        soft, _ = resource.getrlimit(resource.RLIMIT_AS)
        if soft != resource.RLIM_INFINITY:
            found.append(soft)
    if not found:
        with contextlib.suppress(AttributeError, OSError, ValueError):
            # What is free is not told everywhere; half of all there is must do.
            found.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2)
    return max(0, min(found)) if found else None


def _number_in(path: str) -> int:
    with open(path) as stream:
        return int(stream.read())


def footprint(size: Size, form: str, work: Work) -> int:
    """Estimate what it takes to filter a file.

    Parameters
    ----------
    size : Size
        Of its (first) frame.
    form : str
        The format of the output.
    work : Work
        What is done to it.

    Returns
    -------
    int
        Bytes.
    """
    frames = size.frames if work.stacks or (holds_all(form) and work.frames != "first") else 1
    samples = size.width * size.height * size.channels * frames
    made = {None: np.dtype(size.dtype).itemsize, 8: 1, 16: 2, "float": 4}[work.filtering.depth]
    return _COPIES * samples * max(np.dtype(size.dtype).itemsize, made)
