"""Kernel files of every kind: one table says how each is read and written, and what it can hold."""

from __future__ import annotations

import codecs
import io
import os
import re
import stat
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from convfilter.errors import KernelError, brief, counted, did_you_mean, escaped
from convfilter.kernels.kernel import (
    AXES,
    NAME,
    NAMES,
    FieldError,
    Kernel,
    blaming,
    choice,
    flat,
    shape_of,
    with_own_sums,
)
from convfilter.kernels.matrix import NUMBER, parse_rows

_LARGEST, _LARGEST_ARRAY = 2**20, 2**26  # bytes
_MAGIC = b"\x93NUMPY"
_LEVELS = 255  # offsets of libvips count 8-bit levels
AXES_OF_ARRAYS = {1: "column", 2: "row,column", 4: "output,channel,row,column"}
_NUMBERS_FIRST = rb"\s*(?:#[^\n]*\n\s*)*" + NUMBER.encode() + rb"(?:[\s,]|$)"

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

_Find: TypeAlias = Callable[[str, Mapping[str, Kernel]], Kernel]
_Reader: TypeAlias = Callable[[bytes, str, _Find], dict[str, Kernel]]


def is_kernel_file(path: str) -> bool:
    """Return whether a name ends as those of kernel files do."""
    return _extension(path) in FORMATS


def _extension(path: str | os.PathLike[str]) -> str:
    return os.path.splitext(os.fsdecode(path))[1].lower()


def read_content(path: str | os.PathLike[str], *, pipe: bool = True) -> bytes:
    """Return the content of a kernel file, which may be a pipe unless that is excluded."""
    try:
        # Checked before opening: a terminal or a device may never end.
        mode = os.stat(path).st_mode
        if not (stat.S_ISREG(mode) or stat.S_ISFIFO(mode)):
            raise ValueError("neither a regular file nor a pipe")
        if stat.S_ISFIFO(mode) and not pipe:
            raise ValueError("a pipe: load it with --kernels, and choose one of its kernels by name")
        with open(path, "rb") as stream:
            content = stream.read(_LARGEST + 1)
            largest = _LARGEST_ARRAY if content.startswith(_MAGIC) else _LARGEST
            content += stream.read(largest - _LARGEST)
        if len(content) > largest:
            raise ValueError(f"larger than {largest >> 20} MiB")
        return content
    except FileNotFoundError:
        raise KernelError(f"{escaped(path)}: no such file") from None
    except (OSError, ValueError) as error:  # a ValueError also for a null character in the name
        raise KernelError(f"{escaped(path)}: {getattr(error, 'strerror', None) or error}") from None


def parse_kernels(content: bytes, path: str | os.PathLike[str], find: _Find) -> dict[str, Kernel]:
    """Return all kernels of a file, in the format of its extension or, if that is unknown, its content.

    The first error refuses the whole file. `find` looks up a kernel that another is made from, also among
    those of the file.
    """
    name, extension = os.fsdecode(path), _extension(path)
    if extension not in FORMATS:
        numbers = ".txt" if re.match(_NUMBERS_FIRST, content) else ".toml"
        extension = ".npy" if content.startswith(_MAGIC) else numbers
    try:
        read, *_ = FORMATS[extension]
        return read(content, name, find)
    except UnicodeDecodeError:
        mend = "use a TOML file of kernels, or rows of numbers"
        raise KernelError(f"{escaped(path)}: holds no text: {mend}") from None
    except KernelError as error:
        raise KernelError(f"{escaped(path)}: {error}") from None


def _single(read: Callable[[bytes], dict[str, Any]]) -> _Reader:
    """Return the reader of files that hold the fields of one kernel, but not its name."""

    def parse(content: bytes, path: str, _: _Find) -> dict[str, Kernel]:
        name = _name_of(path)
        try:
            return {name: Kernel(name, **read(content))}
        except FieldError as error:
            raise error.renamed(parts="", divisors="scale") from None

    return parse


def _name_of(path: str) -> str:
    """Return the stem of a file, changed where it cannot be the name of a kernel."""
    stem = os.path.splitext(os.path.basename(path))[0]
    name = re.sub(r"[^A-Za-z0-9_.+-]+", "-", stem).lstrip("_.+-")[:64]
    return name if re.fullmatch(NAME, name) else "kernel"


def encode_kernel(kernel: Kernel, path: str) -> bytes:
    """Return a kernel as a file of the format that a name ends in; what that cannot hold is refused."""
    extension = _extension(path)
    _, write, axes, holds = FORMATS[extension]
    for field, what, present in (
        ("parts", f"{len(kernel.parts)} parts", len(kernel.parts) > 1),
        ("axes", f"the axes {','.join(kernel.axes)}", ",".join(kernel.axes) not in axes),
        ("offset", f"an offset of {kernel.offset:g}", kernel.offset != 0),
        ("range", f"the range '{kernel.range}'", kernel.range not in ("auto", kernel.usual_range)),
        ("anchor", "an anchor", kernel.anchor is not None),
    ):
        if present and field not in holds:
            raise KernelError(f"{extension} cannot hold {what} of '{kernel.name}': write a .toml file")
    return write(kernel._replace(name=_name_of(path)))


def _text(content: bytes) -> str:
    """Return the content of a text file, without the mark that Windows begins it with."""
    return content.removeprefix(codecs.BOM_UTF8).decode()


def _read_array(content: bytes) -> dict[str, Any]:
    import numpy as np

    try:
        array = np.lib.format.read_array(io.BytesIO(content))
    except Exception as error:  # numpy's parser raises a good dozen of classes
        raise KernelError(f"unusable .npy data ({brief(str(error))})") from None
    if array.dtype.kind not in "iufb" or array.ndim not in AXES_OF_ARRAYS or not array.size:
        fault = f"an array of {array.dtype.name} and shape {brief(array.shape)} is not a kernel"
        raise KernelError(f"{fault}: use axes row, column, or output, channel, row, column")
    values = array.astype(np.float64) if array.dtype.kind == "f" else array
    return {"parts": (values.tolist(),), "axes": tuple(AXES_OF_ARRAYS[array.ndim].split(","))}


def _write_array(kernel: Kernel) -> bytes:
    import numpy as np

    stream, (array,), (divisor,) = io.BytesIO(), kernel.arrays(), kernel.divisors
    np.save(stream, array if divisor == 1 else array / divisor)
    return stream.getvalue()


def _read_rows(content: bytes) -> dict[str, Any]:
    lines = [line.partition("#")[0] for line in _text(content).splitlines()]
    return {"parts": (parse_rows([line for line in lines if line.strip()]),)}


def _rows_of(kernel: Kernel, divisor: float, separator: str) -> bytes:
    weights = [repr(each if divisor == 1 else each / divisor) for each in flat(kernel.parts)]
    rows = (weights[start : start + kernel.width] for start in range(0, len(weights), kernel.width))
    return "".join(f"{separator.join(row)}\n" for row in rows).encode()


def _read_vips(content: bytes) -> dict[str, Any]:
    """Read ``W H [scale [offset]]`` and the rows."""
    if content.startswith(b"MATLAB"):
        raise KernelError("a file of MATLAB, not of libvips: save the matrix as .csv or .npy")
    first, *rows = [line for line in _text(content).splitlines() if line.strip()] or [""]
    (head,) = parse_rows([first])
    if not 2 <= len(head) <= 4:
        raise KernelError("the first line must be: width height [scale [offset]]")
    width, height, scale, offset = head + [1, 0][len(head) - 2 :]
    table = parse_rows(rows)
    if [len(row) for row in table] != [width] * len(table) or len(table) != height:
        lengths = ", ".join(map(str, sorted({len(row) for row in table}))) or "no"
        found = f"{counted(len(table), 'row')} of {lengths} numbers"
        raise KernelError(f"the first line says {width}x{height}, width x height, but below it: {found}")
    return {"parts": (table,), "divisors": (scale,), "offset": offset / _LEVELS}


def _write_vips(kernel: Kernel) -> bytes:
    offset = kernel.exact_offset * _LEVELS
    level = offset.numerator if offset.denominator == 1 else float(offset)
    head = f"{kernel.width} {kernel.height} {kernel.divisors[0]!r} {level!r}\n"
    return head.encode() + _rows_of(kernel, 1, " ")


def _read_tables(content: bytes, _: str, find: _Find) -> dict[str, Kernel]:
    """Read a TOML file, which has a table for each kernel."""
    import tomllib  # here, because sizes need no named kernel

    text = _text(content)
    if deep := re.search(_DEEP_KEY, text):
        line = text.count("\n", 0, deep.start()) + 1
        raise KernelError(f"line {line}: a key of more than 16 parts; those of kernels have one")
    try:
        tables = tomllib.loads(text)
    except RecursionError:
        raise KernelError("tables nested too deeply") from None
    except (ValueError, OverflowError) as error:
        raise KernelError(escaped(str(error), longest=200)) from None
    kernels: dict[str, Kernel] = {}
    for name, table in tables.items():
        try:
            kernels[name] = _kernel_of(name, table, lambda spec: find(spec, kernels))
        except FieldError as error:
            raise KernelError(f"[{escaped(name, longest=80)}] {error}") from None
    return kernels


def _kernel_of(name: str, table: Any, find: Callable[[str], Kernel]) -> Kernel:
    """Return the kernel of one table; a FieldError names the key."""
    if not re.fullmatch(NAME, name):
        raise FieldError("name", NAMES)
    if not isinstance(table, dict):
        raise FieldError("table", f"expected a table, got {brief(table)}")
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
    fields = _generated(table, find) if form == "generator" else _written(table, form)
    try:
        kernel = Kernel(name, **fields, **{key: table[key] for key in _COMMON if key in table})
        return with_own_sums(kernel) if table.get("divisor") == "sum" else kernel
    except FieldError as error:
        weights = "parameters" if form == "generator" else form
        raise error.renamed(parts=weights, divisors="divisor") from None


def _generated(table: dict[str, Any], find: Callable[[str], Kernel]) -> dict[str, Any]:
    """Return the fields of a kernel that a formula makes."""
    from convfilter.kernels.generators import GENERATORS, generate  # here, because most weights are written

    with blaming("generator"):
        generator = choice(table["generator"], tuple(GENERATORS))
    with blaming("parameters"):
        return generate(generator, table.get("parameters", {}), find)


def _written(table: dict[str, Any], form: str) -> dict[str, Any]:
    """Return the fields of a kernel whose weights are written in the file."""
    parts = table[form] if form == "parts" else [table[form]]
    divisor = table.get("divisor", 1)
    if isinstance(divisor, str):
        with blaming("divisor"):
            choice(divisor, ("sum",))
        divisor = 1  # until the sums are known
    if "axes" in table:
        with blaming("axes"):
            axes = choice(table["axes"], AXES)
    else:  # they follow from the depth of the lists
        depth = len(shape_of(parts)) - 1
        if depth > 2:
            raise FieldError("axes", f"missing; lists {depth} deep need one of {' '.join(AXES[2:])}")
        axes = "column" if depth == 1 else "row,column"
    return {
        "parts": tuple(parts) if isinstance(parts, list) else parts,
        "axes": axes.split(","),
        "divisors": [divisor],
        "combine": table.get("combine"),
    }


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


_FLAT = ("column", "row,column")
_EVERYTHING = ("parts", "offset", "range", "anchor")
# How each format is read and written, and the axes and other fields of a kernel that it holds.
FORMATS: dict[str, tuple[_Reader, Callable[[Kernel], bytes], tuple[str, ...], tuple[str, ...]]] = {
    ".toml": (_read_tables, lambda kernel: table_of(kernel).encode(), AXES, _EVERYTHING),
    ".npy": (_single(_read_array), _write_array, tuple(AXES_OF_ARRAYS.values()), ()),
    ".csv": (_single(_read_rows), lambda kernel: _rows_of(kernel, kernel.divisors[0], ","), _FLAT, ()),
    ".txt": (_single(_read_rows), lambda kernel: _rows_of(kernel, kernel.divisors[0], " "), _FLAT, ()),
    ".mat": (_single(_read_vips), _write_vips, _FLAT, ("offset",)),
}
