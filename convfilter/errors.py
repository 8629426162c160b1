"""What can go wrong, as a short list of classes.

A message names the wrong value, says why it is wrong and how to mend it, in one line.
"""

from __future__ import annotations

__all__ = ["ConvfilterError", "ImageError", "KernelError", "OptionError", "ShapeError", "with_name"]


class ConvfilterError(ValueError):
    """Anything convfilter refuses; the base of all its errors."""


class KernelError(ConvfilterError):
    """A kernel that does not exist, cannot be read or cannot be used."""


class ImageError(ConvfilterError):
    """An image that cannot be read, filtered or written."""


class ShapeError(ConvfilterError):
    """Sizes, paddings, strides or dilations that do not fit together."""


class OptionError(ConvfilterError):
    """An option or argument whose value is not one of those it takes."""


def with_name(error: ConvfilterError, name: str) -> ConvfilterError:
    """Return an error of the same class whose message begins with the name of what it is about."""
    return type(error)(f"{name}: {error}")
