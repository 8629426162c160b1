"""An image between its file and the filters, together with its metadata.

EXIF is kept as the bytes it came in, so that nothing a camera wrote is lost; just the orientation is
reset in place once it has been applied, and thumbnails, which show the image as it was, are overwritten
with zeros. What cannot be parsed is dropped with a warning.
"""

from __future__ import annotations

import math
import re
import struct
from typing import Any, NamedTuple, TypeAlias

from numpy.typing import NDArray
from PIL import Image

from convfilter.errors import ImageError
from convfilter.images.exif import (
    EXIF,
    THUMBNAILS,
    cleaned,
    jpeg_places,
    names_program_only,
    photoshop_resources,
    resized,
    resolution_of,
)
from convfilter.images.formats import FORMATS
from convfilter.images.library import reasons
from convfilter.images.tiff_tags import SAME_GRID, Grid, Origin, TiffTag

__all__ = [
    "BLOCKS",
    "PHOTOSHOP",
    "Chunk",
    "Coding",
    "Component",
    "Metadata",
    "Picture",
    "Size",
    "check_mask_size",
    "check_mask_values",
    "copy_pixels",
    "icc_fits",
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
_CHUNKS |= {b"pHYs": "a pixel aspect", b"bKGD": "a background colour", b"sBIT": "significant bits"}
# What says no more than a file without it: nothing is lost with these.
_SRGB = {
    (b"gAMA", struct.pack(">I", 45455)),
    (b"cHRM", struct.pack(">8I", 31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000)),
}

_ORIENTATION = 0x0112
# Compiled when they are used: few files hold XMP.
_XMP_ORIENTATION = rb'tiff:Orientation="\d+"|<tiff:Orientation>\d+</tiff:Orientation>'
# The list of the images in a file, what a gain map is like, and the rest of a packet too long for a JPEG.
_XMP_FURTHER = (
    rb"(?s)<((?:G?Container:Directory|(?:hdrgm|xmpNote):\w+))\b(?:[^>]*/>|.*?</\1>)"
    rb"|\s(?:hdrgm|xmpNote):\w+=(?:\"[^\"]*\"|'[^']*')"
)
# A JPEG or PNG in base 64, whose lines may be broken by references to characters.
_BASE64 = rb"[A-Za-z0-9+/=\s]", rb"&#x?[0-9A-Fa-f]{1,6};"
_XMP_IMAGE = rb"(?:/9j/|iVBORw0KGgo)(?=(?:%b|%b){100})(?:%b+|%b)*" % (_BASE64 + _BASE64)


# Pillow's numbers for how colours are sampled, by the factors of the first component.
_SUBSAMPLINGS = {(1, 1): 0, (2, 1): 1, (2, 2): 2}


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


class Metadata(NamedTuple):
    """What is kept of a file beside its pixels."""

    exif: bytes | None = None  # beginning with ``Exif`` and two zeros
    icc: bytes | None = None
    icc_name: bytes = b"ICC Profile"  # which a PNG gives it
    xmp: bytes | None = None
    dpi: tuple[float, float] | None = None  # horizontally and vertically
    comments: tuple[bytes, ...] = ()  # of a JPEG or GIF
    photoshop: bytes | None = None  # its resources in a JPEG, IPTC among them, without thumbnails
    chunks: tuple[Chunk, ...] = ()  # of a PNG, as they are, but for bKGD, whose levels are of 16 bits
    tags: tuple[TiffTag, ...] = ()  # what else the tags of a TIFF say
    origin: Origin | None = None  # the image that they were read with
    unknown: tuple[str, ...] = ()  # names of what the file holds besides, which is not kept
    coding: Coding | None = None  # of a JPEG
    compression: str | None = None  # of a TIFF or TGA, by Pillow's name
    lossless: bool = True  # whether the file held exactly the samples that were written
    duration: float | None = None  # of a frame, in milliseconds; None where files do not say
    plays: int = 0  # how often an animation is shown; 0 is for ever

    def bare(self) -> Metadata:
        """Return what decides how an image is encoded, without what is written beside it."""
        kept = "coding", "compression", "lossless", "duration", "plays"
        return Metadata(**{name: getattr(self, name) for name in kept})

    def resized(self, before: tuple[int, ...], after: tuple[int, ...]) -> Metadata:
        """Return it for an image of another shape: EXIF states the size."""
        if self.exif is None or before[:2] == after[:2]:
            return self
        return self._replace(exif=resized(self.exif, before[1::-1], after[1::-1]))

    def lost_in(self, form: str, frames: int, still: bool) -> list[str]:
        """Return the names of what a format cannot hold, as far as it says something.

        `frames` is how many images are written, 0 for a single one; `still` says that one was read.
        """
        held = FORMATS[form].blocks
        says = {field: getattr(self, field) not in (None, ()) for field in BLOCKS}
        says["exif"] = self.exif is not None and not names_program_only(self.exif)
        # Programs write one of these where nobody has chosen a resolution.
        says["dpi"] = says["dpi"] and {*map(round, self.dpi or ())} not in ({1}, {72}, {96})
        if says["dpi"] and self.exif is not None and "exif" in held:
            says["dpi"] = self.dpi != resolution_of(self.exif)
        names = [name for field, name in BLOCKS.items() if says[field] and field not in held]
        plain = self.icc is not None or b"sRGB" in dict(self.chunks)
        for kind, content in self.chunks if "chunks" not in held else ():
            name = _CHUNKS.get(kind, f"a {kind.decode()} chunk")
            square = kind == b"pHYs" and (content[:4] == content[4:8] or "aspect" in held)
            whole = kind == b"sBIT" and {*content} <= {8, 16}
            if not (square or whole or (plain and name == _GAMMA) or (kind, content) in _SRGB):
                names.append(name)
        if frames and self.duration is not None and "duration" not in held:
            names.append("the durations of frames")
        elif still and not frames and self.duration and form != "gif":
            names.append("the duration of a still image")
        if frames and self.plays and "plays" not in held:
            names.append("the number of showings")
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
    compression, xmp, dpi = info.get("compression"), info.get("xmp"), _dpi(info.get("dpi"))
    chunks = info.get("chunks", ()) + _aspect(info)
    turned = upright and orientation_of(image, []) >= 5
    segments = getattr(image, "applist", [])  # of a JPEG
    comments = [content for name, content in segments if name == "COM"]
    unknown = {
        next(
            (words for start, words in _SEGMENT_NAMES.items() if content.startswith(start)), f"segment {name}"
        )
        for name, content in segments
        if name != "COM" and not content.startswith(_SEGMENTS)
    }
    return Metadata(
        exif=_exif(image, upright, warnings),
        icc=_icc(_icc_of_segments(segments) or info.get("icc_profile"), warnings),
        icc_name=info.get("icc_name", Metadata().icc_name),
        xmp=_xmp(xmp, upright, warnings) if isinstance(xmp, bytes) else None,
        dpi=dpi[::-1] if dpi and turned else dpi,
        comments=info.get("comments", tuple(comments)),
        photoshop=_photoshop(segments, warnings),
        chunks=tuple(_turned_aspect(*each) if turned else each for each in chunks),
        unknown=(*info.get("unknown", ()), *sorted(unknown)),
        compression=compression if isinstance(compression, str) else None,
        duration=_duration(image),
        plays=_plays(image),
    )


def icc_fits(profile: bytes, kind: str) -> bool:
    """Tell whether the colour space of a profile is that of a kind of image, as in `formats`."""
    spaces = {"RGB": b"RGB ", "RGBA": b"RGB ", "CMYK": b"CMYK", "LAB": b"Lab "}
    return profile[16:20] == spaces.get(kind.partition(";")[0].rstrip("X"), b"GRAY")


def _exif(image: Image.Image, upright: bool, warnings: list[str]) -> bytes | None:
    """Return the EXIF block, upright and without thumbnails."""
    raw = image.info.get("exif")
    try:
        if not isinstance(raw, bytes) or not raw.removeprefix(EXIF):
            return None
        if len(raw) > _LONGEST_EXIF:
            warnings.append(f"EXIF of more than {_LONGEST_EXIF} bytes dropped")
            return None
        block = EXIF + cleaned(raw.removeprefix(EXIF), upright)
        if upright and orientation_of(image, []) >= 5:
            block = resized(block, image.size, image.size[::-1])
        with reasons("malformed EXIF"):
            Image.Exif().load(block)  # values of a wrong type pass, as they do in other readers
    except ImageError:
        warnings.append("malformed EXIF dropped")
        return None
    return block


_LONGEST_EXIF = 1 << 22
PHOTOSHOP = b"Photoshop 3.0\0"
_ICC_SEGMENT = b"ICC_PROFILE\0"
# How the segments of a JPEG begin that are read, or say how the file is made (JFIF, MPF, Ducky, Adobe).
_SEGMENTS = (
    *(b"Exif\0", b"http://ns.adobe.com/xap/1.0/\0", _ICC_SEGMENT, PHOTOSHOP),
    *(b"JFIF", b"JFXX", b"MPF\0", b"Ducky", b"Adobe\0"),
)
# What messages call others that are known.
_SEGMENT_NAMES = {
    b"http://ns.adobe.com/xmp/extension/\0": "extended XMP",
    b"urn:iso:std:iso:ts:21496:-1\0": "a gain map",
    b"Adobe_CM": "a colour management segment",
}
# Photoshop's resources that are dropped: thumbnails, and copies of ICC, EXIF twice, XMP.
_COPIES = (*THUMBNAILS, 0x040F, 0x0422, 0x0423, 0x0424)


def _photoshop(segments: list[tuple[str, bytes]], warnings: list[str]) -> bytes | None:
    """Return Photoshop's resources in a JPEG, without thumbnails and without copies of EXIF, XMP and ICC."""
    parts = [content.removeprefix(PHOTOSHOP) for _, content in segments if content.startswith(PHOTOSHOP)]
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


def _icc_of_segments(segments: list[tuple[str, bytes]]) -> bytes:
    """Return the colour profile of a JPEG, whose parts are numbered, though not always as they should be."""
    parts = [content[len(_ICC_SEGMENT) :] for _, content in segments if content.startswith(_ICC_SEGMENT)]
    profile = b"".join(part[2:] for part in sorted(parts, key=lambda part: part[:1]))
    return profile if int.from_bytes(profile[:4], "big") <= len(profile) else b"incomplete"


def _turned_aspect(kind: bytes, content: bytes) -> Chunk:
    """Return a chunk of a PNG as it holds for an image turned by 90 degrees."""
    return kind, content[4:8] + content[:4] + content[8:] if kind == b"pHYs" else content


def _aspect(info: dict[Any, Any]) -> tuple[Chunk, ...]:
    """Return the pixel aspect that a JPEG states, as a chunk of PNG."""
    aspect = info.get("jfif_density")
    if info.get("jfif_unit") != 0 or not aspect or 0 in aspect or aspect[0] == aspect[1]:
        return ()
    return ((b"pHYs", struct.pack(">IIB", *aspect, 0)),)


def _icc(profile: object, warnings: list[str]) -> bytes | None:
    """Return a colour profile if it is one."""
    if not profile:
        return None
    if not isinstance(profile, bytes) or len(profile) < 132 or profile[36:40] != b"acsp":
        warnings.append("malformed ICC profile dropped")
        return None
    return profile


def _xmp(packet: bytes, upright: bool, warnings: list[str]) -> bytes:
    """Return an XMP packet without thumbnails and without what is not true of the image that is written.

    That is the orientation, if it has been applied, and the further images and parts of a JPEG.
    """
    packet = re.sub(_XMP_IMAGE, b"", packet)
    if b"hdrgm:Version" in packet:
        warnings.append("the gain map is dropped: the image without it is of standard range")
    packet = re.sub(_XMP_FURTHER, b"", packet)
    return re.sub(_XMP_ORIENTATION, b"", packet) if upright else packet


def _dpi(found: Any) -> tuple[float, float] | None:
    """Return a resolution if it is one."""
    try:
        across, down = (float(value) for value in found)
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    return (across, down) if 0 < across < math.inf and 0 < down < math.inf else None


def _duration(image: Image.Image) -> float | None:
    """Return how long a frame is shown; one of a GIF that does not say so is not held at all."""
    if image.format == "AVIF" and getattr(image, "n_frames", 1) == 1:  # for which Pillow makes one up
        return None
    found = image.info.get("duration", 0 if image.format == "GIF" else None)
    return float(found) if isinstance(found, int | float) and 0 <= found < math.inf else None


def _plays(image: Image.Image) -> int:
    """Return how often an animation is shown; a GIF counts the repetitions, and has one showing without."""
    loop = image.info.get("loop")
    if image.format == "GIF":
        return 1 if loop is None else loop + 1 if loop else 0
    return loop if isinstance(loop, int) else 0


# The image that it belongs to


class Picture:
    """One image and what came with it.

    `frames` is how many images its file holds, and `grid` where the samples lie in the image that was read.

    The pixels have shape (H, W) or (H, W, C) and are integers of 8 to 32 bits, float32 or float64, in native
    byte order; those of RGB may lie four bytes apart, as in Pillow's memory. The mode says what the channels
    mean: ``L LA RGB RGBA CMYK LAB``, ``I;16``, ``I`` and ``F`` for grey of uint16, of other integers and of
    floats, ``C5`` for five channels without a meaning, ``RGBX`` for colours and one of them.
    """

    def __init__(
        self,
        pixels: NDArray[Any],
        mode: str,
        format: str,
        metadata: Metadata | None = None,
        *,
        frames: int = 1,
        grid: Grid = SAME_GRID,
    ) -> None:
        self.pixels, self.mode, self.format = pixels, mode, format
        self.metadata = metadata or Metadata()
        self.frames, self.grid = frames, grid
        self.warnings: list[str] = []

    def with_pixels(self, pixels: NDArray[Any], mode: str, metadata: Metadata | None = None) -> Picture:
        """Return an image of the same file."""
        metadata = self.metadata if metadata is None else metadata
        return Picture(pixels, mode, self.format, metadata, frames=self.frames, grid=self.grid)


class Size(NamedTuple):
    """What an image's header says: its size as displayed, and mode and type as they would be read."""

    width: int
    height: int
    channels: int
    mode: str
    dtype: str
    format: str
    frames: int


def copy_pixels(pixels: NDArray[Any], target: NDArray[Any]) -> None:
    """Copy pixels (H, W, C), channels one by one where there are gaps between pixels."""
    if pixels.strides[1] == pixels.shape[2] * pixels.itemsize:
        target[...] = pixels
        return
    for channel in range(pixels.shape[2]):
        target[..., channel] = pixels[..., channel]


def check_mask_size(mask: tuple[int, ...], image: tuple[int, ...]) -> None:
    """Refuse a mask (H, W) that is not of the image's size."""
    if mask != image:
        sizes = "the mask is {1}x{0} but the image is {3}x{2}".format(*mask, *image)
        raise ImageError(f"{sizes}: use a mask of the same size")


def check_mask_values(mask: NDArray[Any], full: int) -> None:
    """Refuse a mask with values outside its full scale."""
    if not (mask.min() >= 0 and mask.max() <= full):  # nan is neither
        raise ImageError(f"the mask holds values outside 0..{full}: scale it to its full scale")
