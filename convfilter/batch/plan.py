"""The plan of a run: its inputs, their outputs and the common settings, before any image is read."""

from __future__ import annotations

import contextlib
import functools
import io
import os
import re
import sys
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import Any, NamedTuple, TypeAlias

from convfilter.convolution.execute import available_threads
from convfilter.errors import KernelError, OptionError, brief, describe, escaped, nearest, proposed
from convfilter.files import STREAM, check_parent
from convfilter.filtering import check_options, resolved_range
from convfilter.geometry import axes_of
from convfilter.images.formats import FORMATS, extension_in, extension_of, format_of_name, sniff
from convfilter.images.masks import check_mask_files, mask_files
from convfilter.images.opening import OTHER_EXTENSIONS, Axes
from convfilter.images.writing import check_encoding
from convfilter.kernels import Kernel
from convfilter.options import BatchOptions, EncodeOptions, FilterOptions, ReadOptions, check_choices

_LONGEST_LIST = 1 << 28

_Input: TypeAlias = tuple[str, str | None]
"""The path of an image, and the folder argument that it was found under, if any."""


class Settings(NamedTuple):
    """What is done to every image of a run: the chain of kernels and the options."""

    kernels: tuple[Kernel, ...]
    filtering: FilterOptions = FilterOptions()
    encoding: EncodeOptions = EncodeOptions()
    reading: ReadOptions = ReadOptions()
    batch: BatchOptions = BatchOptions()
    count_clipped: bool = False
    hint_for: str = ""  # the input of which the result may carry a hint
    kernel_files: tuple[str, ...] = ()  # which outputs must not replace

    @property
    def spans_frames(self) -> bool:
        """Whether a kernel of the chain has a frame axis."""
        return any("frame" in kernel.axes for kernel in self.kernels)

    @property
    def stacks(self) -> bool:
        """Whether the frames of a file are filtered as one volume."""
        return self.batch.frames == "stack" or (self.batch.frames is None and self.spans_frames)

    @property
    def axes(self) -> Axes:
        """What arrays of three axes are."""
        if self.stacks:
            return "frames"
        if any("channel" in kernel.axes for kernel in self.kernels):
            return "channels"
        return "frames if wide" if self.batch.frames else "unclear"

    @property
    def raw(self) -> bool:
        """Whether unscaled values are written."""
        return resolved_range(self.filtering, self.kernels[-1]) == "raw"

    @property
    def rescales(self) -> bool:
        """Whether all samples end on another scale, also those that a no-data value declares."""
        chosen = {resolved_range(self.filtering, kernel) for kernel in self.kernels}
        return self.filtering.missing is None and not chosen.isdisjoint(("signed", "stretch"))

    @property
    def maps(self) -> int:
        """Number of output channels if the chain makes some that are neither grey nor colours; else 1."""
        return next((kernel.maps for kernel in reversed(self.kernels) if "channel" in kernel.axes), 1)

    def with_threads(self, threads: int) -> Settings:
        """Return the same settings for another number of threads."""
        return self._replace(batch=self.batch._replace(jobs=threads))


def check_settings(settings: Settings) -> None:
    """Refuse what is wrong with every image, whatever its size."""
    options = settings.filtering
    check_options(options, settings.kernels)
    check_mask_files(options)
    axes_of((1, 1), (1, 1), padding=options.padding, stride=options.stride, dilation=options.dilation)
    check_encoding(settings.encoding)
    check_choices(settings.batch)
    check_choices(settings.reading)
    available_threads(settings.batch.jobs)
    pixels = settings.reading.max_pixels
    if not isinstance(pixels, int) or isinstance(pixels, bool) or pixels < 1:
        raise OptionError(f"max_pixels={brief(pixels)}: use an integer, at least 1")
    frames = settings.batch.frames
    for kernel in settings.kernels:
        if "frame" in kernel.axes and frames in ("each", "first"):
            raise KernelError(
                f"kernel '{kernel.name}' spans {kernel.frames} frames: it cannot be used with frames "
                f"'{frames}', so leave that out or use 'stack'"
            )


class Job(NamedTuple):
    """One image and the file it becomes; ``-`` is a standard stream, format None that of the input."""

    source: str
    target: str
    format: str | None


class Plan(NamedTuple):
    """The jobs of a run."""

    jobs: list[Job]
    several: bool  # whether the command line may stand for several images, whatever was found
    problems: list[str]  # a line for each folder that could not be listed
    passed_over: str  # how many image files in folders are of types that cannot be read, in words


def plan_jobs(
    arguments: Sequence[str],
    settings: Settings,
    *,
    output: str | None = None,
    format: str | None = None,
    files_from: str | None = None,
    null: bool = False,
    touch: bool = True,
) -> Plan:
    """Find the inputs, name the output of each, and refuse what would do harm.

    Names depend on the arguments alone, not on what is found. `files_from` and `null` are a list of further
    inputs. With `touch` a file may be made for a moment, to see whether the file system folds case.
    """
    arguments, several = _named_inputs(arguments, files_from, null)
    folders = [argument for argument in arguments if argument != STREAM and os.path.isdir(argument)]
    suffix = ".".join(kernel.label for kernel in settings.kernels)
    into = _is_folder(output, several)
    left_out = [_beside(folder, suffix) for folder in folders] if output is None else [output] if into else []
    masks = list(mask_files(settings.filtering).values())
    inputs, problems, passed_over = _find_inputs(arguments, left_out + masks)
    if output == STREAM and len(inputs) > 1:
        raise OptionError(f"{len(inputs)} images cannot all go to standard output: use a folder with -o")
    if output is not None and output != STREAM and not into:
        format = format_of_file(output, format)
    elif format is None and settings.raw:
        format = "npy"
    distinct = len({os.path.abspath(folder) for folder in folders})
    mixed = distinct > 1 or 0 < len(folders) < len(arguments)

    def target_of(path: str, folder: str | None) -> str:
        if output is not None and not into:
            return output
        if output is None and path == STREAM:
            return STREAM
        own = format_of_stdin() if path == STREAM and format is None else format
        name = _output_name(path, own, "" if into or folder is not None else f".{suffix}")
        if folder is None:
            return os.path.join(output if output is not None else os.path.dirname(path), name)
        place = _beside(folder, suffix)
        if output is not None:
            place = os.path.join(output, os.path.basename(os.path.abspath(folder)) if mixed else "")
        return os.path.join(place, os.path.dirname(os.path.relpath(path, folder)), name)

    targets = ((path, target_of(path, folder)) for path, folder in inputs)
    jobs = [Job(source, target, format or format_of_name(target)) for source, target in targets]
    _refuse_collisions(jobs, asked=format is not None, touch=touch)
    check_jobs(jobs, settings)
    return Plan(jobs, several, problems, passed_over)


# Inputs


def _named_inputs(arguments: Sequence[str], files_from: str | None, null: bool) -> tuple[list[str], bool]:
    """Return the inputs named by arguments, patterns and a list, and whether they may be several images."""
    names: list[str] = []
    several = len(arguments) > 1 or files_from is not None
    for argument in arguments:
        matched = _matched(argument)
        several = several or bool(matched) or (argument != STREAM and os.path.isdir(argument))
        names += matched or [argument]
    if files_from == STREAM and STREAM in names:
        raise OptionError(
            "standard input cannot be both the list of inputs and an image: use a file for the list"
        )
    if files_from is not None:
        names += _listed(files_from, null)
    return names, several


def _matched(pattern: str) -> list[str]:
    """Return what a pattern matches, with ``**`` across folders; nothing for the name of a file."""
    if pattern == STREAM or not any(mark in pattern for mark in "*?[") or os.path.lexists(pattern):
        return []
    import glob

    # `**` is not left to `glob`, which follows circular links and calls itself for every folder.
    whole = pattern == "**" or pattern.endswith("/**")
    first, *others = re.split(r"(?:^|(?<=/))\*\*/", f"{pattern}/*" if whole else pattern)
    found, tops = glob.glob(first) if first else [""], []
    for part in others:
        tops = found if whole else []
        places = [os.path.join(place, "") for top in found for place, _ in _walk(top, (), [])]
        found = [each for place in places for each in glob.glob(glob.escape(place) + part)]
    return sorted({each for each in (*tops, *found) if each})


def _listed(files_from: str, null: bool) -> list[str]:
    """Read a list of names, one a line, or ended by NUL bytes."""
    option = f"--files-from {escaped(files_from)}"
    if files_from == STREAM and sys.stdin is None:
        raise OptionError("--files-from: standard input is closed")
    try:
        if files_from == STREAM:
            data = sys.stdin.buffer.read(_LONGEST_LIST + 1)
        else:
            with open(files_from, "rb") as stream:
                data = stream.read(_LONGEST_LIST + 1)
    except OSError as error:
        raise OptionError(f"{option}: {describe(error)}") from None
    if len(data) > _LONGEST_LIST:
        raise OptionError(f"{option}: longer than 256 MiB: split it")
    lines = data.split(b"\0") if null else [line.removesuffix(b"\r") for line in data.split(b"\n")]
    names = [os.fsdecode(line) for line in lines if line]
    if not names:
        raise OptionError(f"{option}: the list is empty")
    if not null and b"\0" in data:
        raise OptionError(f"{option}: its names end in NUL bytes: add -0")
    return names


def format_of_stdin() -> str | None:
    """Return the format of the image on standard input by its first bytes, which stay there."""
    stdin: Any = sys.stdin
    with contextlib.suppress(AttributeError, OSError):  # it is closed, or cannot be looked into
        return sniff(io.BytesIO(stdin.buffer.peek(16)), None)
    return None


def _find_inputs(arguments: Sequence[str], left_out: Sequence[str]) -> tuple[list[_Input], list[str], str]:
    """List the images that arguments stand for, each once, and the last two fields of a `Plan`.

    In a folder these are the visible files with the extension of a readable format. Output folders are left
    out unless they are arguments.
    """
    inputs: dict[str, _Input] = {}
    problems: list[str] = []
    others: set[str] = set()
    outputs = {_identity(folder) for folder in left_out} - {None}
    for argument in arguments:
        found: Iterable[_Input] = [(argument, None)]
        if argument != STREAM and os.path.isdir(argument):
            found = (
                (os.path.join(place, name), argument)
                for place, names in _walk(argument, outputs, problems)
                for name in names
            )
        for path, folder in found:
            key = path if path == STREAM else os.path.abspath(path)
            if folder is None or format_of_name(path):
                inputs.setdefault(key, (path, folder))
            elif extension_in(path) in OTHER_EXTENSIONS:
                others.add(key)
    passed_over = ""
    if counts := Counter(map(extension_in, others - inputs.keys())):
        files = f"{counts.total()} files of other types" if counts.total() > 1 else "1 file of another type"
        by_number = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        each = ", ".join(f"{count} {extension}" for extension, count in by_number)
        passed_over = f"passed over {files} ({each})"
    if not inputs and not problems:
        names = ", ".join(map(escaped, arguments))
        mend = "name files, or folders with files of a known extension"
        if passed_over:
            mend = f"{passed_over}: convert such files first"
        raise OptionError(f"no images found in {names}: {mend}")
    return list(inputs.values()), problems, passed_over


def _walk(
    folder: str, left_out: Collection[tuple[int, int] | None], problems: list[str]
) -> Iterator[tuple[str, list[str]]]:
    """Yield a folder and all below it, each with its files, but nothing hidden; links are not followed.

    `os.walk` calls itself for every folder in Python 3.11, and passes over links to folders.
    """
    places = [folder]
    while places:
        place = places.pop()
        folders: list[str] = []
        names: list[str] = []
        try:
            with os.scandir(place or os.curdir) as entries:
                for entry in entries:
                    if entry.name.startswith("."):
                        continue
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.name)
                    elif not (entry.is_symlink() and os.path.isdir(entry.path)):
                        names.append(entry.name)
        except OSError as error:
            problems.append(f"{escaped(place)}: {describe(error)}")
        yield place, sorted(names)
        below = [os.path.join(place, name) for name in sorted(folders, reverse=True)]
        places += [each for each in below if _identity(each) not in left_out]


def _identity(path: str) -> tuple[int, int] | None:
    """Return what identifies a file, by whatever name; None if there is none."""
    with contextlib.suppress(OSError, ValueError):
        if path != STREAM:
            status = os.stat(path)
            return status.st_dev, status.st_ino
    return None


# Outputs


def _is_folder(output: str | None, several: bool) -> bool:
    """Return whether the output named by the user is a folder: it is, unless it ends as images do."""
    if output is None or output == STREAM:
        return False
    if not output:
        raise OptionError("'' is not a name for an output: use a file or a folder with -o")
    check_parent(output)
    if os.path.isdir(output):
        return True
    if output.endswith(("/", os.sep)):
        if os.path.lexists(output.rstrip("/")):
            raise OptionError(
                f"output {escaped(output)} is a file where a folder is needed: choose another name"
            )
        return True
    stem, extension = os.path.splitext(output)
    if os.path.lexists(output) or format_of_name(output):
        if several:
            fault = f"'{escaped(output)}' is one file, and there may be several images"
            raise OptionError(f"{fault}: use a folder with -o, such as {escaped(stem)}/")
        return False
    if extension_in(output) in OTHER_EXTENSIONS:
        mend = "use a known extension, such as .png. The name of a folder may end in '/'"
        raise OptionError(f"'{escaped(output)}': {extension} files cannot be written: {mend}")
    likely = extension and nearest(extension, [each for row in FORMATS.values() for each in row.extensions])
    if likely or (not several and re.fullmatch(r"\.[A-Za-z]{2,5}", extension)):
        mend = proposed(likely) if likely else "use a known one, such as .png."
        raise OptionError(
            f"'{escaped(output)}' has an unknown extension: {mend} The name of a folder may end in '/'"
        )
    return True


def format_of_file(output: str, asked: str | None) -> str | None:
    """Return the format of an output file named by the user, None for the input's; refuse an unknown one."""
    named = format_of_name(output)
    if asked and named and asked != named:
        raise OptionError(
            f"'{escaped(output)}' is a name for {named}, but --format says {asked}: change one of them"
        )
    if os.path.splitext(output)[1] and not named and not asked:
        raise OptionError(
            f"'{escaped(output)}' has an unknown extension: use a known one, such as .png, or use --format"
        )
    return asked or named


def _beside(folder: str, suffix: str) -> str:
    """Return the output folder beside an input folder; ``.`` is resolved to its real name first."""
    bare = folder.rstrip("/")
    return f"{os.path.abspath(folder) if os.path.basename(bare) in ('', '.', '..') else bare}.{suffix}"


def _output_name(path: str, format: str | None, infix: str) -> str:
    """Return the input's name, with another extension where the format asks for it."""
    name, own = os.path.basename(path) if path != STREAM else "stdin", format_of_name(path)
    stem, extension = os.path.splitext(name) if own else (name, "")
    if format and format != own:
        extension = extension_of(format)
    return f"{stem}{infix}{extension}"


def _refuse_collisions(jobs: Sequence[Job], *, asked: bool, touch: bool) -> None:
    """Refuse jobs of which two would write the same file, and list all of them.

    `asked` says whether a format was asked for, which may be the cause.
    """
    import unicodedata

    real = functools.lru_cache(4096)(os.path.realpath)
    first: dict[str, Job] = {}
    alike: dict[str, list[Job]] = {}  # where case and composition of letters do not count
    for job in jobs:
        name = unicodedata.normalize("NFC", _place(job.target, real)).casefold()
        if first.setdefault(name, job) is not job:
            alike.setdefault(name, [first[name]]).append(job)
    groups: list[list[Job]] = []
    for twins in alike.values():
        by_place: dict[str, list[Job]] = {}
        for job in twins:
            by_place.setdefault(_place(job.target, real), []).append(job)
        if len(by_place) > 1 and _folds_case(os.path.dirname(next(iter(by_place))), touch=touch):
            groups.append(twins)
        else:
            groups += [group for group in by_place.values() if len(group) > 1]
    if groups:
        lines = [
            f"{' and '.join(escaped(job.source) for job in group)} "
            f"would all be written to {escaped(group[0].target)}"
            for group in groups
        ]
        mend = f"{'leave out --format, or ' if asked else ''}write them to separate folders"
        raise OptionError(f"{'; '.join(lines)}: {mend}")


def _place(target: str, real: Callable[[str], str] = os.path.realpath) -> str:
    """Return the one path of a file, however its folder is reached; the file itself may be a link."""
    folder, name = os.path.split(target)
    return os.path.join(real(folder or os.curdir), name)


def _folds_case(folder: str, *, touch: bool) -> bool:
    """Return whether the file system under a folder takes names that differ by case for the same one.

    With `touch` a file is made for a moment in a folder that has none to compare.
    """
    while not os.path.isdir(folder) and os.path.dirname(folder) != folder:
        folder = os.path.dirname(folder)
    with contextlib.suppress(OSError), contextlib.ExitStack() as made:
        names = [name for name in os.listdir(folder) if name != name.swapcase()]
        if not names and touch:
            names = [f".cf-{os.urandom(4).hex()}.tmp"]
            probe = os.path.join(folder, names[0])
            open(probe, "x").close()
            made.callback(os.unlink, probe)
        for name in names[:1]:
            both = (os.path.join(folder, each) for each in (name, name.swapcase()))
            return os.path.samestat(*map(os.lstat, both))
    return False


def check_jobs(jobs: Sequence[Job], settings: Settings) -> None:
    """Refuse jobs that would write over an input or kernel file, by whatever name, or over or beside masks.

    With `overwrite` an input may be replaced by its own output, but not through links. Standard streams have
    nothing to preserve.
    """
    if settings.batch.preserve and any(STREAM in (job.source, job.target) for job in jobs):
        raise OptionError("--preserve: standard input and output have no times to keep: name files instead")
    outputs = {_identity(job.target) for job in jobs} - {None}
    masks = mask_files(settings.filtering).values()
    targets = {job.target for job in jobs if job.target != STREAM} if masks else set()
    written = outputs | {_identity(os.path.dirname(target) or os.curdir) for target in targets}
    kept = [(mask, "masks in") for mask in masks]
    kept += [(path, "the kernel file") for path in settings.kernel_files]
    for path, what in kept:
        if _identity(path) in written - {None}:
            raise OptionError(f"outputs would replace {what} {escaped(path)}: choose another output")
    if not outputs:
        return
    inputs = {key: job.source for job in jobs if (key := _identity(job.source)) in outputs}
    for job in jobs if inputs else ():
        source = inputs.get(_identity(job.target))
        if source is None:
            continue
        replaceable = _place(job.source) == _place(job.target) and not os.path.islink(job.target)
        if not (replaceable and settings.batch.overwrite):
            mend = "use --overwrite to replace it" if replaceable else "choose another output"
            raise OptionError(f"output {escaped(job.target)} is the input {escaped(source)}: {mend}")
