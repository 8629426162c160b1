"""Image files of types that are not read: how to recognise them, and what converts them.

In a folder they are passed over and counted by extension; one that is named by hand is refused with advice.
"""

from __future__ import annotations

import re
from typing import BinaryIO, NamedTuple

from convfilter.errors import ImageError
from convfilter.images.formats import extension_in

__all__ = ["OTHER_EXTENSIONS", "check_type"]


class _Type(NamedTuple):
    """A type of image file; `signature` is a regular expression for how it begins."""

    name: str
    extensions: str
    signature: bytes
    converter: str


_RAW = "cr2 cr3 crw nef nrw arw sr2 srf dng raf orf rw2 rwl pef srw x3f 3fr iiq erf dcr kdc mos mrw"
_RAW_SIGNATURE = (
    rb"II\*\0.{4}CR\x02|.{4}ftypcrx |II\x1a\0\0\0HEAPCCDR|FUJIFILMCCD-RAW|II(?:RO|RS|U\0)|MMOR|FOVb|\0MRM"
)
_JP2 = "jp2 j2k j2c jpc jpf jpx jph"
# What HEIC shares with AVIF: a container that says only with its further brands what is in it.
_HEIC = rb".{4}ftyp(?:he[iv][cmsx]|m[is]f1(?!.{0,60}avi[fs]).{0,60}hei[cmsx])"
_SVG = rb"(?:\xef\xbb\xbf)?\s*(?:<(?:\?xml[^>]*|!DOCTYPE[^>]*|!--(?:(?!-->).)*--)>\s*)*<svg\b"

_TYPES = (
    _Type("HEIC", "heic heif hif", _HEIC, "heif-convert IN.heic OUT.png"),
    _Type("camera raw", _RAW, _RAW_SIGNATURE, "darktable-cli IN OUT.tif"),
    _Type("JPEG XL", "jxl", rb"\xff\x0a|\0\0\0\x0cJXL ", "djxl IN.jxl OUT.png"),
    _Type("JPEG 2000", _JP2, rb"\0\0\0\x0cjP  |\xff\x4f\xff\x51", "opj_decompress -i IN.jp2 -o OUT.tif"),
    _Type("JPEG-LS", "jls", rb"\xff\xd8\xff\xf7", "ffmpeg -i IN.jls OUT.png"),
    _Type("Photoshop", "psd psb", rb"8BPS", "magick 'IN.psd[0]' OUT.tif"),
    _Type("GIMP", "xcf", rb"gimp xcf", "magick IN.xcf -flatten OUT.tif"),
    _Type("OpenEXR", "exr", rb"v/1\x01", "oiiotool IN.exr -o OUT.tif"),
    _Type("Radiance HDR", "hdr", rb"#\?R(?:ADIANCE|GBE)", "oiiotool IN.hdr -o OUT.tif"),
    _Type("SVG", "svg svgz", _SVG, "rsvg-convert IN.svg -o OUT.png"),
    _Type("PDF", "pdf", rb"%PDF-", "pdftoppm -png -r 300 IN.pdf OUT"),
    _Type("PostScript", "eps ps ai", rb"%!PS|\xc5\xd0\xd3\xc6", "magick -density 300 IN.eps OUT.png"),
    _Type("icon", "ico cur icns", rb"\0\0[\1\2]\0[^\0]|icns", "magick IN.ico OUT.png"),
    _Type("DICOM", "dcm dicom", rb".{128}DICM", "dcmj2pnm --write-16-bit-png IN.dcm OUT.png"),
    _Type("FITS", "fits fit fts", rb"SIMPLE  =", "numpy.save('OUT.npy', astropy.io.fits.getdata('IN.fits'))"),
)  # fmt: skip

_BY_EXTENSION = {f".{extension}": row for row in _TYPES for extension in row.extensions.split()}
OTHER_EXTENSIONS = frozenset(_BY_EXTENSION)
"""The usual extensions of these types."""

_HEAD = 4096
# What such files may be taken for.
_ALIKE = (None, "tiff", "avif", "jpeg")


def check_type(stream: BinaryIO, name: str | None, found: str | None) -> None:
    """Refuse a file of one of these types, whatever format was `found` in it.

    The raw files of most cameras are TIFFs that begin with a small preview: there the name decides.
    """
    if found not in _ALIKE:
        return
    stream.seek(0)
    head = stream.read(_HEAD)
    stream.seek(0)
    row = next((row for row in _TYPES if re.match(row.signature, head, re.DOTALL)), None)
    if row is None and name is not None and found in (None, "tiff"):
        row = _BY_EXTENSION.get(extension_in(name))
    if row is not None and head:
        raise ImageError(
            f"{row.name} files cannot be read: convert it first, for example with: {row.converter}"
        )
