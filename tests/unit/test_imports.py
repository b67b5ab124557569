"""What a small run loads: imports are half of its time, so a new one has to be meant."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
RUN = """
import sys, runpy
sys.argv = ["driver", "run", "--input", {text!r}, "--store", {store!r}, "--target", "local"]
try:
    runpy.run_module("driver", run_name="__main__", alter_sys=True)
except SystemExit as end:
    assert not end.code, end.code
"""
BEFORE_THE_SERVICES = """
import sys
import driver.__main__, driver.cli.hash_seed, driver.cli.streams, driver.targets.prefork
"""
SERVICES = "import sys, services.local_fleet; services.local_fleet.loaded_apps()"
SAY = "\nimport json; print(json.dumps(sorted(sys.modules)), file=sys.stderr)"
SLOW = {
    "boto3", "botocore", "obstore", "duckdb", "nanoarrow", "numpy", "pandas", "pyarrow",
    "python_terraform", "pyspark", "cryptography",
}  # fmt: skip


def _loaded(script: str) -> set[str]:
    """Return the modules that a program has loaded at its end."""
    done = subprocess.run(
        [sys.executable, "-c", script + SAY], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return set(json.loads(done.stderr.rstrip().rpartition("\n")[2]))


def test_the_services_start_before_anything_slow_is_imported() -> None:
    """Their process begins before the driver's imports, and both take equally long."""
    loaded = _loaded(BEFORE_THE_SERVICES)
    assert not {"mapreduce", "pydantic", "asyncio", "cyclopts", "httpx"} & loaded
    assert len(loaded) <= 110, f"{len(loaded)} modules"


@pytest.mark.parametrize(
    ("script", "most", "without"),
    [(RUN, 900, SLOW), (SERVICES, 790, SLOW | {"rich", "pygments", "httpx", "jinja2", "cyclopts"})],
    ids=["driver", "services"],
)
def test_a_small_run_loads_few_modules(
    tmp_path: Path, script: str, most: int, without: set[str]
) -> None:
    """The driver and the services of a word count load no library that it does not use."""
    text = tmp_path / "book.txt"
    text.write_text("a b\n")
    loaded = _loaded(script.format(text=str(text), store=str(tmp_path / "store")))
    assert not without & loaded
    assert len(loaded) <= most, f"{len(loaded)} modules"


def test_models_of_a_job_are_built_at_once() -> None:
    """What speeds up the services' own imports ends with them: a job's mistake shows at import."""
    script = SERVICES + "\nfrom pydantic import BaseModel; import rich\n"
    script += "assert 'defer_build' not in BaseModel.model_config or "
    script += "not BaseModel.model_config['defer_build']\n"
    assert "rich" in _loaded(script)
