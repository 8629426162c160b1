"""Files of several frames: each filtered on its own, or all of them as one volume."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from convfilter.batch.foresight import chain_axes, kept_frames, no_stack
from convfilter.batch.work import Work
from convfilter.errors import ImageError
from convfilter.filtering import Filtered, filter_image
from convfilter.images.library import frame_named
from convfilter.images.metadata import Metadata
from convfilter.images.picture import Picture
from convfilter.images.reading import Frames
from convfilter.images.tiff_tags import of_first_page

__all__ = ["Shares", "filter_each", "filter_picture", "filter_stack"]


@dataclass
class Shares:
    """Adds up the samples that saturate.

    Attributes
    ----------
    below, above, samples : float
        How many did, of how many; 0 samples if they were not counted.
    """

    below: float = 0.0
    above: float = 0.0
    samples: int = 0

    def add(self, filtered: Filtered) -> None:
        """Count those of a picture."""
        if filtered.clipped_below is not None and filtered.clipped_above is not None:
            self.samples += filtered.pixels.size
            self.below += filtered.clipped_below * filtered.pixels.size
            self.above += filtered.clipped_above * filtered.pixels.size

    def told(self) -> tuple[float | None, float | None]:
        """Return the shares below and above, None if they were not counted."""
        return (self.below / self.samples, self.above / self.samples) if self.samples else (None, None)


def filter_picture(picture: Picture, work: Work, shares: Shares) -> Picture:
    """Filter a picture; what comes out takes its place, and its memory is freed.

    Parameters
    ----------
    picture : Picture
        Its pixels may also be a volume (T, H, W, C).
    work : Work
        What is done to it.
    shares : Shares
        Gets what saturates.

    Returns
    -------
    Picture
        The same one with other pixels, and a mode that fits them.
    """
    filtered, picture.mode = filter_image(
        picture.pixels,
        picture.mode,
        work.kernels,
        work.filtering,
        threads=work.threads,
        count_clipped=work.count_clipped,
    )
    shares.add(filtered)
    picture.pixels = filtered.pixels
    return picture


def filter_each(frames: Frames, work: Work, shares: Shares, warnings: list[str]) -> Iterator[Picture]:
    """Filter the frames of a file one after another.

    Parameters
    ----------
    frames : Frames
        The open file.
    work, shares
        As for `filter_picture`.
    warnings : list of str
        Gets a line for whatever was lost in reading.

    Yields
    ------
    Picture
        Every frame in its order; it is not kept.
    """
    for number in range(frames.count):
        picture = frames.read(number)
        warnings += [line for line in picture.warnings if line not in warnings]
        with frame_named(number, frames.count):
            filter_picture(picture, work, shares)
        yield picture


def filter_stack(frames: Frames, work: Work, shares: Shares, warnings: list[str]) -> list[Picture]:
    """Filter the frames of a file as one volume.

    Parameters
    ----------
    frames, work, shares, warnings
        As for `filter_each`.

    Returns
    -------
    list of Picture
        The frames that come out, which share memory; each keeps the metadata of the one under the
        kernels' anchors.

    Raises
    ------
    ConvfilterError
        If the frames differ in size or mode, or cannot be filtered.
    """
    volume, metadata = _volume(frames, work, warnings)
    height, width = volume.pixels.shape[1:3]
    chain = chain_axes((frames.count, height, width), work.kernels, work.filtering)
    made = filter_picture(volume, work, shares)
    pixels = made.pixels[..., 0] if made.pixels.shape[3:] == (1,) else made.pixels
    kept = kept_frames(chain)
    if kept[0]:  # the first page speaks of all, so that what it says is carried or reported
        tags = (*of_first_page(metadata[0].tags), *metadata[kept[0]].tags)
        metadata[kept[0]] = replace(metadata[kept[0]], tags=tags)
    return [
        Picture(pixels[number], made.mode, made.format, metadata[source])
        for number, source in enumerate(kept)
    ]


def _volume(frames: Frames, work: Work, warnings: list[str]) -> tuple[Picture, list[Metadata]]:
    """Read all frames into one array (T, H, W, C), and what is kept beside each."""
    whole: Picture | None = None
    metadata = []
    for number in range(frames.count):
        picture = frames.read(number)
        warnings += [line for line in picture.warnings if line not in warnings]
        metadata.append(picture.metadata)
        pixels = picture.pixels[..., np.newaxis] if picture.pixels.ndim == 2 else picture.pixels
        if whole is None:
            whole = Picture(
                np.empty((frames.count, *pixels.shape), pixels.dtype), picture.mode, picture.format
            )
        with frame_named(number, frames.count):
            _check_alike(whole, picture, pixels.shape, work)
        whole.pixels[number] = pixels
    assert whole is not None  # a file without a frame has been refused
    return whole, metadata


def _check_alike(whole: Picture, picture: Picture, shape: tuple[int, ...], work: Work) -> None:
    """Refuse a frame that does not fit into the stack."""
    if (whole.mode, whole.pixels.shape[1:]) != (picture.mode, shape):
        size, first = (f"{each[1]} x {each[0]}" for each in (shape, whole.pixels.shape[1:]))
        raise ImageError(f"it is {size} in {picture.mode} after {first} in {whole.mode}, {no_stack(work)}")
