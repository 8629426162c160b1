"""``convfilter gallery``: filters side by side on one labelled sheet."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

import click

from convfilter.cli import options
from convfilter.cli.report import print_result, read_named, size_in_words
from convfilter.errors import (
    ConvfilterError,
    KernelError,
    OptionError,
    ShapeError,
    brief,
    complain,
    escaped,
    figure,
    with_name,
)
from convfilter.options import BORDERS_IN_WORDS, FilterOptions, ReadOptions, read_whole

if TYPE_CHECKING:
    import numpy as np

    from convfilter.filtering import Filtered
    from convfilter.kernels import Kernel

_DARK = 1 / 8  # of full scale: tiles that stay below are stretched
# Differences, as edge filters make them, are stretched if they span less of full scale than this, or if a
# larger share of them than this is above it.
_FAINT, _MOST_CLIPPED = 1 / 3, 1 / 10
_ENDS = (1, 99)  # percentiles: a few samples do not count
_UNSCALED = ("CMYK", "LAB")  # modes whose samples are not brightness


def _read_values(text: str) -> tuple[str, list[str]]:
    name, _, listed = text.partition("=")
    values = [value for value in listed.split(",") if value]
    if not re.fullmatch(r"[a-z]+", name) or not values:
        raise OptionError(f"{brief(text)} is not NAME=A,B,..., such as sigma=1,2,4 or border=edge,wrap")
    return name, values


@click.command(cls=options.Command, epilog=BORDERS_IN_WORDS)
@click.argument("image")
@options.kernel("Kernel to show; repeat it for more.  [default: all kernels]", required=False)
@options.output("SHEET", "Sheet to write; '-' is standard output.", required=True)
@options.add(
    "--vary",
    "Values of a parameter or option to compare. The sheet shows one kernel; repeat this option for all "
    "combinations.",
    "NAME=A,B,...",
    read=_read_values,
    multiple=True,
)
@options.add("--columns", "Tiles in a row.  [default: 3 to 6]", "N", read=read_whole)
@options.add(
    "--tile",
    "Width of a tile in pixels, 16 to 320.  [default: 240 or 320]",
    "N",
    read=partial(read_whole, least=16, most=320),
)
@options.add("--full", "Filter in full size, then shrink the results.")
@options.records(filtering=FilterOptions)
@options.kernel_file("Filtering")
@options.records(reading=ReadOptions)
@options.json
@options.quiet
def command(
    image: str,
    kernels: tuple[str, ...],
    known: Mapping[str, Kernel],
    output: str,
    overwrite: bool,
    vary: tuple[tuple[str, list[str]], ...],
    columns: int | None,
    tile: int | None,
    full: bool,
    as_json: bool,
    quiet: bool,
    filtering: FilterOptions,
    reading: ReadOptions,
) -> None:
    """Show an image and the results of filters side by side.

    The image is first shrunk to the size of a tile, so that the effect of small kernels can be seen.

    Example: convfilter gallery photo.jpg -k blur -k sobel -o sheet.png
    """
    from convfilter.drawing import check_drawing, displayed, save_drawing, shrunk
    from convfilter.drawing.sheet import Tile, contact_sheet, default_columns
    from convfilter.filtering import check_options, filter_image, resolved_range
    from convfilter.images.formats import loose_channels
    from convfilter.images.masks import with_masks, with_no_data
    from convfilter.kernels import get_kernel

    def leave_out(name: str, error: ConvfilterError) -> None:
        if kernels:
            raise error
        if not quiet:
            complain(f"{name} is left out: {error}")

    check_drawing(output, [image], overwrite=overwrite)
    # Without names, all that change an image of one frame.
    names = kernels or [name for name in known if name != "identity" and "frame" not in known[name].axes]
    trials = []
    for label, name, varied in _variations(names, vary, filtering):
        try:
            kernel = get_kernel(name, known)
            check_options(varied, [kernel])
            trials.append((label or kernel.name, kernel, varied))
        except KernelError as error:
            leave_out(name, error)
    columns = columns or default_columns(1 + sum(kernel.maps for _, kernel, _ in trials))
    width = tile or (320 if columns <= 4 else 240)
    picture = read_named(image, reading, quiet=quiet, filtering=[varied for *_, varied in trials])
    # Places of masks and regions are those of the whole image.
    full = full or any((each.mask, each.region, each.missing) != (None, None, None) for _, _, each in trials)
    small = shrunk(picture.pixels, width, picture.mode)
    rows, across = picture.pixels.shape[:2]
    source = picture.pixels if full else small
    mark = _mark(with_no_data(filtering, picture), source.dtype, source.dtype)
    shown, ends = _stretched(source, width, picture.mode, mark=mark)
    tiles = [Tile(displayed(shown, picture.mode), "original", f"{across}x{rows}{ends}")]
    for label, kernel, varied in trials:
        try:
            if "frame" in kernel.axes:
                raise ShapeError(f"kernel '{kernel.name}' spans frames, and this is a single image")
            varied = with_no_data(with_masks(varied, image, reading), picture)
            filter_again = partial(filter_image, source, picture.mode, [kernel])
            filtered, mode = filter_again(varied, count_clipped=True)
            maps = kernel.maps if loose_channels(mode) else 1
            unclear = False
            if varied.range == "auto" and maps > 1:
                # Maps are drawn on one scale, and only unscaled values show its limits.
                varied = varied._replace(range="raw")
                filtered, mode = filter_again(varied)
            elif varied.range == "auto" and _is_unclear(filtered, mode, kernel, (small, picture.mode)):
                # As floats, results are neither clipped nor rounded.
                filtered, mode = filter_again(varied._replace(depth="float"))
                unclear = True
        except ConvfilterError as error:
            leave_out(label, with_name(error, escaped(image)) if kernels else error)
            continue
        made = filtered.pixels[..., :maps] if maps > 1 else filtered.pixels
        mark = _mark(varied, source.dtype, made.dtype, raw=resolved_range(varied, kernel) == "raw")
        shown, ends = _stretched(made, width, mode, mark=mark, unclear=unclear)
        for number in range(maps):
            name = f"{label} output {number}" if maps > 1 else label
            drawn = displayed(shown[..., number] if maps > 1 else shown, mode)
            tiles.append(Tile(drawn, name, size_in_words(kernel) + ends))
    sheet = contact_sheet(tiles, columns=columns, width=width)
    save_drawing(output, sheet, overwrite=overwrite)
    height, across = sheet.shape[:2]
    if as_json or not quiet:
        line = f"{escaped(image)} -> {escaped(output)}   {len(tiles)} tiles, {across}x{height}"
        line += ", contrast stretched for display" if any(" .. " in each.note for each in tiles) else ""
        described = {"input": image, "output": output, "width": across, "height": height}
        described["tiles"] = [each.name for each in tiles]
        print_result([line], described, as_json=as_json, output=output)


def _is_unclear(filtered: Filtered, mode: str, kernel: Kernel, original: tuple[np.ndarray, str]) -> bool:
    """Return whether 8 bits show little of a result: nearly black, or differences cut off or faint."""
    import numpy as np

    from convfilter.filtering.hints import is_dark

    pixels = filtered.pixels
    if pixels.dtype != np.uint8 or mode in _UNSCALED:
        return False
    if not kernel.is_zero_sum:
        return is_dark(pixels, mode, _DARK) and not is_dark(*original, _DARK)
    colours = pixels[..., :-1] if mode in ("LA", "RGBA") else pixels
    low, high = np.percentile(colours, _ENDS)
    return high - low < 255 * _FAINT or (filtered.clipped_above or 0) > _MOST_CLIPPED


def _mark(filtering: FilterOptions, source: np.dtype, made: np.dtype, *, raw: bool = False) -> float:
    """Return the number that marks missing samples in a result, nan if there is none."""
    from convfilter.filtering.quantize import levels_of

    if not isinstance(filtering.missing, int | float):
        return math.nan
    return filtering.missing * (1 if raw else levels_of(made).full / levels_of(source).full)


def _stretched(
    made: np.ndarray, width: int, mode: str, *, mark: float, unclear: bool = False
) -> tuple[np.ndarray, str]:
    """Shrink samples; return those of more than 8 bits scaled to 0..1, and a label with the limits.

    Missing samples, which have the value `mark`, do not count. For an `unclear` result a few extreme samples
    are clipped, and the label is in 8-bit levels.
    """
    import numpy as np

    from convfilter.drawing import shrunk
    from convfilter.filtering.quantize import levels_of

    pixels = shrunk(made, width, mode)
    if pixels.dtype == np.uint8 or mode in _UNSCALED:
        return pixels, ""
    alpha = mode in ("LA", "RGBA")
    colours = (pixels[..., :-1] if alpha else pixels).astype(np.float64)
    # Shrinking blends marks with their neighbours.
    counted = colours if math.isnan(mark) else made[..., :-1] if alpha else made
    finite = counted[np.isfinite(counted) & (counted != mark)]
    low, high, *inner = np.percentile(finite, (0, 100, *_ENDS)).tolist() if finite.size else (0.0, 1.0)
    if unclear and inner[0] < inner[1]:
        low, high = inner
    shown = np.clip((colours - low) / (high - low or 1), 0, 1)
    full = levels_of(pixels.dtype).full
    if alpha:
        shown = np.concatenate([shown, pixels[..., -1:] / full], axis=-1)
    if (low, high) == (0, full):
        return shown, ""
    if unclear:
        low, high = round(255 * low, 1), round(255 * high, 1)
    return shown, f", {figure(low, 4)} black .. {figure(high, 4)} white"


def _variations(
    names: Sequence[str], vary: Sequence[tuple[str, list[str]]], filtering: FilterOptions
) -> Iterator[tuple[str, str, FilterOptions]]:
    """Yield a label, a kernel and varied for each tile: all combinations of what varies."""
    if vary and len(names) != 1:
        raise click.UsageError("--vary shows one kernel several times: name it with one -k")
    if len({key for key, _ in vary}) < len(vary):
        raise click.UsageError("--vary names the same thing twice: put all its values into one")
    for name, values in itertools.product(names, itertools.product(*(values for _, values in vary))):
        spec, changed, label = name, filtering, []
        for (key, _), value in zip(vary, values, strict=True):
            label.append(f"{key}={value}")
            if key in FilterOptions._fields:
                changed = options.changed(changed, key, value)
            else:
                spec += f"{',' if ':' in spec else ':'}{key}={value}"
        yield " ".join(label), spec, changed
