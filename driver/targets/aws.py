"""A run on the deployed stack: it starts the tasks that it wants, and stops them again."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace

from driver.cloud.ecs import EcsFleet
from driver.cloud.fleet.fleet_use import FleetUse, Services, used
from driver.cloud.fleet.leases import Leases
from driver.cloud.own_address import why_closed
from driver.cloud.sign_in import patient
from driver.history.run_names import epoch_of
from driver.plan.events import Observer
from driver.run.backend import Backend
from driver.run.stages import FleetBackend
from driver.targets.limits import policy_of, with_faults
from driver.targets.prepare import Prepared
from driver.transport.endpoint import ROLES, Endpoint
from driver.transport.http import HttpTransport
from mapreduce.errors import FleetError, TaskLost
from mapreduce.wire.messages import StageName

ANSWER_S = 5.0
"""Seconds for the answer of a task that has just started."""


@asynccontextmanager
async def aws_backend(prepared: Prepared, emit: Observer) -> AsyncIterator[Backend]:
    """Connect to the deployed stack's services.

    Raises:
        FleetError: they cannot be reached from here, or do not start.
    """
    stack, aws = prepared.stack, prepared.aws
    assert stack is not None
    assert aws is not None
    if why := why_closed(stack.address_kind, stack.allowed_cidrs):
        raise FleetError(why)
    policy = policy_of(prepared.config)
    whole = epoch_of(prepared.planned.run)[0] if prepared.planned else None
    fleet = EcsFleet(stack, aws, most_mappers=prepared.config.mappers)
    key = await asyncio.to_thread(fleet.signing_key)
    async with HttpTransport(key, policy.heartbeat_timeout_s) as transport:
        broken = with_faults(transport, prepared.config, emit)
        remembers = prepared.config.remembered
        backend = FleetBackend(
            prepared.runs, fleet, broken, policy, remembers=remembers, secret=key
        )
        use = FleetUse(
            stack,
            Services(stack, aws),
            Leases(aws, stack.bucket, uuid.uuid4().hex, whole),
            backend.clock,
            emit,
            mappers=prepared.config.mappers,
            map_tasks=prepared.map_tasks,
            keep_s=prepared.config.keep_s,
        )
        with patient(backend.runs.storage, aws, stack.account, emit, policy.sign_in_s):
            async with used(use):
                reach = FleetReach(fleet, transport)
                yield replace(backend, ready=lambda: use.begin(reach))


@dataclass(frozen=True, slots=True)
class FleetReach:
    """Whether this machine reaches the tasks of a fleet that is starting."""

    fleet: EcsFleet
    transport: HttpTransport

    async def one_of_each(self) -> bool:
        """Return whether at least one task of each service answers."""
        return all(await asyncio.gather(*map(self._one_answers, ROLES)))

    async def why_not(self) -> str:
        """Return why the splitters cannot be reached, if it is certain."""
        found = await self._endpoints("split")
        with suppress(FleetError):
            return await self.fleet.why_unreached("split", [each.name for each in found])
        return ""

    async def _one_answers(self, stage: StageName) -> bool:
        found = await self._endpoints(stage)
        return any(await asyncio.gather(*map(self._answers, found)))

    async def _answers(self, endpoint: Endpoint) -> bool:
        try:
            await self.transport.health(endpoint, ANSWER_S)
        except TaskLost:
            return False
        return True

    async def _endpoints(self, stage: StageName) -> list[Endpoint]:
        with suppress(FleetError):  # this look-up failed; the next one may not
            return await self.fleet.endpoints(stage)
        return []
