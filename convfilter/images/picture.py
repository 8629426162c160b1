"""An image between its file and the filters, and what its header says."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from numpy.typing import NDArray

from convfilter.errors import ImageError
from convfilter.images.metadata import Metadata
from convfilter.images.tiff_tags import SAME_GRID, Grid

__all__ = ["Picture", "Size", "check_mask_size", "check_mask_values"]


@dataclass
class Picture:
    """One image and what came with it; `frames` is how many images its file holds.

    The pixels have shape (H, W) or (H, W, C) and are integers of 8 to 32 bits, float32 or float64, in native
    byte order. The mode says what the channels mean: ``L LA RGB RGBA CMYK LAB``, ``I;16``, ``I`` and ``F``
    for grey of uint16, of other integers and of floats, ``C5`` for five channels without a meaning, ``RGBX``
    for colours and one of them.
    """

    pixels: NDArray[Any]
    mode: str
    format: str
    metadata: Metadata = field(default_factory=Metadata)
    warnings: list[str] = field(default_factory=list)
    frames: int = 1
    grid: Grid = field(default_factory=lambda: SAME_GRID)  # where the samples lie in the image that was read


class Size(NamedTuple):
    """What an image's header says: its size as displayed, and mode and type as they would be read."""

    width: int
    height: int
    channels: int
    mode: str
    dtype: str
    format: str
    frames: int


def check_mask_size(mask: tuple[int, ...], image: tuple[int, ...]) -> None:
    """Refuse a mask (H, W) that is not of the image's size."""
    if mask != image:
        sizes = "{1}x{0} and the image has {3}x{2}".format(*mask, *image)
        raise ImageError(f"the mask has {sizes}: give one of the image's size")


def check_mask_values(mask: NDArray[Any], full: int) -> None:
    """Refuse a mask with values outside its full scale."""
    if not (mask.min() >= 0 and mask.max() <= full):  # nan is neither
        raise ImageError(f"the mask holds values outside 0..{full}: scale it to its full scale")
