"""Ctrl-C, SIGTERM and SIGHUP: at any moment, within two seconds, and nothing but whole outputs is left."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from conftest import SECONDS, environment, heed_interrupts
from samples import grey, save

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals of POSIX systems")


def noise(rows, columns):
    return np.random.default_rng(0).integers(0, 256, (rows, columns, 3), np.uint8)


@pytest.fixture
def begin(tmp_path):
    """Begin the program in a temporary folder, in a process group of its own."""
    begun = []

    def call(arguments, code=None, **options):
        process = subprocess.Popen(
            [sys.executable, *(("-c", code) if code else ("-m", "convfilter")), *arguments.split()],
            cwd=tmp_path,
            env=environment(),
            start_new_session=True,
            **{
                "stdin": subprocess.DEVNULL,
                "stdout": subprocess.PIPE,
                "stderr": subprocess.PIPE,
                "preexec_fn": heed_interrupts,
            }
            | options,
        )
        begun.append(process)
        return process

    yield call
    for process in begun:
        process.kill()
        process.wait()


def wait_for(condition):
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def seconds_of_work(process):
    with open(f"/proc/{process.pid}/stat") as stream:
        return int(stream.read().rpartition(")")[2].split()[11]) / os.sysconf("SC_CLK_TCK")


def temporary(folder):
    return [name for name in os.listdir(folder) if name.startswith(".cf-")]


def processes_of(group):
    found = []
    for name in filter(str.isdecimal, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/stat") as stream:
                state, _, its_group = stream.read().rpartition(")")[2].split()[:3]
        except OSError:
            continue
        if int(its_group) == group and state != "Z":
            found.append(int(name))
    return found


def end_of(process, number, *, group=False):
    """Send a signal; what stderr says, and that the process dies of the signal in time."""
    assert process.poll() is None, process.communicate()
    start = time.monotonic()
    (os.killpg if group else os.kill)(process.pid, number)
    _, said = process.communicate(timeout=SECONDS)
    assert time.monotonic() - start < 2
    assert process.returncode == -number
    assert processes_of(process.pid) == []
    return said.decode().splitlines() if said else []


@pytest.mark.parametrize(("number", "jobs"), [(signal.SIGINT, 1), (signal.SIGTERM, 2), (signal.SIGHUP, 2)])
def test_a_signal_does_not_wait_for_an_encoder(begin, tmp_path, number, jobs):
    for name in "ab":
        save(tmp_path / "in" / f"{name}.png", noise(1200, 1200), compress_level=1)
    process = begin(f"apply in -k identity -o out --format avif --compress small -j {jobs}")
    out = tmp_path / "out"
    # It is in the one call that encodes once nothing is done in Python for a while.
    wait_for(lambda: out.exists() and len(temporary(out)) == jobs)
    time.sleep(0.5)
    assert end_of(process, number) == ["convfilter: stopped: nothing done, 2 not finished"]
    assert os.listdir(out) == []


@pytest.mark.parametrize(
    "arguments",
    [
        "learn a.png a.png --size 61x61 -o k.toml",
        "gallery a.png --full -o sheet.png",
        "explain a.png -k blur --at 3,3 --padding 7000",
    ],
)
def test_a_signal_does_not_wait_for_a_calculation(begin, tmp_path, arguments):
    save(tmp_path / "a.png", noise(900, 900))
    process = begin(arguments)
    wait_for(lambda: process.poll() is not None or seconds_of_work(process) > 0.6)
    assert end_of(process, signal.SIGTERM) == []
    assert os.listdir(tmp_path) == ["a.png"]


@pytest.mark.parametrize(("stream", "number"), [("stdout", signal.SIGTERM), ("stderr", signal.SIGINT)])
def test_a_signal_does_not_wait_for_a_reader(begin, tmp_path, stream, number):
    save(tmp_path / "a.png", grey())
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    try:
        while os.write(writing, b"x" * 1024):
            pass
    except BlockingIOError:
        os.set_blocking(writing, True)
    process = begin("apply a.png gone.png -k blur -o out --json", **{stream: writing})
    os.close(writing)
    wait_for(lambda: os.path.exists(tmp_path / "out" / "a.png"))
    time.sleep(0.3)
    end_of(process, number)
    os.close(reading)
    assert os.listdir(tmp_path / "out") == ["a.png"]


def test_a_second_signal_and_one_to_all_processes_change_nothing(begin, tmp_path):
    for name in "abc":
        save(tmp_path / "in" / f"{name}.png", noise(1200, 1200), compress_level=1)
    process = begin("apply in -k identity -o out --format avif --compress small -j 2")
    wait_for(lambda: os.path.exists(tmp_path / "out") and len(temporary(tmp_path / "out")) == 2)
    os.killpg(process.pid, signal.SIGINT)
    said = end_of(process, signal.SIGINT, group=True)
    assert said == ["convfilter: stopped: nothing done, 3 not finished"]
    assert os.listdir(tmp_path / "out") == []


def test_signals_that_are_ignored_stay_ignored(begin, tmp_path):
    def ignore():
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # as for a job in the background of a script
        signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does it

    save(tmp_path / "a.png", grey())
    process = begin("apply - -k blur -o b.png", stdin=subprocess.PIPE, preexec_fn=ignore)
    wait_for(lambda: process.poll() is not None or seconds_of_work(process) > 0.2)
    for number in (signal.SIGINT, signal.SIGHUP):
        process.send_signal(number)
    _, said = process.communicate((tmp_path / "a.png").read_bytes(), timeout=SECONDS)
    assert (process.returncode, said) == (0, b"")
    assert (tmp_path / "b.png").exists()


WITHOUT_THREADS = """
import threading, time
def start(thread):
    raise RuntimeError("can't start new thread")
threading.Thread.start = start
from convfilter import files
inner = files.commit
def commit(target, write, **options):
    inner(target, lambda stream: time.sleep(60), **options)
files.commit = commit
from convfilter.__main__ import main
main()
"""


def test_where_no_thread_can_be_started_a_handler_cleans_up(begin, tmp_path):
    save(tmp_path / "a.png", grey())
    process = begin("apply a.png -k blur -o out/", code=WITHOUT_THREADS)
    wait_for(lambda: os.path.exists(tmp_path / "out") and temporary(tmp_path / "out"))
    assert end_of(process, signal.SIGTERM) == ["convfilter: stopped: nothing done, 1 not finished"]
    assert os.listdir(tmp_path / "out") == []
