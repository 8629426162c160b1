"""Which pictures are meant."""

import os

import pytest

from convfilter import ConvfilterError
from convfilter.batch.inputs import STREAM, find_inputs


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def make(*names):
    for name in names:
        os.makedirs(os.path.dirname(name) or ".", exist_ok=True)
        with open(name, "x"):
            pass


def found(*arguments, leave_out=()):
    inputs, problems = find_inputs(arguments, leave_out)
    assert problems == []
    return [each.path for each in inputs]


def test_a_folder_stands_for_its_pictures_by_extension_in_any_case():
    make("in/a.png", "in/B.JPG", "in/deep/er/c.TiFf", "in/notes.txt", "in/kernels.toml", "in/none")
    assert found("in") == ["in/B.JPG", "in/a.png", "in/deep/er/c.TiFf"]


def test_hidden_files_and_folders_are_passed_over():
    make("in/.hidden.png", "in/.cache/a.png", "in/.png", "in/a.png")
    assert found("in") == ["in/a.png"]


def test_links_to_folders_are_not_followed_but_links_to_files_are_and_a_named_link_is():
    make("in/a.png", "other/b.png")
    os.symlink("../other", "in/linked")
    os.symlink("..", "in/loop")
    os.symlink("../other/b.png", "in/c.png")
    assert found("in") == ["in/a.png", "in/c.png"]
    assert found("in/linked") == ["in/linked/b.png"]


def test_a_file_named_by_hand_always_counts():
    make("notes.txt", ".hidden.png")
    assert found("notes.txt", ".hidden.png", "gone.png", STREAM) == [
        "notes.txt",
        ".hidden.png",
        "gone.png",
        STREAM,
    ]


def test_a_picture_named_twice_counts_once_where_it_came_first():
    make("in/a.png", "in/b.png")
    assert found("in/b.png", "in", "./in", "in/../in/a.png", STREAM, STREAM) == [
        "in/b.png",
        "in/a.png",
        STREAM,
    ]


def test_the_order_is_that_of_the_arguments_then_of_names():
    make("x/2.png", "x/1.png", "a/3.png")
    assert found("x", "a") == ["x/1.png", "x/2.png", "a/3.png"]


def test_output_folders_are_left_out_by_whatever_path():
    make("in/a.png", "in/out/a.png", "in/out.blur/b.png")
    os.symlink("in/out", "link")
    assert found("in", leave_out=["in/out"]) == ["in/a.png", "in/out.blur/b.png"]
    assert found("in", leave_out=["link", os.path.abspath("in/out.blur")]) == ["in/a.png"]


def test_an_output_folder_that_is_an_argument_itself_is_an_input():
    make("in/a.png", "in/out/b.png")
    assert found("in", leave_out=["in"]) == ["in/a.png", "in/out/b.png"]
    assert found("in", "in/out", leave_out=["in/out"]) == ["in/a.png", "in/out/b.png"]


def test_no_picture_at_all_is_an_error_that_names_where():
    make("in/notes.txt")
    with pytest.raises(ConvfilterError, match="no pictures found in in, in/: give files"):
        find_inputs(["in", "in/"])


def test_the_path_below_a_folder_is_what_is_kept_in_outputs():
    make("in/deep/a.png", "b.png")
    inputs, _ = find_inputs(["in/", "./b.png"])
    assert [each.below for each in inputs] == ["deep/a.png", "b.png"]


def test_a_folder_that_cannot_be_listed_is_told_and_the_others_are_done():
    make("in/a.png", "in/locked/b.png")
    os.chmod("in/locked", 0)
    if os.access("in/locked", os.R_OK):
        pytest.skip("this user may read everything")
    try:
        inputs, problems = find_inputs(["in"])
    finally:
        os.chmod("in/locked", 0o700)
    assert [each.path for each in inputs] == ["in/a.png"]
    assert problems == ["in/locked: Permission denied"]


def test_a_folder_that_vanishes_while_it_is_listed_is_told(monkeypatch):
    make("in/a.png", "in/gone/b.png")
    listed = os.scandir

    def scandir(path):
        if os.path.basename(path) == "gone":
            raise FileNotFoundError(2, "No such file or directory", path)
        return listed(path)

    monkeypatch.setattr(os, "scandir", scandir)
    inputs, problems = find_inputs(["in"])
    assert [each.path for each in inputs] == ["in/a.png"]
    assert problems == ["in/gone: No such file or directory"]
