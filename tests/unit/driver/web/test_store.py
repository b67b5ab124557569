"""What the pages show of a store."""

from __future__ import annotations

from pathlib import Path

import pytest

from driver.history.run_index import RunSummary
from driver.history.run_store import PLANNED, RunStore
from driver.web.store import S3_PAUSE_S, KeptRuns
from mapreduce.errors import InputError
from mapreduce.storage import open_storage
from tests.unit.driver.samples import run_plan

OLD, NEW = "run-20251124-160000-brisk-owl", "run-20251124-160100-brisk-fox"
SUMMARY = RunSummary(
    state="done",
    created=1.0,
    seconds=2.0,
    usd=0.5,
    inputs=3,
    size_bytes=4,
    target="aws",
    job="Count",
)


class _Clock:
    """A time that the test sets."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def runs(tmp_path: Path) -> RunStore:
    """An empty store."""
    return RunStore(open_storage(), f"file://{tmp_path}")


def _plan(runs: RunStore, run: str) -> None:
    runs.write(run, "plan.json", run_plan(run=run))


def test_a_run_in_the_index_is_not_read(runs: RunStore) -> None:
    """The row of a run that is over comes from the index: its records are not even readable."""
    runs.write(OLD, "plan.json", b"unreadable")
    runs.enter(OLD, SUMMARY)
    [row] = KeptRuns(runs).rows()
    assert ("done", "Count", 2.0, 0.5, 3) == (
        row.state,
        row.job,
        row.seconds,
        row.usd,
        row.inputs,
    )


def test_a_run_without_an_entry_is_read_from_its_records(runs: RunStore) -> None:
    """A run of an older version, or one that goes on, has the state of its records."""
    _plan(runs, OLD)
    _plan(runs, NEW)
    runs.commit(OLD, [], 0)
    assert {OLD: "done", NEW: "lost"} == {row.run: row.state for row in KeptRuns(runs).rows()}


def test_what_is_over_is_read_once(runs: RunStore) -> None:
    """The row of an old run outlives its records, and that of a run that is not over does not."""
    _plan(runs, OLD)
    runs.commit(OLD, [], 0)
    clock = _Clock()
    kept = KeptRuns(runs, clock)
    assert ["done"] == [row.state for row in kept.rows()]
    runs.write(OLD, "plan.json", b"unreadable")
    clock.now += 100
    assert ["done"] == [row.state for row in kept.rows()]


def test_pages_that_ask_at_once_share_a_reading(runs: RunStore) -> None:
    """Rows are good for a moment, and then read again."""
    clock = _Clock()
    kept = KeptRuns(runs, clock)
    assert [] == kept.rows()
    _plan(runs, OLD)
    assert [] == kept.rows()
    clock.now += 100
    assert [OLD] == [row.run for row in kept.rows()]


def test_unreadable_runs_steps_and_other_folders(runs: RunStore) -> None:
    """A run that cannot be read has a row with the reason; steps and other folders have none."""
    runs.write(OLD, "plan.json", b"unreadable")
    _plan(runs, f"{NEW}-step-1")
    runs.write("another program", "plan.json", b"{}")
    [row] = KeptRuns(runs).rows()
    assert (OLD, "unreadable") == (row.run, row.state)
    assert "cannot be read" in row.why


@pytest.mark.parametrize("run", ["../../etc", "", ".", "run/../..", "no such\x00run"])
def test_no_name_leaves_the_folder_of_runs(runs: RunStore, run: str) -> None:
    """What is not the name of a run is refused before anything is read or written."""
    kept = KeptRuns(runs)
    for use in (
        kept.reader,
        lambda name: kept.page(name, "token"),
        lambda name: kept.comparison(name, OLD),
        lambda name: kept.comparison(OLD, name),
        kept.cancel,
    ):
        with pytest.raises(InputError, match="there is no run"):
            use(run)


def test_a_page_leads_to_a_comparison_with_the_run_before(runs: RunStore) -> None:
    """The page of the second run of a job compares it with the first, whose page has no link."""
    for number, run in enumerate((OLD, NEW)):
        runs.write(run, "plan.json", run_plan(run=run, created=float(number)))
    kept = KeptRuns(runs)
    assert f"/compare?first={OLD}&amp;second={NEW}" in kept.page(NEW, "token")
    assert "/compare" not in kept.page(OLD, "token")
    assert OLD in kept.comparison(OLD, NEW)


def test_cancel_asks_the_driver(runs: RunStore) -> None:
    """The driver finds the wish in the run's folder; a run that is over has none."""
    _plan(runs, OLD)
    KeptRuns(runs).cancel(OLD)
    assert b"" == runs.record(OLD, "cancel")
    _plan(runs, NEW)
    runs.commit(NEW, [], 0)
    with pytest.raises(InputError, match="is done, so there is nothing to cancel"):
        KeptRuns(runs).cancel(NEW)
    assert runs.record(NEW, "cancel") is None


def test_a_run_whose_driver_has_not_begun_is_cancelled_at_once(runs: RunStore) -> None:
    """Its page has the button, and afterwards the run is over; a mere plan has none."""
    for run, command in ((OLD, b'{"starts_s": 60.0}'), (NEW, b"{}")):
        _plan(runs, run)
        runs.write(run, PLANNED, command)
    kept = KeptRuns(runs)
    assert "Cancel this run" in kept.page(OLD, "token")
    kept.cancel(OLD)
    assert runs.state(OLD) == "interrupted"
    assert "Cancel this run" not in kept.page(OLD, "token")
    assert "Cancel this run" not in kept.page(NEW, "token")
    with pytest.raises(InputError, match="is planned, so there is nothing to cancel"):
        kept.cancel(NEW)


def test_a_store_in_s3_is_read_more_rarely(runs: RunStore) -> None:
    """Each reading of a bucket costs requests."""
    assert KeptRuns(runs).pause_s < S3_PAUSE_S
    assert S3_PAUSE_S == KeptRuns(RunStore(runs.storage, "s3://bucket")).pause_s
