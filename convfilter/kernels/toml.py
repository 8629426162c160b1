"""Kernel files in TOML: the tables of kernels, read, checked and written."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from convfilter.errors import KernelError, did_you_mean, escaped
from convfilter.kernels.kernel import AXES, NAME, NAMES, FieldError, Kernel, choice, kind_of, with_own_sums

__all__ = ["Find", "parse_toml", "table_of"]

Find: TypeAlias = Callable[[str, Mapping[str, Kernel]], Kernel]
"""Finds a kernel by name, also among those of the same file that were read before."""

_PART = r"""(?:(?<![\w-])[\w-]+|"[^"\n]*"|'[^'\n]*')"""
# Time and memory of tomllib grow with the square of a key's parts, so that many are refused unparsed.
_DEEP_KEY = rf"(?a){_PART}(?:[ \t]*\.[ \t]*{_PART}){{16}}"
# The keys that can be used with each form of weights, and with all.
_FORMS = {
    "weights": ("axes", "divisor"),
    "parts": ("axes", "divisor", "combine"),
    "generator": ("parameters",),
}
_COMMON = ("summary", "source", "offset", "range", "anchor")
_KEYS = (*_FORMS, *_COMMON, "combine", "parameters", "axes", "divisor")
_WIDTH = 7  # characters of the longest key that is written, to align the values


def parse_toml(text: str, file: str, find: Find) -> dict[str, Kernel]:
    """Return all kernels of a file; the first error refuses it whole."""
    import tomllib  # here, because sizes need no named kernel

    if deep := re.search(_DEEP_KEY, text):
        line = text.count("\n", 0, deep.start()) + 1
        raise KernelError(f"{file}: line {line}: a key of more than 16 parts; those of kernels have one")
    try:
        tables = tomllib.loads(text)
    except RecursionError:
        raise KernelError(f"{file}: tables nested too deeply") from None
    except (ValueError, OverflowError) as error:
        raise KernelError(f"{file}: {escaped(str(error), longest=200)}") from None
    kernels: dict[str, Kernel] = {}
    for name, table in tables.items():
        try:
            kernels[name] = _kernel_of(name, table, lambda spec: find(spec, kernels))
        except FieldError as error:
            key = escaped(error.field, longest=80)
            raise KernelError(f"{file}: [{escaped(name, longest=80)}] {key}: {error.reason}") from None
    return kernels


def _kernel_of(name: str, table: Any, find: Callable[[str], Kernel]) -> Kernel:
    """Return the kernel of one table; a FieldError names the key, or ``name`` or ``table``."""
    if not re.fullmatch(NAME, name):
        raise FieldError("name", NAMES)
    if not isinstance(table, dict):
        raise FieldError("table", f"expected a table, got {kind_of(table)}")
    form = next((each for each in _FORMS if each in table), "weights")
    for key, value in table.items():
        if key not in _KEYS and isinstance(value, dict):
            quote = f'["{escaped(name, longest=80)}.{escaped(key, longest=80)}"]'
            raise FieldError(key, f"unknown key; a name with a dot is written in quotes: {quote}")
        if key not in _KEYS:
            raise FieldError(key, f"unknown key{did_you_mean(key, _KEYS)}")
        if key not in (form, *_FORMS[form], *_COMMON):
            raise FieldError(key, f"cannot be used with {form}")
    if form not in table:
        raise FieldError(form, f"missing; a kernel has one of {' '.join(_FORMS)}")
    common = {key: table[key] for key in _COMMON if key in table}
    if form == "generator":
        from convfilter.kernels.generators import GENERATORS, generate  # here, for most weights are written

        generator = _blamed(form, choice, table[form], tuple(GENERATORS))
        fields = _blamed("parameters", generate, generator, table.get("parameters", {}), find)
    else:
        fields = _written(table, form)
    try:
        kernel = Kernel(name, **fields, **common)
        return with_own_sums(kernel) if table.get("divisor") == "sum" else kernel
    except FieldError as error:
        keys = {"divisors": "divisor", "parts": "parameters" if form == "generator" else form}
        raise FieldError(keys.get(error.field, error.field), error.reason) from None


def _written(table: dict[str, Any], form: str) -> dict[str, Any]:
    """Return the fields of a kernel whose weights are written in the file."""
    parts = table[form] if form == "parts" else [table[form]]
    if not isinstance(parts, list) or not parts:
        what = "empty" if parts == [] else kind_of(parts)
        raise FieldError(form, f"expected a list of tables, got {what}")
    divisor = table.get("divisor", 1)
    if isinstance(divisor, str):
        _blamed("divisor", choice, divisor, ("sum",))
    return {
        "parts": tuple(parts),
        "axes": _axes(table, form, parts[0]),
        "divisors": (1 if divisor == "sum" else divisor,) * len(parts),
        "combine": table.get("combine"),
    }


def _axes(table: dict[str, Any], form: str, part: Any) -> tuple[str, ...]:
    """Return the axes as stated, or as they follow from the depth of the lists."""
    if "axes" in table:
        return tuple(str(_blamed("axes", choice, table["axes"], AXES)).split(","))
    depth, inner = 0, part
    while isinstance(inner, list) and depth < 6:
        depth, inner = depth + 1, inner[0] if inner else None
    if depth == 0:
        raise FieldError(form, f"expected a list of numbers, got {kind_of(part)}")
    if depth > 2:
        raise FieldError("axes", f"missing; lists {depth} deep need one of {' '.join(AXES[2:])}")
    return ("column",) if depth == 1 else ("row", "column")


def _blamed(key: str, check: Callable[..., Any], *arguments: Any) -> Any:
    """Return the result of a check; its refusal names the key."""
    try:
        return check(*arguments)
    except KernelError as error:
        raise FieldError(key, error) from None


def table_of(kernel: Kernel) -> str:
    """Return a kernel with weights (no formula) as TOML, from which `load_kernels` reads the same kernel."""
    name = kernel.name if re.fullmatch("[A-Za-z0-9_-]+", kernel.name) else _string(kernel.name)
    axes = "" if kernel.axes in (("row", "column"), ("column",)) else ",".join(kernel.axes)
    single, divisor = len(kernel.parts) == 1, kernel.divisors[0]
    several = len(set(kernel.divisors)) > 1
    if several and kernel.divisors != with_own_sums(kernel).divisors:
        raise KernelError(f"'{kernel.name}' has several divisors: a file holds one, or 'sum'")
    values = {
        "summary": kernel.summary and _string(kernel.summary),
        "source": kernel.source and _string(kernel.source),
        "axes": axes and _string(axes),
        "weights": single and _numbers(kernel.parts[0], _WIDTH + 3),
        "parts": not single and _numbers(kernel.parts, _WIDTH + 3),
        "combine": not single and _string(str(kernel.combine)),
        "divisor": _string("sum") if several else divisor != 1 and repr(divisor),
        "offset": kernel.offset and repr(kernel.offset),
        "range": kernel.range != "auto" and _string(kernel.range),
        "anchor": kernel.anchor and repr([*kernel.anchor]),
    }
    lines = [f"{key:<{_WIDTH}} = {value}\n" for key, value in values.items() if value]
    return f"[{name}]\n{''.join(lines)}"


def _string(text: str) -> str:
    """Return a basic string of TOML, which escapes as JSON does and one character more."""
    import json  # here, because kernels are read far more often than written

    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _numbers(table: Any, indent: int) -> str:
    """Return nested lists of numbers, one row a line."""
    if not isinstance(table[0], tuple):
        return f"[{', '.join(map(repr, table))}]"
    between = ",\n" + " " * (indent + 1)
    return f"[{between.join(_numbers(each, indent + 1) for each in table)}]"
