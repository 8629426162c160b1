"""PNG files, written quickly or small: by Pillow, or by the codecs where they are installed."""

from __future__ import annotations

import io
import zlib
from typing import Any, BinaryIO, NamedTuple, cast

from numpy.typing import NDArray
from PIL import Image

from convfilter.images import codecs
from convfilter.images.encoding import Options, Raster, Samples, present
from convfilter.images.metadata import Metadata
from convfilter.images.to_pillow import palette_of

__all__ = ["save_png"]

# Full matching is taken where looking for runs alone makes a sample this much larger.
_LARGER = 1.3
_HEADER = 33  # bytes of the signature and the first chunk


class _Settings(NamedTuple):
    """How the codecs encode: level and strategy of zlib, and a filter of libpng's or all."""

    level: int
    strategy: int
    filter: int | None


_RUNS = tuple(_Settings(1, zlib.Z_RLE, filter) for filter in (64, 128, None))
_QUICK_MATCHES = tuple(_Settings(1, zlib.Z_DEFAULT_STRATEGY, filter) for filter in (8, 128))
_MATCHES = tuple(_Settings(6, zlib.Z_DEFAULT_STRATEGY, filter) for filter in (8, 128, None))
_SMALL = (
    _Settings(9, zlib.Z_DEFAULT_STRATEGY, None),
    _Settings(9, zlib.Z_DEFAULT_STRATEGY, 8),
    _Settings(9, zlib.Z_RLE, None),
)


def save_png(
    raster: Raster,
    stream: BinaryIO,
    metadata: Metadata,
    warnings: list[str],
    *,
    small: bool = False,
    few_colours: bool = True,
) -> None:
    """Write a PNG.

    Parameters
    ----------
    raster : PIL.Image.Image or Samples of uint8 or uint16
        The picture; samples are encoded by the codecs.
    stream : file object
        Where to write.
    metadata : Metadata
        What to write beside the pixels.
    warnings : list of str
        Gets a line for whatever is lost.
    small : bool
        Whether the size counts more than the time.
    few_colours : bool
        Whether a small one may be given a palette.
    """
    options = _options(metadata, warnings)
    if isinstance(raster, Samples):
        encoded = _encoded(raster.pixels, small)
        stream.write(encoded[:_HEADER])
        stream.write(_chunks(options))
        stream.write(memoryview(encoded)[_HEADER:])
        return
    if not small:
        raster.save(stream, "PNG", **options, **_quick_png(raster))
        return
    best: bytes | None = None
    for candidate, more in _small_pngs(raster, few_colours):
        buffer = io.BytesIO()
        candidate.save(buffer, "PNG", **options, **more)
        if best is None or buffer.tell() < len(best):
            best = buffer.getvalue()
    stream.write(cast("bytes", best))


def _options(metadata: Metadata, warnings: list[str]) -> Options:
    """Return Pillow's options for what stands beside the pixels."""
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
    return present(pnginfo=info, icc_profile=metadata.icc, exif=metadata.exif, dpi=metadata.dpi)


def _chunks(options: Options) -> bytes:
    """Return the chunks that Pillow writes before the pixels."""
    buffer = io.BytesIO()
    Image.new("L", (1, 1)).save(buffer, "PNG", **options)
    data = buffer.getvalue()
    return data[_HEADER : data.index(b"IDAT", _HEADER) - 4]


def _encoded(pixels: NDArray[Any], small: bool) -> bytes:
    """Return an array as a PNG without metadata."""
    if small:
        return min((codecs.encode_png(pixels, **each._asdict()) for each in _SMALL), key=len)
    rows = min(max(len(pixels) // 128, 8), len(pixels))
    top = (len(pixels) - rows) // 2
    sample = pixels[top : top + rows]

    def size(settings: _Settings) -> int:
        return len(codecs.encode_png(sample, **settings._asdict()))

    sizes = {settings: size(settings) for settings in _RUNS}
    # To try all filters on each row takes twice as long.
    best = min(_RUNS, key=lambda settings: sizes[settings] * (1.05 if settings.filter is None else 1))
    if sizes[best] >= _LARGER * min(map(size, _QUICK_MATCHES)):
        best = min(_MATCHES, key=size)
    return codecs.encode_png(pixels, **best._asdict())


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
    return runs if sizes[0] < _LARGER * sizes[1] else {}


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
