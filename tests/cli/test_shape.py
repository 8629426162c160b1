"""``convfilter shape``: sizes found before anything is computed."""

import json

import pytest
from PIL import Image
from samples import animate, grey, moving, save


def sides(width, height):
    return {"width": width, "height": height}


def test_28x28_with_3x3_gives_26x26_with_9_weights_instead_of_529984(quick):
    ran = quick("shape", "28x28", "-k", "3x3")
    assert ran.code == 0
    assert ran.err == ""
    assert ran.out.splitlines() == [
        "28x28",
        "  kernel 3x3",
        "    valid            26 x 26      width 28 - 3 + 1 = 26   height 28 - 3 + 1 = 26",
        "    same             28 x 28      width 28 + 1 + 1 - 3 + 1 = 28   height 28 + 1 + 1 - 3 + 1 = 28",
        "    full             30 x 30      width 28 + 2 + 2 - 3 + 1 = 30   height 28 + 2 + 2 - 3 + 1 = 30",
        "    weights          9",
        "    multiplications  6,084  (valid)",
        "    fully connected  529,984 weights  (valid)",
        "    receptive field  3 x 3  (width x height)",
    ]


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


def test_a_signal_of_5_with_3_weights_gives_3(quick):
    ran = quick("shape", "5", "-k", "3")
    assert "valid            3            length 5 - 3 + 1 = 3" in ran.out
    assert json.loads(quick("shape", "5", "-k", "3", "--json").out)["valid"] == sides(3, 1)


def shape(quick, *arguments):
    """What `shape` says of one size, as JSON."""
    ran = quick("shape", *arguments, "--json")
    assert ran.code == 0, ran.err
    return json.loads(ran.out)


def test_sizes_are_width_by_height(quick):
    found = shape(quick, "640x480", "-k", "5x3")
    assert (found["input"], found["kernel"]) == (sides(640, 480), sides(5, 3))
    assert found["valid"] == sides(636, 478)


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
    assert found["same"] == sides(20, 40)
    assert found["valid"] == sides((100 - 2 - 1) // 5 + 1, (80 - 6 - 1) // 2 + 1)
    assert found["receptive_field"] == sides(3, 7)


def test_stride_and_dilation_show_the_whole_formula(quick):
    ran = quick("shape", "600x400", "-k", "3x3", "--stride", "2", "--dilation", "2", "--padding", "same")
    lines = [line.strip() for line in ran.out.splitlines()]
    assert lines[0] == "600x400 -> 300x200"
    assert (
        "width   floor((600 + 2 + 2 - 2*(3 - 1) - 1) / 2) + 1 = 300"
        "    (valid: floor((600 - 2*(3 - 1) - 1) / 2) + 1 = 298)" in lines
    )


def test_a_chain_lists_each_step_and_the_last_output(quick):
    found = shape(quick, "28x28", "-k", "3x3", "-k", "sobel", "--padding", "valid", "--stride", "2")
    assert set(found) == {"steps", "output"}
    first, last = found["steps"]
    assert first["output"] == last["input"] == sides(13, 13)
    assert found["output"] == last["output"] == sides(6, 6)
    assert last["weights"] == 18  # both parts
    assert last["receptive_field"] == sides(7, 7)  # 3 + (3 - 1) * 2
    assert [step["padding"] for step in shape(quick, "9x9", "-k", "3", "-k", "3")["steps"]] == ["same"] * 2


def test_channels_multiply_weights(quick):
    found = shape(quick, "28x28", "-k", "3x3", "--in-channels", "3", "--out-channels", "8")
    assert found["weights"] == 9 * 3 * 8
    assert found["multiplications"] == 9 * 3 * 8 * 676
    assert found["fully_connected"] == (3 * 784) * (8 * 676)


def test_kernels_with_a_channel_axis_bring_their_channels(quick):
    assert shape(quick, "9x9", "-k", "luma")["weights"] == 3
    assert shape(quick, "9x9", "-k", "sepia")["weights"] == 9
    ran = quick("shape", "9x9", "-k", "luma", "--in-channels", "4")
    assert ran.code == 1
    assert ran.complaints == ["convfilter: 9x9: luma 1x1 is made for 3 channels and 4 go in"]


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


def test_nothing_left_is_reported_in_the_table_and_is_an_error_when_asked_for(quick):
    ran = quick("shape", "3x3", "-k", "5x5")
    assert ran.code == 0
    assert "valid            nothing " in ran.out
    assert json.loads(quick("shape", "3x3", "-k", "5x5", "--json").out)["valid"] is None
    ran = quick("shape", "3x3", "-k", "5x5", "--padding", "valid")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.startswith("convfilter: 3x3: nothing comes out: height 3 is smaller than the kernel's 5")


@pytest.mark.parametrize(
    "arguments", ["0x3 -k 3", "5 -k 3x3", "5 -k sobel", "5x5 -k 0x3", "5x5 -k sobl", "28x28x3 -k 3x3"]
)
def test_sizes_and_kernels_that_make_no_sense_are_refused(quick, arguments):
    ran = quick("shape", *arguments.split())
    assert (ran.code, ran.out) == (2, "")
    assert len(ran.complaints) == 1
    assert ("--in-channels" in ran.err) == ("x3 " in arguments and "28" in arguments)


def test_a_users_kernels_have_shapes_too(quick, tmp_path):
    (tmp_path / "mine.toml").write_text("[wide]\nweights = [[1, 1, 1, 1, 1, 1, 1]]\n")
    found = shape(quick, "10x10", "-k", "wide", "--kernels", "mine.toml")
    assert (found["kernel"], found["valid"]) == (sides(7, 1), sides(4, 10))


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
    ran = quick("shape", "moving.tif", "-k", "temporal-edge", "-k", "blur", "--padding", "2", "--stride", "2")
    assert "frames  5 + 1 + 1 - 3 + 1 = 5" in ran.out
    assert "width x height x frames" in ran.out
    strided = shape(quick, "moving.tif", "-k", "temporal-edge", "--stride", "1,2")
    assert strided["same"] == size | {"width": width // 2}
    # Of other kernels and of sizes, each frame counts on its own.
    assert shape(quick, "moving.tif", "-k", "blur")["input"] == {"width": width, "height": height}
    typed = shape(quick, "28x20", "-k", "temporal-edge")
    assert typed["valid"] == typed["same"] == {"width": 28, "height": 20}
    assert (typed["weights"], typed["multiplications"]) == (3, 3 * 28 * 20)
