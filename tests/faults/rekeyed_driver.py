"""The driver's command line, which signs with another key once a file exists.

MAPREDUCE_TEST_REKEYED=/path python -m tests.faults.rekeyed_driver run ...

To the driver this looks as if the services' key was rotated while it holds the old one.
"""

from __future__ import annotations

import os
import runpy
from pathlib import Path

VARIABLE = "MAPREDUCE_TEST_REKEYED"

if __name__ == "__main__":
    from driver.transport import http as client
    from mapreduce.wire import tokens

    mark = Path(os.environ.get(VARIABLE, "/nowhere"))

    def sign(key: str, path: str, body: bytes, now: float) -> str:
        """Sign with the key from before the rotation, once that has happened."""
        return tokens.sign(key[::-1] + "0" if mark.exists() else key, path, body, now)

    client.sign = sign  # type: ignore[attr-defined]
    runpy.run_module("driver", run_name="__main__", alter_sys=True)
