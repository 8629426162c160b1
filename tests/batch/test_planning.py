"""Which images are meant, where their outputs go, and what is refused before any work."""

import io
import os
import re
import subprocess
import sys
import tracemalloc
from pathlib import Path

import pytest
from samples import grey, save

from convfilter import ConvfilterError, get_kernel
from convfilter.batch import plan as planning
from convfilter.batch.plan import Settings, plan_jobs
from convfilter.files import STREAM
from convfilter.options import BatchOptions, FilterOptions


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    place = tmp_path / "place"
    place.mkdir()
    monkeypatch.chdir(place)


def make(*names):
    for name in names:
        os.makedirs(os.path.dirname(name) or ".", exist_ok=True)
        with open(name, "x") as stream:
            stream.write(name)


def plan(*arguments, kernels=("sobel",), overwrite=False, range="auto", **options):
    """The jobs that a command line plans."""
    chain = tuple(map(get_kernel, kernels))
    settings = Settings(chain, FilterOptions(range=range), batch=BatchOptions(overwrite=overwrite))
    return plan_jobs(arguments, settings, **options)


def sources(*arguments, **options):
    planned = plan(*arguments, **options)
    assert not planned.problems
    return [job.source for job in planned.jobs]


def targets(*arguments, **options):
    return [job.target for job in plan(*arguments, **options).jobs]


def refusal(*arguments, **options):
    with pytest.raises(ConvfilterError) as error:
        plan(*arguments, **options)
    assert "\n" not in str(error.value)
    return str(error.value)


# Inputs


def test_a_folder_stands_for_its_visible_images_by_extension_in_any_case():
    make("in/a.png", "in/B.JPG", "in/deep/er/c.TiFf", "in/notes.txt", "in/kernels.toml", "in/none")
    make("in/.hidden.png", "in/.cache/a.png", "in/.png")
    assert sources("in") == ["in/B.JPG", "in/a.png", "in/deep/er/c.TiFf"]


def test_links_to_folders_are_not_followed_but_links_to_files_are_and_a_named_link_is():
    make("in/a.png", "other/b.png")
    os.symlink("../other", "in/linked.png")
    os.symlink("..", "in/loop")
    os.symlink("../other/b.png", "in/c.png")
    assert sources("in") == ["in/a.png", "in/c.png"]
    assert sources("in/linked.png") == ["in/linked.png/b.png"]


def test_a_file_named_by_hand_always_counts_and_an_image_once_where_it_came_first():
    names = ["notes.txt", ".hidden.png", "gone.png", STREAM]
    make("notes.txt", ".hidden.png", "in/a.png", "in/b.png", "a/3.png")
    assert sources(*names) == names
    named = ["in/b.png", "in", "./in", "in/../in/a.png", STREAM, "a", STREAM]
    assert sources(*named) == ["in/b.png", "in/a.png", STREAM, "a/3.png"]


def test_this_runs_output_folders_are_no_inputs_unless_they_are_arguments():
    make("in/a.png", "in/out/a.png", "in/deep.sobel/b.png", "in/deep/b.png")
    os.symlink("in/out", "link")
    for output in ("in/out", "link", os.path.abspath("in/out")):
        assert sources("in", output=output) == ["in/a.png", "in/deep/b.png", "in/deep.sobel/b.png"]
    assert "in/deep.sobel/b.png" not in sources("in", "in/deep")
    assert "in/out/a.png" in sources("in", "in/out", output="in/out", overwrite=True)


def test_a_folder_that_cannot_be_listed_is_reported_and_the_others_are_done(monkeypatch):
    make("in/a.png", "in/gone/b.png")
    listed = os.scandir

    def scandir(path):
        if os.path.basename(path) == "gone":
            raise FileNotFoundError(2, "No such file or directory", path)
        return listed(path)

    monkeypatch.setattr(os, "scandir", scandir)
    planned = plan("in")
    assert [job.source for job in planned.jobs] == ["in/a.png"]
    assert planned.problems == ["in/gone: No such file or directory"]


def test_a_pattern_that_the_shell_did_not_expand_stands_for_what_it_matches():
    make("in/b.png", "in/a.png", "in/deep/c.png", "in/notes.txt", "in/.hidden/d.png")
    for name in "123456":  # links are not followed
        os.symlink(".", f"in/{name}")
    for pattern, matched in {
        "in/*.png": ["in/a.png", "in/b.png"],
        "in/**/*.png": ["in/a.png", "in/b.png", "in/deep/c.png"],
        "**/deep/*.png": ["in/deep/c.png"],
        "in/**/deep/**/c.*": ["in/deep/c.png"],
        "in/deep/**": ["in/deep/c.png"],
        "in/?.png": ["in/a.png", "in/b.png"],
        "in/1/deep/*": ["in/1/deep/c.png"],
    }.items():
        assert sources(pattern) == matched, pattern
        assert plan(pattern).several


def test_a_file_whose_name_looks_like_a_pattern_is_that_file():
    make("a[1].png", "a1.png", "*.png")
    for name in ("a[1].png", "*.png", "gone/**", "??.gif"):  # the last two fail as names
        assert sources(name) == [name]
        assert not plan(name).several


@pytest.mark.parametrize(("end", "null"), [(b"\n", False), (b"\r\n", False), (b"\0", True)])
@pytest.mark.parametrize("last", [True, False], ids=["ended", "open"])
def test_a_list_holds_one_name_a_line_or_names_ended_by_nul(end, null, last):
    names = [b"b.png", b"with space.png", b"caf\xe9.png", b"*.png", *([b"two\nlines.png"] if null else [])]
    with open("list", "wb") as stream:
        stream.write(end.join(names) + end * last)
    planned = plan("first.png", files_from="list", null=null)
    assert [os.fsencode(job.source) for job in planned.jobs] == [b"first.png", *names]
    assert planned.several
    if null:
        assert "names end in NUL bytes: add -0" in refusal(files_from="list")


def test_a_list_may_be_standard_input(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"a.png\nb.png\n")))
    assert sources(files_from=STREAM) == ["a.png", "b.png"]
    assert "cannot be both the list of inputs and an image" in refusal(STREAM, files_from=STREAM)
    monkeypatch.setattr(sys, "stdin", None)
    assert "standard input is closed" in refusal(files_from=STREAM)


def test_a_list_that_cannot_be_read_or_names_nothing_is_refused():
    assert refusal(files_from="gone") == "--files-from gone: No such file or directory"
    with open("list", "wb") as stream:
        stream.write(b"\n\n")
    assert refusal(files_from="list") == "--files-from list: the list is empty"
    if os.path.exists("/dev/zero"):
        assert refusal(files_from="/dev/zero") == "--files-from /dev/zero: longer than 256 MiB: split it"


def test_the_plan_of_many_images_takes_less_than_a_kilobyte_each():
    names = [f"photos/{number // 1000:03}/holiday_{number:08}.jpg" for number in range(5_000)]
    tracemalloc.start()
    try:
        assert len(plan(*names, output="out", format="png").jobs) == 5_000
        assert tracemalloc.get_traced_memory()[1] < 5_000 * 600
    finally:
        tracemalloc.stop()


@pytest.fixture
def removed(tmp_path):
    """Have folders removed that are too deep for Python's own ways."""
    yield
    subprocess.run(["rm", "-rf", *(str(path) for path in tmp_path.iterdir())], check=True)


@pytest.mark.skipif(os.name != "posix", reason="paths of 4,000 characters")
@pytest.mark.usefixtures("removed")
def test_folders_of_any_depth_are_walked(quick, tmp_path, monkeypatch):
    data = save(tmp_path / "a.png", grey()).read_bytes()
    (tmp_path / "in").mkdir()
    monkeypatch.chdir(tmp_path / "in")
    for depth in range(1100):
        os.mkdir("d")
        os.chdir("d")
        if depth in (3, 1099):
            with open("b.png", "xb") as stream:
                stream.write(data)
    os.chdir(tmp_path)
    deep = "d/" * 1100 + "b.png"
    assert quick("apply", "in", "-k", "blur", "-o", "out", "-q") == (0, b"", "")
    assert os.path.exists(f"out/{deep}")
    ran = quick("apply", "in/**/*.png", "-k", "blur", "-n", "--json", "--skip-existing", "-o", "there")
    assert f"in/{deep}" in ran.err
    for command in ("apply a.png -k blur", "learn a.png a.png --size 1x1", "gallery a.png -k blur"):
        ran = quick(*command.split(), "-o", "x/" * 2500 + "b.png")
        assert ran.code == 2, ran.err
        assert len(ran.complaints) == 1
    assert not os.path.exists("x")


# Outputs


# A command line, and its outputs in order; a format is that of the last one.
OUTPUTS = [
    "a.png -> a.sobel.png (png)",
    "/far/b.two.JPG deep/c.tif -> /far/b.two.sobel.JPG deep/c.sobel.tif",
    "-rf.png -> -rf.sobel.png",
    "photos -> photos.sobel/a.png photos.sobel/deep/b.png",
    "photos/ -> photos.sobel/a.png photos.sobel/deep/b.png",
    "- -> -",
    "- a.png -> - a.sobel.png",
    "a.png -k gaussian:sigma=3 -k box:size=5,3 -k gaussian -> a.gaussian-sigma=3.box-size=5,3.gaussian.png",
    # One image goes to a file unless the output is a folder.
    "deep/a.png -o b.png -> b.png",
    "deep/a.png -o out -> out/a.png",
    "deep/a.png -o out/ -> out/a.png",
    "deep/a.png -o v1.2 -> v1.2/a.png",
    "deep/a.png -o photos/b.png -> photos/b.png",
    "deep/a.png -o photos -> photos/a.png",
    "deep/a.png -o . -> ./a.png",
    "- -o b.png -> b.png",
    "a.png -o - -> -",
    # Several go to a folder: one tree directly, several under their names, whatever they contain.
    "a.png deep/b.jpg -o out -> out/a.png out/b.jpg",
    "photos -o old.png -> old.png/a.png old.png/deep/b.png",
    "photos ./photos/ -o out -> out/a.png out/deep/b.png",
    "photos far/two/ -o out -> out/photos/a.png out/photos/deep/b.png out/two/a.png",
    "photos empty -o out -> out/photos/a.png out/photos/deep/b.png",
    "photos c.png -o out -> out/photos/a.png out/photos/deep/b.png out/c.png",
    # The format is the option, else the output's, else the input's.
    "a.png -o b.JPEG -> b.JPEG (jpeg)",
    "a.png -o o/ --format tiff -> o/a.tif (tiff)",
    "a.png -o file -> file (None)",  # the input's content decides
    "a.png -o file --format png -> file (png)",
    "a.png -o - --format webp -> - (webp)",
    "a.JPEG b.tiff c.png --format jpeg -> a.sobel.JPEG b.sobel.jpg c.sobel.jpg (jpeg)",
    "a.png --range raw -> a.sobel.npy (npy)",
    "a.png -o b.tif --range raw -> b.tif (tiff)",
    "a.png --format tiff --range raw -> a.sobel.tif (tiff)",
]


@pytest.mark.parametrize("row", OUTPUTS)
def test_where_the_outputs_of_a_command_line_go(row):
    make("photos/a.png", "photos/deep/b.png", "far/two/a.png", "empty/notes.txt", "old.png/x", "file")
    command, expected = row.split(" -> ")
    arguments, *options = re.split(" (?=-[ok] |--)", command)
    names = {"-o": "output", "--format": "format", "--range": "range"}
    given = [option.split() for option in options]
    kernels = [value for option, value in given if option == "-k"] or ["sobel"]
    chosen = {names[option]: value for option, value in given if option != "-k"}
    jobs = plan(*arguments.split(), kernels=kernels, **chosen).jobs
    outputs = [job.target for job in jobs]
    assert outputs == [name for name in expected.split() if not name.startswith("(")]
    assert not expected.endswith(")") or expected.endswith(f"({jobs[-1].format})")


@pytest.mark.parametrize("name", [".", "../place", "deep/../"])
def test_dots_are_resolved_to_the_real_name_first(name):
    make("a.png", "deep/b.png")
    beside = f"{os.getcwd()}.sobel"
    assert list(map(os.path.abspath, targets(name))) == [f"{beside}/a.png", f"{beside}/deep/b.png"]
    os.chdir("deep")
    assert targets("..") == [f"{beside}/a.png", f"{beside}/deep/b.png"]


# Refusals


def test_names_that_contradict_options_or_the_disk_are_refused():
    make("a.png", "b.png", "file")
    assert "'b.png' is a name for png, but --format says jpeg" in refusal(
        "a.png", output="b.png", format="jpeg"
    )
    assert "unknown extension" in refusal("a.png", output="b.pgn")
    for several in (("a.png", "b.png"), (".",)):
        assert "use a folder with -o, such as c/" in refusal(*several, output="c.png")
        assert "'file' is one file" in refusal(*several, output="file")
    assert "there is no folder no/such: create it first" in refusal("a.png", output="no/such/c.png")
    assert "there is no folder no: create it first" in refusal("a.png", "b.png", output="no/such")
    assert "a.png is not a folder" in refusal("b.png", output="a.png/c.png")
    assert "is a file where a folder is needed" in refusal("a.png", output="b.png/")
    assert "is not a name for an output" in refusal("a.png", output="")
    assert "cannot all go to standard output" in refusal("a.png", "b.png", output="-")


def test_two_inputs_for_one_output_are_refused_and_all_are_listed():
    make("a.png", "a.jpg", "b.png", "b.gif", "deep/c.png", "one/x/a.png", "two/x/a.png")
    message = refusal("a.png", "a.jpg", "b.png", "b.gif", "deep/c.png", output="out", format="png")
    assert message.startswith(
        "a.png and a.jpg would all be written to out/a.png; "
        "b.png and b.gif would all be written to out/b.png: leave out --format"
    )
    assert not os.path.exists("out")
    assert targets("a.png", "a.jpg", output="out") == ["out/a.png", "out/a.jpg"]
    assert "would all be written to out/a.png" in refusal("a.png", "one/x/a.png", output="out")
    assert "would all be written to out/x/a.png" in refusal("one/x", "two/x", output="out")


def test_outputs_that_links_make_one_are_refused():
    make("in/a.png", "in/deep/a.png", "out/x")
    os.symlink(".", "out/deep")
    assert "in/a.png and in/deep/a.png would all be written to " in refusal("in", output="out")


@pytest.mark.parametrize(
    "twins", [("in/a.png", "in/A.PNG"), ("in/b/a.png", "in/B/a.png"), ("in/\u00e9.png", "in/e\u0301.png")]
)
def test_twins_are_refused_only_where_the_file_system_folds_them(monkeypatch, twins):
    make(*twins, "in/c.png")
    asked = []
    monkeypatch.setattr(planning, "_folds_case", lambda folder, touch: bool(asked.append(folder)))
    assert len(targets("in", output="out")) == 3
    assert len(asked) == 1
    monkeypatch.setattr(planning, "_folds_case", lambda folder, touch: True)
    message = refusal("in", output="out")
    assert all(twin in message for twin in twins)
    assert "c.png" not in message


@pytest.mark.parametrize("names", [["a.png"], ["1.png", "A"], ["a", "A"], ["1"]])
def test_whether_case_is_folded_is_found_out_and_nothing_is_left(names):
    """By what is there, else by a file that is there for a moment only."""
    make(*(f"out/{name}" for name in names))
    (Path("out") / "probe").touch()
    folded = os.path.exists("out/PROBE")
    (Path("out") / "probe").unlink()
    before = sorted(os.listdir("out"))
    assert planning._folds_case(os.path.abspath("out/not/yet/there"), touch=True) == folded
    assert sorted(os.listdir("out")) == before


def test_a_dry_run_makes_no_file_to_see_whether_case_is_folded(monkeypatch):
    make("in/a.png", "in/A.PNG")
    os.mkdir("out")
    monkeypatch.setattr(os, "urandom", lambda count: pytest.fail("a file was made"))
    assert len(targets("in", output="out", touch=False)) == 2


def test_names_in_a_folder_that_folds_case_are_taken_for_one():
    """On a file system that tells case apart, a link stands for one that does not."""
    make("in/b.png", "in/B.PNG", "out/x")
    os.link("out/x", "out/X")
    assert "would all be written to" in refusal("in", output="out")


def test_an_output_that_is_its_input_needs_overwrite_by_every_path():
    make("a.png", "deep/x", "in/a.png", "in/deep/b.png")
    os.symlink(".", "here")
    for path in ("a.png", "deep/../a.png", os.path.abspath("a.png"), "here/a.png"):
        assert refusal("a.png", output=path).endswith("use --overwrite to replace it")
        assert targets("a.png", output=path, overwrite=True) == [path]
    assert refusal("in", output="in").endswith("use --overwrite to replace it")
    assert targets("in", output="in/", overwrite=True) == ["in/a.png", "in/deep/b.png"]


@pytest.mark.parametrize("link", [os.symlink, os.link])
@pytest.mark.parametrize("overwrite", [False, True])
def test_an_output_that_is_an_input_through_a_link_is_refused_even_with_overwrite(link, overwrite):
    make("a.png")
    link("a.png", "b.png")
    assert refusal("a.png", output="b.png", overwrite=overwrite) == (
        "output b.png is the input a.png: choose another output"
    )
    if link is os.symlink:
        assert refusal("b.png", output="b.png", overwrite=overwrite).endswith("choose another output")


def test_an_output_that_is_another_input_is_refused_even_with_overwrite():
    make("b.png", "b.sobel.png")
    message = refusal("b.png", "b.sobel.png", overwrite=True)
    assert message == "output b.sobel.png is the input b.sobel.png: choose another output"
