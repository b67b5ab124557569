"""A run's use of the fleet, against an S3 and an ECS that keep what they are told."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import format_datetime
from io import BytesIO
from typing import Any

import pytest
from botocore.exceptions import ClientError

from driver.cloud.aws import Aws
from driver.cloud.fleet import fleet_use
from driver.cloud.fleet.fleet_use import FleetUse, Services, start_fleet, stop_fleet, used
from driver.cloud.fleet.leases import Leases
from driver.cloud.stack import Stack
from driver.plan.clock import Clock
from driver.plan.events import Event, FleetComing, FleetFound, FleetLeft, FleetScaled
from mapreduce.errors import FleetError
from mapreduce.wire import keys
from tests.unit.driver.samples import STACK_VALUES

STOPPED = {"splitter": 0, "mapper": 0, "reducer": 0}
USUAL = {"splitter": 1, "mapper": 3, "reducer": 1}
STACK = Stack.model_validate(STACK_VALUES)


class World:
    """The account: the desired and running tasks, the bucket, and S3's clock."""

    def __init__(self, **desired: int) -> None:
        self.desired: dict[str, int] = {**STOPPED, "guard": 0, **desired}
        self.running = dict(self.desired)
        self.objects: dict[str, tuple[bytes, float]] = {}
        self.now = 1_000_000.0
        self.calls: list[str] = []
        self.starts = True
        self.refused = ""

    # --- ECS, as boto3's client has it

    def describe_services(self, cluster: str, services: list[str]) -> dict[str, Any]:
        """Describe services; those that are wanted start between two looks."""
        assert cluster == "mapreduce"
        found = [
            {
                "serviceName": name,
                "desiredCount": self.desired[name],
                "runningCount": self.running[name],
                "events": [{"message": f"(service {name}) has no place"}],
            }
            for name in services
            if name in self.desired
        ]
        if self.starts:
            self.running = dict(self.desired)
        return {"services": found}

    def update_service(self, cluster: str, service: str, desiredCount: int) -> None:
        """Change a number of tasks."""
        assert cluster == "mapreduce"
        if service == self.refused:
            error: Any = {"Code": "AccessDeniedException", "Message": "no"}
            raise ClientError({"Error": error}, "UpdateService")
        self.calls.append(f"{service}={desiredCount}")
        self.desired[service] = desiredCount

    # --- S3, as boto3's client has it

    class exceptions:
        """The errors of the client."""

        class NoSuchKey(Exception):
            """There is no such object."""

    def put_object(self, Bucket: str, Key: str, Body: bytes, IfNoneMatch: str = "") -> None:
        """Write an object."""
        assert Bucket == STACK.bucket
        if IfNoneMatch and Key in self.objects:
            error: Any = {"Code": "PreconditionFailed", "Message": "there"}
            raise ClientError({"Error": error}, "PutObject")
        self.objects[Key] = (Body, self.now)

    def get_object(self, Bucket: str, Key: str) -> dict[str, Any]:
        """Return an object."""
        assert Bucket == STACK.bucket
        if Key not in self.objects:
            raise self.exceptions.NoSuchKey
        return {"Body": BytesIO(self.objects[Key][0])}

    def delete_object(self, Bucket: str, Key: str) -> None:
        """Delete an object."""
        assert Bucket == STACK.bucket
        self.objects.pop(Key, None)

    def get_paginator(self, name: str) -> World:
        """Return the pages of the list."""
        assert name == "list_objects_v2"
        return self

    def paginate(self, Bucket: str, Prefix: str) -> list[dict[str, Any]]:
        """Return a page for each object, as S3 may."""
        assert Bucket == STACK.bucket
        date = format_datetime(datetime.fromtimestamp(self.now, UTC), usegmt=True)
        meta = {"ResponseMetadata": {"HTTPHeaders": {"date": date}}}
        found = [key for key in self.objects if key.startswith(Prefix)]
        pages: list[dict[str, Any]] = [
            meta
            | {
                "Contents": [
                    {"Key": key, "LastModified": datetime.fromtimestamp(self.objects[key][1], UTC)}
                ]
            }
            for key in found
        ]
        return pages or [dict(meta)]

    @property
    def leases(self) -> list[str]:
        """The names of all leases."""
        return [key.rpartition("/")[2] for key in self.objects if key.startswith(keys.LEASES)]

    def lease(self, name: str) -> dict[str, Any]:
        """The content of a lease."""
        content: dict[str, Any] = json.loads(self.objects[keys.lease(name)][0])
        return content


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look again at once."""
    monkeypatch.setattr(fleet_use, "LOOK_S", 0.0)


def _aws(world: World, monkeypatch: pytest.MonkeyPatch) -> Aws:
    aws = Aws("eu-central-1")
    monkeypatch.setitem(aws.__dict__, "s3", world)
    monkeypatch.setitem(aws.__dict__, "ecs", world)
    return aws


class Runs:
    """Runs over one world, and the events that they emitted."""

    def __init__(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        self.world, self._aws = world, _aws(world, monkeypatch)
        self.services = Services(STACK, self._aws)
        self.events: list[Event] = []
        self.unreached = ""

    def use(
        self,
        name: str = "a",
        mappers: int | None = None,
        keep_s: float | None = None,
        clock: Clock | None = None,
        run: str | None = None,
    ) -> FleetUse:
        """Return the use of the fleet by a run."""
        leases = Leases(self._aws, STACK.bucket, name, run)
        return FleetUse(
            STACK,
            self.services,
            leases,
            clock or Clock(),
            self.events.append,
            mappers=mappers,
            map_tasks=100,
            keep_s=keep_s,
        )

    def carry_out(self, use: FleetUse, during: Callable[[], None] = lambda: None) -> None:
        """Carry out a run; `during` it, its tasks answer."""

        async def run() -> None:
            async with used(use):
                await use.begin(self)
                during()

        asyncio.run(run())

    def take_lease(self, name: str, run: str) -> None:
        """Take a lease, as a driver does that is lost afterwards."""
        Leases(self._aws, STACK.bucket, name, run).renew(1800.0)

    async def one_of_each(self) -> bool:
        """Return whether one task of each service runs, and can be reached."""
        return not self.unreached and all(self.world.running[role] for role in STOPPED)

    async def why_not(self) -> str:
        """Return why they cannot be reached."""
        return self.unreached

    @property
    def leases(self) -> Leases:
        """The leases, as a command has them."""
        return Leases(self._aws, STACK.bucket, "last")

    @property
    def left(self) -> FleetLeft:
        """What the last run has done with the fleet."""
        event = self.events[-1]
        assert isinstance(event, FleetLeft)
        return event


@pytest.fixture
def stopped(monkeypatch: pytest.MonkeyPatch) -> Runs:
    """A stopped stack."""
    return Runs(World(), monkeypatch)


@pytest.fixture
def running(monkeypatch: pytest.MonkeyPatch) -> Runs:
    """A stack that runs."""
    return Runs(World(splitter=1, mapper=3, reducer=1, guard=1), monkeypatch)


def test_a_run_on_a_stopped_stack_starts_and_stops_it(stopped: Runs) -> None:
    """The guard is started before the tasks, and all are stopped at the end; nothing is left."""
    world = stopped.world
    stopped.carry_out(stopped.use(), lambda: world.calls.append("run"))
    assert world.calls == [
        *("guard=1", "guard=1", "splitter=1", "reducer=1", "mapper=3", "run"),
        *("splitter=0", "reducer=0", "mapper=0", "guard=0"),
    ]
    assert world.objects == {}
    found, scaled, *coming, left = stopped.events
    assert found == FleetFound(at=found.at, counts={"splitter": 0, "mapper": 0, "reducer": 0})
    assert isinstance(scaled, FleetScaled)
    assert (scaled.before, scaled.after) == (STOPPED, USUAL)
    assert coming
    assert all(isinstance(event, FleetComing) for event in coming)
    assert isinstance(left, FleetLeft)
    assert left.why == "restored"


def test_a_run_that_fails_stops_it_too(stopped: Runs) -> None:
    """An error in the run, or Ctrl-C, stops what was started."""

    def fail() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped.carry_out(stopped.use(), fail)
    assert not any(stopped.world.desired.values())


def test_a_lease_is_there_before_the_tasks(stopped: Runs) -> None:
    """A driver that is killed leaves a lease with the guard's limit, and the numbers to undo."""
    world = stopped.world
    seen: list[dict[str, Any]] = []
    stopped.carry_out(stopped.use("killed"), lambda: seen.append(world.lease("killed")))
    assert seen == [{"seconds": 1800.0, "holds": True}]


def test_keep_leaves_the_tasks_for_a_while(stopped: Runs) -> None:
    """With --keep 10m the lease ends ten minutes from the end of the run; the guard reads it."""
    stopped.carry_out(stopped.use("a", keep_s=600))
    assert stopped.world.desired == {**USUAL, "guard": 1}
    assert stopped.world.lease("a") == {"seconds": 600, "holds": True}
    assert (stopped.left.why, stopped.left.kept_s) == ("kept", 600)


def test_the_next_run_stops_what_an_earlier_one_kept(stopped: Runs) -> None:
    """A run without --keep, after that of --keep is over, stops what the first has started."""
    stopped.carry_out(stopped.use("a", keep_s=600))
    stopped.world.now += 601
    stopped.carry_out(stopped.use("b"))
    assert not any(stopped.world.desired.values())


def test_more_mappers_for_one_run(running: Runs) -> None:
    """--mappers 20 on a stack of three: twenty during the run, three after it."""
    seen: list[int] = []
    running.carry_out(running.use(mappers=20), lambda: seen.append(running.world.desired["mapper"]))
    assert seen == [20]
    assert running.world.desired == {**USUAL, "guard": 1}


def test_fewer_mappers_take_none_away(running: Runs) -> None:
    """--mappers 2 on a stack of three changes nothing: another run may use the third."""
    running.carry_out(running.use(mappers=2))
    assert running.world.calls == ["guard=1"]
    assert running.left.why == "as it was"


def test_the_guard_counts_from_the_end_of_the_last_run(running: Runs) -> None:
    """On a stack that ran before, the run leaves one object: when the last run ended."""
    running.carry_out(running.use("a"))
    assert running.world.leases == ["last"]
    assert running.world.lease("last") == {"seconds": 1800.0, "holds": False}


def test_of_two_runs_the_last_stops_the_fleet(stopped: Runs) -> None:
    """The run that started the fleet leaves it to one that still uses it, which then stops it."""
    first, second = stopped.use("first"), stopped.use("second", mappers=5)

    async def both() -> None:
        await first.begin(stopped)
        await second.begin(stopped)
        await first.end()
        assert stopped.left.why == "in use"
        assert stopped.world.desired["mapper"] == 5
        await second.end()

    asyncio.run(both())
    assert stopped.left.why == "restored"
    assert not any(stopped.world.desired.values())
    assert stopped.world.objects == {}


def test_numbers_that_were_changed_meanwhile_stay(stopped: Runs) -> None:
    """`terraform apply -var mapper_count=10` during the run is not undone by its end."""

    def apply() -> None:
        stopped.world.desired["mapper"] = 10

    stopped.carry_out(stopped.use("a"), apply)
    assert stopped.world.desired == {**USUAL, "mapper": 10, "guard": 1}
    assert stopped.left.why == "changed"
    assert stopped.world.leases == ["last"]
    assert not stopped.world.lease("last")["holds"]


def test_a_fleet_that_does_not_start_is_an_error_with_ecss_words(
    stopped: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the time limit the run ends with ECS's newest message, and stops what it started."""
    monkeypatch.setattr(fleet_use, "START_S", -1.0)
    stopped.world.starts = False
    with pytest.raises(FleetError, match=r"splitter: \(service splitter\) has no place"):
        stopped.carry_out(stopped.use())
    assert not any(stopped.world.desired.values())


def test_a_fleet_that_cannot_be_stopped_is_said(stopped: Runs) -> None:
    """The run has its result; the message names the error and the command."""

    def refuse() -> None:
        stopped.world.refused = "mapper"

    stopped.carry_out(stopped.use("a"), refuse)
    assert "may not do UpdateService" in stopped.left.why
    assert stopped.world.leases == []  # so that the guard stops it


def test_a_guard_that_stops_the_fleet_just_then_does_not_win(
    running: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A guard that had looked before the lease was written stops all: the run starts it again."""
    world = running.world
    settled = asyncio.Event()
    sleep = asyncio.sleep

    async def until(seconds: float) -> None:
        await (settled.wait() if seconds == fleet_use.SETTLED_S else sleep(0))

    monkeypatch.setattr(asyncio, "sleep", until)

    async def run() -> None:
        use = running.use("a")
        await use.begin(running)
        world.desired |= {**STOPPED, "guard": 0}
        settled.set()
        while world.desired["mapper"] == 0:
            await sleep(0)
        assert world.desired == {**USUAL, "guard": 1}
        await use.end()

    asyncio.run(asyncio.wait_for(run(), 10))


def test_a_fleet_that_was_stopped_while_the_laptop_slept_is_started_again(
    running: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After an hour with a closed lid the lease has ended, and the guard has stopped the fleet."""
    monkeypatch.setattr(fleet_use, "SETTLED_S", 0.0)
    monkeypatch.setattr(fleet_use, "RENEW_S", 0.0)
    world, wall = running.world, [1000.0]
    lease = keys.lease("a")

    async def run() -> None:
        use = running.use("a", clock=Clock(wall=lambda: wall[0]))
        await use.begin(running)
        world.now += 1
        while world.objects[lease][1] < world.now:  # renewed once, with the fleet running
            await asyncio.sleep(0)
        world.desired |= {**STOPPED, "guard": 0}
        wall[0] += 3600
        while world.desired["mapper"] == 0:
            await asyncio.sleep(0)
        assert world.desired == {**USUAL, "guard": 1}
        await use.end()

    asyncio.run(asyncio.wait_for(run(), 10))


def test_a_fleet_that_its_user_stops_stays_stopped(
    running: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`stack stop` during a run whose lease is renewed in time is not undone."""
    monkeypatch.setattr(fleet_use, "SETTLED_S", 0.0)
    monkeypatch.setattr(fleet_use, "RENEW_S", 0.0)
    world = running.world
    lease = keys.lease("a")

    async def run() -> None:
        use = running.use("a")
        await use.begin(running)
        for turn in range(4):
            world.now += 1
            while world.objects[lease][1] < world.now:
                await asyncio.sleep(0)
            if turn:  # the fleet is looked at after the first renewal
                world.desired |= {**STOPPED, "guard": 0}
        assert not any(world.desired.values())
        await use.end()

    asyncio.run(asyncio.wait_for(run(), 10))


def test_a_failed_renewal_does_not_end_a_run(
    running: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S3 refuses some renewals: the run goes on, and the lease is renewed by a later one."""
    monkeypatch.setattr(fleet_use, "RENEW_S", 0.0)
    monkeypatch.setattr(fleet_use, "SETTLED_S", 0.0)
    puts = running.world.put_object
    failures = iter([True, True])

    def put_object(**request: Any) -> None:
        if running.world.now > 1_000_000 and next(failures, False):
            raise OSError("no network")
        puts(**request)

    monkeypatch.setattr(running.world, "put_object", put_object)

    async def run() -> None:
        use = running.use("a")
        await use.begin(running)
        running.world.now += 500
        while running.world.objects[keys.lease("a")][1] < running.world.now:
            await asyncio.sleep(0)
        assert next(failures, None) is None  # both renewals had failed
        await use.end()

    asyncio.run(asyncio.wait_for(run(), 10))


def test_a_renewal_that_is_under_way_at_the_end_leaves_no_lease(
    stopped: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lease is deleted after S3 has answered it: otherwise the fleet would stay."""
    monkeypatch.setattr(fleet_use, "SETTLED_S", 0.0)
    puts, asked, answered = stopped.world.put_object, threading.Event(), threading.Event()
    renewals = iter([False, True])

    def put_object(**request: Any) -> None:
        if request["Key"] == keys.lease("a") and next(renewals, False):
            asked.set()
            answered.wait(10)
        puts(**request)

    monkeypatch.setattr(stopped.world, "put_object", put_object)

    async def run() -> None:
        use = stopped.use("a")
        await use.begin(stopped)
        await asyncio.to_thread(asked.wait, 10)
        ending = asyncio.ensure_future(use.end())
        for _ in range(10):
            await asyncio.sleep(0)
        answered.set()
        await ending

    asyncio.run(asyncio.wait_for(run(), 10))
    assert stopped.world.leases == []
    assert not any(stopped.world.desired.values())


def test_a_driver_that_goes_on_with_a_run_ends_the_lease_of_the_lost_one(stopped: Runs) -> None:
    """The fleet is stopped after it; the leases of other runs stay."""
    stopped.take_lease("lost", "run-a")
    stopped.carry_out(stopped.use("next", run="run-a"))
    assert stopped.world.leases == []
    assert not any(stopped.world.desired.values())
    stopped.take_lease("other", "run-b")
    stopped.carry_out(stopped.use("next", run="run-a"))
    assert stopped.world.leases == ["run-b.other"]
    assert stopped.left.why == "in use"


def test_each_step_of_a_chain_begins_and_one_renews(stopped: Runs) -> None:
    """A second step starts nothing again; after the end no renewal brings the fleet back."""

    async def run() -> None:
        async with used(stopped.use()) as use:
            for _ in range(3):
                await use.begin(stopped)
            tasks = [one for one in asyncio.all_tasks() if "_renew_for_ever" in str(one.get_coro())]
            assert len(tasks) == 1
        assert not [one for one in asyncio.all_tasks() if "_renew_for_ever" in str(one.get_coro())]

    asyncio.run(run())
    assert not any(stopped.world.desired.values())
    assert stopped.world.objects == {}


@pytest.mark.parametrize("calls", range(6))
def test_ctrl_c_while_the_fleet_is_starting_stops_it(
    stopped: Runs, monkeypatch: pytest.MonkeyPatch, calls: int
) -> None:
    """A cancellation between any two requests to AWS leaves no task, and no lease."""
    world, asked = stopped.world, Event_()
    update = world.update_service

    def update_service(**request: Any) -> None:
        if len(world.calls) == calls:
            asked.loop.call_soon_threadsafe(asked.is_asked.set)
        update(**request)

    monkeypatch.setattr(world, "update_service", update_service)

    async def run() -> None:
        asked.loop, asked.is_asked = asyncio.get_running_loop(), asyncio.Event()

        async def carry_out() -> None:
            async with used(stopped.use()) as use:
                await use.begin(stopped)
                asked.is_asked.set()
                await asyncio.Event().wait()

        task = asyncio.create_task(carry_out())
        await asked.is_asked.wait()
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    asyncio.run(asyncio.wait_for(run(), 10))
    assert not any(world.desired.values())
    assert world.leases == []


class Event_:
    """Set from a thread when AWS is asked."""

    loop: asyncio.AbstractEventLoop
    is_asked: asyncio.Event


def test_an_address_that_is_not_admitted_is_said_soon(
    stopped: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All tasks run and none can be reached: the cause ends the wait, and the fleet is stopped."""
    monkeypatch.setattr(fleet_use, "SILENT_S", 0.0)
    stopped.unreached = "the stack admits 203.0.113.7/32; run: python -m driver doctor --fix"
    with pytest.raises(FleetError, match="doctor --fix"):
        stopped.carry_out(stopped.use())
    assert not any(stopped.world.desired.values())


def test_a_failed_look_does_not_end_the_start(
    stopped: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ECS refuses one description while the tasks come up; the run begins all the same."""
    described, failures = stopped.world.describe_services, iter([False, True])

    def describe_services(**request: Any) -> dict[str, Any]:
        if next(failures, False):
            raise ClientError({"Error": {"Code": "Throttling", "Message": "no"}}, "Describe")
        return described(**request)

    monkeypatch.setattr(stopped.world, "describe_services", describe_services)
    seen: list[bool] = []
    stopped.carry_out(stopped.use(), lambda: seen.append(True))
    assert seen == [True]


def test_a_half_stopped_fleet_is_completed(running: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another run was stopping the fleet when this one began, and has taken the reducer away."""
    monkeypatch.setattr(fleet_use, "SETTLED_S", 0.0)

    async def run() -> None:
        use = running.use("a")
        running.world.desired["reducer"] = 0
        await use.begin(running)
        assert running.world.desired["reducer"] == 1
        await use.end()

    asyncio.run(asyncio.wait_for(run(), 10))


def test_a_fleet_that_was_stopped_by_hand_is_not_said_to_stay(stopped: Runs) -> None:
    """`stack stop` during the run: nothing runs at its end, also no guard."""

    def stop() -> None:
        stop_fleet(stopped.services, stopped.leases)

    stopped.carry_out(stopped.use(), stop)
    assert not any(stopped.world.desired.values())
    assert stopped.world.leases == []


def test_stop_forgets_what_runs_have_left(running: Runs) -> None:
    """After a killed run and `stack stop`, the next run restores a stopped stack."""

    async def killed() -> None:
        use = running.use("killed", mappers=20)
        await use.begin(running)
        assert use._renewing is not None
        use._renewing.cancel()

    asyncio.run(killed())
    stop_fleet(running.services, running.leases)
    assert running.world.objects == {}
    running.carry_out(running.use("next", mappers=20))
    assert running.left.why == "restored"
    assert not any(running.world.desired.values())


def test_stack_start_and_stop(stopped: Runs) -> None:
    """The commands change the numbers of all services and of the guard, and no more."""
    scaling = start_fleet(stopped.services, stopped.leases, STACK, 7)
    assert scaling is not None
    assert stopped.world.desired == {**USUAL, "mapper": 7, "guard": 1}
    assert start_fleet(stopped.services, stopped.leases, STACK, None) is None
    assert stop_fleet(stopped.services, stopped.leases) == {**USUAL, "mapper": 7}
    assert not any(stopped.world.desired.values())


def test_a_run_without_a_task_starts_nothing(stopped: Runs) -> None:
    """When all tasks are reused, the run never begins to use the fleet."""

    async def run() -> None:
        async with used(stopped.use()):
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(0)

    asyncio.run(run())
    assert (stopped.world.calls, stopped.world.objects, stopped.events) == ([], {}, [])
