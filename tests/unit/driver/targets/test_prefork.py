"""When services start before the command line is read."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from driver.targets.prefork import COLUMNS, HASH_SEED, may_need_duckdb, needs_services
from mapreduce.wire import build
from services import local_fleet


@pytest.mark.parametrize(
    ("line", "deployed", "expected"),
    [
        ("run --input a.txt", False, True),
        ("run --input a.txt", True, False),
        ("run --input a.txt --target auto", True, False),
        ("run --target local --input a.txt", True, True),
        ("run --target=local --input a.txt", True, True),
        ("run --target=inline --input a.txt", False, False),
        ("run --target aws", False, False),
        ("run --target", False, False),
        ("run --help", False, False),
        ("runs", False, False),
        ("verify run", False, False),
        ("", False, False),
    ],
)
def test_only_a_run_on_this_machine_needs_services(
    line: str, deployed: bool, expected: bool
) -> None:
    """Only a run on this machine needs services; `auto` means this machine without a stack."""
    assert expected == needs_services(line.split(), deployed=deployed)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("    map_sql = 'SELECT'", True),
        ("    def map_arrow(self, table):", True),
        ("    input_format = Parquet()", True),
        ("    def map(self, key, value):", False),
        ("", False),
    ],
)
def test_the_text_of_a_job_tells_whether_it_needs_duckdb(
    text: str, expected: bool, tmp_path: Path
) -> None:
    """The services load DuckDB early where the job's file names what needs it."""
    job = tmp_path / "job.py"
    job.write_text(f"class Sales(Job):\n{text}\n")
    for line in (["--job", f"{job}:Sales"], ["--job", str(job)], [f"--job={job}:Sales"]):
        assert expected == may_need_duckdb(["run", *line, "--input", "a.csv"])


@pytest.mark.parametrize("line", ["run", "run --job", "run --job word-count", "run --job a\0b:C"])
def test_a_job_without_a_file_needs_no_duckdb_early(line: str) -> None:
    """A name, or a file that cannot be read, is no error here."""
    assert not may_need_duckdb(line.split(" "))


def test_a_pipe_is_not_read(tmp_path: Path) -> None:
    """A pipe instead of the job's file is left to the check of `--job`, which names it."""
    job = tmp_path / "job.py"
    os.mkfifo(job)
    with job.open("w+b", buffering=0) as pipe:
        pipe.write(b"map_sql")
        assert not may_need_duckdb(["run", "--job", f"{job}:Sales"])


def test_the_argument_is_known_to_the_services() -> None:
    """The argument has the same value in both of its definitions."""
    assert COLUMNS == local_fleet.COLUMNS


def test_the_services_have_the_common_hash_seed() -> None:
    """The services' hash seed has the same value in both of its definitions."""
    assert HASH_SEED == build.HASH_SEED
