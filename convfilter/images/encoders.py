"""How each format is encoded: Pillow's `save`, with the options and metadata that fit."""

from __future__ import annotations

import contextlib
import io
import zlib
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, NamedTuple, cast

import numpy as np
from PIL import Image, ImageFile

from convfilter.errors import ImageError
from convfilter.images.layers import palette_of, to_image
from convfilter.images.metadata import Metadata
from convfilter.images.plugins import load_plugin, pillow_name

__all__ = ["Encoding", "avif_options", "encode"]

Options = dict[str, Any]

_QUALITY = 90
_JPEG_SEGMENT = 65_533


class Encoding(NamedTuple):
    """How to write a file.

    Attributes
    ----------
    quality : int or None
        1 to 100 for JPEG, WebP and AVIF. None takes over a JPEG's own tables, writes WebP without loss
        if the input had none, and is 90 otherwise.
    compress : str
        ``fast``, or ``small`` for the smallest file, at any price in time.
    background : str
        The colour that transparent pixels are laid on where the format has no alpha.
    strip : bool
        Whether to leave out all metadata.
    """

    quality: int | None = None
    compress: str = "fast"
    background: str = "white"
    strip: bool = False

    def __post_init__(self) -> None:
        if self.quality is not None and (not isinstance(self.quality, int) or not 1 <= self.quality <= 100):
            raise ImageError(f"quality {self.quality!r} is not a whole number from 1 to 100")
        if self.compress not in ("fast", "small"):
            raise ImageError(f"compress {self.compress!r} is unknown: give 'fast' or 'small'")


def encode(
    image: Image.Image,
    stream: BinaryIO,
    form: str,
    metadata: Metadata,
    encoding: Encoding,
    warnings: list[str],
    *,
    few_colours: bool = True,
) -> None:
    """Encode a picture.

    Parameters
    ----------
    image : PIL.Image.Image
        The picture, of a kind that the format holds.
    stream : file object
        Where to write.
    form : str
        A name out of `convfilter.images.formats.FORMATS` other than ``npy``.
    metadata : Metadata
        What to write beside the pixels, where the format can.
    encoding : Encoding
        How.
    warnings : list of str
        Gets a line for whatever is lost.
    few_colours : bool
        Whether a small PNG may be given a palette.
    """
    load_plugin(form)
    if form == "png":
        _save_png(image, stream, metadata, encoding, warnings, few_colours)
        return
    if form == "tiff":
        from convfilter.images.tiff import save_tiff

        save_tiff(image, stream, metadata, encoding.compress == "small")
        return
    if form == "gif":
        image, options = _gif(image, metadata, warnings)
    else:
        options = _OPTIONS[form](image, metadata, encoding, warnings)
    with _room_for(image) if "progressive" in options else contextlib.nullcontext():
        image.save(stream, pillow_name(form), **options)


@contextlib.contextmanager
def _room_for(image: Image.Image) -> Iterator[None]:
    """Let Pillow encode in one go, as a progressive JPEG must be; what it allows is too little for noise."""
    before = ImageFile.MAXBLOCK
    ImageFile.MAXBLOCK = max(before, 2 * len(image.getbands()) * image.width * image.height + (1 << 18))
    try:
        yield
    finally:
        ImageFile.MAXBLOCK = before


def _present(**options: object) -> Options:
    """Return the options that have a value."""
    return {name: value for name, value in options.items() if value is not None}


def _save_png(
    image: Image.Image,
    stream: BinaryIO,
    metadata: Metadata,
    encoding: Encoding,
    warnings: list[str],
    few_colours: bool,
) -> None:
    """Write a PNG, quickly or small."""
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    for kind, data in metadata.chunks.items():
        info.add(kind, data)
    for key, value in metadata.text.items():
        try:
            info.add_text(key, value)
        except ValueError:  # a key or text that no chunk can hold
            warnings.append("malformed text dropped")
    if metadata.xmp is not None:
        info.add_itxt("XML:com.adobe.xmp", metadata.xmp)
    options = _present(pnginfo=info, icc_profile=metadata.icc, exif=metadata.exif, dpi=metadata.dpi)
    if encoding.compress != "small":
        image.save(stream, "PNG", **options, **_quick_png(image))
        return
    best: bytes | None = None
    for candidate, more in _small_pngs(image, few_colours):
        encoded = io.BytesIO()
        candidate.save(encoded, "PNG", **options, **more)
        if best is None or len(encoded.getbuffer()) < len(best):
            best = encoded.getvalue()
    stream.write(cast("bytes", best))


def _quick_png(image: Image.Image) -> Options:
    """Choose between runs and full matching by a few rows.

    Looking for runs alone takes a quarter of the time. On photographs the file grows by a few hundredths
    at most; on drawings that repeat themselves, where matching is quick as well, it could grow many times.
    """
    rows = min(max(image.height // 64, 8), image.height)
    top = (image.height - rows) // 2
    sample = image.crop((0, top, image.width, top + rows))
    sizes = []
    runs: Options = {"compress_type": zlib.Z_RLE}
    for options in (runs, {"compress_level": 1}):
        encoded = io.BytesIO()
        sample.save(encoded, "PNG", **options)
        sizes.append(encoded.tell())
    return runs if sizes[0] < 1.3 * sizes[1] else {}


def _small_pngs(image: Image.Image, few_colours: bool) -> list[tuple[Image.Image, Options]]:
    """Return what to try for the smallest file."""
    tries: list[tuple[Image.Image, Options]] = [
        (image, {"optimize": True}),
        (image, {"compress_level": 9, "compress_type": zlib.Z_FILTERED}),
        (image, {"compress_level": 9, "compress_type": zlib.Z_RLE}),
        (image, {"compress_type": zlib.Z_HUFFMAN_ONLY}),
    ]
    found = palette_of(image) if few_colours and image.mode in ("RGB", "RGBA") else None
    if found:
        paletted, colours = found
        alpha = bytes(colour[3] for colour in colours)
        clear = {"transparency": alpha} if min(alpha) < 255 else {}
        tries += [(paletted, {"optimize": True, **clear}), (paletted, {"compress_level": 9, **clear})]
    return tries


def _jpeg(image: Image.Image, metadata: Metadata, encoding: Encoding, warnings: list[str]) -> Options:
    """Return the options for a JPEG: its own tables again, or a quality."""
    parts = {"exif": metadata.exif, "xmp": metadata.xmp, "comment": metadata.comment}
    limits = {"exif": _JPEG_SEGMENT, "xmp": _JPEG_SEGMENT - 29, "comment": _JPEG_SEGMENT}
    for name, part in parts.items():
        if part is not None and len(part) > limits[name]:
            warnings.append(f"{name} of {len(part)} bytes is too long for jpeg: dropped")
            parts[name] = None
    dpi = metadata.dpi if metadata.dpi and max(metadata.dpi) < 65_535 else None
    options = _present(**parts, icc_profile=metadata.icc, dpi=dpi)
    if encoding.quality is None and metadata.quantization is not None:
        options |= {"qtables": metadata.quantization, "subsampling": metadata.subsampling}
    else:
        quality = encoding.quality or _QUALITY
        # The chroma of what edge filters make is no smoother than the rest: full at high qualities.
        options |= {"quality": quality, "subsampling": 0 if quality >= _QUALITY else 2}
    if encoding.compress == "small":
        options |= {"optimize": True, "progressive": True}
    return options


def _webp(image: Image.Image, metadata: Metadata, encoding: Encoding, warnings: list[str]) -> Options:
    """Return the options for a WebP: without loss after an input without loss."""
    options = _present(exif=metadata.exif, icc_profile=metadata.icc, xmp=metadata.xmp)
    if encoding.quality is None and metadata.lossless:
        options |= {"lossless": True, "exact": True}
    else:
        options["quality"] = encoding.quality or _QUALITY
    return options | ({"method": 6} if encoding.compress == "small" else {})


def avif_options(image: Image.Image, metadata: Metadata, encoding: Encoding, warnings: list[str]) -> Options:
    """Return Pillow's options for an AVIF; the parameters are those of `encode`."""
    quality = encoding.quality or _QUALITY
    options = _present(exif=metadata.exif, icc_profile=metadata.icc, xmp=metadata.xmp)
    if image.mode != "L" and quality >= _QUALITY:
        options["subsampling"] = "4:4:4"
    # One thread: the pictures of a batch are what runs side by side.
    return options | {"quality": quality, "max_threads": 1, "speed": 3 if encoding.compress == "small" else 6}


def _bmp(image: Image.Image, metadata: Metadata, encoding: Encoding, warnings: list[str]) -> Options:
    """Return the options for a BMP."""
    return _present(dpi=metadata.dpi)


def _tga(image: Image.Image, metadata: Metadata, encoding: Encoding, warnings: list[str]) -> Options:
    """Return the options for a TGA."""
    return {"rle": encoding.compress == "small" or metadata.compression == "tga_rle"}


def _ppm(image: Image.Image, metadata: Metadata, encoding: Encoding, warnings: list[str]) -> Options:
    """Return the options for a PPM: there are none."""
    return {}


_OPTIONS: dict[str, Callable[[Image.Image, Metadata, Encoding, list[str]], Options]] = {
    "jpeg": _jpeg,
    "webp": _webp,
    "avif": avif_options,
    "bmp": _bmp,
    "tga": _tga,
    "ppm": _ppm,
}


def _gif(image: Image.Image, metadata: Metadata, warnings: list[str]) -> tuple[Image.Image, Options]:
    """Return a picture with a palette for a GIF: exactly its colours if it has few enough."""
    options = _present(comment=metadata.comment)
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
