"""How tests run the program: as a process of its own, or quickly in this one."""

import io
import os
import signal
import subprocess
import sys
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
            "stdin": io.TextIOWrapper(io.BytesIO(stdin)),
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
