"""What `runs` lists, and with how many requests."""

from __future__ import annotations

from pathlib import Path

import pytest

from driver.history.run_index import RunSummary
from driver.history.run_list import list_runs
from driver.history.run_store import RunStore
from mapreduce.storage import open_storage
from mapreduce.wire import keys
from tests.unit.driver.cloud.loopback_aws import running_loopback_aws
from tests.unit.driver.samples import run_plan

NOW = 1_767_225_600.0


@pytest.fixture
def kept(tmp_path: Path) -> RunStore:
    """An empty store."""
    return RunStore(open_storage(), f"file://{tmp_path}")


def _name(number: int) -> str:
    return f"run-20260101-{number:06d}-calm-owl"


def _summary(number: int) -> RunSummary:
    return RunSummary("done", NOW + number, 2.5, None, 1, 1000, "local", "WordCount")


def _planned(kept: RunStore, name: str, created: float = NOW) -> None:
    kept.write(name, "plan.json", run_plan(run=name, created=created))


def test_five_hundred_runs_take_two_lists(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs that are over cost no request each; one that goes on is read from its records."""
    with running_loopback_aws() as aws:
        monkeypatch.setenv("AWS_ENDPOINT_URL", aws.endpoint)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAOLD")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
        kept = RunStore(open_storage(), "s3://bucket")
        for number in range(500):
            entry = keys.indexed("/bucket", _name(number), _summary(number).encoded())
            aws.objects[entry] = b""
            for record in ("plan.json", "events.jsonl", "events/00000.jsonl", "report.json"):
                aws.objects[keys.run_file("/bucket", _name(number), record)] = b"{}"
        aws.asked.clear()
        found = list_runs(kept, None, NOW)
        assert (500, 0) == (len(found.runs), found.earlier)
        assert {"done"} == {run.state for run in found.runs}
        assert 2 == len(aws.asked), aws.asked
        name = _name(600)
        plan = run_plan(run=name, created=NOW).model_dump_json().encode()
        aws.objects[keys.run_file("/bucket", name, "plan.json")] = plan
        aws.asked.clear()
        assert "running" == list_runs(kept, 20, NOW + 1).runs[-1].state
        assert len(aws.asked) <= 2 + 8


def test_the_last_runs_are_listed_in_the_order_of_time(kept: RunStore) -> None:
    """The newest run comes last; of one second the index decides, and what is not in it goes on."""
    for name, created in (("calm-owl", NOW + 0.9), ("amber-ant", NOW + 0.95), ("wise-wren", NOW)):
        run = f"run-20260101-000000-{name}"
        _planned(kept, run, created)
        if name != "wise-wren":
            summary = RunSummary("done", created, 1.0, 0.5, 1, 9, "aws", "Sort")
            kept.enter(run, summary)
    found = list_runs(kept, 2, NOW + 1)
    assert ["amber-ant", "wise-wren"] == [run.run[20:] for run in found.runs]
    assert 1 == found.earlier
    assert [("done", 0.5, "Sort"), ("running", None, "WordCount")] == [
        (run.state, run.usd, run.job) for run in found.runs
    ]


def test_runs_of_an_older_version_are_read(kept: RunStore) -> None:
    """Without index and lease, a run is done, failed or lost by its records."""
    for number in range(3):
        _planned(kept, _name(number), created=NOW - 1000)
    kept.commit(_name(0), [], 0)
    kept.write(_name(1), "failure.json", b"{}")
    assert ["done", "failed", "lost"] == [run.state for run in list_runs(kept, None, NOW).runs]


def test_steps_of_chains_are_listed_on_request(kept: RunStore) -> None:
    """A step is listed only on request, and without an end it has the state of its chain."""
    chain, step = _name(0), keys.step(_name(0), 1)
    for name in (chain, step):
        _planned(kept, name)
    assert [chain] == [run.run for run in list_runs(kept, None, NOW).runs]
    found = list_runs(kept, None, NOW + 1, steps=True).runs
    assert [(chain, "running"), (step, "running")] == [(run.run, run.state) for run in found]
    assert ["lost", "lost"] == [
        run.state for run in list_runs(kept, None, NOW + 99, steps=True).runs
    ]


def test_other_folders_are_left_out_or_named(kept: RunStore) -> None:
    """A folder without a plan is no run; a plan that cannot be read is listed with the reason."""
    kept.write("notes", "a.txt", b"x")
    kept.write(_name(1), "a.txt", b"x")
    kept.write(_name(2), "plan.json", b"{")
    kept.write("Other Notes", "plan.json", b"{}")
    found = {run.run: run for run in list_runs(kept, None, NOW).runs}
    assert {_name(2), "Other Notes"} == set(found)
    assert {"unreadable"} == {run.state for run in found.values()}
    assert "not a complete JSON" in found[_name(2)].why
    assert "another program" in found["Other Notes"].why
