"""What a file says about its picture beside the pixels, kept from reading to writing.

EXIF is kept as the bytes it came in, so that nothing a camera wrote is lost; just the orientation is
reset in place once it has been applied, and the link to the thumbnail is cut, which shows the picture
as it was. What cannot be parsed is dropped with a warning.
"""

from __future__ import annotations

import math
import re
import struct
from dataclasses import dataclass, field, replace
from typing import Any

from PIL import ExifTags, Image

__all__ = ["Metadata", "descriptive_exif", "icc_fits", "orientation_of", "read_metadata"]

_ORIENTATION = 0x0112
# Of a TIFF's tags these describe the picture; the others say how its file is laid out.
_DESCRIPTIVE = {270, 271, 272, 305, 306, 315, 316, 33432, 33723, 34377, 34665, 34853, _ORIENTATION}
_XMP_ORIENTATION = re.compile(rb'tiff:Orientation="\d+"|<tiff:Orientation>\d+</tiff:Orientation>')
_PNG_PROFILES = ("XML:com.adobe.xmp", "Raw profile type exif", "Raw profile type APP1")


@dataclass(frozen=True)
class Metadata:
    """What is kept of a file beside its pixels.

    Attributes
    ----------
    exif : bytes or None
        An EXIF block, beginning with ``Exif`` and two zeros.
    icc : bytes or None
        A colour profile.
    xmp : bytes or None
        An XMP packet.
    dpi : tuple of float or None
        Dots per inch, horizontally and vertically.
    text : dict
        The text chunks of a PNG.
    comment : bytes or None
        The comment of a JPEG or GIF.
    chunks : dict
        PNG chunks that say what the numbers mean as colours (gAMA, cHRM, sRGB).
    quantization : list of list of int or None
        The quantization tables of a JPEG.
    subsampling : int
        The chroma subsampling of a JPEG as Pillow numbers it; -1 if unknown.
    compression : str or None
        How a TIFF or TGA was compressed, by Pillow's name.
    lossless : bool
        Whether the file held exactly the samples that were written.
    duration : float or None
        How long a frame is shown, in milliseconds; None where files do not tell.
    plays : int
        How often an animation is shown; 0 is for ever.
    """

    exif: bytes | None = None
    icc: bytes | None = None
    xmp: bytes | None = None
    dpi: tuple[float, float] | None = None
    text: dict[str, str] = field(default_factory=dict)
    comment: bytes | None = None
    chunks: dict[bytes, bytes] = field(default_factory=dict)
    quantization: list[list[int]] | None = None
    subsampling: int = -1
    compression: str | None = None
    lossless: bool = True
    duration: float | None = None
    plays: int = 0

    def bare(self) -> Metadata:
        """Return what decides how a picture is encoded, without what is written beside it."""
        return replace(self, exif=None, icc=None, xmp=None, dpi=None, text={}, comment=None, chunks={})


def orientation_of(image: Image.Image, warnings: list[str]) -> int:
    """Return the orientation that a picture is tagged with.

    Parameters
    ----------
    image : PIL.Image.Image
        The opened picture.
    warnings : list of str
        Gets a line if the tags cannot be read.

    Returns
    -------
    int
        1 to 8 as in EXIF; 1 (upright) without a tag.
    """
    try:
        # The method of the base class: the PNG plugin's own would decode the picture to look behind it.
        found = Image.Image.getexif(image).get(_ORIENTATION, 1)
    except Exception:  # whatever the parser trips over
        warnings.append("malformed EXIF dropped")
        image.info.pop("exif", None)
        return 1
    return found if isinstance(found, int) and 1 <= found <= 8 else 1


def read_metadata(image: Image.Image, upright: bool, warnings: list[str]) -> Metadata:
    """Collect what a decoded picture's file says beside the pixels.

    Parameters
    ----------
    image : PIL.Image.Image
        The picture, decoded.
    upright : bool
        Whether the orientation has been applied, so that its tag is reset.
    warnings : list of str
        Gets a line for everything malformed that is dropped.

    Returns
    -------
    Metadata
        Everything but `Metadata.lossless`, which is left at true.
    """
    info = image.info
    quantization = _tables(getattr(image, "quantization", None))
    comment = info.get("comment")
    compression = info.get("compression")
    xmp = info.get("xmp")
    return Metadata(
        exif=_exif(image, upright, warnings),
        icc=_icc(info.get("icc_profile"), warnings),
        xmp=_xmp(xmp, upright) if isinstance(xmp, bytes) else None,
        dpi=_dpi(info.get("dpi")),
        text=_text(image),
        comment=comment if isinstance(comment, bytes) else None,
        chunks=_colour_chunks(info),
        quantization=quantization,
        subsampling=_subsampling(image) if quantization else -1,
        compression=compression if isinstance(compression, str) else None,
        duration=_duration(image),
        plays=_plays(image),
    )


def icc_fits(profile: bytes, kind: str) -> bool:
    """Tell whether a colour profile speaks of the channels of a picture.

    Parameters
    ----------
    profile : bytes
        The profile.
    kind : str
        The kind of picture, as in `convfilter.images.formats`.

    Returns
    -------
    bool
        Whether the colour space that the profile names is that of the kind.
    """
    spaces = {"RGB": b"RGB ", "RGBA": b"RGB ", "CMYK": b"CMYK", "LAB": b"Lab "}
    return profile[16:20] == spaces.get(kind.partition(";")[0].rstrip("X"), b"GRAY")


def descriptive_exif(exif: Image.Exif) -> Image.Exif:
    """Return the tags that describe a picture, without those on how its file is laid out.

    Parameters
    ----------
    exif : PIL.Image.Exif
        All tags.

    Returns
    -------
    PIL.Image.Exif
        A new set of tags.
    """
    kept = Image.Exif()
    for tag in _DESCRIPTIVE & set(exif):
        if tag in (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo):
            kept[tag] = dict(exif.get_ifd(tag))
        else:
            kept[tag] = exif[tag]
    parsed = Image.Exif()  # groups that were put in, not parsed, could not be written to a TIFF
    if len(kept):
        parsed.load(kept.tobytes())
    return parsed


def _exif(image: Image.Image, upright: bool, warnings: list[str]) -> bytes | None:
    """Return the EXIF block, orientation and thumbnail seen to."""
    raw = image.info.get("exif")
    try:
        if image.format == "TIFF":
            tags = descriptive_exif(image.getexif())
            raw = tags.tobytes() if len(tags) else None
        elif raw is None and "Raw profile type exif" in image.info:
            raw = bytes.fromhex("".join(image.info["Raw profile type exif"].split("\n")[3:]))
        if not isinstance(raw, bytes) or not raw.removeprefix(b"Exif\0\0"):
            return None
        block = _patched(raw.removeprefix(b"Exif\0\0"), upright)
        parsed = Image.Exif()
        parsed.load(block)  # whatever cannot be parsed and put together again could not be written
        parsed.tobytes()
    except Exception:  # whatever the parsers trip over
        warnings.append("malformed EXIF dropped")
        return None
    return block


def _patched(tiff: bytes, upright: bool) -> bytes:
    """Return an EXIF block with its orientation set upright, if so, and no thumbnail."""
    order = {b"II": "<", b"MM": ">"}[tiff[:2]]
    block = bytearray(tiff)
    (start,) = struct.unpack_from(f"{order}I", block, 4)
    (count,) = struct.unpack_from(f"{order}H", block, start)
    for entry in range(start + 2, start + 2 + 12 * count, 12):
        tag, kind, _ = struct.unpack_from(f"{order}HHI", block, entry)
        if tag == _ORIENTATION and upright:
            struct.pack_into(f"{order}{'I' if kind == 4 else 'H'}", block, entry + 8, 1)
    if start + 2 + 12 * count + 4 <= len(block):
        struct.pack_into(f"{order}I", block, start + 2 + 12 * count, 0)
    return b"Exif\0\0" + bytes(block)


def _icc(profile: object, warnings: list[str]) -> bytes | None:
    """Return a colour profile if it is one."""
    if not profile:
        return None
    if not isinstance(profile, bytes) or len(profile) < 132 or profile[36:40] != b"acsp":
        warnings.append("malformed ICC profile dropped")
        return None
    return profile


def _xmp(packet: bytes, upright: bool) -> bytes:
    """Return an XMP packet, without the orientation if that has been applied."""
    return _XMP_ORIENTATION.sub(b"", packet) if upright else packet


def _dpi(found: Any) -> tuple[float, float] | None:
    """Return a resolution if it is one."""
    try:
        across, down = (float(value) for value in found)
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    usable = math.isfinite(across) and math.isfinite(down) and across > 0 and down > 0
    return (across, down) if usable else None


def _duration(image: Image.Image) -> float | None:
    """Return how long a frame is shown; one of a GIF that does not say so is not held at all."""
    found = image.info.get("duration", 0 if image.format == "GIF" else None)
    return float(found) if isinstance(found, int | float) and math.isfinite(found) and found >= 0 else None


def _plays(image: Image.Image) -> int:
    """Return how often an animation is shown; a GIF counts the repetitions, and has one showing without."""
    loop = image.info.get("loop")
    if image.format == "GIF":
        return 1 if loop is None else loop + 1 if loop else 0
    return loop if isinstance(loop, int) else 0


def _text(image: Image.Image) -> dict[str, str]:
    """Return the text chunks of a PNG but those that are kept as something else."""
    # Pillow hands the chunks over when it has decoded the picture; before that its reader has them.
    texts = getattr(image, "_text", None) or getattr(getattr(image, "png", None), "im_text", None) or {}
    return {key: value for key, value in texts.items() if key not in _PNG_PROFILES}


def _colour_chunks(info: dict[Any, Any]) -> dict[bytes, bytes]:
    """Return the PNG chunks on what the numbers mean as colours."""
    chunks: dict[bytes, bytes] = {}
    if isinstance(gamma := info.get("gamma"), float):
        chunks[b"gAMA"] = struct.pack(">I", round(gamma * 100_000))
    if isinstance(points := info.get("chromaticity"), tuple):
        chunks[b"cHRM"] = struct.pack(">8I", *(round(value * 100_000) for value in points))
    if isinstance(intent := info.get("srgb"), int):
        chunks[b"sRGB"] = bytes([intent])
    return chunks


def _tables(found: Any) -> list[list[int]] | None:
    """Return a JPEG's quantization tables if they can be used again."""
    if not isinstance(found, dict) or sorted(found) != list(range(len(found))) or not 0 < len(found) < 5:
        return None
    return [list(found[index]) for index in range(len(found))]


def _subsampling(image: Image.Image) -> int:
    """Return a JPEG's chroma subsampling as Pillow numbers it."""
    from PIL.JpegImagePlugin import get_sampling

    return get_sampling(image)
