"""Which of Pillow's plugins serves a picture, told from its first bytes, and only that one loaded.

Importing all forty of them takes longer than reading most pictures, and some start other programs.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any, BinaryIO

from PIL import Image, ImageFile, ImagePalette

from convfilter.images.formats import FORMATS
from convfilter.images.library import reasons

__all__ = ["coloured_gif", "load_plugin"]

# Pictures are measured against the caller's limit, from the header, before anything is decoded; Pillow's
# own limit would warn or refuse behind its back.
Image.MAX_IMAGE_PIXELS = None


def load_plugin(format: str) -> None:
    """Have Pillow read and write a format.

    Parameters
    ----------
    format : str
        A name out of `FORMATS` other than ``npy`` and ``ppm``.
    """
    plugin: Any = import_module(f"PIL.{FORMATS[format].plugin}")
    if format == "avif":  # pictures run side by side, each on one thread
        plugin.DEFAULT_MAX_THREADS = 1


def coloured_gif(stream: BinaryIO) -> ImageFile.ImageFile:
    """Return a GIF whose grey palettes are palettes like others.

    Parameters
    ----------
    stream : file object
        The file.

    Returns
    -------
    PIL.ImageFile.ImageFile
        The picture. Once Pillow has begun with plain greys it has no place for colours that follow.
    """
    plugin: Any = import_module(f"PIL.{FORMATS['gif'].plugin}")

    class ColouredGif(plugin.GifImageFile):  # type: ignore[misc]  # a plugin that is loaded late has no type
        global_palette = ImagePalette.raw("RGB", bytes(level for grey in range(256) for level in [grey] * 3))

        def _is_palette_needed(self, p: bytes) -> bool:
            return True

    stream.seek(0)
    with reasons("broken gif data"):
        image: ImageFile.ImageFile = ColouredGif(stream)
    return image
