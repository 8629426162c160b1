"""Numbers typed as a kernel, such as ``"0 -1 0; -1 5 -1; 0 -1 0"``, and rows of numbers in text files."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from convfilter.errors import KernelError
from convfilter.kernels.kernel import FieldError, Kernel, flat, quoted, with_own_sums

MATRIX = "matrix"
"""The name of a kernel that was typed as numbers."""

NUMBER = r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"

# `WxH:` or `WxH+X+Y:` and the numbers, as in ImageMagick.
_MAGICK = rf"(?s)([0-9]{{1,3}})x[0-9]{{1,3}}(?:\+[0-9]+\+[0-9]+)?\s*:\s*({NUMBER}[\s,].*)"
_EXAMPLE = "1 1 1; 1 1 1; 1 1 1 / 9"
_LONGEST_INTEGER = 300  # digits; Python refuses those of thousands


def is_matrix(text: str) -> bool:
    """Return whether a text is meant as a matrix: it starts with a bracket, or with a number before others.

    Notations that `parse_matrix` refuses are among them.
    """
    text = _with_ascii_signs(text)
    first, *others = re.split(r"[\s,;]+", text, maxsplit=1)
    numbers = others and others[0] and re.fullmatch(f"{NUMBER}|[+-]?(nan|inf)", first, re.IGNORECASE)
    fraction = re.match(f"{NUMBER}/{NUMBER}", text)
    return text.startswith(("[", "{", "(")) or bool(numbers or fraction or re.match(_MAGICK, text))


def parse_matrix(text: str) -> Kernel:
    """Return rows of numbers, with or without brackets and a divisor ``/ 16`` or ``/ sum``, as a kernel."""
    body, slash, divisor = (each.strip() for each in _with_ascii_signs(text).rpartition("/"))
    try:
        if slash and divisor != "sum" and not re.fullmatch(NUMBER, divisor):
            fault = f"the divisor {quoted(divisor)} is neither a number nor 'sum'"
            raise KernelError(f"{fault}: write one divisor at the end: '{_EXAMPLE}'")
        kernel = Kernel(MATRIX, (parse_rows(_rows(body if slash else divisor)),))
        if slash and not text.strip().startswith("[") and len(flat(kernel.parts)) == 1:
            mend = f"write all weights, as in '{_EXAMPLE}', or use a kernel such as box:size=3"
            raise KernelError(f"a single weight is a factor: {mend}")
        if not slash:
            return kernel
        return with_own_sums(kernel) if divisor == "sum" else kernel._replace(divisors=(value_of(divisor),))
    except FieldError as error:
        raise KernelError(f"{MATRIX}: {error.renamed(parts='', divisors='divisor')}") from None
    except KernelError as error:
        raise KernelError(f"{MATRIX}: {error}") from None


def one_row_hint(text: str) -> str:
    """Return how to write a square kernel whose numbers were typed in one row; nothing for others."""
    numbers, slash, divisor = text.strip().partition("/")
    cells = re.split(r"[\s,]+", numbers.strip(" ,[]"))
    side = math.isqrt(len(cells))
    whole = all(re.fullmatch(NUMBER, cell) for cell in cells) and not text.strip().startswith("[[")
    if not whole or _separators_differ(numbers) or side not in (3, 5, 7, 9, 11) or side * side != len(cells):
        return ""
    rows = "; ".join(" ".join(cells[at : at + side]) for at in range(0, len(cells), side))
    ending = f" / {divisor.strip()}" if slash else ""
    advice = f"for a {side}x{side} kernel separate the rows with ';', as in {quoted(rows + ending)}"
    return f"{len(cells)} numbers in one row; {advice}"


def _separators_differ(row: str) -> bool:
    """Return whether some numbers are separated by commas and others by blanks alone."""
    return len({"," in gap for gap in re.findall(r"(?<=[^\s,])[\s,]+(?=[^\s,])", row)}) > 1


def _rows(text: str) -> list[str]:
    """Return the text of each row."""
    if magick := re.match(_MAGICK, text):
        width, numbers = int(magick[1]) or 1, re.split(r"[\s,]+", magick[2])
        rows = [" ".join(numbers[at : at + width]) for at in range(0, len(numbers), width)]
        raise KernelError(f"rows end with semicolons, and no size is needed: write {quoted('; '.join(rows))}")
    if text.startswith(("{", "(")):
        raise KernelError(f"brackets must be square, or left out: write '{_EXAMPLE}'")
    if text.startswith("["):
        if not text.endswith("]") or text.count("[") != text.count("]"):
            raise KernelError("brackets do not match: write rows as '1 2; 3 4' or '[[1, 2], [3, 4]]'")
        text = text[1:-1].strip(" ,;\r\n\t")
        if text.startswith("["):
            rows = re.split(r"\]([\s,;]*)\[", text[1:-1])
            if all(each.strip() in ("", ",", ";") for each in rows[1::2]):
                return rows[::2]
    return [row for row in re.split(r"[;\n]", text) if row.strip()]


def parse_rows(rows: Sequence[str]) -> list[list[int | float]]:
    """Return rows of numbers that are separated by blanks, tabs or commas."""
    table = []
    for row, line in enumerate(rows):
        line = line.strip().removesuffix(",").rstrip()
        if _separators_differ(line):
            mend = "separate rows with ';', as in '1 2 1; 2 4 2; 1 2 1'"
            raise KernelError(f"row {row}: commas between some numbers, blanks between others: {mend}")
        cells = re.split(r"\s*,\s*|\s+", line) if line else []
        for column, cell in enumerate(cells):
            if any(bracket in cell for bracket in "[]"):
                mend = "a matrix has rows and columns; deeper kernels go into a kernel file"
                raise KernelError(f"row {row}, column {column}: one bracket too many: {mend}")
            if not re.fullmatch(NUMBER, cell):
                mend = ": separate numbers by commas or blanks, rows by line breaks" if ";" in cell else ""
                if "/" in cell.strip("/"):
                    mend = f": write whole numbers and one divisor at the end: '{_EXAMPLE}'"
                raise KernelError(f"row {row}, column {column}: {quoted(cell)} is not a number{mend}")
        table.append([value_of(cell) for cell in cells])
    return table


def value_of(text: str) -> int | float:
    """Return a number as int where it is written as one."""
    return int(text) if text.lstrip("+-").isdecimal() and len(text) < _LONGEST_INTEGER else float(text)


def _with_ascii_signs(text: str) -> str:
    """Return the text with hyphens for minus signs, which copying from a page brings."""
    return text.strip().replace("\u2212", "-")
