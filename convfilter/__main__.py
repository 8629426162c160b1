"""The program's entry: ``convfilter`` or ``python -m convfilter``."""

from __future__ import annotations

import signal
from typing import NoReturn

__all__ = ["main"]


def main() -> NoReturn:
    """Run the command line; Ctrl-C during its import ends it silently."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from convfilter.cli import main as run

    run()


if __name__ == "__main__":
    main()
