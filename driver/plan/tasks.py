"""A run's tasks, and the content-addressed key of each. Pure: no clock, no store, no fleet."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from driver.plan.origins import Origin
from driver.plan.target import Target
from mapreduce.code import CodeIdentity
from mapreduce.wire.build import Build
from mapreduce.wire.messages import (
    FORMAT_VERSION,
    InputObject,
    JobSpec,
    JoinedPart,
    MapResult,
    MapTask,
    Message,
    ReduceTask,
    Split,
    SplitMode,
    SplitResult,
    SplitRule,
    SplitTask,
    StageName,
    StoredObject,
)
from mapreduce.wire.tasks import TaskMessages

AnyTask = SplitTask | MapTask | ReduceTask


class RunPlan(Message):
    """The plan of a run; written before its first task.

    `cut` says how the inputs are cut, `store` is the root URL of all that the run writes. With 0
    `partitions` the maps' pairs are the result. `broadcast` is the name of the inputs that each map
    task reads whole ("" for none). `columns` and `keep_order` are the job's.
    `keep_pairs`: the result's pairs are kept with their exact types, for the next step of a chain
    or for a program in Python. `joined` are the parts of an earlier step that the reduce tasks of a
    step merge, one for each. `chain`: its job is a chain, whose steps are runs named by
    `mapreduce.wire.keys.step`. `build` is what the tasks run on, `code` the part of the job's code
    that they depend on, and `modules` names the modules in both. `left_out`: how many entries of
    the given folders and prefixes are not inputs.
    `job_folder` is the folder of the author's files on the driver's machine, `command` the command
    that the user gave, `origins` says which cells of a notebook the job's file was gathered from,
    `asked` the settings in the command, which win over those of a chain's steps, and `version` is
    that of the program that wrote it ("" before 0.2.0).
    """

    run: str
    created: float
    target: Target
    store: str
    job: JobSpec
    inputs: tuple[InputObject, ...]
    cut: SplitRule
    partitions: int
    mode: SplitMode
    top: int
    total_order: bool = False
    columns: tuple[str, ...] | dict[str, tuple[str, ...]] = ()
    keep_order: bool = False
    keep_pairs: bool = False
    joined: tuple[JoinedPart, ...] = ()
    chain: bool = False
    build: Build = Build(engine="", python="")
    code: CodeIdentity = CodeIdentity()
    modules: tuple[str, ...] = ()
    left_out: int = 0
    job_folder: str = ""
    command: str = ""
    origins: tuple[Origin, ...] = ()
    asked: tuple[str, ...] = ()
    version: str = ""
    broadcast: str = ""


@dataclass(frozen=True, slots=True)
class TaskSpec:
    """One task: its content-addressed key, the bytes it will read, and its message for an attempt.

    `reads` describes its input for people. `redone` counts how often its output was lost after it
    had finished.
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
        """The task's name for people, e.g. `map-3`."""
        return f"{self.stage}-{self.index}"

    def attempt(self, number: int) -> AnyTask:
        """Return the message of an attempt; the first of the run is number 1."""
        return self.message(f"{number - 1}")


def messages_of(plan: RunPlan) -> TaskMessages:
    """Return the builder of the messages of a run's tasks."""
    return TaskMessages(
        run=plan.run,
        store=plan.store,
        job=plan.job,
        partitions=plan.partitions,
        total_order=plan.total_order,
        top=plan.top,
        keep_pairs=plan.keep_pairs,
        joined=plan.joined,
        broadcast=plan.broadcast,
    )


def split_task(plan: RunPlan) -> TaskSpec:
    """Return the one task of the split stage."""
    messages = messages_of(plan)

    def message(attempt: str) -> SplitTask:
        return messages.split(plan.inputs, plan.cut, mode=plan.mode, attempt=attempt)

    key = task_key(
        "split",
        inputs=[given.model_dump() for given in plan.inputs],
        cut=plan.cut.model_dump(),
        mode=plan.mode,
        **({"broadcast": plan.broadcast} if plan.broadcast else {}),
        key_ranges=messages.key_ranges,
        job=_job_identity(plan, plan.code.map) if messages.key_ranges else None,
        build=plan.build.model_dump(),
    )
    return TaskSpec("split", 0, key, sum(given.size for given in plan.inputs), message)


def map_tasks(plan: RunPlan, split: SplitResult) -> list[TaskSpec]:
    """Return one task for each split."""
    return [_map_task(plan, each, split.boundaries) for each in split.splits]


def reduce_tasks(
    plan: RunPlan,
    maps: Sequence[MapResult],
    outputs: StoredObject | None,
    *,
    keep_states: bool = False,
    secret: str = "",
) -> list[TaskSpec]:
    """Return one task for each partition.

    Args:
        plan: the plan.
        maps: the result of each map task.
        outputs: the list of their objects; None where another shuffle carries the pairs.
        keep_states: merged states of earlier runs may be used, and those of this run are kept.
        secret: without it, no other job's code can make states that are used.
    """
    # the indexes' digests, not their URLs: a map task that runs again with the same answer changes
    # no key. Hashed once, for the keys of all partitions
    read = task_key("reduce", maps=[each.blocks.digest for each in maps if each.blocks])
    size = sum(each.size for each in maps) // max(1, plan.partitions)
    identity = {"job": _job_identity(plan, plan.code.reduce), "build": plan.build.model_dump()}
    states = _sealing(task_key("reduce", states=identity), secret) if keep_states else ""
    messages = replace(messages_of(plan), states=states)
    return [
        _reduce_task(plan, number, read, size, outputs, messages)
        for number in range(plan.partitions)
    ]


def task_key(stage: StageName, **identity: Any) -> str:
    """Return the key of a finished task's record: SHA-256 of all that its result depends on."""
    text = json.dumps(
        [FORMAT_VERSION, stage, identity], sort_keys=True, separators=(",", ":"), ensure_ascii=False
    )
    return hashlib.sha256(text.encode()).hexdigest()


def _sealing(identity: str, secret: str) -> str:
    """Return the identity that kept states are sealed with."""
    # the prefix keeps it apart from tokens, which are signed with the same secret
    text = f"kept states: {identity}".encode()
    return hmac.new(secret.encode(), text, hashlib.sha256).hexdigest()


def _job_identity(plan: RunPlan, code: str) -> dict[str, Any]:
    """Return what a result depends on of the job; without a `code` identity, its whole package."""
    return plan.job.model_dump() | ({"code": code} if code else {})


def _map_task(plan: RunPlan, split: Split, boundaries: StoredObject | None) -> TaskSpec:
    messages = messages_of(plan)

    def message(attempt: str) -> MapTask:
        return messages.map(split, boundaries, attempt=attempt)

    key = task_key("map", pieces=pieces_identity(split), **map_identity(plan, boundaries))
    return TaskSpec("map", split.index, key, split.length, message, _ranges(split))


def map_identity(plan: RunPlan, boundaries: StoredObject | None) -> dict[str, Any]:
    """Return what the keys of all map tasks of a run have in common."""
    messages = messages_of(plan)
    return {
        "job": _job_identity(plan, plan.code.map),
        "build": plan.build.model_dump(),
        "partitions": plan.partitions,
        "boundaries": boundaries.digest if boundaries else None,
        "top": messages.map_top,
        "keep_pairs": messages.keep_map_pairs,
        "table": None if plan.partitions else _table(plan),
        **({"broadcast": plan.broadcast} if plan.broadcast else {}),
    }


def _table(plan: RunPlan) -> list[Any]:
    """Return what the bytes of a part depend on beside its pairs."""
    return [plan.keep_order, plan.columns]


def pieces_identity(split: Split) -> list[dict[str, Any]]:
    """Return the part of a map task's key that is its own: what it reads."""
    # every run copies its chunk files again: the key holds their digests, not their URLs
    pieces = [
        piece.model_dump(exclude={"url", "etag"} if piece.digest else None)
        for piece in (*split.pieces, *(split.beside or ()))
    ]
    # the records of what is broadcast count in one task: another one's result has them not
    return [*pieces, {"counts": True}] if split.counts_beside else pieces


def _ranges(split: Split) -> str:
    """Return e.g. `s3://books/a.txt bytes 0-100`, and how many more."""
    first = [f"{piece.source} bytes {piece.start}-{piece.end}" for piece in split.pieces[:1]]
    return "".join(first) + (f" and {len(split.pieces) - 1} more" if len(split.pieces) > 1 else "")


def _reduce_task(
    plan: RunPlan,
    number: int,
    read: str,
    size_bytes: int,
    outputs: StoredObject | None,
    messages: TaskMessages,
) -> TaskSpec:
    def message(attempt: str) -> ReduceTask:
        return messages.reduce(number, outputs, attempt=attempt)

    joined = plan.joined[number] if plan.joined else None
    key = task_key(
        "reduce",
        read=read,
        **({"joined": joined.digest} if joined else {}),
        job=_job_identity(plan, plan.code.reduce),
        build=plan.build.model_dump(),
        partition=number,
        partitions=plan.partitions,
        top=plan.top,
        keep_pairs=plan.keep_pairs,
        table=_table(plan),
    )
    size_bytes += joined.size if joined else 0
    return TaskSpec("reduce", number, key, size_bytes, message, f"partition {number}")
