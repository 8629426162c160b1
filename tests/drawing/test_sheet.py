"""Contact sheets and what is shown on them."""

import numpy as np
import pytest
from samples import colour, grey

from convfilter.drawing.canvas import displayed, fitted, full_scale, shrunk, text_width
from convfilter.drawing.sheet import Tile, contact_sheet, default_columns


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


def test_columns_follow_the_number_of_tiles():
    counts = (1, 3, 4, 5, 6, 7, 8, 9, 10, 12, 13, 20, 21, 100)
    assert [default_columns(count) for count in counts] == [3, 3, 4, 3, 3, 4, 4, 3, 4, 4, 5, 5, 6, 6]


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
