"""The reduce stage: one partition's blocks in, one sorted part out. Memory does not grow with the partition."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain, groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

from mapreduce.encoding import decode_key, encode_key, key_prefix, pack_value, unpack_value
from mapreduce.engine.collect import PairCollector, Spills, merged_states
from mapreduce.engine.context import Stopwatch, TaskContext
from mapreduce.engine.merge import Run, merged
from mapreduce.engine.part import StoredPairs, store_pairs, write_part
from mapreduce.engine.user_code import Place, user_code
from mapreduce.errors import CorruptBlock, InputChanged, ObjectMissing, OutputLost, UserCodeError
from mapreduce.formats.frames import BlockReader, Frame, PackedPair
from mapreduce.job import Job
from mapreduce.messages import BlockSource, ReduceResult, ReduceTask
from mapreduce.storage import Storage

FETCHES = 8
"""Blocks fetched at the same time."""
BUFFER_SHARE = 8
"""An eighth of the task's memory holds pairs that are put in order; DuckDB has half."""

DUCKDB_FROM_PAIRS = 100_000
"""From this many pairs on DuckDB is worth its start (0.25 s); below, merging in Python is as fast."""

_by_key = itemgetter(0)


def run_reduce(task: ReduceTask, context: TaskContext) -> ReduceResult:
    """Reduces one partition.

    Raises:
        UserCodeError: the job's code raised, or yielded what cannot be carried.
        CorruptBlock: a block does not read as its map task wrote it.
        OutputLost: a map task's object is gone, or is another.
    """
    stopwatch = Stopwatch(context.storage)
    job = context.load_job(task.job)
    job.stage = "reduce"
    context.meter.status = lambda: job.status_text
    with context.scratch_folder() as folder:
        blocks = fetch_blocks(task.sources, context, folder)
        reduced = _sorted(_reduced(job, blocks, context, folder), context.memory_bytes // BUFFER_SHARE, folder)
        part = write_part(reduced, task, context, whole=task.partitions == 1)
    return ReduceResult(
        url=part.info.url,
        etag=part.info.etag,
        size=part.info.size,
        bytes_in=sum(source.block.length for source in task.sources),
        records_in=sum(block.records for block in blocks),
        checksum_in=sum(block.checksum for block in blocks) % (1 << 64),
        records_out=reduced.records,
        top=part.top,
        pairs=part.pairs,
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
            try:
                yield from reader.frames()
            except CorruptBlock as exc:
                raise CorruptBlock(str(exc), url=self.source.url) from exc
        self.records, self.checksum = reader.records, reader.checksum
        if (self.records, self.checksum) != (expected.records, expected.checksum):
            raise CorruptBlock(
                f"{name} holds {self.records} pairs, not the {expected.records} that were written", url=self.source.url
            )


def fetch_blocks(sources: tuple[BlockSource, ...], context: TaskContext, folder: Path) -> list[FetchedBlock]:
    """Brings the blocks of one partition to local disk, several at a time, in the order of the sources."""

    def fetch(numbered: tuple[int, BlockSource]) -> FetchedBlock:
        number, source = numbered
        path = folder / f"block-{number}"
        _download(context.storage, source, path, context.block_bytes)
        context.meter.bytes += source.block.length
        return FetchedBlock(source, path)

    wanted = [source for source in sources if source.block.records]
    with ThreadPoolExecutor(FETCHES) as pool:
        return list(pool.map(fetch, enumerate(wanted)))


def _download(storage: Storage, source: BlockSource, path: Path, size: int) -> None:
    block = source.block
    end = block.offset + block.length
    try:
        with path.open("wb") as file:
            for piece in storage.stream(source.url, block.offset, end, etag=source.etag, block_bytes=size):
                file.write(piece)
    except (ObjectMissing, InputChanged) as exc:
        raise OutputLost(
            f"the output of map-{source.map_index}, {source.url}, is gone or has changed", url=source.url
        ) from exc


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
    for encoded, group in groupby(pairs, _grouping(job)):
        key = group_key(encoded, job.group_by)
        place.record = key
        yielded = job.reduce(key, (unpack_value(packed) for _, packed in group))
        if yielded is None:
            raise UserCodeError(
                "reduce returned None instead of pairs; write `yield key, value`, or return an empty list",
                record=repr(key)[:200],
            )
        for out_key, value in yielded:
            yield encode_key(out_key), pack_value(value)


def _grouping(job: Job) -> Callable[[PackedPair], bytes]:
    """What pairs of one group have in common: the key, or its first fields."""
    if fields := job.group_by:
        return lambda pair: key_prefix(pair[0], fields)
    return _by_key


def group_key(encoded: bytes, fields: int) -> Any:
    """The key that `reduce` is given: with `group_by = 1` the first field itself, not a tuple of one."""
    key = decode_key(encoded)
    return key[0] if fields == 1 and isinstance(key, tuple) else key


def _merged(blocks: list[FetchedBlock], context: TaskContext, folder: Path) -> Iterator[PackedPair]:
    runs: list[Run] = [lambda block=block: _counted(block.frames(), context) for block in blocks]  # type: ignore[misc]
    return merged(runs, folder) if runs else iter(())


def _counted(frames: Iterator[Frame], context: TaskContext) -> Iterator[Frame]:
    for frame in frames:
        context.meter.records += len(frame.keys)
        yield frame


def _sorted(pairs: Iterator[PackedPair], buffer_bytes: int, folder: Path) -> StoredPairs:
    """Puts pairs in key order: a `reduce` may yield any keys in any order. What comes in order stays cheap."""
    collector = PairCollector(lambda _: 0, buffer_bytes, Spills(1, folder, None))
    for key, packed in pairs:
        collector.put(key, packed)
    return store_pairs(collector, folder)
