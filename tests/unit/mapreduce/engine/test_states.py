"""Kept states give the answer of a fresh run, and are used only as they were written."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mapreduce import Count, Job, Max, Mean, Min, Sum
from mapreduce.aggregate import Aggregation
from mapreduce.engine import gather, states
from mapreduce.engine.fetch import BlockSource, MapOutput, write_list
from mapreduce.engine.reduce_task import run_reduce
from mapreduce.engine.states import allows_states, groups_of
from mapreduce.storage.local import LocalStorage
from mapreduce.wire import keys
from mapreduce.wire.messages import Block, ByteRange, MapResult, ReduceResult, ReduceTask, Split
from tests.unit.mapreduce.engine_run import RUN, Engine, engine

DAYS = 40


class Numbers(Job):
    """The number of each line, under a few keys."""

    def map(self, key: int, value: str) -> Iterable[tuple[str, Any]]:
        """Yield the number as an int or as a float."""
        name, number = value.split()
        yield name, float(number) if "." in number else int(number)


class Sums(Numbers):
    reduce = Sum()


class Counts(Numbers):
    reduce = Count()


class Means(Numbers):
    reduce = Mean()


class Least(Numbers):
    reduce = Min()


class Greatest(Numbers):
    reduce = Max()


class OwnSum(Sum):
    """A subclass, which does not say that it is associative."""


class OwnSums(Numbers):
    reduce = OwnSum()


@pytest.fixture(autouse=True)
def short_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make groups of about four blocks, and keep all of them."""
    monkeypatch.setattr(states, "GROUP", 4)
    monkeypatch.setattr(states, "LEAST_BYTES", 1)
    monkeypatch.setattr(gather, "LEAST_BLOCKS", 8)


def day(stages: Engine, number: int) -> MapResult:
    """Map one day: an input of its own, with sums that no float holds exactly."""
    lines = [f"{name} {number + 0.1 * at}" for at, name in enumerate("abc", number % 7)]
    lines += [f"whole {number}", f"large {1 << 62}", f"day-{number} 1"]
    url = f"file:///{stages.folder}/input/day-{number}"
    info = stages.storage.write(url.replace("////", "///"), "\n".join(lines).encode())
    piece = ByteRange(
        url=info.url, etag=info.etag, size=info.size, start=0, end=info.size, source=info.url
    )
    return stages.map(Split(index=number, pieces=(piece,)))


def reduced(stages: Engine, days: list[MapResult], identity: str, attempt: str) -> ReduceResult:
    """Reduce the days into one part."""
    task = ReduceTask(
        run=RUN,
        attempt=attempt,
        store=stages.store,
        index=0,
        job=stages.spec,
        outputs=write_list(days, stages.store, RUN, stages.storage),
        states=identity,
        partitions=1,
    )
    return run_reduce(task, stages.context())


def kept(stages: Engine) -> set[str]:
    """Return the URLs of the kept states."""
    folder = keys.kept_state(stages.store, "").rstrip("/")
    return {info.url for info in stages.storage.list(folder)}


@pytest.mark.parametrize("job", [Sums, Counts, Means, Least, Greatest])
@pytest.mark.parametrize("memory_bytes", [64 << 20, 40 << 10])
def test_a_day_more_is_merged_from_kept_states(job: type[Job], memory_bytes: int) -> None:
    """The part is byte-identical to that of a fresh run, and one or two groups are new."""
    with engine(job, memory_bytes) as stages:
        days = [day(stages, number) for number in range(DAYS)]
        first = reduced(stages, days, "job", "0")
        before = kept(stages)
        assert len(before) >= 4
        more = [*days[:17], day(stages, 99), *days[17:]]
        again, fresh = reduced(stages, more, "job", "1"), reduced(stages, more, "", "2")
        assert stages.storage.read(again.url) == stages.storage.read(fresh.url)
        assert 1 <= len(kept(stages) - before) <= 2
        sums = (again.records_in, again.checksum_in, again.seal)
        assert sums == (fresh.records_in, fresh.checksum_in, fresh.seal)
        assert first.records_in < again.records_in == again.records_indexed


class _Watched(LocalStorage):
    """A distant store that counts how many kept states are read at the same time."""

    def __init__(self) -> None:
        self.reading = self.most = 0

    def requests_at_once(self, url: str) -> int:
        """Return the number of threads that fetch blocks."""
        return 8

    def read(self, url: str, start: int = 0, end: int | None = None, **options: Any) -> bytes:
        """Count the reads of kept states that are under way, each a little longer than a file's."""
        if "/states/" not in url:
            return super().read(url, start, end, **options)
        self.reading += 1
        self.most = max(self.most, self.reading)
        for _ in range(50):
            data = super().read(url, start, end, **options)
        self.reading -= 1
        return data


def test_kept_states_are_read_one_at_a_time() -> None:
    """Each may have as many bytes as the task's memory has for blocks."""
    with engine(Sums) as stages:
        days = [day(stages, number) for number in range(DAYS)]
        reduced(stages, days, "job", "0")
        storage = _Watched()
        again = replace(stages, storage=storage)
        assert len(kept(stages)) >= 4
        reduced(again, days, "job", "1")
        assert 1 == storage.most


def test_states_of_another_job_or_build_are_not_used() -> None:
    """The identity is in the key of each group."""
    with engine(Sums) as stages:
        days = [day(stages, number) for number in range(DAYS)]
        reduced(stages, days, "job", "0")
        before = kept(stages)
        reduced(stages, days, "another", "1")
        assert len(kept(stages) - before) == len(before)


@pytest.mark.parametrize("harm", ["a byte", "another group", "nothing left"])
def test_states_that_are_not_as_written_are_made_again(harm: str) -> None:
    """A damaged object, or one of another group, changes no answer."""
    with engine(Sums) as stages:
        days = [day(stages, number) for number in range(DAYS)]
        first = stages.storage.read(reduced(stages, days, "job", "0").url)
        paths = [Path(url.removeprefix("file://")) for url in sorted(kept(stages))]
        contents = [path.read_bytes() for path in paths]
        for path, content, other in zip(paths, contents, contents[1:] + contents[:1], strict=True):
            wrong = {"a byte": content[:-1] + bytes([content[-1] ^ 1]), "another group": other}
            path.write_bytes(wrong.get(harm, b""))
        assert first == stages.storage.read(reduced(stages, days, "job", "1").url)
        assert contents == [path.read_bytes() for path in paths]


def test_states_that_another_job_has_sealed_are_made_again() -> None:
    """Who may write the object and knows the key of a group, but not the identity, forges none."""
    with engine(Sums) as stages:
        days = [day(stages, number) for number in range(DAYS)]
        first = stages.storage.read(reduced(stages, days, "job", "0").url)
        paths = [Path(url.removeprefix("file://")) for url in sorted(kept(stages))]
        contents = [path.read_bytes() for path in paths]
        for path, other in zip(paths, contents[1:] + contents[:1], strict=True):
            line, _, block = other.partition(b"\n")
            found = json.loads(line) | {"key": path.name}
            forger = states.States("another", stages.store, stages.storage)
            found["seal"] = forger._seal(path.name, block, integers=found["integers"])
            path.write_bytes(json.dumps(found).encode() + b"\n" + block)
        assert first == stages.storage.read(reduced(stages, days, "job", "1").url)
        assert contents == [path.read_bytes() for path in paths]


def test_where_states_are_kept() -> None:
    """Only the classes that say so themselves keep states, and only states of fixed size."""
    allowed = [allows_states(job().aggregation) for job in (Sums, Means, OwnSums)]
    assert [True, True, False] == allowed

    class Growing(Aggregation[list[Any]]):
        associative = True
        grows = True

    assert not allows_states(Growing())
    assert not allows_states(None)
    with engine(OwnSums) as stages:
        reduced(stages, [day(stages, number) for number in range(DAYS)], "job", "0")
        assert not kept(stages)


def source(number: int) -> BlockSource:
    """Return a block whose checksum is this number."""
    return BlockSource(
        MapOutput(number, "file:///m", "e", 9), Block(0, 9, 1, number, integers=True)
    )


def test_a_group_ends_with_its_last_block_wherever_it_begins() -> None:
    """So a block that is added or removed changes no other group, and groups are not endless."""
    numbers = [9, 4, 3, 5, 8, 7, 7, 7, 12, 1]
    groups = [
        [each.block.checksum for each in group] for group in groups_of([*map(source, numbers)])
    ]
    assert [[9, 4], [3, 5, 8], [7, 7, 7, 12], [1]] == groups
    longest = states.LONGEST_GROUP
    assert [longest, longest, 1] == [
        len(each) for each in groups_of([source(1)] * (2 * longest + 1))
    ]
