"""A run on services that start on this machine and end with the run."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path

from driver.plan.events import Observer
from driver.plan.inputs import local_url
from driver.run.backend import Backend
from driver.run.stages import FleetBackend
from driver.targets.limits import policy_of, with_faults
from driver.targets.local_fleet import LocalFleet, LocalFleetConfig
from driver.targets.prepare import Prepared
from driver.transport.http import HttpTransport
from mapreduce.errors import FleetError, TaskLost
from mapreduce.wire.messages import InputObject, StageName
from mapreduce.wire.tokens import new_key

TLS_VARIABLE = "MAPREDUCE_TLS"
"""With the value true, local services answer by TLS, as those in AWS do."""


@asynccontextmanager
async def local_backend(prepared: Prepared, emit: Observer) -> AsyncIterator[Backend]:
    """Start the services on this machine; they end with the block."""
    policy = policy_of(prepared.config)
    key = new_key()
    async with AsyncExitStack() as ends:
        transport = await ends.enter_async_context(HttpTransport(key, policy.heartbeat_timeout_s))
        # nothing slow between the folder and the services: they delete it when the driver is killed
        folder = tempfile.TemporaryDirectory(prefix="mapreduce-", ignore_cleanup_errors=True)
        scratch = Path(ends.enter_context(folder))
        config = LocalFleetConfig(
            store=prepared.runs.store,
            extra_inputs=_readable(prepared.inputs),
            signing_key=key,
            mappers=prepared.map_slots,
            reduce_slots=min(os.cpu_count() or 1, prepared.config.reducers or 1),
            log=scratch / "services.log",
            scratch=scratch,
            task_memory_bytes=prepared.config.task_memory_bytes,
            chaos=prepared.config.chaos is not None,
            tls=os.environ.get(TLS_VARIABLE, "").lower() == "true",
        )
        fleet = await ends.enter_async_context(LocalFleet(config))
        broken = with_faults(transport, prepared.config, emit)
        remembers = prepared.config.remembered
        backend = FleetBackend(
            prepared.runs, fleet, broken, policy, log_text=fleet.log_text, remembers=remembers
        )
        yield replace(backend, ready=lambda: _all_answer(fleet, transport))


def _readable(inputs: Sequence[InputObject]) -> tuple[str, ...]:
    """Return the folders of the inputs and of their links' targets; in the root folder, the file.

    The root folder itself would stand for every file.
    """
    urls = {given.url for given in inputs}
    urls |= {
        local_url(Path(url.removeprefix("file://"))) for url in urls if url.startswith("file://")
    }
    folders = {url: url.rpartition("/")[0] for url in urls}
    return tuple(
        sorted({url if folder.endswith("://") else folder for url, folder in folders.items()})
    )


async def _all_answer(fleet: LocalFleet, transport: HttpTransport) -> None:
    """Return when every service answers; else raise `FleetError` with the last log line."""
    stages: tuple[StageName, ...] = ("split", "map", "reduce")
    waiting = [
        transport.health(endpoint) for stage in stages for endpoint in await fleet.endpoints(stage)
    ]
    try:
        await asyncio.gather(*waiting)
    except TaskLost as exc:
        await fleet.endpoints("split")
        raise FleetError(str(exc)) from exc
