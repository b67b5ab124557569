"""What is kept of runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from driver.run_store import RunStore, new_run_id
from mapreduce.errors import InputError
from mapreduce.storage import open_storage
from tests.unit.driver.samples import run_plan


@pytest.fixture
def runs(tmp_path: Path) -> RunStore:
    """An empty store."""
    return RunStore(open_storage(), f"file://{tmp_path}")


def test_a_run_gets_an_id_of_its_own(runs: RunStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """When chance gives the same id twice, the second run takes another; the first plan stands."""
    ids = iter(["run-a", "run-a", "run-b"])
    monkeypatch.setattr("driver.run_store.new_run_id", lambda _: next(ids))
    first = runs.begin(run_plan())
    second = runs.begin(run_plan(partitions=9))
    assert (first.run, second.run) == ("run-a", "run-b")
    assert runs.plan("run-a") == first
    assert runs.runs() == ["run-a", "run-b"]


def test_ids_sort_by_time() -> None:
    """The listing of a store is the order of its runs."""
    assert new_run_id(1_000_000_000) < new_run_id(1_000_000_001) < new_run_id(2_000_000_000)


def test_states(runs: RunStore) -> None:
    """Unfinished until there is a failure or a success; a success is stronger."""
    run = runs.begin(run_plan()).run
    assert runs.state(run) == "unfinished"
    runs.write(run, "failure.json", b"{}")
    assert runs.state(run) == "failed"
    runs.commit(run, [], 0)
    assert runs.state(run) == "done"


def test_a_run_can_be_named_by_its_beginning_or_end(runs: RunStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last run by default; a name that fits two or none is an error that says so."""
    ids = iter(["run-20260101-brisk-owl", "run-20260102-brisk-fox"])
    monkeypatch.setattr("driver.run_store.new_run_id", lambda _: next(ids))
    with pytest.raises(InputError, match="no run"):
        runs.resolve(None)
    first, second = runs.begin(run_plan()).run, runs.begin(run_plan()).run
    assert runs.resolve(None) == second
    assert runs.resolve("brisk-owl") == first
    assert runs.resolve("run-20260102") == second
    with pytest.raises(InputError, match="2 runs match"):
        runs.resolve("run-2026")
    with pytest.raises(InputError, match="there is no run"):
        runs.resolve("heron")
