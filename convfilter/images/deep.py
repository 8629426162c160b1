"""Colours of 16 bits in PNG and TIFF, of which Pillow gives 8."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import ImageFile

from convfilter.images.library import reasons

__all__ = [
    "is_deep_colour",
    "raw_mode",
    "read_deep_png",
    "read_halves",
    "to_full_scale",
    "with_raw_mode",
]


def raw_mode(image: ImageFile.ImageFile) -> str:
    """Return how the samples lie in the file, by Pillow's word for it."""
    if not image.tile:
        return ""
    args = image.tile[0].args
    return args if isinstance(args, str) else str(args[0]) if isinstance(args, tuple) and args else ""


def is_deep_colour(image: ImageFile.ImageFile) -> bool:
    """Tell whether Pillow would give 8 bits of a picture's 16: of colours, of grey with alpha in a PNG."""
    raw = raw_mode(image)
    if image.format == "PNG" and raw == "I;16B":  # a level that is marked as transparent
        return image.info.get("transparency") is not None
    return raw.endswith((";16B", ";16L", ";16N")) and not raw.startswith("I")


def read_halves(
    image: ImageFile.ImageFile,
    again: Callable[[], ImageFile.ImageFile],
    take: Callable[[ImageFile.ImageFile], NDArray[np.uint8]],
) -> NDArray[np.uint16]:
    """Read colours of 16 bits by decoding them twice, for the upper and the lower bytes.

    Pillow has raw modes that take the first byte of each sample, ``RGB;16B``, and the second, ``RGB;16L``.

    Parameters
    ----------
    image : PIL.ImageFile.ImageFile
        The opened picture, not decoded yet.
    again : callable
        Opens it once more.
    take : callable
        Decodes a picture.

    Returns
    -------
    ndarray of shape (H, W, C)
        In native byte order.
    """
    order = raw_mode(image)[-1]
    big = order == "B" or (order == "N" and sys.byteorder == "big")
    upper, lower = (take(with_raw_mode(each, f"{each.mode};16{byte}")) for each, byte in zip(
        (image, again()), "BL" if big else "LB", strict=True
    ))  # fmt: skip
    pixels = upper.astype(np.uint16)
    pixels <<= 8
    pixels |= lower
    return pixels


def with_raw_mode(image: ImageFile.ImageFile, mode: str) -> ImageFile.ImageFile:
    """Have Pillow take the samples of a picture as lying in another way than the file says."""
    tiles = []
    for tile in image.tile:
        args = tile.args
        tiles.append(tile._replace(args=(mode, *args[1:]) if isinstance(args, tuple) else mode))
    image.tile = tiles
    return image


def read_deep_png(image: ImageFile.ImageFile, again: Callable[[], ImageFile.ImageFile]) -> NDArray[np.uint16]:
    """Read a PNG for which `is_deep_colour` holds; what it marks as transparent gets an alpha of 0.

    Parameters are those of `read_halves`.
    """
    if raw_mode(image) == "LA;16B":  # in four bytes, as RGBA of 8 bits
        return _loaded(with_raw_mode(image, "RGBA")).view(">u2").astype(np.uint16)
    grey = raw_mode(image) == "I;16B"
    pixels = _loaded(image)[..., np.newaxis] if grey else read_halves(image, again, _loaded)
    clear = image.info.get("transparency")
    if clear is None:
        return pixels
    alpha = np.where((pixels == np.array(clear)).all(axis=-1, keepdims=True), 0, 65535)
    return np.concatenate([pixels, alpha.astype(np.uint16)], axis=-1, dtype=np.uint16)


def _loaded(image: ImageFile.ImageFile) -> NDArray[Any]:
    """Decode a picture."""
    with reasons("broken png data"):
        image.load()
    return np.asarray(image)


def to_full_scale(samples: NDArray[Any], largest: int, dtype: str) -> NDArray[Any]:
    """Return samples whose largest value means full scale, such as 4095, as those of a whole type."""
    full = np.iinfo(dtype).max
    if largest == full:
        return samples.astype(dtype)
    scaled: NDArray[Any] = np.minimum(np.floor(samples / largest * full + 0.5), full)
    return scaled.astype(dtype)
