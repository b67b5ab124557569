"""Processes that end with this one: their process group is ended, or, if this one is killed, Linux
ends them.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from tests.e2e.log import StepFailed

# Linux sends SIGTERM when the parent ends (prctl, PR_SET_PDEATHSIG = 1), and only to the child, so
# this program forwards it to the group. If the parent ended before the prctl call, its process id
# shows it.
LAUNCH = """
import ctypes, os, signal, subprocess, sys
parent, alone, *words = sys.argv[1:]
ctypes.CDLL(None, use_errno=True).prctl(1, signal.SIGTERM)
if os.getppid() != int(parent):
    sys.exit("the parent has gone")
if alone == "alone":
    os.execvp(words[0], words)
def hand_on(*_):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.killpg(0, signal.SIGTERM)
signal.signal(signal.SIGTERM, hand_on)
sys.exit(subprocess.call(words) % 256)
"""
LIMIT_S = 900.0
PATIENCE_S = 30.0
SHOWN = 25


@dataclass(frozen=True, slots=True)
class Shell:
    """The settings of commands: a working folder, a whole environment, and a folder for their
    output.
    """

    folder: Path
    environment: dict[str, str]
    outputs: Path

    def run(
        self, *command: str | Path, ok: tuple[int, ...] = (0,), limit_s: float = LIMIT_S
    ) -> Finished:
        """Run a command until it ends.

        Raises:
            StepFailed: its exit code is none of `ok`, or it took too long.
        """
        with self.start(*command) as running:
            return running.finish(ok, limit_s)

    def having(self, **variables: str) -> Shell:
        """Return the same shell with further variables."""
        return replace(self, environment=self.environment | variables)

    @contextmanager
    def start(self, *command: str | Path, alone: bool = False) -> Iterator[Running]:
        """Start a command; end it and its descendants with the block.

        With `alone` only the process itself gets the signal: it ends its children in its own order.
        """
        words = [str(word) for word in command]
        stem = self.outputs / f"{time.monotonic_ns()}-{Path(words[0]).name}"
        out, err = stem.with_suffix(".out"), stem.with_suffix(".err")
        with out.open("wb") as out_file, err.open("wb") as err_file:
            process = subprocess.Popen(
                [
                    sys.executable,
                    "-c",
                    LAUNCH,
                    str(os.getpid()),
                    "alone" if alone else "group",
                    *words,
                ],
                cwd=self.folder,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=out_file,
                stderr=err_file,
                start_new_session=True,
            )
        try:
            yield Running(process, words, out, err)
        finally:
            _end(process)


@dataclass(frozen=True, slots=True)
class Finished:
    """How a command ended: its exit code and output."""

    code: int
    out: str
    err: str


@dataclass(frozen=True, slots=True)
class Running:
    """A process, and the files of its output."""

    process: subprocess.Popen[bytes]
    words: list[str]
    out: Path
    err: Path

    @property
    def alive(self) -> bool:
        """Return whether it still runs."""
        return self.process.poll() is None

    def finish(self, ok: tuple[int, ...] = (0,), limit_s: float = LIMIT_S) -> Finished:
        """Wait for its end; raise `StepFailed` if its exit code is none of `ok`."""
        said = " ".join(self.words)[:120]
        try:
            code = self.process.wait(limit_s)
        except subprocess.TimeoutExpired:
            raise StepFailed(
                f"{said}: not done after {limit_s:.0f} s\n{self.last_words()}"
            ) from None
        if code not in ok:
            raise StepFailed(f"{said}: exit code {code}\n{self.last_words()}")
        return Finished(
            code, self.out.read_text(errors="replace"), self.err.read_text(errors="replace")
        )

    def last_words(self) -> str:
        """Return the last lines of both outputs."""
        texts = (path.read_text(errors="replace") for path in (self.out, self.err))
        return "\n".join(line for text in texts for line in text.splitlines()[-SHOWN:])


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a process, and the rest of its group."""
    if process.poll() is None:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(PATIENCE_S)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
