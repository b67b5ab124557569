"""The model of a run: what its events say, however they are cut, with or without heartbeats."""

from __future__ import annotations

import gc
import itertools
import random
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from driver.plan import events
from driver.plan.events import Event
from driver.plan.outcomes import Volumes
from driver.report.fold import LINES_A_TASK, RunFold, run_model, stage_of
from driver.report.model import RunModel, SlotModel
from mapreduce.wire.messages import StageName

RUN = "run-20261126-120000-brisk-owl"


@dataclass
class World:
    """A random run: its events, with heartbeats, and plain counts of what happened."""

    seed: int
    at: float = 1000.0
    happened: list[Event] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    done_bytes: int = 0

    def __post_init__(self) -> None:
        self._chance = random.Random(self.seed)
        self._add(events.Starting, what="the services start")
        self._add(events.RunStarted, run=RUN, job="Words", target="local", inputs=2, size_bytes=100)
        for stage, tasks in (("split", 1), ("map", self._chance.randint(1, 8)), ("reduce", 3)):
            self._stage(stage, tasks)
        match self._chance.choice(["done", "failed", "interrupted", "paused"]):
            case "done":
                self._add(events.RunDone, run=RUN, seconds=self.at - 1000)
            case "failed":
                self._leave_one_running()
                self._add(events.RunFailed, run=RUN, kind="JobFailed", message="no")
            case "interrupted":
                self._leave_one_running()
                self._add(events.RunInterrupted, run=RUN, why="Ctrl-C")
            case "paused":
                self._add(events.RunPaused, run=RUN, spent_usd=0.5, limit_usd=0.5)

    def _add(self, event: type[Event], /, **values: Any) -> None:
        self.at += self._chance.random()
        self.happened.append(event(at=self.at, **values))

    def _stage(self, stage: str, tasks: int) -> None:
        self._add(events.StageStarted, stage=stage, tasks=tasks, reused=0, size_bytes=tasks * 10)
        self._add(events.FleetChanged, stage=stage, appeared=("a", "b"), slots=4)
        todo, numbers = list(range(tasks)), Counter[int]()
        running: dict[int, int] = {}
        while todo or running:
            if todo and (not running or self._chance.random() < 0.5):
                task = todo.pop()
                numbers[task] += 1
                running[task] = numbers[task]
                self._start(f"{stage}-{task}", numbers[task])
                continue
            task = self._chance.choice(list(running))
            name, number = f"{stage}-{task}", running[task]
            endpoint = "ab"[task % 2]
            of = {"task": name, "attempt": number, "endpoint": endpoint}
            match self._chance.random():
                case luck if luck < 0.3:
                    far = {"bytes": self._chance.randint(0, 10), "records": 1}
                    self._add(events.AttemptProgress, task=name, attempt=number, **far)
                case luck if luck < 0.45:
                    del running[task]
                    todo.append(task)
                    self.counts["failed"] += 1
                    why = {"kind": "TaskLost", "message": "gone", "then": "again", "seconds": 1.0}
                    self._add(events.AttemptFailed, **of, **why)
                case luck if luck < 0.5:
                    self._add(events.Said, task=name, attempt=number, lines=("hello",))
                case _:
                    del running[task]
                    self.counts["done"] += 1
                    self.done_bytes += 10
                    volumes = Volumes(bytes_in=10, records_in=2)
                    self._add(events.AttemptDone, **of, seconds=1.0, size_bytes=10, volumes=volumes)
        self._add(events.StageDone, stage=stage, seconds=1.0)

    def _start(self, task: str, number: int) -> None:
        self.counts["started"] += 1
        endpoint = "ab"[int(task.partition("-")[2]) % 2]
        self._add(events.AttemptStarted, task=task, attempt=number, endpoint=endpoint)

    def _leave_one_running(self) -> None:
        self._add(events.StageStarted, stage="reduce", tasks=1, reused=0, size_bytes=10)
        self._start("reduce-0", 99)
        self._add(events.AttemptProgress, task="reduce-0", attempt=99, bytes=7, records=1)


@settings(deadline=None)
@given(st.integers(0, 10_000), st.data())
def test_heartbeats_and_cuts_change_nothing_in_the_end(seed: int, data: st.DataObject) -> None:
    """Any heartbeats may be missing, and the model may be asked for at any moment before."""
    happened = World(seed).happened
    expected = run_model([e for e in happened if not isinstance(e, events.AttemptProgress)], 2000)
    fold = RunFold()
    for event in happened:
        if isinstance(event, events.AttemptProgress) and data.draw(st.booleans()):
            continue
        fold(event)
        if data.draw(st.booleans()):
            fold.model(2000)
    assert expected == fold.model(3000)


@settings(deadline=None)
@given(st.integers(0, 10_000))
def test_the_counts_are_those_of_the_world(seed: int) -> None:
    """Attempts, ends and bytes are as a plain count has them."""
    world = World(seed)
    model = run_model(world.happened, 2000)
    states = Counter(attempt.state for attempt in model.attempts)
    assert world.counts["started"] == len(model.attempts)
    assert (world.counts["done"], world.counts["failed"]) == (states["done"], states["failed"])
    assert world.done_bytes == sum(stage.bytes_done for stage in model.stages)
    assert world.counts["started"] == sum(stage.attempts for stage in model.stages)
    assert world.counts["failed"] == sum(stage.failures for stage in model.stages)
    assert all(stage.running == 0 for stage in model.stages)
    assert model.state != "running"
    assert model.seconds == world.at - world.happened[0].at


@settings(deadline=None)
@given(st.integers(0, 10_000))
def test_no_two_attempts_share_a_slot(seed: int) -> None:
    """In each row of the timeline one attempt ends before the next begins."""
    model = run_model(World(seed).happened, 2000)
    for row, slot in enumerate(model.slots):
        times = sorted(
            (each.started, each.ended or model.now) for each in model.attempts if each.slot == row
        )
        assert all(before[1] <= after[0] for before, after in itertools.pairwise(times))
        assert {slot.endpoint} == {e.endpoint for e in model.attempts if e.slot == row}


@settings(deadline=None)
@given(st.integers(0, 10_000))
def test_the_model_survives_json(seed: int) -> None:
    """The model is its JSON, as the page holds it."""
    model = run_model(World(seed).happened, 2000)
    assert model == msgspec.json.decode(msgspec.json.encode(model), type=RunModel)


def _started(task: str, number: int = 1, at: float = 1.0, endpoint: str = "a") -> Event:
    return events.AttemptStarted(at=at, task=task, attempt=number, endpoint=endpoint)


def _done(task: str, number: int = 1, at: float = 5.0, endpoint: str = "a") -> Event:
    return events.AttemptDone(
        at=at, task=task, attempt=number, endpoint=endpoint, seconds=2.0, size_bytes=10
    )


def _stage(name: StageName, at: float = 0.5, tasks: int = 2, reused: int = 0) -> Event:
    return events.StageStarted(at=at, stage=name, tasks=tasks, reused=reused, size_bytes=20)


def test_a_running_attempt_shows_how_far_it_is() -> None:
    """Its heartbeat counts in its stage, and is taken back when it fails."""
    fold = RunFold()
    for event in (
        _stage("map", tasks=3, reused=1),
        _started("map-0"),
        events.AttemptProgress(at=2.0, task="map-0", attempt=1, bytes=4, records=2, status="half"),
    ):
        fold(event)
    stage = fold.stage
    assert stage is not None
    assert (stage.done, stage.running, stage.bytes_done, stage.first_attempt) == (1, 1, 4, 1.0)
    assert fold.model(9.0).attempts[0].status == "half"
    fold(
        events.AttemptFailed(
            at=3.0, task="map-0", attempt=1, endpoint="a", kind="TaskLost", message="x", then="y"
        )
    )
    stage = fold.stage
    assert stage is not None
    assert (stage.running, stage.bytes_done, stage.failures) == (0, 0, 1)


def test_a_lost_run_keeps_how_far_it_was() -> None:
    """Without an end the run ends at its last event, and its attempts with it."""
    happened = [
        _stage("map"),
        _started("map-0"),
        events.AttemptProgress(at=2.0, task="map-0", attempt=1, bytes=4, records=2),
    ]
    model = run_model(happened, 100.0, "lost")
    assert (model.state, model.ended, model.seconds) == ("lost", 2.0, 1.5)
    assert [(each.state, each.bytes_done) for each in model.attempts] == [("ended", 4)]
    assert run_model(happened, 100.0).seconds == 99.5


def test_a_stage_that_runs_again_is_another_pass() -> None:
    """Each pass of a stage has its own counts."""
    happened = [
        _stage("map"),
        _stage("reduce"),
        events.OutputsRedone(at=1.0, tasks=("map-1",), why="gone"),
        _stage("map", reused=1),
    ]
    model = run_model(happened, 2.0)
    assert [("map", 0), ("reduce", 0), ("map", 1)] == [(s.stage, s.again) for s in model.stages]
    assert [("OutputsRedone", "map-1 run again: gone")] == [(m.kind, m.text) for m in model.marks]


@pytest.mark.parametrize("fault_first", [True, False])
def test_a_fault_is_joined_to_its_attempt(fault_first: bool) -> None:
    """Attempts are named from 0 in the store, and numbered from 1 for people."""
    fault = events.FaultInjected(at=1.0, task="map-0", attempt="1", fault="kill")
    start = _started("map-0", number=2)
    happened = [fault, start] if fault_first else [start, fault]
    model = run_model([_stage("map"), *happened], 2.0)
    assert ["kill"] == [attempt.fault for attempt in model.attempts]


def test_an_attempt_without_a_slot_has_not_begun() -> None:
    """It is in no row and no count; what comes after it keeps its place."""
    happened = [
        _stage("map"),
        _started("map-0", at=1.0),
        _started("map-1", at=1.0),
        events.AttemptRefused(at=1.1, task="map-1", attempt=1, endpoint="a"),
        _started("map-1", number=2, at=2.0, endpoint="b"),
        _done("map-1", number=2, at=5.0, endpoint="b"),
    ]
    model = run_model(happened, 6.0)
    assert [("map-0", 1, 0), ("map-1", 2, 1)] == [
        (each.task, each.number, each.slot) for each in model.attempts
    ]
    assert ["a", "b"] == [slot.endpoint for slot in model.slots]
    assert (2, 1) == (model.stages[0].attempts, model.stages[0].running)


def test_tasks_told_of_when_they_are_done() -> None:
    """Spark reports a task at its end: its start follows from its seconds, its row is free then."""
    model = run_model([_stage("map"), _done("map-0", at=5.0), _done("map-1", at=6.0)], 7.0)
    assert [(3.0, 5.0, 0), (4.0, 6.0, 1)] == [(a.started, a.ended, a.slot) for a in model.attempts]
    assert (SlotModel(endpoint="a", number=0), SlotModel(endpoint="a", number=1)) == model.slots
    assert (2, 2, 0) == (model.stages[0].done, model.stages[0].attempts, model.stages[0].running)


def test_the_steps_of_a_chain() -> None:
    """The first plan is the chain's; each step's tasks are told apart."""

    def begins(name: str) -> Event:
        return events.RunStarted(at=0.0, run=name, job=name, target="local", inputs=1, size_bytes=1)

    steps = [f"{RUN}-step-1", f"{RUN}-step-2"]
    happened = [begins(RUN)]
    for step in steps:
        happened += [begins(step), _stage("map"), _started("map-0"), _done("map-0")]
        happened.append(events.RunDone(at=6.0, run=step, seconds=1.0))
    model = run_model(happened, 7.0)
    assert (RUN, "running", tuple(steps)) == (model.run, model.state, model.steps)
    assert [1, 2] == [attempt.step for attempt in model.attempts]
    done = run_model([*happened, events.RunDone(at=8.0, run=RUN, seconds=8.0)], 9.0)
    assert ("done", 8.0) == (done.state, done.ended)


def test_printed_lines_are_bounded() -> None:
    """Of each task the first lines are kept, and the bytes of the others counted."""
    said = events.Said(at=1.0, task="map-0", attempt=1, lines=("x" * 9,) * (LINES_A_TASK + 5))
    printed = run_model([said, said], 2.0).printed
    assert [LINES_A_TASK] == [len(each.lines) for each in printed]
    assert (5 + LINES_A_TASK + 5) * 10 == printed[0].left_out


def test_the_first_look_at_a_fleet_is_no_news() -> None:
    """Endpoints that were there are not marked as new; later ones and lost ones are."""
    look: dict[str, Any] = {"stage": "map", "slots": 2}
    happened = [
        events.FleetChanged(at=1.0, appeared=("a",), **look),
        events.FleetChanged(at=2.0, appeared=("b",), gone=("a",), why={"a": "Spot"}, **look),
    ]
    assert ["a is gone: Spot", "new: b"] == [m.text for m in run_model(happened, 3.0).marks]


def test_the_stage_of_a_task() -> None:
    """A task's name begins with its stage."""
    assert ["split", "map", "reduce"] == [stage_of(n) for n in ("split-0", "map-3", "reduce-12")]


def _take(fold: RunFold, happened: Iterable[Event]) -> None:
    for event in happened:
        fold(event)


def _calls(act: Callable[[], object]) -> int:
    """Return how many functions a call makes, of Python and of C."""
    count = 0

    def tally(_frame: object, what: str, _arg: object) -> None:
        nonlocal count
        count += what in ("call", "c_call")

    before = sys.getprofile()
    gc.disable()  # a collection would call whatever has asked to hear of it
    sys.setprofile(tally)
    try:
        act()
    finally:
        sys.setprofile(before)
        gc.enable()
    return count


def test_an_event_costs_the_same_in_a_run_of_any_size() -> None:
    """The last task of ten thousand takes as many calls as the hundredth, and few of them."""
    fold = RunFold()
    fold(_stage("map", tasks=10_000))
    costs: dict[int, int] = {}
    for task in range(10_000):
        endpoint = f"mapper-{task % 40}"
        pair = (_started(f"map-{task}", endpoint=endpoint), _done(f"map-{task}", endpoint=endpoint))
        if task in (100, 9_999):
            costs[task] = _calls(partial(_take, fold, pair))
        else:
            _take(fold, pair)
    assert costs[100] == costs[9_999] < 100


def test_all_skipped_records_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """The model holds the first of them, and the number of all."""
    monkeypatch.setattr("driver.report.fold.SKIPPED_KEPT", 2)
    places = ["a:1", "b:2", "c:3"]
    skipped = [
        events.RecordSkipped(at=1.0, task="map-0", place=place, message="no") for place in places
    ]
    model = run_model(skipped, 2.0)
    assert 3 == model.skipped_records
    assert ["a:1", "b:2"] == [each.place for each in model.skipped]
