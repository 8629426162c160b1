"""Pictures encoded in memory, by the project and by Pillow."""

import errno
import io

import numpy as np
from handmade import segment
from samples import noise

from convfilter.images.picture import Metadata, Picture
from convfilter.images.reading import opened_frames
from convfilter.images.writing import write_picture


class FullDisk(io.BytesIO):
    """A stream on a disk that is full after some bytes."""

    def __init__(self, capacity):
        super().__init__()
        self.capacity = capacity

    def write(self, data):
        if self.tell() + memoryview(data).nbytes > self.capacity:
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().write(data)


def smooth(height=120, width=160):
    rows, columns = np.mgrid[0:height, 0:width]
    waves = [np.sin(rows / a) + np.cos(columns / b) for a, b in ((17, 23), (11, 31), (29, 13))]
    return np.clip(np.stack(waves, -1) * 60 + 128, 0, 255).astype(np.uint8)


def encoded(pixels, mode, form, encoding=None, threads=1, **metadata):
    stream = io.BytesIO()
    write_picture(stream, Picture(pixels, mode, "npy", Metadata(**metadata)), form, encoding, threads=threads)
    return stream.getvalue()


def write(pixels, mode, form, encoding=None, **metadata):
    stream = io.BytesIO()
    picture = Picture(pixels, mode, "npy", Metadata(**metadata))
    warnings = write_picture(stream, picture, form, encoding)
    return stream, warnings


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
