"""Which pictures are meant: files as named, folders as trees."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from convfilter.errors import ConvfilterError
from convfilter.files import describe, shown
from convfilter.images.formats import format_of_name

__all__ = ["STREAM", "Input", "find_inputs"]

STREAM = "-"


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
            key = each.path if each.path == STREAM else os.path.abspath(each.path)
            if key not in seen:
                seen.add(key)
                inputs.append(each)
    if not inputs and not problems:
        names = ", ".join(shown(argument) for argument in arguments)
        raise ConvfilterError(
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
