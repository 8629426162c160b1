"""One filter of a chain: its weights, and all decisions that can be made before filtering."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np

from convfilter.convolution.borders import border_fill
from convfilter.convolution.execute import available_threads
from convfilter.convolution.plan import Plan, exact_type, make_plan
from convfilter.errors import ShapeError
from convfilter.filtering.blend import LUMA
from convfilter.filtering.quantize import Finish, Levels, decode
from convfilter.geometry import Axis, axes_of
from convfilter.kernels import Kernel
from convfilter.kernels.kernel import ZERO_SUM
from convfilter.options import Border, Channels, FilterOptions, Range

# Largest error of a sum, in levels of 8 or 16 bits: results may only differ near a tie.
_TOLERANCE = 0.0005


class FilterBank(NamedTuple):
    """The weights of one filter, int64 or float64, over a common divisor (1 for floats).

    Their axes are output channels, parts, channels that are summed (1 if none are), frames, rows, columns.
    """

    weights: np.ndarray
    divisor: int
    summed: bool
    luma: bool = False  # sums lightness, and each channel's distance from it is added

    def made_of(self, count: int) -> int:
        """Return how many colour channels come out of `count`."""
        return len(self.weights) if self.summed and not self.luma else count

    @property
    def integer(self) -> bool:
        """Whether sums over integers are exact."""
        return self.weights.dtype.kind == "i"

    @property
    def largest_sum(self) -> int | float:
        """The largest ``sum |w|`` of any output and part."""
        sums = np.abs(self.weights).sum(axis=(2, 3, 4, 5)).max()
        return int(sums) if self.integer else float(sums)

    @property
    def totals(self) -> np.ndarray:
        """The sums of weights by output and part; sums that are zero but for rounding errors are 0."""
        totals: np.ndarray = self.weights.sum(axis=(2, 3, 4, 5))
        totals[np.abs(totals) <= ZERO_SUM * np.abs(self.weights).sum(axis=(2, 3, 4, 5))] = 0
        return totals

    def scaled(self, factor: Fraction) -> FilterBank:
        """Return the bank whose results are larger by a factor; integers stay integers if possible."""
        largest = int(np.abs(self.weights).max()) * self.weights.size if self.integer else 2**53
        top, bottom = (Fraction(factor) / self.divisor).as_integer_ratio()
        if largest * top < 2**53 and bottom < 2**53:
            return self._replace(weights=self.weights * top, divisor=bottom)
        return self._replace(weights=self.weights * (top / bottom), divisor=1)


def filter_bank(kernel: Kernel, channels: Channels, count: int, flip: bool) -> FilterBank:
    """Return a kernel's weights for an image of `count` colour channels; `channels` as in `apply_kernel`."""
    own = "channel" in kernel.axes
    weights, divisor = _common_divisor(kernel)
    # Every kernel gets the same six axes.
    absent = [axis for axis in ("output", "channel", "frame", "row", "column") if axis not in kernel.axes]
    order = ["output", "part", "channel", "frame", "row", "column"]
    present = ["part", *kernel.axes]
    weights = weights.transpose([present.index(axis) for axis in order if axis in present])
    weights = np.expand_dims(weights, [order.index(axis) for axis in absent])
    if flip:
        weights = np.flip(weights, (3, 4, 5))
    if own and weights.shape[2] != count:
        raise ShapeError(
            f"kernel '{kernel.name}' needs {weights.shape[2]} channels, and the image has {count}: "
            "use an image or a kernel with as many"
        )
    if channels in ("luma", "gray"):
        if count == 1:  # grey is lightness
            channels = "each"
        elif count != len(LUMA):
            raise ShapeError(
                f"channels '{channels}' are for red, green and blue or grey, and the image has {count}: "
                "use channels 'each' or 'mean'"
            )
    if channels != "each":
        factors = np.array(LUMA if channels in ("luma", "gray") else (1,) * count)
        weights = np.repeat(weights, count, axis=2) * factors[:, np.newaxis, np.newaxis, np.newaxis]
        scale = 1 if channels == "sum" else int(factors.sum())
        if weights.dtype.kind == "i":
            divisor *= scale
        else:
            weights = weights / scale
    return FilterBank(weights, divisor, own or channels != "each", luma=channels == "luma")


def _common_divisor(kernel: Kernel) -> tuple[np.ndarray, int]:
    """Stack all parts, as integers over their divisors' least common multiple where that is exact."""
    parts, divisors = np.stack(kernel.arrays()), np.array(kernel.divisors)
    each_part = (slice(None), *(np.newaxis,) * (parts.ndim - 1))
    if kernel.is_integer:
        common = math.lcm(*map(int, kernel.divisors))
        factors = [common // int(divisor) for divisor in kernel.divisors]
        largest = int(np.abs(parts).max()) * max(map(abs, factors))
        if largest * parts[0].size < 2**53 > common:
            return parts * np.array(factors)[each_part], common
    return parts / divisors[each_part], 1


class Layer(NamedTuple):
    """A filter and all decisions about it, made from options and the type and shape of the samples."""

    bank: FilterBank
    axes: tuple[Axis, ...]  # frames, rows, columns
    shape: tuple[int, ...]  # (T, H, W, C) of the colours that come out
    border: Border
    fill: float  # of a constant border, in units of the image
    combine: str | None
    offset: Fraction  # in units of the result
    range: Range  # any but ``auto``
    depth: Levels  # of the image
    result: Levels  # to which the weights bring it
    target: np.dtype[Any]  # type of the result; a float type for unrounded values
    linear: bool  # encode the result from linear light
    premultiply: bool  # use alpha as a weight of the colours
    bound: float  # the largest magnitude of a value before the division; infinite for floats
    lift: Fraction  # factor from thousandths of lightness to sums
    inside: bool  # no value can leave 0..full scale
    plan: Plan
    threads: int | None

    @property
    def rounds(self) -> bool:
        """Whether results are integers."""
        return self.target.kind in "iu"

    @property
    def adds_up(self) -> bool:
        """Whether sums and results are integers."""
        return self.plan.dtype.kind in "iu" and self.rounds


def make_layer(
    kernel: Kernel,
    colours: tuple[Sequence[int], np.dtype[Any]],
    options: FilterOptions,
    depth: Levels,
    chosen: Range,
    threads: int | None = None,
    *,
    last: bool = True,
    premultiply: bool = False,
    missing: bool = False,
) -> Layer:
    """Decide everything about one filter for colours of a shape (T, H, W, C) and a type.

    `chosen` is the range, any but ``auto``.
    """
    (*sizes, count), dtype = colours
    bank = filter_bank(kernel, options.channels, count, options.flip)
    asked = depth.result(options.depth)
    result, target = (asked, asked.dtype) if last else (depth, depth.unrounded(asked))
    if chosen == "raw" and last:
        target = np.dtype(np.float32)
    if result.full != depth.full:
        bank = bank.scaled(Fraction(result.full) / Fraction(depth.full))
    weights, largest_sum = bank.weights, bank.largest_sum
    axes = filter_axes(sizes, kernel, options)
    if bank.luma and any(axis.output != axis.size for axis in axes):
        raise ShapeError(
            "channels 'luma' add to every sample, and the size changes: "
            "use padding 'same' and stride 1, or channels 'gray'"
        )
    offset = kernel.exact_offset * Fraction(result.full)
    fill = border_fill(options.border, options.fill) * depth.full
    if options.linear:
        fill = float(decode(np.array([fill]), depth, np.dtype(np.float64))[0])
    negative = bool((weights < 0).any())
    exact = dtype.kind in "iu" and fill.is_integer()
    work: np.dtype[Any] | None
    # The largest term of a sum: a sample, or a product of colour and alpha.
    largest = max(depth.full, -float(np.iinfo(dtype).min) if exact else 0.0, abs(fill))
    largest *= depth.full if premultiply else 1
    parts = weights.shape[1] if kernel.combine == "sum" else 1
    # A sample of thousandths of lightness, times this, is on the scale of the sums.
    lift = Fraction(result.full) / Fraction(depth.full) * bank.divisor / sum(LUMA)
    lifted = 2 * float(lift) * sum(LUMA) * largest if bank.luma else 0.0
    bound = math.inf
    if depth.integer:
        bound = float(largest * largest_sum * (1 if premultiply else parts)) + lifted
    if exact and bank.integer:
        most = int(max(float(largest * largest_sum * parts) + lifted, largest, largest_sum))
        work = exact_type(most, negative=negative or bank.luma or dtype.kind == "i" or fill < 0)
    else:
        work = None
    linear = options.linear and last
    if work is None and not premultiply and not depth.integer:
        work = np.dtype(np.float64) if asked.integer else dtype
    elif work is None:
        # In float32 the roundings of a sum grow like a random walk; the curve of sRGB enlarges those near
        # black.
        steep = 12.92 if linear and negative else 1.0
        error = steep * 2.0**-24 * bound * (1 + 0.5 * weights[0, 0].size ** 0.5)
        narrow = not premultiply and depth.dtype.itemsize == 1 and target.itemsize in (1, 4)
        enlarged = chosen in ("stretch", "raw") or not result.integer
        work = np.dtype(np.float32 if narrow and not enlarged and error < _TOLERANCE else np.float64)
    # A mean of samples with weights of one sign stays inside.
    inside = (
        not (premultiply or negative or kernel.combine or offset or bank.luma)
        and dtype in (np.uint8, np.uint16)
        and chosen in ("clip", "absolute")
        and 0 <= fill <= depth.full
        and depth.full * largest_sum <= result.full * bank.divisor * (1 + 1e-6)
    )
    tolerance = _TOLERANCE
    if work == np.float64:  # what is computed in double precision passes through no other type
        tolerance = min(tolerance, 2.0**-40 * bound)
    if bank.summed:
        weights = _premultiplied_weights(weights) if premultiply else weights
        kernels = list(weights.reshape(-1, *weights.shape[2:]))
        plan_axes, carried = (Axis(weights.shape[2], weights.shape[2]), *axes), 1
    else:
        kernels = list(weights.reshape(-1, *weights.shape[3:]))
        plan_axes, carried = axes, 2 * count + 1 if premultiply else count
    # Rounding errors of a Fourier transform would also change windows without missing samples.
    strategy = "direct" if missing else None
    plan = make_plan(
        plan_axes,
        kernels,
        carried,
        work,
        bound=bound,
        tolerance=tolerance,
        strategy=strategy,
        alone=available_threads(threads) == 1,
    )
    return Layer(
        bank=bank,
        axes=axes,
        shape=(*(axis.output for axis in axes), bank.made_of(count)),
        border=options.border,
        fill=fill,
        combine=kernel.combine,
        offset=offset,
        range=chosen,
        depth=depth,
        result=result,
        target=target,
        linear=linear,
        premultiply=premultiply,
        bound=bound,
        lift=lift,
        inside=inside,
        plan=plan,
        threads=threads,
    )


def _premultiplied_weights(weights: np.ndarray) -> np.ndarray:
    """Return weights (O, P, C, ...) as those, (O, 3 P, 2 C + 1, ...), for a planar `PremultipliedSource`.

    Each part becomes three: premultiplied colours, alpha, and plain colours.
    """
    outputs, parts, count, *window = weights.shape
    spread = np.zeros((outputs, parts, 3, 2 * count + 1, *window), weights.dtype)
    spread[:, :, 0, :count] = weights
    spread[:, :, 1, count] = weights.sum(axis=2)
    spread[:, :, 2, count + 1 :] = weights
    return spread.reshape(outputs, 3 * parts, 2 * count + 1, *window)


def filter_axes(shape: Sequence[int], kernel: Kernel, options: FilterOptions) -> tuple[Axis, ...]:
    """Return the axes of frames, rows and columns; numbers among the options are for rows and columns."""
    padding = options.padding if isinstance(options.padding, str) else "same"
    frames = axes_of(shape[0], kernel.frames, padding=padding)
    rows_columns = axes_of(
        shape[1:],
        (kernel.height, kernel.width),
        padding=options.padding,
        stride=options.stride,
        dilation=options.dilation,
        anchor=kernel.anchor_of(flip=options.flip),
    )
    return frames + rows_columns


def finish_of(layer: Layer, totals: np.ndarray | None) -> Finish:
    """Return the arithmetic after the sums, for every range but ``stretch``.

    `totals` are for premultiplied colours and means of what is there: they are divided, and not integers.
    """
    divisor, bound = (layer.bank.divisor, layer.bound) if totals is None else (1, math.inf)
    add, divide = layer.offset * divisor, divisor
    if layer.range == "signed":
        add, divide = add + int(layer.result.full) * divisor, 2 * divisor
    return Finish(
        levels=layer.result,
        target=layer.target,
        bound=bound,
        combine=layer.combine,
        add=Fraction(add),
        divide=Fraction(divide),
        absolute=layer.range == "absolute",
        saturate=layer.range != "raw",
        linear=layer.linear,
        inside=layer.inside,
        loose=layer.rounds and not layer.depth.integer,
        exact=layer.adds_up and _rounds_twice(layer, totals),
        whole=layer.adds_up and not layer.premultiply,
        samples=(layer.depth.low, layer.depth.high),
    )


def _rounds_twice(layer: Layer, totals: np.ndarray | None) -> bool:
    """Return whether floats may put a value made of integers on the wrong side of a tie.

    They cannot where exact integers, or the root of one, are divided once: all values but ties are then
    farther from a tie than a rounding error.
    """
    bound, divisor, top = layer.bound, layer.bank.divisor, layer.result.full + 1
    quotients = totals is not None or layer.combine == "magnitude"
    if not quotients and bound >= 2**49:
        return not layer.linear
    if layer.linear or layer.result.dtype.itemsize > 2:
        return False
    if layer.range == "stretch" or (quotients and layer.offset):
        return quotients or bound * top >= 2**51
    if totals is None:
        return quotients and ((divisor * top) ** 2 >= 2**46 or bound**2 >= 2**51)
    factor = max(max(abs(each), divisor) // math.gcd(each, divisor) for each in totals.ravel().tolist())
    return layer.combine in ("magnitude", "sum") or bound * factor * max(top / layer.depth.full, 1) >= 2**51
