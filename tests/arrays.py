"""Arrays for tests of convolution, and how close results of reals must be."""

import numpy as np
from hypothesis import strategies as st
from oracles import BORDERS


def integers(seed, *shape, low=-99, high=100):
    """Return random integers."""
    return np.random.default_rng(seed).integers(low, high, shape)


def reals(seed, *shape):
    """Return random numbers of both signs."""
    return np.random.default_rng(seed).normal(size=shape)


def layouts_of(array):
    """Yield an array as it may lie in memory: Fortran's order, strided, turned, unaligned, read-only, ..."""
    yield np.asfortranarray(array)
    spacious = np.zeros([2 * side for side in array.shape], array.dtype)
    inside = spacious[(slice(None, None, 2),) * array.ndim]
    inside[...] = array
    yield inside
    yield np.flip(np.flip(array).copy())
    yield np.moveaxis(np.moveaxis(array, -1, 0).copy(), 0, -1)
    yield array.astype(array.dtype.newbyteorder(">"))
    yield np.frombuffer(b"x" + array.tobytes(), array.dtype, offset=1).reshape(array.shape)
    frozen = array.copy()
    frozen.flags.writeable = False
    yield frozen


@st.composite
def problems(draw, most_axes=3):
    """Draw an array, a kernel and all options of `correlate`, with up to two axes that are carried along."""
    rank = draw(st.integers(1, most_axes))
    most = {1: 9, 2: 9, 3: 5}[rank]
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    sizes = draw(st.tuples(*[st.integers(1, most)] * rank))
    lengths = draw(st.tuples(*[st.integers(1, {1: 12, 2: 5, 3: 3}[rank])] * rank))
    carried = draw(st.lists(st.integers(1, 3), max_size=2 if rank == 1 else 1))
    amount = st.integers(0, 4)
    entry = st.one_of(st.sampled_from(["same", "valid", "full"]), amount, st.tuples(amount, amount))
    steps = st.one_of(st.integers(1, 3), st.tuples(*[st.integers(1, 3)] * rank))
    options = {
        "padding": draw(st.one_of(st.sampled_from(["same", "full"]), amount, st.tuples(*[entry] * rank))),
        "border": draw(st.sampled_from(BORDERS)),
        "fill": draw(st.integers(-9, 9)),
        "stride": draw(steps),
        "dilation": draw(steps),
    }
    array = rng.integers(-99, 100, (*sizes, *carried))
    return array, rng.integers(-99, 100, lengths), options
