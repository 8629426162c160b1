"""Drawings into files: as whole as any other output, and never over one that exists unless told to."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from convfilter.errors import OptionError
from convfilter.files import STREAM, check_output, refuse_terminal, write_output
from convfilter.images.animation import write_frames
from convfilter.images.formats import FORMATS, format_of_name
from convfilter.images.metadata import Metadata
from convfilter.images.picture import Picture
from convfilter.images.writing import write_picture
from convfilter.messages import shown

__all__ = ["check_drawing", "save_animation", "save_drawing"]


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
        If the name promises no format for it, or it would be written to a terminal.
    ImageError
        If the file exists or is a folder.
    """
    form = "png" if path == STREAM else format_of_name(path)
    if form is None or (animated and not FORMATS[form].frames) or form == "npy":
        use = ".gif or .png" if animated else ".png or .jpg"
        raise OptionError(f"'{shown(path)}' is no name for a drawing: let it end in {use}")
    if path == STREAM:
        refuse_terminal()
    check_output(path, overwrite=overwrite)
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
    picture = Picture(pixels, "RGB", "png")
    write_output(path, lambda stream: write_picture(stream, picture, form), overwrite=overwrite)


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

    Raises
    ------
    ConvfilterError
        As `check_drawing`, or if they cannot be written.
    """
    form = check_drawing(path, overwrite=overwrite, animated=True)
    pictures = (
        Picture(frame, "RGB", "png", Metadata(duration=milliseconds * (3 if number == count - 1 else 1)))
        for number, frame in enumerate(frames)
    )
    write_output(path, lambda stream: write_frames(stream, pictures, count, form), overwrite=overwrite)
