"""The stream that Pillow's encoders write to."""

from __future__ import annotations

import os
from typing import Any, BinaryIO, cast

from PIL import Image

from convfilter.images.library import reasons
from convfilter.images.plugins import pillow_name

__all__ = ["Sink", "save"]


def save(image: Image.Image, stream: BinaryIO, form: str, **options: Any) -> None:
    """Have Pillow encode an image; what the stream raises is passed on."""
    output, name = cast("BinaryIO", Sink(stream)), pillow_name(form)
    with reasons(f"cannot be written as {form}", system=False):
        image.save(output, name, **options)


class Sink:
    """A stream as encoders see it: without a descriptor, that they may not write past its buffer.

    Pillow writes to a descriptor without looking whether everything was written.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self.stream = stream
        self.position = 0

    def write(self, data: bytes) -> int:
        """Write, and count what was written."""
        self.stream.write(data)
        length = memoryview(data).nbytes
        self.position += length
        return length

    def tell(self) -> int:
        """Tell how much has been written."""
        return self.position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go where it already is, which is all that the encoders for one picture ask for."""
        if whence != os.SEEK_SET or offset != self.position:
            raise ValueError("an encoder tried to go back")
        return offset

    def flush(self) -> None:
        """Leave that to the owner of the stream."""
