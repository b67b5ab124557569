"""A run on the deployed stack."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from driver.cloud.ecs import EcsFleet
from driver.cloud.sign_in import patient
from driver.plan.events import Observer
from driver.run.backend import Backend
from driver.run.stages import FleetBackend
from driver.targets.limits import policy_of, with_faults
from driver.targets.prepare import Prepared
from driver.transport.http import HttpTransport


@asynccontextmanager
async def aws_backend(prepared: Prepared, emit: Observer) -> AsyncIterator[Backend]:
    """Connect to the deployed stack's services."""
    assert prepared.stack is not None
    assert prepared.aws is not None
    policy = policy_of(prepared.config)
    fleet = EcsFleet(prepared.stack, prepared.aws, most_mappers=prepared.config.mappers)
    key = await asyncio.to_thread(fleet.signing_key)
    store, account = prepared.runs.storage, prepared.stack.account
    async with HttpTransport(key, policy.heartbeat_timeout_s) as transport:
        broken = with_faults(transport, prepared.config, emit)
        with patient(store, prepared.aws, account, emit, policy.sign_in_s):
            yield FleetBackend(
                prepared.runs, fleet, broken, policy, remembers=prepared.config.remembered
            )
