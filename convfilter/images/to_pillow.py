"""From arrays to Pillow's pictures: alpha laid on a colour, few colours on a palette."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray
from PIL import Image, ImageColor

from convfilter.errors import OptionError
from convfilter.messages import shown

__all__ = ["background_colour", "flattened", "palette_of", "to_image"]

_STRIP_SAMPLES = 1 << 19


def background_colour(text: str) -> tuple[int, int, int]:
    """Return the colour that a name or code stands for.

    Parameters
    ----------
    text : str
        As in CSS: ``white``, ``#f80``, ``rgb(255, 128, 0)``.

    Returns
    -------
    tuple of int
        Red, green and blue within 0..255.

    Raises
    ------
    OptionError
        If there is no such colour.

    Examples
    --------
    >>> background_colour("#f80")
    (255, 136, 0)
    """
    try:
        red, green, blue = ImageColor.getrgb(text)[:3]
    except ValueError:
        raise OptionError(f"unknown colour '{shown(text)}'; try a name, white, or a code, #ffffff") from None
    return red, green, blue


def flattened(pixels: NDArray[np.uint8], background: tuple[int, int, int]) -> NDArray[np.uint8]:
    """Lay a picture with alpha on a colour.

    Parameters
    ----------
    pixels : ndarray of uint8 and shape (H, W, 2) or (H, W, 4)
        Grey or colours, not premultiplied, with alpha.
    background : tuple of int
        What is seen through it.

    Returns
    -------
    ndarray of uint8 and shape (H, W) or (H, W, 3)
        The rounded mixture; grey stays grey on grey.
    """
    colours = pixels[..., :-1]
    grey = colours.shape[2] == 1 and len(set(background)) == 1
    height, width = pixels.shape[:2]
    result = np.empty((height, width, 1 if grey else 3), np.uint8)
    ground = np.array(background[: result.shape[2]], np.uint16)
    step = max(1, _STRIP_SAMPLES // (3 * width))
    for top in range(0, height, step):
        part = slice(top, top + step)
        alpha = pixels[part, :, -1:].astype(np.uint16)
        # At most 255 * 255 + 127: 16 bits hold it.
        result[part] = (colours[part] * alpha + ground * (255 - alpha) + 127) // 255
    return result[..., 0] if grey else result


def to_image(pixels: NDArray[Any], kind: str) -> Image.Image:
    """Return an array as a picture of Pillow's.

    Parameters
    ----------
    pixels : ndarray of shape (H, W) or (H, W, C)
        Its samples.
    kind : str
        Its kind, as in `convfilter.images.formats`, or ``RGBX`` for colours in four bytes a pixel.

    Returns
    -------
    PIL.Image.Image
        A picture, which shares the array's memory for ``L RGBA CMYK I;16``.

    Notes
    -----
    Pillow itself holds RGB in four bytes, and spreads three out to them several times as slowly.
    """
    dtype = pixels.dtype.newbyteorder("<" if kind == "I;16" else "=")
    pixels = np.ascontiguousarray(pixels, dtype)
    height, width = pixels.shape[:2]
    samples = pixels.reshape(-1).view(np.uint8)
    if kind == "RGBX":
        samples = _spread(samples)
    return Image.frombuffer(kind, (width, height), samples, "raw", kind, 0, 1)


def _spread(samples: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return three bytes a pixel as four, the last of which means nothing."""
    count = len(samples) // 3
    whole = np.zeros(4 * count, np.uint8)
    if count > 1:
        # Four bytes are copied for each pixel, one of the next among them; the last one has no next.
        words = as_strided(samples[:4].view(np.uint32), (count - 1,), (3,))
        np.copyto(whole[:-4].view(np.uint32), words)
    whole[-4:-1] = samples[-3:]
    return whole


def palette_of(image: Image.Image) -> tuple[Image.Image, list[tuple[int, ...]]] | None:
    """Return a picture of few colours as one with a palette of exactly those.

    Parameters
    ----------
    image : PIL.Image.Image
        A picture of mode RGB or RGBA.

    Returns
    -------
    tuple of PIL.Image.Image and list of tuple, or None
        A picture of mode P and its colours in the order of the palette; None if they are more than 256.
    """
    counted: Any = image.getcolors(256)  # of one number a pixel or of several, by the mode
    if counted is None:
        return None
    rgba = sorted((*colour, 255)[:4] for _, colour in counted)
    keys = np.array(rgba, np.uint8).view(">u4").ravel().astype(np.uint32)
    indices = np.empty((image.height, image.width), np.uint8)
    step = max(1, _STRIP_SAMPLES // image.width)
    for top in range(0, image.height, step):
        part = indices[top : top + step]
        strip = image.crop((0, top, image.width, top + part.shape[0])).convert("RGBA")
        packed = np.frombuffer(strip.tobytes(), ">u4").astype(np.uint32)
        part[...] = np.searchsorted(keys, packed).reshape(part.shape)
    paletted = to_image(indices, "P")
    paletted.putpalette(b"".join(bytes(colour[:3]) for colour in rgba))
    return paletted, rgba
