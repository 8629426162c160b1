"""Runs one filter over an image: turns blocks of sums from the engine into blocks of samples."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import NamedTuple, TypeAlias

import numpy as np

from convfilter.convolution.borders import ArraySource, RowsKept, source_index
from convfilter.convolution.execute import Read, run
from convfilter.filtering.blend import LUMA, Blend, Block, Mixture, Original, copy_where, like
from convfilter.filtering.layer import Layer, finish_of
from convfilter.filtering.quantize import Clipping, Extremes, Finish, Quotients, decode, rescaled
from convfilter.filtering.weighted import (
    HiddenWeights,
    Missing,
    MissingSource,
    Part,
    PremultipliedSource,
    anchored,
    by_channel,
    normalised,
    planar,
)

# Lifts ties above the rounding errors of a blend that is weighted with alpha.
_NUDGE = 2.0**-30

# The sums of one block, a list for each output channel, with the channel axis last.
Sums: TypeAlias = list[list[np.ndarray]]


def filter_layer(
    layer: Layer,
    colours: np.ndarray,
    alpha: np.ndarray | None = None,
    *,
    clipping: Clipping | None = None,
    blend: Blend | None = None,
    missing: Missing | None = None,
    blocks: Sequence[Block] | None = None,
    replace_input: bool = False,
) -> np.ndarray:
    """Filter colours (T, H, W, C) on the scale of the layer's depth, and alpha (T, H, W) on the same.

    Returns an array (T', H', W', O), or O + 1 channels with alpha; `clipping` counts what saturates. Only
    `blocks` are computed, by default all; the others are undefined, or the image's own with a `blend`.
    Afterwards `missing` holds the missing samples of the result. With `replace_input` the result may take the
    place of the colours.
    """
    work = _Run(layer, colours, alpha, clipping, blend, missing)
    if replace_input:
        work.replace_input()
    if blend is not None:
        blocks = []
        for where in blocks_of(layer):
            if blend.inside(where):
                blocks.append(where)
            else:
                work.restore(where)
    work.run(work.store, blocks)
    if blend is not None and clipping is not None:
        clipping.samples = work.result[..., : work.channels].size
    if missing is not None:
        if missing.value is None:
            missing.samples = anchored(missing.samples, layer.axes, layer.border, 0)
        missing.planes, missing.channels = work.gone, work.channels
    return work.result


class _Piece(NamedTuple):
    """The sums of a block, and the weights of its missing samples, if any: see `HiddenWeights`."""

    sums: Sums
    where: Block
    weights: list[np.ndarray] | None

    def cut(self, where: Block) -> _Piece:
        """Return a smaller block."""
        if where == self.where:
            return self
        own = tuple(
            slice(new.start - old.start, new.stop - old.start)
            for new, old in zip(where, self.where, strict=True)
        )
        weights = None if self.weights is None else [each[own] for each in self.weights]
        return _Piece([[part[own] for part in parts] for parts in self.sums], where, weights)


class _Run:
    """The filtering of one image by one layer."""

    def __init__(
        self,
        layer: Layer,
        colours: np.ndarray,
        alpha: np.ndarray | None,
        clipping: Clipping | None,
        blend: Blend | None,
        missing: Missing | None,
    ) -> None:
        self.layer, self.colours, self.blend, self.missing = layer, colours, blend, missing
        self.clipping, bank, full = clipping, layer.bank, layer.depth.full
        self.channels = bank.made_of(colours.shape[-1])
        sizes = [axis.output for axis in layer.axes]
        self.result = np.empty((*sizes, self.channels + (alpha is not None)), layer.target)
        self.weighed, self._kept = alpha is not None and layer.premultiply, None
        self._ratios = self.weighed  # whether some parts are quotients, which are divided only once
        self._read: Read
        if alpha is not None and self.weighed:
            self._read = PremultipliedSource(layer, colours, alpha)
        elif missing is not None:
            self._read = MissingSource(layer, colours, missing.planes)
            self._hidden = HiddenWeights(layer, missing.planes.shape[-1])
            self._ratios = layer.plan.dtype.kind in "iu" and bool(self._hidden.positive.any())
            alike = missing.planes.shape[-1] == 1 and len(bank.weights) == 1
            self.gone = np.zeros((*sizes, 1 if alike else self.channels), bool)
        else:
            self._read = ArraySource(planar(colours) if bank.summed else colours, layer.border, layer.fill)
        if alpha is not None and not self.weighed:
            self._kept = anchored(alpha, layer.axes, layer.border, full)
            # Alpha that an earlier filter has changed is not rounded yet.
            final = layer.target == layer.result.dtype
            self.result[..., -1] = rescaled(self._kept, layer.depth, layer.result) if final else self._kept
        self._totals = bank.totals
        self._means = int(np.count_nonzero(self._totals))
        # In the second all parts are divided.
        self._finish = finish_of(layer, self._totals if self.weighed else None)
        self._finish_ratios = finish_of(layer, self._totals) if self._ratios else self._finish
        # Means of integers may be computed in float32 for samples up to this.
        plain = blend is None and not (layer.combine or layer.offset or layer.range == "stretch")
        plain = plain and layer.result.full == 255 and not self._finish_ratios.exact
        self._largest = full if plain else math.inf
        self._divided = self.weighed or (self._ratios and layer.range == "stretch")
        if layer.range == "stretch":
            self._finish = self._finish_ratios = self._stretched()
        if blend is not None:
            self._finish = self._blending(self._finish)
            self._finish_ratios = self._blending(self._finish_ratios) if self._ratios else self._finish
            # Whether samples under a mask of 0 come out unchanged.
            plain = layer.rounds and layer.depth.integer and layer.result.full == full
            self._leaves = plain and not (layer.linear or self.weighed)
        # Alpha is the mean over all parts that have one.
        self._finish_alpha = Finish(
            layer.result,
            layer.target,
            math.inf,
            combine="sum",
            divide=Fraction(self._means),
            saturate=self._finish.saturate,
            loose=self._finish.loose,
            exact=layer.adds_up and layer.result.dtype.itemsize <= 2 and self._means > 1,
        )

    def replace_input(self) -> None:
        """Store the result in the memory of the image, if blocks share few rows.

        With a blend it must need no more of the image than the samples that it replaces.
        """
        layer, plain = self.layer, type(self._read) is ArraySource and (self.blend is None or self._leaves)
        same = (self.result.shape, self.result.dtype) == (self.colours.shape, self.colours.dtype)
        if plain and same and not layer.bank.summed and RowsKept.suits(layer.plan):
            self._read = RowsKept(self.colours, layer.border, layer.fill, layer.plan)
            self.result = self.colours

    def run(self, visit: Callable[[_Piece], None], blocks: Sequence[Block] | None = None) -> None:
        """Run the plan, or some blocks of it, and call `visit` with the sums of each block."""
        layer, group = self.layer, self.layer.plan.kernels // len(self.layer.bank.weights)

        def finish(sums: list[np.ndarray], where: tuple[slice, ...]) -> None:
            if layer.bank.summed:
                sums, where = [part[0] for part in sums], where[1:]
            weights = None
            if isinstance(self._read, MissingSource) and self._read.hidden is not None:
                wanted = tuple(slice(part.stop - part.start) for part in where)
                weights = [each[wanted] for each in self._hidden.sums(self._read.hidden)]
            outputs = [sums[first : first + group] for first in range(0, len(sums), group)]
            visit(_Piece(outputs, where, weights))

        channel = (slice(0, 1),) if layer.bank.summed else ()
        chosen = None if blocks is None else [(*channel, *where) for where in blocks]
        run(layer.plan, self._read, finish, layer.threads, chosen)

    def store(self, block: _Piece) -> None:
        """Store the samples that the sums of a block become."""
        if self.blend is None:
            self._write(block, None)
            return
        inside = self.blend.inside(block.where)
        assert inside is not None
        if inside != block.where:
            self.restore(block.where)
        for where, taken in self.blend.tiles(inside):
            if taken is False:
                self.restore(where)
            else:
                self._store(block.cut(where), None if taken is True else taken)

    def restore(self, where: Block, mask: np.ndarray | None = None) -> None:
        """Store the image's own samples where a mask is 0, or everywhere without a mask."""
        assert self.blend is not None
        if self.result is self.colours:  # already in place
            return
        target = self.result[where]
        samples = self.blend.samples[where][..., : target.shape[-1]]
        samples = rescaled(samples, self.layer.depth, self.layer.result)
        if mask is None:
            target[...] = samples
        elif not mask.all():
            copy_where(mask == 0, samples, target)

    def _store(self, piece: _Piece, mask: np.ndarray | None) -> None:
        """Store the samples of a piece; a `mask` of None is full everywhere."""
        blend, target = self.blend, self.result[piece.where]
        assert blend is not None
        if mask is None and blend.whole:
            self._write(piece, None)
            return
        # Under a full mask the filter's value must come out bit for bit; missing samples cannot be blended.
        original = Original(blend.samples[piece.where], mask)
        plainly = np.asarray(mask == blend.opaque) if blend.whole and self.weighed else np.False_
        if blend.missing is not None and (lost := blend.missing[piece.where]).any():
            plainly = plainly | (lost & original.taken)
        plain = None
        if plainly.any():
            copies = [[part.copy() for part in parts] for parts in piece.sums]
            self._write(piece._replace(sums=copies), None, counted=False)
            plain = target.copy()
        self._write(piece, original)
        if plain is not None:
            channels = slice(self.channels if plainly.shape[-1] > 1 else None)
            np.copyto(target[..., channels], plain[..., channels], where=plainly)
        if mask is not None and not self._leaves:
            self.restore(piece.where, mask)

    def _write(self, piece: _Piece, original: Original | None, *, counted: bool = True) -> None:
        """Store samples, blended with an original if there is one; overwrites the sums."""
        target = self.result[piece.where]
        count = self.clipping.add if self.clipping is not None and counted else None
        every, opaque, gone = self._parts(piece)
        finish, alpha = self._finish_ratios if self._divides(piece) else self._finish, np.zeros(0)
        if target.shape[-1] > self.channels and (original is not None or opaque):
            alpha = self._write_alpha(piece, opaque, target[..., -1:], original)
        opacity = None if original is None else original.channel(slice(-1, None))
        if original is not None and self.layer.linear:
            samples = decode(original.samples, self.layer.depth, self.colours.dtype)
            original = original._replace(samples=samples)
        for number, parts in enumerate(every):
            made = [each.value() for each in parts]
            place = slice(number, number + made[0].shape[-1])
            own = None if original is None else original.channel(place)
            if own is not None and opacity is not None and self.weighed and finish.blend is not None:
                value = finish.blend.premultiplied(finish.scaled(made), alpha, own, opacity)
                finish.store(value, target[..., place], count, own.taken, nudge=_NUDGE)
            else:
                finish(made, target[..., place], _quotients(parts), count, own)
        if gone is not None:
            self._mark(piece, target, gone)

    def _divides(self, piece: _Piece) -> bool:
        """Return whether parts are divided already."""
        return self._divided or (self._ratios and piece.weights is not None)

    def _write_alpha(
        self, piece: _Piece, opaque: Sequence[Part], target: np.ndarray, original: Original | None
    ) -> np.ndarray:
        """Store alpha, and return it as it was before blending."""
        if original is None:
            self._finish_alpha([each.value() for each in opaque], target, _quotients(opaque))
            return target
        mixture = self._finish.blend
        assert mixture is not None
        if self._kept is not None:
            alpha = self._kept[piece.where][..., np.newaxis] * float(mixture.ratio)
        else:
            alpha = np.asarray(sum(each.value() for each in opaque), np.float64) / self._means
        blended = mixture.mixed(alpha.copy(), original.channel(slice(-1, None)))
        self._finish_alpha.store(blended, target, nudge=_NUDGE)
        return alpha

    def _parts(self, piece: _Piece) -> tuple[list[list[Part]], list[Part], np.ndarray | None]:
        """Return the parts of each output channel, those of alpha, and which outputs are missing, if any."""
        bank, gone = self.layer.bank, None
        opaque: list[Part] = []
        if self.weighed:
            every = [
                [
                    self._premultiplied(triple, total, opaque)
                    for triple, total in zip(self._triples(sums), totals, strict=True)
                ]
                for sums, totals in zip(piece.sums, self._totals.tolist(), strict=True)
            ]
        elif piece.weights is None:
            divisor = bank.divisor if self._divided else 1
            every = [[Part(each, divisor=divisor) for each in sums] for sums in piece.sums]
        else:
            every, gone = self._parts_there(piece, piece.weights)
        if bank.luma:
            (parts,) = every
            every = [self._lifted(parts, piece)]
        return every, opaque, gone

    def _triples(self, sums: list[np.ndarray]) -> list[list[np.ndarray]]:
        """Return the sums of premultiplied colours, alpha and plain colours, for each part."""
        if self.layer.bank.summed:
            return [sums[first : first + 3] for first in range(0, len(sums), 3)]
        return [np.split(part, (self.channels, self.channels + 1), axis=-1) for part in sums]

    def _premultiplied(self, triple: Sequence[np.ndarray], total: float, opaque: list[Part]) -> Part:
        """Return a part of premultiplied colours; append that of their alpha, if there is one, to a list."""
        weighted, alpha, plain = triple
        divisor, result = self.layer.bank.divisor, self.layer.result
        if not total:
            return Part(plain, divisor=divisor)
        above, below = (Fraction(result.full) / Fraction(self.layer.depth.full)).as_integer_ratio()
        opaque.append(Part(alpha, times=above, divisor=total * below))
        mean = opaque[-1].value()
        visible = np.floor(mean + 0.5) > 0 if result.integer else mean > 0
        top, over = np.where(visible, weighted, plain), np.where(visible, alpha, total)
        return normalised(top, over, total, divisor)

    def _parts_there(self, piece: _Piece, weights: list[np.ndarray]) -> tuple[list[list[Part]], np.ndarray]:
        """Return parts made of the samples that are present, and which outputs are missing."""
        assert self.missing is not None
        layer, bank, hidden = self.layer, self.layer.bank, self._hidden
        divisor = bank.divisor if self._ratios else 1
        if not hidden.there:
            lacking, here = (
                anchored(values, layer.axes, layer.border, fill, piece.where)
                for values, fill in ((self.missing.planes, False), (self.colours, layer.fill))
            )
        every, missing, following = [], [], iter(weights)
        for number, sums in enumerate(piece.sums):
            parts, gone = [], np.zeros(1, bool)
            for part, top in enumerate(sums):
                own = next(following)
                if bank.summed:  # by channel
                    each = [own, *itertools.islice(following, bank.weights.shape[2] - 1)]
                    each = [one[..., at % one.shape[-1]] for at, one in enumerate(each)]
                    own = np.stack(each, axis=-1, dtype=top.dtype, casting="unsafe")
                if hidden.positive[number, part]:
                    over, lost = hidden.present(own, number, part)
                    total = hidden.totals[number, part].sum().item()
                    total = total if layer.adds_up else float(total)
                    parts.append(normalised(top, over, total, divisor, self._largest))
                else:
                    instead, lost = like(own if bank.summed else top, here), lacking
                    by_channel(np.multiply, instead, own)
                    if self.colours.dtype.kind == "f":  # infinity counts only where something is missing
                        copy_where((own == 0) | lacking, np.zeros(1), instead)
                    if bank.summed:
                        instead = instead.sum(axis=-1, keepdims=True)
                        lost = (lacking & hidden.touched[number, part]).any(axis=-1, keepdims=True)
                    parts.append(Part(np.add(top, instead, out=top), divisor=divisor))
                gone = gone | lost if part else lost
            every.append(parts)
            missing.append(gone)
        gone = missing[0] if len(missing) == 1 else np.concatenate(missing, axis=-1)
        if bank.luma:  # colours are added to it
            gone = gone | self.missing.planes[piece.where].any(axis=-1, keepdims=True)
        return every, gone

    def _lifted(self, parts: Sequence[Part], piece: _Piece) -> list[Part]:
        """Return parts of lightness, with the distance of each channel from lightness added."""
        layer, divided = self.layer, self._divides(piece)
        kind = np.dtype(np.float64) if divided else layer.plan.dtype
        lift = self.colours[piece.where].astype(kind)
        lightness = sum(weight * lift[..., number] for number, weight in enumerate(LUMA))
        lift *= sum(LUMA)
        lift -= np.asarray(lightness)[..., np.newaxis]
        lift *= int(layer.lift) if layer.bank.integer else kind.type(layer.lift)
        # The lift of further parts of a sum is zero: then they have as many channels as the first.
        none = np.broadcast_to(kind.type(0), lift.shape)
        lifts = [lift if layer.combine == "maximum" or not number else none for number in range(len(parts))]
        shift = layer.bank.divisor if divided else 1
        return [part._replace(lift=own, shift=shift) for part, own in zip(parts, lifts, strict=True)]

    def _mark(self, piece: _Piece, target: np.ndarray, gone: np.ndarray) -> None:
        """Store the mark of missing samples, or with a mask the samples under the anchor."""
        assert self.missing is not None
        layer = self.layer
        if not gone.any():
            return
        self.gone[piece.where] = gone
        if layer.target != layer.result.dtype and layer.range != "raw":
            return  # an earlier filter
        samples = np.array([self.missing.value or 0], layer.depth.dtype)
        if self.missing.value is None:
            samples = anchored(self.missing.samples, layer.axes, layer.border, 0, piece.where)
            samples = samples if samples.shape[-1] == self.channels else samples[..., :1]
        samples = rescaled(samples, layer.depth, layer.result)
        copy_where(gone, samples, target[..., : self.channels])

    def _stretched(self) -> Finish:
        """Return the arithmetic that maps the smallest value to 0 and the largest to full scale.

        Sums are computed twice instead of being kept, which takes time but no memory.
        """
        # An offset does not matter here, and roots are needed in full precision.
        layer, finish = self.layer, self._finish_ratios._replace(add=Fraction(0), bound=math.inf)
        extremes = Extremes()

        def look(piece: _Piece) -> None:
            every, _, gone = self._parts(piece)
            for number, parts in enumerate(every):
                value = finish.value([each.value() for each in parts])
                if gone is not None:
                    lost = np.broadcast_to(gone, (*gone.shape[:-1], self.channels))
                    lost = lost[..., number : number + value.shape[-1]]
                    if lost.all():
                        continue
                    value[lost] = value[~lost][0]
                extremes.add(value, _quotients(parts) if finish.exact else None, layer.combine)

        self.run(look)
        # A flat result must not become an image of its rounding errors.
        noise = noise_of(layer, self.colours) / (layer.bank.divisor if self._divided else 1)
        if not extremes.high - extremes.low > noise:
            return finish._replace(multiply=0.0, divide=Fraction(1), exact=False)
        low, high = extremes.exact if finish.exact else map(Fraction, (extremes.low, extremes.high))
        return finish._replace(add=-low, multiply=layer.result.full, divide=high - low)

    def _blending(self, finish: Finish) -> Finish:
        """Return the arithmetic with the blend added."""
        assert self.blend is not None
        layer, parts = self.layer, self.layer.bank.weights.shape[1]
        fulls, divide = (layer.depth.full, layer.result.full), finish.divide / Fraction(finish.multiply or 1)
        root = layer.combine == "magnitude"
        mixture = Mixture(self.blend, fulls, finish.add, divide, parts * finish.bound, root=root)
        return finish._replace(blend=mixture)


def noise_of(layer: Layer, colours: np.ndarray) -> float:
    """Return how far apart equal sums can come out: some roundings of the largest sum; 0 for integers."""
    if layer.plan.dtype.kind in "iu":
        return 0.0
    finite = colours[np.isfinite(colours)] if not layer.depth.integer else np.array([layer.depth.full])
    largest = float(np.abs(finite).max(initial=0.0))
    return 16 * float(np.finfo(layer.plan.dtype).eps) * largest * float(layer.bank.largest_sum)


def _quotients(parts: Sequence[Part]) -> Quotients:
    return lambda places: zip(*(each.exactly(places) for each in parts), strict=True)


def blocks_of(layer: Layer) -> list[Block]:
    """Return the blocks that a layer computes, as slices of frames, rows and columns."""
    return [where[-3:] for where in layer.plan.regions()]


def inputs_of(layer: Layer, regions: Sequence[Block]) -> Block:
    """Return the samples that some blocks depend on, as slices of frames, rows and columns."""
    slices = []
    for number, axis in enumerate(layer.axes):
        start = min(where[number].start for where in regions) * axis.stride - axis.before
        stop = (max(where[number].stop for where in regions) - 1) * axis.stride - axis.before + axis.reach
        index = source_index(np.arange(start, stop), axis.size, layer.border)
        index = index[index >= 0] if (index >= 0).any() else np.zeros(1, int)
        slices.append(slice(int(index.min()), int(index.max()) + 1))
    return tuple(slices)
