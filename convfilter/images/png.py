"""PNG files: the metadata in their chunks, and fast or small encoding.

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
from typing import Any, BinaryIO

from PIL import Image

from convfilter.errors import ImageError
from convfilter.images.exif import jpeg_places
from convfilter.images.headers import ChunkPlace
from convfilter.images.library import add_warning
from convfilter.images.picture import Chunk, Picture
from convfilter.images.png_encoding import compressed_pixels
from convfilter.images.writing import Output, few_colours, save, taken, to_image
from convfilter.options import EncodeOptions

__all__ = [
    "beside_pixels",
    "check_png",
    "chunks_beside",
    "pixels_alone",
    "png_chunk",
    "png_header",
    "save_png",
]

_PIXELS = {b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND", b"acTL", b"fcTL", b"fdAT"}
# What the numbers mean as colours, which filters do not change, the shape of pixels, and how long it is.
_LENGTHS = {b"gAMA": 4, b"cHRM": 32, b"sRGB": 1, b"cICP": 4, b"mDCV": 24, b"cLLI": 8, b"pHYs": 9}
_ONCE = {*_LENGTHS, b"iCCP", b"eXIf", b"bKGD", b"sBIT"}
# What describes the image as it was.
_DROPPED = {b"tIME", b"sPLT", b"hIST", b"iDOT"}
_TEXTS = {b"tEXt", b"zTXt", b"iTXt"}
_XMP = b"XML:com.adobe.xmp"
_RAW_PROFILE = b"Raw profile type "
_XMP_SEGMENT = b"http://ns.adobe.com/xap/1.0/\0"
_EXIF = b"Exif\0\0"
_METRE = 0.0254
_PALETTED = 3
# What is compressed may be so large; profiles and texts of files that are no bombs are smaller.
_LARGEST = 1 << 24
_SLACK = 1 << 16
_HEX = rb"(?:[0-9a-fA-F]{2})+"

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_HEADER = 33  # bytes of the signature and the first chunk


def pixels_alone(stream: BinaryIO, chunks: list[ChunkPlace]) -> BinaryIO:
    """Return a view of a PNG as decoders see it: without what is read by `beside_pixels`."""
    spans = [(0, 8)]
    for kind, place, length in chunks:
        if kind in _PIXELS:
            spans.append((place - 8, place + length + 4))
        elif kind[0] < ord("a"):
            raise ImageError(f"not supported: png data with a chunk {kind.decode()}")
    if not chunks or chunks[-1].kind != b"IEND":  # truncated: what is there may be a header
        spans.append((spans[-1][1], stream.seek(0, os.SEEK_END)))
    return io.BufferedReader(_Spans(stream, spans))


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


def check_png(stream: BinaryIO, chunks: list[ChunkPlace], *, whole: bool) -> None:
    """Refuse a PNG in which a check sum of the pixels is wrong.

    If it need not be `whole`, its decoder finds out at the frame that is missing.
    """
    if whole and (not chunks or chunks[-1].kind != b"IEND"):
        raise ImageError("broken png data (the end is missing)")
    stream.seek(16)
    width, height = struct.unpack(">II", stream.read(8))
    packed = sum(each.length for each in chunks if each.kind == b"IDAT")
    if packed > height * (8 * width + 1) * 9 // 8 + _SLACK:
        raise ImageError("broken png data (far more than its pixels need)")
    for each in chunks:
        if each.kind in _PIXELS and _content(stream, each) is None:
            raise ImageError(f"broken png data (the check sum of its {each.kind.decode()} is wrong)")


def _content(stream: BinaryIO, chunk: ChunkPlace) -> bytes | None:
    """Return what a chunk holds, None if its check sum is wrong."""
    stream.seek(chunk.place)
    content = stream.read(chunk.length)
    sound = stream.read(4) == zlib.crc32(content, zlib.crc32(chunk.kind)).to_bytes(4, "big")
    return content if sound else None


def beside_pixels(stream: BinaryIO, chunks: list[ChunkPlace], warnings: list[str]) -> dict[str, Any]:
    """Return what a PNG says beside its pixels, with a warning for whatever is damaged and dropped.

    Named as by Pillow (``exif icc_profile xmp dpi``), but for ``chunks``, which are kept as they are, and
    ``unknown``, which are not kept.
    """
    found: dict[str, Any] = {}
    kept: list[Chunk] = []
    unknown: dict[str, None] = {}
    kinds: set[bytes] = set()
    for each in chunks:
        kind = each.kind
        if kind in _PIXELS or kind in _DROPPED or (kind in kinds and kind in _ONCE):
            continue
        kinds.add(kind)
        # The last letter says whether a chunk stays true when the pixels change.
        if kind not in _ONCE and kind[3] < ord("a"):
            unknown[f"chunk {kind.decode()}"] = None
            continue
        content = _content(stream, each)
        if content is not None and kind == b"bKGD":
            content = _full_scale(content, stream, chunks) or None
        if kind == b"sBIT" and not (content and len(content) <= 4 and min(content)):
            content = None
        if content is None or len(content) != _LENGTHS.get(kind, len(content)):
            add_warning(warnings, f"damaged {kind.decode()} chunk dropped")
        elif kind == b"iCCP":
            found["icc_name"], _, packed = content.partition(b"\0")
            found["icc_profile"] = _inflated(packed[1:], warnings, "ICC profile")
        elif kind == b"eXIf":
            found["exif"] = _EXIF + content.removeprefix(_EXIF)
        elif kind == b"pHYs" and content[8:] == b"\1":
            found["dpi"] = tuple(each * _METRE for each in struct.unpack_from(">II", content))
        elif kind in _TEXTS and not 0 < content.find(b"\0") < 80:
            add_warning(warnings, "malformed text dropped")
        elif kind not in _TEXTS or not _is_profile(kind, content, found, warnings):
            kept.append((kind, content))
    found = {name: value for name, value in found.items() if value}
    return found | {"chunks": tuple(kept), "unknown": tuple(unknown)}


def _full_scale(content: bytes, stream: BinaryIO, chunks: list[ChunkPlace]) -> bytes:
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
    profile = bytes.fromhex(digits.decode()) if re.fullmatch(_HEX, digits) else b""
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


def save_png(picture: Picture, output: Output) -> None:
    """Write a PNG."""
    beside = [*chunks_beside(picture, output.warnings)]
    if output.small and picture.pixels.itemsize == 1:
        # With a palette, a background would be one of its entries.
        tries = _small_tries(taken(picture), palette=b"bKGD" not in dict(beside))
        encoded = min((_by_pillow(*each) for each in tries), key=len)
        start, rest = encoded[:_HEADER], iter([encoded[_HEADER:]])
    else:
        start = png_header(picture)
        data = compressed_pixels(picture.pixels, small=output.small, threads=output.threads)
        rest = itertools.chain((png_chunk(b"IDAT", piece) for piece in data), [png_chunk(b"IEND", b"")])
    for piece in itertools.chain([start], itertools.starmap(png_chunk, beside), rest):
        output.stream.write(piece)


def png_header(picture: Picture) -> bytes:
    """Return the signature of a PNG and its first chunk."""
    height, width = picture.pixels.shape[:2]
    colours = (0, 4, 2, 6)[Image.getmodebands(picture.mode) - 1]
    depth = 8 * picture.pixels.itemsize
    return _SIGNATURE + png_chunk(b"IHDR", struct.pack(">2I5B", width, height, depth, colours, 0, 0, 0))


def png_chunk(kind: bytes, content: bytes) -> bytes:
    """Return a chunk as it is written."""
    checksum = zlib.crc32(content, zlib.crc32(kind))
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)


def chunks_beside(picture: Picture, warnings: list[str]) -> Iterator[Chunk]:
    """Yield what is written between the header and the pixels of an image."""
    metadata = picture.metadata
    if metadata.icc is not None:
        yield b"iCCP", metadata.icc_name + b"\0\0" + zlib.compress(metadata.icc)
    if metadata.dpi is not None:
        across, down = (min(int(value / _METRE + 0.5), 2**31 - 1) for value in metadata.dpi)
        yield b"pHYs", struct.pack(">IIB", across, down, 1)
    if metadata.exif is not None:
        yield b"eXIf", metadata.exif.removeprefix(_EXIF)
    if metadata.xmp is not None:
        yield b"iTXt", _XMP + b"\0" * 5 + metadata.xmp
    for kind, content in metadata.chunks:
        if kind == b"sRGB" and metadata.icc is not None:  # a file may have one of them
            continue
        if kind == b"bKGD":
            content = _background(content, picture)
            if not content:
                warnings.append(f"the background colour does not fit {picture.mode} pixels: dropped")
                continue
        if kind == b"sBIT":
            content = _significant_bits(content, picture)
        yield kind, content


def _significant_bits(content: bytes, picture: Picture) -> bytes:
    """Return the significant bits of the channels of an image; alpha that is new has all."""
    depth = 8 * picture.pixels.itemsize
    colours, alpha = (content[:-1], content[-1]) if len(content) in (2, 4) else (content, depth)
    wanted = 3 if picture.mode.startswith("RGB") else 1
    colours = colours if len(colours) == wanted else wanted * bytes([max(colours)])
    return bytes(min(each, depth) for each in (*colours, *[alpha] * picture.mode.endswith("A")))


def _background(content: bytes, picture: Picture) -> bytes:
    """Return a background colour of 16 bits as an image has it; nothing if it does not fit."""
    if len(content) != (6 if picture.mode.startswith("RGB") else 2):
        return b""
    if picture.pixels.itemsize == 2:
        return content
    levels = struct.unpack(f">{len(content) // 2}H", content)
    return struct.pack(f">{len(levels)}H", *((each + 128) // 257 for each in levels))


def _by_pillow(image: Image.Image, options: dict[str, Any]) -> bytes:
    """Return an image as a PNG."""
    buffer = io.BytesIO()
    save(image, Output(buffer, "png", EncodeOptions(), [], []), **options)
    return buffer.getvalue()


def _small_tries(image: Image.Image, *, palette: bool) -> Iterator[tuple[Image.Image, dict[str, Any]]]:
    """Yield what to try for the smallest file."""
    yield image, {"optimize": True}
    yield image, {"compress_level": 9, "compress_type": zlib.Z_FILTERED}
    yield image, {"compress_level": 9, "compress_type": zlib.Z_RLE}
    yield image, {"compress_type": zlib.Z_HUFFMAN_ONLY}
    if palette and image.mode in ("RGB", "RGBA") and (found := few_colours(image)):
        numbers, colours = found
        paletted = to_image(numbers, "P", colours[:, :3].tobytes())
        clear = {"transparency": colours[:, 3].tobytes()} if colours[:, 3].min() < 255 else {}
        yield paletted, {"optimize": True, **clear}
        yield paletted, {"compress_level": 9, **clear}
