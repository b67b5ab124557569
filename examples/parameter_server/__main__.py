"""The commands: `python -m examples.parameter_server train --workers 4 --servers 2`."""

from __future__ import annotations

import sys

from examples.parameter_server.numerics import pin

if __name__ == "__main__":
    pin()  # before NumPy is imported
    from examples.parameter_server.commands import main

    sys.exit(main(sys.argv[1:]))
