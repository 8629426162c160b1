"""``python -m convfilter`` is the same as ``convfilter``."""

from convfilter.cli import main

if __name__ == "__main__":
    main()
