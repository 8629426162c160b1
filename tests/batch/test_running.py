"""Runs over one image or many, one after the other: mistakes, limits of the system, deaths, leftovers."""

import os
import signal
import subprocess
import sys
from unittest.mock import Mock

import numpy as np
import pytest
from conftest import environment, uncovered
from samples import colour, grey, load, save, tree

import convfilter as cf
from convfilter.batch import job


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


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

    monkeypatch.setattr(shape.command, "callback", Mock(side_effect=error))
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


# Filters an image in copies of this process; each is killed at a later call of the system in `files`.
KILLED = """
import itertools, os, signal, sys
import convfilter as cf

def watch(frame, event, function):
    ours = frame.f_globals.get("__name__") == "convfilter.files"
    if event == "c_call" and ours and function.__module__ == "posix" and next(calls) == number:
        os.kill(os.getpid(), signal.SIGKILL)

cf.filter_file("in.png", "warm.png", "blur", threads=1)  # so that all modules are loaded
for number in itertools.count(1):
    for name in os.listdir("out"):
        os.unlink(f"out/{name}")
    if "old" in sys.argv:
        with open("out/out.png", "x") as stream:
            stream.write("old")
    child = os.fork()
    if not child:
        calls = itertools.count(1)
        sys.setprofile(watch)
        cf.filter_file("in.png", "out/out.png", "blur", overwrite="old" in sys.argv, threads=1)
        os._exit(0)
    end = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    data = open("out/out.png", "rb").read() if os.path.exists("out/out.png") else b""
    print(end, data.hex() or "none", *sorted({*os.listdir("out")} - {"out.png"}))
    if not end:
        break
"""


@uncovered
@pytest.mark.parametrize("old", [False, True], ids=["new", "replaced"])
def test_killed_at_any_moment_of_a_commit_the_output_is_old_or_new_and_whole(run, tmp_path, old):
    save(tmp_path / "in.png", colour(8, 9))
    (tmp_path / "out").mkdir()
    cf.filter_file(tmp_path / "in.png", tmp_path / "whole.png", "blur")
    whole, before = (tmp_path / "whole.png").read_bytes().hex(), b"old".hex() if old else "none"
    command = [sys.executable, "-c", KILLED, *["old"] * old]
    ran = subprocess.run(command, cwd=tmp_path, env=environment(), capture_output=True, text=True, check=True)
    lines = [line.split() for line in ran.stdout.splitlines()]
    assert [line[0] for line in lines] == [str(-signal.SIGKILL)] * (len(lines) - 1) + ["0"]
    assert lines[-1][1:] == [whole]
    places = {(found == whole, len(left)) for _, found, *left in lines}
    # Killed before the file was begun, while it was written, and when it was in place.
    assert places >= {(False, 0), (False, 1), (True, 0)}
    for _, found, *left in lines:
        assert found in (before, whole)
        assert all(name.startswith(".cf-") and name.endswith(".tmp") for name in left)
        assert len(left) <= 1
    (tmp_path / "out" / ".cf-00000000.tmp").touch()
    again = ("--overwrite" if old else "--skip-existing", "-o", "out/out.png")
    assert run("apply", "in.png", "-k", "blur", *again).code == 0
    assert list(tree(tmp_path / "out")) == ["out.png"]


def test_stale_temporary_files_in_the_output_folders_are_swept_unless_it_is_a_dry_run(quick):
    save("a.png", grey())
    os.mkdir("out")
    for name in ("out/.cf-00000000.tmp", ".cf-00000000.tmp"):
        with open(name, "x"):
            pass
    for options, left in ((["-n"], [".cf-00000000.tmp"]), ([], ["a.png"])):
        assert quick("apply", "a.png", "-k", "blur", "-o", "out", *options).code == 0
        assert os.listdir("out") == left
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
