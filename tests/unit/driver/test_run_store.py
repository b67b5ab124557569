"""What is kept of runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from driver.run_store import RunStore, is_run_name, new_run_id
from mapreduce import keys
from mapreduce.errors import DataError, InputError
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


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe", b'{"run": 5}', b"[" * 100_000])
def test_a_plan_that_cannot_be_read_says_so(runs: RunStore, content: bytes) -> None:
    """Half written, foreign, of another version, nested without end: always our error, with the place."""
    runs.write("run-20260101-000000-a", "plan.json", content)
    with pytest.raises(InputError, match=r"plan\.json cannot be read"):
        runs.plan("run-20260101-000000-a")


def test_the_last_run_is_the_last_that_can_be_read(runs: RunStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a broken plan nor a folder that another program has made takes its place."""
    monkeypatch.setattr("driver.run_store.new_run_id", lambda _: "run-20260101-000000-good-owl")
    good = runs.begin(run_plan()).run
    for name in ("run-20260102-000000-bad-fox", "zebra", "RUN-step-abc", "run-20260101-000000-good-owl-step-x"):
        runs.write(name, "plan.json", b"{")
    runs.write("zzz-a-copy", "plan.json", run_plan(created=9e9))
    assert runs.resolve(None) == good
    assert runs.resolve("good-owl") == good
    assert runs.steps(good) == []


def test_no_run_can_be_read(runs: RunStore) -> None:
    """Then that is said."""
    runs.write("run-20260102-000000-bad-fox", "plan.json", b"{")
    with pytest.raises(InputError, match="no run in .* can be read"):
        runs.resolve(None)


def test_steps_are_in_the_order_of_their_numbers(runs: RunStore) -> None:
    """As numbers, not as text; what is no number is no step."""
    for end in ("10", "2", "1", "x", "0", "01", "²", "9" * 200):
        runs.write(f"run-a-step-{end}", "plan.json", b"{}")
    assert runs.steps("run-a") == ["run-a-step-1", "run-a-step-2", "run-a-step-10"]


def test_records_that_cannot_be_read_do_not_stop_a_look(runs: RunStore) -> None:
    """A `_SUCCESS` or a failure.json that somebody has forged."""
    run = runs.begin(run_plan()).run
    assert runs.failure(run) is None
    runs.write(run, "failure.json", b'{"kind": 1}')
    failure = runs.failure(run)
    assert failure is not None
    assert "cannot be read" in failure.message
    runs.storage.write(keys.success(runs.store, run), b"\x00")
    assert runs.state(run) == "unreadable"


def test_a_text_that_is_no_unicode_is_an_error_of_ours(runs: RunStore) -> None:
    """A record is UTF-8."""
    with pytest.raises(DataError, match="no Unicode"):
        runs.write("run-a", "plan.json", run_plan(run="\ud800"))


@pytest.mark.parametrize(
    ("name", "is_run"),
    [
        ("run-20260101-000000-a", True),
        ("a\n", False),
        ("a\x1bb", False),
        ("RUN", False),
        ("a/b", False),
        ("\udce9", False),
    ],
)
def test_names_of_runs(name: str, is_run: bool) -> None:
    """What a message may name as a run."""
    assert is_run_name(name) == is_run
