"""What the system does to a run: killed at any moment, refused at the last one, a full file system."""

import os
import signal
import subprocess
import sys

import numpy as np
import pytest
from conftest import SECONDS, environment, uncovered
from samples import colour, load, save, tree

import convfilter as cf

# Filters an image in copies of this process; each is killed at a later call of the system in `files`.
KILLED = """
import itertools, os, signal, sys
import convfilter as cf
from convfilter import files

class Deadly:
    def __init__(self, number):
        self.left = number

    def __getattr__(self, name):
        found = getattr(os, name)
        return self.counted(found) if callable(found) else found

    def counted(self, call):
        def counted(*arguments, **options):
            self.left -= 1
            if not self.left:
                os.kill(os.getpid(), signal.SIGKILL)
            return call(*arguments, **options)
        return counted

cf.filter_file("in.png", "warm.png", "blur", threads=1)  # so that all modules are loaded
for number in itertools.count(1):
    for name in os.listdir("out"):
        os.unlink(f"out/{name}")
    if "old" in sys.argv:
        with open("out/out.png", "x") as stream:
            stream.write("old")
    child = os.fork()
    if not child:
        files.os = Deadly(number)
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
    command = [sys.executable, "-c", KILLED, *(["old"] if old else [])]
    ran = subprocess.run(
        command, cwd=tmp_path, env=environment(), capture_output=True, text=True, check=True, timeout=SECONDS
    )
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


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can mount")
@pytest.mark.parametrize("jobs", ["1", "2"])
def test_on_a_full_file_system_what_fits_is_done_and_the_rest_is_reported(run, tmp_path, jobs):
    for name in "abcdefgh":
        save(tmp_path / "in" / f"{name}.png", colour(100, 200))
    out = tmp_path / "out"
    out.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=160k", "tmpfs", out], check=False)
    if mounted.returncode:
        pytest.skip("nothing can be mounted here")
    try:
        ran = run("apply", "in", "-k", "identity", "-o", "out", "-j", jobs)
        left = tree(out)
    finally:
        subprocess.run(["umount", out], check=True)
    assert ran.code == 1
    assert 1 <= len(left) <= 3
    assert set(left) <= {f"{name}.png" for name in "abcdefgh"}
    for name, data in left.items():
        (tmp_path / "check.png").write_bytes(data)
        assert np.array_equal(load(tmp_path / "check.png"), colour(100, 200)), name
    assert any("cannot be written: No space left on device" in line for line in ran.complaints)
    assert any("h.png: not attempted: the disk is full" in line for line in ran.complaints)
