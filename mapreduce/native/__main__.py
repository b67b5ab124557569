"""`python -m mapreduce.native`: build the native extension.

With `--if-possible` a machine that cannot build it is no error; with `--strict` a warning of the
compiler is one.
"""

from __future__ import annotations

import sys

from mapreduce.native.build import STRICT, NotBuilt, build


def main() -> int:
    """The process's exit code."""
    try:
        target = build(*([STRICT] if "--strict" in sys.argv[1:] else []))
    except NotBuilt as exc:
        optional = "--if-possible" in sys.argv[1:]
        sys.stderr.write(f"the native extension was not built: {exc}\n")
        sys.stderr.write("everything works without it, more slowly\n" if optional else "")
        return 0 if optional else 1
    sys.stderr.write(f"built {target}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
