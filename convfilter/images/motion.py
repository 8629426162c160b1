"""What animations share whatever their format: time in whole ticks, and what changes between frames."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["UNTOLD", "Clock", "changed_box"]

UNTOLD = 100.0
"""Milliseconds for which a frame is shown whose file did not say."""


class Clock:
    """Turns durations into a format's whole ticks; what is rounded off one frame is made up by the next.

    Parameters
    ----------
    tick : float
        Milliseconds of one tick.
    most : int
        The longest that a frame can be shown, in ticks.
    warnings : list of str
        Gets a line if a frame should be shown longer than that.
    """

    def __init__(self, tick: float, most: int, warnings: list[str]) -> None:
        self._tick, self._most, self._warnings = tick, most, warnings
        self._due = 0.0
        self._given = 0

    def ticks(self, duration: float | None) -> int:
        """Return for how many ticks the next frame is shown, given its milliseconds.

        Examples
        --------
        >>> clock = Clock(10, 65535, [])
        >>> [clock.ticks(33), clock.ticks(33), clock.ticks(34), clock.ticks(None)]
        [3, 4, 3, 10]
        """
        self._due += (UNTOLD if duration is None else duration) / self._tick
        ticks = round(self._due) - self._given
        if ticks > self._most:
            self._warnings.append(f"frames are shown for {self._most * self._tick / 1000:g} seconds at most")
            self._due -= ticks - self._most
            ticks = self._most
        self._given += ticks
        return ticks


def changed_box(changed: NDArray[np.bool_]) -> tuple[int, int, int, int]:
    """Return the smallest box around what has changed.

    Parameters
    ----------
    changed : ndarray of bool and shape (H, W)
        Where a frame differs from what is shown before it.

    Returns
    -------
    tuple of int
        Left, top, right and bottom as Pillow has them; one pixel where nothing has changed, since a
        frame of its own needs one.
    """
    rows, columns = _span(changed.any(axis=1)), _span(changed.any(axis=0))
    return columns[0], rows[0], columns[1], rows[1]


def _span(flags: Any) -> tuple[int, int]:
    """Return the first place that is true and the one after the last; 0 and 1 if there is none."""
    places = np.flatnonzero(flags)
    return (int(places[0]), int(places[-1]) + 1) if len(places) else (0, 1)
