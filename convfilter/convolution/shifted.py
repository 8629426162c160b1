"""Shifted copies of a block added up: equal weights first, runs of them by doubling, then multiplied once.

A contiguous block can be read as one flat vector; the samples under a weight are a slice of it. Where a
kernel has runs of equal weights along one direction (a box along the rows, motion at 45 degrees along the
diagonal), sums of 2, 4, 8, ... neighbours in that direction are made once, and each run is a few of them.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from functools import partial
from operator import mul
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from convfilter.convolution.window import CALL, PASS, Call, FlatSums, Scratch
from convfilter.geometry import Axis

# Runs of equal weights up to which a kernel is worth compiling; each is at least one pass.
_MOST_RUNS = 512
# Kernels with more weights are not compiled if that would save nothing.
_FEW_WEIGHTS = 64
# Buffers as large as a block that fit into the cache.
_FEW_BUFFERS = 3

_Place: TypeAlias = tuple[int, ...]


class _Term(NamedTuple):
    """A register, read from some place of the kernel on, to be added or taken away."""

    register: int
    place: _Place
    positive: bool = True


class _Pass(NamedTuple):
    """One pass over the block: the sum or difference of two terms, or one term times a factor."""

    operation: np.ufunc
    terms: tuple[_Term, ...]
    factor: float | None = None


class _Program:
    """A kernel as a list of passes over a flat block; register 0 is the block, register N the Nth result."""

    def __init__(self, weights: np.ndarray, direction: _Place) -> None:
        self._direction, self._block = direction, _Term(0, (0,) * weights.ndim)
        self.passes: list[_Pass] = []
        self._compile(weights)
        self.buffers = self._assigned()

    def _emit(
        self, operation: np.ufunc, *terms: _Term, factor: float | None = None, positive: bool = True
    ) -> _Term:
        self.passes.append(_Pass(operation, terms, factor))
        return _Term(len(self.passes), self._block.place, positive)

    def _added(self, total: _Term | None, term: _Term) -> _Term:
        """A sum, which may be one of nothing, with one more term."""
        if total is None:
            return term
        if total.positive == term.positive:
            return self._emit(np.add, total, term, positive=total.positive)
        return self._emit(np.subtract, *((total, term) if total.positive else (term, total)))

    def _compile(self, weights: np.ndarray) -> None:
        groups: dict[Any, list[tuple[_Term, int]]] = defaultdict(list)
        for place, length in _runs(weights, self._direction):
            weight = weights[place].item()
            groups[abs(weight)].append((_Term(0, place, weight > 0), length))
        uses = Counter(length for runs in groups.values() for _, length in runs)
        # Runs of one length that occur twice, and are more than one power of two, are summed once.
        shared: dict[int, _Term | None] = {n: None for n in sorted(uses) if uses[n] > 1 and n.bit_count() > 1}
        sums: dict[Any, _Term | None] = dict.fromkeys(groups)
        neighbours = self._block
        for level in range(max(uses, default=0).bit_length()):
            bit = 1 << level
            if level:
                neighbours = self._emit(np.add, neighbours, self._along(neighbours, bit >> 1))
            for length, whole in shared.items():
                if length & bit:
                    shared[length] = self._added(whole, self._along(neighbours, length & (bit - 1)))
            for size, runs in groups.items():
                for start, length in runs:
                    done = shared.get(length)
                    if done is None and length & bit:
                        term = start._replace(register=neighbours.register)
                        sums[size] = self._added(sums[size], self._along(term, length & (bit - 1)))
                    elif done is not None and length.bit_length() == level + 1:
                        sums[size] = self._added(sums[size], start._replace(register=done.register))
        total: _Term | None = None
        ordered = [(size, term) for size, term in sums.items() if term is not None]
        for size, term in sorted(ordered, key=lambda each: not each[1].positive):
            if size != 1:
                term = self._emit(np.multiply, term, factor=size, positive=term.positive)
            total = self._added(total, term)
        # The last pass leaves the sum, with its sign.
        if not self.passes or total != (len(self.passes), self._block.place, True):
            factor = 0 if total is None else 1 if total.positive else -1
            self._emit(np.multiply, total or self._block, factor=factor)

    def _along(self, term: _Term, count: int) -> _Term:
        """The term some weights further on along the direction."""
        pairs = zip(term.place, self._direction, strict=True)
        return term._replace(place=tuple(at + count * step for at, step in pairs))

    def _assigned(self) -> list[int]:
        """The buffer of each result; that of a term that is not read any more serves the next."""
        last_read = {term.register: number for number, each in enumerate(self.passes) for term in each.terms}
        buffers: list[int] = []
        free: list[int] = []
        for number, each in enumerate(self.passes):
            read = {term.register for term in each.terms if term.register}
            done = {register for register in read if last_read[register] == number}
            # A result may replace a term sample by sample, but not one that is read further on.
            moved = {term.register for term in each.terms if any(term.place)}
            free += [buffers[register - 1] for register in done - moved]
            buffers.append(free.pop() if free else len(set(buffers)))
            free += [buffers[register - 1] for register in done & moved]
        return buffers


@functools.lru_cache(64)
def _compiled(data: bytes, shape: _Place, dtype: np.dtype[Any]) -> _Program | None:
    """Return the shortest program for a kernel, or None if it has too many runs."""
    weights = np.frombuffer(data, dtype).reshape(shape)
    most = _MOST_RUNS
    if weights.size > _FEW_WEIGHTS:  # every run is a pass, and so is each of their weights
        most = min(most, weights.size - len(set(np.abs(weights).ravel().tolist())))
    programs = [
        _Program(weights, direction)
        for direction in _directions(shape)
        if np.count_nonzero(_starts(weights, direction)) <= most
    ]
    return min(programs, key=lambda program: len(program.passes), default=None)


def _directions(shape: Sequence[int]) -> Iterator[_Place]:
    """Yield the ways in which equal weights may lie next to each other: along an axis or across two."""
    long = [number for number, side in enumerate(shape) if side > 1]
    for axis in long or [len(shape) - 1]:
        yield tuple(int(number == axis) for number in range(len(shape)))
    for (first, second), sign in itertools.product(itertools.combinations(long, 2), (1, -1)):
        yield tuple({first: 1, second: sign}.get(number, 0) for number in range(len(shape)))


def _starts(weights: np.ndarray, direction: _Place) -> np.ndarray:
    """Where a run of equal weights begins."""
    padded = np.pad(weights, 1)
    before = padded[
        tuple(slice(1 - step, 1 - step + side) for step, side in zip(direction, weights.shape, strict=True))
    ]
    return np.asarray((weights != 0) & (weights != before))


def _runs(weights: np.ndarray, direction: _Place) -> Iterator[tuple[_Place, int]]:
    """Yield where each run of equal weights begins and how long it is."""
    starts = _starts(weights, direction)
    for place in map(tuple, np.argwhere(starts).tolist()):
        for length in itertools.count(1):
            after = tuple(at + length * step for at, step in zip(place, direction, strict=True))
            inside = all(0 <= at < side for at, side in zip(after, weights.shape, strict=True))
            if not inside or weights[after] != weights[place]:
                yield place, length
                break


class ShiftedSums(FlatSums):
    """Add up shifted blocks by a program."""

    name = "shifted"

    def __init__(self, program: _Program, axes: Sequence[Axis], itemsize: int) -> None:
        self._program, self._axes = program, axes
        # Many sums at a time fall out of the cache.
        crowded = 2 if len(set(program.buffers)) > _FEW_BUFFERS else 1
        cost = PASS * itemsize * crowded + CALL
        self.cost = len(program.passes) * cost * math.prod(axis.stride for axis in axes)

    def __str__(self) -> str:
        return f"{self.passes} pass{'es' * (self.passes != 1)}"

    @property
    def passes(self) -> int:
        """How many passes over a block it takes."""
        return len(self._program.passes)

    def calls(self, flat: np.ndarray, steps: Sequence[int], out: np.ndarray, scratch: Scratch) -> list[Call]:
        """See `FlatSums.calls`."""
        memory = {self._program.buffers[-1]: out}
        registers = [flat]
        calls: list[Call] = []
        for buffer, (operation, terms, factor) in zip(
            self._program.buffers, self._program.passes, strict=True
        ):
            arrays = [registers[each.register][sum(map(mul, each.place, steps)) :] for each in terms]
            # A register ends where the first of its terms does.
            count = min(map(len, arrays))
            operands = [each[:count] for each in arrays]
            registers.append((memory[buffer] if buffer in memory else scratch[buffer])[:count])
            if factor is not None:
                operands.append(flat.dtype.type(factor))
            calls.append(partial(operation, *operands, out=registers[-1]))
        return calls


def shifted_sums(weights: np.ndarray, axes: Sequence[Axis]) -> ShiftedSums | None:
    """Return the strategy for a kernel with few different weights or runs of them."""
    program = _compiled(weights.tobytes(), weights.shape, weights.dtype)
    return None if program is None else ShiftedSums(program, axes, weights.itemsize)
