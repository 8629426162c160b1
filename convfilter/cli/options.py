"""Options that commands share: how values are written, and headings in the help."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import click

from convfilter.errors import ConvfilterError
from convfilter.geometry import BORDERS, PADDINGS, Padding, PerAxis
from convfilter.kernels import Kernel, get_kernel, load_kernels
from convfilter.messages import brief, complain, propose
from convfilter.vocabulary import ALPHAS, CHANNELS, DEPTHS, MAX_PIXELS, RANGES

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from convfilter.filtering import FilterOptions

__all__ = [
    "BORDERS_DRAWN",
    "HeadedCommand",
    "as_border",
    "as_padding",
    "as_pair",
    "chosen_filter",
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


class _HeadedOption(click.Option):
    """An option under a heading of the help page."""

    def __init__(self, *args: Any, heading: str = "Options", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.heading = heading


class HeadedCommand(click.Command):
    """A command whose help lists options under headings, in the order of their first use."""

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
    """Return Click's decorator for an option under a heading."""
    return click.option(*names, cls=_HeadedOption, heading=heading, **settings)


def _numbers(text: str, sign: str) -> tuple[int, ...]:
    """Return one or two integers of up to 9 digits with `sign` between them; nothing for anything else."""
    parts = text.split(sign)
    fits = len(parts) <= 2 and all(part.isdecimal() and len(part) <= 9 for part in parts)
    return tuple(map(int, parts)) if fits else ()


def as_pair(ctx: click.Context, param: click.Parameter, value: str) -> PerAxis:
    """Read ``N``, or ``N,M`` for rows and columns; both at least 1."""
    numbers = _numbers(value, ",")
    if not numbers:
        raise click.BadParameter(f"{brief(value)} is not a number N or two, N,M (rows, columns)", ctx, param)
    if min(numbers) < 1:
        raise click.BadParameter(f"{brief(value)}: it must be at least 1", ctx, param)
    return numbers if len(numbers) == 2 else numbers[0]


def as_padding(ctx: click.Context, param: click.Parameter, value: str | None) -> Padding | None:
    """Read ``same``, ``valid``, ``full``, ``N`` or ``N,M``."""
    if value is None or value in PADDINGS:
        return value
    numbers = _numbers(value, ",")
    if not numbers:
        hint = propose(value, PADDINGS)
        raise click.BadParameter(
            f"unknown padding {brief(value)}{hint}: give a name, N, or N,M (rows, columns)", ctx, param
        )
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
    """Return the kernels, including the user's, whose names begin with `incomplete`."""
    from click.shell_completion import CompletionItem

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
    """Return -k."""
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
    """Return --kernels."""
    return option(
        "--kernels",
        "kernel_file",
        metavar="FILE",
        is_eager=True,
        help="A TOML file of your own kernels, laid over the shipped ones.",
    )


def json_option(heading: str = "Options") -> _Decorator:
    """Return --json."""
    return option("--json", "as_json", is_flag=True, heading=heading, help="Print JSON instead of text.")


def sampling_options(heading: str) -> _Decorator:
    """Return --stride and --dilation."""
    shared = {"metavar": "N|N,M", "default": "1", "show_default": True, "callback": as_pair}
    return _all_of([
        option(f"--{name}", **shared, heading=heading, help=f"Distance between two {what}, rows and columns.")
        for name, what in (("stride", "outputs"), ("dilation", "weights"))
    ])  # fmt: skip


def filtering_options(heading: str) -> _Decorator:
    """Return the options on how to filter, except those on frames."""

    def choice(name: str, values: Sequence[str], text: str, *more: str) -> _Decorator:
        kind = click.Choice(values)
        return option(
            name, *more, type=kind, default=values[0], show_default=True, heading=heading, help=text
        )

    padding = option(
        "--padding",
        default="same",
        callback=as_padding,
        heading=heading,
        metavar="same|valid|full|N|N,M",
        help="Border made on each side, rows and columns.  [default: same]",
    )
    border = option(
        "--border",
        default="edge",
        callback=as_border,
        heading=heading,
        metavar="MODE",
        help=f"What the border is made of: {', '.join(_PLAIN_BORDERS)} or constant=V, "
        "drawn below.  [default: edge]",
    )
    flip, linear = (
        option(f"--{name}", is_flag=True, heading=heading, help=text)
        for name, text in (
            ("flip", "True convolution: turn the kernel by 180 degrees first."),
            ("linear", "Filter in linear light (sRGB decoded and encoded again)."),
        )
    )
    return _all_of((
        padding,
        border,
        sampling_options(heading),
        flip,
        choice("--channels", CHANNELS, "Each colour channel on its own, all summed into one, or their mean."),
        choice("--range", RANGES, "What becomes of values outside 0..full scale; auto is the kernel's own "
               "choice.", "range_"),
        choice("--alpha", ALPHAS, "What becomes of transparency; auto weighs colours with it, but keeps it "
               "for edge filters."),
        linear,
    ))  # fmt: skip


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
    """Return the options on how images are read."""
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
    """Return one decorator for several."""

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
    """Return ``WxH`` as (height, width), ``N`` as (length,), None for anything else."""
    return _numbers(text.lower(), "x")[::-1] or None


def chosen_filter(
    options: dict[str, Any], further: tuple[Kernel, ...] = ()
) -> tuple[tuple[Kernel, ...], FilterOptions]:
    """Return the kernels, then `further` ones, and how to filter, from options as Click passes them."""
    from convfilter.filtering import FilterOptions, check_options

    known = load_kernels(options["kernel_file"])
    kernels = (*(get_kernel(name, known) for name in options["kernels"]), *further)
    border, fill = options["border"]
    if not 0 <= fill <= 1 and not options.get("quiet"):
        complain(
            f"warning: --border constant={fill:g} is {fill:g} times full scale: V is a fraction, "
            "such as constant=0.5"
        )
    same_names = ("padding", "stride", "dilation", "flip", "channels", "alpha", "linear")
    filtering = FilterOptions(
        border=border,
        fill=fill,
        range=options["range_"],
        depth=options.get("depth"),
        **{name: options[name] for name in same_names},
    )
    check_options(filtering, kernels)
    return kernels, filtering
