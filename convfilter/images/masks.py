"""Masks in files: one for all images, or a folder with one for each."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convfilter.errors import ImageError, OptionError, escaped, with_name
from convfilter.files import STREAM
from convfilter.images.formats import format_of_name
from convfilter.images.library import frame_named
from convfilter.images.picture import Picture, check_mask_size, check_mask_values
from convfilter.images.reading import Frames, opened_frames
from convfilter.images.tiff_tags import no_data
from convfilter.options import FilterOptions, ReadOptions

_NO_DATA = "nodata"
"""What names the samples that a file itself declares to be missing."""

_GREY_OR_COLOUR = ("L", "LA", "RGB", "RGBA", "I;16", "I", "F")


def mask_files(options: FilterOptions) -> dict[str, str]:
    """Return the files and folders of masks that options name, by the option."""
    named = {"mask": options.mask, "missing": options.missing}
    return {name: path for name, path in named.items() if isinstance(path, str) and path != _NO_DATA}


def check_mask_files(options: FilterOptions) -> None:
    """Refuse masks that do not exist."""
    for name, path in mask_files(options).items():
        if not os.path.exists(path):
            raise OptionError(f"{name} {escaped(path)}: no such file or folder")


def with_masks(options: FilterOptions, source: str, reading: ReadOptions) -> FilterOptions:
    """Return options with the masks of an image as arrays, read as the image is."""
    arrays: dict[str, Any] = {
        name: _read(name, path, source, reading) for name, path in mask_files(options).items()
    }
    return options._replace(**arrays)


def with_no_data(options: FilterOptions, picture: Picture) -> FilterOptions:
    """Return options with the number that an image declares, None if it declares none."""
    if not (isinstance(options.missing, str) and options.missing == _NO_DATA):
        return options
    number = None
    with contextlib.suppress(ValueError):
        number = float(no_data(picture.metadata.tags) or "")
    return options._replace(missing=number)


def no_data_warnings(options: FilterOptions, picture: Picture) -> list[str]:
    """Return a line if the no-data value of an image is not used, or not there."""
    declared = no_data(picture.metadata.tags)
    if options.missing is None:
        what = "which is filtered like any other sample"
        return [] if declared is None else [f"declares the no-data value {declared}, {what}"]
    if with_no_data(options, picture).missing is not None:
        return []
    fault = f"its no-data value {declared} is not a number" if declared else "has no no-data value"
    return [f"{fault}: nothing is treated as missing"]


def check_mask_sizes(
    options: FilterOptions, source: str, reading: ReadOptions, sizes: Sequence[tuple[int, ...]]
) -> None:
    """Refuse masks whose header does not say the width and height of each frame."""
    for option, path in mask_files(options).items():
        with _opened(path, source, reading) as frames:
            found = frames.size()
        name = "mask" if option == "mask" else "mask of missing samples"
        for number, (width, height) in enumerate(sizes):
            with frame_named(number, len(sizes)):
                check_mask_size((found.height, found.width), (height, width), name)


def _read(name: str, path: str, source: str, reading: ReadOptions) -> NDArray[Any]:
    with _opened(path, source, reading) as frames:
        picture = frames.read(0)
        if picture.mode not in _GREY_OR_COLOUR:
            raise ImageError(f"{picture.mode} is not a mask: use a grey image")
        if name == "mask":
            kind = picture.pixels.dtype
            check_mask_values(picture.pixels, np.iinfo(kind).max if kind.kind in "iu" else 1)
    return picture.pixels


@contextlib.contextmanager
def _opened(path: str, source: str, reading: ReadOptions) -> Iterator[Frames]:
    """Open the mask of an image; errors name it."""
    path = _of_image(path, source)
    try:
        with opened_frames(path, max_pixels=reading.max_pixels, orient=reading.orient) as frames:
            if frames.count > 1:
                raise ImageError(f"holds {frames.count} frames: use a single image")
            yield frames
    except ImageError as error:
        raise with_name(error, f"mask {escaped(path)}") from None


def _of_image(path: str, source: str) -> str:
    """Return the mask of an image: in a folder the one of its name, with as many of its folders as exist."""
    if not os.path.isdir(path):
        return path
    if source == STREAM:
        raise ImageError(f"standard input has no name to look for in {escaped(path)}: use the mask's file")
    parts = os.path.splitdrive(os.path.abspath(source))[1].split(os.sep)[1:]
    for first in range(len(parts)):
        folder, name = os.path.join(path, *parts[first:-1]), parts[-1]
        if os.path.exists(os.path.join(folder, name)):
            return os.path.join(folder, name)
        stem = os.path.splitext(name)[0]
        with contextlib.suppress(OSError):
            names = (each for each in os.listdir(folder) if os.path.splitext(each)[0] == stem)
            found = sorted(each for each in names if format_of_name(each))
            if len(found) > 1:
                named = ", ".join(map(escaped, found))
                where = f"there are several masks for this image in {escaped(folder)}"
                raise ImageError(f"{where}: {named}: keep one")
            if found:
                return os.path.join(folder, found[0])
    mend = f"add {escaped(parts[-1])}, or the same name in another format"
    raise ImageError(f"there is no mask for this image in {escaped(path)}: {mend}")
