"""Which file every output becomes, decided before the first pixel is read.

Nothing is computed when two pictures would become one file or when an output is an input.
"""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from convfilter.batch.inputs import STREAM, Input
from convfilter.errors import ConvfilterError
from convfilter.files import shown
from convfilter.images.formats import extension_of, format_of_name
from convfilter.kernels import Kernel

__all__ = [
    "Job",
    "are_several",
    "kernel_suffix",
    "output_folders",
    "plan_jobs",
    "refuse_inputs_as_outputs",
]


class Job(NamedTuple):
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


def are_several(arguments: Sequence[str]) -> bool:
    """Tell whether arguments may stand for more than one picture: several of them, or a folder."""
    return len(arguments) > 1 or any(map(_is_input_folder, arguments))


def output_folders(arguments: Sequence[str], output: str | None, suffix: str) -> list[str]:
    """Return the folders that a run makes or fills."""
    if output is None:
        return [_beside(argument, suffix) for argument in arguments if _is_input_folder(argument)]
    return [output] if output != STREAM and _is_folder(output, are_several(arguments)) else []


def _is_input_folder(argument: str) -> bool:
    return argument != STREAM and os.path.isdir(argument)


def _is_folder(output: str, several: bool) -> bool:
    """Tell whether an output named by the user is meant as a folder."""
    return several or output.endswith(("/", os.sep)) or os.path.isdir(output)


def plan_jobs(
    inputs: Sequence[Input],
    *,
    arguments: Sequence[str],
    output: str | None,
    format: str | None,
    suffix: str,
    fallback: str | None = None,
    overwrite: bool = False,
) -> list[Job]:
    """Name the output of every input and refuse what would do harm.

    Parameters
    ----------
    inputs : sequence of Input
        From `find_inputs`.
    arguments : sequence of str
        What it was given: where pictures go depends on what the user named, not on what was found there.
    output : str or None
        As the user gave it: a file, a folder, ``-``, or None for beside the inputs.
    format : str or None
        Format asked for.
    suffix : str
        From `kernel_suffix`.
    fallback : str, optional
        Format where neither that nor the name of an output file tells; None is the input's.
    overwrite : bool
        Whether an input may be written over by its own output.

    Returns
    -------
    list of Job
        In the order of the inputs.

    Raises
    ------
    ConvfilterError
        If the output cannot be what it is meant for, a format contradicts a name, two inputs would become
        one output, or an output is an input.
    """
    if output == STREAM and len(inputs) > 1:
        raise ConvfilterError(
            f"{len(inputs)} pictures cannot all go to standard output: give a folder with -o"
        )
    into = output is not None and output != STREAM and _is_folder(output, are_several(arguments))
    if output is not None and output != STREAM:
        _check_output(output, into)
    if output is not None and not into and output != STREAM:
        format = _format_of_file(output, format)
    else:
        format = format or fallback
    folders = {os.path.abspath(argument) for argument in arguments if _is_input_folder(argument)}
    mixed = len(folders) > 1 or (bool(folders) and not all(map(_is_input_folder, arguments)))
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
    _refuse_collisions(jobs, asked=format is not None)
    refuse_inputs_as_outputs(jobs, overwrite=overwrite)
    return jobs


def _check_output(output: str, into: bool) -> None:
    """Refuse a name that can be no output."""
    if not output:
        raise ConvfilterError("'' is no name for an output: give a file or a folder with -o")
    bare = output.rstrip("/") or output
    if into and os.path.lexists(bare) and not os.path.isdir(output):
        raise ConvfilterError(
            f"output {shown(output)} must be a folder here and is a file: choose another name"
        )


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


def _place(target: str) -> str:
    """The one path of a file, by whatever links its folder is reached; the file itself may be a link."""
    folder, name = os.path.split(target)
    return os.path.join(os.path.realpath(folder or os.curdir), name)


def _refuse_collisions(jobs: Sequence[Job], *, asked: bool) -> None:
    owners: dict[str, list[Job]] = {}
    for job in jobs:
        if job.target != STREAM:
            owners.setdefault(_place(job.target), []).append(job)
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
        mend = (
            "leave out --format, or write them to folders of their own"
            if asked
            else "write them to folders of their own"
        )
        raise ConvfilterError(f"{'; '.join(lines)}: {mend}")


def _folds_case(folder: str) -> bool:
    """Whether the file system under a folder takes names that differ by case for the same one."""
    while not os.path.isdir(folder) and os.path.dirname(folder) != folder:
        folder = os.path.dirname(folder)
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
    inputs: dict[tuple[int, int], str] = {}
    for job in jobs:
        identity = _identity(job.source)
        if identity is not None:
            inputs[identity] = job.source
    for job in jobs:
        identity = _identity(job.target)
        if identity is None or identity not in inputs:
            continue
        replaceable = _place(job.source) == _place(job.target) and not os.path.islink(job.target)
        if replaceable and overwrite:
            continue
        mend = "give --overwrite to replace it" if replaceable else "choose another output"
        raise ConvfilterError(f"output {shown(job.target)} is the input {shown(inputs[identity])}: {mend}")


def _identity(path: str) -> tuple[int, int] | None:
    if path == STREAM:
        return None
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return None
    return status.st_dev, status.st_ino
