"""What can go wrong, as a short list of classes.

A message names the wrong value, says why it is wrong and how to mend it, in one line.
"""

from __future__ import annotations

__all__ = ["ConvfilterError", "ImageError", "KernelError", "ShapeError", "with_name"]


class ConvfilterError(Exception):
    """Anything convfilter refuses; the base of all its errors."""


class KernelError(ConvfilterError, ValueError):
    """A kernel that does not exist, cannot be read or cannot be used."""


class ImageError(ConvfilterError, ValueError):
    """A picture that cannot be read, filtered or written."""


class ShapeError(ConvfilterError, ValueError):
    """Sizes, paddings, strides or dilations that do not fit together."""


def with_name(error: ConvfilterError, name: str) -> ConvfilterError:
    """Return an error of the same kind whose message begins with the name of what it is about."""
    kinds = (KernelError, ImageError, ShapeError)
    return next((kind for kind in kinds if isinstance(error, kind)), ConvfilterError)(f"{name}: {error}")
