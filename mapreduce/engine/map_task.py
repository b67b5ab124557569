"""The map stage: one split in, one object of R sorted blocks out. Memory does not grow with the split."""

from __future__ import annotations

from collections.abc import Iterator

from mapreduce import keys
from mapreduce.engine.collect import Collector, collector_for
from mapreduce.engine.context import Stopwatch, TaskContext
from mapreduce.engine.user_code import Place, user_code
from mapreduce.errors import UserCodeError
from mapreduce.formats.text import LineDecoder, owned_blocks
from mapreduce.job import Job
from mapreduce.messages import MapResult, MapTask, Piece, PieceRead

BUFFER_SHARE = 4
"""A quarter of the task's memory holds pairs; sorting and writing them needs as much again."""


def run_map(task: MapTask, context: TaskContext) -> MapResult:
    """Maps one split.

    Raises:
        UserCodeError: the job's code raised, or yielded what cannot be carried.
        InputChanged: the input is not the one that was planned.
    """
    stopwatch = Stopwatch()
    job = context.load_job(task.job)
    job.stage = "map"
    context.meter.status = lambda: job.status_text
    with context.scratch_folder() as folder:
        collector = collector_for(job, task.partitions, context.memory_bytes // BUFFER_SHARE, folder)
        mapping = _Mapping(job, collector, context)
        mapping.begin()
        pieces = tuple(mapping.piece(piece) for piece in task.split.pieces)
        mapping.end()
        written = folder / "output"
        with written.open("wb") as file, user_code(Place("combine or partition")):
            blocks = collector.finish(file)
        info = context.storage.write(keys.map_attempt(task.store, task.run, task.index, task.attempt), written)
    return MapResult(
        url=info.url,
        etag=info.etag,
        size=info.size,
        pieces=pieces,
        records_in=mapping.records,
        records_out=sum(block.records for block in blocks),
        blocks=tuple(blocks),
        counters=mapping.counters(),
        cost=stopwatch.cost(),
    )


class _Mapping:
    """Feeds records to `map`, and what it yields to the collector."""

    def __init__(self, job: Job, collector: Collector, context: TaskContext) -> None:
        self._job = job
        self._collector = collector
        self._context = context
        self._decoder = LineDecoder()
        self.records = 0

    def begin(self) -> None:
        with user_code(Place("setup")):
            self._job.setup()

    def end(self) -> None:
        with user_code(Place("cleanup")):
            pairs = self._job.cleanup()
            if pairs is not None:
                self._collector.add(pairs)

    def piece(self, piece: Piece) -> PieceRead:
        """Maps the records whose first byte lies in the piece."""
        storage, meter = self._context.storage, self._context.meter
        begin, owned = piece.start, 0

        def read(start: int, end: int) -> Iterator[bytes]:
            for block in storage.stream(piece.url, start, end, etag=piece.etag):
                meter.bytes += len(block)
                yield block

        self._job.source = piece.source
        place = Place("map")
        place.url = piece.source
        for position, block in owned_blocks(read, piece.start, piece.end, piece.size):
            begin = begin if owned else position
            owned += len(block)
            # the offset and the record are set for each record, and read only when something goes wrong
            with user_code(place):
                self._block(place, position, block, piece.source_offset)
        return PieceRead(source=piece.source, start=begin + piece.source_offset, bytes_owned=owned)

    def _block(self, place: Place, position: int, block: bytes, source_offset: int) -> None:
        map_record, add, meter = self._job.map, self._collector.add, self._context.meter
        for offset, line in self._decoder.lines(position, block, source_offset):
            place.offset, place.record = offset, line
            pairs = map_record(offset, line)
            if pairs is None:
                raise UserCodeError(
                    "map returned None instead of pairs; write `yield key, value`, or return an empty list",
                    place=str(place),
                    record=repr(line)[:200],
                )
            add(pairs)
            self.records += 1
            meter.records += 1

    def counters(self) -> dict[str, int]:
        """The job's own counters, and how many bytes were not UTF-8."""
        counters = dict(self._job.counters)
        if self._decoder.invalid:
            counters["invalid_utf8"] = self._decoder.invalid
        return counters
