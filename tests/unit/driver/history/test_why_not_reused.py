"""Which part of the map tasks' keys differs from an earlier run."""

from __future__ import annotations

from typing import Any

import pytest

from driver.history.why_not_reused import differences, nearest
from driver.plan.tasks import RunPlan
from mapreduce.code import CodeIdentity
from mapreduce.engine.split import plan_splits
from mapreduce.input_formats import Csv
from mapreduce.wire.build import Build
from mapreduce.wire.messages import InputObject, Split, SplitRule, StoredObject
from tests.unit.driver.samples import JOB, run_plan

A = InputObject(url="file:///in/a.txt", size=1000, etag="e1")
B = InputObject(url="file:///in/b.txt", size=1000, etag="e2")
BEFORE = run_plan(
    run="run-0",
    inputs=(A, B),
    cut=SplitRule(split_bytes=500, pack_bytes=500),
    code=CodeIdentity(map="m", reduce="r"),
)


def _splits(plan: RunPlan) -> tuple[Split, ...]:
    return plan_splits(plan.inputs, plan.cut)


def _found(**changes: object) -> list[tuple[str, int, str]]:
    now = BEFORE.model_copy(update={"run": "run-1", **changes})
    found = differences(now, _splits(now), BEFORE, _splits(BEFORE))
    return [(each.part, each.tasks, each.detail) for each in found]


@pytest.mark.parametrize(
    ("changes", "part", "detail"),
    [
        ({"build": Build(engine="x", python="")}, "build", "engine"),
        ({"code": CodeIdentity(map="n", reduce="r")}, "code", "code of WordCount"),
        (
            {"job": JOB.model_copy(update={"packages": "1" * 64})},
            "packages",
            "the packages of WordCount",
        ),
        (
            {"job": JOB.model_copy(update={"parameters": {"k": 2}})},
            "parameters",
            "k=2 (was None)",
        ),
        ({"partitions": 7}, "partitions", "--reducers 7, and 2 before"),
        ({"cut": SplitRule(split_bytes=250, pack_bytes=250)}, "cut", "--chunk-size"),
        ({"code": CodeIdentity(map="m", reduce="changed")}, "kept", "no longer there"),
    ],
)
def test_a_part_that_differs_for_all_tasks(changes: dict[str, Any], part: str, detail: str) -> None:
    """One difference for all map tasks; a change of `reduce` is none of a map task's."""
    ((found, tasks, text),) = _found(**changes)
    assert part == found
    assert tasks == len(_splits(BEFORE.model_copy(update=changes)))
    assert detail in text


def test_inputs_that_are_new_or_changed() -> None:
    """Of three files one is as it was, one has changed, and one is new."""
    changed = A.model_copy(update={"etag": "e9"})
    new = B.model_copy(update={"url": "file:///in/c.txt"})
    found = {part: (tasks, text) for part, tasks, text in _found(inputs=(changed, B, new))}
    assert (4, "1 file new, 1 file changed: a.txt, c.txt") == found["input"]
    assert 2 == found["kept"][0]


def test_another_format() -> None:
    """The same bytes in another format are other records."""
    as_csv = A.model_copy(update={"format": Csv()})
    assert [("format", 2), ("kept", 2)] == [
        (part, tasks) for part, tasks, _ in sorted(_found(inputs=(as_csv, B)))
    ]


def test_other_key_ranges() -> None:
    """A sorted run whose sampled keys are others maps all again."""
    now, then = (StoredObject(url="u", size=1, etag="e", digest=each) for each in "ab")
    (found,) = differences(BEFORE, _splits(BEFORE), BEFORE, _splits(BEFORE), (now, then))
    assert ("key ranges", 4) == (found.part, found.tasks)


def test_nothing_new_has_no_difference() -> None:
    """When all maps are reused, nothing is compared."""
    assert () == differences(BEFORE, (), BEFORE, ())


def test_the_nearest_run_shares_the_most_inputs() -> None:
    """Of the same job; of several the last; a chain and another job never."""
    plans = [
        BEFORE.model_copy(update=changes)
        for changes in (
            {"run": "one-input", "inputs": (A,), "created": 9.0},
            {"run": "old", "created": 1.0},
            {"run": "new", "created": 2.0},
            {"run": "chain", "chain": True, "created": 5.0},
            {"run": "other", "job": JOB.model_copy(update={"name": "Other"}), "created": 5.0},
        )
    ]
    found = nearest(BEFORE, plans)
    assert found is not None
    assert "new" == found.run
    assert nearest(BEFORE, []) is None
