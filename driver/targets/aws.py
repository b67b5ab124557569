"""A run on the deployed stack: it starts the tasks that it wants, and stops them again."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from driver.cloud.ecs import EcsFleet
from driver.cloud.fleet.fleet_use import FleetUse, Services, used
from driver.cloud.fleet.leases import Leases
from driver.cloud.sign_in import patient
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
    """Connect to the deployed stack's services."""
    stack, aws = prepared.stack, prepared.aws
    assert stack is not None
    assert aws is not None
    policy = policy_of(prepared.config)
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
            Leases(aws, stack.bucket, uuid.uuid4().hex),
            backend.clock,
            emit,
            mappers=prepared.config.mappers,
            map_tasks=prepared.map_tasks,
            keep_s=prepared.config.keep_s,
        )
        with patient(backend.runs.storage, aws, stack.account, emit, policy.sign_in_s):
            async with used(use):
                yield replace(
                    backend, ready=lambda: use.begin(lambda: _one_of_each(fleet, transport))
                )


async def _one_of_each(fleet: EcsFleet, transport: HttpTransport) -> bool:
    """Return whether at least one task of each service answers."""
    answers = await asyncio.gather(*(_one_answers(fleet, transport, stage) for stage in ROLES))
    return all(answers)


async def _one_answers(fleet: EcsFleet, transport: HttpTransport, stage: StageName) -> bool:
    async def answers(endpoint: Endpoint) -> bool:
        try:
            await transport.health(endpoint, ANSWER_S)
        except TaskLost:
            return False
        return True

    try:
        found = await fleet.endpoints(stage)
    except FleetError:
        return False  # this look-up failed; the next one may not
    return any(await asyncio.gather(*map(answers, found)))
