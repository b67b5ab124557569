"""The front of the driver's package."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


def test_the_import_of_the_package_is_light() -> None:
    """`import driver` loads none of its modules; `from driver import run` does."""
    script = (
        "import sys, driver; print([name for name in sys.modules if 'driver.' in name]); "
        "from driver import run; print(run.__module__, 'boto3' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert ["[]", "driver.api.calls False"] == done.stdout.split("\n")[:2]
