"""How each format is encoded: mostly Pillow's `save`, with the options and metadata that fit."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageFile

from convfilter.images import codecs
from convfilter.images.encoding import Options, Raster, Samples, present
from convfilter.images.formats import loose_channels
from convfilter.images.metadata import PHOTOSHOP, Metadata
from convfilter.images.plugins import load_plugin
from convfilter.images.pnm import write_pnm
from convfilter.images.sink import save
from convfilter.images.to_pillow import palette_of, to_image
from convfilter.options import EncodeOptions

__all__ = ["avif_options", "encode", "takes_arrays"]

_QUALITY = 90
_WITH_QUALITY = ("jpeg", "webp", "avif")
_JPEG_SEGMENT = 65_533


def encode(
    raster: Raster,
    stream: BinaryIO,
    form: str,
    metadata: Metadata,
    encoding: EncodeOptions,
    warnings: list[str],
    *,
    few_colours: bool = True,
) -> None:
    """Encode a picture.

    Parameters
    ----------
    raster : PIL.Image.Image or Samples
        The picture, of a kind that the format holds; samples only where `takes_arrays` says so.
    stream : file object
        Where to write.
    form : str
        A name out of `convfilter.images.formats.FORMATS` other than ``npy``.
    metadata : Metadata
        What to write beside the pixels, where the format can.
    encoding : EncodeOptions
        How.
    warnings : list of str
        Gets a line for whatever is lost.
    few_colours : bool
        Whether a small PNG may be given a palette.
    """
    if form != "ppm":
        load_plugin(form)
    if encoding.quality is not None and form not in _WITH_QUALITY:
        warnings.append(f"{form} has no quality to choose: it is left out of account")
    small = encoding.compress == "small"
    if form == "png":
        from convfilter.images.png import save_png

        save_png(raster, stream, metadata, small=small, few_colours=few_colours)
        return
    if form == "tiff":
        from convfilter.images.tiff_writing import save_tiff

        save_tiff(raster, stream, metadata, small)
        return
    if isinstance(raster, Samples) or form == "ppm":
        write_pnm(raster, stream)
        return
    image = raster
    if form == "gif":
        image, options = _gif(image, metadata, warnings)
    else:
        options = _OPTIONS[form](image, metadata, encoding, warnings)
    with _room_for(image) if "progressive" in options else contextlib.nullcontext():
        save(image, stream, form, **options)


def takes_arrays(form: str, kind: str, encoding: EncodeOptions) -> bool:
    """Tell whether pictures of a kind are encoded from the array itself, not by Pillow."""
    if form == "tiff" and loose_channels(kind.partition(";")[0]):
        return True
    if ";" in kind and kind != "I;16":
        return form != "npy"
    return form == "ppm" or (form == "png" and encoding.compress == "fast" and codecs.available())


@contextlib.contextmanager
def _room_for(image: Image.Image) -> Iterator[None]:
    """Let Pillow encode in one go, as a progressive JPEG must be; what it allows is too little for noise."""
    before = ImageFile.MAXBLOCK
    ImageFile.MAXBLOCK = max(before, 2 * len(image.getbands()) * image.width * image.height + (1 << 18))
    try:
        yield
    finally:
        ImageFile.MAXBLOCK = before


def _jpeg(image: Image.Image, metadata: Metadata, encoding: EncodeOptions, warnings: list[str]) -> Options:
    """Return the options for a JPEG: its own tables again, or a quality."""
    parts = {"exif": metadata.exif, "xmp": metadata.xmp}
    limits = {"exif": _JPEG_SEGMENT, "xmp": _JPEG_SEGMENT - 29}
    for name, part in parts.items():
        if part is not None and len(part) > limits[name]:
            warnings.append(f"{name} of {len(part)} bytes is too long for jpeg: dropped")
            parts[name] = None
    dpi = metadata.dpi
    if dpi is not None and max(dpi) >= 65_535:
        warnings.append(f"a resolution of {max(dpi):.0f} dots per inch is too high for jpeg: dropped")
        dpi = None
    extra = _jpeg_segments(metadata, warnings)
    options = present(**parts, icc_profile=metadata.icc, dpi=dpi, extra=extra or None)
    if encoding.quality is None and metadata.quantization is not None:
        options |= {"qtables": metadata.quantization, "subsampling": metadata.subsampling}
    else:
        quality = encoding.quality or _QUALITY
        # The chroma of what edge filters make is no smoother than the rest: full at high qualities.
        options |= {"quality": quality, "subsampling": 0 if quality >= _QUALITY else 2}
    if encoding.compress == "small":
        options |= {"optimize": True, "progressive": True}
    return options


def _jpeg_segments(metadata: Metadata, warnings: list[str]) -> bytes:
    """Return what is written into a JPEG as it is: Photoshop data, split if long, and comments."""
    data, size = metadata.photoshop or b"", _JPEG_SEGMENT - len(PHOTOSHOP)
    segments = [(0xED, PHOTOSHOP + data[at : at + size]) for at in range(0, len(data), size)]
    for comment in metadata.comments:
        if len(comment) > _JPEG_SEGMENT:
            warnings.append(f"comment of {len(comment)} bytes is too long for jpeg: dropped")
        else:
            segments.append((0xFE, comment))
    return b"".join(
        bytes([0xFF, marker]) + (len(content) + 2).to_bytes(2, "big") + content
        for marker, content in segments
    )


def _webp(image: Image.Image, metadata: Metadata, encoding: EncodeOptions, warnings: list[str]) -> Options:
    """Return the options for a WebP: without loss after an input without loss."""
    options = present(exif=metadata.exif, icc_profile=metadata.icc, xmp=metadata.xmp)
    if encoding.quality is None and metadata.lossless:
        options |= {"lossless": True, "exact": True}
    else:
        options["quality"] = encoding.quality or _QUALITY
    return options | ({"method": 6} if encoding.compress == "small" else {})


def avif_options(
    image: Image.Image, metadata: Metadata, encoding: EncodeOptions, warnings: list[str]
) -> Options:
    """Return Pillow's options for an AVIF; the parameters are those of `encode`."""
    quality = encoding.quality or _QUALITY
    options = present(exif=metadata.exif, icc_profile=metadata.icc, xmp=metadata.xmp)
    if image.mode != "L" and quality >= _QUALITY:
        options["subsampling"] = "4:4:4"
    # One thread: the pictures of a batch are what runs side by side.
    return options | {"quality": quality, "max_threads": 1, "speed": 3 if encoding.compress == "small" else 6}


def _bmp(image: Image.Image, metadata: Metadata, encoding: EncodeOptions, warnings: list[str]) -> Options:
    """Return the options for a BMP."""
    return present(dpi=metadata.dpi)


def _tga(image: Image.Image, metadata: Metadata, encoding: EncodeOptions, warnings: list[str]) -> Options:
    """Return the options for a TGA."""
    return {"rle": encoding.compress == "small" or metadata.compression == "tga_rle"}


_OPTIONS: dict[str, Callable[[Image.Image, Metadata, EncodeOptions, list[str]], Options]] = {
    "jpeg": _jpeg,
    "webp": _webp,
    "avif": avif_options,
    "bmp": _bmp,
    "tga": _tga,
}


def _gif(image: Image.Image, metadata: Metadata, warnings: list[str]) -> tuple[Image.Image, Options]:
    """Return a picture with a palette for a GIF: exactly its colours if it has few enough."""
    options = present(comment=b"\n".join(metadata.comments) or None)
    if image.mode == "L":  # with the greys in order it is read as grey again
        return image, options | {"optimize": False}
    clear = None
    if image.mode == "RGBA":  # fully transparent or not at all, as has been seen to
        clear = np.asarray(image.getchannel("A")) == 0
        image = Image.composite(image, Image.new("RGBA", image.size), image.getchannel("A"))
    found = palette_of(image)
    if found:
        paletted, colours = found
        if clear is not None and clear.any():
            options["transparency"] = colours.index((0, 0, 0, 0))
        return paletted, options | {"optimize": False}
    warnings.append("gif holds 256 colours: reduced to so many")
    if clear is None or not clear.any():
        return image.convert("RGB").quantize(256), options
    reduced = image.convert("RGB").quantize(255)
    palette = (reduced.getpalette() or [])[: 3 * 255]
    indices = np.array(reduced)
    indices[clear] = 255
    paletted = to_image(indices, "P")
    paletted.putpalette(palette + [0] * (768 - len(palette)))
    return paletted, options | {"transparency": 255, "optimize": False}
