"""The commands: `python -m examples.parameter_server train --workers 4 --servers 2`."""

from __future__ import annotations

import sys

from examples.parameter_server.numerics import pin


def _run() -> int:
    pin()  # before NumPy is imported
    try:
        from examples.parameter_server.commands import main

        return main(sys.argv[1:])
    except ModuleNotFoundError as exc:
        sys.stderr.write(f"error: there is no package {exc.name}; run: make .venv/examples\n")
        return 2


if __name__ == "__main__":
    sys.exit(_run())
