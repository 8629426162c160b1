"""Picture files put together by hand, byte by byte."""

import struct
import zlib


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def segment(marker, content):
    """A segment of a JPEG."""
    return struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content


def png(depth, colour, width, height, rows, before=b"", after=b""):
    """Put a PNG together by hand."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    data = chunk(b"IDAT", zlib.compress(b"".join(b"\0" + row for row in rows)))
    return b"\x89PNG\r\n\x1a\n" + header + before + data + after + chunk(b"IEND", b"")


def tiff(tags, data, order="<"):
    """Put an uncompressed TIFF together by hand; tags hold lists of shorts."""
    strips = len(tags[279])
    tags = {**tags, 273: [0] * strips}  # where the strips begin, known once the rest has a length
    start = 8 + 2 + 12 * len(tags) + 4
    begin = start + sum(2 * len(values) for values in tags.values() if len(values) > 2)
    tags[273] = [begin + number * (len(data) // strips) for number in range(strips)]
    extra, entries = b"", b""
    for tag, values in sorted(tags.items()):
        raw = struct.pack(f"{order}{len(values)}H", *values)
        if len(raw) > 4:
            raw, extra = struct.pack(f"{order}I", start + len(extra)), extra + raw
        entries += struct.pack(f"{order}HHI", tag, 3, len(values)) + raw.ljust(4, b"\0")
    head = b"II*\0" if order == "<" else b"MM\0*"
    return head + struct.pack(f"{order}IH", 8, len(tags)) + entries + bytes(4) + extra + data
