"""From a picture that Pillow has opened to an array of pixels.

Pillow holds RGB in four bytes a pixel and needs twice an array to hand it over at once. Pictures are
therefore taken over in strips, and turned upright on the way.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile

from convfilter.errors import ImageError
from convfilter.images.deep import is_deep_colour, raw_mode, read_deep_png
from convfilter.images.formats import FORMATS
from convfilter.images.headers import avif_is_deep, webp_is_lossless
from convfilter.images.library import reasons
from convfilter.images.metadata import orientation_of, read_metadata
from convfilter.images.opening import image_of
from convfilter.images.picture import Picture, Size

__all__ = ["decoded", "mode_of", "size_of", "taken_over", "turned"]

_STRIP_BYTES = 1 << 19
_DTYPES = {"I;16": "uint16", "I": "int32", "F": "float32"}
# As Pillow holds them; its I;16 is little-endian everywhere.
_STORED = {"I;16": "<u2", "I;16L": "<u2", "I;16B": ">u2", "I;16N": "=u2", "I": "=i4", "F": "=f4"}
_AS_RGB = ("RGBX", "HSV", "YCbCr")
_WITHOUT_ALPHA = {"1": "L", "L": "L", "LA": "LA", "La": "LA", "RGBa": "RGBA"}


def size_of(image: ImageFile.ImageFile, form: str, orient: bool, frames: int) -> Size:
    """Tell a picture's size and kind from its header.

    Parameters
    ----------
    image : PIL.ImageFile.ImageFile
        The opened picture, at one of its frames.
    form : str
        Its format.
    orient : bool
        Whether the orientation that the file tells counts.
    frames : int
        How many frames there are.

    Returns
    -------
    Size
        What `decoded` would give.
    """
    deep = _is_deep(image, frames)
    mode = _deep_mode(image) if deep else mode_of(image)
    width, height = image.size
    if orient and orientation_of(image, []) >= 5:
        width, height = height, width
    dtype = "uint16" if deep else _DTYPES.get(mode, "uint8")
    return Size(width, height, Image.getmodebands(mode), mode, dtype, form, frames)


def decoded(
    image: ImageFile.ImageFile,
    stream: BinaryIO,
    form: str,
    orient: bool,
    warnings: list[str],
    *,
    frames: int = 1,
    later: bool = False,
) -> Picture:
    """Decode a picture and take it over.

    Parameters
    ----------
    image : PIL.ImageFile.ImageFile
        The opened picture, at the frame that is meant.
    stream : file object
        Its file.
    form : str
        Its format.
    orient : bool
        Whether to turn the picture as its EXIF orientation says.
    warnings : list of str
        Gets a line for whatever is lost or malformed; it becomes the picture's own.
    frames : int
        How many frames there are.
    later : bool
        Whether a frame before this one has been decoded.

    Returns
    -------
    Picture
        As `read_picture` describes it.
    """
    deep = _is_deep(image, frames)
    mode = _deep_mode(image) if deep else mode_of(image)
    if form == "avif" and avif_is_deep(stream):
        warnings.append("more than 8 bits a channel are read as 8")
    if deep:
        stored = read_deep_png(image, lambda: image_of(stream, form, None))
        pixels = turned(stored, orientation_of(image, warnings) if orient else 1)
    else:
        _mend_marked_level(image, later)
        with reasons(f"broken {form} data"):
            image.load()
        pixels = taken_over(image, mode, orientation_of(image, warnings) if orient else 1)
    metadata = read_metadata(image, orient, warnings)
    lossless = FORMATS[form].lossless or (form == "webp" and webp_is_lossless(stream))
    return Picture(pixels, mode, form, replace(metadata, lossless=lossless), warnings)


def _is_deep(image: ImageFile.ImageFile, frames: int) -> bool:
    """Tell whether a picture has colours of 16 bits; refuse frames of them, which Pillow composes in 8."""
    deep = is_deep_colour(image)
    if deep and frames > 1:
        raise ImageError("not supported: frames of 16 bits a colour; convert them to the pages of a TIFF")
    return deep


def _deep_mode(image: ImageFile.ImageFile) -> str:
    """Return the mode in which colours of 16 bits are handed on."""
    if raw_mode(image) in ("I;16B", "LA;16B"):
        return "LA"
    return "RGBA" if image.has_transparency_data else "RGB"


def turned(stored: NDArray[Any], turn: int) -> NDArray[Any]:
    """Return a picture as it is seen, by the orientation of EXIF."""
    if turn == 1:
        return stored
    height, width = stored.shape[:2]
    shape = (width, height) if turn >= 5 else (height, width)
    pixels = np.empty(shape + stored.shape[2:], stored.dtype)
    _as_stored(pixels, turn)[...] = stored
    return pixels


def mode_of(image: ImageFile.ImageFile) -> str:
    """Return the mode in which what Pillow decodes is handed on."""
    mode, transparent = image.mode, image.has_transparency_data
    if mode.startswith("I;16"):
        return "I;16"
    if mode in ("P", "PA") or (mode == "RGB" and transparent):
        return "RGBA" if transparent else "RGB"
    if mode in ("1", "L") and transparent:
        return "LA"
    return "RGB" if mode in _AS_RGB else _WITHOUT_ALPHA.get(mode, mode)


def _mend_marked_level(image: ImageFile.ImageFile, later: bool) -> None:
    """Spread the level of grey that is marked as transparent over 0..255, as Pillow does with the samples."""
    level = image.info.get("transparency")
    # The frames of a PNG share one level, so that it must be mended once.
    if isinstance(level, int) and not later and raw_mode(image) in ("L;2", "L;4"):
        image.info["transparency"] = level * (85 if raw_mode(image) == "L;2" else 17)


def taken_over(image: ImageFile.ImageFile, mode: str, turn: int) -> NDArray[Any]:
    """Return a decoded picture's pixels, turned."""
    width, height = image.size
    channels = Image.getmodebands(mode)
    shape = (width, height) if turn >= 5 else (height, width)
    pixels = np.empty(shape if channels == 1 else (*shape, channels), _DTYPES.get(mode, "uint8"))
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


def _as_stored(pixels: NDArray[Any], turn: int) -> NDArray[Any]:
    """Return a view of an upright picture with the rows and columns of the file."""
    if turn >= 5:
        flipped = {5: pixels, 6: pixels[:, ::-1], 7: pixels[::-1, ::-1], 8: pixels[::-1]}[turn]
        return flipped.swapaxes(0, 1)
    return {1: pixels, 2: pixels[:, ::-1], 3: pixels[::-1, ::-1], 4: pixels[::-1]}[turn]
