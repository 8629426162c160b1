"""Contact sheets and what is shown on them."""

import numpy as np
import pytest
from samples import colour, grey

from convfilter.drawing.canvas import as_seen, fitted, full_scale, shrunk, text_size
from convfilter.drawing.sheet import Tile, contact_sheet, default_columns


@pytest.mark.parametrize(
    ("count", "size"), [(1, (30, 40)), (2, (200, 320)), (5, (300, 100)), (12, (200, 320)), (40, (30, 40))]
)
def test_a_sheet_is_wide_enough_and_holds_every_tile(count, size):
    tiles = [
        Tile(np.full((*size, 3), 1 + number, np.uint8), f"tile {number}", "note") for number in range(count)
    ]
    sheet = contact_sheet(tiles)
    assert sheet.shape[1] >= 1000
    for number in range(count):
        found = np.argwhere((sheet == 1 + number).all(axis=2))
        assert len(found) >= size[0] * size[1]
        block = found.min(axis=0), found.max(axis=0)
        assert tuple(block[1] - block[0] + 1) == size


def test_tiles_stand_in_reading_order():
    tiles = [Tile(np.full((20, 300, 3), 1 + number, np.uint8), "t") for number in range(5)]
    sheet = contact_sheet(tiles, columns=3)
    places = [tuple(np.argwhere((sheet == 1 + number).all(axis=2))[0]) for number in range(5)]
    assert places == sorted(places)
    assert places[0][0] == places[2][0] < places[3][0]
    assert places[0][1] == places[3][1] < places[1][1]


def test_wide_pictures_are_shrunk_to_their_tile():
    sheet = contact_sheet([Tile(np.full((100, 800, 3), 9, np.uint8), "t")], width=200)
    assert (np.ptp(np.argwhere((sheet == 9).all(axis=2)), axis=0) + 1).tolist() == [25, 200]


def test_columns_follow_the_number_of_tiles():
    counts = (1, 3, 4, 5, 6, 7, 8, 9, 10, 12, 13, 20, 21, 100)
    assert [default_columns(count) for count in counts] == [3, 3, 4, 3, 3, 4, 4, 3, 4, 4, 5, 5, 6, 6]


def test_long_labels_are_cut():
    assert fitted("short", 16, 200) == "short"
    cut = fitted("a very long label that does not fit at all", 16, 100)
    assert cut.endswith("…")
    assert text_size(cut, 16)[0] <= 100


def test_grey_alpha_and_depth_are_seen():
    assert as_seen(grey(), "L").shape == (8, 10, 3)
    assert (as_seen(np.full((2, 2), 65535, np.uint16), "I;16") == 255).all()
    assert (as_seen(np.full((2, 2), 0.5, np.float32), "F") == 128).all()
    assert as_seen(colour(channels=4), "CMYK").shape == (8, 10, 3)
    assert as_seen(np.zeros((8, 10, 5), np.float32), "C5").shape == (8, 10, 3)
    clear = colour(channels=4)
    clear[..., 3] = 0
    assert set(np.unique(as_seen(clear, "RGBA"))) == {200, 235}
    opaque = colour(channels=4)
    opaque[..., 3] = 255
    assert np.array_equal(as_seen(opaque, "RGBA"), opaque[..., :3])


def test_full_scale_is_that_of_the_type_or_the_largest():
    assert full_scale(grey()) == 255
    assert full_scale(np.zeros((2, 2), np.uint16)) == 65535
    assert full_scale(np.array([[0.2, np.nan]])) == 1
    assert full_scale(np.array([[-7, 3]])) == 7


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("channels", [None, 1, 3, 4])
def test_shrinking_keeps_type_channels_and_constants(dtype, channels):
    shape = (60, 90) if channels is None else (60, 90, channels)
    small = shrunk(np.full(shape, 7, dtype), 30)
    assert small.shape == (20, 30, *shape[2:])
    assert small.dtype == dtype
    np.testing.assert_allclose(small, 7, atol=1e-4)


def test_shrinking_weighs_colours_with_alpha_but_not_ink():
    pixels = np.zeros((1, 2, 4), np.uint8)
    pixels[0, 0] = 200, 100, 50, 255
    assert shrunk(pixels, 1, "RGBA")[0, 0, :3].tolist() == pytest.approx([200, 100, 50], abs=3)
    assert shrunk(pixels, 1, "CMYK")[0, 0].tolist() == [100, 50, 25, 128]


def test_narrow_pictures_are_not_touched():
    pixels = colour(10, 20)
    assert shrunk(pixels, 20) is pixels
