"""What there is to do: the inputs that are meant, and the output of each, before an image is read."""

from __future__ import annotations

import contextlib
import functools
import io
import os
import re
import sys
import unicodedata
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import NamedTuple, overload

import numpy as np
from numpy.typing import NDArray

from convfilter.batch.work import Job
from convfilter.errors import OptionError
from convfilter.files import STREAM
from convfilter.images.formats import extension_of, format_of_name, sniff
from convfilter.kernels import Kernel
from convfilter.messages import describe, shown

__all__ = [
    "Input",
    "Named",
    "Plan",
    "find_inputs",
    "format_of_file",
    "format_of_stdin",
    "kernel_suffix",
    "named_inputs",
    "output_folders",
    "plan_jobs",
    "refuse_inputs_as_outputs",
]


_LONGEST_LIST = 1 << 28


class Input(NamedTuple):
    """An image to be filtered: its path, and the folder argument that it was found under, if any."""

    path: str
    folder: str | None = None

    @property
    def below(self) -> str:
        """Its path below the folder argument; the bare name of a file named by hand."""
        if self.folder is None:
            return os.path.basename(self.path)
        return os.path.relpath(self.path, self.folder)


class Named(NamedTuple):
    """The arguments and listed names of a command line; whether they may stand for more than one image."""

    arguments: list[str]
    several: bool


def named_inputs(arguments: Sequence[str], files_from: str | None = None, *, null: bool = False) -> Named:
    """Gather the inputs that are named by arguments, by patterns, and in a file with one name a line.

    A pattern such as ``*.png`` that is not itself the name of a file stands for what it matches, with ``**``
    across folders. With `null` the names in the list end in NUL bytes.
    """
    names: list[str] = []
    several = len(arguments) > 1 or files_from is not None
    for argument in arguments:
        matched = _matched(argument)
        several = several or matched is not None or (argument != STREAM and os.path.isdir(argument))
        names += [argument] if matched is None else matched
    if files_from == STREAM and STREAM in names:
        raise OptionError("standard input cannot be a list and a picture: give the list as a file")
    if files_from is not None:
        names += _listed(files_from, null)
    return Named(names, several)


def _matched(argument: str) -> list[str] | None:
    """Return what a pattern matches; None for what is not a pattern or matches nothing."""
    if argument == STREAM or not any(mark in argument for mark in "*?[") or os.path.lexists(argument):
        return None
    import glob

    # `**` is not left to `glob`, which follows links round in circles and calls itself for every folder.
    whole = argument == "**" or argument.endswith("/**")
    first, *others = re.split(r"(?:^|(?<=/))\*\*/", f"{argument}/*" if whole else argument)
    found, tops = glob.glob(first) if first else [""], []
    for part in others:
        tops = found if whole else []
        places = [os.path.join(place, "") for top in found for place, _ in _walk(top)]
        found = [each for place in places for each in glob.glob(glob.escape(place) + part)]
    return sorted({each for each in (*tops, *found) if each}) or None


def _listed(files_from: str, null: bool) -> list[str]:
    """Read a list of names."""
    if files_from == STREAM and sys.stdin is None:
        raise OptionError("--files-from: standard input is closed")
    try:
        if files_from != STREAM:
            with open(files_from, "rb") as stream:
                data = stream.read(_LONGEST_LIST + 1)
        else:
            data = sys.stdin.buffer.read(_LONGEST_LIST + 1)
    except (OSError, ValueError) as error:
        reason = describe(error) if isinstance(error, OSError) else "not a file name"
        raise OptionError(f"--files-from {shown(files_from)}: {reason}") from None
    if len(data) > _LONGEST_LIST:
        raise OptionError(f"--files-from {shown(files_from)}: longer than 256 MiB: give it in parts")
    lines = data.split(b"\0") if null else [line.removesuffix(b"\r") for line in data.split(b"\n")]
    names = [os.fsdecode(line) for line in lines if line]
    if not names:
        raise OptionError(f"--files-from {shown(files_from)}: it names no pictures")
    if not null and b"\0" in data:
        raise OptionError(f"--files-from {shown(files_from)}: its names end in NUL bytes: give -0 too")
    return names


def format_of_stdin() -> str | None:
    """Tell the format of a picture on standard input, as far as its first bytes do, and leave them there."""
    peek = getattr(getattr(sys.stdin, "buffer", None), "peek", None)
    if peek is None:
        return None

    with contextlib.suppress(OSError):
        return sniff(io.BytesIO(peek(16)), None)
    return None


def find_inputs(arguments: Sequence[str], leave_out: Sequence[str] = ()) -> tuple[list[Input], list[str]]:
    """List the images that arguments stand for, and as lines of text the folders that could not be listed.

    In a folder only visible files with a readable format's extension count, links to folders are not
    followed, and the folders to `leave_out` are passed over unless they are themselves arguments. A file
    named by hand always counts; one named twice counts once.
    """
    inputs: list[Input] = []
    problems: list[str] = []
    seen: set[str] = set()
    hidden = {identity for folder in leave_out if (identity := _identity(folder))}
    for argument in arguments:
        if argument != STREAM and os.path.isdir(argument):
            found: Iterator[Input] = (
                Input(os.path.join(place, name), argument)
                for place, names in _walk(argument, hidden, problems)
                for name in names
                if format_of_name(name)
            )
        else:
            found = iter([Input(argument)])
        for each in found:
            # A path that is its own key costs no memory a second time.
            key = each.path if each.path == STREAM else os.path.abspath(each.path)
            key = each.path if key == each.path else key
            if key not in seen:
                seen.add(key)
                inputs.append(each)
    if not inputs and not problems:
        names = ", ".join(shown(argument) for argument in arguments)
        raise OptionError(
            f"no pictures found in {names}: give files, or folders with files of a known extension"
        )
    return inputs, problems


def _walk(
    folder: str, leave_out: Collection[tuple[int, int]] = (), problems: list[str] | None = None
) -> Iterator[tuple[str, list[str]]]:
    """Yield a folder and all below it, each with its files, but nothing hidden; links are not followed.

    Not by `os.walk`, which in Python 3.11 calls itself for every folder.
    """
    places = [folder]
    while places:
        place = places.pop()
        folders: list[str] = []
        names: list[str] = []
        try:
            with os.scandir(place or os.curdir) as entries:
                for entry in entries:
                    if not entry.name.startswith("."):
                        (folders if _leads_to_folder(entry) else names).append(entry.name)
        except OSError as error:
            if problems is not None:
                problems.append(f"{shown(place)}: {describe(error)}")
        yield place, sorted(names)
        below = [os.path.join(place, name) for name in sorted(folders, reverse=True)]
        places += [
            each
            for each in below
            if not os.path.islink(each) and not (leave_out and _identity(each) in leave_out)
        ]


def _leads_to_folder(entry: os.DirEntry[str]) -> bool:
    with contextlib.suppress(OSError):  # a link that leads in a circle
        return entry.is_dir()
    return False


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
    """Name the output of every input, and refuse what would do harm.

    Where images go depends on the arguments that the user gave, not on what was found there. `fallback` is
    the format where neither `format` nor the name of an output file says one; None is the input's. With
    `touch` a file may be made for a moment, to see whether the file system distinguishes two names.
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
        raise OptionError("'' is not a name for an output: give a file or a folder with -o")
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


# Conflicts: two images in one file, or an output over an input. Names and identities are compared as numbers
# of 64 bits, a few bytes for each image; what two of them share is looked at again by name.

_ABSENT = -1  # which is never the hash of anything


def refuse_collisions(jobs: Sequence[Job], *, asked: bool, touch: bool = True) -> None:
    """Refuse jobs of which two would write the same file, and list all of them.

    `asked` says whether the format was asked for, and may be why; `touch` is that of `plan_jobs`.
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

    With `overwrite` an input may be replaced by its own output, but not through links.
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
