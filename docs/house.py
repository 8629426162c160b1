"""Make ``house.md``, every module with its purpose, out of the modules' own first lines."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

PAGE = Path(__file__).resolve().with_name("house.md")
ROOT = PAGE.parent.parent
PACKAGE = ROOT / "convfilter"

HEAD = """\
# The house, module by module

Rooms in the order of [the plan](../CONTRIBUTING.md), from the command line down: each imports only
from itself and from those below it. What every module says of itself in its first line is this page.
"""


def rooms() -> list[str]:
    """Return the names in the plan's table, from the top."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    table = text.split("| room | purpose |")[1].split("\n\n")[0]
    return re.findall(r"^\| `(\S+?)` \|", table, re.M)


def purpose(path: Path) -> str:
    """Return the first line of a module."""
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return text.splitlines()[0].replace("``", "`").replace("|", "\\|")


def modules(folder: Path) -> Iterator[Path]:
    """List the files of a room, its door first."""
    yield folder / "__init__.py"
    yield from sorted(path for path in folder.glob("*.py") if path.name != "__init__.py")


def page() -> str:
    """Return the page."""
    parts = [HEAD]
    single = []
    for room in rooms():
        if not room.endswith("/"):
            single.append(PACKAGE / room)
            continue
        lines = [f"| `{path.name}` | {purpose(path)} |" for path in modules(PACKAGE / room)]
        parts.append("\n".join([f"## `{room}`\n", "| module | purpose |", "|---|---|", *lines, ""]))
    lines = [f"| `{path.name}` | {purpose(path)} |" for path in single]
    parts.append("\n".join(["## Below them\n", "| module | purpose |", "|---|---|", *lines, ""]))
    return "\n".join(parts)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
