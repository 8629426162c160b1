"""Kernels by name: shipped ones, those in the user's files, and variants with parameters."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache, cached_property
from typing import Any, Protocol, TypeAlias, cast

from convfilter.errors import KernelError, OptionError, brief, escaped, nearest, proposed
from convfilter.kernels.files import AXES_OF_ARRAYS, FORMATS, is_kernel_file, parse_kernels, read_content
from convfilter.kernels.kernel import LARGEST_SIDE, FieldError, Kernel, plain, quoted, shape_of
from convfilter.kernels.matrix import MATRIX, NUMBER, is_matrix, parse_matrix, value_of


class _Array(Protocol):
    """An array of numpy, which is not imported here."""

    def tolist(self) -> Any: ...


KernelLike: TypeAlias = Kernel | str | os.PathLike[str] | Sequence[Any] | _Array
"""A kernel, its name, file or weights; or a list of these, a chain."""

_MOST_NAMED = 5  # kernels in a message


class Library(Mapping[str, Kernel]):
    """Kernels of files over the shipped ones, which are made on first use: most runs need one of forty."""

    def __init__(self, own: Mapping[str, Kernel], files: Sequence[str] = ()) -> None:
        self._own, self.files = own, tuple(files)

    @cached_property
    def _names(self) -> dict[str, None]:
        return dict.fromkeys((*_shipped_tables(), *self._own))

    def __getitem__(self, name: str) -> Kernel:
        return self._own[name] if name in self._own else _shipped_kernel(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __contains__(self, name: object) -> bool:
        return name in self._names

    @property
    def held(self) -> str:
        """Which kernels the files hold, as a message says it."""
        names = [quoted(name) for name in self._own]
        shown = ", ".join(names[:_MOST_NAMED]) + ", ..." * (len(names) > _MOST_NAMED)
        verb = "holds" if len(self.files) == 1 else "hold"
        return f"{', '.join(map(escaped, self.files))} {verb} {shown}"

    def summary(self, name: str) -> str:
        """Return what a kernel does, without making its weights, which may take numpy."""
        if name in self._own:
            return self._own[name].summary
        import tomllib  # here, because sizes need no named kernel

        return str(tomllib.loads(_shipped_tables()[name].decode())[name]["summary"])


def load_kernels(*paths: str | os.PathLike[str]) -> Library:
    """Read the shipped kernels, and those in any further files.

    A kernel in a file completely replaces any other with the same name, whether shipped or from an earlier
    file. All kernels in a file are checked, whether used or not.

    Parameters
    ----------
    *paths : str or path-like
        Kernel files or pipes: TOML, or one kernel, named after the file, as ``.npy`` (two axes, or four:
        output, channel, row, column), ``.csv`` or ``.txt`` (rows of numbers), or ``.mat`` of libvips.

    Returns
    -------
    mapping of str to Kernel
        Read-only; the shipped kernels in order, then the additional ones from the files.

    Raises
    ------
    KernelError
        If a file cannot be read, is larger than 1 MiB (``.npy``: 64 MiB) or contains an error. The message
        is ``FILE: [NAME] key: reason`` for a table in TOML, else ``FILE: reason``.

    Examples
    --------
    >>> load_kernels()["binomial-3"].parts
    (((1, 2, 1), (2, 4, 2), (1, 2, 1)),)
    """
    own: dict[str, Kernel] = {}
    for path in paths:
        own |= parse_kernels(read_content(path), path, _find)
    return Library(own, [os.fspath(path) for path in paths])


def _find(spec: str, own: Mapping[str, Kernel]) -> Kernel:
    return get_kernel(spec, Library(own))


def get_kernel(spec: KernelLike, /, kernels: Mapping[str, Kernel] | None = None) -> Kernel:
    """Look up a kernel by name, or make it from a matrix or a file.

    Parameters
    ----------
    spec : str, path-like, array_like or Kernel
        ``NAME``, or ``NAME:parameter=value,...`` if a formula makes the kernel. A comma that no name follows
        continues the value, so ``box:size=5,3`` is 5 wide and 3 high; a value without a name sets the first
        parameter: ``gaussian:2``. Or a matrix, ``"0 -1 0; -1 5 -1; 0 -1 0"`` or ``"[[1, 2, 1]] / sum"``. Or a
        kernel file with one kernel, see `load_kernels`. Or weights as an array or nested lists: by column; by
        row and column; or by output, channel, row and column. A Kernel is returned unchanged.
    kernels : mapping of str to Kernel, optional
        The kernels to search, as returned by `load_kernels`; the shipped kernels by default.

    Raises
    ------
    KernelError
        If there is no such kernel or parameter (the message suggests the nearest one), or a value is outside
        its limits.

    Examples
    --------
    >>> get_kernel("gaussian:sigma=2").shape
    (13, 13)
    >>> get_kernel("1 2 1; 2 4 2; 1 2 1 / sum").divisors
    (16,)
    """
    if isinstance(spec, Kernel):
        return spec
    if isinstance(spec, os.PathLike):
        return _only_kernel(os.fspath(spec))
    if not isinstance(spec, str):
        return _kernel_of_weights(spec)
    known = load_kernels() if kernels is None else kernels
    name, colon, text = spec.strip().partition(":")
    name = name.rstrip()
    if name not in known:
        if is_kernel_file(spec):
            return _only_kernel(spec)
        if is_matrix(spec):
            return parse_matrix(spec)
        raise _unknown(spec, name, known)
    try:
        return _with_parameters(known[name], text, known) if colon else known[name]
    except KernelError as error:
        reason = error.renamed(parts="") if isinstance(error, FieldError) else error
        meant = _readings(spec, known)
        mend = f" ({proposed(meant)})" if meant else ""
        raise KernelError(f"kernel {quoted(spec)}: {reason}{mend}") from None


def _unknown(spec: str, name: str, known: Mapping[str, Kernel]) -> KernelError:
    """Return the error for a name that is not known: why there can be no such kernel, or what is meant."""
    from convfilter.guesses import NOT_CONVOLUTIONS, folded

    word = folded(name)
    if word in NOT_CONVOLUTIONS and word not in map(folded, known):
        return KernelError(f"{quoted(name)} is not a convolution: {NOT_CONVOLUTIONS[word]}")
    if not name:
        return KernelError("a kernel without a name ('convfilter kernels' lists all)")
    meant = _readings(spec, known) or nearest(name, known)
    if not meant and re.search(r"\.[A-Za-z]{2,4}$", spec):
        return KernelError(f"{escaped(spec)}: not a kernel file: its name must end in {', '.join(FORMATS)}")
    mend = f"{proposed(meant)} " if meant else ""
    if not meant and isinstance(known, Library) and known.files:
        mend = f"{known.held}; "
    return KernelError(f"unknown kernel {quoted(name)} ({mend}'convfilter kernels' lists all)")


def _readings(spec: str, known: Mapping[str, Kernel]) -> list[str]:
    """Return kernels with parameters, or chains, that a text may stand for.

    ``0x2`` is a radius and sigma, as in ImageMagick, or the size of a box.
    """
    from convfilter.guesses import synonyms

    chain = re.split(r"\s*[+|,\s]\s*", spec.strip())
    if len(chain) > 1 and all(each in known for each in chain) and not synonyms(spec, known):
        return [" -k ".join(chain)]
    parts = re.fullmatch(r"([^\d\s=(:]*)[\s=(:]*([^)]*)\)?", spec.strip())
    if parts is None or not parts[2]:
        return []
    pair = re.fullmatch(r"([\d.]*)[x*]([\d.]+)", parts[2])
    texts = [f"sigma={pair[2]}", f"size={pair[1]},{pair[2]}"] if pair else [parts[2].replace(":", "=")]
    found = []
    for name in synonyms(parts[1] or "box", known):
        for text in texts:
            with contextlib.suppress(KernelError):
                _with_parameters(known[name], text, known)
                found.append(f"{name}:{text}")
                break
    return found


def get_chain(spec: KernelLike) -> tuple[Kernel, ...]:
    """Return one or several kernels: a sequence is a chain if it holds names, kernels or matrices."""
    kernels = tuple(map(get_kernel, _links(spec)))
    if not kernels:
        raise OptionError("no kernel: name at least one")
    return kernels


def _links(spec: KernelLike) -> Sequence[Any]:
    names = (str, os.PathLike, Kernel)
    is_chain = isinstance(spec, list | tuple) and (
        not spec or any(isinstance(each, names) or getattr(each, "ndim", 0) > 1 for each in spec)
    )
    return cast(Sequence[Any], spec if is_chain else (spec,))


def files_of(spec: KernelLike) -> tuple[str, ...]:
    """Return the kernel files among kernels."""
    paths = [each for each in _links(spec) if isinstance(each, os.PathLike)]
    names = [each for each in _links(spec) if isinstance(each, str) and is_kernel_file(each)]
    return (*map(os.fspath, paths), *names)


def _kernel_of_weights(weights: Any) -> Kernel:
    large = max(getattr(weights, "shape", ()), default=0) > LARGEST_SIDE
    table: Any = None if large else plain(weights)
    depth = len(shape_of(table))
    if depth not in AXES_OF_ARRAYS or 0 in shape_of(table):
        mend = "use a Kernel, a name such as 'gaussian:sigma=2', or rows of weights"
        if large or depth == 3:
            mend = "pixels come first; for weights give Kernel(name, weights, axes=(...))"
        raise KernelError(f"{brief(weights)} is not a kernel: {mend}")
    try:
        return Kernel(MATRIX, list(table), tuple(AXES_OF_ARRAYS[depth].split(",")))
    except FieldError as error:
        raise KernelError(f"{MATRIX}: {error.renamed(parts='')}") from None


def _only_kernel(path: str) -> Kernel:
    found = [*parse_kernels(read_content(path, pipe=False), path, _find).values()]
    if len(found) != 1:
        mend = "load it with --kernels, and choose one by name"
        count = f"{len(found)} kernels: {mend}" if found else "no kernels"
        raise KernelError(f"{escaped(path)}: holds {count}")
    return found[0]


def shipped_path() -> str:
    """Return the path of the shipped kernels: inside the package in a wheel, else beside it."""
    # Plain `os` calls: pathlib takes longer to import than this package.
    package = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
    for folder in (package, os.path.dirname(package)):
        if os.path.isfile(path := os.path.join(folder, "kernels.toml")):
            return path
    raise KernelError(f"kernels.toml is neither in {package} nor beside it; install convfilter again")


@cache
def _shipped_tables() -> dict[str, bytes]:
    """Return the text of each shipped table by its name."""
    tables = re.split(rb"^(?=\[)", read_content(shipped_path()), flags=re.MULTILINE)[1:]
    return {text[1 : text.index(b"]")].decode(): text for text in tables}


@cache
def _shipped_kernel(name: str) -> Kernel:
    return parse_kernels(_shipped_tables()[name], shipped_path(), _find)[name]


def _with_parameters(kernel: Kernel, text: str, known: Mapping[str, Kernel]) -> Kernel:
    """Return a kernel generated again with the parameters in the text after its name."""
    from convfilter.kernels.generators import generate

    if not kernel.generator:
        raise KernelError(f"'{kernel.name}' takes no parameters")
    first = parameter = next(iter(kernel.parameters), "")
    texts: dict[str, str] = {}
    for piece in _pieces(text):
        named = re.fullmatch(r"([^=(]*)=(.*)", piece, re.DOTALL)
        if not named and texts:  # a comma without a name after it continues the value
            texts[parameter] += f",{piece.strip()}"
            continue
        if not named and not piece.strip():
            raise KernelError(f"parameters are written {kernel.name}:{first}=VALUE")
        parameter, value = (each.strip() for each in (named.groups() if named else (first, piece)))
        if parameter in texts:
            raise KernelError(f"{escaped(parameter, longest=80)} is set twice")
        texts[parameter] = value
    names = [each for each in texts if isinstance(kernel.parameters.get(each), str)]
    values = {each: text if each in names else _numbers(each, text) for each, text in texts.items()}
    made = generate(kernel.generator, values, lambda spec: get_kernel(spec, known), kernel.parameters)
    texts |= {each: made["parameters"][each] for each in names}  # with the names of their own parameters
    asked = ",".join(f"{parameter}={value}" for parameter, value in texts.items())
    return kernel._replace(name=f"{kernel.name}:{asked}", **made)


def _numbers(parameter: str, text: str) -> list[int | float]:
    words = text.split(",")
    for word in words:
        if not re.fullmatch(NUMBER, word):
            raise KernelError(f"{escaped(parameter, longest=80)}: {quoted(word)} is not a number")
    return [value_of(word) for word in words]


def _pieces(text: str) -> list[str]:
    """Split a text at the commas outside of brackets."""
    pieces, depth = [""], 0
    for word in re.split(r"([(),])", text):
        depth += (word == "(") - (word == ")")
        if word == "," and depth == 0:
            pieces.append("")
        else:
            pieces[-1] += word
    return pieces
