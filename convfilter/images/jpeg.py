"""How the pixels of a JPEG are coded, and writing files with samplings that Pillow does not support.

For those each component is encoded as a grey JPEG, and these are joined: a scan of one component is coded as
a grey image is, so that only headers are made here.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import BinaryIO, NamedTuple, Protocol

from PIL import Image, ImageChops

from convfilter.images.headers import jpeg_segments

__all__ = ["Coding", "Component", "coding_of", "is_lossless", "joined"]

# Pillow's numbers for how colours are sampled, by the factors of the first component.
_SUBSAMPLINGS = {(1, 1): 0, (2, 1): 1, (2, 2): 2}
_DQT, _EOI, _SOS, _APP, _ADOBE, _LOSSLESS = 0xDB, 0xD9, 0xDA, 0xE0, 0xEE, 0xC3
_FRAMES = (0xC0, 0xC1, 0xC2)
_HEADER = 1 << 20


class Component(NamedTuple):
    """How often a component is sampled, compared with the others, and which table it is quantized by."""

    across: int
    down: int
    table: int


class Coding(NamedTuple):
    """How a JPEG codes its pixels."""

    tables: list[list[int]]
    components: tuple[Component, ...]
    ycck: bool = False  # of CMYK: the first three as YCbCr
    progressive: bool = False

    def tables_by_component(self) -> list[list[int]]:
        """Return the tables in the order in which Pillow takes them: the last stands for further ones too."""
        usual = (min(number, len(self.tables) - 1) for number in range(len(self.components)))
        if all(each.table == number for each, number in zip(self.components, usual, strict=True)):
            return self.tables
        return [self.tables[each.table] for each in self.components]

    def pillow_subsampling(self) -> int | None:
        """Return Pillow's number for the sampling; None if Pillow cannot write it."""
        if len(self.components) == 1:
            return 0
        first, *others = (each[:2] for each in self.components)
        if self.ycck or any(each != (1, 1) for each in others):
            return None
        return _SUBSAMPLINGS.get(first) if len(others) == 2 else 0 if first == (1, 1) else None


def coding_of(image: Image.Image) -> Coding | None:
    """Return how an image that Pillow has opened is coded, if it is a JPEG whose tables can be used again."""
    found = getattr(image, "quantization", None)
    components = tuple(Component(*layer[1:]) for layer in getattr(image, "layer", ()))
    if not found or not components or sorted(found) != [*range(min(len(found), 4))]:
        return None
    if any(each.table not in found or 0 in each[:2] for each in components):
        return None
    ycck = image.mode == "CMYK" and image.info.get("adobe_transform") == 2
    tables = [list(found[number]) for number in range(len(found))]
    return Coding(tables, components, ycck, "progressive" in image.info)


def is_lossless(stream: BinaryIO) -> bool:
    """Tell whether a JPEG is of the rare lossless kind."""
    stream.seek(0)
    return any(marker == _LOSSLESS for marker, _, _ in jpeg_segments(stream.read(_HEADER)))


class _Encode(Protocol):
    def __call__(self, plane: Image.Image, table: list[int], *, beside: bool) -> bytes:
        """Return a grey JPEG, with the metadata if `beside`."""


def joined(image: Image.Image, coding: Coding, encode: _Encode) -> bytes:
    """Return an RGB or CMYK image as a JPEG of that coding."""
    across = max(each.across for each in coding.components)
    down = max(each.down for each in coding.components)
    files: list[bytes] = []
    for plane, component in zip(_planes(image, ycck=coding.ycck), coding.components, strict=True):
        factors = across // component.across, down // component.down  # libjpeg reads no fractions
        reduced = plane if factors == (1, 1) else plane.reduce(factors)
        files.append(encode(reduced, coding.tables[component.table], beside=not files))
    tables: dict[int, bytes] = {}
    beside, scans, frame = b"", b"", 0
    for number, (data, component) in enumerate(zip(files, coding.components, strict=True)):
        for marker, start, end in jpeg_segments(data):
            segment = bytearray(data[start - 4 : end])
            if marker == _DQT:
                segment[4] = segment[4] & 0xF0 | component.table
                tables[component.table] = bytes(segment)
            elif marker in _FRAMES:
                frame = max(frame, marker)
            elif marker >= _APP:
                beside += segment if number == 0 else b""
            elif marker != _EOI:
                if marker == _SOS:
                    segment[5] = number + 1
                scans += segment
    rows = [
        bytes([number, each.across << 4 | each.down, each.table])
        for number, each in enumerate(coding.components, 1)
    ]
    size = struct.pack(">BHHB", 8, image.height, image.width, len(rows))
    head = [b"\xff\xd8", beside, *tables.values()]
    if image.mode == "CMYK":
        head.append(_segment(_ADOBE, b"Adobe\0d\0\0\0\0" + bytes([2 * coding.ycck])))
    return b"".join([*head, _segment(frame, size + b"".join(rows)), scans, b"\xff\xd9"])


def _segment(marker: int, content: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content


def _planes(image: Image.Image, *, ycck: bool) -> Sequence[Image.Image]:
    """Return the components as JPEG stores them; of CMYK inverted, as Adobe does."""
    if image.mode == "RGB":
        return image.convert("YCbCr").split()
    planes = image.split()
    if not ycck:
        return [ImageChops.invert(plane) for plane in planes]
    return [*Image.merge("RGB", planes[:3]).convert("YCbCr").split(), ImageChops.invert(planes[3])]
