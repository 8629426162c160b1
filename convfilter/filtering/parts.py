"""The parts of a filter: blocks of sums, as the engine makes them, of samples and of what is missing."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np

from convfilter.convolution.borders import ArraySource
from convfilter.convolution.execute import Read, run
from convfilter.filtering.alpha import PlainSums, PremultipliedSource, PremultipliedSums, kept_alpha, planar
from convfilter.filtering.blend import Blend, Block
from convfilter.filtering.layer import Layer, finish_of
from convfilter.filtering.lightness import LiftedSums, distances
from convfilter.filtering.missing import Missing, MissingSource, RatioSums, anchored
from convfilter.filtering.quantize import rescaled

__all__ = ["Part", "Parts", "Sums"]

# Samples that are blended at a time, so that what is between them stays in the cache.
_STRIP = 1 << 17

# The sums of one block, a list for each output channel, with the channel axis last.
Sums: TypeAlias = list[list[np.ndarray]]
Visit: TypeAlias = Callable[[Sums, Block], None]
Part: TypeAlias = PlainSums | PremultipliedSums | RatioSums


class Parts:
    """One layer at work on one image: what it reads, and the parts that its sums make."""

    def __init__(
        self,
        layer: Layer,
        colours: np.ndarray,
        alpha: np.ndarray | None,
        blend: Blend | None,
        missing: Missing | None,
    ) -> None:
        self.layer, self.colours, self.blend = layer, colours, blend
        self.missing = missing
        bank, full = layer.bank, layer.depth.full
        self.channels = bank.made_of(colours.shape[-1])
        sizes = (axis.output for axis in layer.axes)
        self.result = np.empty((*sizes, self.channels + (alpha is not None)), layer.target)
        self.weighed = alpha is not None and layer.premultiply
        self._read: Read
        self._kept = None
        if alpha is not None and self.weighed:
            self._read = PremultipliedSource(
                colours, alpha, layer.border, layer.fill, full, summed=bank.summed
            )
        elif missing is not None:
            self._touched = (bank.weights != 0).any(axis=(3, 4, 5))  # outputs, parts, channels
            self._positive = (bank.weights >= 0).all(axis=(2, 3, 4, 5)) & self._touched.any(axis=2)
            self._read = MissingSource(
                colours,
                missing.hidden,
                layer.border,
                layer.fill,
                summed=bank.summed,
                present=bool(self._positive.any()),
                absent=not self._positive.all(),
            )
            self.gone = np.zeros((*self.result.shape[:-1], self.channels), bool)
        else:
            self._read = ArraySource(planar(colours) if bank.summed else colours, layer.border, layer.fill)
        if alpha is not None and not self.weighed:
            self._kept = kept_alpha(alpha, layer.axes, layer.border, full)
            # Alpha that an earlier filter has changed is not rounded yet.
            final = layer.target == layer.result.dtype
            self.result[..., -1] = rescaled(self._kept, layer.depth, layer.result) if final else self._kept
        self._totals = bank.totals
        # Means of integers that are there are quotients, to be divided once.
        ratios = missing is not None and layer.plan.dtype.kind in "iu" and bool(self._positive.any())
        self._finish = finish_of(layer, self._totals if self.weighed else None)
        self._finish_ratios = finish_of(layer, self._totals) if ratios else None
        # Whether means of integers may be rounded to float32.
        plain = blend is None and not (layer.combine or layer.offset or layer.range == "stretch")
        self._narrow = plain and layer.result.full == 255 and not (self._finish_ratios or self._finish).exact

    def run(self, visit: Visit, blocks: Sequence[Block] | None = None) -> None:
        """Run the plan, or blocks of it, and pass on the sums of each block."""
        layer, group = self.layer, self.layer.plan.kernels // len(self.layer.bank.weights)

        def finish(sums: list[np.ndarray], where: tuple[slice, ...]) -> None:
            if layer.bank.summed:
                sums, where = [part[0] for part in sums], where[1:]
            # Sums of further blocks stand behind those of the output's parts.
            firsts = range(0, layer.plan.kernels, group)
            starts = range(0, len(sums), layer.plan.kernels)
            visit(
                [[each for start in starts for each in sums[start + first :][:group]] for first in firsts],
                where,
            )

        channel = (slice(0, 1),) if layer.bank.summed else ()
        chosen = None if blocks is None else [(*channel, *where) for where in blocks]
        run(layer.plan, self._read, finish, layer.threads, chosen)

    def in_strips(self, visit: Visit) -> Visit:
        """Pass on a block piece by piece; without what counts missing samples where there are none."""
        group = self.layer.bank.weights.shape[1]

        def cut(outputs: Sums, where: Block) -> None:
            counted = len(outputs[0]) > group and isinstance(self._read, MissingSource)
            if self.blend is None and not counted:
                visit(outputs, where)
                return
            # Sums do not always lie in the order of their axes: strips take whole rows of memory.
            strides = outputs[0][0].strides
            axis = 2 if strides[2] > strides[1] else 1
            begin, end = where[axis].start, where[axis].stop
            step = max(1, _STRIP * (end - begin) // outputs[0][0].size)
            for first in range(begin, end, step):
                place = list(where)
                place[axis] = slice(first, min(first + step, end))
                own = (slice(None),) * axis + (slice(first - begin, first - begin + step),)
                strip = [[part[own] for part in parts] for parts in outputs]
                if counted and not self._touched_by(place[:2]):
                    strip = [parts[:group] for parts in strip]
                visit(strip, tuple(place))

        return cut

    def _touched_by(self, where: Sequence[slice]) -> bool:
        """Whether outputs are made of rows with missing samples."""
        pairs = list(zip(where, self.layer.axes, strict=False))
        starts = [part.start * axis.stride - axis.before for part, axis in pairs]
        sizes = [(part.stop - part.start - 1) * axis.stride + axis.reach for part, axis in pairs]
        assert isinstance(self._read, MissingSource)
        return self._read.touched(starts, sizes)

    def _parts(self, outputs: Sums, where: Block) -> tuple[list[list[Part]], np.ndarray | None]:
        """The parts of each output channel, and which samples are missing, if any are."""
        if self.weighed:
            pairs = zip(outputs, self._totals.tolist(), strict=True)
            every = [
                [self._premultiplied(*pair) for pair in zip(self._triples(sums), totals, strict=True)]
                for sums, totals in pairs
            ]
            return every, None
        group = self.layer.bank.weights.shape[1]
        if len(outputs[0]) > group:
            return self._parts_present(outputs, where)
        if self._finish_ratios is self._finish:
            divisor = self.layer.bank.divisor
            return [[RatioSums(each, 1, divisor) for each in sums] for sums in outputs], None
        return [[PlainSums(each) for each in sums] for sums in outputs], None

    def _parts_present(self, outputs: Sums, where: Block) -> tuple[list[list[Part]], np.ndarray]:
        """The parts of samples that are there."""
        assert self.missing is not None
        layer, bank = self.layer, self.layer.bank
        under, here = np.zeros(1, bool), np.zeros(1)
        if not self._positive.all():
            under = anchored(self.missing.hidden, layer.axes, layer.border, False, where)
            here = anchored(self.colours, layer.axes, layer.border, layer.fill, where)
            here = here.astype(layer.plan.dtype)
            np.copyto(here, 0, where=under)
        group = bank.weights.shape[1]
        gone = np.zeros((*outputs[0][0].shape[:-1], self.channels), bool)
        every: list[list[Part]] = []
        for number, sums in enumerate(outputs):
            further = [sums[first : first + group] for first in range(group, len(sums), group)]
            present = further.pop(0) if self._positive.any() else []
            place = slice(number, number + 1) if bank.summed and not bank.luma else slice(None)
            parts: list[Part] = []
            for part in range(group):
                if self._positive[number, part]:
                    lost = present[part] == 0
                    parts.append(self._mean(sums[part], present[part], lost, number, part))
                elif bank.summed:
                    touched = self._touched[number, part]
                    lost = (under & touched).any(axis=-1, keepdims=True)
                    for channel, each in enumerate(further):
                        _add_missing(sums[part], each[part], here[..., channel : channel + 1])
                    parts.append(self._whole(sums[part]))
                else:
                    lost = under
                    _add_missing(sums[part], further[0][part], here)
                    parts.append(self._whole(sums[part]))
                gone[..., place] |= lost
            every.append(parts)
        if bank.luma:  # colours are added to it
            gone |= self.missing.hidden[where].any(axis=-1, keepdims=True)
        return every, gone

    def _whole(self, sums: np.ndarray) -> Part:
        return PlainSums(sums) if self._finish_ratios is None else RatioSums(sums, 1, self.layer.bank.divisor)

    def _mean(self, sums: np.ndarray, present: np.ndarray, lost: np.ndarray, number: int, part: int) -> Part:
        """The sum of samples that are there, as large as if all were."""
        total = self.layer.bank.weights[number, part].sum().item()
        if self._finish_ratios is not None:
            shared = math.gcd(total, self.layer.bank.divisor)
            times, divisor = total // shared, self.layer.bank.divisor // shared
            # Quotients of integers as small as these are no nearer to a tie than float32 can tell.
            small = self.layer.depth.full * total * times < 2**24 and total * divisor < 2**13
            kind = np.float32 if small and self._narrow else np.float64
            over = present.astype(kind)
            return RatioSums(sums, times, over if divisor == 1 else over * divisor, kind)
        # Where all are there the sum stays as it is, to the last bit.
        factor = total / present
        error = 64 * np.finfo(present.dtype).eps
        np.copyto(factor, 1, where=(factor > 1 - error) & (factor < 1 + error))
        np.copyto(factor, 0, where=lost)
        sums *= factor
        return PlainSums(sums)

    def _premultiplied(self, sums: Sequence[np.ndarray], total: float) -> Part:
        return PremultipliedSums(sums, total, self.layer.bank.divisor, self.layer.depth, self.layer.result)

    def _triples(self, sums: list[np.ndarray]) -> list[list[np.ndarray]]:
        """Sums of premultiplied colours, alpha and plain colours, for each part."""
        if self.layer.bank.summed:
            return [sums[first : first + 3] for first in range(0, len(sums), 3)]
        return [np.split(part, (self.channels, self.channels + 1), axis=-1) for part in sums]

    def _lifted(self, parts: list[Part], where: Block) -> Sequence[Part | LiftedSums]:
        """The parts with what stays of the colours."""
        layer, bank = self.layer, self.layer.bank
        if not bank.luma:
            return parts
        divided = self.weighed or isinstance(parts[0], RatioSums)
        kind = np.dtype(np.float64) if divided else layer.plan.dtype
        lift = distances(self.colours[where], kind)
        lift *= int(layer.lift) if bank.integer else kind.type(layer.lift)
        divisor = bank.divisor if divided else 1
        # The lift of further parts of a sum is zero: then they have as many channels as the first.
        none = np.broadcast_to(kind.type(0), lift.shape)
        lifts = [lift if layer.combine == "maximum" or not number else none for number in range(len(parts))]
        return [LiftedSums(*pair, divisor) for pair in zip(parts, lifts, strict=True)]


def _add_missing(sums: np.ndarray, weights: np.ndarray, sample: np.ndarray) -> None:
    """Add what missing samples would give if they were the one under the anchor."""
    whole = weights == 0 if weights.dtype.kind == "f" else None
    weights *= sample
    if whole is not None:  # what is infinite counts where something is missing only
        np.copyto(weights, 0, where=whole)
    sums += weights
