"""Images handed to a real Dask cluster, whose worker and scheduler are killed; and what is no cluster."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest
from conftest import ended, environment, wait_for
from samples import colour, save, tree

import convfilter as cf
from convfilter.batch.executors import Cluster
from convfilter.batch.plan import Settings

pytest.importorskip("distributed", reason="needs the extra 'dask'")
pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals of POSIX systems")

# Each image takes a while, and who comes first to a marked one dies over it.
PRELOAD = """
import os, signal, time
from convfilter import files
unchanged = vars(files).setdefault("unchanged", files.commit)  # this may be loaded more than once
def commit(target, write, **options):
    time.sleep(0.05)
    unchanged(target, write, **options)
    if target.endswith("marked.png"):
        try:
            os.close(os.open("killed", os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            pass
        else:  # the output is written, but not reported
            os.kill(os.getpid(), signal.SIGKILL)
files.commit = commit
"""
TIMEOUT = {"DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": "2s"}


@pytest.fixture
def start(tmp_path):
    """Start a part of a cluster, as a process."""
    started = []

    def call(module, *arguments):
        command = [sys.executable, "-m", f"distributed.cli.{module}", *map(str, arguments)]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        started.append(subprocess.Popen(command, cwd=tmp_path, env=environment(**TIMEOUT), **quiet))
        return started[-1]

    yield call
    for process in started:
        process.kill()
        process.wait()


@pytest.fixture
def impatient():
    import dask

    with dask.config.set({"distributed.comm.timeouts.connect": "500ms"}):
        yield


def refusal(address):
    """What is said of a scheduler, within its time-out."""
    begin = time.monotonic()
    with pytest.raises(cf.OptionError) as caught:
        Cluster(Settings((cf.get_kernel("blur"),)), address)
    assert time.monotonic() - begin < 2
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_cluster_from_its_start_to_its_end(begin, start, run, tmp_path, impatient):
    """One cluster for all that it must survive, since each takes seconds to start."""
    listed = tmp_path / "scheduler.json"
    local = ("--host", "127.0.0.1", "--port", "0", "--dashboard-address", ":0")
    scheduler = start("dask_scheduler", *local, "--scheduler-file", listed)
    wait_for(lambda: listed.exists() and listed.read_bytes().endswith(b"}"))
    assert refusal(str(listed)).endswith("the scheduler still has no workers after 0.5 s: start some")

    (tmp_path / "preload.py").write_text(PRELOAD)
    worker = f"--preload preload.py --scheduler-file {listed} --nthreads 1 --no-dashboard --no-nanny".split()
    for _ in range(2):
        start("dask_worker", *worker)
    for number in range(30):
        save(tmp_path / "in" / f"{number:02}.png", colour(20 + number, 30))
    save(tmp_path / "in" / "07marked.png", colour(9, 9))
    (tmp_path / "in" / "03.png").write_bytes(b"garbage")
    apply = ("apply", "in", "-k", "gaussian:sigma=2", "-v", "-o")
    here = run(*apply, "here", "-j", "1")
    cluster = ("--scheduler", str(listed))
    there = run(*apply, "there", *cluster, env={"DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": "30s"})
    assert (tmp_path / "killed").exists()
    assert (there.code, there.err) == (1, here.err)
    said = [
        [line for line in ran.out.replace("there", "here").splitlines() if "clipped" not in line]
        for ran in (here, there)
    ]
    assert said[0] == said[1]
    assert tree(tmp_path / "there") == tree(tmp_path / "here")
    assert len(tree(tmp_path / "there")) == 30

    for number in range(150):
        save(tmp_path / "many" / f"{number:03}.png", colour(5, 5))

    def running(out):
        process = begin("apply", "many", "-k", "blur", "-o", out, "-q", *cluster, env=environment(**TIMEOUT))
        wait_for(lambda: (tmp_path / out).is_dir() and len(tree(tmp_path / out)) > 3)
        return process

    stopped = running("stopped")
    stopped.send_signal(signal.SIGTERM)
    sent = time.monotonic()
    code, _, err = ended(stopped)
    assert code == -signal.SIGTERM
    assert time.monotonic() - sent < 2.5
    assert err[0].startswith("convfilter: stopped: ")

    lost = running("lost")
    scheduler.kill()
    code, _, err = ended(lost)
    assert code == 1
    assert 0 < len(err) < 150  # an output may be there before its result is
    assert [line.split(": ")[1] for line in err] == [f"many/{n:03}.png" for n in range(150)][-len(err) :]
    assert "the cluster has lost its scheduler or all of its workers" in err[-1]


def test_a_scheduler_that_cannot_be_reached_is_an_error_before_any_work(quick, tmp_path):
    save(tmp_path / "in" / "a.png", colour())
    ran = quick("apply", "in", "-k", "blur", "-o", "out", "--scheduler", "nonsense://x")
    assert ran.code == 2
    assert len(ran.complaints) == 1
    assert not (tmp_path / "out").exists()
    ran = quick("apply", "in", "-k", "blur", "-j", "2", "--scheduler", "tcp://127.0.0.1:1")
    assert ran.code == 2
    assert "--jobs and --scheduler cannot be used together" in ran.err


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "No such file or directory"),
        (b"{", "it is not a scheduler file"),
        (b"[]", "it is not a scheduler file"),
        (b"\xff\xfe", "it is not a scheduler file"),
        (b"[" * 100_000, "it is not a scheduler file"),
        (b'{"address": 5}', "no scheduler can be reached there"),
    ],
)
def test_a_scheduler_file_that_names_no_scheduler_is_refused(tmp_path, impatient, content, reason):
    path = tmp_path / "scheduler.json"
    if content is not None:
        path.write_bytes(content)
    assert f"--scheduler {path}: {reason}" in refusal(str(path))


@pytest.mark.parametrize("said", [None, b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\0" * 64])
def test_what_is_silent_or_speaks_something_else_is_refused(impatient, said):
    def serve():
        with contextlib.suppress(OSError), server.accept()[0] as connection:
            connection.sendall(said)
            connection.recv(1 << 16)

    with socket.create_server(("127.0.0.1", 0)) as server:
        if said is not None:
            threading.Thread(target=serve).start()
        reason = refusal(f"tcp://127.0.0.1:{server.getsockname()[1]}")
    assert ("no scheduler answered within 0.5 s" if said is None else "scheduler") in reason


def test_an_address_that_makes_no_sense_is_refused(impatient):
    for address in ("tls://127.0.0.1:8786", "nonsense://x", "", "tcp://127.0.0.1", "inproc://x"):
        assert f"--scheduler {address}: no scheduler can be reached there" in refusal(address)
    with socket.socket() as taken:  # nobody listens at the address of a socket that is bound only
        taken.bind(("127.0.0.1", 0))
        assert "no scheduler answered within 0.5 s" in refusal(f"tcp://127.0.0.1:{taken.getsockname()[1]}")
