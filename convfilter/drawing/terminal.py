"""Images in a terminal: two pixels per character, as an upper half block in two colours."""

from __future__ import annotations

import os

import numpy as np
from numpy.typing import NDArray

from convfilter.drawing.canvas import Drawing, resized

__all__ = ["preview"]

_RESET = "\x1b[0m"
_BLOCK = "\u2580"
_LEVELS = np.array([0, 95, 135, 175, 215, 255])
_TALLEST = 60  # pixels, half as many lines


def preview(before: Drawing, after: Drawing, *, width: int) -> str:
    """Return two images side by side as lines of text, none wider than `width` columns.

    A terminal that does not claim 24-bit colours gets the nearest of the 216 that all others share.
    """
    true_colour = os.environ.get("COLORTERM", "").lower() in ("truecolor", "24bit")
    images = [_fitted(each, max(1, (width - 2) // 2)) for each in (before, after)]
    lines = []
    for row in range(0, max(len(each) for each in images), 2):
        lines.append("  ".join(_line(each, row, true_colour) for each in images).rstrip())
    return "".join(f"{line}\n" for line in lines)


def _fitted(pixels: Drawing, width: int) -> Drawing:
    """Shrink an image to `width` columns; a half block is about as wide as it is high."""
    rows, columns = pixels.shape[:2]
    scale = min(1.0, width / columns, _TALLEST / rows)
    return resized(pixels, max(1, round(rows * scale)), max(1, round(columns * scale)), "box")


def _line(pixels: Drawing, row: int, true_colour: bool) -> str:
    if row >= len(pixels):
        return " " * int(pixels.shape[1])
    foregrounds = [_colour(3, pixel, true_colour) for pixel in pixels[row]]
    backgrounds = [""] * len(foregrounds)
    if row + 1 < len(pixels):
        backgrounds = [_colour(4, pixel, true_colour) for pixel in pixels[row + 1]]
    cells = (f"{above}{under}{_BLOCK}" for above, under in zip(foregrounds, backgrounds, strict=True))
    return f"{''.join(cells)}{_RESET}"


def _colour(ground: int, pixel: NDArray[np.uint8], true_colour: bool) -> str:
    """Return the sequence that sets the colour of the character (3) or its background (4)."""
    if true_colour:
        red, green, blue = (int(level) for level in pixel)
        return f"\x1b[{ground}8;2;{red};{green};{blue}m"
    red, green, blue = (int(np.abs(_LEVELS - int(level)).argmin()) for level in pixel)
    return f"\x1b[{ground}8;5;{16 + 36 * red + 6 * green + blue}m"
