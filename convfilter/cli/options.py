"""Command-line options: built from their declarations, parsing of sizes and kernels, headings in the help."""

from __future__ import annotations

import functools
import itertools
import os
import re
from collections.abc import Callable
from inspect import cleandoc
from typing import TYPE_CHECKING, Any

import click

from convfilter.errors import ConvfilterError, OptionError, brief, complain, nearest, proposed
from convfilter.options import FilterOptions, Option, choices, declared, one_or_two, read_whole

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

_WIDEST_FLAGS = 24  # columns of the short help
_HEADINGS = ("Options", "Numbers", "Filtering", "Writing", "Reading", "Running")

_Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


class _HeadedOption(click.Option):
    """An option under a heading of `--help-all`, and in `--help` if it is an everyday one."""

    def __init__(self, *args: Any, heading: str = "Options", everyday: bool = False, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.heading, self.everyday = heading, everyday or heading == "Options"

    def short_record(self, ctx: click.Context) -> tuple[str, str]:
        """Return flags and help for a line: the first sentence, and as many values as fit."""
        values = "" if self.is_flag else self.make_metavar(ctx).strip("[]")
        while len(flags := f"{', '.join(self.opts)} {values}".rstrip()) > _WIDEST_FLAGS and "|" in values:
            values = f"{values.removesuffix('|...').rpartition('|')[0]}|..."
        return flags, str(self.help).partition(". ")[0].removesuffix(".")


def _print_all(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    """Print the page of all options, which is what Click makes."""
    if value and not ctx.resilient_parsing:
        click.echo(click.Command.get_help(ctx.command, ctx))
        ctx.exit()


_HELP_ALL = click.Option(
    ["--help-all"],
    is_flag=True,
    expose_value=False,
    is_eager=True,
    callback=_print_all,
    help="Show all options and exit.",
)


class Choice(click.Choice[Any]):
    """One of some values; for another one, the message has all, and the one that is meant."""

    def get_invalid_choice_message(self, value: Any, ctx: click.Context | None) -> str:
        """Return what is wrong with a value."""
        names = [str(each) for each in self.choices]
        meant = nearest(value, names)
        return f"{brief(value)} is not one of {', '.join(names)}" + (f" ({proposed(meant)})" if meant else "")


class Command(click.Command):
    """A command whose help lists options under headings."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse arguments; Click would take `-kernel` for `-k ernel`."""
        flags = {flag for each in self.params for flag in each.opts}
        for word in itertools.takewhile("--".__ne__, args):
            name = word.partition("=")[0]
            if name.startswith("-") and f"-{name}" in flags:
                raise click.NoSuchOption(name, ctx=ctx)
        try:
            return super().parse_args(ctx, args)
        except click.BadOptionUsage as error:
            error.ctx = ctx  # which Click leaves out
            raise

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; a kernel that looks like several rows in one is pointed out first."""
        from convfilter.kernels.matrix import one_row_hint

        for hint in map(one_row_hint, ctx.params.get("kernels") or ()):
            if hint and not ctx.params.get("quiet"):
                complain(f"hint: {hint}")
        return super().invoke(ctx)

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """Return all parameters, those that show help last."""
        return [*super().get_params(ctx), _HELP_ALL]

    def get_help(self, ctx: click.Context) -> str:
        """Return a page of one screen: what the command does, an example, and its everyday options."""
        formatter, paragraphs = ctx.make_formatter(), cleandoc(self.help or "").split("\n\n")
        self.format_usage(ctx, formatter)
        for text in (paragraphs[0], paragraphs[-1]):
            formatter.write_paragraph()
            with formatter.indentation():
                formatter.write_text(text)
        everyday = [each for each in self.params if isinstance(each, _HeadedOption) and each.everyday]
        everyday.sort(key=lambda each: _HEADINGS.index(each.heading))
        with formatter.section("Options"):
            formatter.write_dl([each.short_record(ctx) for each in everyday])
        formatter.write_paragraph()
        formatter.write_text(f"'{ctx.command_path} --help-all' lists all options.")
        return formatter.getvalue().rstrip()

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write one section for each heading."""
        every = [each for each in self.get_params(ctx) if isinstance(each, click.Option)]
        for heading in _HEADINGS:
            own = (each for each in every if getattr(each, "heading", "Options") == heading)
            if rows := list(filter(None, (each.get_help_record(ctx) for each in own))):
                with formatter.section(heading):
                    formatter.write_dl(rows)


def read_size(text: str) -> tuple[int, ...]:
    """Read ``WxH``, also with a multiplication sign or a comma, as (height, width), or ``N`` as (length,)."""
    size = one_or_two(re.sub("[,\N{MULTIPLICATION SIGN}]", "x", text.lower()), "x")[::-1]
    if not size or min(size) < 1:
        raise OptionError(
            f"{brief(text)} is not a size: use WxH, such as 28x28, with sides from 1 to 999999999"
        )
    return size


class _Read(click.types.StringParamType):
    """What a function reads from text; its `OptionError` is raised as a fault of the option."""

    def __init__(self, read: Callable[[str], Any]) -> None:
        self._read = read

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return what text stands for; what has been read stays."""
        try:
            return self._read(value) if isinstance(value, str) else value
        except OptionError as error:
            self.fail(str(error), param, ctx)


def add(
    flags: str,
    text: str,
    metavar: str | None = None,
    *,
    read: Callable[[str], Any] | None = None,
    **settings: Any,
) -> _Decorator:
    """Return Click's decorator for an option, with its help; without metavar and type it is a flag."""
    if read is not None:
        settings["type"] = _Read(read)
    if metavar is None and "type" not in settings:
        settings["is_flag"] = True
    return click.option(*flags.split(), cls=_HeadedOption, metavar=metavar, help=text, **settings)


def records(**kinds: type[tuple[Any, ...]]) -> _Decorator:
    """Add the options of records to a command, which gets each record as the parameter named here."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def command(**values: Any) -> Any:
            for parameter, kind in kinds.items():
                own = _fields({each.name: values.pop(each.name) for each in declared(kind)})
                values[parameter] = kind(**own)
            return function(**values)

        decorated: Callable[..., Any] = command
        for each in reversed([each for kind in kinds.values() for each in declared(kind)]):
            decorated = _declared_option(each)(decorated)
        return decorated

    return decorate


def field(name: str, text: str = "", **changes: Any) -> _Decorator:
    """Return an option of `FilterOptions`, an everyday one; help and settings may differ in this command."""
    field = next(each for each in declared(FilterOptions) if each.name == name)
    return _declared_option(field, text, heading="Options", **changes)


def changed(filtering: FilterOptions, name: str, text: str) -> FilterOptions:
    """Return options with one of them read from text, as the current command reads it."""
    context = click.get_current_context()
    parameter = next(each for each in context.command.params if each.name == name)
    return filtering._replace(**_fields({name: parameter.process_value(context, text)}))


def _fields(options: dict[str, Any]) -> dict[str, Any]:
    """Return options as fields of a record: the value of a constant border is read with its mode."""
    if "border" in options:
        options["border"], options["fill"] = options["border"]
    return options


def _declared_option(field: Option, text: str = "", **changes: Any) -> _Decorator:
    """Return Click's decorator for a declared option; `changes` override its settings."""
    in_words = f"  [default: {field.default_in_words}]" if field.default_in_words else ""
    settings: dict[str, Any] = {
        "heading": field.heading,
        "everyday": field.everyday,
        "default": field.default,
        "show_default": field.default is not None,
    }
    if field.type is bool:
        settings |= {"flag_value": not field.default, "show_default": False}
    elif field.read is not None or field.type is int:
        settings["read"] = field.read or read_whole
    elif values := choices(field.type):
        settings["type"] = Choice(values)
    flags = field.flags or f"--{field.name.replace('_', '-')}"
    return add(f"{flags} {field.name}", text or field.help + in_words, field.metavar, **(settings | changes))


def complete_kernel(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Return the kernels, including the user's, whose names begin with `incomplete`."""
    from click.shell_completion import CompletionItem

    from convfilter.kernels import load_kernels

    try:
        # Only files: nobody may be writing to a pipe now.
        kernels = load_kernels(*filter(os.path.isfile, ctx.params.get("known") or ()))
    except ConvfilterError:
        return []
    names = [name for name in kernels if name.startswith(incomplete)]
    return [CompletionItem(name, help=kernels.summary(name)) for name in names]


def kernel(text: str, *, required: bool = True) -> _Decorator:
    """Return --kernel, which may be repeated."""
    settings: dict[str, Any] = {"shell_complete": complete_kernel, "multiple": True, "required": required}
    return add("-k --kernel kernels", text, "KERNEL", **settings)


def _load_kernels(ctx: click.Context, param: click.Parameter, paths: tuple[str, ...]) -> Any:
    from convfilter.kernels import load_kernels

    return paths if ctx.resilient_parsing else load_kernels(*paths)


def kernel_file(heading: str = "Options") -> _Decorator:
    """Return --kernels, whose value is what `get_kernel` looks names up in."""
    text = "File of your own kernels. They replace kernels of the same name, shipped or in earlier files."
    settings: dict[str, Any] = {"multiple": True, "is_eager": True, "callback": _load_kernels}
    return add("--kernels known", text, "FILE", heading=heading, **settings)


def output(metavar: str, text: str, *, required: bool = False) -> _Decorator:
    """Return --output, and --overwrite beside it."""
    overwrite = add("--overwrite", "Replace an existing file.")
    named = add("-o --output", text, metavar, required=required)
    return lambda function: named(overwrite(function))


json = add("--json as_json", "Print JSON instead of text.", heading="Running")
quiet = add("-q --quiet", "Print errors only.", heading="Running")
