"""The two ends of a shuffle by another system, pair by pair: this engine only feeds and drains it.

`map_records` yields a map task's output as records that sort by partition, key, and place in the
input; `reduce_records` takes those of one partition in that order. Before its pairs, each map task
sends each partition a note with its counts, for the ledger. Both run the engine's stages over
scratch disk, so that each task exists once in code. This module does not know what carries the
records.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import xxhash

from mapreduce import native
from mapreduce.encoding import encode_value
from mapreduce.engine.block_index import entry_range, index_of, parse_index, sum_of
from mapreduce.engine.context import Stopwatch, TaskContext
from mapreduce.engine.fetch import BlockSource, MapOutput, Partition
from mapreduce.engine.map_task import run_map
from mapreduce.engine.merge import FileRun, write_block
from mapreduce.engine.reduce_task import reduce_blocks
from mapreduce.engine.run import run_task, task_error
from mapreduce.errors import DataError, UsageError, UserCodeError
from mapreduce.formats.frames import CHECKSUM_MODULO, BlockWriter, PackedPair
from mapreduce.wire.messages import (
    Block,
    MapResult,
    MapTask,
    Message,
    ReduceResult,
    ReduceTask,
    TaskError,
)

RecordKey = tuple[int, bytes, int, int]
"""Partition, encoded key, map task, and number of the pair in that task's output: unique."""
Record = tuple[RecordKey, Any]

_NOTE_KEY = b""
"""Sorts before every encoded key: no encoded key is empty."""
_FAULTS = (UserCodeError, DataError, UsageError)
"""Errors that a second attempt cannot repair are answers; others are raised, so that the shuffle's
scheduler tries the task again."""


class Carried(Message):
    """A task that another scheduler has run: its result, or its error.

    `started` and `ended` are in seconds since the epoch, by the clock of the machine called
    `worker`; `not_native` is why it ran without the native extension.
    """

    index: int
    worker: str
    started: float
    ended: float
    not_native: str = ""
    result: MapResult | ReduceResult | None = None
    error: TaskError | None = None


class Note(Message):
    """A map task's note to one partition: its block, and the task itself.

    The first partition gets the task; after a failure every partition gets it.
    """

    block: Block | None
    task: Carried | None


class Drained(Message):
    """The outcome of one partition, and the map tasks of its notes."""

    reduce: Carried | None
    maps: tuple[Carried, ...]


@dataclass(slots=True)
class Sums:
    """The pairs that have passed: count, bytes, and sum of their xxh3_64, in any order."""

    records: int = 0
    length: int = 0
    checksum: int = 0

    def counted(self, pairs: Iterable[PackedPair]) -> Iterator[PackedPair]:
        """Yield the same pairs, and count them."""
        for pair in pairs:
            key, value = pair
            data = value if type(value) is bytes else encode_value(value)
            self.records += 1
            self.length += len(key) + len(data)
            # the key's length as the seed marks the end of the key
            self.checksum = (
                self.checksum + xxhash.xxh3_64_intdigest(key + data, len(key))
            ) % CHECKSUM_MODULO
            yield pair


def partition_of(key: RecordKey) -> int:
    """Return the partition of a record."""
    return key[0]


def run_whole(task: MapTask, context: TaskContext, worker: str) -> Carried:
    """Run a map task of a job without reduce: it writes its part."""
    started = time.time()
    try:
        result = run_task(task, context)
        assert isinstance(result, MapResult)
    except _FAULTS as exc:
        return _carried(task, worker, started, task_error(exc))
    return _carried(task, worker, started, result)


def map_records(task: MapTask, context: TaskContext, worker: str) -> Iterator[Record]:
    """Yield one map task's pairs and notes, as records."""
    started = time.time()
    sent: list[Block] = []
    try:
        with context.scratch_folder() as folder:
            mapped = run_map(task.model_copy(update={"store": f"file://{folder}"}), context)
            path = Path(mapped.url.removeprefix("file://"))
            for number, block in enumerate(_index(path, task.partitions)):
                sums = Sums()
                for at, (key, value) in enumerate(sums.counted(_pairs(path, block))):
                    yield (number, key, task.index, at), value
                sent.append(_block(sums, integers=block.integers))
        size = sum(block.length for block in sent)
        result = mapped.model_copy(
            update={
                "url": "",
                "etag": "",
                "size": size,
                "blocks": sum_of(sent, index_of(sent)),
            }
        )
        done = _carried(task, worker, started, result)
    except _FAULTS as exc:
        done = _carried(task, worker, started, task_error(exc))
    for number in range(task.partitions):
        if done.error:
            note = Note(block=None, task=done)
        else:
            note = Note(block=sent[number], task=done if number == 0 else None)
        yield (number, _NOTE_KEY, task.index, 0), note.model_dump_json()


def reduce_records(
    task: ReduceTask, records: Iterator[Record], context: TaskContext, worker: str
) -> Drained:
    """Reduce one partition's records, sorted by their keys, and write the part.

    Args:
        task: names the partition and the part; it has no sources.
        records: all that the map tasks have sent to the partition.
        context: writes the part.
        worker: this machine's name.
    """
    started = time.time()
    notes, first = _notes(records)
    maps = tuple(note.task for note in notes if note.task)
    if any(each.error for each in maps):
        return Drained(reduce=None, maps=maps)
    sent = [note.block for note in notes if note.block]
    try:
        result = _reduced(task, sent, _after(first, records), context)
    except _FAULTS as exc:
        return Drained(reduce=_carried(task, worker, started, task_error(exc)), maps=maps)
    return Drained(reduce=_carried(task, worker, started, result), maps=maps)


def _carried(
    task: MapTask | ReduceTask,
    worker: str,
    started: float,
    outcome: MapResult | ReduceResult | TaskError,
) -> Carried:
    """Return a task that ends now, with its result or its error."""
    return Carried(
        index=task.index,
        worker=worker,
        started=started,
        ended=time.time(),
        not_native=native.why_not,
        result=None if isinstance(outcome, TaskError) else outcome,
        error=outcome if isinstance(outcome, TaskError) else None,
    )


def _reduced(
    task: ReduceTask,
    sent: Sequence[Block],
    pairs: Iterator[PackedPair],
    context: TaskContext,
) -> ReduceResult:
    """Run the reduce stage on one block of all pairs; the result counts the pairs that came in.

    Args:
        task: names the partition and the part.
        sent: what the map tasks say that they have sent to the partition.
        pairs: what came, in key order.
        context: writes the part.
    """
    sums, stopwatch, expected = Sums(), Stopwatch(context.storage), Partition()
    for block in sent:
        expected.add(task.index, block)
    with context.scratch_folder() as folder:
        path = folder / "sorted"
        with path.open("wb") as file:
            written = write_block(file, sums.counted(pairs))
        info = context.storage.head(f"file://{path}")
        block = _block(written, integers=all(each.integers for each in sent))
        source = BlockSource(MapOutput(0, info.url, info.etag, info.size), block)
        partition = Partition([source] if block.records else [])
        result = reduce_blocks(task, partition, context, stopwatch)
    return result.model_copy(
        update={
            "bytes_in": sums.length,
            "records_in": sums.records,
            "checksum_in": sums.checksum,
            "records_indexed": expected.records,
            "checksum_indexed": expected.checksum,
            "seal": expected.seal,
        }
    )


def _index(path: Path, partitions: int) -> list[Block]:
    with path.open("rb") as file:
        file.seek(entry_range(path.stat().st_size, partitions, 0)[0])
        return parse_index(file.read(), path.name)


def _pairs(path: Path, block: Block) -> Iterator[PackedPair]:
    for frame in FileRun(path, block.offset, block.length, path.name).frames():
        yield from zip(frame.keys, frame.values, strict=True)


def _block(counted: Sums | BlockWriter, *, integers: bool) -> Block:
    return Block(
        offset=0,
        length=counted.length,
        records=counted.records,
        checksum=counted.checksum,
        integers=integers,
    )


def _notes(records: Iterator[Record]) -> tuple[list[Note], Record | None]:
    """Return the notes, which come first, and the first record after them."""
    notes: list[Note] = []
    for record in records:
        if record[0][1] != _NOTE_KEY:
            return notes, record
        notes.append(Note.model_validate_json(record[1]))
    return notes, None


def _after(first: Record | None, records: Iterator[Record]) -> Iterator[PackedPair]:
    if first is not None:
        yield first[0][1], first[1]
    yield from ((key[1], value) for key, value in records)
