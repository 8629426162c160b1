"""Opening a file: checks that it is safe to read, recognises its format and limits its size."""

from __future__ import annotations

import contextlib
import io
import os
import re
import stat
from collections.abc import Iterator
from typing import BinaryIO, Literal, TypeAlias

from convfilter.errors import ImageError, describe, escaped
from convfilter.images.formats import FORMATS, extension_in, format_of_name, sniff
from convfilter.options import MAX_PIXELS

Axes: TypeAlias = Literal["channels", "frames", "frames if wide", "unclear"]
"""What an array of three axes is: (H, W, C), or (T, H, W), always or if there were more than 4 channels.

``unclear`` refuses those with more than 4.
"""

_KINDS = {stat.S_IFDIR: "a folder", stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket"}
_KINDS |= {stat.S_IFCHR: "a device", stat.S_IFBLK: "a device"}


@contextlib.contextmanager
def opened(source: str | os.PathLike[str] | BinaryIO) -> Iterator[tuple[BinaryIO, str | None]]:
    """Open a regular file or a stream, which is not closed; yield a seekable stream and the file's name."""
    if not isinstance(source, (str, os.PathLike)):
        yield (source if source.seekable() else io.BytesIO(source.read())), None
        return
    name = os.fspath(source)
    try:
        # The first check, because opening some devices has effects; the second, of what has been opened,
        # counts. Opened without O_NONBLOCK, a pipe put there meanwhile would wait for ever.
        _check_regular(os.stat(name))
        flags = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)
        stream = os.fdopen(os.open(name, flags | getattr(os, "O_CLOEXEC", 0)), "rb")
    except ImageError:
        raise
    except ValueError as error:
        raise ImageError(f"not a file name ({escaped(str(error))})") from None
    except FileNotFoundError:
        pattern = any(mark in name for mark in "*?[")
        raise ImageError("no file matches" if pattern else "no such file") from None
    except OSError as error:
        raise ImageError(f"cannot be opened: {describe(error)}") from None
    with stream:
        _check_regular(os.fstat(stream.fileno()))
        yield stream, name


def _check_regular(status: os.stat_result) -> None:
    """Refuse all but regular files."""
    if not stat.S_ISREG(status.st_mode):
        kind = _KINDS.get(stat.S_IFMT(status.st_mode), "not a regular file")
        raise ImageError(f"is {kind}, not an image file")


def format_of(stream: BinaryIO, name: str | None, warnings: list[str]) -> str:
    """Return a file's format by its content, with a warning if its name says something else."""
    found = sniff(stream, name)
    _check_type(stream, name, found)
    if found is None:
        if not stream.read(1):
            raise ImageError("the file is empty")
        raise ImageError(f"not an image of a known format ({', '.join(FORMATS)})")
    promised = format_of_name(name) if name is not None else None
    if promised not in (None, found):
        warnings.append(f"contains {found} data despite its name")
    return found


# Limits that `--max-pixels` raises

_PIXELS_A_CHANNEL = 1 << 12
# A single colour takes a few bytes of WebP or AVIF whatever its size; such an image is hardly useful.
_ANY_DENSITY = 1 << 26
_DENSITY = 10_000


def check_pixels(size: tuple[int, int], max_pixels: int | None, count: int = 1, what: str = "frames") -> None:
    """Refuse an image, or several of a size, of more pixels than allowed; None allows any number."""
    width, height = size
    several = f"{count} {what} of " if count > 1 else ""
    check_count(f"{several}{width} x {height} pixels are", count * width * height, max_pixels)


def check_channels(channels: int, max_pixels: int | None) -> None:
    """Refuse an array of too many channels, each of which costs time whatever its size."""
    pixels = channels * _PIXELS_A_CHANNEL
    check_count(f"{channels} channels count as {pixels} pixels,", pixels, max_pixels)


def check_density(stream: BinaryIO, size: tuple[int, int], max_pixels: int | None) -> None:
    """Refuse a huge image out of next to nothing, unless more than the usual limit is allowed."""
    pixels = size[0] * size[1]
    length = stream.seek(0, os.SEEK_END)
    if max_pixels is not None and max_pixels <= MAX_PIXELS and pixels > max(_ANY_DENSITY, length * _DENSITY):
        raise ImageError(
            f"{size[0]} x {size[1]} pixels out of {length} bytes may be a decompression bomb; "
            f"if you trust the file, allow them with --max-pixels {max(pixels, MAX_PIXELS + 1)}"
        )


def check_count(what: str, pixels: int, max_pixels: int | None) -> None:
    """Refuse what counts as more pixels than are allowed, naming the option that allows it."""
    if max_pixels is not None and pixels > max_pixels:
        raise ImageError(
            f"{what} more than {max_pixels}; if you trust the file, allow them with --max-pixels {pixels}"
        )


# Types that are not read: passed over and counted in a folder; refused, with advice, if named by hand.


_RAW = "cr2 cr3 crw nef nrw arw sr2 srf dng raf orf rw2 rwl pef srw x3f 3fr iiq erf dcr kdc mos mrw"
_RAW_SIGNATURE = (
    rb"II\*\0.{4}CR\x02|.{4}ftypcrx |II\x1a\0\0\0HEAPCCDR|FUJIFILMCCD-RAW|II(?:RO|RS|U\0)|MMOR|FOVb|\0MRM"
)
_JP2 = "jp2 j2k j2c jpc jpf jpx jph"
# What HEIC shares with AVIF: a container that says only with its further brands what is in it.
_HEIC = rb".{4}ftyp(?:he[iv][cmsx]|m[is]f1(?!.{0,60}avi[fs]).{0,60}hei[cmsx])"
_SVG = rb"(?:\xef\xbb\xbf)?\s*(?:<(?:\?xml[^>]*|!DOCTYPE[^>]*|!--(?:(?!-->).)*--)>\s*)*<svg\b"

# The name, the extensions, a regular expression for how such files begin, and what converts them.
_TYPES = (
    ("HEIC", "heic heif hif", _HEIC, "heif-convert IN.heic OUT.png"),
    ("camera raw", _RAW, _RAW_SIGNATURE, "darktable-cli IN OUT.tif"),
    ("JPEG XL", "jxl", rb"\xff\x0a|\0\0\0\x0cJXL ", "djxl IN.jxl OUT.png"),
    ("JPEG 2000", _JP2, rb"\0\0\0\x0cjP  |\xff\x4f\xff\x51", "opj_decompress -i IN.jp2 -o OUT.tif"),
    ("JPEG-LS", "jls", rb"\xff\xd8\xff\xf7", "ffmpeg -i IN.jls OUT.png"),
    ("Photoshop", "psd psb", rb"8BPS", "magick 'IN.psd[0]' OUT.tif"),
    ("GIMP", "xcf", rb"gimp xcf", "magick IN.xcf -flatten OUT.tif"),
    ("OpenEXR", "exr", rb"v/1\x01", "oiiotool IN.exr -o OUT.tif"),
    ("Radiance HDR", "hdr", rb"#\?R(?:ADIANCE|GBE)", "oiiotool IN.hdr -o OUT.tif"),
    ("SVG", "svg svgz", _SVG, "rsvg-convert IN.svg -o OUT.png"),
    ("PDF", "pdf", rb"%PDF-", "pdftoppm -png -r 300 IN.pdf OUT"),
    ("PostScript", "eps ps ai", rb"%!PS|\xc5\xd0\xd3\xc6", "magick -density 300 IN.eps OUT.png"),
    ("icon", "ico cur icns", rb"\0\0[\1\2]\0[^\0]|icns", "magick IN.ico OUT.png"),
    ("DICOM", "dcm dicom", rb".{128}DICM", "dcmj2pnm --write-16-bit-png IN.dcm OUT.png"),
    ("FITS", "fits fit fts", rb"SIMPLE  =", "numpy.save('OUT.npy', astropy.io.fits.getdata('IN.fits'))"),
)  # fmt: skip

_BY_EXTENSION = {f".{extension}": row for row in _TYPES for extension in row[1].split()}
OTHER_EXTENSIONS = frozenset(_BY_EXTENSION)
"""The usual extensions of these types."""

_HEAD = 4096
# What such files may be taken for.
_ALIKE = (None, "tiff", "avif", "jpeg")


def _check_type(stream: BinaryIO, name: str | None, found: str | None) -> None:
    """Refuse a file of one of these types, whatever format was `found` in it.

    The raw files of most cameras are TIFFs that begin with a small preview: there the name decides.
    """
    if found not in _ALIKE:
        return
    stream.seek(0)
    head = stream.read(_HEAD)
    stream.seek(0)
    row = next((row for row in _TYPES if re.match(row[2], head, re.DOTALL)), None)
    if row is None and name is not None and found in (None, "tiff"):
        row = _BY_EXTENSION.get(extension_in(name))
    if row is not None and head:
        name, *_, converter = row
        raise ImageError(f"{name} files cannot be read: convert it first, for example with: {converter}")
