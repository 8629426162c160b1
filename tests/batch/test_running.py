"""Many images: one after the other, counted, and none in the way of the others."""

import os

import numpy as np
import pytest
from conftest import uncovered
from samples import colour, grey, load, save

import convfilter as cf
from convfilter.batch import job, run_jobs
from convfilter.batch.plan import Job, Settings
from convfilter.options import BatchOptions

SETTINGS = Settings((cf.get_kernel("blur"),), batch=BatchOptions(jobs=1))


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def jobs(names):
    return [Job(f"{name}.png", f"out/{name}.png", "png") for name in names]


def statuses(results):
    return [result.status for result in results]


@pytest.mark.parametrize("dry", [[], ["-n"]])
def test_a_mistake_over_a_single_image_comes_with_its_traceback(quick, monkeypatch, dry):
    save("a.png", grey())
    monkeypatch.setattr(job, "opened_frames", lambda *_, **__: {}["oops"])
    ran = quick("apply", "a.png", "-k", "blur", "-o", "b.png", *dry)
    assert ran.code == 1
    assert ran.complaints[0] == "convfilter: a.png: internal error, please report it: KeyError: 'oops'"
    assert (ran.complaints[1], ran.complaints[-1]) == (
        "Traceback (most recent call last):",
        "KeyError: 'oops'",
    )
    several = quick("apply", "a.png", "a.png", "-k", "blur", "-o", "out", *dry)
    assert several.complaints[0] == f"{ran.complaints[0]} (-v prints the traceback)"
    with pytest.raises(KeyError, match="oops"):
        cf.filter_file("a.png", "b.png", "blur")


@pytest.mark.parametrize("error", [KeyError("oops"), EOFError("oops")])
def test_a_mistake_of_the_program_in_any_command_is_an_internal_error(quick, monkeypatch, error):
    from convfilter.cli import shape

    monkeypatch.setattr(shape.command, "callback", lambda **_: (_ for _ in ()).throw(error))
    ran = quick("shape", "9x9", "-k", "3")
    assert (ran.code, ran.out) == (1, "")
    first, traceback, *_ = filter(None, ran.complaints)
    assert first.startswith(f"convfilter: internal error, please report it: {type(error).__name__}: ")
    assert traceback == "Traceback (most recent call last):"


@pytest.mark.skipif(os.name != "posix", reason="limits of POSIX systems")
@uncovered
def test_a_file_size_limit_fails_those_that_pass_it_and_the_others_are_done(run):
    import resource

    save("in/a.png", colour(200, 200))
    save("in/b.png", np.zeros((200, 200), np.uint8))
    save("out/a.png", grey())
    ran = run(
        *["apply", "in", "-k", "identity", "-o", "out", "--overwrite"],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000)),
    )
    assert ran.code == 1
    assert ran.complaints == [
        "convfilter: in/a.png: out/a.png cannot be written: File too large",
        "convfilter: 1 done, 1 failed",
    ]
    assert np.array_equal(load("out/a.png"), grey())
    assert sorted(os.listdir("out")) == ["a.png", "b.png"]


def test_stale_temporary_files_in_the_output_folders_are_swept_unless_it_is_a_dry_run():
    save("a.png", grey())
    os.mkdir("out")
    for name in ("out/.cf-00000000.tmp", ".cf-00000000.tmp"):
        with open(name, "x"):
            pass
    assert statuses(run_jobs(jobs("a"), SETTINGS, dry=True)) == ["planned"]
    assert os.path.exists("out/.cf-00000000.tmp")
    assert statuses(run_jobs(jobs("a"), SETTINGS)) == ["done"]
    assert not os.path.exists("out/.cf-00000000.tmp")
    assert os.path.exists(".cf-00000000.tmp"), "not an output folder"


def test_a_dry_run_exits_as_the_run_would(quick):
    save("grey.png", grey())
    save("in/rgb.png", colour())
    save("in/deep.png", grey().astype(np.uint16) * 257)
    save("in/tiny.png", colour(2, 2))
    save("in/there.png", colour())
    save("out/there.jpg", colour())
    for arguments in (
        "in -k luma",
        "in -k blur --format jpeg -o out",
        "in -k blur --format jpeg -o out --skip-existing",
        "in -k blur --padding valid",
        "in/rgb.png -k blur",
        "in/rgb.png -k luma -o x.npy --range raw",
        "in/rgb.png -k blur -o x.png --range raw",
        "grey.png -k luma",
    ):
        dry = quick("apply", *arguments.split(), "-n")
        real = quick("apply", *arguments.split())
        assert dry.code == real.code, arguments
        expected = [line.replace("done", "planned") for line in real.complaints if "again" not in line]
        assert dry.complaints == expected, arguments


# From Python


def test_filter_file_replaces_only_on_request():
    save("a.png", grey())
    for target in ("b.png", "a.png"):
        cf.filter_file("a.png", "b.png", "identity", overwrite=True)
        with pytest.raises(FileExistsError, match="overwrite=True"):
            cf.filter_file("a.png", target, "blur")
    cf.filter_file("a.png", "a.png", "blur", overwrite=True)
    assert np.array_equal(load("a.png"), cf.apply_kernel(grey(), "blur"))
    os.symlink("a.png", "link.png")
    with pytest.raises(cf.ConvfilterError, match="is the input"):
        cf.filter_file("a.png", "link.png", "blur", overwrite=True)


def test_filter_file_warns_of_what_is_lost():
    save("a.png", colour(channels=4))
    with pytest.warns(UserWarning, match=r"^a\.png: jpeg cannot hold alpha: blended onto white$") as caught:
        cf.filter_file("a.png", "b.jpg", "blur")
    assert [warning.filename for warning in caught] == [__file__]
