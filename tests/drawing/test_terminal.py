"""Pictures as characters: two pixels each, in two colours, no wider than the terminal."""

import re

import numpy as np
import pytest
from samples import colour

from convfilter.drawing.terminal import has_true_colour, preview


def pixels(*rows):
    return np.array(rows, np.uint8)


def plain(text):
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


def test_two_rows_make_one_line_of_half_blocks():
    red_over_blue = pixels([[255, 0, 0]], [[0, 0, 255]])
    block = "\x1b[38;2;255;0;0m\x1b[48;2;0;0;255m\u2580\x1b[0m"
    assert preview(red_over_blue, red_over_blue, width=80) == f"{block}  {block}\n"


def test_an_odd_row_leaves_its_lower_half_alone():
    white = pixels([[255, 255, 255]])
    block = "\x1b[38;2;255;255;255m\u2580\x1b[0m"
    assert preview(white, white, width=80) == f"{block}  {block}\n"


def test_with_256_colours_the_nearest_of_the_cube_is_taken():
    mixed = pixels([[255, 100, 0]], [[130, 180, 220]])
    block = "\x1b[38;5;202m\x1b[48;5;110m\u2580\x1b[0m"
    assert preview(mixed, mixed, width=80, true_colour=False) == f"{block}  {block}\n"


@pytest.mark.parametrize("width", [1, 2, 3, 20, 81])
@pytest.mark.parametrize("shape", [(1, 1), (400, 3), (3, 400), (64, 48)])
def test_no_line_is_wider_than_the_terminal(width, shape):
    lines = plain(preview(colour(*shape), colour(*shape), width=max(width, 4))).splitlines()
    assert max(map(len, lines)) <= max(width, 4)
    assert 1 <= len(lines) <= 30


def test_the_shape_of_a_picture_is_kept():
    lines = plain(preview(colour(40, 80), colour(40, 80), width=42)).splitlines()
    assert (len(lines), len(lines[0])) == (5, 42)


def test_pictures_of_two_heights_stand_side_by_side():
    lines = plain(preview(colour(2, 3), colour(6, 3), width=80)).splitlines()
    assert lines == ["\u2580" * 3 + "  " + "\u2580" * 3, *["     " + "\u2580" * 3] * 2]


def test_the_terminal_says_what_it_can():
    assert has_true_colour({"COLORTERM": "truecolor"})
    assert has_true_colour({"COLORTERM": "24bit"})
    assert not has_true_colour({"TERM": "xterm-256color"})
