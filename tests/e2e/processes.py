"""Processes that end with this one, however it ends: by their own process group, and by Linux when
it is killed.
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

# Linux sends SIGTERM when the parent is gone (prctl, PR_SET_PDEATHSIG = 1), and to the child alone,
# so this hands it on to the group. A parent that went before it was asked for is seen by its
# number.
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
    """Where commands run: a working folder, a whole environment, and a folder for what they
    print.
    """

    folder: Path
    environment: dict[str, str]
    outputs: Path

    def run(
        self, *command: str | Path, ok: tuple[int, ...] = (0,), limit_s: float = LIMIT_S
    ) -> Finished:
        """Runs a command to its end.

        Raises:
            StepFailed: its exit code is none of `ok`, or it took too long.
        """
        with self.start(*command) as running:
            return running.finish(ok, limit_s)

    def having(self, **variables: str) -> Shell:
        """The same with further variables."""
        return replace(self, environment=self.environment | variables)

    @contextmanager
    def start(self, *command: str | Path, alone: bool = False) -> Iterator[Running]:
        """Starts a command, and ends it, with all that it has started, when the block is left.

        With `alone` only the process itself is asked to end: it ends its children in its own order.
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
    """How a command ended."""

    code: int
    out: str
    err: str


@dataclass(frozen=True, slots=True)
class Running:
    """A process, and where it writes."""

    process: subprocess.Popen[bytes]
    words: list[str]
    out: Path
    err: Path

    @property
    def alive(self) -> bool:
        """Whether it has not ended."""
        return self.process.poll() is None

    def finish(self, ok: tuple[int, ...] = (0,), limit_s: float = LIMIT_S) -> Finished:
        """Waits for its end; raises `StepFailed` for another exit code than those of `ok`."""
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
        """The last lines of both its outputs."""
        texts = (path.read_text(errors="replace") for path in (self.out, self.err))
        return "\n".join(line for text in texts for line in text.splitlines()[-SHOWN:])


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ends a process, and what is left of its group."""
    if process.poll() is None:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(PATIENCE_S)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
