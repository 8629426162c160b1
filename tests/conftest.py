"""How tests run the program: as a process of its own, or quickly in this one."""

import io
import os
import signal
import subprocess
import sys
import time
from typing import NamedTuple

import pytest

from convfilter.cli import main
from convfilter.images import formats

SECONDS = 60

uncovered = pytest.mark.skipif("COVERAGE_RUN" in os.environ, reason="coverage writes files in between")


class Ran(NamedTuple):
    """What a run left behind."""

    code: int
    raw: bytes
    err: str

    @property
    def out(self):
        return self.raw.decode()

    @property
    def complaints(self):
        return self.err.splitlines()


def environment(**changes):
    """The environment of a run, without what would change its behaviour."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("CONVFILTER")}
    return kept | {"PYTHONUTF8": "1"} | {key: str(value) for key, value in changes.items()}


def heed_interrupts():
    """Have a process heed Ctrl-C, also where the tests run in the background of a shell."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.fixture
def without_codecs(monkeypatch):
    """Have pictures read and written as Pillow alone does it."""
    monkeypatch.setattr(formats, "codecs_available", lambda: False)


@pytest.fixture
def run(tmp_path):
    """Run the program as a process in a temporary folder."""

    def call(*arguments, stdin=b"", cwd=tmp_path, env=None, **options):
        options = {"stdout": subprocess.PIPE} | options
        ran = subprocess.run(
            [sys.executable, "-m", "convfilter", *arguments],
            input=stdin,
            stderr=subprocess.PIPE,
            cwd=cwd,
            env=environment(**(env or {})),
            timeout=SECONDS,
            check=False,
            **options,
        )
        return Ran(ran.returncode, ran.stdout or b"", ran.stderr.decode())

    return call


@pytest.fixture
def quick(tmp_path, monkeypatch):
    """Run the program in this process, in a temporary folder: no signals, descriptors or other processes."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CONVFILTER_THREADS", "1")

    def call(*arguments, stdin=b"", **variables):
        streams = {
            "stdin": io.TextIOWrapper(io.BufferedReader(io.BytesIO(stdin))),
            "stdout": io.TextIOWrapper(io.BytesIO(), encoding="utf-8"),
            "stderr": io.TextIOWrapper(io.BytesIO(), encoding="utf-8"),
        }
        with monkeypatch.context() as patch:
            for name, value in variables.items():
                patch.setenv(name, value)
            patch.setattr(sys, "argv", ["convfilter", *map(str, arguments)])
            for name, stream in streams.items():
                patch.setattr(sys, name, stream)
            with pytest.raises(SystemExit) as stop:
                main()
        for stream in streams.values():
            stream.flush()
        return Ran(
            stop.value.code or 0,
            streams["stdout"].buffer.getvalue(),
            streams["stderr"].buffer.getvalue().decode(),
        )

    return call


# Changes to the program are inherited by its workers, which are copies of it.
CHANGED = """
import os, signal, sys, time
from convfilter import files
from convfilter.batch import job
{change}
from convfilter.__main__ import main
main()
"""


@pytest.fixture
def begin(tmp_path):
    """Begin the program, which may be changed, in a temporary folder and a session of its own."""
    begun = []

    def call(*arguments, change="", **options):
        start = ["-c", CHANGED.format(change=change)] if change else ["-m", "convfilter"]
        pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        process = subprocess.Popen(
            [sys.executable, *start, *arguments],
            cwd=tmp_path,
            start_new_session=True,
            **{**pipes, "env": environment(), "text": True, "preexec_fn": heed_interrupts, **options},
        )
        begun.append(process)
        return process

    yield call
    for process in begun:
        process.kill()
        process.communicate()


def ended(process):
    """Wait for a process: its exit code, and the lines on stdout and stderr."""
    out, err = process.communicate(timeout=SECONDS)
    return process.returncode, (out or "").splitlines(), (err or "").splitlines()


def wait_for(condition, seconds=SECONDS):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def processes_of(session):
    """The living processes of a session, which its first process has given its number."""
    found = []
    for name in filter(str.isdecimal, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/stat") as stream:
                state, _, _, its_session = stream.read().rpartition(")")[2].split()[:4]
        except OSError:
            continue
        if int(its_session) == session and state != "Z":
            found.append(int(name))
    return found
