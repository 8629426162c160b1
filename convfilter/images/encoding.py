"""How pictures are to be written, in the words that all encoders share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

from numpy.typing import NDArray
from PIL import Image

from convfilter.errors import OptionError
from convfilter.images.to_pillow import background_colour
from convfilter.messages import brief, check_choice
from convfilter.vocabulary import COMPRESSIONS

__all__ = ["Encoding", "Options", "Raster", "Samples", "present"]

Options: TypeAlias = dict[str, Any]
"""Options of Pillow's `save`."""


class Samples(NamedTuple):
    """A picture that is encoded without Pillow, and what its channels mean."""

    pixels: NDArray[Any]
    mode: str


Raster: TypeAlias = Image.Image | Samples
"""A picture ready to be encoded."""


@dataclass(frozen=True)
class Encoding:
    """How to write a file.

    Attributes
    ----------
    quality : int or None
        1 to 100 for JPEG, WebP and AVIF. None takes over a JPEG's own tables, writes WebP without loss
        if the input had none, and is 90 otherwise.
    compress : str
        ``fast``, or ``small`` for the smallest file, at any price in time.
    background : str
        The colour that transparent pixels are laid on where the format has no alpha.
    strip : bool
        Whether to leave out all metadata.

    Raises
    ------
    OptionError
        If there is no such quality, compression or colour.
    """

    quality: int | None = None
    compress: str = "fast"
    background: str = "white"
    strip: bool = False

    def __post_init__(self) -> None:
        whole = isinstance(self.quality, int) and not isinstance(self.quality, bool)
        if self.quality is not None and not (whole and 1 <= self.quality <= 100):
            raise OptionError(f"quality {brief(self.quality)} is not a whole number from 1 to 100")
        check_choice("compress", self.compress, COMPRESSIONS)
        background_colour(self.background)


def present(**options: object) -> Options:
    """Return the options that have a value."""
    return {name: value for name, value in options.items() if value is not None}
