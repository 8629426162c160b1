"""Calls into Pillow and the codecs: their errors, warnings and printed lines are reported as the file's.

`reasons` wraps such calls only: an error in our own code must pass as what it is.
"""

from __future__ import annotations

import contextlib
import io
import logging
import os
import re
import sys
import threading
import warnings as python_warnings
from collections.abc import Iterator
from importlib import import_module
from typing import Any, BinaryIO, TextIO

from convfilter.errors import ConvfilterError, ImageError, with_name
from convfilter.images.formats import FORMATS
from convfilter.messages import describe, one_line

__all__ = ["add_warning", "collected", "disk_errors", "frame_named", "load_plugin", "reasons"]

_MOST = 5
_FURTHER = re.compile(r"(\d+) further warnings?")
_LONGEST_PRINT = 1 << 16


def load_plugin(form: str) -> None:
    """Have Pillow read and write a format, by the plugin for it alone.

    Importing all forty of them takes longer than reading most images, and some start other programs.
    """
    from PIL import Image  # here, so that `--help` need not load Pillow

    # Images are measured against the caller's limit, from the header; Pillow's own would warn or refuse.
    Image.MAX_IMAGE_PIXELS = None
    plugin: Any = import_module(f"PIL.{FORMATS[form].plugin}")
    if form == "avif":  # images run side by side, each on one thread
        plugin.DEFAULT_MAX_THREADS = 1


@contextlib.contextmanager
def reasons(what: str, *, system: bool = True) -> Iterator[None]:
    """Turn whatever a library raises into an `ImageError` of one line that begins with `what`.

    Without `system`, errors of the operating system pass, as those of a stream of ours always do.
    """
    try:
        yield
    except MemoryError:
        raise ImageError("not enough memory for it") from None
    except Exception as error:  # decoders raise all kinds of errors over broken data
        if _raised_by_us(error):
            raise
        if isinstance(error, OSError) and error.errno:
            if not system:
                raise
            raise ImageError(describe(error)) from None
        reason = one_line(error)
        raise ImageError(f"{what} ({reason})" if reason else what) from None


def _raised_by_us(error: Exception) -> bool:
    """Tell whether an error comes from our own code that a library called, such as a stream."""
    names = []
    trace = error.__traceback__
    while trace is not None:
        names.append(trace.tb_frame.f_globals.get("__name__", ""))
        trace = trace.tb_next
    # The first two are `reasons` and the block; of the others the last that is ours or Pillow's counts.
    concerned = [name for name in names[2:] if name.startswith(("convfilter.", "PIL."))]
    return bool(concerned) and concerned[-1].startswith("convfilter.")


@contextlib.contextmanager
def disk_errors() -> Iterator[None]:
    """Turn what the system reports while a file is read into an `ImageError`."""
    try:
        yield
    except OSError as error:
        raise ImageError(describe(error)) from None


def add_warning(warnings: list[str], line: str) -> None:
    """Add a line to a file's warnings once; after the first few, only their number."""
    if line in warnings:
        return
    further = _FURTHER.fullmatch(warnings[-1]) if warnings else None
    if further:
        warnings[-1] = f"{int(further[1]) + 1} further warnings"
    else:
        warnings.append(line if len(warnings) < _MOST else "1 further warning")


@contextlib.contextmanager
def frame_named(number: int, count: int | None) -> Iterator[None]:
    """Say which of several frames an error is about, counted from 0; the count may be unknown."""
    try:
        yield
    except ConvfilterError as error:
        if count == 1:
            raise
        of = "" if count is None else f" of {count}"
        raise with_name(error, f"frame {number + 1}{of}") from None


@contextlib.contextmanager
def collected(warnings: list[str], *, prints: bool = False) -> Iterator[None]:
    """Add what libraries warn of or log in a block to a list, and what they print.

    Blocks that collect prints run one at a time.
    """
    before, _thread.warnings = _thread.warnings, warnings
    try:
        with _warning_hook, _printed if prints else contextlib.nullcontext():
            yield
    finally:
        _thread.warnings = before


class _Thread(threading.local):
    """Where the warnings of this thread go: each works on another image."""

    warnings: list[str] | None = None


_thread = _Thread()


class _LogHandler(logging.Handler):
    """Takes what the libraries log, which would go to standard error without a file's name."""

    def emit(self, record: logging.LogRecord) -> None:
        line = one_line(record.getMessage())
        if _thread.warnings is not None:
            add_warning(_thread.warnings, line)


for _name in ("PIL", "imagecodecs", "tifffile"):
    logging.getLogger(_name).addHandler(_LogHandler(logging.WARNING))


class _WarningHook:
    """Takes the libraries' warnings while any thread is in a block; those of other threads pass."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._blocks = 0

    def __enter__(self) -> None:
        with self._lock:
            self._blocks += 1
            if self._blocks == 1:
                self._filters = python_warnings.catch_warnings()
                self._filters.__enter__()
                python_warnings.filterwarnings("always", module=r"PIL\.|imagecodecs|tifffile")
                self._show, python_warnings.showwarning = python_warnings.showwarning, self._take

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._blocks -= 1
            if not self._blocks:
                self._filters.__exit__(None, None, None)

    def _take(self, message: Warning | str, *more: Any, **options: Any) -> None:
        if _thread.warnings is None:
            self._show(message, *more, **options)
        else:
            add_warning(_thread.warnings, one_line(message))


class _Printed:
    """Takes what libraries print to the descriptor of standard error; what Python prints still goes there."""

    def __init__(self) -> None:
        self._stderr: TextIO | None = None
        self._active = False
        self._start()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._start)

    def _start(self) -> None:
        """Start anew: a new process shares neither the file nor what another thread held at the fork."""
        if self._stderr is not None and self._active:
            os.dup2(self._stderr.fileno(), 2)
        self._lock = threading.Lock()
        self._file: BinaryIO | None = None
        self._stderr = None
        self._active = False

    def __enter__(self) -> None:
        self._lock.acquire()
        # Without a spare descriptor or a folder for temporary files, lines stay where they are.
        with contextlib.suppress(OSError):
            if sys.__stderr__ is None:
                return
            if self._file is None or self._stderr is None:
                import tempfile  # here, because only few formats print

                encoding = sys.__stderr__.encoding
                self._file = tempfile.TemporaryFile(buffering=0)
                self._stderr = open(os.dup(2), "w", buffering=1, encoding=encoding, errors="backslashreplace")
            os.dup2(2, self._stderr.fileno(), inheritable=False)
            self._python = sys.stderr
            if _descriptor(sys.stderr) == 2:
                sys.stderr.flush()
                sys.stderr = self._stderr
            os.dup2(self._file.fileno(), 2)
            self._active = True

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        warnings = _thread.warnings
        assert warnings is not None  # `collected` has set them
        try:
            lines = self._stop() if self._active else []
        finally:
            self._lock.release()
        if lines and isinstance(error, ImageError):
            raise ImageError(f"{error}: {lines[0]}") from None
        for line in lines:
            add_warning(warnings, line)

    def _stop(self) -> list[str]:
        """Put standard error back, and return the lines that were printed."""
        assert self._file is not None
        assert self._stderr is not None
        self._active = False
        self._stderr.flush()
        os.dup2(self._stderr.fileno(), 2)
        sys.stderr = self._python
        if not self._file.tell():
            return []
        self._file.seek(0)
        printed = self._file.read(_LONGEST_PRINT).decode(errors="replace")
        self._file.seek(0)
        self._file.truncate()
        return [line for line in map(one_line, printed.splitlines()) if line]


def _descriptor(stream: TextIO | None) -> int | None:
    """Return the number of a stream's descriptor, None if it has none."""
    try:
        return None if stream is None else stream.fileno()
    except (OSError, ValueError, AttributeError, io.UnsupportedOperation):
        return None


_warning_hook, _printed = _WarningHook(), _Printed()
