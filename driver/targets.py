"""From a run's configuration to the place where it is carried out: this machine's services, this process, or AWS."""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from driver.config import DEFAULT_STORE, RunConfig, Target
from driver.inputs import find_inputs, local_url
from driver.pipeline import Workplace
from driver.planning import RunPlan, split_count
from driver.policy import RetryPolicy
from driver.run_store import RunStore
from mapreduce import keys
from mapreduce.code import JobSource, find_job, import_job, pack
from mapreduce.errors import FleetError, ObjectExists, TaskLost, UsageError
from mapreduce.job import Job, parse_parameters
from mapreduce.messages import InputObject, JobSpec, StageName
from mapreduce.storage import Storage, open_storage

if TYPE_CHECKING:
    from driver.client import HttpTransport
    from driver.fleet.local import LocalFleet

INLINE_AT_LEAST = 2
"""Splits and partitions of an inline run: with one of each, a wrong belief about the others would never show."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A run that has been checked, and of which nothing has been written or started yet."""

    config: RunConfig
    target: Literal["local", "inline"]
    runs: RunStore
    source: JobSource
    job: type[Job]
    parameters: dict[str, object]
    inputs: tuple[InputObject, ...]
    mappers: int


def open_runs(store: str | None) -> RunStore:
    """The store of a path or URL; by default the folder `.mapreduce` here."""
    text = store or os.environ.get("MAPREDUCE_STORE") or DEFAULT_STORE
    url = text.rstrip("/") if "://" in text else local_url(Path(text).expanduser())
    return RunStore(open_storage(), url)


def prepare(config: RunConfig, target: Target, store: str | None) -> Prepared:
    """Checks all that can be checked before anything is started.

    Raises:
        UsageError: what the user asked for cannot be.
    """
    if target == "aws":
        raise UsageError("--target aws: there is no deployed stack; use --target local or inline")
    runs = open_runs(store)
    source, job = find_job(config.job)
    parameters = parse_parameters(job, config.parameters)
    inputs = find_inputs(config.inputs, runs.storage)
    return Prepared(
        config=config,
        target="inline" if target == "inline" else "local",
        runs=runs,
        source=source,
        job=job,
        parameters=parameters,
        inputs=inputs,
        mappers=config.mappers or os.cpu_count() or 1,
    )


def write_plan(prepared: Prepared) -> RunPlan:
    """Puts the job's code into the store, and the plan under a new run id."""
    config, runs = prepared.config, prepared.runs
    digest, data = pack(prepared.source)
    _create_once(runs.storage, keys.code(runs.store, digest), data)
    inline = prepared.target == "inline"
    slots = max(prepared.mappers, INLINE_AT_LEAST) if inline else prepared.mappers
    partitions = config.reducers or (INLINE_AT_LEAST if inline else 1)
    total = sum(given.size for given in prepared.inputs)
    plan = RunPlan(
        run="run",
        created=time.time(),
        target=prepared.target,
        store=runs.store,
        job=JobSpec(
            code=digest,
            module=prepared.source.module,
            name=prepared.source.name,
            parameters=prepared.parameters,
        ),
        inputs=prepared.inputs,
        splits=split_count(total, chunks=config.chunks, chunk_bytes=config.chunk_bytes, slots=slots),
        partitions=partitions,
        mode=config.mode,
        top=config.top,
    )
    return runs.begin(plan)


@asynccontextmanager
async def workplace(prepared: Prepared) -> AsyncIterator[Workplace]:
    """The fleet and the road to it; both are gone at the end."""
    opened = _inline(prepared) if prepared.target == "inline" else _local(prepared)
    async with opened as place:
        yield place


@asynccontextmanager
async def _inline(prepared: Prepared) -> AsyncIterator[Workplace]:
    from driver.inline import InlineFleet, InlineTransport
    from mapreduce.engine import TaskContext

    def load(spec: JobSpec) -> Job:
        """The job from its own file, where the author's breakpoints are."""
        return import_job(prepared.source.root, spec.module, spec.name)(**spec.parameters)

    with tempfile.TemporaryDirectory(prefix="mapreduce-") as scratch:
        context = TaskContext(storage=prepared.runs.storage, scratch=Path(scratch), memory_bytes=1 << 30, load_job=load)
        # a debugger may stop the only process for as long as it likes: there is no silence to time out, and no retry
        policy = RetryPolicy(attempts=1, user_code_attempts=1)
        yield Workplace(prepared.runs, InlineFleet(), InlineTransport(context), policy)


@asynccontextmanager
async def _local(prepared: Prepared) -> AsyncIterator[Workplace]:
    from driver.client import HttpTransport
    from driver.fleet.local import LocalFleet, LocalFleetConfig
    from mapreduce.tokens import new_key

    policy = RetryPolicy()
    key = new_key()
    folders = {given.url.rpartition("/")[0] for given in prepared.inputs}
    with tempfile.TemporaryDirectory(prefix="mapreduce-", ignore_cleanup_errors=True) as scratch:
        config = LocalFleetConfig(
            store=prepared.runs.store,
            extra_inputs=tuple(sorted(folders)),
            signing_key=key,
            mappers=prepared.mappers,
            reduce_slots=min(os.cpu_count() or 1, prepared.config.reducers or 1),
            log=Path(scratch) / "services.log",
            scratch=Path(scratch),
        )
        async with HttpTransport(key, policy.heartbeat_timeout_s) as transport, LocalFleet(config) as fleet:
            yield Workplace(prepared.runs, fleet, transport, policy, ready=lambda: _all_answer(fleet, transport))


async def _all_answer(fleet: LocalFleet, transport: HttpTransport) -> None:
    """Returns when every service answers; raises `FleetError` with what the services said last when one does not."""
    stages: tuple[StageName, ...] = ("split", "map", "reduce")
    waiting = [transport.health(endpoint) for stage in stages for endpoint in await fleet.endpoints(stage)]
    try:
        await asyncio.gather(*waiting)
    except TaskLost as exc:
        await fleet.endpoints("split")
        raise FleetError(str(exc)) from exc


def _create_once(storage: Storage, url: str, data: bytes) -> None:
    """Writes content-addressed bytes unless they are there."""
    try:
        storage.create(url, data)
    except ObjectExists:
        return
