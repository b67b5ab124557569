"""The driver's own command line on a machine whose clock is wrong by MAPREDUCE_TEST_SKEW_S seconds.

The services are other programs, and have the right time.
"""

from __future__ import annotations

import os
import runpy
import time

if __name__ == "__main__":
    skew_s = float(os.environ.get("MAPREDUCE_TEST_SKEW_S", "0"))
    right_time = time.time
    time.time = lambda: right_time() + skew_s
    runpy.run_module("driver", run_name="__main__", alter_sys=True)
