"""Carries out a prepared run while its user watches: on the command line, or from Python."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from driver.history.run_store import RunStore
from driver.plan.events import Event, EventLog, RunFailed, RunInterrupted, RunPaused, RunStarted
from driver.program.command_name import COMMAND
from driver.report.document import Report
from driver.report.page.document import PAGE
from driver.run.interruption import AGAIN, again_on
from driver.targets.prepare import Prepared
from driver.targets.start import carry_out
from mapreduce.wire import keys

UNSEEN = "an event could not be shown"
Drive = Callable[[Coroutine[Any, Any, Report]], Report]
"""Runs a coroutine to its end."""


class View(Protocol):
    """Shows the events of a run between `start` and `stop`, which may be called twice."""

    def start(self) -> None:
        """Begin to show progress."""

    def stop(self) -> None:
        """Show no more."""

    def __call__(self, event: Event) -> None:
        """Take an event."""

    def uploading(self, name: str, sent: int, size: int) -> None:
        """Show how far the upload of an input is."""


def watched(
    prepared: Prepared, view: View | None, started: float, drive: Drive = asyncio.run
) -> tuple[Report, list[str]]:
    """Carry out a run and show its progress; return its report, and what was noted after it.

    An error that ends the run gets notes: what went wrong beside the run, and where its page is.
    A `KeyboardInterrupt` says so where the same command does not go on with the run.

    Args:
        prepared: the run.
        view: shows the progress; None for none.
        started: when the user's command began, by `time.monotonic`, in seconds.
        drive: runs the coroutine.
    """
    log = EventLog([] if view is None else [view])

    def uploading(name: str, sent: int, size: int) -> None:
        if view is not None:
            log.contain(UNSEEN, view.uploading, name, sent, size)

    if view is not None:
        log.contain(UNSEEN, view.start)
    try:
        report = drive(carry_out(prepared, log, uploading, started))
        return report, [note for note in log.notes if note not in report.notes]
    except BaseException as exc:
        if isinstance(exc, KeyboardInterrupt) and (again := again_on(prepared.target)) != AGAIN:
            exc.args = (f"interrupted; {again}",)
        for note in log.notes:
            exc.add_note(f"note: {note}")
        _note_page(exc, prepared.runs, log)
        raise
    finally:
        if view is not None:
            log.contain(UNSEEN, view.stop)


def page_place(runs: RunStore, run: str) -> list[tuple[str, str]]:
    """Return where a run's page lies: a label and a text for each line."""
    url = keys.run_file(runs.store, run, PAGE)
    if url.startswith("file://"):
        return [("page", url.removeprefix("file://"))]
    return [("page", url), ("", f"get it: {COMMAND} report {run}{runs.option} --output {PAGE}")]


def _note_page(exc: BaseException, runs: RunStore, log: EventLog) -> None:
    """Note with an error where the page lies of the run that it has ended, if there is one."""
    ends = [each for each in log.events if isinstance(each, RunFailed | RunInterrupted | RunPaused)]
    first = next((each.run for each in log.events if isinstance(each, RunStarted)), None)
    if first is None or not ends or any(PAGE in note for note in log.notes):
        return
    for label, text in page_place(runs, first):
        exc.add_note(f"{label}: {text}" if label else text)
