"""The archive that executors get: it works from any folder, with the native extension."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from driver.spark.shipped import packed
from mapreduce import native

PROGRAM = """
import sys
sys.path[:0] = sys.argv[1:]
import driver.spark.executor
from mapreduce import native
from mapreduce.engine.run import run_task
from mapreduce.user_code.calls import is_authors

print(driver.spark.executor.__file__)
print(native.why_not)
try:
    run_task(None, None)
except Exception as exc:
    print(is_authors(exc))
"""


@pytest.mark.parametrize("way", ["real", "link"])
def test_an_executor_runs_what_it_got(tmp_path: Path, way: str) -> None:
    """Unpacked, and reached also by a link, the engine is compiled if it is here, and its error is
    not taken for the author's.
    """
    with zipfile.ZipFile(packed(tmp_path)) as archive:
        archive.extractall(tmp_path / "real")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    others = [path for path in sys.path if "packages" in path]
    done = subprocess.run(
        [sys.executable, "-S", "-c", PROGRAM, str(tmp_path / way), *others],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    where, why_not, of_author = done.stdout.splitlines()
    assert f"{tmp_path / way}/driver/spark/executor.py" == where
    assert native.why_not == why_not
    assert "False" == of_author
