"""How far a run is, on one line of a terminal."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Self

import click

if TYPE_CHECKING:
    from click._termui_impl import ProgressBar

__all__ = ["Progress"]

_CLEAR_LINE, _SHOW_CURSOR = "\r\x1b[K", "\x1b[?25h"


class Progress:
    """A bar on stderr, with what is done, what failed, the rate and the time left.

    Parameters
    ----------
    total : int
        How many pictures there are.
    wanted : bool
        Whether to draw it at all.
    """

    def __init__(self, total: int, *, wanted: bool) -> None:
        self._bar: ProgressBar[int] | None = None
        self._failed = 0
        if wanted:
            self._bar = click.progressbar(
                length=total,
                file=sys.stderr,
                show_pos=True,
                show_percent=False,
                show_eta=True,
                item_show_func=lambda _: self._told(),
                bar_template="%(bar)s  %(info)s",
                width=30,
            )
        self._start = time.monotonic()
        self._done = 0

    def __enter__(self) -> Self:
        if self._bar is not None:
            self._bar.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.__exit__(kind, error, trace)

    def count(self, *, failed: bool) -> None:
        """Count a picture."""
        self._done += 1
        self._failed += failed
        if self._bar is not None:
            self._bar.update(1, self._done)

    def make_way(self) -> None:
        """Clear the line, for one that stays; the bar comes again with the next picture."""
        if self._bar is not None:
            click.echo(_CLEAR_LINE, nl=False, err=True)

    @property
    def closing(self) -> str:
        """What clears the line and shows the cursor again, if the bar is drawn."""
        return f"{_CLEAR_LINE}{_SHOW_CURSOR}" if self._bar is not None else ""

    def _told(self) -> str:
        seconds = max(time.monotonic() - self._start, 1e-9)
        failed = f", {self._failed} failed" if self._failed else ""
        return f"{self._done / seconds:.3g}/s{failed}"
