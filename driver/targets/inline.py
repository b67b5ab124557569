"""A run in this process, where the author's breakpoints are."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from driver.plan.events import Observer
from driver.run.backend import Backend
from driver.run.stages import FleetBackend
from driver.scheduling.policy import RetryPolicy
from driver.targets.prepare import Prepared
from driver.transport.inline import InlineFleet, InlineTransport
from mapreduce.code import instance, members_of, modules_loaded, only_packed
from mapreduce.engine import TaskContext
from mapreduce.job import Job
from mapreduce.wire.messages import JobSpec


@asynccontextmanager
async def inline_backend(prepared: Prepared, emit: Observer) -> AsyncIterator[Backend]:
    """Run the tasks in this process."""

    def load(spec: JobSpec) -> Job:
        """Return the job from its own file, where the author's breakpoints are."""
        return instance(prepared.source.root, spec)

    with tempfile.TemporaryDirectory(prefix="mapreduce-") as scratch:
        context = TaskContext(
            storage=prepared.runs.storage.with_own_count(),
            scratch=Path(scratch),
            memory_bytes=prepared.config.task_memory_bytes or 1 << 30,
            load_job=load,
            imported=modules_loaded,
        )
        # a debugger may stop the only process for any time: no time-out of silence, and no retry
        skipped = prepared.config.skip_bad_records or 0
        policy = RetryPolicy(
            attempts=1, once_attempts=1, skip_bad_records=skipped, tells_pauses=False
        )
        files = members_of(prepared.source, prepared.modules).values()
        with only_packed(prepared.source.root, tuple(files)):
            yield FleetBackend(prepared.runs, InlineFleet(), InlineTransport(context), policy)
