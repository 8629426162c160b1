"""What is refused: exit codes, one line a fault, nothing written, no traceback."""

import os
import sys

import numpy as np
import pytest
from samples import animate, colour, grey, load, moving, save, tree

WRONG = {
    2: """
apply a.png
apply -k sobel
apply a.png -k sobel --border constant
apply a.png -k sobel --padding 1,2,3
apply a.png -k sobel --padding=-1
apply a.png -k sobel --stride 0
apply a.png -k luma --channels sum
apply a.png -k sobel -o out.png --format tiff
apply a.png -k sobel -o out.jpgg
apply a.png -k sobel -o no/out.png
gallery a.png -k sobel -o no/out.png
explain a.png -k blur --at 0,0 -o no/out.html
apply a.png b.png -k sobel -o out.png
apply a.png -k sobel --output=
apply a.png -k sobel --background whit
apply a.png -k sobel -j 0
apply a.png -k sobel --overwrite --skip-existing
apply a.png -k sobel -q -v
apply a.png -k sobel -o a.png
apply a.png b.png -k sobel -o b.png
apply a.png b.png -k sobel -o -
apply folder -k sobel
apply a.png -k sobel --kernels gone.toml
explain a.png -k blur
explain a.png -k blur --at 0,0 --channel pink
explain a.png --at 0,0
explain -k blur --at 0,0
explain a.png --values 1 -k blur --at 0,0
explain --values 1,x -k blur
explain --values 1,2;3 -k blur
explain many.csv -k blur
explain a.png -k blur -k blur --at 0,0 --animate b.gif
explain large.png -k blur --at 0,0 --animate b.gif
explain --values 1 -k luma
explain a.png -k blur -k blur --at 0,0 --step 3
explain a.png -k blur --at 0,0 -o b.txt
explain --values 1 --weights 1 --animate b.jpg
explain --values 1 -k blur --padding 20 --at 0,0 --animate b.gif
explain --values 1 -k blur --range absolute
explain --values 1 -k blur --channel 0
gallery a.png -k blur
gallery a.png -k blur -o sheet.txt
gallery a.png --vary sigma=1,2 -o sheet.png
gallery a.png -k gaussian -k blur --vary sigma=1,2 -o sheet.png
gallery a.png -k gaussian --vary radius=1,2 -o sheet.png
gallery a.png -k gaussian --vary sigma= -o sheet.png
gallery a.png -k gaussian --vary sigma=1 --vary sigma=2 -o sheet.png
gallery a.png -k gaussian --vary border=edg -o sheet.png
gallery a.png -k blur --tile 321 -o sheet.png
""",
    1: """
explain a.png -k blur --at 99,0
explain a.png -k blur --at 0,0 --region 2x2+99+0
explain a.png -k sepia --at 0,0
explain a.png -k box:size=99 --padding valid --at 0,0
explain --values 1 -k blur --at 9,9
explain bytes.csv -k blur
explain long.csv -k blur --at 0,0
explain two.tif -k temporal-blur --at 0,0
explain gone.png -k blur --at 0,0
explain a.png -k blur --at 0,0 --frame 1
explain a.png -k blur --at 0,0 -o there.png
explain --values 1 --weights 1 --animate there.gif
gallery a.png -k blur -o there.png
gallery a.png -k box:size=99 --padding valid -o sheet.png
""",
}


@pytest.mark.parametrize(
    ("line", "code"), [(line, code) for code, lines in WRONG.items() for line in lines.strip().splitlines()]
)
def test_a_wrong_command_line_is_one_line_and_nothing_is_written(quick, tmp_path, line, code):
    save(tmp_path / "a.png", grey())
    save(tmp_path / "b.png", grey())
    save(tmp_path / "large.png", grey(20, 20))
    (tmp_path / "folder").mkdir()
    for name in ("garbage.png", "there.png", "there.gif", "bytes.csv"):
        (tmp_path / name).write_bytes(b"garbage\xff\xfe")
    (tmp_path / "many.csv").write_text("1 2 3 4 5\n" * 4)
    (tmp_path / "long.csv").write_text("1 " * (1 << 21) + "1")
    animate(tmp_path / "two.tif", [grey(5, 6), grey(6, 5)])
    animate(tmp_path / "two.gif", moving(2))
    before = tree(tmp_path)
    ran = quick(*line.split())
    assert (ran.code, ran.out, len(ran.complaints)) == (code, "", 1), ran
    assert ran.err.startswith("convfilter: ")
    assert tree(tmp_path) == before


def test_one_bad_table_refuses_the_whole_file_used_or_not(quick, tmp_path):
    (tmp_path / "bad.toml").write_text("[good]\nweights = [[1]]\n[a]\nweights = [[1, 2], [3]]")
    save(tmp_path / "a.png", grey())
    before = tree(tmp_path)
    for arguments in (("apply", "a.png", "-k", "good"), ("shape", "9x9", "-k", "sobel"), ("kernels",)):
        ran = quick(*arguments, "--kernels", "bad.toml")
        assert (ran.code, ran.out, len(ran.complaints)) == (2, "", 1)
        assert ran.err.startswith("convfilter: bad.toml: [a] weights: ")
    assert tree(tmp_path) == before


def test_messages_are_escaped_and_propose_what_was_meant(quick, tmp_path):
    save(tmp_path / "a.png", grey())
    for arguments, message in {
        ("apply", "a.png", "-k", "so\nbl"): r"unknown kernel 'so\nbl' (did you mean 'sobel'? 'convfilter "
        "kernels' lists all)",
        ("aply",): "no such command 'aply' (did you mean 'apply'?) (see 'convfilter --help')",
        ("photo.png",): "no such command 'photo.png' (did you mean 'apply photo.png -k KERNEL'?) (see "
        "'convfilter --help')",
        ("kernels", "sobel", "\x1b[31mred"): r"got unexpected extra argument (\x1b[31mred) (see 'convfilter "
        "kernels --help')",
    }.items():
        ran = quick(*arguments)
        assert (ran.code, ran.out, ran.complaints) == (2, "", [f"convfilter: {message}"])


def test_existing_outputs_are_left_alone_skipped_or_replaced(quick, tmp_path):
    save(tmp_path / "a.png", grey())
    (tmp_path / "b.png").write_bytes(b"mine")
    command = ("apply", "a.png", "-k", "identity", "-o", "b.png")
    reason = "the output exists: give --overwrite to replace it or --skip-existing to keep it"
    assert quick(*command) == (1, b"", f"convfilter: a.png: {reason}\n")
    assert quick(*command, "--skip-existing")[::2] == (0, "")
    assert (tmp_path / "b.png").read_bytes() == b"mine"
    assert quick(*command, "--overwrite")[::2] == (0, "")
    assert np.array_equal(load(tmp_path / "b.png"), grey())


FAILING = {
    "missing": ("gone.png", "blur", "No such file or directory"),
    "empty": ("empty.png", "blur", "the file is empty"),
    "garbage": ("garbage.png", "blur", "not an image"),
    "truncated": ("half.png", "blur", "png"),
    "too small for valid": ("a.png", "box:size=9,1 --padding valid", None),
    "too large a kernel": ("a.png", "box:size=11 --padding valid", "smaller than the kernel's 11"),
    "wrong number of channels": ("a.png", "luma", "3 channels"),
    "more than the format holds": ("deep.png", "blur -o out.jpg", "jpeg cannot hold grey of 16 bits"),
}


@pytest.mark.parametrize("case", FAILING)
@pytest.mark.parametrize("dry", [False, True])
def test_an_image_that_fails_is_exit_1_and_one_line_with_its_name(quick, tmp_path, case, dry):
    name, arguments, reason = FAILING[case]
    whole = save(tmp_path / "a.png", grey()).read_bytes()
    save(tmp_path / "deep.png", grey().astype(np.uint16) * 257)
    (tmp_path / "empty.png").touch()
    (tmp_path / "garbage.png").write_bytes(b"\x00garbage" * 99)
    (tmp_path / "half.png").write_bytes(whole[: len(whole) // 2])
    before = tree(tmp_path)
    ran = quick("apply", name, "-k", *arguments.split(), *["--dry-run"] * dry)
    if reason is None or (dry and case == "truncated"):  # which a header does not tell
        assert (ran.code, ran.err) == (0, "")
        return
    assert (ran.code, ran.out) == (1, "")
    assert len(ran.complaints) == 1
    assert ran.err.startswith(f"convfilter: {name}: ")
    assert reason in ran.err
    assert tree(tmp_path) == before


def test_what_is_not_a_regular_file_fails_without_waiting(quick, tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "broken.png").symlink_to("nowhere")
    (tmp_path / "loop.png").symlink_to("loop.png")
    ran = quick("apply", "pipe.png", "broken.png", "loop.png", "/dev/null", "-k", "blur", "-o", "out")
    assert (ran.code, ran.out) == (1, "")
    assert ran.complaints[:2] == [
        "convfilter: pipe.png: is a pipe, not an image file",
        "convfilter: broken.png: cannot be opened: No such file or directory",
    ]
    assert ran.complaints[2].startswith("convfilter: loop.png: cannot be opened: ")
    assert ran.complaints[3:] == [
        "convfilter: /dev/null: is a device, not an image file",
        "convfilter: 4 failed",
    ]


STRANGE = [b"two words.png", b"quo'te\".png", b"new\nline.png", b"caf\xe9.png", b"-rf.png", b"\x1b[31m.png"]


@pytest.mark.skipif(sys.platform == "darwin", reason="the file system refuses undecodable names")
def test_strange_names_are_processed_and_escaped_in_messages(quick, tmp_path):
    save(tmp_path / "a.png", colour())
    for name in STRANGE:
        os.link(tmp_path / "a.png", os.path.join(os.fsencode(tmp_path), name))
    command = ("apply", "-k", "identity", "-o", "out", "--", *map(os.fsdecode, STRANGE))
    assert quick(*command).code == 0
    assert sorted(os.listdir(os.fsencode(tmp_path / "out"))) == sorted(STRANGE)
    ran = quick(*command)
    assert (ran.code, len(ran.complaints)) == (1, len(STRANGE) + 1)
    for shown in (r"new\nline.png", r"caf\xe9.png", "-rf.png", r"\x1b[31m.png"):
        assert any(line.startswith(f"convfilter: {shown}: ") for line in ran.complaints)


@pytest.mark.parametrize("command", ["gallery a.png -k blur", "explain a.png -k blur --at 0,0"])
def test_what_a_command_looks_at_is_not_written_over(quick, tmp_path, command):
    save(tmp_path / "a.png", grey())
    os.link(tmp_path / "a.png", tmp_path / "b.png")
    before = tree(tmp_path)
    for name in ("a.png", "b.png"):
        ran = quick(*command.split(), "-o", name, "--overwrite")
        assert ran.code == 2
        assert "is the input" in ran.err
    assert tree(tmp_path) == before


def test_a_constant_that_is_not_a_fraction_is_refused_for_integers_and_right_for_floats(quick, tmp_path):
    save(tmp_path / "a.png", grey())
    save(tmp_path / "b.png", grey())
    np.save(tmp_path / "deep.npy", np.zeros((4, 5), np.float32))
    constant = ("-k", "blur", "--border", "constant=128", "-o", "out")
    for options in ((), ("-n",)):
        ran = quick("apply", "a.png", *constant, *options)
        assert (ran.code, ran.out, len(ran.complaints)) == (2, "", 1)
        assert "from 0 to 1 for integers; level 128 of 255 is 0.502" in ran.err
    assert quick("apply", "a.png", "b.png", *constant).code == 2
    assert not (tmp_path / "out").exists()
    assert quick("gallery", "a.png", *constant[:-1], "sheet.png").code == 2
    for options in ((), ("-n",)):
        ran = quick("apply", "a.png", "-k", "blur", "--threshold", "3", *options)
        assert (ran.code, len(ran.complaints)) == (2, 1)
        assert "below 1 for integers; 3 levels of 255 would be 0.01176" in ran.err
    assert quick("apply", "deep.npy", "-k", "blur", "--threshold", "3", "-n").code == 0
    ran = quick("apply", "a.png", "-k", "blur", "--range", "raw", "-o", "raw.png")
    assert (ran.code, ran.err.rpartition("; ")[2]) == (1, "try tiff or npy\n")
    assert quick("apply", "deep.npy", *constant).code == 0
    assert np.load(tmp_path / "out" / "deep.npy").max() > 1


@pytest.mark.parametrize("value", ["abc", "0", "2.5", "9" * 5000])
def test_a_number_of_threads_that_makes_no_sense_is_refused_by_every_command(
    quick, monkeypatch, tmp_path, value
):
    save(tmp_path / "a.png", grey())
    for command in ("apply a.png -k blur -n", "shape 9x9 -k 3x3", "learn a.png a.png --size 3x3"):
        ran = quick(*command.split(), CONVFILTER_THREADS=value)
        assert (ran.code, ran.out) == (2, "")
        (line,) = ran.complaints
        assert line.startswith(f"convfilter: CONVFILTER_THREADS is '{value[:9]}")
    assert os.listdir(tmp_path) == ["a.png"]


def test_what_needs_more_memory_than_there_is_is_reported_in_a_line(quick, tmp_path):
    save(tmp_path / "a.png", grey())
    for command in (
        "gallery a.png -k blur --vary padding=1,1000000 -o s.png",
        "apply a.png -k blur --padding 10000000",
    ):
        ran = quick(*command.split())
        assert ran.code == 1
        (line,) = ran.complaints
        assert "not enough memory" in line
