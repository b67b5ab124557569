"""`python -m mapreduce.native`: builds the compiled part. With `--if-possible` it is no error where
that cannot be.
"""

from __future__ import annotations

import sys

from mapreduce.native.build import NotBuilt, build


def main() -> int:
    """The process's exit code."""
    try:
        target = build()
    except NotBuilt as exc:
        optional = "--if-possible" in sys.argv[1:]
        sys.stderr.write(f"the compiled part was not built: {exc}\n")
        sys.stderr.write("everything works without it, more slowly\n" if optional else "")
        return 0 if optional else 1
    sys.stderr.write(f"built {target}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
