"""The checks before a run starts, and its plan."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from driver.cloud.ecs import EcsFleet
from driver.cloud.stack import Stack
from driver.plan.config import RunConfig
from driver.targets import prepare as module
from driver.targets.prepare import Prepared, mappers_there, maps_in_bulk, open_runs, prepare
from driver.targets.written_plan import write_plan
from driver.transport.endpoint import Endpoint
from mapreduce import Batch, Chain, Job, Quantile, Sum
from mapreduce.engine.split import plan_splits
from mapreduce.errors import FleetError, InputError, JobLoadError, RunStopped, UsageError
from mapreduce.storage import ObjectInfo
from mapreduce.wire import keys
from mapreduce.wire.build import HASH_SEED
from mapreduce.wire.messages import SplitRule
from mapreduce_jobs.word_count import WordCount
from tests.unit.driver.samples import STACK_VALUES

STACK = Stack.model_validate(STACK_VALUES)
OWN_PARTITION = """
from mapreduce import Job, Sum


class Own(Job):
    reduce = Sum()

    def map(self, offset, line):
        yield line, 1

    def partition(self, key, partitions):
        return 0
"""


MAP_ONLY = """
from mapreduce import Job


class Only(Job):
    def map(self, offset, line):
        yield offset, line
"""


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No stack, no store in the environment, and invented AWS credentials."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MAPREDUCE_TERRAFORM", str(tmp_path / "terraform"))
    monkeypatch.delenv("MAPREDUCE_STORE", raising=False)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")


@pytest.fixture
def text(tmp_path: Path) -> str:
    """An input of 8 bytes."""
    path = tmp_path / "in.txt"
    path.write_text("one two\n")
    return str(path)


@pytest.fixture
def deployed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stack with three mappers of two slots each."""
    monkeypatch.setattr(module, "read_stack", lambda _: STACK)


def _prepared(
    text: str, target: Any = "inline", store: str | None = None, **config: Any
) -> Prepared:
    return prepare(RunConfig(inputs=(text,), **config), target, store)


def _planned(text: str, **config: Any) -> Any:
    return write_plan(_prepared(text, **config), lambda *_: None)


# -- settings of the job ---------------------------------------------------------------------------


def test_the_jobs_settings_hold_and_are_said(tmp_path: Path, text: str) -> None:
    """A run has the job's number of reducers and says so; an option wins, and the plan knows."""
    (tmp_path / "says.py").write_text(
        OWN_PARTITION.replace(
            "    reduce = Sum()",
            "    reduce = Sum()\n    reducers = 3\n    chunk_size = '4'\n    skip_bad_records = 2",
        )
    )
    says = _prepared(text, job=f"{tmp_path}/says.py")
    assert (3, 4, 2) == (says.partitions, says.cut.split_bytes, says.config.skip_bad_records)
    assert "(`chunk_size` of the job), 3 reducers (`reducers` of the job)" in says.notes[-2]
    assert "settings  skip_bad_records = 2 (the job says so)" == says.notes[-1]
    asked = _prepared(text, job=f"{tmp_path}/says.py", reducers=5, chunks=1, skip_bad_records=0)
    assert (5, 1, 0) == (asked.partitions, asked.cut.splits, asked.config.skip_bad_records)
    plan = write_plan(asked, lambda *_: None)
    assert ("reducers", "skip_bad_records", "chunk_size") == plan.asked


VALUES = """
from mapreduce import Chain, Job


class Value(Job):
    def map(self, number, value):
        yield number, value


class Steps(Chain):
    def steps(self):
        return [Value()]
"""


def test_each_value_is_a_split(tmp_path: Path) -> None:
    """--over plans a map task for each line that is not blank, and says so."""
    (tmp_path / "values.txt").write_text("1\n\n2\n3\n")
    (tmp_path / "value.py").write_text(VALUES)
    job, values = f"{tmp_path}/value.py:Value", str(tmp_path / "values.txt")
    prepared = _prepared(values, job=job, over=True)
    assert (3, 3) == (prepared.cut.splits, prepared.map_tasks)
    assert "3 splits (--over), no reducer" in prepared.notes[-1]
    assert "values" == prepared.inputs[0].format.kind


def test_what_over_cannot_take(tmp_path: Path) -> None:
    """A chain, a folder of two files, an empty file and other cuts are refused."""
    folder = tmp_path / "folder"
    folder.mkdir()
    for name in "ab":
        (folder / name).write_text("1\n")
    (tmp_path / "empty.txt").write_text("\n")
    (tmp_path / "value.py").write_text(VALUES)
    job = f"{tmp_path}/value.py:Value"
    with pytest.raises(UsageError, match="Steps is a chain"):
        _prepared(str(folder / "a"), job=f"{tmp_path}/value.py:Steps", over=True)
    with pytest.raises(UsageError, match="names 2 files; name one"):
        _prepared(str(folder), job=job, over=True)
    with pytest.raises(InputError, match="has no values"):
        _prepared(str(tmp_path / "empty.txt"), job=job, over=True)
    with pytest.raises(UsageError, match="leave out --chunks"):
        RunConfig(inputs=("x",), over=True, chunks=3)


def test_a_broadcast_of_a_job_that_holds_nothing_is_refused(text: str) -> None:
    """--broadcast says so where it can do nothing; 0, which forbids it, is no mistake."""
    with pytest.raises(UsageError, match="WordCount holds none"):
        _prepared(text, broadcast_bytes=1)
    assert "" == _prepared(text, broadcast_bytes=0).broadcast.name


def test_a_job_without_map_is_refused_before_the_run(tmp_path: Path, text: str) -> None:
    """Only a step of a chain may leave `map` out."""
    (tmp_path / "none.py").write_text(
        "from mapreduce import Job, Sum\n\n\nclass None_(Job):\n    reduce = Sum()\n"
    )
    with pytest.raises(JobLoadError, match="the job None_ has no `map`"):
        _prepared(text, job=f"{tmp_path}/none.py")


# -- the store -------------------------------------------------------------------------------------


def test_the_store_is_named_by_option_environment_stack_or_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The store is that of the option, the environment, the stack or the current folder, in this
    order.
    """
    assert f"file://{tmp_path}/.mapreduce" == open_runs(None).store
    monkeypatch.setattr(module, "read_stack", lambda _: STACK)
    assert STACK.store == open_runs(None).store
    monkeypatch.setenv("MAPREDUCE_STORE", "file:///from/environment/")
    assert "file:///from/environment" == open_runs(None).store
    assert f"file://{tmp_path}/named" == open_runs("named").store
    assert "s3://another/below" == open_runs("s3://another/below/").store


def test_a_run_in_aws_uses_the_stacks_bucket(text: str, deployed: None) -> None:
    """A run in AWS uses the stack's bucket, and refuses another store."""
    with pytest.raises(UsageError, match=STACK.store):
        _prepared(text, "aws", "elsewhere")
    prepared = _prepared(text, "auto")
    assert ("aws", STACK.store) == (prepared.target, prepared.runs.store)
    assert prepared.aws is not None
    assert STACK.region == prepared.aws.region


def test_without_a_stack_auto_is_local_and_aws_is_an_error(text: str) -> None:
    """Without a stack `auto` is local, and `aws` is refused with the name of deploy.sh."""
    assert "local" == _prepared(text, "auto").target
    with pytest.raises(FleetError, match=r"deploy\.sh"):
        _prepared(text, "aws")


@pytest.mark.parametrize("target", ["local", "inline"])
def test_a_run_on_this_machine_asks_for_no_stack(text: str, deployed: None, target: str) -> None:
    """A run on this machine does not use a deployed stack."""
    prepared = _prepared(text, target)
    assert (target, None, None) == (prepared.target, prepared.stack, prepared.aws)


# -- invalid runs ----------------------------------------------------------------------------------


def test_an_input_in_a_bucket_that_the_services_may_not_read_is_refused(
    text: str, deployed: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An input in a bucket that the services may not read is refused, with the variable that allows
    it.
    """

    def head(_: object, url: str) -> ObjectInfo:
        return ObjectInfo(url, 5, "e")

    monkeypatch.setattr("mapreduce.storage.s3.S3Storage.head", head)
    monkeypatch.setattr("driver.cloud.input_buckets.check_regions", lambda *_: None)
    monkeypatch.setattr("driver.cloud.input_buckets.check_encryption", lambda *_: [])
    assert 1 == len(_prepared("s3://books/a.txt", "aws").inputs)
    with pytest.raises(UsageError, match=r"'strangers' to extra_input_buckets.*/input/"):
        _prepared("s3://strangers/a.txt", "aws")


def test_an_input_outside_the_readable_folders_of_the_stacks_bucket_is_refused(
    text: str, deployed: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the stack's bucket, the services read `input/` and earlier results; the message about
    another object names the folder, and a command.
    """

    def head(_: object, url: str) -> ObjectInfo:
        return ObjectInfo(url, 5, "e")

    monkeypatch.setattr("mapreduce.storage.s3.S3Storage.head", head)
    result = f"{STACK.store}/reduce/run-20260101-000000-ab/part-00000.jsonl"
    for url in (f"{STACK.store}/input/2026/a.txt", result):
        assert [url] == [given.url for given in _prepared(url, "aws").inputs]
    for key in ("big.txt", "inputs/a.txt"):
        copy = f"aws s3 cp {STACK.store}/{key} {STACK.store}/input/{key}"
        with pytest.raises(UsageError, match=copy):
            _prepared(f"{STACK.store}/{key}", "aws")


@pytest.mark.parametrize(
    ("job", "config", "why"),
    [
        ("mapreduce_jobs.page_rank", {"sort": True}, "step of a chain"),
        ("own_partition.py", {"sort": True}, "own `partition`"),
        ("map_only.py", {"sort": True}, "no `reduce`"),
    ],
)
def test_a_job_without_key_order_cannot_be_sorted(
    text: str, tmp_path: Path, job: str, config: dict[str, Any], why: str
) -> None:
    """--sort is refused for a chain, a job with a partition, and a job without keys."""
    (tmp_path / "own_partition.py").write_text(OWN_PARTITION)
    (tmp_path / "map_only.py").write_text(MAP_ONLY)
    with pytest.raises(UsageError, match=why):
        _prepared(text, job=job, **config)


def test_a_job_may_be_sorted_by_its_keys(text: str) -> None:
    """--sort sorts a job's result by its keys."""
    assert _planned(text, sort=True).total_order
    assert not _planned(text).total_order


def test_names_that_no_record_can_hold_are_refused(text: str, tmp_path: Path) -> None:
    """A store or file whose name is not UTF-8 is refused."""
    with pytest.raises(InputError, match="UTF-8"):
        _prepared(text, store="bad\udcff")
    job = tmp_path / "odd_job.py"
    job.write_text(MAP_ONLY.replace("Only(Job):", "Only(Job):\n    files = ('data',)\n"))
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "odd\udcff.dat").write_text("x")
    with pytest.raises(InputError, match="rename the file"):
        _planned(text, job=str(job))


# -- the plan --------------------------------------------------------------------------------------


def test_the_plan_is_in_the_store_with_the_code(text: str) -> None:
    """The plan and the code are in the store, under a new run id."""
    prepared = _prepared(text)
    plan = write_plan(prepared, lambda *_: None)
    assert plan == prepared.runs.plan(plan.run)
    assert prepared.runs.storage.head(keys.code(plan.store, plan.job.code)).size > 0
    assert ("inline", "WordCount", 8) == (plan.target, plan.job.name, plan.inputs[0].size)


def test_code_that_has_rotten_in_the_store_is_written_again(text: str) -> None:
    """Code that has changed in the store is written again."""
    prepared = _prepared(text)
    plan = write_plan(prepared, lambda *_: None)
    url = keys.code(plan.store, plan.job.code)
    good = prepared.runs.storage.read(url)
    prepared.runs.storage.write(url, b"rotten")
    write_plan(prepared, lambda *_: None)
    assert good == prepared.runs.storage.read(url)


def test_an_inline_run_has_two_splits_and_partitions_at_least(text: str) -> None:
    """An inline run has at least two splits and partitions by default, so that a job's wrong
    assumption shows.
    """
    prepared = _prepared(text, mappers=1)
    plan = write_plan(prepared, lambda *_: None)
    assert (2, 2) == (len(plan_splits(plan.inputs, plan.cut)), plan.partitions)
    plan = _planned(text, chunks=1, reducers=1)
    assert (SplitRule(splits=1), 1) == (plan.cut, plan.partitions)


class _Rows(Job):
    reduce: Any = Sum()

    def map(self, key: Any, value: Any) -> Iterator[tuple[str, int]]:
        yield value, 1


class _Batches(_Rows):
    def map_batch(self, batch: Batch) -> tuple[list[str], list[int]]:
        return batch.lines(), [1] * len(batch.lines())


class _Quantiles(_Batches):
    reduce = Quantile(0.5)


class _Columns(_Rows):
    map_sql = "SELECT a AS key, b AS value FROM records"


class _Steps(Chain):
    def steps(self) -> list[Any]:
        return [_Batches()]


@pytest.mark.parametrize(
    ("job", "expected"),
    [
        (WordCount, True),
        (_Batches, True),
        (_Columns, True),
        (_Rows, False),
        (_Quantiles, False),
        (_Steps, False),
    ],
)
def test_maps_in_bulk(job: Any, expected: bool) -> None:
    """Columns do, and batches whose values combine into states of fixed size."""
    assert expected is maps_in_bulk(job)


def test_the_number_of_mappers_changes_no_split(text: str) -> None:
    """What one fleet has done, another one reuses."""
    few, many = (_prepared(text, "local", mappers=mappers) for mappers in (1, 50))
    assert (few.cut, few.partitions) == (many.cut, many.partitions)


def test_the_user_is_told_how_the_input_is_cut(text: str) -> None:
    """The sizes, why, and the options that change them."""
    (note,) = _prepared(text, "local").notes
    for words in ("of input", "--chunk-size", "1 reducer (--reducers)"):
        assert words in note
    (note,) = _prepared(text, "local", chunks=7, reducers=3).notes
    assert "7 splits (--chunks), 3 reducers (--reducers)" in note


def test_a_job_without_reduce_has_no_partitions(text: str, tmp_path: Path) -> None:
    """A job without reduce has no partitions, whatever number is given."""
    (tmp_path / "map_only.py").write_text(MAP_ONLY)
    assert 0 == _planned(text, job="map_only.py", reducers=7).partitions


def test_a_chain_is_planned_as_a_chain(text: str) -> None:
    """A chain is planned as a chain."""
    plan = _planned(text, job="mapreduce_jobs.page_rank")
    assert (True, True) == (plan.chain, plan.partitions > 0)
    assert not _planned(text).chain


def test_in_aws_a_local_input_is_uploaded(
    text: str, deployed: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In AWS a local input is uploaded, and the build has the images' tag."""
    prepared = _prepared(text, "aws")
    local = replace(_prepared(text), target="aws", stack=STACK, map_slots=prepared.map_slots)
    sent: list[tuple[str, int, int]] = []
    plan = write_plan(local, lambda *progress: sent.append(progress))
    assert sent
    assert keys.INPUT in plan.inputs[0].url
    assert ("image", STACK.image_tag) == (plan.build.python, plan.build.environment)


@pytest.mark.parametrize("asked", [0, 1, 2])
def test_a_run_that_is_ended_while_it_uploads_leaves_no_plan(
    text: str, deployed: None, asked: int
) -> None:
    """At the beginning of the upload, during it, and after it, before the plan is written."""
    left = [asked]

    def going() -> None:
        left[0] -= 1
        if left[0] < 0:
            raise RunStopped("ended")

    prepared = replace(_prepared(text), target="aws", stack=STACK)
    with pytest.raises(RunStopped):
        write_plan(prepared, lambda *_: None, going)
    assert [] == prepared.runs.runs()


@pytest.mark.parametrize(("mappers", "slots"), [(None, 3 * 2), (1, 1 * 2), (5, 5 * 2)])
def test_map_slots_in_aws_are_those_of_the_service(
    text: str, deployed: None, mappers: int | None, slots: int
) -> None:
    """In AWS the map slots are the slots of the mappers in use."""
    assert slots == _prepared(text, "aws", mappers=mappers).map_slots


def test_keep_is_for_a_stack_whose_guard_ends_it(
    text: str, monkeypatch: pytest.MonkeyPatch, deployed: None
) -> None:
    """--keep is refused on this machine, and where no idle guard would stop the tasks later."""
    assert _prepared(text, "aws", keep_s=600.0).config.keep_s == 600.0
    with pytest.raises(UsageError, match="--keep: only a run in AWS"):
        _prepared(text, "local", keep_s=600.0)
    unguarded = STACK.model_copy(update={"guard": None})
    monkeypatch.setattr(module, "read_stack", lambda _: unguarded)
    with pytest.raises(UsageError, match="set idle_stop_minutes"):
        _prepared(text, "aws", keep_s=600.0)


@pytest.mark.parametrize(
    ("options", "expected"), [({"chunks": 7}, 7), ({"chunk_bytes": 4}, 5), ({}, 1)]
)
def test_a_fleet_is_started_for_about_so_many_map_tasks(
    text: str, options: dict[str, Any], expected: int
) -> None:
    """The number of map tasks follows from the rule by which the input is cut."""
    Path(text).write_bytes(b"x" * 17 + b"\n\n\n")
    assert expected == _prepared(text, "local", **options).map_tasks


def test_map_slots_here_are_processors(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """On this machine the map slots are its processors, or the given mappers."""
    monkeypatch.setattr("os.cpu_count", lambda: 6)
    assert [6, 2] == [_prepared(text, "local", mappers=number).map_slots for number in (None, 2)]


def test_the_hash_seed_counts_only_where_this_process_does_the_tasks(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The hash seed is part of the build only if this process carries out the tasks with another
    seed.
    """
    monkeypatch.setenv("PYTHONHASHSEED", "random")
    assert [True, False] == [
        bool(_prepared(text, target).build.hashing) for target in ("inline", "local")
    ]
    monkeypatch.setenv("PYTHONHASHSEED", HASH_SEED)
    assert "" == _prepared(text, "inline").build.hashing


def test_mappers_are_counted_in_aws_alone(
    text: str, deployed: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only in AWS does the driver count running mappers; elsewhere each run starts its own."""

    async def endpoints(_: EcsFleet, stage: str) -> list[Endpoint]:
        assert "map" == stage
        return [Endpoint("a", "", 1), Endpoint("b", "", 1)]

    monkeypatch.setattr(EcsFleet, "endpoints", endpoints)
    assert 2 == asyncio.run(mappers_there(_prepared(text, "aws")))
    assert asyncio.run(mappers_there(_prepared(text, "local"))) is None
