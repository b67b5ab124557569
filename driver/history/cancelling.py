"""The wish of a user to end a run: its driver heeds it, or no driver begins the run any more."""

from __future__ import annotations

import time
from contextlib import suppress

from driver.history.run_store import Ended, RecordedState, RunStore
from driver.plan.events import RunInterrupted, encoded
from driver.program.command_name import COMMAND
from mapreduce.errors import ObjectExists, ObjectMissing, RunStopped, UsageError
from mapreduce.wire import keys

REFUSED = b"cancelled"
"""What takes the place of a driver's `begun`: the run was cancelled, and no driver begins it."""
WHY = "was cancelled before its driver began"


def ask_to_end(runs: RunStore, run: str) -> RecordedState:
    """Ask the driver of a run to end it; return the run's state before.

    A run that still waits for its driver is interrupted here: the driver takes the run by the same
    conditional create, so either it begins and heeds the wish, or it never begins.

    Raises:
        UsageError: the run is over, or is a plan for which no driver has been started.
    """
    before = runs.state(run)
    waits = before == "planned" and runs.awaits_driver(run)
    if before not in ("running", "lost") and not waits:
        raise UsageError(
            f"{run} is {before}, so there is nothing to cancel; see: {COMMAND} runs{runs.option}"
        )
    # before anything else, so that a driver that begins now heeds it. A lost driver may only sleep:
    # it then ends as soon as it is awake
    runs.storage.write(keys.cancel(runs.store, run), b"")
    if waits:
        with suppress(ObjectExists):
            runs.storage.create(keys.run_file(runs.store, run, keys.BEGUN), REFUSED)
    if is_refused(runs, run):  # also by a `cancel` that has ended half-way
        now = time.time()
        runs.write(run, "ended.json", Ended(state="interrupted", at=now, why=WHY))
        happened = [RunInterrupted(at=now, run=run, why=WHY)]
        runs.write(run, "events.jsonl", encoded(happened))
    return before


def is_refused(runs: RunStore, run: str) -> bool:
    """Return whether a run was cancelled before a driver had begun it."""
    try:
        return runs.storage.read(keys.run_file(runs.store, run, keys.BEGUN)) == REFUSED
    except ObjectMissing:
        return False


def check_not_refused(runs: RunStore, run: str) -> None:
    """Check that a plan may be carried out; raises `RunStopped` if it was cancelled before."""
    if is_refused(runs, run):
        raise RunStopped(f"{run} {WHY}; give the command of the run again")
