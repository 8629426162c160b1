"""A filter's run over an image: blocks of sums, as the engine makes them, become blocks of samples."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

import numpy as np

from convfilter.convolution.borders import source_index
from convfilter.filtering.alpha import PremultipliedSums
from convfilter.filtering.blend import Blend, Block, Original, Strength, spread
from convfilter.filtering.layer import Layer
from convfilter.filtering.lightness import LiftedSums
from convfilter.filtering.missing import Missing, RatioSums, anchored
from convfilter.filtering.parts import Part, Parts, Sums
from convfilter.filtering.quantize import Clipping, Count, Extremes, Finish, Quotients, decode, rescaled

__all__ = ["blocks_of", "filter_layer", "inputs_of", "noise_of"]

# What lifts ties over the roundings of a blend that is weighted with alpha.
_NUDGE = 2.0**-30


def filter_layer(
    layer: Layer,
    colours: np.ndarray,
    alpha: np.ndarray | None = None,
    *,
    clipping: Clipping | None = None,
    blend: Blend | None = None,
    missing: Missing | None = None,
    blocks: Sequence[Block] | None = None,
) -> np.ndarray:
    """Filter colours (T, H, W, C) on the scale of the layer's depth, and alpha (T, H, W) on the same.

    Returns an array (T', H', W', O), or O + 1 channels with alpha; `clipping` counts what saturates. Only
    `blocks` are computed, by default all; the others are undefined, or the image's own with a `blend`.
    Afterwards `missing` holds the missing samples of the result.
    """
    work = _Run(layer, colours, alpha, clipping, blend, missing)
    if blend is None:
        work.run(work.store if missing is None else work.in_strips(work.store), blocks)
        if missing is not None and missing.value is None:
            missing.samples = anchored(missing.samples, layer.axes, layer.border, 0)
        if missing is not None:
            missing.hidden = work.gone
        return work.result
    taken = []
    for where in blocks_of(layer):
        if blend.inside(where):
            taken.append(where)
        else:
            work.restore(where)
    work.run(work.in_strips(work.store_taken), taken)
    if clipping is not None:
        clipping.samples = work.result[..., : work.channels].size
    return work.result


class _Run(Parts):
    """One layer at work on one image."""

    def __init__(
        self,
        layer: Layer,
        colours: np.ndarray,
        alpha: np.ndarray | None,
        clipping: Clipping | None,
        blend: Blend | None,
        missing: Missing | None,
    ) -> None:
        super().__init__(layer, colours, alpha, blend, missing)
        self.clipping = clipping
        if layer.range == "stretch":
            self._finish = self._stretched()
            if self._finish_ratios is not None:
                self._finish_ratios = self._finish
        # Alpha is the mean over all parts that have one.
        self._means = int(np.count_nonzero(self._totals))
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
        if blend is not None:
            self._strength, self._blended = _blended(layer, self._finish, blend)
            if self._finish_ratios is not None:
                _, self._blended_ratios = _blended(layer, self._finish_ratios, blend)
            # Whether values come out of a blend as they are where all is taken, and samples where nothing is.
            self._exact = layer.depth.integer and not self.weighed
            plain = layer.rounds and layer.depth.integer and not (layer.linear or self.weighed)
            self._leaves = plain and (self._strength.whole or self._strength.ratio == 1)

    def store(self, outputs: Sums, where: Block, count: Count | None = None) -> None:
        """Finish the sums of a block."""
        every, gone = self._parts(outputs, where)
        finish = self._finish
        if self._finish_ratios is not None and isinstance(every[0][0], RatioSums):
            finish = self._finish_ratios
        count = count or self._counted(None)
        for number, parts in enumerate(every):
            lifted = self._lifted(parts, where)
            made = [each.colours() for each in lifted]
            place = slice(number, number + made[0].shape[-1])
            finish(made, self.result[(*where, place)], _quotients(lifted), count)
        if gone is not None:
            self._mark(where, gone)
        if opaque := _with_alpha(every):
            self._finish_alpha(
                [each.mean for each in opaque],
                self.result[(*where, slice(-1, None))],
                lambda places: zip(*(each.opacities(places) for each in opaque), strict=True),
            )

    def _mark(self, where: Block, gone: np.ndarray) -> None:
        """Put back what marks missing samples, or of a mask the samples under the anchor."""
        assert self.missing is not None
        layer = self.layer
        self.gone[where] = gone
        if layer.target != layer.result.dtype and layer.range != "raw":
            return  # an earlier filter
        if self.missing.value is None:
            samples = anchored(self.missing.samples, layer.axes, layer.border, 0, where)
            samples = samples if samples.shape == gone.shape else samples[..., :1]
        else:
            samples = np.array([self.missing.value], layer.depth.dtype)
        samples = rescaled(samples, layer.depth, layer.result)
        np.copyto(self.result[where][..., : self.channels], samples, "unsafe", gone)

    def restore(self, where: Block, mask: np.ndarray | None = None) -> None:
        """Put the image's own samples where a mask is 0, or without one."""
        assert self.blend is not None
        target = self.result[where]
        if mask is None or not mask.all():
            samples = self.blend.samples[where][..., : target.shape[-1]]
            kept = True if mask is None else spread(mask == 0, np.empty(target.shape, bool))
            np.copyto(target, rescaled(samples, self.layer.depth, self.layer.result), "unsafe", kept)

    def store_taken(self, outputs: Sums, where: Block) -> None:
        """Finish the sums of a block: plain where they replace the image, else blended with it."""
        blend = self.blend
        assert blend is not None
        inside = blend.inside(where)
        if inside != where:
            self.restore(where)
        if inside is None:
            return
        cut = [
            slice(own.start - part.start, own.stop - part.start)
            for own, part in zip(inside, where, strict=True)
        ]
        outputs, where = [[part[tuple(cut)] for part in parts] for parts in outputs], inside
        mask = blend.mask_at(where)
        if mask is not None and mask.min() == blend.opaque:
            mask = None
        lost = None if blend.missing is None else blend.missing[where]
        lost = None if lost is None or not lost.any() else lost
        if mask is None and lost is not None:
            mask = np.full((1, *lost.shape[1:3], 1), blend.opaque)
        if mask is None:
            (self.store if blend.whole else self._store_blended)(outputs, where)
            return
        if lost is None and (self._exact or not blend.whole):
            self._store_blended(outputs, where, mask, self._counted(mask))
            if not self._leaves:
                self.restore(where, mask)
            return
        replaced = np.asarray(mask == blend.opaque) & blend.whole
        # What replaces the image does so to the last bit; missing samples are nothing to blend with.
        plainly = spread(replaced, np.empty(self.result[where].shape, bool))
        if lost is not None:
            plainly[..., : lost.shape[-1]] |= lost & (mask != 0)
        mixed = np.asarray(mask != 0) & ~replaced
        copies = [[part.copy() for part in parts] for parts in outputs] if mixed.any() else outputs
        self.store(copies, where, self._counted(replaced))
        if mixed.any():
            plain = self.result[where].copy()
            self._store_blended(outputs, where, mask, self._counted(mixed))
            np.copyto(self.result[where], plain, where=plainly)
        self.restore(where, mask)

    def _counted(self, mask: np.ndarray | None) -> Count | None:
        """What counts saturated samples where a mask is not zero."""
        clipping = self.clipping
        if clipping is None:
            return None
        where = True if mask is None else mask != 0
        return lambda values, low, past: clipping.add(values, low, past, where)

    def _store_blended(
        self, outputs: Sums, where: Block, mask: np.ndarray | None = None, count: Count | None = None
    ) -> None:
        count = count or self._counted(None)
        assert self.blend is not None
        layer, strength = self.layer, self._strength
        every, gone = self._parts(outputs, where)
        blended = self._blended
        if self._finish_ratios is not None and isinstance(every[0][0], RatioSums):
            blended = self._blended_ratios
        samples = self.blend.samples[where]
        nudge = _NUDGE if layer.rounds else 0.0
        opacity = Original(samples[..., -1:], mask)
        alpha = np.zeros(0)
        if self.result.shape[-1] > self.channels:
            if self._kept is not None:
                alpha = self._kept[where][..., np.newaxis] * float(strength.ratio)
            else:
                alpha = np.asarray(sum(each.mean for each in _with_alpha(every)), np.float64) / self._means
            self._finish_alpha.store(
                strength.opacity(alpha, opacity) + nudge, self.result[(*where, slice(-1, None))]
            )
        if layer.linear:
            samples = decode(samples, layer.depth, self.colours.dtype)
        for number, parts in enumerate(every):
            lifted = self._lifted(parts, where)
            made = [each.colours() for each in lifted]
            place = slice(number, number + made[0].shape[-1])
            target, original = self.result[(*where, place)], Original(samples[..., place], mask)
            if self.weighed:
                value = strength.premultiplied(self._finish.scaled(made), alpha, original, opacity)
                self._finish.store(value + nudge, target, count)
            else:
                blended(made, target, _quotients(lifted), count, original)
        if gone is not None:
            self._mark(where, gone)

    def _stretched(self) -> Finish:
        """Find the scale that maps the smallest value to 0 and the largest to full scale.

        Sums are computed twice instead of being kept: that costs time, but no memory.
        """
        # The scale ignores an offset, and roots are not rounded to what eight bits need.
        layer, finish = self.layer, self._finish_ratios or self._finish
        finish = replace(finish, add=Fraction(0), bound=math.inf)
        if self._finish_ratios is not None:
            self._finish = self._finish_ratios = finish  # all are divided
        extremes = Extremes()

        def look(outputs: Sums, where: Block) -> None:
            every, gone = self._parts(outputs, where)
            for number, parts in enumerate(every):
                lifted = self._lifted(parts, where)
                value = finish.value([each.colours() for each in lifted])
                if gone is not None:
                    lost = gone[..., number : number + value.shape[-1]]
                    if lost.all():
                        continue
                    value[lost] = value[~lost][0]
                extremes.add(value, _quotients(lifted) if finish.exact else None, layer.combine)

        self.run(look)
        # A flat result must not become an image of its roundings.
        noise = noise_of(layer, self.colours) / (layer.bank.divisor if self.weighed else 1)
        if not extremes.high - extremes.low > noise:
            return replace(finish, multiply=0.0, divide=Fraction(1), exact=False)
        low, high = extremes.exact if finish.exact else map(Fraction, (extremes.low, extremes.high))
        return replace(finish, add=-low, multiply=layer.result.full, divide=high - low)


def _with_alpha(every: Sequence[Sequence[Part]]) -> list[PremultipliedSums]:
    """The parts that make alpha."""
    weights = [each for parts in every for each in parts if isinstance(each, PremultipliedSums)]
    return [each for each in weights if each.total]


def noise_of(layer: Layer, colours: np.ndarray) -> float:
    """How far apart equal sums can come out: some roundings of the largest one; zero for integers."""
    if layer.plan.dtype.kind in "iu":
        return 0.0
    finite = colours[np.isfinite(colours)] if not layer.depth.integer else np.array([layer.depth.full])
    largest = float(np.abs(finite).max(initial=0.0))
    return 16 * float(np.finfo(layer.plan.dtype).eps) * largest * float(layer.bank.largest_sum)


def _quotients(parts: Sequence[Part | LiftedSums]) -> Quotients:
    return lambda places: zip(*(each.quotients(places) for each in parts), strict=True)


def blocks_of(layer: Layer) -> list[Block]:
    """Return the blocks that a layer computes, as slices of frames, rows and columns."""
    return [where[-3:] for where in layer.plan.regions()]


def inputs_of(layer: Layer, regions: Sequence[Block]) -> Block:
    """Return the samples that some blocks are made of, as slices of frames, rows and columns."""
    slices = []
    for number, axis in enumerate(layer.axes):
        start = min(where[number].start for where in regions) * axis.stride - axis.before
        stop = (max(where[number].stop for where in regions) - 1) * axis.stride - axis.before + axis.reach
        index = source_index(np.arange(start, stop), axis.size, layer.border)
        index = index[index >= 0] if (index >= 0).any() else np.zeros(1, int)
        slices.append(slice(int(index.min()), int(index.max()) + 1))
    return tuple(slices)


def _blended(layer: Layer, finish: Finish, blend: Blend) -> tuple[Strength, Finish]:
    """The numbers of a blend, and the arithmetic with it."""
    parts = layer.bank.weights.shape[1]
    divide, whole = finish.divide / Fraction(finish.multiply or 1), layer.adds_up and not layer.linear
    strength = Strength(
        blend,
        (layer.depth.full, layer.result.full),
        divide,
        parts * finish.bound + abs(float(finish.add)),
        whole=whole,
    )
    exact = finish.exact
    if whole and layer.result.dtype.itemsize <= 2 and not layer.premultiply:
        largest = strength.bound ** (2 if layer.combine == "magnitude" else 1)
        exact = exact or not strength.whole or largest >= 2**49
    return strength, replace(finish, blend=strength, exact=exact)
