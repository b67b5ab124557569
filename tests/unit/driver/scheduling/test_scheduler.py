"""The loop of one stage, with scripted endpoints."""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace
from itertools import count
from typing import Any

import pytest

from driver.plan import events
from driver.plan.clock import Clock
from driver.plan.events import Event
from driver.plan.outcomes import Outcome
from driver.plan.tasks import AnyTask, TaskSpec
from driver.scheduling.policy import Allowance, BackupPolicy, RetryPolicy, wait_for_slot
from driver.scheduling.scheduler import StageRun
from driver.transport.base import Heard, NoSlot, NotReached, unheard
from driver.transport.endpoint import Endpoint, FleetGone
from mapreduce.errors import FleetError, LimitReached, StageFailed, TaskLost
from mapreduce.wire.messages import (
    AnyEvent,
    AttemptId,
    Done,
    Failed,
    MapResult,
    MapTask,
    SkippedRecord,
    StageName,
    Started,
    TaskError,
)
from tests.unit.driver.fakes import FakeFleet, FakeTransport, failed, map_specs, result_of

QUICK = RetryPolicy(first_delay_s=0.0, longest_delay_s=0.0)
A, B = Endpoint("a", "http://a", 2), Endpoint("b", "http://b", 1)


def _run(
    tasks: list[TaskSpec],
    fleet: FakeFleet,
    transport: FakeTransport,
    policy: RetryPolicy = QUICK,
    clock: Clock | None = None,
    names: Counter[str] | None = None,
    backups: BackupPolicy | None = None,
    allowance: Allowance | None = None,
    seen: list[Event] | None = None,
) -> tuple[list[Outcome], list[Event]]:
    seen = [] if seen is None else seen

    async def stage() -> list[Outcome]:
        run = StageRun(
            "map",
            fleet,
            transport,
            policy,
            seen.append,
            clock or Clock(),
            lambda _: None,
            backups=backups,
            names=names,
            allowance=allowance,
        )
        return await run.run(tasks)

    return asyncio.run(stage()), seen


def test_every_task_is_done_once_and_outcomes_come_in_order() -> None:
    """Every task is done once, outcomes are in order, and no endpoint has more tasks than slots."""
    transport = FakeTransport()
    outcomes, _ = _run(map_specs([1] * 20), FakeFleet(A, B), transport)
    assert [outcome.spec.index for outcome in outcomes] == list(range(20))
    assert Counter(index for _, index in transport.asked) == Counter(range(20))
    assert transport.most_running == {"a": 2, "b": 1}


def test_the_largest_task_starts_first() -> None:
    """The largest task starts first."""
    transport = FakeTransport()
    _run(map_specs([5, 50, 500]), FakeFleet(B), transport)
    assert [index for _, index in transport.asked] == [2, 1, 0]


def test_a_failed_task_is_tried_again_on_another_endpoint() -> None:
    """A failed task is tried on endpoints that have not failed it, and the last result counts."""
    transport = FakeTransport({(0, 1): failed("StorageError"), (0, 2): TaskLost("gone")})
    one = Endpoint("one", "", 1)
    outcomes, seen = _run(map_specs([1]), FakeFleet(one, B, Endpoint("c", "", 1)), transport)
    result = outcomes[0].result
    assert isinstance(result, MapResult)
    assert (outcomes[0].attempts, result.url) == (
        3,
        "file:///store/maps/0/run-1/map-00000.attempt-2",
    )
    assert len({name for name, _ in transport.asked}) == 3
    assert [event.kind for event in seen if isinstance(event, events.AttemptFailed)] == [
        "StorageError",
        "TaskLost",
    ]


def test_a_full_endpoint_is_no_failure() -> None:
    """A 503 uses up no attempt, however often it comes."""
    script: dict[tuple[int, int], NoSlot] = {(0, number): NoSlot(0.0) for number in range(1, 12)}
    outcomes, seen = _run(map_specs([1]), FakeFleet(B), FakeTransport(dict(script)))
    assert outcomes[0].attempts == 1
    assert not [event for event in seen if isinstance(event, events.AttemptFailed)]


def test_a_service_that_cannot_be_reached_costs_no_attempt() -> None:
    """An unreachable service uses up no attempt for a minute, and each try is shown."""
    script = {(0, number): NotReached("connection refused") for number in range(1, 12)}
    outcomes, seen = _run(map_specs([1]), FakeFleet(B), FakeTransport(dict(script)))
    assert outcomes[0].attempts == 12
    shown = {event.then for event in seen if isinstance(event, events.AttemptFailed)}
    assert shown == {"run again: nothing had begun"}


def test_services_that_stay_away_fail_the_stage() -> None:
    """After a minute an unreachable service is tried four more times, and then the stage fails."""
    script = {(0, number): NotReached("connection refused") for number in range(1, 999)}
    with pytest.raises(StageFailed, match=r"(?s)it failed 4 times.*connection refused"):
        _run(map_specs([1]), FakeFleet(B), FakeTransport(dict(script)), clock=_ticking(0.5))


def test_when_a_task_is_out_of_attempts_the_job_fails_with_every_cause() -> None:
    """When a task has used up its attempts, the stage fails with all causes by frequency, and
    cancels the rest.
    """
    script = {(0, number): failed("StorageError", "disk on fire") for number in range(1, 9)}
    with pytest.raises(StageFailed) as caught:
        _run(
            map_specs([9, 1, 1]),
            FakeFleet(A, B),
            FakeTransport({**script, (1, 1): TaskLost("cable cut")}),
        )
    lines = str(caught.value).splitlines()
    assert "it failed 4 times" in lines[0]
    assert lines[1].strip() == "4 x StorageError: disk on fire"
    assert caught.value.failures["map-0"][0].kind == "StorageError"


def test_endpoints_that_come_during_the_stage_get_tasks() -> None:
    """Endpoints that appear during the stage get tasks."""
    fleet, transport = FakeFleet(B), FakeTransport()

    def grow() -> None:
        if len(transport.asked) >= 3 and len(fleet.now) == 1:
            fleet.now.append(Endpoint("late", "", 1))

    transport.before_answer = grow
    _, seen = _run(map_specs([1] * 200), fleet, transport)
    assert "late" in {name for name, _ in transport.asked}
    assert ("late",) in [event.appeared for event in seen if isinstance(event, events.FleetChanged)]


def test_endpoints_that_go_get_no_more_tasks() -> None:
    """Endpoints that disappear during the stage get no more tasks, and the stage ends."""
    fleet, transport = FakeFleet(B, Endpoint("leaving", "", 1)), FakeTransport()

    def shrink() -> None:
        if len(transport.asked) >= 5:
            fleet.now = [B]

    transport.before_answer = shrink
    outcomes, seen = _run(map_specs([1] * 300), fleet, transport)
    assert len(outcomes) == 300
    assert ("leaving",) in [event.gone for event in seen if isinstance(event, events.FleetChanged)]
    assert transport.asked[-50:] == [("b", index) for _, index in transport.asked[-50:]]


def test_with_no_endpoint_at_all_it_gives_up_after_a_while() -> None:
    """Without an endpoint the stage raises FleetError after some minutes."""
    ticks = (number / 2 for number in count())
    with pytest.raises(FleetError, match="no map service"):
        _run(
            map_specs([1]),
            FakeFleet(),
            FakeTransport(),
            clock=Clock(now=lambda: float(next(ticks))),
        )


def test_each_outcome_is_reported_at_once() -> None:
    """`done` is called for each task as soon as it ends."""
    heard: list[int] = []

    async def stage() -> None:
        transport = FakeTransport({(1, number): failed("StorageError") for number in range(1, 9)})
        run = StageRun(
            "map",
            FakeFleet(B),
            transport,
            QUICK,
            lambda _: None,
            Clock(),
            lambda outcome: heard.append(outcome.spec.index),
        )
        await run.run(map_specs([9, 1]))

    with pytest.raises(StageFailed):
        asyncio.run(stage())
    assert heard == [0]


def _ticking(step_s: float) -> Clock:
    """Return a clock that advances at every look."""
    ticks = count(0)
    return Clock(now=lambda: next(ticks) * step_s)


def test_a_straggler_has_a_backup_and_the_first_to_finish_wins() -> None:
    """A straggler gets a backup, whose result counts if it is first; the other attempt is
    cancelled.
    """
    transport = FakeTransport()
    transport.hanging = {(0, 1)}
    outcomes, seen = _run(map_specs([9, 1, 1, 1]), FakeFleet(A, B), transport, clock=_ticking(0.05))
    result = outcomes[0].result
    assert isinstance(result, MapResult)
    assert (result.url, outcomes[0].attempts) == (
        "file:///store/maps/0/run-1/map-00000.attempt-1",
        2,
    )
    first, second = [
        event
        for event in seen
        if isinstance(event, events.AttemptStarted) and event.task == "map-0"
    ]
    assert (first.backup, second.backup) == (False, True)
    assert first.endpoint != second.endpoint
    (cancelled,) = [event for event in seen if isinstance(event, events.AttemptCancelled)]
    assert (cancelled.task, cancelled.attempt) == ("map-0", 1)
    assert not any(transport.running.values())


@pytest.mark.parametrize(
    ("from_share", "expected"), [(0.5, None), (0.25, 1)], ids=["half of it", "a quarter of it"]
)
def test_there_is_no_backup_before_half_of_the_stage_is_done(
    from_share: float, expected: int | None
) -> None:
    """Three of four tasks hang: none has a backup, unless a quarter of the stage is enough."""
    transport = FakeTransport()
    transport.hanging = {(0, 1), (1, 1), (2, 1)}
    policy = RetryPolicy(stall_timeout_s=200.0, first_delay_s=0.0, longest_delay_s=0.0)
    _, seen = _run(
        map_specs([9, 9, 9, 1]),
        FakeFleet(A, Endpoint("c", "", 9)),
        transport,
        policy,
        _ticking(0.5),
        backups=BackupPolicy(from_share=from_share, slower=0.0, least_s=1.0),
    )
    backups = [
        number
        for number, event in enumerate(seen)
        if isinstance(event, events.AttemptStarted) and event.backup
    ]
    done_before = [
        sum(isinstance(event, events.AttemptDone) for event in seen[:number]) for number in backups
    ]
    assert expected == min(done_before, default=None)


def test_a_backup_that_fails_leaves_the_first_attempt_alone() -> None:
    """After a failed backup the first attempt continues, without a third one."""
    transport = FakeTransport({(0, 2): failed("StorageError")})
    transport.hanging = {(0, 1)}

    def free() -> None:
        if transport.attempts[0] == 2:
            transport.hanging.clear()

    transport.before_answer = free
    outcomes, seen = _run(map_specs([9, 1, 1, 1]), FakeFleet(A, B), transport, clock=_ticking(0.05))
    assert transport.attempts[0] <= 3
    assert {outcome.spec.index for outcome in outcomes} == {0, 1, 2, 3}
    assert len([event for event in seen if isinstance(event, events.AttemptDone)]) == 4


def test_an_endpoint_that_fails_often_is_left_alone_and_comes_back() -> None:
    """After three failures in a row an endpoint is paused, and returns with its first success."""
    script = {(index, 1): TaskLost("no route") for index in range(3)}
    transport = FakeTransport(dict(script))
    _, seen = _run(map_specs([1] * 40), FakeFleet(B), transport)
    opened = [event for event in seen if isinstance(event, events.CircuitOpened)]
    closed = [event for event in seen if isinstance(event, events.CircuitClosed)]
    assert ([("b", 3)], ["b"]) == (
        [(event.endpoint, event.failures) for event in opened],
        [e.endpoint for e in closed],
    )


def test_a_stage_with_too_many_failures_ends() -> None:
    """A stage with too many failures ends, even if no task has used up its attempts."""
    script = {(index, 1): failed("StorageError", "no") for index in range(60)}
    policy = RetryPolicy(
        first_delay_s=0.0, longest_delay_s=0.0, least_failures=10, failures_per_task=0.1
    )
    with pytest.raises(StageFailed, match="more than 10 failures, so something general is wrong"):
        _run(map_specs([1] * 60), FakeFleet(A), FakeTransport(dict(script)), policy)


def test_a_stage_may_have_a_time_limit() -> None:
    """A stage ends at its time limit, and cancels running attempts."""
    transport = FakeTransport()
    transport.hanging = {(0, 1)}
    policy = RetryPolicy(stage_timeout_s=100.0)
    with pytest.raises(StageFailed, match=r"1 of 2 tasks were not done after 100 s"):
        _run(map_specs([9, 1]), FakeFleet(A), transport, policy, _ticking(0.5))
    assert not any(transport.running.values())


def test_a_service_that_does_not_know_our_key_ends_the_run_at_once() -> None:
    """One refused signature of the only endpoint ends the run as a fleet error."""
    transport = FakeTransport(
        {(0, 1): failed("Unauthorized", "a does not accept our signature (401)")}
    )
    with pytest.raises(FleetError, match=r"^a does not accept our signature \(401\)$"):
        _run(map_specs([9]), FakeFleet(A), transport)
    assert transport.asked == [("a", 0)]


def test_a_result_of_another_task_is_a_lost_attempt() -> None:
    """A result of another task is a lost attempt, and a failure of the endpoint."""
    (other,) = map_specs([1, 1])[1:]
    asked = other.message("0")
    assert isinstance(asked, MapTask)
    answer = result_of(asked)

    class Mixed(FakeTransport):
        async def run(
            self, endpoint: Endpoint, task: AnyTask, heard: Heard = unheard
        ) -> AsyncGenerator[AnyEvent, None]:
            async for event in super().run(endpoint, task, heard):
                mixed = (
                    isinstance(event, Done)
                    and isinstance(task, MapTask)
                    and (task.index, task.attempt) == (0, "0")
                )
                yield event.model_copy(update={"result": answer}) if mixed else event

    outcomes, seen = _run(map_specs([1, 1]), FakeFleet(A, B), Mixed())
    result = outcomes[0].result
    assert isinstance(result, MapResult)
    assert (outcomes[0].attempts, result.url) == (
        2,
        "file:///store/maps/0/run-1/map-00000.attempt-1",
    )
    (lost,) = (event for event in seen if isinstance(event, events.AttemptFailed))
    assert lost.kind == "TaskLost"
    assert "map-00001.attempt-0" in lost.message


def test_repeated_imports_are_reported_once_a_stage() -> None:
    """A job that each task imports is reported once a stage."""

    class Fresh(FakeTransport):
        async def run(
            self, endpoint: Endpoint, task: AnyTask, heard: Heard = unheard
        ) -> AsyncGenerator[AnyEvent, None]:
            async for event in super().run(endpoint, task, heard):
                yield (
                    event.model_copy(update={"fresh": "2 threads run on"})
                    if isinstance(event, Started)
                    else event
                )

    _, seen = _run(map_specs([1] * 5), FakeFleet(A, B), Fresh())
    assert ["2 threads run on"] == [
        event.why for event in seen if isinstance(event, events.ImportedAnew)
    ]


def test_a_fleet_of_another_build_ends_the_stage() -> None:
    """A fleet of another build ends the stage at once."""

    class Old(FakeTransport):
        async def run(
            self, endpoint: Endpoint, task: AnyTask, heard: Heard = unheard
        ) -> AsyncGenerator[AnyEvent, None]:
            async for event in super().run(endpoint, task, heard):
                yield event
                raise FleetError("another build")

    with pytest.raises(FleetError, match="another build"):
        _run(map_specs([1] * 3), FakeFleet(A, B), Old())


class _Broken(FakeFleet):
    """A fleet whose look-ups fail after the first one."""

    def __init__(self, *endpoints: Endpoint, fails: Exception) -> None:
        super().__init__(*endpoints)
        self._fails = fails
        self.looks = 0

    async def endpoints(self, stage: StageName) -> list[Endpoint]:
        self.looks += 1
        if self.looks > 1:
            raise self._fails
        return await super().endpoints(stage)


@pytest.mark.parametrize("fails", [FleetError("throttled"), OSError("no network"), KeyError("odd")])
def test_a_look_that_fails_keeps_the_fleet_that_is_known(fails: Exception) -> None:
    """A failed look-up keeps the known fleet, and is reported."""
    fleet = _Broken(A, B, fails=fails)
    outcomes, seen = _run(map_specs([1] * 20), fleet, FakeTransport())
    assert 20 == len(outcomes)
    assert fleet.looks > 1
    assert any(isinstance(event, events.LookFailed) for event in seen)


class _Throwing(FakeTransport):
    """Raises an exception in the first attempts of each task."""

    def __init__(self, raises: Exception) -> None:
        super().__init__()
        self._raises = raises
        self._left = {0: 2, 1: 1}

    async def run(
        self, endpoint: Endpoint, task: AnyTask, heard: Heard = unheard
    ) -> AsyncGenerator[AnyEvent, None]:
        if isinstance(task, MapTask) and self._left.get(task.index, 0) > 0:
            self._left[task.index] -= 1
            raise self._raises
        async for event in super().run(endpoint, task, heard):
            yield event


@pytest.mark.parametrize(
    "raises", [UnicodeError("utf-16"), AssertionError(), OSError(5, "I/O"), RuntimeError("x\ny")]
)
def test_any_exception_in_an_attempt_is_a_failed_attempt(raises: Exception) -> None:
    """Any exception in an attempt is a lost attempt with its class, and the task is repeated."""
    outcomes, seen = _run(map_specs([1, 1, 1]), FakeFleet(A, B), _Throwing(raises))
    assert [3, 2, 1] == [outcome.attempts for outcome in outcomes]
    lost = [event for event in seen if isinstance(event, events.AttemptFailed)]
    assert {"TaskLost"} == {event.kind for event in lost}
    assert all(type(raises).__name__ in event.message for event in lost)


class _Refusing(FakeTransport):
    """Endpoints that refuse the driver's signature."""

    def __init__(self, *names: str) -> None:
        super().__init__()
        self._names = names

    async def run(
        self, endpoint: Endpoint, task: AnyTask, heard: Heard = unheard
    ) -> AsyncGenerator[AnyEvent, None]:
        if endpoint.name in self._names:
            error = TaskError(
                kind="Unauthorized", message=f"{endpoint.name} does not accept our signature"
            )
            yield Failed(attempt=AttemptId.of(task), error=error)
            return
        async for event in super().run(endpoint, task, heard):
            yield event


def test_one_endpoint_that_refuses_our_signature_is_avoided() -> None:
    """An endpoint that refuses the signature is avoided, and no task fails."""
    outcomes, _ = _run(map_specs([1] * 10), FakeFleet(A, B), _Refusing("a"))
    assert {"b"} == {outcome.endpoint for outcome in outcomes}
    assert {1} == {outcome.attempts for outcome in outcomes}


def test_a_fleet_that_refuses_our_signature_ends_the_run() -> None:
    """If all endpoints refuse the signature, the run ends."""
    with pytest.raises(FleetError, match="does not accept our signature"):
        _run(map_specs([1] * 10), FakeFleet(A, B), _Refusing("a", "b"))


def test_no_two_attempts_have_one_name() -> None:
    """No two attempts have the same name, also after a 503, and in a repeated stage."""
    names: Counter[str] = Counter()
    script: dict[tuple[int, int], Failed | TaskLost | NoSlot] = {
        (0, 1): NoSlot(0.0),
        (0, 3): NoSlot(0.0),
        (1, 2): TaskLost("x"),
        (1, 1): TaskLost("x"),
    }
    seen: list[str] = []

    class Watching(FakeTransport):
        async def run(
            self, endpoint: Endpoint, task: AnyTask, heard: Heard = unheard
        ) -> AsyncGenerator[AnyEvent, None]:
            assert isinstance(task, MapTask)
            seen.append(f"{task.index}.{task.attempt}")
            async for event in super().run(endpoint, task, heard):
                yield event

    for _ in range(2):
        _run(map_specs([1, 1]), FakeFleet(A, B), Watching(dict(script)), names=names)
    assert len(seen) == len(set(seen))


def test_no_slot_asks_for_a_sane_pause() -> None:
    """A service's Retry-After is limited to a sane range."""
    assert [1.0, 0.0, 60.0, 60.0, 60.0] == [
        wait_for_slot(each) for each in (1.0, -5.0, 1e9, math.inf, math.nan)
    ]


class SetsAside(FakeTransport):
    """A transport whose tasks set records aside."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self._count = count

    async def run(
        self, endpoint: Endpoint, task: AnyTask, heard: Heard = unheard
    ) -> AsyncGenerator[AnyEvent, None]:
        """Return a result with the records, up to the task's limit."""
        assert isinstance(task, MapTask)
        assert task.skip_limit is not None
        async for event in super().run(endpoint, task, heard):
            if isinstance(event, Done) and isinstance(event.result, MapResult):
                url = f"in-{task.index}"
                skipped = tuple(
                    SkippedRecord(
                        place=f"{url} at byte {number}",
                        url=url,
                        key=number,
                        record="r",
                        message="m",
                    )
                    for number in range(self._count)
                )
                yield event.model_copy(
                    update={"result": event.result.model_copy(update={"skipped": skipped})}
                )
            else:
                yield event


def test_records_set_aside_are_counted_over_all_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Records set aside are counted over all tasks, and one more than allowed ends the stage."""
    monkeypatch.setattr("driver.scheduling.listening.check_answer", lambda task, result: None)
    policy = RetryPolicy(skip_bad_records=6)
    outcomes, seen = _run(map_specs([1] * 3), FakeFleet(B), SetsAside(2), policy)
    assert 3 == len(outcomes)
    assert 6 == len([event for event in seen if isinstance(event, events.RecordSkipped)])
    with pytest.raises(
        StageFailed, match=r"more than 5 records .*records 5\): 6 so far, the first at in-"
    ):
        _run(map_specs([1] * 3), FakeFleet(B), SetsAside(2), RetryPolicy(skip_bad_records=5))


def test_many_records_set_aside_are_no_flood_of_events(monkeypatch: pytest.MonkeyPatch) -> None:
    """At most a hundred records set aside are reported; the dead letters have all."""
    monkeypatch.setattr("driver.scheduling.listening.check_answer", lambda task, result: None)
    _, seen = _run(
        map_specs([1, 1]), FakeFleet(B), SetsAside(400), RetryPolicy(skip_bad_records=1000)
    )
    assert 100 == len([event for event in seen if isinstance(event, events.RecordSkipped)])


def test_a_fleet_that_is_gone_for_good_ends_the_run() -> None:
    """A fleet that has ended for good ends the run."""
    fleet = _Broken(A, B, fails=FleetGone("the local services have ended"))
    transport = FakeTransport()
    transport.hanging = {(0, 1)}
    with pytest.raises(FleetError, match="have ended"):
        _run(map_specs([1]), fleet, transport)


class _SomeAttempts:
    """Allows so many attempts; it notes what it was asked with."""

    def __init__(self, most: int) -> None:
        self.left = most
        self.asked: list[tuple[int, float | None]] = []

    def another(
        self, stage: StageName, running_s: Sequence[float], longest_s: float | None
    ) -> bool:
        """Allow one attempt less."""
        assert "map" == stage
        self.asked.append((len(running_s), longest_s))
        self.left -= 1
        return self.left >= 0

    def reached(self, left: int, stage: str) -> LimitReached:
        """Return the error."""
        return LimitReached(stage, left)


def test_at_its_limit_the_stage_starts_nothing_more_and_lets_what_runs_end() -> None:
    """Of ten tasks five may start: all five give their result, and the error counts the others."""
    allowance, seen, transport = _SomeAttempts(5), list[Event](), FakeTransport()
    with pytest.raises(LimitReached, match="5 of the map tasks"):
        _run(map_specs([1] * 10), FakeFleet(A), transport, allowance=allowance, seen=seen)
    assert 5 == len(transport.asked) == sum(isinstance(e, events.AttemptDone) for e in seen)
    assert not any(isinstance(event, events.AttemptCancelled) for event in seen)
    assert 6 == len(allowance.asked), "once it has refused, it is not asked again"
    assert {0, 1} == {running for running, _ in allowance.asked}


def test_at_its_limit_a_failed_task_is_not_tried_again() -> None:
    """The one attempt that may start fails: no retry begins, and the run pauses."""
    transport = FakeTransport({(0, 1): failed("StorageError")})
    with pytest.raises(LimitReached, match="1 of the map tasks"):
        _run(map_specs([1]), FakeFleet(A, B), transport, allowance=_SomeAttempts(1))
    assert 1 == len(transport.asked)


def test_a_limit_that_is_not_reached_changes_nothing() -> None:
    """All tasks are done, and each attempt was asked for."""
    allowance = _SomeAttempts(100)
    outcomes, _ = _run(map_specs([1] * 7), FakeFleet(A), FakeTransport(), allowance=allowance)
    assert 7 == len(outcomes) == len(allowance.asked)
    assert any(longest is not None for _, longest in allowance.asked)


@pytest.mark.parametrize("tells", [True, False])
def test_a_task_in_this_process_looks_like_a_pause(tells: bool) -> None:
    """Ten seconds without a tick are told as a pause, unless tasks run in this process."""
    time = [0.0]

    class Blocking(FakeTransport):
        async def run(self, *given: Any, **options: Any) -> AsyncGenerator[AnyEvent, None]:
            time[0] += 10.0
            async for event in super().run(*given, **options):
                yield event

    clock, policy = Clock(lambda: time[0], lambda: time[0]), replace(QUICK, tells_pauses=tells)
    outcomes, seen = _run(map_specs([1]), FakeFleet(A), Blocking(), policy, clock)
    assert 1 == len(outcomes)
    assert tells == any(isinstance(event, events.DriverAway) for event in seen)
