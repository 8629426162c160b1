"""Ctrl-C, SIGTERM and SIGHUP: at any moment, within two seconds, and nothing but whole outputs is left."""

import os
import signal
import time

import pytest
from conftest import ended, processes_of, wait_for
from samples import colour, grey, save, save_all

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals of POSIX systems")

APPLY = ["apply", "in", "-k", "blur", "-o", "out", "-j"]
# One call that takes a minute, at about any size.
ENCODE = ["apply", "in", "-k", "identity", "-o", "out", "--format", "avif", "--compress", "small", "-j"]

# All images but the first wait when their temporary file is there.
WAITING = """
inner = files.commit
def commit(target, write, **options):
    def late(stream):
        if os.path.basename(target) != "a.png":
            time.sleep(60)
        write(stream)
    return inner(target, late, **options)
files.commit = commit
"""
STUBBORN = WAITING.replace(
    "time.sleep", "signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM]); time.sleep"
)


def temporary(tmp_path):
    out = tmp_path / "out"
    return [name for name in os.listdir(out) if name.startswith(".cf-")] if out.exists() else []


def seconds_of_work(process):
    with open(f"/proc/{process.pid}/stat") as stream:
        return int(stream.read().rpartition(")")[2].split()[11]) / os.sysconf("SC_CLK_TCK")


def end_of(process, number, *, group=False):
    """Send a signal; the lines on stderr, once the process has died of the signal in time."""
    assert process.poll() is None, process.communicate()
    start = time.monotonic()
    (os.killpg if group else os.kill)(process.pid, number)
    if group:  # a second one changes nothing
        os.killpg(process.pid, number)
    code, _, err = ended(process)
    assert time.monotonic() - start < 2
    assert code == -number
    assert processes_of(process.pid) == []
    return err


@pytest.mark.parametrize(("number", "jobs"), [(signal.SIGTERM, 1), (signal.SIGHUP, 2)])
def test_a_signal_does_not_wait_for_an_encoder(begin, tmp_path, number, jobs):
    for name in "ab":
        save(tmp_path / "in" / f"{name}.png", colour(1200, 1200), compress_level=1)
    process = begin(*ENCODE, str(jobs))
    # It is in the one call that encodes once nothing is done in Python for a while.
    wait_for(lambda: temporary(tmp_path))
    time.sleep(0.5)
    assert end_of(process, number) == ["convfilter: stopped: nothing done, 2 not finished"]
    assert os.listdir(tmp_path / "out") == []


@pytest.mark.parametrize("arguments", [
    "learn a.png a.png --size 61x61 -o k.toml",
    "gallery a.png --full -o sheet.png",
    "explain a.png -k blur --at 3,3 --padding 7000",
])  # fmt: skip
def test_a_signal_does_not_wait_for_a_calculation(begin, tmp_path, arguments):
    save(tmp_path / "a.png", colour(900, 900), compress_level=1)
    process = begin(*arguments.split())
    wait_for(lambda: process.poll() is not None or seconds_of_work(process) > 0.4)
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
    process = begin("apply", "a.png", "gone.png", "-k", "blur", "-o", "out", "--json", **{stream: writing})
    os.close(writing)
    wait_for(lambda: os.path.exists(tmp_path / "out" / "a.png"))
    time.sleep(0.2)
    end_of(process, number)
    os.close(reading)
    assert os.listdir(tmp_path / "out") == ["a.png"]


@pytest.mark.parametrize(("number", "change", "group"), [
    (signal.SIGINT, WAITING, False),
    (signal.SIGTERM, STUBBORN, False),
    (signal.SIGINT, STUBBORN, True),
])  # fmt: skip
def test_a_signal_to_the_parent_alone_or_to_all_ends_all(begin, tmp_path, number, change, group):
    save_all(tmp_path / "in", "abcdef")
    process = begin(*APPLY, "3", change=change)
    wait_for(lambda: (tmp_path / "out" / "a.png").exists() and len(temporary(tmp_path)) == 3)
    assert len(processes_of(process.pid)) == 4
    (said,) = end_of(process, number, group=group)
    # Be it before or after the parent has the first result.
    assert said.removeprefix("convfilter: stopped: ") in (
        "1 done, 5 not finished",
        "nothing done, 6 not finished",
    )
    assert os.listdir(tmp_path / "out") == ["a.png"]


@pytest.mark.parametrize("change", [WAITING, STUBBORN], ids=["waiting", "stubborn"])
def test_workers_end_when_their_parent_is_killed(begin, tmp_path, change):
    save_all(tmp_path / "in", "abcd")
    process = begin(*APPLY, "2", change=change)
    wait_for(lambda: (tmp_path / "out" / "a.png").exists() and len(temporary(tmp_path)) == 2)
    process.kill()
    wait_for(lambda: not processes_of(process.pid), seconds=8)
    assert change == STUBBORN or os.listdir(tmp_path / "out") == ["a.png"]


def test_signals_that_are_ignored_stay_ignored(begin, tmp_path):
    def ignore():
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # as for a job in the background of a script
        signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does it

    save(tmp_path / "b.png", grey())
    change = WAITING.replace("60", "0.5")
    process = begin("apply", "b.png", "-k", "blur", "-o", "out/", "-q", change=change, preexec_fn=ignore)
    wait_for(lambda: temporary(tmp_path))
    for number in (signal.SIGINT, signal.SIGHUP):
        process.send_signal(number)
    assert ended(process) == (0, [], [])
    assert os.listdir(tmp_path / "out") == ["b.png"]


WITHOUT_THREADS = """
import threading
def start(thread):
    raise RuntimeError("can't start new thread")
threading.Thread.start = start
"""


def test_where_no_thread_can_be_started_a_handler_cleans_up(begin, tmp_path):
    save(tmp_path / "b.png", grey())
    process = begin("apply", "b.png", "-k", "blur", "-o", "out/", change=f"{WAITING}{WITHOUT_THREADS}")
    wait_for(lambda: temporary(tmp_path))
    assert end_of(process, signal.SIGTERM) == ["convfilter: stopped: nothing done, 1 not finished"]
    assert os.listdir(tmp_path / "out") == []
