"""Measure what the driver holds and sends in a run of M x R blocks, and how long it plans:
`python -m bench.shuffle_scale --maps 15000 --reducers 1000`.

The pipeline, scheduler and records are the real ones. Fleet and objects are fakes: a task is
answered at once with a result of the usual length, and its object exists in name only. The other
objects, which the driver itself writes, lie in a temporary folder.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncGenerator, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from driver.history.run_store import RunStore
from driver.plan.cut import reducer_count, split_rule
from driver.plan.events import EventLog
from driver.plan.tasks import AnyTask, RunPlan, map_tasks, split_task
from driver.run.pipeline import run_job
from driver.run.stages import FleetBackend
from driver.transport.base import Heard, unheard
from driver.transport.endpoint import Endpoint
from mapreduce.engine.split import plan_splits
from mapreduce.storage import ObjectInfo
from mapreduce.storage.local import LocalStorage
from mapreduce.wire import keys
from mapreduce.wire.messages import (
    AttemptId,
    BlocksSum,
    Cost,
    Done,
    InputObject,
    JobSpec,
    MapResult,
    MapTask,
    RangeRead,
    ReduceResult,
    ReduceTask,
    SplitResult,
    SplitRule,
    SplitTask,
    StageName,
)

SPLIT_BYTES = 64 << 20
BLOCK_BYTES = 64_000
ETAG = "0" * 32
COST = Cost(seconds=1.0, peak_memory_bytes=100_000_000)
TB = 10**12


@dataclass(frozen=True, slots=True)
class Figures:
    """One measurement: bytes of the driver's process and of its messages, and seconds."""

    maps: int
    reducers: int
    memory_bytes: int
    request_bytes: dict[str, int]
    longest_request_bytes: dict[str, int]
    answer_bytes: int
    cpu_s: float

    @property
    def blocks(self) -> int:
        """How many blocks the run has."""
        return self.maps * self.reducers


class Imaginary(LocalStorage):
    """A local folder; inputs, map outputs and parts exist in name only."""

    def __init__(self, folder: str) -> None:
        self._folder = f"file://{folder}"

    def _real(self, url: str) -> bool:
        below = url.removeprefix(self._folder)
        return not below.startswith(("s3:", f"/{keys.REDUCE}/")) and ".attempt-" not in below

    def head(self, url: str) -> ObjectInfo:
        """Return the object's info; an imaginary one has whatever length was planned."""
        return super().head(url) if self._real(url) else ObjectInfo(url, BLOCK_BYTES, ETAG, "d")

    def vouches(self, url: str) -> bool:
        """Return that an ETag stands for the bytes."""
        return True

    def copy(
        self, source: str, target: str, *, expected: ObjectInfo | None = None, durable: bool = False
    ) -> ObjectInfo:
        """Copy nothing."""
        return ObjectInfo(target, BLOCK_BYTES, ETAG, "d")


class Fakes:
    """A fleet and a transport: every task is done at once, and its messages are counted."""

    refresh_s = 60.0

    def __init__(self) -> None:
        self.request_bytes: Counter[str] = Counter()
        self.longest: Counter[str] = Counter()
        self.answer_bytes = 0

    async def endpoints(self, stage: StageName) -> list[Endpoint]:
        """Return a hundred endpoints."""
        return [Endpoint(f"{stage}-{number}", "", 4) for number in range(100)]

    async def why_gone(self, stage: StageName, names: Sequence[str]) -> dict[str, str]:
        """Return no reasons: no endpoint ever ends."""
        return {}

    async def why_unreached(self, stage: StageName, names: Sequence[str]) -> str:
        """Return no cause."""
        return ""

    async def run(
        self, endpoint: Endpoint, task: AnyTask, heard: Heard = unheard
    ) -> AsyncGenerator[Done, None]:
        """Answer a task."""
        size = len(task.model_dump_json())
        self.request_bytes[task.stage] += size
        self.longest[task.stage] = max(self.longest[task.stage], size)
        await asyncio.sleep(0)
        done = Done(attempt=AttemptId.of(task), result=_result(task))
        self.answer_bytes += len(done.model_dump_json())
        yield done


def _result(task: AnyTask) -> SplitResult | MapResult | ReduceResult:
    if isinstance(task, SplitTask):
        splits = plan_splits(task.inputs, task.cut)
        return SplitResult(splits=splits, bytes_read=0, bytes_written=0, cost=COST)
    if isinstance(task, MapTask):
        return MapResult(
            url=keys.map_attempt(task.store, task.run, task.index, task.attempt),
            etag=ETAG,
            size=BLOCK_BYTES,
            digest="d",
            pieces=tuple(
                RangeRead(source=piece.source, start=piece.start, bytes_owned=piece.length)
                for piece in task.split.pieces
            ),
            records_in=1000,
            records_out=task.partitions,
            blocks=BlocksSum(partitions=task.partitions, digest=f"{task.index:032x}", seal=1),
            counters={},
            cost=COST,
        )
    return _reduced(task)


def _reduced(task: ReduceTask) -> ReduceResult:
    maps = _reduced.maps  # type: ignore[attr-defined]
    return ReduceResult(
        url=keys.part_attempt(task.store, task.run, task.index, task.attempt, "jsonl"),
        etag=ETAG,
        size=BLOCK_BYTES,
        digest="d",
        bytes_in=BLOCK_BYTES * maps,
        records_in=maps,
        checksum_in=7,
        records_indexed=maps,
        checksum_indexed=7,
        # together the seals of the maps: one for each
        seal=maps if task.index == 0 else 0,
        records_out=1000,
        top=tuple((f"a frequent key {number}", 10**6 + number) for number in range(task.top)),
        counters={},
        cost=COST,
    )


def _peak_bytes() -> int:
    """Return the most memory that this program has had.

    `ru_maxrss` also counts the process that has started it: on Linux it outlives `exec`.
    """
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    (line,) = (each for each in status.read_text().splitlines() if each.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024


def measure(maps: int, reducers: int) -> Figures:
    """Carry out a run of so many map and reduce tasks with fakes."""
    _reduced.maps = maps  # type: ignore[attr-defined]
    with tempfile.TemporaryDirectory(prefix="mapreduce-") as folder:
        fakes = Fakes()
        runs = RunStore(Imaginary(folder), f"file://{folder}")
        given = InputObject(
            url="s3://a-bucket/a-large-input.txt", size=SPLIT_BYTES * maps, etag=ETAG
        )
        plan = RunPlan(
            run="run-1",
            created=0.0,
            target="aws",
            store=runs.store,
            job=JobSpec(code="0" * 64, module="mapreduce_jobs.word_count", name="WordCount"),
            inputs=(given,),
            cut=SplitRule(split_bytes=SPLIT_BYTES),
            partitions=reducers,
            mode="range",
            top=10,
        )
        began = time.process_time()
        backend = FleetBackend(runs, fakes, fakes)
        asyncio.run(run_job(plan, backend, EventLog(), fresh=False, started=time.monotonic()))
        cpu_s = time.process_time() - began
    return Figures(
        maps,
        reducers,
        _peak_bytes(),
        dict(fakes.request_bytes),
        dict(fakes.longest),
        fakes.answer_bytes,
        cpu_s,
    )


def planned(total_bytes: int, file_bytes: int) -> Iterator[tuple[str, str]]:
    """Plan a run over imaginary objects of one length; yield rows of figures."""
    inputs = tuple(
        InputObject(url=f"s3://a-bucket/day={number:06d}/events.json", size=file_bytes, etag=ETAG)
        for number in range(total_bytes // file_bytes)
    )
    began = time.process_time()
    cut = split_rule(total_bytes)
    reducers = reducer_count(total_bytes, combines=False)
    splits = plan_splits(inputs, cut)
    plan = RunPlan(
        run="run-1",
        created=0.0,
        target="aws",
        store="s3://a-bucket",
        job=JobSpec(code="0" * 64, module="mapreduce_jobs.word_count", name="WordCount"),
        inputs=inputs,
        cut=cut,
        partitions=reducers,
        mode="range",
        top=10,
    )
    split_task(plan)
    specs = map_tasks(plan, SplitResult(splits=splits, bytes_read=0, bytes_written=0, cost=COST))
    seconds = time.process_time() - began
    size = f"{total_bytes / TB:g} TB in {len(inputs):,} objects"
    yield size, f"{len(specs):,} maps x {reducers:,} reducers, planned in {seconds:.1f} s"


def main() -> None:
    """Parse the command line, measure, and print a table."""
    parser = argparse.ArgumentParser(description="What M x R blocks cost the driver.")
    parser.add_argument("--maps", type=int, default=15_000)
    parser.add_argument("--reducers", type=int, default=1_000)
    parser.add_argument("--plan", action="store_true", help="plan 1 TB and 100 TB, run nothing")
    parser.add_argument("--json", type=Path, help="write the figures to this file too")
    given = parser.parse_args()
    if given.plan:
        for total in (TB, 100 * TB):
            for row in planned(total, 10**9):
                sys.stdout.write("{:<34}{}\n".format(*row))
        return
    figures = measure(given.maps, given.reducers)
    for name, value in (
        ("blocks", f"{figures.blocks:,}"),
        ("driver's memory", f"{figures.memory_bytes / 1e6:.0f} MB"),
        ("requests", f"{sum(figures.request_bytes.values()) / 1e6:.1f} MB"),
        *(
            (f"  longest {stage}", f"{size:,} B")
            for stage, size in figures.longest_request_bytes.items()
        ),
        ("answers", f"{figures.answer_bytes / 1e6:.1f} MB"),
        ("driver's processor time", f"{figures.cpu_s:.1f} s"),
    ):
        sys.stdout.write(f"{name:<26}{value}\n")
    if given.json:
        given.json.write_text(json.dumps(asdict(figures)) + "\n")


if __name__ == "__main__":
    main()
