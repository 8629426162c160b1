"""Pictures of any kind as a screen shows them: 8 bits, red, green and blue."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

__all__ = ["as_seen", "full_scale", "shrunk"]

_CHECKS = 8


def full_scale(values: NDArray[Any]) -> float:
    """Return what is shown as white: that of the type; of other numbers the largest, 1 at least."""
    if values.dtype.kind in "ui" and values.dtype.itemsize <= 2:
        return float(np.iinfo(values.dtype).max)
    finite = np.abs(values[np.isfinite(values)]) if values.dtype.kind == "f" else np.abs(values)
    return max(float(finite.max(initial=0)), 1.0)


def as_seen(pixels: NDArray[Any], mode: str) -> NDArray[np.uint8]:
    """Return a picture for a screen.

    Parameters
    ----------
    pixels : ndarray of shape (H, W) or (H, W, C)
        Samples of any type. What is transparent is laid on squares of grey.
    mode : str
        What the channels mean, as `convfilter.images.picture.Picture` has it.

    Returns
    -------
    ndarray of uint8 and shape (H, W, 3)
    """
    if pixels.dtype != np.uint8:
        values = np.nan_to_num(pixels / full_scale(pixels))
        pixels = np.floor(np.clip(values, 0, 1) * 255 + 0.5).astype(np.uint8)
    if pixels.ndim == 2:
        return np.repeat(pixels[..., np.newaxis], 3, axis=2)
    channels = pixels.shape[2]
    if mode in ("CMYK", "LAB"):
        return np.asarray(Image.fromarray(np.ascontiguousarray(pixels), mode).convert("RGB"))
    if channels in (2, 4) and mode in ("LA", "RGBA"):
        colours = pixels[..., :-1] if channels == 4 else np.repeat(pixels[..., :1], 3, axis=2)
        alpha = pixels[..., -1:].astype(np.uint16)
        ground = _squares(pixels.shape[:2])
        return ((colours * alpha + ground * (255 - alpha) + 127) // 255).astype(np.uint8)
    return pixels[..., :3] if channels >= 3 else np.repeat(pixels[..., :1], 3, axis=2)


def _squares(shape: tuple[int, ...]) -> NDArray[np.uint16]:
    rows, columns = np.indices(shape) // _CHECKS
    return np.where((rows + columns) % 2, 200, 235).astype(np.uint16)[..., np.newaxis]


def shrunk(pixels: NDArray[Any], width: int, mode: str = "RGB") -> NDArray[Any]:
    """Return a picture no wider than so many pixels, of its own type.

    Parameters
    ----------
    pixels : ndarray of shape (H, W) or (H, W, C)
        Samples of any type.
    width : int
        In pixels.
    mode : str
        What the channels mean: colours are weighed with alpha.

    Returns
    -------
    ndarray
        The picture itself where it is narrow enough.
    """
    height = max(1, round(pixels.shape[0] * width / pixels.shape[1]))
    if pixels.shape[1] <= width:
        return pixels
    if pixels.dtype == np.uint8 and (pixels.ndim == 2 or pixels.shape[2] == 3 or mode in ("LA", "RGBA")):
        image = Image.fromarray(np.ascontiguousarray(pixels))  # Pillow weighs colours with alpha itself
        return np.asarray(image.resize((width, height), Image.Resampling.LANCZOS, reducing_gap=3.0))
    planes = pixels[..., np.newaxis] if pixels.ndim == 2 else pixels
    small = np.stack(
        [
            np.asarray(
                Image.fromarray(planes[..., number].astype(np.float32)).resize(
                    (width, height), Image.Resampling.LANCZOS, reducing_gap=3.0
                )
            )
            for number in range(planes.shape[2])
        ],
        axis=-1,
    )
    if pixels.dtype.kind in "ui":
        limits = np.iinfo(pixels.dtype)
        small = np.clip(np.floor(small.astype(np.float64) + 0.5), limits.min, limits.max)
    small = small.astype(pixels.dtype)
    return small[..., 0] if pixels.ndim == 2 else small
