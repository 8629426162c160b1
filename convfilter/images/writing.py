"""From an array of pixels to an encoded file.

What a format can hold is asked first; nothing is narrowed in silence.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import DTypeLike, NDArray

from convfilter.errors import ImageError
from convfilter.images.encoders import Output, background_colour, flattened, to_image
from convfilter.images.formats import FORMATS, fitting_mode, kind_of, loaded, route
from convfilter.images.library import collected
from convfilter.images.metadata import DESCRIPTIVE, Metadata, icc_fits
from convfilter.images.picture import Picture
from convfilter.images.tiff_tags import Origin, fitting_tags
from convfilter.options import EncodeOptions

__all__ = ["check_writable", "prepared", "write_picture"]


def check_writable(
    mode: str, dtype: DTypeLike, size: tuple[int, int], frames: int, format: str, *, first: bool = True
) -> list[str]:
    """Return what would be lost, one line each, as far as that is known without the pixels.

    Raises `ImageError` if the format cannot hold images of that mode, type, (width, height) and number;
    `first` tells whether the first of several alone would be worth having.
    """
    kind, warnings = route(mode, np.dtype(dtype).name, format)
    row = FORMATS[format]
    width, height = size
    if min(size) < 1:
        raise ImageError(f"{width} x {height} pixels are not an image")
    if max(size) > row.side:
        raise ImageError(
            f"{width} x {height} pixels are too large for {format}, "
            f"which takes {row.side} a side; try png or tiff"
        )
    if frames > 1 and not row.several:
        mend = "--frames first, or tiff" if first else "tiff"
        raise ImageError(f"{format} cannot hold {frames} frames; try {mend}")
    if frames > 1 and kind in row.deep and row.several == "animation":
        raise ImageError(f"{format} cannot hold {frames} frames of 16 bits a colour; try tiff")
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
    """Encode an image into a buffered stream, by default in its own format; return what was lost.

    With `release`, `picture.pixels` is replaced by an empty array as soon as the encoder has a copy, which
    saves three bytes a pixel in RGB while encoding.
    """
    form = format or picture.format
    height, width = picture.pixels.shape[:2]
    check_writable(_mode_of(picture), picture.pixels.dtype, (width, height), 1, form)
    output = Output(stream, form, encoding or EncodeOptions(), [])
    with collected(output.warnings, prints=FORMATS[form].prints):
        loaded(FORMATS[form].encoder)(prepared(picture, output, release=release), output)
    return output.warnings


def prepared(picture: Picture, output: Output, *, release: bool = False) -> Picture:
    """Return an image, or a frame of several, as a format holds it; `release` as above."""
    form, warnings = output.format, output.warnings
    pixels = picture.pixels
    if pixels.shape[2:] == (1,) and form != "npy":
        pixels = pixels[:, :, 0]
    mode, dtype = _mode_of(picture), pixels.dtype.name
    kind, lost = route(mode, dtype, form)
    warnings += lost
    animated_gif = form == "gif" and output.frames  # whose encoder handles alpha
    if mode in ("LA", "RGBA") and dtype == "uint8" and not animated_gif:
        pixels, mode = _without_alpha(pixels, mode, kind, output)
        kind, _ = route(mode, dtype, form)
    metadata = _fitting(picture, kind, output)
    if output.encoding.quality is not None and not FORMATS[form].quality:
        warnings.append(f"{form} has no quality to choose: --quality is ignored")
    if kind_of(mode, dtype) != kind:
        pixels, mode = np.asarray(to_image(pixels, mode).convert(kind)), kind
    pixels = np.ascontiguousarray(pixels, pixels.dtype.newbyteorder("="))
    if release:
        picture.pixels = np.empty((0, 0), np.uint8)
    return Picture(pixels, mode, form, metadata)


def _mode_of(picture: Picture) -> str:
    """Return an image's mode, or another if its number of channels has changed."""
    return fitting_mode(picture.mode, picture.pixels.shape[2] if picture.pixels.ndim == 3 else 1)


def _loses_alpha(mode: str, kind: str) -> bool:
    """Tell whether a kind does not hold a mode's alpha."""
    return mode in ("LA", "RGBA") and kind in ("L", "RGB")


def _without_alpha(pixels: NDArray[Any], mode: str, kind: str, output: Output) -> tuple[NDArray[Any], str]:
    """Return an image without alpha if the format has none, or not of that sort, else as it is."""
    alpha = pixels[..., -1]
    flatten = _loses_alpha(mode, kind)
    # A GIF's pixels are transparent or not.
    half = output.format == "gif" and bool(np.any((alpha != 0) & (alpha != 255)))
    if not flatten and not half:
        return pixels, mode
    background = output.encoding.background
    if alpha.min() < 255:
        fault = "alpha" if flatten else "partial transparency"
        output.warnings.append(f"{output.format} cannot hold {fault}: laid on {background}")
    result = flattened(pixels, background_colour(background))
    return result, "L" if result.ndim == 2 else "RGB"


def _fitting(picture: Picture, kind: str, output: Output) -> Metadata:
    """Return the metadata to write; what a format cannot hold is named in one warning."""
    metadata, form, warnings = picture.metadata, output.format, output.warnings
    if output.encoding.strip:
        return metadata.bare()
    origin = None if form == "npy" else metadata.origin
    written = Origin.of(picture.pixels, output.frames or 1)
    tags, lost_tags = fitting_tags(metadata.tags, origin, written, form, DESCRIPTIVE)
    warnings += lost_tags
    metadata = replace(metadata, tags=tags)
    if lost := metadata.lost_in(form):
        names = " and ".join(filter(None, [", ".join(lost[:-1]), lost[-1]]))
        warnings.append(f"{form} cannot hold {names}: dropped")
    if metadata.unknown:
        warnings.append(f"not known to fit the filtered image: {', '.join(metadata.unknown)} dropped")
    if "icc" not in FORMATS[form].blocks:
        metadata = replace(metadata, icc=None)
    if metadata.icc is not None and not icc_fits(metadata.icc, kind):
        warnings.append(f"the colour profile does not fit {kind} pixels: dropped")
        metadata = replace(metadata, icc=None)
    return metadata
