"""What a file says beside the pixels, kept from reading to writing.

EXIF is kept as the bytes it came in, so that nothing a camera wrote is lost; just the orientation is
reset in place once it has been applied, and thumbnails, which show the image as it was, are overwritten
with zeros. What cannot be parsed is dropped with a warning.
"""

from __future__ import annotations

import contextlib
import itertools
import math
import re
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

from PIL import ExifTags, Image

from convfilter.errors import ImageError
from convfilter.images.formats import FORMATS
from convfilter.images.headers import jpeg_segments
from convfilter.images.library import reasons
from convfilter.images.tiff_tags import Data, Directory, Origin, TiffTag, address_at

__all__ = [
    "BLOCKS",
    "DESCRIPTIVE",
    "PHOTOSHOP",
    "Chunk",
    "Metadata",
    "as_stored",
    "descriptive_exif",
    "icc_fits",
    "jpeg_places",
    "orientation_of",
    "read_metadata",
]

Chunk: TypeAlias = tuple[bytes, bytes]
"""A chunk of a PNG: its kind and its content."""

BLOCKS = {
    "exif": "EXIF",
    "icc": "a colour profile",
    "xmp": "XMP",
    "dpi": "resolution",
    "comments": "comments",
    "photoshop": "Photoshop data (IPTC)",
}
"""The fields of `Metadata` that the formats list in their `blocks`, and what messages call them."""

_GAMMA = "gamma and chromaticities"
_CHUNKS = dict.fromkeys((b"tEXt", b"zTXt", b"iTXt"), "text")
_CHUNKS |= dict.fromkeys((b"cICP", b"mDCV", b"cLLI"), "HDR chunks")
_CHUNKS |= dict.fromkeys((b"gAMA", b"cHRM", b"sRGB"), _GAMMA)
_CHUNKS |= {b"pHYs": "a pixel aspect", b"bKGD": "a background colour"}
# What says no more than a file without it: nothing is lost with these.
_SRGB = {
    (b"gAMA", struct.pack(">I", 45455)),
    (b"cHRM", struct.pack(">8I", 31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000)),
}

_ORIENTATION = 0x0112
# Of a TIFF's tags these describe the image; the others say how its file is laid out.
DESCRIPTIVE = {270, 271, 272, 305, 306, 315, 316, 33432, 33723, 34377, 34665, 34853, _ORIENTATION}
_EXIF = b"Exif\0\0"
_XMP_ORIENTATION = re.compile(rb'tiff:Orientation="\d+"|<tiff:Orientation>\d+</tiff:Orientation>')
# A JPEG or PNG in base 64, whose lines may be broken by references to characters.
_BASE64 = rb"[A-Za-z0-9+/=\s]", rb"&#x?[0-9A-Fa-f]{1,6};"
_XMP_IMAGE = re.compile(rb"(?:/9j/|iVBORw0KGgo)(?=(?:%b|%b){100})(?:%b+|%b)*" % (_BASE64 + _BASE64))


@dataclass(frozen=True)
class Metadata:
    """What is kept of a file beside its pixels."""

    exif: bytes | None = None  # beginning with ``Exif`` and two zeros
    icc: bytes | None = None
    xmp: bytes | None = None
    dpi: tuple[float, float] | None = None  # horizontally and vertically
    comments: tuple[bytes, ...] = ()  # of a JPEG or GIF
    photoshop: bytes | None = None  # its resources in a JPEG, IPTC among them, without thumbnails
    chunks: tuple[Chunk, ...] = ()  # of a PNG, as they are, but for bKGD, whose levels are of 16 bits
    tags: tuple[TiffTag, ...] = ()  # what else the tags of a TIFF say
    origin: Origin | None = None  # the image that they were read with
    unknown: tuple[str, ...] = ()  # names of what the file holds besides, which is not kept
    quantization: list[list[int]] | None = None  # tables of a JPEG
    subsampling: int = -1  # of its chroma, as Pillow numbers it; -1 if unknown
    compression: str | None = None  # of a TIFF or TGA, by Pillow's name
    lossless: bool = True  # whether the file held exactly the samples that were written
    duration: float | None = None  # of a frame, in milliseconds; None where files do not say
    plays: int = 0  # how often an animation is shown; 0 is for ever

    def bare(self) -> Metadata:
        """Return what decides how an image is encoded, without what is written beside it."""
        kept = "quantization", "subsampling", "compression", "lossless", "duration", "plays"
        return Metadata(**{name: getattr(self, name) for name in kept})

    def lost_in(self, form: str) -> list[str]:
        """Return the names of what a format cannot hold, as far as it says something."""
        held = FORMATS[form].blocks
        says = {field: getattr(self, field) not in (None, ()) for field in BLOCKS}
        # Programs write one of these where nobody has chosen a resolution.
        says["dpi"] = says["dpi"] and {*map(round, self.dpi or ())} not in ({1}, {72}, {96})
        names = [name for field, name in BLOCKS.items() if says[field] and field not in held]
        plain = self.icc is not None or b"sRGB" in dict(self.chunks)
        for kind, content in self.chunks if "chunks" not in held else ():
            name = _CHUNKS.get(kind, f"a {kind.decode()} chunk")
            square = kind == b"pHYs" and content[:4] == content[4:8]  # as pixels are without it
            if not (square or (plain and name == _GAMMA) or (kind, content) in _SRGB):
                names.append(name)
        return list(dict.fromkeys(names))


def orientation_of(image: Image.Image, warnings: list[str]) -> int:
    """Return an image's orientation, 1 to 8 as in EXIF; 1 (upright) without a tag."""
    try:
        with reasons("malformed EXIF"):
            # The method of the base class: the PNG plugin's own would decode the image to look behind it.
            found = Image.Image.getexif(image).get(_ORIENTATION, 1)
    except ImageError:
        warnings.append("malformed EXIF dropped")
        image.info.pop("exif", None)
        return 1
    return found if isinstance(found, int) and 1 <= found <= 8 else 1


def read_metadata(image: Image.Image, upright: bool, warnings: list[str]) -> Metadata:
    """Collect what a decoded image's file says beside the pixels; `upright` resets the orientation."""
    info = image.info
    quantization = _tables(getattr(image, "quantization", None))
    compression, xmp = info.get("compression"), info.get("xmp")
    segments = getattr(image, "applist", [])  # of a JPEG
    comments = [content for name, content in segments if name == "COM"]
    if image.format == "GIF" and "comment" in info:
        comments = [info["comment"]]
    unknown = {
        f"segment {name}": None
        for name, content in segments
        if name != "COM" and not content.startswith(_SEGMENTS)
    }
    return Metadata(
        exif=_exif(image, upright, warnings),
        icc=_icc(info.get("icc_profile"), warnings),
        xmp=_xmp(xmp, upright) if isinstance(xmp, bytes) else None,
        dpi=_dpi(info.get("dpi")),
        comments=tuple(comments),
        photoshop=_photoshop(segments, warnings),
        chunks=info.get("chunks", ()) + _aspect(info),
        unknown=(*info.get("unknown", ()), *unknown),
        quantization=quantization,
        subsampling=_subsampling(image) if quantization else -1,
        compression=compression if isinstance(compression, str) else None,
        duration=_duration(image),
        plays=_plays(image),
    )


def icc_fits(profile: bytes, kind: str) -> bool:
    """Tell whether the colour space of a profile is that of a kind of image, as in `formats`."""
    spaces = {"RGB": b"RGB ", "RGBA": b"RGB ", "CMYK": b"CMYK", "LAB": b"Lab "}
    return profile[16:20] == spaces.get(kind.partition(";")[0].rstrip("X"), b"GRAY")


def descriptive_exif(exif: Image.Exif) -> Image.Exif:
    """Return the tags that describe an image, without those on how its file is laid out."""
    parsed = Image.Exif()  # groups that were put in, not parsed, could not be written to a TIFF
    if block := _descriptive_block(exif):
        with reasons("malformed EXIF"):
            parsed.load(block)
    return parsed


def _descriptive_block(exif: Image.Exif) -> bytes:
    """Return the tags that describe an image as a block, empty without any."""
    with reasons("malformed EXIF"):
        tags = DESCRIPTIVE & set(exif)
        found = {tag: exif.get_ifd(tag) if tag in _GROUPS else exif[tag] for tag in tags}
    kept = Image.Exif()
    for tag, value in found.items():
        group = isinstance(value, dict)
        kept[tag] = {key: as_stored(each) for key, each in value.items()} if group else as_stored(value)
    with reasons("malformed EXIF"):
        return kept.tobytes() if len(kept) else b""


def as_stored(value: Any) -> Any:
    """Return a text as the bytes that Pillow read as Latin 1, and would write as ASCII."""
    return value.encode("latin-1") if isinstance(value, str) and not value.isascii() else value


def _exif(image: Image.Image, upright: bool, warnings: list[str]) -> bytes | None:
    """Return the EXIF block, upright and without thumbnails."""
    raw = image.info.get("exif")
    try:
        if image.format == "TIFF":
            with reasons("malformed EXIF"):
                tags = image.getexif()
            raw = _descriptive_block(tags)
        if not isinstance(raw, bytes) or not raw.removeprefix(_EXIF):
            return None
        if len(raw) > _LONGEST_EXIF:
            warnings.append(f"EXIF of more than {_LONGEST_EXIF} bytes dropped")
            return None
        block = _EXIF + _cleaned(raw.removeprefix(_EXIF), upright)
        with reasons("malformed EXIF"):
            parsed = Image.Exif()
            parsed.load(block)  # whatever cannot be parsed and put together again could not be written
            parsed.tobytes()
    except ImageError:
        warnings.append("malformed EXIF dropped")
        return None
    return block


_SHORT, _LONG = 3, 4
_GROUPS = (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo)
# Where image data begin and how long they are: JPEG, strips, tiles.
_IMAGE_DATA = ((513, 514), (273, 279), (324, 325))
_DIRECTORIES, _WINDOWS_THUMBNAIL, _PHOTOSHOP = 330, 0x501B, 34377
_MOST_DIRECTORIES, _MOST_NUMBERS = 16, 4096
_LONGEST_EXIF, _MOST_SEGMENTS = 1 << 22, 1000
_JPEG = b"\xff\xd8\xff"
PHOTOSHOP = b"Photoshop 3.0\0"
# How the segments of a JPEG begin that are read, or say how the file is made (JFIF, MPF, Ducky, Adobe).
_SEGMENTS = (
    *(b"Exif\0", b"http://ns.adobe.com/xap/1.0/\0", b"ICC_PROFILE\0", PHOTOSHOP),
    *(b"JFIF", b"JFXX", b"MPF\0", b"Ducky", b"Adobe"),
)
# Photoshop's resources that show the image as it was: thumbnails, and copies of ICC, EXIF twice, XMP.
_THUMBNAILS = (0x0409, 0x040C)
_COPIES = (*_THUMBNAILS, 0x040F, 0x0422, 0x0423, 0x0424)


def _cleaned(block: bytes, upright: bool) -> bytes:
    """Return a block of EXIF with its orientation set upright, if so, and zeros where thumbnails were."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(block[:4])
    if order is None:
        raise ImageError("not EXIF")
    directory = Directory(block, address_at(block, 4, order), order)
    start, end = directory.start, directory.end
    cleaned = bytearray(block)
    length = len(block)
    for first, last in sorted(_thumbnails(directory), key=lambda place: -place[1]):
        last = min(last, len(block))
        if first >= last:
            continue
        if first < end and last > start:
            raise ImageError("a thumbnail within the tags")
        cleaned[first:last] = bytes(last - first)
        if last == length:
            length = first
    for entry in directory.entries:
        if entry.number == _ORIENTATION and upright and start < entry.place < end:
            struct.pack_into(order + ("I" if entry.type == _LONG else "H"), cleaned, entry.place, 1)
    cleaned[end : end + 4] = bytes(len(cleaned[end : end + 4]))
    groups = _others(directory, [each for group in _GROUPS for each in _addresses(directory, group)[:1]])
    ends = [
        place for each in (directory, *groups) for place in (each.end + 4, *(e.end for e in each.entries))
    ]
    return bytes(cleaned[: max(length, *ends)])


def _others(directory: Directory, addresses: Iterable[int]) -> Iterator[Directory]:
    """Yield the sound ones of the directories at addresses in the same block."""
    for address in filter(None, addresses):
        with contextlib.suppress(ImageError):
            yield Directory(directory.data, address, directory.order)


def _addresses(directory: Directory, number: int) -> tuple[int, ...]:
    """Return the numbers of 16 or 32 bits that a tag holds, whatever type it claims."""
    content, size = directory.content(number), 2 if directory.type_of(number) == _SHORT else 4
    count = min(len(content) // size, _MOST_NUMBERS)
    return struct.unpack_from(f"{directory.order}{count}{'H' if size == 2 else 'I'}", content)


def _thumbnails(directory: Directory) -> Iterator[tuple[int, int]]:
    """Yield where images are in a block of EXIF, as far as they are in a known format or place."""
    block = directory.data
    yield from jpeg_places(block)
    for entry in directory.entries:
        if entry.number == _WINDOWS_THUMBNAIL:
            yield entry.place, entry.end
        elif entry.number == _PHOTOSHOP:
            for kind, _, start, stop in _resources(block, entry.place, entry.end):
                if kind in _THUMBNAILS:
                    yield start, min(stop, entry.end)
    yield from _image_data(directory)
    others = [directory.following()] if len(block) >= directory.end + 4 else []
    others += _addresses(directory, _DIRECTORIES)
    for other in _others(directory, others[:_MOST_DIRECTORIES]):
        yield other.start, other.end
        yield from _image_data(other)


def _image_data(directory: Directory) -> Iterator[tuple[int, int]]:
    """Yield where the image is that a directory describes."""
    for starts, lengths in _IMAGE_DATA:
        for start, length in zip(_addresses(directory, starts), _addresses(directory, lengths), strict=False):
            yield start, start + length


def _resources(block: Data, place: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    """Yield Photoshop's resources: their kind, where they begin, and where their content begins and ends."""
    while place + 12 <= end and block[place : place + 4] == b"8BIM":
        begin = place
        kind = int.from_bytes(block[place + 4 : place + 6], "big")
        place += 6 + (block[place + 6] + 2) // 2 * 2  # behind the name, of even length with its own
        start, length = place + 4, int.from_bytes(block[place : place + 4], "big")
        yield kind, begin, start, start + length
        place = start + length + length % 2


def _photoshop(segments: list[tuple[str, bytes]], warnings: list[str]) -> bytes | None:
    """Return Photoshop's resources in a JPEG, without thumbnails and without copies of EXIF, XMP and ICC."""
    parts = [content.removeprefix(PHOTOSHOP) for _, content in segments if content.startswith(PHOTOSHOP)]
    block = b"".join(parts)  # a resource may go on in the next segment
    kept = []
    end = 0
    for kind, begin, start, stop in _resources(block, 0, len(block)):
        if stop > len(block):
            break
        end = stop + (stop - start) % 2
        if kind not in _COPIES and not jpeg_places(block[start:stop]):
            kept.append(block[begin:stop] + bytes((stop - start) % 2))
    if block[end:].strip(b"\0"):
        warnings.append("malformed Photoshop data dropped")
    return b"".join(kept) or None


def _aspect(info: dict[Any, Any]) -> tuple[Chunk, ...]:
    """Return the pixel aspect that a JPEG tells, as a chunk of PNG."""
    aspect = info.get("jfif_density")
    if info.get("jfif_unit") != 0 or not aspect or 0 in aspect or aspect[0] == aspect[1]:
        return ()
    return ((b"pHYs", struct.pack(">IIB", *aspect, 0)),)


def jpeg_places(data: Data) -> list[tuple[int, int]]:
    """Return where JPEGs are within other data: what begins as one and has a scan, up to its end."""
    places = []
    start = data.find(_JPEG)
    while start >= 0:
        end = start
        for marker, _, last in itertools.islice(jpeg_segments(data, start), _MOST_SEGMENTS):
            if marker in (0xD9, 0xDA) or end > start:
                end = min(last, len(data))
        if end > start:
            places.append((start, end))
        start = data.find(_JPEG, max(end, start + 3))
    return places


def _icc(profile: object, warnings: list[str]) -> bytes | None:
    """Return a colour profile if it is one."""
    if not profile:
        return None
    if not isinstance(profile, bytes) or len(profile) < 132 or profile[36:40] != b"acsp":
        warnings.append("malformed ICC profile dropped")
        return None
    return profile


def _xmp(packet: bytes, upright: bool) -> bytes:
    """Return an XMP packet without thumbnails, and without the orientation if that has been applied."""
    packet = _XMP_IMAGE.sub(b"", packet)
    return _XMP_ORIENTATION.sub(b"", packet) if upright else packet


def _dpi(found: Any) -> tuple[float, float] | None:
    """Return a resolution if it is one."""
    try:
        across, down = (float(value) for value in found)
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    return (across, down) if 0 < across < math.inf and 0 < down < math.inf else None


def _duration(image: Image.Image) -> float | None:
    """Return how long a frame is shown; one of a GIF that does not say so is not held at all."""
    found = image.info.get("duration", 0 if image.format == "GIF" else None)
    return float(found) if isinstance(found, int | float) and 0 <= found < math.inf else None


def _plays(image: Image.Image) -> int:
    """Return how often an animation is shown; a GIF counts the repetitions, and has one showing without."""
    loop = image.info.get("loop")
    if image.format == "GIF":
        return 1 if loop is None else loop + 1 if loop else 0
    return loop if isinstance(loop, int) else 0


def _tables(found: Any) -> list[list[int]] | None:
    """Return a JPEG's quantization tables if they can be used again."""
    if not found or sorted(found) != [*range(min(len(found), 4))]:
        return None
    return [list(found[index]) for index in range(len(found))]


def _subsampling(image: Image.Image) -> int:
    """Return a JPEG's chroma subsampling as Pillow numbers it."""
    from PIL.JpegImagePlugin import get_sampling

    try:
        with reasons("unknown subsampling"):
            return get_sampling(image)
    except ImageError:
        return -1
