"""What ``convfilter explain`` is given: numbers as text, frames of pictures, names of channels."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convfilter.cli.looking import read_named, tell_warnings
from convfilter.errors import ImageError, OptionError
from convfilter.images.frames import opened_frames
from convfilter.images.opening import check_pixels
from convfilter.images.picture import Picture
from convfilter.kernels import Kernel
from convfilter.messages import brief, describe, shown

__all__ = [
    "COLOUR_NAMES",
    "channel_named",
    "kernel_of",
    "numbers_in",
    "output_names",
    "read_frame",
    "text_of",
]

_LONGEST = 1 << 22

COLOUR_NAMES = {
    "L": ("grey",),
    "LA": ("grey", "alpha"),
    "RGB": ("red", "green", "blue"),
    "RGBA": ("red", "green", "blue", "alpha"),
    "CMYK": ("cyan", "magenta", "yellow", "black"),
    "LAB": ("L", "a", "b"),
}
"""What the channels of a mode are called."""


def kernel_of(text: str) -> Kernel:
    """Return the kernel of weights that were given as rows of numbers."""
    return Kernel("weights", (numbers_in(text, "--weights").tolist(),))


def text_of(path: str) -> str:
    """Read a file of numbers."""
    try:
        with open(path, encoding="utf-8-sig") as stream:
            text = stream.read(_LONGEST + 1)
    except OSError as error:
        raise ImageError(f"{shown(path)}: cannot be opened: {describe(error)}") from None
    except UnicodeDecodeError:
        raise ImageError(f"{shown(path)}: holds no text") from None
    if len(text) > _LONGEST:
        raise ImageError(f"{shown(path)}: holds more than {_LONGEST} characters: give fewer numbers")
    return text


def numbers_in(text: str, name: str) -> NDArray[Any]:
    """Read rows of numbers, ended by semicolons or lines."""
    rows = [
        re.split(r"[\s,]+", row.strip(" ,\t\r")) for row in re.split(r"[;\n]", text) if row.strip(" ,\t\r")
    ]
    try:
        values = [
            [int(cell) if re.fullmatch(r"[+-]?\d{1,15}", cell) else float(cell) for cell in row]
            for row in rows
        ]
    except ValueError as error:
        cell = str(error).rpartition(": ")[2]
        raise OptionError(f"{name}: {cell} is no number: give rows such as '0 1 2; 3 4 5'") from None
    if not values or len({len(row) for row in values}) != 1:
        lengths = ", ".join(str(len(row)) for row in values) or "none"
        raise OptionError(f"{name}: rows of {lengths} numbers: give rows of one length, such as '0 1; 2 3'")
    array = np.array(values)
    if not np.isfinite(array).all():
        raise OptionError(f"{name}: infinite or not a number: give finite ones")
    return array


def read_frame(image: str, kernels: Sequence[Kernel], options: dict[str, Any]) -> Picture:
    """Read the frame that is asked for, or all of them for a kernel that spans frames."""
    limits = {"max_pixels": options["max_pixels"], "orient": not options["no_orient"]}
    if not any("frame" in kernel.axes for kernel in kernels):
        return read_named(image, frame=options["frame"], **limits)
    try:
        with opened_frames(image, volume=True, **limits) as frames:
            check_pixels(frames.size()[:2], options["max_pixels"], frames.count)
            every = [frames.read(number) for number in range(frames.count)]
        whole = every[0]
        whole.pixels = np.stack([each.pixels for each in every])
    except ImageError as error:
        raise ImageError(f"{shown(image)}: {error}") from None
    except ValueError as error:  # frames of several sizes
        raise ImageError(f"{shown(image)}: its frames are no stack ({error})") from None
    tell_warnings(image, whole)
    return whole


def output_names(count: int, colours: tuple[str, ...]) -> tuple[str, ...]:
    """What the channels of the output are called."""
    if count == len(colours):
        return colours
    usual = {1: ("grey",), 2: ("grey", "alpha"), 3: COLOUR_NAMES["RGB"], 4: COLOUR_NAMES["RGBA"]}
    return usual.get(count, tuple(f"channel {number}" for number in range(count)))


def channel_named(asked: str | None, names: tuple[str, ...]) -> int:
    """Return the number of a channel that is asked for by name or number; 0 where none is."""
    if asked is None:
        return 0
    if asked in names:
        return names.index(asked)
    if asked.isascii() and asked.isdecimal() and int(asked) < len(names):
        return int(asked)
    raise OptionError(f"there is no channel {brief(asked)}: the output has {', '.join(names)}")
