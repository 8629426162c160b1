"""Calls into Pillow and the codecs: their errors, warnings and printed lines are reported for the file.

`reasons` wraps such calls only: an error in our own code must pass as what it is.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import sys
import threading
import warnings as python_warnings
from collections.abc import Iterator
from contextvars import ContextVar
from importlib import import_module
from typing import Any

from convfilter.errors import ConvfilterError, ImageError, describe, one_line, with_name
from convfilter.images.formats import FORMATS

_MOST = 5
_FURTHER = r"(\d+) further warnings?"
_LONGEST_PRINT = 1 << 16


def load_plugin(form: str) -> None:
    """Have Pillow read and write a format, by the plugin for it alone.

    Importing all forty of them takes longer than reading most images, and some start other programs.
    """
    from PIL import Image  # here, so that `--help` need not load Pillow

    # Images are measured against the caller's limit, from the header; Pillow's own would warn or refuse.
    Image.MAX_IMAGE_PIXELS = None
    plugin: Any = import_module(f"PIL.{FORMATS[form].plugin}")
    plugin.DEFAULT_MAX_THREADS = 1  # of AVIF: images run side by side, each on one thread


@contextlib.contextmanager
def reasons(what: str) -> Iterator[None]:
    """Turn whatever a library raises into an `ImageError` of one line that begins with `what`.

    Errors of the operating system pass, and those of a stream of ours.
    """
    try:
        yield
    except MemoryError:
        raise ImageError("not enough memory for it") from None
    except Exception as error:  # decoders raise all kinds of errors over broken data
        if _raised_by_us(error) or (isinstance(error, OSError) and error.errno):
            raise
        reason = one_line(error)
        raise ImageError(f"{what} ({reason})" if reason else what) from None


def _raised_by_us(error: Exception) -> bool:
    """Return whether an error comes from our own code that a library called, such as a stream."""
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
    further = re.fullmatch(_FURTHER, warnings[-1]) if warnings else None
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
    before = _collected.set(warnings)
    try:
        with _warning_hook, _printed(warnings) if prints else contextlib.nullcontext():
            yield
    finally:
        _collected.reset(before)


# Where the warnings of this thread go: each works on another image.
_collected: ContextVar[list[str] | None] = ContextVar("_collected", default=None)


class _LogHandler(logging.Handler):
    """Takes what the libraries log, which would go to standard error without a file's name."""

    def emit(self, record: logging.LogRecord) -> None:
        if (warnings := _collected.get()) is not None:
            add_warning(warnings, one_line(record.getMessage()))


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

    def _take(self, message: Warning | str, *where: Any, **named: Any) -> None:
        if (warnings := _collected.get()) is None:
            self._show(message, *where, **named)
        else:
            add_warning(warnings, one_line(message))


_warning_hook = _WarningHook()
_print_lock = threading.Lock()


def _renew_print_lock() -> None:
    """Forget what another thread held when this process was forked."""
    global _print_lock
    _print_lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_print_lock)


@contextlib.contextmanager
def _printed(warnings: list[str]) -> Iterator[None]:
    """Add what libraries print to the descriptor of standard error; what Python prints still goes there.

    The first line explains an `ImageError`.
    """
    import tempfile  # here, because only few formats print

    fault = None
    with _print_lock, contextlib.ExitStack() as opened:
        try:
            file = opened.enter_context(tempfile.TemporaryFile(buffering=0))
            encoding = getattr(sys.__stderr__, "encoding", None)
            spare = opened.enter_context(open(os.dup(2), "w", 1, encoding, errors="backslashreplace"))
        except OSError:  # without a descriptor or a folder to spare, lines stay where they are
            yield
            return
        python = sys.stderr
        with contextlib.suppress(OSError, ValueError, AttributeError):  # it has no descriptor
            if python.fileno() == 2:
                python.flush()
                sys.stderr = spare
        os.dup2(file.fileno(), 2)
        try:
            yield
        except ImageError as error:
            fault = error
        finally:
            spare.flush()
            os.dup2(spare.fileno(), 2)
            sys.stderr = python
        file.seek(0)
        printed = file.read(_LONGEST_PRINT).decode(errors="replace")
    lines = [line for line in map(one_line, printed.splitlines()) if line]
    if fault:
        raise ImageError(f"{fault}: {lines[0]}") if lines else fault
    for line in lines:
        add_warning(warnings, line)
