"""The ready-made job `streaming` writes what a pipeline of the shell does."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.porting.processes import run_job

SPLIT = "tr '[:upper:]' '[:lower:]' | tr -cs '[:alpha:]' '\\n' | sed '/^$/d'"
SUM = r"""awk -F '\t' '
    $1 != key { if (NR > 1) print key "\t" sum; key = $1; sum = 0 }
    { sum += $2 }
    END { if (NR) print key "\t" sum }'"""
TABLE = ("out.tsv", "--no-header")
LINES = ("out.txt", "--param", "whole_lines=true")
CASES = {
    "words": (f"{SPLIT} | sed 's/$/\\t1/'", SUM, TABLE),
    "lengths": ("awk '{ print length($0) \"\\t1\" }'", SUM, LINES),
    "distinct": (SPLIT, "uniq", LINES),
    "ranked": (SPLIT, "uniq -c | sort -rn | head -n 20", LINES),
}


@pytest.mark.parametrize("target", ["inline", "local"])
@pytest.mark.parametrize("name", CASES)
def test_streaming_writes_what_the_shell_does(
    name: str, target: str, data: Path, tmp_path: Path
) -> None:
    """Mapper, sort and reducer of the shell give the same bytes as one reduce task."""
    mapper, reducer, (file, *options) = CASES[name]
    out = tmp_path / file
    run_job(
        "streaming",
        ["texts"],
        data,
        *("--param", f"mapper={mapper}", "--param", f"reducer={reducer}", "--reducers", "1"),
        *("--target", target, "--store", str(tmp_path / "store")),
        *("--output", str(out), *options),
    )
    assert _shell(f"cat texts/* | {mapper} | sort -k1,1 | {reducer}", data) == out.read_bytes()


def _shell(command: str, folder: Path) -> bytes:
    environment = {"LC_ALL": "C", "PATH": "/usr/bin:/bin"}
    return subprocess.run(
        ["sh", "-c", command], cwd=folder, env=environment, stdout=subprocess.PIPE, check=True
    ).stdout
