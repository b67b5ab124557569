"""Run a command as a separate process, and return its cost, measured from outside."""

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
"""How many characters of a failed command's output are kept."""


@dataclass(frozen=True, slots=True)
class Measured:
    """Wall and processor seconds of a command and its descendants, and its output.

    `peak_bytes` is the resident memory of its largest process.
    """

    wall_s: float
    cpu_s: float
    peak_bytes: int
    exit_code: int
    stdout: str
    last_words: str


def measured(command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> Measured:
    """Run the command in the repository's root.

    Args:
        command: the program and its arguments.
        folder: an empty folder for the measurement's files.
        environment: variables added to this process's.
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
            launched.terminate()  # ends its descendants too, which a kill would leave
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
    """Read a file, or those of a folder, so that every contender finds them in the page cache."""
    for each in _files(path):
        with each.open("rb", buffering=0) as file:
            while file.read(1 << 24):
                pass


def size_of(path: Path) -> int:
    """Return the bytes of a file, or of those of a folder."""
    return sum(each.stat().st_size for each in _files(path))


def _files(path: Path) -> list[Path]:
    return sorted(each for each in path.rglob("*") if each.is_file()) if path.is_dir() else [path]
