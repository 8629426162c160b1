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
from convfilter.images.exif import EXIF, cleaned, directory_of, names_program_only, resized
from convfilter.images.formats import FORMATS
from convfilter.images.library import add_warning, reasons
from convfilter.images.tiff_tags import SAME_GRID, Grid, Origin, TiffTag

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
_LONGEST_EXIF = 1 << 22
_MALFORMED_EXIF = "malformed EXIF dropped"
# Compiled when they are used: few files hold XMP.
_XMP_ORIENTATION = rb'tiff:Orientation="(\d+)"|<tiff:Orientation>(\d+)</tiff:Orientation>'
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
            says["dpi"] = self.dpi != directory_of(self.exif).resolution()
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
        elif still and not frames and self.duration and "still duration" not in held:
            names.append("the duration of a still image")
        if frames and self.plays and "plays" not in held:
            names.append("the loop count")
        return list(dict.fromkeys(names))


def orientation_of(found: Metadata, warnings: list[str]) -> int:
    """Return the orientation that a file states, 1 to 8 as in EXIF; 1 (upright) if it states none."""
    try:
        orientation = _orientation_in(found.exif or b"")
    except ImageError:
        add_warning(warnings, _MALFORMED_EXIF)
        return 1
    if orientation is None and (stated := re.search(_XMP_ORIENTATION, found.xmp or b"")):
        orientation = int(stated[1] or stated[2])
    return orientation if isinstance(orientation, int) and 1 <= orientation <= 8 else 1


def _orientation_in(exif: bytes) -> object:
    """Return the orientation in a block that Pillow can read; values of a wrong type pass, as elsewhere."""
    block = Image.Exif()
    with reasons("malformed EXIF"):
        block.load(exif)
        return block.get(_ORIENTATION)


def read_metadata(found: Metadata, size: tuple[int, int], turn: int | None, warnings: list[str]) -> Metadata:
    """Return what is kept of all that a file says beside the pixels.

    `size` is the image's width and height in the file, and `turn` the orientation from which it has been
    turned upright, None if it is left as it is.
    """
    dpi, chunks = _dpi(found.dpi), found.chunks
    if (turn or 1) >= 5:
        dpi = dpi and dpi[::-1]
        chunks = tuple(_turned_aspect(*each) for each in chunks)
    return found._replace(
        exif=_exif(found.exif, size, turn, warnings),
        icc=_icc(found.icc, warnings),
        xmp=None if found.xmp is None else _xmp(found.xmp, turn is not None, warnings),
        dpi=dpi,
        chunks=chunks,
    )


def icc_fits(profile: bytes, kind: str) -> bool:
    """Return whether the colour space of a profile is that of a kind of image, as in `formats`."""
    spaces = {"RGB": b"RGB ", "RGBA": b"RGB ", "CMYK": b"CMYK", "LAB": b"Lab "}
    return profile[16:20] == spaces.get(kind.partition(";")[0].rstrip("X"), b"GRAY")


def _exif(raw: bytes | None, size: tuple[int, int], turn: int | None, warnings: list[str]) -> bytes | None:
    """Return the EXIF block, upright and without thumbnails."""
    if raw is None or not raw.removeprefix(EXIF):
        return None
    if len(raw) > _LONGEST_EXIF:
        warnings.append(f"EXIF of more than {_LONGEST_EXIF} bytes dropped")
        return None
    try:
        block = cleaned(raw, turn is not None)
        if (turn or 1) >= 5:
            block = resized(block, size, size[::-1])
        _orientation_in(block)
    except ImageError:
        add_warning(warnings, _MALFORMED_EXIF)
        return None
    return block


def _turned_aspect(kind: bytes, content: bytes) -> Chunk:
    """Return a chunk of a PNG as it holds for an image turned by 90 degrees."""
    return kind, content[4:8] + content[:4] + content[8:] if kind == b"pHYs" else content


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


# The image that it belongs to


class Picture:
    """One image and what came with it.

    `frames` is how many images its file holds, and `grid` where the samples lie in the image that was read.

    The pixels have shape (H, W) or (H, W, C) and are integers of 8 to 32 bits, float32 or float64, in native
    byte order; those of RGB may lie four bytes apart, as in Pillow's memory. The mode says what the channels
    mean: ``L LA RGB RGBA CMYK LAB``, ``I;16``, ``I`` and ``F`` for grey of uint16, of other integers and of
    floats, ``C5`` for five channels without a meaning, ``RGBX`` for colours and one such channel.
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


def check_mask_size(mask: tuple[int, ...], image: tuple[int, ...], name: str = "mask") -> None:
    """Refuse a mask (H, W) that is not of the image's size."""
    if mask != image:
        sizes = "{1}x{0} but the image is {3}x{2}".format(*mask, *image)
        raise ImageError(f"the {name} is {sizes}: use a mask of the same size")


def check_mask_values(mask: NDArray[Any], full: int) -> None:
    """Refuse a mask with values outside its full scale."""
    if not (mask.min() >= 0 and mask.max() <= full):  # nan is neither
        raise ImageError(f"the mask holds values outside 0..{full}: scale it to its full scale")
