"""Make ``architecture.md`` out of the table in CONTRIBUTING and the first line of every module."""

from __future__ import annotations

import ast
import re
from pathlib import Path

PAGE = Path(__file__).resolve().with_name("architecture.md")
ROOT = PAGE.parent.parent
PACKAGE = ROOT / "convfilter"

HEAD = """\
# Architecture

Find the module to change: first an image's path through the program, then one line for each module.

```
 command line ──▶ cli ──▶ batch: plan of all outputs
                   ▲        │
                   │        ▼  a job for each image: here, in a worker process or on a cluster
                   │      images: read ──▶ filtering ──▶ images: encode ──▶ files: rename
                   │                         │    ▲                              │
                   │                 kernels │    │ blocks                       │
                   │                         ▼    │                              │
                   │                      convolution                            │
                   └── report ◀───────────────────────────────────────────── result
```

Packages are listed in the order of [CONTRIBUTING.md](../CONTRIBUTING.md): each imports only from itself and
from those below it. `options`, `geometry` and `errors` are used everywhere.

`cli/apply` parses the options and plans all outputs with `batch`. For each image, a job reads pixels and
metadata with `images`, filters them with `filtering`, encodes the result into a temporary file and renames
it. `cli` reports the result.
"""


def packages() -> list[str]:
    """Return the names in CONTRIBUTING's table, from the top."""
    table = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").split("| package | purpose |")[1]
    return re.findall(r"^\| `(\S+?)` \|", table.split("\n\n")[0], re.MULTILINE)


def lines(paths: list[Path]) -> str:
    """Return a table of modules with the first line of each."""
    rows = ["| module | purpose |", "|---|---|"]
    for path in sorted(paths):  # `__init__.py` comes first
        text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
        purpose = text.splitlines()[0].replace("``", "`").replace("|", "\\|")
        rows.append(f"| `{path.name}` | {purpose} |")
    return "\n".join([*rows, ""])


def page() -> str:
    """Return the page."""
    folders = [name for name in packages() if name.endswith("/")]
    parts = [f"## `{name}`\n\n{lines([*(PACKAGE / name).glob('*.py')])}" for name in folders]
    single = lines([*PACKAGE.glob("[!_]*.py")])
    return "\n".join([HEAD, *parts, f"## Modules\n\n{single}"])


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
