"""The door that every file comes in by: what it is, that it is safe to touch, and errors in one line."""

from __future__ import annotations

import contextlib
import io
import os
import stat
import warnings as python_warnings
from collections.abc import Iterator
from typing import BinaryIO

from PIL import Image, ImageFile, UnidentifiedImageError

from convfilter.errors import ConvfilterError, ImageError
from convfilter.images.formats import FORMATS, format_of_name
from convfilter.images.headers import gif_turns_coloured, webp_size
from convfilter.images.plugins import coloured_gif, load_plugin, pillow_name, sniff
from convfilter.messages import describe, one_line, shown

__all__ = ["check_pixels", "collected", "format_of", "frame_named", "image_of", "opened", "reasons"]

_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


@contextlib.contextmanager
def opened(source: str | os.PathLike[str] | BinaryIO) -> Iterator[tuple[BinaryIO, str | None]]:
    """Open a source.

    Parameters
    ----------
    source : str, path-like or binary file object
        A regular file or a stream; the latter is not closed.

    Yields
    ------
    tuple of file object and str or None
        A stream that can be rewound, and the file's name if it has one.

    Raises
    ------
    ImageError
        If there is no such file, it cannot be read or is not a regular one.
    """
    if not isinstance(source, (str, os.PathLike)):
        yield (source if source.seekable() else io.BytesIO(source.read())), None
        return
    name = os.fspath(source)
    try:
        # A look first, because opening some devices has effects; the second, at what has been opened,
        # counts. Opened without O_NONBLOCK, a pipe put there meanwhile would wait for ever.
        _check_regular(os.stat(name))
        flags = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)
        stream = os.fdopen(os.open(name, flags | getattr(os, "O_CLOEXEC", 0)), "rb")
    except ValueError as error:
        if isinstance(error, ImageError):
            raise
        raise ImageError(f"not a file name ({shown(str(error))})") from None
    except OSError as error:
        raise ImageError(f"cannot be opened: {describe(error)}") from None
    with stream:
        _check_regular(os.fstat(stream.fileno()))
        yield stream, name


def _check_regular(status: os.stat_result) -> None:
    """Refuse all but regular files."""
    if not stat.S_ISREG(status.st_mode):
        kind = next((words for test, words in _KINDS if test(status.st_mode)), "no regular file")
        raise ImageError(f"is {kind}, not a picture file")


@contextlib.contextmanager
def reasons(what: str) -> Iterator[None]:
    """Turn whatever a decoder raises into an `ImageError` of one line.

    Parameters
    ----------
    what : str
        What the message begins with, such as ``broken png data``.
    """
    try:
        yield
    except ConvfilterError:
        raise
    except MemoryError:
        raise ImageError("not enough memory for it") from None
    except UnidentifiedImageError:
        raise ImageError(f"{what} (the header makes no sense)") from None
    except Exception as error:  # decoders raise all kinds of errors over broken data
        if isinstance(error, OSError) and error.errno:
            raise ImageError(describe(error)) from None
        reason = one_line(error)
        raise ImageError(f"{what} ({reason})" if reason else what) from None


@contextlib.contextmanager
def collected(warnings: list[str]) -> Iterator[None]:
    """Gather what is warned about instead of printing it.

    Parameters
    ----------
    warnings : list of str
        Gets each warning once, as one line.
    """
    with python_warnings.catch_warnings(record=True) as caught:
        python_warnings.simplefilter("always")
        yield
    for warning in caught:
        line = one_line(warning.message)
        if line not in warnings:
            warnings.append(line)


def format_of(stream: BinaryIO, name: str | None, warnings: list[str]) -> str:
    """Tell a file's format by its content.

    Parameters
    ----------
    stream : file object
        The file, seekable.
    name : str or None
        Its name.
    warnings : list of str
        Gets a line if the name promises something else.

    Returns
    -------
    str
        A name out of `FORMATS`.

    Raises
    ------
    ImageError
        If it is none of them.
    """
    found = sniff(stream, name)
    if found is None:
        if not stream.read(1):
            raise ImageError("the file is empty")
        raise ImageError(f"not a picture of a known format ({', '.join(FORMATS)})")
    promised = format_of_name(name) if name is not None else None
    if promised not in (None, found):
        warnings.append(f"holds {found} data in spite of its name")
    return found


def image_of(stream: BinaryIO, form: str, max_pixels: int | None) -> ImageFile.ImageFile:
    """Have Pillow parse a picture's header.

    Parameters
    ----------
    stream : file object
        The file.
    form : str
        Its format.
    max_pixels : int or None
        The largest picture to go on with.

    Returns
    -------
    PIL.ImageFile.ImageFile
        The picture, not decoded yet.

    Raises
    ------
    ImageError
        If it has too many pixels. Pillow's own errors pass.
    """
    if form == "webp":  # its decoder makes room for the picture as soon as it is opened
        check_pixels(webp_size(stream), max_pixels)
    load_plugin(form)
    image = Image.open(stream, formats=[pillow_name(form)])
    if form == "gif" and image.mode == "L" and gif_turns_coloured(stream):
        image = coloured_gif(stream)
    check_pixels(image.size, max_pixels)
    return image


def check_pixels(size: tuple[int, int], max_pixels: int | None, frames: int = 1) -> None:
    """Refuse a picture that is too large.

    Parameters
    ----------
    size : tuple of int
        Width and height.
    max_pixels : int or None
        The most pixels allowed, None for any number.
    frames : int
        How many of that size are to be held at once.

    Raises
    ------
    ImageError
        If it has more.
    """
    width, height = size
    total = frames * width * height
    if max_pixels is not None and total > max_pixels:
        several = f"{frames} frames of " if frames > 1 else ""
        raise ImageError(
            f"{several}{width} x {height} pixels are more than {max_pixels}; "
            f"if you trust the file, allow them with --max-pixels {total}"
        )


@contextlib.contextmanager
def frame_named(number: int, count: int | None) -> Iterator[None]:
    """Say which of several frames an error is about.

    Parameters
    ----------
    number, count : int
        The frame, counted from 0, and how many there are; None where nobody knows yet.
    """
    try:
        yield
    except ConvfilterError as error:
        if count == 1:
            raise
        of = "" if count is None else f" of {count}"
        raise ImageError(f"frame {number + 1}{of}: {error}") from None
