"""Make the manual page ``convfilter.1``, every command with every option, out of the program's own help."""

from __future__ import annotations

import re
from inspect import cleandoc
from pathlib import Path

import click

from convfilter import __version__
from convfilter.cli import cli

PAGE = Path(__file__).resolve().with_name("convfilter.1")

HEAD = rf""".TH CONVFILTER 1 "" "convfilter {__version__}"
.SH NAME
convfilter \- filter images with convolution kernels
.SH SYNOPSIS
.B convfilter
.I COMMAND
[\fIOPTIONS\fR] [\fIARGUMENTS\fR]
"""

TAIL = r""".SH ENVIRONMENT
.TP
.B CONVFILTER_THREADS
Number of threads to use; by default one for each available core.
.SH EXIT STATUS
.TP
.B 0
All images were processed, or skipped as requested.
.TP
.B 1
At least one image failed; the others were processed.
.TP
.B 2
The command line or a kernel file is wrong; nothing was written.
.PP
Ctrl\-C, SIGTERM and SIGHUP remove half\-written files; the command then dies of that signal.
"""


def roff(text: str) -> str:
    """Return plain text as roff shows it: nothing in it is a request or an escape."""
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return re.sub(r"^(?=[.'])", r"\\&", text, flags=re.MULTILINE)


def paragraphs(text: str) -> str:
    """Return paragraphs, each after an empty space."""
    return "".join(f".PP\n{roff(' '.join(each.split()))}\n" for each in cleandoc(text).split("\n\n"))


def described(command: click.Command, context: click.Context) -> str:
    """Return the section of a command."""
    _, *usage = command.get_usage(context).split()
    parts = [f".SS {roff(' '.join(usage))}\n{paragraphs(command.help or '')}"]
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context) if isinstance(parameter, click.Option) else None
        if record is not None:
            parts.append(f".TP\n\\fB{roff(record[0])}\\fR\n{roff(' '.join(record[1].split()))}\n")
    return "".join([*parts, paragraphs(command.epilog) if command.epilog else ""])


def page() -> str:
    """Return the page."""
    parts = [HEAD, ".SH DESCRIPTION\n", paragraphs(cli.help or ""), ".SH COMMANDS\n"]
    with click.Context(cli, info_name="convfilter", help_option_names=["-h", "--help"]) as above:
        for name in cli.list_commands(above):
            command = cli.get_command(above, name)
            assert command is not None
            with click.Context(command, info_name=name, parent=above) as context:
                parts.append(described(command, context))
    return "".join([*parts, TAIL])


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
