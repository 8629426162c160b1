"""Which file every output becomes, decided before the first pixel is read."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from typing import overload

from convfilter.batch.conflicts import refuse_collisions, refuse_inputs_as_outputs
from convfilter.batch.inputs import Input, format_of_stdin
from convfilter.batch.work import Job
from convfilter.errors import OptionError
from convfilter.files import STREAM
from convfilter.images.formats import extension_of, format_of_name
from convfilter.kernels import Kernel
from convfilter.messages import shown

__all__ = [
    "Plan",
    "format_of_file",
    "kernel_suffix",
    "output_folders",
    "plan_jobs",
]


def kernel_suffix(kernels: Iterable[Kernel]) -> str:
    """Return the part of an output's name that says what was done: ``gaussian-sigma=3.sobel``."""
    return ".".join(kernel.name.replace(":", "-") for kernel in kernels)


def output_folders(arguments: Sequence[str], output: str | None, suffix: str, *, several: bool) -> list[str]:
    """Return the folders that a run makes or fills."""
    if output is None:
        return [_beside(argument, suffix) for argument in arguments if _is_input_folder(argument)]
    return [output] if output != STREAM and _is_folder(output, several) else []


def _is_input_folder(argument: str) -> bool:
    return argument != STREAM and os.path.isdir(argument)


def _is_folder(output: str, several: bool) -> bool:
    """Tell whether an output named by the user is meant as a folder."""
    return several or output.endswith(("/", os.sep)) or os.path.isdir(output)


class Plan(Sequence[Job]):
    """The jobs of a run, each made when it is asked for.

    A million of them would fill memory with names that follow from those of the inputs.
    """

    def __init__(self, inputs: Sequence[Input], job_of: Callable[[Input], Job]) -> None:
        self._inputs, self._job_of = inputs, job_of

    def __len__(self) -> int:
        return len(self._inputs)

    @overload
    def __getitem__(self, index: int) -> Job: ...
    @overload
    def __getitem__(self, index: slice) -> Plan: ...
    def __getitem__(self, index: int | slice) -> Job | Plan:
        if isinstance(index, slice):
            return Plan(self._inputs[index], self._job_of)
        return self._job_of(self._inputs[index])


def plan_jobs(
    inputs: Sequence[Input],
    *,
    arguments: Sequence[str],
    several: bool,
    output: str | None,
    format: str | None,
    suffix: str,
    fallback: str | None = None,
    overwrite: bool = False,
    touch: bool = True,
) -> Plan:
    """Name the output of every input and refuse what would do harm.

    Parameters
    ----------
    inputs : sequence of Input
        From `find_inputs`.
    arguments : sequence of str
        What it was given: where pictures go depends on what the user named, not on what was found there.
    several : bool
        Whether that may stand for more than one picture.
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
    touch : bool
        As for `refuse_collisions`.

    Returns
    -------
    Plan
        The jobs, in the order of the inputs.

    Raises
    ------
    ConvfilterError
        If the output cannot be what it is meant for, a format contradicts a name, two inputs would become
        one output, or an output is an input.
    """
    if output == STREAM and len(inputs) > 1:
        raise OptionError(f"{len(inputs)} pictures cannot all go to standard output: give a folder with -o")
    into = output is not None and output != STREAM and _is_folder(output, several)
    if output is not None and output != STREAM:
        _check_output(output, into)
    if output is not None and not into and output != STREAM:
        format = format_of_file(output, format)
    else:
        format = format or fallback
    folders = {os.path.abspath(argument) for argument in arguments if _is_input_folder(argument)}
    mixed = len(folders) > 1 or (bool(folders) and not all(map(_is_input_folder, arguments)))

    def job_of(each: Input) -> Job:
        if output is not None and not into:
            target = output
        elif output is None and each.path == STREAM:
            target = STREAM
        elif output is not None:
            own = format_of_stdin() if each.path == STREAM and not format else format
            target = _into(output, each, own, mixed)
        else:
            target = _next_to(each, format, suffix)
        return Job(each.path, target, format or (None if target == STREAM else format_of_name(target)))

    plan = Plan(inputs, job_of)
    refuse_collisions(plan, asked=format is not None, touch=touch)
    refuse_inputs_as_outputs(plan, overwrite=overwrite)
    return plan


def _check_output(output: str, into: bool) -> None:
    """Refuse a name that can be no output."""
    if not output:
        raise OptionError("'' is no name for an output: give a file or a folder with -o")
    bare = output.rstrip("/") or output
    if into and os.path.lexists(bare) and not os.path.isdir(output):
        raise OptionError(f"output {shown(output)} must be a folder here and is a file: choose another name")


def format_of_file(output: str, asked: str | None) -> str | None:
    """Return the format of an output file named by the user, None for the input's; refuse an unknown one."""
    named = format_of_name(output)
    if asked and named and asked != named:
        raise OptionError(
            f"'{shown(output)}' is a name for {named}, but --format says {asked}: change one of them"
        )
    extension = os.path.splitext(output)[1]
    if extension and not named and not asked:
        raise OptionError(
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
