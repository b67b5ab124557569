"""A run's use of the fleet in AWS: starts what is stopped, keeps a lease, and stops it again.

ECS keeps the numbers of tasks; a run changes them by UpdateService, so that no Terraform is needed.
A run that dies leaves its lease, which ends by itself; then the idle guard stops the fleet.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Protocol

from driver.cloud.aws import Aws, explained
from driver.cloud.fleet import capacity
from driver.cloud.fleet.capacity import Counts, Scaling
from driver.cloud.fleet.leases import Leases
from driver.cloud.stack import Stack
from driver.plan import events
from driver.plan.clock import Clock
from driver.plan.events import Observer
from driver.program.command_name import COMMAND
from driver.transport.endpoint import Role
from mapreduce.errors import FleetError

if TYPE_CHECKING:
    from mypy_boto3_ecs.type_defs import ServiceTypeDef

RENEW_S = 60.0
"""Seconds between renewals of a lease, at most; a lease lasts at least ten renewals."""
SETTLED_S = 5.0
"""Seconds after which a guard that had looked before the lease was there has stopped the fleet."""
UNGUARDED_S = 600.0
"""For how long a lease counts where the stack has no guard: ten renewals."""
LOOK_S = 3.0
START_S = 600.0
"""Seconds until a started fleet must answer: Fargate takes one or two minutes."""
SILENT_S = 30.0
"""Seconds that tasks which run may be silent before the cause is looked for."""


class Reach(Protocol):
    """Whether this machine reaches the tasks."""

    async def one_of_each(self) -> bool:
        """Return whether at least one task of each service answers."""

    async def why_not(self) -> str:
        """Return why none answers, if it is certain; else nothing."""


class Services:
    """The numbers of tasks of a stack's services, as ECS has them."""

    def __init__(self, stack: Stack, aws: Aws) -> None:
        self._stack, self._aws = stack, aws

    def desired(self) -> dict[Role, int]:
        """Return how many tasks each service is meant to have; raises `FleetError`."""
        return {role: found["desiredCount"] for role, found in self.described().items()}

    def described(self) -> dict[Role, ServiceTypeDef]:
        """Return ECS's description of each service; raises `FleetError`."""
        names = {service.service_name: role for role, service in self._stack.services.items()}
        with explained():
            answer = self._aws.ecs.describe_services(
                cluster=self._stack.cluster, services=list(names)
            )
        found = {names[one["serviceName"]]: one for one in answer["services"]}
        if missing := sorted(set(self._stack.services) - found.keys()):
            raise FleetError(f"there is no service {', '.join(missing)}; run ./deploy.sh")
        return found

    def scale(self, counts: Counts) -> None:
        """Set numbers of tasks, mappers last: with a small quota they leave room for the others.

        Raises:
            FleetError: ECS refuses.
        """
        with explained():
            for role in sorted(counts, key=lambda role: role == "mapper"):
                self._update(self._stack.services[role].service_name, counts[role])

    def guard(self, *, runs: bool) -> None:
        """Start or stop the idle guard, if the stack has one; raises `FleetError`."""
        if self._stack.guard is not None:
            with explained():
                self._update(self._stack.guard.service_name, int(runs))

    def _update(self, service: str, count: int) -> None:
        self._aws.ecs.update_service(
            cluster=self._stack.cluster, service=service, desiredCount=count
        )


class FleetUse:
    """The use of the fleet by one run.

    Args:
        stack: the stack.
        services: its services.
        leases: its leases.
        clock: the run's clock.
        emit: receives the events.
        mappers: the user's number of mappers; None for the usual one.
        map_tasks: about how many map tasks the run has.
        keep_s: for how many seconds the fleet stays after the run; None to stop what was started.
    """

    def __init__(
        self,
        stack: Stack,
        services: Services,
        leases: Leases,
        clock: Clock,
        emit: Observer,
        *,
        mappers: int | None,
        map_tasks: int,
        keep_s: float | None,
    ) -> None:
        self._stack, self._services, self._leases = stack, services, leases
        self._clock, self._emit = clock, emit
        self._mappers, self._map_tasks, self._keep_s = mappers, map_tasks, keep_s
        self._began = False
        self._renewing: asyncio.Task[None] | None = None
        self._under_way: set[asyncio.Future[None]] = set()
        self._scaling: Scaling | None = None  # the last change of this run

    @property
    def _lease_s(self) -> float:
        return self._stack.idle_stop_minutes * 60.0 or UNGUARDED_S

    async def begin(self, reach: Reach) -> None:
        """Take a lease, start the tasks that the run wants, and return when they answer.

        Called once for each step of a chain.

        Raises:
            FleetError: ECS refuses, or no task answers in time.
        """
        self._began = True
        await self._in_thread(self._take_lease)
        if self._renewing is None:
            self._renewing = asyncio.create_task(self._renew_for_ever())
        now = await asyncio.to_thread(self._services.desired)
        self._emit(events.FleetFound(at=self._clock.wall(), counts=_by_name(now)))
        scaling = capacity.changed(now, self._wanted(now))
        if scaling is not None:
            await self._scale(scaling)
            await self._coming_up(reach)

    def _take_lease(self) -> None:
        self._leases.renew(self._lease_s)
        self._leases.end_lost()  # else the fleet would stay after this run
        with suppress(FleetError):  # a fleet that runs can be used without the right to change it
            # it may be off, or another run that ends may be stopping it
            self._services.guard(runs=True)

    async def _in_thread(self, act: Callable[[], None]) -> None:
        """Act in a thread; a cancellation does not wait for it, and `end` does."""
        done = asyncio.ensure_future(asyncio.to_thread(act))
        self._under_way.add(done)
        done.add_done_callback(self._under_way.discard)
        await asyncio.shield(done)

    def _wanted(self, now: Counts) -> Counts:
        usual: Counts = {role: each.desired_count for role, each in self._stack.services.items()}
        slots = self._stack.services["mapper"].slots
        return capacity.wanted(now, usual, self._mappers, self._map_tasks, slots)

    async def _scale(self, scaling: Scaling) -> None:
        at, before, after = self._clock.wall(), _by_name(scaling.before), _by_name(scaling.after)
        self._emit(events.FleetScaled(at=at, before=before, after=after))
        self._scaling = scaling

        def scale() -> None:
            # kept first: a run that dies between the two leaves a change that can be undone
            self._leases.remember(scaling)
            self._services.guard(runs=True)
            self._services.scale(scaling.after)

        await self._in_thread(scale)

    async def _coming_up(self, reach: Reach) -> None:
        """Show how many tasks run, and return when at least one of each service answers."""
        began = all_run = self._clock.now()
        services: dict[Role, ServiceTypeDef] = {}
        shown: dict[str, int] = {}
        while not await reach.one_of_each():
            with suppress(FleetError):  # this look failed; the next one may not
                services = await asyncio.to_thread(self._services.described)
            now = self._clock.now()
            if now - began > START_S:
                raise FleetError(
                    f"the services did not start within {START_S / 60:.0f} minutes: "
                    f"{_last_words(services)}; see: {COMMAND} doctor"
                )
            running = {str(role): found["runningCount"] for role, found in services.items()}
            desired = {str(role): found["desiredCount"] for role, found in services.items()}
            if not running or running != desired:
                all_run = now
            elif now - all_run > SILENT_S and (why := await reach.why_not()):
                raise FleetError(why)
            if running != shown:
                shown = running
                self._emit(
                    events.FleetComing(at=self._clock.wall(), running=running, desired=desired)
                )
            await asyncio.sleep(LOOK_S)

    async def _renew_for_ever(self) -> None:
        """Renew the lease; a renewal that fails is tried again at the next turn.

        The guard may have stopped the fleet: just as this run took its lease, or while this machine
        slept or its credentials had ended, so that the lease ended too.
        """
        renewed, due_s = float("-inf"), SETTLED_S
        while True:
            await asyncio.sleep(due_s)
            due_s = min(RENEW_S, self._lease_s / 10)
            with suppress(Exception):  # the guard waits for several renewals
                # `end` waits for it: one that came after the lease is deleted would leave it
                await self._in_thread(partial(self._leases.renew, self._lease_s))
                now = self._clock.wall()
                if now - renewed > self._lease_s / 2:
                    await self._again_if_stopped()
                renewed = now

    async def _again_if_stopped(self) -> None:
        """Start again what another run, or the guard, was stopping when this run took its lease."""
        await self._in_thread(self._keep_change)
        now = await asyncio.to_thread(self._services.desired)
        if all(now.values()):
            return
        if (scaling := capacity.changed(now, self._wanted(now))) is not None:
            await self._scale(scaling)

    def _keep_change(self) -> None:
        """Keep this run's change again, if a run that ended has deleted it."""
        self._services.guard(runs=True)
        if self._scaling is not None and self._leases.scaling() is None:
            self._leases.remember(self._scaling)

    async def end(self) -> None:
        """Stop what was started, unless another run uses it or the user keeps it.

        Never raises: the result is there. A fleet that cannot be stopped is said.
        """
        if not self._began:
            return
        if self._renewing is not None:
            self._renewing.cancel()
            await asyncio.gather(self._renewing, return_exceptions=True)
        await asyncio.gather(*self._under_way, return_exceptions=True)
        try:
            why, counts = await asyncio.to_thread(self._stop)
        except Exception as exc:  # noqa: BLE001 - the run is over, and its result does not change
            why, counts = str(exc), {}
        self._emit(
            events.FleetLeft(
                at=self._clock.wall(),
                why=why,
                counts=_by_name(counts),
                kept_s=self._keep_s or 0.0,
                guarded_s=self._stack.idle_stop_minutes * 60.0,
            )
        )

    def _stop(self) -> tuple[str, Counts]:
        """Stop the fleet or leave it; return why, and the numbers that were set."""
        kept = self._keep_s is not None
        if self._keep_s is not None:
            self._leases.renew(self._keep_s)
        else:
            # first: of two runs that end together, the later one then sees no lease
            self._leases.end()
        others, now = self._leases.others()
        desired = self._services.desired()
        ending = capacity.ending(self._leases.scaling(), desired, others, now, kept=kept)
        if ending.why in ("restored", "changed"):
            # first: a run that begins meanwhile keeps a change of its own
            self._leases.forget()
        if ending.why == "restored":
            self._services.scale(ending.counts)
            desired |= ending.counts
        if not any(desired.values()) and ending.why != "in use":
            self._services.guard(runs=False)
        if ending.why in ("restored", "changed", "as it was") and any(desired.values()):
            self._leases.note_end(self._lease_s)
        return ending.why, ending.counts


@asynccontextmanager
async def used(use: FleetUse) -> AsyncIterator[FleetUse]:
    """Yield a use of the fleet, and end it with the block, however that ends."""
    try:
        yield use
    finally:
        await asyncio.shield(use.end())


def _by_name(counts: Counts) -> dict[str, int]:
    return {str(role): count for role, count in counts.items()}


def _last_words(services: dict[Role, ServiceTypeDef]) -> str:
    """Return the newest message of the first service that lacks tasks."""
    for role, found in services.items():
        if found["runningCount"] < found["desiredCount"] or not found["runningCount"]:
            said = next((event["message"] for event in found.get("events", [])), "")
            return f"{role}: {said or 'ECS has said nothing yet'}"
    return "all tasks run, and none answers" if services else "ECS could not be asked"


def stop_fleet(services: Services, leases: Leases) -> dict[Role, int]:
    """Stop all tasks and the guard, and end all leases: a run that goes on takes its own again.

    Returns:
        How many tasks each service was meant to have.

    Raises:
        FleetError: ECS refuses.
    """
    before = services.desired()
    leases.clear()
    services.scale(dict.fromkeys(before, 0))
    services.guard(runs=False)
    return before


def start_fleet(
    services: Services, leases: Leases, stack: Stack, mappers: int | None
) -> Scaling | None:
    """Start the guard and the usual tasks, and more mappers if asked for; return the change.

    The guard counts from now.

    Raises:
        FleetError: ECS refuses.
    """
    leases.note_end(stack.idle_stop_minutes * 60.0)
    now = services.desired()
    usual: Counts = {role: each.desired_count for role, each in stack.services.items()}
    scaling = capacity.changed(now, capacity.wanted(now, usual, mappers, 10**9, 1))
    services.guard(runs=True)
    if scaling is not None:
        services.scale(scaling.after)
    return scaling
