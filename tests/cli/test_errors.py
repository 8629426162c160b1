"""What is refused: exit codes, one line a fault, nothing written, no traceback."""

import os
import sys

import numpy as np
import pytest
from samples import colour, grey, load, save, tree

UNRIGHT = {
    "no kernel": "a.png",
    "no input": "-k sobel",
    "unknown kernel": "a.png -k sobl",
    "unknown parameter": "a.png -k gaussian:sigm=2",
    "parameter out of its limits": "a.png -k gaussian:sigma=0",
    "parameter that is no number": "a.png -k gaussian:sigma=x",
    "unknown option": "a.png -k sobel --bordr zero",
    "unknown border": "a.png -k sobel --border mirror",
    "border without its value": "a.png -k sobel --border constant",
    "border with a value too many": "a.png -k sobel --border zero=1",
    "border of no number": "a.png -k sobel --border constant=nan",
    "unknown padding": "a.png -k sobel --padding sme",
    "three paddings": "a.png -k sobel --padding 1,2,3",
    "negative padding": "a.png -k sobel --padding=-1",
    "stride of nothing": "a.png -k sobel --stride 0",
    "half a dilation": "a.png -k sobel --dilation 1.5",
    "unknown channels": "a.png -k sobel --channels all",
    "channels for a kernel with its own": "a.png -k luma --channels sum",
    "unknown range": "a.png -k sobel --range clamp",
    "unknown alpha": "a.png -k sobel --alpha none",
    "unknown format": "a.png -k sobel --format jpg",
    "format against the name": "a.png -k sobel -o out.png --format tiff",
    "unknown extension": "a.png -k sobel -o out.foo",
    "not a name for an output": "a.png -k sobel --output=",
    "unknown colour": "a.png -k sobel --background whit",
    "quality out of its limits": "a.png -k sobel --quality 101",
    "no jobs": "a.png -k sobel -j 0",
    "both ways with what exists": "a.png -k sobel --overwrite --skip-existing",
    "quiet and verbose": "a.png -k sobel -q -v",
    "output is the input": "a.png -k sobel -o a.png",
    "output is the input by another path": "a.png -k sobel -o folder/../a.png",
    "a file where a folder must be": "a.png b.png -k sobel -o b.png",
    "several pictures to stdout": "a.png b.png -k sobel -o -",
    "no images": "folder -k sobel",
    "no kernel file": "a.png -k sobel --kernels gone.toml",
    "a folder for a kernel file": "a.png -k sobel --kernels folder",
}


@pytest.mark.parametrize("case", UNRIGHT)
def test_a_wrong_command_line_is_exit_2_and_one_line_and_nothing_is_written(quick, tmp_path, case):
    save(tmp_path / "a.png", grey())
    save(tmp_path / "b.png", grey())
    (tmp_path / "folder").mkdir()
    before = tree(tmp_path)
    ran = quick("apply", *UNRIGHT[case].split())
    assert (ran.code, ran.out) == (2, ""), ran
    assert len(ran.complaints) == 1
    assert ran.err.startswith("convfilter: ")
    assert tree(tmp_path) == before


BAD_TOML = {
    "this is no = = toml": "",
    "[a]\nweights = [[1, 2], [3]]": "[a] weights: ",
    "[a]\nweights = []": "[a] weights: ",
    '[a]\nweights = [["1"]]': "[a] weights: ",
    "[a]\nweights = [[true]]": "[a] weights: ",
    "[a]\nweights = [[nan]]": "[a] weights: ",
    "[a]\nweights = [[1]]\nwieghts = 2": "[a] wieghts: ",
    "[a]\nweights = [[1]]\ndivisor = 0": "[a] divisor: ",
    "[a]\nweights = [[1, -1]]\ndivisor = 'sum'": "[a] divisor: ",
    "['a b']\nweights = [[1]]": "[a b] name: ",
}


@pytest.mark.parametrize("text", BAD_TOML)
def test_one_bad_table_refuses_the_whole_file_used_or_not(quick, tmp_path, text):
    (tmp_path / "bad.toml").write_text(text)
    save(tmp_path / "a.png", grey())
    before = tree(tmp_path)
    for arguments in (("apply", "a.png", "-k", "sobel"), ("shape", "9x9", "-k", "sobel"), ("kernels",)):
        ran = quick(*arguments, "--kernels", "bad.toml")
        assert (ran.code, ran.out) == (2, "")
        assert len(ran.complaints) == 1
        assert ran.err.startswith(f"convfilter: bad.toml: {BAD_TOML[text]}")
    assert tree(tmp_path) == before


def test_messages_are_escaped_and_propose_what_was_meant(quick, tmp_path):
    save(tmp_path / "a.png", grey())
    for arguments, message in {
        ("apply", "a.png", "-k", "so\nbl"): r"unknown kernel 'so\nbl' (did you mean 'sobel'? 'convfilter "
        "kernels' lists all)",
        ("aply",): "no such command 'aply' (did you mean 'apply'?) (see 'convfilter --help')",
        ("photo.png",): "no such command 'photo.png' (did you mean 'apply photo.png -k KERNEL'?) (see "
        "'convfilter --help')",
        ("kernels", "sobel", "\x1b[31mred"): r"Got unexpected extra argument (\x1b[31mred) (see 'convfilter "
        "kernels --help')",
    }.items():
        ran = quick(*arguments)
        assert (ran.code, ran.out, ran.complaints) == (2, "", [f"convfilter: {message}"])


def test_an_existing_output_is_left_alone(quick, tmp_path):
    save(tmp_path / "a.png", grey())
    (tmp_path / "b.png").write_bytes(b"mine")
    ran = quick("apply", "a.png", "-k", "sobel", "-o", "b.png")
    assert (ran.code, ran.out) == (1, "")
    assert ran.complaints == [
        "convfilter: a.png: the output exists: give --overwrite to replace it or --skip-existing to keep it"
    ]
    assert (tmp_path / "b.png").read_bytes() == b"mine"


def test_skipping_keeps_what_exists_and_overwriting_replaces_it(quick, tmp_path):
    save(tmp_path / "a.png", grey())
    (tmp_path / "b.png").write_bytes(b"mine")
    ran = quick("apply", "a.png", "-k", "identity", "-o", "b.png", "--skip-existing")
    assert (ran.code, ran.err) == (0, "")
    assert (tmp_path / "b.png").read_bytes() == b"mine"
    ran = quick("apply", "a.png", "-k", "identity", "-o", "b.png", "--overwrite")
    assert (ran.code, ran.err) == (0, "")
    assert np.array_equal(load(tmp_path / "b.png"), grey())


def test_a_picture_is_written_over_only_as_named_output_with_overwrite(quick, tmp_path):
    save(tmp_path / "a.png", grey())
    ran = quick("apply", "a.png", "-k", "box:size=3", "-o", "a.png")
    assert ran.code == 2
    assert ran.complaints == ["convfilter: output a.png is the input a.png: give --overwrite to replace it"]
    assert quick("apply", "a.png", "-k", "box:size=3", "-o", "a.png", "--overwrite").code == 0
    assert not np.array_equal(load(tmp_path / "a.png"), grey())


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
def test_a_picture_that_fails_is_exit_1_and_one_line_with_its_name(quick, tmp_path, case, dry):
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
def test_strange_names_are_processed_and_escaped_in_messages(run, tmp_path):
    save(tmp_path / "a.png", colour())
    for name in STRANGE:
        os.link(tmp_path / "a.png", os.path.join(os.fsencode(tmp_path), name))
    (tmp_path / "a.png").unlink()
    ran = run("apply", "-k", "identity", "-o", "out", "--", *STRANGE)
    assert ran.code == 0, ran.err
    assert sorted(os.listdir(os.fsencode(tmp_path / "out"))) == sorted(STRANGE)
    ran = run("apply", "-k", "identity", "-o", "out", "--", *STRANGE)
    assert ran.code == 1
    assert len(ran.complaints) == len(STRANGE) + 1
    for shown in (r"new\nline.png", r"caf\xe9.png", "-rf.png", r"\x1b[31m.png"):
        assert any(line.startswith(f"convfilter: {shown}: ") for line in ran.complaints)


def test_a_name_of_255_bytes_is_kept(quick, tmp_path):
    name = "n" * 251 + ".png"
    save(tmp_path / name, grey())
    assert quick("apply", name, "-k", "blur", "-o", "out/").code == 0
    assert (tmp_path / "out" / name).exists()
    ran = quick("apply", name, "-k", "blur")
    assert ran.code == 1
    assert ran.err.rstrip().endswith("File name too long")


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


def test_a_constant_that_is_no_fraction_is_warned_of(quick, tmp_path):
    save(tmp_path / "a.png", grey())
    ran = quick("apply", "a.png", "-k", "blur", "--border", "constant=128", "-o", "b.png")
    assert ran.code == 0
    assert ran.complaints == [
        "convfilter: warning: --border constant=128 is 128 times full scale: V is a fraction, "
        "such as constant=0.5"
    ]
    assert quick("apply", "a.png", "-k", "blur", "--border", "constant=0.5", "-o", "c.png").err == ""


def test_a_quality_where_there_is_none_is_warned_of(quick, tmp_path):
    save(tmp_path / "a.png", grey())
    for form, warned in (("png", True), ("tiff", True), ("jpg", False)):
        ran = quick("apply", "a.png", "-k", "blur", "--quality", "80", "-o", f"b.{form}")
        assert ("has no quality to choose" in ran.err) == warned, ran.err


@pytest.mark.parametrize("value", ["abc", "0", "2.5", "9" * 5000])
def test_a_number_of_threads_that_makes_no_sense_is_refused_by_every_command(
    quick, monkeypatch, tmp_path, value
):
    save(tmp_path / "a.png", grey())
    for command in (
        "apply a.png -k blur -j 1",
        "apply a.png -k blur -n",
        "shape 9x9 -k 3x3",
        "kernels",
        "explain a.png -k blur --at 1,1",
        "gallery a.png -o s.png",
        "learn a.png a.png --size 3x3",
    ):
        ran = quick(*command.split(), CONVFILTER_THREADS=value)
        assert (ran.code, ran.out) == (2, "")
        (line,) = ran.complaints
        assert line.startswith(f"convfilter: CONVFILTER_THREADS is '{value[:9]}")
    assert os.listdir(tmp_path) == ["a.png"]


def test_what_needs_more_memory_than_there_is_is_told_in_a_line(quick, tmp_path):
    save(tmp_path / "a.png", grey())
    for command in (
        "gallery a.png -k blur --vary padding=1,1000000 -o s.png",
        "apply a.png -k blur --padding 10000000",
    ):
        ran = quick(*command.split())
        assert ran.code == 1
        (line,) = ran.complaints
        assert "not enough memory" in line
