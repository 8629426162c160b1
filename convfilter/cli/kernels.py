"""``convfilter kernels``: the list of kernels, or one of them in detail."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import click

from convfilter.cli import options
from convfilter.cli.report import draw, kernel_in_lines, print_result, size_in_words
from convfilter.errors import complain, counted, escaped
from convfilter.files import check_output, refuse_input, write_output
from convfilter.kernels import Kernel, Library, files_of, get_kernel
from convfilter.kernels.files import encode_kernel, is_kernel_file
from convfilter.kernels.kernel import parameters_in_words, tables_of

_PHOTOGRAPH = (3000, 4000)  # rows and columns
_OWN = "Your own"

_GROUPS = {
    "Smoothing": "identity box blur binomial-3 binomial-5 binomial-7 gaussian disk motion",
    "Sharpening": "sharpen unsharp deblur high-pass",
    "Edges by gradients": "sobel sobel-x sobel-y prewitt prewitt-x prewitt-y scharr scharr-x scharr-y farid "
    "farid-x farid-y roberts kirsch robinson gaussian-x gaussian-y gaussian-gradient",
    "Edges by second derivatives": "laplacian laplacian-8 log dog outline",
    "Relief and texture": "emboss gabor",
    "Time": "temporal-blur temporal-edge",
    "Colour": "luma sepia opponent",
}
GROUPS = {heading: names.split() for heading, names in _GROUPS.items()}

_SYMMETRIES = {
    "even": "even: rotation by 180 degrees (--flip) changes nothing",
    "odd": "odd: rotation by 180 degrees (--flip) changes the sign",
    None: "none: rotation by 180 degrees (--flip) gives another filter",
}


@click.command(cls=options.Command)
@click.argument("name", required=False, shell_complete=options.complete_kernel)
@options.add(
    "--plan sides",
    "Size of the image that the plan is for, in colour.  [default: 4000x3000]",
    "WxH",
    read=options.read_size,
)
@options.output(
    "FILE",
    "Kernel file to write, or image file to draw. Kernel files end in .toml, .npy, .csv, .txt or .mat; an "
    "image shows weights and frequency response.",
)
@options.kernel_file()
@options.json
def command(
    name: str | None,
    sides: tuple[int, ...] | None,
    output: str | None,
    overwrite: bool,
    known: Library,
    as_json: bool,
) -> None:
    """List the kernels, or show one: weights, symmetry, rank, plan, source.

    Example: convfilter kernels gaussian:sigma=2
    """
    if name is None:
        if sides is not None or output is not None:
            raise click.UsageError("--plan and -o are for one kernel: name it")
        kernels = list(known.values())
        objects = [_as_object(kernel) for kernel in kernels]
        print_result(_list(kernels), objects, as_json=as_json, output=None)
        return
    kernel = get_kernel(name, known)
    if output is not None:
        refuse_input(output, known.files + files_of(name))
        _write(kernel, output, overwrite=overwrite)
    rows, columns = (1, *(sides or _PHOTOGRAPH))[-2:]
    found = _analysed(kernel, rows, columns)
    lines = kernel_in_lines(kernel, _in_words(kernel, found, f"{columns}x{rows}"))
    objects = [_as_object(kernel) | {"weights": kernel.parts} | found]
    print_result(lines, objects, as_json=as_json, output=output)


def _list(kernels: Sequence[Kernel]) -> Iterator[str]:
    """Yield the kernels line by line, under headings."""
    longest = max(len(kernel.name) for kernel in kernels)
    grouped = {name: heading for heading, names in GROUPS.items() for name in names}
    for heading in (*GROUPS, _OWN):
        members = [kernel for kernel in kernels if grouped.get(kernel.name, _OWN) == heading]
        if members:
            yield f"{heading}:"
        for kernel in members:
            parameters = f" ({parameters_in_words(kernel)})" if kernel.parameters else ""
            summary = kernel.summary.partition(";")[0]  # the rest is shown with the kernel itself
            about = f"{size_in_words(kernel):<7} {escaped(summary)}{parameters}"
            yield f"  {kernel.name:<{longest}}  {about}".rstrip()
    yield "\n'-k gaussian:sigma=2' sets a parameter."
    yield "'convfilter kernels sobel' shows one kernel; '-o sobel.png' draws it."
    yield "'convfilter gallery photo.jpg -o sheet.png' shows the results of all on an image."


def _write(kernel: Kernel, output: str, *, overwrite: bool) -> None:
    """Write a kernel into a kernel file, or draw it."""
    if is_kernel_file(output):
        check_output(output, overwrite=overwrite)
        content = encode_kernel(kernel, output)
        write_output(output, lambda stream: stream.write(content), overwrite=overwrite)
        complain(f"written to {output}")
        return
    from convfilter.drawing.plots import kernel_plot

    draw(output, kernel_plot(kernel), overwrite=overwrite)


def _analysed(kernel: Kernel, rows: int, columns: int) -> dict[str, Any]:
    """Return what follows from the weights, and the plan for 8-bit RGB, or as many channels as needed."""
    import numpy as np

    from convfilter.convolution.execute import available_threads
    from convfilter.filtering import plan_kernel
    from convfilter.options import FilterOptions

    channels = kernel.shape[kernel.axes.index("channel")] if "channel" in kernel.axes else 3
    plan = plan_kernel(kernel, (rows, columns, channels), "uint8", FilterOptions())
    return {
        "values": _values(kernel, 255),
        "symmetry": _symmetry(kernel),
        "ranks": [int(np.linalg.matrix_rank(table)) for _, table in tables_of(kernel)],
        "plan": {
            "strategy": plan.strategy,
            "details": plan.details,
            "type": plan.dtype.name,
            "costs": {name: round(cost, 2) for name, cost in plan.costs.items()},
            "blocks": plan.blocks,
            "block": {"width": plan.block[-1], "height": plan.block[-2]},
            "threads": min(plan.blocks, available_threads()),
        },
    }


def _symmetry(kernel: Kernel) -> str | None:
    """Return ``even`` if rotation by 180 degrees changes nothing, ``odd`` if only the sign, else None."""
    import numpy as np

    rotated = tuple(number for number, axis in enumerate(kernel.axes) if axis in ("frame", "row", "column"))
    pairs = [(part, np.flip(part, rotated)) for part in kernel.arrays()]
    for name, sign in (("even", 1), ("odd", -1)):
        if all(np.allclose(part, sign * other, rtol=1e-12, atol=0) for part, other in pairs):
            return name
    return None


def _values(kernel: Kernel, full: float) -> tuple[float, float]:
    """Return bounds of the values, before the range option, for samples from 0 to `full`.

    For one part, or parts combined by sum, the bounds are attained.
    """
    parts = [part / divisor for part, divisor in zip(kernel.arrays(), kernel.divisors, strict=True)]
    if kernel.combine == "sum":
        parts = [sum(parts[1:], start=parts[0])]
    tables = [table for part in parts for table in (part if kernel.axes[0] == "output" else [part])]
    lows = [float(full * table[table < 0].sum()) for table in tables]
    highs = [float(full * table[table > 0].sum()) for table in tables]
    low, high = min(lows), max(highs)
    if kernel.combine == "magnitude":
        pairs = zip(lows, highs, strict=True)
        low, high = 0.0, math.sqrt(sum(max(-one, other) ** 2 for one, other in pairs))
    elif kernel.combine == "maximum":
        low = max(lows)
    return low + kernel.offset * full, high + kernel.offset * full


def _in_words(kernel: Kernel, found: dict[str, Any], size: str) -> dict[str, str]:
    (low, high), plan = found["values"], found["plan"]
    height, width, rank = kernel.height, kernel.width, max(found["ranks"])
    separated = f"1, a column times a row: {height} + {width} multiplications instead of {height * width}"
    whole = f"{rank} of {min(height, width)}: not a column times a row"
    costs = ", ".join(f"{name} {cost:g}" for name, cost in plan["costs"].items())
    block = "x".join(map(str, plan["block"].values()))
    return {
        "values": f"{low:.6g} .. {high:.6g} from samples 0 .. 255",
        "symmetry": _SYMMETRIES[found["symmetry"]],
        "rank": "" if min(height, width) == 1 else separated if rank == 1 else whole,
        "plan": f"{size}, 8 bits: {plan['strategy']} in {plan['type']}, {plan['details']}",
        "costs": f"{costs} (estimated, ns per sample)",
        "blocks": f"{plan['blocks']} ({block}), {counted(plan['threads'], 'thread')}",
        "source": escaped(kernel.source),
    }


def _as_object(kernel: Kernel) -> dict[str, Any]:
    frames = {"frames": kernel.frames} if "frame" in kernel.axes else {}
    return {
        "name": kernel.name,
        "summary": kernel.summary,
        "size": {"width": kernel.width, "height": kernel.height} | frames,
        "source": kernel.source,
        "axes": ",".join(kernel.axes),
        "parts": len(kernel.parts),
        "combine": kernel.combine,
        "divisors": kernel.divisors,
        "offset": kernel.offset,
        "range": kernel.range,
        "anchor": kernel.anchor,
        "zero_sum": kernel.is_zero_sum,
        "parameters": dict(kernel.parameters),
    }
