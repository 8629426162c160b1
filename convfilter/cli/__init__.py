"""The command line. Each command is loaded only when called, so that it starts with no more than it needs."""

from __future__ import annotations

import errno
import io
import itertools
import os
import re
import sys
from importlib import import_module
from typing import NoReturn

import click

from convfilter import __version__
from convfilter.errors import (
    ConvfilterError,
    ImageError,
    ShapeError,
    brief,
    complain,
    describe,
    escaped,
    internal_error,
    nearest,
    proposed,
)
from convfilter.options import environment_threads

_COMMANDS = {
    "apply": "Filter images, folders or standard input.",
    "explain": "Show how one output value is computed.",
    "gallery": "Show filters side by side on a labelled sheet.",
    "kernels": "List the kernels, or show one.",
    "learn": "Estimate the kernel between two images.",
    "shape": "Calculate output sizes without filtering.",
}


_TO_TRY = """\
convfilter filters images with convolution kernels. Try:

  convfilter apply photo.jpg -k sobel                   filter an image
  convfilter kernels                                    list the kernels
  convfilter explain photo.jpg -k sobel --at 120,200    show how one value is computed

'convfilter --help' lists all commands, 'convfilter COMMAND --help' describes one."""


class _Commands(click.Group):
    """Subcommands by name, each in a module of that name."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        command: click.Command = import_module(f"convfilter.cli.{cmd_name}").command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; refuse another word, with a suggestion."""
        if args[0] not in _COMMANDS and not args[0].startswith("-"):
            raise click.UsageError(f"no such command {brief(args[0])} ({_right_command(*args)})", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list without loading any of them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))


@click.group(
    cls=_Commands,
    epilog="'convfilter COMMAND --help' describes a command. 'convfilter kernels' lists the kernels.",
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(__version__, message="%(prog)s %(version)s")
def cli() -> None:
    """Filter images with convolution kernels.

    Example: convfilter apply photo.jpg --kernel sobel
    """
    environment_threads()  # refused before any work, whatever the command


_WRITE_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF)


def main() -> NoReturn:
    """Run the command line; every refusal is one line on stderr and an exit code."""
    # BLAS would start a thread for each core, which the engine has no use for.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a character that the terminal lacks is not an error
            stream.reconfigure(errors="backslashreplace")
    code = 1
    try:
        # Click itself ends quietly when the reader of stdout has gone away.
        code = cli.main(prog_name="convfilter", standalone_mode=False) or 0
        if sys.stdout is not None:
            sys.stdout.flush()
    except click.exceptions.Exit as stop:
        code = stop.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(_TO_TRY, err=True)
        code = error.exit_code
    except click.ClickException as error:
        complain(_usage(error))
        code = error.exit_code
    except ConvfilterError as error:
        complain(str(error))
        code = 1 if isinstance(error, ImageError | ShapeError) else 2
    except OSError as error:
        name = error.filename or ("standard output" if error.errno in _WRITE_ERRORS else None)
        complain(f"{f'{escaped(name)}: ' if name else ''}{describe(error)}")
    except MemoryError:
        complain("not enough memory: use a smaller image, kernel, padding or size")
    except Exception as error:
        # Click makes an `Abort` of an `EOFError`.
        complain(*internal_error((error.__cause__ or error) if isinstance(error, click.Abort) else error))
    sys.exit(code)


def _usage(error: click.ClickException) -> str:
    """Return what is wrong with the command line and what to do about it, in one line."""
    text = " ".join(error.format_message().split())
    text = text[:1].lower() + text[1:]  # Click begins its own with a capital
    context = error.ctx if isinstance(error, click.UsageError) else None
    if context is None:
        return text
    if isinstance(error, click.NoSuchOption):
        # Of `-sobel` Click only names the first letter.
        name = next((each for each in sys.argv if each.startswith(error.option_name)), error.option_name)
        text = f"no such option {escaped(name)}{_right_option(context, name.partition('=')[0])}"
    elif isinstance(error, click.MissingParameter) and isinstance(error.param, click.Option):
        text = _missing(context.command, "missing option", error.param.opts[0])
    elif isinstance(error, click.BadOptionUsage):
        text = _missing(context.command, "no value for option", error.option_name)
    remedy = ": " in text or "did you mean" in text
    return text if remedy else f"{text.rstrip('.')} (see '{context.command_path} --help')"


def _right_command(name: str, *others: str) -> str:
    """Return what to type instead of a command that does not exist."""
    import shlex

    from convfilter.guesses import COMMANDS, NOT_CONVOLUTIONS, folded, synonyms
    from convfilter.kernels import load_kernels

    kernels, word = load_kernels(), folded(name.partition(":")[0])
    if word in COMMANDS:
        right = COMMANDS[word]
        return proposed([f"{others[0]} {right}" if right == "--help" and others else right])
    if word in NOT_CONVOLUTIONS:
        return f"not a convolution: {NOT_CONVOLUTIONS[word]}"
    rest = shlex.join(others) if len(others) < 7 else "INPUT..."
    if meant := [name] if name.partition(":")[0] in kernels else synonyms(word, kernels):
        return proposed([f"apply {rest or 'INPUT'} -k {meant[0]}"])
    if meant := [] if os.path.exists(name) else nearest(name, _COMMANDS):
        return proposed(meant)
    # What resembles nothing is most likely an image.
    if others and others[0].partition(":")[0] in kernels:
        rest = f"-k {rest}"
    elif "-k" not in others:
        rest = "-k KERNEL"
    return proposed([f"apply {shlex.quote(name)} {rest}"])


def _right_option(context: click.Context, name: str) -> str:
    """Return what to do instead of using an option that the command lacks; nothing if it cannot be done."""
    from convfilter.guesses import COMMANDS, NOT_CONVOLUTIONS, OPTIONS, folded, synonyms
    from convfilter.images.formats import format_of_name
    from convfilter.kernels import load_kernels

    word, command = folded(name), context.command
    if command is cli:
        mend = proposed([COMMANDS[word]]) if word in COMMANDS else "begin with 'convfilter apply INPUT'"
        return f" before a command: {mend}"
    own = {flag: each for each in command.get_params(context) for flag in each.opts}
    if f"-{name}" in own:
        return f": {proposed([f'-{name}'])}"
    advice = OPTIONS.get(word, "")
    if any(each.name == "name" for each in command.params):  # the kernel, which is an argument
        advice = re.sub(r"-k (?=[a-z]+:)", "", advice)
    needed = re.search(r"(?<![\w-])(--?[a-z][a-z-]*)(?: ([a-z]+))?", advice)
    values = getattr(getattr(own.get(needed[1]), "type", None), "choices", None) if needed else None
    if advice and (not needed or (needed[1] in own and needed[2] in (None, *(values or [needed[2]])))):
        return f": {advice}"
    if "-k" in own and word in NOT_CONVOLUTIONS:
        return f": not a convolution: {NOT_CONVOLUTIONS[word]}"
    if "-k" in own and (kernels := synonyms(word, load_kernels())):
        return f": use -k {kernels[0]}"
    if "--format" in own and format_of_name(f"x.{word}"):
        return f": use --format {word}"
    meant = [flag for flag in own if len(name) == 2 and flag.startswith(f"-{name}")]
    meant = meant or [flag for flag in nearest(name, own) if folded(flag)[:2] == word[:2]]
    return f": {proposed(meant)}" if meant else ""


def _missing(command: click.Command, fault: str, flag: str) -> str:
    """Return the message for a missing option or value, with the command's example of it."""
    from convfilter.kernels import load_kernels

    names = load_kernels() if flag == "-k" else ()
    for before, word in itertools.pairwise(sys.argv):
        if word.partition(":")[0] in names and not before.startswith("-"):
            return f"{brief(word)} is a kernel: use -k {escaped(word)}"
    example = re.search(rf"{flag} [\w.]+", (command.help or "").rpartition("Example: ")[2])
    mend = f": add one, such as {example[0]}" if example else ""
    return f"{fault} {flag}{mend}" + ("; 'convfilter kernels' lists all kernels" if names else "")
