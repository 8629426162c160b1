"""Text in drawings, in the typeface that Pillow brings along."""

from __future__ import annotations

import functools
from typing import Any

from PIL import ImageDraw, ImageFont

__all__ = ["INK", "PALE", "fitted", "font", "text_size", "write_centred"]

INK = (33, 37, 41)
"""The colour of text."""

PALE = (120, 126, 132)
"""The colour of what is said beside."""


@functools.cache
def font(size: int) -> Any:
    """Return the typeface in a size, in pixels."""
    return ImageFont.load_default(size)


def text_size(text: str, size: int) -> tuple[int, int]:
    """Return width and height of a line of text, in pixels."""
    left, _, right, _ = font(size).getbbox(text)
    ascent, descent = font(size).getmetrics()
    return int(right - left + 0.999), int(ascent + descent)


def fitted(text: str, size: int, width: int) -> str:
    """Return a text, cut with an ellipsis if it is wider than so many pixels."""
    if text_size(text, size)[0] <= width:
        return text
    while text and text_size(f"{text}…", size)[0] > width:
        text = text[:-1]
    return f"{text}…"


def write_centred(
    draw: ImageDraw.ImageDraw, centre: tuple[float, float], text: str, size: int, colour: Any = INK
) -> None:
    """Write a line of text around a point."""
    draw.text(centre, text, font=font(size), fill=colour, anchor="mm")
