"""PBM, PGM and PPM: consecutive images, in a file or as they arrive from a pipe."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from convfilter.errors import ImageError, escaped
from convfilter.images.library import disk_errors, frame_named
from convfilter.images.opening import check_pixels
from convfilter.images.picture import Picture, Size
from convfilter.images.reading import Frames
from convfilter.images.writing import Writer

_WHITE = b" \t\n\v\f\r"
_LONGEST_LINE, _LONGEST_NUMBER = 1 << 20, 100


class _Header(NamedTuple):
    """What stands before the samples; kinds 1 to 3 are bits, grey and colours in digits, 4 to 6 in binary."""

    kind: int
    width: int
    height: int
    largest: int

    @property
    def row(self) -> int:
        """Samples of a row."""
        return self.width * (3 if self.kind in (3, 6) else 1)

    @property
    def dtype(self) -> str:
        return "uint8" if self.largest < 256 else "uint16"

    @property
    def stored_row(self) -> int:
        """Bytes of a row in binary."""
        return (self.width + 7) // 8 if self.kind == 4 else self.row * np.dtype(self.dtype).itemsize

    @property
    def mode(self) -> str:
        return "RGB" if self.kind in (3, 6) else "L" if self.dtype == "uint8" else "I;16"


class PnmReader(Frames):
    """Reads the images of a file."""

    varies = True

    def _begin(self, warnings: list[str]) -> None:
        self._images: list[tuple[_Header | ImageError, int]] = []
        self.stream.seek(0)
        try:
            while header := _next_header(self.stream, warnings):
                self._images.append((header, self.stream.tell()))
                _skip(self.stream, header)
        except ImageError as error:
            if not self._images:
                raise
            self._images.append((error, 0))  # the images before it can be read
        self.count = len(self._images)
        check_pixels(self._header(0)[:2], self.max_pixels)

    def _at_samples(self, number: int) -> _Header:
        """Return an image's header, with the stream at its samples."""
        header, place = self._images[number]
        if isinstance(header, ImageError):
            raise header
        self.stream.seek(place)
        return header

    def _header(self, number: int) -> Size:
        header = self._at_samples(number)
        channels = header.row // header.width
        return Size(header.width, header.height, channels, header.mode, header.dtype, "ppm", self.count)

    def _decode(self, number: int, warnings: list[str]) -> Picture:
        return _read(self.stream, self._at_samples(number), self.max_pixels)


def read_stream(stream: BinaryIO, max_pixels: int | None, warnings: list[str]) -> Iterator[Picture]:
    """Read images one by one from a buffered stream; nothing of the next one is waited for.

    Errors name the frame; `warnings` gets a line for what is ignored between the images.
    """
    for number in itertools.count():
        with frame_named(number, None), disk_errors():
            header = _next_header(stream, warnings)
            if header is None:
                return
            picture = _read(stream, header, max_pixels)
        yield picture


def _next_header(stream: BinaryIO, warnings: list[str]) -> _Header | None:
    """Read the next header, None at the end of the stream."""
    magic = stream.read(1)
    white = "white space after an image is ignored"
    while magic and magic in _WHITE:
        if white not in warnings:
            warnings.append(white)
        magic = stream.read(1)
    if not magic:
        return None
    magic += stream.read(1)
    if magic not in (b"P1", b"P2", b"P3", b"P4", b"P5", b"P6"):
        raise ImageError(
            f"'{escaped(magic)}' does not begin a PBM, PGM or PPM image: "
            "read what comes before it with --frames first"
        )
    kind = int(magic[1:])
    if _byte(stream) not in _WHITE:
        raise _broken("no white space after the first two bytes")
    width, height = _number(stream), _number(stream)
    largest = 1 if kind in (1, 4) else _number(stream)
    if not (width and height and 0 < largest < 65536):
        raise _broken(f"{width} x {height} pixels of samples up to {largest}")
    return _Header(kind, width, height, largest)


def _number(stream: BinaryIO) -> int:
    """Read a number of a header and the one byte of white space after it."""
    digits = b""
    while True:
        byte = _byte(stream)
        if not byte:
            raise _broken("it is truncated")
        if byte not in _WHITE:
            digits += byte
            if not byte.isdigit() or len(digits) > 10:
                raise _broken(f"'{escaped(digits)}' in the header is not a number")
        elif digits:
            return int(digits)


def _byte(stream: BinaryIO) -> bytes:
    """Read a byte of a header; of a comment the one that ends it."""
    byte = stream.read(1)
    if byte == b"#":
        while byte not in b"\r\n":  # nor at the end of the file, where there is no byte
            byte = stream.read(1)
    return byte


def _broken(reason: str) -> ImageError:
    return ImageError(f"broken ppm data ({reason})")


def _skip(stream: BinaryIO, header: _Header) -> None:
    """Go past the samples of an image, as far as there are any."""
    if header.kind > 3:
        stream.seek(min(header.height * header.stored_row, 1 << 62), 1)
        return
    left = header.row * header.height
    for numbers in _numbers(stream, header.kind):
        left -= len(numbers)
        if left <= 0:
            return


def _read(stream: BinaryIO, header: _Header, max_pixels: int | None) -> Picture:
    """Read the samples of an image, brought to full scale."""
    check_pixels((header.width, header.height), max_pixels)
    samples = (_binary if header.kind > 3 else _digits)(stream, header)
    if header.kind in (1, 4):
        np.subtract(1, samples, out=samples)  # ones are black
    full = int(np.iinfo(header.dtype).max)
    if header.largest != full:
        if samples.max() > header.largest:
            raise _broken(_too_large(samples.max(), header))
        levels = np.arange(header.largest + 1, dtype=np.int64)
        samples = ((2 * full * levels + header.largest) // (2 * header.largest)).astype(header.dtype)[samples]
    shape = (header.height, header.width, 3) if header.mode == "RGB" else (header.height, header.width)
    return Picture(samples.reshape(shape), header.mode, "ppm")


def _binary(stream: Any, header: _Header) -> NDArray[Any]:
    """Read samples in binary, rows of bytes or of two bytes each, the higher one first."""
    stored = np.empty((header.height, header.stored_row), np.uint8)
    if stream.readinto(stored.reshape(-1).data) < stored.size:
        raise _broken("it is truncated")
    if header.kind == 4:
        return np.unpackbits(stored, axis=1, count=header.width)
    samples = stored.view(header.dtype)
    return samples.byteswap(inplace=True) if sys.byteorder == "little" and samples.itemsize > 1 else samples


def _digits(stream: BinaryIO, header: _Header) -> NDArray[Any]:
    """Read samples in digits."""
    samples = np.empty(header.row * header.height, header.dtype)
    done = 0
    for numbers in _numbers(stream, header.kind):
        if numbers and not b"".join(numbers).isdigit():
            raise _broken("its samples hold characters other than digits")
        values = [*map(int, numbers)]
        if done + len(values) > samples.size:
            raise _broken("there are more samples than its header says")
        if max(values, default=0) > header.largest:
            raise _broken(_too_large(max(values), header))
        samples[done : done + len(values)] = values
        done += len(values)
        if done == samples.size:
            return samples
    raise _broken("it is truncated")


def _too_large(sample: int, header: _Header) -> str:
    return f"a sample of {sample} is above {header.largest}, the largest that its header allows"


def _numbers(stream: BinaryIO, kind: int) -> Iterator[list[bytes]]:
    """Yield the numbers of each line, but not its comment; long lines in pieces, but no number in two.

    Bits need nothing between them.
    """
    rest = b""
    while line := stream.readline(_LONGEST_LINE):
        text, comment, _ = (rest + line).partition(b"#")
        while comment and line and not line.endswith(b"\n"):
            line = stream.readline(_LONGEST_LINE)
        if kind == 1:
            yield [bytes([digit]) for digit in text.translate(None, _WHITE)]
            continue
        numbers = text.split()
        if max(map(len, numbers), default=0) > _LONGEST_NUMBER:
            raise _broken(f"a number of more than {_LONGEST_NUMBER} digits")
        cut = not comment and len(line) == _LONGEST_LINE and not text[-1:].isspace()
        rest = numbers.pop() if cut else b""
        yield numbers
    if rest:
        yield [rest]


class PnmWriter(Writer):
    """Writes images one after another: grey as PGM and colours as PPM, of 8 or 16 bits."""

    def add(self, picture: Picture) -> None:
        """Write the next one."""
        pixels = picture.pixels
        height, width = pixels.shape[:2]
        kind, largest = 5 if pixels.ndim == 2 else 6, int(np.iinfo(pixels.dtype).max)
        self.stream.write(b"P%d\n%d %d\n%d\n" % (kind, width, height, largest))
        stored = np.ascontiguousarray(pixels, pixels.dtype.newbyteorder(">"))
        self.stream.write(stored.reshape(-1).view(np.uint8).data)
