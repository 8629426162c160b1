"""Print every text that the program may say, by module, to read them all: ``python docs/messages.py``."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent / "convfilter"


def text_of(node: ast.expr) -> str:
    """Return the text of a string, with what is filled in between braces."""
    if isinstance(node, ast.JoinedStr):
        return "".join(map(text_of, node.values))
    if isinstance(node, ast.FormattedValue):
        return f"{{{ast.unparse(node.value)}}}"
    return str(node.value) if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def texts(node: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield the line and text of each string of several words below a node, docstrings left out."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant):
            continue
        if isinstance(child, ast.JoinedStr | ast.Constant):
            text = " ".join(text_of(child).split())
            if " " in text:
                yield child.lineno, text
        else:
            yield from texts(child)


if __name__ == "__main__":
    for path in sorted(ROOT.rglob("*.py")):
        print(f"\n{path.relative_to(ROOT)}")
        for line, text in texts(ast.parse(path.read_text(encoding="utf-8"))):
            print(f"{line:5} {text}")
