"""Run a port by `python -m driver run`, and mrjob's example, in processes of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.requirement import CANNOT

ROOT = Path(__file__).parents[2]
JOBS = Path(__file__).parent / "jobs"
PEER = Path(sys.prefix) / "porting-env" / "bin" / "python"
WHEELS = Path(sys.prefix) / "porting-env" / "wheels"
TIMEOUT_S = 100
NEWEST_OF_MRJOB = (3, 12)
"""mrjob 0.7.4, the last version, imports a module that Python 3.13 has no more."""
needs_mrjob = pytest.mark.skipif(
    sys.version_info[:2] > NEWEST_OF_MRJOB or not PEER.exists(),
    reason=f"{CANNOT}mrjob does not import on this Python"
    if sys.version_info[:2] > NEWEST_OF_MRJOB
    else "mrjob has an environment of its own; run: make porting",
)


class Failed(Exception):
    """A command that had to work did not; holds its output."""


@dataclass(frozen=True, slots=True)
class Ended:
    """The end of a command."""

    code: int
    out: bytes
    err: str


def run_job(
    job: str, inputs: Sequence[str], folder: Path, *options: str, may_fail: bool = False
) -> Ended:
    """Run a job of `jobs/` over inputs of a folder.

    Raises:
        Failed: its exit code is not 0, unless it `may_fail`.
    """
    given = [word for each in inputs for word in ("--input", each)]
    command = [sys.executable, "-m", "driver", "run", "--job", _place(job), *given, *options]
    # what a job requires is in a folder: no test asks an index
    pip = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(WHEELS)}
    return _run(command, folder, {"PYTHONPATH": str(ROOT), **pip}, may_fail=may_fail)


def run_peer(
    example: str, inputs: Sequence[str], folder: Path, *options: str, runner: str = "inline"
) -> bytes:
    """Return what an example of mrjob prints, by one of its runners on this machine.

    Raises:
        Failed: its exit code is not 0.
    """
    command = [str(PEER), "-m", f"mrjob.examples.{example}", "--no-conf", "-r", runner]
    return _run([*command, *options, *_files(inputs, folder)], folder, {}).out


def run_file(file: Path, inputs: Sequence[str], folder: Path, *options: str) -> bytes:
    """Return what a file with a job of mrjob prints; raises as `run_peer`."""
    command = [str(PEER), str(file), "--no-conf", "-r", "inline"]
    return _run([*command, *options, *_files(inputs, folder)], folder, {}).out


def examples_of_mrjob() -> Path:
    """Return the folder of mrjob's examples; without mrjob, one that does not exist."""
    found = sorted((PEER.parents[1] / "lib").glob("python3*/site-packages/mrjob/examples"))
    return found[0] if found else PEER.parents[1] / "examples"


def _place(job: str) -> str:
    """Return a job of `jobs/` as `--job` takes it; a ready-made one has no file."""
    return str(JOBS / job) if ".py" in job else job


def _files(inputs: Sequence[str], folder: Path) -> list[str]:
    """Return the files of the inputs: mrjob reads no folder."""
    paths = [folder / each for each in inputs]
    found = [sorted(path.iterdir()) if path.is_dir() else [path] for path in paths]
    return [str(file) for files in found for file in files]


def _run(
    command: Sequence[str], folder: Path, variables: dict[str, str], *, may_fail: bool = False
) -> Ended:
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("MAPREDUCE_", "AWS_", "PYTEST_", "PYTHON"))
    }
    done = subprocess.run(
        command,
        cwd=folder,
        env=inherited | {"NO_COLOR": "1", "AWS_EC2_METADATA_DISABLED": "true"} | variables,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    err = done.stderr.decode(errors="replace")
    if done.returncode and not may_fail:
        raise Failed(f"{' '.join(command)}: exit code {done.returncode}\n{err}")
    return Ended(done.returncode, done.stdout, err)


def pairs_of(content: bytes) -> list[tuple[Any, Any]]:
    """Return the pairs of a result in JSON Lines."""
    rows = (json.loads(line) for line in content.splitlines())
    return [(row["key"], row["value"]) for row in rows]
