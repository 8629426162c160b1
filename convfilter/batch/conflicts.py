"""What a plan must not do: write two pictures to one file, or over an input.

Names and identities are compared as numbers of 64 bits, a few bytes for each picture; what two of them share
is looked at again by name.
"""

from __future__ import annotations

import contextlib
import functools
import os
import unicodedata
from collections.abc import Callable, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from convfilter.batch.work import Job
from convfilter.errors import OptionError
from convfilter.files import STREAM
from convfilter.messages import shown

__all__ = ["refuse_collisions", "refuse_inputs_as_outputs"]

_ABSENT = -1  # which is never the hash of anything


def refuse_collisions(jobs: Sequence[Job], *, asked: bool, touch: bool = True) -> None:
    """Refuse jobs of which two would write the same file.

    Parameters
    ----------
    jobs : sequence of Job
        All that are to be run.
    asked : bool
        Whether the format was asked for, and may be why.
    touch : bool
        Whether a file may be made for a moment, to see whether its name is told from another.

    Raises
    ------
    ConvfilterError
        If there are such; all are listed.
    """
    place = functools.partial(_place, real=functools.lru_cache(4096)(os.path.realpath))

    def folded(job: Job) -> str:
        return unicodedata.normalize("NFC", place(job.target)).casefold()

    groups = []
    for twins in _alike(jobs, folded):
        by_name: dict[str, list[Job]] = {}
        for job in twins:
            by_name.setdefault(place(job.target), []).append(job)
        groups += [group for group in by_name.values() if len(group) > 1]
        if len(by_name) > 1 and _folds_case(os.path.dirname(next(iter(by_name))), touch=touch):
            groups.append([group[0] for group in by_name.values()])
    if groups:
        lines = [
            f"{' and '.join(shown(job.source) for job in group)} would all become {shown(group[0].target)}"
            for group in groups
        ]
        mend = (
            "leave out --format, or write them to folders of their own"
            if asked
            else "write them to folders of their own"
        )
        raise OptionError(f"{'; '.join(lines)}: {mend}")


def _alike(jobs: Sequence[Job], key: Callable[[Job], str]) -> list[list[Job]]:
    """Return the groups of jobs that share a key."""
    hashes = np.fromiter((_ABSENT if job.target == STREAM else hash(key(job)) for job in jobs), np.int64)
    found, counts = np.unique(hashes, return_counts=True)
    groups: dict[str, list[Job]] = {}
    for number in np.nonzero(np.isin(hashes, found[(counts > 1) & (found != _ABSENT)]))[0]:
        job = jobs[int(number)]
        groups.setdefault(key(job), []).append(job)
    return [group for group in groups.values() if len(group) > 1]


def _place(target: str, *, real: Callable[[str], str] = os.path.realpath) -> str:
    """The one path of a file, by whatever links its folder is reached; the file itself may be a link."""
    folder, name = os.path.split(target)
    return os.path.join(real(folder or os.curdir), name)


def _folds_case(folder: str, *, touch: bool) -> bool:
    """Whether the file system under a folder takes names that differ by case for the same one."""
    while not os.path.isdir(folder) and os.path.dirname(folder) != folder:
        folder = os.path.dirname(folder)
    with contextlib.suppress(OSError):
        for name in os.listdir(folder):
            if (other := name.swapcase()) != name:
                found = os.lstat(os.path.join(folder, name))
                try:
                    return os.path.samestat(found, os.lstat(os.path.join(folder, other)))
                except FileNotFoundError:
                    return False
    return touch and _folds_a_probe(folder)


def _folds_a_probe(folder: str) -> bool:
    """Make a file in a folder that tells nothing by its own, and look for it under another name."""
    name = f".cf-{os.urandom(4).hex()}.tmp"
    probe = os.path.join(folder, name)
    try:
        with open(probe, "x"):
            return os.path.exists(os.path.join(folder, name.upper()))
    except OSError:
        return False
    finally:
        if os.path.lexists(probe):
            os.unlink(probe)


def refuse_inputs_as_outputs(jobs: Sequence[Job], *, overwrite: bool = False) -> None:
    """Refuse jobs that would write over an input, by whatever name or link.

    Parameters
    ----------
    jobs : sequence of Job
        All that are to be run.
    overwrite : bool
        Whether an input may be replaced by its own output; through links it may not.

    Raises
    ------
    ConvfilterError
        If an output is an input.
    """
    outputs = _hashes(job.target for job in jobs)
    if not np.any(outputs != _ABSENT):
        return
    inputs = _hashes(job.source for job in jobs)
    # Not by numpy's intersection, which loads a package of 20 ms to find out that nothing is masked.
    shared = outputs[np.isin(outputs, inputs) & (outputs != _ABSENT)]
    sources = {
        _identity(job.source): job.source
        for job in (jobs[int(number)] for number in np.nonzero(np.isin(inputs, shared))[0])
    }
    for number in np.nonzero(np.isin(outputs, shared))[0]:
        job = jobs[int(number)]
        identity = _identity(job.target)
        if identity is None or identity not in sources:
            continue
        replaceable = _place(job.source) == _place(job.target) and not os.path.islink(job.target)
        if replaceable and overwrite:
            continue
        mend = "give --overwrite to replace it" if replaceable else "choose another output"
        raise OptionError(f"output {shown(job.target)} is the input {shown(sources[identity])}: {mend}")


def _hashes(paths: Iterable[str]) -> NDArray[np.int64]:
    """Return a number for each file, and `_ABSENT` for those that do not exist."""
    identities = map(_identity, paths)
    return np.fromiter((_ABSENT if each is None else hash(each) for each in identities), np.int64)


def _identity(path: str) -> tuple[int, int] | None:
    """What a file is to the system, by whatever name; None if there is none."""
    if path == STREAM:
        return None
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return None
    return status.st_dev, status.st_ino
