"""A folder for the files of Spark's driver, which does not outlive this process, also if it is
killed: a shell waits for the end of a pipe from it.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# Spark, which ends with this process too, may still write there for some seconds
_DELETE = """
read -r _
for _ in 1 2 3 4 5 6 7 8 9 10; do
    rm -rf -- "$1" && exit
    sleep 1
done
"""


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """Yield a new folder; it is deleted after the block, or after a sudden end of this process."""
    with tempfile.TemporaryDirectory(prefix="mapreduce-", ignore_cleanup_errors=True) as folder:
        deleting = subprocess.Popen(
            ["/bin/sh", "-c", _DELETE, "mapreduce-spark", folder],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            yield Path(folder)
        finally:
            deleting.communicate()
