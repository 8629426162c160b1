"""Lightness filtered, colours kept: what a filter changes in lightness is added to every channel."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from convfilter.filtering.blend import LUMA

__all__ = ["LiftedSums", "distances"]


def distances(colours: np.ndarray, dtype: np.dtype[Any]) -> np.ndarray:
    """Return how far each channel is above lightness, in thousandths of a level."""
    wide = colours.astype(dtype)
    lightness = sum(weight * wide[..., number] for number, weight in enumerate(LUMA))
    wide *= sum(LUMA)
    wide -= np.asarray(lightness)[..., np.newaxis]
    return wide


class LiftedSums:
    """The sums of one part of a kernel over lightness, with a `lift` over a divisor added in each channel."""

    def __init__(self, part: Any, lift: np.ndarray, divisor: int) -> None:
        self._part, self._lift, self._divisor = part, lift, divisor

    def colours(self) -> np.ndarray:
        """Return the sums, divided as those of the part are."""
        lift = self._lift if self._divisor == 1 else self._lift / self._divisor
        return np.asarray(self._part.colours() + lift)

    def quotients(self, places: Sequence[np.ndarray]) -> Iterator[tuple[int, int]]:
        """Yield the sums at some places as integers over integers."""
        alone = (*places[:-1], np.zeros_like(places[-1]))
        lifts = map(int, self._lift[tuple(places)].tolist())
        for (top, bottom), lift in zip(self._part.quotients(alone), lifts, strict=True):
            yield top * self._divisor + lift * bottom, bottom * self._divisor
