"""What the reader sees: a line a step with its seconds, a table at the end, and a box when nothing
could be tested.
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
    """This machine lacks what the proof needs; the text says what."""


class StepFailed(Exception):
    """Something was not as it should be; the text says what was seen."""


@dataclass(frozen=True, slots=True)
class Row:
    """A step that has ended."""

    name: str
    seconds: float
    ok: bool


@dataclass(slots=True)
class Log:
    """Standard output, and the steps so far."""

    rows: list[Row] = field(default_factory=list)

    @contextmanager
    def step(self, name: str, *, vital: bool = True) -> Iterator[Note]:
        """One step; yields a function that adds a line under it.

        A step fails by raising. What comes after a vital one makes no sense without it, so its
        error goes on.
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
        """Prints the table, and the error that ended it before its end; returns the exit code."""
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
    """The step as its line says it."""
    return row.name if row.ok else f"FAILED: {row.name}"


def say(text: str) -> None:
    """A line, at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def box(reason: str) -> None:
    """Says, so that nobody can miss it, that nothing was tested."""
    lines = ["NOTHING WAS TESTED END TO END", "", *textwrap.wrap(reason, 90)]
    width = max(map(len, lines))
    say("╔" + "═" * (width + 2) + "╗")
    for line in lines:
        say(f"║ {line:<{width}} ║")
    say("╚" + "═" * (width + 2) + "╝")
    say(f"e2e: NOT RUN: {reason}")
