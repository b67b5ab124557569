"""Break the serving system in every way that its design names, and count wrong answers."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from tests.faults.systems.serving.kinds import FAULTS
from tests.faults.systems.serving.trial import Row, Trial

HEADINGS = ("fault", "rounds", "requests", "good", "503", "failed", "wrong", "as it must be")


def table(rounds: int, only: Sequence[str] = ()) -> list[Row]:
    """Inject each fault so often, and return a row for each round."""
    rows = []
    for name, inject in FAULTS.items():
        for seed in range(rounds if not only or name in only else 0):
            with ExitStack() as stack:
                folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
                trial = Trial(stack, seed, folder)
                try:
                    inject(trial)
                except (OSError, RuntimeError, TimeoutError) as exc:
                    trial.complaints.append(f"{type(exc).__name__}: {exc}")
                rows.append(trial.row(name))
                _say(f"{name}, round {seed + 1}: {'; '.join(trial.complaints) or 'good'}")
    return rows


def main(rounds: int) -> int:
    """Inject every fault, print the table; return 0 if everything was as it must be."""
    rows = table(rounds)
    _say("  ".join([HEADINGS[0].ljust(26), *HEADINGS[1:]]))
    for name in FAULTS:
        each = [row for row in rows if row.fault == name]
        numbers = [
            len(each),
            sum(row.requests for row in each),
            sum(row.good for row in each),
            sum(row.refused for row in each),
            sum(row.failed for row in each),
            sum(row.wrong for row in each),
            sum(not row.complaints for row in each),
        ]
        cells = [
            str(number).rjust(len(heading))
            for number, heading in zip(numbers, HEADINGS[1:], strict=True)
        ]
        _say("  ".join([name.ljust(26), *cells]))
    return int(any(row.wrong or row.complaints for row in rows))


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
