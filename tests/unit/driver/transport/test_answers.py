"""Which answers are accepted: only those to the task itself."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driver.transport.answers import check_answer, check_event, check_spark_answer
from mapreduce.errors import TaskLost
from mapreduce.input_formats import Pairs
from mapreduce.wire import keys
from mapreduce.wire.messages import (
    AttemptId,
    BlocksSum,
    ByteRange,
    Cost,
    InputObject,
    JoinedPart,
    MapResult,
    MapTask,
    Progress,
    RangeRead,
    ReduceResult,
    ReduceTask,
    SkippedRecord,
    Split,
    SplitResult,
    SplitRule,
    SplitTask,
    StoredObject,
)
from tests.unit.driver.samples import JOB

COST = Cost(seconds=0.1, peak_memory_bytes=1)
STORE = "file:///store"
PIECE = ByteRange(url="file:///in", etag="e", size=100, start=10, end=20, source="file:///in")
INPUT = InputObject(url="file:///in", etag="e", size=100)


def _map_task(partitions: int = 2, **changed: Any) -> MapTask:
    task = MapTask(
        run="run-1",
        attempt="1",
        store=STORE,
        index=3,
        job=JOB,
        split=Split(index=3, pieces=(PIECE,)),
        partitions=partitions,
    )
    return task.model_copy(update=changed)


def _blocks(partitions: int = 2) -> BlocksSum:
    return BlocksSum(partitions=partitions, digest="d", seal=7)


BOUNDARIES = StoredObject(url=keys.boundaries(STORE, "run-1", "d"), size=3, etag="e", digest="d")


def _aside(url: str, offset: int) -> SkippedRecord:
    return SkippedRecord(place=f"{url} at byte {offset}", url=url, key=offset, record="x")


def _map_result(**changed: Any) -> MapResult:
    result = MapResult(
        url=keys.map_attempt(STORE, "run-1", 3, "1"),
        etag="e",
        size=10,
        pieces=(RangeRead(source="file:///in", start=12, bytes_owned=15),),
        records_in=4,
        records_out=4,
        blocks=_blocks(),
        counters={},
        cost=COST,
    )
    return result.model_copy(update=changed)


def _reduce_task(partitions: int = 1, **changed: Any) -> ReduceTask:
    task = ReduceTask(
        run="run-1",
        attempt="1",
        store=STORE,
        index=0,
        job=JOB,
        outputs=StoredObject(url="file:///m", size=1, etag="e", digest="d"),
        partitions=partitions,
    )
    return task.model_copy(update=changed)


def _reduce_result(**changed: Any) -> ReduceResult:
    result = ReduceResult(
        url=keys.part_attempt(STORE, "run-1", 0, "1", "json"),
        etag="e",
        size=10,
        bytes_in=15,
        records_in=6,
        checksum_in=21,
        records_indexed=6,
        checksum_indexed=21,
        seal=1,
        records_out=1,
        top=(("a", 1),),
        counters={},
        cost=COST,
    )
    return result.model_copy(update=changed)


def _split_task(**changed: Any) -> SplitTask:
    return SplitTask(run="run-1", store=STORE, inputs=(INPUT,), cut=SplitRule(splits=2)).model_copy(
        update=changed
    )


def _split_result(*ranges: tuple[int, int], **changed: Any) -> SplitResult:
    splits = tuple(
        Split(index=index, pieces=(PIECE.model_copy(update={"start": start, "end": end}),))
        for index, (start, end) in enumerate(ranges or ((0, 50), (50, 100)))
    )
    return SplitResult(splits=splits, bytes_read=0, bytes_written=0, cost=COST).model_copy(
        update=changed
    )


def test_right_answers_are_accepted() -> None:
    """A right answer of each stage, and of a map without reduce, is accepted."""
    check_answer(_map_task(), _map_result())
    check_answer(_reduce_task(), _reduce_result())
    check_answer(_split_task(), _split_result())
    part = keys.part_attempt(STORE, "run-1", 3, "1", "jsonl")
    check_answer(_map_task(0, top=1), _map_result(url=part, blocks=None, top=(("a", 1),)))
    pairs = InputObject(
        url=keys.pairs_attempt(STORE, "run-1", 0, "1"), size=1, etag="e", format=Pairs()
    )
    check_answer(_reduce_task(keep_pairs=True), _reduce_result(pairs=pairs))
    chunk = PIECE.model_copy(
        update={"url": keys.chunk(STORE, "run-1", 0), "source_offset": 40, "start": 0, "size": 20}
    )
    check_answer(_split_task(mode="copy"), _split_result(splits=(Split(index=0, pieces=(chunk,)),)))


@pytest.mark.parametrize(
    "changed",
    [
        {"url": keys.map_attempt(STORE, "run-1", 3, "0")},
        {"url": keys.map_attempt(STORE, "run-1", 4, "1")},
        {"url": keys.map_attempt(STORE, "run-2", 3, "1")},
        {"url": "file:///etc/passwd"},
        {"url": ""},
        {"blocks": None},
        {"blocks": _blocks(1)},
        {"blocks": _blocks(3)},
        {"pieces": ()},
        {"pieces": (RangeRead(source="file:///other", start=12, bytes_owned=1),)},
        {"pieces": (RangeRead(source="file:///in", start=9, bytes_owned=1),)},
        {"pieces": (RangeRead(source="file:///in", start=12, bytes_owned=89),)},
        {"pieces": (RangeRead(source="file:///in", start=12, bytes_owned=1),) * 2},
        {"skipped": (_aside("file:///in", 13),)},
        {"top_lengths": (1,)},
        {"top": (("a", 1),)},
        {"pairs": INPUT},
    ],
)
def test_a_map_result_that_does_not_fit_is_lost(changed: dict[str, Any]) -> None:
    """A map result with another run's, task's or attempt's object, or wrong blocks, is lost."""
    with pytest.raises(TaskLost, match="the answer to map-3 is not taken: "):
        check_answer(_map_task(), _map_result(**changed))


def test_records_that_a_map_task_has_set_aside() -> None:
    """A map may set aside as many records as allowed, from its own split."""
    task = _map_task().model_copy(update={"skip_limit": 2})
    skipped = tuple(_aside("file:///in", at) for at in (12, 13, 14))
    check_answer(task, _map_result(skipped=skipped[:2]))
    with pytest.raises(TaskLost, match="set aside 3 records, and 2 were allowed"):
        check_answer(task, _map_result(skipped=skipped))
    stranger = _aside("file:///input", 3)
    with pytest.raises(TaskLost, match="none of its split"):
        check_answer(task, _map_result(skipped=(stranger,)))


@pytest.mark.parametrize(
    "changed",
    [
        {"url": keys.part_attempt(STORE, "run-1", 0, "1", "jsonl")},
        {"url": keys.part_attempt(STORE, "run-1", 0, "0", "json")},
        {"url": "file:///etc/passwd"},
        {"records_in": 5},
        {"checksum_in": 20},
        {"pairs": INPUT},
        {"top": tuple((str(n), n) for n in range(11))},
    ],
)
def test_a_reduce_result_that_does_not_fit_is_lost(changed: dict[str, Any]) -> None:
    """A reduce result that does not fit its task is lost."""
    with pytest.raises(TaskLost, match="the answer to reduce-0 is not taken: "):
        check_answer(_reduce_task(), _reduce_result(**changed))


@pytest.mark.parametrize(
    "result",
    [
        _split_result((0, 50), (50, 99)),
        _split_result((0, 50), (40, 100)),
        _split_result((0, 50), (50, 101)),
        _split_result(boundaries=BOUNDARIES),
        _split_result(splits=(Split(index=1, pieces=_split_result((0, 100)).splits[0].pieces),)),
        _split_result(
            splits=(Split(index=0, pieces=(PIECE.model_copy(update={"url": "file:///x"}),)),)
        ),
        _split_result(splits=(Split(index=0, pieces=(PIECE.model_copy(update={"etag": "f"}),)),)),
    ],
)
def test_splits_that_do_not_fit_are_lost(result: SplitResult) -> None:
    """Splits of other objects, or that do not cover the inputs, are lost."""
    with pytest.raises(TaskLost, match="the answer to split-0 is not taken: "):
        check_answer(_split_task(), result)


def test_key_ranges_come_where_they_were_asked_for() -> None:
    """In the object of their own run, and never without a request."""
    asked = _split_task(key_ranges=2, job=JOB)
    check_answer(asked, _split_result(boundaries=BOUNDARIES))
    elsewhere = BOUNDARIES.model_copy(update={"url": "file:///etc/passwd"})
    for wrong in (_split_result(), _split_result(boundaries=elsewhere)):
        with pytest.raises(TaskLost, match="the answer to split-0 is not taken: "):
            check_answer(asked, wrong)


@pytest.mark.parametrize(
    ("task", "result"),
    [
        (_map_task(), _reduce_result()),
        (_reduce_task(), _split_result()),
        (_split_task(), _map_result()),
    ],
)
def test_a_result_of_another_stage_is_lost(task: Any, result: Any) -> None:
    """A result of another stage is lost."""
    with pytest.raises(TaskLost, match="it is the result of a"):
        check_answer(task, result)


@given(
    asked=st.tuples(st.integers(0, 9), st.integers(0, 3)),
    found=st.tuples(st.integers(0, 9), st.integers(0, 3)),
    run=st.sampled_from(["run-1", "run-2"]),
)
def test_only_the_results_of_the_attempt_itself_are_taken(
    asked: tuple[int, int], found: tuple[int, int], run: str
) -> None:
    """Among all attempts of two runs, an answer is accepted only for its own attempt."""
    task = _map_task(index=asked[0], attempt=str(asked[1]))
    result = _map_result(url=keys.map_attempt(STORE, run, found[0], str(found[1])))
    if (asked, "run-1") == (found, run):
        check_answer(task, result)
    else:
        with pytest.raises(TaskLost):
            check_answer(task, result)


def test_events_name_the_attempt_and_one_nonce() -> None:
    """Events of another attempt or nonce are lost."""
    task = _map_task()
    event = Progress(attempt=AttemptId.of(task, "ab"), bytes=0, records=0)
    assert check_event(task, event, None) == "ab"
    assert check_event(task, event, "ab") == "ab"
    with pytest.raises(TaskLost, match="two answers"):
        check_event(task, event, "cd")
    for other in (
        _map_task(index=4),
        _map_task(attempt="2"),
        _map_task(run="run-2"),
        _reduce_task(index=3),
    ):
        with pytest.raises(TaskLost, match="the answer is to another task"):
            check_event(other, event, None)


def test_sparks_answers_have_a_longer_name() -> None:
    """Spark's answers have a longer object name, and all other checks."""
    url = keys.part_attempt(STORE, "run-1", 0, "1-ab12", "json")
    check_spark_answer(_reduce_task(outputs=None), _reduce_result(url=url), stored=True)
    for wrong in (keys.part_attempt(STORE, "run-1", 1, "1-ab12", "json"), "file:///etc/passwd", ""):
        with pytest.raises(TaskLost):
            check_spark_answer(_reduce_task(outputs=None), _reduce_result(url=wrong), stored=True)
    check_spark_answer(_map_task(), _map_result(url=""), stored=False)
    with pytest.raises(TaskLost):
        check_spark_answer(_map_task(), _map_result(url="", blocks=None), stored=False)


def test_joined_pairs_are_those_of_the_task() -> None:
    """A reduce that has joined other pairs, or none, is not taken."""
    part = JoinedPart(url="file:///p", size=9, etag="e", digest="d", records=4, checksum=2)
    task = _reduce_task(joined=part)
    check_answer(task, _reduce_result(joined_in=4, joined_checksum=2))
    for wrong in ({"joined_in": 3, "joined_checksum": 2}, {"joined_in": 4}, {}):
        with pytest.raises(TaskLost, match="joined pairs of 4"):
            check_answer(task, _reduce_result(**wrong))
    with pytest.raises(TaskLost, match="1 joined pairs of 0"):
        check_answer(_reduce_task(), _reduce_result(joined_in=1))
