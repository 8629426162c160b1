"""What the system does to a run: killed at any moment, refused at the last one, a full file system."""

import errno
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from conftest import SECONDS, environment, uncovered
from samples import colour, grey, load, save, tree

needs_strace = pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")

# A process that has all it needs in memory makes a copy of itself for each line that it reads. The copy
# filters in.png, waits where the output is about to be committed, and goes on when told.
SERVER = """
import os, sys
import convfilter as cf
from convfilter import files
from convfilter.batch import job
from convfilter.batch.plan import Job, Settings
from convfilter.options import BatchOptions

work = Settings((cf.get_kernel("blur"),), batch=BatchOptions(overwrite={overwrite}, jobs=1))
inner = files.commit
def commit(*arguments, **options):
    print(os.getpid(), flush=True)
    sys.stdin.buffer.raw.read(3)
    return inner(*arguments, **options)
files.commit = commit
job.run_job(Job("in.png", "warm.png", "png"), work)
while sys.stdin.buffer.raw.read(3):
    child = os.fork()
    if not child:
        outcome = job.run_job(Job("in.png", "out/out.png", "png"), work)
        os._exit(0 if outcome.status == "done" else 1)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


@needs_strace
@uncovered
@pytest.mark.parametrize("old", [False, True], ids=["new", "replaced"])
def test_killed_at_any_system_call_of_a_commit_the_output_is_old_or_new_and_whole(run, tmp_path, old):
    picture = colour(40, 50)
    save(tmp_path / "in.png", picture)
    out = tmp_path / "out"
    out.mkdir()
    arguments = ["apply", "in.png", "-k", "blur", "-j", "1", "-o"]
    assert run(*arguments, "whole.png").code == 0
    whole, before = (tmp_path / "whole.png").read_bytes(), b"the old one"
    server = subprocess.Popen(
        [sys.executable, "-c", SERVER.format(overwrite=old)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        bufsize=0,
        cwd=tmp_path,
        env=environment(),
    )
    ends, places = [], set()
    try:
        server.stdout.readline()
        server.stdin.write(b"go\n")
        for number in range(1, 61):
            for path in out.iterdir():
                path.unlink()
            if old:
                (out / "out.png").write_bytes(before)
            server.stdin.write(b"go\n")
            child = server.stdout.readline().decode().strip()
            with subprocess.Popen(
                ["strace", "-p", child, "-o", os.devnull, "-e", f"inject=all:signal=KILL:when={number}"],
                stderr=subprocess.PIPE,
                text=True,
            ) as tracer:
                if "attached" not in tracer.stderr.readline():
                    pytest.skip("processes cannot be traced here")
                time.sleep(0.05)  # it is not yet stopped at every call when this is said
                server.stdin.write(b"go\n")
                ends.append(int(server.stdout.readline()))
            left = tree(out)
            found = left.pop("out.png", None)
            assert found in ((before, whole) if old else (None, whole))
            assert all(name.startswith(".cf-") and name.endswith(".tmp") for name in left)
            assert len(left) <= 1
            places.add((found == whole, len(left)))
    finally:
        server.kill()
        server.communicate()
    assert ends[:10] == [-signal.SIGKILL] * 10
    assert ends[-1] == 0
    # Killed before the file was begun, while it was written, and when it was in place.
    assert places >= {(False, 0), (False, 1), (True, 0)}
    again = run(*arguments, "out/out.png", "--overwrite" if old else "--skip-existing")
    assert again.code == 0
    assert tree(out) == {"out.png": whole}


@needs_strace
@uncovered
@pytest.mark.parametrize(
    ("call", "options"), [("fsync", []), ("linkat,link", []), ("renameat,renameat2,rename", ["--overwrite"])]
)
@pytest.mark.parametrize("jobs", ["1", "2"])
def test_an_error_of_the_system_at_the_last_steps_fails_that_file_and_keeps_the_old(
    run, tmp_path, call, options, jobs
):
    for name in "ab":
        save(tmp_path / "in" / f"{name}.png", grey())
        if options:
            save(tmp_path / "out" / f"{name}.png", np.zeros((2, 2), np.uint8))
    before = tree(tmp_path / "out")
    ran = subprocess.run(
        [
            *["strace", "-f", "-o", os.devnull, "-e", f"inject={call}:error=EIO"],
            *[sys.executable, "-m", "convfilter", "apply", "in", "-k", "blur", "-o", "out", "-j", jobs],
            *options,
        ],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    if "attach" in ran.stderr or "ptrace" in ran.stderr:
        pytest.skip("processes cannot be traced here")
    assert ran.returncode == 1
    words = os.strerror(errno.EIO)
    assert ran.stderr.splitlines() == [
        f"convfilter: in/a.png: out/a.png cannot be written: {words}",
        f"convfilter: in/b.png: out/b.png cannot be written: {words}",
        "convfilter: 2 failed",
    ]
    assert tree(tmp_path / "out") == before


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can mount")
@pytest.mark.parametrize("jobs", ["1", "2"])
def test_on_a_full_file_system_what_fits_is_done_and_the_rest_is_told(run, tmp_path, jobs):
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
    assert "h.png: not attempted: the disk is full" in ran.complaints[-2]
