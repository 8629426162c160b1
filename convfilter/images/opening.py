"""The door that every file comes in by: what it is, that it is safe to touch, and errors in one line."""

from __future__ import annotations

import contextlib
import io
import os
import stat
from collections.abc import Iterator
from typing import BinaryIO

from PIL import Image, ImageFile

from convfilter.errors import ImageError
from convfilter.images.formats import FORMATS, format_of_name, sniff
from convfilter.images.headers import gif_layout
from convfilter.images.library import reasons
from convfilter.images.limits import check_density, check_header, check_pixels
from convfilter.images.plugins import coloured_gif, load_plugin
from convfilter.messages import describe, shown

__all__ = ["format_of", "image_of", "opened"]

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
    """Have Pillow parse an image's header, once our own look at it has found no bomb.

    Parameters
    ----------
    stream : file object
        The file.
    form : str
        Its format.
    max_pixels : int or None
        The largest image to go on with.

    Returns
    -------
    PIL.ImageFile.ImageFile
        The image, not decoded yet.

    Raises
    ------
    ImageError
        If it is broken or larger than the limits.
    """
    check_header(stream, form, max_pixels)
    stream.seek(0)
    load_plugin(form)
    names = [form.upper()]
    with reasons(f"broken {form} data"):
        image = Image.open(stream, formats=names)
    if form == "gif" and image.mode == "L" and gif_layout(stream).turns_coloured:
        image = coloured_gif(stream)
    check_pixels(image.size, max_pixels)
    if form == "avif":
        check_density(stream, image.size, max_pixels)
    return image
