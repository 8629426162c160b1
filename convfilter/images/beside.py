"""What GIF, BMP and WebP files say beside their pixels that Pillow does not read."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any, BinaryIO

from convfilter.images.headers import gif_layout, webp_chunks
from convfilter.images.library import add_warning

__all__ = ["BESIDE", "GIF_XMP", "GIF_XMP_END"]

GIF_XMP = b"XMP DataXMP"
# XMP is not cut into blocks. Wherever a reader takes a byte of it for a length, it ends up in here.
GIF_XMP_END = bytes([1, *range(255, -1, -1), 0])
_GIF_ICC = b"ICCRGBG1012"
_GIF_LOOPS = (b"NETSCAPE2.0", b"ANIMEXTS1.0")
_TEXT, _CONTROL, _COMMENT, _APPLICATION = 0x01, 0xF9, 0xFE, 0xFF
_BMP_V4, _BMP_V5 = 108, 124
_WEBP_CHUNKS = (b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ANIM", b"ANMF", b"EXIF", b"XMP ", b"ICCP")


def _of_gif(stream: BinaryIO, warnings: list[str]) -> dict[str, Any]:
    """Return comments, XMP, colour profile and pixel aspect."""
    layout = gif_layout(stream)
    found: dict[str, Any] = {}
    comments, unknown = [], []
    for label, data in layout.extensions:
        program, rest = data[1:12], data[12:]
        if label == _COMMENT:
            comments.append(_joined(data))
        elif label == _TEXT:
            unknown.append("a text on the image")
        elif label == _APPLICATION and program == _GIF_ICC:
            found["icc_profile"] = _joined(rest)
        elif label == _APPLICATION and program == GIF_XMP and rest.endswith(GIF_XMP_END):
            found["xmp"] = rest.removesuffix(GIF_XMP_END)
        elif label == _APPLICATION and program == GIF_XMP:
            add_warning(warnings, "malformed XMP dropped")
        elif label == _APPLICATION and program not in _GIF_LOOPS:
            unknown.append(f"extension {program.decode('ascii', 'replace')}")
    if layout.aspect:
        found["chunks"] = ((b"pHYs", struct.pack(">IIB", 64, layout.aspect + 15, 0)),)
    return found | {"comments": tuple(filter(None, comments)), "unknown": tuple(dict.fromkeys(unknown))}


def _joined(blocks: bytes) -> bytes:
    """Return the content of blocks, each of which has its length before it."""
    content, place = b"", 0
    while place < len(blocks) and blocks[place]:
        content += blocks[place + 1 : place + 1 + blocks[place]]
        place += 1 + blocks[place]
    return content


def _of_bmp(stream: BinaryIO, warnings: list[str]) -> dict[str, Any]:
    """Return the colour profile."""
    stream.seek(0)
    start = 14 if stream.read(2) == b"BM" else 0
    stream.seek(start)
    header = stream.read(_BMP_V5).ljust(_BMP_V5, b"\0")
    (length,) = struct.unpack_from("<I", header)
    space, *calibrated = struct.unpack_from("<I12I", header, 56)
    if length >= _BMP_V5 and space == 0x4D424544:  # embedded
        place, size = struct.unpack_from("<II", header, 112)
        stream.seek(start + place)
        return {"icc_profile": stream.read(size)}
    if length >= _BMP_V5 and space == 0x4C494E4B:
        return {"unknown": ("a linked colour profile",)}
    if length >= _BMP_V4 and space == 0 and any(calibrated):
        return {"unknown": ("calibrated colours",)}
    return {}


def _of_webp(stream: BinaryIO, warnings: list[str]) -> dict[str, Any]:
    """Return the names of unknown chunks."""
    kinds = [kind for kind, _, _ in webp_chunks(stream) if kind not in _WEBP_CHUNKS]
    unknown = [f"chunk {kind.decode('ascii', 'replace').strip()}" for kind in kinds]
    return {"unknown": tuple(dict.fromkeys(unknown))}


BESIDE: dict[str, Callable[[BinaryIO, list[str]], dict[str, Any]]] = {
    "gif": _of_gif,
    "bmp": _of_bmp,
    "webp": _of_webp,
}
"""What reads it, by format; named as by Pillow, as in `png.beside_pixels`."""
