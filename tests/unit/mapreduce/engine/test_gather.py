"""Blocks become few sorted runs, whatever the memory, and however many are fetched at a time."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mapreduce import Job
from mapreduce.engine import TaskContext
from mapreduce.engine.block_index import ENTRY_BYTES, index_of, parse_index, seal, sealed
from mapreduce.engine.fetch import BlockSource, MapOutput, find_blocks, write_list
from mapreduce.engine.gather import _groups, _needed
from mapreduce.engine.reduce_task import run_reduce
from mapreduce.errors import CorruptBlock, OutputLost, UsageError
from mapreduce.storage.local import LocalStorage
from mapreduce.wire.messages import Block, MapResult, ReduceTask
from mapreduce_jobs.word_count import WordCount
from tests.unit.mapreduce.engine_run import RUN, Engine, engine

MAPS = 30


class Distant(LocalStorage):
    """Files that are read as over a network: several requests at a time. Counts what is read."""

    def __init__(self) -> None:
        self.reads: Counter[str] = Counter()
        self._lock = threading.Lock()

    def requests_at_once(self, url: str) -> int:
        """Return the number of threads that fetch."""
        return 4

    def stream(self, url: str, *range_: Any, **options: Any) -> Iterator[bytes]:
        """Count a read, and read."""
        with self._lock:
            self.reads[url] += 1
        return super().stream(url, *range_, **options)


class Values(Job):
    """All values of a key, in their order."""

    def map(self, key: int, value: str) -> Iterable[tuple[str, int]]:
        """Yield each word with the line's offset."""
        return [(word, key) for word in value.split()]

    def reduce(self, key: str, values: Iterator[int]) -> Iterable[tuple[str, list[int]]]:
        """Yield the values as a list."""
        yield key, list(values)


def mapped(stages: Engine) -> list[MapResult]:
    """Map so many inputs, each with some words of its own."""
    lines = [f"w{n} both w{n % 3} {'long' * 500} x{n * 7}\n".encode() * 3 for n in range(MAPS)]
    return [
        stages.map(split, 2, skip_limit=None)
        for split in stages.split(stages.put(lines), MAPS).splits
    ]


def task_of(stages: Engine, maps: list[MapResult], attempt: str, number: int = 0) -> ReduceTask:
    """Return one of two reduce tasks."""
    return ReduceTask(
        run=RUN,
        attempt=attempt,
        store=stages.store,
        index=number,
        job=stages.spec,
        outputs=write_list(maps, stages.store, RUN, stages.storage),
        partitions=2,
    )


def content(stages: Engine, task: ReduceTask, storage: Any, memory_bytes: int) -> bytes:
    """Return the bytes of the part that the task writes with so much memory."""
    folder = stages.folder / f"scratch-{task.attempt}"
    context = TaskContext(storage, folder, memory_bytes, stages.context().load_job)
    result = run_reduce(task, context)
    assert not list(folder.rglob("*"))
    assert (result.records_in, result.checksum_in) == (
        result.records_indexed,
        result.checksum_indexed,
    )
    return bytes(stages.storage.read(result.url))


@pytest.mark.parametrize("job", [WordCount, Values])
def test_the_part_is_the_same_with_any_memory_and_any_threads(job: type[Job]) -> None:
    """In one merge from memory, in groups, and with blocks that fit in no memory."""
    with engine(job) as stages:
        maps = mapped(stages)
        for number in range(2):
            parts = [
                content(stages, task_of(stages, maps, f"{kind}-{memory}", number), storage, memory)
                for kind, storage in (("local", stages.storage), ("distant", Distant()))
                for memory in (64 << 20, 60_000, 2_000, 100)
            ]
            assert len(parts[0]) > 40
            assert 1 == len(set(parts))


def test_each_block_is_fetched_once() -> None:
    """By threads too, and with blocks that go to scratch disk first."""
    with engine(Values) as stages:
        maps = mapped(stages)
        storage = Distant()
        content(stages, task_of(stages, maps, "a"), storage, 100)
        assert {1} == set(storage.reads.values())


@pytest.mark.parametrize("memory_bytes", [64 << 20, 2_000])
def test_a_lost_or_damaged_output_is_named_whichever_thread_reads_it(memory_bytes: int) -> None:
    """So that its map task is run again."""
    with engine(Values) as stages:
        maps = mapped(stages)
        task = task_of(stages, maps, "a")
        path = Path(maps[7].url.removeprefix("file://"))
        whole = path.read_bytes()
        path.unlink()
        with pytest.raises(OutputLost, match="map-7") as lost:
            content(stages, task, Distant(), memory_bytes)
        assert maps[7].url == lost.value.url
        path.write_bytes(whole[:9] + b"?" + whole[10:])
        maps[7] = maps[7].model_copy(update={"etag": stages.storage.head(maps[7].url).etag})
        with pytest.raises(CorruptBlock) as damaged:
            content(stages, task_of(stages, maps, "b"), Distant(), memory_bytes)
        assert maps[7].url == damaged.value.url


def test_a_list_of_outputs_that_has_changed_is_refused() -> None:
    """A reduce task reads the outputs that the driver has listed, or none."""
    with engine(Values) as stages:
        task = task_of(stages, mapped(stages), "a")
        assert task.outputs is not None
        path = Path(task.outputs.url.removeprefix("file://"))
        path.write_bytes(path.read_bytes().split(b"\n", 1)[1])
        with pytest.raises(OutputLost, match="outputs-"):
            find_blocks(task, stages.context())
        etag = stages.storage.head(task.outputs.url).etag
        changed = task.outputs.model_copy(update={"etag": etag})
        with pytest.raises(CorruptBlock, match="is not what was written"):
            find_blocks(task.model_copy(update={"outputs": changed}), stages.context())
        with pytest.raises(UsageError, match="reduce-0 has no list"):
            find_blocks(task.model_copy(update={"outputs": None}), stages.context())


def _source(number: int, length: int) -> BlockSource:
    block = Block(0, length, 1, 16 * number + 1, integers=True)
    return BlockSource(MapOutput(number, "file:///m", "e", 9), block)


def test_groups_fit_in_the_limit_and_keep_the_order() -> None:
    """Only a block that needs more than the limit by itself exceeds it."""
    sources = [_source(number, number * 37 % 200 + 1) for number in range(100)]
    for limit in (1, 500, 5_000, 10**9):
        groups = _groups(sources, limit, None)
        assert sources == [each for group in groups for each in group.sources]
        for group in groups:
            needed = [_needed(each.block.length) for each in group.sources]
            assert sum(needed) <= limit or len(needed) == 1
    assert [] == _groups([], 1, None)
    assert 1 == len(_groups(sources, 10**9, None))


def test_an_index_gives_its_blocks_back() -> None:
    """Each in an entry of one length, which belongs to its partition alone."""
    blocks = [
        Block(0, 5, 1, (1 << 64) - 1, integers=True),
        Block(5, 0, 0, 0, integers=True),
        Block(5, 1 << 40, 1 << 33, 7, integers=False),
    ]
    index = index_of(blocks)
    assert 3 * ENTRY_BYTES == len(index)
    assert blocks == parse_index(index, "file:///m")
    swapped = index[ENTRY_BYTES : 2 * ENTRY_BYTES] + index[:ENTRY_BYTES] + index[2 * ENTRY_BYTES :]
    with pytest.raises(CorruptBlock, match="partition 0") as caught:
        parse_index(swapped, "file:///m")
    assert "file:///m" == caught.value.url


def test_a_seal_tells_partitions_and_blocks_apart() -> None:
    """The sum of the seals is that of the same blocks of the same partitions alone."""
    first, second = Block(0, 5, 1, 3, integers=True), Block(5, 5, 1, 4, integers=True)
    assert sealed([(0, first), (1, second)]) == sealed([(1, second), (0, first)])
    others = [[(0, second), (1, first)], [(0, first), (0, first)], [(0, first)]]
    assert sealed([(0, first), (1, second)]) not in [sealed(other) for other in others]
    assert seal(0, first) != seal(0, Block(0, 5, 2, 3, integers=True))
