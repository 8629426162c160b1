"""Medians of runs taken in turn, so that a machine whose speed drifts does not favour one side."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping

__all__ = ["medians"]


def medians(
    runs: Mapping[str, Callable[[], object]], *, rounds: int = 5, patience: float = 20.0
) -> dict[str, float]:
    """Time each of several runs in turn.

    Parameters
    ----------
    runs : mapping of str to callable
        What to time, by name.
    rounds : int
        Rounds after one that only warms up.
    patience : float
        Seconds after which a run takes no part in further rounds.

    Returns
    -------
    dict of str to float
        The median of each in seconds.
    """
    times: dict[str, list[float]] = {name: [] for name in runs}
    for number in range(rounds + 1):
        for name, run in runs.items():
            if sum(times[name]) > patience:
                continue
            start = time.perf_counter()
            run()
            spent = time.perf_counter() - start
            if number or spent > patience:
                times[name].append(spent)
    return {name: statistics.median(each) for name, each in times.items()}
