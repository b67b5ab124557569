"""The driver's command line on a machine whose clock is wrong by MAPREDUCE_TEST_SKEW_S seconds.

With MAPREDUCE_TEST_SKEW_FROM=/path the clock is right until that file exists; then it jumps. The
services are other processes, and have the right time.
"""

from __future__ import annotations

import os
import runpy
import time
from pathlib import Path

if __name__ == "__main__":
    skew_s = float(os.environ.get("MAPREDUCE_TEST_SKEW_S", "0"))
    jump = Path(start) if (start := os.environ.get("MAPREDUCE_TEST_SKEW_FROM")) else None
    right_time = time.time
    time.time = lambda: right_time() + (skew_s if jump is None or jump.exists() else 0.0)
    runpy.run_module("driver", run_name="__main__", alter_sys=True)
