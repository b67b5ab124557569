"""Both ends of the external shuffle, with a sort in between: answer, order, sums and faults."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import pytest

from driver.spark.external_shuffle import (
    Drained,
    Record,
    Sums,
    map_records,
    partition_of,
    reduce_records,
)
from mapreduce import Job
from mapreduce.check.reference import plain_answer
from mapreduce.engine import Ledger, balance
from mapreduce.wire.messages import MapResult, MapTask, ReduceResult, ReduceTask
from tests.unit.mapreduce.engine_run import RUN, Engine, as_json, engine, json_order
from tests.unit.mapreduce.sample_jobs import Everything, FloatTotals, LineOrder

TEXTS = [b"the cat the dog\nthe cow\n\nand a\n" * 20, b"cats and dogs\n" * 9]
Harm = Callable[[list[Record]], list[Record]]


def _drained(run: Engine, partitions: int, harm: Harm = list) -> tuple[list[Drained], Ledger]:
    """Return the drained records of all map tasks, sorted outside of the engine and changed by
    `harm`, and the ledger.
    """
    inputs = run.put(TEXTS)
    planned = run.split(inputs, 3)
    records: list[Record] = []
    for split in planned.splits:
        task = MapTask(
            run=RUN,
            store=run.store,
            index=split.index,
            job=run.spec,
            split=split,
            partitions=partitions,
        )
        records += map_records(task, run.context(), "here")
    drained = []
    for number in range(partitions):
        own = sorted(
            (each for each in records if partition_of(each[0]) == number), key=lambda each: each[0]
        )
        reducing = ReduceTask(
            run=RUN, store=run.store, index=number, job=run.spec, partitions=partitions
        )
        drained.append(reduce_records(reducing, iter(harm(own)), run.context(), "there"))
    maps = [
        task.result for each in drained for task in each.maps if isinstance(task.result, MapResult)
    ]
    reduces = [
        each.reduce.result
        for each in drained
        if each.reduce and isinstance(each.reduce.result, ReduceResult)
    ]
    etags = {given.url: given.etag for given in inputs}
    return drained, balance(inputs, maps, reduces, etags, partitions)


@pytest.mark.parametrize("job", [Everything, FloatTotals, LineOrder])
@pytest.mark.parametrize("partitions", [1, 3])
def test_the_answer_is_the_plain_one(job: type[Job], partitions: int) -> None:
    """The answer equals the reference run's, in the order of the input, and the ledger balances."""
    with engine(job) as run:
        drained, ledger = _drained(run, partitions)
        urls = [(given.url, text) for given, text in zip(run.put(TEXTS), TEXTS, strict=True)]
        found = [
            pair
            for each in drained
            if each.reduce
            for pair in run.pairs(_reduced(each.reduce.result))
        ]
    assert ledger.balanced
    expected = as_json(plain_answer(job(), urls))
    assert sorted(expected, key=json_order) == sorted(found, key=json_order)


def _reduced(result: object) -> ReduceResult:
    assert isinstance(result, ReduceResult)
    return result


def _without_a_pair(records: list[Record]) -> list[Record]:
    return records[:-1]


def _with_a_pair_twice(records: list[Record]) -> list[Record]:
    return [*records, records[-1]]


def _with_another_value(records: list[Record]) -> list[Record]:
    key, value = records[-1]
    return [*records[:-1], (key, value + 1)]


def _without_a_note(records: list[Record]) -> list[Record]:
    return records[1:]


@pytest.mark.parametrize(
    "harm", [_without_a_pair, _with_a_pair_twice, _with_another_value, _without_a_note]
)
def test_the_ledger_finds_faults_of_the_shuffle(harm: Harm) -> None:
    """The ledger finds a lost, repeated or changed pair, and a missing map task."""
    with engine(Everything) as run:
        _, ledger = _drained(run, 1, harm)
    assert not ledger.balanced


class _Faulty(Job):
    where: str = "map"

    def map(self, key: int, value: str) -> Iterator[tuple[str, int]]:
        if self.where == "map" and value.startswith("cats"):
            raise ValueError("no cats")
        yield value, 1

    def reduce(self, key: str, values: Iterator[int]) -> Iterator[tuple[str, int]]:
        if self.where == "reduce" and key.startswith("cats"):
            raise ValueError("no cats")
        yield key, sum(values)


@pytest.mark.parametrize("where", ["map", "reduce"])
def test_a_fault_is_an_answer(where: str) -> None:
    """A fault of a job is returned with traceback and record, and no partition is reduced after a
    failed map.
    """
    with engine(_Faulty, where=where) as run:
        drained, _ = _drained(run, 2)
    tasks = [
        task for each in drained for task in (*each.maps, *([each.reduce] if each.reduce else []))
    ]
    (error, *_) = [task.error for task in tasks if task.error]
    assert error.kind == "UserCodeError"
    assert 'raise ValueError("no cats")' in error.traceback
    assert "cats and dogs" in error.record
    assert where == "reduce" or [each.reduce for each in drained] == [None, None]


@pytest.mark.parametrize("pairs", [[(b"ab", b"c")], [(b"a", 1), (b"a", 1)], []])
def test_checksums_of_different_pairs_differ(pairs: Sequence[tuple[bytes, int | bytes]]) -> None:
    """The checksum depends on keys, values and the number of pairs, and not on their order."""
    other = [(b"a", b"bc")], [(b"a", 1)], [(b"", b"")]
    assert _sum(pairs) not in [_sum(each) for each in other]
    assert _sum(list(reversed(pairs))) == _sum(pairs)


def _sum(pairs: Sequence[tuple[bytes, int | bytes]]) -> tuple[int, int]:
    sums = Sums()
    list(sums.counted(pairs))
    return sums.records, sums.checksum
