"""From an image that Pillow has opened to an array of pixels.

Pillow holds RGB in four bytes a pixel and needs twice an array to hand it over at once. Images are
therefore copied in strips, and turned upright on the way. Of colours of 16 bits it gives 8, so that those
are decoded twice.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile

from convfilter.images.library import reasons

__all__ = [
    "dtype_of",
    "is_deep_colour",
    "mode_of",
    "pixels_of",
    "raw_mode",
    "read_halves",
    "turned",
    "with_raw_mode",
]

_STRIP_BYTES = 1 << 19
_DTYPES = {"I;16": "uint16", "I": "int32", "F": "float32"}
# As Pillow holds them; its I;16 is little-endian everywhere.
_STORED = {"I;16": "<u2", "I;16L": "<u2", "I;16B": ">u2", "I;16N": "=u2", "I": "=i4", "F": "=f4"}
# What becomes of Pillow's other modes.
_MODES = {
    **dict.fromkeys(("I;16L", "I;16B", "I;16N"), "I;16"),
    **dict.fromkeys(("P", "RGBX", "HSV", "YCbCr"), "RGB"),
    **{"1": "L", "La": "LA", "PA": "RGBA", "RGBa": "RGBA"},
}


def mode_of(image: ImageFile.ImageFile) -> str:
    """Return the mode of what `pixels_of` makes of an image; what is marked as transparent becomes alpha."""
    mode = _MODES.get(image.mode, image.mode)
    return {"L": "LA", "RGB": "RGBA"}.get(mode, mode) if image.has_transparency_data else mode


def dtype_of(mode: str) -> str:
    """Return the type of the samples of a mode, as Pillow decodes them."""
    return _DTYPES.get(mode, "uint8")


def pixels_of(image: ImageFile.ImageFile, mode: str, turn: int) -> NDArray[Any]:
    """Return a decoded image's pixels in a mode, turned from an EXIF orientation."""
    width, height = image.size
    channels = Image.getmodebands(mode)
    shape = (width, height) if turn >= 5 else (height, width)
    pixels = np.empty(shape if channels == 1 else (*shape, channels), dtype_of(mode))
    rows = _as_stored(pixels, turn)
    stored = _STORED.get(image.mode, "u1")
    convert = image.mode != mode and image.mode not in _STORED
    step = max(1, _STRIP_BYTES // (4 * width))
    for top in range(0, height, step):
        part = rows[top : top + step]
        with reasons("cannot be converted"):
            strip = image.crop((0, top, width, top + part.shape[0]))
            samples = (strip.convert(mode) if convert else strip).tobytes()
        part[...] = np.frombuffer(samples, stored).reshape(part.shape)
    return pixels


def turned(stored: NDArray[Any], turn: int) -> NDArray[Any]:
    """Return pixels turned from an EXIF orientation."""
    if turn == 1:
        return stored
    height, width = stored.shape[:2]
    shape = (width, height) if turn >= 5 else (height, width)
    pixels = np.empty(shape + stored.shape[2:], stored.dtype)
    _as_stored(pixels, turn)[...] = stored
    return pixels


def _as_stored(pixels: NDArray[Any], turn: int) -> NDArray[Any]:
    """Return a view of an upright image with the rows and columns of the file."""
    rows, columns = ((1, 1), (1, -1), (-1, -1), (-1, 1))[(turn - 1) % 4]
    flipped = pixels[::rows, ::columns]
    return flipped.swapaxes(0, 1) if turn >= 5 else flipped


def raw_mode(image: ImageFile.ImageFile) -> str:
    """Return how the samples lie in the file, by Pillow's word for it."""
    args = image.tile[0].args if image.tile else ""
    return args if isinstance(args, str) else str(args[0]) if isinstance(args, tuple) and args else ""


def with_raw_mode(image: ImageFile.ImageFile, mode: str) -> ImageFile.ImageFile:
    """Have Pillow decode the samples of an image in another way than the file says."""
    image.tile = [
        tile._replace(args=(mode, *tile.args[1:]) if isinstance(tile.args, tuple) else mode)
        for tile in image.tile
    ]
    return image


def is_deep_colour(image: ImageFile.ImageFile) -> bool:
    """Tell whether Pillow would give 8 bits of an image's 16: of colours, of grey with alpha in a PNG."""
    raw = raw_mode(image)
    if image.format == "PNG" and raw == "I;16B":  # a level that is marked as transparent
        return image.info.get("transparency") is not None
    return raw.endswith((";16B", ";16L", ";16N")) and not raw.startswith("I")


def read_halves(
    image: ImageFile.ImageFile,
    again: Callable[[], ImageFile.ImageFile],
    decode: Callable[[ImageFile.ImageFile], NDArray[np.uint8]],
) -> NDArray[np.uint16]:
    """Read colours of 16 bits by decoding them twice, for the upper and the lower bytes.

    Pillow has raw modes that take the first byte of each sample, ``RGB;16B``, and the second, ``RGB;16L``.
    """
    order = raw_mode(image)[-1]
    big = order == "B" or (order == "N" and sys.byteorder == "big")
    upper, lower = "BL" if big else "LB"
    pixels = decode(with_raw_mode(image, f"{image.mode};16{upper}")).astype(np.uint16)
    pixels <<= 8
    pixels |= decode(with_raw_mode(again(), f"{image.mode};16{lower}"))
    return pixels
