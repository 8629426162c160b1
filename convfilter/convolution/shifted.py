"""Shifted copies of a block added up: equal weights first, runs of them by doubling, then multiplied once.

A block that is contiguous can be read as one flat vector; what stands under a weight is a slice of it.
Where a kernel has runs of equal weights along one direction (a box along the rows, motion at 45 degrees along
the diagonal), sums of 2, 4, 8, ... neighbours in that direction are made once, and every run is put together
from a few of them.
"""

from __future__ import annotations

import functools
import itertools
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from convfilter.convolution.recipes import Call, Recipe, Workspace
from convfilter.convolution.window import outputs_of
from convfilter.geometry import Axis

__all__ = ["Program", "ShiftedSums", "compiled"]

# Runs of equal weights up to which a kernel is worth compiling; each is at least one pass.
_MOST_RUNS = 512
# Kernels with more weights are not compiled if that would save nothing.
_FEW_WEIGHTS = 64

_Place: TypeAlias = tuple[int, ...]


class _Operand(NamedTuple):
    """A register from some place of the kernel on."""

    register: int
    place: _Place


class _Step(NamedTuple):
    """One pass over the block: ``into = left + right``, ``left - right`` or ``left * right``."""

    operation: str
    into: int
    left: _Operand
    right: _Operand | float


class Program:
    """A kernel as a list of passes over a flat block, equal weights gathered into runs along a direction.

    Register 0 is the block; each of the others is as long as its place allows. The last pass leaves the sums
    in the register that it writes to.
    """

    def __init__(self, weights: np.ndarray, direction: _Place) -> None:
        self._origin = (0,) * weights.ndim
        self._direction = direction
        # The place behind which a register ends: the last one that has been added into it.
        self._spans: list[_Place] = [self._origin]
        self._passes: list[_Step] = []
        self._whole = tuple(side - 1 for side in weights.shape)
        if weights.any():
            self._compile(weights)
        else:
            self._passes.append(_Step("multiply", self._register(self._whole), self._at_origin(0), 0))
        self._buffers = self._assigned()

    def __len__(self) -> int:
        return len(self._passes)

    def calls(
        self, flat: np.ndarray, steps: Sequence[int], out: np.ndarray, workspace: Workspace
    ) -> list[Call]:
        """Return what sums a flat block into `out`, which is shorter by the distance of the last weight.

        `steps` are the samples from one weight to the next along each axis of the kernel.
        """

        def distance(place: _Place) -> int:
            return sum(index * step for index, step in zip(place, steps, strict=True))

        calls: list[Call] = []
        registers, buffers = {0: flat, self._passes[-1].into: out}, dict[int, np.ndarray]()
        level = workspace.level
        for operation, into, left, right in self._passes:
            count = flat.size - distance(self._spans[into])
            if into not in registers:
                buffer = self._buffers[into]
                if buffer not in buffers:
                    buffers[buffer] = workspace.take(flat.shape, flat.dtype)
                registers[into] = buffers[buffer][:count]
            first = registers[left.register][distance(left.place) :][:count]
            if isinstance(right, _Operand):
                second: Any = registers[right.register][distance(right.place) :][:count]
            else:
                second = flat.dtype.type(right)
            calls.append(partial(_OPERATIONS[operation], first, second, out=registers[into]))
        workspace.level = level
        return calls

    @property
    def buffers(self) -> int:
        """How many buffers it takes, each as large as a block."""
        return len(set(self._buffers.values()))

    def _assigned(self) -> dict[int, int]:
        """The buffer of each register; one that is not read any more serves the next."""
        last_read = {
            operand.register: number
            for number, each in enumerate(self._passes)
            for operand in (each.left, each.right)
            if isinstance(operand, _Operand)
        }
        taken: dict[int, int] = {}
        free: list[int] = []
        for number, each in enumerate(self._passes):
            if each.into not in taken:
                taken[each.into] = free.pop() if free else len(set(taken.values()))
            for register in {each.left.register} | (
                {each.right.register} if isinstance(each.right, _Operand) else set()
            ):
                if last_read[register] == number and register in taken:
                    free.append(taken[register])
        return taken

    def _compile(self, weights: np.ndarray) -> None:
        groups: dict[Any, list[tuple[_Place, int, bool]]] = {}
        for place, length in _runs(weights, self._direction):
            weight = weights[place].item()
            groups.setdefault(abs(weight), []).append((place, length, weight > 0))
        uses = Counter(length for group in groups.values() for _, length, _ in group)
        shared = sorted(length for length, count in uses.items() if count > 1 and length.bit_count() > 1)
        wholes = {length: _Total(self, self._along(length - 1)) for length in shared}
        sums = {size: _Total(self, self._whole) for size in groups}
        power = 0
        for level in range(max(uses).bit_length()):
            if level:
                power = self._doubled(power, 1 << (level - 1))
            for length, whole in wholes.items():
                if length >> level & 1:
                    whole.add(_Operand(power, self._along(length & ((1 << level) - 1))), True)
            for size, group in groups.items():
                for place, length, positive in group:
                    if length in wholes:
                        if length.bit_length() == level + 1:
                            sums[size].add(_Operand(wholes[length].register, place), positive)
                    elif length >> level & 1:
                        done = self._along(length & ((1 << level) - 1))
                        start = tuple(map(sum, zip(place, done, strict=True)))
                        sums[size].add(_Operand(power, start), positive)
        self._weigh(sums)

    def _weigh(self, sums: dict[Any, _Total]) -> None:
        """Multiply the sums of equal weights and add them up, those to be added first."""
        total = _Total(self, self._whole)
        for size, each in sorted(sums.items(), key=lambda pair: not pair[1].positive):
            total.add(each.scaled(size), each.positive)
        total.finished()

    def _doubled(self, power: int, width: int) -> int:
        """A register of sums of twice as many neighbours."""
        into = self._register(self._along(2 * width - 1))
        self._passes.append(_Step("add", into, self._at_origin(power), _Operand(power, self._along(width))))
        return into

    def _register(self, span: _Place) -> int:
        self._spans.append(span)
        return len(self._spans) - 1

    def _along(self, count: int) -> _Place:
        return tuple(count * step for step in self._direction)

    def _at_origin(self, register: int) -> _Operand:
        return _Operand(register, self._origin)


class _Total:
    """A sum that grows in a register of its own; the first term waits for the second one."""

    def __init__(self, program: Program, span: _Place) -> None:
        self._program, self._span = program, span
        self._first: _Operand | None = None
        self._own: int | None = None
        self.positive = True
        """Whether the register holds the sum itself or what it is short of zero."""

    @property
    def register(self) -> int:
        """Where the sum stands, if it has two terms at least."""
        assert self._own is not None
        return self._own

    def add(self, operand: _Operand, positive: bool) -> None:
        """Add a term, or take it away."""
        if self._own is None and self._first is None:
            self._first, self.positive = operand, positive
        elif self._own is None:
            assert self._first is not None
            left, right = self._first, operand
            if positive and not self.positive:
                left, right, self.positive, positive = right, left, True, False
            self._own = self._program._register(self._span)
            self._emit(left, right, self.positive == positive)
        else:
            self._emit(_Operand(self._own, self._program._origin), operand, self.positive == positive)

    def scaled(self, size: Any) -> _Operand:
        """The sum times a number."""
        own = self._operand()
        if size == 1:
            return own
        into = self._program._register(self._span) if self._own is None else self._own
        self._program._passes.append(_Step("multiply", into, own, size))
        return _Operand(into, self._program._origin)

    def finished(self) -> None:
        """Bring the sum into a register of its own, with its sign."""
        program, own = self._program, self._operand()
        written = program._passes[-1].into if program._passes else None
        stands = own == (written, program._origin) and program._spans[own.register] == self._span
        if not self.positive or not stands:
            into = own.register if stands else program._register(self._span)
            program._passes.append(_Step("multiply", into, own, 1 if self.positive else -1))

    def _operand(self) -> _Operand:
        if self._own is not None:
            return _Operand(self._own, self._program._origin)
        assert self._first is not None
        return self._first

    def _emit(self, left: _Operand, right: _Operand, add: bool) -> None:
        assert self._own is not None
        self._program._passes.append(_Step("add" if add else "subtract", self._own, left, right))


_OPERATIONS: dict[str, Callable[..., Any]] = {
    "add": np.add,
    "subtract": np.subtract,
    "multiply": np.multiply,
}


def compiled(weights: np.ndarray) -> Program | None:
    """Return the shortest program for a kernel, or None if it has too many runs; the last are remembered."""
    return _compiled(weights.tobytes(), weights.shape, weights.dtype)


@functools.lru_cache(64)
def _compiled(data: bytes, shape: _Place, dtype: np.dtype[Any]) -> Program | None:
    weights = np.frombuffer(data, dtype).reshape(shape)
    most = _MOST_RUNS
    if weights.size > _FEW_WEIGHTS:  # every run is a pass, and so is each of their weights
        most = min(most, weights.size - len(set(np.abs(weights).ravel().tolist())))
    programs = [
        Program(weights, direction)
        for direction in _directions(weights.shape)
        if np.count_nonzero(_starts(weights, direction)) <= most
    ]
    return min(programs, key=len) if programs else None


def _directions(shape: Sequence[int]) -> Iterator[_Place]:
    """Yield the ways in which equal weights may lie next to each other: along an axis or across two."""
    long = [number for number, side in enumerate(shape) if side > 1]
    for axis in long or [len(shape) - 1]:
        yield tuple(int(number == axis) for number in range(len(shape)))
    for first, second in itertools.combinations(long, 2):
        for sign in (1, -1):
            steps = {first: 1, second: sign}
            yield tuple(steps.get(number, 0) for number in range(len(shape)))


def _facing(direction: _Place) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """Slices of all places that have a neighbour in a direction, and of those neighbours."""
    here = {0: slice(None), 1: slice(None, -1), -1: slice(1, None)}
    there = {0: slice(None), 1: slice(1, None), -1: slice(None, -1)}
    return tuple(here[step] for step in direction), tuple(there[step] for step in direction)


def _starts(weights: np.ndarray, direction: _Place) -> np.ndarray:
    """Where a run of equal weights begins."""
    here, there = _facing(direction)
    starts = np.asarray(weights != 0)
    starts[there] &= weights[here] != weights[there]
    return starts


def _runs(weights: np.ndarray, direction: _Place) -> Iterator[tuple[_Place, int]]:
    """Yield where each run of equal weights begins and how long it is."""
    here, there = _facing(direction)
    same = weights[here] == weights[there]
    lengths = np.ones(weights.shape, int)
    while (lengths[here] != (longer := np.where(same, lengths[there] + 1, 1))).any():
        lengths[here] = longer
    for place in map(tuple, np.argwhere(_starts(weights, direction)).tolist()):
        yield place, int(lengths[place])


class ShiftedSums:
    """Add up shifted blocks by a program; parameters as for `WindowSum`."""

    name = "shifted"

    def __init__(self, weights: np.ndarray, axes: Sequence[Axis]) -> None:
        program = compiled(weights)
        assert program is not None, "this strategy has no cost for the kernel"
        self._program, self._axes = program, axes

    def __str__(self) -> str:
        return f"{len(self._program)} passes"

    def recipe(self, block: np.ndarray, outputs: Sequence[int], workspace: Workspace) -> Recipe:
        """Return what sums a block, as `WindowSum.recipe` does."""
        steps = [
            axis.dilation * (step // block.itemsize)
            for axis, step in zip(self._axes, block.strides[:-1], strict=True)
        ]
        distance = sum((axis.kernel - 1) * step for axis, step in zip(self._axes, steps, strict=True))
        sums = workspace.take(block.shape, block.dtype)
        flat = sums.reshape(-1)[: block.size - distance]
        calls = self._program.calls(block.reshape(-1), steps, flat, workspace)
        return Recipe(calls, outputs_of(sums, self._axes, outputs))
