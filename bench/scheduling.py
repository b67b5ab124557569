"""Measure the cost of a task for the driver: `python -m bench.scheduling --tasks 1000 --endpoints
9`.

Planner, scheduler, signatures and HTTP are real. The services are fakes that do no work, in another
process, so that all processor time counted here is the driver's. The memory is sampled on the way,
to show what each further task adds. `--json FILE` writes the figures.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import platform
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.fake_services import fake_mappers
from driver.plan.clock import Clock
from driver.plan.events import EventLog
from driver.plan.outcomes import Outcome
from driver.plan.tasks import RunPlan, map_tasks
from driver.scheduling.policy import RetryPolicy
from driver.scheduling.scheduler import StageRun
from driver.transport.endpoint import Endpoint
from driver.transport.http import HttpTransport
from mapreduce.wire.messages import (
    ByteRange,
    Cost,
    InputObject,
    JobSpec,
    Split,
    SplitResult,
    SplitRule,
    StageName,
)
from mapreduce.wire.tokens import new_key

SPLIT_BYTES = 64 << 20
LOOKS = 5
"""How often the memory is sampled."""


@dataclass(frozen=True, slots=True)
class Figures:
    """One measurement; `memory` is a list of (tasks, the driver's bytes after so many tasks)."""

    tasks: int
    endpoints: int
    slots: int
    task_s: float
    plan_cpu_s: float
    wall_s: float
    cpu_s: float
    memory: tuple[tuple[int, int], ...]
    python: str = platform.python_version()
    machine: str = platform.platform()

    @property
    def cpu_ms_a_task(self) -> float:
        """The driver's processor time for a task, in milliseconds."""
        return 1000 * (self.cpu_s + self.plan_cpu_s) / self.tasks


class FakeFleet:
    """Fixed endpoints, looked up as often as those of a real fleet."""

    refresh_s = 2.0

    def __init__(self, endpoints: list[Endpoint]) -> None:
        self._endpoints = endpoints

    async def endpoints(self, stage: StageName) -> list[Endpoint]:
        """Return all endpoints."""
        return self._endpoints

    async def why_gone(self, stage: StageName, names: Sequence[str]) -> dict[str, str]:
        """Return no reasons: no endpoint ever ends."""
        return {}

    async def why_unreached(self, stage: StageName, names: Sequence[str]) -> str:
        """Return no cause."""
        return ""


def measure(tasks: int, endpoints: int, slots: int, task_s: float, partitions: int) -> Figures:
    """Plan and run one map stage.

    Args:
        tasks: how many.
        endpoints: fake mappers.
        slots: tasks that each runs at the same time.
        task_s: the simulated time of a task, in seconds.
        partitions: blocks in each result.
    """
    key = new_key()
    plan_began = time.process_time()
    specs = map_tasks(*_planned(tasks, partitions))
    plan_cpu_s = time.process_time() - plan_began
    memory: list[tuple[int, int]] = []
    looks = {tasks * look // LOOKS for look in range(1, LOOKS + 1)}
    seen = 0

    def done(_: Outcome) -> None:
        nonlocal seen
        seen += 1
        if seen in looks:
            memory.append((seen, resident_bytes()))

    async def stage(urls: list[str]) -> tuple[float, float]:
        fleet = FakeFleet(
            [Endpoint(f"mapper-{number}", url, slots) for number, url in enumerate(urls)]
        )
        policy = RetryPolicy()
        async with HttpTransport(key, policy.heartbeat_timeout_s) as transport:
            run = StageRun("map", fleet, transport, policy, EventLog(), Clock(), done)
            wall, cpu = time.monotonic(), time.process_time()
            await run.run(specs)
            return time.monotonic() - wall, time.process_time() - cpu

    with fake_mappers(endpoints, key, task_s) as urls:
        wall_s, cpu_s = asyncio.run(stage(urls))
    return Figures(tasks, endpoints, slots, task_s, plan_cpu_s, wall_s, cpu_s, tuple(memory))


def resident_bytes() -> int:
    """Return this process's memory now (Linux), or at its peak (elsewhere)."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    import os

    return pages * os.sysconf("SC_PAGE_SIZE")


def _planned(tasks: int, partitions: int) -> tuple[RunPlan, SplitResult]:
    """Return a run over one large input, and the result of its split stage."""
    given = InputObject(
        url="s3://a-bucket/a-large-input.txt", size=SPLIT_BYTES * tasks, etag="0" * 32
    )
    job = JobSpec(code="0" * 64, module="mapreduce_jobs.word_count", name="WordCount")
    plan = RunPlan(
        run="run-1",
        created=0.0,
        target="aws",
        store="s3://a-bucket",
        job=job,
        inputs=(given,),
        cut=SplitRule(split_bytes=SPLIT_BYTES),
        partitions=partitions,
        mode="range",
        top=10,
    )
    splits = tuple(
        Split(
            index=index,
            pieces=(
                ByteRange(
                    url=given.url,
                    etag=given.etag,
                    size=given.size,
                    start=SPLIT_BYTES * index,
                    end=SPLIT_BYTES * (index + 1),
                    source=given.url,
                ),
            ),
        )
        for index in range(tasks)
    )
    cost = Cost(seconds=0.0, peak_memory_bytes=0)
    return plan, SplitResult(splits=splits, bytes_read=0, bytes_written=0, cost=cost)


def main() -> None:
    """Parse the command line, measure, and print a table."""
    parser = argparse.ArgumentParser(description="What a task costs the driver.")
    parser.add_argument("--tasks", type=int, default=1000)
    parser.add_argument("--endpoints", type=int, default=4)
    parser.add_argument(
        "--slots", type=int, default=2, help="tasks that an endpoint takes at the same time"
    )
    parser.add_argument(
        "--seconds", type=float, default=0.0, help="how long each task seems to take"
    )
    parser.add_argument("--partitions", type=int, default=4)
    parser.add_argument("--json", type=Path, help="write the figures to this file too")
    given = parser.parse_args()
    figures = measure(given.tasks, given.endpoints, given.slots, given.seconds, given.partitions)
    sys.stdout.write(_table(figures))
    if given.json:
        given.json.write_text(
            json.dumps(asdict(figures) | {"cpu_ms_a_task": figures.cpu_ms_a_task}) + "\n"
        )


def _table(figures: Figures) -> str:
    rows = [
        ("tasks", f"{figures.tasks:,}"),
        ("endpoints", f"{figures.endpoints} with {figures.slots} slots each"),
        ("wall", f"{figures.wall_s:.2f} s"),
        ("driver's processor time", f"{figures.cpu_s + figures.plan_cpu_s:.2f} s"),
        ("  of it planning", f"{figures.plan_cpu_s:.2f} s"),
        ("  a task", f"{figures.cpu_ms_a_task:.2f} ms"),
        *((f"memory after {tasks:,}", f"{held / 1e6:.0f} MB") for tasks, held in figures.memory),
    ]
    return "".join(f"{name:<26}{value}\n" for name, value in rows)


if __name__ == "__main__":
    main()
