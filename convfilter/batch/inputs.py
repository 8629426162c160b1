"""Which pictures are meant: files as named, folders as trees."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from convfilter.errors import OptionError
from convfilter.images.formats import format_of_name
from convfilter.messages import describe, shown
from convfilter.outputs import STREAM

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
    """Return what a pattern matches; None for what is no pattern or matches nothing."""
    if argument == STREAM or not any(mark in argument for mark in "*?[") or os.path.lexists(argument):
        return None
    import glob

    return sorted(glob.glob(argument, recursive=True)) or None


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
    hidden = {os.path.realpath(folder) for folder in leave_out}
    for argument in arguments:
        if argument != STREAM and os.path.isdir(argument):
            found: Iterator[Input] = _walk(argument, hidden, problems)
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


def _walk(folder: str, hidden: set[str], problems: list[str]) -> Iterator[Input]:
    def note(error: OSError) -> None:
        problems.append(f"{shown(error.filename)}: {describe(error)}")

    for place, folders, names in os.walk(folder, onerror=note):
        folders[:] = sorted(
            name
            for name in folders
            if not name.startswith(".") and os.path.realpath(os.path.join(place, name)) not in hidden
        )
        for name in sorted(names):
            if not name.startswith(".") and format_of_name(name):
                yield Input(os.path.join(place, name), folder)
