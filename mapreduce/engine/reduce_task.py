"""The reduce stage: one partition's blocks in, one part out: in key order, or as it was yielded.

Memory does not grow with the partition: blocks are merged a frame at a time, from memory where
they fit, else from runs on scratch disk.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import chain, groupby
from operator import itemgetter
from pathlib import Path
from types import GeneratorType
from typing import Any

from mapreduce import native
from mapreduce.aggregate import Aggregation
from mapreduce.encoding import decode_key, key_prefix, unpack_value
from mapreduce.engine import native_collector
from mapreduce.engine.arrivals import arrivals
from mapreduce.engine.collect import (
    Collector,
    PairTaker,
    by_hash,
    check_joined,
    check_placement,
    merged_states,
    merging_states,
    packed_result,
    partitioner,
)
from mapreduce.engine.collector_choice import sorter
from mapreduce.engine.context import Stopwatch, TaskContext
from mapreduce.engine.fetch import JOINED, Partition, find_blocks, joined_source
from mapreduce.engine.gather import Checks, FetchedBlock, Gathered, Merge, gathered
from mapreduce.engine.merge import SortedRun, merge_frames_once, merge_once, merged, merged_frames
from mapreduce.engine.part import (
    Part,
    StoredPairs,
    Write,
    store_pairs,
    store_written,
    write_part,
    write_rows,
    write_sorted,
)
from mapreduce.engine.states import States, allows_states, is_associative
from mapreduce.formats.frames import BlockWriter, FrameSink, PackedPair, RawFrame, columns
from mapreduce.job import Job, task_state
from mapreduce.user_code.calls import Place, user_code
from mapreduce.user_code.class_check import check_instance
from mapreduce.user_code.yielded import pairs_of
from mapreduce.wire.messages import ReduceResult, ReduceTask

BUFFER_SHARE = 8
"""One eighth of the task's memory buffers the results to be sorted."""

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
    return reduce_blocks(task, find_blocks(task, context), context, stopwatch)


def reduce_blocks(
    task: ReduceTask, partition: Partition, context: TaskContext, stopwatch: Stopwatch
) -> ReduceResult:
    """Reduce the blocks of one partition; raises as `run_reduce`."""
    job = context.load_job(task.job)
    state = task_state(job)
    state.stage = "reduce"
    context.meter.status = lambda: state.status
    sources = partition.sources
    if task.joined is not None and task.joined.records:
        # ahead of the map outputs, so that its values come first
        sources = [joined_source(task.joined), *sources]
    with (
        context.scratch_folder() as folder,
        gathered(
            sources, context, folder, _merging(job), _checks(job, task), _states(job, task, context)
        ) as blocks,
    ):
        part = _part(job, task, blocks, context, folder)
        records, checksum = blocks.count()
        joined_in, joined_checksum = blocks.count(joined=True)
    return ReduceResult(
        url=part.info.url,
        etag=part.info.etag,
        size=part.info.size,
        digest=part.info.digest,
        bytes_in=partition.bytes,
        records_in=records,
        checksum_in=checksum,
        records_indexed=partition.records,
        checksum_indexed=partition.checksum,
        seal=partition.seal,
        records_out=part.records,
        top=part.top,
        top_lengths=part.top_lengths,
        pairs=part.pairs,
        pairs_checksum=part.pairs_checksum,
        joined_in=joined_in,
        joined_checksum=joined_checksum,
        counters=dict(job.counters),
        cost=stopwatch.cost(),
    )


def _checks(job: Job, task: ReduceTask) -> Checks:
    """Return the check of each block: all keys of a part that is joined, and all of a job with a
    `partition` of its own.
    """
    own = PlacementProof(job, task.index, task.partitions).check if job.partitions_itself else None
    partition = partitioner(job, task.partitions, None) or by_hash(task.partitions)

    def joined(frame: RawFrame) -> None:
        check_joined(partition, columns(frame).keys, task.index)

    return lambda source: joined if source.output.index == JOINED else own


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


def _states(job: Job, task: ReduceTask, context: TaskContext) -> States | None:
    """Return the kept states of the task's groups, if the message and the job allow them."""
    if not task.states or not allows_states(job.aggregation):
        return None
    return States(task.states, task.store, context.storage)


def _merging(job: Job) -> Merge:
    """Return the merge of a group of blocks into one run."""
    aggregation = job.aggregation
    kept = native_collector.pair_operation(job)
    if kept is None and native.extension is not None:
        kept = native_collector.operation("KEEP")
    combines = aggregation is not None and native_collector.combines(aggregation)
    associative = None
    if (
        aggregation
        and is_associative(aggregation)
        and not native_collector.keeps_first(aggregation)
    ):
        associative = merging_states(aggregation)

    def merge(writer: BlockWriter, runs: list[SortedRun]) -> None:
        if aggregation is not None and combines and _hold_integers(runs):
            try:
                operation = native_collector.state_operation(aggregation)
                writer.write_frames(merge_frames_once(runs, operation))
                return
            # a sum beyond 64 bits: merge the blocks again, with Python's integers
            except OverflowError:
                writer.start_over()
        if associative is not None:
            writer.write(associative(merge_once(runs)))
        elif kept is not None:
            writer.write_frames(merge_frames_once(runs, kept))
        else:
            writer.write(merge_once(runs))

    return merge


def _hold_integers(runs: list[SortedRun]) -> bool:
    return all(isinstance(run, FetchedBlock) and run.source.block.integers for run in runs)


def _part(job: Job, task: ReduceTask, blocks: Gathered, context: TaskContext, folder: Path) -> Part:
    """Reduce and write the part: directly, if it needs no sort and is not needed a second time."""
    aggregation, whole = job.aggregation, task.partitions == 1
    write = _written_through(job, blocks, folder)
    if write is None and not whole and not job.keep_order:
        results = _own_results(job, blocks, context, folder)
        return write_sorted(results, task, context, folder, columns=job.columns)
    # results of `reduce` need a sort; pairs for a next step, and the keys of a whole result, which
    # may come twice, a second read: so these go to disk first
    if write is None or task.keep_pairs or (whole and aggregation is None):
        reduced = _reduced(job, blocks, context, folder)
        return write_part(reduced, task, context, whole=whole, columns=job.columns)
    distinct = aggregation is not None
    return write_rows(
        write, task, context, folder, whole=whole, distinct=distinct, columns=job.columns
    )


def _written_through(job: Job, blocks: Gathered, folder: Path) -> Write | None:
    """Return a function that writes the results in key order; None if the job's own `reduce` makes
    them.
    """
    operation = native_collector.pair_operation(job)
    if operation is None and job.aggregation is None:
        return None

    def write(sink: FrameSink) -> None:
        with user_code(Place("reduce")):
            if operation is not None:
                sink.write_frames(merged_frames(blocks.runs, folder, operation, blocks.at_once))
            elif job.aggregation is not None:
                _aggregated(job.aggregation, blocks, folder)(sink)

    return write


def _reduced(job: Job, blocks: Gathered, context: TaskContext, folder: Path) -> StoredPairs:
    """Return the results of the job's `reduce` over the merged blocks."""
    place = Place("reduce")
    with user_code(place):
        if (write := _written_through(job, blocks, folder)) is not None:
            return store_written(write, folder)
        if job.keep_order:
            with arrivals(folder) as arrived:
                _reduce_all(job, _groups(job, blocks, folder), arrived, place)
                return arrived.stored()
    return store_pairs(_own_results(job, blocks, context, folder), folder)


def _own_results(job: Job, blocks: Gathered, context: TaskContext, folder: Path) -> Collector:
    """Return the results of a `reduce` method, which may yield any key: they are sorted again."""
    place = Place("reduce")
    results = sorter(context.memory_bytes // BUFFER_SHARE, folder)
    with user_code(place):
        _reduce_all(job, _groups(job, blocks, folder), results, place)
    return results


def _reduce_all(
    job: Job, groups: Iterator[tuple[bytes, Iterator[Any]]], results: PairTaker, place: Place
) -> None:
    """Call the job's `reduce` for each group, between `reduce_setup` and `reduce_cleanup`."""
    place.step = "reduce_setup"
    job.reduce_setup()
    check_instance(job, "reduce_setup")
    place.step = "reduce"
    results.add(_own_reduce(job, groups, place))
    check_instance(job, "reduce")
    place.step, place.record = "reduce_cleanup", None
    task_state(job).key = None
    results.add(pairs_of(job.reduce_cleanup(), none_is_empty=True))


def _aggregated(aggregation: Aggregation[Any], blocks: Gathered, folder: Path) -> Write:
    """Return a function that writes one pair for each key, in key order."""
    if not blocks.integers or not native_collector.combines(aggregation):
        return lambda sink: sink.write(_aggregated_in_python(aggregation, blocks, folder))

    def write(sink: FrameSink) -> None:
        try:
            operation = native_collector.state_operation(aggregation)
            sink.write_frames(merged_frames(blocks.runs, folder, operation, blocks.at_once))
        # a sum beyond 64 bits: discard what was written and merge the blocks again, with Python's
        # integers
        except OverflowError:
            sink.start_over()
            sink.write(_aggregated_in_python(aggregation, blocks, folder))

    return write


def _aggregated_in_python(
    aggregation: Aggregation[Any], blocks: Gathered, folder: Path
) -> Iterator[PackedPair]:
    """Aggregate without the native extension, or beyond the values that it supports."""
    pairs = merged(blocks.runs, folder, blocks.at_once) if blocks.runs else iter(())
    states = merged_states(aggregation, pairs)
    return ((key, packed_result(aggregation, key, state)) for key, state in states)


def _own_reduce(
    job: Job, groups: Iterator[tuple[bytes, Iterator[Any]]], place: Place
) -> Iterator[Any]:
    """Return the pairs that the job's `reduce` yields."""
    return chain.from_iterable(_yielded(job, groups, place))


def _yielded(
    job: Job, groups: Iterator[tuple[bytes, Iterator[Any]]], place: Place
) -> Iterator[Iterable[Any]]:
    state, reduce, fields = task_state(job), job.reduce, job.group_by
    for encoded, values in groups:
        if fields:
            place.record = key = group_key(encoded, fields)
        else:
            state.key = place.record = key = decode_key(encoded)
        pairs = reduce(key, values)
        yield pairs if type(pairs) is GeneratorType else pairs_of(pairs)


def _groups(job: Job, blocks: Gathered, folder: Path) -> Iterator[tuple[bytes, Iterator[Any]]]:
    """Yield the groups in key order, each with its values as a stream."""
    if not blocks.runs:
        return
    together = _grouping(job)
    # in Python the merge yields single pairs, and `groupby` keeps no group in memory
    if native.extension is None:
        group: Iterator[PackedPair]
        for encoded, group in groupby(merged(blocks.runs, folder, blocks.at_once), together):
            if job.group_by:
                yield encoded, _moving(job, ((key, (unpack_value(each),)) for key, each in group))
            else:
                yield encoded, (unpack_value(packed) for _, packed in group)
        return
    pieces: Iterator[tuple[bytes, list[Any]]]
    # the extension yields a key once per frame, so `groupby` joins the values from several frames
    keep = native_collector.operation("KEEP")
    frames = merged_frames(blocks.runs, folder, keep, blocks.at_once)
    for encoded, pieces in groupby(native_collector.groups_of(frames), together):
        if job.group_by:
            yield encoded, _moving(job, pieces)
        else:
            yield encoded, chain.from_iterable(values for _, values in pieces)


def _moving(job: Job, pieces: Iterable[tuple[bytes, Iterable[Any]]]) -> Iterator[Any]:
    """Return the values of a group, while `job.key` is the key of the current one."""
    state = task_state(job)
    parts = iter(pieces)
    first, values = next(parts)
    # before the first value too, as in Hadoop
    state.key = decode_key(first)

    def following() -> Iterator[Any]:
        for encoded, more in parts:
            state.key = decode_key(encoded)
            yield from more

    return chain(values, following())


def _grouping(job: Job) -> Callable[[tuple[bytes, Any]], bytes]:
    """Return the function whose value pairs of one group share: the key, or its first fields."""
    if fields := job.group_by:
        return lambda pair: key_prefix(pair[0], fields)
    return _by_key


def group_key(encoded: bytes, fields: int) -> Any:
    """Return the key for `reduce`; with `group_by = 1`, the first field and not a tuple of one."""
    key = decode_key(encoded)
    return key[0] if fields == 1 and isinstance(key, tuple) else key
