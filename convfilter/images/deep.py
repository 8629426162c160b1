"""Pictures of more than 8 bits a colour, which Pillow would narrow: how they are told, and read in full."""

from __future__ import annotations

import io
import re
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile

from convfilter.errors import ImageError
from convfilter.images import codecs
from convfilter.images.headers import png_is_plain

__all__ = [
    "cannot_be_narrowed",
    "deep_type",
    "has_grey_and_alpha",
    "in_memory",
    "is_narrowed",
    "raw_mode",
    "read_samples",
    "register_deep_tiffs",
    "sample_reader",
    "tiff_tags",
]

_RAW_DEEP = re.compile(r";16[BLN]$|;(16|32|64)F$")
# Sample format and bits of a TIFF, and what the samples become.
_TIFF_TYPES = {(1, 16): "uint16", (3, 16): "float32", (3, 32): "float32", (3, 64): "float64"}
_SAMPLE_FORMAT, _BITS, _PLANES = 339, 258, 284
_PREMULTIPLIED = 1
_EXTRA = 338


def register_deep_tiffs(known: dict[Any, tuple[str, str]]) -> None:
    """Have Pillow open TIFFs of deep colours, whose samples it cannot read.

    Parameters
    ----------
    known : dict
        Pillow's table of what it opens, `PIL.TiffImagePlugin.OPEN_INFO`.
    """
    for prefix in (b"II", b"MM"):
        for kind, bits in ((1, 16), (3, 16), (3, 32), (3, 64)):
            for extra in ((), (0,), (1,), (2,)):
                for photometric, colours, mode in ((1, 1, "L"), (2, 3, "RGB")):
                    if not extra and colours == 1:
                        continue  # grey, which Pillow reads itself
                    key = (prefix, photometric, (kind,), 1, (bits,) * (colours + len(extra)), extra)
                    mode += "A" if extra in ((1,), (2,)) else ""
                    known.setdefault(key, (mode, f"{mode};{bits}F"))


def tiff_tags(image: Any) -> Any:
    """Return the tags of a TIFF, which Pillow's pictures have only if they are one."""
    return image.tag_v2


def is_narrowed(image: ImageFile.ImageFile) -> bool:
    """Tell whether Pillow would give fewer bits of each colour than the file holds."""
    return _raw_is_deep(image) or _has_deep_planes(image)


def raw_mode(image: ImageFile.ImageFile) -> str:
    """Return how the samples lie in the file, by Pillow's word for it."""
    if not image.tile:
        return ""
    args = image.tile[0].args
    return args if isinstance(args, str) else str(args[0]) if isinstance(args, tuple) and args else ""


def _raw_is_deep(image: ImageFile.ImageFile) -> bool:
    grey = image.mode in ("I", "F") or image.mode.startswith("I;16")
    return bool(_RAW_DEEP.search(raw_mode(image))) and not grey


def _has_deep_planes(image: ImageFile.ImageFile) -> bool:
    """Tell whether a TIFF has separate planes of deep samples, which Pillow would garble."""
    if image.format != "TIFF" or not image.tile or image.mode not in ("RGB", "RGBA", "CMYK", "LAB"):
        return False
    tags = tiff_tags(image)
    return bool(tags.get(_PLANES, 1) == 2 and max(tags.get(_BITS, (8,))) > 8)


def has_grey_and_alpha(image: ImageFile.ImageFile) -> bool:
    """Tell whether a file has two deep channels, of which Pillow would make four."""
    return raw_mode(image).startswith("LA;")


def cannot_be_narrowed(image: ImageFile.ImageFile) -> bool:
    """Tell whether Pillow opens a TIFF of deep colours but cannot read its samples, not even as 8 bits."""
    return _has_deep_planes(image) or raw_mode(image).endswith("F")


def deep_type(image: ImageFile.ImageFile, frames: int) -> str | None:
    """Return the type of deep samples that can be read here and now.

    Parameters
    ----------
    image : PIL.ImageFile.ImageFile
        The opened picture, not decoded yet.
    frames : int
        How many frames there are.

    Returns
    -------
    str or None
        numpy's name for it; None if the picture is read by Pillow.
    """
    if not codecs.available():
        return None
    if image.format == "PNG" and frames == 1:
        marked = raw_mode(image) == "I;16B" and image.info.get("transparency") is not None
        return "uint16" if marked or _raw_is_deep(image) else None
    if image.format == "TIFF" and image.mode in ("L", "LA", "RGB", "RGBA") and is_narrowed(image):
        tags = tiff_tags(image)
        return _TIFF_TYPES.get((tags.get(_SAMPLE_FORMAT, (1,))[0], max(tags.get(_BITS, (8,)))))
    return None


def sample_reader(image: ImageFile.ImageFile, stream: BinaryIO, frames: int, deep: str | None) -> bool:
    """Tell whether a picture's samples are read by `read_samples`, not by Pillow.

    Parameters
    ----------
    image : PIL.ImageFile.ImageFile
        The opened picture, not decoded yet.
    stream : file object
        Its file.
    frames : int
        How many frames there are.
    deep : str or None
        From `deep_type`.

    Returns
    -------
    bool
        Whether they are deep, or in a PNG that the codecs read twice as fast.
    """
    if deep is not None:
        return True
    return (
        image.format == "PNG"
        and frames == 1
        and raw_mode(image) == image.mode
        and image.mode in ("L", "LA", "RGB", "RGBA")
        and codecs.available()
        and png_is_plain(stream)
    )


def in_memory(stream: BinaryIO) -> io.BytesIO:
    """Return a file as one in memory, whose bytes can be had again and again; itself if it is one."""
    if isinstance(stream, io.BytesIO):
        return stream
    stream.seek(0)
    return io.BytesIO(stream.read())


def read_samples(image: ImageFile.ImageFile, stream: BinaryIO, mode: str, dtype: str) -> NDArray[Any]:
    """Read the samples of a picture as `sample_reader` promised.

    Parameters
    ----------
    image : PIL.ImageFile.ImageFile
        The opened picture, at the frame that is meant.
    stream : file object
        Its file.
    mode : str
        The mode they are to be in.
    dtype : str
        The type they are to be of.

    Returns
    -------
    ndarray of shape (H, W) or (H, W, C)
        As stored, not turned.
    """
    page = image.tell()
    data = in_memory(stream).getvalue()
    channels = Image.getmodebands(mode)
    if image.format == "PNG":
        if not png_is_plain(stream, late=True):
            raise ImageError("broken png data (the end is missing)")
        pixels = codecs.decode_png(data)
    else:
        pixels = codecs.decode_tiff(data, page)
        tags = tiff_tags(image)
        if tags.get(_PLANES, 1) == 2:
            pixels = np.moveaxis(pixels, 0, -1)
        pixels = pixels[..., :channels]
        if tags.get(_EXTRA, (0,))[0] == _PREMULTIPLIED and mode in ("LA", "RGBA"):
            pixels = _unpremultiplied(pixels)
        size = (tags[257], tags[256])
        if pixels.shape[:2] != size:
            raise ImageError(f"broken tiff data (its samples are not {size[1]} x {size[0]} pixels)")
    if (pixels.shape[2] if pixels.ndim == 3 else 1) != channels:
        raise ImageError(f"broken {image.format} data (its channels are not those of {mode})")
    return pixels.astype(dtype, copy=False)


def _unpremultiplied(pixels: NDArray[Any]) -> NDArray[Any]:
    """Return colours that have been multiplied by alpha as they were before."""
    full = 1.0 if pixels.dtype.kind == "f" else float(np.iinfo(pixels.dtype).max)
    alpha = pixels[..., -1:].astype(np.float64)
    colours = np.divide(
        pixels[..., :-1] * full, alpha, out=np.zeros(pixels[..., :-1].shape), where=alpha != 0
    )
    result = pixels.copy()
    result[..., :-1] = np.floor(np.clip(colours, 0, full) + 0.5) if full > 1 else colours
    return result
