"""A run's document, from its records."""

from __future__ import annotations

from pathlib import Path

import pytest

from driver.forecast.receipt import Receipt
from driver.history.failure import Failure
from driver.history.run_store import DeadLetter, RunStore, Success
from driver.plan import events
from driver.plan.events import encoded
from driver.report.page.document import LETTERS_SHOWN, document_of, read_document
from mapreduce.errors import InputError
from mapreduce.storage.local import LocalStorage
from mapreduce.wire import keys
from tests.unit.driver.report.page.made import report
from tests.unit.driver.samples import run_plan

STARTED = events.RunStarted(
    at=1000.0, run="run-1", job="WordCount", target="local", inputs=1, size_bytes=5
)
SKIPPED = events.RecordSkipped(at=1001.0, task="map-0", place="a", message="no")


@pytest.fixture
def runs(tmp_path: Path) -> RunStore:
    """A store with the plan of one run."""
    kept = RunStore(LocalStorage(), f"file://{tmp_path}")
    kept.write("run-1", "plan.json", run_plan(store=kept.store, created=1000.0))
    return kept


def _succeed(runs: RunStore) -> None:
    success = Success(run="run-1", parts=(), records=0)
    runs.storage.write(keys.success(runs.store, "run-1"), success.model_dump_json().encode())


def test_a_run_that_is_done_has_its_report_and_receipt(runs: RunStore) -> None:
    """Each record is read; the model is that of the events."""
    _succeed(runs)
    done = events.RunDone(at=1004.0, run="run-1", seconds=4.0)
    runs.write("run-1", "events.jsonl", encoded([STARTED, done]))
    runs.write("run-1", "report.json", report())
    runs.write("run-1", "receipt.json", Receipt(run="run-1", usd=0.5))
    found = read_document(runs, "run-1")
    assert ("done", 4.0) == (found.model.state, found.model.seconds)
    assert report() == found.report
    assert found.receipt is not None
    assert found.failure is None


def test_a_failed_run_has_its_failure(runs: RunStore) -> None:
    """And no report."""
    failure = Failure(run="run-1", kind="JobFailed", message="no")
    runs.write("run-1", "failure.json", failure)
    failed = events.RunFailed(at=1004.0, run="run-1", kind="JobFailed", message="no")
    runs.write("run-1", "events.jsonl", encoded([STARTED, failed]))
    found = read_document(runs, "run-1")
    assert ("failed", failure, None) == (found.model.state, found.failure, found.report)


def test_a_run_whose_driver_was_killed_is_lost(runs: RunStore) -> None:
    """A plan alone is enough for a page: job, target and time are the plan's."""
    found = read_document(runs, "run-1", now=5000.0)
    assert ("lost", "WordCount", "local") == (
        *(found.model.state, found.model.job),
        found.model.target,
    )


def test_a_record_that_cannot_be_read_is_left_out(runs: RunStore) -> None:
    """A report of another version does not hide the run."""
    _succeed(runs)
    runs.write("run-1", "report.json", b'{"strange": 1}')
    assert read_document(runs, "run-1").report is None


def test_a_run_that_does_not_exist_is_refused(runs: RunStore) -> None:
    """The error names the command that lists the runs."""
    with pytest.raises(InputError, match="driver runs"):
        read_document(runs, "run-2")


def test_dead_letters_are_read_where_events_tell_of_them(runs: RunStore) -> None:
    """The first ones only; without such an event, the store is not asked."""
    letter = DeadLetter(place="a", url="u", key=1, record="r", message="no", traceback="")
    for number in range(LETTERS_SHOWN + 5):
        runs.write("run-1", keys.dead_letter(0, number), letter)
    plan = runs.plan("run-1")
    assert document_of(plan, runs, [STARTED]).letters == ()
    assert LETTERS_SHOWN == len(document_of(plan, runs, [STARTED, SKIPPED]).letters)
