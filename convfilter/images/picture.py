"""What a picture is between its file and the filters, and what its header tells of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from numpy.typing import NDArray

from convfilter.images.metadata import Metadata

__all__ = ["Picture", "Size"]


@dataclass
class Picture:
    """One picture and what came with it.

    Attributes
    ----------
    pixels : ndarray of shape (H, W) or (H, W, C)
        Integers of 8 to 32 bits, float32 or float64, in native byte order and C order.
    mode : str
        What the channels mean: ``L LA RGB RGBA CMYK LAB``, ``I;16``, ``I`` and ``F`` for grey of uint16, of
        other integers and of floats, ``C5`` for five channels out of ``.npy``, ``RGBX`` for colours and one
        channel without a meaning, and so on.
    format : str
        The format of the file, out of `convfilter.images.formats.FORMATS`.
    metadata : Metadata
        What the file says beside the pixels.
    warnings : list of str
        What the user should know, one line each.
    frames : int
        How many pictures the file holds.
    """

    pixels: NDArray[Any]
    mode: str
    format: str
    metadata: Metadata = field(default_factory=Metadata)
    warnings: list[str] = field(default_factory=list)
    frames: int = 1


class Size(NamedTuple):
    """What a picture's header tells.

    Attributes
    ----------
    width, height : int
        In pixels, as the picture is seen.
    channels : int
        Channels of each pixel.
    mode, dtype, format : str
        As `read_picture` would return them, the samples' type by its name.
    frames : int
        How many pictures the file holds.
    """

    width: int
    height: int
    channels: int
    mode: str
    dtype: str
    format: str
    frames: int
