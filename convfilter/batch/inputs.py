"""The images that a command line names: files, patterns, lists and the contents of folders."""

from __future__ import annotations

import contextlib
import io
import os
import re
import sys
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import TypeAlias

from convfilter.errors import OptionError, describe, escaped
from convfilter.files import STREAM
from convfilter.images.formats import extension_in, format_of_name, sniff
from convfilter.images.opening import OTHER_EXTENSIONS

__all__ = [
    "Input",
    "find_inputs",
    "format_of_stdin",
    "identity",
    "named_inputs",
    "passed_over_in_words",
]

_LONGEST_LIST = 1 << 28


Input: TypeAlias = tuple[str, str | None]
"""The path of an image, and the folder argument that it was found under, if any."""


def named_inputs(arguments: Sequence[str], files_from: str | None, null: bool) -> tuple[list[str], bool]:
    """Return the inputs named by arguments, patterns and a list, and whether they may be several images."""
    names: list[str] = []
    several = len(arguments) > 1 or files_from is not None
    for argument in arguments:
        matched = _matched(argument)
        several = several or bool(matched) or (argument != STREAM and os.path.isdir(argument))
        names += matched or [argument]
    if files_from == STREAM and STREAM in names:
        raise OptionError("standard input cannot be a list and an image: use a file for the list")
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
        places = [os.path.join(place, "") for top in found for place, _ in _walk(top)]
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
        raise OptionError(f"{option}: it names no images")
    if not null and b"\0" in data:
        raise OptionError(f"{option}: its names end in NUL bytes: add -0")
    return names


def format_of_stdin() -> str | None:
    """Return the format of the image on standard input by its first bytes, which stay there."""
    peek = getattr(getattr(sys.stdin, "buffer", None), "peek", None)
    if peek is None:
        return None
    with contextlib.suppress(OSError):
        return sniff(io.BytesIO(peek(16)), None)
    return None


def find_inputs(
    arguments: Sequence[str], left_out: Sequence[str]
) -> tuple[list[Input], list[str], Counter[str]]:
    """List the images that arguments stand for, each once, and the folders that could not be listed.

    In a folder these are the visible files with the extension of a readable format; image files of other
    types are counted by extension. Output folders are left out unless they are arguments.
    """
    inputs: dict[str, Input] = {}
    problems: list[str] = []
    others: set[str] = set()
    outputs = {identity(folder) for folder in left_out} - {None}
    for argument in arguments:
        found: Iterable[Input] = [(argument, None)]
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
    passed_over = Counter(map(extension_in, others - inputs.keys()))
    if not inputs and not problems:
        names = ", ".join(map(escaped, arguments))
        mend = "name files, or folders with files of a known extension"
        if passed_over:
            mend = f"{passed_over_in_words(passed_over)}: convert such files first"
        raise OptionError(f"no images found in {names}: {mend}")
    return list(inputs.values()), problems, passed_over


def passed_over_in_words(counts: Counter[str]) -> str:
    """Return how many image files were passed over: ``passed over 2 files of other types (2 .heic)``."""
    total = counts.total()
    files = "1 file of another type" if total == 1 else f"{total} files of other types"
    by_number = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return f"passed over {files} ({', '.join(f'{count} {extension}' for extension, count in by_number)})"


def _walk(
    folder: str, left_out: Collection[tuple[int, int] | None] = (), problems: list[str] | None = None
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
            if problems is not None:
                problems.append(f"{escaped(place)}: {describe(error)}")
        yield place, sorted(names)
        below = [os.path.join(place, name) for name in sorted(folders, reverse=True)]
        places += [each for each in below if identity(each) not in left_out]


def identity(path: str) -> tuple[int, int] | None:
    """Return what identifies a file, by whatever name; None if there is none."""
    if path == STREAM:
        return None
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return None
    return status.st_dev, status.st_ino
