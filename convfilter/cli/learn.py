"""``convfilter learn``: estimate the kernel between two images and write it to a kernel file."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import click

from convfilter.cli import options
from convfilter.cli.report import kernel_in_lines, print_result, read_named
from convfilter.errors import ConvfilterError, ImageError, OptionError, ShapeError, brief, complain, escaped
from convfilter.files import STREAM, check_output, refuse_input, write_output
from convfilter.kernels.files import encode_kernel, is_kernel_file, table_of
from convfilter.kernels.kernel import NAME, NAMES
from convfilter.options import Border, LearnedChannels, ReadOptions, choices

if TYPE_CHECKING:
    from convfilter.learning import Fit
    from convfilter.learning.data import Pair


def _read_name(text: str) -> str:
    if not re.fullmatch(NAME, text):
        raise OptionError(f"{brief(text)}: {NAMES}")
    return text


def _read_window(text: str) -> tuple[int, ...]:
    return (options.read_size(text) * 2)[:2]


@click.command(
    cls=options.Command,
    epilog="Use the result with 'convfilter apply IMAGE -k KERNELS.toml'.",
)
@click.argument("images", nargs=-1, metavar="[BEFORE AFTER]")
@options.add("--size", "Size of the kernel; N is NxN.", "WxH", required=True, read=_read_window)
@options.output("FILE", "Kernel file to write; '-' is standard output.")
@options.add("--name", "Name of the kernel.", "NAME", read=_read_name, default="learned", show_default=True)
@options.add("--pair pairs", "Another pair; repeatable.", "BEFORE AFTER", nargs=2, multiple=True)
@options.add(
    "--channels",
    "How to learn from colours: each, sum or mix. each is one kernel for every channel; sum adds the "
    "channels into one; mix is a mixture for each channel.",
    type=options.Choice(choices(LearnedChannels)),
    default="each",
    show_default=True,
)
@options.add("--offset", "Estimate an offset too.")
@options.add("--linear", "Estimate in linear light, for 'apply --linear'.")
@options.add(
    "--ridge",
    "Penalty on large weights, such as 1e-6. It pulls those that the images hardly determine towards zero.",
    "R",
    type=float,
    default=0.0,
    show_default=True,
)
@options.field(
    "border",
    "Border that AFTER was made with. It is used only if there are too few samples without it.",
)
@options.json
@options.quiet
def command(
    images: tuple[str, ...],
    size: tuple[int, ...],
    output: str | None,
    name: str,
    overwrite: bool,
    pairs: tuple[tuple[str, str], ...],
    channels: LearnedChannels,
    offset: bool,
    linear: bool,
    ridge: float,
    border: tuple[Border, float],
    as_json: bool,
    quiet: bool,
) -> None:
    """Estimate the kernel that turns one image into another.

    Example: convfilter learn before.png after.png --size 5x5 -o mine.toml
    """
    if len(images) not in (0, 2):
        raise click.UsageError("name two images, BEFORE and AFTER; further ones with --pair")
    if images:
        pairs = ((images[0], images[1]), *pairs)
    if not pairs:
        raise click.UsageError("no images: name BEFORE and AFTER, or --pair BEFORE AFTER")
    if border[1]:
        raise click.UsageError("learn cannot use a constant border other than 0: use --border zero")
    if name != "learned" and output is not None and _is_nameless(output):
        raise click.UsageError(f"{escaped(output)} cannot hold --name: leave that out, or write a .toml file")
    if output is not None:
        refuse_input(output, [each for pair in pairs for each in pair])
        check_output(output, overwrite=overwrite)

    from convfilter.learning import fit_pairs
    from convfilter.learning.data import check_window

    check_window(size)
    mode: Border = "zero" if border[0] == "constant" else border[0]
    fit = fit_pairs(
        [_read_pair(pair, size, channels, mode, linear=linear, quiet=quiet) for pair in pairs],
        offset=offset,
        ridge=ridge,
        bare=len(size) == 1,
        name=name,
        summary=_summary(pairs, linear=linear),
    )
    if output is not None:
        table = f"# Residual {_residual(fit)}\n{table_of(fit.kernel)}".encode()
        content = encode_kernel(fit.kernel, output) if _is_nameless(output) else table
        write_output(output, lambda stream: stream.write(content), overwrite=overwrite)
    for warning in fit.warnings if not quiet else ():
        complain(f"warning: {warning}")
    if as_json or not quiet:
        described = _as_object(fit) | {"channels": channels, "linear": linear, "output": output}
        print_result(_as_lines(fit, output, linear), described, as_json=as_json, output=output)


def _is_nameless(output: str) -> bool:
    """Return whether a file is of a format that holds a kernel without its name."""
    return is_kernel_file(output) and not output.lower().endswith(".toml")


def _read_pair(
    names: tuple[str, str],
    window: Sequence[int],
    channels: LearnedChannels,
    border: Border,
    *,
    linear: bool,
    quiet: bool,
) -> Pair:
    from convfilter.learning.data import make_pair, planes_of

    planes = []
    for name in names:
        picture = read_named(name, ReadOptions(), quiet=quiet)
        try:
            planes.append(planes_of(picture.pixels, alpha=picture.mode != "CMYK", linear=linear))
        except ConvfilterError as error:
            raise ImageError(f"{escaped(name)}: {error}") from None
    try:
        return make_pair(planes[0], planes[1], window, channels=channels, border=border)
    except (ImageError, ShapeError) as error:
        raise ImageError(f"{escaped(names[0])} and {escaped(names[1])}: {error}") from None


def _summary(pairs: Sequence[tuple[str, str]], *, linear: bool) -> str:
    """Return the summary of the kernel's table: file names without folders, which are private."""
    before, after = (os.path.basename(each) for each in pairs[0])
    others = f" and {len(pairs) - 1} more" if len(pairs) > 1 else ""
    light = ", in linear light" if linear else ""
    return f"Learned from {escaped(before)} and {escaped(after)}{others}{light}"


def _residual(fit: Fit) -> str:
    """Return the residual in words."""
    where = f"on {fit.held_out:,} samples held out" if fit.held_out else "on the samples it was learned from"
    psnr = "exact" if math.isinf(fit.psnr) else f"PSNR {fit.psnr:.1f} dB"
    return f"{fit.rms:.3g} {fit.unit} RMS, {psnr}, {where}; learned from {fit.samples:,}"


def _as_lines(fit: Fit, output: str | None, linear: bool) -> Iterator[str]:
    condition = "the images do not determine it" if math.isinf(fit.condition) else f"{fit.condition:.3g}"
    facts = {
        "residual": _residual(fit),
        "gradient": f"{fit.gradient_norm:.2g} at the solution",
        "condition": condition,
    }
    yield from kernel_in_lines(fit.kernel, facts)
    if output not in (None, STREAM):
        file = escaped(str(output))
        chosen = f"-k {file}" if is_kernel_file(file) else f"--kernels {file} -k {fit.kernel.name}"
        use = f"convfilter apply IMAGE {chosen}{' --linear' if linear else ''}"
        yield f"wrote {file}; use it with: {use}"


def _as_object(fit: Fit) -> dict[str, Any]:
    kernel, figures = fit.kernel, fit._asdict()
    del figures["kernel"]
    return {
        "name": kernel.name,
        "size": {"width": kernel.width, "height": kernel.height},
        "axes": ",".join(kernel.axes),
        "weights": kernel.parts[0],
        "offset": kernel.offset,
        **{name: None if value == math.inf else value for name, value in figures.items()},
    }
