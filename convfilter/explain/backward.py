"""The backward pass on plain numbers: for every sample and every weight, the sum that is its gradient.

The sums are written out one by one, independently of `input_gradient` and `kernel_gradient`.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from convfilter.convolution.borders import source_index
from convfilter.errors import OptionError, counted, figure
from convfilter.explain.steps import (
    LEGEND,
    Number,
    Step,
    added,
    bracketed,
    plain,
    quotient,
    shortened,
    table_lines,
    total,
    whole,
    wrapped,
)
from convfilter.filtering.layer import filter_axes
from convfilter.geometry import Axis
from convfilter.kernels import Kernel
from convfilter.options import FilterOptions

_MOST = 100  # samples, outputs or weights whose sums are written out

_Place: TypeAlias = tuple[int, int]
_Term: TypeAlias = tuple[str, Number, Number]
"""One product of a sum, in symbols and as its two factors."""


class Backward(NamedTuple):
    """A backward pass: numbers that go in, ``x``, ``w`` and ``d``, and gradients, ``dL/dx`` and ``dL/dw``.

    A step is the sum that makes one number of a gradient, row by row. `border` says whether the border made
    some sample.
    """

    tables: dict[str, NDArray[Any]]
    steps: dict[str, list[Step]]
    border: bool


def explain_gradients(
    values: NDArray[Any], kernel: Kernel, upstream: NDArray[Any], options: FilterOptions
) -> Backward:
    """Explain the gradients by numbers (H, W) and weights, from the derivative by each output.

    The same options count as in `explain_numbers`.
    """
    if kernel.axes not in (("column",), ("row", "column")) or len(kernel.parts) > 1:
        fault = f"has {len(kernel.parts)} parts" if len(kernel.parts) > 1 else "spans channels or frames"
        raise OptionError(f"kernel '{kernel.name}' {fault}: --upstream takes one table of weights")
    axes = filter_axes((1, *values.shape), kernel, options)[1:]
    made = tuple(axis.output for axis in axes)
    if upstream.shape != made:
        found, wanted = (f"{counted(rows, 'row')} of {width}" for rows, width in (upstream.shape, made))
        mend = "use one derivative for each output"
        raise OptionError(f"--upstream: {found} for an output of {wanted}: {mend}")
    if max(values.size, upstream.size, kernel.height * kernel.width) > _MOST:
        raise OptionError(
            f"at most {_MOST} samples, outputs and weights can be shown with --upstream: use fewer --values"
        )
    weights = kernel.arrays()[0].reshape(kernel.height, kernel.width)
    divisor = kernel.divisors[0]
    # In one dimension samples are x1, x2, ..., else x[0,0], x[0,1], ...
    line = next(
        (axis for axis in (0, 1) if values.shape[axis] == weights.shape[axis] == made[axis] == 1), None
    )

    def symbol(name: str, place: _Place) -> str:
        return f"{name}[{place[0]},{place[1]}]" if line is None else f"{name}{place[1 - line] + 1}"

    by_sample: dict[_Place, list[_Term]] = {place: [] for place in np.ndindex(values.shape)}
    by_weight: dict[_Place, list[_Term]] = {place: [] for place in np.ndindex(weights.shape)}
    fill = options.fill if options.border == "constant" else 0.0
    border = False
    for (i, a, y, above), (j, b, x, beside) in itertools.product(
        *(_meetings(axis, options) for axis in axes)
    ):
        d, derivative, outside = symbol("d", (i, j)), upstream[i, j].item(), above or beside
        name, sample = figure(fill), whole(fill)
        if y >= 0 and x >= 0:
            name, sample = symbol("x", (y, x)), values[y, x].item()
            product = f"{d}*{symbol('w', (a, b))}"
            # What goes by way of the border is in brackets.
            by_sample[y, x].append((f"[{product}]" if outside else product, derivative, weights[a, b].item()))
        by_weight[a, b].append((f"{d}*[{name}]" if outside else f"{d}*{name}", derivative, sample))
        border |= outside
    tables, steps = {"x": values, "w": weights, "d": upstream}, {}
    for name, sums in (("x", by_sample), ("w", by_weight)):
        summed = [_summed(f"dL/d{symbol(name, place)}", terms, divisor) for place, terms in sums.items()]
        gradient = np.array([plain(step.value) for step in summed])
        tables[f"dL/d{name}"], steps[f"dL/d{name}"] = gradient.reshape(tables[name].shape), summed
    return Backward(tables, steps, border)


def _meetings(axis: Axis, options: FilterOptions) -> list[tuple[int, int, int, bool]]:
    """Return each output, weight as written and sample that meet on an axis, and if the border made it.

    The sample of a constant border is -1.
    """
    found = []
    for output, weight in np.ndindex(axis.output, axis.kernel):
        place = output * axis.stride - axis.before + weight * axis.dilation
        source = int(source_index(np.array(place), axis.size, options.border))
        written = axis.kernel - 1 - weight if options.flip else weight
        found.append((output, written, source, not 0 <= place < axis.size))
    return found


def _summed(name: str, terms: Sequence[_Term], divisor: Number) -> Step:
    """Add up terms: in symbols, in numbers, as products."""
    products = [derivative * factor for _, derivative, factor in terms]
    symbols = [each for each, *_ in terms]
    numbers = ["*".join(bracketed(figure(each)) for each in factors) for _, *factors in terms]
    sums = [" + ".join(shortened(symbols)), " + ".join(shortened(numbers))]
    if len(terms) > 1:
        sums.append(added(products))
    if divisor != 1:
        sums = [f"({each})" if len(terms) > 1 else each for each in sums]
        sums = [f"{each} / {figure(divisor)}" for each in sums]
    return Step(name, " = ".join(sums) if terms else "", quotient(total(products), divisor))


def backward_lines(explained: Backward) -> list[str]:
    """Return the backward pass as lines for a terminal."""
    tables, lines = explained.tables, []
    titles = {
        "x": "the input x",
        "w": "the weights w",
        "d": "the upstream d: the derivative with respect to each output",
    }
    for name, title in titles.items():
        lines += ["", title, *table_lines(tables[name])]
    for name, steps in explained.steps.items():
        lines += ["", *equations(steps), "", name, *table_lines(tables[name])]
    return [*lines, "", LEGEND] if explained.border else lines


def equations(steps: Sequence[Step], width: int = 80) -> list[str]:
    """Return each sum as an equation: in one line of a width in characters, or its sides below each other."""
    found = []
    for step in steps:
        start = f"{step.name} = "
        lines = wrapped(start, step.equation if step.formula else "0   (no output uses it)", width)
        if len(lines) > 1:
            *sides, last, value = step.equation.split(" = ")
            starts = [start, *[f"{'= ':>{len(start)}}"] * len(sides)]
            pairs = zip(starts, [*sides, f"{last} = {value}"], strict=True)
            lines = [line for each, side in pairs for line in wrapped(each, side, width)]
        found += lines
    return found


def backward_json(explained: Backward) -> str:
    """Return the backward pass as an object of JSON."""
    names = {"upstream": "d", "input_gradient": "dL/dx", "kernel_gradient": "dL/dw"}
    described = {key: explained.tables[name].tolist() for key, name in names.items()}
    for key, steps in zip(("samples", "weights"), explained.steps.values(), strict=True):
        described[key] = [step._replace(value=plain(step.value))._asdict() for step in steps]
    return json.dumps(described)
