"""Slow and plain second opinions: loops over Python numbers, nothing vectorized.

Every rule of the arithmetic is written here a second time, and in another way: the border is
walked step by step, sums run over Python integers and fractions, a square root is an integer one.
Numpy only carries the numbers in and out.
"""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np

BORDERS = ("edge", "symmetric", "reflect", "wrap", "zero", "constant")
FULL_SCALE = {"uint8": 255, "uint16": 65535, "int32": 2**31 - 1, "float32": 1, "float64": 1}
_OUTSIDE = None

count = range  # an argument of `values_by_loops` has that name, as it has in the program


# Geometry.


def padding_pairs(padding, kernel_shape, dilation=1):
    """Return ``(before, after)`` for each kernel axis, from any way to say it."""
    rank = len(kernel_shape)
    dilations = each_axis(dilation, rank)
    if isinstance(padding, str | int):
        padding = (padding,) * rank
    elif rank == 1 and len(padding) == 2 and all(isinstance(entry, int) for entry in padding):
        padding = (padding,)
    pairs = []
    for entry, length, step in zip(padding, kernel_shape, dilations, strict=True):
        reach = step * (length - 1)
        if entry == "valid":
            pairs.append((0, 0))
        elif entry == "full":
            pairs.append((reach, reach))
        elif entry == "same":
            pairs.append((reach // 2, reach - reach // 2))
        elif isinstance(entry, int):
            pairs.append((entry, entry))
        else:
            pairs.append(tuple(entry))
    return pairs


def each_axis(value, rank):
    """Return one value for each of `rank` axes."""
    return (value,) * rank if isinstance(value, int) else tuple(value)


def starts_by_counting(size, kernel_size, before, after, stride, dilation):
    """Return every place on the axis where the first weight may stand, by trying all of them."""
    places = []
    for start in range(-before, size + after, stride):
        last_sample = start
        for _ in range(kernel_size - 1):
            last_sample += dilation
        if last_sample < size + after:
            places.append(start)
    return places


def source_by_walking(index, size, border):
    """Return which sample of ``0 .. size - 1`` stands at `index`; None is the constant.

    A walker leaves sample 0 and takes as many steps as `index` says, to the left if it is negative.
    """
    if border in ("zero", "constant"):
        return index if 0 <= index < size else _OUTSIDE
    heading = 1 if index > 0 else -1
    at = 0
    for _ in range(abs(index)):
        if 0 <= at + heading < size:
            at += heading
        elif border == "wrap":
            at = at + heading - heading * size
        elif border == "symmetric":
            heading = -heading  # the last sample is seen twice
        elif border == "reflect":
            heading = -heading
            at += heading if size > 1 else 0
        else:
            assert border == "edge"
    return at


# Correlation.


def correlate_by_loops(array, kernel, pairs, *, border="edge", fill=0, stride=1, dilation=1):
    """Correlate the leading axes of an array with a kernel, one product after another, in Python numbers.

    `pairs` are the padding before and after on each kernel axis.
    """
    rank = kernel.ndim
    strides, dilations = each_axis(stride, rank), each_axis(dilation, rank)
    sources = []  # for each axis, for each output place, for each weight: where its sample is
    for size, length, pair, step, spread in zip(
        array.shape, kernel.shape, pairs, strides, dilations, strict=False
    ):
        starts = starts_by_counting(size, length, *pair, step, spread)
        reach = range(0, length * spread, spread)
        sources.append([[source_by_walking(start + tap, size, border) for tap in reach] for start in starts])
    weights = list(np.ndenumerate(kernel.astype(object)))
    samples = array.astype(object)
    result = np.full(tuple(map(len, sources)) + array.shape[rank:], None, dtype=object)
    if border == "zero":
        fill = 0
    for place in np.ndindex(*result.shape[:rank]):
        taps = []
        for index, weight in weights:
            sample = tuple(sources[axis][place[axis]][index[axis]] for axis in range(rank))
            taps.append((_OUTSIDE if _OUTSIDE in sample else sample, weight))
        for rest in np.ndindex(*array.shape[rank:]):
            total = 0
            for sample, weight in taps:
                total += weight * (fill if sample is _OUTSIDE else samples[sample + rest])
            result[place + rest] = total
    return result


def correlate_by_shifts(array, kernel, border, *, fill=0):
    """Correlate a large array, `same` and stride 1: one shifted copy for each weight that is not zero.

    This is the one oracle that is vectorized, for arrays that no loop would get through; it pads the whole
    array and adds up in 64 bits, which takes time and memory but leaves nothing to go wrong.
    """
    wide = np.float64 if "f" in (array.dtype.kind, kernel.dtype.kind) else np.int64
    modes = {"zero": {"mode": "constant"}, "constant": {"mode": "constant", "constant_values": fill}}
    pairs = padding_pairs("same", kernel.shape) + [(0, 0)] * (array.ndim - kernel.ndim)
    padded = np.pad(array.astype(wide), pairs, **modes.get(border, {"mode": border}))
    total = np.zeros(array.shape, wide)
    for index in zip(*np.nonzero(kernel), strict=True):
        shifted = tuple(slice(start, start + size) for start, size in zip(index, array.shape, strict=False))
        with np.errstate(invalid="ignore"):
            total += wide(kernel[index]) * padded[shifted]
    return total


# A kernel on an image.


def root(square):
    """Return the square root: exact if it is rational, else short of it by less than 2**-400."""
    square = Fraction(square)
    product = square.numerator * square.denominator
    exact = math.isqrt(product)
    if exact * exact == product:
        return Fraction(exact, square.denominator)
    return Fraction(math.isqrt(product << 800), square.denominator << 400)


def round_half_up(value):
    """Return the nearest integer, ties up."""
    return math.floor(Fraction(value) + Fraction(1, 2))


def _whole(part, divisor):
    """Return a part as Python integers, and the fraction that makes them that part again."""
    weights = [Fraction(weight) for weight in np.array(part, dtype=object).flat]
    common = math.lcm(*(weight.denominator for weight in weights))
    integers = np.array([int(weight * common) for weight in weights], dtype=object)
    return integers.reshape(np.shape(part)), 1 / (Fraction(divisor) * common)


def _combine(values, how):
    """Return the values of all parts as one."""
    if how is None:
        (value,) = values
        return value
    if how == "magnitude":
        return root(sum(value * value for value in values))
    return max(values) if how == "maximum" else sum(values)


def _is_zero_sum(weights):
    """Return whether fractions cancel."""
    return abs(sum(weights)) <= Fraction(1, 10**6) * sum(map(abs, weights))


def values_by_loops(
    pixels,
    kernel,
    *,
    padding="same",
    border="edge",
    fill=0.0,
    stride=1,
    dilation=1,
    flip=False,
    channels="each",
    range="auto",
    alpha="auto",
):
    """Compute what `apply_kernel` makes of an image, as fractions before rounding; channels come last."""
    full = FULL_SCALE[pixels.dtype.name]
    is_float = pixels.dtype.kind == "f"
    frames = "frame" in kernel.axes
    per_channel = "channel" in kernel.axes
    rank = 3 if frames else 2
    if pixels.ndim == rank:
        pixels = pixels[..., None]
    samples = np.empty(pixels.shape, dtype=object)
    for index, sample in np.ndenumerate(pixels):
        samples[index] = Fraction(float(sample)) if is_float else int(sample)
    fill = Fraction(float(fill)) * full if border == "constant" else 0

    # Every kernel as tables of (output, part, channel, *place); a shared slice has channel 0 only.
    tables = []
    for part, divisor in zip(kernel.parts, kernel.divisors, strict=True):
        weights, scale = _whole(part, divisor)
        if kernel.axes == ("column",):
            weights = weights[None, :]
        if not per_channel:
            weights = weights[None]
        if "output" not in kernel.axes:
            weights = weights[None]
        if flip:
            for axis in count(2, weights.ndim):
                weights = np.flip(weights, axis)
        tables.append((weights, scale))
    outputs = len(tables[0][0])
    lengths = tables[0][0].shape[2:]
    zero_sum = all(
        _is_zero_sum([Fraction(weight) for weight in weights[output].flat])
        for weights, _ in tables
        for output in count(outputs)
    )

    pairs = padding_pairs(padding, lengths, dilation)
    options = {"border": border, "stride": stride, "dilation": dilation}
    # A border that is made up, black or not, is opaque.
    ground = {"border": "constant" if border == "zero" else border, "fill": full}

    # Alpha.
    has_alpha = pixels.shape[-1] in (2, 4) and alpha != "plain"
    if alpha == "auto":
        alpha = "keep" if zero_sum or max(lengths) == 1 else "premultiply"
    opacity = samples[..., -1] if has_alpha else None
    colours = samples[..., :-1] if has_alpha else samples
    premultiplied = None
    if has_alpha and alpha == "premultiply":
        premultiplied = colours * opacity[..., None]

    def parts_of(array, filling, output):
        """Return the results of all parts, each of shape (*places, channels)."""
        results = []
        for weights, scale in tables:
            slices = weights[output]
            sums = [
                correlate_by_loops(
                    array[..., channel], slices[channel if per_channel else 0], pairs, fill=filling, **options
                )
                * scale
                for channel in count(array.shape[-1])
            ]
            if per_channel or channels in ("sum", "mean"):
                total = sum(sums[1:], sums[0])
                sums = [total / len(sums) if channels == "mean" else total]
            results.append(np.stack(sums, axis=-1))
        return results

    def opacity_of(output):
        """Return alpha as the kernel sees it: weighted, but of the scale it had."""
        (weights, _) = tables[0]
        total = 0
        for table in weights[output]:
            total = total + correlate_by_loops(opacity, table, pairs, **{**options, **ground})
        return total * Fraction(1, int(sum(weights[output].flat)))

    values = []
    new_opacity = None
    for output in count(outputs):
        parts = parts_of(colours, fill, output)
        if premultiplied is not None:
            new_opacity = opacity_of(output)
            weighted = parts_of(premultiplied, fill * full, output)
            for part, heavy in zip(parts, weighted, strict=True):
                for place in np.ndindex(*new_opacity.shape):
                    if is_float or round_half_up(new_opacity[place]) > 0:
                        part[place] = heavy[place] / new_opacity[place]
        value = np.empty(parts[0].shape, dtype=object)
        for place in np.ndindex(*value.shape):
            value[place] = _combine([part[place] for part in parts], kernel.combine)
        values.append(value + Fraction(kernel.offset) * full)
    result = np.concatenate(values, axis=-1)

    # Range.
    if range == "auto":
        range = kernel.range
    if range == "auto":
        bare = len(kernel.parts) == 1 and kernel.offset == 0
        range = "absolute" if zero_sum and bare else "clip"
    if range == "absolute":
        result = abs(result)
    elif range == "signed":
        result = (result + full) * Fraction(1, 2)
    elif range == "stretch" and result.size:
        low, high = min(result.flat), max(result.flat)
        result = (result - low) * (Fraction(full) / (high - low) if high > low else 0)
    if not has_alpha or alpha == "drop":
        return result
    if new_opacity is None:  # kept: what stands under the anchor
        reach = [step * (length - 1) for step, length in zip(each_axis(dilation, rank), lengths, strict=True)]
        anchor = np.ones((1,) * rank, dtype=object)  # one weight, where the anchor of the kernel is
        shrunk = [
            (before - each // 2, after - (each - each // 2))
            for (before, after), each in zip(pairs, reach, strict=True)
        ]
        new_opacity = correlate_by_loops(opacity, anchor, shrunk, stride=stride, **ground)
    return np.concatenate([result, new_opacity[..., None]], axis=-1)


def settle(values, dtype):
    """Round to nearest, ties up, and saturate at the limits of an integer type."""
    limits = np.iinfo(dtype)
    result = np.empty(values.shape, dtype=dtype)
    for index, value in np.ndenumerate(values):
        result[index] = min(max(round_half_up(value), limits.min), limits.max)
    return result


def distance_to_tie(value):
    """Return how far a value is from the nearest n + 1/2."""
    return abs(Fraction(value) - math.floor(value) - Fraction(1, 2))
