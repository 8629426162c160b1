"""Options at the command line, made from their declarations, and headings in the help."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import click

from convfilter.errors import ConvfilterError, OptionError
from convfilter.kernels import Kernel, get_kernel, load_kernels
from convfilter.messages import brief, check_choice, complain
from convfilter.options import Declared, FilterOptions, choices, declared, one_or_two

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

__all__ = [
    "BORDERS_DRAWN",
    "HeadedCommand",
    "chosen_filter",
    "complete_kernel",
    "filter_option",
    "json_option",
    "kernel_file_option",
    "kernel_option",
    "option",
    "parsed",
    "record_options",
    "refuse_both",
    "written_size",
]

BORDERS_DRAWN = (
    "Borders: edge aaa|abcd|ddd, symmetric cba|abcd|dcb, reflect dcb|abcd|cba, wrap bcd|abcd|abc, "
    "zero 000|abcd|000, constant=V vvv|abcd|vvv with V a fraction of full scale."
)

_Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


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


def record_options(parameter: str, record: type[tuple[Any, ...]]) -> _Decorator:
    """Add the options of a record to a command, which gets them as that record."""
    fields = declared(record)

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def call(*args: Any, **values: Any) -> Any:
            options = {each.name: values.pop(each.name) for each in fields}
            return function(*args, **values, **{parameter: record(**_split(options))})

        command: Callable[..., Any] = call
        for each in reversed(fields):
            command = _declared_option(each)(command)
        return command

    return decorate


def filter_option(name: str, **changes: Any) -> _Decorator:
    """Return one of the options of `FilterOptions`; `changes` are settings that differ in this command."""
    declaration = next(each for each in declared(FilterOptions) if each.name == name)
    return _declared_option(declaration, **changes)


def _split(options: dict[str, Any]) -> dict[str, Any]:
    """Return options with the value of a constant border, which is read with the mode, on its own."""
    if isinstance(options.get("border"), tuple):
        border, fill = options["border"]
        return options | {"border": border, "fill": fill}
    return options


def _declared_option(declaration: Declared, **changes: Any) -> _Decorator:
    """Return Click's decorator for a declared option; `changes` override its settings."""
    name, kind, default, declared_as = declaration
    flags = declared_as.flags.split() or [f"--{name.replace('_', '-')}"]
    settings: dict[str, Any] = {
        "help": declared_as.help,
        "heading": declared_as.heading,
        "metavar": declared_as.metavar,
        "default": default,
        "show_default": default is not None,
    }
    if kind is bool:
        settings |= {"is_flag": True, "flag_value": not declared_as.inverted, "show_default": False}
    elif declared_as.read is not None:
        settings |= {"type": str, "callback": _reader(declaration)}
    elif kind is int:
        settings["type"] = click.IntRange(1, declared_as.largest)
    elif known := choices(kind):
        settings["type"] = click.Choice([str(each) for each in known])
        settings["callback"] = _reader(declaration)
    if declared_as.default:
        settings["help"] += f"  [default: {declared_as.default}]"
    return option(*flags, name, **(settings | changes))


def parsed(declaration: Declared, text: str) -> Any:
    """Return the value that the text of an option stands for; raises `OptionError`."""
    if declaration.option.read is not None:
        return declaration.option.read(text)
    if declaration.type is bool:
        if text not in ("on", "off"):
            raise OptionError(f"{brief(text)} is neither on nor off")
        return text == "on"
    known = {str(each): each for each in choices(declaration.type)}
    if text not in known:
        check_choice(declaration.name, text, known)
    return known[text]


def _reader(declaration: Declared) -> Callable[[click.Context, click.Parameter, Any], Any]:
    """Return a callback that reads an option's text, and names the option if it is refused."""

    def read(ctx: click.Context, param: click.Parameter, value: Any) -> Any:
        try:
            return None if value is None else parsed(declaration, str(value))
        except OptionError as error:
            raise click.BadParameter(str(error), ctx, param) from None

    return read


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


def refuse_both(first: object, second: object, names: str) -> None:
    """Refuse two options that contradict each other."""
    if first and second:
        raise click.UsageError(
            f"{names} contradict each other: give one of them", click.get_current_context()
        )


def written_size(text: str) -> tuple[int, ...] | None:
    """Return ``WxH`` as (height, width), ``N`` as (length,), None for anything else."""
    return one_or_two(text.lower(), "x")[::-1] or None


def chosen_filter(
    names: Sequence[str],
    kernel_file: str | None,
    filtering: FilterOptions,
    further: tuple[Kernel, ...] = (),
    *,
    quiet: bool = False,
) -> tuple[Kernel, ...]:
    """Return the named kernels, then `further` ones, checked against the options."""
    from convfilter.filtering import check_options

    known = load_kernels(kernel_file)
    kernels = (*(get_kernel(name, known) for name in names), *further)
    fill = filtering.fill
    if not 0 <= fill <= 1 and not quiet:
        complain(
            f"warning: --border constant={fill:g} is {fill:g} times full scale: V is a fraction, "
            "such as constant=0.5"
        )
    check_options(filtering, kernels)
    return kernels
