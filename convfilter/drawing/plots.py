"""Drawings of kernels: weights and frequency response."""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from convfilter.drawing.canvas import INK, PALE, Grid, diverging, font, write_centred
from convfilter.kernels import Kernel
from convfilter.kernels.analysis import slices
from convfilter.messages import figure

__all__ = ["kernel_plot"]

_SIDE = 300
_MARGIN, _GAP, _TITLE = 30, 70, 30
_AXIS = 46
_MOST = 9  # tables
_FREQUENCIES = 151
# Dark blue to green to yellow, with even steps of lightness.
_SCALE = np.array(
    [[68, 1, 84], [71, 44, 122], [59, 81, 139], [44, 113, 142], [33, 144, 141], [39, 173, 129],
     [92, 200, 99], [170, 220, 50], [253, 231, 37]], float,
)  # fmt: skip


def kernel_plot(kernel: Kernel) -> NDArray[np.uint8]:
    """Draw weights and frequency response of up to nine tables of a kernel, of shape (H, W, 3).

    The response is the magnitude of the discrete Fourier transform, with frequency 0 in the middle and axes
    in cycles a sample: 0.5 is a stripe two samples wide.
    """
    tables = list(itertools.islice(slices(kernel), _MOST))
    row = _TITLE + _SIDE + _AXIS
    size = (2 * _MARGIN + 2 * _SIDE + _GAP + _AXIS, 2 * _MARGIN + _TITLE + row * len(tables))
    image = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(image)
    draw.text(
        (_MARGIN, _MARGIN - 8), f"{kernel.name}  {kernel.width}x{kernel.height}", font=font(20), fill=INK
    )
    largest = max(float(np.abs(table).max()) for _, table in tables)
    for number, (name, table) in enumerate(tables):
        top = _MARGIN + _TITLE + number * row
        _draw_weights(image, draw, _MARGIN, top, name, table, largest)
        _draw_response(image, draw, _MARGIN + _SIDE + _GAP, top, table)
    return np.asarray(image)


def _draw_weights(
    image: Image.Image,
    draw: ImageDraw.ImageDraw,
    left: int,
    top: int,
    name: str,
    table: NDArray[np.float64],
    largest: float,
) -> None:
    draw.text((left, top), f"weights{f', {name}' if name else ''}", font=font(15), fill=PALE)
    cell = min(64, _SIDE // max(table.shape))
    colours = diverging(table, largest)
    if cell >= 26:
        labels = [[figure(value, 3) for value in line] for line in table]
        Grid(labels, colours, cell=cell).draw(draw, left, top + _TITLE)
        return
    cell = max(1, cell)
    size = (table.shape[1] * cell, table.shape[0] * cell)
    image.paste(Image.fromarray(colours).resize(size, Image.Resampling.NEAREST), (left, top + _TITLE))
    corner = (left + size[0], top + _TITLE + size[1])
    draw.rectangle((left - 1, top + _TITLE - 1, *corner), outline=PALE)


def _draw_response(
    image: Image.Image, draw: ImageDraw.ImageDraw, left: int, top: int, table: NDArray[np.float64]
) -> None:
    response = np.abs(_transform(table))
    peak = float(response.max()) or 1.0
    draw.text((left, top), f"frequency response, 0 .. {figure(peak, 3)}", font=font(15), fill=PALE)
    places = response / peak * (len(_SCALE) - 1)
    low = np.minimum(places.astype(int), len(_SCALE) - 2)
    share = (places - low)[..., np.newaxis]
    colours = (_SCALE[low] * (1 - share) + _SCALE[low + 1] * share).astype(np.uint8)
    drawn = Image.fromarray(colours).resize((_SIDE, _SIDE), Image.Resampling.BILINEAR)
    image.paste(drawn, (left, top + _TITLE))
    bottom = top + _TITLE + _SIDE
    for frequency in (-0.5, 0.0, 0.5):
        place = (frequency + 0.5) * _SIDE
        write_centred(draw, (left + place, bottom + 10), f"{frequency:g}", 13, PALE)
        write_centred(draw, (left + _SIDE + 18, top + _TITLE + place), f"{frequency:g}", 13, PALE)
    write_centred(draw, (left + _SIDE / 2, bottom + 28), "cycles a sample", 13, PALE)


def _transform(table: NDArray[np.float64]) -> NDArray[np.complex128]:
    """Return the Fourier transform at frequencies from -0.5 to 0.5, down and across."""
    frequencies = np.linspace(-0.5, 0.5, _FREQUENCIES)
    down, across = (np.exp(-2j * np.pi * np.outer(frequencies, np.arange(side))) for side in table.shape)
    return np.asarray(down @ table @ across.T)
