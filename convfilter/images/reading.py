"""From a file to an array of pixels: one picture, or what its header tells."""

from __future__ import annotations

import os
from typing import BinaryIO

from convfilter.errors import ImageError
from convfilter.images.frames import opened_frames
from convfilter.images.picture import Picture, Size
from convfilter.options import MAX_PIXELS

__all__ = ["read_picture", "read_size"]


def read_picture(
    source: str | os.PathLike[str] | BinaryIO,
    *,
    max_pixels: int = MAX_PIXELS,
    orient: bool = True,
    frame: int = 0,
) -> Picture:
    """Read a picture.

    Parameters
    ----------
    source : str, path-like or binary file object
        A regular file, or a stream, which is read from its beginning if it can be rewound.
    max_pixels : int
        The largest picture to decode, told from the header.
    orient : bool
        Whether to turn the picture as its EXIF orientation says (and reset that tag).
    frame : int
        Which picture of a file of several.

    Returns
    -------
    Picture
        Palettes come as RGB or RGBA, black and white as grey of 0 and 255, YCbCr and HSV as RGB;
        a colour marked as transparent becomes alpha.

    Raises
    ------
    ImageError
        If it cannot be read, is damaged or truncated, or has too many pixels. The message is one line
        and does not name the file.
    """
    with opened_frames(source, max_pixels=max_pixels, orient=orient) as frames:
        if frame >= frames.count:
            raise ImageError(f"there is no frame {frame}: it holds {frames.count}, counted from 0")
        return frames.read(frame)


def read_size(source: str | os.PathLike[str] | BinaryIO, *, orient: bool = True) -> Size:
    """Read a picture's size and kind from its header, without decoding it.

    Parameters
    ----------
    source : str, path-like or binary file object
        As for `read_picture`.
    orient : bool
        Whether the orientation that the file tells counts.

    Returns
    -------
    Size
        Width and height first.

    Raises
    ------
    ImageError
        If there is no readable header.
    """
    with opened_frames(source, max_pixels=None, orient=orient) as frames:
        return frames.size()
