"""Names of files and errors of the system as they stand in a message of one line."""

from __future__ import annotations

import os

__all__ = ["describe", "shown"]


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
    return " ".join(shown(str(error)).split()) or "unknown input or output error"


def shown(path: str | bytes | os.PathLike[str] | os.PathLike[bytes]) -> str:
    r"""Return a name as it can stand in a message of one line.

    Parameters
    ----------
    path : str, bytes or path-like
        The name.

    Returns
    -------
    str
        The name with control characters, line breaks, marks of writing direction and undecodable bytes
        escaped as in Python.

    Examples
    --------
    >>> print(shown("two\nlines"), shown(b"caf\xe9.png"), shown("naïve file.png"))
    two\nlines caf\xe9.png naïve file.png
    """
    name = os.fsdecode(path)
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
