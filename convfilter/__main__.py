"""Where the program begins: as ``convfilter``, or as ``python -m convfilter``."""

from __future__ import annotations

import signal
from typing import NoReturn

__all__ = ["main"]


def main() -> NoReturn:
    """Run the command line; a Ctrl-C while it is loaded ends it without a word."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from convfilter.cli import main as run

    run()


if __name__ == "__main__":
    main()
