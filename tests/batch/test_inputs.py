"""Which pictures are meant."""

import io
import os
import subprocess
import sys

import pytest
from conftest import environment
from samples import grey, save

from convfilter import ConvfilterError
from convfilter.batch.plan import find_inputs, named_inputs
from convfilter.files import STREAM


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


def refusal(*arguments, **options):
    with pytest.raises(ConvfilterError) as error:
        named_inputs(*arguments, **options)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_a_pattern_that_the_shell_did_not_expand_stands_for_what_it_matches():
    make("in/b.png", "in/a.png", "in/deep/c.png", "in/notes.txt")
    assert named_inputs(["in/*.png"]) == (["in/a.png", "in/b.png"], True)
    assert named_inputs(["in/**/*.png"]) == (["in/a.png", "in/b.png", "in/deep/c.png"], True)
    assert named_inputs(["in/?.png", "x.png"]) == (["in/a.png", "in/b.png", "x.png"], True)


def test_a_pattern_means_several_pictures_even_where_it_matches_one():
    make("in/a.png")
    assert named_inputs(["in/a.png"]) == (["in/a.png"], False)
    assert named_inputs(["in/*.png"]) == (["in/a.png"], True)


def test_a_file_whose_name_looks_like_a_pattern_is_that_file():
    make("a[1].png", "a1.png", "*.png")
    assert named_inputs(["a[1].png"]) == (["a[1].png"], False)
    assert named_inputs(["*.png"]) == (["*.png"], False)


def test_a_pattern_that_matches_nothing_stays_a_name_that_fails():
    assert named_inputs(["*.png"]) == (["*.png"], False)


def test_folders_and_several_names_mean_several_pictures_and_stdin_means_one():
    make("in/a.png")
    assert named_inputs(["in"]).several
    assert named_inputs(["in/a.png", "b.png"]).several
    assert not named_inputs([STREAM]).several


@pytest.mark.parametrize(("end", "null"), [(b"\n", False), (b"\r\n", False), (b"\0", True)])
@pytest.mark.parametrize("last", [True, False], ids=["ended", "open"])
def test_a_list_holds_one_name_a_line_or_names_ended_by_nul(end, null, last):
    names = [b"b.png", b"in", b"with space.png", b"caf\xe9.png", b"*.png"]
    with open("list", "wb") as stream:
        stream.write(end.join(names) + end * last)
    named = named_inputs(["first.png"], "list", null=null)
    assert [os.fsencode(name) for name in named.arguments] == [b"first.png", *names]
    assert named.several


def test_names_with_line_breaks_need_nul():
    with open("list", "wb") as stream:
        stream.write(b"two\nlines.png\0b.png\0")
    assert named_inputs([], "list", null=True).arguments == ["two\nlines.png", "b.png"]
    assert "names end in NUL bytes: give -0 too" in refusal([], "list")


def test_a_list_may_be_standard_input(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"a.png\nb.png\n")))
    assert named_inputs([], STREAM).arguments == ["a.png", "b.png"]
    assert "cannot be a list and a picture" in refusal([STREAM], STREAM)
    monkeypatch.setattr(sys, "stdin", None)
    assert "standard input is closed" in refusal([], STREAM)


def test_a_list_that_cannot_be_read_or_names_nothing_is_refused():
    assert refusal([], "gone") == "--files-from gone: No such file or directory"
    with open("list", "wb") as stream:
        stream.write(b"\n\n")
    assert refusal([], "list") == "--files-from list: it names no pictures"
    assert "not a file name" in refusal([], "a\0b")


@pytest.mark.skipif(not os.path.exists("/dev/zero"), reason="no devices here")
def test_a_list_without_an_end_is_refused():
    assert refusal([], "/dev/zero") == "--files-from /dev/zero: longer than 256 MiB: give it in parts"


# Of the planner alone: it must not hold on to what follows from the names.
MILLION = """
import resource, sys
from convfilter.batch.plan import find_inputs, named_inputs
from convfilter.batch.plan import plan_jobs

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

count = int(sys.argv[1])
with open("list", "w") as stream:
    stream.writelines(f"photos/{number // 1000:03}/holiday_{number:08}.jpg\\n" for number in range(count))
before = peak()
arguments, several = named_inputs([], "list")
inputs, _ = find_inputs(arguments)
jobs = plan_jobs(
    inputs, arguments=arguments, several=several, output="out", format="png", suffix="blur"
)
assert len(jobs) == count
assert jobs[-1].target == f"out/holiday_{count - 1:08}.png"
print(1024 * (peak() - before) / count)
"""


@pytest.mark.skipif(os.name != "posix", reason="measures as POSIX systems do")
def test_the_plan_of_many_pictures_takes_less_than_a_kilobyte_each(tmp_path):
    ran = subprocess.run(
        [sys.executable, "-c", MILLION, "100000"],
        capture_output=True,
        text=True,
        env=environment(),
        check=True,
        timeout=60,
    )
    assert float(ran.stdout) < 800


@pytest.fixture
def removed(tmp_path):
    """Have folders removed that are too deep for Python's own ways."""
    yield
    subprocess.run(["rm", "-rf", *(str(path) for path in tmp_path.iterdir())], check=True)


@pytest.mark.skipif(os.name != "posix", reason="paths of 4,000 characters")
@pytest.mark.usefixtures("removed")
def test_folders_of_any_depth_are_walked(quick, tmp_path, monkeypatch):
    save(tmp_path / "a.png", grey())
    data = (tmp_path / "a.png").read_bytes()
    (tmp_path / "in").mkdir()
    monkeypatch.chdir(tmp_path / "in")
    for depth in range(1500):
        os.mkdir("d")
        os.chdir("d")
        if depth in (3, 1499):
            with open("b.png", "xb") as stream:
                stream.write(data)
    os.chdir(tmp_path)
    deep = "d/" * 1500 + "b.png"
    assert quick("apply", "in", "-k", "blur", "-o", "out", "-q") == (0, b"", "")
    assert os.path.exists(f"out/{deep}")
    ran = quick("apply", "in/**/*.png", "-k", "blur", "-n", "--json", "--skip-existing", "-o", "there")
    assert f"in/{deep}" in ran.err
    assert quick("apply", "a.png", "-k", "blur", "-o", f"new/{deep}", "-q").code == 0
    for command in ("apply a.png -k blur", "learn a.png a.png --size 1x1", "gallery a.png -k blur"):
        ran = quick(*command.split(), "-o", "x/" * 3000 + "b.png")
        assert ran.code == 1, ran.err
        assert len(ran.complaints) == 1
    assert not os.path.exists("x")


def test_a_pattern_across_folders_does_not_follow_links(tmp_path, monkeypatch):
    save(tmp_path / "d" / "e" / "a.png", grey())
    save(tmp_path / "d" / ".hidden" / "a.png", grey())
    for name in "123456":
        (tmp_path / "d" / name).symlink_to(".")
    monkeypatch.chdir(tmp_path)
    for pattern, matched in {
        "d/**/*.png": ["d/e/a.png"],
        "**/e/*.png": ["d/e/a.png"],
        "d/**/e/**/a.*": ["d/e/a.png"],
        "d/e/**": ["d/e/", "d/e/a.png"],
        "d/**/": ["d/", "d/e/"],
        "d/1/e/*.png": ["d/1/e/a.png"],
        "nothing/**": ["nothing/**"],
    }.items():
        assert named_inputs([pattern]).arguments == matched, pattern
