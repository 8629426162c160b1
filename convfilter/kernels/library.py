"""Files of kernels: read, check, look up."""

from __future__ import annotations

import os
import re
import stat
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from convfilter.errors import KernelError
from convfilter.kernels.checks import FieldError, named
from convfilter.kernels.generators import GENERATORS, generate
from convfilter.kernels.kernel import Kernel
from convfilter.kernels.tables import kernel_from_table
from convfilter.messages import brief, nearest, shown

__all__ = ["get_kernel", "load_kernels", "shipped_path"]

_LARGEST_FILE = 2**20
_KEY = r"""(?:(?<![\w-])[\w-]+|"[^"\n]*"|'[^'\n]*')"""
# Time and memory of tomllib grow with the square of a key's parts, so that many are refused unparsed.
_DEEP_KEY = re.compile(rf"{_KEY}(?:[ \t]*\.[ \t]*{_KEY}){{16}}", re.ASCII)
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")


class _Library(Mapping[str, Kernel]):
    """Tables by name, each with the file it is from, made into a kernel when first asked for."""

    def __init__(self, tables: dict[str, tuple[str, Any]]) -> None:
        self._tables = tables
        self._kernels: dict[str, Kernel] = {}

    def __getitem__(self, name: str) -> Kernel:
        if name not in self._kernels:
            file, table = self._tables[name]
            try:
                self._kernels[name] = kernel_from_table(name, table)
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
    """Read the shipped kernels and, laid over them, those of a file.

    A table of the file replaces its shipped namesake whole. All of the file's tables are checked
    before this returns, whether they will be used or not.

    Parameters
    ----------
    path : str or path-like, optional
        A TOML file of kernels; without it, the shipped ones alone.

    Returns
    -------
    mapping of str to Kernel
        Read-only; the shipped kernels in their order, then the file's further ones.

    Raises
    ------
    KernelError
        If the file cannot be read, is larger than 1 MiB or has anything wrong in it: the message
        is ``FILE: [NAME] key: reason``, or ``FILE: reason`` where no table is to blame.

    Examples
    --------
    >>> load_kernels()["binomial-3"].parts
    (((1, 2, 1), (2, 4, 2), (1, 2, 1)),)
    """
    if path is None:
        return _shipped()
    file = shown(path)
    own = {name: (file, table) for name, table in _read(path, file).items()}
    library = _Library({**_shipped()._tables, **own})
    for name in own:
        library[name]
    return library


def get_kernel(spec: str | Kernel, /, kernels: Mapping[str, Kernel] | None = None) -> Kernel:
    """Look up a kernel by its name, with parameters where it is made by a formula.

    Parameters
    ----------
    spec : str or Kernel
        ``NAME`` or ``NAME:parameter=value,...``; a comma without a name after it continues the
        value, so ``box:size=5,3`` is 5 wide and 3 high. A kernel is returned as it is.
    kernels : mapping of str to Kernel, optional
        What is looked into, as `load_kernels` returns it; the shipped kernels by default.

    Raises
    ------
    KernelError
        If there is no such kernel or parameter (the message names the nearest one), or a value is
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


def shipped_path() -> Path:
    """Return where the shipped kernels are.

    In a wheel they travel inside the package; in a checkout, an editable install and an sdist they
    stand beside it, where a reader finds them.

    Raises
    ------
    KernelError
        If they are in neither place.
    """
    package = Path(__file__).resolve().parent.parent
    for folder in (package, package.parent):
        if (folder / "kernels.toml").is_file():
            return folder / "kernels.toml"
    raise KernelError(f"kernels.toml is neither in {package} nor beside it; install convfilter again")


@cache
def _shipped() -> _Library:
    """Return the shipped kernels, read once."""
    path = shipped_path()
    return _Library({name: (str(path), table) for name, table in _read(path, str(path)).items()})


def _read(path: str | os.PathLike[str], file: str) -> dict[str, Any]:
    """Return the tables of a TOML file, unchecked."""
    content = None
    try:
        # Asked before opening, since opening a FIFO may wait for ever.
        if stat.S_ISREG(Path(path).stat().st_mode):
            with Path(path).open("rb") as stream:
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
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise KernelError(f"{file}: holds no text: give a TOML file of kernels") from None
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
    """Return a kernel made anew with the parameters in the text after its name."""
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
    values = {name: [_parsed(name, piece) for piece in pieces] for name, pieces in given.items()}
    made = generate(kernel.generator, {**kernel.parameters, **values})
    asked = ",".join(f"{name}={','.join(pieces)}" for name, pieces in given.items())
    return replace(
        kernel,
        name=f"{kernel.name}:{asked}",
        parts=(made.weights,),
        divisors=(made.divisor,),
        parameters=made.parameters,
    )


def _parsed(name: str, text: str) -> float:
    """Return the number that was typed for a parameter."""
    if not _NUMBER.fullmatch(text):
        raise KernelError(f"{named(name)}: '{named(text)}' is not a number")
    return float(text)
