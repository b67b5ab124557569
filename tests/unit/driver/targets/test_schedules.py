"""A schedule submits the same job over the inputs of the day."""

from __future__ import annotations

from pathlib import Path

import pytest

from driver.plan.config import RunConfig
from driver.targets.plan_records import Planned, prepared_by
from driver.targets.prepare import Prepared, open_runs, prepare
from driver.targets.schedules import check_schedule, keep_schedule, submit_scheduled
from mapreduce.errors import InputError, UsageError

JOB = """
from mapreduce import Job, Sum


class Lines(Job):
    least: int
    reduce = Sum()

    def map(self, offset, line):
        if len(line) >= self.least:
            yield line, 1
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with a job and a folder of inputs, which is the current one."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "lines_of_schedule.py").write_text(JOB)
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "1.txt").write_text("one\n")
    return tmp_path


def _kept(home: Path, name: str) -> Prepared:
    config = RunConfig(
        (f"{home}/logs",), job="lines_of_schedule.py:Lines", parameters={"least": "2"}
    )
    prepared = prepare(config, "inline", "store")
    planned = Planned(config=config, target="inline", store=None, stored=True, retries=2)
    keep_schedule(prepared, name, planned)
    return prepared


def test_each_time_the_inputs_are_those_of_the_day(home: Path) -> None:
    """A file that came later is an input of the next plan, and not of the one before."""
    _kept(home, "nightly")
    runs = open_runs("store")
    first = submit_scheduled(runs, "nightly", "store")
    (home / "logs" / "2.txt").write_text("two\n")
    second = submit_scheduled(runs, "nightly", "store")
    assert [1, 2] == [len(runs.plan(run).inputs) for run in (first, second)]
    assert runs.plan(first).job == runs.plan(second).job
    assert {"least": 2} == runs.plan(second).job.parameters


def test_the_code_is_that_of_the_day_it_was_scheduled(home: Path) -> None:
    """The author's file may change or go: the plan can be carried out all the same."""
    identity = _kept(home, "nightly").identity
    (home / "lines_of_schedule.py").unlink()
    runs = open_runs("store")
    run = submit_scheduled(runs, "nightly", "store")
    again, _ = prepared_by(run, "store", None, "")
    assert identity == again.identity
    assert runs.plan(run).inputs == again.inputs
    assert str(home) == runs.plan(run).job_folder


def test_an_unknown_schedule_is_an_error(home: Path) -> None:
    """The message names the command that makes one."""
    with pytest.raises(InputError, match=r"no schedule 'weekly'.*--at"):
        submit_scheduled(open_runs("store"), "weekly", "store")


@pytest.mark.parametrize("name", ["", "a b", "-a", "a" * 65, "nächtlich", "../a"])
def test_a_wrong_name_is_refused(name: str) -> None:
    """EventBridge Scheduler would refuse it later."""
    with pytest.raises(UsageError, match="--name"):
        check_schedule(name, ("s3://bucket/logs/",))


def test_local_inputs_are_refused() -> None:
    """No machine of the user's is there when the schedule is due."""
    check_schedule("nightly", ("s3://bucket/logs/", "users=s3://bucket/users/"))
    with pytest.raises(UsageError, match=r"book\.txt: a schedule reads S3 alone"):
        check_schedule("nightly", ("s3://bucket/logs/", "book.txt"))
