"""From an array of pixels to an encoded file.

What a format can hold is asked first; nothing is narrowed in silence.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import DTypeLike, NDArray

from convfilter.errors import ImageError
from convfilter.images.arrays import write_header
from convfilter.images.encoders import encode, takes_arrays
from convfilter.images.encoding import Raster, Samples
from convfilter.images.formats import FORMATS, fitting_mode, kind_of, route
from convfilter.images.library import PRINTING, collected
from convfilter.images.metadata import DESCRIPTIVE, HELD, Metadata, icc_fits
from convfilter.images.picture import Picture
from convfilter.images.tiff_tags import Origin, fitting_tags
from convfilter.images.to_pillow import background_colour, flattened, to_image
from convfilter.options import EncodeOptions

__all__ = ["check_writable", "fitting", "prepared", "write_picture"]


def check_writable(
    mode: str,
    dtype: DTypeLike,
    size: tuple[int, int],
    frames: int,
    format: str,
    *,
    first: bool = True,
) -> list[str]:
    """Ask whether a format can hold a picture.

    Parameters
    ----------
    mode : str
        What the channels mean, as `Picture.mode`.
    dtype : dtype or its name
        The samples' type.
    size : tuple of int
        Width and height.
    frames : int
        How many pictures are to go into the file.
    format : str
        A name out of `convfilter.images.formats.FORMATS`.
    first : bool
        Whether the first of several pictures alone would be worth having.

    Returns
    -------
    list of str
        What would be lost, one line each, as far as that can be told without the pixels.

    Raises
    ------
    ImageError
        If it cannot; the message says what can.

    Examples
    --------
    >>> check_writable("CMYK", "uint8", (640, 480), 1, "png")
    ['png cannot hold CMYK: converted to RGB']
    """
    kind, warnings = route(mode, np.dtype(dtype).name, format)
    width, height = size
    if min(size) < 1:
        raise ImageError(f"{width} x {height} pixels are no picture")
    if max(size) > FORMATS[format].side:
        raise ImageError(
            f"{width} x {height} pixels are too large for {format}, "
            f"which takes {FORMATS[format].side} a side; try png or tiff"
        )
    if frames > 1 and not FORMATS[format].frames:
        mend = "--frames first, or tiff" if first else "tiff"
        raise ImageError(f"{format} cannot hold {frames} frames; try {mend}")
    if frames > 1 and kind in FORMATS[format].deep and format == "png":
        raise ImageError(f"png cannot hold {frames} frames of 16 bits a colour; try tiff")
    if _loses_alpha(mode, kind):
        warnings.append(f"{format} cannot hold alpha: laid on the background")
    return warnings


def write_picture(
    stream: BinaryIO,
    picture: Picture,
    format: str | None = None,
    encoding: EncodeOptions | None = None,
    *,
    release: bool = False,
) -> list[str]:
    """Encode a picture.

    Parameters
    ----------
    stream : binary file object
        Where to write; buffered, so that nothing is lost by short writes. It need not be seekable.
    picture : Picture
        The picture; of its fields pixels, mode, format and metadata count.
    format : str, optional
        The format, by default the picture's own.
    encoding : EncodeOptions, optional
        How to write it.
    release : bool
        Whether `picture.pixels` may be given up: it is replaced by an empty array as soon as Pillow has
        a copy, which saves three bytes a pixel in RGB while encoding. The memory is only freed if
        nobody else holds the array.

    Returns
    -------
    list of str
        What was lost, one line each.

    Raises
    ------
    ImageError
        If the format cannot hold the picture or its encoder fails.
    OSError
        Whatever the stream raises.
    """
    form = format or picture.format
    encoding = encoding or EncodeOptions()
    height, width = picture.pixels.shape[:2]
    check_writable(_mode_of(picture), picture.pixels.dtype, (width, height), 1, form)
    warnings: list[str] = []
    with collected(warnings, prints=form in PRINTING):
        if form == "npy":
            written = Origin.of(picture.pixels, 1)
            fitting(picture.metadata, written, picture.mode, form, encoding, warnings)
            write_header(stream, picture.pixels.shape, picture.pixels.dtype)
            stream.write(np.ascontiguousarray(picture.pixels).reshape(-1).view(np.uint8).data)
        else:
            image, metadata = prepared(picture, form, encoding, warnings, release=release)
            encode(image, stream, form, metadata, encoding, warnings)
    return warnings


def prepared(
    picture: Picture,
    form: str,
    encoding: EncodeOptions,
    warnings: list[str],
    *,
    release: bool = False,
    animated: bool = False,
    frames: int = 1,
) -> tuple[Raster, Metadata]:
    """Bring a picture into the kind that a format holds.

    Parameters
    ----------
    picture, encoding, release
        As for `write_picture`.
    form : str
        The format, other than ``npy``.
    warnings : list of str
        Gets a line for whatever is lost.
    animated : bool
        Whether it is a frame of several, whose alpha a GIF's writer sees to itself.
    frames : int
        How many are written.

    Returns
    -------
    tuple of PIL.Image.Image or Samples, and Metadata
        What is to be encoded.
    """
    pixels = picture.pixels[:, :, 0] if picture.pixels.shape[2:] == (1,) else picture.pixels
    mode, dtype = _mode_of(picture), pixels.dtype.name
    kind, lost = route(mode, dtype, form)
    warnings += lost
    if mode in ("LA", "RGBA") and dtype == "uint8" and not (animated and form == "gif"):
        pixels, mode = _alpha_settled(pixels, mode, kind, form, encoding.background, warnings)
        kind, _ = route(mode, dtype, form)
    written = Origin.of(picture.pixels, frames)
    metadata = fitting(picture.metadata, written, kind, form, encoding, warnings)
    held = kind_of(mode, dtype)
    if form == "jpeg" and held == kind == "RGB":
        held = kind = "RGBX"  # its encoder takes what Pillow need not convert
    if held == kind and (form in ("tiff", "ppm") or not animated) and takes_arrays(form, kind, encoding):
        if release:
            picture.pixels = np.empty((0, 0), np.uint8)
        return Samples(np.ascontiguousarray(pixels, pixels.dtype.newbyteorder("=")), mode), metadata
    image = to_image(pixels, held)
    del pixels
    if release:
        picture.pixels = np.empty((0, 0), np.uint8)
    return (image if image.mode == kind else image.convert(kind)), metadata


def _mode_of(picture: Picture) -> str:
    """Return a picture's mode, mended if its channels have become more or fewer."""
    return fitting_mode(picture.mode, picture.pixels.shape[2] if picture.pixels.ndim == 3 else 1)


def _loses_alpha(mode: str, kind: str) -> bool:
    """Tell whether a kind has no room for a mode's alpha."""
    return mode in ("LA", "RGBA") and kind in ("L", "RGB")


def _alpha_settled(
    pixels: NDArray[Any],
    mode: str,
    kind: str,
    form: str,
    background: str,
    warnings: list[str],
) -> tuple[NDArray[Any], str]:
    """Return a picture without alpha if the format has none, or not of that sort, else as it is."""
    alpha = pixels[..., -1]
    flatten = _loses_alpha(mode, kind)
    # A GIF's pixels are transparent or not.
    half = form == "gif" and bool(np.any((alpha != 0) & (alpha != 255)))
    if not flatten and not half:
        return pixels, mode
    if alpha.min() < 255:
        fault = "alpha" if flatten else "partial transparency"
        warnings.append(f"{form} cannot hold {fault}: laid on {background}")
    result = flattened(pixels, background_colour(background))
    return result, "L" if result.ndim == 2 else "RGB"


def fitting(
    metadata: Metadata, written: Origin, kind: str, form: str, encoding: EncodeOptions, warnings: list[str]
) -> Metadata:
    """Return the metadata to write; what a format cannot hold is named in one warning."""
    if encoding.strip:
        return metadata.bare()
    origin = None if form == "npy" else metadata.origin
    tags, lost_tags = fitting_tags(metadata.tags, origin, written, form, DESCRIPTIVE)
    warnings += lost_tags
    metadata = replace(metadata, tags=tags)
    lost = [name for name in metadata.blocks() if form not in HELD.get(name, "png").split()]
    if lost:
        names = " and ".join(filter(None, [", ".join(lost[:-1]), lost[-1]]))
        warnings.append(f"{form} cannot hold {names}: dropped")
    if metadata.unknown:
        warnings.append(f"not known to fit the filtered image: {', '.join(metadata.unknown)} dropped")
    if "a colour profile" in lost:
        metadata = replace(metadata, icc=None)
    if metadata.icc is not None and not icc_fits(metadata.icc, kind):
        warnings.append(f"the colour profile does not fit {kind} pixels: dropped")
        metadata = replace(metadata, icc=None)
    return _with_background(metadata, kind, warnings) if form == "png" else metadata


def _with_background(metadata: Metadata, kind: str, warnings: list[str]) -> Metadata:
    """Bring the background colour of a PNG to the kind of image that is written."""
    chunks = dict(metadata.chunks)
    if b"bKGD" not in chunks:
        return metadata
    from convfilter.images.png import background_for

    content = background_for(kind, chunks[b"bKGD"])
    if not content:
        warnings.append(f"the background colour does not fit {kind} pixels: dropped")
    kept = [(name, content if name == b"bKGD" else each) for name, each in metadata.chunks]
    return replace(metadata, chunks=tuple(chunk for chunk in kept if chunk != (b"bKGD", b"")))
