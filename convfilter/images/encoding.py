"""How pictures are to be written, in the words that all encoders share."""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias

from numpy.typing import NDArray
from PIL import Image

from convfilter.errors import OptionError
from convfilter.images.to_pillow import background_colour
from convfilter.messages import brief
from convfilter.options import EncodeOptions, check_choices

__all__ = ["Options", "Raster", "Samples", "check_encoding", "present"]

Options: TypeAlias = dict[str, Any]
"""Options of Pillow's `save`."""


class Samples(NamedTuple):
    """A picture that is encoded without Pillow, and what its channels mean."""

    pixels: NDArray[Any]
    mode: str


Raster: TypeAlias = Image.Image | Samples
"""A picture ready to be encoded."""


def check_encoding(options: EncodeOptions) -> None:
    """Refuse a quality, compression or colour that does not exist."""
    quality = options.quality
    whole = isinstance(quality, int) and not isinstance(quality, bool)
    if quality is not None and not (whole and 1 <= quality <= 100):
        raise OptionError(f"quality {brief(quality)} is not an integer from 1 to 100")
    check_choices(options)
    background_colour(options.background)


def present(**options: object) -> Options:
    """Return the options that have a value."""
    return {name: value for name, value in options.items() if value is not None}
