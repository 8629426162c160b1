"""Borders: a rule for each position past the edge, and a constant where it leads nowhere."""

import numpy as np
import pytest
from oracles import BORDERS

from convfilter import correlate
from convfilter.convolution import borders
from convfilter.convolution.borders import ArraySource, fill_of


def half_mirrored(positions, size, border):
    """A rule of a border to come: mirrored once, and nothing farther out."""
    mirrored = np.where(positions < 0, -1 - positions, positions)
    mirrored = np.where(positions >= size, 2 * size - 1 - positions, mirrored)
    return np.where((mirrored >= 0) & (mirrored < size), mirrored, -1)


def test_a_rule_may_lead_somewhere_and_nowhere_in_turn(monkeypatch):
    monkeypatch.setattr(borders, "source_index", half_mirrored)
    source = ArraySource(np.array([[1], [2], [3]]), "half", 9.0)
    block = np.zeros((13, 1), int)
    source([-5], block)
    assert block.ravel().tolist() == [9, 9, 3, 2, 1, 1, 2, 3, 3, 2, 1, 9, 9]
    apart = np.zeros((4, 1), int)
    source([-6], apart)
    assert apart.ravel().tolist() == [9, 9, 9, 3]


@pytest.mark.parametrize("border", BORDERS)
def test_a_fill_counts_for_the_constant_border_only_however_far_out(border):
    array = np.array([1, 2, 3])
    with_fill = correlate(array, [1], padding=20, border=border, fill=9)
    without = correlate(array, [1], padding=20, border=border)
    assert np.array_equal(with_fill, without) == (border != "constant")
    assert fill_of(border, 9.0) == (9.0 if border == "constant" else 0.0)


@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize(("start", "length"), [(0, 5), (1, 3), (-2, 9), (5, 4), (-9, 4), (4, 1)])
def test_a_block_is_what_the_rule_says_wherever_it_lies(border, start, length):
    array = np.arange(10, 15)[:, np.newaxis]
    block = np.zeros((length, 1), int)
    ArraySource(array, border, -7.0)([start], block)
    index = borders.source_index(np.arange(start, start + length), 5, border)
    expected = [-7 if each < 0 else array[each, 0] for each in index]
    assert block.ravel().tolist() == expected
