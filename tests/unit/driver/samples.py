"""Values that several tests of the driver need."""

from __future__ import annotations

from driver.planning import RunPlan
from mapreduce.messages import InputObject, JobSpec

JOB = JobSpec(code="0" * 64, module="jobs.word_count", name="WordCount")


def run_plan(**changes: object) -> RunPlan:
    """A plan over one input of 1000 bytes, with the changes asked for."""
    plan = RunPlan(
        run="run-1",
        created=0.0,
        target="local",
        store="file:///store",
        job=JOB,
        inputs=(InputObject(url="file:///in/a.txt", size=1000, etag="e1"),),
        splits=4,
        partitions=2,
        mode="range",
        top=10,
    )
    return plan.model_copy(update=changes)
