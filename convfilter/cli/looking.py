"""Pictures that a command looks at: their errors and warnings, with the file's name in front."""

from __future__ import annotations

from convfilter.errors import ImageError
from convfilter.images.picture import Picture
from convfilter.images.reading import read_picture
from convfilter.messages import complain, shown
from convfilter.vocabulary import MAX_PIXELS

__all__ = ["read_named", "tell_warnings"]


def read_named(
    path: str,
    *,
    quiet: bool = False,
    max_pixels: int = MAX_PIXELS,
    orient: bool = True,
    frame: int | None = None,
) -> Picture:
    """Read a picture of a file and tell its warnings.

    Parameters
    ----------
    path : str
        The file.
    quiet : bool
        Whether warnings stay untold.
    max_pixels, orient
        As in `read_picture`.
    frame : int, optional
        Which picture of a file of several; without it the first, and that there are more is told.

    Raises
    ------
    ImageError
        As `read_picture`, naming the file.
    """
    try:
        picture = read_picture(path, max_pixels=max_pixels, orient=orient, frame=frame or 0)
    except ImageError as error:
        raise ImageError(f"{shown(path)}: {error}") from None
    if picture.frames > 1 and frame is None:
        picture.warnings.append(f"holds {picture.frames} frames: only the first is looked at")
    if not quiet:
        tell_warnings(path, picture)
    return picture


def tell_warnings(path: str, picture: Picture) -> None:
    """Print on stderr what was lost in reading."""
    for warning in picture.warnings:
        complain(f"{path}: warning: {warning}")
