"""What a run's tasks are, and the content-addressed key of each. Pure: no clock, no store, no fleet."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from driver.plan.target import Target
from mapreduce.code import CodeIdentity
from mapreduce.wire.build import Build
from mapreduce.wire.messages import (
    FORMAT_VERSION,
    InputObject,
    JobSpec,
    MapResult,
    MapTask,
    Message,
    ReduceTask,
    Split,
    SplitMode,
    SplitResult,
    SplitTask,
    StageName,
)
from mapreduce.wire.tasks import TaskMessages

CHUNK_BYTES = 64 << 20
"""How long a split is when nothing is asked for: a task's start costs little of it, and there are many to spread."""
SHORT_CHUNK_BYTES = 4 << 20
"""Below this a split's own cost shows; only so that no mapper is without one are they shorter."""
WAVES = 4
"""Splits for each slot, where there would else be fewer."""

AnyTask = SplitTask | MapTask | ReduceTask


class RunPlan(Message):
    """What a run set out to do; written before its first task.

    `splits` is how many ranges the inputs are cut into, `store` the root URL of all that the run writes. With no
    partition the maps' pairs are the result. `keep_pairs`: it is a step of a chain. `chain`: its job is one, and its
    steps are runs of their own, named by `mapreduce.wire.keys.step`. `build` is what the tasks run on, `code` what they
    depend on of the job's code, and `modules` names all that the two were told of. `left_out`: how many entries of the
    given folders and prefixes are no input. `job_folder` is where the author's files lie on the machine of the driver.
    """

    run: str
    created: float
    target: Target
    store: str
    job: JobSpec
    inputs: tuple[InputObject, ...]
    splits: int
    partitions: int
    mode: SplitMode
    top: int
    total_order: bool = False
    keep_pairs: bool = False
    chain: bool = False
    build: Build = Build(engine="", python="")
    code: CodeIdentity = CodeIdentity()
    modules: tuple[str, ...] = ()
    left_out: int = 0
    job_folder: str = ""


@dataclass(frozen=True, slots=True)
class TaskSpec:
    """One task to be done: its content-addressed key, the bytes it will read, and its message for an attempt.

    `reads` says for a person what it reads. `redone` counts how often it was done before and its output was lost.
    """

    stage: StageName
    index: int
    key: str
    size_bytes: int
    message: Callable[[str], AnyTask]
    reads: str = ""
    redone: int = 0

    @property
    def name(self) -> str:
        """How people call it, e.g. `map-3`."""
        return f"{self.stage}-{self.index}"

    def attempt(self, number: int) -> AnyTask:
        """Return the message of an attempt; the first of the run is number 1."""
        return self.message(f"{number - 1}")


def split_count(
    total_bytes: int, *, chunks: int | None, chunk_bytes: int | None, slots: int
) -> int:
    """How many splits to cut.

    Args:
        total_bytes: of all inputs.
        chunks: what the user asked for, if anything.
        chunk_bytes: how long the user wants a split, if anything.
        slots: map tasks that run at the same time. With nothing asked for, splits are `CHUNK_BYTES` long, or shorter
            where that would leave slots idle at the end: each slot then gets `WAVES` of them, all as many.
    """
    if chunks is not None:
        return chunks
    if chunk_bytes is not None:
        return max(1, -(-total_bytes // chunk_bytes))
    count = -(-total_bytes // CHUNK_BYTES)
    waves = min(WAVES, max(1, total_bytes // (SHORT_CHUNK_BYTES * slots)))
    return count if count >= WAVES * slots else slots * max(waves, -(-count // slots))


def messages_of(plan: RunPlan) -> TaskMessages:
    """Return what builds the messages of a run's tasks."""
    return TaskMessages(
        run=plan.run,
        store=plan.store,
        job=plan.job,
        partitions=plan.partitions,
        total_order=plan.total_order,
        top=plan.top,
        keep_pairs=plan.keep_pairs,
    )


def split_task(plan: RunPlan) -> TaskSpec:
    """Return the one task of the split stage."""
    messages = messages_of(plan)

    def message(attempt: str) -> SplitTask:
        return messages.split(plan.inputs, plan.splits, mode=plan.mode, attempt=attempt)

    key = task_key(
        "split",
        inputs=[given.model_dump() for given in plan.inputs],
        splits=plan.splits,
        mode=plan.mode,
        key_ranges=messages.key_ranges,
        job=_job_identity(plan, plan.code.map) if messages.key_ranges else None,
        build=plan.build.model_dump(),
    )
    return TaskSpec("split", 0, key, sum(given.size for given in plan.inputs), message)


def map_tasks(plan: RunPlan, split: SplitResult) -> list[TaskSpec]:
    """Return one task a split."""
    return [_map_task(plan, each, split.boundaries) for each in split.splits]


def reduce_tasks(plan: RunPlan, maps: Sequence[MapResult]) -> list[TaskSpec]:
    """Return one task a partition."""
    return [_reduce_task(plan, number, maps) for number in range(plan.partitions)]


def task_key(stage: StageName, **identity: Any) -> str:
    """Return the key under which a finished task can be found again: SHA-256 of all that its result
    depends on.
    """
    text = json.dumps(
        [FORMAT_VERSION, stage, identity], sort_keys=True, separators=(",", ":"), ensure_ascii=False
    )
    return hashlib.sha256(text.encode()).hexdigest()


def _job_identity(plan: RunPlan, code: str) -> dict[str, Any]:
    """Return what a result depends on of the job; of a plan without an identity of the code, every byte of its pack."""
    return plan.job.model_dump() | ({"code": code} if code else {})


def _map_task(plan: RunPlan, split: Split, boundaries: tuple[str, ...] | None) -> TaskSpec:
    messages = messages_of(plan)

    def message(attempt: str) -> MapTask:
        return messages.map(split, boundaries, attempt=attempt)

    # a chunk file is copied anew by every run: what its bytes are, not where they lie
    key = task_key(
        "map",
        pieces=[
            piece.model_dump(exclude={"url", "etag"} if piece.digest else None)
            for piece in split.pieces
        ],
        job=_job_identity(plan, plan.code.map),
        build=plan.build.model_dump(),
        partitions=plan.partitions,
        boundaries=boundaries,
        top=messages.map_top,
        keep_pairs=messages.keep_map_pairs,
    )
    return TaskSpec("map", split.index, key, split.length, message, _ranges(split))


def _ranges(split: Split) -> str:
    """E.g. `s3://books/a.txt bytes 0-100`, and how many more."""
    first = [f"{piece.source} bytes {piece.start}-{piece.end}" for piece in split.pieces[:1]]
    return "".join(first) + (f" and {len(split.pieces) - 1} more" if len(split.pieces) > 1 else "")


def _reduce_task(plan: RunPlan, number: int, maps: Sequence[MapResult]) -> TaskSpec:
    messages = messages_of(plan)

    def message(attempt: str) -> ReduceTask:
        # built when it is needed: those of all tasks at once would be maps times partitions
        return messages.reduce(number, maps, attempt=attempt)

    blocks = [result.blocks[number] for result in maps]
    # what the blocks hold, not where they lie: a map task done again with the same answer changes nothing here
    key = task_key(
        "reduce",
        blocks=[[block.records, block.checksum] for block in blocks],
        job=_job_identity(plan, plan.code.reduce),
        build=plan.build.model_dump(),
        partition=number,
        partitions=plan.partitions,
        top=plan.top,
        keep_pairs=plan.keep_pairs,
    )
    return TaskSpec(
        "reduce", number, key, sum(block.length for block in blocks), message, f"partition {number}"
    )
