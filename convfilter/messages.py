"""Messages of one line: names and errors in words, what was probably meant, and printing on stderr."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterable
from typing import Any, TextIO

from convfilter.errors import OptionError

__all__ = [
    "brief",
    "check_choice",
    "complain",
    "describe",
    "discard",
    "figure",
    "internal_error",
    "last_words",
    "nearest",
    "one_line",
    "propose",
    "shown",
]

_LONGEST = 60


def internal_error(error: BaseException) -> tuple[str, str]:
    """Return the message for a mistake of the program itself, and the traceback that a report of it needs."""
    from traceback import format_exception

    reason = f"{type(error).__name__}: {one_line(str(error))}"
    return f"internal error, please report it: {reason}", "".join(format_exception(error))


def describe(error: OSError) -> str:
    """Say in words what the system refused.

    Parameters
    ----------
    error : OSError
        The error.

    Returns
    -------
    str
        One line, without the names of files or classes.

    Examples
    --------
    >>> describe(OSError(28, "No space left on device"))
    'No space left on device'
    """
    if error.strerror:
        return shown(error.strerror)
    if error.errno:
        return os.strerror(error.errno)
    return one_line(error) or "unknown input or output error"


def one_line(error: BaseException | str) -> str:
    """Return what an error says as one line, and not an endless one."""
    return shown(" ".join(str(error).split()))[:200]


def shown(path: str | bytes | os.PathLike[str] | os.PathLike[bytes], *, longest: int | None = None) -> str:
    r"""Return a name as it can stand in a message of one line.

    Parameters
    ----------
    path : str, bytes or path-like
        The name.
    longest : int, optional
        The most characters of it that are looked at.

    Returns
    -------
    str
        The name with control characters, line breaks, marks of writing direction and undecodable bytes
        escaped as in Python; cut at `longest`, with three dots at the end.

    Examples
    --------
    >>> print(shown("two\nlines"), shown(b"caf\xe9.png"), shown("naïve file.png"))
    two\nlines caf\xe9.png naïve file.png
    """
    name = os.fsdecode(path)
    if longest is not None and len(name) > longest:
        name = f"{name[: longest - 3]}..."
    return name if name.isascii() and name.isprintable() else "".join(map(_escaped, name))


def _escaped(character: str) -> str:
    """Return a character, or its escape if it would disturb a line of text."""
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # a byte that the file system's encoding does not know
        return f"\\x{code - 0xDC00:02x}"
    disturbs = (
        code < 0x20
        or 0x7F <= code < 0xA0
        or 0xD800 <= code < 0xE000
        or character in "\u2028\u2029\u061c\u200e\u200f"
        or 0x202A <= code <= 0x202E
        or 0x2066 <= code <= 0x2069
    )
    return character.encode("unicode_escape").decode("ascii") if disturbs else character


def brief(value: object) -> str:
    """Return a value as a message repeats it: on one line, and not longer than a name.

    Examples
    --------
    >>> print(brief("wrpa"), brief((1, -2)), brief("x" * 100))
    'wrpa' (1, -2) 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx...'
    """
    shape = getattr(value, "shape", None)
    if isinstance(shape, tuple) and hasattr(value, "dtype") and shape:
        return f"an array of shape {shape}"
    if isinstance(value, str):
        return f"'{shown(value, longest=_LONGEST - 2)}'"
    if isinstance(value, list | tuple | dict | set) and len(value) > _LONGEST // 3:
        return f"a {type(value).__name__} of {len(value)} values"
    try:
        return shown(repr(value), longest=_LONGEST)
    except ValueError:  # an integer of thousands of digits
        return f"a very large {type(value).__name__}"


def check_choice(name: str, value: object, known: Iterable[object]) -> None:
    """Refuse a value that is not one of the known words; the nearest one is proposed.

    Raises
    ------
    OptionError
        With the name of the option and the value.
    """
    values = list(known)
    if not any(type(value) is type(each) and value == each for each in values):
        raise OptionError(f"unknown {name} {brief(value)}{propose(value, map(str, values))}")


def nearest(word: object, known: Iterable[str]) -> str | None:
    """Return the known word that one was probably meant to be.

    Parameters
    ----------
    word : object
        What was given.
    known : iterable of str
        What there is.

    Returns
    -------
    str or None
        The one most alike whatever the case, None if none is much alike.

    Examples
    --------
    >>> nearest("Sobl", ["scharr", "sobel"])
    'sobel'
    """
    # Imported here: only a refusal needs it, and every run would pay for it.
    from difflib import get_close_matches

    by_folded = {each.casefold(): each for each in known}
    text = word.casefold() if isinstance(word, str) else ""
    # No name is longer than this, and matching takes quadratic time.
    close = get_close_matches(text, by_folded, n=1) if len(text) <= 64 else []
    return by_folded[close[0]] if close else None


def propose(word: object, known: Iterable[str]) -> str:
    """Return the mend for an unknown word, as it stands behind it.

    Parameters
    ----------
    word : object
        What was given.
    known : iterable of str
        What there is.

    Returns
    -------
    str
        The nearest of them, or all.

    Examples
    --------
    >>> print("unknown border 'warp'" + propose("warp", ["edge", "wrap"]))
    unknown border 'warp' (did you mean 'wrap'?)
    >>> print("unknown border 'x'" + propose("x", ["edge", "wrap"]))
    unknown border 'x' (choose from edge, wrap)
    """
    words = list(known)
    meant = nearest(word, words)
    return f" (did you mean '{meant}'?)" if meant else f" (choose from {', '.join(words)})"


def figure(value: Any, digits: int = 6) -> str:
    """Return a number as it is shown: integers in full, others with `digits` significant digits.

    Examples
    --------
    >>> figure(65535), figure(2 / 3), figure(4.0)
    ('65535', '0.666667', '4')
    """
    number = value.item() if hasattr(value, "item") else value
    number = number if isinstance(number, int | float) else float(number)  # a fraction
    if isinstance(number, float) and number.is_integer() and abs(number) < 1e15:
        number = int(number)
    return str(number) if isinstance(number, int) else f"{number:.{digits}g}"


def complain(message: str, traceback: str = "") -> None:
    """Print a message on stderr as one line, and a traceback below it; a stderr that fails stops nothing."""
    try:
        if sys.stderr is not None:
            print(f"convfilter: {shown(message)}\n{traceback}", end="", file=sys.stderr, flush=True)
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
    """Let what is still buffered in a stream, and all that follows, go nowhere."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        try:
            os.dup2(nowhere, stream.fileno())
        finally:
            os.close(nowhere)
