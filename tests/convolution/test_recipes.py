"""Memory of a thread: the same from block to block, and arrays in it stay valid."""

import numpy as np

from convfilter.convolution.recipes import Workspace


def test_pieces_are_disjoint_and_the_same_from_their_level_on():
    workspace = Workspace()
    first, level = workspace.take((4, 5), np.float32), workspace.level
    second = workspace.take((4, 5), np.float32)
    assert first.flags.c_contiguous
    assert not np.shares_memory(first, second)
    workspace.level = level
    assert np.shares_memory(second, workspace.take((2, 3), np.int16))
    workspace.level = 0
    assert np.shares_memory(first, workspace.take((20,), np.int32))


def test_arrays_in_a_piece_that_grows_stay_valid():
    workspace = Workspace()
    small = workspace.take((8,), np.int16)
    small[...] = 7
    workspace.level = 0
    workspace.take((9,), np.int16)[...] = 0
    assert (small == 7).all()


def test_memory_lies_in_the_order_of_another_array():
    array = np.zeros((3, 4, 5)).transpose(2, 0, 1)
    like = Workspace().like(array, np.uint8)
    assert like.shape == array.shape
    assert np.argsort(like.strides).tolist() == np.argsort(array.strides).tolist()
