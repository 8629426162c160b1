"""Images in a terminal: two pixels a character, as an upper half block in two colours."""

from __future__ import annotations

import os
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from PIL import Image

__all__ = ["has_true_colour", "preview"]

_RESET = "\x1b[0m"
_BLOCK = "\u2580"
_LEVELS = np.array([0, 95, 135, 175, 215, 255])
_TALLEST = 60  # pixels, half as many lines


def has_true_colour(environment: Mapping[str, str] | None = None) -> bool:
    """Return whether the terminal claims to show 24-bit colours."""
    found = (os.environ if environment is None else environment).get("COLORTERM", "")
    return found.lower() in ("truecolor", "24bit")


def preview(
    before: NDArray[np.uint8], after: NDArray[np.uint8], *, width: int, true_colour: bool = True
) -> str:
    """Return two images of shape (H, W, 3) side by side as lines of text, none wider than `width` columns.

    Without `true_colour`, the nearest of the 216 colours that terminals with 256 colours share.
    """
    room = max(1, (width - 2) // 2)
    pictures = [_fitted(each, room) for each in (before, after)]
    height = max(len(each) for each in pictures)
    lines = []
    for row in range(0, height, 2):
        parts = [_line(each, row, true_colour) for each in pictures]
        lines.append("  ".join(parts).rstrip())
    return "".join(f"{line}\n" for line in lines)


def _fitted(pixels: NDArray[np.uint8], room: int) -> NDArray[np.uint8]:
    """Shrink an image to `room` columns; a half block is about as wide as it is high."""
    rows, columns = pixels.shape[:2]
    scale = min(1.0, room / columns, _TALLEST / rows)
    size = (max(1, round(columns * scale)), max(1, round(rows * scale)))
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BOX))


def _line(pixels: NDArray[np.uint8], row: int, true_colour: bool) -> str:
    if row >= len(pixels):
        return " " * int(pixels.shape[1])
    upper = pixels[row]
    if row + 1 == len(pixels):
        last = "".join(f"{_colour(3, each, true_colour)}{_BLOCK}" for each in upper)
        return f"{last}{_RESET}"
    pairs = zip(upper, pixels[row + 1], strict=True)
    cells = (
        f"{_colour(3, above, true_colour)}{_colour(4, below, true_colour)}{_BLOCK}" for above, below in pairs
    )
    return f"{''.join(cells)}{_RESET}"


def _colour(ground: int, pixel: NDArray[np.uint8], true_colour: bool) -> str:
    """Return the sequence that sets the colour of the character (3) or its background (4)."""
    if true_colour:
        red, green, blue = (int(level) for level in pixel)
        return f"\x1b[{ground}8;2;{red};{green};{blue}m"
    red, green, blue = (int(np.abs(_LEVELS - int(level)).argmin()) for level in pixel)
    return f"\x1b[{ground}8;5;{16 + 36 * red + 6 * green + blue}m"
