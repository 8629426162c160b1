"""Images as characters: two pixels each, in two colours, no wider than the terminal."""

import re

import numpy as np
import pytest
from samples import colour

from convfilter.drawing.terminal import preview


def lines_of(before, after, width):
    return re.sub(r"\x1b\[[0-9;]*m", "", preview(before, after, width=width)).splitlines()


@pytest.mark.parametrize(("terminal", "rows", "block"), [
    ("truecolor", [[255, 0, 0], [0, 0, 255]], "\x1b[38;2;255;0;0m\x1b[48;2;0;0;255m\u2580\x1b[0m"),
    ("24bit", [[255, 255, 255]], "\x1b[38;2;255;255;255m\u2580\x1b[0m"),
    ("", [[255, 100, 0], [130, 180, 220]], "\x1b[38;5;202m\x1b[48;5;110m\u2580\x1b[0m"),
])  # fmt: skip
def test_two_rows_make_a_line_of_half_blocks_in_the_colours_of_the_terminal(
    monkeypatch, terminal, rows, block
):
    monkeypatch.setenv("COLORTERM", terminal)
    pixels = np.array(rows, np.uint8)[:, np.newaxis]
    assert preview(pixels, pixels, width=80) == f"{block}  {block}\n"


@pytest.mark.parametrize("width", [4, 81])
@pytest.mark.parametrize("shape", [(1, 1), (400, 3), (3, 400)])
def test_no_line_is_wider_than_the_terminal(width, shape):
    lines = lines_of(colour(*shape), colour(*shape), width)
    assert max(map(len, lines)) <= width
    assert 1 <= len(lines) <= 30


def test_images_keep_their_shapes_side_by_side():
    lines = lines_of(colour(40, 80), colour(40, 80), 42)
    assert (len(lines), len(lines[0])) == (5, 42)
    lines = lines_of(colour(2, 3), colour(6, 3), 80)
    assert lines == ["\u2580" * 3 + "  " + "\u2580" * 3, *["     " + "\u2580" * 3] * 2]
