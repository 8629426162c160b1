"""The stream that encoders write to."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import BinaryIO

from convfilter.errors import ImageError
from convfilter.images.opening import collected, reasons

__all__ = ["Sink"]


class Sink:
    """A stream as encoders see it: without a descriptor, that they may not write past its buffer.

    Pillow writes to a descriptor without looking whether everything was written.

    Attributes
    ----------
    error : OSError or None
        What the stream itself raised, to be told from an encoder's own trouble.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self.stream = stream
        self.position = 0
        self.error: OSError | None = None

    def write(self, data: bytes) -> int:
        """Write, and count what was written."""
        try:
            self.stream.write(data)
        except OSError as error:
            self.error = error
            raise
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

    @contextlib.contextmanager
    def encoding(self, form: str, warnings: list[str]) -> Iterator[None]:
        """Turn an encoder's errors into an `ImageError` and gather its warnings; pass on the stream's own."""
        try:
            with reasons(f"cannot be written as {form}"), collected(warnings):
                yield
        except ImageError:
            if self.error is not None:  # the encoder only passed on what the stream raised
                raise self.error from None
            raise
