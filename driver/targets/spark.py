"""A run on Apache Spark. Imported only for such a run."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from driver.plan.events import Observer
from driver.run.backend import Backend
from driver.spark.backend import TASK_MEMORY_BYTES, SparkBackend, running_spark
from driver.spark.scratch import scratch_folder
from driver.targets.prepare import Prepared
from mapreduce.code import instance
from mapreduce.engine import TaskContext
from mapreduce.job import Job
from mapreduce.wire.messages import JobSpec


@asynccontextmanager
async def spark_backend(prepared: Prepared, emit: Observer) -> AsyncIterator[Backend]:
    """Start Spark; it ends with the block."""
    config, runs = prepared.config, prepared.runs
    memory_bytes = config.task_memory_bytes or TASK_MEMORY_BYTES

    def load(spec: JobSpec) -> Job:
        """Return the job for the split stage, which is this process's."""
        return instance(prepared.source.root, spec)

    with scratch_folder() as scratch:
        context = TaskContext(
            storage=runs.storage.with_own_count(),
            scratch=scratch / "split",
            memory_bytes=memory_bytes,
            load_job=load,
        )
        async with running_spark(config.spark_master, scratch, emit) as spark:
            yield SparkBackend(
                runs, context, spark, memory_bytes, stage_timeout_s=config.stage_timeout_s
            )
