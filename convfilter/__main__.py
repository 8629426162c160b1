"""The program's entry: ``convfilter`` or ``python -m convfilter``."""

from __future__ import annotations

import gc
import signal

__all__ = ["main"]


def main() -> None:
    """Run the command line; while it is loaded, a signal ends the process without a word."""
    gc.set_threshold(20_000, 20, 20)  # what is made while modules are loaded stays: do not search it often
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from convfilter.cli import main as run
    from convfilter.signals import watched

    with watched():
        run()


if __name__ == "__main__":
    main()
