"""Contact sheets, and images as characters in a terminal."""

import re

import numpy as np
import pytest
from samples import colour, grey

from convfilter.drawing import displayed, diverging, fitted, full_scale, shrunk, text_width
from convfilter.drawing.sheet import Tile, contact_sheet, preview


@pytest.mark.parametrize(
    ("count", "size", "columns", "width"),
    [(1, (30, 40), 3, 40), (12, (80, 600), 4, 150), (2, (10, 20), 3, 60)],
)
def test_a_sheet_is_wide_enough_and_holds_every_tile_in_reading_order(count, size, columns, width):
    tiles = [Tile(np.full((*size, 3), 1 + n, np.uint8), f"tile {n}", "note") for n in range(count)]
    sheet = contact_sheet(tiles, columns=columns, width=width)
    assert sheet.shape[1] >= 1000
    places = []
    for number in range(count):
        found = np.argwhere((sheet == 1 + number).all(axis=2))
        assert (np.ptp(found, axis=0) + 1).tolist() == [size[0] * width // size[1], width]
        places.append(found[0].tolist())
    assert places == sorted(places)
    assert len({row for row, _ in places}) == -(-count // columns)


def test_long_labels_are_cut():
    assert fitted("short", 16, 200) == "short"
    cut = fitted("a very long label that does not fit at all", 16, 100)
    assert cut.endswith("…")
    assert text_width(cut, 16) <= 100


def test_grey_alpha_and_depth_are_displayed():
    assert displayed(grey(), "L").shape == (8, 10, 3)
    assert (displayed(np.full((2, 2), 65535, np.uint16), "I;16") == 255).all()
    assert (displayed(np.full((2, 2), 0.5, np.float32), "F") == 128).all()
    assert displayed(colour(channels=4), "CMYK").shape == (8, 10, 3)
    assert displayed(np.zeros((8, 10, 5), np.float32), "C5").shape == (8, 10, 3)
    for alpha, mode in ((0, "RGBA"), (255, "RGBA"), (0, "LA")):
        pixels = colour(channels=len(mode))
        pixels[..., -1] = alpha
        shown = displayed(pixels, mode)
        assert np.array_equal(shown, pixels[..., :3]) if alpha else set(np.unique(shown)) == {200, 235}


def test_full_scale_is_that_of_the_type_or_the_largest():
    assert full_scale(grey()) == 255
    assert full_scale(np.zeros((2, 2), np.uint16)) == 65535
    assert full_scale(np.array([[0.2, np.nan]])) == 1
    assert full_scale(np.array([[-7, 3]])) == 7


@pytest.mark.filterwarnings("error")
def test_numbers_that_are_not_finite_leave_the_colours_of_the_others():
    shown = diverging(np.array([[4, -2, np.nan, np.inf, -np.inf]]))
    np.testing.assert_array_equal(shown[:, :2], diverging(np.array([[4, -2]])))
    np.testing.assert_array_equal(shown[:, 2:], diverging(np.array([[0, 4, -4]])))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("channels", [(), (1,), (3,), (4,)])
def test_shrinking_keeps_type_channels_and_constants(dtype, channels):
    small = shrunk(np.full((60, 90, *channels), 7, dtype), 30)
    assert small.shape == (20, 30, *channels)
    assert small.dtype == dtype
    np.testing.assert_allclose(small, 7, atol=1e-4)


def test_shrinking_weights_colours_with_alpha_but_not_ink():
    pixels = np.zeros((1, 2, 4), np.uint8)
    pixels[0, 0] = 200, 100, 50, 255
    assert shrunk(pixels, 1, "RGBA")[0, 0, :3].tolist() == pytest.approx([200, 100, 50], abs=3)
    assert shrunk(pixels, 1, "CMYK")[0, 0].tolist() == [100, 50, 25, 128]
    assert shrunk(pixels, 2) is pixels


def lines_of(before, after, width):
    return [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in preview(before, after, width=width)]


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
    assert preview(pixels, pixels, width=80) == [f"{block}  {block}"]


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
