"""Which blocks of a pair are looked at, and how they are shared out among threads.

Blocks are taken by a sequence that spreads evenly over the picture however many of them are wanted, so that
the choice follows from the pictures alone.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar

import numpy as np

from convfilter.convolution.execute import share_out
from convfilter.convolution.recipes import Workspace
from convfilter.learning.pairs import Pair, Region

__all__ = ["Job", "choose_blocks", "in_lots"]

_Result = TypeVar("_Result")

# Samples that are looked at, where the pictures have them.
_SAMPLES = 2_400_000
# One block in so many is held out.
_HELD_OUT = 8
# Held out only if the samples are so many times the weights.
_PLENTY = 10
# Places of a block, and how many blocks there are to be in small pictures.
_LARGEST_BLOCK, _BLOCKS = 128 * 128, 64
_GOLDEN = (math.sqrt(5) - 1) / 2


class Job(NamedTuple):
    """A block to be looked at.

    Attributes
    ----------
    pair : Pair
        Whose it is.
    region : Region
        Its outputs.
    held_out : bool
        Whether it is kept from the equations.
    """

    pair: Pair
    region: Region
    held_out: bool


def choose_blocks(pairs: Sequence[Pair], regions: Sequence[Region], unknowns: int) -> list[Job]:
    """Return the blocks that are looked at.

    Parameters
    ----------
    pairs : sequence of Pair
        All pairs.
    regions : sequence of Region
        For each, the outputs that may be looked at.
    unknowns : int
        What is to be found.

    Returns
    -------
    list of Job
        Blocks with at least 2.4 million samples, if there are as many; one in eight of them held out, unless
        samples are scarce.
    """
    usable = sum(pair.usable(region) for pair, region in zip(pairs, regions, strict=True))
    share = min(1.0, _SAMPLES / max(usable, 1))
    held = share / _HELD_OUT if usable >= _PLENTY * unknowns else 0.0
    jobs = []
    for pair, region in zip(pairs, regions, strict=True):
        for number, block in enumerate(_grid(region)):
            place = (number + 0.5) * _GOLDEN % 1
            if place < share:
                jobs.append(Job(pair, block, place < held))
    return jobs


def in_lots(
    lots: Sequence[Sequence[Job]], work: Callable[[Sequence[Job], Workspace], _Result]
) -> list[_Result]:
    """Have lots of jobs done by several threads.

    Parameters
    ----------
    lots : sequence of sequence of Job
        What is to be done. They must not depend on the number of threads, so that sums do not.
    work : callable
        Does one lot; called by several threads at once, each with its own memory.

    Returns
    -------
    list
        One result for each lot, in their order.
    """
    results: dict[int, _Result] = {}

    def one(number: int, workspace: Workspace) -> None:
        results[number] = work(lots[number], workspace)

    share_out(range(len(lots)), one)
    return [results[number] for number in range(len(lots))]


def _grid(region: Region) -> list[Region]:
    """Cut a region into blocks of about one size, row by row."""
    rows, columns = region
    height, width = rows.stop - rows.start, columns.stop - columns.start
    if region.places == 0:
        return []
    area = min(max(region.places // _BLOCKS, 1), _LARGEST_BLOCK)
    tall = min(height, math.ceil(math.sqrt(area)))
    wide = min(width, math.ceil(area / tall))
    tall = min(height, math.ceil(area / wide))
    return [
        Region(row, column)
        for row in _cuts(rows.start, height, tall)
        for column in _cuts(columns.start, width, wide)
    ]


def _cuts(start: int, length: int, part: int) -> list[slice]:
    """Cut a length into equal parts of at most so many samples."""
    edges = np.linspace(start, start + length, math.ceil(length / part) + 1).round().astype(int).tolist()
    return [slice(*ends) for ends in itertools.pairwise(edges)]
