"""A kernel in a notebook: its weights as a coloured table, its frequency response as a picture."""

from __future__ import annotations

import base64
import html
import struct
import zlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from convfilter.errors import counted, figure

_MOST_TABLES, _WIDEST = 4, 15
_SIDE, _PLACES = 140, 71  # of a picture in pixels, and how many frequencies it has a side
_RED, _BLUE = (202, 62, 71), (52, 104, 179)


def html_of(title: str, tables: Sequence[NDArray[np.float64]]) -> str:
    """Return the weights of up to four tables of a kernel, and the response of each."""
    largest = max(float(np.abs(table).max()) for table in tables) or 1.0
    cells = []
    for table in tables[:_MOST_TABLES]:
        weights = (
            _table(table, largest) if max(table.shape) <= _WIDEST else _picture(_colours(table, largest))
        )
        magnitudes = response(table, _PLACES)[..., np.newaxis]  # white where they are largest
        greys = np.rint(255 * magnitudes / (magnitudes.max() or 1)).astype(np.uint8).repeat(3, axis=2)
        cells.append(f"<td>weights<br>{weights}</td><td>response<br>{_picture(greys)}</td>")
    left = len(tables) - len(cells)
    more = f"<p>and {counted(left, 'more table')}</p>" if left else ""
    rows = "".join(f'<tr style="background:none;vertical-align:top">{each}</tr>' for each in cells)
    return f"<div><b>{html.escape(title)}</b><table>{rows}</table>{more}</div>"


def _table(weights: NDArray[np.float64], largest: float) -> str:
    rows = []
    for line, colours in zip(weights, _colours(weights, largest), strict=True):
        cells = ""
        for each, (red, green, blue) in zip(line, colours.tolist(), strict=True):
            style = f"background:rgb({red},{green},{blue});color:#000;text-align:right"
            cells += f'<td style="{style}">{figure(each, 3)}</td>'
        rows.append(f"<tr>{cells}</tr>")
    return f"<table>{''.join(rows)}</table>"


def _colours(weights: NDArray[np.float64], largest: float) -> NDArray[np.uint8]:
    """Return red for positive weights, blue for negative ones, paler towards zero."""
    share = 0.75 * np.abs(weights)[..., np.newaxis] / largest
    colour = np.where(weights[..., np.newaxis] > 0, _RED, _BLUE)
    return np.rint(255 + (colour - 255) * share).astype(np.uint8)


def response(table: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """Return the magnitude of a table at `count` frequencies, down and across, from -0.5 to 0.5."""
    frequencies = np.linspace(-0.5, 0.5, count)
    down, across = (np.exp(-2j * np.pi * np.outer(frequencies, np.arange(side))) for side in table.shape)
    return np.asarray(np.abs(down @ table @ across.T))


def _picture(pixels: NDArray[np.uint8]) -> str:
    """Return an image element that holds a PNG; kernels do without Pillow."""
    height, width = pixels.shape[:2]
    rows = np.pad(pixels.reshape(height, -1), ((0, 0), (1, 0)))  # each row begins with its filter: none
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    png = b"\x89PNG\r\n\x1a\n"
    for name, data in ((b"IHDR", header), (b"IDAT", zlib.compress(rows.tobytes())), (b"IEND", b"")):
        png += struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
    source = f"data:image/png;base64,{base64.b64encode(png).decode()}"
    return f'<img width="{_SIDE}" height="{_SIDE}" style="image-rendering:pixelated" src="{source}">'
