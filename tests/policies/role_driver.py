"""The driver's command line, whose local services have an environment for each role.

MAPREDUCE_TEST_MAPPER='{"AWS_ENDPOINT_URL": ...}' ... python -m tests.policies.role_driver run ...
"""

from __future__ import annotations

import runpy
import subprocess
from typing import Any

from driver.targets import prefork

STARTED, INSTEAD = "services.local_fleet", "tests.policies.role_fleet"


class _RoleFleet(subprocess.Popen[bytes]):
    def __init__(self, words: list[str], **options: Any) -> None:
        assert STARTED in words
        super().__init__([INSTEAD if word == STARTED else word for word in words], **options)


class _Subprocess:
    """The module `subprocess` as `driver.targets.prefork` uses it."""

    Popen = _RoleFleet
    DEVNULL = subprocess.DEVNULL
    TimeoutExpired = subprocess.TimeoutExpired


if __name__ == "__main__":
    vars(prefork)["subprocess"] = _Subprocess
    runpy.run_module("driver", run_name="__main__", alter_sys=True)
