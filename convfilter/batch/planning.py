"""Which file every output becomes, decided before the first pixel is read.

Nothing is computed when two pictures would become one file or when an output is an input.
"""

from __future__ import annotations

import os
import secrets
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from convfilter.batch.inputs import STREAM, Input
from convfilter.errors import ConvfilterError
from convfilter.files import shown
from convfilter.images.formats import extension_of, format_of_name
from convfilter.kernels import Kernel

__all__ = ["Job", "is_folder", "kernel_suffix", "output_folder", "plan_jobs"]


@dataclass(frozen=True)
class Job:
    """One picture and the file it becomes.

    Attributes
    ----------
    source, target : str
        Paths; ``-`` is standard input or output.
    format : str or None
        Format of the output; None is that of the input, told when it is read.
    """

    source: str
    target: str
    format: str | None


def kernel_suffix(kernels: Iterable[Kernel]) -> str:
    """Return the part of an output's name that says what was done: ``gaussian-sigma=3.sobel``."""
    return ".".join(kernel.name.replace(":", "-") for kernel in kernels)


def is_folder(output: str, several: bool) -> bool:
    """Tell whether an output named by the user is meant as a folder."""
    return several or output.endswith(("/", os.sep)) or os.path.isdir(output)


def output_folder(arguments: Sequence[str], output: str | None, suffix: str) -> str | None:
    """Return the folder that a run writes into, if it is a single one."""
    folders = [argument for argument in arguments if argument != STREAM and os.path.isdir(argument)]
    if output is not None:
        return output if output != STREAM and is_folder(output, bool(folders) or len(arguments) > 1) else None
    return _beside(folders[0], suffix) if len(arguments) == len(folders) == 1 else None


def plan_jobs(
    inputs: Sequence[Input],
    *,
    output: str | None,
    format: str | None,
    fallback: str | None = None,
    suffix: str,
    several: bool,
    overwrite: bool,
) -> list[Job]:
    """Name the output of every input and refuse what would do harm.

    Parameters
    ----------
    inputs : sequence of Input
        From `find_inputs`.
    output : str or None
        As the user gave it: a file, a folder, ``-``, or None for beside the inputs.
    format : str or None
        Format asked for.
    fallback : str, optional
        Format where neither that nor the name of an output file tells; None is the input's.
    suffix : str
        From `kernel_suffix`.
    several : bool
        Whether the user named several inputs or a folder.
    overwrite : bool
        Whether an input may be written over by its own output.

    Returns
    -------
    list of Job
        In the order of the inputs.

    Raises
    ------
    ConvfilterError
        If a format contradicts a name, two inputs would become one output, or an output is an input.
    """
    if output == STREAM and len(inputs) > 1:
        raise ConvfilterError(
            f"{len(inputs)} pictures cannot all go to standard output: give a folder with -o"
        )
    into = output is not None and output != STREAM and is_folder(output, several)
    if output is not None and not into and output != STREAM:
        format = _format_of_file(output, format)
    else:
        format = format or fallback
    folders = len({each.folder for each in inputs if each.folder is not None})
    mixed = folders > 1 or (folders == 1 and any(each.folder is None for each in inputs))
    jobs = []
    for each in inputs:
        if output is not None and not into:
            target = output
        elif output is None and each.path == STREAM:
            target = STREAM
        elif output is not None:
            target = _into(output, each, format, mixed)
        else:
            target = _next_to(each, format, suffix)
        jobs.append(Job(each.path, target, format or (None if target == STREAM else format_of_name(target))))
    _refuse_collisions(jobs)
    _refuse_inputs_as_outputs(jobs, overwrite)
    return jobs


def _format_of_file(output: str, asked: str | None) -> str | None:
    """The format of an output file named by the user."""
    named = format_of_name(output)
    if asked and named and asked != named:
        raise ConvfilterError(
            f"'{shown(output)}' is a name for {named}, but --format says {asked}: change one of them"
        )
    extension = os.path.splitext(output)[1]
    if extension and not named and not asked:
        raise ConvfilterError(
            f"'{shown(output)}' has an unknown extension: use a known one, such as .png, or give --format"
        )
    return asked or named


def _beside(folder: str, suffix: str) -> str:
    """The folder that stands beside an input folder; ``.`` is resolved to its real name first."""
    bare = folder.rstrip("/")
    return f"{os.path.abspath(folder) if os.path.basename(bare) in ('', '.', '..') else bare}.{suffix}"


def _name(path: str, format: str | None, infix: str = "") -> str:
    """The name of an output: the input's, with another extension where the format asks for it."""
    stem, extension = os.path.splitext(os.path.basename(path) if path != STREAM else "stdin")
    if not format_of_name(path):
        stem, extension = stem + extension, ""
    if format and format_of_name(path) != format:
        extension = extension_of(format)
    return f"{stem}{infix}{extension}"


def _into(output: str, each: Input, format: str | None, mixed: bool) -> str:
    parts = [output]
    if each.folder is not None:
        if mixed:
            parts.append(os.path.basename(os.path.abspath(each.folder)))
        parts.append(os.path.dirname(each.below))
    return os.path.join(*parts, _name(each.path, format))


def _next_to(each: Input, format: str | None, suffix: str) -> str:
    if each.folder is None:
        return os.path.join(os.path.dirname(each.path), _name(each.path, format, f".{suffix}"))
    return os.path.join(_beside(each.folder, suffix), os.path.dirname(each.below), _name(each.path, format))


def _refuse_collisions(jobs: Sequence[Job]) -> None:
    owners: dict[str, list[Job]] = {}
    for job in jobs:
        if job.target != STREAM:
            owners.setdefault(os.path.abspath(job.target), []).append(job)
    groups = [group for group in owners.values() if len(group) > 1]
    folded: dict[str, list[str]] = {}
    for target in owners:
        folded.setdefault(unicodedata.normalize("NFC", target).casefold(), []).append(target)
    for twins in folded.values():
        if len(twins) > 1 and _folds_case(os.path.dirname(twins[0])):
            groups.append([owners[twin][0] for twin in twins])
    if groups:
        lines = [
            f"{' and '.join(shown(job.source) for job in group)} would all become {shown(group[0].target)}"
            for group in groups
        ]
        raise ConvfilterError("; ".join(lines) + ": give --format or other folders, or run them one by one")


def _folds_case(folder: str) -> bool:
    """Whether the file system under a folder takes names that differ by case for the same one."""
    while not os.path.isdir(folder) and os.path.dirname(folder) != folder:
        folder = os.path.dirname(folder)
    name = f".cf-{secrets.token_hex(4)}.tmp"
    probe = os.path.join(folder, name)
    try:
        with open(probe, "x"):
            return os.path.exists(os.path.join(folder, name.upper()))
    except OSError:
        return False
    finally:
        if os.path.lexists(probe):
            os.unlink(probe)


def _refuse_inputs_as_outputs(jobs: Sequence[Job], overwrite: bool) -> None:
    inputs: dict[tuple[int, int], str] = {}
    for job in jobs:
        identity = _identity(job.source)
        if identity is not None:
            inputs[identity] = job.source
    for job in jobs:
        identity = _identity(job.target)
        if identity is None or identity not in inputs:
            continue
        same_path = os.path.abspath(job.source) == os.path.abspath(job.target)
        if same_path and overwrite and not os.path.islink(job.target):
            continue
        mend = (
            "give --overwrite to replace it"
            if same_path and not overwrite and not os.path.islink(job.target)
            else "choose another output"
        )
        raise ConvfilterError(f"output {shown(job.target)} is the input {shown(inputs[identity])}: {mend}")


def _identity(path: str) -> tuple[int, int] | None:
    if path == STREAM:
        return None
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return None
    return status.st_dev, status.st_ino
