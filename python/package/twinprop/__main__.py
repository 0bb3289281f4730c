"""The command line: `twinprop`, or `python -m twinprop`."""

from __future__ import annotations

import signal
import sys

from . import _native


def main() -> None:
    """Runs the command line with the arguments of this process, and ends it."""
    # The command line handles Ctrl-C itself.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    sys.exit(_native.main(["twinprop", *sys.argv[1:]]))


if __name__ == "__main__":
    main()
