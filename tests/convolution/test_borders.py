"""Borders: a rule for each position past the edge, and a constant where it leads nowhere."""

import numpy as np
import pytest
from oracles import BORDERS

from convfilter import correlate
from convfilter.convolution import borders
from convfilter.convolution.borders import ArraySource, border_fill


@pytest.mark.parametrize("border", BORDERS)
def test_a_fill_counts_for_the_constant_border_only_however_far_out(border):
    array = np.array([1, 2, 3])
    with_fill = correlate(array, [1], padding=20, border=border, fill=9)
    without = correlate(array, [1], padding=20, border=border)
    assert np.array_equal(with_fill, without) == (border != "constant")
    assert border_fill(border, 9.0) == (9.0 if border == "constant" else 0.0)


@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize(("start", "length"), [(0, 5), (1, 3), (-2, 9), (5, 4), (-9, 4), (4, 1)])
def test_a_block_is_what_the_rule_says_wherever_it_lies(border, start, length):
    array = np.arange(10, 15)[:, np.newaxis]
    block = np.zeros((length, 1), int)
    ArraySource(array, border, -7.0)([start], block)
    index = borders.source_index(np.arange(start, start + length), 5, border)
    expected = [-7 if each < 0 else array[each, 0] for each in index]
    assert block.ravel().tolist() == expected
