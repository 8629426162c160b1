"""Before and after of a picture, in the terminal that the command was typed in."""

from __future__ import annotations

import shutil
import sys

from convfilter.batch.job import Outcome
from convfilter.drawing.canvas import as_seen, shrunk
from convfilter.drawing.terminal import has_true_colour, preview
from convfilter.errors import ConvfilterError
from convfilter.images.reading import read_picture
from convfilter.outputs import STREAM

__all__ = ["can_preview", "previewed"]


def can_preview() -> bool:
    """Tell whether there is a terminal to show pictures in."""
    return sys.stdout is not None and sys.stdout.isatty()


def previewed(outcome: Outcome, max_pixels: int) -> str:
    """Return what an outcome's picture was and became, as text; nothing where it cannot be read again."""
    job = outcome.job
    if outcome.status != "done" or STREAM in (job.source, job.target):
        return ""
    width = shutil.get_terminal_size().columns
    seen = []
    for path in (job.source, job.target):
        try:
            picture = read_picture(path, max_pixels=max_pixels)
        except ConvfilterError:
            return ""
        seen.append(as_seen(shrunk(picture.pixels, width, picture.mode), picture.mode))
    return preview(*seen, width=width, true_colour=has_true_colour())
