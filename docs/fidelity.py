"""Make ``fidelity.md``, what each format keeps of each kind of image, out of the code itself."""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from convfilter.errors import ImageError
from convfilter.images.formats import FORMATS, kind_of, route
from convfilter.images.picture import Metadata, Picture
from convfilter.images.reading import read_picture
from convfilter.images.tiff_tags import TiffTag
from convfilter.images.writing import check_writable, write_frames, write_picture
from convfilter.options import EncodeOptions

PAGE = Path(__file__).resolve().with_name("fidelity.md")
SIZE = (64, 48)


class Row(NamedTuple):
    """A kind of image as a file holds it, and as it is read."""

    source: str
    mode: str
    dtype: str = "uint8"
    note: str = ""


ROWS = (
    Row("1", "L", note="black and white, read as grey of 0 and 255"),
    Row("L", "L", note="grey"),
    Row("LA", "LA", note="grey with alpha"),
    Row("P", "RGB", note="a palette, read as colours, or as RGBA if some are transparent"),
    Row("PA", "RGBA", note="a palette with alpha"),
    Row("RGB", "RGB"),
    Row("RGBA", "RGBA"),
    Row(
        "RGBX",
        "RGBX",
        note="colours and a channel without a meaning, such as infrared; read with the codecs",
    ),
    Row("CMYK", "CMYK"),
    Row("YCbCr", "RGB", note="converted as JPEG does it; samples may differ by 1"),
    Row("LAB", "LAB", note="CIELAB, each channel as it is stored"),
    Row("I;16", "I;16", "uint16", "16-bit grey, in either byte order"),
    Row("I", "I", "int32", "32-bit grey"),
    Row("L;int16", "I", "int16", "grey of this type, of `int8` or of `uint32`"),
    Row("F", "F", "float32", "grey as floats"),
    Row("L;float64", "F", "float64", "grey as double-precision floats"),
    Row("RGB;uint16", "RGB", "uint16", "16-bit colour"),
    Row("RGBA;uint16", "RGBA", "uint16", "16-bit colour with alpha"),
    Row("LA;uint16", "LA", "uint16", "16-bit grey with alpha"),
    Row("RGB;float32", "RGB", "float32", "colour as floats"),
    Row("C5", "C5", note="five channels that are not colours; read from a TIFF they are called `LXXXX`"),
)


def _sample_exif() -> bytes:
    tags = Image.Exif()
    tags[0x010F] = "Maker"
    return tags.tobytes()


PROFILE = struct.pack(">I", 200) + bytes(12) + b"RGB " + bytes(16) + b"acsp" + bytes(160)
_TAGS = (
    TiffTag(33550, 12, struct.pack("<3d", 30, 30, 0)),
    TiffTag(65000, 12, struct.pack("<d", 0.5)),
)

# An example of each block, as a reader yields it, and what messages call it.
BESIDE: dict[str, tuple[dict[str, Any], str]] = {
    "EXIF": ({"exif": _sample_exif()}, "EXIF"),
    "colour profile": ({"icc": PROFILE}, "a colour profile"),
    "its name": ({"icc": PROFILE, "icc_name": b"My scanner"}, ""),
    "XMP": ({"xmp": b"<x:xmpmeta xmlns:x='adobe:ns:meta/'/>"}, "XMP"),
    "resolution": ({"dpi": (300.0, 300.0)}, "resolution"),
    "comments": ({"comments": (b"by Ann",)}, "comments"),
    "Photoshop data (IPTC)": ({"photoshop": b"8BIM\4\4\0\0\0\0\0\4IPTC"}, "Photoshop data (IPTC)"),
    "text": ({"chunks": ((b"tEXt", b"Author\0Ann"), (b"iTXt", b"Author\0\0\0\0\0Bea"))}, "text"),
    "pixel aspect": ({"chunks": ((b"pHYs", struct.pack(">IIB", 64, 48, 0)),)}, "a pixel aspect"),
    "HDR chunks": ({"chunks": ((b"cICP", bytes([9, 16, 0, 1])), (b"cLLI", bytes(8)))}, "HDR chunks"),
    "gamma and chromaticities": (
        {"chunks": ((b"gAMA", struct.pack(">I", 100_000)),)},
        "gamma and chromaticities",
    ),
    "background colour": ({"chunks": ((b"bKGD", bytes([1, 1, 2, 2, 3, 3])),)}, "a background colour"),
    "significant bits": ({"chunks": ((b"sBIT", b"\5\6\5"),)}, "significant bits"),
    "GeoTIFF and other tags": ({"tags": _TAGS}, "GeoTIFF tags and tag 65000"),
    "durations": ({"duration": 70.0}, "the durations of frames"),
    "loop count": ({"plays": 3}, "the loop count"),
}


def beside(what: str, form: str, encoding: EncodeOptions | None = None) -> tuple[bool, list[str]]:
    """Write a block into a format and read it; return whether it is there, and the warnings."""
    given, _ = BESIDE[what]
    count = 2 if ("duration" in given or "plays" in given) and FORMATS[form].several else 1
    colours = np.arange(72, dtype=np.uint8).reshape(4, 6, 3)
    pictures = [Picture(colours + number, "RGB", "png", Metadata(**given)) for number in range(count)]
    stream = io.BytesIO()
    if count > 1:
        warnings = write_frames(stream, pictures, count, form, encoding)
    else:
        warnings = write_picture(stream, pictures[0], form, encoding)
    found = read_picture(stream).metadata
    if what == "EXIF":
        tags = Image.Exif()
        tags.load(found.exif or b"")
        return tags.get(0x010F) == "Maker", warnings
    if what == "resolution":
        return found.dpi is not None and np.allclose(found.dpi, 300, atol=0.1), warnings
    return all(getattr(found, field) == value for field, value in given.items()), warnings


def beside_cell(what: str, form: str) -> str:
    """Return how a format treats a block; fail if a block is lost without a warning."""
    kept, warnings = beside(what, form)
    name = BESIDE[what][1]
    named = f"{form} cannot hold {name}: dropped" in warnings
    times = what in ("durations", "loop count") and not FORMATS[form].several
    if kept == named and what != "its name" and not times:
        raise ValueError(f"{what} in {form}: kept is {kept}, and the warnings are {warnings}")
    return "kept" if kept else "-"


HEAD = """\
# What each format keeps

Find out what happens to the pixels and the metadata of a file, and what a format cannot hold.

Everything that you did not ask convfilter to change is written back unchanged; changes that a format requires
are reported in a warning. Depth is never reduced silently: an image that a format cannot hold is refused, and
the message names formats that can.

"""

LEGEND = """
- **kept**: every sample is preserved exactly. **near**: preserved except for the losses of the format itself.
- **codecs**: kept, with `pip install 'convfilter[codecs]'`; refused without it, and the message says so.
- **as RGB** and so on: stored as that kind of image. Grey and alpha lose nothing in the process; CMYK is
  converted, with a warning.
- **no alpha**: transparent pixels are blended onto `--background`, with a warning.
- **-**: refused, with exit code 1 and nothing written.
- gif is *kept* for up to 256 colours a frame in which every pixel is either opaque or fully transparent
  (transparent pixels lose their colour). Otherwise colours are reduced, and half-transparent pixels are
  blended onto `--background`, each with a warning.
- webp is *kept* if the input was lossless, and *near* if it was lossy or with `--quality`.
- npy holds bare samples: four channels are read as RGBA and three as RGB, whatever they were. An array with
  three axes is refused if the last has a length of more than 4, since it may hold frames: `--frames each` or
  `stack` reads it as (frame, row, column). An array with four axes is (frame, row, column, channel).
"""

NOTES = """
**kept**: written unchanged, or adapted as described below. **-**: dropped. One warning per file lists
everything that is lost, except for what is [dropped by rule](#dropped-by-rule) or removed by `--strip`.

### Depth, alpha and colour

- **Depth.** 16-bit colour is read in full; in an animated PNG it is refused. An AVIF of 10 or 12 bits is
  read as 8, with a warning. `--depth 8`, `16` or `float` chooses another depth: full scale stays full
  scale, and colours and alpha are rounded once.
- **Alpha.** A colour or level marked as transparent becomes alpha.
- **Colour profiles** are kept while they fit. A profile that no longer does, because the channels have a
  new meaning, is dropped with a warning.
- **Orientation** is applied, and its tag is reset in EXIF and XMP. When the image is rotated by 90 degrees,
  horizontal and vertical resolution are exchanged. `--no-orient` leaves all of these alone.
- **Thumbnails** are removed from EXIF, XMP and Photoshop's data, since they would show the old image. So are
  camera previews stored as JPEGs; those in a manufacturer's own encoding stay. `--strip` drops all metadata.
- **Frames.** png, tiff, webp, gif, avif and npy hold several; other formats refuse them without `--frames
  first`. Every frame is kept, even if nothing moves; the encoding of each frame may differ.

### TIFF

- **Depth.** Samples of 3 and 5 to 7 bits, and colours of 9 to 15 bits, are scaled to 8 or 16 bits; half
  floats become `float32`. Grey of 9 to 15 bits is treated as a measurement: its numbers, such as 0 to 4095,
  are stored unchanged in 16-bit samples, whose full scale is 65535. `--range stretch` makes such an image
  visible, and can be combined with `--depth 8`.
- **Without the codecs**, grey of every type but `float64`, RGB, RGBA and CMYK of 8 and 16 bits, and other
  kinds of 8 bits are read. Anything else, such as further channels, separate planes of 16 bits and
  big-endian BigTIFF, is refused with a message that names the codecs.
- **Premultiplied alpha** becomes plain alpha.
- **Tags** are copied to another TIFF byte for byte. GeoTIFF tags, and a pixel size without a unit, are
  adjusted for `--stride` and `--padding`, so that every pixel keeps its geographic position. (Dots per inch
  stay, since they set the print size.) RPC coefficients and the position on a page are dropped with a warning
  if the pixels move, and all of these if the image is rotated.
- **A no-data value** is kept and reported. It is dropped with a warning if the type of the samples changes,
  or if their scale is changed by `--range stretch` or `signed` without `--missing`.
- **Descriptions.** ImageJ's description is adapted to the number of frames, and loses its display range if
  the type changes. OME's, which lists every frame, is dropped with a warning if the size, frames, channels or
  type change.
- **Tags that may hold addresses or images** are dropped with a warning: private ones of type LONG,
  sub-images, and tags with which other programs lay out a file.
- **Compression** is kept if it is lossless. Other files are compressed with LZW, or with Deflate if they have
  more than 8 bits.

### JPEG

- From JPEG to JPEG, the quantization tables, the sampling of each component (also 4:4:0, 4:1:1, 4:1:0 and
  that of CMYK) and YCCK are kept unless `--quality` is used; a progressive file stays progressive. A
  lossless JPEG, and a PNG or other lossless file named `.jpg`, become a lossy JPEG, with a warning.
- All comments are kept in order. So is Photoshop's data, which holds IPTC, but without its thumbnails and its
  copies of EXIF, XMP and the ICC profile. Segments about how the file was made (JFIF, MPF, Ducky, Adobe) are
  written anew. All others, such as APP11, extended XMP and gain maps, are dropped with a warning that names
  them, and XMP no longer refers to them. The pixel aspect in JFIF is carried over to PNG and GIF.

### PNG, GIF, WebP and BMP

- **PNG.** Texts, chunks about colour (`gAMA cHRM sRGB iCCP cICP mDCV cLLI`) and `pHYs` are kept in their
  order, and so are unknown chunks that are marked as safe to copy. `bKGD` is kept as long as grey stays grey
  and colours stay colours; `sBIT` says how precise the source was, and follows channels and depth. All others
  are dropped with a warning that names them.
- **GIF.** Comments, XMP and pixel aspect are kept wherever they stand, and a still image keeps its duration.
  A colour profile is carried over to other formats. Other extensions are dropped with a warning that names
  them, as are unknown chunks in a WebP.
- **BMP.** A colour profile is read, so that other formats can keep it.

### Dropped by rule

These are dropped without a warning:

- data that described the file or its samples and is no longer true: `tIME`, `sPLT`, `hIST` and Apple's `iDOT`
  in a PNG, and how a TIFF, JPEG or WebP was laid out and encoded;
- the name that a PNG gives to its profile, in other formats, since the profile contains its own name;
- the orientation once it has been applied;
- data that programs write by default: comments in the header of a PPM, the label in a TGA, 72 or 96 dots per
  inch, and gamma and chromaticities that are those of sRGB or stand beside a colour profile;
- with `--frames first`, the times of an animation, except for the frame's own in a GIF.

### Damaged files

- **Malformed** metadata is dropped with a warning, and the image is processed.
- **Damage** to the pixels is reported if it can be detected: truncation always, other damage only where there
  are checksums (in PNG, and partly in TIFF with Deflate). JPEG, WebP, AVIF, GIF, BMP, TGA, PPM and
  uncompressed files have none, so a changed byte may go unnoticed.

## Limits

Files that would need far more time or memory than their size suggests are refused as soon as their header is
read. `--max-pixels` changes all of these limits; the message says which value allows the file.

- For an image, its pixels are counted. For an animation (GIF, PNG, WebP, AVIF), the pixels of all its frames
  are counted, unless you use `--frames first`; the pages of a TIFF are counted one by one.
- A JPEG of more than 100 scans counts as its pixels once for each scan, and one of more than 16 EXIF segments
  as 4,194,304 pixels for each segment.
- An array counts as 4,096 pixels for each channel, if that is more than its pixels.
- A WebP or AVIF of more than 67,108,864 pixels with less than 1 byte per 10,000 pixels is refused unless
  `--max-pixels` is above its default.

Among the metadata, texts and profiles of more than 16 MiB and EXIF of more than 4 MiB are dropped with a
warning.
"""


def cell(row: Row, form: str) -> str:
    """Return how a format stores a kind of image, in a word or two."""
    held = FORMATS[form]
    kind = kind_of(row.mode, row.dtype)
    if held.holds_deep(kind):
        return "codecs"
    if form == "npy":
        return "kept"
    try:
        stored, _ = route(row.mode, row.dtype, form)
        warnings = check_writable(row.mode, row.dtype, SIZE, 1, form)
    except ImageError:
        return "-"
    if any("alpha" in warning for warning in warnings):
        return "no alpha"
    if stored != kind:
        return f"as {stored}"
    return "kept" if held.losses != "always" else "near"


def table(head: list[str], rows: list[list[str]]) -> str:
    """Return a table of Markdown, its columns aligned."""
    lines = [head, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    padded = [[text.ljust(width) for text, width in zip(line, widths, strict=True)] for line in lines]
    padded.insert(1, ["-" * width for width in widths])
    return "".join(f"| {' | '.join(line)} |\n" for line in padded)


def page() -> str:
    """Return the whole page."""
    forms = list(FORMATS)
    pixels = [[f"`{row.source}`", f"`{row.mode}`", *(cell(row, form) for form in forms)] for row in ROWS]
    kinds = [f"- `{row.source}`: {row.note}.\n" for row in ROWS if row.note]
    blocks = [[what, *(beside_cell(what, form) for form in forms)] for what in BESIDE]
    return "".join(
        [
            HEAD,
            table(["in the file", "read as", *forms], pixels),
            LEGEND,
            "\nThe kinds of image:\n\n",
            *kinds,
            "\n## Beside the pixels\n\n",
            table(["", *forms], blocks),
            NOTES,
            "\nThis page is made by `python docs/fidelity.py`; the tests check every cell of it.\n",
        ]
    )


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
