"""Names and errors of the system in words."""

import errno
import os
from pathlib import Path

import pytest

from convfilter import errors


@pytest.mark.parametrize(("error", "words"), [
    (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "secret/name"), "No space left on device"),
    (OSError("free\ntext"), "free text"),
    (OSError(), "unknown input or output error"),
])  # fmt: skip
def test_errors_are_described_in_words(error, words):
    assert errors.describe(error) == words


@pytest.mark.parametrize(("name", "words"), [
    ("ünï😀 name.png", "ünï😀 name.png"),
    ("a\nb\r\t\x1b[31m", r"a\nb\r\t\x1b[31m"),
    (b"caf\xe9", r"caf\xe9"),
    (Path("x/y"), "x/y"),
    ("\u202egnp.exe", r"\u202egnp.exe"),
    ("x" * 81, "x" * 77 + "..."),
])  # fmt: skip
def test_names_are_shown_on_one_line(name, words):
    assert errors.escaped(name, longest=80) == words


@pytest.mark.parametrize(("word", "remedy"), [
    ("reflekt", " (did you mean 'reflect'?)"),
    ("Edges", " (did you mean 'Edge'?)"),
    ("reflect" * 10, " (choose from Edge, reflect, wrap)"),
    (None, " (choose from Edge, reflect, wrap)"),
])  # fmt: skip
def test_the_remedy_for_an_unknown_word_is_the_nearest_or_the_list(word, remedy):
    assert errors.did_you_mean(word, ["Edge", "reflect", "wrap"]) == remedy
