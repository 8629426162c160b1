"""Arrays in files, read as pictures."""

import io
import struct

import numpy as np
import pytest

from convfilter.errors import ImageError
from convfilter.images.reading import read_picture, read_size

pytestmark = pytest.mark.usefixtures("without_codecs")  # as Pillow alone does it


def npy(array, **options):
    stream = io.BytesIO()
    np.save(stream, array, **options)
    return stream


@pytest.mark.parametrize(
    "dtype",
    ["uint8", "int8", "uint16", "int16", "uint32", "int32", "float32", "float64", ">u2", ">f4", ">i4", ">f8"],
)
@pytest.mark.parametrize("shape", [(5, 7), (5, 7, 1), (5, 7, 2), (5, 7, 3), (5, 7, 4), (5, 7, 6)])
@pytest.mark.parametrize("order", ["C", "F"])
def test_arrays_are_pictures(dtype, shape, order):
    array = np.asarray(np.random.default_rng(0).integers(0, 100, shape), dtype=dtype, order=order)
    picture = read_picture(npy(array))
    expected = array[..., 0] if shape[2:] == (1,) else array
    np.testing.assert_array_equal(picture.pixels, expected)
    assert picture.pixels.dtype == np.dtype(dtype).newbyteorder("=")
    assert picture.pixels.flags.c_contiguous
    assert picture.pixels.dtype.isnative
    grey = {"u1": "L", "u2": "I;16"}.get(np.dtype(dtype).str[1:], "F" if "f" in np.dtype(dtype).str else "I")
    modes = {(): grey, (1,): grey, (2,): "LA", (3,): "RGB", (4,): "RGBA", (6,): "C6"}
    assert picture.mode == modes[shape[2:]]
    size = read_size(npy(array))
    assert size == (7, 5, *(shape[2:] or (1,)), picture.mode, picture.pixels.dtype.name, "npy", 1)


def test_truth_and_half_floats_are_widened():
    assert read_picture(npy(np.array([[True, False]]))).pixels.tolist() == [[255, 0]]
    assert read_picture(npy(np.array([[0.5]], np.float16))).pixels.dtype == np.float32


@pytest.mark.parametrize(
    "array",
    [np.zeros(3, np.uint8), np.zeros((2,) * 5, np.uint8), np.zeros((0, 3), np.uint8), np.zeros((3, 0, 3)),
     np.zeros((2, 2), np.int64), np.zeros((2, 2), np.complex64), np.zeros((2, 2), "U3"),
     np.zeros((2, 2), "M8[s]"), np.zeros((2, 2), [("a", "u1")]), np.array(7)],
)  # fmt: skip
def test_other_arrays_are_refused(array):
    with pytest.raises(ImageError, match="is not an image"):
        read_picture(npy(array))


def test_objects_are_never_unpickled():
    with pytest.raises(ImageError):
        read_picture(npy(np.array([[print]], dtype=object), allow_pickle=True))


def test_an_array_that_promises_more_than_it_holds_takes_no_memory():
    shape = b"(4000000000, 4000000000)"
    header = b"{'descr': '|u1', 'fortran_order': False, 'shape': %s, }\n" % shape
    data = b"\x93NUMPY\1\0" + struct.pack("<H", len(header)) + header + b"xx"
    with pytest.raises(ImageError, match="truncated npy data"):
        read_picture(io.BytesIO(data), max_pixels=10**20)
    with pytest.raises(ImageError, match="pixels are more than"):
        read_picture(io.BytesIO(data))
