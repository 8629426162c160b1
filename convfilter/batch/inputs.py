"""Which pictures are meant: files as named, folders as trees."""

from __future__ import annotations

import contextlib
import io
import os
import re
import sys
from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

from convfilter.errors import OptionError
from convfilter.files import STREAM
from convfilter.images.formats import format_of_name
from convfilter.messages import describe, shown

__all__ = ["Input", "Named", "find_inputs", "format_of_stdin", "named_inputs"]

_LONGEST_LIST = 1 << 28


class Input(NamedTuple):
    """A picture to be filtered.

    Attributes
    ----------
    path : str
        Where it is; ``-`` is standard input.
    folder : str or None
        The folder argument that it was found under, None for a file named by hand.
    """

    path: str
    folder: str | None = None

    @property
    def below(self) -> str:
        """Its path below the folder argument; the bare name of a file named by hand."""
        if self.folder is None:
            return os.path.basename(self.path)
        return os.path.relpath(self.path, self.folder)


class Named(NamedTuple):
    """What a command line names as inputs.

    Attributes
    ----------
    arguments : list of str
        Files, folders and ``-``.
    several : bool
        Whether they may stand for more than one picture.
    """

    arguments: list[str]
    several: bool


def named_inputs(arguments: Sequence[str], files_from: str | None = None, *, null: bool = False) -> Named:
    """Gather what is named as inputs, by arguments, patterns and a list.

    Parameters
    ----------
    arguments : sequence of str
        Files, folders and ``-``; a pattern such as ``*.png`` that no file has as its name stands for what
        it matches, with ``**`` across folders.
    files_from : str, optional
        A file with one name a line; ``-`` is standard input.
    null : bool
        Whether the names there end in NUL bytes instead.

    Returns
    -------
    Named
        The names, the list's behind the arguments.

    Raises
    ------
    ConvfilterError
        If the list cannot be read, or standard input is to be both a list and a picture.
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
    from convfilter.images.plugins import sniff

    with contextlib.suppress(OSError):
        return sniff(io.BytesIO(peek(16)), None)
    return None


def find_inputs(arguments: Sequence[str], leave_out: Sequence[str] = ()) -> tuple[list[Input], list[str]]:
    """List the pictures that command line arguments stand for.

    Parameters
    ----------
    arguments : sequence of str
        Files, folders and ``-``. In a folder only visible files with a readable format's extension count, and
        links to folders are not followed; a file named by hand always counts.
    leave_out : sequence of str
        Output folders, whose contents are no inputs unless they are themselves arguments.

    Returns
    -------
    inputs : list of Input
        In the order of the arguments, folders sorted by name; a file named twice counts once.
    problems : list of str
        Folders that could not be listed, one line each.

    Raises
    ------
    ConvfilterError
        If no picture was found at all.
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
                        (folders if _is_folder(entry) else names).append(entry.name)
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


def _is_folder(entry: os.DirEntry[str]) -> bool:
    with contextlib.suppress(OSError):  # a link that leads in a circle
        return entry.is_dir()
    return False


def _identity(folder: str) -> tuple[int, int] | None:
    with contextlib.suppress(OSError, ValueError):
        status = os.stat(folder)
        return status.st_dev, status.st_ino
    return None
