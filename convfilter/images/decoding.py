"""From a picture that Pillow has opened to an array of pixels.

Pillow holds RGB in four bytes a pixel and needs twice an array to hand it over at once. Pictures are
therefore taken over in strips, and turned upright on the way.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageFile

from convfilter.errors import ImageError
from convfilter.images import codecs
from convfilter.images.deep import (
    cannot_be_narrowed,
    deep_type,
    has_grey_and_alpha,
    is_narrowed,
    raw_mode,
    read_samples,
    sample_reader,
    tiff_tags,
)
from convfilter.images.formats import FORMATS
from convfilter.images.headers import avif_is_deep, has_late_tags, webp_is_lossless
from convfilter.images.metadata import Metadata, orientation_of, read_metadata
from convfilter.images.picture import Picture, Size

__all__ = ["decoded", "size_of"]

_STRIP_BYTES = 1 << 19
_DTYPES = {"I;16": "uint16", "I": "int32", "F": "float32"}
# As Pillow holds them; its I;16 is little-endian everywhere.
_STORED = {"I;16": "<u2", "I;16L": "<u2", "I;16B": ">u2", "I;16N": "=u2", "I": "=i4", "F": "=f4"}
_AS_RGB = ("RGBX", "HSV", "YCbCr")
_WITHOUT_ALPHA = {"1": "L", "L": "L", "LA": "LA", "La": "LA", "RGBa": "RGBA"}
_TIFF_GROUPS = (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo, ExifTags.IFD.Interop)
_INVERSE = {6: 8, 8: 6}


def size_of(image: ImageFile.ImageFile, stream: BinaryIO, form: str, orient: bool, frames: int) -> Size:
    """Tell a picture's size and kind from its header.

    Parameters
    ----------
    image : PIL.ImageFile.ImageFile
        The opened picture, at one of its frames.
    stream : file object
        Its file.
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
    deep = deep_type(image, frames)
    mode = _mode_of(image, deep)
    if form == "png" and has_late_tags(stream):
        image.load()
    width, height = _stored_size(image)
    if orient and orientation_of(image, []) >= 5:
        width, height = height, width
    channels = Image.getmodebands(mode)
    return Size(width, height, channels, mode, deep or _DTYPES.get(mode, "uint8"), form, frames)


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
    deep = deep_type(image, frames)
    mode = _mode_of(image, deep)
    direct = sample_reader(image, stream, frames, deep)
    _look_at_depth(image, warnings, deep=deep is not None, mend=not later or form == "tiff")
    if form == "avif" and avif_is_deep(stream):
        warnings.append("more than 8 bits a channel are read as 8")
    if direct:
        dtype = deep or "uint8"
        stored = read_samples(image, stream, mode, dtype)
        if form == "png" and has_late_tags(stream):
            image.load()
        turn = orientation_of(image, warnings) if orient else 1
        pixels = stored if turn == 1 else _turned(stored, turn)
    else:
        pixels = _decoded_by_pillow(image, form, mode, orient, warnings)
    metadata = read_metadata(image, orient, warnings)
    metadata = replace(metadata, lossless=_is_lossless(stream, form, metadata))
    return Picture(pixels, mode, form, metadata, warnings)


def _decoded_by_pillow(
    image: ImageFile.ImageFile, form: str, mode: str, orient: bool, warnings: list[str]
) -> NDArray[Any]:
    """Return the pixels that Pillow decodes, turned upright."""
    if form == "tiff":
        turn = _load_tiff(image, orient, warnings)
    else:
        image.load()
        turn = orientation_of(image, warnings) if orient else 1
    if mode == "I;16" and image.info.pop("transparency", None) is not None:
        warnings.append(f"the level marked as transparent is taken as opaque: {codecs.MEND} to keep it")
    pixels = _taken_over(image, mode, turn)
    if form == "tiff" and mode == "I;16" and tiff_tags(image).get(262) == 0:
        np.subtract(65535, pixels, out=pixels)  # white is zero; Pillow sees to that in 8 bits only
    return pixels


def _turned(stored: NDArray[Any], turn: int) -> NDArray[Any]:
    """Return a picture as it is seen."""
    height, width = stored.shape[:2]
    shape = (width, height) if turn >= 5 else (height, width)
    pixels = np.empty(shape + stored.shape[2:], stored.dtype)
    _as_stored(pixels, turn)[...] = stored
    return pixels


def _mode_of(image: ImageFile.ImageFile, deep: str | None) -> str:
    """Return the mode in which a picture is handed on."""
    mode, transparent = image.mode, image.has_transparency_data
    if deep is not None and (mode.startswith("I") or has_grey_and_alpha(image)):
        return "LA"
    if mode.startswith("I;16"):
        return "I;16"
    if mode in ("P", "PA") or (mode == "RGB" and transparent):
        return "RGBA" if transparent else "RGB"
    if mode in ("1", "L") and transparent:
        return "LA"
    return "RGB" if mode in _AS_RGB else _WITHOUT_ALPHA.get(mode, mode)


def _load_tiff(image: ImageFile.ImageFile, orient: bool, warnings: list[str]) -> int:
    """Decode a TIFF; return the orientation that is still to be applied."""
    stored = orientation_of(image, warnings)
    tags = image.getexif()
    for group in _TIFF_GROUPS:
        try:
            tags.get_ifd(group)
        except Exception:  # whatever the parser trips over
            tags.pop(group, None)
            warnings.append("malformed EXIF dropped")
    image.load()  # which turns it, asked or not
    if orient or stored == 1:
        return 1
    tags[0x0112] = stored
    return _INVERSE.get(stored, stored)


def _look_at_depth(image: ImageFile.ImageFile, warnings: list[str], *, deep: bool, mend: bool) -> None:
    """Warn of samples that lose bits, refuse those that Pillow would garble, mend transparent colours."""
    if not image.tile:
        return
    narrowed = is_narrowed(image) and not deep
    if narrowed and image.format == "TIFF" and cannot_be_narrowed(image):
        raise ImageError(f"deep colours of this layout are not read by Pillow: {codecs.MEND} to read them")
    if narrowed:
        by_codecs = image.format in ("PNG", "TIFF") and not codecs.available()
        warnings.append(
            f"16 bits a channel are read as 8{f': {codecs.MEND} to keep them' if by_codecs else ''}"
        )
    # The frames of a PNG share one marked level, so that it must be mended once.
    transparent = image.info.get("transparency") if mend else None
    if narrowed and isinstance(transparent, tuple):
        image.info["transparency"] = tuple(level >> 8 for level in transparent)
    elif raw_mode(image) in ("L;2", "L;4") and isinstance(transparent, int):
        # Pillow spreads the samples over 0..255 but not the level that is marked.
        image.info["transparency"] = transparent * (85 if raw_mode(image) == "L;2" else 17)


def _taken_over(image: ImageFile.ImageFile, mode: str, turn: int) -> NDArray[Any]:
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
        strip = image.crop((0, top, width, top + part.shape[0]))
        if convert:
            strip = strip.convert(mode)
        part[...] = np.frombuffer(strip.tobytes(), stored).reshape(part.shape)
    return pixels


def _as_stored(pixels: NDArray[Any], turn: int) -> NDArray[Any]:
    """Return a view of an upright picture with the rows and columns of the file."""
    if turn >= 5:
        flipped = {5: pixels, 6: pixels[:, ::-1], 7: pixels[::-1, ::-1], 8: pixels[::-1]}[turn]
        return flipped.swapaxes(0, 1)
    return {1: pixels, 2: pixels[:, ::-1], 3: pixels[::-1, ::-1], 4: pixels[::-1]}[turn]


def _stored_size(image: ImageFile.ImageFile) -> tuple[int, int]:
    """Return a picture's width and height before it is turned."""
    if image.format == "TIFF":
        tags = tiff_tags(image)
        return tags[256], tags[257]
    return image.size


def _is_lossless(stream: BinaryIO, form: str, metadata: Metadata) -> bool:
    """Tell whether a file held exactly the samples that were written."""
    if form == "tiff":
        return metadata.compression not in ("jpeg", "tiff_jpeg", "webp")
    return FORMATS[form].lossless or (form == "webp" and webp_is_lossless(stream))
