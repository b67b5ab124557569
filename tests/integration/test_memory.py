"""Hostile input takes no more memory than its task may use; Linux counts a separate process's."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.requirement import CANNOT

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason=f"{CANNOT}peaks are read from /proc, on Linux only"
)

TASK_MIB = 64
BESIDE_MIB = 130
"""The memory of Python, DuckDB and this program's imports."""

CHILD = """
import json, sys
from pathlib import Path
from mapreduce import Csv, Job, JsonLines, Parquet, Sum, Text, WholeFile
from mapreduce.errors import MapReduceError
from mapreduce.formats.inspection import look_at
from tests.unit.mapreduce.engine_run import engine

class Lengths(Job):
    reduce = Sum()

    def map(self, key, value):
        yield "records", 1

memory_bytes, folder = int(sys.argv[3]) << 20, Path(sys.argv[1]).parent
with engine(Lengths, memory_bytes=memory_bytes, folder=folder) as stages:
    form = {"text": Text(), "csv": Csv(), "rows": Csv(header=False), "jsonl": JsonLines(),
            "whole": WholeFile(), "parquet": Parquet()}[sys.argv[2]]
    info = stages.storage.head(f"file://{sys.argv[1]}")
    from mapreduce.wire.messages import InputObject
    given = InputObject(url=info.url, size=info.size, etag=info.etag, format=form)
    said = "read"
    try:
        maps = [stages.map(split) for split in stages.split((given,), splits=3).splits]
        said = f"read {sum(result.records_in for result in maps)}"
    except MapReduceError as exc:
        said = f"{type(exc).__name__}: {exc}"
    peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
    print(json.dumps([int(peak.split()[1]) >> 10, said]))
"""

LINE = "x" * 63 + "\n"
MAKE = {
    "sparse": "f.truncate(600 << 20)",
    "gzip": "import gzip; g = gzip.open(f, 'wb', 1); [g.write(bytes(8 << 20)) for _ in range(75)]; "
    "g.close()",
    "bzip2": "import bz2; f.write(bz2.compress(bytes(400 << 20)))",
    "xz": "import lzma; f.write(lzma.compress(bytes(400 << 20), preset=1))",
    "gzip of lines": "import gzip; f.write(gzip.compress(b'x\\n' * (9 << 20), 1))",
    "open quote": "f.write(b'a,b\\n1,\"'); [f.write(b'5,6\\n' * (1 << 20)) for _ in range(40)]",
    "line ends in quotes": "f.write(b'a,b\\n1,\"' + b'\\n' * ((8 << 20) - 100) + b'\"\\n')",
    "header": "[f.write(b'name,' * (1 << 20)) for _ in range(40)]",
    "json": "f.write(b'['); [f.write(b'1,' * (4 << 20)) for _ in range(40)]",
    "nested json": "f.write(b'[' + b'[],' * (2 << 20) + b'[]]\\n')",
    "parquet": (
        "import duckdb; duckdb.sql(\"COPY (SELECT repeat('x', "
        "50000000) AS s FROM range(30)) TO '%s' "
        '(FORMAT parquet, COMPRESSION zstd)" % f.name)'
    ),
    "parquet of rows": (
        "import duckdb; duckdb.sql(\"COPY (SELECT repeat('x', "
        "4000000) AS s FROM range(100)) TO '%s' "
        '(FORMAT parquet, COMPRESSION zstd)" % f.name)'
    ),
}


def _peak(folder: Path, made: str, form: str) -> tuple[int, str]:
    """Return the peak in MiB of a process that splits and maps an input, and its outcome."""
    path = folder / f"input.{'parquet' if form == 'parquet' else 'txt'}"
    subprocess.run(
        [sys.executable, "-c", f"f = open({str(path)!r}, 'wb')\n{MAKE[made]}"], check=True
    )
    child = [sys.executable, "-c", CHILD, str(path), form, str(TASK_MIB)]
    done = subprocess.run(child, capture_output=True, text=True, check=True)
    peak, said = json.loads(done.stdout)
    return peak, said


@pytest.mark.parametrize(
    ("made", "form", "expected", "times"),
    [
        ("sparse", "text", "RecordError: a line is longer than 8 MiB", 1),
        ("sparse", "jsonl", "RecordError: a line is longer than 8 MiB", 1),
        ("sparse", "rows", "RecordError: a row is longer than 8 MiB", 1),
        ("sparse", "whole", "RecordError: a whole file is longer than 16 MiB", 1),
        ("gzip", "text", "RecordError: a line is longer than 8 MiB", 1),
        ("gzip", "whole", "RecordError: a whole file unpacked is longer than 16 MiB", 1),
        ("bzip2", "text", "RecordError: a line is longer than 8 MiB", 1),
        ("xz", "jsonl", "RecordError: a line is longer than 8 MiB", 1),
        ("gzip of lines", "text", f"read {9 << 20}", 1),
        ("open quote", "csv", "RecordError: a row is longer than 8 MiB", 1),
        ("line ends in quotes", "csv", "read 1", 3),
        ("header", "csv", "RecordError: a row is longer than 8 MiB", 1),
        ("json", "jsonl", "RecordError: a line is longer than 8 MiB", 1),
        ("nested json", "jsonl", "read 1", 3),
        ("parquet", "parquet", "does not fit into 64 MiB, half of the task's memory", 1),
        ("parquet of rows", "parquet", "read 100", 1),
    ],
)
def test_the_memory_of_a_map_task(
    tmp_path: Path, made: str, form: str, expected: str, times: int
) -> None:
    """An input that would take hundreds of MiB is refused, or read within the task's memory.

    A record at the limit with tiny fields takes `times` as much, because each field is a Python
    object.
    """
    peak, said = _peak(tmp_path, made, form)
    assert expected in said
    assert peak < BESIDE_MIB + times * TASK_MIB
