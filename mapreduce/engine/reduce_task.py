"""The reduce stage: one partition's blocks in, one sorted part out.

Memory does not grow with the partition: blocks lie on scratch disk and are merged a frame at a
time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain, groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

from mapreduce import native
from mapreduce.aggregate import Aggregation
from mapreduce.encoding import decode_key, key_prefix, pack_value, unpack_value
from mapreduce.engine import compiled
from mapreduce.engine.collect import check_placement, merged_states, packed_result
from mapreduce.engine.collector_choice import sorter
from mapreduce.engine.context import Stopwatch, TaskContext
from mapreduce.engine.merge import SortedRun, merged, merged_frames
from mapreduce.engine.part import (
    Part,
    StoredPairs,
    Write,
    store_pairs,
    store_written,
    write_part,
    write_rows,
)
from mapreduce.errors import CorruptBlock, InputChanged, ObjectMissing, OutputLost
from mapreduce.formats.frames import BlockReader, Frame, FrameSink, PackedPair, RawFrame, columns
from mapreduce.job import Job, task_state
from mapreduce.storage import Storage
from mapreduce.user_code.calls import Place, user_code
from mapreduce.user_code.class_check import check_instance
from mapreduce.user_code.yielded import pairs_of
from mapreduce.wire.messages import BlockSource, ReduceResult, ReduceTask

FETCHES = 8
"""Blocks fetched at the same time."""
BUFFER_SHARE = 8
"""One eighth of the task's memory buffers the results to be sorted; DuckDB gets half."""

DUCKDB_FROM_PAIRS = 100_000
"""Number of pairs from which DuckDB is worth its start-up (0.25 s); below, Python is as fast."""

PROVEN_KEYS = 100_000
"""Checked keys remembered for a job with `partition`; beyond it the memory is cleared."""

_by_key = itemgetter(0)


def run_reduce(task: ReduceTask, context: TaskContext) -> ReduceResult:
    """Reduce one partition.

    Raises:
        UserCodeError: the job's code raised, or yielded an unsupported value.
        CorruptBlock: a block does not read as its map task wrote it.
        OutputLost: a map task's object is missing or has changed.
    """
    stopwatch = Stopwatch(context.storage)
    job = context.load_job(task.job)
    state = task_state(job)
    state.stage = "reduce"
    context.meter.status = lambda: state.status
    with context.scratch_folder() as folder:
        blocks = fetch_blocks(task.sources, context, folder)
        if job.partitions_itself:
            proof = PlacementProof(job, task.index, task.partitions)
            for block in blocks:
                block.proof = proof
        part = _part(job, task, blocks, context, folder)
    return ReduceResult(
        url=part.info.url,
        etag=part.info.etag,
        size=part.info.size,
        digest=part.info.digest,
        bytes_in=sum(source.block.length for source in task.sources),
        records_in=sum(block.records for block in blocks),
        checksum_in=sum(block.checksum for block in blocks) % (1 << 64),
        records_out=part.records,
        top=part.top,
        top_lengths=part.top_lengths,
        pairs=part.pairs,
        counters=dict(job.counters),
        cost=stopwatch.cost(),
    )


class PlacementProof:
    """Checks each key of a reduce task against the job's `partition`.

    Args:
        job: the job's instance.
        index: the task's partition.
        partitions: the number of partitions.
    """

    def __init__(self, job: Job, index: int, partitions: int) -> None:
        self._job = job
        self._index = index
        self._partitions = partitions
        self._proven: set[bytes] = set()

    def check(self, frame: RawFrame) -> None:
        """Check the keys of a frame that are not remembered as checked.

        Raises:
            UserCodeError: a key belongs to another partition.
        """
        for key in set(columns(frame).keys) - self._proven:
            check_placement(self._job, key, self._index, self._partitions)
            if len(self._proven) >= PROVEN_KEYS:
                self._proven.clear()
            self._proven.add(key)


@dataclass(slots=True)
class FetchedBlock:
    """A map task's block on local disk, with the count and checksum of what has been read of it.

    With a `proof`, every frame that is read, whichever merge reads it, is checked for keys of other
    partitions.
    """

    source: BlockSource
    path: Path
    context: TaskContext
    records: int = 0
    checksum: int = 0
    proof: PlacementProof | None = None

    def frames(self) -> Iterator[Frame]:
        """Yield the frames; at the end, check count and checksum against the map task's report."""
        return map(columns, self.raw_frames())

    def raw_frames(self) -> Iterator[RawFrame]:
        """Yield the same frames as payloads."""
        expected = self.source.block
        name = f"the block at byte {expected.offset} of {self.source.url}"
        with self.path.open("rb") as file:
            reader = BlockReader(file, expected.length, name)
            try:
                for frame in reader.raw_frames():
                    self.context.meter.records += frame[1]
                    if self.proof is not None:
                        self.proof.check(frame)
                    yield frame
            except CorruptBlock as exc:
                raise CorruptBlock(str(exc), url=self.source.url) from exc
        # assigned, not added: after an overflow the block is read a second time, and each pass
        # counts alone
        self.records, self.checksum = reader.records, reader.checksum
        if (self.records, self.checksum) != (expected.records, expected.checksum):
            raise CorruptBlock(
                f"{name} holds {self.records} pairs, not the {expected.records} that were written",
                url=self.source.url,
            )


def fetch_blocks(
    sources: tuple[BlockSource, ...], context: TaskContext, folder: Path
) -> list[FetchedBlock]:
    """Fetch the blocks of one partition to local disk, several at a time, in the order of the
    sources.
    """

    def fetch(numbered: tuple[int, BlockSource]) -> FetchedBlock:
        number, source = numbered
        path = folder / f"block-{number}"
        _download(context.storage, source, path, context.block_bytes)
        context.meter.bytes += source.block.length
        return FetchedBlock(source, path, context)

    # an empty block has nothing to merge, and its fetch costs a request
    wanted = [source for source in sources if source.block.records]
    with ThreadPoolExecutor(FETCHES) as pool:
        return list(pool.map(fetch, enumerate(wanted)))


def _download(storage: Storage, source: BlockSource, path: Path, size: int) -> None:
    block = source.block
    end = block.offset + block.length
    try:
        with path.open("wb") as file:
            for piece in storage.stream(
                source.url, block.offset, end, etag=source.etag, block_bytes=size
            ):
                file.write(piece)
    except (ObjectMissing, InputChanged) as exc:
        raise OutputLost(
            f"the output of map-{source.map_index}, {source.url}, is missing or has changed",
            url=source.url,
        ) from exc


def _part(
    job: Job, task: ReduceTask, blocks: list[FetchedBlock], context: TaskContext, folder: Path
) -> Part:
    """Reduce and write the part: directly, if it needs no sort and is not needed a second time."""
    aggregation, whole = job.aggregation, task.partitions == 1
    # results of `reduce` need a sort, and pairs for a next step a second read, so both go to disk
    # first
    if aggregation is None or task.keep_pairs:
        return write_part(_reduced(job, blocks, context, folder), task, context, whole=whole)

    def write(sink: FrameSink) -> None:
        with user_code(Place("reduce")):
            _aggregated(aggregation, blocks, context, folder)(sink)

    return write_rows(write, task, context, folder, whole=whole, distinct=True)


def _reduced(
    job: Job, blocks: list[FetchedBlock], context: TaskContext, folder: Path
) -> StoredPairs:
    """Return the results of the job's `reduce` over the merged blocks."""
    place = Place("reduce")
    with user_code(place):
        if job.aggregation is not None:
            return store_written(_aggregated(job.aggregation, blocks, context, folder), folder)
        # `reduce` may yield any key, so its results are sorted again before they become a part
        results = sorter(context.memory_bytes // BUFFER_SHARE, folder)
        place.step = "reduce_setup"
        job.reduce_setup()
        check_instance(job, "reduce_setup")
        place.step = "reduce"
        results.add(_own_reduce(job, _groups(job, blocks, folder), place))
        check_instance(job, "reduce")
        place.step, place.record = "reduce_cleanup", None
        results.add(pairs_of(job.reduce_cleanup(), none_is_empty=True))
    return store_pairs(results, folder)


def _aggregated(
    aggregation: Aggregation[Any], blocks: list[FetchedBlock], context: TaskContext, folder: Path
) -> Write:
    """Return a function that writes one pair for each key, in key order."""
    integers = all(block.source.block.integers for block in blocks)
    runs: list[SortedRun] = list(blocks)
    if not integers or not compiled.combines(aggregation):
        return lambda sink: sink.write(_aggregated_in_python(aggregation, blocks, context, folder))

    def write(sink: FrameSink) -> None:
        try:
            sink.write_frames(merged_frames(runs, folder, compiled.state_operation(aggregation)))
        # a sum beyond 64 bits: discard what was written and merge the blocks again, with Python's
        # integers
        except OverflowError:
            sink.start_over()
            sink.write(_aggregated_in_python(aggregation, blocks, context, folder))

    return write


def _aggregated_in_python(
    aggregation: Aggregation[Any], blocks: list[FetchedBlock], context: TaskContext, folder: Path
) -> Iterator[PackedPair]:
    """Aggregate without the native extension, or beyond the values that it supports."""
    many = sum(block.source.block.records for block in blocks) >= DUCKDB_FROM_PAIRS
    if aggregation.sql and many and all(block.source.block.integers for block in blocks):
        from mapreduce.engine.integer_merge import merged_integers  # DuckDB takes 0.2 s to import

        pairs = merged_integers(
            chain.from_iterable(block.frames() for block in blocks),
            aggregation.sql,
            memory_bytes=context.memory_bytes // 2,
            threads=context.threads,
            scratch=folder,
        )
        return ((key, pack_value(total)) for key, total in pairs)
    states = merged_states(aggregation, merged(list(blocks), folder) if blocks else iter(()))
    return ((key, packed_result(aggregation, key, state)) for key, state in states)


def _own_reduce(
    job: Job, groups: Iterator[tuple[bytes, Iterator[Any]]], place: Place
) -> Iterator[Any]:
    """Return the pairs that the job's `reduce` yields."""
    return chain.from_iterable(_yielded(job, groups, place))


def _yielded(
    job: Job, groups: Iterator[tuple[bytes, Iterator[Any]]], place: Place
) -> Iterator[Iterable[Any]]:
    for encoded, values in groups:
        key = group_key(encoded, job.group_by)
        place.record = key
        yield pairs_of(job.reduce(key, values))


def _groups(
    job: Job, blocks: list[FetchedBlock], folder: Path
) -> Iterator[tuple[bytes, Iterator[Any]]]:
    """Yield the groups in key order, each with its values as a stream."""
    if not blocks:
        return
    together = _grouping(job)
    # in Python the merge yields single pairs, and `groupby` keeps no group in memory
    if native.kernel is None:
        group: Iterator[PackedPair]
        for encoded, group in groupby(merged(list(blocks), folder), together):
            yield encoded, (unpack_value(packed) for _, packed in group)
        return
    pieces: Iterator[tuple[bytes, list[Any]]]
    # the extension yields a key once per frame, so `groupby` joins the values from several frames
    frames = merged_frames(list(blocks), folder, compiled.operation("KEEP"))
    for encoded, pieces in groupby(compiled.groups_of(frames), together):
        yield encoded, chain.from_iterable(values for _, values in pieces)


def _grouping(job: Job) -> Callable[[tuple[bytes, Any]], bytes]:
    """Return the function whose value pairs of one group share: the key, or its first fields."""
    if fields := job.group_by:
        return lambda pair: key_prefix(pair[0], fields)
    return _by_key


def group_key(encoded: bytes, fields: int) -> Any:
    """Return the key for `reduce`; with `group_by = 1`, the first field and not a tuple of one."""
    key = decode_key(encoded)
    return key[0] if fields == 1 and isinstance(key, tuple) else key
