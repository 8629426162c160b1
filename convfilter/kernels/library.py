"""Kernel files: read, check and write them, and look kernels up by name."""

from __future__ import annotations

import json
import math
import os
import re
import stat
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import cache
from typing import Any

from convfilter.errors import KernelError
from convfilter.kernels.generators import GENERATORS, generate
from convfilter.kernels.kernel import (
    AXES,
    NAME,
    NAMES,
    FieldError,
    Kernel,
    choice,
    flat,
    is_zero_sum,
    kind_of,
    quoted,
)
from convfilter.messages import brief, nearest, propose, shown

__all__ = ["get_kernel", "load_kernels", "shipped_path", "table_of"]

_LARGEST_FILE = 2**20
_PART = r"""(?:(?<![\w-])[\w-]+|"[^"\n]*"|'[^'\n]*')"""
# Time and memory of tomllib grow with the square of a key's parts, so that many are refused unparsed.
_DEEP_KEY = re.compile(rf"{_PART}(?:[ \t]*\.[ \t]*{_PART}){{16}}", re.ASCII)
_NUMBER = r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?"
# The keys that can be used with each form of weights, and with all.
_FORMS = {
    "weights": ("axes", "divisor"),
    "parts": ("axes", "divisor", "combine"),
    "generator": ("parameters",),
}
_COMMON = ("summary", "source", "offset", "range")
_KEYS = (*_FORMS, *_COMMON, "combine", "parameters", "axes", "divisor")
_WIDTH = 7  # characters of the longest key that is written, to align the values


class _Library(Mapping[str, Kernel]):
    """Kernels of a file over the shipped ones, which are made on first use: most runs need one of forty."""

    def __init__(self, own: Mapping[str, Kernel]) -> None:
        self._own = own
        self._names = dict.fromkeys((*_shipped_tables(), *own))

    def __getitem__(self, name: str) -> Kernel:
        return self._own[name] if name in self._own else _shipped_kernel(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __contains__(self, name: object) -> bool:
        return name in self._names


def load_kernels(path: str | os.PathLike[str] | None = None, /) -> Mapping[str, Kernel]:
    """Read the shipped kernels, overlaid with those of a file.

    A table of the file replaces the shipped kernel of the same name completely. All tables of the
    file are checked, used or not.

    Parameters
    ----------
    path : str or path-like, optional
        A TOML file of kernels; by default only the shipped ones are read.

    Returns
    -------
    mapping of str to Kernel
        Read-only; the shipped kernels in their order, then the additional ones of the file.

    Raises
    ------
    KernelError
        If the file cannot be read, is larger than 1 MiB or contains an error. The message is
        ``FILE: [NAME] key: reason``, or ``FILE: reason`` for an error outside of tables.

    Examples
    --------
    >>> load_kernels()["binomial-3"].parts
    (((1, 2, 1), (2, 4, 2), (1, 2, 1)),)
    """
    return _Library({} if path is None else _kernels_of(_text_of(path), shown(path)))


def get_kernel(spec: str | Kernel, /, kernels: Mapping[str, Kernel] | None = None) -> Kernel:
    """Look up a kernel by name, with parameters if a formula makes it.

    Parameters
    ----------
    spec : str or Kernel
        ``NAME`` or ``NAME:parameter=value,...``; a comma without a name after it continues the
        value, so ``box:size=5,3`` is 5 wide and 3 high. A Kernel is returned unchanged.
    kernels : mapping of str to Kernel, optional
        Where to look, as `load_kernels` returns it; the shipped kernels by default.

    Raises
    ------
    KernelError
        If there is no such kernel or parameter (the message proposes the nearest one), or a value is
        outside its limits.

    Examples
    --------
    >>> get_kernel("gaussian:sigma=2").shape
    (13, 13)
    """
    if isinstance(spec, Kernel):
        return spec
    if not isinstance(spec, str):
        raise KernelError(
            f"{brief(spec)} is not a kernel: give a Kernel, or a name such as 'gaussian:sigma=2'"
        )
    known = load_kernels() if kernels is None else kernels
    name, colon, text = spec.strip().partition(":")
    name = name.rstrip()
    if name not in known:
        meant = nearest(name, known)
        mend = f"did you mean {meant!r}? " if meant else ""
        raise KernelError(f"unknown kernel {quoted(name)} ({mend}'convfilter kernels' lists all)")
    try:
        return _with_parameters(known[name], text) if colon else known[name]
    except KernelError as error:
        reason = error.reason if isinstance(error, FieldError) else error
        raise KernelError(f"kernel {quoted(spec)}: {reason}") from None


def shipped_path() -> str:
    """Return the path of the shipped kernels: inside the package in a wheel, else beside it."""
    # Plain `os` calls: pathlib takes longer to import than this package.
    package = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
    for folder in (package, os.path.dirname(package)):
        if os.path.isfile(path := os.path.join(folder, "kernels.toml")):
            return path
    raise KernelError(f"kernels.toml is neither in {package} nor beside it; install convfilter again")


@cache
def _shipped_tables() -> dict[str, str]:
    """Return the text of each shipped table by its name."""
    tables = re.split(r"^(?=\[)", _text_of(shipped_path()), flags=re.MULTILINE)[1:]
    return {text[1 : text.index("]")]: text for text in tables}


@cache
def _shipped_kernel(name: str) -> Kernel:
    return _kernels_of(_shipped_tables()[name], shipped_path())[name]


def _text_of(path: str | os.PathLike[str]) -> str:
    """Return the text of a kernel file."""
    try:
        # Checked before opening: opening a FIFO may block forever.
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise ValueError("not a regular file")
        with open(path, "rb") as stream:
            content = stream.read(_LARGEST_FILE + 1)
        if len(content) > _LARGEST_FILE:
            raise ValueError("larger than 1 MiB")
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise KernelError(f"{shown(path)}: holds no text: give a TOML file of kernels") from None
    except (OSError, ValueError) as error:  # a ValueError also for a null character in the name
        raise KernelError(f"{shown(path)}: {getattr(error, 'strerror', None) or error}") from None


def _kernels_of(text: str, file: str) -> dict[str, Kernel]:
    """Return all kernels of a file; the first error refuses it whole."""
    if deep := _DEEP_KEY.search(text):
        line = text.count("\n", 0, deep.start()) + 1
        raise KernelError(f"{file}: line {line}: a key of more than 16 parts; those of kernels have one")
    try:
        tables = tomllib.loads(text)
    except RecursionError:
        raise KernelError(f"{file}: tables nested too deeply") from None
    except (ValueError, OverflowError) as error:
        raise KernelError(f"{file}: {shown(str(error), longest=200)}") from None
    kernels = {}
    for name, table in tables.items():
        try:
            kernels[name] = _kernel_of(name, table)
        except FieldError as error:
            key = shown(error.field, longest=80)
            raise KernelError(f"{file}: [{shown(name, longest=80)}] {key}: {error.reason}") from None
    return kernels


def _kernel_of(name: str, table: Any) -> Kernel:
    """Return the kernel of one table; a FieldError names the key, or ``name`` or ``table``."""
    if not re.fullmatch(NAME, name):
        raise FieldError("name", NAMES)
    if not isinstance(table, dict):
        raise FieldError("table", f"{kind_of(table)} where a table of keys belongs")
    form = next((each for each in _FORMS if each in table), "weights")
    for key, value in table.items():
        if key not in _KEYS and isinstance(value, dict):
            quote = f'["{shown(name, longest=80)}.{shown(key, longest=80)}"]'
            raise FieldError(key, f"unknown key; a name with a dot is written in quotes: {quote}")
        if key not in _KEYS:
            raise FieldError(key, f"unknown key{propose(key, _KEYS)}")
        if key not in (form, *_FORMS[form], *_COMMON):
            raise FieldError(key, f"cannot be used with {form}")
    if form not in table:
        raise FieldError(form, f"missing; a kernel has one of {' '.join(_FORMS)}")
    common = {key: table[key] for key in _COMMON if key in table}
    if form == "generator":
        generator = _blamed(form, choice, table[form], tuple(GENERATORS))
        fields = _blamed("parameters", generate, generator, table.get("parameters", {}))
    else:
        fields = _written(table, form)
    try:
        kernel = Kernel(name, **fields, **common)
        if table.get("divisor") == "sum":
            kernel = replace(kernel, divisors=tuple(_own_sum(flat(part)) for part in kernel.parts))
        return kernel
    except FieldError as error:
        keys = {"divisors": "divisor", "parts": "parameters" if form == "generator" else form}
        raise FieldError(keys.get(error.field, error.field), error.reason) from None


def _written(table: dict[str, Any], form: str) -> dict[str, Any]:
    """Return the fields of a kernel whose weights are written in the file."""
    parts = table[form] if form == "parts" else [table[form]]
    if not isinstance(parts, list) or not parts:
        what = "empty" if parts == [] else kind_of(parts)
        raise FieldError(form, f"{what} where a list of tables belongs")
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
        raise FieldError(form, f"{kind_of(part)} where a list of numbers belongs")
    if depth > 2:
        raise FieldError("axes", f"missing; lists {depth} deep need one of {' '.join(AXES[2:])}")
    return ("column",) if depth == 1 else ("row", "column")


def _own_sum(weights: list[int | float]) -> float:
    """Return the sum of a part, as its divisor."""
    total = math.fsum(weights)
    exact = all(isinstance(weight, int) for weight in weights)
    if total == 0 or (not exact and is_zero_sum(weights)):
        raise FieldError("divisor", "the weights sum to zero, so they cannot be divided by their sum")
    return total


def _blamed(key: str, check: Callable[..., Any], *arguments: Any) -> Any:
    """Return the result of a check; its refusal names the key."""
    try:
        return check(*arguments)
    except KernelError as error:
        raise FieldError(key, error) from None


def _with_parameters(kernel: Kernel, text: str) -> Kernel:
    """Return a kernel generated again with the parameters in the text after its name."""
    if not kernel.generator:
        raise KernelError(f"'{kernel.name}' takes no parameters")
    texts: dict[str, list[str]] = {}
    for piece in re.split(r",(?=[^,]*=)", text):  # a comma without a name after it continues the value
        parameter, equals, value = (each.strip() for each in piece.partition("="))
        if not equals:
            first = next(iter(kernel.parameters), "NAME")
            raise KernelError(f"parameters are written {kernel.name}:{first}=VALUE")
        if parameter in texts:
            raise KernelError(f"{shown(parameter, longest=80)} is set twice")
        texts[parameter] = [each.strip() for each in value.split(",")]
    for parameter, values in texts.items():
        for value in values:
            if not re.fullmatch(_NUMBER, value):
                raise KernelError(f"{shown(parameter, longest=80)}: {quoted(value)} is not a number")
    numbers = {parameter: [float(value) for value in values] for parameter, values in texts.items()}
    made = generate(kernel.generator, {**kernel.parameters, **numbers})
    asked = ",".join(f"{parameter}={','.join(values)}" for parameter, values in texts.items())
    return replace(kernel, name=f"{kernel.name}:{asked}", **made)


def table_of(kernel: Kernel) -> str:
    """Return a kernel with weights (no formula) as TOML, from which `load_kernels` reads the same kernel."""
    name = kernel.name if re.fullmatch("[A-Za-z0-9_-]+", kernel.name) else _string(kernel.name)
    axes = "" if kernel.axes in (("row", "column"), ("column",)) else ",".join(kernel.axes)
    single = len(kernel.parts) == 1
    values = {
        "summary": kernel.summary and _string(kernel.summary),
        "source": kernel.source and _string(kernel.source),
        "axes": axes and _string(axes),
        "weights": single and _numbers(kernel.parts[0], _WIDTH + 3),
        "parts": not single and _numbers(kernel.parts, _WIDTH + 3),
        "combine": not single and _string(str(kernel.combine)),
        "divisor": kernel.divisors[0] != 1 and repr(kernel.divisors[0]),
        "offset": kernel.offset and repr(kernel.offset),
        "range": kernel.range != "auto" and _string(kernel.range),
    }
    lines = [f"{key:<{_WIDTH}} = {value}\n" for key, value in values.items() if value]
    return f"[{name}]\n{''.join(lines)}"


def _string(text: str) -> str:
    """Return a basic string of TOML, which escapes as JSON does and one character more."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _numbers(table: Any, indent: int) -> str:
    """Return nested lists of numbers, one row a line."""
    if not isinstance(table[0], tuple):
        return f"[{', '.join(map(repr, table))}]"
    between = ",\n" + " " * (indent + 1)
    return f"[{between.join(_numbers(each, indent + 1) for each in table)}]"
