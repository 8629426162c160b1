"""JPEG files: their segments, how their pixels are coded, and writing them in that coding.

Where Pillow does not write a sampling, each component is encoded as a grey JPEG, and these are joined: a scan
of one component is coded as a grey image is, so that only headers are made here.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Sequence
from typing import Any, BinaryIO

from PIL import Image, ImageChops, ImageFile

from convfilter.images.exif import THUMBNAILS, jpeg_places, jpeg_segments, photoshop_resources
from convfilter.images.library import collected
from convfilter.images.opening import check_count, check_pixels
from convfilter.images.picture import Chunk, Coding, Component, Metadata, Picture
from convfilter.images.reading import PillowReader
from convfilter.images.writing import QUALITY, Writer, taken

_DQT, _EOI, _SOS, _APP, _ADOBE, _LOSSLESS = 0xDB, 0xD9, 0xDA, 0xE0, 0xEE, 0xC3
_APP13, _COMMENT, _LONGEST = 0xED, 0xFE, 65_533
_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
_PROGRESSIVE = {0xC2, 0xC6, 0xCA, 0xCE}
_HEADER = 1 << 20
# Encoders make about ten scans. Beyond this number, each scan counts as a whole image.
_SCANS = 100
# A segment of EXIF holds 64 KiB. Cameras write one, editors up to three.
_EXIF_SEGMENTS = 16
_PIXELS_A_SEGMENT = 1 << 22
_PHOTOSHOP = b"Photoshop 3.0\0"
_ICC = b"ICC_PROFILE\0"
# Prefixes of JPEG segments that are read, or that describe only the encoding (JFIF, MPF, Ducky, Adobe).
_SEGMENTS = (
    *(b"Exif\0", b"http://ns.adobe.com/xap/1.0/\0", _ICC, _PHOTOSHOP),
    *(b"JFIF", b"JFXX", b"MPF\0", b"Ducky", b"Adobe\0"),
)
# Names of other known segments, for messages.
_SEGMENT_NAMES = {
    b"http://ns.adobe.com/xmp/extension/\0": "extended XMP",
    b"urn:iso:std:iso:ts:21496:-1\0": "a gain map",
    b"Adobe_CM": "a colour management segment",
}
# Photoshop's resources that are dropped: thumbnails, and copies of ICC, EXIF twice, XMP.
_COPIES = (*THUMBNAILS, 0x040F, 0x0422, 0x0423, 0x0424)


class JpegReader(PillowReader):
    """Reads JPEGs, and how their pixels are coded."""

    def _begin(self, warnings: list[str]) -> None:
        super()._begin(warnings)
        if self._image.format == "MPO":  # a phone's JPEG with further views or a gain map behind it
            warnings.append(f"holds {self.count} images: only the first is read")
            self.count = 1

    def _opened(self) -> ImageFile.ImageFile:
        if self.max_pixels is not None:
            _check_scans(self.stream, self.max_pixels)
        return super()._opened()

    def _beside(self, warnings: list[str]) -> dict[str, Any]:
        segments: list[tuple[str, bytes]] = getattr(self._image, "applist", [])
        unknown = {
            next(
                (words for start, words in _SEGMENT_NAMES.items() if content.startswith(start)),
                f"segment {name}",
            )
            for name, content in segments
            if name != "COM" and not content.startswith(_SEGMENTS)
        }
        self.stream.seek(0)
        markers = (marker for marker, _, _ in jpeg_segments(self.stream.read(_HEADER)))
        return {
            "icc": _profile(segments),
            "comments": tuple(content for name, content in segments if name == "COM"),
            "photoshop": _photoshop(segments, warnings),
            "chunks": self._aspect(),
            "unknown": tuple(sorted(unknown)),
            "coding": self._coding(),
            "lossless": _LOSSLESS in markers,
        }

    def _aspect(self) -> tuple[Chunk, ...]:
        """Return the pixel aspect, as a chunk of PNG."""
        aspect, unit = (self._image.info.get(name) for name in ("jfif_density", "jfif_unit"))
        if unit != 0 or not aspect or 0 in aspect or aspect[0] == aspect[1]:
            return ()
        return ((b"pHYs", struct.pack(">IIB", *aspect, 0)),)

    def _coding(self) -> Coding | None:
        """Return how the pixels are coded, if the tables can be used again."""
        found = getattr(self._image, "quantization", None)
        components = tuple(Component(*layer[1:]) for layer in getattr(self._image, "layer", ()))
        if not found or not components or sorted(found) != [*range(min(len(found), 4))]:
            return None
        if any(each.table not in found or 0 in each[:2] for each in components):
            return None
        ycck = self._image.mode == "CMYK" and self._image.info.get("adobe_transform") == 2
        tables = [list(found[number]) for number in range(len(found))]
        return Coding(tables, components, ycck, "progressive" in self._image.info)


def _check_scans(stream: BinaryIO, max_pixels: int) -> None:
    """Refuse a JPEG of too many scans, each of which is a pass over the image, or too much EXIF."""
    stream.seek(0)
    data = stream.read(_HEADER)
    if all(marker != 0xDA for marker, _, _ in jpeg_segments(data)):
        data += stream.read()
    segments, size, components, progressive = 0, (0, 0), b"", False
    for marker, start, _ in jpeg_segments(data):
        content = data[start : start + 6]
        segments += marker == 0xE1 and content == b"Exif\0\0"
        if marker in _FRAMES and len(content) == 6:
            size = int.from_bytes(content[3:5], "big"), int.from_bytes(content[1:3], "big")
            components, progressive = content[5:], marker in _PROGRESSIVE
        if marker == 0xDA:
            progressive |= content[:1] != components
            break
    if segments > _EXIF_SEGMENTS:
        pixels = segments * _PIXELS_A_SEGMENT
        check_count(f"{segments} segments of EXIF count as {pixels} pixels,", pixels, max_pixels)
    if progressive:
        scans = sum(marker == 0xDA for marker, _, _ in jpeg_segments(data + stream.read()))
        if scans > _SCANS:
            check_pixels(size, max_pixels, scans, "scans")


def _photoshop(segments: list[tuple[str, bytes]], warnings: list[str]) -> bytes | None:
    """Return Photoshop's resources in a JPEG, without thumbnails and without copies of EXIF, XMP and ICC."""
    parts = [content.removeprefix(_PHOTOSHOP) for _, content in segments if content.startswith(_PHOTOSHOP)]
    block = b"".join(parts)  # a resource may go on in the next segment
    kept = []
    end = 0
    for kind, begin, start, stop in photoshop_resources(block, 0, len(block)):
        if stop > len(block):
            break
        end = stop + (stop - start) % 2
        if kind not in _COPIES and not jpeg_places(block[start:stop]):
            kept.append(block[begin:stop] + bytes((stop - start) % 2))
    if block[end:].strip(b"\0"):
        warnings.append("malformed Photoshop data dropped")
    return b"".join(kept) or None


def _profile(segments: list[tuple[str, bytes]]) -> bytes:
    """Return the colour profile of a JPEG, whose parts are numbered, though not always as they should be."""
    parts = [content[len(_ICC) :] for _, content in segments if content.startswith(_ICC)]
    profile = b"".join(part[2:] for part in sorted(parts, key=lambda part: part[:1]))
    return profile if int.from_bytes(profile[:4], "big") <= len(profile) else b"incomplete"


class JpegWriter(Writer):
    """Writes a JPEG with the tables of its input again, or of a quality."""

    def add(self, picture: Picture) -> None:
        """Write the image."""
        metadata, warnings, small = picture.metadata, self.warnings, self.small
        options: dict[str, Any] = {"exif": metadata.exif, "xmp": metadata.xmp, "icc_profile": metadata.icc}
        for name, limit in (("exif", _LONGEST), ("xmp", _LONGEST - 29)):
            if options[name] is not None and len(options[name]) > limit:
                warnings.append(f"{name} of {len(options[name])} bytes is too long for jpeg: dropped")
                options[name] = None
        dpi = metadata.dpi
        if dpi is not None and max(dpi) >= 65_535:
            warnings.append(f"a resolution of {max(dpi):.0f} dots per inch is too high for jpeg: dropped")
            dpi = None
        coding, quality = metadata.coding, self.encoding.quality
        bands = Image.getmodebands(picture.mode)
        progressive = small or (coding is not None and coding.progressive)
        options |= {"dpi": dpi, "extra": _extra(metadata, warnings) or None}
        options |= {"optimize": small or None, "progressive": progressive or None}
        joins = coding is not None and coding.pillow_subsampling() is None
        image = taken(picture, padded=not joins)
        if quality is not None or coding is None:
            quality = quality or QUALITY
            # In the output of edge filters, chroma is as detailed as luma: full at high qualities.
            options |= {"quality": quality, "subsampling": 0 if quality >= QUALITY else 2}
        elif len(coding.components) != bands:
            options |= {"qtables": coding.tables}
        elif joins:
            self.stream.write(self._joined(image, coding, options))
            return
        else:
            options |= {"qtables": coding.tables_by_component(), "subsampling": coding.pillow_subsampling()}
        # libjpeg prints a warning about coarser tables.
        coarse = any(max(table) > 255 for table in options.get("qtables", ()))
        with collected(warnings, prints=coarse):
            self._save(image, self.stream, options)

    def _save(self, image: Image.Image, stream: BinaryIO, options: dict[str, Any]) -> None:
        """Have Pillow encode an image; a progressive one in one go: its own buffer is too small for noise."""
        before = ImageFile.MAXBLOCK
        if options["progressive"] or options["optimize"]:
            most = 2 * len(image.getbands()) * image.width * image.height + (1 << 18)
            ImageFile.MAXBLOCK = max(before, most)
        try:
            self.save(image, stream, **options)
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
    data, size = metadata.photoshop or b"", _LONGEST - len(_PHOTOSHOP)
    segments = [_segment(_APP13, _PHOTOSHOP + data[at : at + size]) for at in range(0, len(data), size)]
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
