"""`submit(target="aws")`: the run of the command `submit`, as an object."""

from __future__ import annotations

from pathlib import Path

import pytest

from driver import submit
from mapreduce.errors import FleetError, PriceRefused, RunStopped, UsageError
from tests.unit.driver.submitted import FakeDrivers, deploy


@pytest.fixture
def drivers(folder: Path, monkeypatch: pytest.MonkeyPatch) -> FakeDrivers:
    """A stack with drivers in AWS."""
    return deploy(monkeypatch)


@pytest.mark.parametrize("target", ["aws", "auto"])
def test_a_job_is_submitted_to_aws(drivers: FakeDrivers, target: str) -> None:
    """Its plan and its input are in the bucket, and its driver is started, as by the command."""
    found = submit("word_count", "roses.txt", target=target, retries=2)  # type: ignore[arg-type]
    assert [(found.run, ["keep", found.run, "--retries", "2"], f"{found.run}.0")] == drivers.asked
    assert "planned" == found.state
    (given,) = drivers.runs.plan(found.run).inputs
    assert given.url.startswith(f"{drivers.runs.store}/input/")
    with pytest.raises(UsageError, match="is planned; wait for it"):
        _ = found.result


def test_a_submitted_run_can_be_cancelled_at_once(drivers: FakeDrivers) -> None:
    """It ends before its driver begins, and stays so."""
    found = submit("word_count", "roses.txt", target="aws")
    found.cancel()
    assert "interrupted" == found.state
    found.cancel()
    with pytest.raises(RunStopped, match="was cancelled before its driver began"):
        found.wait()


def test_a_driver_that_does_not_begin_is_an_error(
    drivers: FakeDrivers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message has the command that starts another one."""
    found = submit("word_count", "roses.txt", target="aws")
    monkeypatch.setattr("driver.api.submitted.begun", lambda *_: "planned")
    monkeypatch.setattr("driver.api.submitted.watch", lambda *_: iter(()))
    with pytest.raises(FleetError, match=f"start: python -m driver submit --plan {found.run}"):
        found.wait()


def test_what_aws_does_not_start_is_an_error(drivers: FakeDrivers) -> None:
    """With the command that tries again."""
    drivers.fails = "RESOURCE:FARGATE"
    with pytest.raises(FleetError, match=r"RESOURCE:FARGATE.*submit --plan run-"):
        submit("word_count", "roses.txt", target="aws")


def test_a_price_above_the_limit_is_refused(drivers: FakeDrivers) -> None:
    """Before anything is sent."""
    with pytest.raises(PriceRefused):
        submit("word_count", "roses.txt", target="aws", max_usd=1e-9)
    assert [] == drivers.runs.runs()


def test_a_run_of_this_machine_stays_here(
    drivers: FakeDrivers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its driver is a process."""
    started: list[str] = []
    monkeypatch.setattr("driver.api.calls.start_driver", lambda _, run, __: started.append(run))
    found = submit("word_count", "roses.txt", target="local", store="here")
    assert ([found.run], []) == (started, drivers.asked)
