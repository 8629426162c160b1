"""PNG files: what their chunks say beside the pixels, and writing them, quickly or small.

The decoders see the chunks that make up the pixels only; all others are read and written here, found by their
lengths and kept as they are.
"""

from __future__ import annotations

import bisect
import io
import itertools
import os
import re
import struct
import zlib
from collections.abc import Iterator
from typing import Any, BinaryIO, NamedTuple, TypeAlias, cast

from numpy.typing import NDArray
from PIL import Image

from convfilter.errors import ImageError
from convfilter.images import codecs
from convfilter.images.encoders import Output, Raster, Samples, palette_of, save
from convfilter.images.headers import PngChunk
from convfilter.images.library import add_warning
from convfilter.images.metadata import Chunk, Metadata, jpeg_places

__all__ = [
    "SIGNATURE",
    "background_for",
    "beside_pixels",
    "check_png",
    "pixels_alone",
    "png_chunk",
    "save_png",
]

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PIXELS = {b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND", b"acTL", b"fcTL", b"fdAT"}
# What the numbers mean as colours, which filters do not change, the shape of pixels, and how long it is.
_LENGTHS = {b"gAMA": 4, b"cHRM": 32, b"sRGB": 1, b"cICP": 4, b"mDCV": 24, b"cLLI": 8, b"pHYs": 9}
_ONCE = {*_LENGTHS, b"iCCP", b"eXIf", b"bKGD"}
# What describes the image as it was.
_DROPPED = {b"tIME", b"sBIT", b"sPLT", b"hIST", b"iDOT"}
_TEXTS = {b"tEXt", b"zTXt", b"iTXt"}
_XMP = b"XML:com.adobe.xmp"
_RAW_PROFILE = b"Raw profile type "
_XMP_SEGMENT = b"http://ns.adobe.com/xap/1.0/\0"
_EXIF = b"Exif\0\0"
_METRE = 0.0254
_PALETTED = 3
# What is compressed may be so large; profiles and texts of files that are no bombs are smaller.
_LARGEST = 1 << 24
_BLOCK, _SLACK = 1 << 20, 1 << 16
_HEX = re.compile(rb"(?:[0-9a-fA-F]{2})+")

# Full matching is taken where looking for runs alone makes a sample this much larger.
_LARGER = 1.3
_HEADER = 33  # bytes of the signature and the first chunk


def pixels_alone(stream: BinaryIO, chunks: list[PngChunk]) -> BinaryIO:
    """Return a PNG as decoders see it: without what is read by `beside_pixels`.

    Parameters
    ----------
    stream : file object
        The file.
    chunks : list of PngChunk
        Its chunks.

    Returns
    -------
    file object
        A view of it, in which nothing is copied.

    Raises
    ------
    ImageError
        If there is a chunk without which the pixels cannot be understood.
    """
    spans = [(0, 8)]
    for each in chunks:
        if each.kind in _PIXELS:
            start, end = each.place - 8, each.place + each.length + 4
            if spans[-1][1] == start:
                start = spans.pop()[0]
            spans.append((start, end))
        elif each.kind[0] < ord("a"):
            raise ImageError(f"not supported: png data with a chunk {each.kind.decode()}")
    if not chunks or chunks[-1].kind != b"IEND":  # truncated: what is there may be a header
        spans.append((spans[-1][1], stream.seek(0, os.SEEK_END)))
    return io.BufferedReader(_Spans(stream, spans))


def check_png(stream: BinaryIO, chunks: list[PngChunk], *, whole: bool) -> None:
    """Refuse a PNG in which a check sum of the pixels is wrong.

    Parameters
    ----------
    stream : file object
        The file.
    chunks : list of PngChunk
        Its chunks.
    whole : bool
        Whether it must not end too early; otherwise its decoder finds out at the frame that is missing.
    """
    if whole and (not chunks or chunks[-1].kind != b"IEND"):
        raise ImageError("broken png data (the end is missing)")
    stream.seek(16)
    width, height = struct.unpack(">II", stream.read(8))
    packed = sum(each.length for each in chunks if each.kind == b"IDAT")
    if packed > height * (8 * width + 1) * 9 // 8 + _SLACK:
        raise ImageError("broken png data (far more than its pixels need)")
    for each in chunks:
        if each.kind in _PIXELS and not _is_sound(stream, each):
            raise ImageError(f"broken png data (the check sum of its {each.kind.decode()} is wrong)")


class _Spans(io.RawIOBase):
    """Spans of a file, read as if nothing stood between them."""

    def __init__(self, stream: BinaryIO, spans: list[tuple[int, int]]) -> None:
        self._stream, self._spans = stream, spans
        self._begins = [0, *itertools.accumulate(end - start for start, end in spans)]
        self._place = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._place = offset + (0, self._place, self._begins[-1])[whence]
        return self._place

    def readinto(self, buffer: Any) -> int:
        if self._place >= self._begins[-1]:
            return 0
        number = bisect.bisect_right(self._begins, self._place) - 1
        start = self._spans[number][0] + self._place - self._begins[number]
        self._stream.seek(start)
        data = self._stream.read(min(len(buffer), self._spans[number][1] - start))
        buffer[: len(data)] = data
        self._place += len(data)
        return len(data)


def beside_pixels(stream: BinaryIO, chunks: list[PngChunk], warnings: list[str]) -> dict[str, Any]:
    """Read what a PNG says beside its pixels.

    Parameters
    ----------
    stream : file object
        The file.
    chunks : list of PngChunk
        Its chunks.
    warnings : list of str
        Gets a line for whatever is damaged and dropped.

    Returns
    -------
    dict
        By Pillow's names (``exif icc_profile xmp dpi``), in ``chunks`` what is kept as it is, and in
        ``unknown`` what is not kept.
    """
    found: dict[str, Any] = {}
    kept: list[Chunk] = []
    kinds: set[bytes] = set()
    unknown: dict[str, None] = {}
    for each in chunks:
        kind = each.kind
        if kind in _PIXELS or kind in _DROPPED or (kind in kinds and kind in _ONCE):
            continue
        kinds.add(kind)
        if kind not in _ONCE and not _may_be_copied(kind):
            unknown[f"chunk {kind.decode()}"] = None
            continue
        if not _is_sound(stream, each) or each.length != _LENGTHS.get(kind, each.length):
            add_warning(warnings, f"damaged {kind.decode()} chunk dropped")
            continue
        stream.seek(each.place)
        content = stream.read(each.length)
        if kind == b"iCCP":
            found["icc_profile"] = _inflated(content.partition(b"\0")[2][1:], warnings, "ICC profile")
        elif kind == b"eXIf":
            found["exif"] = _EXIF + content.removeprefix(_EXIF)
        elif kind == b"pHYs" and content[8:] == b"\1":
            across, down = struct.unpack_from(">II", content)
            found["dpi"] = across * _METRE, down * _METRE
        elif kind == b"bKGD":
            if background := _full_scale(content, stream, chunks):
                kept.append((kind, background))
            else:
                add_warning(warnings, "damaged bKGD chunk dropped")
        elif kind not in _TEXTS:
            kept.append((kind, content))
        elif not 0 < content.find(b"\0") < 80:
            add_warning(warnings, "malformed text dropped")
        elif not _is_profile(kind, content, found, warnings):
            kept.append((kind, content))
    found = {name: value for name, value in found.items() if value}
    return found | {"chunks": tuple(kept), "unknown": tuple(unknown)}


def _full_scale(content: bytes, stream: BinaryIO, chunks: list[PngChunk]) -> bytes:
    """Return a background colour with levels of 16 bits, out of the palette if there is one."""
    stream.seek(24)
    depth, colours = stream.read(2)
    if colours == _PALETTED:
        palette = next((each for each in chunks if each.kind == b"PLTE"), None)
        if palette is None or len(content) != 1 or 3 * content[0] + 3 > palette.length:
            return b""
        stream.seek(palette.place + 3 * content[0])
        return bytes(level for each in stream.read(3) for level in (each, each))
    if len(content) != (6 if colours & 2 else 2):
        return b""
    levels = struct.unpack(f">{len(content) // 2}H", content)
    full = (1 << depth) - 1
    return struct.pack(f">{len(levels)}H", *(min(level, full) * 65535 // full for level in levels))


def background_for(kind: str, content: bytes) -> bytes:
    """Return a background colour of 16 bits as a kind of image has it; nothing if it does not fit."""
    if len(content) != (6 if kind.startswith("RGB") else 2):
        return b""
    levels = struct.unpack(f">{len(content) // 2}H", content)
    deep = kind.startswith("I") or "16" in kind
    return content if deep else struct.pack(f">{len(levels)}H", *((each + 128) // 257 for each in levels))


def _may_be_copied(kind: bytes) -> bool:
    """Tell whether a chunk stays true when the pixels change, which its last letter says."""
    return kind[3] >= ord("a")


def _is_sound(stream: BinaryIO, chunk: PngChunk) -> bool:
    """Tell whether a chunk's check sum is right."""
    stream.seek(chunk.place - 4)
    total, left = 0, chunk.length + 4
    while left:
        part = stream.read(min(left, _BLOCK))
        if not part:
            return False
        total = zlib.crc32(part, total)
        left -= len(part)
    return stream.read(4) == total.to_bytes(4, "big")


def _is_profile(kind: bytes, content: bytes, found: dict[str, Any], warnings: list[str]) -> bool:
    """Take EXIF or XMP out of a text; tell whether it held one, or an image that must not be kept."""
    key, _, text = content.partition(b"\0")
    if key != _XMP and not key.startswith(_RAW_PROFILE):
        return False
    if kind == b"iTXt":
        packed, text = text[:1] == b"\1", text[2:].split(b"\0", 2)[-1]
    else:
        packed, text = kind == b"zTXt", text[1:] if kind == b"zTXt" else text
    if packed:
        text = _inflated(text, warnings, "text")
    if key == _XMP:
        found["xmp"] = text
        return True
    # The name of the profile and its length stand before it, a line each.
    digits = b"".join(text.strip().split(b"\n", 2)[-1].split())
    profile = bytes.fromhex(digits.decode()) if _HEX.fullmatch(digits) else b""
    if profile.startswith((_EXIF, b"II*\0", b"MM\0*")):
        found.setdefault("exif", profile)
    elif profile.startswith(_XMP_SEGMENT) or key.endswith(b"xmp"):
        found.setdefault("xmp", profile.removeprefix(_XMP_SEGMENT))
    elif profile and not jpeg_places(profile):
        return False
    else:
        add_warning(warnings, f"{key.decode('latin-1')} dropped: it is damaged or holds a thumbnail")
    return True


def _inflated(packed: bytes, warnings: list[str], what: str) -> bytes:
    """Return what has been compressed, or nothing if it is broken or would be huge."""
    inflater = zlib.decompressobj()
    try:
        content = inflater.decompress(packed, _LARGEST)
    except zlib.error:
        content = b""
    if content and not inflater.unconsumed_tail:
        return content
    fault = f"{what} of more than {_LARGEST} bytes" if content else f"malformed {what}"
    add_warning(warnings, f"{fault} dropped")
    return b""


_Options: TypeAlias = dict[str, Any]


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


def save_png(raster: Raster, metadata: Metadata, output: Output) -> None:
    """Write a PNG; samples of 8 or 16 bits are encoded by the codecs."""
    beside = b"".join(png_chunk(*each) for each in _chunks_beside(metadata))
    if isinstance(raster, Samples):
        encoded = _encoded(raster.pixels, output.small)
    elif not output.small:
        inserting = cast("BinaryIO", _Inserting(output.stream, beside))
        save(raster, output._replace(stream=inserting), **_quick_png(raster, output))
        return
    else:
        # With a palette, a background would be one of its entries, and all frames would share one.
        few_colours = not output.frames and b"bKGD" not in dict(metadata.chunks)
        tries = _small_pngs(raster, few_colours)
        encoded = min((_saved(candidate, options, output) for candidate, options in tries), key=len)
    output.stream.write(encoded[:_HEADER])
    output.stream.write(beside)
    output.stream.write(memoryview(encoded)[_HEADER:])


class _Inserting:
    """Writes further chunks behind the first one of a PNG."""

    def __init__(self, stream: BinaryIO, beside: bytes) -> None:
        self._stream, self._beside = stream, beside
        self._left = _HEADER

    def write(self, data: bytes) -> None:
        """Write; encoders write a chunk's parts one by one."""
        self._stream.write(data)
        self._left -= len(data)
        if self._left == 0:
            self._stream.write(self._beside)


def _saved(image: Image.Image, options: _Options, output: Output) -> bytes:
    """Return an image as Pillow encodes it."""
    buffer = io.BytesIO()
    save(image, output._replace(stream=buffer), **options)
    return buffer.getvalue()


def png_chunk(kind: bytes, content: bytes) -> bytes:
    """Return a chunk as it is written."""
    checksum = zlib.crc32(content, zlib.crc32(kind))
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)


def _chunks_beside(metadata: Metadata) -> Iterator[Chunk]:
    """Yield what is written between the header and the pixels."""
    if metadata.icc is not None:
        yield b"iCCP", b"ICC Profile\0\0" + zlib.compress(metadata.icc)
    if metadata.dpi is not None:
        across, down = (min(int(value / _METRE + 0.5), 2**31 - 1) for value in metadata.dpi)
        yield b"pHYs", struct.pack(">IIB", across, down, 1)
    if metadata.exif is not None:
        yield b"eXIf", metadata.exif.removeprefix(_EXIF)
    if metadata.xmp is not None:
        yield b"iTXt", _XMP + b"\0" * 5 + metadata.xmp
    for kind, content in metadata.chunks:
        if kind != b"sRGB" or metadata.icc is None:  # a file may have one of them
            yield kind, content


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


def _quick_png(image: Image.Image, output: Output) -> _Options:
    """Choose between runs and full matching by a few rows.

    Looking for runs alone takes a quarter of the time. On photographs the file grows by a few hundredths
    at most; on drawings that repeat themselves, where matching is quick as well, it could grow many times.
    """
    rows = min(max(image.height // 64, 8), image.height)
    top = (image.height - rows) // 2
    sample = image.crop((0, top, image.width, top + rows))
    runs: _Options = {"compress_type": zlib.Z_RLE}
    sizes = [len(_saved(sample, options, output)) for options in (runs, {"compress_level": 1})]
    return runs if sizes[0] < _LARGER * sizes[1] else {}


def _small_pngs(image: Image.Image, few_colours: bool) -> list[tuple[Image.Image, _Options]]:
    """Return what to try for the smallest file."""
    tries: list[tuple[Image.Image, _Options]] = [
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
