"""Run the router with a wrong clock: `skewed_router.py SECONDS`."""

from __future__ import annotations

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[4]))
right = time.time
ahead_s = float(sys.argv[1])
time.time = lambda: right() + ahead_s

from examples.serving.router.__main__ import main  # noqa: E402 - after the clock

if __name__ == "__main__":
    sys.exit(main())
