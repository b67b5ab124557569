"""The reduce stage: one partition's blocks in, one sorted part out. Memory does not grow with the partition."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain, groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

from mapreduce import keys
from mapreduce.encoding import STR_TAG, decode_key, encode_key, pack_value, unpack_value
from mapreduce.engine.collect import PairCollector, Spills, merged_states
from mapreduce.engine.context import Stopwatch, TaskContext
from mapreduce.engine.frames import BlockReader, Frame, PackedPair
from mapreduce.engine.heaviest import Heaviest
from mapreduce.engine.merge import Run, merged, run_of_file
from mapreduce.engine.user_code import Place, user_code
from mapreduce.errors import CorruptBlock, UserCodeError
from mapreduce.formats.output import jsonable, write_pairs
from mapreduce.job import Job
from mapreduce.messages import BlockSource, ReduceResult, ReduceTask
from mapreduce.storage import Storage

FETCHES = 8
"""Blocks fetched at the same time."""
BUFFER_SHARE = 8
"""An eighth of the task's memory holds pairs that are put in order; DuckDB has half."""

DUCKDB_FROM_PAIRS = 100_000
"""From this many pairs on DuckDB is worth its start (0.25 s); below, merging in Python is as fast."""

Pair = tuple[Any, Any]
_by_key = itemgetter(0)


def run_reduce(task: ReduceTask, context: TaskContext) -> ReduceResult:
    """Reduces one partition.

    Raises:
        UserCodeError: the job's code raised, or yielded what cannot be carried.
        CorruptBlock: a block is not as its map task wrote it.
        ObjectMissing: a map task's object is gone.
    """
    stopwatch = Stopwatch()
    job = context.load_job(task.job)
    job.stage = "reduce"
    context.meter.status = lambda: job.status_text
    with context.scratch_folder() as folder:
        blocks = fetch_blocks(task.sources, context, folder)
        reduced = _sorted(_reduced(job, blocks, context, folder), context.memory_bytes // BUFFER_SHARE, folder)
        written = folder / "part"
        top = _render(reduced, written, task)
        ending = "json" if task.partitions == 1 else "jsonl"
        url = keys.reduce_attempt(task.store, task.run, task.index, task.attempt, ending)
        info = context.storage.write(url, written)
    return ReduceResult(
        url=info.url,
        etag=info.etag,
        size=info.size,
        bytes_in=sum(source.block.length for source in task.sources),
        records_in=sum(block.records for block in blocks),
        checksum_in=sum(block.checksum for block in blocks) % (1 << 64),
        records_out=reduced.records,
        top=tuple((jsonable(key), jsonable(value)) for key, value in top.pairs()),
        counters=dict(job.counters),
        cost=stopwatch.cost(),
    )


@dataclass(slots=True)
class FetchedBlock:
    """A map task's block on local disk, and what has been read of it."""

    source: BlockSource
    path: Path
    records: int = 0
    checksum: int = 0

    def frames(self) -> Iterator[Frame]:
        """The frames; at the end the count and checksum must be those that the map task reported."""
        expected = self.source.block
        name = f"the block at byte {expected.offset} of {self.source.url}"
        with self.path.open("rb") as file:
            reader = BlockReader(file, expected.length, name)
            yield from reader.frames()
        self.records, self.checksum = reader.records, reader.checksum
        if (self.records, self.checksum) != (expected.records, expected.checksum):
            raise CorruptBlock(f"{name} holds {self.records} pairs, not the {expected.records} that were written")


def fetch_blocks(sources: tuple[BlockSource, ...], context: TaskContext, folder: Path) -> list[FetchedBlock]:
    """Brings the blocks of one partition to local disk, several at a time, in the order of the sources."""

    def fetch(numbered: tuple[int, BlockSource]) -> FetchedBlock:
        number, source = numbered
        path = folder / f"block-{number}"
        _download(context.storage, source, path)
        context.meter.bytes += source.block.length
        return FetchedBlock(source, path)

    wanted = [source for source in sources if source.block.records]
    with ThreadPoolExecutor(FETCHES) as pool:
        return list(pool.map(fetch, enumerate(wanted)))


def _download(storage: Storage, source: BlockSource, path: Path) -> None:
    block = source.block
    with path.open("wb") as file:
        for piece in storage.stream(source.url, block.offset, block.offset + block.length, etag=source.etag):
            file.write(piece)


def _reduced(job: Job, blocks: list[FetchedBlock], context: TaskContext, folder: Path) -> Iterator[PackedPair]:
    """What the job's `reduce` makes of the merged blocks, packed."""
    place = Place("setup")
    with user_code(place):
        job.setup()
        place.step = "reduce"
        yield from _groups(job, blocks, context, folder, place)
        place.step, place.record = "cleanup", None
        for key, value in job.cleanup() or ():
            yield encode_key(key), pack_value(value)


def _groups(
    job: Job, blocks: list[FetchedBlock], context: TaskContext, folder: Path, place: Place
) -> Iterator[PackedPair]:
    aggregation = job.aggregation
    if aggregation is None:
        return _own_reduce(job, _merged(blocks, context, folder), place)
    many = sum(block.source.block.records for block in blocks) >= DUCKDB_FROM_PAIRS
    if aggregation.sql and many and all(block.source.block.integers for block in blocks):
        from mapreduce.engine.integer_merge import merged_integers  # DuckDB takes 0.2 s to import

        return merged_integers(
            _counted(chain.from_iterable(block.frames() for block in blocks), context),
            aggregation.sql,
            memory_bytes=context.memory_bytes // 2,
            threads=context.threads,
            scratch=folder,
        )
    states = merged_states(aggregation, _merged(blocks, context, folder))
    return ((key, pack_value(aggregation.result(state))) for key, state in states)


def _own_reduce(job: Job, pairs: Iterator[PackedPair], place: Place) -> Iterator[PackedPair]:
    group: Iterator[PackedPair]
    for encoded, group in groupby(pairs, _by_key):
        key = decode_key(encoded)
        place.record = key
        yielded = job.reduce(key, (unpack_value(packed) for _, packed in group))
        if yielded is None:
            raise UserCodeError(
                "reduce returned None instead of pairs; write `yield key, value`, or return an empty list",
                record=repr(key)[:200],
            )
        for out_key, value in yielded:
            yield encode_key(out_key), pack_value(value)


def _merged(blocks: list[FetchedBlock], context: TaskContext, folder: Path) -> Iterator[PackedPair]:
    runs: list[Run] = [lambda block=block: _counted(block.frames(), context) for block in blocks]  # type: ignore[misc]
    return merged(runs, folder) if runs else iter(())


def _counted(frames: Iterator[Frame], context: TaskContext) -> Iterator[Frame]:
    for frame in frames:
        context.meter.records += len(frame.keys)
        yield frame


@dataclass(frozen=True, slots=True)
class _Sorted:
    """The reduced pairs on scratch disk, in key order; those of one key in the order in which they were yielded."""

    run: Run
    records: int

    def pairs(self) -> Iterator[Pair]:
        for frame in self.run():
            for key, packed in zip(frame.keys, frame.values, strict=True):
                yield decode_key(key), unpack_value(packed)

    def is_object(self) -> bool:
        """True when every key is a str and none comes twice."""
        previous: bytes | None = None
        for key in (key for frame in self.run() for key in frame.keys):
            if key[0] != STR_TAG or key == previous:
                return False
            previous = key
        return True


def _sorted(pairs: Iterator[PackedPair], buffer_bytes: int, folder: Path) -> _Sorted:
    """Puts pairs in key order: a `reduce` may yield any keys in any order. What comes in order stays cheap."""
    collector = PairCollector(lambda _: 0, buffer_bytes, Spills(1, folder, None))
    for key, packed in pairs:
        collector.put(key, packed)
    path = folder / "reduced"
    with path.open("wb") as file:
        (block,) = collector.finish(file)
    return _Sorted(run_of_file(path, 0, block.length, "the reduced pairs"), block.records)


def _render(reduced: _Sorted, path: Path, task: ReduceTask) -> Heaviest:
    """Writes the part, and keeps its heaviest pairs."""
    top = Heaviest(task.top)

    def offered() -> Iterator[Pair]:
        for key, value in reduced.pairs():
            top.offer(key, value)
            yield jsonable(key), jsonable(value)

    whole = task.partitions == 1
    with path.open("wb") as file:
        file.writelines(write_pairs(offered(), "json" if whole else "jsonl", as_object=whole and reduced.is_object()))
    return top
