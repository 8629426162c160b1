"""Signals that end a run: unfinished work is cleaned up, then the process dies of the signal itself.

Python calls its handlers between two steps of the main thread only, and one call of an encoder can take
minutes. So the signals are blocked in all threads, and one thread waits for them.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType

ENDING = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
"""The signals that end a run."""

_PATIENCE = 0.5

_actions: list[Callable[[], object]] = []
_lock = threading.Lock()


@contextlib.contextmanager
def at_stop(action: Callable[[], object]) -> Iterator[None]:
    """Have `clean_up` call something, in the reverse order of registration, while the context lasts."""
    _actions.append(action)
    try:
        yield
    finally:
        _actions.remove(action)


def starting() -> contextlib.AbstractContextManager[object]:
    """Hold this while something starts that an action ends: nothing starts once `clean_up` has begun."""
    return _lock


def clean_up() -> None:
    """End and remove all that is registered; the caller ends the process next."""
    _lock.acquire(timeout=_PATIENCE)
    for action in reversed([*_actions]):
        with contextlib.suppress(Exception):  # the others must be called too
            action()


@contextlib.contextmanager
def watched() -> Iterator[None]:
    """Have the signals end the process at any moment, and promptly, while the context lasts."""
    # One that is ignored, as by nohup or for a job in the background, stays ignored.
    watched = [number for number in ENDING if signal.getsignal(number) != signal.SIG_IGN]
    for number in watched:
        signal.signal(number, signal.SIG_DFL)
    try:
        signal.pthread_sigmask(signal.SIG_BLOCK, watched)
        threading.Thread(target=lambda: _stop(signal.sigwait(watched)), daemon=True).start()
    except (AttributeError, RuntimeError):  # Windows, or the system lets no thread start
        for number in watched:
            signal.signal(number, _stop)
        _unblock(watched)
    try:
        yield
    finally:  # nothing is left to be cleaned up, and the interpreter's own end may take its time
        for number in watched:
            signal.signal(number, signal.SIG_DFL)
        _unblock(watched)


def _stop(number: int, frame: FrameType | None = None) -> None:
    clean_up()
    with contextlib.suppress(ValueError):  # not in the main thread, where the default is in force
        signal.signal(number, signal.SIG_DFL)
    _unblock([number])
    os.kill(os.getpid(), number)
    os._exit(128 + number)  # the first process of a container does not die of signals


def _unblock(numbers: list[int]) -> None:
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, numbers)


def _forget() -> None:
    """Begin anew in a copy of the process, which has no part in what its parent has begun."""
    global _lock
    _lock = threading.Lock()
    _actions.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
