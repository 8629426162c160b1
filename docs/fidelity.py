"""Make ``fidelity.md``, what each format keeps of each kind of image, out of the code itself."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from convfilter.errors import ImageError
from convfilter.images.formats import FORMATS, kind_of, route
from convfilter.images.metadata import BLOCKS
from convfilter.images.writing import check_writable

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
    Row("P", "RGB", note="a palette, read as colours; with transparent ones as RGBA"),
    Row("PA", "RGBA", note="a palette with alpha"),
    Row("RGB", "RGB"),
    Row("RGBA", "RGBA"),
    Row(
        "RGBX", "RGBX", note="colours and a channel without a meaning, such as infrared; read with the codecs"
    ),
    Row("CMYK", "CMYK"),
    Row("YCbCr", "RGB", note="converted as JPEG does it; samples may differ by 1"),
    Row("LAB", "LAB", note="CIELAB, each channel as it is stored"),
    Row("I;16", "I;16", "uint16", "grey of 16 bits, in every byte order"),
    Row("I", "I", "int32", "grey of 32 bits"),
    Row("L;int16", "I", "int16", "grey of this type, of `int8` or of `uint32`"),
    Row("F", "F", "float32", "grey of floats"),
    Row("L;float64", "F", "float64", "grey of long floats"),
    Row("RGB;uint16", "RGB", "uint16", "colours of 16 bits"),
    Row("RGBA;uint16", "RGBA", "uint16", "colours of 16 bits with alpha"),
    Row("LA;uint16", "LA", "uint16", "grey of 16 bits with alpha"),
    Row("RGB;float32", "RGB", "float32", "colours of floats"),
    Row("C5", "C5", note="five channels that mean no colours; out of a TIFF they are called `LXXXX`"),
)


def _with_block(block: str) -> str:
    return " ".join(form for form, row in FORMATS.items() if block in row.blocks)


# What is kept beside the pixels, by format; `tests/images/test_fidelity.py` tries every cell.
KEPT = {
    **{words.removeprefix("a "): _with_block(block) for block, words in BLOCKS.items()},
    **dict.fromkeys(("text", "pixel aspect", "HDR chunks", "gamma and chromaticities"), "png"),
    "background colour": "png",
    "durations": _with_block("duration"),
    "number of showings": _with_block("plays"),
}

HEAD = """\
# What is preserved

Whatever convfilter was not asked to change is written back unchanged; a change that a format requires is
reported in a warning. Depth is never reduced silently: an image that a format cannot hold is refused, and the
message names formats that can.

"""

LEGEND = """
- **kept**: every sample comes back as it was. **near**: within what the format itself loses.
- **codecs**: kept, with `pip install 'convfilter[codecs]'`; refused without it, and the message says so.
- **as RGB** and so on: stored as that kind. Of grey and alpha nothing is lost by it; CMYK is converted
  with a warning.
- **no alpha**: where there is alpha it is blended onto `--background`, with a warning.
- **-**: refused, with exit code 1 and nothing written.
- gif is *kept* up to 256 colours a frame, with pixels transparent or not (what cannot be seen loses its
  colour); beyond that colours are reduced and half transparent pixels are blended onto `--background`, each
  with a warning.
- webp is *kept* after an input without loss, and *near* after one with loss or with `--quality`.
- npy holds bare samples: four channels are read as RGBA and three as RGB, whatever they were.
"""

NOTES = """
- **Depth.** 16-bit colour is read in full, and refused in an animated PNG. An AVIF of 10 or 12 bits is
  read as 8, with a warning. Samples of 3, 5 to 7 and 9 to 15 bits in a TIFF are brought to the full scale
  of 8 or 16 bits, half floats to `float32`.
- **TIFF without the codecs.** Read are grey of every type but `float64`, 8 and 16 bits of RGB, RGBA and
  CMYK, and 8 bits of the other kinds. What else there is, such as further channels, separate planes of 16
  bits and big-endian BigTIFF, is refused with a message that names the codecs.
- **Another depth** is chosen with `--depth 8`, `16` or `float`: full scale stays full scale, colours and
  alpha are rounded once.
- **Alpha.** A colour or level marked as transparent becomes alpha. Premultiplied alpha in a TIFF
  becomes plain.
- **Colour profiles** are kept while they fit: one that no longer does, because the channels mean
  something else now, is dropped with a warning, and so is any in a format that holds none.
- **Orientation** is applied and its tag reset, in EXIF and XMP; `--no-orient` leaves both alone.
- **Thumbnails** are removed from EXIF, XMP and Photoshop's data, since they would show the image as it was:
  those in the places made for them, and every JPEG in between, such as a camera's own preview. A preview
  that is none of these, in a maker's own coding, stays; `--strip` drops all metadata.
- **Frames.** png, tiff, webp, gif, avif and npy hold several; other formats refuse them without
  `--frames first`. Every frame stays one, also where nothing moves; how each was put together is the
  writer's own choice.
- **JPEG.** From JPEG to JPEG the quantization tables and the subsampling are kept, unless
  `--quality` is used.
- **TIFF tags** are carried to another TIFF byte for byte. Those of GeoTIFF, a no-data value and a pixel size
  without a unit are dropped with a warning if the image changes its size, descriptions of ImageJ and OME also
  if its frames, channels or type change. So are tags that may hold addresses or images: private ones of type
  LONG, sub-images, what other programs use to lay out a file. A no-data value that is declared is reported.
- **TIFF** stays compressed as it was if that loses nothing; other files become LZW, and Deflate if
  deep.
- **What a format cannot hold** of this is named in one warning a file, unless with `--strip`. Nothing is said
  of what programs write unasked: 72 or 96 dots per inch, gamma and chromaticities that are those of sRGB or
  stand beside a colour profile.
- **PNG chunks.** Texts, chunks about colour (`gAMA cHRM sRGB iCCP cICP mDCV cLLI`) and `pHYs` are kept in
  their order, and so are unknown chunks that are marked as safe to copy. `bKGD` is kept while grey stays grey
  and colours stay colours. `tIME`, `sBIT`, `sPLT`, `hIST` and Apple's `iDOT` are left out by rule, since they
  describe the file or the image as it was. All others are left out with a warning that names them.
- **JPEG segments.** All comments are kept in their order, and so is Photoshop's data with IPTC in it, without
  thumbnails and its copies of EXIF, XMP and ICC profile. Segments about how the file was made (JFIF, MPF,
  Ducky, Adobe) are the writer's own. All others, such as APP11 and the extension of XMP, are left out with a
  warning that names them. The pixel aspect of JFIF goes to PNG only.
- **Malformed** metadata is dropped with a warning, and the image is processed.
- **Damage** to the pixels is reported as far as the format lets it be noticed: truncated files always, other
  damage by check sums, which PNG has, and Deflate in TIFF partly. JPEG, WebP, AVIF, GIF, BMP, TGA, PPM and
  uncompressed files have none: a byte that has changed there may go unnoticed.

## Limits

Files that would cost far more than their size suggests are refused by their header. `--max-pixels` moves all
of these limits; a message says which number allows a file.

- An image counts as its pixels. An animation (GIF, PNG, WebP, AVIF) counts as the pixels of all its frames,
  unless with `--frames first`; the pages of a TIFF count one by one.
- A JPEG of more than 100 scans counts as its pixels once for each scan, one of more than 16 segments of EXIF
  as 4,194,304 pixels for each segment.
- An array counts as 4,096 pixels for each channel, if that is more than its pixels.
- A WebP or AVIF of more than 67,108,864 pixels with less than 1 byte for 10,000 of them is refused unless
  `--max-pixels` is above its default.

Beside the pixels, texts and profiles of more than 16 MiB and EXIF of more than 4 MiB are dropped with a
warning.
"""


def cell(row: Row, form: str) -> str:
    """Return what becomes of a kind of image in a format, in a word or two."""
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
    return "kept" if held.lossless or form == "webp" else "near"


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
    beside = [
        [what, *("kept" if form in kept.split() else "-" for form in forms)] for what, kept in KEPT.items()
    ]
    return "".join(
        [
            HEAD,
            table(["in the file", "read as", *forms], pixels),
            LEGEND,
            "\nThe kinds of image:\n\n",
            *kinds,
            "\n## Beside the pixels\n\n",
            table(["", *forms], beside),
            NOTES,
            "\nThis page is made by `python docs/fidelity.py`; the tests go through every cell of it.\n",
        ]
    )


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
