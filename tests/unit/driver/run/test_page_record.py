"""Every run leaves its page, however it ends, and a page that cannot be written ends no run."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from driver.history.failure import Failure
from driver.history.run_store import RunStore
from driver.plan import events
from driver.plan.events import EventLog
from driver.report.page.document import PAGE
from driver.run.page_record import PageRecord
from mapreduce.errors import StorageError
from mapreduce.storage.local import LocalStorage
from tests.unit.driver.report.page.made import report
from tests.unit.driver.samples import run_plan


def _runs(tmp_path: Path) -> RunStore:
    return RunStore(LocalStorage(), f"file://{tmp_path}")


def _log(last: events.Event) -> EventLog:
    log = EventLog()
    log(events.RunStarted(at=1, run="run-1", job="J", target="local", inputs=1, size_bytes=5))
    log(last)
    return log


def _keep(runs: RunStore, log: EventLog, **more: object) -> str:
    async def keep() -> None:
        record = PageRecord(runs, log)
        record.begin(run_plan(store=runs.store), **more)  # type: ignore[arg-type]
        await record.written()

    asyncio.run(keep())
    return (runs.record("run-1", PAGE) or b"").decode()


def test_a_run_that_is_done_has_a_page(tmp_path: Path) -> None:
    """Made of its events and its report."""
    log = _log(events.RunDone(at=5, run="run-1", seconds=4))
    page = _keep(_runs(tmp_path), log, report=report())
    assert "<h1" in page
    assert "✓</span>Done" in page
    assert log.notes == ()


def test_a_failed_run_has_a_page(tmp_path: Path) -> None:
    """With its failure."""
    log = _log(events.RunFailed(at=5, run="run-1", kind="JobFailed", message="no"))
    failure = Failure(run="run-1", kind="JobFailed", message="it broke here")
    assert "it broke here" in _keep(_runs(tmp_path), log, failure=failure)


def test_a_page_that_cannot_be_written_is_noted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run goes on to its end."""
    runs, log = _runs(tmp_path), _log(events.RunDone(at=5, run="run-1", seconds=4))

    def full(*_: object) -> None:
        raise StorageError("the disk is full")

    monkeypatch.setattr(runs, "write", full)
    assert _keep(runs, log) == ""
    assert ("the run's report.html could not be written: StorageError: the disk is full",) == (
        log.notes
    )


def test_a_run_that_has_no_plan_yet_has_no_page() -> None:
    """Nothing is waited for."""
    asyncio.run(PageRecord(_runs(Path("/nowhere")), EventLog()).written())
