"""What the commands share: how values are spelt, options under headings, and help that shows them so."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import click

from convfilter.errors import ConvfilterError
from convfilter.geometry import BORDERS, PADDINGS, Padding, PerAxis
from convfilter.messages import brief, propose
from convfilter.vocabulary import ALPHAS, CHANNELS, DEPTHS, MAX_PIXELS, RANGES

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

__all__ = [
    "BORDERS_DRAWN",
    "HeadedCommand",
    "as_border",
    "as_padding",
    "as_pair",
    "complete_kernel",
    "depth_option",
    "filtering_options",
    "json_option",
    "kernel_file_option",
    "kernel_option",
    "option",
    "reading_options",
    "refuse_both",
    "sampling_options",
    "written_size",
]

BORDERS_DRAWN = (
    "Borders: edge aaa|abcd|ddd, symmetric cba|abcd|dcb, reflect dcb|abcd|cba, wrap bcd|abcd|abc, "
    "zero 000|abcd|000, constant=V vvv|abcd|vvv with V a fraction of full scale."
)

_Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

_PLAIN_BORDERS = [border for border in BORDERS if border != "constant"]
_SIZE = re.compile(r"(\d{1,9})x(\d{1,9})", re.IGNORECASE)
_LENGTH = re.compile(r"\d{1,9}")
_NUMBERS = re.compile(r"\d{1,9}(,\d{1,9})?")


class _HeadedOption(click.Option):
    """An option that stands under a heading of the help page."""

    def __init__(self, *args: Any, heading: str = "Options", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.heading = heading


class HeadedCommand(click.Command):
    """A command whose help lists options under their headings, in the order in which these first come."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write one section for each heading."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx) if isinstance(parameter, click.Option) else None
            if record is not None:
                sections.setdefault(getattr(parameter, "heading", "Options"), []).append(record)
        # --help itself belongs to the first screen.
        for heading in sorted(sections, key=lambda each: each != "Options"):
            with formatter.section(heading):
                formatter.write_dl(sections[heading])


def option(*names: str, heading: str = "Options", **settings: Any) -> _Decorator:
    """Return Click's option decorator for an option under a heading."""
    return click.option(*names, cls=_HeadedOption, heading=heading, **settings)


def as_pair(ctx: click.Context, param: click.Parameter, value: str) -> PerAxis:
    """Read ``N``, or ``N,M`` for rows and columns; both at least 1."""
    if not _NUMBERS.fullmatch(value):
        raise click.BadParameter(f"{brief(value)} is not a number N or two, N,M (rows, columns)", ctx, param)
    numbers = tuple(int(number) for number in value.split(","))
    if min(numbers) < 1:
        raise click.BadParameter(f"{brief(value)}: it must be at least 1", ctx, param)
    return numbers if len(numbers) == 2 else numbers[0]


def as_padding(ctx: click.Context, param: click.Parameter, value: str | None) -> Padding | None:
    """Read ``same``, ``valid``, ``full``, ``N`` or ``N,M``."""
    if value is None or value in PADDINGS:
        return value
    if not _NUMBERS.fullmatch(value):
        hint = propose(value, PADDINGS)
        raise click.BadParameter(
            f"unknown padding {brief(value)}{hint}: give a name, N, or N,M (rows, columns)", ctx, param
        )
    numbers = tuple(int(number) for number in value.split(","))
    return numbers if len(numbers) == 2 else numbers[0]


def as_border(ctx: click.Context, param: click.Parameter, value: str) -> tuple[str, float]:
    """Read a border mode, or ``constant=V``, as the mode and its fill."""
    mode, equals, number = value.partition("=")
    if mode not in BORDERS:
        raise click.BadParameter(f"unknown border {brief(mode)}{propose(mode, BORDERS)}", ctx, param)
    if mode != "constant":
        if equals:
            raise click.BadParameter(f"border {brief(mode)} takes no value: only constant=V does", ctx, param)
        return mode, 0.0
    try:
        fill = float(number)
    except ValueError:
        fill = math.nan
    if not math.isfinite(fill):
        mend = "give constant=V with V a fraction of full scale, such as constant=0.5"
        raise click.BadParameter(f"{brief(value)}: {mend}", ctx, param)
    return mode, fill


def complete_kernel(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Return the kernels, the user's among them, whose names begin like what was typed."""
    from click.shell_completion import CompletionItem

    from convfilter.kernels import load_kernels

    try:
        kernels = load_kernels(ctx.params.get("kernel_file"))
    except ConvfilterError:
        return []
    return [
        CompletionItem(name, help=kernel.summary)
        for name, kernel in kernels.items()
        if name.startswith(incomplete)
    ]


def kernel_option(text: str, *, required: bool = True) -> _Decorator:
    """Return the option that names one or more kernels."""
    return option(
        "-k",
        "--kernel",
        "kernels",
        metavar="KERNEL",
        shell_complete=complete_kernel,
        multiple=True,
        required=required,
        help=text,
    )


def kernel_file_option() -> _Decorator:
    """Return the option for a user's kernel file."""
    return option(
        "--kernels",
        "kernel_file",
        metavar="FILE",
        is_eager=True,
        help="A TOML file of your own kernels, laid over the shipped ones.",
    )


def json_option(heading: str = "Options") -> _Decorator:
    """Return the option for output that programs read."""
    return option("--json", "as_json", is_flag=True, heading=heading, help="Print JSON instead of text.")


def sampling_options(heading: str) -> _Decorator:
    """Return stride and dilation."""

    def add(function: Callable[..., Any]) -> Callable[..., Any]:
        for name, text in (
            ("--dilation", "Distance between two weights"),
            ("--stride", "Distance between two outputs"),
        ):
            function = option(
                name,
                metavar="N|N,M",
                default="1",
                show_default=True,
                callback=as_pair,
                heading=heading,
                help=f"{text}, rows and columns.",
            )(function)
        return function

    return add


def filtering_options(heading: str) -> _Decorator:
    """Return the options on how to filter, but those on frames."""
    each = (
        option(
            "--padding",
            default="same",
            callback=as_padding,
            heading=heading,
            metavar="same|valid|full|N|N,M",
            help="Border made on each side, rows and columns.  [default: same]",
        ),
        option(
            "--border",
            default="edge",
            callback=as_border,
            heading=heading,
            metavar="MODE",
            help=f"What the border is made of: {', '.join(_PLAIN_BORDERS)} or constant=V, "
            "drawn below.  [default: edge]",
        ),
        sampling_options(heading),
        option(
            "--flip",
            is_flag=True,
            heading=heading,
            help="True convolution: turn the kernel by 180 degrees first.",
        ),
        option(
            "--channels",
            type=click.Choice(CHANNELS),
            default="each",
            show_default=True,
            heading=heading,
            help="Each colour channel on its own, all summed into one, or their mean.",
        ),
        option(
            "--range",
            "range_",
            type=click.Choice(RANGES),
            default="auto",
            show_default=True,
            heading=heading,
            help="What becomes of values outside 0..full scale; auto is the kernel's own choice.",
        ),
        option(
            "--alpha",
            type=click.Choice(ALPHAS),
            default="auto",
            show_default=True,
            heading=heading,
            help="What becomes of transparency; auto weighs colours with it, but keeps it for edge filters.",
        ),
        option(
            "--linear",
            is_flag=True,
            heading=heading,
            help="Filter in linear light (sRGB decoded and encoded again).",
        ),
    )
    return _all_of(each)


def depth_option(heading: str) -> _Decorator:
    """Return the option for the bits of the output."""
    return option(
        "--depth",
        type=click.Choice([str(depth) for depth in DEPTHS]),
        callback=lambda ctx, param, value: int(value) if value in ("8", "16") else value,
        heading=heading,
        help="Bits of the output: full scale stays full scale, rounded once.  [default: the input's]",
    )


def reading_options(heading: str) -> _Decorator:
    """Return the options on how pictures are read."""
    return _all_of((
        option("--no-orient", is_flag=True, heading=heading, help="Leave the orientation tag alone."),
        option(
            "--max-pixels",
            type=click.IntRange(min=1),
            default=MAX_PIXELS,
            show_default=True,
            heading=heading,
            help="Refuse larger images and animations before decoding them.",
        ),
    ))  # fmt: skip


def _all_of(decorators: Sequence[_Decorator]) -> _Decorator:
    """Return one decorator that adds options in their order."""

    def add(function: Callable[..., Any]) -> Callable[..., Any]:
        for each in reversed(decorators):
            function = each(function)
        return function

    return add


def refuse_both(first: object, second: object, names: str) -> None:
    """Refuse two options that contradict each other."""
    if first and second:
        raise click.UsageError(
            f"{names} contradict each other: give one of them", click.get_current_context()
        )


def written_size(text: str) -> tuple[int, ...] | None:
    """``WxH`` as (height, width), ``N`` as (length,), None for anything else."""
    if match := _SIZE.fullmatch(text):
        return int(match[2]), int(match[1])
    return (int(text),) if _LENGTH.fullmatch(text) else None
