"""Kernel files: read, check and write them, and look kernels up by name."""

from __future__ import annotations

import json
import math
import os
import re
import stat
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cache
from typing import Any

from convfilter.errors import KernelError
from convfilter.kernels.checks import FieldError, choice, flat, kind_of, named
from convfilter.kernels.generators import GENERATORS, generate
from convfilter.kernels.kernel import AXES, NAME, NAMES, Kernel, is_zero_sum
from convfilter.messages import brief, nearest, propose, shown

__all__ = ["get_kernel", "load_kernels", "shipped_path", "table_of"]

_LARGEST_FILE = 2**20
_KEY = r"""(?:(?<![\w-])[\w-]+|"[^"\n]*"|'[^'\n]*')"""
# Time and memory of tomllib grow with the square of a key's parts, so that many are refused unparsed.
_DEEP_KEY = re.compile(rf"{_KEY}(?:[ \t]*\.[ \t]*{_KEY}){{16}}", re.ASCII)
_NUMBER = r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?"
_FORMS = ("weights", "parts", "generator")
_COMMON_KEYS = ("summary", "source", "offset", "range")
_KEYS = (*_FORMS, *_COMMON_KEYS, "combine", "parameters", "axes", "divisor")
_WIDTH = 7  # characters of the longest key, to align the values


class _Library(Mapping[str, Kernel]):
    """Tables by name, each with its file, made into a kernel on first use.

    A table of the shipped file is TOML text that is parsed then: most runs need one of forty.
    """

    def __init__(self, tables: dict[str, tuple[str, Any]]) -> None:
        self._tables = tables
        self._kernels: dict[str, Kernel] = {}

    def __getitem__(self, name: str) -> Kernel:
        if name not in self._kernels:
            file, table = self._tables[name]
            if isinstance(table, _Text):
                table = _parsed(table, file)[name]
            try:
                self._kernels[name] = _kernel_of(name, table)
            except FieldError as error:
                raise KernelError(f"{file}: [{named(name)}] {named(error.field)}: {error.reason}") from None
        return self._kernels[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._tables)

    def __len__(self) -> int:
        return len(self._tables)

    def __contains__(self, name: object) -> bool:
        return name in self._tables


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
    if path is None:
        return _shipped()
    file = shown(path)
    own = {name: (file, table) for name, table in _parsed(_text_of(path, file), file).items()}
    library = _Library({**_shipped()._tables, **own})
    for name in own:
        library[name]
    return library


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
    known = _shipped() if kernels is None else kernels
    if not isinstance(spec, str):
        raise KernelError(
            f"{brief(spec)} is not a kernel: give a Kernel, or a name such as 'gaussian:sigma=2'"
        )
    name, colon, text = spec.strip().partition(":")
    name = name.rstrip()
    if name not in known:
        meant = nearest(name, known)
        mend = f"did you mean {meant!r}? " if meant else ""
        raise KernelError(f"unknown kernel '{named(name)}' ({mend}'convfilter kernels' lists all)")
    kernel = known[name]
    if not colon:
        return kernel
    try:
        return _with_parameters(kernel, text)
    except FieldError as error:
        raise KernelError(f"kernel '{named(spec)}': {error.reason}") from None
    except KernelError as error:
        raise KernelError(f"kernel '{named(spec)}': {error}") from None


def shipped_path() -> str:
    """Return the path of the shipped kernels: inside the package in a wheel, else beside it."""
    # Plain `os` calls: pathlib takes longer to import than this package.
    package = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
    for folder in (package, os.path.dirname(package)):
        if os.path.isfile(path := os.path.join(folder, "kernels.toml")):
            return path
    raise KernelError(f"kernels.toml is neither in {package} nor beside it; install convfilter again")


@cache
def _shipped() -> _Library:
    path = shipped_path()
    tables = re.split(r"^(?=\[)", _text_of(path, path), flags=re.MULTILINE)[1:]
    return _Library({text[1 : text.index("]")]: (path, _Text(text)) for text in tables})


class _Text(str):
    """The text of one table, not yet parsed."""


def _text_of(path: str | os.PathLike[str], file: str) -> str:
    """Return the text of a kernel file."""
    content = None
    try:
        # Checked before opening: opening a FIFO may block forever.
        if stat.S_ISREG(os.stat(path).st_mode):
            with open(path, "rb") as stream:
                content = stream.read(_LARGEST_FILE + 1)
    except OSError as error:
        raise KernelError(f"{file}: {error.strerror or error}") from None
    except ValueError as error:  # a null character in the name
        raise KernelError(f"{file}: {error}") from None
    if content is None:
        raise KernelError(f"{file}: not a regular file")
    if len(content) > _LARGEST_FILE:
        raise KernelError(f"{file}: larger than 1 MiB")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise KernelError(f"{file}: holds no text: give a TOML file of kernels") from None


def _parsed(text: str, file: str) -> dict[str, Any]:
    """Return the tables of a kernel file, unchecked."""
    if deep := _DEEP_KEY.search(text):
        line = text.count("\n", 0, deep.start()) + 1
        raise KernelError(f"{file}: line {line}: a key of more than 16 parts; those of kernels have one")
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise KernelError(f"{file}: tables nested too deeply") from None
    except (ValueError, OverflowError) as error:
        raise KernelError(f"{file}: {shown(str(error), longest=200)}") from None


def _with_parameters(kernel: Kernel, text: str) -> Kernel:
    """Return a kernel generated again with the parameters in the text after its name."""
    if not kernel.generator:
        raise KernelError(f"'{kernel.name}' takes no parameters")
    given: dict[str, list[str]] = {}
    for piece in text.split(","):
        name, equals, value = (each.strip() for each in piece.partition("="))
        if equals and name in given:
            raise KernelError(f"{named(name)} is given twice")
        if equals:
            given[name] = [value]
        elif given:
            given[next(reversed(given))].append(name)
        else:
            parameter = next(iter(GENERATORS[kernel.generator][1]))
            raise KernelError(f"parameters are written {kernel.name}:{parameter}=VALUE")
    values = {name: [_typed_number(name, piece) for piece in pieces] for name, pieces in given.items()}
    made = generate(kernel.generator, {**kernel.parameters, **values})
    asked = ",".join(f"{name}={','.join(pieces)}" for name, pieces in given.items())
    return replace(
        kernel,
        name=f"{kernel.name}:{asked}",
        parts=(made.weights,),
        divisors=(made.divisor,),
        parameters=made.parameters,
    )


def _typed_number(name: str, text: str) -> float:
    if not re.fullmatch(_NUMBER, text):
        raise KernelError(f"{named(name)}: '{named(text)}' is not a number")
    return float(text)


def _kernel_of(name: str, table: Any) -> Kernel:
    """Return the kernel of one table; a FieldError names the key, or ``name`` or ``table``."""
    if not re.fullmatch(NAME, name):
        raise FieldError("name", NAMES)
    if not isinstance(table, dict):
        raise FieldError("table", f"{kind_of(table)} where a table of keys belongs")
    for key, value in table.items():
        if key not in _KEYS:
            raise FieldError(key, _about_unknown_key(name, key, value))
    forms = [form for form in _FORMS if form in table]
    if not forms:
        raise FieldError("weights", f"missing; a kernel has one of {' '.join(_FORMS)}")
    if len(forms) > 1:
        raise FieldError(forms[1], f"cannot stand beside {forms[0]}; a kernel has one of them")
    form = forms[0]
    common = {key: table[key] for key in _COMMON_KEYS if key in table}
    try:
        if form == "generator":
            return _generated(name, table, common)
        return _written(name, table, form, common)
    except FieldError as error:
        keys = {"divisors": "divisor", "parts": "parameters" if form == "generator" else form}
        raise FieldError(keys.get(error.field, error.field), error.reason) from None


def _about_unknown_key(name: str, key: str, value: object) -> str:
    if isinstance(value, dict):
        return f'unknown key; a name with a dot is written in quotes: ["{named(name)}.{named(key)}"]'
    return f"unknown key{propose(key, _KEYS)}"


def _generated(name: str, table: dict[str, Any], common: dict[str, Any]) -> Kernel:
    for key in ("axes", "divisor", "combine"):
        if key in table:
            raise FieldError(key, "does not go with a generator, which settles it")
    generator = _blamed("generator", choice, table["generator"], tuple(GENERATORS))
    made = _blamed("parameters", generate, generator, table.get("parameters", {}))
    return Kernel(
        name,
        parts=(made.weights,),
        divisors=(made.divisor,),
        parameters=made.parameters,
        generator=generator,
        **common,
    )


def _written(name: str, table: dict[str, Any], form: str, common: dict[str, Any]) -> Kernel:
    """Return the kernel of a table with weights or parts."""
    if "parameters" in table:
        raise FieldError("parameters", "goes with a generator only")
    if form == "weights" and "combine" in table:
        raise FieldError("combine", "goes with parts only")
    parts = table[form] if form == "parts" else [table[form]]
    if not isinstance(parts, list) or not parts:
        what = "empty" if parts == [] else kind_of(parts)
        raise FieldError(form, f"{what} where a list of tables belongs")
    axes = _axes(table, form, parts[0])
    divisor = table.get("divisor", 1)
    if isinstance(divisor, str):
        _blamed("divisor", choice, divisor, ("sum",))
    divisors = (1 if divisor == "sum" else divisor,) * len(parts)
    combine = table.get("combine")
    kernel = Kernel(name, parts=tuple(parts), axes=axes, divisors=divisors, combine=combine, **common)
    return replace(kernel, divisors=_own_sums(kernel)) if divisor == "sum" else kernel


def _axes(table: dict[str, Any], form: str, part: object) -> tuple[str, ...]:
    """Return the axes as stated, or as they follow from the depth of the lists."""
    depth = 0
    inner = part
    while isinstance(inner, list) and depth < 6:
        depth += 1
        inner = inner[0] if inner else None
    if "axes" in table:
        axes = tuple(str(_blamed("axes", choice, table["axes"], AXES)).split(","))
        if depth != len(axes) and part != []:
            raise FieldError("axes", f"{','.join(axes)} needs lists {len(axes)} deep, not {depth}")
        return axes
    if depth == 0:
        raise FieldError(form, f"{kind_of(part)} where a list of numbers belongs")
    if depth > 2:
        raise FieldError("axes", f"missing; lists {depth} deep need one of {' '.join(AXES[2:])}")
    return ("column",) if depth == 1 else ("row", "column")


def _own_sums(kernel: Kernel) -> tuple[int | float, ...]:
    """Return the sum of each part, as its divisor."""
    sums: list[int | float] = []
    for part in kernel.parts:
        weights = flat(part)
        exact = all(isinstance(weight, int) for weight in weights)
        total = sum(weights) if exact else math.fsum(weights)
        if total == 0 or (not exact and is_zero_sum(weights)):
            raise FieldError("divisor", "the weights sum to zero, so they cannot be divided by their sum")
        sums.append(total)
    return tuple(sums)


def _blamed(key: str, check: Any, *arguments: Any) -> Any:
    """Return the result of a check; its refusal names the key."""
    try:
        return check(*arguments)
    except KernelError as error:
        raise FieldError(key, str(error)) from None


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
