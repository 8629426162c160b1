"""Exception classes, and one-line messages.

A message names the wrong value, says why it is wrong and how to mend it.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterable
from typing import Any, TextIO

_LONGEST = 60
_BLANKS = "\xa0\u2009\u202f\u3000\u200d"  # not printable to Python, and harmless; the last joins emoji


class ConvfilterError(ValueError):
    """Raised for anything that convfilter refuses; the base class of all its exceptions."""


class KernelError(ConvfilterError):
    """Raised for a kernel that does not exist, cannot be read or cannot be used."""


class ImageError(ConvfilterError):
    """Raised for an image that cannot be read, filtered or written."""


class ShapeError(ConvfilterError):
    """Raised for sizes, paddings, strides or dilations that do not fit together."""


class OptionError(ConvfilterError):
    """Raised for an option or argument whose value is invalid."""


def with_name(error: ConvfilterError, name: str) -> ConvfilterError:
    """Return an error of the same class whose message begins with the name of what it is about."""
    return type(error)(f"{name}: {error}")


def internal_error(error: BaseException) -> tuple[str, str]:
    """Return the message for an error of the program itself, and the traceback that a report of it needs."""
    from traceback import format_exception

    reason = f"{type(error).__name__}: {one_line(str(error))}"
    return f"internal error, please report it: {reason}", "".join(format_exception(error))


def describe(error: OSError) -> str:
    """Return what the system refused, in one line without names of files or classes."""
    number = error.errno and os.strerror(error.errno)
    return one_line(error.strerror or number or error) or "unknown input or output error"


def one_line(error: BaseException | str) -> str:
    """Return the text of an error as one line of at most 200 characters."""
    return escaped(" ".join(str(error).split()))[:200]


def escaped(path: str | bytes | os.PathLike[str] | os.PathLike[bytes], *, longest: int | None = None) -> str:
    r"""Return a name for a message of one line, cut at `longest` with three dots at the end.

    Control characters, line breaks, writing direction and undecodable bytes are escaped as in Python.

    >>> print(escaped("two\nlines"), escaped(b"caf\xe9.png"), escaped("naïve file.png"))
    two\nlines caf\xe9.png naïve file.png
    """
    name = os.fsdecode(path)
    if longest is not None and len(name) > longest:
        name = f"{name[: longest - 3]}..."
    return name if name.isascii() and name.isprintable() else "".join(map(_escape, name))


def _escape(character: str) -> str:
    """Return a character, or its escape if it would disturb a line of text."""
    if "\udc80" <= character <= "\udcff":  # a byte that the file system's encoding does not know
        return f"\\x{ord(character) - 0xDC00:02x}"
    shown = character.isprintable() or character in _BLANKS
    return character if shown else character.encode("unicode_escape").decode("ascii")


def brief(value: object) -> str:
    """Return a value as a message repeats it: on one line and shortened.

    >>> print(brief("wrpa"), brief((1, -2)), brief("x" * 100))
    'wrpa' (1, -2) 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx...'
    """
    shape = getattr(value, "shape", None)
    if isinstance(shape, tuple) and hasattr(value, "dtype") and shape:
        return f"an array of shape {shape}"
    if isinstance(value, str):
        return f"'{escaped(value, longest=_LONGEST - 2)}'"
    if isinstance(value, list | tuple | dict | set) and len(value) > _LONGEST // 3:
        return f"a {type(value).__name__} of {len(value)} values"
    try:
        return escaped(repr(value), longest=_LONGEST)
    except ValueError:  # an integer of thousands of digits
        return f"a very large {type(value).__name__}"


def check_choice(name: str, value: object, known: Iterable[object]) -> None:
    """Raise an `OptionError` for a value that is not one of the known ones."""
    values = list(known)
    if not any(type(value) is type(each) and value == each for each in values):
        text = [str(each) for each in values]
        typed = isinstance(value, str) and value in text  # the digits of a number
        mend = f": use the number {value}" if typed else did_you_mean(value, text)
        raise OptionError(f"unknown {name} {brief(value)}{mend}")


def nearest(word: object, known: Iterable[str]) -> list[str]:
    """Return the known words that a word stands for, or the one that it is most like; none if not much."""
    # Only an error needs these.
    from difflib import get_close_matches

    from convfilter.guesses import folded, synonyms

    names = [*known]
    # No name is longer than this, and matching takes quadratic time.
    if not isinstance(word, str) or len(word) > 64:
        return []
    by_folded = {folded(each): each for each in names}
    if folded(word) in by_folded:
        return [by_folded[folded(word)]]
    return synonyms(word, names) or [
        by_folded[each] for each in get_close_matches(folded(word), by_folded, 1)
    ]


def did_you_mean(word: object, known: Iterable[str]) -> str:
    """Return the end of a message about an unknown word: the nearest known one, or all.

    >>> print("unknown border 'warp'" + did_you_mean("warp", ["edge", "wrap"]))
    unknown border 'warp' (did you mean 'wrap'?)
    >>> print("unknown border 'clamp'" + did_you_mean("clamp", ["edge", "wrap"]))
    unknown border 'clamp' (did you mean 'edge'?)
    >>> print("unknown border 'x'" + did_you_mean("x", ["edge", "wrap"]))
    unknown border 'x' (choose from edge, wrap)
    """
    words = list(known)
    meant = nearest(word, words)
    return f" ({proposed(meant)})" if meant else f" (choose from {', '.join(words)})"


def proposed(words: Iterable[str]) -> str:
    """Return the question whether one of some words was meant."""
    quoted = [f"'{escaped(each)}'" for each in words]
    return f"did you mean {' or '.join(quoted)}?"


def figure(value: Any, digits: int = 6) -> str:
    """Return a number as text: integers in full, others with `digits` significant digits.

    >>> figure(65535), figure(2 / 3), figure(4.0)
    ('65535', '0.666667', '4')
    """
    number = value.item() if hasattr(value, "item") else value
    number = number if isinstance(number, int | float) else float(number)  # a fraction
    if isinstance(number, float) and number.is_integer() and abs(number) < 1e15:
        number = int(number)
    return str(number) if isinstance(number, int) else f"{number:.{digits}g}"


def counted(number: Any, noun: str) -> str:
    """Return a number of things in words.

    >>> counted(1, "row"), counted(2, "row")
    ('1 row', '2 rows')
    """
    return f"{figure(number)} {noun}{'s' * (number != 1)}"


def complain(message: str, traceback: str = "") -> None:
    """Print a message on stderr as one line, and a traceback below it; a stderr that fails stops nothing."""
    try:
        if sys.stderr is not None:
            print(f"convfilter: {escaped(message)}\n{traceback}", end="", file=sys.stderr, flush=True)
    except OSError:
        discard(sys.stderr)


def last_words(text: str) -> None:
    """Print on stderr when the process is about to end, unless that means to wait for a reader."""
    if sys.stderr is None:
        return
    import select

    # Python's own stream may be locked by a thread that waits in it.
    descriptor = sys.stderr.fileno()
    if os.name != "posix" or select.select([], [descriptor], [], 0.1)[1]:
        os.write(descriptor, text.encode(errors="backslashreplace"))


def discard(stream: TextIO) -> None:
    """Send what is still buffered in a stream, and all that follows, nowhere."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        try:
            os.dup2(nowhere, stream.fileno())
        finally:
            os.close(nowhere)
