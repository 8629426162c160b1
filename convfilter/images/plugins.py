"""Which of Pillow's plugins serves a picture, told from its first bytes, and only that one loaded.

Importing all forty of them takes longer than reading most pictures, and some start other programs.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import Any, BinaryIO

from PIL import Image, ImageFile, ImagePalette

from convfilter.images.formats import FORMATS, format_of_name
from convfilter.images.library import reasons

__all__ = ["coloured_gif", "load_plugin", "pillow_name", "sniff"]

# Pictures are measured against the caller's limit, from the header, before anything is decoded; Pillow's
# own limit would warn or refuse behind its back.
Image.MAX_IMAGE_PIXELS = None

_MODULES = {
    "png": "PngImagePlugin",
    "jpeg": "JpegImagePlugin",
    "tiff": "TiffImagePlugin",
    "webp": "WebPImagePlugin",
    "bmp": "BmpImagePlugin",
    "gif": "GifImagePlugin",
    "tga": "TgaImagePlugin",
    "avif": "AvifImagePlugin",
}

_MAGIC: tuple[tuple[int, bytes, str], ...] = (
    (0, b"\x89PNG\r\n\x1a\n", "png"),
    (0, b"\xff\xd8\xff", "jpeg"),
    (0, b"II\x2a\x00", "tiff"),
    (0, b"MM\x00\x2a", "tiff"),
    (0, b"II\x2b\x00", "tiff"),
    (0, b"MM\x00\x2b", "tiff"),
    (8, b"WEBP", "webp"),
    (0, b"BM", "bmp"),
    (0, b"GIF87a", "gif"),
    (0, b"GIF89a", "gif"),
    (4, b"ftypavif", "avif"),
    (4, b"ftypavis", "avif"),
    (4, b"ftypmif1", "avif"),
    (4, b"ftypmsf1", "avif"),
    (0, b"\x93NUMPY", "npy"),
)
_TGA_FOOTER = b"TRUEVISION-XFILE.\x00"


def load_plugin(format: str) -> None:
    """Have Pillow read and write a format.

    Parameters
    ----------
    format : str
        A name out of `FORMATS` other than ``npy`` and ``ppm``.
    """
    plugin: Any = import_module(f"PIL.{_MODULES[format]}")
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
    plugin: Any = import_module(f"PIL.{_MODULES['gif']}")

    class ColouredGif(plugin.GifImageFile):  # type: ignore[misc]  # a plugin that is loaded late has no type
        global_palette = ImagePalette.raw("RGB", bytes(level for grey in range(256) for level in [grey] * 3))

        def _is_palette_needed(self, p: bytes) -> bool:
            return True

    stream.seek(0)
    with reasons("broken gif data"):
        image: ImageFile.ImageFile = ColouredGif(stream)
    return image


def pillow_name(format: str) -> str:
    """Return what Pillow calls a format.

    Parameters
    ----------
    format : str
        A name out of `FORMATS`.

    Returns
    -------
    str
        Its name in upper case.
    """
    return format.upper()


def sniff(stream: BinaryIO, name: str | None) -> str | None:
    """Tell a file's format from its bytes.

    Parameters
    ----------
    stream : file object
        The file, seekable; read from its beginning and left there.
    name : str or None
        The file's name if it has one. It counts for TGA alone, which has no signature.

    Returns
    -------
    str or None
        A name out of `FORMATS`; None for anything else.
    """
    stream.seek(0)
    head = stream.read(16)
    stream.seek(0)
    for start, magic, found in _MAGIC:
        if head[start : start + len(magic)] == magic:
            return found
    if head[:1] == b"P" and head[1:2] in b"123456" and head[2:3] in b" \t\r\n\v\f#":
        return "ppm"
    named = format_of_name(name) if name is not None else None
    return "tga" if named == "tga" or _ends_as_tga(stream) else None


def _ends_as_tga(stream: BinaryIO) -> bool:
    """Tell whether a file carries the footer of a TGA of version 2."""
    size = stream.seek(0, os.SEEK_END)
    stream.seek(max(0, size - len(_TGA_FOOTER)))
    footer = stream.read(len(_TGA_FOOTER))
    stream.seek(0)
    return footer == _TGA_FOOTER


assert set(_MODULES) | {"npy", "ppm"} == set(FORMATS)
