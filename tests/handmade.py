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


def interlaced(pixels):
    """A PNG of 8 or 16 bits in the seven passes of Adam7: (top, left, down, across)."""
    passes = [
        *((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4)),
        *((2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)),
    ]
    parts = [pixels[top::down, left::across] for top, left, down, across in passes]
    stored = pixels.dtype.newbyteorder(">")
    rows = b"".join(b"\0" + row.astype(stored).tobytes() for part in parts if part.size for row in part)
    height, width, channels = (*pixels.shape, 1)[:3]
    kind = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    header = struct.pack(">IIBBBBB", width, height, 8 * pixels.itemsize, kind, 0, 0, 1)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*each) for each in chunks)


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
