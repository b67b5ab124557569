"""Runs a command as a process of its own, and says what it took, as seen from outside."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LAST_WORDS = 1500
"""How much of what a failed command said is kept."""


@dataclass(frozen=True, slots=True)
class Measured:
    """Wall and processor seconds of a command and of all that it started, and what it said.

    `peak_bytes` is the resident memory of its largest process.
    """

    wall_s: float
    cpu_s: float
    peak_bytes: int
    exit_code: int
    stdout: str
    last_words: str


def measured(command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> Measured:
    """Runs the command from the repository's root.

    Args:
        command: the program and its arguments.
        folder: an empty folder, for what the measurement needs.
        environment: variables beside this process's own.
    """
    report, out, err = folder / "measured.json", folder / "stdout", folder / "stderr"
    with out.open("wb") as stdout, err.open("wb") as stderr:
        launched = subprocess.Popen(
            [sys.executable, "-m", "bench.launch", str(os.getpid()), str(report), *command],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
            stdout=stdout,
            stderr=stderr,
        )
        try:
            code = launched.wait()
        except BaseException:
            launched.terminate()  # and with it all that it has started, which a kill would leave
            launched.wait()
            raise
    if code:
        raise subprocess.CalledProcessError(code, command)
    return Measured(
        **json.loads(report.read_text()),
        stdout=out.read_text(errors="replace"),
        last_words=err.read_text(errors="replace")[-LAST_WORDS:],
    )


def read_whole(path: Path) -> None:
    """Reads a file once, so that every contender finds it in the page cache."""
    with path.open("rb", buffering=0) as file:
        while file.read(1 << 24):
            pass
