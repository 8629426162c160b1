"""PBM, PGM and PPM: images one after another, in a file or as they come down a pipe."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from convfilter.errors import ImageError
from convfilter.images.encoders import Output, Raster, Samples
from convfilter.images.library import disk_errors, frame_named
from convfilter.images.limits import check_pixels
from convfilter.images.metadata import Metadata
from convfilter.images.picture import Picture, Size
from convfilter.messages import shown

__all__ = ["PnmFrames", "PnmWriter", "read_stream", "save_pnm"]

_WHITE = b" \t\n\v\f\r"
_LONGEST_LINE, _LONGEST_NUMBER = 1 << 20, 100


class _Header(NamedTuple):
    """What stands before the samples: 1 to 3 are bits, grey and colours in digits, 4 to 6 in binary."""

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


class PnmFrames:
    """The images of a file, as `convfilter.images.frames.Frames`."""

    format = "ppm"

    def __init__(self, stream: BinaryIO, max_pixels: int | None, warnings: list[str]) -> None:
        self._stream, self._max_pixels, self._warnings = stream, max_pixels, warnings
        stream.seek(0)
        self._places: list[int] = []
        with disk_errors():
            while header := self._next_header():
                _skip(stream, header)
        self.count = len(self._places)
        check_pixels(self.size()[:2], max_pixels)

    def size(self) -> Size:
        """Tell the first image's size and kind."""
        return self._size(0)

    def sizes(self) -> list[Size]:
        """Tell those of all, or the first one's alone if they are alike."""
        every = [self._size(number) for number in range(self.count)]
        return every if len(set(every)) > 1 else every[:1]

    def read(self, number: int) -> Picture:
        """Read an image, counted from 0."""
        with frame_named(number, self.count), disk_errors():
            picture = _read(self._stream, self._header(number), self._max_pixels)
        picture.warnings += self._warnings
        picture.frames = self.count
        return picture

    def _next_header(self) -> _Header | None:
        """Read the next header and note its place; None at the end, and where a later one is broken."""
        place = self._stream.tell()
        try:
            header = _next_header(self._stream, self._warnings)
        except ImageError:
            if not self._places:
                raise
            header = None  # to be refused if it is asked for, but not for the sake of the images before it
        else:
            if header is None:
                return None
        self._places.append(place)
        return header

    def _header(self, number: int) -> _Header:
        self._stream.seek(self._places[number])
        header = _next_header(self._stream, [])
        assert header is not None  # it was there before
        return header

    def _size(self, number: int) -> Size:
        with frame_named(number, self.count), disk_errors():
            header = self._header(number)
        channels = header.row // header.width
        return Size(header.width, header.height, channels, header.mode, header.dtype, "ppm", self.count)


def read_stream(stream: BinaryIO, max_pixels: int | None, warnings: list[str]) -> Iterator[Picture]:
    """Read images as they come; nothing of the next one is waited for.

    Parameters
    ----------
    stream : binary file object
        Buffered; it need not be seekable.
    max_pixels : int or None
        The largest image to read.
    warnings : list of str
        Gets a line for what is ignored between the images.

    Yields
    ------
    Picture
        Each is read when it is asked for.

    Raises
    ------
    ImageError
        Naming the frame, counted from 1, if it is broken or truncated.
    """
    number = 0
    while True:
        with frame_named(number, None), disk_errors():
            header = _next_header(stream, warnings)
            if header is None:
                return
            picture = _read(stream, header, max_pixels)
        yield picture
        number += 1


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
            f"'{shown(magic)}' does not begin a PBM, PGM or PPM image: "
            "take what comes before it with --frames first"
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
                raise _broken(f"'{shown(digits)}' in the header is not a number")
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
    for text in _lines(stream, header):
        left -= len(text.translate(None, _WHITE) if header.kind == 1 else text.split())
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
    """Read samples in digits; those of bits need nothing between them."""
    samples = np.empty(header.row * header.height, header.dtype)
    done = 0
    for text in _lines(stream, header):
        if text.translate(None, _WHITE + b"0123456789"):
            raise _broken("there are other characters than digits among its samples")
        bits = header.kind == 1
        words = text.split()
        if max(map(len, words), default=0) > _LONGEST_NUMBER and not bits:
            raise _broken(f"a number of more than {_LONGEST_NUMBER} digits")
        values = [digit - 48 for word in words for digit in word] if bits else [*map(int, words)]
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


def _lines(stream: BinaryIO, header: _Header) -> Iterator[bytes]:
    """Yield lines without their comments; long ones in pieces, but no number in two."""
    rest = b""
    while line := stream.readline(_LONGEST_LINE):
        text, comment, _ = (rest + line).partition(b"#")
        while comment and line and not line.endswith(b"\n"):
            line = stream.readline(_LONGEST_LINE)
        rest = b""
        if header.kind > 1 and not comment and len(line) == _LONGEST_LINE and not text[-1:].isspace():
            *before, rest = text.rsplit(None, 1)
            text = b"".join(before)
            if len(rest) > _LONGEST_NUMBER:
                raise _broken(f"a number of more than {_LONGEST_NUMBER} digits")
        yield text
    yield rest


def save_pnm(raster: Raster, metadata: Metadata, output: Output) -> None:
    """Write grey as PGM and colours as PPM, of 8 or 16 bits."""
    pixels = raster.pixels if isinstance(raster, Samples) else np.asarray(raster)
    height, width = pixels.shape[:2]
    kind, largest = 5 if pixels.ndim == 2 else 6, int(np.iinfo(pixels.dtype).max)
    output.stream.write(b"P%d\n%d %d\n%d\n" % (kind, width, height, largest))
    stored = np.ascontiguousarray(pixels, pixels.dtype.newbyteorder(">"))
    output.stream.write(stored.reshape(-1).view(np.uint8).data)


class PnmWriter:
    """Writes images one after another."""

    def __init__(self, output: Output) -> None:
        self._output = output

    def add(self, raster: Raster, metadata: Metadata) -> None:
        """Write the next one."""
        save_pnm(raster, metadata, self._output)

    def finish(self) -> None:
        """Do nothing: the last image ends the file."""
