"""The fault suite of the album service: every fault, some rounds of each, and a table."""

from __future__ import annotations

import random
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from tests.contract.emulator import MINISTACK, running_emulator
from tests.faults.systems.albums.kinds import BUCKET, FAULTS, S3_FAULTS, World
from tests.faults.systems.albums.tasks import Wrong, running
from tests.requirement import everything_is_required, fault_of_a_skip

TASKS = 3


@dataclass(frozen=True, slots=True)
class Row:
    """One fault: its rounds, those with a wrong answer, and why."""

    fault: str
    rounds: int
    wrong: int
    complaints: tuple[str, ...] = ()


def table(rounds: int, seed: int = 0, told: Callable[[Row], None] = lambda _: None) -> list[Row]:
    """Inject every fault in some rounds, and return a row for each.

    Args:
        rounds: of each fault.
        seed: of the random choices.
        told: is called with each row.
    """
    rows: list[Row] = []
    with ExitStack() as ends:
        folder = Path(ends.enter_context(tempfile.TemporaryDirectory(prefix="albums-faults-")))
        s3 = None if MINISTACK.missing else ends.enter_context(running_emulator(BUCKET))
        tasks = ends.enter_context(running(folder / "shared", TASKS, linger_s=1))
        world = World(folder, tasks, s3, random.Random(seed))
        for name, fault in (FAULTS | (S3_FAULTS if s3 else {})).items():
            rows.append(_row(name, fault, world, rounds))
            told(rows[-1])
    if s3 is None:
        fault_text = fault_of_a_skip(MINISTACK.missing, required=everything_is_required())
        rows.append(Row(MINISTACK.missing, 0, 1 if fault_text else 0))
        told(rows[-1])
    return rows


def _row(name: str, fault: Callable[[World], None], world: World, rounds: int) -> Row:
    complaints = []
    for number in range(rounds):
        try:
            fault(world)
        except (Wrong, OSError) as exc:
            complaints.append(f"round {number}: {exc!r}"[:500])
        while len(world.tasks.listed) < TASKS:  # a round that broke off has left fewer
            world.tasks.start()
    return Row(name, rounds, len(complaints), tuple(complaints))


def main(rounds: int) -> int:
    """Run the suite, print its table; return 0 if no answer was wrong."""
    began = time.monotonic()
    sys.stdout.write(f"{'fault':<44} {'rounds':>6} {'wrong':>6}\n")

    def say(row: Row) -> None:
        sys.stdout.write(f"{row.fault:<44} {row.rounds:>6} {row.wrong:>6}\n")
        sys.stdout.writelines(f"    {complaint}\n" for complaint in row.complaints)
        sys.stdout.flush()

    rows = table(rounds, told=say)
    wrong = sum(row.wrong for row in rows)
    total = sum(row.rounds for row in rows)
    sys.stdout.write(f"{total} rounds in {time.monotonic() - began:.0f} s, {wrong} wrong\n")
    return 1 if wrong else 0
