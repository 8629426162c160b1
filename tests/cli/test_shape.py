"""``convfilter shape``: sizes found before anything is computed; the pages of docs/ hold what is printed."""

import json

import numpy as np
import pytest
from PIL import Image
from samples import animate, grey, moving, save


def sides(width, height):
    return {"width": width, "height": height}


def test_json_has_the_promised_keys_and_no_others(quick):
    ran = quick("shape", "28x28", "-k", "3x3", "--json")
    assert json.loads(ran.out) == {
        "input": sides(28, 28),
        "kernel": sides(3, 3),
        "valid": sides(26, 26),
        "same": sides(28, 28),
        "full": sides(30, 30),
        "weights": 9,
        "multiplications": 9 * 676,
        "fully_connected": 784 * 676,
        "receptive_field": sides(3, 3),
    }
    assert len(ran.out.splitlines()) == 1


def shape(quick, *arguments):
    """What `shape` says of one size, as JSON."""
    ran = quick("shape", *arguments, "--json")
    assert ran.code == 0, ran.err
    return json.loads(ran.out)


@pytest.mark.parametrize(
    ("padding", "output", "row"),
    [("valid", (26, 24), "valid"), ("1", (28, 26), None), ("2,0", (26, 28), None)],
)
def test_a_padding_shows_its_own_row_only(quick, padding, output, row):
    found = shape(quick, "28x28", "-k", "3x5", "--padding", padding)
    assert (found["padding"], found["output"]) == (padding, sides(*output))
    assert {"valid", "same", "full"} & set(found) == ({row} if row else set())
    assert found["multiplications"] == 15 * output[0] * output[1]
    assert found["fully_connected"] == 784 * output[0] * output[1]


def test_rows_come_before_columns_in_stride_and_dilation(quick):
    found = shape(quick, "100x80", "-k", "3x3", "--stride", "2,5", "--dilation", "3,1")
    assert (found["input"], found["kernel"]) == (sides(100, 80), sides(3, 3))
    assert found["same"] == sides(20, 40)
    assert found["valid"] == sides((100 - 2 - 1) // 5 + 1, (80 - 6 - 1) // 2 + 1)
    assert found["receptive_field"] == sides(3, 7)


def test_a_chain_lists_each_step_and_the_last_output(quick):
    found = shape(quick, "28x28", "-k", "3x3", "-k", "sobel", "--padding", "valid", "--stride", "2")
    assert set(found) == {"steps", "output"}
    first, last = found["steps"]
    assert first["output"] == last["input"] == sides(13, 13)
    assert found["output"] == last["output"] == sides(6, 6)
    assert last["weights"] == 18  # both parts
    assert last["receptive_field"] == sides(7, 7)  # 3 + (3 - 1) * 2
    assert [step["padding"] for step in shape(quick, "9x9", "-k", "3", "-k", "3")["steps"]] == ["same"] * 2


def test_kernels_with_a_channel_axis_bring_their_channels(quick):
    assert shape(quick, "9x9", "-k", "luma")["weights"] == 3
    assert shape(quick, "9x9", "-k", "sepia")["weights"] == 9


# Sizes, parameters and receptive fields from the papers and torchvision; multiplications from the formula.
NETWORKS = {
    "resnet stem in tensorflow": (
        "224x224 --in-channels 3 --padding same-upper -k 7x7:out=64,stride=2 -k pool3x3:stride=2",
        [112, 56],
        [9408, 0],
        118_013_952,
        11,
    ),
    "mobilenet": (  # each channel on its own, then their mixture
        "112x112 --in-channels 32 -k 3x3:out=32,groups=32 -k 1x1:out=64",
        [112, 112],
        [288, 2048],
        29_302_784,
        3,
    ),
    "dcgan": (  # the generator of PyTorch's tutorial
        "1x1 --in-channels 100 -k 4x4:transposed,padding=0,out=512"
        + "".join(f" -k 4x4:transposed,stride=2,padding=1,out={channels}" for channels in (256, 128, 64, 3)),
        [4, 8, 16, 32, 64],
        [819200, 2097152, 524288, 131072, 3072],
        104_628_224,
        6,
    ),
}  # fmt: skip


@pytest.mark.parametrize("network", NETWORKS)
def test_well_known_networks_have_their_published_numbers(quick, network):
    arguments, widths, parameters, multiplications, field = NETWORKS[network]
    found = shape(quick, *arguments.split())
    steps = found["steps"]
    assert [step["output"] for step in steps] == [sides(width, width) for width in widths]
    assert [step["weights"] + step.get("biases", 0) for step in steps] == parameters
    assert sum(step["multiplications"] for step in steps) == multiplications
    assert steps[-1]["receptive_field"] == sides(field, field)
    total = quick("shape", *arguments.split()).out.splitlines()[-2].split()
    assert total == ["total", f"{sum(parameters):,}", f"{multiplications:,}"]


def test_a_layer_has_its_own_options_and_the_chain_the_rest(quick):
    chain = ("-k", "3x3", "-k", "gaussian:1,stride=2,1,dilation=2", "-k", "pool2", "-k", "sobel:padding=full")
    steps = shape(quick, "40\u00d730", *chain, "--padding", "1", "--bias", "--out-channels", "4")["steps"]
    assert [step["padding"] for step in steps] == ["1", "1", "1", "full"]
    sizes = [sides(40, 30), sides(30, 10), sides(16, 6), sides(18, 8)]
    assert [step["output"] for step in steps] == sizes
    assert "full" in steps[-1]
    assert [step["weights"] for step in steps] == [36, 49 * 16, 0, 18 * 16]
    assert [step["biases"] for step in steps] == [4, 4, 0, 4]
    first, last = shape(quick, "40x30", "-k", "3x3", "-k", "box:size=5,3,stride=1", "--stride", "2")["steps"]
    assert (first["output"], last["output"], last["kernel"]) == (sides(20, 15), sides(20, 15), sides(5, 3))
    assert shape(quick, "9x9", "-k", "sepia:groups=3", "--in-channels", "9")["weights"] == 9
    assert shape(quick, "9,7", "-k", "pool3x2")["valid"] == sides(3, 3)
    assert shape(quick, "9x7", "-k", "pool3x2", "--stride", "1")["valid"] == sides(7, 6)
    ran = quick("shape", "12", "-k", "3:transposed,stride=2,padding=1", "--bias")
    assert "length  (12 - 1)*2 + 1*(3 - 1) + 1 - 1 - 1 = 23    (valid: " in ran.out
    assert "biases           1, with the weights 4 parameters" in ran.out
    ran = quick("shape", "12", "-k", "4:transposed", "--padding", "same")
    assert "(12 - 1)*1 + 1*(4 - 1) + 1 - 1 - 2 = 12" in ran.out


def test_sizes_are_drawn_to_scale(quick, tmp_path):
    """The areas of the blue boxes are those of the outputs, and the red frame is as wide as the field."""
    chain = ("-k", "2x2:transposed,stride=2", "-k", "20x10")
    ran = quick("shape", "40x20", *chain, "--padding", "valid", "-o", "a.png")
    assert (ran.code, ran.complaints) == (0, ["convfilter: drawn to a.png"])
    drawn = np.array_split(np.asarray(Image.open(tmp_path / "a.png")).astype(int), 3, axis=1)
    blue = [(third == (190, 208, 232)).all(axis=2) for third in drawn]
    assert [sum(third.any(axis=0)) for third in blue] == [48, 98, 74]  # 40, 80, 61 of 80, less a line
    assert [sum(third.any(axis=1)) for third in blue] == [23, 48, 37]  # 20, 40, 31
    red = [(third == (214, 40, 57)).all(axis=2) for third in drawn]
    assert [sum(third.any(axis=0)) for third in red] == [0, 3, 28]  # none, 1 and 11 of 40
    assert quick("shape", "40x20", "-k", "3x3", "-o", "a.png", "--overwrite").code == 0
    aside = quick("shape", "40", "-k", "3", "-o", "-")
    assert aside.raw.startswith(b"\x89PNG")
    assert "receptive field" in aside.err


def test_an_image_is_measured_as_displayed(quick, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    save(tmp_path / "a.png", grey(20, 30), exif=exif)
    ran = quick("shape", "a.png", "-k", "sobel", "--padding", "same")
    assert ran.code == 0, ran.err
    assert ran.out.splitlines()[0] == "a.png: 20x30 -> 20x30"


def test_one_bad_image_does_not_stop_the_others(quick, tmp_path):
    (tmp_path / "folder").mkdir()
    ran = quick("shape", "gone.png", "5x5", "folder", "7x7", "-k", "3x3", "--json")
    assert ran.code == 1
    assert [line.split(":")[1].strip() for line in ran.complaints] == ["gone.png", "folder"]
    assert [json.loads(line)["valid"] for line in ran.out.splitlines()] == [sides(3, 3), sides(5, 5)]


def test_nothing_left_is_reported_in_the_table(quick):
    ran = quick("shape", "3x3", "-k", "5x5")
    assert ran.code == 0
    assert "valid            nothing " in ran.out
    assert json.loads(quick("shape", "3x3", "-k", "5x5", "--json").out)["valid"] is None


def test_frames_of_an_image_are_an_axis_for_kernels_that_span_them(quick, tmp_path):
    animate(tmp_path / "moving.tif", moving(5))
    height, width = moving(5)[0].shape[:2]
    size = {"width": width, "height": height, "frames": 5}
    found = shape(quick, "moving.tif", "-k", "temporal-edge")
    assert found["input"] == found["same"] == size
    assert found["kernel"] == found["receptive_field"] == {"width": 1, "height": 1, "frames": 3}
    assert found["valid"] == size | {"frames": 3}
    assert found["full"] == size | {"frames": 7}
    assert (found["weights"], found["multiplications"]) == (3, 3 * 3 * height * width)
    ran = quick("shape", "moving.tif", "-k", "temporal-edge:padding=2,stride=2")
    assert "frames  5 + 1 + 1 - 3 + 1 = 5" in ran.out
    assert "width x height x frames" in ran.out
    first, pool = shape(quick, "moving.tif", "-k", "temporal-edge", "-k", "pool2x3:padding=0,1")["steps"]
    assert (first["output"], pool["padding"]) == (size, "0,1")
    assert pool["output"] == {"width": width // 2 + 1, "height": height // 3, "frames": 5}
    strided = shape(quick, "moving.tif", "-k", "temporal-edge", "--stride", "1,2")
    assert strided["same"] == size | {"width": width // 2}
    # Of other kernels and of sizes, each frame counts on its own.
    assert shape(quick, "moving.tif", "-k", "blur")["input"] == {"width": width, "height": height}
    typed = shape(quick, "28x20", "-k", "temporal-edge")
    assert typed["valid"] == typed["same"] == {"width": 28, "height": 20}
    assert (typed["weights"], typed["multiplications"]) == (3, 3 * 28 * 20)
