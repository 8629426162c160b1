"""Names, errors of the system and what was probably meant, in words."""

import errno
import os
from pathlib import Path

import pytest

from convfilter import errors


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "secret/name"), "No space left on device"),
        (FileNotFoundError(errno.ENOENT, "No such file or directory"), "No such file or directory"),
        (OSError("free\ntext"), "free text"),
        (OSError(), "unknown input or output error"),
    ],
)
def test_errors_are_described_in_words(error, words):
    assert errors.describe(error) == words


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("plain name.png", "plain name.png"),
        ("ünï😀.png", "ünï😀.png"),
        ("a\nb\r\t\x1b[31m", r"a\nb\r\t\x1b[31m"),
        (b"caf\xe9", r"caf\xe9"),
        (Path("x/y"), "x/y"),
        ("\u202egnp.exe", r"\u202egnp.exe"),
        ("-rf.png", "-rf.png"),
    ],
)
def test_names_are_shown_on_one_line(name, words):
    assert errors.escaped(name) == words


def test_a_long_name_is_cut_to_the_length_asked_for():
    assert errors.escaped("x" * 80, longest=80) == "x" * 80
    assert errors.escaped("x" * 81, longest=80) == "x" * 77 + "..."


@pytest.mark.parametrize(
    ("word", "mend"),
    [
        ("reflekt", " (did you mean 'reflect'?)"),
        ("Wrap", " (did you mean 'wrap'?)"),
        ("Edges", " (did you mean 'Edge'?)"),
        ("nothing like it", " (choose from Edge, reflect, wrap)"),
        ("reflect" * 10, " (choose from Edge, reflect, wrap)"),
        (None, " (choose from Edge, reflect, wrap)"),
    ],
)
def test_the_mend_for_an_unknown_word_is_the_nearest_or_the_list(word, mend):
    assert errors.did_you_mean(word, ["Edge", "reflect", "wrap"]) == mend
