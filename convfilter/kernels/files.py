"""Kernel files of every kind: one table says how each is read and written, and what it can hold."""

from __future__ import annotations

import codecs
import io
import math
import os
import re
import stat
from collections.abc import Callable
from typing import Any, TypeAlias

from convfilter.errors import KernelError, brief, escaped
from convfilter.kernels.kernel import AXES, NAME, FieldError, Kernel, flat
from convfilter.kernels.matrix import NUMBER, parse_rows
from convfilter.kernels.toml import Find, parse_toml, table_of

__all__ = ["AXES_OF_ARRAYS", "FORMATS", "encode_kernel", "is_kernel_file", "parse_kernels", "read_content"]

_LARGEST, _LARGEST_ARRAY = 2**20, 2**26  # bytes
_MAGIC = b"\x93NUMPY"
_LEVELS = 255  # offsets of libvips count 8-bit levels
AXES_OF_ARRAYS = {1: "column", 2: "row,column", 4: "output,channel,row,column"}
_NUMBERS_FIRST = rb"\s*(?:#[^\n]*\n\s*)*" + NUMBER.encode() + rb"(?:[\s,]|$)"


_Reader: TypeAlias = Callable[[bytes, str, Find], dict[str, Kernel]]


def is_kernel_file(path: str) -> bool:
    """Whether a name ends as those of kernel files do."""
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


def parse_kernels(content: bytes, path: str | os.PathLike[str], find: Find) -> dict[str, Kernel]:
    """Return all kernels of a file, in the format of its extension or, if that is unknown, its content."""
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


def _single(read: Callable[[bytes], dict[str, Any]]) -> _Reader:
    """Return the reader of files that hold the fields of one kernel, but not its name."""

    def parse(content: bytes, path: str, _: Find) -> dict[str, Kernel]:
        name = _name_of(path)
        try:
            return {name: Kernel(name, **read(content))}
        except FieldError as error:
            place = {"parts": "", "divisors": "scale: "}.get(error.field, f"{error.field}: ")
            raise KernelError(f"{escaped(path)}: {place}{error.reason}") from None

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

    stream = io.BytesIO(content)
    readers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    try:
        shape, fortran, dtype = readers[np.lib.format.read_magic(stream)](stream)
        usable = dtype.kind in "iufb" and len(shape) in AXES_OF_ARRAYS and min(shape) > 0
        array = np.frombuffer(content, dtype, math.prod(shape), stream.tell()) if usable else np.empty(0)
    except Exception as error:  # numpy's parser raises a good dozen of classes
        raise FieldError("parts", f"broken .npy data ({brief(str(error))})") from None
    if not usable:
        fault = f"an array of {dtype.name} and shape {brief(shape)} is not a kernel"
        raise FieldError("parts", f"{fault}: use axes row, column, or output, channel, row, column")
    array = array.reshape(shape, order="F" if fortran else "C")
    values = array.astype(np.float64) if dtype.kind == "f" else array
    return {"parts": (values.tolist(),), "axes": tuple(AXES_OF_ARRAYS[len(shape)].split(","))}


def _write_array(kernel: Kernel) -> bytes:
    import numpy as np

    stream, (array,), (divisor,) = io.BytesIO(), kernel.arrays(), kernel.divisors
    np.save(stream, array if divisor == 1 else array / divisor)
    return stream.getvalue()


def _read_rows(content: bytes) -> dict[str, Any]:
    lines = [line.partition("#")[0] for line in _text(content).splitlines()]
    return {"parts": (_checked_rows([line for line in lines if line.strip()]),)}


def _checked_rows(lines: list[str]) -> list[list[int | float]]:
    try:
        return parse_rows(lines)
    except KernelError as error:
        raise FieldError("parts", error) from None


def _write_rows(kernel: Kernel, separator: str) -> bytes:
    (divisor,) = kernel.divisors
    return _rows_of(kernel, lambda weight: weight if divisor == 1 else weight / divisor, separator)


def _rows_of(kernel: Kernel, change: Callable[[float], float], separator: str) -> bytes:
    weights = [repr(change(each)) for each in flat(kernel.parts)]
    rows = (weights[start : start + kernel.width] for start in range(0, len(weights), kernel.width))
    return "".join(f"{separator.join(row)}\n" for row in rows).encode()


def _read_vips(content: bytes) -> dict[str, Any]:
    """Read ``W H [scale [offset]]`` and the rows."""
    if content.startswith(b"MATLAB"):
        raise FieldError("parts", "a file of MATLAB, not of libvips: save the matrix as .csv or .npy")
    first, *rows = [line for line in _text(content).splitlines() if line.strip()] or [""]
    (head,) = _checked_rows([first])
    if not 2 <= len(head) <= 4:
        raise FieldError("parts", "the first line must be: width height [scale [offset]]")
    width, height, scale, offset = head + [1, 0][len(head) - 2 :]
    table = _checked_rows(rows)
    if [len(row) for row in table] != [width] * len(table) or len(table) != height:
        lengths = ", ".join(map(str, sorted({len(row) for row in table}))) or "no"
        found = f"{len(table)} rows of {lengths} numbers follow"
        raise FieldError("parts", f"the first line says {width}x{height}, width x height, and {found}")
    return {"parts": (table,), "divisors": (scale,), "offset": offset / _LEVELS}


def _write_vips(kernel: Kernel) -> bytes:
    offset = kernel.exact_offset * _LEVELS
    level = offset.numerator if offset.denominator == 1 else float(offset)
    head = f"{kernel.width} {kernel.height} {kernel.divisors[0]!r} {level!r}\n"
    return head.encode() + _rows_of(kernel, lambda weight: weight, " ")


def _parse_toml(content: bytes, path: str, find: Find) -> dict[str, Kernel]:
    return parse_toml(_text(content), escaped(path), find)


_FLAT = ("column", "row,column")
_EVERYTHING = ("parts", "offset", "range", "anchor")
# How each format is read and written, and the axes and other fields of a kernel that it holds.
FORMATS: dict[str, tuple[_Reader, Callable[[Kernel], bytes], tuple[str, ...], tuple[str, ...]]] = {
    ".toml": (_parse_toml, lambda kernel: table_of(kernel).encode(), AXES, _EVERYTHING),
    ".npy": (_single(_read_array), _write_array, tuple(AXES_OF_ARRAYS.values()), ()),
    ".csv": (_single(_read_rows), lambda kernel: _write_rows(kernel, ","), _FLAT, ()),
    ".txt": (_single(_read_rows), lambda kernel: _write_rows(kernel, " "), _FLAT, ()),
    ".mat": (_single(_read_vips), _write_vips, _FLAT, ("offset",)),
}
