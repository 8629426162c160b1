"""Where outputs go, and what is refused before any work."""

import os
from pathlib import Path

import pytest

from convfilter import ConvfilterError, get_kernel
from convfilter.batch import plan as planning
from convfilter.batch.plan import find_inputs, kernel_suffix, named_inputs, output_folders, plan_jobs


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


def plan(*arguments, output=None, format=None, fallback=None, overwrite=False, touch=True):
    """The jobs that a command line with the kernel sobel plans."""
    arguments, several = named_inputs(arguments)
    inputs, _ = find_inputs(arguments, output_folders(arguments, output, "sobel", several=several))
    return plan_jobs(
        inputs,
        arguments=arguments,
        several=several,
        output=output,
        format=format,
        suffix="sobel",
        fallback=fallback,
        overwrite=overwrite,
        touch=touch,
    )


def targets(*arguments, **options):
    return [job.target for job in plan(*arguments, **options)]


def refusal(*arguments, **options):
    with pytest.raises(ConvfilterError) as error:
        plan(*arguments, **options)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_the_chain_and_given_parameters_make_the_name():
    chain = [get_kernel(name) for name in ("gaussian:sigma=3", "box:size=5,3", "sobel", "gaussian")]
    assert kernel_suffix(chain) == "gaussian-sigma=3.box-size=5,3.sobel.gaussian"


def test_without_an_output_it_stands_beside_the_input():
    assert targets("a.png") == ["a.sobel.png"]
    assert targets("/far/b.two.JPG", "deep/c.tif") == ["/far/b.two.sobel.JPG", "deep/c.sobel.tif"]
    assert targets("-rf.png") == ["-rf.sobel.png"]


def test_a_folder_without_an_output_gets_one_beside_it():
    make("photos/a.png", "photos/deep/b.jpg")
    expected = ["photos.sobel/a.png", "photos.sobel/deep/b.jpg"]
    assert targets("photos") == expected
    assert targets("photos/") == expected


@pytest.mark.parametrize("name", [".", "./", "../place", "deep/..", "deep/../"])
def test_dots_are_resolved_to_the_real_name_first(name):
    make("a.png", "deep/b.png")
    beside = Path(os.getcwd()).parent / "place.sobel"
    assert [os.path.abspath(target) for target in targets(name)] == [
        str(beside / "a.png"),
        str(beside / "deep/b.png"),
    ]


def test_two_dots_are_the_parent_by_its_name():
    make("deep/x", "a.png")
    os.chdir("deep")
    assert targets("..") == [f"{os.path.dirname(os.getcwd())}.sobel/a.png"]


def test_one_picture_goes_to_a_file_unless_the_output_is_a_folder():
    make("there/x")
    assert targets("a.png", output="b.png") == ["b.png"]
    assert targets("a.png", output="out") == ["out"]
    assert targets("a.png", output="out/") == ["out/a.png"]
    assert targets("a.png", output="there") == ["there/a.png"]
    assert targets("deep/a.png", output=".") == ["./a.png"]


def test_several_pictures_or_a_folder_go_to_a_folder():
    make("photos/c.png")
    assert targets("a.png", "deep/b.jpg", output="out") == ["out/a.png", "out/b.jpg"]
    assert targets("photos", output="out") == ["out/c.png"]
    assert targets("photos", output="out.png") == ["out.png/c.png"]


def test_the_tree_of_one_folder_comes_directly_and_of_several_under_their_names():
    make("one/a.png", "one/deep/b.png", "far/two/a.png", "empty/notes.txt")
    assert targets("one", output="out") == ["out/a.png", "out/deep/b.png"]
    assert targets("one", "far/two/", output="out") == [
        "out/one/a.png",
        "out/one/deep/b.png",
        "out/two/a.png",
    ]
    assert targets("one", "./one/", output="out") == ["out/a.png", "out/deep/b.png"]
    assert targets("one", "empty", output="out")[0] == "out/one/a.png", "names must not hang on contents"
    assert targets("one", ".", output="out")[0] == "out/one/a.png"
    assert targets("one", "c.png", output="out")[-1] == "out/c.png"


def test_the_format_is_the_option_else_the_outputs_else_the_inputs():
    assert [(job.target, job.format) for job in plan("a.png")] == [("a.sobel.png", "png")]
    assert [(job.target, job.format) for job in plan("a.png", output="b.JPEG")] == [("b.JPEG", "jpeg")]
    assert [(job.target, job.format) for job in plan("a.png", format="jpeg")] == [("a.sobel.jpg", "jpeg")]
    assert [(job.target, job.format) for job in plan("a.png", output="o/", format="tiff")] == [
        ("o/a.tif", "tiff")
    ]
    assert plan("a.png", output="out")[0].format is None, "the input's content decides"
    assert plan("a.png", output="out.foo", format="png")[0].format == "png"
    assert plan("a.png", output="-", format="webp")[0].format == "webp"


def test_an_extension_of_the_format_is_kept_as_it_is_spelt():
    assert targets("a.JPEG", "b.tiff", "c.png", format="jpeg") == [
        "a.sobel.JPEG",
        "b.sobel.jpg",
        "c.sobel.jpg",
    ]


def test_raw_values_without_a_name_or_format_go_to_npy():
    assert [(job.target, job.format) for job in plan("a.png", fallback="npy")] == [("a.sobel.npy", "npy")]
    assert plan("a.png", output="b.tif", fallback="npy")[0].format == "tiff"
    assert plan("a.png", format="tiff", fallback="npy")[0].target == "a.sobel.tif"


def test_stdin_goes_to_stdout_unless_an_output_is_named():
    assert targets("-") == ["-"]
    assert targets("-", "a.png") == ["-", "a.sobel.png"]
    assert targets("-", output="b.png") == ["b.png"]
    assert targets("a.png", output="-") == ["-"]


def test_this_runs_output_folders_are_no_inputs():
    make("photos/a.png", "photos/out/a.png", "photos/deep.sobel/b.png", "photos/deep/b.png")
    assert [job.source for job in plan("photos", output="photos/out")] == [
        "photos/a.png",
        "photos/deep/b.png",
        "photos/deep.sobel/b.png",
    ]
    assert "photos/deep.sobel/b.png" not in [job.source for job in plan("photos", "photos/deep")]


def test_a_format_that_contradicts_the_name_is_refused():
    assert "'b.png' is a name for png, but --format says jpeg" in refusal(
        "a.png", output="b.png", format="jpeg"
    )
    assert "unknown extension" in refusal("a.png", output="b.pgn")


def test_two_inputs_for_one_output_are_refused_and_all_are_listed():
    make("a.png", "a.jpg", "b.png", "b.gif", "deep/c.png")
    message = refusal("a.png", "a.jpg", "b.png", "b.gif", "deep/c.png", output="out", format="png")
    assert "a.png and a.jpg would all become out/a.png" in message
    assert "b.png and b.gif would all become out/b.png" in message
    assert "c.png" not in message
    assert not os.path.exists("out")
    assert targets("a.png", "a.jpg", output="out") == ["out/a.png", "out/a.jpg"]


def test_pictures_of_one_name_from_two_places_are_refused():
    make("one/x/a.png", "two/x/a.png", "a.png")
    assert "would all become out/a.png" in refusal("a.png", "one/x/a.png", output="out")
    assert "would all become out/x/a.png" in refusal("one/x", "two/x", output="out")


def test_outputs_that_links_make_one_are_refused():
    make("in/a.png", "in/deep/a.png", "out/x")
    os.symlink(".", "out/deep")
    assert "in/a.png and in/deep/a.png would all become " in refusal("in", output="out")


TWINS = [("in/a.png", "in/A.PNG"), ("in/b/a.png", "in/B/a.png"), ("in/\u00e9.png", "in/e\u0301.png")]


@pytest.mark.parametrize("twins", TWINS)
def test_twins_are_refused_only_where_the_file_system_folds_them(monkeypatch, twins):
    make(*twins)
    asked = []
    monkeypatch.setattr(planning, "_folds_case", lambda folder, touch: bool(asked.append(folder)))
    assert len(targets("in", output="out")) == 2
    assert len(asked) == 1
    monkeypatch.setattr(planning, "_folds_case", lambda folder, touch: True)
    message = refusal("in", output="out")
    assert all(twin in message for twin in twins)


def test_the_file_system_is_not_probed_without_twins(monkeypatch):
    monkeypatch.setattr(planning, "_folds_case", lambda folder, touch: pytest.fail("nobody asked"))
    assert targets("a.png", "b.png", output="out") == ["out/a.png", "out/b.png"]


@pytest.mark.parametrize("names", [["a.png"], ["1.png", "A"], ["a", "A"], ["1"], []])
def test_whether_case_is_folded_is_told_rightly_and_nothing_is_left(names):
    """By what is there, else by a file that is there for a moment only."""
    make(*(f"out/{name}" for name in names))
    os.makedirs("out", exist_ok=True)
    (Path("out") / "probe").touch()
    folded = os.path.exists("out/PROBE")
    (Path("out") / "probe").unlink()
    before = sorted(os.listdir("out"))
    assert planning._folds_case(os.path.abspath("out/not/yet/there"), touch=True) == folded
    assert sorted(os.listdir("out")) == before


def test_a_dry_run_makes_no_file_to_see_whether_case_is_folded(monkeypatch):
    make("in/a.png", "in/A.PNG")
    os.mkdir("out")
    monkeypatch.setattr(planning, "_folds_a_probe", lambda folder: pytest.fail("a file was made"))
    assert len(targets("in", output="out", touch=False)) == 2


def test_names_in_a_folder_that_folds_case_are_taken_for_one(monkeypatch):
    """On a file system that tells case apart, a link stands for one that does not."""
    make("in/b.png", "in/B.PNG", "out/x")
    os.link("out/x", "out/X")
    assert "would all become" in refusal("in", output="out")


def test_an_output_that_is_its_input_is_refused_by_every_path():
    make("a.png", "deep/x")
    for path in ("a.png", "./a.png", "deep/../a.png", os.path.abspath("a.png")):
        assert refusal("a.png", output=path).endswith("give --overwrite to replace it")
        assert targets("a.png", output=path, overwrite=True) == [path]
    os.symlink(".", "here")
    assert targets("a.png", output="here/a.png", overwrite=True) == ["here/a.png"]


@pytest.mark.parametrize("link", [os.symlink, os.link])
@pytest.mark.parametrize("overwrite", [False, True])
def test_an_output_that_is_an_input_through_a_link_is_refused_even_with_overwrite(link, overwrite):
    make("a.png")
    link("a.png", "b.png")
    assert refusal("a.png", output="b.png", overwrite=overwrite) == (
        "output b.png is the input a.png: choose another output"
    )


def test_a_link_is_not_written_over_by_its_own_output_even_with_overwrite():
    make("a.png")
    os.symlink("a.png", "link.png")
    for overwrite in (False, True):
        assert refusal("link.png", output="link.png", overwrite=overwrite).endswith("choose another output")


def test_an_output_that_is_another_input_is_refused_even_with_overwrite():
    make("a.png", "deep/a.png")
    message = refusal("a.png", "deep/a.png", output=".", overwrite=True)
    assert "would all become" in message
    make("b.png", "b.sobel.png")
    message = refusal("b.png", "b.sobel.png", overwrite=True)
    assert message == "output b.sobel.png is the input b.sobel.png: choose another output"


def test_a_folder_may_be_filtered_in_place_with_overwrite():
    make("in/a.png", "in/deep/b.png")
    assert refusal("in", output="in").endswith("give --overwrite to replace it")
    assert targets("in", output="in/", overwrite=True) == ["in/a.png", "in/deep/b.png"]


def test_outputs_that_cannot_be_what_they_must_are_refused():
    make("a.png", "b.png", "file")
    assert "must be a folder here and is a file" in refusal("a.png", "b.png", output="file")
    assert "must be a folder here and is a file" in refusal("a.png", output="b.png/")
    assert "is not a name for an output" in refusal("a.png", output="")
    assert "cannot all go to standard output" in refusal("a.png", "b.png", output="-")
