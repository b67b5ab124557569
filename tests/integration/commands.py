"""Run the real command line in a separate process, and find every process that it has started."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import unicodedata
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).resolve().parent.parent.parent
MARK = "MAPREDUCE_TEST_MARK"


@dataclass(frozen=True)
class Finished:
    """The end of a command: exit code and output."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        """The JSON document on standard output."""
        parsed: dict[str, Any] = json.loads(self.out)
        return parsed


@dataclass(frozen=True)
class Driver:
    """`python -m driver` in one folder, over one store; its processes have `mark` in their
    environment, and `variables`.
    """

    folder: Path
    mark: str
    variables: Mapping[str, str] = field(default_factory=dict)
    program: tuple[str, ...] = ("-m", "driver")

    @property
    def store(self) -> Path:
        """The folder of the default store."""
        return self.folder / ".mapreduce"

    @property
    def environment(self) -> dict[str, str]:
        """The environment of its commands."""
        ours = {"PYTHONPATH": str(ROOT), MARK: self.mark, "NO_COLOR": "1"}
        inherited = {k: v for k, v in os.environ.items() if k != "PYTHONUNBUFFERED"}
        return inherited | ours | dict(self.variables)

    def start(self, *arguments: str | Path) -> subprocess.Popen[str]:
        """Start a command."""
        return subprocess.Popen(
            [sys.executable, *self.program, *map(str, arguments)],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            # a shell's background jobs ignore Ctrl-C and so do their children; the tested command
            # behaves as in the foreground
            preexec_fn=_heed_interrupts,  # noqa: PLW1509 - it takes no lock
        )

    def run(self, *arguments: str | Path) -> Finished:
        """Run a command until it ends."""
        process = self.start(*arguments)
        out, err = process.communicate(timeout=100)
        return Finished(process.returncode, out, err)

    def processes(self) -> list[psutil.Process]:
        """Return every living process that a command of this driver has started."""
        return [process for process in psutil.process_iter() if _mark_of(process) == self.mark]

    def wait_until_none_is_left(self) -> list[psutil.Process]:
        """Return the processes that still live after ten seconds."""
        _, alive = psutil.wait_procs(self.processes(), timeout=10)
        return alive


def wait_until_gone(pid: int, seconds: float) -> bool:
    """Return whether a process, of whichever parent, has ended within a time."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                return True  # its parent has not asked for its end yet
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.05)
    return False


def _mark_of(process: psutil.Process) -> str | None:
    try:
        alive = process.status() != psutil.STATUS_ZOMBIE
        return process.environ().get(MARK) if alive else None
    except psutil.Error:
        return None


def plain_words(text: str) -> Counter[str]:
    """Count words by their definition, one character at a time, with the standard library's Unicode
    tables.
    """
    counts: Counter[str] = Counter()
    for line in text.split("\n"):
        kept = "".join(
            char if char == "'" or unicodedata.category(char)[0] in "LM" else " "
            for char in line.lower().replace("’", "'")
        )
        counts.update(kept.split())
    return counts


def ascii_words(content: bytes) -> Counter[str]:
    """Count words of ASCII text by the regular expression that defines a word."""
    return Counter(re.findall("[a-z']+", content.decode("ascii").lower()))


def _heed_interrupts() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)
