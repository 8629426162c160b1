"""``convfilter learn``: estimate the kernel between two images and write it to a kernel file."""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from convfilter.cli.options import HeadedCommand, filter_option, json_option, option, written_size
from convfilter.cli.report import kernel_in_lines, read_named
from convfilter.errors import ConvfilterError, ImageError, OptionError, ShapeError
from convfilter.files import STREAM, check_output, refuse_input, write_output
from convfilter.kernels.kernel import NAME, NAMES
from convfilter.kernels.library import table_of
from convfilter.messages import complain, shown
from convfilter.options import Border, LearnedChannels, choices

if TYPE_CHECKING:
    from convfilter.learning import Fit, Pair

__all__ = ["command"]


@click.command(
    cls=HeadedCommand,
    short_help="Find the kernel that turns one picture into another.",
    epilog="Apply what was learned with 'convfilter apply PICTURE --kernels KERNELS.toml -k NAME'.",
)
@click.argument("pictures", nargs=-1, metavar="[BEFORE AFTER]")
@option("--size", required=True, metavar="WxH", help="Size of the kernel; a bare W has columns only.")
@option("-o", "--output", metavar="FILE", help="The kernel file to make; '-' is stdout.")
@option("--name", default="learned", show_default=True, help="What the kernel is called.")
@option("--overwrite", is_flag=True, help="Replace FILE if it exists.")
@option("--pair", "pairs", nargs=2, multiple=True, metavar="BEFORE AFTER", help="One more pair; repeat it.")
@option(
    "--channels",
    type=click.Choice(choices(LearnedChannels)),
    default="each",
    show_default=True,
    help="One kernel for every colour channel, one that sums them into one, or a mix for each channel.",
)
@option("--offset", is_flag=True, help="Find an offset too.")
@option("--linear", is_flag=True, help="Find the kernel for 'apply --linear', which works in linear light.")
@option(
    "--ridge",
    type=float,
    default=0.0,
    show_default=True,
    help="Pull weights that the pictures tell little of towards zero: 1e-6 is a little.",
)
@filter_option(
    "border",
    heading="Options",
    help="What stood past the edge; used only where samples are too few without it.",
)
@json_option()
@option("-q", "--quiet", is_flag=True, help="Print errors only.")
def command(
    pictures: tuple[str, ...],
    size: str,
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
    """Find the kernel that turns one picture into another.

    Example: convfilter learn before.png after.png --size 5x5 -o mine.toml --name vintage
    """
    named = _named_pairs(pictures, pairs)
    window = _window(size)
    if not re.fullmatch(NAME, name):
        raise OptionError(f"--name {shown(name)!r}: {NAMES}")
    if border[1]:
        raise click.UsageError("a constant border other than 0 is not learned with: give --border zero")
    if output is not None:
        refuse_input(output, [each for pair in named for each in pair])
        check_output(output, overwrite=overwrite)

    from convfilter.learning import check_window, fit_pairs

    check_window(window)
    mode: Border = "zero" if border[0] == "constant" else border[0]
    fit = fit_pairs(
        [_read_pair(pair, window, channels, mode, linear=linear, quiet=quiet) for pair in named],
        offset=offset,
        ridge=ridge,
        bare=len(window) == 1,
        name=name,
        summary=_summary(named, linear=linear),
    )
    if output is not None:
        table = f"# Residual {_residual(fit)}\n{table_of(fit.kernel)}".encode()
        write_output(output, lambda stream: stream.write(table), overwrite=overwrite)
    for warning in fit.warnings if not quiet else ():
        complain(f"warning: {warning}")
    if as_json:
        click.echo(json.dumps(_as_object(fit, channels, output, linear)), err=output == STREAM)
    elif not quiet:
        click.echo("\n".join(_as_text(fit, output, linear)), err=output == STREAM)


def _named_pairs(pictures: Sequence[str], pairs: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    context = click.get_current_context()
    if len(pictures) not in (0, 2):
        raise click.UsageError("give two pictures, BEFORE and AFTER; further ones with --pair", context)
    named = [(pictures[0], pictures[1])] if pictures else []
    named += pairs
    if not named:
        raise click.UsageError("no pictures: give BEFORE and AFTER, or --pair BEFORE AFTER", context)
    return named


def _window(size: str) -> tuple[int, ...]:
    window = written_size(size)
    if window is None or min(window) < 1:
        raise click.UsageError(
            f"--size {shown(size)!r} is no size: give WxH, such as 5x5", click.get_current_context()
        )
    return window


def _read_pair(
    names: tuple[str, str],
    window: Sequence[int],
    channels: LearnedChannels,
    border: Border,
    *,
    linear: bool,
    quiet: bool,
) -> Pair:
    from convfilter.learning import make_pair, planes_of

    planes = []
    for name in names:
        picture = read_named(name, quiet=quiet)
        try:
            planes.append(planes_of(picture.pixels, alpha=picture.mode != "CMYK", linear=linear))
        except ConvfilterError as error:
            raise ImageError(f"{shown(name)}: {error}") from None
    try:
        return make_pair(planes[0], planes[1], window, channels=channels, border=border)
    except (ImageError, ShapeError) as error:
        raise ImageError(f"{shown(names[0])} and {shown(names[1])}: {error}") from None


def _summary(named: Sequence[tuple[str, str]], *, linear: bool) -> str:
    """Return the summary of the kernel's table: file names without folders, which are private."""
    before, after = (os.path.basename(each) for each in named[0])
    others = f" and {len(named) - 1} more" if len(named) > 1 else ""
    light = ", in linear light" if linear else ""
    return f"Learned from {shown(before)} and {shown(after)}{others}{light}"


def _residual(fit: Fit) -> str:
    """Return the residual in words."""
    where = f"on {fit.held_out:,} samples held out" if fit.held_out else "on the samples it was learned from"
    psnr = "exact" if math.isinf(fit.psnr) else f"PSNR {fit.psnr:.1f} dB"
    return f"{fit.rms:.3g} {fit.unit} RMS, {psnr}, {where}; learned from {fit.samples:,}"


def _as_text(fit: Fit, output: str | None, linear: bool) -> list[str]:
    condition = "the pictures do not determine it" if math.isinf(fit.condition) else f"{fit.condition:.3g}"
    lines = [
        *kernel_in_lines(fit.kernel),
        f"  {'residual':<11} {_residual(fit)}",
        f"  {'gradient':<11} {fit.gradient_norm:.2g} at the solution",
        f"  {'condition':<11} {condition}",
    ]
    if output in (None, STREAM):
        return lines
    use = f"convfilter apply PICTURE --kernels {shown(str(output))} -k {fit.kernel.name}"
    use += " --linear" if linear else ""
    return [*lines, f"{shown(str(output))} is written; use it with: {use}"]


def _as_object(fit: Fit, channels: str, output: str | None, linear: bool) -> dict[str, Any]:
    kernel = fit.kernel
    return {
        "name": kernel.name,
        "size": {"width": kernel.width, "height": kernel.height},
        "channels": channels,
        "linear": linear,
        "axes": ",".join(kernel.axes),
        "weights": kernel.parts[0],
        "offset": kernel.offset,
        "rms": fit.rms,
        "unit": fit.unit,
        "psnr": None if math.isinf(fit.psnr) else fit.psnr,
        "gradient_norm": fit.gradient_norm,
        "condition": None if math.isinf(fit.condition) else fit.condition,
        "uncertainty": None if math.isinf(fit.uncertainty) else fit.uncertainty,
        "samples": fit.samples,
        "held_out": fit.held_out,
        "output": output,
        "warnings": fit.warnings,
    }
