"""Make ``commands.md``, every command with every option, out of the program's own help."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from convfilter.cli import cli

PAGE = Path(__file__).resolve().with_name("commands.md")
SETTINGS: dict[str, Any] = {
    "terminal_width": 100,
    "max_content_width": 100,
    "help_option_names": ["-h", "--help"],
}

HEAD = """\
# Commands

This page shows what `convfilter COMMAND --help-all` prints; `--help` prints only the everyday options, on one
screen. Sizes are width x height; positions are row, column, counted from 0.
"""


def page() -> str:
    """Return the page."""
    parts = [HEAD]
    with click.Context(cli, info_name="convfilter", **SETTINGS) as above:
        for name in cli.list_commands(above):
            command = cli.get_command(above, name)
            assert command is not None
            with click.Context(command, info_name=name, parent=above, **SETTINGS) as context:
                parts.append(f"## {name}\n\n```text\n{click.Command.get_help(command, context)}\n```\n")
    return "\n".join(parts)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
