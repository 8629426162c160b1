"""JPEG files: how their pixels are coded, and writing them, also with samplings that Pillow does not support.

For those each component is encoded as a grey JPEG, and these are joined: a scan of one component is coded as
a grey image is, so that only headers are made here.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Sequence
from typing import Any, BinaryIO

from PIL import Image, ImageChops, ImageFile

from convfilter.images.headers import jpeg_segments
from convfilter.images.library import collected
from convfilter.images.picture import PHOTOSHOP, Coding, Component, Metadata, Picture
from convfilter.images.writing import QUALITY, Writer, save, taken

__all__ = ["JpegWriter", "coding_of", "is_lossless"]

_DQT, _EOI, _SOS, _APP, _ADOBE, _LOSSLESS = 0xDB, 0xD9, 0xDA, 0xE0, 0xEE, 0xC3
_PHOTOSHOP, _COMMENT, _LONGEST = 0xED, 0xFE, 65_533
_FRAMES = (0xC0, 0xC1, 0xC2)
_HEADER = 1 << 20


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


class JpegWriter(Writer):
    """Writes a JPEG with the tables of its input again, or of a quality."""

    def add(self, picture: Picture) -> None:
        """Write the image."""
        metadata, warnings, small = picture.metadata, self.output.warnings, self.output.small
        options: dict[str, Any] = {"exif": metadata.exif, "xmp": metadata.xmp, "icc_profile": metadata.icc}
        for name, limit in (("exif", _LONGEST), ("xmp", _LONGEST - 29)):
            if options[name] is not None and len(options[name]) > limit:
                warnings.append(f"{name} of {len(options[name])} bytes is too long for jpeg: dropped")
                options[name] = None
        dpi = metadata.dpi
        if dpi is not None and max(dpi) >= 65_535:
            warnings.append(f"a resolution of {max(dpi):.0f} dots per inch is too high for jpeg: dropped")
            dpi = None
        coding, quality = metadata.coding, self.output.encoding.quality
        bands = Image.getmodebands(picture.mode)
        progressive = small or (coding is not None and coding.progressive)
        options |= {"dpi": dpi, "extra": _extra(metadata, warnings) or None}
        options |= {"optimize": small or None, "progressive": progressive or None}
        joins = coding is not None and coding.pillow_subsampling() is None
        image = taken(picture, padded=not joins)
        if quality is not None or coding is None:
            quality = quality or QUALITY
            # The chroma of what edge filters make is no smoother than the rest: full at high qualities.
            options |= {"quality": quality, "subsampling": 0 if quality >= QUALITY else 2}
        elif len(coding.components) != bands:
            options |= {"qtables": coding.tables}
        elif joins:
            self.output.stream.write(self._joined(image, coding, options))
            return
        else:
            options |= {"qtables": coding.tables_by_component(), "subsampling": coding.pillow_subsampling()}
        # Of coarser tables libjpeg prints a line.
        coarse = any(max(table) > 255 for table in options.get("qtables", ()))
        with collected(warnings, prints=coarse):
            self._save(image, self.output.stream, options)

    def _save(self, image: Image.Image, stream: BinaryIO, options: dict[str, Any]) -> None:
        """Have Pillow encode an image; a progressive one in one go: its own buffer is too small for noise."""
        before = ImageFile.MAXBLOCK
        if options["progressive"] or options["optimize"]:
            most = 2 * len(image.getbands()) * image.width * image.height + (1 << 18)
            ImageFile.MAXBLOCK = max(before, most)
        try:
            save(image, self.output._replace(stream=stream), **options)
        finally:
            ImageFile.MAXBLOCK = before

    def _joined(self, image: Image.Image, coding: Coding, options: dict[str, Any]) -> bytes:
        """Return an RGB or CMYK image as a JPEG of that coding."""
        across = max(each.across for each in coding.components)
        down = max(each.down for each in coding.components)
        files: list[bytes] = []
        for plane, component in zip(_planes(image, ycck=coding.ycck), coding.components, strict=True):
            factors = across // component.across, down // component.down  # libjpeg reads no fractions
            reduced = plane if factors == (1, 1) else plane.reduce(factors)
            kept = {"progressive": options["progressive"]} if files else options
            own = {"qtables": [coding.tables[component.table]], "optimize": True}
            stream = io.BytesIO()
            self._save(reduced, stream, kept | own)
            files.append(stream.getvalue())
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


def _extra(metadata: Metadata, warnings: list[str]) -> bytes:
    """Return what is written as it is: Photoshop data, split if long, and comments."""
    data, size = metadata.photoshop or b"", _LONGEST - len(PHOTOSHOP)
    segments = [_segment(_PHOTOSHOP, PHOTOSHOP + data[at : at + size]) for at in range(0, len(data), size)]
    for comment in metadata.comments:
        if len(comment) > _LONGEST:
            warnings.append(f"comment of {len(comment)} bytes is too long for jpeg: dropped")
        else:
            segments.append(_segment(_COMMENT, comment))
    return b"".join(segments)


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
