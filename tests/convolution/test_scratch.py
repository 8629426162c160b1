"""Work memory: the same under the same name, and what was made of it only as long as it stands."""

import numpy as np

from convfilter.convolution.scratch import Scratch


def test_the_same_name_and_type_give_the_same_memory():
    scratch = Scratch()
    first = scratch.take("block", (4, 5), np.float32)
    assert np.shares_memory(first, scratch.take("block", (2, 3), np.float32))
    assert not np.shares_memory(first, scratch.take("block", (4, 5), np.int32))
    assert not np.shares_memory(first, scratch.take("sums", (4, 5), np.float32))
    assert first.flags.c_contiguous


def test_memory_lies_in_the_order_of_another_array():
    array = np.zeros((3, 4, 5)).transpose(2, 0, 1)
    like = Scratch().like("narrow", array, np.uint8)
    assert like.shape == array.shape
    assert np.argsort(like.strides).tolist() == np.argsort(array.strides).tolist()


def test_what_is_kept_is_made_once():
    scratch, made = Scratch(), []
    for _ in range(3):
        assert scratch.kept("recipe", lambda: made.append(1) or "kept") == "kept"
    assert made == [1]
    assert scratch.kept("another", lambda: "other") == "other"


def test_nothing_is_kept_about_memory_that_has_given_way():
    scratch = Scratch()
    scratch.take("block", (8,), np.int16)
    assert scratch.kept("recipe", lambda: "old") == "old"
    scratch.take("block", (4,), np.int16)
    scratch.take("more", (100,), np.int16)
    assert scratch.kept("recipe", lambda: "new") == "old"
    scratch.take("block", (9,), np.int16)
    assert scratch.kept("recipe", lambda: "new") == "new"
