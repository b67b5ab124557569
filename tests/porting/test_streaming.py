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
COMMANDS = {
    "words": (f"{SPLIT} | sed 's/$/\\t1/'", SUM),
    "distinct": (SPLIT, "uniq"),
    "lengths": ("awk '{ print length($0) \"\\t1\" }'", SUM),
}


@pytest.mark.parametrize("target", ["inline", "local"])
@pytest.mark.parametrize("name", COMMANDS)
def test_streaming_writes_what_the_shell_does(
    name: str, target: str, data: Path, tmp_path: Path
) -> None:
    """Mapper, sort and reducer of the shell give the same bytes as one reduce task."""
    mapper, reducer = COMMANDS[name]
    out = tmp_path / "out.tsv"
    run_job(
        "streaming",
        ["texts"],
        data,
        *("--param", f"mapper={mapper}", "--param", f"reducer={reducer}", "--reducers", "1"),
        *("--target", target, "--store", str(tmp_path / "store")),
        *("--output", str(out), "--no-header"),
    )
    assert _shell(f"cat texts/* | {mapper} | sort -k1,1 | {reducer}", data) == out.read_bytes()


def _shell(command: str, folder: Path) -> bytes:
    environment = {"LC_ALL": "C", "PATH": "/usr/bin:/bin"}
    return subprocess.run(
        ["sh", "-c", command], cwd=folder, env=environment, stdout=subprocess.PIPE, check=True
    ).stdout
