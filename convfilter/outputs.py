"""Where outputs go: to a file as a whole, or to standard output, and in words what went wrong there."""

from __future__ import annotations

import errno
import io
import os
import sys
from collections.abc import Callable, Iterable
from typing import BinaryIO

from convfilter.errors import ImageError, OptionError
from convfilter.files import commit
from convfilter.messages import describe, discard, shown

__all__ = [
    "STREAM",
    "check_output",
    "deliver",
    "print_bytes",
    "refuse_input",
    "refuse_terminal",
]

STREAM = "-"
"""The name of standard input and output."""


def check_output(path: str, *, overwrite: bool) -> None:
    """Refuse an output that cannot be made, before anything is computed.

    Parameters
    ----------
    path : str
        A file name, or `STREAM`.
    overwrite : bool
        Whether a file that exists may be replaced.

    Raises
    ------
    ImageError
        If it is a folder, or exists and must not be replaced.
    """
    if path == STREAM:
        return
    if os.path.isdir(path):
        raise ImageError(f"{shown(path)} is a folder: name a file")
    if os.path.lexists(path) and not overwrite:
        raise _exists(path)


def refuse_input(output: str, inputs: Iterable[str]) -> None:
    """Refuse to write over what is read, by whatever name or link.

    Parameters
    ----------
    output : str
        A file name, or `STREAM`.
    inputs : iterable of str
        Files that are read.

    Raises
    ------
    ConvfilterError
        If one of them is the output.
    """
    for each in inputs if output != STREAM and os.path.exists(output) else ():
        if os.path.exists(each) and os.path.samefile(output, each):
            raise OptionError(f"output {shown(output)} is the input {shown(each)}: name another file")


def deliver(path: str, write: Callable[[BinaryIO], object], *, overwrite: bool) -> None:
    """Write an output, to its file as a whole or not at all.

    Parameters
    ----------
    path : str
        A file name, or `STREAM`.
    write : callable
        Given a buffered binary stream, writes everything to it.
    overwrite : bool
        Whether a file that exists may be replaced.

    Raises
    ------
    ImageError
        If the file exists and must not be replaced, or cannot be written.
    """
    if path == STREAM:
        print_bytes(write)
        return
    try:
        commit(path, write, overwrite=overwrite)
    except FileExistsError:
        raise _exists(path) from None
    except OSError as error:
        raise ImageError(f"{shown(path)} cannot be written: {describe(error)}") from None


def print_bytes(write: Callable[[BinaryIO], object]) -> None:
    """Write to standard output, once all that is to be written is there.

    Parameters
    ----------
    write : callable
        As for `deliver`.

    Raises
    ------
    ImageError
        If standard output is closed.
    OSError
        Whatever standard output raises.
    """
    if sys.stdout is None:
        raise ImageError("standard output is closed")
    buffer = io.BytesIO()
    write(buffer)
    try:
        with buffer.getbuffer() as data:
            _write_all(sys.stdout.buffer, data)
        sys.stdout.buffer.flush()
    except OSError:
        discard(sys.stdout)
        raise


def _write_all(stream: BinaryIO, data: memoryview) -> None:
    """Write all of some bytes: a stream without a buffer may take a part of them only."""
    while data:
        count = stream.write(data)
        if not count:
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        data = data[count:]


def refuse_terminal() -> None:
    """Refuse to write a picture to a terminal, which would take its bytes for commands.

    Raises
    ------
    ConvfilterError
        If standard output is one.
    """
    if sys.stdout is not None and sys.stdout.isatty():
        raise OptionError(
            "standard output is a terminal: pass the picture on with '|' or '>', or name a file with -o"
        )


def _exists(path: str) -> ImageError:
    return ImageError(f"{shown(path)}: the output exists: give --overwrite to replace it")
