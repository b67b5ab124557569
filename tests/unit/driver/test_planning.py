"""Tasks and their keys."""

from __future__ import annotations

import pytest

from driver.planning import CHUNK_BYTES, RunPlan, map_tasks, reduce_tasks, split_count, split_task, task_key
from mapreduce.engine.split import plan_splits
from mapreduce.formats.kinds import Csv
from mapreduce.messages import Block, Cost, InputObject, JobSpec, MapResult, SplitResult
from tests.unit.driver.samples import JOB, run_plan


@pytest.mark.parametrize(
    ("total", "chunks", "chunk_bytes", "slots", "expected"),
    [
        (1000, 7, None, 3, 7),
        (1000, None, 300, 3, 4),
        (1000, None, None, 3, 3),
        (12 * CHUNK_BYTES, None, None, 3, 12),
        (12 * CHUNK_BYTES + 1, None, None, 3, 13),
        (10 * CHUNK_BYTES, None, None, 3, 12),
        (3 * CHUNK_BYTES, None, None, 2, 8),
        (CHUNK_BYTES, None, None, 5, 15),
        (CHUNK_BYTES // 2, None, None, 10, 10),
        (0, None, 10, 1, 1),
    ],
)
def test_number_of_splits(total: int, chunks: int | None, chunk_bytes: int | None, slots: int, expected: int) -> None:
    """What the user says goes first; else every slot has work, and no split is longer than the default."""
    assert split_count(total, chunks=chunks, chunk_bytes=chunk_bytes, slots=slots) == expected


def _result(url: str, checksum: int) -> MapResult:
    block = Block(offset=0, length=10, records=5, checksum=checksum, integers=True)
    return MapResult(
        url=url,
        etag="e",
        size=20,
        pieces=(),
        records_in=1,
        records_out=10,
        blocks=(block, block),
        counters={},
        cost=Cost(seconds=1, peak_memory_bytes=1),
    )


def _planned(plan: RunPlan, splits: int) -> SplitResult:
    return SplitResult(
        splits=plan_splits(plan.inputs, splits=splits),
        bytes_read=0,
        bytes_written=0,
        cost=Cost(seconds=0, peak_memory_bytes=0),
    )


def test_a_map_task_is_the_same_task_in_another_run() -> None:
    """The key does not hold the run, the store or the attempt, so that a later run finds it."""
    plan = run_plan()
    splits = _planned(plan, 4)
    here = [spec.key for spec in map_tasks(plan, splits)]
    there = [spec.key for spec in map_tasks(run_plan(run="run-2", created=5.0, target="inline"), splits)]
    assert here == there
    assert len(set(here)) == 4


@pytest.mark.parametrize(
    "change",
    [
        {"partitions": 3},
        {"job": JOB.model_copy(update={"parameters": {"min_length": 2}})},
        {"job": JobSpec(code="1" * 64, module="jobs.word_count", name="WordCount")},
        {"inputs": (InputObject(url="file:///in/a.txt", size=1000, etag="e2"),)},
        {"inputs": (InputObject(url="file:///in/b.txt", size=1000, etag="e1"),)},
        {"splits": 5},
        {"inputs": (InputObject(url="file:///in/a.txt", size=1000, etag="e1", format=Csv()),)},
        {"inputs": (InputObject(url="file:///in/a.txt", size=1000, etag="e1", name="users"),)},
        {"partitions": 0},
    ],
    ids=lambda change: next(iter(change)),
)
def test_whatever_changes_the_result_changes_the_key(change: dict[str, object]) -> None:
    """Code, parameters, partitions, content, name and range are all part of a map task's key."""

    def keys(plan_changes: dict[str, object]) -> set[str]:
        plan = run_plan(**plan_changes)
        return {spec.key for spec in map_tasks(plan, _planned(plan, plan.splits))}

    assert not keys({}) & keys(change)


def test_a_reduce_task_is_known_by_what_it_reads_not_by_where_that_lies() -> None:
    """A map task done again with the same answer leaves the reduce's key; another answer changes it."""
    plan = run_plan()
    before = [spec.key for spec in reduce_tasks(plan, [_result("file:///x", 1)])]
    assert before == [spec.key for spec in reduce_tasks(plan, [_result("file:///y", 1)])]
    assert before != [spec.key for spec in reduce_tasks(plan, [_result("file:///x", 2)])]
    assert len(set(before)) == 2


def test_keys_are_pinned() -> None:
    """A task that an earlier version finished is found by a later one: the spelling of keys may not drift."""
    key = task_key("map", pieces=[["s", 0, "e", 0, 5]], job={"code": "c"}, partitions=1)
    assert key == "cdf5026289908d7b28bade9040a3e664e3353410ad8a4209561f1eee95f87597"
    assert split_task(run_plan()).name == "split-0"
