"""Pictures encoded in memory: by the project, by Pillow, and put together by hand, byte by byte."""

import errno
import io
import struct
import zlib

import numpy as np
from samples import noise

from convfilter.images.picture import Metadata, Picture
from convfilter.images.reading import opened_frames
from convfilter.images.writing import write_frames


class FullDisk(io.BytesIO):
    """A stream on a disk that is full after some bytes."""

    def __init__(self, capacity):
        super().__init__()
        self.capacity = capacity

    def write(self, data):
        if self.tell() + memoryview(data).nbytes > self.capacity:
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().write(data)


class Counting(io.BytesIO):
    """A stream that counts the bytes that are read from it."""

    count = 0

    def readinto(self, buffer):
        got = super().readinto(buffer)
        self.count += got
        return got

    def read(self, size=-1):
        data = super().read(size)
        self.count += len(data)
        return data


def smooth(height=120, width=160, channels=3):
    rows, columns = np.mgrid[0:height, 0:width]
    periods = [(17, 23), (11, 31), (29, 13), (23, 19)][:channels]
    waves = [np.sin(rows / a) + np.cos(columns / b) for a, b in periods]
    return np.clip(np.stack(waves, -1) * 60 + 128, 0, 255).astype(np.uint8)


def write(pixels, mode, form, encoding=None, threads=1, **metadata):
    """A stream that holds a picture, and what was lost."""
    stream = io.BytesIO()
    picture = Picture(pixels, mode, "npy", Metadata(**metadata))
    return stream, write_frames(stream, [picture], 0, form, encoding, threads=threads)


def encoded(*arguments, **options):
    """A picture as a file."""
    return write(*arguments, **options)[0].getvalue()


def npy(array, **options):
    stream = io.BytesIO()
    np.save(stream, array, **options)
    return stream


def saved(image, form, **options):
    stream = io.BytesIO()
    image.save(stream, form, **options)
    stream.seek(0)
    return stream


def read_frames(source, **options):
    """Every frame of a file or stream."""
    with opened_frames(source, **{"max_pixels": None} | options) as frames:
        return [frames.read(number) for number in range(frames.count)]


def with_segments(*segments):
    """A JPEG with segments, each a marker and its content, before all others."""
    data = encoded(noise("RGB"), "RGB", "jpeg")
    return io.BytesIO(data[:2] + b"".join(segment(*each) for each in segments) + data[2:])


# By hand.


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def segment(marker, content):
    """A segment of a JPEG."""
    return struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content


def resource(kind, content):
    """A resource of Photoshop."""
    return b"8BIM" + struct.pack(">HHI", kind, 0, len(content)) + content + b"\0" * (len(content) % 2)


def packed(rows):
    return zlib.compress(b"".join(b"\0" + row for row in rows))


def png(depth, colour, width, height, rows, before=b"", after=b"", interlace=0):
    """Put a PNG together by hand; `before` and `after` are chunks around its pixels."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlace))
    data = chunk(b"IDAT", packed(rows))
    return b"\x89PNG\r\n\x1a\n" + header + before + data + after + chunk(b"IEND", b"")


# The seven passes of an interlaced PNG: top, left, down, across.
ADAM7 = [
    *((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4)),
    *((2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)),
]


def png_of(pixels, interlaced=False, **chunks):
    """Put a PNG of 8 or 16 bits together by hand."""
    passes = ADAM7 if interlaced else [(0, 0, 1, 1)]
    parts = [pixels[top::down, left::across] for top, left, down, across in passes]
    rows = [
        row.astype(pixels.dtype.newbyteorder(">")).tobytes() for part in parts if part.size for row in part
    ]
    height, width, channels = (*pixels.shape, 1)[:3]
    kind = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    return png(8 * pixels.itemsize, kind, width, height, rows, interlace=int(interlaced), **chunks)


def apng(depth, colour, width, height, frames, before=b""):
    """Put an animated PNG together by hand, each frame of rows."""

    def control(number):
        return chunk(b"fcTL", struct.pack(">5I2H2B", number, width, height, 0, 0, 1, 10, 0, 0))

    after = b""
    for number, rows in enumerate(frames[1:]):
        after += control(2 * number + 1) + chunk(b"fdAT", struct.pack(">I", 2 * number + 2) + packed(rows))
    before += chunk(b"acTL", struct.pack(">II", len(frames), 0)) + control(0)
    return png(depth, colour, width, height, frames[0], before=before, after=after)


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
