"""The map stage: one split in, one object of R sorted blocks and their index out.

Memory does not grow with the split. A job without a reduce stage writes a part of the result
instead, in key order, or in that in which they were yielded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import cached_property, partial
from itertools import chain
from pathlib import Path
from types import GeneratorType
from typing import TYPE_CHECKING, Any

from mapreduce.batch import Batch
from mapreduce.engine.arrivals import arrivals
from mapreduce.engine.bad_records import SetAside
from mapreduce.engine.block_index import index_of, sum_of
from mapreduce.engine.collect import PairTaker, own_partition
from mapreduce.engine.collector_choice import collector_for, sorter
from mapreduce.engine.column_choice import makes_states, maps_columns
from mapreduce.engine.context import Stopwatch, TaskContext
from mapreduce.engine.held import Beside, Held, apart, without_collections
from mapreduce.engine.joined_rows import joined_rows
from mapreduce.engine.part import keep, write_part, write_sorted
from mapreduce.engine.sample import read_boundaries
from mapreduce.errors import OutputLost, UserCodeError
from mapreduce.formats import base
from mapreduce.formats.readers import reader_of
from mapreduce.formats.text import count_records
from mapreduce.formats.undecoded import Undecoded
from mapreduce.input_formats import Format, InputFormat, Text
from mapreduce.job import Job, task_state
from mapreduce.storage.base import AHEAD
from mapreduce.storage.digest import Digest
from mapreduce.user_code.calls import Place, user_code
from mapreduce.user_code.class_check import check_instance, without_map
from mapreduce.user_code.columns import two_columns
from mapreduce.user_code.yielded import pairs_of
from mapreduce.wire import keys
from mapreduce.wire.messages import (
    ByteRange,
    InvalidText,
    MapResult,
    MapTask,
    RangeRead,
    SkippedRecord,
)

if TYPE_CHECKING:
    from mapreduce.engine.map_columns import ColumnsMap

BUFFER_SHARE = 4
"""One quarter of the task's memory holds pairs; sorting and writing them needs as much again."""


def run_map(task: MapTask, context: TaskContext) -> MapResult:
    """Map one split.

    Raises:
        UserCodeError: the job's code raised, or yielded an unsupported value.
        InputChanged: an input has changed since it was planned.
        RecordError: a record does not have the input's format.
    """
    stopwatch = Stopwatch(context.storage)
    job = context.load_job(task.job)
    state = task_state(job)
    state.stage = "map"
    context.meter.status = lambda: state.status
    with context.scratch_folder() as folder:
        write = _to_partitions if task.partitions else _to_part
        return write(task, job, context, folder, stopwatch)


def _to_partitions(
    task: MapTask, job: Job, context: TaskContext, folder: Path, stopwatch: Stopwatch
) -> MapResult:
    boundaries = read_boundaries(task.boundaries, context.storage) if task.boundaries else None
    buffer_bytes = context.memory_bytes // BUFFER_SHARE
    pieces, lenient = task.split.pieces, task.skip_limit is not None
    states = makes_states(job, pieces, lenient=lenient)
    collector = collector_for(job, task.partitions, buffer_bytes, folder, boundaries, states=states)
    check_key = partial(own_partition, job, task.partitions) if job.partitions_itself else None
    aside = None if task.skip_limit is None else SetAside(job, task.skip_limit, check_key)
    mapping = MapStage(job, collector, context, aside, states=states)
    read = mapping.split(pieces)
    written = folder / "output"
    with written.open("wb") as file, user_code(Place("combine or partition")):
        blocks = collector.finish(file)
        index = index_of(blocks)
        file.write(index)
    info = keep(
        context.storage, keys.map_attempt(task.store, task.run, task.index, task.attempt), written
    )
    return MapResult(
        url=info.url,
        etag=info.etag,
        size=info.size,
        digest=info.digest,
        pieces=read,
        records_in=mapping.records,
        records_out=sum(block.records for block in blocks),
        blocks=sum_of(blocks, index),
        skipped=mapping.skipped,
        invalid=mapping.invalid_text(),
        counters=mapping.counters(),
        cost=stopwatch.cost(),
    )


def _to_part(
    task: MapTask, job: Job, context: TaskContext, folder: Path, stopwatch: Stopwatch
) -> MapResult:
    aside = None if task.skip_limit is None else SetAside(job, task.skip_limit)
    beside = None
    if task.split.beside is not None:
        beside = Beside(task.split.beside, counts=task.split.counts_beside)
    if job.keep_order:
        with arrivals(folder) as arrived:
            mapping = MapStage(job, arrived, context, aside)
            pieces = mapping.split(task.split.pieces, beside)
            stored = arrived.stored()
        part = write_part(stored, task, context, whole=False, columns=job.columns)
    else:
        collector = sorter(context.memory_bytes // BUFFER_SHARE, folder)
        mapping = MapStage(job, collector, context, aside)
        pieces = mapping.split(task.split.pieces, beside)
        part = write_sorted(collector, task, context, folder, columns=job.columns)
    return MapResult(
        url=part.info.url,
        etag=part.info.etag,
        size=part.info.size,
        digest=part.info.digest,
        pieces=pieces,
        beside=beside.read if beside else (),
        records_in=mapping.records,
        records_out=part.records,
        top=part.top,
        top_lengths=part.top_lengths,
        pairs=part.pairs,
        skipped=mapping.skipped,
        invalid=mapping.invalid_text(),
        counters=mapping.counters(),
        cost=stopwatch.cost(),
    )


class MapStage:
    """Feeds records to a job's `map`, and the yielded pairs to a collector.

    Args:
        job: the job's instance.
        collector: takes the yielded pairs.
        context: where the records are read.
        aside: sets bad records aside; None if the first bad record fails the task.
        states: the collector takes the states of an aggregation.
    """

    def __init__(
        self,
        job: Job,
        collector: PairTaker,
        context: TaskContext,
        aside: SetAside | None = None,
        *,
        states: bool = False,
    ) -> None:
        self._job = job
        self._collector = collector
        self._context = context
        self._aside = aside
        self._invalid: list[tuple[str, Undecoded]] = []
        self._in_batches = Undecoded()
        self._resources = ExitStack()
        self._states = states
        self._held: Callable[[], Mapping[Any, Sequence[Any]]] | None = None
        self._in_bytes: Callable[[base.RecordBatch, ByteRange], int | None] | None = None
        self.records = 0

    @cached_property
    def _columns(self) -> ColumnsMap:
        from mapreduce.engine.map_columns import ColumnsMap  # late: DuckDB takes 0.2 s to import

        return ColumnsMap(
            self._job,
            self._collector,
            self._context,
            self._resources,
            aside=self._aside,
            states=self._states,
        )

    @property
    def skipped(self) -> tuple[SkippedRecord, ...]:
        """The records that were set aside."""
        return tuple(self._aside.records) if self._aside else ()

    def split(
        self, pieces: Iterable[ByteRange], beside: Beside | None = None
    ) -> tuple[RangeRead, ...]:
        """Map all records of a split, between `map_setup` and `map_cleanup`.

        Args:
            pieces: the split.
            beside: the input that is broadcast, if one is.
        """
        with user_code(Place("map_setup")):
            self._job.map_setup()
            check_instance(self._job, "map_setup")
        with self._resources:
            if beside is not None:
                self._hold(beside)
            read = tuple(self._piece(byte_range) for byte_range in pieces)
            if "_columns" in vars(self):
                with user_code(Place("map")):
                    self._columns.finish()
        self._held = self._in_bytes = None
        with user_code(Place("map_cleanup")):
            check_instance(self._job, "map")
            self._collector.add(pairs_of(self._job.map_cleanup(), none_is_empty=True))
        return read

    def _hold(self, beside: Beside) -> None:
        """Read the input that is broadcast."""
        rows = joined_rows(self._job, self._collector)
        held = Held(self._job.group_by) if rows is None else rows
        reading = MapStage(self._job, held, self._context)
        if rows is not None:
            reading._in_bytes, self._in_bytes = rows.hold, rows.join
        self._held = lambda: held.groups
        with without_collections(), beside.counting(self._job), reading._resources:
            beside.read = tuple(map(reading._piece, beside.pieces))
        if rows is None:  # else no row is an object
            self._resources.enter_context(apart())
        if beside.counts:
            self.records += reading.records
            self._invalid += reading._invalid

    def counters(self) -> dict[str, int]:
        """Return the job's counters, the bytes that are not UTF-8, and the skipped records."""
        counters: dict[str, int] = dict(self._job.counters)
        if self._invalid:
            counters["invalid_utf8"] = sum(undecoded.replaced for _, undecoded in self._invalid)
        if self.skipped:
            counters["skipped_records"] = len(self.skipped)
        return counters

    def invalid_text(self) -> InvalidText | None:
        """Return what was not UTF-8, or None if all was."""
        return _invalid_text(self._invalid) if self._invalid else None

    def _piece(self, byte_range: ByteRange) -> RangeRead:
        columns = maps_columns(self._job, byte_range, lenient=self._aside is not None)
        if self._job.passes_on and byte_range.format.kind != "pairs" and not columns:
            raise without_map(type(self._job))
        own = own_format(self._job, byte_range)
        reader = reader_of(
            byte_range.format,
            self._context.limits,
            own,
            lenient=self._aside is not None,
            block_bytes=self._columns.chunk_bytes if columns else 0,
        )
        state = task_state(self._job)
        state.source, state.input = byte_range.source, byte_range.name
        place = Place("map")
        place.url = byte_range.source
        take = (
            self._as_columns
            if columns
            else self._one_by_one
            if self._aside
            else self._batch
            if self._job.maps_batches and byte_range.format.kind != "values"
            else self._records
        )
        begin, owned = byte_range.start, 0
        self._in_batches = Undecoded()
        batches = reader.batches(byte_range, _range_of(byte_range, self._context))
        if columns:
            batches = self._columns.gathered(batches)
        for batch in batches:
            if own is not None:
                name = f"{type(own).__name__}.read"
                batch = replace(batch, records=_read_by_author(place, name, batch.records))
            # the first record may begin after the range's first byte, so `begin` comes from the
            # batch
            begin = begin if owned else batch.start
            owned += batch.length
            # `place` is updated for each record and read only for an error: one context for the
            # batch, because one for each record would cost more than most maps
            with user_code(place):
                take(place, batch, byte_range)
        # the bytes of batches for `map_batch` are not decoded by the reader: count those too
        for undecoded in (reader.undecoded, self._in_batches):
            if undecoded.lines:
                self._invalid.append((byte_range.source, undecoded))
        return RangeRead(
            source=byte_range.source, start=begin + byte_range.source_offset, bytes_owned=owned
        )

    def _records(self, place: Place, batch: base.RecordBatch, byte_range: ByteRange) -> None:
        place.name_of_key = _key_name(byte_range.format)
        if self._in_bytes is not None:
            taken = self._in_bytes(batch, byte_range)
            if taken is not None:
                self._counted(taken)
                return
        if self._held is not None:
            self._joined(place, batch, self._held())
            return
        # one call for all records of the batch: the collector iterates over the pairs of each
        # record in turn, and `map` runs as the pairs are taken
        self._collector.add(chain.from_iterable(self._mapped(place, batch)))

    def _joined(
        self, place: Place, batch: base.RecordBatch, held: Mapping[Any, Sequence[Any]]
    ) -> None:
        place.step = "map_joined"
        records = _watched(self, place, batch.records)
        self._collector.add(pairs_of(self._job.map_joined(held, records)))
        if next(records, None) is not None:
            raise UserCodeError(
                "map_joined ended before it had taken all `records`; take each of them, and yield "
                "nothing for those without a result"
            )

    def _mapped(self, place: Place, batch: base.RecordBatch) -> Iterator[Iterable[Any]]:
        map_record, mapped, gathers = self._job.map, 0, self._job.gathers
        for key, record in batch.records:
            place.offset, place.record = key, record
            pairs = map_record(key, record)
            yield pairs if type(pairs) is GeneratorType else pairs_of(pairs, none_is_empty=gathers)
            mapped += 1
        self._counted(mapped)

    def _counted(self, records: int) -> None:
        self.records += records
        self._context.meter.records += records

    def _as_columns(self, place: Place, batch: base.RecordBatch, byte_range: ByteRange) -> None:
        place.name_of_key = _key_name(byte_range.format)
        self.records += self._columns.take(place, batch, byte_range)

    def _one_by_one(self, place: Place, batch: base.RecordBatch, byte_range: ByteRange) -> None:
        assert self._aside is not None, "records are mapped one by one only to set some aside"
        place.name_of_key = _key_name(byte_range.format)
        for key, record in batch.records:
            place.offset, place.record = key, record
            pairs = self._aside.mapped(place, record)
            if pairs is not None:
                self._collector.add(pairs)
                self.records += 1
                self._context.meter.records += 1

    def _batch(self, place: Place, batch: base.RecordBatch, byte_range: ByteRange) -> None:
        data = batch.data
        if data is None:
            data = b"".join(content for _, content in batch.records)  # a whole file
        place.offset = batch.offset
        mapped: Any = self._job.map_batch(Batch(byte_range.source, batch.offset, data))
        if mapped is None and self._job.gathers:
            mapped = (), ()
        self._collector.add_columns(*two_columns(mapped, "map_batch", str(place)))
        if batch.data is not None:
            self._in_batches.whole_lines(data, batch.offset)
        self._counted(count_records(data))


def _watched(
    stage: MapStage, place: Place, records: Iterator[tuple[Any, Any]]
) -> Iterator[tuple[Any, Any]]:
    """Yield and count records; an error names the last one."""
    count = 0
    for pair in records:
        place.offset, place.record = pair
        count += 1
        yield pair
    stage._counted(count)


def _range_of(byte_range: ByteRange, context: TaskContext) -> base.ReadRange:
    storage, meter, size = context.storage, context.meter, context.block_bytes

    def read(start: int, end: int) -> Iterator[bytes]:
        blocks = storage.stream(
            byte_range.url, start, end, etag=byte_range.etag, block_bytes=size, ahead=AHEAD
        )
        for block in (
            _proven(byte_range, blocks)
            if byte_range.digest and end - start == byte_range.size
            else blocks
        ):
            meter.bytes += len(block)
            yield block

    return read


def _invalid_text(found: Sequence[tuple[str, Undecoded]]) -> InvalidText:
    source, first = found[0]
    return InvalidText(
        size_bytes=sum(undecoded.size_bytes for _, undecoded in found),
        lines=sum(undecoded.lines for _, undecoded in found),
        first=f"{source} at byte {first.first}",
    )


def own_format(job: Job, byte_range: ByteRange) -> InputFormat | None:
    """Return the author's own format of a byte range, or None if it has another."""
    return job.own_format(byte_range.name) if byte_range.format.kind == "own" else None


def _read_by_author(
    place: Place, name: str, records: Iterator[tuple[Any, Any]]
) -> Iterator[tuple[Any, Any]]:
    """Yield records that the author's code reads; its errors name the format, and not `map`."""
    while True:
        place.step, place.offset, place.record = name, None, None
        record = next(records, None)
        place.step = "map"
        if record is None:
            return
        yield record


def _proven(chunk: ByteRange, blocks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield all blocks of a chunk file.

    Raises:
        OutputLost: at the end, if it is not what the split stage wrote.
    """
    digest = Digest()
    yield from digest.passing(blocks)
    if digest.text != chunk.digest:
        raise OutputLost(
            f"the chunk file {chunk.url} is not what the split stage wrote; run again",
            url=chunk.url,
        )


_KEY_NAMES = {
    "parquet": "row",
    "whole": "file",
    "pairs": "key",
    "values": "value",
    "fixed": "record",
    "avro": "record",
    "own": "key",
}
"""The meaning of a record's key, if it is not the byte offset."""


def _key_name(form: Format) -> str:
    if isinstance(form, Text) and form.number:
        return "line"
    return _KEY_NAMES.get(form.kind, "byte")
