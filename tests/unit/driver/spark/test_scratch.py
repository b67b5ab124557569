"""The folder of Spark's driver goes with the block, and with the process."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from driver.spark.scratch import scratch_folder

PROGRAM = """
from driver.spark.scratch import scratch_folder
with scratch_folder() as folder:
    (folder / "some file").touch()
    print(folder, flush=True)
    input()
"""


def test_the_folder_goes_with_the_block() -> None:
    """After the block there is no folder."""
    with scratch_folder() as folder:
        (folder / "some file").touch()
    assert not folder.exists()


def test_the_folder_goes_with_a_killed_process(tmp_path: Path) -> None:
    """A process that is killed in the block leaves no folder either."""
    name = tmp_path / "temporary files"
    name.mkdir()
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        env=os.environ | {"TMPDIR": str(name)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        folder = Path(process.stdout.readline().strip())
        assert (folder / "some file").exists()
        process.kill()
    until = time.monotonic() + 10
    while folder.exists() and time.monotonic() < until:
        time.sleep(0.02)
    assert [] == list(name.iterdir())
