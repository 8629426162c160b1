"""What options take, for those who check it and for a command line that has loaded little yet."""

from __future__ import annotations

import os

from convfilter.errors import OptionError
from convfilter.messages import brief

__all__ = [
    "ALPHAS",
    "CHANNELS",
    "COMPRESSIONS",
    "DEPTHS",
    "FRAMES",
    "LEARNED_CHANNELS",
    "MAX_PIXELS",
    "RANGES",
    "environment_threads",
]

CHANNELS = ("each", "sum", "mean")
"""What becomes of colour channels."""

LEARNED_CHANNELS = ("each", "sum", "mix")
"""How colour channels go into a kernel that is learned."""

RANGES = ("auto", "clip", "absolute", "signed", "stretch", "raw")
"""How values become samples."""

ALPHAS = ("auto", "keep", "premultiply", "plain", "drop")
"""What becomes of transparency."""

DEPTHS = (8, 16, "float")
"""Bits of what is written."""

FRAMES = ("each", "first", "stack")
"""What becomes of several frames."""

COMPRESSIONS = ("fast", "small")
"""What an encoder is to save: time or space."""

MAX_PIXELS = 268_402_689
"""The largest picture that is read unless said otherwise: 16383 x 16383 pixels."""


def environment_threads() -> int | None:
    """Return how many threads ``CONVFILTER_THREADS`` asks for; None if it is not set."""
    text = os.environ.get("CONVFILTER_THREADS", "").strip()
    if text and not (text.isascii() and text.isdecimal() and len(text) < 10 and int(text) > 0):
        raise OptionError(f"CONVFILTER_THREADS is {brief(text)}: it must be a whole number, at least 1")
    return int(text) if text else None
