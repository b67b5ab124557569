"""Tasks and their keys."""

from __future__ import annotations

import hashlib
from typing import Any, cast

import pytest

from driver.plan import tasks as module
from driver.plan.tasks import (
    RunPlan,
    TaskSpec,
    map_tasks,
    reduce_tasks,
    split_task,
    task_key,
)
from mapreduce.code import CodeIdentity
from mapreduce.engine.split import plan_splits
from mapreduce.input_formats import Csv
from mapreduce.wire.build import Build
from mapreduce.wire.messages import (
    FORMAT_VERSION,
    BlocksSum,
    ByteRange,
    Cost,
    InputObject,
    JobSpec,
    JoinedPart,
    MapResult,
    MapTask,
    ReduceTask,
    Split,
    SplitResult,
    SplitRule,
    SplitTask,
    StoredObject,
)
from tests.unit.driver.samples import JOB, run_plan

OUTPUTS = StoredObject(url="file:///store/list", size=9, etag="o", digest="d")
RANGES = StoredObject(url="file:///store/boundaries", size=3, etag="b", digest="c")


def _result(url: str, digest: str) -> MapResult:
    return MapResult(
        url=url,
        etag="e",
        size=20,
        pieces=(),
        records_in=1,
        records_out=10,
        blocks=BlocksSum(partitions=2, digest=digest, seal=1),
        counters={},
        cost=Cost(seconds=1, peak_memory_bytes=1),
    )


def _planned(plan: RunPlan, splits: int) -> SplitResult:
    return SplitResult(
        splits=plan_splits(plan.inputs, SplitRule(splits=splits)),
        bytes_read=0,
        bytes_written=0,
        cost=Cost(seconds=0, peak_memory_bytes=0),
    )


def test_a_map_task_is_the_same_task_in_another_run() -> None:
    """A map's key does not depend on run, store and attempt, so that a later run finds the task."""
    plan = run_plan()
    splits = _planned(plan, 4)
    here = [spec.key for spec in map_tasks(plan, splits)]
    there = [
        spec.key for spec in map_tasks(run_plan(run="run-2", created=5.0, target="inline"), splits)
    ]
    assert here == there
    assert len(set(here)) == 4


def test_an_input_that_is_broadcast_is_in_the_keys_of_all_maps() -> None:
    """A changed small input is never joined from an earlier run, nor is the choice mixed up."""
    given = [InputObject(url=f"file:///{name}", size=8, etag="1", name=name) for name in "ab"]
    changed = given[1].model_copy(update={"etag": "2"})

    def keys(*inputs: InputObject, broadcast: str = "b") -> list[str]:
        plan = run_plan(inputs=inputs, partitions=0, broadcast=broadcast)
        splits = plan_splits(inputs, SplitRule(splits=2), broadcast=broadcast)
        planned = _planned(plan, 2).model_copy(update={"splits": splits})
        return [split_task(plan).key, *(spec.key for spec in map_tasks(plan, planned))]

    assert keys(*given) == keys(*given)
    assert set(keys(*given)).isdisjoint(keys(given[0], changed))
    assert set(keys(*given)).isdisjoint(keys(*given, broadcast=""))


@pytest.mark.parametrize(
    "change",
    [
        {"partitions": 3},
        {"job": JOB.model_copy(update={"parameters": {"min_length": 2}})},
        {"job": JOB.model_copy(update={"packages": "1" * 64})},
        {"job": JobSpec(code="1" * 64, module="mapreduce_jobs.word_count", name="WordCount")},
        {"inputs": (InputObject(url="file:///in/a.txt", size=1000, etag="e2"),)},
        {"inputs": (InputObject(url="file:///in/b.txt", size=1000, etag="e1"),)},
        {"cut": SplitRule(splits=5)},
        {"inputs": (InputObject(url="file:///in/a.txt", size=1000, etag="e1", format=Csv()),)},
        {"inputs": (InputObject(url="file:///in/a.txt", size=1000, etag="e1", name="users"),)},
        {"partitions": 0},
    ],
    ids=lambda change: next(iter(change)),
)
def test_each_part_of_the_identity_changes_the_key(change: dict[str, object]) -> None:
    """A map's key depends on code, parameters, partitions, content, name and range."""

    def keys(plan_changes: dict[str, object]) -> set[str]:
        plan = run_plan(**plan_changes)
        return {spec.key for spec in map_tasks(plan, _planned(plan, plan.cut.splits or 1))}

    assert not keys({}) & keys(change)


def test_a_reduce_key_depends_on_content_and_not_on_urls() -> None:
    """A reduce's key depends on the maps' checksums, and not on their URLs."""
    plan = run_plan()
    before = [spec.key for spec in reduce_tasks(plan, [_result("file:///x", "1")], OUTPUTS)]
    assert before == [spec.key for spec in reduce_tasks(plan, [_result("file:///y", "1")], OUTPUTS)]
    assert before != [spec.key for spec in reduce_tasks(plan, [_result("file:///x", "2")], OUTPUTS)]
    assert len(set(before)) == 2


def test_a_reduce_key_depends_on_the_part_that_it_joins() -> None:
    """On its content, and not on where it lies; the other partitions' keys do not change."""

    def parts(*digests: str, folder: str = "a") -> tuple[JoinedPart, ...]:
        return tuple(
            JoinedPart(
                url=f"file:///{folder}/{n}", size=5, etag="", digest=digest, records=1, checksum=1
            )
            for n, digest in enumerate(digests)
        )

    def specs(joined: tuple[JoinedPart, ...]) -> list[TaskSpec]:
        return reduce_tasks(run_plan(joined=joined), [_result("file:///x", "1")], OUTPUTS)

    def keys(joined: tuple[JoinedPart, ...]) -> list[str]:
        return [spec.key for spec in specs(joined)]

    before, other = keys(parts("d", "e")), keys(parts("d", "f"))
    assert before == keys(parts("d", "e", folder="b"))
    assert [True, False] == [key == changed for key, changed in zip(before, other, strict=True)]
    assert not set(before) & set(keys(()))
    found = specs(parts("d", "e"))
    assert parts("d", "e") == tuple(cast("ReduceTask", spec.attempt(1)).joined for spec in found)
    assert [5, 5] == [
        spec.size_bytes - alone.size_bytes for spec, alone in zip(found, specs(()), strict=True)
    ]


BUILD = Build(engine="e", python="cpython-3.11.7", hashing="h", environment="v")
KNOWN = {"build": BUILD, "code": CodeIdentity(map="m", reduce="r")}
SORTED = {"total_order": True}
MAP_ONLY = {"partitions": 0}


def _keys(**changes: object) -> dict[str, set[str]]:
    """Return the keys of a plan's tasks by stage, with these changes of build or code."""
    plan = run_plan(**(KNOWN | changes))
    # the splits and blocks are fixed, so that a stage's keys depend only on their own fields
    split = _planned(run_plan(), 4)
    maps = [_result("file:///x", "1")]
    return {
        "split": {split_task(plan).key},
        "map": {spec.key for spec in map_tasks(plan, split)},
        "reduce": {spec.key for spec in reduce_tasks(plan, maps, OUTPUTS)},
    }


@pytest.mark.parametrize(
    ("base", "change", "expected"),
    [
        ({}, {"build": BUILD.model_copy(update={"engine": "f"})}, "split map reduce"),
        ({}, {"build": BUILD.model_copy(update={"python": "cpython-3.12.0"})}, "split map reduce"),
        ({}, {"build": BUILD.model_copy(update={"hashing": "i"})}, "split map reduce"),
        ({}, {"build": BUILD.model_copy(update={"environment": "w"})}, "split map reduce"),
        ({}, {"code": CodeIdentity(map="n", reduce="r")}, "map"),
        ({}, {"code": CodeIdentity(map="m", reduce="s")}, "reduce"),
        ({}, {"job": JOB.model_copy(update={"code": "1" * 64})}, ""),
        ({}, {"job": JOB.model_copy(update={"file": "my-job.py"})}, "map reduce"),
        ({}, {"job": JOB.model_copy(update={"parameters": {"min_length": 2}})}, "map reduce"),
        ({}, {"job": JOB.model_copy(update={"name": "Other"})}, "map reduce"),
        ({}, {"job": JOB.model_copy(update={"module": "jobs.other"})}, "map reduce"),
        ({}, {"partitions": 3}, "map reduce"),
        ({}, {"cut": SplitRule(splits=5)}, "split"),
        ({}, {"cut": SplitRule(split_bytes=250)}, "split"),
        ({}, {"mode": "copy"}, "split"),
        ({}, {"inputs": (InputObject(url="file:///in/a.txt", size=1000, etag="e2"),)}, "split"),
        ({}, {"total_order": True}, "split"),
        ({}, {"top": 11}, "reduce"),
        ({}, {"keep_pairs": True}, "reduce"),
        ({}, {"run": "run-2", "created": 5.0, "target": "inline", "store": "s3://b"}, ""),
        ({}, {"modules": ("helper",)}, ""),
        (MAP_ONLY, {"top": 11}, "map"),
        (MAP_ONLY, {"keep_pairs": True}, "map"),
        (SORTED, {"code": CodeIdentity(map="n", reduce="r")}, "split map"),
        (SORTED, {"code": CodeIdentity(map="m", reduce="s")}, "reduce"),
        (
            SORTED,
            {"job": JOB.model_copy(update={"parameters": {"min_length": 2}})},
            "split map reduce",
        ),
        (SORTED, {"partitions": 3}, "split map reduce"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, dict) else None,
)
def test_each_part_of_the_identity_is_in_the_keys_of_the_stages_that_depend_on_it(
    base: dict[str, object], change: dict[str, object], expected: str
) -> None:
    """Each part of a run's identity changes only the keys of the stages that depend on it."""
    before, after = _keys(**base), _keys(**(base | change))
    changed = [
        stage
        for stage in before
        if not before[stage] & after[stage] and (before[stage] or after[stage])
    ]
    same = [stage for stage in before if before[stage] == after[stage]]
    assert expected.split() == changed
    assert {"split", "map", "reduce"} == {*changed, *same}


def test_with_an_identity_of_the_code_its_pack_is_in_no_key() -> None:
    """With a code identity the pack's digest is in no key; without one it is in all."""
    packed = {"job": JOB.model_copy(update={"code": "1" * 64})}
    assert _keys() == _keys(**packed)
    unknown = {"code": CodeIdentity()}
    assert not _keys(**unknown)["map"] & _keys(**unknown, **packed)["map"]


def test_a_chunk_file_is_known_by_its_bytes() -> None:
    """A chunk file's digest is in the map's key, and its URL is not."""
    chunk = ByteRange(
        url="file:///c/1", etag="e", size=9, start=0, end=9, source="file:///in", digest="d" * 32
    )

    def key(**changes: object) -> str:
        split = Split(index=0, pieces=(chunk.model_copy(update=changes),))
        cost = Cost(seconds=0, peak_memory_bytes=0)
        (spec,) = map_tasks(
            run_plan(), SplitResult(splits=(split,), bytes_read=0, bytes_written=0, cost=cost)
        )
        return spec.key

    assert key() == key(url="file:///c/2", etag="f")
    others = [
        key(digest="e" * 32),
        key(source="file:///other"),
        key(source_offset=1),
        key(digest=""),
    ]
    assert len({key(), *others}) == 5


def test_keys_are_pinned() -> None:
    """The keys are pinned, so that a later version finds the tasks of an earlier one."""
    key = task_key("map", pieces=[["s", 0, "e", 0, 5]], job={"code": "c"}, partitions=1)
    assert key == "4e1f040f3de0b0a7fcab1598fb910ed77da54b4d1604a88cfb2ea075f760a1f0"
    assert split_task(run_plan()).name == "split-0"


def test_a_key_is_the_digest_of_its_json_text() -> None:
    """A key is the digest of a JSON text in UTF-8, with version, stage and sorted names."""
    text = f'[{FORMAT_VERSION},"map",{{"a":null,"b":"é"}}]'
    assert hashlib.sha256(text.encode()).hexdigest() == task_key("map", b="é", a=None)


def test_stage_and_boundaries_are_in_the_keys(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The boundaries of key ranges are in the maps' keys."""
    seen: list[tuple[Any, Any]] = []

    def noted(stage: Any, **identity: Any) -> str:
        seen.append((stage, identity))
        return "0" * 64

    monkeypatch.setattr(module, "task_key", noted)
    plan = run_plan(cut=SplitRule(splits=1))
    split = _planned(plan, 1).model_copy(update={"boundaries": RANGES})
    split_task(plan)
    map_tasks(plan, split)
    reduce_tasks(plan.model_copy(update={"partitions": 1}), [_result("file:///x", "1")], OUTPUTS)
    # once for what all reduces read, and once for each
    assert ["split", "map", "reduce", "reduce"] == [stage for stage, _ in seen]
    assert "c" == seen[1][1]["boundaries"]


# -- messages --------------------------------------------------------------------------------------


ORDERED = {"run": "run-9", "mode": "copy", "total_order": True, "keep_pairs": True, "top": 7}


def _specs(plan: RunPlan) -> tuple[TaskSpec, list[TaskSpec], list[TaskSpec], SplitResult]:
    split = _planned(plan, 3).model_copy(update={"boundaries": RANGES})
    maps = [_result("file:///m0", "1"), _result("file:///m1", "2")]
    return split_task(plan), map_tasks(plan, split), reduce_tasks(plan, maps, OUTPUTS), split


def test_an_attempt_is_named_by_its_number() -> None:
    """Attempts are named by their number, from 0."""
    names = [split_task(run_plan()).attempt(number).attempt for number in (1, 2, 12)]
    assert ["0", "1", "11"] == names


def test_the_split_stage_has_one_task_over_all_inputs() -> None:
    """The split stage is one task over all inputs, and samples keys for a total order."""
    inputs = tuple(InputObject(url=f"file:///in/{n}", size=n, etag="e") for n in (3, 4))
    plan = run_plan(inputs=inputs, **ORDERED)
    spec = split_task(plan)
    assert ("split", 0, 7, "", 0, "split-0") == (
        *(spec.stage, spec.index, spec.size_bytes, spec.reads, spec.redone),
        spec.name,
    )
    base: Any = {"run": "run-9", "attempt": "5", "store": "file:///store", "inputs": inputs}
    assert SplitTask(
        **base, cut=SplitRule(splits=4), mode="copy", key_ranges=2, job=JOB
    ) == spec.message("5")
    for change in ({"total_order": False}, {"partitions": 1}, {"partitions": 0}):
        plain = split_task(plan.model_copy(update=change)).message("5")
        assert (
            SplitTask(**base, cut=SplitRule(splits=4), mode="copy", key_ranges=None, job=None)
            == plain
        )


def test_a_map_task_reads_its_split() -> None:
    """A map task reads its split, cuts its pairs by the boundaries, and keeps a part without
    partitions.
    """
    plan = run_plan(**ORDERED)
    _, specs, _, split = _specs(plan)
    assert [("map", 0), ("map", 1), ("map", 2)] == [(spec.stage, spec.index) for spec in specs]
    assert 1000 == sum(spec.size_bytes for spec in specs)
    assert "file:///in/a.txt bytes 333-666" == specs[1].reads
    base: Any = {"run": "run-9", "attempt": "5", "store": "file:///store", "index": 1, "job": JOB}
    base |= {"split": split.splits[1], "boundaries": RANGES}
    assert MapTask(**base, partitions=2, top=0, keep_pairs=False) == specs[1].message("5")
    only = map_tasks(plan.model_copy(update={"partitions": 0}), split)[1].message("5")
    assert MapTask(**base, partitions=0, top=7, keep_pairs=True) == only
    unkept = map_tasks(run_plan(partitions=0, run="run-9", top=7), split)[1].message("5")
    assert MapTask(**base, partitions=0, top=7, keep_pairs=False) == unkept


def test_a_map_task_of_several_ranges_names_the_first() -> None:
    """A map task of several ranges shows the first, and the number of the others."""
    ranges = [
        ByteRange(url="", etag="e", size=9, start=n, end=9, source=f"file:///{n}") for n in range(3)
    ]
    said = [module._ranges(Split(index=0, pieces=tuple(ranges[:n]))) for n in range(4)]
    first = "file:///0 bytes 0-9"
    assert ["", first, f"{first} and 1 more", f"{first} and 2 more"] == said


def test_a_reduce_task_reads_the_list_of_map_outputs() -> None:
    """Its message and its key have one length, whatever the number of maps."""
    plan = run_plan(**ORDERED)
    few, many = (
        reduce_tasks(plan, [_result(f"file:///m{n}", str(n)) for n in range(count)], OUTPUTS)
        for count in (1, 1000)
    )
    assert [("reduce", 0, "partition 0"), ("reduce", 1, "partition 1")] == [
        (spec.stage, spec.index, spec.reads) for spec in many
    ]
    assert [20 * 1000 // 2] * 2 == [spec.size_bytes for spec in many]
    assert 4 == len({spec.key for spec in (*few, *many)})
    expected = ReduceTask(
        run="run-9",
        attempt="5",
        store="file:///store",
        index=1,
        job=JOB,
        outputs=OUTPUTS,
        partitions=2,
        top=7,
        keep_pairs=True,
    )
    assert expected == many[1].message("5") == few[1].message("5")


def test_the_order_of_the_maps_is_in_the_key_of_a_reduce() -> None:
    """The values of a key come in the order of the maps."""
    maps = [_result("file:///m0", "1"), _result("file:///m1", "2")]
    there, back = (
        {spec.key for spec in reduce_tasks(run_plan(), each, OUTPUTS)}
        for each in (maps, maps[::-1])
    )
    assert not there & back


def _states(keep_states: bool = True, secret: str = "", **changes: object) -> str:
    """Return the identity of the kept states in the messages of a run's reduce tasks."""
    plan = run_plan(**(KNOWN | changes))
    specs = reduce_tasks(
        plan, [_result("file:///x", "1")], OUTPUTS, keep_states=keep_states, secret=secret
    )
    (found,) = {getattr(spec.message("0"), "states", None) for spec in specs}
    return str(found)


def test_kept_states_belong_to_a_job_and_a_build() -> None:
    """All that a state depends on beside its blocks is in the identity, and nothing of the run."""
    assert "" == _states(keep_states=False)
    assert _states() == _states(
        run="run-2", top=11, partitions=5, code=CodeIdentity(map="n", reduce="r")
    )
    others = [
        _states(build=BUILD.model_copy(update={"engine": "f"})),
        _states(code=CodeIdentity(map="m", reduce="s")),
        _states(job=JOB.model_copy(update={"parameters": {"min_length": 2}})),
        _states(job=JOB.model_copy(update={"name": "Other"})),
    ]
    assert 5 == len({_states(), *others})
    keys = [
        {
            spec.key
            for spec in reduce_tasks(
                run_plan(), [_result("file:///x", "1")], OUTPUTS, keep_states=kept
            )
        }
        for kept in (False, True)
    ]
    assert keys[0] == keys[1]


def test_kept_states_are_sealed_with_a_secret() -> None:
    """Who knows the plan but not the driver's key knows no identity, and the key is in none."""
    key = "k" * 32
    assert _states(secret=key) == _states(secret=key, run="run-2")
    others = [
        _states(),
        _states(secret="l" * 32),
        _states(secret=key, code=CodeIdentity(map="m", reduce="s")),
    ]
    assert 4 == len({_states(secret=key), *others})
    assert key not in _states(secret=key)
    assert "" == _states(keep_states=False, secret=key)


def test_reduce_tasks_are_taken_to_read_equal_shares() -> None:
    """The size of a partition is not known before its task has run."""
    plan = run_plan(partitions=3)
    sizes = [spec.size_bytes for spec in reduce_tasks(plan, [_result("file:///x", "1")], OUTPUTS)]
    assert [6, 6, 6] == sizes
    (alone,) = reduce_tasks(run_plan(partitions=1), [_result("file:///x", "1")], OUTPUTS)
    assert 20 == alone.size_bytes
