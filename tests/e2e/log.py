"""The output of the proof: a line for each step with its seconds, a table at the end, and a box if
nothing could be tested.
"""

from __future__ import annotations

import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

Note = Callable[[str], None]


class CannotRun(Exception):
    """This machine lacks a requirement of the proof; the text names it."""


class StepFailed(Exception):
    """A step failed; the text says what was seen."""


@dataclass(frozen=True, slots=True)
class Row:
    """A step that has ended, with its result."""

    name: str
    seconds: float
    ok: bool


@dataclass(slots=True)
class Log:
    """Standard output, and the steps so far."""

    rows: list[Row] = field(default_factory=list)

    @contextmanager
    def step(self, name: str, *, vital: bool = True) -> Iterator[Note]:
        """Run one step; yield a function that adds a line under it.

        A step fails if its block raises. After a vital step the exception propagates, because later
        steps depend on it.
        """
        notes: list[str] = []
        started = time.monotonic()
        try:
            yield notes.append
        except CannotRun:
            raise
        except Exception as exc:
            self._end(
                Row(name, time.monotonic() - started, ok=False), [*notes, *str(exc).splitlines()]
            )
            if vital or not isinstance(exc, StepFailed):
                raise
        else:
            self._end(Row(name, time.monotonic() - started, ok=True), notes)

    def _end(self, row: Row, notes: list[str]) -> None:
        self.rows.append(row)
        say(f"[{row.seconds:6.1f} s] {name_of(row)}")
        for note in notes:
            say(f"           {note}")

    def summary(self, stopped_by: Exception | None = None) -> int:
        """Print the table, and the error that stopped the proof; return the exit code."""
        failed = sum(not row.ok for row in self.rows) or int(stopped_by is not None)
        say("")
        for row in self.rows:
            say(f"{'ok    ' if row.ok else 'FAILED'} {row.seconds:7.1f} s  {row.name}")
        say(f"       {sum(row.seconds for row in self.rows):7.1f} s  together")
        say(f"e2e: {len(self.rows) - failed} passed, {failed} failed")
        if stopped_by is not None:
            say(
                "e2e: stopped before its end: "
                f"{next(iter(str(stopped_by).splitlines()), type(stopped_by).__name__)}"
            )
        return 1 if failed else 0


def name_of(row: Row) -> str:
    """Return the step's name as its line shows it."""
    return row.name if row.ok else f"FAILED: {row.name}"


def say(text: str) -> None:
    """Print a line and flush it."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def box(reason: str) -> None:
    """Print a conspicuous box: nothing was tested, and why."""
    lines = ["NOTHING WAS TESTED END TO END", "", *textwrap.wrap(reason, 90)]
    width = max(map(len, lines))
    say("╔" + "═" * (width + 2) + "╗")
    for line in lines:
        say(f"║ {line:<{width}} ║")
    say("╚" + "═" * (width + 2) + "╝")
    say(f"e2e: NOT RUN: {reason}")
