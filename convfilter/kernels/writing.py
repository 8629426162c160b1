"""A kernel as a table of a kernel file."""

from __future__ import annotations

import json
import re
from typing import Any

from convfilter.kernels.kernel import Kernel

__all__ = ["table_of"]

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_KEY = 7  # letters of the longest key, that the values stand below each other


def table_of(kernel: Kernel) -> str:
    """Return the TOML of a kernel, which `load_kernels` reads as the same one.

    Parameters
    ----------
    kernel : Kernel
        One whose weights are written down, not made by a formula.

    Returns
    -------
    str
        Lines, the last one ended too.

    Examples
    --------
    >>> print(table_of(Kernel("mean", parts=([[1, 1]],), divisors=(2,), range="clip")), end="")
    [mean]
    weights = [[1, 1]]
    divisor = 2
    range   = "clip"
    """
    name = kernel.name if _BARE.fullmatch(kernel.name) else _string(kernel.name)
    lines = [f"[{name}]"]
    lines += [
        f"{key:<{_KEY}} = {_string(text)}"
        for key, text in (("summary", kernel.summary), ("source", kernel.source))
        if text
    ]
    if kernel.axes not in (("row", "column"), ("column",)):
        lines.append(f"{'axes':<{_KEY}} = {_string(','.join(kernel.axes))}")
    if len(kernel.parts) == 1:
        lines.append(f"{'weights':<{_KEY}} = {_numbers(kernel.parts[0], _KEY + 3)}")
    else:
        lines.append(f"{'parts':<{_KEY}} = {_numbers(kernel.parts, _KEY + 3)}")
        lines.append(f"{'combine':<{_KEY}} = {_string(str(kernel.combine))}")
    if kernel.divisors[0] != 1:
        lines.append(f"{'divisor':<{_KEY}} = {kernel.divisors[0]!r}")
    if kernel.offset:
        lines.append(f"{'offset':<{_KEY}} = {kernel.offset!r}")
    if kernel.range != "auto":
        lines.append(f"{'range':<{_KEY}} = {_string(kernel.range)}")
    return "\n".join(lines) + "\n"


def _string(text: str) -> str:
    """A basic string of TOML, which escapes as JSON does and one character more."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _numbers(table: Any, indent: int) -> str:
    """Nested lists of numbers, a row a line."""
    if not isinstance(table[0], tuple):
        return f"[{', '.join(map(repr, table))}]"
    between = ",\n" + " " * (indent + 1)
    return f"[{between.join(_numbers(each, indent + 1) for each in table)}]"
