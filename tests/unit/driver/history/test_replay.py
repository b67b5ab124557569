"""Find a task of a run, and what it reads."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from driver.history.replay import prepared_replay
from driver.history.run_store import RunStore
from driver.plan.config import RunConfig
from driver.plan.events import EventLog
from driver.targets.prepare import prepare
from driver.targets.start import carry_out
from mapreduce.errors import InputError
from mapreduce.wire import keys
from tests.unit.driver.samples import run_plan

TEXT = "one two\nthree two\n"


@pytest.fixture
def run(tmp_path: Path) -> tuple[RunStore, str]:
    """A finished run with two splits and two partitions."""
    (tmp_path / "in.txt").write_text(TEXT)
    config = RunConfig(inputs=(str(tmp_path / "in.txt"),), chunks=2, reducers=2)
    prepared = prepare(config, "inline", str(tmp_path / "store"))
    report = asyncio.run(carry_out(prepared, EventLog(), lambda *_: None, time.monotonic()))
    return prepared.runs, report.run_id


def _reads(run: tuple[RunStore, str], task: str) -> list[str]:
    with prepared_replay(*run, task) as again:
        assert "replay" == again.task.attempt
        return again.reads


def test_a_task_reads_what_it_read_before(run: tuple[RunStore, str], tmp_path: Path) -> None:
    """The split task reads its inputs, a map its byte range, a reduce the block of each map."""
    url = f"file://{tmp_path}/in.txt"
    assert [url] == _reads(run, "split-0")
    assert [f"{url} bytes 0-{len(TEXT) // 2}", f"{url} bytes {len(TEXT) // 2}-{len(TEXT)}"] == [
        *_reads(run, "map-0"),
        *_reads(run, "map-1"),
    ]
    lists, blocks = set(), []
    for number in range(2):
        listed, *found = _reads(run, f"reduce-{number}")
        lists.add(listed)
        blocks += found
    assert 1 == len(lists)
    assert blocks
    assert all(f"/{run[1]}/map-0000" in block for block in blocks)


@pytest.mark.parametrize("task", ["map-2", "reduce-2", "nonsense", ""])
def test_a_task_that_is_not_there_is_refused(run: tuple[RunStore, str], task: str) -> None:
    """An unknown task is refused with the names of the run's tasks."""
    with (
        pytest.raises(InputError, match=r"it has: split-0, map-0 to reduce-1"),
        prepared_replay(*run, task),
    ):
        pass


def test_a_run_that_was_killed_is_known_by_its_finished_tasks(run: tuple[RunStore, str]) -> None:
    """The tasks of a killed run are found by its finished maps."""
    runs, name = run
    runs.storage.delete([keys.run_file(runs.store, name, "results.json")])
    assert _reads(run, "map-1")
    assert _reads(run, "reduce-0")


def test_before_its_split_stage_a_run_has_one_task(run: tuple[RunStore, str]) -> None:
    """Before its split has ended a run has one task, and the message says why."""
    runs, _ = run
    plan = runs.begin(run_plan(store=runs.store))
    with prepared_replay(runs, plan.run, "split-0") as again:
        assert ["file:///in/a.txt"] == again.reads
    with (
        pytest.raises(InputError, match="split stage is not finished"),
        prepared_replay(runs, plan.run, "map-0"),
    ):
        pass


def test_a_chain_has_no_tasks(run: tuple[RunStore, str]) -> None:
    """A chain has no tasks; its steps have."""
    runs, _ = run
    plan = runs.begin(run_plan(store=runs.store, chain=True))
    runs.write(keys.step(plan.run, 1), "plan.json", run_plan(store=runs.store))
    with (
        pytest.raises(InputError, match=keys.step(plan.run, 1)),
        prepared_replay(runs, plan.run, "map-0"),
    ):
        pass
