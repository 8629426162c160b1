"""Chains of layers on paper: sizes, weights, multiplications and receptive fields."""

import itertools

import numpy as np
import pytest

from convfilter import output_shape
from convfilter.layers import Layer, follow


def layer(*window, **fields):
    return Layer("test", window, **fields)


def test_every_step_obeys_the_output_size():
    chain = [layer(3, 5), layer(2, 2), layer(1, 4)]
    for padding in ("valid", "same", "full", 3, (2, 1)):
        for stride, dilation in ((1, 1), (3, 2), ((1, 2), (3, 1))):
            options = {"padding": padding, "stride": stride, "dilation": dilation}
            size = (200, 150)
            for step, each in zip(follow(size, chain, **options), chain, strict=True):
                assert step.size == size
                size = output_shape(size, each.window, **options)
                assert step.output == size
                assert step.multiplications == each.window[0] * each.window[1] * size[0] * size[1]


@pytest.mark.parametrize("seed", range(6))
def test_the_receptive_field_is_what_one_output_depends_on(seed):
    """Samples carry what they depend on through strided, then transposed layers."""
    number = np.random.default_rng(seed).integers
    chain = [
        *(layer(int(number(1, 5)), stride=int(number(1, 4)), dilation=int(number(1, 4))) for _ in "ab"),
        layer(int(number(1, 7)), stride=int(number(1, 4)), transposed=True),
        layer(3),
        layer(int(number(1, 7)), stride=int(number(1, 4)), transposed=True),
    ]
    seen = [{place} for place in range(200)]
    for step in follow((200,), chain, padding="valid"):
        (axis,), turned = step.rows["output"], step.layer.transposed
        made = [set() for _ in range(step.output[0])]
        for start in range(len(seen) if turned else len(made)):
            for tap in range(axis.kernel):
                there = start * axis.stride + tap * axis.dilation
                made[there if turned else start] |= seen[start if turned else there]
        assert step.receptive_field == (max(max(each) - min(each) + 1 for each in made if each),)
        seen = made


def test_a_transposed_layer_undoes_the_size_of_the_layer():
    for length, stride, dilation in itertools.product((1, 2, 3, 4, 7), (1, 2, 3), (1, 2)):
        for padding in ("valid", "same", "full", "same-upper", 0, (1, 0)):
            options = {"padding": padding, "stride": stride, "dilation": dilation}
            (step,) = follow((40,), [layer(length, transposed=True)], **options)
            assert output_shape(step.output, length, **options) == (40,)
            if "same" in str(padding):
                assert step.output == (40 * stride,)
