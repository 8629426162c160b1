"""The program's entry: ``convfilter`` or ``python -m convfilter``."""

from __future__ import annotations

import gc
import os
import signal
import sys


def main() -> None:
    """Run the command line; while it is loaded, a signal ends the process without a word."""
    gc.set_threshold(100_000, 20, 20)  # what is made while modules are loaded stays: do not search it
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from convfilter.cli import main as run
    from convfilter.signals import watched

    try:
        with watched():
            run()
    except SystemExit as stop:
        if not stop.code and not _observed():
            for stream in (sys.stdout, sys.stderr):
                if stream is not None:
                    stream.flush()
            # Nothing is left to be done, and the interpreter would take 20 ms to take itself apart.
            os._exit(0)
        raise


def _observed() -> bool:
    """Return whether a profiler, a debugger or the like runs the program, and wants to report at its end."""
    observers = [sys.getprofile(), sys.gettrace()]
    if sys.version_info >= (3, 12):
        observers += map(sys.monitoring.get_tool, range(6))
    return any(observers)


if __name__ == "__main__":
    main()
