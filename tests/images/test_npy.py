"""Arrays in files, read as images."""

import io
import struct

import numpy as np
import pytest
from encoded import Counting, npy, read_frames

from convfilter.errors import ImageError
from convfilter.images.reading import read_picture, read_size

pytestmark = pytest.mark.usefixtures("without_codecs")  # as Pillow alone does it


GREYS = {"uint8": "L", ">u2": "I;16", "int8": "I", ">i4": "I", "float32": "F", ">f8": "F"}


@pytest.mark.parametrize("dtype", GREYS)
@pytest.mark.parametrize("order", ["C", "F"])
def test_arrays_are_images(dtype, order):
    modes = {(): GREYS[dtype], (1,): GREYS[dtype], (2,): "LA", (3,): "RGB", (4,): "RGBA", (6,): "C6"}
    for channels, mode in modes.items():
        array = np.random.default_rng(0).integers(0, 100, (5, 7, *channels)).astype(dtype, order=order)
        picture = read_picture(npy(array))
        np.testing.assert_array_equal(picture.pixels, array[..., 0] if channels == (1,) else array)
        assert picture.pixels.dtype == np.dtype(dtype).newbyteorder("=")
        assert picture.pixels.flags.c_contiguous
        assert picture.mode == mode
        size = (7, 5, *(channels or (1,)), mode, picture.pixels.dtype.name, "npy", 1)
        assert read_size(npy(array)) == size


def test_truth_and_half_floats_are_widened():
    assert read_picture(npy(np.array([[True, False]]))).pixels.tolist() == [[255, 0]]
    assert read_picture(npy(np.array([[0.5]], np.float16))).pixels.dtype == np.float32


@pytest.mark.parametrize(
    "array",
    [
        *(np.zeros(shape, np.uint8) for shape in [(), (3,), (2,) * 5, (0, 3), (3, 0, 3)]),
        *(np.zeros((2, 2), dtype) for dtype in ("i8", "c8", "U3", "M8[s]", [("a", "u1")])),
    ],
)
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


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", [">u2", "bool"])
def test_an_array_of_four_axes_is_frames_and_of_three_a_volume_if_asked(order, dtype):
    array = np.random.default_rng(0).integers(0, 200, (4, 5, 6, 3)).astype(dtype, order=order)
    expected = array * np.uint8(255) if dtype == "bool" else array
    frames = read_frames(npy(array))
    assert np.array_equal([frame.pixels for frame in frames], expected)
    assert {frame.mode for frame in frames} == {"RGB"}
    flat = np.asarray(array[..., 0], order=order)
    volume = read_frames(npy(flat), axes="frames")
    assert np.array_equal([frame.pixels for frame in volume], expected[..., 0])
    assert len(read_frames(npy(flat))) == 1
    assert read_frames(npy(flat[0]), axes="frames")[0].pixels.shape == (5, 6)


@pytest.mark.parametrize("order", ["C", "F"])
def test_frames_are_read_once_in_either_order(order):
    array = np.asarray(np.arange(20 * 5 * 6 * 3, dtype=np.uint8).reshape(20, 5, 6, 3), order=order)
    file = Counting(npy(array).getvalue())
    assert np.array_equal([frame.pixels for frame in read_frames(file)], array)
    assert file.count < array.nbytes + 2000  # and its header, several times


def test_frames_of_one_channel_are_grey():
    array = np.arange(24, dtype=np.uint8).reshape(2, 3, 4, 1)
    frames = read_frames(npy(array))
    assert [frame.mode for frame in frames] == ["L", "L"]
    assert np.array_equal([frame.pixels for frame in frames], array[..., 0])
    assert read_size(npy(array)) == (4, 3, 1, "L", "uint8", "npy", 2)
