"""Drawings into files: as whole as any other output, and never over one that exists unless told to."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Iterable
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from convfilter.errors import ConvfilterError, ImageError
from convfilter.files import commit
from convfilter.images.animation import write_frames
from convfilter.images.formats import FORMATS, format_of_name
from convfilter.images.metadata import Metadata
from convfilter.images.picture import Picture
from convfilter.images.writing import write_picture
from convfilter.messages import describe, shown

__all__ = ["STREAM", "check_drawing", "save_animation", "save_drawing"]

STREAM = "-"


def check_drawing(path: str, *, overwrite: bool, animated: bool = False) -> str:
    """Refuse what a drawing cannot be written to, before it is drawn.

    Parameters
    ----------
    path : str
        A file name; ``-`` is standard output, which gets a PNG.
    overwrite : bool
        Whether a file that exists may be replaced.
    animated : bool
        Whether there are several frames.

    Returns
    -------
    str
        The format, out of `convfilter.images.formats.FORMATS`.

    Raises
    ------
    ConvfilterError
        If the name promises no format for it.
    ImageError
        If the file exists.
    """
    form = "png" if path == STREAM else format_of_name(path)
    if form is None or (animated and not FORMATS[form].frames) or form == "npy":
        use = ".gif or .png" if animated else ".png or .jpg"
        raise ConvfilterError(f"'{shown(path)}' is no name for a drawing: let it end in {use}")
    if path != STREAM and os.path.lexists(path) and not overwrite:
        raise ImageError(f"{shown(path)}: the output exists: give --overwrite to replace it")
    return form


def save_drawing(path: str, pixels: NDArray[np.uint8], *, overwrite: bool = False) -> None:
    """Write a drawing.

    Parameters
    ----------
    path, overwrite
        As for `check_drawing`.
    pixels : ndarray of uint8 and shape (H, W, 3)
        The drawing.

    Raises
    ------
    ConvfilterError
        As `check_drawing`, or if it cannot be written.
    """
    form = check_drawing(path, overwrite=overwrite)
    _put(path, lambda stream: write_picture(stream, Picture(pixels, "RGB", "png"), form), overwrite)


def save_animation(
    path: str, frames: Iterable[NDArray[np.uint8]], count: int, milliseconds: int, *, overwrite: bool = False
) -> None:
    """Write frames that are shown again and again.

    Parameters
    ----------
    path, overwrite
        As for `check_drawing`.
    frames : iterable of ndarray of uint8 and shape (H, W, 3)
        In their order.
    count : int
        How many there are.
    milliseconds : int
        How long each is shown; the last one three times as long.
    """
    form = check_drawing(path, overwrite=overwrite, animated=True)
    pictures = (
        Picture(frame, "RGB", "png", Metadata(duration=milliseconds * (3 if number == count - 1 else 1)))
        for number, frame in enumerate(frames)
    )
    _put(path, lambda stream: write_frames(stream, pictures, count, form), overwrite)


def _put(path: str, write: Callable[[BinaryIO], Any], overwrite: bool) -> None:
    if path == STREAM:
        buffer = io.BytesIO()
        write(buffer)
        with buffer.getbuffer() as data:
            sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
        return
    try:
        commit(path, write, overwrite=overwrite)
    except FileExistsError:
        raise ImageError(f"{shown(path)}: the output exists: give --overwrite to replace it") from None
    except OSError as error:
        raise ImageError(f"{shown(path)} cannot be written: {describe(error)}") from None
