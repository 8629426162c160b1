"""The pixels of a PNG: filtered and compressed in strips, on several threads.

Pillow tries every filter on every row, which takes longer than to compress them.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from convfilter.images.picture import copy_pixels

__all__ = ["compressed_pixels"]

_STRIP = 1 << 18
_WINDOW = 1 << 15  # bytes back to which a match may reach
# Matches are looked for where runs alone make a sample this much larger.
_LARGER = 1.3
_NONE, _SUB, _UP, _AVERAGE, _PAETH, _ANY = range(6)


class _Way(NamedTuple):
    """How to compress: the level and strategy of zlib, and a filter of PNG's, or for each row the best."""

    level: int
    strategy: int
    filter: int


_Strip: TypeAlias = tuple[bytes, int, int]
"""A strip, compressed, with the check sum and the length of what it holds."""

_RUNS = [_Way(1, zlib.Z_RLE, each) for each in (_AVERAGE, _PAETH, _ANY)]
_QUICK_MATCHES = [_Way(1, zlib.Z_DEFAULT_STRATEGY, each) for each in (_NONE, _PAETH)]
_MATCHES = [_Way(level, zlib.Z_DEFAULT_STRATEGY, each) for level in (3, 6) for each in (_NONE, _PAETH, _ANY)]
_SMALL = [_Way(9, zlib.Z_DEFAULT_STRATEGY, each) for each in (_ANY, _NONE)] + [_Way(9, zlib.Z_RLE, _ANY)]


def compressed_pixels(pixels: NDArray[Any], *, small: bool, threads: int) -> Iterator[bytes]:
    """Yield the zlib stream of an image's pixels in pieces; the number of threads does not change them.

    A few rows decide whether to look for runs alone, which takes a quarter of the time: photographs grow by a
    few hundredths, but repetitive drawings many times.
    """
    rows = pixels.reshape(len(pixels), pixels.shape[1], -1)
    if small:
        yield min((b"".join(_stream(rows, way, threads)) for way in _SMALL), key=len)
        return
    count = min(max(len(rows) // 128, 8), len(rows))
    top = (len(rows) - count) // 2
    sample = rows[top : top + count]

    def size(way: _Way) -> int:
        return sum(map(len, _stream(sample, way, 1)))

    sizes = {way: size(way) for way in _RUNS + _QUICK_MATCHES}
    # To try all filters on each row takes twice as long.
    best = min(_RUNS, key=lambda way: sizes[way] * (1.05 if way.filter == _ANY else 1))
    if sizes[best] >= _LARGER * min(sizes[way] for way in _QUICK_MATCHES):
        best = min(_MATCHES, key=lambda way: size(way) * 1.02 ** ((way.level == 6) + (way.filter == _ANY)))
    yield from _stream(rows, best, threads)


def _stream(rows: NDArray[Any], way: _Way, threads: int) -> Iterator[bytes]:
    """Yield a zlib stream: a header, strips that end on whole bytes, and the check sum of them all."""
    step = max(1, _STRIP // rows[0].nbytes)
    tops = range(0, len(rows), step)

    def strip(top: int) -> _Strip:
        back = 0 if way.strategy == zlib.Z_RLE else min(top, -(-_WINDOW // rows[0].nbytes))
        data = _filtered(rows, top - back, min(top + step, len(rows)), way.filter)
        before, own = data[:back].tobytes(), data[back:].data
        packer = zlib.compressobj(way.level, zlib.DEFLATED, -zlib.MAX_WBITS, 9, way.strategy, before)
        end = zlib.Z_FINISH if top == tops[-1] else zlib.Z_SYNC_FLUSH
        return packer.compress(own) + packer.flush(end), zlib.adler32(own), own.nbytes

    piece, low, high = b"\x78\x01", 1, 0
    for packed, checksum, length in _mapped(strip, tops, threads):
        piece += packed
        if len(piece) >= _STRIP:
            yield piece
            piece = b""
        high += length * low + (checksum >> 16) - length  # as zlib's adler32_combine does
        low += (checksum & 0xFFFF) - 1
    yield piece + (high % 65521 << 16 | low % 65521).to_bytes(4, "big")


def _mapped(work: Callable[[int], _Strip], tasks: Sequence[int], threads: int) -> Iterator[_Strip]:
    """Yield the results of tasks in their order."""
    if min(threads, len(tasks)) == 1:
        yield from map(work, tasks)
        return
    from concurrent.futures import ThreadPoolExecutor  # costs milliseconds, which small images need not pay

    with ThreadPoolExecutor(threads) as pool:
        try:
            done = pool.map(work, tasks)
        except RuntimeError:  # the system lets no further thread start
            done = map(work, tasks)
        yield from done


def _filtered(rows: NDArray[Any], top: int, bottom: int, number: int) -> NDArray[np.uint8]:
    """Return rows as PNG stores them: the filter, and the differences to what it predicts."""
    width, step = rows.shape[1], rows.shape[2] * rows.itemsize
    # What lies above the first row and left of the first column counts as zero.
    start = max(top - 1, 0)
    padded = np.zeros((bottom - top + 1, width + 1, rows.shape[2]), rows.dtype.newbyteorder(">"))
    copy_pixels(rows[start:bottom], padded[start - top + 1 :, 1:])
    flat = padded.view(np.uint8).reshape(len(padded), -1)
    own, left, above, corner = flat[1:, step:], flat[1:, :-step], flat[:-1, step:], flat[:-1, :-step]
    result = np.empty((bottom - top, own.shape[1] + 1), np.uint8)
    if number != _ANY:
        result[:, 0] = number
        np.subtract(own, _predicted(number, left, above, corner), out=result[:, 1:])
        return result
    least = None
    for each in range(_ANY):
        difference = own - _predicted(each, left, above, corner)
        size = np.minimum(difference, -difference).sum(axis=1, dtype=np.int64)
        better = np.ones(len(own), bool) if least is None else size < least
        result[better, 0] = each
        result[better, 1:] = difference[better]
        least = size if least is None else np.minimum(size, least)
    return result


def _predicted(number: int, left: Any, above: Any, corner: Any) -> Any:
    """Return what a filter predicts from the bytes to the left, above, and left of that."""
    if number == _AVERAGE:
        return (left & above) + ((left ^ above) >> 1)
    if number != _PAETH:
        return (np.uint8(0), left, above)[number]
    a, b, c = left.astype(np.int16), above.astype(np.int16), corner.astype(np.int16)
    b -= c
    a -= c
    to_left, to_above, to_corner = np.abs(b), np.abs(a), np.abs(a + b)
    nearest = _chosen(to_above <= to_corner, above, corner)
    return _chosen(to_left <= np.minimum(to_above, to_corner), left, nearest)


def _chosen(condition: NDArray[np.bool_], first: Any, second: Any) -> Any:
    """Return what ``numpy.where`` does of bytes, in a fifth of its time."""
    return second ^ ((first ^ second) & -condition.view(np.uint8))
